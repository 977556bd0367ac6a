"""The values of a msgpack file of flax, by their heads (https://github.com/msgpack/msgpack/blob/master/spec.md).

The bytes of arrays are not read. Nothing is recursed into: a stack is kept, of bounded depth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from jellyformat.adapter import Source, Window

DEPTH_MAX = 512
"""Maps and arrays within each other."""
KEY_MAX = 4_096
"""Bytes of a key."""
REACH = 1 << 16
"""The first array, by which a file is told, begins before this offset."""
_ARRAYS = (1, 3)
"""flax's extension types for an array, and for a scalar of numpy, which has the same form."""
_COMPLEX = 2
_COMPLEX_LENGTH = 19
SHAPE_MAX = 64
_DTYPE_MAX = 64
_HEAD_MAX = 9
_ARRAY_HEAD_MAX = 1 + 3 + 9 * SHAPE_MAX + 2 + _DTYPE_MAX + 5
_PAGE = 1 << 10

Kind = Literal["map", "array", "text", "integer", "extension", "other"]

_FIXED: dict[int, tuple[Kind, int]] = {0xC0: ("other", 0), 0xC2: ("other", 0), 0xC3: ("other", 0)}
_FIXED |= {0xCA: ("other", 4), 0xCB: ("other", 8)}
_FIXED |= {0xCC + tag: ("integer", 1 << tag % 4) for tag in range(8)}
_COUNTED: dict[int, tuple[Kind, int]] = {0xC4 + tag: ("other", 1 << tag) for tag in range(3)}
_COUNTED |= {0xC7 + tag: ("extension", 1 << tag) for tag in range(3)}
_COUNTED |= {0xD9 + tag: ("text", 1 << tag) for tag in range(3)}
_COUNTED |= {0xDC: ("array", 2), 0xDD: ("array", 4), 0xDE: ("map", 2), 0xDF: ("map", 4)}


class NotFlax(ValueError):
    """The bytes are not what flax writes; at ``offset``."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True)
class Value:
    """The head of a value.

    Attributes:
        kind: What it is.
        start: Where its head begins.
        body: Where its content begins: behind the head, and behind the type of an extension.
        end: Where its content ends; of a map or array, where that begins.
        count: Of a map, how many keys; of an array, how many values; else 0.
        code: The type of an extension; else 0.
    """

    kind: Kind
    start: int
    body: int
    end: int
    count: int = 0
    code: int = 0


@dataclass(frozen=True)
class Array:
    """An array, or a scalar of numpy."""

    dtype: str
    shape: tuple[int, ...]
    content: Window


@dataclass
class Values:
    """Reads heads, a page of the file kept."""

    source: Source
    _start: int = 0
    _page: bytes = field(default=b"")

    def bytes_at(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        low = offset - self._start
        if not 0 <= low <= len(self._page) - length:
            if length > _PAGE:
                return self.source.read_at(offset, length)
            self._start, self._page, low = offset, self.source.read_at(offset, _PAGE), 0
        return self._page[low : low + length]

    def at(self, offset: int) -> Value:
        """The value that begins at ``offset``.

        Raises:
            NotFlax: there is none, or it is not whole.
        """
        value = head(self.bytes_at(offset, _HEAD_MAX), offset)
        if value is None or value.end > self.source.size:
            raise NotFlax("no whole value", offset)
        return value

    def key(self, value: Value) -> bytes:
        """The key that a value is, as part of a name.

        Raises:
            NotFlax: it is none.
        """
        if value.kind == "text" and value.end - value.body <= KEY_MAX:
            return self.bytes_at(value.body, value.end - value.body)
        if value.kind == "integer":
            raw = self.bytes_at(value.start, value.end - value.start)
            if len(raw) == 1:
                return b"%d" % int.from_bytes(raw, "big", signed=True)
            return b"%d" % int.from_bytes(raw[1:], "big", signed=raw[0] >= 0xD0)
        raise NotFlax("a key that is no text or integer, or is too long", value.start)

    def array(self, value: Value) -> Array:
        """The array that an extension is.

        Raises:
            NotFlax: it is none.
        """
        data = self.bytes_at(value.body, min(_ARRAY_HEAD_MAX, value.end - value.body))
        found = _array_head(data) if value.code in _ARRAYS else None
        if found is None or value.body + found[2] + found[3] != value.end:
            raise NotFlax("an extension that is no array", value.start)
        dtype, shape, begin, length = found
        return Array(dtype, shape, Window(self.source, value.body + begin, length))

    def is_complex(self, value: Value) -> bool:
        """Whether an extension is a complex number."""
        if value.code != _COMPLEX or value.end - value.body != _COMPLEX_LENGTH:
            return False
        data = self.bytes_at(value.body, _COMPLEX_LENGTH)
        return (data[:2], data[10:11]) == (b"\x92\xcb", b"\xcb")


def head(data: bytes, offset: int) -> Value | None:
    """The value whose first bytes ``data`` are, at ``offset``; None where it is none."""
    if not data:
        return None
    tag = data[0]
    if tag <= 0x7F or tag >= 0xE0:
        return Value("integer", offset, offset + 1, offset + 1)
    if tag <= 0x9F:
        return Value("map" if tag <= 0x8F else "array", offset, offset + 1, offset + 1, tag & 15)
    if tag <= 0xBF:
        return Value("text", offset, offset + 1, offset + 1 + (tag & 31))
    if tag in _FIXED:
        kind, length = _FIXED[tag]
        return Value(kind, offset, offset + 1, offset + 1 + length)
    if 0xD4 <= tag <= 0xD8:
        body = offset + 2
        return Value("extension", offset, body, body + (1 << tag - 0xD4), code=data[1]) if len(data) > 1 else None
    if tag not in _COUNTED:
        return None
    kind, width = _COUNTED[tag]
    body, number = offset + 1 + width, int.from_bytes(data[1 : 1 + width], "big")
    if len(data) < 1 + width + (kind == "extension"):
        return None
    if kind == "extension":
        return Value(kind, offset, body + 1, body + 1 + number, code=data[1 + width])
    if kind in ("map", "array"):
        return Value(kind, offset, body, body, number)
    return Value(kind, offset, body, body + number)


def _array_head(data: bytes) -> tuple[str, tuple[int, ...], int, int] | None:
    """Type, shape, and begin and length of the content of an array: ``[shape, name of the type, bytes]``."""
    outer = head(data, 0)
    dimensions = head(data[1:], 1)
    if outer is None or outer.kind != "array" or (outer.body, outer.count) != (1, 3) or dimensions is None:
        return None
    if dimensions.kind != "array" or dimensions.count > SHAPE_MAX:
        return None
    shape: list[int] = []
    position = dimensions.body
    for _ in range(dimensions.count):
        size = head(data[position : position + _HEAD_MAX], position)
        if size is None or size.kind != "integer" or data[position] >= 0xD0:  # none that has a sign
            return None
        raw = data[position : size.end]
        shape.append(int.from_bytes(raw[1:] or raw, "big"))
        position = size.end
    name = head(data[position : position + _HEAD_MAX], position)
    if name is None or name.kind != "text" or not 0 < name.end - name.body <= _DTYPE_MAX:
        return None
    content = head(data[name.end : name.end + _HEAD_MAX], name.end)
    if content is None or data[name.end] not in (0xC4, 0xC5, 0xC6):
        return None
    try:
        dtype = data[name.body : name.end].decode("ascii")
    except UnicodeDecodeError:
        return None
    return dtype, tuple(shape), content.body, content.end - content.body


def walk(values: Values) -> Iterator[tuple[Sequence[bytes], Value]]:
    """Each value that is not in an extension, with the keys that lead to it, which are right until the next one is
    asked for; maps and arrays before what is in them.

    Raises:
        NotFlax: the values do not lead to the last byte of the file, or a key is none.
    """
    path: list[bytes] = []
    open_values: list[list[int]] = []
    """Of each map (1) or array (0) around: that, how many values are still to come, the number of the next."""
    position = 0
    while True:
        value = values.at(position)
        position = value.end
        yield path, value
        if value.kind in ("map", "array"):
            if len(open_values) == DEPTH_MAX:
                raise NotFlax("maps and arrays nested too deeply", value.start)
            open_values.append([int(value.kind == "map"), value.count, 0])
            path.append(b"")
        while open_values and not open_values[-1][1]:
            open_values.pop()
            path.pop()
        if not open_values:
            break
        is_map, left, number = open_values[-1]
        path[-1] = b"%d" % number
        if is_map:
            key = values.at(position)
            position = key.end
            path[-1] = values.key(key)
        open_values[-1][1:] = [left - 1, number + 1]
    if position != values.source.size:
        raise NotFlax("bytes behind the last value", position)


def is_flax(source: Source) -> bool:
    """Whether the first extension in ``source`` begins in its first 65,536 bytes and is one of flax's."""
    first = head(source.read_at(0, _HEAD_MAX), 0)
    if first is None or first.kind not in ("map", "array", "extension"):
        return False
    values = Values(source)
    try:
        for _, value in walk(values):
            if value.start >= REACH:
                return False
            if value.kind == "extension":
                if not values.is_complex(value):
                    values.array(value)
                return True
    except NotFlax:
        return False
    return False
