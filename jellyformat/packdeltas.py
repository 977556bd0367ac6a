"""Deltas between versions of a file, for packs written by us: what is equal at both ends is copied (gitformat-pack(5)).

One cut in the middle: not the smallest delta, but found in microseconds, and most edits are one place.
"""

from __future__ import annotations

_SMALLEST = 64
"""Content of fewer bytes is not worth a delta."""
_LARGEST = 1 << 24
"""Bytes; a copy takes at most this much, and larger files are not searched."""


def wants_delta(content: bytes) -> bool:
    """Whether a delta may be worth it."""
    return _SMALLEST <= len(content) < _LARGEST


def delta_from(base: bytes, content: bytes) -> bytes | None:
    """The delta that makes ``content`` of ``base``; None where it is not much smaller."""
    shorter = min(len(base), len(content))
    if len(base) >= _LARGEST:
        return None
    head = _same_head(base, content, shorter)
    tail = _same_tail(base, content, shorter - head)
    middle = content[head : len(content) - tail]
    if len(middle) * 2 > len(content):
        return None
    return b"".join(
        (
            _size(len(base)),
            _size(len(content)),
            _copy(0, head),
            *(_insert(middle[at : at + 127]) for at in range(0, len(middle), 127)),
            _copy(len(base) - tail, tail),
        )
    )


def _same_head(one: bytes, two: bytes, limit: int) -> int:
    low, step = 0, 512
    while low < limit and one[low : low + step] == two[low : low + step] and low + step <= limit:
        low += step
        step *= 2
    high = min(limit, low + step)
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _same_tail(one: bytes, two: bytes, limit: int) -> int:
    low, high, first, second = 0, limit, len(one), len(two)
    while low < high:
        middle = (low + high + 1) // 2
        if one[first - middle : first - low] == two[second - middle : second - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _size(size: int) -> bytes:
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def _insert(data: bytes) -> bytes:
    return bytes((len(data),)) + data


def _copy(offset: int, length: int) -> bytes:
    if not length:
        return b""
    op, out = 0x80, bytearray()
    for bit in range(4):
        byte = offset >> (8 * bit) & 0xFF
        if byte:
            op |= 1 << bit
            out.append(byte)
    for bit in range(3):
        byte = length >> (8 * bit) & 0xFF
        if byte:
            op |= 0x10 << bit
            out.append(byte)
    return bytes((op,)) + bytes(out)
