"""The header of a GGUF file: where its tensors lie (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).

It is walked by its lengths. Of the metadata only the alignment is looked at; no tensor is read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from jellyformat.adapter import MAX_WEIGHTS, BadHost, Source

MAGIC = b"GGUF"
VERSIONS = (2, 3)
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip
"""Of each type of tensor the name, the elements in a block, and the bytes of a block."""

_HEADER_MAX = 1 << 28
_NAME_MAX = (1 << 16) - 1
_DIMENSIONS_MAX = 16
_DEPTH_MAX = 8
_ENTRIES_MAX = 1 << 16
"""Metadata, and the arrays in arrays of them: models have some dozens."""
_PAGE = 1 << 18
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of the values that always have as many: integers, floating point numbers and booleans."""
_UINT32, _STRING, _ARRAY = 4, 8, 9
_ALIGNMENT_KEY, _ALIGNMENT = b"general.alignment", 32
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        name: As it is written.
        dtype: The name of its type; the number of one that is not known.
        shape: Its dimensions, the one whose elements lie side by side first.
        start: Where it begins in the file.
        length: Its bytes; None where its type is not known.
    """

    name: bytes
    dtype: str
    shape: tuple[int, ...]
    start: int
    length: int | None


def is_gguf(source: Source) -> bool:
    """Whether ``source`` begins as a GGUF file, little-endian, of a version that is known."""
    head = source.read_at(0, 8)
    return head[:4] == MAGIC and len(head) == 8 and int.from_bytes(head[4:], "little") in VERSIONS


def read_tensors(source: Source) -> list[Tensor]:
    """The tensors in the header's order, each known to lie in ``source``.

    Args:
        source: The host's own bytes.

    Raises:
        BadHost: the header does not parse (JF-GGF-001), or a tensor does not lie in the file (JF-GGF-002).
    """
    cursor = _Cursor(source, len(MAGIC) + 4)
    count, entries = cursor.number(8), cursor.number(8)
    if count > MAX_WEIGHTS:
        raise _bad(f"it has {count} tensors, more than {MAX_WEIGHTS}", len(MAGIC) + 4)
    alignment = _alignment(cursor, entries)
    told: dict[bytes, tuple[int, tuple[int, ...], int]] = {}
    for _ in range(count):
        begin = cursor.position
        name = cursor.string()
        dimensions = cursor.number(4)
        if name in told or dimensions > _DIMENSIONS_MAX:
            raise _bad("a tensor is there twice, or has too many dimensions", begin)
        shape = tuple(cursor.number(8) for _ in range(dimensions))
        told[name] = cursor.number(4), shape, cursor.number(8)
    data = -(-cursor.position // alignment) * alignment
    return [_tensor(source.size, name, *entry, data, alignment) for name, entry in told.items()]


def _alignment(cursor: _Cursor, entries: int) -> int:
    """Walk the metadata; the alignment of the tensors that it gives."""
    alignment: int | None = None
    if entries > _ENTRIES_MAX:
        raise _bad(f"it has {entries} metadata, more than {_ENTRIES_MAX}", cursor.position - 8)
    for _ in range(entries):
        begin = cursor.position
        key, kind = cursor.string(), cursor.number(4)
        if key != _ALIGNMENT_KEY:
            cursor.pass_values(kind, 1)
            continue
        value = cursor.number(4) if kind == _UINT32 else 0
        if alignment is not None or value.bit_count() != 1:
            raise _bad("the alignment is there twice, or is no power of two", begin)
        alignment = value
    return _ALIGNMENT if alignment is None else alignment


def _tensor(
    size: int, name: bytes, kind: int, shape: tuple[int, ...], offset: int, data: int, alignment: int
) -> Tensor:
    """A tensor, if it lies in a file of ``size`` bytes, whose data begin at ``data``."""
    start = data + offset
    if kind not in TYPES:
        if offset % alignment or start > size:
            raise _outside(name, start)
        return Tensor(name, str(kind), shape, start, None)
    dtype, elements, block = TYPES[kind]
    row = shape[0] if shape else 1
    length = row // elements * block
    for dimension in shape[1:]:
        length *= dimension
    if row % elements or offset % alignment or start + length > size:
        raise _outside(name, start)
    return Tensor(name, dtype, shape, start, length)


def _outside(name: bytes, start: int) -> BadHost:
    shown = name[:64].decode("utf-8", "backslashreplace")
    return BadHost(
        f"the tensor {shown!r} of this GGUF file is not in it, whole: the file is cut off or was changed",
        requirement="JF-GGF-002",
        offset=start,
    )


def _bad(why: str, offset: int) -> BadHost:
    return BadHost(f"the header of this GGUF file is broken: {why}", requirement="JF-GGF-001", offset=offset)


@dataclass
class _Cursor:
    """The header, read from front to back, a page of it kept."""

    source: Source
    position: int
    start: int = 0
    page: bytes = field(default=b"")
    arrays: int = 0

    def number(self, width: int) -> int:
        """An integer of so many bytes."""
        return int.from_bytes(self._take(width), "little")

    def string(self) -> bytes:
        """A key or a name."""
        length = self.number(8)
        if length > _NAME_MAX:
            raise _bad("a name is too long", self.position - 8)
        return self._take(length)

    def pass_values(self, kind: int, count: int, depth: int = 0) -> None:
        """Go on behind ``count`` values of a type."""
        if kind in _WIDTHS:
            self._pass(count * _WIDTHS[kind])
        elif kind == _STRING:
            self._pass_strings(count)
        elif kind == _ARRAY and depth < _DEPTH_MAX:
            for _ in range(count):
                self.arrays += 1
                if self.arrays > _ENTRIES_MAX:
                    raise _bad("it has too many arrays", self.position)
                inner = self.number(4)
                self.pass_values(inner, self.number(8), depth + 1)
        else:
            raise _bad("a value has a type that is not known", self.position)

    def _pass_strings(self, count: int) -> None:
        """Vocabularies are hundreds of thousands of strings, so that this is done page by page."""
        while count:
            self._need(8)
            page, at = self.page, self.position - self.start
            last = len(page) - 8
            while count and at <= last:
                at += 8 + _LENGTH.unpack_from(page, at)[0]
                count -= 1
            self._pass(self.start + at - self.position)

    def _take(self, length: int) -> bytes:
        self._need(length)
        at = self.position - self.start
        self.position += length
        return self.page[at : at + length]

    def _need(self, length: int) -> None:
        """Have the next ``length`` bytes in the page."""
        if self.position + length > self._end():
            raise _bad("it ends too early, or is too long", self.position)
        if self.position + length > self.start + len(self.page):
            self.start, self.page = self.position, self.source.read_at(self.position, max(_PAGE, length))
            if len(self.page) < length:
                raise _bad("it was cut off meanwhile", self.position)

    def _pass(self, length: int) -> None:
        if self.position + length > self._end():
            raise _bad("it ends too early, or is too long", self.position)
        self.position += length

    def _end(self) -> int:
        return min(self.source.size, _HEADER_MAX)
