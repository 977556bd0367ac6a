"""Files and directories by their name in an open directory: openat(2) and its like.

Whoever can rename directories cannot lead these calls elsewhere, as the system holds the directory. A system that
cannot hold one (Windows) is given its path instead: before each call it is looked at whether the directory there is
still the same, and no link. That leaves a moment between look and call, so nothing that is not ours is changed through
it: a restore is refused there (`HELD`).
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from jellyformat.files import platform
from jellyformat.files.platform import NO_LINK, PLAIN

HELD = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW") and hasattr(os, "O_DIRECTORY")
"""Whether the system holds an open directory."""
FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NO_LINK | PLAIN
"""How a directory is opened that is no link."""
_NO_SECOND = frozenset(
    (errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
)
"""Numbers of system errors where a file gets no second name."""
_NAME_SURROGATE = 0x20000000
"""The bit of a reparse tag by which Windows says that it stands for another place: junctions too."""


@dataclass(frozen=True)
class _Place:
    """A directory that stands for a descriptor.

    Attributes:
        path: Where it is.
        seen: What was there when it was opened.
    """

    path: bytes
    seen: os.stat_result


_PLACES: dict[int, _Place] = {}
_NUMBERS = itertools.count(1 << 30)
"""Numbers beyond all that a system gives to descriptors."""


def open_directory(name: bytes, parent: int | None = None, *, follow: bool = False) -> int:
    """A descriptor of a directory, for these functions alone; `close` closes it.

    Args:
        name: Its name in ``parent``, or its path.
        parent: A descriptor of a directory.
        follow: Whether it may be a symbolic link.

    Raises:
        OSError: there is none.
    """
    if HELD:
        return os.open(name, FLAGS & ~NO_LINK if follow else FLAGS, dir_fd=parent)
    path = os.path.abspath(_full(name, parent))
    if follow:
        path = os.path.realpath(path)
    found = os.lstat(path)
    if _is_link(found):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fsdecode(path))
    number = next(_NUMBERS)
    _PLACES[number] = _Place(path, found)
    return number


def close(fd: int) -> None:
    """Close what `open_directory` has opened."""
    if HELD:
        os.close(fd)
    else:
        del _PLACES[fd]


def release(fd: int) -> None:
    """`platform.release` for a directory."""
    if HELD:
        platform.release(fd)
    else:
        close(fd)


def open_file(name: bytes, flags: int, mode: int = 0o777, parent: int | None = None) -> int:
    """`os.open`; with the flag ``NO_LINK`` on every system. Raises OSError."""
    if HELD:
        return os.open(name, flags, mode, dir_fd=parent)
    path = _full(name, parent)
    if not flags & NO_LINK:
        return os.open(path, flags, mode)
    before = None if flags & os.O_EXCL else os.lstat(path)
    if before is not None and _is_link(before):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
    fd = os.open(path, flags & ~NO_LINK, mode)
    if before is not None and not os.path.samestat(before, os.fstat(fd)):
        os.close(fd)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
    return fd


def status(name: bytes, parent: int | None = None, *, follow: bool = False) -> os.stat_result:
    """`os.stat`. Raises OSError."""
    if HELD:
        return os.stat(name, dir_fd=parent, follow_symlinks=follow)
    return os.stat(_full(name, parent), follow_symlinks=follow)


def make(name: bytes, mode: int, parent: int) -> None:
    """`os.mkdir`. Raises OSError."""
    if HELD:
        os.mkdir(name, mode, dir_fd=parent)
    else:
        os.mkdir(_full(name, parent), mode)


def make_link(target: bytes, name: bytes, parent: int) -> None:
    """`os.symlink`. Raises OSError."""
    if HELD:
        os.symlink(target, name, dir_fd=parent)
    else:
        os.symlink(target, _full(name, parent))


def read_link(name: bytes, parent: int) -> bytes:
    """`os.readlink`. Raises OSError."""
    return os.readlink(name, dir_fd=parent) if HELD else os.readlink(_full(name, parent))


def link(name: bytes, parent: int, new: bytes, new_parent: int) -> bool:
    """`os.link`, no link followed: a second name, so that there is no moment without either.

    Returns:
        False where that is not to be had. Raises OSError.
    """
    try:
        os.link(name, new, src_dir_fd=parent, dst_dir_fd=new_parent, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_SECOND:
            return False
        raise
    return True


def rename(name: bytes, parent: int, new: bytes, new_parent: int) -> None:
    """`os.replace`. Raises OSError."""
    if HELD:
        os.rename(name, new, src_dir_fd=parent, dst_dir_fd=new_parent)
    else:
        os.replace(_full(name, parent), _full(new, new_parent))


def unlink(name: bytes, parent: int) -> None:
    """`os.unlink`. Raises OSError."""
    if HELD:
        os.unlink(name, dir_fd=parent)
    else:
        os.unlink(_full(name, parent))


def remove(name: bytes, parent: int) -> None:
    """`os.rmdir`. Raises OSError."""
    if HELD:
        os.rmdir(name, dir_fd=parent)
    else:
        os.rmdir(_full(name, parent))


def change_mode(name: bytes, mode: int, parent: int) -> None:
    """Change the mode of a regular file or directory that is no link. Raises OSError."""
    if not HELD:
        path = _full(name, parent)
        if not _is_link(os.lstat(path)):
            os.chmod(path, mode)
        return
    inner = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_PATH", 0), dir_fd=parent
    )
    try:
        if hasattr(os, "O_PATH"):  # which needs no permission to read it
            os.chmod(f"/proc/self/fd/{inner}", mode)
        else:
            os.fchmod(inner, mode)
    finally:
        os.close(inner)


def opened(fd: int) -> os.stat_result:
    """`os.fstat` of a directory. Raises OSError."""
    return os.fstat(fd) if HELD else os.lstat(_full(b"", fd))


@contextmanager
def entries(fd: int) -> Iterator[Iterator[os.DirEntry[str]]]:
    """`os.scandir` of a directory; the names of what it gives are text. Raises OSError."""
    with os.scandir(fd if HELD else os.fsdecode(_full(b"", fd))) as found:
        yield found


def sync(fd: int) -> None:
    """Wait until the names in a directory are on the disk, where the system can do that. Raises OSError."""
    if HELD:
        os.fsync(fd)


def _full(name: bytes, parent: int | None) -> bytes:
    """The path of a name in a directory, which has to be the one that was opened. Raises OSError."""
    if parent is None:
        return name
    if sys.platform == "win32" and (b"\\" in name or b":" in name):
        raise OSError(errno.EINVAL, "no name of a file on this system", os.fsdecode(name))
    place = _PLACES[parent]
    found = os.lstat(place.path)
    if _is_link(found) or not os.path.samestat(found, place.seen):
        raise OSError(errno.ELOOP, "the directory was replaced meanwhile", os.fsdecode(place.path))
    return os.path.join(place.path, name) if name else place.path


def _is_link(found: os.stat_result) -> bool:
    return stat.S_ISLNK(found.st_mode) or bool(getattr(found, "st_reparse_tag", 0) & _NAME_SURROGATE)
