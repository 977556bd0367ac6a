"""Deltas between versions of a file, for packs written by us (gitformat-pack(5)).

What is equal at both ends is copied; in what is left between, a piece of the middle is looked for, and so on. That
is not the smallest delta, but it takes some searches at the speed of memory, and finds the few places of most edits.
"""

from __future__ import annotations

_SMALLEST = 64
"""Content of fewer bytes is not worth a delta."""
_LARGEST = 1 << 24
"""Bytes; a copy takes at most this much, and larger files are not searched."""
_PIECE = 32
"""Bytes that are looked for."""
_GAP = 96
"""Bytes between equal parts that are worth a search."""
_SEARCHES = 64
_FIRST_STEP = 256
_COMPARED = 1024
"""Bytes in which the first that differs is looked for at once."""

Copy = tuple[int, int, int]
"""An equal part: offset in the content, offset in the base, length."""


def wants_delta(content: bytes) -> bool:
    """Whether a delta may be worth it."""
    return _SMALLEST <= len(content) < _LARGEST


def delta_from(base: bytes, content: bytes) -> bytes | None:
    """The delta that makes ``content`` of ``base``; None where it is not much smaller."""
    if len(base) >= _LARGEST:
        return None
    copies = _equal_parts(base, content)
    if sum(length for _, _, length in copies) * 2 < len(content):
        return None
    out = [_size(len(base)), _size(len(content))]
    at = 0
    for offset, source, length in copies:
        if at < offset:
            _insert(out, content, at, offset)
        out.append(_copy(source, length))
        at = offset + length
    _insert(out, content, at, len(content))
    return b"".join(out)


def _equal_parts(base: bytes, content: bytes) -> list[Copy]:
    """Parts of the content that the base has, in order."""
    found: list[Copy] = []
    searches = _SEARCHES
    open_parts = [(0, len(base), 0, len(content), True)]
    while open_parts:
        low, high, first, last, at_ends = open_parts.pop()
        if at_ends:
            head = _forward(base, low, content, first, min(high - low, last - first))
            if head:
                found.append((first, low, head))
                low, first = low + head, first + head
            tail = _backward(base, high, content, last, min(high - low, last - first))
            if tail:
                found.append((last - tail, high - tail, tail))
                high, last = high - tail, last - tail
        if last - first < _GAP or high - low < _PIECE:
            continue
        for place in (first + (last - first) // 2, first + (last - first) // 4, first + (last - first) * 3 // 4):
            if searches <= 0:
                break
            searches -= 1
            piece = content[place : place + _PIECE]
            at = base.find(piece, low, high) if len(piece) == _PIECE and place + _PIECE <= last else -1
            if at >= 0:
                back = _backward(base, at, content, place, min(at - low, place - first))
                at, place = at - back, place - back
                length = _forward(base, at, content, place, min(high - at, last - place))
                found.append((place, at, length))
                open_parts.append((at + length, high, place + length, last, False))
                open_parts.append((low, at, first, place, False))
                break
    found.sort()
    return found


def _forward(one: bytes, at: int, two: bytes, place: int, limit: int) -> int:
    """How many bytes from ``at`` and ``place`` on are equal, ``limit`` at most."""
    low, step = 0, _FIRST_STEP
    while low + step <= limit and one[at + low : at + low + step] == two[place + low : place + low + step]:
        low += step
        step *= 2
    high = min(limit, low + step)
    while high - low > _COMPARED:
        middle = (low + high) // 2
        if one[at + low : at + middle] == two[place + low : place + middle]:
            low = middle
        else:
            high = middle
    # as numbers, the first byte the most significant: the highest bit that differs tells where they part
    differ = int.from_bytes(one[at + low : at + high], "big") ^ int.from_bytes(two[place + low : place + high], "big")
    return high - (differ.bit_length() + 7 >> 3)


def _backward(one: bytes, at: int, two: bytes, place: int, limit: int) -> int:
    """How many bytes before ``at`` and ``place`` are equal, ``limit`` at most."""
    low, step = 0, _FIRST_STEP
    while low + step <= limit and one[at - low - step : at - low] == two[place - low - step : place - low]:
        low += step
        step *= 2
    high = min(limit, low + step)
    while high - low > _COMPARED:
        middle = (low + high) // 2
        if one[at - middle : at - low] == two[place - middle : place - low]:
            low = middle
        else:
            high = middle
    first, second = one[at - high : at - low], two[place - high : place - low]
    differ = int.from_bytes(first, "little") ^ int.from_bytes(second, "little")
    return high - (differ.bit_length() + 7 >> 3)


def _size(size: int) -> bytes:
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def _insert(out: list[bytes], content: bytes, first: int, last: int) -> None:
    if last - first <= 127:  # as nearly all are
        if first < last:
            out.append(bytes((last - first,)))
            out.append(content[first:last])
        return
    for at in range(first, last, 127):
        piece = content[at : min(at + 127, last)]
        out.append(bytes((len(piece),)))
        out.append(piece)


def _copy(offset: int, length: int) -> bytes:
    """A copy instruction; every byte up to the highest that is not zero is written."""
    low, high = (offset.bit_length() + 7) >> 3, (length.bit_length() + 7) >> 3
    op = 0x80 | (1 << low) - 1 | (1 << high) - 1 << 4
    return b"%c%b%b" % (op, offset.to_bytes(low, "little"), length.to_bytes(high, "little"))
