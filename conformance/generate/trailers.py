"""Locators and trailers, made without the reference (SPEC JF-LOC and JF-TRL)."""

from __future__ import annotations

import hashlib
import struct

END_MAGIC = b"\n\rYLLEJ\x89"


def locator(
    offset: int, container: bytes, host_length: int, *, length: int | None = None, digest: bytes | None = None
) -> bytes:
    """The 64 bytes of a locator; ``length`` and ``digest`` may be given wrongly."""
    head = struct.pack(">3Q", offset, len(container) if length is None else length, host_length)
    return head + (hashlib.sha256(head + container[:72]).digest() if digest is None else digest) + END_MAGIC


def trailer(host: bytes, container: bytes) -> bytes:
    """A host with a container and its locator behind it."""
    return host + container + locator(len(host), container, len(host))
