"""Packs of objects (gitformat-pack(5)), read with the standard library alone.

libgit2 does not read SHA-256 ones, takes a tenth of a second to be loaded, and is no faster: most of the time is
zlib's.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from typing import overload

from jellyformat.errors import RefusedRepository
from jellyformat.format import limits
from jellyformat.format.objects import KIND_NAMES
from jellyformat.format.source import FileSource
from jellyformat.git.reading import Reader

_OFFSET_DELTA, _REFERENCE_DELTA = 6, 7
_INDEX_MAGIC = b"\xfftOc\0\0\0\2"
LONGEST_CHAIN = 4095
"""Deltas, one on the other: git makes no longer ones."""
_LARGE_OFFSET = 0x80000000
_PIECE = 1 << 16
"""Bytes read at once of a file that is not mapped."""
_LONGEST_INDEX = 1 << 30
"""Bytes of an index that is not mapped."""
_SHORT = 1 << 16
"""Bytes of an object that is unpacked in one call."""


class BadPack(Exception):
    """A pack or loose object is damaged."""


class Vanished(BadPack):
    """A pack is not there any more, or not to be opened: git has put its objects elsewhere."""


class TooLarge(KeyError):
    """An object has more bytes than are read at once: ``size``."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


DAMAGE = (BadPack, zlib.error, struct.error, IndexError, OSError, ValueError, RefusedRepository)
"""What reading a pack or loose object raises that is damaged, or no file at all."""


@dataclass(frozen=True)
class Entry:
    """What stands at an offset of a pack, decompressed."""

    kind: int
    data: bytes
    base: int | bytes | None
    """Of a delta: the offset of its base, or the base's id."""


class _Unmapped:
    """A file that its filesystem cannot map, read where it is asked for."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at, self._piece = 0, b""

    @overload
    def __getitem__(self, place: int) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> bytes: ...

    def __getitem__(self, place: int | slice) -> int | bytes:
        if isinstance(place, slice):
            return self.read(place.start or 0, place.stop)
        found = self.read(place, place + 1)
        return found[0]

    def read(self, start: int, stop: int) -> bytes:
        """The bytes between two offsets; fewer only at the end of the file."""
        if not self._at <= start <= stop <= self._at + len(self._piece):
            self._at, self._piece = start, FileSource(self._fd, 0).read_at(start, max(stop - start, _PIECE))
        return self._piece[start - self._at : stop - self._at]

    def __del__(self) -> None:
        os.close(self._fd)


class Pack:
    """One pack and its index, mapped into memory when first asked: what is mapped stays when the files go.

    Attributes:
        vanished: Whether one of its files could not be opened.
    """

    def __init__(self, place: bytes, stem: bytes, oid_length: int, reader: Reader) -> None:
        self._length = oid_length
        self._place, self._stem, self._reader = place, stem, reader
        self._index: mmap.mmap | bytes | None = None
        self._is_old = False
        self._data: mmap.mmap | _Unmapped | None = None
        self._is_broken = False
        self.vanished = False

    def find(self, oid: bytes) -> int | None:
        """The offset of an object in the pack; None too where its index is none. Raises as of `DAMAGE`."""
        if self._is_broken:
            return None
        if self._index is None:
            self._is_broken = True
            mapped = self._mapped(b".idx")
            self._index = mapped if isinstance(mapped, mmap.mmap) else mapped.read(0, _LONGEST_INDEX)
            self._is_old = self._index[:4] != _INDEX_MAGIC[:4]
            if not self._is_old and self._index[:8] != _INDEX_MAGIC:
                raise BadPack("a pack index of another version")
            self._is_broken = False
        if self._is_old:
            return self._find_old(oid)
        index, length = self._index, self._length
        first = oid[0]
        low = struct.unpack_from(">I", index, 8 + 4 * (first - 1))[0] if first else 0
        high = struct.unpack_from(">I", index, 8 + 4 * first)[0]
        count = struct.unpack_from(">I", index, 8 + 4 * 255)[0]
        names = 8 + 1024
        while low < high:
            middle = (low + high) // 2
            found = index[names + middle * length : names + (middle + 1) * length]
            if found == oid:
                offsets = names + count * (length + 4)
                offset = struct.unpack_from(">I", index, offsets + 4 * middle)[0]
                if offset & _LARGE_OFFSET:
                    far = offsets + 4 * count + 8 * (offset ^ _LARGE_OFFSET)
                    offset = struct.unpack_from(">Q", index, far)[0]
                return int(offset)
            low, high = (middle + 1, high) if found < oid else (low, middle)
        return None

    def _find_old(self, oid: bytes) -> int | None:
        """`find` in an index of version 1, as git made them before 2007: offsets stand with the ids."""
        assert self._index is not None
        index, width = self._index, 4 + self._length
        low = struct.unpack_from(">I", index, 4 * (oid[0] - 1))[0] if oid[0] else 0
        high = struct.unpack_from(">I", index, 4 * oid[0])[0]
        while low < high:
            middle = (low + high) // 2
            at = 1024 + middle * width
            found = index[at + 4 : at + width]
            if found == oid:
                return int(struct.unpack_from(">I", index, at)[0])
            low, high = (middle + 1, high) if found < oid else (low, middle)
        return None

    def entry(self, offset: int, most: int) -> Entry:
        """What stands at an offset. Raises TooLarge for an object of more than ``most`` bytes, and as of `DAMAGE`."""
        if self._data is None:
            self._data = self._mapped(b".pack")
        data = self._data
        kind, size, base, at = entry_head(data, offset, self._length)
        if size > most:
            if base is None:
                raise TooLarge(size)
            raise BadPack(f"a delta of {size} bytes")
        return Entry(kind, _inflate(data, at, size), base)

    def _mapped(self, suffix: bytes) -> mmap.mmap | _Unmapped:
        """One of its two files. Raises Vanished, and as of `DAMAGE`."""
        try:
            fd = self._reader.open(self._place, self._stem + suffix)
        except OSError as error:
            self.vanished = True
            raise Vanished("one of the two files of a pack cannot be opened") from error
        if fd is None:
            self.vanished = True
            raise Vanished("one of the two files of a pack is missing")
        with open(fd, "rb", buffering=0) as file:
            try:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                return _Unmapped(os.dup(file.fileno()))


def entry_head(
    data: bytes | mmap.mmap | _Unmapped, at: int, oid_length: int
) -> tuple[int, int, int | bytes | None, int]:
    """Kind and size in bytes of the entry of a pack at ``at``, its base, and where its zlib stream begins.

    The base is the offset of an earlier entry or a raw id for the two kinds of deltas, None for others.

    Raises:
        BadPack, IndexError: it is no entry.
    """
    start = at
    byte = data[at]
    at += 1
    kind, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if shift > 63:
            raise BadPack("the size of an object has no end")
    if kind == _OFFSET_DELTA:
        byte = data[at]
        at += 1
        back = byte & 0x7F
        while byte & 0x80 and back < start:
            byte = data[at]
            at += 1
            back = (back + 1 << 7) | byte & 0x7F
        if not 0 < back < start:
            raise BadPack("a delta has its base behind it, or in front of the pack")
        return kind, size, start - back, at
    if kind == _REFERENCE_DELTA:
        return kind, size, data[at : at + oid_length], at + oid_length
    if kind not in KIND_NAMES:
        raise BadPack(f"an object of kind {kind}")
    return kind, size, None, at


def _inflate(data: mmap.mmap | _Unmapped, at: int, size: int) -> bytes:
    decompressor = zlib.decompressobj()
    if size < _SHORT:
        found = decompressor.decompress(data[at : at + size + (size >> 8) + 64], size + 1)
        if decompressor.eof and len(found) == size:
            return found
        decompressor = zlib.decompressobj()
    content = bytearray()
    rest = b""
    while not decompressor.eof and len(content) <= size:
        if not rest:
            rest = data[at : at + min(max(size, 512), 1 << 20)]
            at += len(rest)
            if not rest:
                break
        content += decompressor.decompress(rest, size + 1 - len(content))
        rest = decompressor.unconsumed_tail
    if len(content) != size or not decompressor.eof:
        raise BadPack(f"an object has not the {size} bytes it should have")
    return bytes(content)


def delta_sizes(delta: bytes) -> tuple[int, int, int]:
    """The sizes in bytes that a delta gives for its base and its result, and where its instructions begin."""
    base, at = _number(delta, 0)
    size, at = _number(delta, at)
    return base, size, at


def apply_delta(base: bytes, delta: bytes) -> bytes:
    """The object that a delta of git's makes of ``base``.

    Raises:
        BadPack, IndexError: it is no delta, or one for another base.
    """
    source, size, at = delta_sizes(delta)
    if source != len(base):
        raise BadPack("a delta is for another base")
    if size > limits.OBJECT_BYTES:
        raise BadPack(f"a delta makes {size} bytes")
    parts: list[bytes] = []
    made, end = 0, len(delta)
    while at < end:
        op = delta[at]
        at += 1
        if op & 0x80:
            start = length = 0
            if op & 0x01:
                start = delta[at]
                at += 1
            if op & 0x02:
                start |= delta[at] << 8
                at += 1
            if op & 0x04:
                start |= delta[at] << 16
                at += 1
            if op & 0x08:
                start |= delta[at] << 24
                at += 1
            if op & 0x10:
                length = delta[at]
                at += 1
            if op & 0x20:
                length |= delta[at] << 8
                at += 1
            if op & 0x40:
                length |= delta[at] << 16
                at += 1
            length = length or 0x10000
            if start + length > source:  # else it makes nothing, and there may be a billion such
                raise BadPack("a delta copies from behind its base")
            parts.append(base[start : start + length])
            made += length
        elif op:
            parts.append(delta[at : at + op])
            made += len(parts[-1])
            at += op
        else:
            raise BadPack("a delta has an unknown instruction")
        if made > size:  # here, before a few bytes have become gigabytes
            break
    if made != size:
        raise BadPack("a delta makes another size than it says")
    return b"".join(parts)


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at
        if shift > 63:
            raise BadPack("a size in a delta has no end")
