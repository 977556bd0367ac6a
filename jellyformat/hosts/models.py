"""Whether a file holds a model, told by its content: the kinds of hosts that are weights and nothing else."""

from __future__ import annotations

import os
import stat

from jellyformat.errors import JellyError
from jellyformat.files.platform import REGULAR
from jellyformat.files.platform.directories import open_file
from jellyformat.format.source import BytesSource, FileSource, Source
from jellyformat.hosts import registry

_MODELS = frozenset(("torch", "safetensors", "hdf5", "gguf", "onnx", "flax"))
"""Adapters whose hosts are models; an archive of arrays or any other zip file may be data."""
_GLANCE = 16
_LONGEST_HEADER = 100_000_000
"""Bytes of a safetensors header."""
_BEGINNINGS = (b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"GGUF", b"\x08", b"\x80", b"L")
"""Zip, HDF5, GGUF, ONNX, pickles of legacy torch (and flax)."""
_MAPS = frozenset((*range(0x81, 0xA0), 0xC7, 0xC8, 0xC9, 0xDC, 0xDD, 0xDE, 0xDF))
"""First bytes of msgpack files of flax."""
_TFLITE = b"TFL3"
_KERAS = b"model.weights.h5"
_TAIL = 1 << 16
"""Bytes at the end of a zip file in which the names of its last entries stand."""


def content_is_model(content: bytes) -> bool:
    """Whether the bytes of a file are a model's."""
    return _is_model(BytesSource(content))


def file_is_model(path: bytes) -> bool:
    """Whether a regular file is a model; what cannot be read is none. Little of it is read."""
    try:
        fd = open_file(path, REGULAR)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and _is_model(FileSource.of(fd))
    except OSError:
        return False
    finally:
        os.close(fd)


def _is_model(source: Source) -> bool:
    """A glance at the beginning tells for nearly all files that they are none; the adapters tell for the others."""
    head = source.read_at(0, _GLANCE)
    if head[4:8] == _TFLITE:
        return True
    is_safetensors = head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER
    if not (is_safetensors or head.startswith(_BEGINNINGS) or (head and head[0] in _MAPS)):
        return False
    try:
        name = registry.adapter_for(source).name
        return name in _MODELS or (name == "zip" and _KERAS in source.read_at(max(0, source.size - _TAIL), _TAIL))
    except JellyError:
        return False  # a broken file is one like any other
