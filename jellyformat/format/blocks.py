"""Blocks written: records compressed as they come (SPEC JF-ZST, JF-BLK and JF-REC)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import zstandard

from jellyformat.errors import SizeLimit
from jellyformat.format import diffs, frames, limits, loosen, manifest, msgpack, records
from jellyformat.format.model import HISTORY, STATE, Block, Manifest
from jellyformat.format.records import DiffRecord, ObjectRecord, Record

_LEVEL = 9
_STATE_LEVEL = 7
"""Half the time of level 9 for 1 % more bytes: training waits for the state, and history is asked for."""
_LATER_LEVEL = 5
"""Of a state larger than a block: half the time of level 7 for 3 to 5 % more bytes."""
_BEST_LEVEL = 19
_CHUNK = 128 * 1024
"""Bytes compressed at once, beside the reading of what comes next: zstd works without Python's lock."""
_AHEAD = 64
"""Such pieces that wait to be compressed."""
_SPARE = 1024
"""Bytes stored beyond those that are missing, since they were compressed to something before."""
_WORTH = 64
"""Content of fewer bytes is not worth a diff."""


Result = TypeVar("Result")


@dataclass(frozen=True)
class Written:
    """A finished block: what the manifest says of it, its zstd frame, and how many values of msgpack it has."""

    block: Block
    frame: bytes
    values: int = 0


@dataclass(frozen=True)
class Prefix:
    """A state block as the zstd prefix of history: its number, and its raw bytes."""

    number: int
    raw: bytes


def prefix_of(written: list[Written]) -> Prefix | None:
    """The first of some state blocks as a prefix: it has what HEAD has; None where it cannot be one."""
    if not written or not limits.PREFIX_LEAST <= written[0].block.raw_length <= limits.PREFIX_MOST:
        return None
    return Prefix(0, _raw_of(written, 0))


class BlockWriter:
    """Packs records into blocks of one kind; a new block begins where one grows too large.

    Args:
        kind: ``state`` or ``history``.
        prefix: The state block that history follows.
        best: Whether to take fifteen times as long for the fewest bytes.
    """

    def __init__(self, kind: str, prefix: Prefix | None = None, *, best: bool = False) -> None:
        self._best = best
        self._kind = kind
        self._prefix = prefix
        # beyond the window the prefix is out of reach
        self._limit = limits.HISTORY_WINDOW if kind == HISTORY else limits.SMALL_BLOCK
        self._ending: list[Future[Written]] = []
        self._begin()

    def _begin(self) -> None:
        self._compressor: zstandard.ZstdCompressionObj | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._parts: list[Future[bytes]] = []
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._raw = self._records = self._object_bytes = self._values = 0

    def add(self, record: Record, size: int) -> None:
        """Add a record whose object has ``size`` bytes."""
        self._put((records.format_record(record),), size, records.count_values(record))

    def add_object(self, kind: int, content: bytes) -> None:
        """Add the record of an object that is there as it is."""
        head = msgpack.record_head(kind, len(content))
        self._put((head, content), len(content), records.OBJECT_VALUES)

    def _put(self, parts: tuple[bytes, ...], size: int, values: int) -> None:
        length = sum(map(len, parts))
        if self._records and self._raw + length > self._limit:
            self._finish()
        self._waiting += parts
        self._waiting_bytes += length
        # a history that is small has a window that small readers take, which is known at its end
        if self._waiting_bytes >= (_CHUNK if self._kind == STATE or self._parts else limits.STATE_WINDOW):
            self._compress()
        self._raw += length
        self._records += 1
        self._object_bytes += size
        self._values += values

    def _compress(self) -> None:
        """Compress what waits, in a thread of its own where the system gives one."""
        data = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        compressor = self._compressor = self._compressor or self._new_compressor(frames.window_limit(self._kind))
        self._parts.append(self._submit(compressor.compress, data))
        if len(self._parts) > _AHEAD:  # what was read is not heaped up where reading is the faster
            self._parts[-_AHEAD].result()

    def _submit(self, work: Callable[[bytes], Result], data: bytes) -> Future[Result]:
        """Do something behind what was submitted before, beside this thread where that can be."""
        try:
            self._pool = self._pool or ThreadPoolExecutor(1)
            return self._pool.submit(work, data)
        except RuntimeError:  # no more threads, or the interpreter is ending
            for part in self._parts:
                part.result()
            done: Future[Result] = Future()
            done.set_result(work(data))
            return done

    def _new_compressor(self, window: int) -> zstandard.ZstdCompressionObj:
        level = _LEVEL if self._kind == HISTORY else _LATER_LEVEL if self._ending else _STATE_LEVEL
        far = self._best and self._kind == HISTORY  # what is alike may lie further away than else is looked
        parameters = zstandard.ZstdCompressionParameters.from_level(
            _BEST_LEVEL if self._best else level, window_log=window.bit_length() - 1, enable_ldm=far
        )
        if self._prefix is None:
            return zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        prefix = frames.raw_prefix(self._prefix.raw)
        return zstandard.ZstdCompressor(compression_params=parameters, dict_data=prefix).compressobj()

    def _finish(self) -> None:
        """Let the block that was begun be finished, and begin the next."""
        compressor, parts = self._compressor or self._new_compressor(limits.STATE_WINDOW), self._parts
        raw, objects, count, values = self._raw, self._object_bytes, self._records, self._values

        def end(data: bytes) -> Written:
            frame = b"".join((*(part.result() for part in parts), compressor.compress(data), compressor.flush()))
            block = Block(
                kind=self._kind,
                critical=True,
                length=len(frame),
                raw_length=raw,
                object_bytes=objects,
                records=count,
                sha256=hashlib.sha256(frame).digest(),
                prefix=None if self._prefix is None else self._prefix.number,
            )
            return Written(block, frame, values)

        self._ending.append(self._submit(end, b"".join(self._waiting)))
        if len(self._ending) > 1:  # two of them are compressed at once
            self._ending[-2].result()
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self._begin()

    def close(self) -> list[Written]:
        """Finish the block begun; the blocks finished since this was called last."""
        if self._records:
            self._finish()
        ending, self._ending = self._ending, []
        return [item.result() for item in ending]


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
        size = len(small.compress(records.format_record(record)))
        if size < best_size:
            best, best_size = record, size
    return best


def assemble(parts: Manifest, written: list[Written], least: int = 0) -> bytes:
    """The whole container: ``parts`` with its blocks filled in, and the blocks behind it.

    Args:
        parts: The manifest without its blocks.
        written: The blocks. The list is empty in the end: what they have goes into the container piece by piece, since
            both may not fit into memory.
        least: Bytes that it has to have at least, for what its trees are when flattened (SPEC JF-OBJ-008).

    Raises:
        SizeLimit: the objects are more than any container of these records may hold.
    """
    now = written
    stored = dict.fromkeys(range(-1, len(now)), 0)
    while True:
        raw = manifest.encode(replace(parts, blocks=tuple(item.block for item in now)))
        frame = loosen.compress(raw, stored[-1], limits.STATE_WINDOW)
        total = frames.HEADER_LENGTH + len(frame) + sum(len(item.frame) for item in now)
        missing = max(least, loosen.least_length(parts, raw, now)) - total
        if missing <= 0:
            return _joined(frames.format_header(frame, len(raw), total), frame, now)
        # the bounds of SPEC JF-LIM grow with the bytes that are there: fewer of them are compressed
        saved = {number: item.block.raw_length - len(item.frame) for number, item in enumerate(now)}
        saved[-1] = len(raw) - len(frame)
        number = max(saved, key=lambda at: saved[at])
        if saved[number] <= 0:
            raise SizeLimit("the objects are too large together", requirement="JF-BLK-006")
        stored[number] += missing + _SPARE
        if number >= 0:
            block, loose = loosen.loosened(now[number].block, _raw_of(written, number), stored[number])
            now[number] = replace(now[number], block=block, frame=loose)


def _joined(header: bytes, manifest_frame: bytes, written: list[Written]) -> bytes:
    """A container; each block is let go when it is in it."""
    out = io.BytesIO()
    out.write(header)
    out.write(manifest_frame)
    written.reverse()
    while written:
        out.write(written.pop().frame)
    return out.getvalue()  # the buffer itself, and no copy


def _raw_of(written: list[Written], number: int) -> bytes:
    item = written[number]
    prefix = None if item.block.prefix is None else _raw_of(written, item.block.prefix)
    return frames.decompress(item.frame, item.block.raw_length, frames.window_limit(item.block.kind), 0, prefix)
