"""Blocks written: records compressed as they come (SPEC sections 5, 7.1 and 9)."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import zstandard

from jellyformat import container, diffs, limits, manifest
from jellyformat.container import DiffRecord, ObjectRecord, Record
from jellyformat.model import HISTORY, Block, Manifest

_LEVEL = 9
_STATE_LEVEL = 7
"""Half the time of level 9 for 1 % more bytes: training waits for the state, and history is asked for."""
_CHUNK = 128 * 1024
"""Bytes compressed at once, beside the reading of what comes next: zstd works without Python's lock."""
_SPLIT = {HISTORY: 256 * limits.MIB}
_STATE_SPLIT = 64 * limits.MIB
_WORTH = 64
"""Content of fewer bytes is not worth a diff."""


@dataclass(frozen=True)
class Written:
    """A finished block: what the manifest says of it, and its zstd frame."""

    block: Block
    frame: bytes


class BlockWriter:
    """Packs records into blocks of one kind; a new block begins where one grows too large.

    Args:
        kind: ``state`` or ``history``.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._limit = _SPLIT.get(kind, _STATE_SPLIT)
        self._done: list[Written] = []
        self._begin()

    def _begin(self) -> None:
        self._compressor = _compressor(self._kind).compressobj()
        self._pool: ThreadPoolExecutor | None = None
        self._parts: list[bytes | Future[bytes]] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._raw = self._records = self._object_bytes = 0

    def add(self, record: Record, size: int) -> None:
        """Add a record whose object has ``size`` bytes."""
        data = container.format_record(record)
        if self._records and self._raw + len(data) > self._limit:
            self.close()
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= _CHUNK:
            self._compress()
        self._raw += len(data)
        self._records += 1
        self._object_bytes += size

    def _compress(self) -> None:
        """Compress what waits, in a thread of its own where the system gives one."""
        data = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        try:
            self._pool = self._pool or ThreadPoolExecutor(1)
            self._parts.append(self._pool.submit(self._compressor.compress, data))
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._settle()
            self._parts.append(self._compressor.compress(data))

    def _settle(self) -> bytes:
        """All that was compressed so far."""
        done = b"".join(part if isinstance(part, bytes) else part.result() for part in self._parts)
        self._parts = [done]
        return done

    def close(self) -> list[Written]:
        """Finish the block begun; all finished blocks so far."""
        if self._records:
            done = self._settle()
            frame = done + self._compressor.compress(b"".join(self._waiting)) + self._compressor.flush()
            if self._pool is not None:
                self._pool.shutdown()
            digest = hashlib.sha256(frame).digest()
            block = Block(self._kind, True, len(frame), self._raw, self._object_bytes, self._records, digest)
            self._done.append(Written(block, frame))
            self._begin()
        return self._done


def _compressor(kind: str) -> zstandard.ZstdCompressor:
    window = container.window_limit(kind).bit_length() - 1
    history = kind == HISTORY  # what is alike lies far apart there alone
    level = _LEVEL if history else _STATE_LEVEL
    parameters = zstandard.ZstdCompressionParameters.from_level(level, window_log=window, enable_ldm=history)
    return zstandard.ZstdCompressor(compression_params=parameters)


def smallest_record(kind: int, content: bytes, oid_length: int, bases: list[tuple[bytes, bytes]]) -> Record:
    """The record for an object: a diff against one of ``bases`` where that packs smaller, else the object itself.

    Args:
        kind: The object's kind.
        content: Its content.
        oid_length: 20 or 32.
        bases: Raw id and content of earlier objects it may have come from.
    """
    plain = ObjectRecord(kind, content)
    if len(content) < _WORTH or not bases:
        return plain
    small = zstandard.ZstdCompressor(level=3)
    best: Record = plain
    best_size = len(small.compress(content))
    for oid, base in bases:
        record = DiffRecord(kind, oid, tuple(diffs.make(base, content)))
        size = len(small.compress(container.format_record(record)))
        if size < best_size:
            best, best_size = record, size
    return best


def assemble(parts: Manifest, written: list[Written]) -> bytes:
    """The whole container: ``parts`` with its blocks filled in, and the blocks behind it."""
    blocks = tuple(item.block for item in written)
    raw = manifest.encode(replace(parts, blocks=blocks))
    frame = zstandard.ZstdCompressor(level=_LEVEL).compress(raw)
    total = container.HEADER_LENGTH + len(frame) + sum(len(item.frame) for item in written)
    return b"".join((container.format_header(frame, len(raw), total), frame, *(item.frame for item in written)))
