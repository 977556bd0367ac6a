"""Files that carry a snapshot themselves: they are no part of the next one (SPEC section 7, `ignored`)."""

from __future__ import annotations

import os

from jellyformat import registry
from jellyformat.container import MAGIC
from jellyformat.errors import JellyError
from jellyformat.host import END_MAGIC, LOCATOR_LENGTH
from jellyformat.source import BytesSource, FileSource, Source

_TAIL = 2 * len(END_MAGIC)
_LONGEST_HEADER = 100_000_000
"""Bytes of a safetensors header."""
_ONNX = b"\x08"
"""The tag of the field that ONNX models begin with."""


def content_carries(content: bytes) -> bool:
    """Whether the bytes of a file carry a snapshot."""
    return _carries(BytesSource(content))


def file_carries(path: bytes) -> bool:
    """Whether a regular file carries a snapshot; what cannot be read carries none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _carries(FileSource.of(fd))
    except OSError:
        return False
    finally:
        os.close(fd)


def _carries(source: Source) -> bool:
    """A glance at both ends tells for nearly all files that they carry none; the adapters tell for the others."""
    head = source.read_at(0, LOCATOR_LENGTH)
    if head.startswith(MAGIC) or (len(head) == LOCATOR_LENGTH and head.endswith(END_MAGIC)):
        return True
    tail = source.read_at(max(0, source.size - _TAIL), _TAIL)
    if tail.endswith(END_MAGIC) or tail == END_MAGIC.hex().encode():
        return True
    is_safetensors = head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER
    if not (is_safetensors or head.startswith((b"PK\x03\x04", _ONNX))):
        return False
    try:
        return registry.find(source).carried is not None
    except JellyError:
        return False  # a broken file is one like any other
