"""Snapshots taken while a model trains: on one rank only, and never the end of the run.

What the frameworks' save calls share. A capture that fails, or leaves something out, is a warning; the checkpoint is
saved all the same. ``strict=True`` makes an error of it.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from jellyformat import capture, snapshots  # noqa: F401  (the first snapshot is not to wait for imports)
from jellyformat.errors import JellyError, Usage
from jellyformat.paths import show_name
from jellyformat.snapshots import Snapshot

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
OVERRIDE = "JELLYFORMAT_RANKS"
"""The environment variable that says the same as ``ranks=``: ``first`` or ``all``."""
_SHOWN = 3


class SnapshotWarning(UserWarning):
    """A checkpoint was saved without a snapshot, or with one that lacks something."""


def is_first_rank() -> bool:
    """Whether this process is the first of those that train together, or the only one.

    Asked in this order: torch.distributed, if it is imported and initialised; ``RANK``, as torchrun and accelerate set
    it; ``SLURM_PROCID``; the variables of MPI.
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
    return True


def take(*, strict: bool = False, ranks: str | None = None, **options: Any) -> Snapshot | None:
    """A snapshot to be saved with a checkpoint; None where none is to be, or could be, taken.

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
        snap = snapshots.snapshot(**{"secrets": default, "oversize": default, **options})
        _warn_of_omissions(snap)
    except Exception as error:  # a training run is worth more than its snapshot
        if strict:
            raise
        warn(f"no snapshot of the code was taken: {_told(error)}")
        return None
    return snap


def embed(path: str | os.PathLike[str], snap: Any, *, strict: bool = False) -> None:
    """Put a snapshot into a checkpoint that was just written.

    Args:
        path: The file.
        snap: The snapshot.
        strict: Raise what otherwise is a warning; the file is then as it was.

    Raises:
        JellyError: with ``strict`` alone.
    """
    try:
        snapshots.embed(path, snap, replace=True)
    except Exception as error:
        if strict:
            raise
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
