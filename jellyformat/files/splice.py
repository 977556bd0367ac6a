"""A new head for a host, in place: the filesystem moves what is behind it, so that nothing of that is copied.

The host has two whole states, which differ by their heads: the *small* one and the *big* one, which is longer by the
*gap*, whole blocks. Between them lies a third: the small one with a hole of the gap's length somewhere in it. The
filesystem moves extents one after another, so the hole may be anywhere if the machine stops meanwhile. Closing it gives
the small state; where it is at the beginning, writing the big head over it gives the big one.

The journal lies where that of an append does (``journal``), and is on the disk, whole, before the host changes::

    magic (8), version 2 (1), inode, small size, gap, lengths of small and big head (8 each),
    fingerprint of what is behind the head (32), small head, big head, SHA-256 of all before (32), phase (1)
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jellyformat.errors import Busy, RefusedHost, SystemFailure
from jellyformat.files import journal, platform, ranges
from jellyformat.files.durable import explained, system_errors, write_at
from jellyformat.files.plans import WITHOUT_IN_PLACE
from jellyformat.files.platform import release, sync
from jellyformat.format.source import FileSource, Source, Window
from jellyformat.hints import Hint, command, option

VERSION = 2
_HEAD = struct.Struct(">8sBQQQQQ32s")
_MOVING, _WRITING, _DONE = b"\0", b"\1", b"\2"
"""The host is the small state, with or without the hole; it is the big one, its head in any state; it is complete."""
_CANNOT = frozenset((errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.ENOTTY))
_AS_IT_WAS = "the file is as it was"
_HEAD_MOST = 1 << 28


@dataclass(frozen=True)
class _Splice:
    """An open journal of such a change.

    Attributes:
        path, fd: Where it is, and its descriptor, locked as long as its process lives.
        host: The descriptor of the host.
        size: Length of the small state in bytes.
        gap: How much longer the big one is.
        small, big: The heads, first bytes of the two states.
    """

    path: Path
    fd: int
    host: int
    size: int
    gap: int
    small: bytes
    big: bytes

    def phase(self) -> bytes:
        """The last byte."""
        return FileSource(self.fd, 0).read_at(self._phase_at(), 1)

    def set_phase(self, phase: bytes) -> None:
        """Say, lastingly, how far it is. Raises OSError."""
        write_at(self.fd, phase, self._phase_at())
        sync(self.fd)

    def _phase_at(self) -> int:
        return _HEAD.size + len(self.small) + len(self.big) + 32

    def to_big(self) -> None:
        """Make it the big state, from the small one, or with the hole at the beginning. Raises OSError."""
        if self.gap and os.fstat(self.host).st_size == self.size:
            if self.phase() != _MOVING:
                self.set_phase(_MOVING)
            ranges.insert(self.host, 0, self.gap)
            sync(self.host)
        if self.phase() != _WRITING:
            if self.gap and platform.first_hole(self.host) != 0:
                raise OSError(errno.EIO, "the filesystem has moved a part of the file")
            self.set_phase(_WRITING)
        write_at(self.host, self.big, 0)
        sync(self.host)

    def to_small(self) -> None:
        """Make it the small state, from any state. Raises OSError."""
        if os.fstat(self.host).st_size == self.size + self.gap and self.phase() != _MOVING:
            if self.phase() != _WRITING:
                self.set_phase(_WRITING)
            write_at(self.host, self.small, self.gap)
            if self.gap:
                ranges.punch(self.host, 0, self.gap)
            sync(self.host)
            self.set_phase(_MOVING)
        self.close_gap()

    def close_gap(self) -> None:
        """Take the hole out, wherever it is. Raises OSError."""
        if self.gap and os.fstat(self.host).st_size == self.size + self.gap:
            hole = platform.first_hole(self.host)
            if hole is None or hole >= self.size:  # not begun, the file was only made longer
                os.ftruncate(self.host, self.size)
            else:
                ranges.collapse(self.host, hole, self.gap)
        sync(self.host)


@dataclass(frozen=True)
class _Closed:
    """A source without the ``gap`` bytes from ``hole``."""

    inner: Source
    hole: int
    gap: int

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.inner.size - self.gap

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        before = self.inner.read_at(offset, min(length, self.hole - offset)) if offset < self.hole else b""
        return before + self.inner.read_at(offset + len(before) + self.gap, length - len(before))


def splice(path: Path, target: Path, host: int, replaced: int, head: bytes) -> None:
    """Put ``head`` in place of the first ``replaced`` bytes of the host.

    Args:
        path: The host as it was named.
        target: Where it is, no symbolic link.
        host: Its descriptor, open for writing and locked.
        replaced: Bytes.
        head: As long, or longer or shorter by whole blocks.

    Raises:
        Busy: somebody has it open or mapped.
        RefusedHost: the filesystem cannot do it, or the host has holes.
        SystemFailure: it failed; the host is as it was, or the message says what to do.
    """
    with system_errors(path, _AS_IT_WAS):
        if (len(head) - replaced) % platform.block_size(host):
            raise RefusedHost(f"{path} cannot be changed in place: not by whole blocks", hint=WITHOUT_IN_PLACE)
        if platform.first_hole(host) is not None:
            raise RefusedHost(
                f"{path} has holes (a sparse file), and cannot be changed in place", hint=WITHOUT_IN_PLACE
            )
        with ranges.alone(host) as is_alone:
            if not is_alone:
                raise Busy(
                    f"{path} is open or mapped in a program, which would see wrong data",
                    hint=Hint("nothing was changed; end that program, or leave out ", option("in_place")),
                )
            size, old = os.fstat(host).st_size, FileSource.of(host).read_at(0, replaced)
            if len(head) >= replaced:
                small, big, small_size, phase = old, head, size, _MOVING if len(head) > replaced else _WRITING
            else:
                small, big, small_size, phase = head, old, size - replaced + len(head), _WRITING
            gap = len(big) - len(small)
            if small_size <= 0 or len(big) > _HEAD_MOST:
                raise RefusedHost(f"{path} cannot be changed in place", hint=WITHOUT_IN_PLACE)
            mark = _fingerprint(FileSource.of(host), replaced)
            fields = (os.fstat(host).st_ino, small_size, gap, len(small), len(big), mark)
            content = _HEAD.pack(journal.MAGIC, VERSION, *fields) + small + big
            book = journal.journal_path(target)
            fd = journal.create(book, (content, hashlib.sha256(content).digest() + phase))
            change = _Splice(book, fd, host, small_size, gap, small, big)
            _carry_out(change, path, big is head)


def _carry_out(change: _Splice, path: Path, grows: bool) -> None:
    try:
        if grows:
            change.to_big()
        else:
            change.to_small()
        change.set_phase(_DONE)
    except BaseException as error:
        try:
            if change.phase() == _DONE:  # it may be on the disk, or not: it must not be while this is undone
                change.set_phase(_WRITING if grows else _MOVING)
            if grows:
                change.to_small()
            else:
                change.to_big()
            with contextlib.suppress(OSError):  # left behind, it only says again what is so
                journal.remove(change.path, change.fd)
        except BaseException as second:
            with contextlib.suppress(OSError):
                release(change.fd)
            raise SystemFailure(
                f"{path} is half changed: it could neither be completed ({error}) nor put back ({second})",
                hint=Hint("its bytes are safe; when that is mended, run: ", command("fix", str(path))),
            ) from error
        if isinstance(error, OSError) and error.errno in _CANNOT:
            raise RefusedHost(
                f"{path} cannot be changed in place: its filesystem cannot do it ({error.strerror})",
                hint=WITHOUT_IN_PLACE,
            ) from error
        if isinstance(error, OSError):
            raise explained(error, path, _AS_IT_WAS) from error
        raise
    with contextlib.suppress(OSError):  # it says that all is done, and the next command takes it away
        journal.remove(change.path, change.fd)


def found(path: Path, fd: int, host: int) -> tuple[str, Callable[[], None] | None]:
    """What a dead process has left half done, for people, and what mends it; None where the host needs nothing.

    Args:
        path: The journal.
        fd: Its descriptor, locked.
        host: That of the host.

    Raises:
        OSError: they cannot be read.
    """
    change = _read(path, fd, host)
    if change is None:
        return journal.NEVER_FINISHED, None
    opened, inode, mark = change
    phase, info = opened.phase(), os.fstat(host)
    if phase == _DONE:
        return journal.COMPLETED, None
    whole: Source = FileSource.of(host)
    start, size = len(opened.big), opened.size + opened.gap
    if phase == _MOVING:
        start, size = len(opened.small), opened.size
        if opened.gap and whole.size == size + opened.gap:
            hole = platform.first_hole(host)
            whole = _Closed(whole, size if hole is None else hole, opened.gap)
    if inode != info.st_ino or whole.size != size or _fingerprint(whole, start) != mark:
        return journal.REPLACED, None
    what = f"a change in place was broken off; the file is whole again, {size} bytes"
    return what, opened.close_gap if phase == _MOVING else opened.to_big


def _read(path: Path, fd: int, host: int) -> tuple[_Splice, int, bytes] | None:
    """The journal, the inode and the fingerprint; None where it is not whole, so that nothing was changed yet."""
    source = FileSource.of(fd)
    head = source.read_at(0, _HEAD.size)
    if len(head) < _HEAD.size:
        return None
    _, _, inode, size, gap, small, big, mark = _HEAD.unpack(head)
    end = _HEAD.size + small + big
    if inode != os.fstat(host).st_ino:  # the journal of another file, which is not read to its end
        return _Splice(path, fd, host, size, gap, b"", b""), inode, mark
    if small > _HEAD_MOST or big > _HEAD_MOST or small + gap != big or small > size or source.size != end + 33:
        return None
    content = source.read_at(0, end)
    if source.read_at(end, 32) != hashlib.sha256(content).digest():
        return None
    cut = _HEAD.size + small
    return _Splice(path, fd, host, size, gap, content[_HEAD.size : cut], content[cut:]), inode, mark


def _fingerprint(source: Source, start: int) -> bytes:
    """That of what is behind the head, which ends at ``start``."""
    length = source.size - start
    return journal.fingerprint(Window(source, start, length), length)
