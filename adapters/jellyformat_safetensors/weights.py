"""The tensors of a safetensors file, told by its header (SPEC JF-BND)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress

from jellyformat.adapter import BadHost, Source, Weight, Window
from jellyformat_safetensors.header import MEMBER, METADATA, Header, bad_header, read_header
from jellyformat_safetensors.jsontext import walk_object

_LONGEST_ENTRY = 1 << 16
_HALF_PAIR = re.compile(b"\xed[\xa0-\xbf]")
"""How U+D800 to U+DFFF would stand in UTF-8, which has none of them."""
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
        if _HALF_PAIR.search(name):
            raise bad_header("a tensor whose name has half of a surrogate pair, which is no text", member.value)
        left -= end - begin
        if end > header.data_length or left < 0:  # else a small file could ask for any number of passes over it
            raise BadHost("the tensors have more bytes than the file", requirement=_REQUIREMENT, offset=member.value)
        yield Weight(name, dtype, shape, Window(source, header.data_offset + begin, end - begin))


def check_whole(header: Header, data_length: int) -> None:
    """Raises BadHost where tensors end behind the end of the file (JF-SFT-004): it was cut off, or not all is there.

    Args:
        header: The header without a container; what is no tensor in it is passed over.
        data_length: Bytes behind it.
    """
    longest = 0
    for name, member in walk_object(header.text, header.outer.start):
        if name != METADATA:
            with suppress(BadHost):
                longest = max(longest, _entry(header.text[member.value : member.end], member.value)[3])
    if longest > data_length:
        raise BadHost(
            f"the file is cut off: its tensors have {longest} bytes, and {data_length} are there",
            requirement="JF-SFT-004",
            offset=header.data_offset + data_length,
        )


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
            if not any(0xD800 <= ord(char) <= 0xDFFF for char in dtype):
                return dtype, tuple(shape), begin, end
    raise bad_header("an entry that is no tensor", offset)
