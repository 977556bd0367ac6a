"""torch files from before the zip format: told by their first pickle, and searched for a container (SPEC JF-TEN)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from jellyformat_zip import declared_length

from jellyformat.adapter import (
    CHUNK,
    HEADER_LENGTH,
    MAGIC,
    MAX_CANDIDATE_BYTES,
    MAX_CANDIDATES,
    Carried,
    CountLimit,
    FormatError,
    Source,
    Window,
    parse_header,
)

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_BINARY = re.escape(b"\x8a\x0a" + _MAGIC_NUMBER.to_bytes(10, "little") + b".")
_FIRST_PICKLE = re.compile(
    rb"L%dL\n\.|\x80[\x02-\xff]%b|\x80[\x04-\xff]\x95.{8}%b" % (_MAGIC_NUMBER, _BINARY, _BINARY), re.DOTALL
)
"""The magic number pickled, in every protocol: as text, as LONG1, as LONG1 in a frame. Nothing is unpickled."""


def is_legacy(source: Source) -> bool:
    """Whether the file begins with torch's magic number, pickled."""
    return _FIRST_PICKLE.match(source.read_at(0, 64)) is not None


def find_bare(source: Source) -> Carried | None:
    """The first place in the file at which a container's header and digest fit, or None (SPEC JF-TEN).

    Raises:
        CountLimit: too many places look like a container and are none (JF-TEN-001).
    """
    looked = hashed = 0
    for offset in _places(source):
        header = source.read_at(offset, HEADER_LENGTH)
        try:
            length = parse_header(header).manifest_length
        except FormatError:
            continue
        if length > source.size - offset - HEADER_LENGTH:
            continue
        looked += 1
        hashed += length
        if looked > MAX_CANDIDATES or hashed > MAX_CANDIDATE_BYTES:
            raise CountLimit(
                "the file is full of what looks like snapshots and is none", requirement="JF-TEN-001", offset=offset
            )
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
