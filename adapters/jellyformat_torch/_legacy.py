"""torch files from before the zip format: told by their first pickle, and searched for a container (SPEC 14.3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from jellyformat_zip import declared_length

from jellyformat import limits
from jellyformat.container import HEADER_LENGTH, MAGIC
from jellyformat.errors import BadHost
from jellyformat.host import Carried
from jellyformat.source import CHUNK, Source, Window

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_BINARY = re.escape(b"\x8a\x0a" + _MAGIC_NUMBER.to_bytes(10, "little") + b".")
_FIRST_PICKLE = re.compile(
    rb"L%dL\n\.|(?:\x80[\x02\x03])%b|\x80[\x04-\x08]\x95.{8}%b" % (_MAGIC_NUMBER, _BINARY, _BINARY), re.DOTALL
)
"""The magic number pickled, in every protocol: as text, as LONG1, as LONG1 in a frame. Nothing is unpickled."""

_HASH_LIMIT = 1 << 32
"""Bytes hashed for places that look like a container and are none: a crafted file ends the search."""


def is_legacy(source: Source) -> bool:
    """Whether the file begins with torch's magic number, pickled."""
    return _FIRST_PICKLE.match(source.read_at(0, 64)) is not None


def find_bare(source: Source) -> Carried | None:
    """The first place in the file at which a container's header and digest fit, or None (SPEC 14.3).

    Raises:
        BadHost: too many places look like a container and are none.
    """
    hashed = 0
    for offset in _places(source):
        header = source.read_at(offset, HEADER_LENGTH)
        length = int.from_bytes(header[16:24], "big")
        room = source.size - offset - HEADER_LENGTH
        if len(header) < HEADER_LENGTH or not 0 < length <= min(room, limits.MANIFEST_LENGTH):
            continue
        hashed += length
        if hashed > _HASH_LIMIT:
            raise BadHost("the file is full of what looks like snapshots and is none", offset=offset)
        digest = hashlib.sha256(header[:40])
        for place in range(0, length, CHUNK):
            digest.update(source.read_at(offset + HEADER_LENGTH + place, min(CHUNK, length - place)))
        if digest.digest() == header[40:72]:
            total = min(declared_length(source, offset), source.size - offset)
            return Carried("tensor", Window(source, offset, total), None)
    return None


def _places(source: Source) -> Iterator[int]:
    """The offsets of the container magic, in a pass over the file that keeps one chunk in memory."""
    overlap = len(MAGIC) - 1
    for begin in range(0, source.size, CHUNK):
        chunk = source.read_at(begin, CHUNK + overlap)
        found = chunk.find(MAGIC)
        while found >= 0:
            yield begin + found
            found = chunk.find(MAGIC, found + 1)
