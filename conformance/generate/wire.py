"""Bytes of the format, made without the reference: msgpack, zstd frames of raw and RLE blocks, header."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any

MAGIC = b"\x89JELLY\r\n"
Value = Any
"""What msgpack says, with `Raw` and `Pairs` where it is to be said wrongly."""


@dataclass(frozen=True)
class Raw:
    """Bytes put in as they are, in place of a value's encoding."""

    data: bytes


@dataclass(frozen=True)
class Pairs:
    """A map whose pairs stand in this order, whatever it is."""

    pairs: tuple[tuple[Value, Value], ...]


def _head(length: int, fix: int, fix_most: int, wide: tuple[int, ...], width: int) -> bytes:
    """A type byte and a length, in the shortest form; ``wide`` are the type bytes from ``width`` bytes upwards."""
    if length <= fix_most:
        return bytes([fix | length])
    for code in wide:
        if length < 1 << (8 * width):
            return bytes([code]) + length.to_bytes(width, "big")
        width *= 2
    raise ValueError(length)


def pack_int(value: int) -> bytes:
    """An integer in its shortest form."""
    if value >= 0:
        if value < 128:
            return bytes([value])
        for code, width in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
            if value < 1 << (8 * width):
                return bytes([code]) + value.to_bytes(width, "big")
    if value >= -32:
        return struct.pack("b", value)
    for code, width in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)):
        if value >= -(1 << (8 * width - 1)):
            return bytes([code]) + value.to_bytes(width, "big", signed=True)
    raise ValueError(value)


def pack(value: Value) -> bytes:
    """The canonical msgpack of a value."""
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, Pairs):
        body = b"".join(pack(key) + pack(item) for key, item in value.pairs)
        return _head(len(value.pairs), 0x80, 15, (0xDE, 0xDF), 2) + body
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return pack_int(value)
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        return _head(len(raw), 0xA0, 31, (0xD9, 0xDA, 0xDB), 1) + raw
    if isinstance(value, bytes):
        return _head(len(value), 0, -1, (0xC4, 0xC5, 0xC6), 1) + value
    if isinstance(value, list):
        return _head(len(value), 0x90, 15, (0xDC, 0xDD), 2) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return pack(Pairs(tuple((key, value[key]) for key in sorted(value, key=str.encode))))
    raise TypeError(type(value))


@dataclass(frozen=True)
class Run:
    """One byte many times, kept as zstd RLE blocks."""

    byte: int
    count: int

    def __len__(self) -> int:
        return self.count


Part = bytes | Run
_BLOCK_MOST = 128 << 10


def block(kind: int, size: int, body: bytes, last: bool) -> bytes:
    """One zstd block: kind 0 raw, 1 RLE, 2 compressed, 3 reserved."""
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + body


def blocks(parts: list[Part], most: int = _BLOCK_MOST, *, end: bool = True) -> bytes:
    """Raw and RLE blocks that hold ``parts``; the last is marked so unless ``end`` is False."""
    pieces: list[tuple[int, int, bytes]] = []
    for part in parts:
        for start in range(0, len(part), most):
            size = min(most, len(part) - start)
            body = bytes([part.byte]) if isinstance(part, Run) else part[start : start + size]
            pieces.append((1 if isinstance(part, Run) else 0, size, body))
    if not pieces:
        pieces.append((0, 0, b""))
    return b"".join(
        block(kind, size, body, end and number == len(pieces) - 1) for number, (kind, size, body) in enumerate(pieces)
    )


def frame(
    content: bytes | list[Part],
    *,
    size: int | None = -1,
    window: int | None = None,
    checksum: bytes | None = None,
    dictionary: bytes = b"",
    most: int = _BLOCK_MOST,
    descriptor: int = 0,
    body: bytes | None = None,
) -> bytes:
    """One zstd frame.

    Args:
        content: What is in it.
        size: The Frame_Content_Size; -1 the right one, None none.
        window: The Window_Descriptor byte; None with Single_Segment_Flag.
        checksum: The four bytes of the Content_Checksum; None where there is none.
        dictionary: The Dictionary_ID field: 0, 1, 2 or 4 bytes.
        most: The most bytes in a block.
        descriptor: Further bits of the Frame_Header_Descriptor.
        body: The blocks, in place of those that hold ``content``.
    """
    parts: list[Part] = [content] if isinstance(content, bytes) else content
    length = sum(map(len, parts)) if size == -1 else size
    single = window is None
    descriptor |= (0x20 if single else 0) | (0x04 if checksum is not None else 0)
    descriptor |= {0: 0, 1: 1, 2: 2, 4: 3}[len(dictionary)]
    field = b""
    if length is not None:
        if length < 256 and single:
            field = bytes([length])
        elif 256 <= length < 65_536 + 256:
            field, descriptor = (length - 256).to_bytes(2, "little"), descriptor | 0x40
        elif length < 1 << 32:
            field, descriptor = length.to_bytes(4, "little"), descriptor | 0x80
        else:
            field, descriptor = length.to_bytes(8, "little"), descriptor | 0xC0
    head = b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + (b"" if window is None else bytes([window]))
    return head + dictionary + field + (blocks(parts, most) if body is None else body) + (checksum or b"")


_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_ALL = (1 << 64) - 1


def _rotate(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _ALL


def _round(state: int, lane: int) -> int:
    return _rotate((state + lane * _P2) & _ALL, 31) * _P1 & _ALL


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0, which zstd's Content_Checksum is the low half of."""
    place = 0
    if len(data) >= 32:
        lanes = [(_P1 + _P2) & _ALL, _P2, 0, -_P1 & _ALL]
        while place + 32 <= len(data):
            lanes = [
                _round(lane, item) for lane, item in zip(lanes, struct.unpack_from("<4Q", data, place), strict=True)
            ]
            place += 32
        state = sum(_rotate(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _ALL
        for lane in lanes:
            state = ((state ^ _round(0, lane)) * _P1 + _P4) & _ALL
    else:
        state = _P5
    state = (state + len(data)) & _ALL
    while place + 8 <= len(data):
        state ^= _round(0, struct.unpack_from("<Q", data, place)[0])
        state = (_rotate(state, 27) * _P1 + _P4) & _ALL
        place += 8
    if place + 4 <= len(data):
        state ^= struct.unpack_from("<L", data, place)[0] * _P1 & _ALL
        state = (_rotate(state, 23) * _P2 + _P3) & _ALL
        place += 4
    for byte in data[place:]:
        state = _rotate(state ^ byte * _P5 & _ALL, 11) * _P1 & _ALL
    state = (state ^ state >> 33) * _P2 & _ALL
    state = (state ^ state >> 29) * _P3 & _ALL
    return state ^ state >> 32


def checksum_of(content: bytes) -> bytes:
    """The Content_Checksum of ``content``."""
    return (xxh64(content) & 0xFFFFFFFF).to_bytes(4, "little")


def header(
    packed: bytes,
    raw_length: int,
    rest: int,
    *,
    magic: bytes = MAGIC,
    version: int = 1,
    reserved: bytes = bytes(7),
    length: int | None = None,
    total: int | None = None,
    digest: bytes | None = None,
) -> bytes:
    """The 72 bytes of the header, for a manifest's frame and ``rest`` bytes of blocks; any field may be given."""
    length = len(packed) if length is None else length
    total = 72 + len(packed) + rest if total is None else total
    covered = magic + bytes([version]) + reserved + struct.pack(">3Q", length, raw_length, total)
    return covered + (hashlib.sha256(covered + packed).digest() if digest is None else digest)
