"""Appending a field to a message so that the file is a message after every write (SPEC JF-ONX).

What is appended first are whole fields of another number, the *fillers*: one for each page of the file, so that a write
that stops at the end of a page leaves whole fields too. The first is then grown over all of them, its content written,
and its number changed to that of a container. Each of these changes lies within one sector, and so is done or not.
"""

from __future__ import annotations

from itertools import pairwise

from jellyformat_onnx.message import TAG, encode_varint

FILLER_TAG = bytes((TAG[0] + 8,)) + TAG[1:]
"""The tag of field 4867405, type 2: but for its first byte that of a container."""
_PAGE, _SECTOR = 4096, 512
_LEAST = len(TAG) + 1
"""Bytes of the shortest filler."""


def appending(start: int, field: bytes) -> tuple[tuple[int, bytes], ...]:
    """The writes ``(offset, bytes)`` that append a container's field, in their order, each to be synced.

    Args:
        start: Where the message ends in the file.
        field: ``TAG``, the length as a varint, and at least 72 bytes.
    """
    end = start + len(field)
    head = next(index for index in range(len(TAG), len(field)) if field[index] < 0x80) + 1
    number = field[len(TAG) : head]
    # where a sector ends within the length, its lower bytes are written first, and a filler has to end where they say
    split = -(start + len(TAG)) % _SECTOR
    split = split if split < len(number) else 0
    low = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(number[:split]))
    ends = {start + head + low, end} if split else {end}
    pages = range(-(-(start + head) // _PAGE) * _PAGE, end, _PAGE)
    room = [page for page in pages if all(page >= other + _LEAST or page <= other - _LEAST for other in ends)]
    cuts = sorted({start, *room, *ends})
    fillers = bytearray(len(field))
    for begin, stop in pairwise(cuts):
        tag = FILLER_TAG + _length(stop - begin - len(TAG), len(number) if begin == start else 1)
        fillers[begin - start : begin - start + len(tag)] = tag
    writes = [(start, bytes(fillers))]
    if split and cuts[1] != start + head + low:
        writes.append((start + len(TAG), number[:split]))
    writes.append((start + len(TAG) + split, number[split:]))
    return (*writes, (start + head, field[head:]), (start, field[:1]))


def _length(size: int, width: int) -> bytes:
    """The length of a value that fills ``size`` bytes together with it, in at least ``width`` bytes."""
    while size - width >= 1 << 7 * width:
        width += 1
    raw = encode_varint(size - width)
    fill = width - len(raw)
    return raw[:-1] + bytes((raw[-1] | 0x80,)) + b"\x80" * (fill - 1) + b"\0" if fill else raw
