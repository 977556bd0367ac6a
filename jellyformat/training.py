"""Snapshots taken while a model trains: on one rank only, once a process, and never the end of the run.

What the frameworks' save calls share. A capture that fails, or leaves something out, is a warning; the checkpoint is
saved all the same. ``strict=True`` makes an error of it.

A process runs the code as it was when that was imported, not as it was edited while training went on. So the first
save takes a snapshot, and all that follow in the process use the same one; `start` takes it sooner, at the top of
the script. What is edited on disk after that moment is in no checkpoint of the process. Code that is imported, or read
by a child process, only later may be newer than the snapshot says: call `start` where that matters, and again where a
new run begins. At a prompt or in a notebook, where code changes while the process lives, each save without a `start`
takes a snapshot of its own. A forked process has what its parent had.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from jellyformat import (
    beside,
    capture,  # noqa: F401  (the first snapshot is not to wait for imports)
    directories,
    fileio,
    layout,
    snapshots,
)
from jellyformat.container import MAGIC
from jellyformat.directories import FILE_NAME, Directory
from jellyformat.errors import JellyError, NoRepository, RefusedExists, Usage
from jellyformat.paths import show_name
from jellyformat.snapshots import Snapshot

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
OVERRIDE = "JELLYFORMAT_RANKS"
"""The environment variable that says the same as ``ranks=``: ``first`` or ``all``."""
_NODES = ("NODE_RANK", "LOCAL_RANK")
"""What Lightning tells the processes it starts; both are 0 in the first."""
_SHOWN = 3
_ORDINARY = {"repo": ".", "history": "head"}
"""Options that say what is done without them."""


class SnapshotWarning(UserWarning):
    """A checkpoint was saved without a snapshot, or with one that lacks something."""


def is_first_rank() -> bool:
    """Whether this process is the first of those that train together, or the only one.

    Asked in this order: torch.distributed, if it is imported and initialised; ``RANK``, as torchrun and accelerate set
    it; ``SLURM_PROCID``; the variables of MPI; ``NODE_RANK`` and ``LOCAL_RANK``, as Lightning sets them.
    """
    distributed = sys.modules.get("torch.distributed")
    try:
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_rank()) == 0
    except Exception:  # whatever a half-imported framework raises, training goes on
        return True
    for name in _RANKS:
        value = os.environ.get(name, "")
        if value.isascii() and value.isdigit():
            return int(value) == 0
    return not any(os.environ.get(name, "").strip("0").isdigit() for name in _NODES)


class _Kept:
    """The snapshots of this process."""

    def __init__(self) -> None:
        self.started: Snapshot | None = None
        self.taken: dict[Hashable, Snapshot] = {}
        self.renew()

    def renew(self) -> None:
        """A lock that nobody holds: in a forked child, the thread that held it is not there."""
        self.lock = threading.RLock()


_KEPT = _Kept()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _KEPT.renew())


def start(*, strict: bool = False, ranks: str | None = None, **options: Any) -> Snapshot | None:
    """Begin a run: take the snapshot that every save call of this process uses from now on.

    That is every call that is given no ``snapshot`` and no options of capture. Called again, a new run begins, and
    what was taken before is let go.

    Args:
        strict: Raise what otherwise is a warning.
        ranks: As for `take`.
        options: As `jellyformat.snapshot` takes them.

    Returns:
        The snapshot; None where none is to be, or could be, taken: save calls then try for themselves.

    Raises:
        Usage: ``ranks`` is something else.
        JellyError: with ``strict`` alone.
    """
    with _KEPT.lock:
        _KEPT.started = None
        _KEPT.taken.clear()
        _KEPT.started = take(strict=strict, ranks=ranks, **options)
        return _KEPT.started


def take(*, strict: bool = False, ranks: str | None = None, **options: Any) -> Snapshot | None:
    """The snapshot to be saved with a checkpoint; None where none is to be, or could be, taken.

    Without options it is that of `start`. Else it is taken now, or was when the same was asked for first: the same
    repository, and the same options but for ``carriers``. In an interactive session it is taken now.

    Args:
        strict: Raise what otherwise is a warning.
        ranks: ``first``: only the first of the processes that train together takes one; ``all``: each does.
            None: as the environment variable ``JELLYFORMAT_RANKS`` says, else ``first``.
        options: As `jellyformat.snapshot` takes them. What seems to be a secret or is too large is left out, unless
            ``secrets`` or ``oversize`` say otherwise.

    Raises:
        Usage: ``ranks`` is something else.
        JellyError: with ``strict`` alone.
    """
    chosen = ranks or os.environ.get(OVERRIDE) or "first"
    if chosen not in ("first", "all"):
        raise Usage(f"ranks is first or all, not {chosen!r}")
    if chosen == "first" and not is_first_rank():
        return None
    default = "refuse" if strict else "omit"
    try:
        return _kept({"secrets": default, "oversize": default, **options}, ordinary=not _asked(options))
    except Exception as error:  # a training run is worth more than its snapshot
        if strict:
            raise
        warn(f"no snapshot of the code was taken: {_told(error)}")
        return None


def _asked(options: Mapping[str, Any]) -> set[str]:
    """The options that ask for another snapshot than the ordinary one."""
    return {name for name, value in options.items() if name != "carriers" and value != _ORDINARY.get(name)}


def _kept(options: dict[str, Any], *, ordinary: bool) -> Snapshot:
    """The snapshot that these options had before, or a new one. One thread takes it, others wait and have the same."""
    with _KEPT.lock:
        if ordinary and _KEPT.started is not None:
            return _KEPT.started
        key = None if _is_interactive() else _key(options)
        found = _KEPT.taken.get(key)
        if found is not None:
            return found
        snap = snapshots.snapshot(**options)
        if key is not None:
            _KEPT.taken[key] = snap
    _warn_of_omissions(snap)
    return snap


def _is_interactive() -> bool:
    """Whether code is typed in while the process lives; IPython and its kernels set a prompt, too."""
    return hasattr(sys, "ps1")


def _key(options: Mapping[str, Any]) -> Hashable:
    """What two captures have in common that give one snapshot; None where there is no repository, or not yet."""
    try:
        place = layout.find(options.get("repo", "."))
    except NoRepository:
        return None
    named = {name: value for name, value in {**_ORDINARY, **options}.items() if name not in ("repo", "carriers")}
    plain = (str, int, type(None))
    return place, *sorted(
        (name, repr(value if isinstance(value, plain) else [*value])) for name, value in named.items()
    )


def embed(path: str | os.PathLike[str], snap: Snapshot, *, strict: bool = False) -> str | None:
    """Put a snapshot into a checkpoint that was just written, in place of one that may be there.

    Args:
        path: The file, or the directory: of any kind, as what tells its kind may be written only later (SPEC 14.7).
        snap: The snapshot.
        strict: Raise what otherwise is a warning; the checkpoint is then as it was.

    Returns:
        The host's kind, as `jellyformat.embed` gives it; None where it could not be put in.

    Raises:
        JellyError: with ``strict`` alone.
    """
    try:
        place = Path(path)
        if fileio.is_directory(place) and directories.named_by(place) is None:
            directory = Directory(place, directories.OTHER)
            beside.put_into(directory, snapshots.tied(snap, None), replace=True)
            return directories.HOST
        return snapshots.embed(place, snap, replace=True)
    except Exception as error:
        if strict:
            raise
        warn_of_loss(error)
        return None


def embed_remotely(url: str, snap: Snapshot, *, strict: bool = False) -> None:
    """Put a snapshot into a directory that was just written elsewhere; as `embed`.

    Args:
        url: Of the directory, in a filesystem that fsspec knows.
        snap: The snapshot.
        strict: Raise what otherwise is a warning.
    """
    try:
        from fsspec.core import url_to_fs

        filesystem, place = url_to_fs(url)
        file = f"{place}/{FILE_NAME}"
        if filesystem.exists(file) and filesystem.cat_file(file, 0, len(MAGIC)) != MAGIC:
            raise RefusedExists(f"{url}/{FILE_NAME} exists already, and is no snapshot", hint="nothing was changed")
        filesystem.pipe_file(file, snapshots.tied(snap, None))
    except Exception as error:
        if strict:
            raise
        warn_of_loss(error)


def warn_of_loss(error: Exception) -> None:
    """Warn that a checkpoint has no snapshot, and why."""
    warn(f"the checkpoint was saved without a snapshot of the code: {_told(error)}")


def warn(message: str) -> None:
    """Warn in the name of whoever called into jellyformat and its adapters."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0].startswith(
        "jellyformat"
    ):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, SnapshotWarning, stacklevel=depth)


def _told(error: Exception) -> str:
    if not isinstance(error, JellyError):
        return f"{type(error).__name__}: {error}"
    return error.message if error.hint is None else f"{error.message} ({error.hint})"


def _warn_of_omissions(snap: Snapshot) -> None:
    omitted = [
        f"{show_name(prefix + item.path)} ({item.reason})"
        for prefix, state in snap.manifest.state.walk()
        if state.worktree is not None
        for item in state.worktree.omitted
        if item.reason != "excluded"
    ]
    staged = snap.manifest.extensions.get("staged_omitted")
    for item in staged if isinstance(staged, list) else ():
        if isinstance(item, list) and isinstance(item[0], bytes) and item[1] != "excluded":
            omitted.append(f"{show_name(item[0])} as staged ({item[1]})")
    if omitted:
        more = f" and {len(omitted) - _SHOWN} more" if len(omitted) > _SHOWN else ""
        warn(f"left out of the snapshot of the code: {', '.join(omitted[:_SHOWN])}{more}")
