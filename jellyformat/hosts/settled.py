"""Files that are changed while they are read: what is read then fits nothing, so it is read again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jellyformat.errors import Absent, Busy, FormatError
from jellyformat.files import platform
from jellyformat.files.journal import journal_path
from jellyformat.files.platform.directories import open_file
from jellyformat.hosts import lookup
from jellyformat.hosts.directories import FILE_NAME
from jellyformat.hosts.registry import Listed, Readable

Found = TypeVar("Found")

_TRIES = 10
_WAIT, _LONGEST_WAIT = 0.02, 0.4
"""Seconds before it is read again: so many at first, then twice as many each time."""
_RACY = 2.0
"""Seconds within which a file may change twice with one time of modification, as on a clock that ticks coarsely."""


def settled(file: Readable | Listed, read: Callable[[], Found], is_fault: Callable[[Found], bool]) -> Found:
    """What ``read`` gives, or raises, of a file that stays as it is meanwhile.

    No lock is taken: who writes a checkpoint is not to be kept from it by who looks at it.

    Args:
        file: What is read; where it is no path, it is read once.
        read: Reads it.
        is_fault: Whether what it gives tells of a fault, which may come from such a change.

    Raises:
        Busy: it is changed again and again, or another process is changing it.
        FormatError, Absent: as ``read`` raises them.
    """
    path = Path(file) if isinstance(file, (str, os.PathLike)) and os.path.lexists(file) else None
    wait, may_be_racy = _WAIT, True
    for _ in range(_TRIES):
        before = None if path is None else _looks(path)
        fault: FormatError | Absent | None = None
        try:
            found = read()
            if not is_fault(found):
                return found
        except (FormatError, Absent) as error:
            fault = error
        if path is None:
            break
        if _looks(path) == before and not _is_at_work(path):
            if not may_be_racy or isinstance(fault, Absent) or not _is_racy(path):
                break
            may_be_racy = False
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
    else:
        if path is not None and (_looks(path) != before or _is_at_work(path)):
            raise Busy(f"another process is changing {path}", hint="nothing was changed here; run it again later")
    if fault is not None:
        raise fault
    return found


def _places(path: Path) -> tuple[Path, ...]:
    return path, path / FILE_NAME, *lookup.sidecar_paths(path)


def _looks(path: Path) -> list[tuple[int, ...] | None]:
    """What tells that a file, or what may belong to it, was changed."""
    looks: list[tuple[int, ...] | None] = []
    for place in _places(path):
        try:
            seen = place.stat()
            # our own changes leave the time of modification as it was
            looks.append((seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns))
        except OSError:
            looks.append(None)
    return looks


def _is_racy(path: Path) -> bool:
    try:
        seen = path.stat()
        return abs(time.time() - max(seen.st_mtime, seen.st_ctime)) < _RACY
    except OSError:
        return False


def _is_at_work(path: Path) -> bool:
    """Whether a process that lives has a journal beside the file: it is locked as long as that does."""
    try:
        fd = open_file(os.fsencode(journal_path(Path(os.path.realpath(path)))), platform.REGULAR)
    except OSError:
        return False
    try:
        return not platform.lock(fd, shared=True)
    except OSError:
        return False
    finally:
        platform.release(fd)
