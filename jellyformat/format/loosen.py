"""Frames compressed less, where a container has fewer bytes than its bounds ask for (SPEC JF-LIM)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import zstandard

from jellyformat.format import frames, limits, msgpack
from jellyformat.format.model import Block, Manifest

_LEVEL = 9
_MAGIC = b"\x28\xb5\x2f\xfd"
_BLOCK = 128 * 1024
"""The largest block of zstd."""


class Finished(Protocol):
    """A block that is written."""

    @property
    def block(self) -> Block:
        """What the manifest says of it."""

    @property
    def values(self) -> int:
        """How many values of msgpack it has."""


def compress(raw: bytes, stored: int, window: int) -> bytes:
    """One zstd frame, the first ``stored`` bytes of whose content stand in it as they are."""
    stored = min(stored, len(raw))
    if not stored:
        return zstandard.ZstdCompressor(level=_LEVEL).compress(raw)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=window.bit_length() - 1, write_content_size=False
    )
    rest = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    tail = rest.compress(raw[stored:]) + rest.flush()
    begin = zstandard.frame_header_size(tail)
    descriptor = (window.bit_length() - 1 - 10) << 3
    parts = [_MAGIC, bytes((0, descriptor))]
    for start in range(0, stored, _BLOCK):  # raw blocks: 21 bits of length, type 0, not the last
        size = min(_BLOCK, stored - start)
        parts += [(size << 3).to_bytes(3, "little"), raw[start : start + size]]
    return b"".join((*parts, tail[begin:]))


def loosened(block: Block, raw: bytes, stored: int) -> tuple[Block, bytes]:
    """A block, and its frame, again, so many bytes of it stored; what it refers to is itself alone then."""
    frame = compress(raw, stored, frames.window_limit(block.kind))
    return replace(block, length=len(frame), sha256=hashlib.sha256(frame).digest(), prefix=None), frame


def least_length(parts: Manifest, raw: bytes, written: Sequence[Finished]) -> int:
    """How many bytes a container has to have for what its manifest and blocks hold.

    Args:
        parts: The manifest.
        raw: Its msgpack.
        written: The blocks.
    """
    base = limits.bounds(0)
    states = sum(1 for _ in parts.state.parts()) - 1
    values = len(raw)
    if values > base.values:  # it cannot be more than there are bytes
        values = msgpack.walk(raw, 0, values)[1]
    over = (
        -(-(len(raw) - base.manifest) // 64),
        -(-(sum(item.block.raw_length for item in written) - base.raw) // 512),
        -(-(sum(item.block.object_bytes for item in written) - base.objects) // 512),
        -(-(max(values, sum(item.values for item in written)) - base.values) // 2),
        (states - base.states) * 256,
    )
    return max(0, *over)
