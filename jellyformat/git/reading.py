"""How files of a repository are opened: never waited for, never read beyond a bound.

Whoever made a repository may have put a FIFO, a device, a link to either or a file without end in the place of any of
its files. git waits for them or reads until the memory is full; a training process must not.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from jellyformat.errors import RefusedRepository
from jellyformat.files.beneath import Below
from jellyformat.files.platform import NO_LINK, NO_WAIT, PLAIN, directories
from jellyformat.hints import Hint, option

KIB: Final = 1 << 10
MIB: Final = 1 << 20

POINTER: Final = MIB
"""Bytes of a file ``.git`` (git's own bound), ``commondir``, ``HEAD``, a ref, ``MERGE_HEAD``, ``info/alternates``."""
CONFIG: Final = 16 * MIB
"""Bytes of a configuration, with all that it includes."""
RULES: Final = 100 * MIB
"""Bytes of a file of ignore rules or attributes; git's own bound."""
PACKED_REFS: Final = 256 * MIB
SHALLOW: Final = 16 * MIB
MESSAGE: Final = 4 * MIB
"""Bytes of ``MERGE_MSG``, which a snapshot holds."""
REFLOG: Final = 256 * MIB
INDEX: Final = 1024 * MIB
"""Bytes of an index or shared index."""
NAMES: Final = 100_000
"""Names in a directory that is listed as a whole."""

_PIECE = MIB
_OPEN = os.O_RDONLY | NO_WAIT | getattr(os, "O_NOCTTY", 0) | PLAIN
_ABSENT = (FileNotFoundError, NotADirectoryError, ValueError)
"""ValueError: a name with a NUL in it."""
_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class _IsDirectory(RefusedRepository):
    """There is a directory in place of a file."""


@dataclass(frozen=True)
class Reader:
    """Opens files of one repository.

    Attributes:
        follow: Whether symbolic links are followed, as git does; not in a repository of another user.
    """

    follow: bool = True

    def read(
        self, directory: bytes, name: bytes, most: int, *, link: bool = True, or_directory: bool = False
    ) -> bytes | None:
        """The content of a file.

        Args:
            directory: An absolute path.
            name: A path from there; where links are not followed, none on this path is.
            most: Bytes it may have.
            link: Whether the file itself may be a link; not where its bytes get into a snapshot as they are.
            or_directory: Whether a directory in its place counts as no file, as it does to git for some.

        Returns:
            None where there is no such file.

        Raises:
            RefusedRepository: it is no regular file, or larger.
            OSError: it cannot be read.
        """
        try:
            fd = self.open(directory, name, link=link)
        except _IsDirectory:
            if or_directory:
                return None
            raise
        if fd is None:
            return None
        try:
            return _content(fd, directory + b"/" + name, most)
        finally:
            os.close(fd)

    def open(self, directory: bytes, name: bytes, *, link: bool = True) -> int | None:
        """A descriptor of a regular file, or of the null device, which git takes for an empty one; as `read`."""
        path = directory + b"/" + name
        try:
            if self.follow:
                return _opened(path, path, None, follow=link)
            with _beneath(directory) as below:
                parent, last = below.parent(name)
                return _opened(path, last, parent, follow=False)
        except _ABSENT:
            return None
        except OSError as error:
            raise self._explained(error, path) from error

    def lines(self, directory: bytes, name: bytes, most: int) -> Iterator[bytes]:
        """The lines of a file without their ends, one by one; none where there is no such file. Raises as `read`."""
        fd = self.open(directory, name)
        if fd is None:
            return
        with open(fd, "rb") as file:
            path = directory + b"/" + name
            check_size(fd, path, most)
            while line := file.readline(POINTER):
                if len(line) == POINTER:
                    raise _refused(path, f"has a line of more than {POINTER} bytes")
                yield line.removesuffix(b"\n")

    def names(self, directory: bytes, name: bytes = b"", *, most: int = NAMES) -> list[bytes]:
        """The names in a directory, sorted; none where there is none.

        Raises:
            RefusedRepository: there are more than ``most``, or it is reached by links that are not followed.
            OSError: it cannot be read.
        """
        path = directory + b"/" + name if name else directory
        found: list[bytes] = []
        try:
            if self.follow:
                _list(path, found, most)
            else:
                with _beneath(directory) as below:
                    _list(below.directory(name), found, most)
        except _ABSENT:
            return []
        except OSError as error:
            raise self._explained(error, path) from error
        if len(found) > most:
            raise _refused(path, f"has more than {most} names in it")
        return sorted(found)

    def is_directory(self, directory: bytes, name: bytes) -> bool:
        """Whether there is a directory; False too where the system does not say, or links are on the way."""
        try:
            if self.follow:
                return stat.S_ISDIR(os.stat(directory + b"/" + name).st_mode)
            with _beneath(directory) as below:
                below.directory(name)
                return True
        except (OSError, ValueError):
            return False

    def _explained(self, error: OSError, path: bytes) -> Exception:
        if error.errno == errno.ELOOP and not self.follow:
            return RefusedRepository(
                f"{os.fsdecode(path)} is reached by a symbolic link, and the repository is another user's",
                hint=Hint(
                    "nothing was changed; links of other people are followed in a repository that you trust: ",
                    option("trust_repository"),
                ),
            )
        if error.errno == errno.ELOOP:
            return _refused(path, "is a symbolic link that leads nowhere, or is not followed")
        if error.errno == errno.ENAMETOOLONG:
            return _refused(path[:200], "has a name that is too long")
        if error.errno in (errno.ENXIO, errno.ENODEV):
            return _refused(path, "is no regular file")
        return error


FOLLOWING: Final = Reader()
"""For the user's own files, and repositories in which git would act."""


@contextmanager
def _beneath(directory: bytes) -> Iterator[Below]:
    """Work below a directory that is no link itself."""
    fd = directories.open_directory(directory)
    try:
        with Below(fd) as below:
            yield below
    finally:
        directories.close(fd)


def _opened(path: bytes, name: bytes, parent: int | None, *, follow: bool) -> int:
    """A descriptor. What is there is looked at first: to open a device may already do something."""
    found = directories.status(name, parent, follow=follow)
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    _check_kind(found, path)
    fd = directories.open_file(name, _OPEN | (0 if follow else NO_LINK), parent=parent)
    try:
        _check_kind(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_kind(found: os.stat_result, path: bytes) -> None:
    if stat.S_ISREG(found.st_mode) or _is_null(found):
        return
    kind = next((name for test, name in _KINDS if test(found.st_mode)), "no regular file")
    refused = _refused(path, f"is {kind}")
    raise _IsDirectory(refused.message, hint=refused.hint) if stat.S_ISDIR(found.st_mode) else refused


def _is_null(found: os.stat_result) -> bool:
    null = os.stat(os.devnull)
    return stat.S_ISCHR(found.st_mode) and getattr(found, "st_rdev", None) == getattr(null, "st_rdev", 0)


def check_size(fd: int, path: bytes, most: int) -> int:
    """The bytes of an open file. Raises RefusedRepository: more than ``most``."""
    size = os.fstat(fd).st_size
    if size > most:
        raise _refused(path, f"has {size} bytes, more than the {most} it may have")
    return size


def _content(fd: int, path: bytes, most: int) -> bytes:
    """All bytes; some files say that they have none, and have them all the same."""
    check_size(fd, path, most)
    parts: list[bytes] = []
    left = most + 1
    while left > 0 and (part := os.read(fd, min(left, _PIECE))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise _refused(path, f"has more than the {most} bytes it may have")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _list(place: bytes | int, found: list[bytes], most: int) -> None:
    with directories.entries(place) if isinstance(place, int) else os.scandir(os.fsdecode(place)) as entries:
        for entry in entries:
            found.append(os.fsencode(entry.name))
            if len(found) > most:
                return


def _refused(path: bytes, what: str) -> RefusedRepository:
    return RefusedRepository(
        f"{os.fsdecode(path)} {what}, and so the repository cannot be read",
        hint="nothing was changed; put the file that belongs there in its place, or move this one away",
    )
