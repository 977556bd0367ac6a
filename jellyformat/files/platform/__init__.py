"""All that differs between operating systems, where files are concerned: flags, locks, syncs, copies, holes, owners.

`directories` has what differs in directories. Windows has no locks that programs only ask for, no owners that are
numbers, no descriptors of directories, and takes no name from a file that is open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from jellyformat import progress
from jellyformat.format.source import POSITION

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # as typeshed says of Windows alone

PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
"""Flags of every file that is opened: programs inherit it not, and its bytes are as they are."""
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Flag: a FIFO is not waited for."""
NO_LINK = getattr(os, "O_NOFOLLOW", 1 << 29)
"""Flag of `directories.open_file`: a symbolic link is not followed. Where the system has none, it looks itself."""
REGULAR = os.O_RDONLY | NO_LINK | NO_WAIT | PLAIN
"""How that is opened for reading which should be a regular file, and may be anything."""
NEW = os.O_CREAT | os.O_EXCL | NO_LINK | PLAIN
"""How a new file is opened, with a flag for reading or writing."""

HAS_OWNERS = hasattr(os, "geteuid")
"""Whether files have owners that are numbers."""
MOVES_OPEN_FILES = sys.platform != "win32"
"""Whether a file can be renamed, replaced and removed while it is open. Without that, nothing is changed in place."""

DECOMPOSES = sys.platform == "darwin"
"""Whether a name that was written may be listed in another Unicode form."""
WINDOWS_NAMES = sys.platform == "win32"
"""Whether names can be taken for something else: devices, streams, other directories."""

NO_LOCKS = frozenset((errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL))
"""Numbers of system errors of a filesystem that has no locks."""
_NO_COPY_RANGE = NO_LOCKS | {errno.EXDEV, errno.EPERM, errno.EBADF, errno.ETXTBSY}
_NO_SYNC = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))
_LOCKED_BYTE = 1 << 43
"""The byte that is locked where no whole file can be: no file is so long."""


class CannotSync(OSError):
    """The filesystem cannot say what is on the disk."""


def sync(fd: int) -> None:
    """Wait until the file is on the disk. Raises CannotSync, OSError."""
    if sys.platform == "darwin" and fcntl is not None:  # there, fsync stops at the drive's cache
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno in _NO_SYNC:
            raise CannotSync(error.errno, error.strerror) from error
        raise


def sync_new(fd: int) -> None:
    """`sync`, for a file that is to take its name when it is whole: where nothing can be waited for, nothing is."""
    with contextlib.suppress(CannotSync):
        sync(fd)


def sync_filesystem(fd: int) -> None:
    """Wait until all of the filesystem of ``fd`` is on the disk. Raises OSError."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):
            import ctypes  # here alone: it is slow to import, and seldom needed

            libc = ctypes.CDLL(None, use_errno=True)
            if libc.syncfs(fd) != 0:
                raise OSError(ctypes.get_errno(), "syncfs")
            return
    if hasattr(os, "sync"):
        os.sync()


def lock(fd: int, *, shared: bool = False) -> bool:
    """Lock an open file for this process without waiting; it holds until the descriptor is closed.

    Returns:
        False where somebody else holds it.

    Raises:
        OSError: the filesystem has no locks (`NO_LOCKS`), or no shared ones, or another failure.
    """
    if fcntl is None:
        return _lock_byte(fd, shared)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release(fd: int) -> None:
    """Unlock and close. Closing alone is not enough: processes forked meanwhile would go on holding the lock."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def _lock_byte(fd: int, shared: bool) -> bool:
    """`lock` by a byte far behind the end, which others cannot lock, and nobody reads."""
    if shared or sys.platform != "win32":
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    import msvcrt

    with POSITION:
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
    return True


def let_go(fd: int) -> None:
    """Close a file whose name is about to go to another, where it has to be closed for that; ``fd`` stays a descriptor.

    Everywhere else it stays open, and locked.
    """
    if not MOVES_OPEN_FILES:
        null = os.open(os.devnull, os.O_RDWR | PLAIN)
        os.dup2(null, fd, inheritable=False)
        os.close(null)


def pwrite(fd: int, data: bytes | memoryview, offset: int) -> int:
    """Write at an offset in bytes; how many bytes were written. Raises OSError."""
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, data, offset)
    with POSITION:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)


def change_mode(fd: int, mode: int) -> None:
    """Change the permissions of an open file, where the system has them. Raises OSError."""
    if hasattr(os, "fchmod"):
        os.fchmod(fd, mode)


def copy_owner(seen: os.stat_result, fd: int) -> None:
    """Give an open file the owner of another, where that is allowed."""
    if hasattr(os, "fchown"):
        with contextlib.suppress(PermissionError):
            os.fchown(fd, seen.st_uid, seen.st_gid)


def link(old: Path, new: Path) -> None:
    """Give a file a second name. Raises OSError: there is such a name, or there are no hard links here."""
    if not hasattr(os, "link"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    new.hardlink_to(old)


def user_id() -> int:
    """The number of the user; that of every file's owner where there are none."""
    return os.geteuid() if hasattr(os, "geteuid") else 0


def user_name(uid: int) -> str | None:
    """The name of a user; None where the system knows none."""
    try:
        import pwd
    except ImportError:  # Windows
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def composed(name: bytes) -> bytes:
    """A name in the Unicode form in which git keeps it, where it is UTF-8."""
    try:
        return name if name.isascii() else unicodedata.normalize("NFC", name.decode()).encode()
    except UnicodeDecodeError:
        return name


def block_size(fd: int) -> int:
    """The block size of the file's filesystem, in bytes. Raises OSError."""
    return os.fstatvfs(fd).f_bsize if hasattr(os, "fstatvfs") else 4096


def disk_size(found: os.stat_result) -> int:
    """Bytes that a file takes on the disk; its length where the system does not say."""
    return found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size


_AT_ONCE = 1 << 26
"""Bytes that the filesystem is asked to copy at once: between two times, progress is told."""


def copy_range(source: int, offset: int, length: int, fd: int, at: int) -> int:
    """Copy bytes of ``source`` from ``offset`` to ``at`` in ``fd`` by the filesystem, which may share its blocks.

    Returns:
        How many bytes were copied; fewer than ``length`` where the filesystem does no more. Raises OSError.
    """
    done = 0
    while done < length and sys.platform == "linux":
        try:
            copied = os.copy_file_range(source, fd, min(length - done, _AT_ONCE), offset + done, at + done)
        except OSError as error:
            if error.errno not in _NO_COPY_RANGE:
                raise
            break
        if not copied:
            break
        progress.advance(copied)
        done += copied
    return done


def data_ranges(fd: int, offset: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of a file between ``offset`` and ``end`` that are no holes: where each begins and ends."""
    if not hasattr(os, "SEEK_DATA"):
        if offset < end:
            yield offset, end
        return
    while offset < end:
        try:
            begin = os.lseek(fd, offset, os.SEEK_DATA)
            behind = min(end, os.lseek(fd, begin, os.SEEK_HOLE)) if begin < end else end
        except OSError as error:
            # ENXIO: nothing but a hole is left; other filesystems do not tell
            begin, behind = (end, end) if error.errno == errno.ENXIO else (offset, end)
        if begin < end:
            yield begin, behind
        offset = behind


def first_hole(fd: int) -> int | None:
    """Where the first hole begins; None where there is none before the end of the file. Raises OSError."""
    size = os.fstat(fd).st_size
    place = os.lseek(fd, 0, os.SEEK_HOLE) if size and hasattr(os, "SEEK_HOLE") else size
    return None if place >= size else place


def copy_attributes(source: int, fd: int) -> None:
    """Copy the extended attributes, as far as they can be: ACLs and the like."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for name in os.listxattr(source):
                with contextlib.suppress(OSError):
                    os.setxattr(fd, name, os.getxattr(source, name))


@contextlib.contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """No more memory is to be had meanwhile than ``more`` bytes beyond what is used, where that can be told."""
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limits = [used + more, *(value for value in (soft, hard) if value != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    except (ImportError, OSError, ValueError):  # a system without
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
