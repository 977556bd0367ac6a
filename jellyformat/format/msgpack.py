"""Canonical msgpack, both ways (SPEC JF-MSG). The one place that touches the msgpack library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgpack

from jellyformat.errors import BadMsgpack, CountLimit, DepthLimit
from jellyformat.format import limits

Value: TypeAlias = bool | int | str | bytes | Sequence["Value"] | Mapping[str, "Value"] | None
"""What canonical msgpack can say."""

_LARGEST = (1 << 32) - 1
_MOST = 16_000_000
"""Values of what no container holds, such as our own files."""
_PLAIN = frozenset((type(None), bool, int, bytes, str))


def _pairs(pairs: list[tuple[object, object]]) -> dict[object, object]:
    """A map as a dict with its keys in order: encoding it again tells whether they were. A dict would hide one that is
    there twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadMsgpack("a map has the same key twice", requirement="JF-MSG-003")
    if not all(isinstance(key, str) for key in result):
        raise BadMsgpack("a map has a key that is not a str", requirement="JF-MSG-003")
    keys = [str(key) for key in result]
    return result if keys == sorted(keys) else {key: result[key] for key in sorted(keys, key=str.encode)}


def _ordered(value: object, depth: int) -> object:
    """``value`` with the keys of every map sorted, and nothing in it but the types of SPEC JF-MSG."""
    if depth < 0:
        raise DepthLimit(f"values are nested deeper than {limits.MSGPACK_DEPTH}", requirement="JF-MSG-005")
    if type(value) in _PLAIN or isinstance(value, (bool, int, bytes, str)):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise BadMsgpack("a map has a key that is not a str", requirement="JF-MSG-003")
        return {key: _ordered(value[key], depth - 1) for key in sorted(value, key=str.encode)}
    if isinstance(value, (list, tuple)):
        return [item if depth and type(item) in _PLAIN else _ordered(item, depth - 1) for item in value]
    raise BadMsgpack(f"a value of type {type(value).__name__} is not allowed", requirement="JF-MSG-001")


def encode(value: Value) -> bytes:
    """The one encoding of ``value``.

    Raises:
        BadMsgpack: it holds a type or an integer that SPEC JF-MSG does not allow.
        DepthLimit: it is nested too deeply.
    """
    try:
        return bytes(msgpack.packb(_ordered(value, limits.MSGPACK_DEPTH), use_bin_type=True))
    except (OverflowError, ValueError, UnicodeEncodeError) as error:
        raise BadMsgpack(f"a value cannot be encoded: {error}", requirement="JF-MSG-001") from error


def decode(data: bytes, most: int | None = None) -> Value:
    """The value that ``data`` is the canonical encoding of.

    Args:
        data: Exactly one value. Its length bounds the memory that is allocated.
        most: How many values there may be in it, maps and arrays and the keys of maps too (SPEC JF-MSG-007).

    Raises:
        BadMsgpack: it is not canonical, or not one value.
        DepthLimit, CountLimit: it is nested too deeply, or has too many values.
    """
    position, _ = walk(data, 0, _MOST if most is None else most)
    if position != len(data):
        raise BadMsgpack("bytes behind the one value", requirement="JF-MSG-006", offset=position)
    return _canonical(data, 0)


def _canonical(data: bytes, offset: int) -> Value:
    """The value that ``data``, which was walked, is the canonical encoding of; it begins at ``offset``."""
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            use_list=True,
            strict_map_key=True,
            object_pairs_hook=_pairs,
            ext_hook=_no_ext,
            max_str_len=len(data),
            max_bin_len=len(data),
            max_array_len=len(data),
            max_map_len=len(data),
            max_ext_len=0,
        )
        again = msgpack.packb(value, use_bin_type=True)  # of types that are allowed, and depth: it was walked
    except (BadMsgpack, DepthLimit, MemoryError):
        raise
    except Exception as error:  # the library raises ValueError, its own classes, and UnicodeDecodeError
        raise BadMsgpack(f"not msgpack: {error}", requirement="JF-MSG-006", offset=offset) from error
    if again != data:
        raise BadMsgpack(
            "not the canonical encoding (a longer form than needed, or keys out of order)",
            requirement="JF-MSG-002",
            offset=offset,
        )
    checked: Value = value
    return checked


def _no_ext(code: int, data: bytes) -> object:
    raise BadMsgpack(f"an extension type ({code}) is not allowed", requirement="JF-MSG-001")


def walk(data: bytes, position: int, most: int) -> tuple[int, int]:
    """The end of the value that begins at ``position``, and how many values are in it, before anything is built.

    Raises:
        BadMsgpack: it ends too early, or has a type that is not allowed.
        DepthLimit, CountLimit: it is nested too deeply, or has too many values.
    """
    end = len(data)
    outer: list[int] = []  # values that are still to come in each open map or array, but for the innermost
    todo, left = 1, most
    while True:
        while todo:
            todo -= 1
            length = _WHOLE[data[position]] if position < end else 0
            items: int | None = None
            if length and position + length <= end:  # most values are short: no call for each
                position += length
            else:
                position, items = _step(data, position, end)
            left -= 1
            if left < 0:  # each takes a hundred bytes of memory, however small it is here
                raise CountLimit("there are more values than so few bytes may hold", requirement="JF-MSG-007")
            if items is not None:
                if len(outer) >= limits.MSGPACK_DEPTH:
                    raise DepthLimit(f"values are nested deeper than {limits.MSGPACK_DEPTH}", requirement="JF-MSG-005")
                outer.append(todo)
                todo = items
        if not outer:
            return position, most - left
        todo = outer.pop()


_LENGTH_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_SCALAR_BYTES = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}


_WHOLE = [
    1 + (code & 0x1F if 0xA0 <= code <= 0xBF else _SCALAR_BYTES.get(code, 0))
    if code <= 0x7F or code >= 0xE0 or 0xA0 <= code <= 0xBF or code in _SCALAR_BYTES
    else 0
    for code in range(256)
]
"""The bytes of a value whose type byte tells them, by that byte; 0 for all others."""


def _step(data: bytes, position: int, end: int) -> tuple[int, int | None]:
    """Pass one type byte and its payload; the number of values that follow inside it, None for a scalar."""
    if position >= end:
        raise BadMsgpack("ends in the middle of a value", requirement="JF-MSG-006", offset=position)
    code = data[position]
    position += 1
    items: int | None = None
    if code <= 0x7F or code >= 0xE0:
        pass
    elif code <= 0x8F:
        items = 2 * (code & 0x0F)
    elif code <= 0x9F:
        items = code & 0x0F
    elif code <= 0xBF:
        position += code & 0x1F
    elif code in _SCALAR_BYTES:
        position += _SCALAR_BYTES[code]
    elif code in _LENGTH_BYTES:
        width = _LENGTH_BYTES[code]
        length = int.from_bytes(data[position : position + width], "big")
        position += width
        if code >= 0xDE:
            items = 2 * length
        elif code >= 0xDC:
            items = length
        else:
            position += length
    else:
        raise BadMsgpack(f"type byte 0x{code:02x} is not allowed", requirement="JF-MSG-001", offset=position - 1)
    if position > end:
        raise BadMsgpack("ends in the middle of a value", requirement="JF-MSG-006", offset=end)
    return position, items


def read_value(raw: bytes, start: int, most: int) -> tuple[Value, int, int]:
    """The value in ``raw`` that begins at ``start``, checked to be canonical, its end, and how many values it has.

    Raises:
        BadMsgpack, DepthLimit, CountLimit: it is cut off, not canonical, or too much.
    """
    end, count = walk(raw, start, most)
    return _canonical(raw[start:end], start), end, count


def record_head(kind: int, length: int) -> bytes:
    """The canonical bytes of an object record ``[kind, content]`` before its content of ``length`` bytes."""
    if length <= 0xFF:
        return bytes((0x92, kind, 0xC4, length))
    if length <= 0xFFFF:
        return bytes((0x92, kind, 0xC5)) + length.to_bytes(2, "big")
    if length > _LARGEST:
        raise BadMsgpack(f"an object of {length} bytes is too large", requirement="JF-MSG-002")
    return bytes((0x92, kind, 0xC6)) + length.to_bytes(4, "big")
