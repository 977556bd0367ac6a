"""Containers to put into hosts: small, of any length, whole, and full of what could mislead a reader of the host."""

from __future__ import annotations

import hashlib
import random

import zstandard

from jellyformat.errors import JellyError
from jellyformat.format import frames, manifest
from jellyformat.format.container import Container
from jellyformat.format.model import Block, Head, History, Manifest, Provenance, State, Summary
from jellyformat.format.source import Source

_MISLEADING = (b"PK\x05\x06" + bytes(18), b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"GGUF", frames.MAGIC)
"""What other files begin or end with; a reader must not take it for that in the midst of a container."""


def make_container(noise: int = 4096, seed: int = 0) -> bytes:
    """A container of a repository without commits or files.

    Args:
        noise: Bytes of a block of a kind that no reader knows, of which only the hash is checked.
        seed: Of the random bytes in that block.
    """
    body = bytearray(random.Random(seed).randbytes(noise))
    for number, place in enumerate(range(100, noise - 30, 701)):
        mark = _MISLEADING[number % len(_MISLEADING)]
        body[place : place + len(mark)] = mark
    block = Block("testing", False, len(body), 1, 1, 1, hashlib.sha256(body).digest())
    parts = Manifest(
        state=State("sha1", Head(None, b"refs/heads/main"), None, None),
        summary=Summary(None, (), 0, 0, (), (), ()),
        history=History(0),
        provenance=Provenance(0, 0, "jellyformat.testing"),
        blocks=(block,),
    )
    raw = manifest.encode(parts)
    frame = zstandard.ZstdCompressor().compress(raw)
    return frames.format_header(frame, len(raw), frames.HEADER_LENGTH + len(frame) + noise) + frame + bytes(body)


def is_sound(container: Source) -> bool:
    """Whether verify would find no fault with any byte of a container that `make_container` made."""
    try:
        Container(container).check_hashes()
    except JellyError:
        return False
    return True
