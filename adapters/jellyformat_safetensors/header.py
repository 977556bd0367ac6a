"""The header of a safetensors file, and the container in it (SPEC JF-SFT)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from dataclasses import dataclass

from jellyformat.adapter import MAGIC, BadHost, BytesSource, Source, Window, read_exactly
from jellyformat_safetensors.jsontext import Member, NotJson, Object, check_utf8, scan_object, skip_space, string_value

PREFIX = 8
"""Bytes before the header: its length, little-endian."""
HEADER_MAX = 100_000_000
"""The longest header that safetensors reads, in bytes."""
GRAIN = 64
"""The text that is inserted is a multiple of this long, so that the data keep their alignment."""

METADATA = b"__metadata__"
MEMBER = b"jellyformat"
_TENSOR_TEXT_MAX = 4096
_TENSOR = re.compile(
    rb'"jellyformat":\{"dtype":"U8","shape":\[[0-9]+\],"data_offsets":\[[0-9]+,[0-9]+\] {0,63}\},?',
)


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes:
        text: The JSON text, with what spaces are around it; it begins at offset 8 of the file.
        data_length: Bytes of tensors behind it.
        outer: The whole header.
        metadata: The value of ``__metadata__``; None where there is none.
    """

    text: bytes
    data_length: int
    outer: Object
    metadata: Object | None

    @property
    def data_offset(self) -> int:
        """Where the tensors begin in the file."""
        return PREFIX + len(self.text)


@dataclass(frozen=True)
class Site:
    """A container in a header.

    Attributes:
        form: ``metadata`` or ``tensor``.
        container: Its bytes.
        cut: Begin and end of the text to take out of the header.
        data_length: Bytes of tensors without it.
        last: Whether nothing of the tensors lies behind it; else it cannot be cut off.
    """

    form: str
    container: Source
    cut: tuple[int, int]
    data_length: int
    last: bool = True


def is_safetensors(source: Source) -> bool:
    """Whether ``source`` is told to be safetensors (SPEC JF-HST, step 3)."""
    head = source.read_at(0, PREFIX + 1)
    length = int.from_bytes(head[:PREFIX], "little")
    return head[PREFIX:] == b"{" and 2 <= length <= HEADER_MAX and PREFIX + length <= source.size


def bad_header(what: str, offset: int | None = None) -> BadHost:
    """The error for a header that does not conform; ``offset`` is that in the header's text."""
    return BadHost(
        f"the safetensors header has {what}",
        requirement="JF-SFT-001",
        offset=None if offset is None else PREFIX + offset,
    )


def read_header(source: Source) -> Header:
    """The header of ``source``, checked to be one JSON object in UTF-8.

    Raises:
        BadHost: it is not, has ``__metadata__`` or ``jellyformat`` twice, or the former is no object (JF-SFT-001).
        Truncated: the source became shorter while it was read.
    """
    if not is_safetensors(source):
        raise bad_header("no length and JSON text as safetensors files begin with", 0)
    text = read_exactly(source, PREFIX, int.from_bytes(read_exactly(source, 0, PREFIX), "little"))
    return parse_header(text, source.size - PREFIX - len(text))


def parse_header(text: bytes, data_length: int) -> Header:
    """The header that is ``text``, before ``data_length`` bytes of tensors.

    Raises:
        BadHost: as ``read_header``.
    """
    try:
        check_utf8(text)
        outer = scan_object(text, 0, frozenset((METADATA, MEMBER)))
        if (end := skip_space(text, outer.end)) != len(text):
            raise NotJson("something behind its last brace", end)
        metadata = None
        if (member := outer.members.get(METADATA)) is not None:
            if text[member.value : member.value + 1] != b"{":
                raise NotJson("a __metadata__ that is no object", member.value)
            metadata = scan_object(text, member.value, frozenset((MEMBER,)))
            if MEMBER in metadata.members and MEMBER in outer.members:
                raise NotJson("the member jellyformat twice, in __metadata__ and as a tensor", 0)
    except NotJson as error:
        raise bad_header(error.what, error.offset) from None
    return Header(text, data_length, outer, metadata)


def find_site(source: Source, header: Header) -> Site | None:
    """The container in a header, or None.

    Raises:
        BadHost: there is a ``jellyformat`` of another form (JF-SFT-001), or its base64 is not canonical (JF-SFT-002).
    """
    tensor = header.outer.members.get(MEMBER)
    if header.metadata is not None and (member := header.metadata.members.get(MEMBER)) is not None:
        if tensor is not None:
            raise bad_header("jellyformat both in the metadata and as a tensor", tensor.value)
        return _metadata_site(header, header.metadata, member)
    return None if tensor is None else _tensor_site(source, header, tensor)


def _metadata_site(header: Header, metadata: Object, member: Member) -> Site:
    text = header.text
    if text[member.value : member.value + 1] != b'"':
        raise bad_header("a jellyformat in __metadata__ that is no string", member.value)
    written = string_value(text, member.value, member.end)
    encoded = written.rstrip("~!")
    fill = written[len(encoded) :]
    container = BytesSource(_decode(encoded, member.value))
    if not fill and container.read_at(0, len(MAGIC)) != MAGIC:
        raise bad_header("a jellyformat in __metadata__ that is somebody else's: it is no container", member.value)
    # Where it was inserted, as one text: the member alone, or the whole of __metadata__.
    made = fill.startswith("!")
    whole = header.outer.members[METADATA] if made else member
    around = header.outer if made else metadata
    comma = around.count > 1
    opening, closing = (b'"__metadata__":{', b"}") if made else (b"", b"")
    same = opening + b'"jellyformat":"' + written.encode() + b'"' + closing + (b"," if comma else b"")
    exact = (
        len(fill) >= 1
        and fill == fill[0] * len(fill)
        and len(same) % GRAIN == 0
        and text[whole.start : whole.end + comma] == same
    )
    if exact:
        cut = (whole.start, whole.end + comma)
    elif made and metadata.count > 1:
        cut = _around(text, member)
    else:
        cut = _around(text, whole)
    return Site("metadata", container, cut, header.data_length)


def _decode(encoded: str, offset: int) -> bytes:
    """The bytes of canonical base64: what encodes to the same text again."""
    try:
        decoded = binascii.a2b_base64(encoded.encode("ascii"))
        if base64.b64encode(decoded) == encoded.encode("ascii"):
            return decoded
    except ValueError:
        pass
    raise BadHost(
        "the safetensors header has a container in base64 that is damaged: bytes were changed or are missing",
        requirement="JF-SFT-002",
        offset=PREFIX + offset,
    )


def _tensor_site(source: Source, header: Header, member: Member) -> Site:
    text = header.text
    length, offsets = _tensor(text, member)
    begin, end = offsets
    if begin + length != end or end > header.data_length:
        raise bad_header("a tensor jellyformat whose data are not as long as its shape", member.value)
    comma = header.outer.count > 1
    written = text[member.start : member.end + comma]
    exact = len(written) % GRAIN == 0 and _TENSOR.fullmatch(written) is not None and (written[-1:] == b",") == comma
    cut = (member.start, member.end + comma) if exact else _around(text, member)
    container = Window(source, header.data_offset + begin, length)
    return Site("tensor", container, cut, begin, last=end == header.data_length)


def _tensor(text: bytes, member: Member) -> tuple[int, list[int]]:
    """Length in bytes and ``data_offsets`` of a tensor of bytes."""
    pairs: object = None
    if text[member.value : member.value + 1] == b"{" and member.end - member.value <= _TENSOR_TEXT_MAX:
        with contextlib.suppress(ValueError, RecursionError):
            pairs = json.loads(text[member.value : member.end], object_pairs_hook=list)
    if isinstance(pairs, list) and len(pairs) == 3:
        entry = dict(pairs)
        shape, offsets = _integers(entry.get("shape"), 1), _integers(entry.get("data_offsets"), 2)
        if entry.get("dtype") == "U8" and shape is not None and offsets is not None:
            return shape[0], offsets
    raise bad_header("a jellyformat that is no tensor of bytes", member.value)


def _integers(value: object, count: int) -> list[int] | None:
    if isinstance(value, list) and len(value) == count and all(type(item) is int and item >= 0 for item in value):
        return value
    return None


def _around(text: bytes, member: Member) -> tuple[int, int]:
    """What to cut out so that ``member`` is gone, with one comma: that behind it, else that before it."""
    behind = skip_space(text, member.end)
    if text[behind : behind + 1] == b",":
        return member.start, skip_space(text, behind + 1)
    before = len(text[: member.start].rstrip(b" \t\n\r"))
    if text[before - 1 : before] == b",":
        return before - 1, member.end
    return member.start, member.end
