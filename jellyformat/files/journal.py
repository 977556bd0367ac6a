"""The journal of a change in place: what it takes to have the host back as it was, whatever happens meanwhile.

It lies beside the host as ``.<name>.jelly-journal`` and is on the disk, whole, before the host changes::

    magic (8), version (1), inode, own length, whole length (8 each), fingerprint of the host's own bytes (32),
    everything behind the own bytes, SHA-256 of all before (32), 0 or 1: whether the change is complete (1)

Where they have to come back in an order of the adapter's, the version is 3, and instead of these bytes
stand the writes, in that order: offset and length (8 each), the bytes.

The last byte is the moment of commitment: before it is set, a crash ends in the old state, afterwards in the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jellyformat.errors import Busy, RefusedHost
from jellyformat.files import platform
from jellyformat.files.beneath import Odd, open_regular
from jellyformat.files.durable import hidden_name, sync_directory, write_at
from jellyformat.files.platform import lock, release, sync
from jellyformat.files.platform.directories import open_file
from jellyformat.format.source import FileSource, Source
from jellyformat.hints import Hint, option

MAGIC = b"\x89JELLYJ\n"
VERSION, ORDERED = 1, 3
ENDING = ".jelly-journal"
NEVER_FINISHED = "removed a journal that was never finished; the file had not been changed"
COMPLETED = "the last change had been completed; removed its journal"
REPLACED = "removed the journal of a file that has been replaced since; this one was not changed"
_HEAD = struct.Struct(">8sBQQQ32s")
_WRITE = struct.Struct(">QQ")
_FOOT = 33
_PIECE = 4 << 20
_PAGE, _PAGES = 4096, 16
LIMIT = 8 << 30
"""Bytes of a journal: what is behind the own bytes of a host that is changed in place."""


def journal_path(target: Path) -> Path:
    """Where the journal of the host ``target`` (no symbolic link) is."""
    return target.with_name(hidden_name(target.name, ENDING))


@dataclass(frozen=True)
class HostJournal:
    """An open journal.

    Attributes:
        path: Where it is.
        fd: Its descriptor, locked as long as its process lives.
        keep: Length of the host's own bytes, which no change in place touches.
        size: Length of the whole host before the change.
        version: What form it has.
        mark: The `fingerprint` of the host's own bytes.
    """

    path: Path
    fd: int
    keep: int
    size: int
    version: int
    mark: bytes

    @classmethod
    def begin(cls, target: Path, host: int, keep: int, back: Iterable[tuple[int, bytes]] | None = None) -> HostJournal:
        """Write the journal of the host ``target``, open as ``host``, whose first ``keep`` bytes stay.

        When this returns, it is on the disk; when it raises, nothing of it is left.

        Args:
            target: The host, no symbolic link.
            host: Its descriptor.
            keep: Length of its own bytes.
            back: The writes that put back what is behind them, where their order matters (``Append.back``).

        Raises:
            OSError: it cannot be written.
            Busy: there is one already.
            RefusedHost: it would be too large.
        """
        size = os.fstat(host).st_size
        if size - keep > LIMIT // 2:
            raise RefusedHost(
                f"{target} has {size - keep} bytes behind its own, too many to be kept while they are replaced",
                hint=Hint("nothing was done; write a new file with ", option("out", "OUT")),
            )
        path = journal_path(target)
        source = FileSource(host, size)
        if back is None:
            version, body = VERSION, _tail(target, source, keep)
        else:
            version, body = ORDERED, (_WRITE.pack(at, len(data)) + data for at, data in back)
        mark = fingerprint(source, keep)
        head = _HEAD.pack(MAGIC, version, os.fstat(host).st_ino, keep, size, mark)
        return cls(path, create(path, _sealed(head, body)), keep, size, version, mark)

    def is_alone(self, host: int, size: int) -> bool:
        """Whether the host has ``size`` bytes, and its own as they were: nobody else has written to it, as can be seen.

        Raises OSError.
        """
        return os.fstat(host).st_size == size and self.is_of(host)

    def is_of(self, host: int) -> bool:
        """Whether the host's own bytes are as they were, by their fingerprint. Raises OSError."""
        return fingerprint(FileSource.of(host), self.keep) == self.mark

    def is_whole(self) -> bool:
        """Whether all of it was written, by its SHA-256, and puts nothing back but what was behind the own bytes.

        Raises OSError.
        """
        source = FileSource.of(self.fd)
        end = source.size - _FOOT
        if self.version == ORDERED and not self._are_writes(source, end):
            return False
        digest = hashlib.sha256()
        for at in range(0, end, _PIECE):
            digest.update(source.read_at(at, min(_PIECE, end - at)))
        return source.read_at(end, 32) == digest.digest()

    def set_done(self, done: bool) -> None:
        """Say, lastingly, whether the change is complete. Raises OSError."""
        write_at(self.fd, b"\1" if done else b"\0", os.fstat(self.fd).st_size - 1)
        sync(self.fd)

    def roll_back(self, host: int) -> None:
        """Give the host its old bytes back. If broken off, it may be repeated. Raises OSError."""
        os.ftruncate(host, self.keep)
        sync(host)
        journal = FileSource.of(self.fd)
        for place, at, length in self._pieces(journal):
            write_at(host, journal.read_at(at, length), place)
            sync(host)

    def _pieces(self, journal: Source) -> Iterator[tuple[int, int, int]]:
        """What is to be put back, in that order: offset in the host, offset in the journal, length."""
        if self.version == VERSION:
            # from the end to the beginning: a zip's directory comes first, so that it loads at every moment
            for place in reversed(range(self.keep, self.size, _PIECE)):
                yield place, _HEAD.size + place - self.keep, min(_PIECE, self.size - place)
            return
        at = _HEAD.size
        while at < journal.size - _FOOT:
            place, length = _WRITE.unpack(journal.read_at(at, _WRITE.size))
            at += _WRITE.size
            while length:
                piece = min(_PIECE - place % _PIECE, length)
                yield place, at, piece
                place, at, length = place + piece, at + piece, length - piece

    def _are_writes(self, source: Source, end: int) -> bool:
        """Whether the writes up to ``end`` lie behind the host's own bytes, and all of them here."""
        at = _HEAD.size
        while at < end:
            place, length = _WRITE.unpack(source.read_at(at, _WRITE.size).ljust(_WRITE.size, b"\0"))
            at += _WRITE.size + length
            if place < self.keep or place + length > self.size:
                return False
        return at == end

    def remove(self) -> None:
        """Take it away and close it. Raises OSError, and is closed all the same."""
        remove(self.path, self.fd)

    def close(self) -> None:
        """Close it and leave it where it is, for ``heal``."""
        release(self.fd)


def _tail(target: Path, host: Source, keep: int) -> Iterator[bytes]:
    """Everything behind the host's own bytes."""
    for at in range(keep, host.size, _PIECE):
        piece = host.read_at(at, min(_PIECE, host.size - at))
        if len(piece) != min(_PIECE, host.size - at):
            raise Busy(f"{target} was changed by somebody else meanwhile; nothing was done")
        yield piece


def _sealed(head: bytes, body: Iterable[bytes]) -> Iterator[bytes]:
    """The journal's content, from the magic to the last byte."""
    digest = hashlib.sha256()
    for piece in itertools.chain((head,), body):
        digest.update(piece)
        yield piece
    yield digest.digest() + b"\0"


def create(path: Path, pieces: Iterable[bytes]) -> int:
    """Write a journal; when this returns, it is on the disk; when it raises, nothing of it is left.

    Returns:
        Its descriptor, locked.

    Raises:
        OSError: it cannot be written.
        Busy: there is one already.
    """
    try:
        fd = open_file(os.fsencode(path), os.O_RDWR | platform.NEW, 0o600)
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
                platform.let_go(fd)
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
    try:
        fd = open_regular(os.fsencode(path), limit=LIMIT)
    except Odd:
        return False
    with open(fd, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def begins(source: Source) -> bool:
    """Whether a file is a journal, or the beginning of one that was never finished; anything else is somebody's."""
    head = source.read_at(0, len(MAGIC))
    return MAGIC.startswith(head) or not head.strip(b"\0")


def found(path: Path, fd: int, host: int) -> tuple[str, Callable[[], None] | None]:
    """What a dead process has left half done, for people, and what mends it; None where the host needs nothing.

    Args:
        path: The journal, of one of these versions.
        fd: Its descriptor, locked.
        host: That of the host.

    Raises:
        OSError: they cannot be read.
    """
    read = _read(path, fd)
    if read is None:
        return NEVER_FINISHED, None
    journal, inode, done = read
    # looked at first: the journal of another file is not read to its end
    is_its = inode == os.fstat(host).st_ino and journal.is_of(host)
    if not done and not is_its:
        return REPLACED, None
    if not journal.is_whole():
        return NEVER_FINISHED, None
    if done:
        return COMPLETED, None
    what = f"a change was broken off; the file is as it was before, {journal.size} bytes"
    return what, partial(journal.roll_back, host)


def _read(path: Path, fd: int) -> tuple[HostJournal, int, bool] | None:
    """The journal, the inode, and whether it is done; None where it is cut off, so that nothing was changed yet."""
    source = FileSource.of(fd)
    head = source.read_at(0, _HEAD.size)
    if len(head) < _HEAD.size:
        return None
    _, version, inode, keep, size, mark = _HEAD.unpack(head)
    end = source.size - _FOOT
    if size < keep or end < _HEAD.size or (version == VERSION and end != _HEAD.size + size - keep):
        return None
    done = source.read_at(end + 32, 1) == b"\1"
    return HostJournal(path, fd, keep, size, version, mark), inode, done
