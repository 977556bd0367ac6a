"""Changes in place that were broken off, mended by the journals they have left."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from jellyformat.errors import Busy, RefusedHost
from jellyformat.files import journal, platform, splice
from jellyformat.files.beneath import Odd, open_regular
from jellyformat.files.platform import lock, release
from jellyformat.format.source import FileSource
from jellyformat.hints import Hint, command


def repair_open(target: Path, host: int, *, dry_run: bool = False) -> str | None:
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
    fd = _open_journal(path, host)
    if fd is None:
        return None
    try:
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


def _open_journal(path: Path, host: int) -> int | None:
    """The journal ``path`` of a host, if we have written it, or its owner has; None for none.

    Anybody may put something of its name into a directory where others can write: it must not decide what is in the
    host. So it is a file of the host's owner, of this user or of root, under no other name, and begins as one of ours.

    Raises:
        OSError: it cannot be read.
    """
    name = os.fsencode(path)
    try:
        before = path.lstat()
    except FileNotFoundError:
        return None
    if not _is_trusted(before, host):
        return None
    try:
        fd = open_regular(name, flags=os.O_RDWR, limit=journal.LIMIT)
    except (FileNotFoundError, Odd):
        return None
    if _is_trusted(os.fstat(fd), host) and journal.begins(FileSource.of(fd)):
        return fd
    os.close(fd)
    return None


def _is_trusted(found: os.stat_result, host: int) -> bool:
    owners = (os.fstat(host).st_uid, platform.user_id(), 0)
    return stat.S_ISREG(found.st_mode) and found.st_uid in owners and found.st_nlink == 1


def _found(path: Path, fd: int, host: int, target: Path) -> tuple[str, Callable[[], None] | None]:
    """What was left half done, for people, and what mends it; None where the host needs nothing."""
    head = FileSource.of(fd).read_at(0, len(journal.MAGIC) + 1)
    version = head[len(journal.MAGIC) :]
    if not head.startswith(journal.MAGIC) or not version:
        return journal.NEVER_FINISHED, None
    if version[0] in (journal.VERSION, journal.ORDERED):
        return journal.found(path, fd, host)
    if version[0] == splice.VERSION:
        return splice.found(path, fd, host)
    raise RefusedHost(
        f"a later version of jellyformat left a change of {target} half done",
        hint=Hint("nothing was changed; mend it with that version: ", command("fix", str(target))),
    )
