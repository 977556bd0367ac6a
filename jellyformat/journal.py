"""The journal of a change in place: what it takes to have the host back as it was, whatever happens meanwhile.

It lies beside the host as ``.<name>.jelly-journal`` and is on the disk, whole, before the host changes::

    magic (8), version (1), inode, own length, whole length (8 each), fingerprint of the host's own bytes (32),
    everything behind the own bytes, SHA-256 of all before (32), 0 or 1: whether the change is complete (1)

The last byte is the moment of commitment: before it is set, a crash ends in the old state, afterwards in the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jellyformat.errors import Busy
from jellyformat.fileio import hidden_name, lock, release, sync, sync_directory, write_at
from jellyformat.source import FileSource, Source

MAGIC = b"\x89JELLYJ\n"
VERSION = 1
ENDING = ".jelly-journal"
NEVER_FINISHED = "removed a journal that was never finished; the file had not been changed"
COMPLETED = "the last change had been completed; removed its journal"
REPLACED = "removed the journal of a file that has been replaced since; this one was not changed"
_HEAD = struct.Struct(">8sBQQQ32s")
_PIECE = 4 << 20
_PAGE, _PAGES = 4096, 16


def journal_path(target: Path) -> Path:
    """Where the journal of the host ``target`` (no symbolic link) is."""
    return target.with_name(hidden_name(target.name, ENDING))


@dataclass(frozen=True)
class Journal:
    """An open journal.

    Attributes:
        path: Where it is.
        fd: Its descriptor, locked as long as its process lives.
        keep: Length of the host's own bytes, which no change in place touches.
        size: Length of the whole host before the change.
    """

    path: Path
    fd: int
    keep: int
    size: int

    @classmethod
    def begin(cls, target: Path, host: int, keep: int) -> Journal:
        """Write the journal of the host ``target``, open as ``host``, whose first ``keep`` bytes stay.

        When this returns, it is on the disk; when it raises, nothing of it is left.

        Raises:
            OSError: it cannot be written.
            Busy: there is one already.
        """
        size = os.fstat(host).st_size
        path = journal_path(target)
        return cls(path, create(path, cls._pieces(target, host, keep, size)), keep, size)

    @staticmethod
    def _pieces(target: Path, host: int, keep: int, size: int) -> Iterator[bytes]:
        """The journal's content, from the magic to the last byte."""
        source = FileSource(host, size)
        digest = hashlib.sha256()
        mark = fingerprint(source, keep)
        piece = _HEAD.pack(MAGIC, VERSION, os.fstat(host).st_ino, keep, size, mark)
        digest.update(piece)
        yield piece
        for at in range(keep, size, _PIECE):
            piece = source.read_at(at, min(_PIECE, size - at))
            if len(piece) != min(_PIECE, size - at):
                raise Busy(f"{target} was changed by somebody else meanwhile; nothing was done")
            digest.update(piece)
            yield piece
        yield digest.digest() + b"\0"

    def set_done(self, done: bool) -> None:
        """Say, lastingly, whether the change is complete. Raises OSError."""
        write_at(self.fd, b"\1" if done else b"\0", _HEAD.size + self.size - self.keep + 32)
        sync(self.fd)

    def roll_back(self, host: int) -> None:
        """Give the host its old bytes back. If broken off, it may be repeated. Raises OSError."""
        os.ftruncate(host, self.keep)
        # from the end to the beginning: a zip's directory comes first, so that it loads at every moment
        for at in reversed(range(self.keep, self.size, _PIECE)):
            length = min(_PIECE, self.size - at)
            data = FileSource(self.fd, 0).read_at(_HEAD.size + at - self.keep, length)
            write_at(host, data, at)
        sync(host)

    def remove(self) -> None:
        """Take it away and close it. Raises OSError, and is closed all the same."""
        remove(self.path, self.fd)

    def close(self) -> None:
        """Close it and leave it where it is, for ``heal``."""
        release(self.fd)


def create(path: Path, pieces: Iterable[bytes]) -> int:
    """Write a journal; when this returns, it is on the disk; when it raises, nothing of it is left.

    Returns:
        Its descriptor, locked.

    Raises:
        OSError: it cannot be written.
        Busy: there is one already.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise Busy(f"{path} is in the way, and is not a journal that can be used; nothing was changed") from None
    try:
        lock(fd)
        at = 0
        for piece in pieces:
            write_at(fd, piece, at)
            at += len(piece)
        sync(fd)
        sync_directory(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            remove(path, fd)
        raise
    return fd


def remove(path: Path, fd: int) -> None:
    """Take a journal away and close it. Raises OSError, and is closed all the same."""
    try:
        # only if it is still this one: another process may have found the host replaced, and cleaned up
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(path.lstat(), os.fstat(fd)):
                path.unlink()
        sync_directory(path.parent)
    finally:
        release(fd)


def fingerprint(source: Source, length: int) -> bytes:
    """SHA-256 of some pages of the first ``length`` bytes: tells a host that was written anew from one half done."""
    digest = hashlib.sha256(struct.pack(">Q", length))
    reach = max(0, length - _PAGE)
    for at in sorted({reach * page // (_PAGES - 1) for page in range(_PAGES)}):
        digest.update(source.read_at(at, min(_PAGE, length - at)))
    return digest.digest()


def is_journal(path: Path) -> bool:
    """Whether the file ``path`` begins as a journal does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def found(path: Path, fd: int, host: int) -> tuple[str, Callable[[], None] | None]:
    """What a dead process has left half done, for people, and what mends it; None where the host needs nothing.

    Args:
        path: The journal, of version 1.
        fd: Its descriptor, locked.
        host: That of the host.

    Raises:
        OSError: they cannot be read.
    """
    journal, inode, mark, done = _read(path, fd)
    if journal is None:
        return NEVER_FINISHED, None
    if done:
        return COMPLETED, None
    if inode != os.fstat(host).st_ino or fingerprint(FileSource.of(host), journal.keep) != mark:
        return REPLACED, None
    what = f"a change was broken off; the file is as it was before, {journal.size} bytes"
    return what, partial(journal.roll_back, host)


def _read(path: Path, fd: int) -> tuple[Journal | None, int, bytes, bool]:
    """The journal (None: not whole, so nothing was changed yet), the inode, the fingerprint, whether it is done."""
    nothing = None, 0, b"", False
    source = FileSource.of(fd)
    head = source.read_at(0, _HEAD.size)
    if len(head) < _HEAD.size:
        return nothing
    _, _, inode, keep, size, mark = _HEAD.unpack(head)
    end = _HEAD.size + size - keep
    if size < keep or source.size != end + 33:
        return nothing
    digest = hashlib.sha256()
    for at in range(0, end, _PIECE):
        digest.update(source.read_at(at, min(_PIECE, end - at)))
    if source.read_at(end, 32) != digest.digest():
        return nothing
    return Journal(path, fd, keep, size), inode, mark, source.read_at(end + 32, 1) == b"\1"
