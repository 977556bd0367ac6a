"""numpy's save calls with the code in the file. This module needs numpy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from jellyformat_trailer import plan_trailer

from jellyformat import training
from jellyformat.errors import RefusedHost
from jellyformat.host import Append
from jellyformat.saving import Planner, save_beside, save_to_stream
from jellyformat.snapshots import Snapshot
from jellyformat_numpy._adapter import ADAPTER

if TYPE_CHECKING:
    from jellyformat.source import Source


class _Trailer:
    """An ``.npy`` file just written has no trailer yet."""

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """How to append ``container`` (SPEC 14.5)."""
        return plan_trailer(source, container, source.size)


class _MoreMayFollow:
    """``np.save`` may be called again for the same file object, and ``np.load`` then reads one array after another."""

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """Raises RefusedHost."""
        raise RefusedHost(
            "in a file object, another array may follow, and nothing can stand between two",
            requirement="JF-HST-004",
            hint="name a path",
        )


def save(
    file: str | os.PathLike[str] | IO[bytes],
    arr: Any,
    *args: Any,
    snapshot: Snapshot | None = None,
    strict: bool = False,
    **kwargs: Any,
) -> None:
    """``np.save`` with a snapshot behind the array: ``np.load``, memory-mapped too, gives the array (SPEC 14.5).

    Args:
        file: A path, to which ``.npy`` is added where it has another ending; or a binary file object, which gets the
            array alone: more may follow in it.
        arr: The array.
        args: Passed on to ``np.save``: ``allow_pickle`` and so on.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        strict: Raise where there can be no snapshot; else that is a warning, and the file is saved without.
        kwargs: Passed on to ``np.save``.

    Raises:
        JellyError: with ``strict``, there is no repository, or the capture was refused; the file is as it was.
    """
    _save(file, ".npy", lambda target: np.save(target, arr, *args, **kwargs), _Trailer(), snapshot, strict)


def savez(
    file: str | os.PathLike[str] | IO[bytes],
    *args: Any,
    snapshot: Snapshot | None = None,
    strict: bool = False,
    **kwds: Any,
) -> None:
    """``np.savez`` with a snapshot in the file that ``np.load`` does not list (SPEC 14.2).

    Args:
        file: A path, to which ``.npz`` is added where it has another ending, or a binary file object.
        args: Arrays, saved as ``arr_0`` and so on.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        strict: Raise where there can be no snapshot; else that is a warning, and the file is saved without.
        kwds: Arrays by name; passed on to ``np.savez``. None of them can be called ``snapshot`` or ``strict``.

    Raises:
        JellyError: with ``strict``, there is no repository, or the capture was refused; the file is as it was.
    """
    _save(file, ".npz", lambda target: np.savez(target, *args, **kwds), ADAPTER, snapshot, strict)


def savez_compressed(
    file: str | os.PathLike[str] | IO[bytes],
    *args: Any,
    snapshot: Snapshot | None = None,
    strict: bool = False,
    **kwds: Any,
) -> None:
    """``np.savez_compressed`` with a snapshot in the file; as `savez` otherwise."""
    _save(file, ".npz", lambda target: np.savez_compressed(target, *args, **kwds), ADAPTER, snapshot, strict)


def _save(file: Any, suffix: str, write: Any, adapter: Planner, snapshot: Snapshot | None, strict: bool) -> None:
    named = isinstance(file, (str, os.PathLike))
    carriers = (os.fspath(file), os.fspath(file) + suffix) if named else ()
    taken = training.take(strict=strict, carriers=carriers) if snapshot is None else snapshot
    if taken is None:
        write(file)
        return
    if not isinstance(file, (str, os.PathLike)):
        if suffix == ".npy":
            adapter = _MoreMayFollow()
        save_to_stream(cast(BinaryIO, file), write, adapter, taken, strict=strict)
        return
    path = os.fspath(file)
    if not path.endswith(suffix):  # as numpy does
        path += suffix
    if Path(path).exists() and not Path(path).is_file():  # a device or pipe can't be replaced
        with open(path, "wb") as stream:
            save_to_stream(stream, write, adapter, taken, strict=strict)
    else:
        save_beside(path, write, taken, strict=strict)
