"""The tensors of a safetensors file, told by its header (SPEC 14.8)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from jellyformat.errors import BadHost
from jellyformat.source import Source, Window
from jellyformat.weights import Weight
from jellyformat_safetensors.header import MEMBER, METADATA, bad_header, read_header
from jellyformat_safetensors.jsontext import walk_object

_LONGEST_ENTRY = 1 << 16
_REQUIREMENT = "JF-BND-004"


def read_weights(source: Source) -> Iterator[Weight]:
    """The tensors, but for the container's, in the header's order.

    Raises:
        BadHost: the header does not conform (JF-SFT-001), or an entry in it is none of a tensor, or the tensors have
            more bytes than the file (JF-BND-004).
    """
    header = read_header(source)
    left = header.data_length
    for name, member in walk_object(header.text, header.outer.start):
        if name in (METADATA, MEMBER):
            continue
        dtype, shape, begin, end = _entry(header.text[member.value : member.end], member.value)
        left -= end - begin
        if end > header.data_length or left < 0:  # else a small file could ask for any number of passes over it
            raise BadHost("the tensors have more bytes than the file", requirement=_REQUIREMENT, offset=member.value)
        yield Weight(name, dtype, shape, Window(source, header.data_offset + begin, end - begin))


def _entry(text: bytes, offset: int) -> tuple[str, tuple[int, ...], int, int]:
    """Type, shape, begin and end of a tensor."""
    entry: object = None
    if len(text) <= _LONGEST_ENTRY:
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError):
            entry = None
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]} if (
            0 <= begin <= end and all(type(size) is int and 0 <= size < 1 << 64 for size in (*shape, begin, end))
        ):
            return dtype, tuple(shape), begin, end
    raise bad_header("an entry that is no tensor", offset)
