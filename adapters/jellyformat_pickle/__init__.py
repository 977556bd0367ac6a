"""``pickle.dump`` and ``joblib.dump`` with the code in the file: behind the pickle, where loading ends (SPEC JF-TRL).

Where nothing can stand behind it, the code is beside it, in ``jelly.FILE.jelly`` (SPEC JF-SDC).

Nothing is unpickled, and joblib is imported when it is used.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jellyformat import training
from jellyformat.training import Snapshot, save_beside

__all__ = ["dump", "joblib_dump"]


def dump(
    obj: object,
    file: str | os.PathLike[str],
    protocol: int | None = None,
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> None:
    """``pickle.dump`` into a file of its own: ``pickle.load`` gives ``obj``.

    The file is written beside ``file`` and moved over it when the snapshot is in it: what was there before stays until
    then. A device or pipe gets ``obj`` alone. A file object is not taken: more may follow in it.

    Args:
        obj: What to save.
        file: The path.
        protocol: Of pickle. What protocol 0 writes may be text, which cannot carry a snapshot: it is put beside it.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        kwargs: Passed on.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; ``file`` is as it was.
    """

    def write(path: str) -> None:
        with open(path, "wb") as stream:
            pickle.dump(obj, stream, protocol, **kwargs)

    _save(file, write, snapshot, repo, strict, labels, note, sign)


def joblib_dump(
    value: object,
    filename: str | os.PathLike[str],
    *args: Any,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> list[str]:
    """``joblib.dump`` into a file of its own: ``joblib.load``, memory-mapped too, gives ``value``; else as `dump`.

    What joblib compresses cannot carry a snapshot: it is put beside it. bzip2 can.

    Args:
        value: What to save.
        filename: The path.
        args: Passed on: ``compress`` and ``protocol``.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        kwargs: Passed on.

    Returns:
        The path, as joblib does.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; ``filename`` is as it was.
    """
    import joblib

    _save(filename, lambda path: joblib.dump(value, path, *args, **kwargs), snapshot, repo, strict, labels, note, sign)
    return [os.fspath(filename)]


def _save(
    file: str | os.PathLike[str],
    write: Callable[[str], object],
    snapshot: Snapshot | None,
    repo: str | os.PathLike[str] | None,
    strict: bool,
    labels: Mapping[str, object] | None,
    note: str | None,
    sign: bool | str | None,
) -> None:
    path = Path(file)
    taken = snapshot or training.take(strict=strict, repo=repo, carriers=(path,))
    if taken is None or (path.exists() and not path.is_file()):
        write(str(path))
    else:
        marked = training.mark(taken, labels, note, strict=strict, sign=sign)
        save_beside(path, write, marked, strict=strict, one_record=True)


training.begin()
