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
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jellyformat.errors import Busy, RefusedHost
from jellyformat.fileio import hidden_name, lock, release, sync, sync_directory, write_at
from jellyformat.source import FileSource

MAGIC = b"\x89JELLYJ\n"
VERSION = 1
ENDING = ".jelly-journal"
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
        path = journal_path(target)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise Busy(f"{path} is in the way, and is not a journal that can be used; nothing was changed") from None
        journal = cls(path, fd, keep, os.fstat(host).st_size)
        try:
            lock(fd)
            digest, at = hashlib.sha256(), 0
            for piece in journal._pieces(host):
                digest.update(piece)
                write_at(fd, piece, at)
                at += len(piece)
            if at != _HEAD.size + journal.size - keep:
                raise Busy(f"{target} was changed by somebody else meanwhile; nothing was done")
            write_at(fd, digest.digest() + b"\0", at)
            sync(fd)
            sync_directory(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                journal.remove()
            raise
        return journal

    def _pieces(self, host: int) -> Iterator[bytes]:
        source = FileSource(host, self.size)
        yield _HEAD.pack(
            MAGIC, VERSION, os.fstat(host).st_ino, self.keep, self.size, fingerprint(source, self.keep)
        )  # fmt: skip
        for at in range(self.keep, self.size, _PIECE):
            yield source.read_at(at, min(_PIECE, self.size - at))

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
        try:
            # only if it is still this one: another process may have found the host replaced, and cleaned up
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(self.path.lstat(), os.fstat(self.fd)):
                    self.path.unlink()
            sync_directory(self.path.parent)
        finally:
            release(self.fd)

    def close(self) -> None:
        """Close it and leave it where it is, for ``heal``."""
        release(self.fd)


def fingerprint(source: FileSource, length: int) -> bytes:
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
    path = journal_path(target)
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
        journal, inode, mark, done = _read(path, fd, target)
        half_done = False
        if journal is None:
            journal = Journal(path, fd, 0, 0)
            what = "removed a journal that was never finished; the file had not been changed"
        elif done:
            what = "the last change had been completed; removed its journal"
        elif inode != now.st_ino or fingerprint(FileSource.of(host), journal.keep) != mark:
            what = "removed the journal of a file that has been replaced since; this one was not changed"
        else:
            half_done = True
            what = f"a change was broken off; put back as it was before, {journal.size} bytes"
        if half_done and not dry_run:
            journal.roll_back(host)
    except BaseException:
        with contextlib.suppress(OSError):
            release(fd)
        raise
    if dry_run:
        journal.close()
    else:
        journal.remove()
    return f"{target}: {what}"


def _read(path: Path, fd: int, target: Path) -> tuple[Journal | None, int, bytes, bool]:
    """The journal (None: not whole, so nothing was changed yet), the inode, the fingerprint, whether it is done."""
    nothing = None, 0, b"", False
    source = FileSource.of(fd)
    head = source.read_at(0, _HEAD.size)
    if len(head) < _HEAD.size:
        return nothing
    magic, version, inode, keep, size, mark = _HEAD.unpack(head)
    if magic != MAGIC:
        return nothing
    if version != VERSION:
        raise RefusedHost(
            f"a later version of jellyformat left a change of {target} half done",
            hint="nothing was changed; mend it with that version: python -m jellyformat fix FILE",
        )
    end = _HEAD.size + size - keep
    if size < keep or source.size != end + 33:
        return nothing
    digest = hashlib.sha256()
    for at in range(0, end, _PIECE):
        digest.update(source.read_at(at, min(_PIECE, end - at)))
    if source.read_at(end, 32) != digest.digest():
        return nothing
    return Journal(path, fd, keep, size), inode, mark, source.read_at(end + 32, 1) == b"\1"
