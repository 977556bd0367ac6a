"""Canonical msgpack, both ways (SPEC section 6). The one place that touches the msgpack library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgpack

from jellyformat import limits
from jellyformat.errors import BadMsgpack, CountLimit, DepthLimit

Value: TypeAlias = bool | int | str | bytes | Sequence["Value"] | Mapping[str, "Value"] | None
"""What canonical msgpack can say."""

_LARGEST = (1 << 32) - 1
_PLAIN = frozenset((type(None), bool, int, bytes, str))


def _pairs(pairs: list[tuple[object, object]]) -> dict[object, object]:
    """A map as a dict; its keys are checked by encoding it again, but a dict would hide one that is there twice."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise BadMsgpack("a map has the same key twice", requirement="JF-MSG-003")
    return result


def _ordered(value: object, depth: int) -> object:
    """``value`` with the keys of every map sorted, and nothing in it but the types of SPEC 6."""
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
        BadMsgpack: it holds a type or an integer that SPEC 6 does not allow.
        DepthLimit: it is nested too deeply.
    """
    try:
        return bytes(msgpack.packb(_ordered(value, limits.MSGPACK_DEPTH), use_bin_type=True))
    except (OverflowError, ValueError, UnicodeEncodeError) as error:
        raise BadMsgpack(f"a value cannot be encoded: {error}", requirement="JF-MSG-001") from error


def decode(data: bytes) -> Value:
    """The value that ``data`` is the canonical encoding of.

    Args:
        data: Exactly one value. Its length bounds the memory that is allocated.

    Raises:
        BadMsgpack: it is not canonical, or not one value.
        DepthLimit, CountLimit: it is nested too deeply, or has too many values.
    """
    check_one(data)
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
        again = encode(value)
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


def check_one(data: bytes) -> None:
    """Walk the type bytes of one value that fills ``data``, before anything is built.

    Raises:
        BadMsgpack: it ends too early, has bytes behind it, or a type that is not allowed.
        DepthLimit, CountLimit: it is nested too deeply, or has too many values.
    """
    position = walk(data, 0)
    if position != len(data):
        raise BadMsgpack("bytes behind the one value", requirement="JF-MSG-006", offset=position)


def walk(data: bytes, position: int) -> int:
    """The end of the value that begins at ``position``.

    Raises:
        BadMsgpack: it ends too early, or has a type that is not allowed.
        DepthLimit, CountLimit: it is nested too deeply, or has too many values.
    """
    end = len(data)
    open_items: list[int] = []
    left = limits.MSGPACK_VALUES
    while True:
        position, items = _step(data, position, end)
        left -= 1
        if not left:  # each takes a hundred bytes of memory, however small it is here
            raise CountLimit(f"more than {limits.MSGPACK_VALUES} values in one", offset=position)
        if items is not None:
            if len(open_items) >= limits.MSGPACK_DEPTH:
                raise DepthLimit(f"values are nested deeper than {limits.MSGPACK_DEPTH}", requirement="JF-MSG-005")
            open_items.append(items)
        while open_items and open_items[-1] == 0:
            open_items.pop()
        if not open_items:
            return position
        open_items[-1] -= 1


_LENGTH_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_SCALAR_BYTES = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}


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


def read_value(raw: bytes, start: int) -> tuple[Value, int]:
    """The value in ``raw`` that begins at ``start``, checked to be canonical, and its end.

    Raises:
        BadMsgpack, DepthLimit, CountLimit: it is cut off, not canonical, or too much.
    """
    end = walk(raw, start)
    return _canonical(raw[start:end], start), end


def record_head(kind: int, length: int) -> bytes:
    """The canonical bytes of an object record ``[kind, content]`` before its content of ``length`` bytes."""
    if length <= 0xFF:
        return bytes((0x92, kind, 0xC4, length))
    if length <= 0xFFFF:
        return bytes((0x92, kind, 0xC5)) + length.to_bytes(2, "big")
    if length > _LARGEST:
        raise BadMsgpack(f"an object of {length} bytes is too large", requirement="JF-MSG-002")
    return bytes((0x92, kind, 0xC6)) + length.to_bytes(4, "big")
