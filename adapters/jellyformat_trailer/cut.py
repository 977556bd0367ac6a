"""Files that end before what they begin as does, as where a copy or download was broken off (SPEC JF-TRL)."""

from __future__ import annotations

from jellyformat.adapter import Source
from jellyformat_trailer.records import NPY, npy_end
from jellyformat_trailer.walk import Pages, varint

_ONNX_VERSION = 8
"""The tag of an ONNX model's first field, the version of the format."""
_NEWEST_VERSION = 63
_ONNX_STRINGS = frozenset((2, 3, 4, 6, 7, 8, 14, 20, 25, 26))
"""Fields of ``ModelProto`` that have a length; 5, the model's version, has none."""
_MOST_FIELDS = 1 << 16


def cut_off(source: Source) -> str | None:
    """What ``source`` begins as and does not end as, with its article; None where no such thing is told.

    Args:
        source: The host's own bytes, without a trailer.
    """
    if source.read_at(0, len(NPY)) == NPY:
        end = npy_end(source)
        return "an array of numpy" if end is not None and end > source.size else None
    return "an ONNX model" if _is_cut_onnx(source) else None


def _is_cut_onnx(source: Source) -> bool:
    pages = Pages(source)
    head = pages.at(0)
    if len(head) < 2 or head[0] != _ONNX_VERSION or not 1 <= head[1] <= _NEWEST_VERSION:
        return False
    position = 2
    for _ in range(_MOST_FIELDS):
        tag, width = varint(pages.at(position))
        value, more = varint(pages.at(position + width))
        if not width or not more:
            return False
        position += width + more
        if tag & 7 == 2 and tag >> 3 in _ONNX_STRINGS:
            position += value
        elif tag != 5 << 3:
            return False
        if position >= source.size:
            return position > source.size
    return False
