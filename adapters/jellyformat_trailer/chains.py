"""Whether a file is records one after another until its end, of a format without a magic number.

Only the beginnings of records are read. As many as ``_ENOUGH`` that fit are no accident.
"""

from __future__ import annotations

import struct

from jellyformat.adapter import Source

_ENOUGH = 16
_LENGTH = struct.Struct("<QI")
_CRC32C = 0x82F63B78
"""The polynomial of CRC-32C (RFC 3720), reversed."""
_BSON_SMALLEST = 5
_BSON_TYPES = frozenset((*range(1, 0x14), 0x7F, 0xFF))
_MATLAB_SIZES = (8, 4, 4, 2, 2, 1)
"""Bytes of a number of each type: double, single, int32, int16, uint16, uint8."""


def is_tfrecord(source: Source) -> bool:
    """Whether it is TFRecord: lengths with a masked CRC-32C, the data, and theirs.

    Args:
        source: The host's own bytes.
    """
    position = 0
    for _ in range(_ENOUGH):
        if position == source.size:
            return position > 0
        head = source.read_at(position, _LENGTH.size)
        if len(head) < _LENGTH.size:
            return False
        length, mark = _LENGTH.unpack(head)
        position += _LENGTH.size + length + 4
        if position > source.size or mark != _masked(_crc32c(head[:8])):
            return False
    return True


def _crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_CRC32C if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def is_bson(source: Source) -> bool:
    """Whether it is BSON documents: a length, elements, and a zero.

    Args:
        source: The host's own bytes.
    """
    position = 0
    for _ in range(_ENOUGH):
        if position == source.size:
            return position > 0
        head = source.read_at(position, _BSON_SMALLEST)
        length = int.from_bytes(head[:4], "little")
        if len(head) < _BSON_SMALLEST or length < _BSON_SMALLEST or position + length > source.size:
            return False
        element = head[4] in _BSON_TYPES if length > _BSON_SMALLEST else True
        position += length
        if not element or source.read_at(position - 1, 1) != b"\0":
            return False
    return True


def is_matlab4(source: Source) -> bool:
    """Whether it is a MATLAB file of level 4: matrices, each with a header of 20 bytes and a name.

    Args:
        source: The host's own bytes.
    """
    position = 0
    for _ in range(_ENOUGH):
        if position == source.size:
            return position > 0
        head = source.read_at(position, 20)
        step = _matlab4_length(head) if len(head) == 20 else 0
        position += step
        if not step or position > source.size:
            return False
    return True


def _matlab4_length(head: bytes) -> int:
    """Bytes of a matrix with its header; 0 where this is none."""
    for order, machine in (("<", 0), (">", 1)):
        kind, rows, columns, imaginary, name = struct.unpack(f"{order}5I", head)
        digits = (kind // 1000, kind // 100 % 10, kind // 10 % 10, kind % 10)
        if digits[0] == machine and digits[1] == 0 and digits[2] < len(_MATLAB_SIZES) and digits[3] <= 2:
            if imaginary > 1 or not 0 < name < 256:
                return 0
            return 20 + int(name) + int(rows) * int(columns) * _MATLAB_SIZES[digits[2]] * (1 + int(imaginary))
    return 0
