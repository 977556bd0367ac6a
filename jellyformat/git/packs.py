"""Packs of objects (gitformat-pack(5)), read with the standard library alone.

libgit2 does not read SHA-256 ones, takes a tenth of a second to be loaded, and is no faster: most of the time is
zlib's.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
import sys
import zlib
from array import array
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
_NAMES_AT = 8 + 256 * 4
"""Where in an index of version 2 the ids begin, behind magic and fan-out table."""
_KEPT_NAMES = 128
"""Ids that begin with the same byte, up to which all of them are read at once: 32,768 objects in a pack."""
_UINT32 = struct.Struct(">I")
_ALL_KEPT = 1 << 19
"""Ids that are kept of all packs of a repository: a hundred bytes of memory each."""
_PIECE = 1 << 16
"""Bytes read at once of a file that is not mapped."""
_LONGEST_INDEX = 1 << 30
"""Bytes of an index that is not mapped."""
_SHORT = 1 << 16
"""Bytes of an object that is unpacked in one call."""
_RUN = 1 << 16
"""Bytes of instructions whose results are put together at once: of two bytes each, they would take up far more."""


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


@dataclass
class Room:
    """How many more ids may be kept of the packs of a repository: there may be thousands of them."""

    left: int = _ALL_KEPT


class Pack:
    """One pack and its index, mapped into memory when first asked: what is mapped stays when the files go.

    Attributes:
        vanished: Whether one of its files could not be opened.
    """

    def __init__(self, place: bytes, stem: bytes, oid_length: int, reader: Reader, room: Room) -> None:
        self._length = oid_length
        self._room = room
        self._place, self._stem, self._reader = place, stem, reader
        self._index: mmap.mmap | bytes | None = None
        self._is_old = False
        self._data: mmap.mmap | _Unmapped | None = None
        self._is_broken = False
        self._fans: array[int] = array("I")
        self._known: dict[int, dict[bytes, int]] = {}
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
        first = oid[0]
        known = self._known.get(first)
        if known is None:
            known = self._known[first] = self._names_from(first)
        if known:
            at = known.get(oid)
            return None if at is None else self._offset(self._index, at)
        return self._search(self._index, oid)

    def _names_from(self, first: int) -> dict[bytes, int]:
        """Where the ids that begin with a byte stand in the index; empty where they are too many to keep, or none."""
        assert self._index is not None
        if not self._fans:
            self._fans = array("I", bytes(4) + self._index[8:_NAMES_AT])  # a tuple of numbers is ten times as large
            if sys.byteorder == "little":
                self._fans.byteswap()
        low, high = self._fans[first], self._fans[first + 1]
        if not 0 < high - low <= min(_KEPT_NAMES, self._room.left):
            return {}
        self._room.left -= high - low
        length = self._length
        names = self._index[_NAMES_AT + low * length : _NAMES_AT + high * length]
        return {names[at : at + length]: low + at // length for at in range(0, len(names), length)}

    def _search(self, index: mmap.mmap | bytes, oid: bytes) -> int | None:
        low, high = self._fans[oid[0]], self._fans[oid[0] + 1]
        length = self._length
        while low < high:
            middle = (low + high) // 2
            found = index[_NAMES_AT + middle * length : _NAMES_AT + (middle + 1) * length]
            if found == oid:
                return self._offset(index, middle)
            low, high = (middle + 1, high) if found < oid else (low, middle)
        return None

    def _offset(self, index: mmap.mmap | bytes, number: int) -> int:
        """Where in the pack the object lies whose id is the one of that number in the index."""
        count = self._fans[256]
        offsets = _NAMES_AT + count * (self._length + 4)
        (offset,) = _UINT32.unpack_from(index, offsets + 4 * number)
        if offset & _LARGE_OFFSET:
            far = offsets + 4 * count + 8 * (offset ^ _LARGE_OFFSET)
            (offset,) = struct.unpack_from(">Q", index, far)
        return int(offset)

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


def _copy_table() -> list[tuple[int, int, int]]:
    """For each copy instruction: its bytes, and of those of the offset the bits and the mask; -1 where one is left out.

    Offset and length are little-endian, and only bytes that are not zero are there: mostly the lowest ones.
    """
    table = []
    for op in range(0x80):
        offset, length = op & 0x0F, op >> 4
        is_plain = offset & (offset + 1) == 0 and length & (length + 1) == 0
        bits = 8 * offset.bit_count()
        table.append((op.bit_count(), bits, (1 << bits) - 1 if is_plain else -1))
    return table


_COPIES = _copy_table()


def _sparse_copy(op: int, data: bytes) -> tuple[int, int]:
    """Offset and length of a copy instruction, whichever of their bytes are there. Raises IndexError."""
    places = [place for place in range(7) if op & 1 << place]
    value = sum(data[number] << 8 * place for number, place in enumerate(places))
    return value & 0xFFFFFFFF, value >> 32 or 0x10000


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
    runs: list[bytes] = []
    made, end = 0, len(delta)
    from_bytes = int.from_bytes
    while at < end:
        run_end = min(end, at + _RUN)
        while at < run_end:
            op = delta[at]
            at += 1
            if op & 0x80:
                width, offset_bits, mask = _COPIES[op & 0x7F]
                stop = at + width
                if width and mask >= 0:
                    value = from_bytes(delta[at:stop], "little")
                    start, length = value & mask, value >> offset_bits or 0x10000
                else:
                    start, length = _sparse_copy(op, delta[at:stop])
                at = stop
                if at > end:
                    raise BadPack("a delta ends within an instruction")
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
                raise BadPack("a delta makes more than it says")
        runs.append(b"".join(parts))
        parts.clear()
    if made != size:
        raise BadPack("a delta makes less than it says")
    return runs[0] if len(runs) == 1 else b"".join(runs)


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
