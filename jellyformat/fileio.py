"""Writing files so that it lasts: whole writes, syncs that reach the disk, and system errors said for people."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from jellyformat.errors import JellyError, NoFile, SystemFailure

NO_PERMISSION = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
"""Numbers of system errors that say so."""
_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))
_CANNOT_MOVE = frozenset((errno.EXDEV, errno.EBUSY))
_CANNOT_SYNC = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS))


def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of ``data`` at ``offset`` (bytes); what one call cannot take ends with a page. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view[: (1 << 30) - offset % 4096], offset)
        view = view[written:]
        offset += written


def sync(fd: int) -> None:
    """Wait until the file is on the disk. Raises OSError."""
    if sys.platform == "darwin":  # there, fsync stops at the drive's cache
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    os.fsync(fd)


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk, where the filesystem can do that. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # one may write into it, but not read it
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(fd)


def lock(fd: int, *, shared: bool = False) -> bool:
    """Lock an open file for this process without waiting; it holds until the descriptor is closed.

    Returns:
        False where somebody else holds it.

    Raises:
        OSError: the filesystem has no locks, or another failure.
    """
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release(fd: int) -> None:
    """Unlock and close. Closing alone is not enough: processes forked meanwhile would go on holding the lock."""
    with contextlib.suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def hidden_name(name: str, ending: str) -> str:
    """A name for a helper file of the file ``name``: ``.<name><ending>``, shortened where it would be too long."""
    raw = os.fsencode(name)
    if len(raw) + len(ending) > 250:
        name = hashlib.sha256(raw).hexdigest()
    return f".{name}{ending}"


@contextlib.contextmanager
def system_errors(path: Path, after: str, *, output: bool = True) -> Iterator[None]:
    """Turn an OSError of the body into an error for people.

    Args:
        path: The file this is about.
        after: What is to be said of the state things are in now, such as ``"it is as it was"``.
        output: Whether an output is written, which may be put somewhere else; False where a repository is worked on.

    Raises:
        SystemFailure: for every OSError.
    """
    try:
        yield
    except OSError as error:
        raise explained(error, path, after, output=output) from error


def explained(error: OSError, path: Path, after: str, *, output: bool = True) -> JellyError:
    """The error for people that says what ``error`` says, of ``path``; ``after`` and ``output`` as above."""
    number, reason = error.errno, error.strerror or str(error)
    named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(path)
    # people know nothing of the helper files beside theirs: it is the directory that cannot be written to
    helper = ".jelly-" in Path(named).name
    where = f"the directory {Path(named).parent}" if helper else named
    if number in _NO_SPACE:
        message, hint = f"there is no space left to write {path} ({reason})", "free some space and run it again"
    elif number in NO_PERMISSION and not output:
        message, hint = f"there is no permission for {where} ({reason})", "change its owner or permissions"
    elif number in _CANNOT_MOVE and not output:
        message = f"{where} cannot be moved to where it would be kept ({reason})"
        hint = "it is a mount point, or in the image of a container: restore into a directory that does not exist"
    elif number in NO_PERMISSION:
        message = f"there is no permission to write to {where} ({reason})"
        hint = "change the permissions, or write somewhere else with -o OUT"
    elif number == errno.EIO:
        message = f"the disk reported an I/O error at {path} ({reason})"
        hint = "look at the system's log; copy what matters to another disk"
    elif number == errno.EISDIR:
        message, hint = f"{where} is a directory", "name a file"
    elif number in (errno.ENOENT, errno.ENOTDIR):
        message, hint = f"{where} does not exist", "check the path"
    else:
        message, hint = f"{path}: {reason}", ""
    return SystemFailure(message, hint="; ".join(part for part in (after, hint) if part))


def missing(path: Path) -> NoFile:
    """The error for a file that is not there."""
    return NoFile(f"{path} does not exist", hint="check the path")


def read_optional(path: bytes) -> bytes | None:
    """The content of a file; None where there is none. A FIFO or device, which may never end, is none."""
    try:
        return read_regular(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def read_regular(path: bytes, flags: int = os.O_RDONLY | os.O_NOFOLLOW) -> bytes:
    """The content of a regular file; a link is not followed unless ``flags`` say so.

    Raises:
        OSError: it is not there, not readable, or something else.
    """
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):  # looked at first: Python leaves the descriptor of a directory open
        os.close(fd)
        raise IsADirectoryError(os.fsdecode(path))
    with open(fd, "rb") as file:
        return file.read()


def list_optional(directory: bytes) -> list[bytes]:
    """The names in a directory, sorted; none where there is none."""
    try:
        with os.scandir(directory) as found:
            return sorted(entry.name for entry in found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_file(path: Path) -> bool:
    """Whether a regular file is there, links followed; False too where the system does not say."""
    return _is(path, stat.S_ISREG)


def is_directory(path: Path) -> bool:
    """Whether a directory is there, links followed; False too where the system does not say."""
    return _is(path, stat.S_ISDIR)


def _is(path: Path, test: Callable[[int], bool]) -> bool:
    try:
        return test(path.stat().st_mode)
    except (OSError, ValueError):  # a name that is too long, a directory that may not be searched, a NUL
        return False
