"""Changes in place that were broken off, mended by the journals they have left."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from jellyformat import journal, splicing
from jellyformat.errors import Busy, RefusedHost
from jellyformat.fileio import lock, release
from jellyformat.source import FileSource


def heal(target: Path, host: int, *, dry_run: bool = False) -> str | None:
    """Mend what a dead process left half done; ``host`` is ``target``, open for writing and locked.

    Args:
        target: The host, no symbolic link.
        host: Its descriptor.
        dry_run: Only say what would be done; ``host`` may be open for reading alone.

    Returns:
        What was done, for people; None where there was nothing to do.

    Raises:
        OSError: it cannot be read, or the host cannot be written; the journal stays.
        Busy: its process is alive.
        RefusedHost: a later version has left it.
    """
    path = journal.journal_path(target)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        now, info = os.fstat(host), os.fstat(fd)
        # in a directory that others can write to, a planted journal must not decide what is in the host
        if not stat.S_ISREG(info.st_mode) or info.st_uid not in (now.st_uid, os.geteuid(), 0):
            release(fd)
            return None
        if not lock(fd):
            raise Busy(f"another process is at work on {target}")
        what, mend = _found(path, fd, host, target)
        if mend is not None and not dry_run:
            mend()
    except BaseException:
        with contextlib.suppress(OSError):
            release(fd)
        raise
    if dry_run:
        release(fd)
    else:
        journal.remove(path, fd)
    return f"{target}: {what}"


def _found(path: Path, fd: int, host: int, target: Path) -> tuple[str, Callable[[], None] | None]:
    """What was left half done, for people, and what mends it; None where the host needs nothing."""
    head = FileSource.of(fd).read_at(0, len(journal.MAGIC) + 1)
    version = head[len(journal.MAGIC) :]
    if not head.startswith(journal.MAGIC) or not version:
        return journal.NEVER_FINISHED, None
    if version[0] in (journal.VERSION, journal.ORDERED):
        return journal.found(path, fd, host)
    if version[0] == splicing.VERSION:
        return splicing.found(path, fd, host)
    raise RefusedHost(
        f"a later version of jellyformat left a change of {target} half done",
        hint="nothing was changed; mend it with that version: python -m jellyformat fix FILE",
    )
