"""numpy's save calls with the code in the file. This module needs numpy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from jellyformat_trailer import plan_trailer

from jellyformat import training
from jellyformat.adapter import Append, RefusedHost
from jellyformat.training import EmbedPlanner, Snapshot, save_beside, save_to_stream
from jellyformat_numpy._adapter import ADAPTER

if TYPE_CHECKING:
    from jellyformat.adapter import Source


class _Trailer:
    """An ``.npy`` file just written has no trailer yet."""

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """How to append ``container`` (SPEC JF-TRL)."""
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
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> None:
    """``np.save`` with a snapshot behind the array: ``np.load``, memory-mapped too, gives the array (SPEC JF-TRL).

    Args:
        file: A path, to which ``.npy`` is added where it has another ending; or a binary file object, which gets the
            array alone: more may follow in it.
        arr: The array.
        args: Passed on to ``np.save``: ``allow_pickle`` and so on.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        strict: Raise where there can be no snapshot; else that is a warning, and the file is saved without.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        kwargs: Passed on to ``np.save``.

    Raises:
        JellyError: with ``strict``, there is no repository, or the capture was refused; the file is as it was.
    """
    _save(
        file,
        ".npy",
        lambda target: np.save(target, arr, *args, **kwargs),
        _Trailer(),
        snapshot,
        repo,
        strict,
        labels,
        note,
        sign,
    )


def savez(
    file: str | os.PathLike[str] | IO[bytes],
    *args: Any,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    **kwds: Any,
) -> None:
    """``np.savez`` with a snapshot in the file that ``np.load`` does not list (SPEC JF-ZIP).

    Args:
        file: A path, to which ``.npz`` is added where it has another ending, or a binary file object.
        args: Arrays, saved as ``arr_0`` and so on.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        strict: Raise where there can be no snapshot; else that is a warning, and the file is saved without.
        kwds: Arrays by name; passed on to ``np.savez``. None of them can be called ``snapshot``,
            ``repo`` or ``strict``. Labels of the checkpoint are what `jellyformat.training.label` says.

    Raises:
        JellyError: with ``strict``, there is no repository, or the capture was refused; the file is as it was.
    """
    _save(
        file, ".npz", lambda target: np.savez(target, *args, **kwds), ADAPTER, snapshot, repo, strict, None, None, None
    )


def savez_compressed(
    file: str | os.PathLike[str] | IO[bytes],
    *args: Any,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    **kwds: Any,
) -> None:
    """``np.savez_compressed`` with a snapshot in the file; as `savez` otherwise."""
    _save(
        file,
        ".npz",
        lambda target: np.savez_compressed(target, *args, **kwds),
        ADAPTER,
        snapshot,
        repo,
        strict,
        None,
        None,
        None,
    )


def _save(
    file: Any,
    suffix: str,
    write: Any,
    adapter: EmbedPlanner,
    snapshot: Snapshot | None,
    repo: str | os.PathLike[str] | None,
    strict: bool,
    labels: Mapping[str, object] | None,
    note: str | None,
    sign: bool | str | None,
) -> None:
    named = isinstance(file, (str, os.PathLike))
    carriers = (os.fspath(file), os.fspath(file) + suffix) if named else ()
    taken = snapshot or training.take(strict=strict, repo=repo, carriers=carriers)
    taken = training.mark(taken, labels, note, strict=strict, sign=sign)
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
        save_beside(path, write, taken, strict=strict, one_record=suffix == ".npy")
