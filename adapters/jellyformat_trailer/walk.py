"""Whether a file is msgpack or protocol buffers, which have no magic number.

Both are a chain of tags and lengths. A file whose chain leads from its first byte exactly to its last is of the
format; what the lengths skip is not read. No value is decoded, nothing nested is recursed into.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jellyformat.adapter import Source

_STEPS = 1 << 20
"""Tags followed; a chain that holds that long is no accident."""
_PAGE = 1 << 12
_LONGEST = 10
"""Bytes of the longest tag with its length: a protocol buffers varint."""


@dataclass
class Pages:
    """Small reads of a source, a page of it kept."""

    source: Source
    start: int = 0
    page: bytes = field(default=b"")

    def at(self, offset: int, length: int = _LONGEST) -> bytes:
        """``length`` bytes from ``offset``; fewer at the end."""
        low = offset - self.start
        if not 0 <= low <= len(self.page) - length:
            self.start, self.page, low = offset, self.source.read_at(offset, _PAGE), 0
        return self.page[low : low + length]


_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8}
_FIXED |= {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
_LENGTH_FIELDS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_COUNT_FIELDS = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}


def is_msgpack(source: Source) -> bool:
    """Whether ``source`` is exactly one msgpack map or array, whatever is in it.

    Args:
        source: The host's own bytes.
    """
    pages = Pages(source)
    first = pages.at(0)[:1]
    if not first or not (0x80 <= first[0] <= 0x9F or first[0] in _COUNT_FIELDS):
        return False
    position, open_values = 0, 1
    for _ in range(_STEPS):
        if open_values == 0:
            return position == source.size
        # Each value still to come has a byte at least.
        if open_values > source.size - position:
            return False
        skip, children = _msgpack_step(pages.at(position))
        if skip < 0:
            return False
        position += skip
        open_values += children - 1
    return True


def _msgpack_step(data: bytes) -> tuple[int, int]:
    """Bytes to the next value, and how many values are in this one; the bytes are -1 where this is no value."""
    if not data:
        return -1, 0
    tag = data[0]
    if tag <= 0x7F or tag >= 0xE0:
        return 1, 0
    if tag <= 0x9F:
        return 1, (tag & 15) * (2 if tag <= 0x8F else 1)
    if tag <= 0xBF:
        return 1 + (tag & 31), 0
    if tag in _FIXED:
        return 1 + _FIXED[tag], 0
    width = _LENGTH_FIELDS.get(tag) or _COUNT_FIELDS.get(tag)
    if width is None or len(data) < 1 + width:
        return -1, 0
    number = int.from_bytes(data[1 : 1 + width], "big")
    if tag in _COUNT_FIELDS:
        return 1 + width, number * (2 if tag >= 0xDE else 1)
    return 1 + width + number + (1 if 0xC7 <= tag <= 0xC9 else 0), 0


def is_protobuf(source: Source) -> bool:
    """Whether ``source`` is exactly one protocol buffers message, as TensorFlow graphs are.

    Args:
        source: The host's own bytes.
    """
    pages = Pages(source)
    position = 0
    for _ in range(_STEPS):
        if position == source.size:
            return position > 0
        tag, width = varint(pages.at(position))
        position += width
        kind, number = tag & 7, tag >> 3
        if width == 0 or not 1 <= number < 1 << 29 or kind not in (0, 1, 2, 5):
            return False
        if kind in (0, 2):
            value, width = varint(pages.at(position))
            if width == 0:
                return False
            position += width + (value if kind == 2 else 0)
        else:
            position += 8 if kind == 1 else 4
        if position > source.size:
            return False
    return True


def varint(data: bytes) -> tuple[int, int]:
    """The number at the start of ``data`` and its width in bytes; 0 where there is none."""
    value = 0
    for index, byte in enumerate(data):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, index + 1
    return 0, 0
