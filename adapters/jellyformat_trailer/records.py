"""Where the first record of a file ends: of a pickle or an array of numpy, of which a file may have several.

Nothing is unpickled: of a pickle, operations are stepped over by their lengths, and frames as a whole.
"""

from __future__ import annotations

import re

from jellyformat.adapter import Source
from jellyformat_trailer.walk import Pages

NPY = b"\x93NUMPY"
PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_STEPS = 1 << 20
"""Operations of a pickle stepped over; what has more is not followed to its end."""
_LINE = 1 << 9
"""Bytes of the longest line among a pickle's operations."""
_LONGEST_HEADER = 1 << 16
"""Bytes of an array's header."""

_STOP, _FRAME = ord("."), 0x95
_NONE = b"(012)lst]}aeubdoQRN\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98"
_FIXED = {ord(code): width for code, width in zip("KMJGhjqr", (1, 2, 4, 8, 1, 4, 1, 4), strict=True)}
_FIXED |= {0x80: 1, 0x82: 1, 0x83: 2, 0x84: 4, **dict.fromkeys(_NONE, 0)}
_COUNTED = {ord("U"): 1, ord("T"): 4, ord("X"): 4, ord("B"): 4, ord("C"): 1}
_COUNTED |= {0x8A: 1, 0x8B: 4, 0x8C: 1, 0x8D: 8, 0x8E: 8, 0x96: 8, _FRAME: 8}
_LINES = {ord(code): lines for code, lines in zip("FILSVPgpci", (1, 1, 1, 1, 1, 1, 1, 1, 2, 2), strict=True)}
"""What follows each operation (pickletools): so many bytes, a length of so many and its bytes, or lines."""


def pickle_end(source: Source) -> int | None:
    """Where the pickle ends that ``source`` begins with; None where that is not found.

    Args:
        source: It begins with a pickle of protocol 2 or later.
    """
    pages = Pages(source)
    position = 0
    for _ in range(_STEPS):
        code = pages.at(position, 1)
        position += 1
        if not code:
            return None
        if code[0] == _STOP:
            return position
        if code[0] == 0x80 and position > 1:  # a frame before this had the end of the first
            return position - 1 if pages.at(position - 2, 1) == b"." else None
        position = _behind(pages, code[0], position)
        if not position:
            return None
        if position >= source.size:  # the end stands in a frame
            return source.size if position == source.size and pages.at(position - 1, 1) == b"." else None
    return None


def _behind(pages: Pages, code: int, position: int) -> int:
    """Where the argument ends that is at ``position``; 0 where there is no such operation."""
    if code in _FIXED:
        return position + _FIXED[code]
    if code in _COUNTED:
        width = _COUNTED[code]
        return position + width + int.from_bytes(pages.at(position, width), "little")
    for _ in range(_LINES.get(code, 0)):
        line = pages.at(position, _LINE).find(b"\n")
        if line < 0:
            return 0
        position += line + 1
    return position if code in _LINES else 0


_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'[<>|=]?(?:\?|[bB]1?|([iufcSVUmM])(\d{1,9})(?:\[\w{1,20}\])?)',"
    rb"\s*'fortran_order':\s*(?:True|False),\s*'shape':\s*\(([\d\s,]*)\),?\s*\}\s*\Z"
)
"""No two repeats in it can share bytes in more than one way: that would take a time that doubles with each digit."""
_MOST_DIMENSIONS, _LONGEST_DIMENSION = 64, 19


def npy_end(source: Source) -> int | None:
    """Where the array ends that ``source`` begins with; None where that is not found: of records, or of objects.

    Args:
        source: It begins with the magic of ``.npy``.
    """
    head = source.read_at(0, 12)
    if len(head) < 12 or head[6] not in (1, 2, 3):
        return None
    width = 2 if head[6] == 1 else 4
    length = int.from_bytes(head[8 : 8 + width], "little")
    if length > _LONGEST_HEADER:
        return None
    found = _HEADER.match(source.read_at(8 + width, length))
    if found is None:
        return None
    dimensions = found[3].replace(b",", b" ").split()
    if len(dimensions) > _MOST_DIMENSIONS or any(len(dimension) > _LONGEST_DIMENSION for dimension in dimensions):
        return None
    size = int(found[2] or 1) * (4 if found[1] == b"U" else 1)
    for dimension in dimensions:
        size *= int(dimension)
    return 8 + width + length + size
