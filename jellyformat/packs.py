"""Objects of a repository, loose or packed (gitformat-pack(5)), read with the standard library alone.

libgit2 does not read SHA-256 ones, takes a tenth of a second to be loaded, and is no faster: most of the time is
zlib's.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

from jellyformat.attributes import unquote
from jellyformat.fileio import list_optional
from jellyformat.objects import KIND_NAMES, OID_LENGTH, object_id

_KINDS = {name: kind for kind, name in KIND_NAMES.items()}
_OFFSET_DELTA, _REFERENCE_DELTA = 6, 7
_INDEX_MAGIC = b"\xfftOc\0\0\0\2"
_ALTERNATES = 5
_CACHED_BYTES = 64 << 20
_LARGE_OFFSET = 0x80000000


class BadPack(Exception):
    """A pack or loose object is damaged."""


class ObjectStore:
    """The objects of one repository.

    Args:
        directory: Its ``objects`` directory.
        object_format: ``sha1`` or ``sha256``.
    """

    def __init__(self, directory: bytes, object_format: str) -> None:
        self._format = object_format
        self._length = OID_LENGTH[object_format]
        self._directories = _with_alternates(directory)
        self._packs = [
            _Pack(os.path.join(place, b"pack", name[:-4]), self._length)
            for place in self._directories
            for name in list_optional(os.path.join(place, b"pack"))
            if name.endswith(b".idx")
        ]
        self._cache: OrderedDict[tuple[int, int], tuple[int, bytes]] = OrderedDict()
        self._cached = 0
        self._sizes: dict[bytes, int] = {}
        self._fans: dict[bytes, bool] = {}

    def read(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object by raw id.

        Raises:
            KeyError: it is not there, or damaged.
        """
        try:
            found = self._packed(oid) or self._loose(oid)
        except (BadPack, zlib.error, struct.error, IndexError, OSError) as error:
            raise KeyError(oid.hex()) from error
        if found is None:
            raise KeyError(oid.hex())
        if object_id(*found, self._format) != oid:
            raise KeyError(oid.hex())
        self._sizes[oid] = len(found[1])
        return found

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object; None where it is not there."""
        try:
            return self._sizes[oid] if oid in self._sizes else len(self.read(oid)[1])
        except KeyError:
            return None

    def _loose(self, oid: bytes) -> tuple[int, bytes] | None:
        name = oid.hex().encode()
        for place in self._directories:
            if not self._has_fan(place, name[:2]):
                continue
            with suppress(FileNotFoundError), open(os.path.join(place, name[:2], name[2:]), "rb") as file:
                header, nul, content = zlib.decompress(file.read()).partition(b"\0")
                kind, _, size = header.partition(b" ")
                if not nul or kind not in _KINDS or size != b"%d" % len(content):
                    raise BadPack(f"loose object {oid.hex()} is damaged")
                return _KINDS[kind], content
        return None

    def _has_fan(self, place: bytes, fan: bytes) -> bool:
        """Whether there are loose objects whose names begin so; thousands may be asked for that are not there."""
        path = os.path.join(place, fan)
        found = self._fans.get(path)
        if found is None:
            found = self._fans[path] = os.path.isdir(path)
        return found

    def _packed(self, oid: bytes) -> tuple[int, bytes] | None:
        for number, pack in enumerate(self._packs):
            offset = pack.find(oid)
            if offset is not None:
                return self._at(number, offset)
        return None

    def _at(self, number: int, offset: int) -> tuple[int, bytes]:
        """The object at an offset of a pack, its deltas applied."""
        pack = self._packs[number]
        deltas: list[tuple[int, bytes]] = []
        while True:
            known = self._cache.get((number, offset))
            if known is not None:
                kind, content = known
                break
            entry = pack.entry(offset)
            if entry.base is None:
                kind, content = entry.kind, entry.data
                self._keep(number, offset, kind, content)
                break
            deltas.append((offset, entry.data))
            base = pack.find(entry.base) if isinstance(entry.base, bytes) else entry.base
            if base is None or base == offset or len(deltas) > 10_000:
                raise BadPack("the base of a delta is missing")
            offset = base
        for place, delta in reversed(deltas):
            content = apply_delta(content, delta)
            self._keep(number, place, kind, content)
        return kind, content

    def _keep(self, number: int, offset: int, kind: int, content: bytes) -> None:
        if len(content) > _CACHED_BYTES // 4 or (number, offset) in self._cache:
            return
        self._cache[number, offset] = (kind, content)
        self._cached += len(content)
        while self._cached > _CACHED_BYTES:
            self._cached -= len(self._cache.popitem(last=False)[1][1])


@dataclass(frozen=True)
class _Entry:
    """What stands at an offset of a pack, decompressed."""

    kind: int
    data: bytes
    base: int | bytes | None
    """Of a delta: the offset of its base, or the base's id."""


class _Pack:
    """One pack and its index, mapped into memory when first asked."""

    def __init__(self, stem: bytes, oid_length: int) -> None:
        self._length = oid_length
        self._stem = stem
        self._index: mmap.mmap | None = None
        self._is_old = False
        self._data: mmap.mmap | None = None

    def find(self, oid: bytes) -> int | None:
        """The offset of an object in the pack."""
        if self._index is None:
            self._index = _mapped(self._stem + b".idx")
            self._is_old = self._index[:4] != _INDEX_MAGIC[:4]
            if not self._is_old and self._index[:8] != _INDEX_MAGIC:
                raise BadPack("a pack index of another version")
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

    def entry(self, offset: int) -> _Entry:
        """What stands at an offset."""
        if self._data is None:
            self._data = _mapped(self._stem + b".pack")
        data = self._data
        kind, size, base, at = entry_head(data, offset, self._length)
        return _Entry(kind, _inflate(data, at, size), base)


def entry_head(data: bytes | mmap.mmap, at: int, oid_length: int) -> tuple[int, int, int | bytes | None, int]:
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


def _inflate(data: mmap.mmap, at: int, size: int) -> bytes:
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
    parts: list[bytes] = []
    left = size
    while at < len(delta):
        op = delta[at]
        at += 1
        if op & 0x80:
            start = length = 0
            for bit in range(4):
                if op & 1 << bit:
                    start |= delta[at] << 8 * bit
                    at += 1
            for bit in range(3):
                if op & 0x10 << bit:
                    length |= delta[at] << 8 * bit
                    at += 1
            parts.append(base[start : start + (length or 0x10000)])
        elif op:
            parts.append(delta[at : at + op])
            at += op
        else:
            raise BadPack("a delta has an unknown instruction")
        left -= len(parts[-1])
        if left < 0:  # here, before a few bytes have become gigabytes
            break
    content = b"".join(parts) if left == 0 else b""
    if left:
        raise BadPack("a delta makes another size than it says")
    return content


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def _mapped(path: bytes) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _with_alternates(directory: bytes) -> list[bytes]:
    """The directory of objects and those that its ``info/alternates`` name, in turn."""
    found: list[bytes] = []
    level = [directory]
    for _ in range(_ALTERNATES + 1):
        further: list[bytes] = []
        for place in level:
            if place in found:
                continue
            found.append(place)
            try:
                with open(os.path.join(place, b"info", b"alternates"), "rb") as file:
                    lines = file.read().split(b"\n")
            except (FileNotFoundError, NotADirectoryError):
                continue
            for line in lines:
                if line and not line.startswith(b"#"):
                    name = (unquote(line[1:-1]) or line) if line[:1] == line[-1:] == b'"' else line
                    further.append(os.path.normpath(os.path.join(place, name)))
        level = further
    return found
