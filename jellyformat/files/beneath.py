"""Work below a directory, one component at a time, no symbolic link followed (SPEC JF-PTH-005).

What is opened so is a directory or a regular file; a link, FIFO, device or socket in its place is said to be `Odd`, and
is neither followed nor waited for.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
from pathlib import Path
from types import TracebackType

from jellyformat.files import durable, platform
from jellyformat.files.platform import directories
from jellyformat.files.platform.directories import open_directory, open_file

_NOT_THERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
_KINDS = {
    stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFREG: "a regular file",
}  # fmt: skip
_DEEPEST = 60
"""So many directories are held open at once while a tree is removed or counted."""


class Odd(OSError):
    """What is there is none of what we put there; ``strerror`` says what it is."""


def kind_of(found: os.stat_result) -> str:
    """What something is, for people."""
    return _KINDS.get(stat.S_IFMT(found.st_mode), "something else")


def open_regular(name: bytes, directory: int | None = None, flags: int = os.O_RDONLY, *, limit: int) -> int:
    """A descriptor of a regular file, which is no link and has at most ``limit`` bytes. Nothing is waited for.

    Args:
        name: Its path; below ``directory``, a descriptor, where there is one.
        directory: As said.
        flags: How it is opened.
        limit: Bytes.

    Raises:
        Odd: it is something else, or larger.
        OSError: it is not there, or cannot be opened.
    """
    before = directories.status(name, directory)
    if not stat.S_ISREG(before.st_mode):  # looked at first: to open a device may do something
        raise Odd(errno.EINVAL, f"it is {kind_of(before)}", os.fsdecode(name))
    fd = open_file(name, flags | platform.REGULAR, parent=directory)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
        os.close(fd)
        raise Odd(errno.EFBIG, f"it has {found.st_size} bytes, more than {limit}", os.fsdecode(name))
    return fd


class Below:
    """A root directory; use it as a context manager.

    Args:
        root: Its path, or a descriptor.
        owned: Whether a descriptor is closed with it; else it stays the caller's.
    """

    def __init__(self, root: bytes | int, *, owned: bool = False) -> None:
        self.root = root if isinstance(root, int) else open_directory(root, follow=True)
        self._owned = owned or not isinstance(root, int)
        self._path = b""
        self._fd = self.root

    def __enter__(self) -> Below:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()
        if self._owned:
            directories.close(self.root)

    def forget(self) -> None:
        """Drop the directory kept open: directories were moved."""
        if self._fd != self.root:
            directories.close(self._fd)
        self._fd, self._path = self.root, b""

    def directory(self, path: bytes) -> int:
        """A descriptor of the directory ``path`` (``b""``: the root), valid until the next call. Raises OSError."""
        if path == self._path:
            return self._fd
        self.forget()
        fd = self.root
        for name in path.split(b"/") if path else ():
            try:
                inner = open_directory(name, fd)
            finally:
                if fd != self.root:
                    directories.close(fd)
            fd = inner
        self._fd, self._path = fd, path
        return fd

    def parent(self, path: bytes) -> tuple[int, bytes]:
        """The directory of ``path``, and its name in it. Raises OSError."""
        directory, _, name = path.rpartition(b"/")
        return self.directory(directory), name

    def stat(self, path: bytes) -> os.stat_result | None:
        """What is at ``path``, no link followed; None where nothing is, or a link or file is on the way."""
        try:
            fd, name = self.parent(path)
            return directories.status(name, fd)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise

    def open(self, path: bytes, *, limit: int) -> int:
        """A descriptor of the regular file ``path`` for reading. Raises as `open_regular`."""
        fd, name = self.parent(path)
        return open_regular(name, fd, limit=limit)

    def read(self, path: bytes, *, limit: int) -> bytes:
        """The content of the regular file ``path`` of at most ``limit`` bytes. Raises as `open_regular`."""
        with open(self.open(path, limit=limit), "rb") as file:
            return file.read(limit)

    def names(self, path: bytes = b"") -> list[bytes]:
        """The names in the directory ``path``, sorted; none where there is no directory. Raises OSError."""
        try:
            fd = self.directory(path)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return []
            raise
        return sorted(_names(fd))

    def count_files(self, path: bytes) -> int:
        """How many files are in the directory ``path`` and below it; ``sys.maxsize`` where it is deeper than any of
        ours, or cannot be read."""
        try:
            fd, name = self.parent(path)
            return _measure(name, fd)[0]
        except OSError:
            return sys.maxsize

    def disk_size(self, path: bytes) -> int:
        """Bytes that the files in the directory ``path`` and below it take, without those that have another name
        elsewhere; 0 where it is deeper than any of ours, or cannot be read."""
        try:
            fd, name = self.parent(path)
            return _measure(name, fd)[1]
        except OSError:
            return 0

    def likeness(self, path: bytes) -> bytes:
        """A hash of what everything in the directory ``path`` and below it is like: names, kinds, modes, and sizes and
        times but for directories. Raises OSError."""
        hasher = hashlib.sha256()
        left = [b""]
        while left:
            inner = left.pop()
            found = []
            with directories.entries(self.directory(path + inner)) as there:
                for entry in there:
                    seen, name = entry.stat(follow_symlinks=False), inner + b"/" + os.fsencode(entry.name)
                    size, time = (0, 0) if stat.S_ISDIR(seen.st_mode) else (seen.st_size, seen.st_mtime_ns)
                    found.append((name, b"%o %d %d" % (seen.st_mode, size, time)))
                    if stat.S_ISDIR(seen.st_mode):
                        left.append(name)
            left.sort()
            for pair in sorted(found):
                hasher.update(b"%b\0%b\0" % pair)
        return hasher.digest()

    def make_directory(self, path: bytes, mode: int = 0o700) -> None:
        """Make the directory ``path``, and those above it, where they are missing. Raises OSError."""
        above = path.rpartition(b"/")[0]
        if above and self.stat(above) is None:
            self.make_directory(above, mode)
        fd, name = self.parent(path)
        with contextlib.suppress(FileExistsError):
            directories.make(name, mode, fd)

    def create(self, path: bytes, mode: int = 0o600) -> int:
        """A descriptor for writing of the new file ``path``. Raises OSError."""
        fd, name = self.parent(path)
        return open_file(name, os.O_WRONLY | platform.NEW, mode, fd)

    def replace(self, path: bytes, data: bytes, temporary: bytes, mode: int = 0o600) -> None:
        """Write the file ``path``, which may be there: whole and on the disk, or all is as it was.

        Args:
            path: Its path.
            data: Its content.
            temporary: Its path in the same directory until it is whole; it must not exist.
            mode: Its permissions, before the umask.

        Raises:
            OSError: the system failed.
        """
        fd = self.create(temporary, mode)
        try:
            try:
                durable.write_at(fd, data, 0)
                platform.sync(fd)
            finally:
                os.close(fd)
            self.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                self.unlink(temporary)
            raise
        self.sync(path.rpartition(b"/")[0])

    def rename(self, source: bytes, target: bytes) -> None:
        """Give what is at ``source`` the name ``target`` in the same directory. Raises OSError."""
        fd, name = self.parent(source)
        directories.rename(name, fd, target.rpartition(b"/")[2], fd)

    def unlink(self, path: bytes) -> None:
        """Remove a file or link where there is one. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            fd, name = self.parent(path)
            directories.unlink(name, fd)

    def sync(self, path: bytes = b"") -> None:
        """Wait until the names in the directory ``path`` are on the disk. Raises OSError."""
        durable.sync_names(self.directory(path))

    def remove_tree(self, path: bytes) -> None:
        """Remove what is at ``path``, with all in it, as far as that goes; what cannot be removed stays."""
        self.forget()
        with contextlib.suppress(OSError):
            fd, name = self.parent(path)
            _remove_tree(name, fd)
        self.forget()


def remove_tree(path: Path) -> None:
    """Remove what is at ``path``, with all in it, as far as that goes; links in it are removed, not followed."""
    with contextlib.suppress(OSError), Below(os.fsencode(path.parent)) as below:
        below.remove_tree(os.fsencode(path.name))


def _remove_tree(name: bytes, parent: int) -> None:
    """Remove ``name`` in the directory ``parent`` and all in it. A directory too deep to be reached with few
    descriptors is first moved up to the top."""
    if _unlink(name, parent):
        return
    top = _opened(name, parent)
    stack = [(parent, name, top, _names(top))]
    try:
        while stack:
            above, here, fd, left = stack[-1]
            if left:
                item = left.pop()
                if _unlink(item, fd):
                    continue
                with contextlib.suppress(OSError):
                    if len(stack) < _DEEPEST:
                        inner = _opened(item, fd)
                        stack.append((fd, item, inner, _names(inner)))
                    else:
                        moved = b"deep." + os.urandom(6).hex().encode()
                        directories.change_mode(item, 0o700, fd)
                        directories.rename(item, fd, moved, top)
                        stack[0][3].append(moved)
                continue
            stack.pop()
            directories.close(fd)
            with contextlib.suppress(OSError):
                directories.remove(here, above)
    finally:
        for _, _, fd, _ in stack:
            directories.close(fd)


def _measure(name: bytes, parent: int) -> tuple[int, int]:
    """How many files are in a directory and below it, and the bytes that they take; ``sys.maxsize`` and 0 where it is
    deeper than any of ours. Raises OSError."""
    count = size = 0
    stack: list[tuple[int, list[bytes]]] = []
    try:
        stack.append((open_directory(name, parent), []))
        stack[0][1].extend(_names(stack[0][0]))
        while stack:
            fd, left = stack[-1]
            if not left:
                stack.pop()
                directories.close(fd)
                continue
            found = directories.status(item := left.pop(), fd)
            if not stat.S_ISDIR(found.st_mode):
                count += 1
                size += platform.disk_size(found) if found.st_nlink == 1 else 0
            elif len(stack) == _DEEPEST:
                return sys.maxsize, 0
            else:
                stack.append((open_directory(item, fd), []))
                stack[-1][1].extend(_names(stack[-1][0]))
        return count, size
    finally:
        for fd, _ in stack:
            directories.close(fd)


def _names(fd: int) -> list[bytes]:
    with directories.entries(fd) as found:
        return [os.fsencode(entry.name) for entry in found]


def _opened(name: bytes, parent: int) -> int:
    """A descriptor of a directory that may be emptied. Raises OSError."""
    try:
        fd = open_directory(name, parent)
    except PermissionError:
        directories.change_mode(name, 0o700, parent)
        fd = open_directory(name, parent)
    with contextlib.suppress(OSError):
        if directories.opened(fd).st_mode & 0o300 != 0o300:
            platform.change_mode(fd, 0o700)
    return fd


def _unlink(name: bytes, parent: int) -> bool:
    """Remove what is no directory; False where it is one. What cannot be removed stays."""
    try:
        directories.unlink(name, parent)
    except (IsADirectoryError, PermissionError):
        found = directories.status(name, parent)
        return not stat.S_ISDIR(found.st_mode)
    except OSError:
        pass
    return True
