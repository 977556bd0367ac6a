"""The objects of a container, decoded block by block when they are needed (SPEC section 9)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from jellyformat import diffs, limits
from jellyformat.container import DiffRecord, ObjectRecord, Record, read_block, read_records
from jellyformat.errors import BadDiff, BadRecord, DepthLimit, DuplicateObject, MissingBase, MissingObject
from jellyformat.model import HISTORY, STATE, Block, Manifest
from jellyformat.objects import BLOB, OID_LENGTH, object_id
from jellyformat.source import Source

Outside: TypeAlias = Callable[[bytes], "tuple[int, bytes] | None"]

_CACHE_BYTES = 512 * limits.MIB
"""Decoded blobs kept; more are decoded again when asked for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is: its block and record, its kind, its size in bytes, and how many diffs lie beneath it."""

    block: int
    record: int
    kind: int
    size: int
    chain: int


class Pool:
    """The objects of one container.

    Blocks are decoded in their order, as far as they are needed, each checked against the manifest.

    Args:
        source: The container.
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
        self._kept: dict[bytes, bytes] = {}
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._cached = 0

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
            FormatError: as SPEC sections 5, 6, 7.1 and 9 say.
        """
        while self._next < len(self._blocks) and self._blocks[self._next][0].kind in kinds:
            number = self._next
            self._next += 1
            block, _ = self._blocks[number]
            total = 0
            for index, (oid, record, content, chain) in enumerate(self._objects(number)):
                if oid in self._places:
                    raise DuplicateObject(f"object {oid.hex()} is there twice", requirement="JF-REC-002")
                total += len(content)
                if total > block.object_bytes:
                    break
                self._places[oid] = Place(number, index, record.kind, len(content), chain)
                self._keep(oid, record.kind, content)
            if total != block.object_bytes:
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
        if place.kind != BLOB:
            return self._kept[oid]
        if oid not in self._cache:
            return self._reload(place.block, oid)
        self._cache.move_to_end(oid)
        return self._cache[oid]

    def _from_outside(self, oid: bytes) -> tuple[int, bytes] | None:
        return self._outside(oid) if self._thin and self._outside is not None else None

    def _reload(self, number: int, wanted: bytes) -> bytes:
        """Decode a block again, all of it since its other objects are asked for next; an object of it."""
        found: bytes | None = None
        for oid, record, content, _ in self._objects(number):
            self._keep(oid, record.kind, content)
            if oid == wanted:
                found = content
        if found is None:
            raise MissingObject(f"object {wanted.hex()} is not where it was", requirement="JF-NED-001")
        return found

    def _keep(self, oid: bytes, kind: int, content: bytes) -> None:
        if kind != BLOB:  # trees and commits are read again and again, and are small
            self._kept[oid] = content
            return
        if oid in self._cache:
            return
        self._cache[oid] = content
        self._cached += len(content)
        while self._cached > _CACHE_BYTES and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._cached -= len(dropped)

    def _objects(self, number: int) -> Iterator[tuple[bytes, Record, bytes, int]]:
        """Each object of a block: raw id, record, content, and the diffs beneath it."""
        block, offset = self._blocks[number]
        raw = read_block(self._source, block, offset)
        left = block.object_bytes
        for record in read_records(raw, block.records, OID_LENGTH[self._format]):
            if isinstance(record, ObjectRecord):
                content, chain = record.content, 0
            else:
                content, chain = self._rebuild(record, left)
            left -= len(content)
            yield object_id(record.kind, content, self._format), record, content, chain

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
