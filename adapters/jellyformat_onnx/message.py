"""The outermost fields of an ONNX model, a protocol buffers message (https://protobuf.dev/programming-guides/encoding/).

The fields are walked by their lengths. No value is decoded, nothing nested is entered, and what the lengths skip is not
read: the graph with its weights is one field.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from jellyformat.adapter import Source

FIELD = 4_867_404
"""The number of the field that holds a container: the letters ``JEL``. ``ModelProto`` has numbers below 100."""
FIELDS_MAX = 1 << 16
"""Fields walked. Models have a dozen, and one more for each opset, line of metadata and function."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_VARINT_MAX = 10
_PAGE = 1 << 10
_VERSION, _GRAPH, _OPSET = 1, 7, 8
_NEEDED = {_VERSION: VARINT, _GRAPH: BYTES, _OPSET: BYTES}


@dataclass(frozen=True)
class Field:
    """A field.

    Attributes:
        number: Which.
        kind: Its wire type.
        start: Where its tag begins.
        value: Where its value begins; of bytes, behind the length.
        end: Where it ends.
    """

    number: int
    kind: int
    start: int
    value: int
    end: int


class NotAMessage(ValueError):
    """The bytes are no chain of fields, or of too many."""


def is_onnx(source: Source) -> bool:
    """Whether ``source`` is from its first to its last byte a message with the fields that each ONNX model has."""
    # Writers put fields in the order of their numbers, the version of the format first.
    if source.read_at(0, 1) != bytes((_VERSION << 3 | VARINT,)):
        return False
    missing = dict(_NEEDED)
    try:
        for found in walk(source):
            if _NEEDED.get(found.number, found.kind) != found.kind:
                return False
            missing.pop(found.number, None)
    except NotAMessage:
        return False
    return not missing


def walk(source: Source) -> Iterator[Field]:
    """The outermost fields, in their order in the file.

    Raises:
        NotAMessage: the chain of fields does not lead to the last byte of ``source``.
    """
    pages, position = _Pages(source), 0
    for _ in range(FIELDS_MAX):
        if position == source.size:
            return
        start = position
        tag, position = pages.varint(position)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number < 1 << 29:
            raise NotAMessage
        value = position
        if kind == VARINT:
            _, position = pages.varint(position)
        elif kind == BYTES:
            length, value = pages.varint(position)
            position = value + length
        elif kind in (FIXED64, FIXED32):
            position += 8 if kind == FIXED64 else 4
        else:
            raise NotAMessage
        if position > source.size:
            raise NotAMessage
        yield Field(number, kind, start, value, position)
    if position != source.size:
        raise NotAMessage


def encode_field(data: bytes) -> bytes:
    """``data`` as field ``FIELD``."""
    return TAG + encode_varint(len(data)) + data


def encode_varint(value: int) -> bytes:
    """A number, in as few bytes as can be."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


TAG = encode_varint(FIELD << 3 | BYTES)
"""The tag of the field that holds a container, as it is written."""


@dataclass
class _Pages:
    """Small reads of a source, a page of it kept."""

    source: Source
    start: int = 0
    page: bytes = field(default=b"")

    def varint(self, offset: int) -> tuple[int, int]:
        """The number at ``offset``, and where it ends."""
        low = offset - self.start
        if not 0 <= low <= len(self.page) - _VARINT_MAX:
            self.start, self.page, low = offset, self.source.read_at(offset, _PAGE), 0
        value = 0
        for index, byte in enumerate(self.page[low : low + _VARINT_MAX]):
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value, offset + index + 1
        raise NotAMessage
