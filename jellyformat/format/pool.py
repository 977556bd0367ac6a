"""The objects of a container, decoded block by block when they are needed (SPEC JF-REC)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from jellyformat.errors import (
    BadDiff,
    BadRecord,
    DepthLimit,
    DuplicateObject,
    MissingBase,
    MissingObject,
    SizeLimit,
)
from jellyformat.format import diffs, limits
from jellyformat.format.cache import ByteCache
from jellyformat.format.frames import read_block
from jellyformat.format.model import HISTORY, STATE, Block, Manifest
from jellyformat.format.objects import BLOB, OID_LENGTH, object_id
from jellyformat.format.records import Allowance, DiffRecord, ObjectRecord, Record, read_records, read_records_at
from jellyformat.format.source import Source

Outside: TypeAlias = Callable[[bytes], "tuple[int, bytes] | None"]

_CACHE_BYTES = 512 * limits.MIB
"""Decoded blobs kept, and as much of the other objects; more are decoded again when asked for."""
_RAW_BYTES = 256 * limits.MIB
"""Raw bytes of blocks kept when objects are decoded again."""
_SMALL_BYTES = 64 * limits.MIB
"""All of these, where the whole container is small (SPEC JF-LIM)."""
_AGAIN_BYTES = 256 * limits.GIB
_AGAIN_TIMES = 64
"""Blocks are decompressed again up to so many bytes, and so many times the raw length of all: a crafted container
could send its reader back and forth between its blocks for years."""


class Place(NamedTuple):
    """Where an object is: its block, its record's offsets in the raw block, its kind, its size in bytes, and how many
    diffs lie beneath it."""

    block: int
    start: int
    end: int
    kind: int
    size: int
    chain: int


class Pool:
    """The objects of one container.

    Blocks are decoded in their order, as far as they are needed, each checked against the manifest.

    Args:
        source: The container, and nothing else.
        manifest: Its manifest.
        data_offset: Where block 0 begins.
        outside: Kind and content of an object by raw id, for those a thin container leaves to its prerequisites.
    """

    def __init__(self, source: Source, manifest: Manifest, data_offset: int, outside: Outside | None = None) -> None:
        self._outside = outside
        self._source = source
        self._format = manifest.state.object_format
        self._thin = bool(manifest.history.prerequisites)
        self._blocks: list[tuple[Block, int]] = []
        for block in manifest.blocks:
            self._blocks.append((block, data_offset))
            data_offset += block.length
        self._places: dict[bytes, Place] = {}
        self._next = 0
        # trees and commits are read again and again: blobs must not drive them out
        small = sum(block.object_bytes for block in manifest.blocks) <= limits.SMALL_BYTES
        cached, raws = (_SMALL_BYTES, _SMALL_BYTES) if small else (_CACHE_BYTES, _RAW_BYTES)
        self._blobs: ByteCache[bytes, bytes] = ByteCache(cached)
        self._others: ByteCache[bytes, bytes] = ByteCache(cached)
        self._raws: ByteCache[int, bytes] = ByteCache(raws)
        self._prefix: tuple[int, bytes] | None = None
        """The block that was a prefix last, and its raw bytes: those that follow have the same."""
        self._values = Allowance(limits.bounds(source.size).values)
        self._again = _AGAIN_BYTES + _AGAIN_TIMES * sum(block.raw_length for block in manifest.blocks)

    def keep_more(self) -> None:
        """Keep more of what is decoded than a reader with little memory would: all of it is about to be asked for."""
        for cache in (self._blobs, self._others):
            cache.widen(_CACHE_BYTES)

    @property
    def places(self) -> dict[bytes, Place]:
        """Every object of the blocks decoded so far, by raw id."""
        return self._places

    def is_state(self, oid: bytes) -> bool:
        """Whether ``oid`` is an object in a state block."""
        place = self._places.get(oid)
        return place is not None and self._blocks[place.block][0].kind == STATE

    def decode(self, kinds: tuple[str, ...] = (STATE, HISTORY)) -> None:
        """Decode all blocks of these kinds that were not decoded yet.

        Raises:
            FormatError: as SPEC JF-ZST, JF-MSG, JF-BLK and JF-REC say.
        """
        while self._next < len(self._blocks) and self._blocks[self._next][0].kind in kinds:
            try:
                self._decode(self._next)
            except BaseException:  # half a block must not pass for all of it when somebody asks again
                self._places = {oid: place for oid, place in self._places.items() if place.block != self._next}
                raise
            self._next += 1

    def _decode(self, number: int) -> None:
        block, _ = self._blocks[number]
        left = block.object_bytes
        raw = self._raw(number)
        for record, start, end in read_records_at(raw, block.records, OID_LENGTH[self._format], self._values):
            content, chain = self._content(record, left)
            oid = object_id(record.kind, content, self._format)
            if oid in self._places:
                raise DuplicateObject(f"object {oid.hex()} is there twice", requirement="JF-REC-002")
            left -= len(content)
            if left < 0:
                break
            self._places[oid] = Place(number, start, end, record.kind, len(content), chain)
            self._keep(oid, record.kind, content)
        if left:
            raise BadRecord(
                f"the objects of a block have not the declared {block.object_bytes} bytes", requirement="JF-BLK-007"
            )

    def read(self, oid: bytes, kind: int | None = None) -> bytes:
        """The content of an object.

        Args:
            oid: Its raw id.
            kind: The kind it has to have; None for any.

        Raises:
            MissingObject: it is not among the decoded blocks, or of another kind.
        """
        place = self._places.get(oid)
        if place is None and (found := self._from_outside(oid)) is not None and kind in (None, found[0]):
            return found[1]
        if place is None or kind not in (None, place.kind):
            raise MissingObject(f"object {oid.hex()} is not in the container", requirement="JF-NED-001")
        content = (self._blobs if place.kind == BLOB else self._others).get(oid)
        return self._decode_again(oid, place) if content is None else content

    def _from_outside(self, oid: bytes) -> tuple[int, bytes] | None:
        return self._outside(oid) if self._thin and self._outside is not None else None

    def _decode_again(self, oid: bytes, place: Place) -> bytes:
        """One object whose bytes were not kept."""
        raw = self._raw_again(place.block)
        (record,) = read_records(raw[place.start : place.end], 1, OID_LENGTH[self._format])
        content, _ = self._content(record, place.size)
        self._keep(oid, place.kind, content)
        return content

    def _raw(self, number: int) -> bytes:
        """The raw bytes of a block; those of its prefix are kept, since the next one will have the same."""
        block, offset = self._blocks[number]
        prefix = None if block.prefix is None else self._raw_again(block.prefix)
        if block.prefix is not None and prefix is not None:
            self._prefix = block.prefix, prefix
        return read_block(self._source, block, offset, prefix)

    def _raw_again(self, number: int) -> bytes:
        """The raw bytes of a block that was decoded before."""
        if self._prefix is not None and self._prefix[0] == number:
            return self._prefix[1]
        raw = self._raws.get(number)
        if raw is None:
            self._again -= self._blocks[number][0].raw_length
            if self._again < 0:
                raise SizeLimit("the objects lie so that the same blocks would be decompressed over and over")
            raw = self._raw(number)
            self._raws.put(number, raw, len(raw))
        return raw

    def _keep(self, oid: bytes, kind: int, content: bytes) -> None:
        (self._blobs if kind == BLOB else self._others).put(oid, content, len(content))

    def _content(self, record: Record, left: int) -> tuple[bytes, int]:
        """What a record stands for, at most ``left`` bytes where it is a diff, and the diffs beneath it."""
        return (record.content, 0) if isinstance(record, ObjectRecord) else self._rebuild(record, left)

    def _rebuild(self, record: DiffRecord, left: int) -> tuple[bytes, int]:
        place = self._places.get(record.base)
        if place is not None:
            kind, size, chain = place.kind, place.size, place.chain
        else:
            found = self._from_outside(record.base)
            if found is None:
                raise self._no_base(record.base)
            kind, size, chain = found[0], len(found[1]), 0
        if kind != record.kind:
            raise BadDiff("a diff and its base are of different kinds", requirement="JF-REC-004")
        if chain >= limits.DIFF_CHAIN:
            raise DepthLimit(f"more than {limits.DIFF_CHAIN} diffs in a chain", requirement="JF-REC-006")
        if diffs.result_length(size, record.ops) > left:
            raise BadRecord("a diff makes more than its block declares", requirement="JF-BLK-007")
        return diffs.apply(self.read(record.base), record.ops), chain + 1

    def _no_base(self, base: bytes) -> MissingBase:
        if self._thin:
            return MissingBase(
                f"the base {base.hex()} of a diff is in a prerequisite of this thin container",
                requirement="JF-REC-005",
                hint="nothing was lost; read it inside the repository it was made from",
            )
        return MissingBase(f"the base {base.hex()} of a diff is not an earlier object", requirement="JF-REC-005")
