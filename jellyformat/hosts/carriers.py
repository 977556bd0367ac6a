"""Files that carry a snapshot themselves: they are no part of the next one (SPEC JF-MAN, `ignored`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from jellyformat.errors import JellyError
from jellyformat.files.platform import REGULAR
from jellyformat.files.platform.directories import open_file
from jellyformat.format.frames import MAGIC, read_header, read_manifest
from jellyformat.format.msgpack import Value
from jellyformat.format.source import BytesSource, FileSource, Source
from jellyformat.hosts import binding, registry
from jellyformat.hosts.adapter import END_MAGIC, LOCATOR_LENGTH
from jellyformat.hosts.directories import FILE_NAME, ORBAX, OTHER, kind_of
from jellyformat.hosts.lookup import sidecar_names

_WEIGHTS = (b".safetensors", b".bin", b".distcp")
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
        fd = open_file(path, REGULAR)
    except OSError:
        return False
    try:
        return _carries(FileSource.of(fd))
    except OSError:
        return False
    finally:
        os.close(fd)


def is_carried(path: bytes, size: int, root: bytes, known: dict[bytes, str | None]) -> bool:
    """Whether a snapshot was put beside a regular file, or into a directory above it that is a checkpoint.

    Args:
        path: The file, absolute.
        size: Its length in bytes: one that has changed since carries none.
        root: The directory above which nothing is looked at.
        known: What was found in directories before; filled here.
    """
    above, _, name = path.rpartition(b"/")
    for beside in sidecar_names(os.fsdecode(name)):
        extensions = _extensions(above + b"/" + os.fsencode(beside))
        with contextlib.suppress(JellyError):
            sidecar = binding.sidecar_of(extensions or {})
            if sidecar is not None and sidecar.size == size:
                return True
    kind = _kind(above, known)
    if kind is not None and (name.endswith(_WEIGHTS) or name == b".metadata"):
        return True
    while len(above) > len(root):
        if _kind(above, known) == ORBAX:
            return True
        above = above.rpartition(b"/")[0]
    return False


def _kind(directory: bytes, known: dict[bytes, str | None]) -> str | None:
    """The kind of a directory that carries a snapshot; None for others."""
    if directory not in known:
        known[directory] = None
        if _extensions(directory + b"/" + FILE_NAME.encode()) is not None:
            with contextlib.suppress(OSError):
                known[directory] = kind_of(Path(os.fsdecode(directory))) or OTHER
    return known[directory]


def _extensions(path: bytes) -> Mapping[str, Value] | None:
    """The extensions of the container that a file is; None where it is none."""
    try:
        fd = open_file(path, REGULAR)
    except OSError:
        return None
    try:
        source = FileSource.of(fd)
        if source.read_at(0, len(MAGIC)) != MAGIC:
            return None
        return read_manifest(source, read_header(source)).extensions
    except (OSError, JellyError):
        return None
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
        return registry.recognize(source).carried is not None
    except JellyError:
        return False  # a broken file is one like any other
