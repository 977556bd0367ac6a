"""Work below a directory, one component at a time, no symbolic link followed (SPEC JF-PTH-005)."""

from __future__ import annotations

import errno
import os
from types import TracebackType

FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))


class Below:
    """A root directory; use it as a context manager.

    Args:
        root: Its path, or a descriptor that stays the caller's.
    """

    def __init__(self, root: bytes | int) -> None:
        self.root = root if isinstance(root, int) else os.open(root, FLAGS & ~os.O_NOFOLLOW)
        self._owned = not isinstance(root, int)
        self._path = b""
        self._fd = self.root

    def __enter__(self) -> Below:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()
        if self._owned:
            os.close(self.root)

    def forget(self) -> None:
        """Drop the directory kept open: directories were moved."""
        if self._fd != self.root:
            os.close(self._fd)
        self._fd, self._path = self.root, b""

    def directory(self, path: bytes) -> int:
        """A descriptor of the directory ``path`` (``b""``: the root), valid until the next call. Raises OSError."""
        if path == self._path:
            return self._fd
        self.forget()
        fd = self.root
        for name in path.split(b"/") if path else ():
            try:
                inner = os.open(name, FLAGS, dir_fd=fd)
            finally:
                if fd != self.root:
                    os.close(fd)
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
            return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise
