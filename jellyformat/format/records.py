"""Records: objects and diffs as msgpack (SPEC JF-REC)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from jellyformat.errors import (
    BadRecord,
    CountLimit,
)
from jellyformat.format import msgpack
from jellyformat.format.diffs import Op
from jellyformat.format.msgpack import Value
from jellyformat.format.objects import BLOB, COMMIT, TREE


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """An object as it is."""

    kind: int
    content: bytes


@dataclass(frozen=True, slots=True)
class DiffRecord:
    """An object to be rebuilt from the object ``base`` (raw id)."""

    kind: int
    base: bytes
    ops: tuple[Op, ...]


Record: TypeAlias = ObjectRecord | DiffRecord


KINDS = frozenset((COMMIT, TREE, BLOB))
_BIN_WIDTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4}
"""Bytes of the length of a bin, by how it begins."""
_SHORTER = {1: -1, 2: 0xFF, 4: 0xFFFF}
"""The largest length that a shorter form would have held, by the same."""
OBJECT_VALUES = 3
"""Values of msgpack in the record of an object that is there as it is."""


@dataclass
class Allowance:
    """How many values of msgpack the records of a container may still have (SPEC JF-MSG-007)."""

    left: int

    def take(self, count: int) -> None:
        """Count some.

        Raises:
            CountLimit: there are too many.
        """
        self.left -= count
        if self.left < 0:
            raise CountLimit("the records have more values than so few bytes may hold", requirement="JF-MSG-007")


def read_records(raw: bytes, count: int, oid_length: int) -> Iterator[Record]:
    """The records in the raw bytes of a block, each checked to be canonical.

    Raises:
        BadRecord, BadMsgpack, DepthLimit, CountLimit: SPEC JF-REC-001, JF-BLK-007, JF-MSG.
    """
    for record, _, _ in read_records_at(raw, count, oid_length, Allowance(len(raw))):
        yield record


def read_records_at(raw: bytes, count: int, oid_length: int, allowance: Allowance) -> Iterator[tuple[Record, int, int]]:
    """`read_records`, each record with the offsets at which it begins and ends."""
    last = 0
    for number in range(count):
        if last == len(raw):
            raise BadRecord(f"{count} records are declared, {number} are there", requirement="JF-BLK-007")
        start = last
        record: Record
        found = _plain_object(raw, start)
        if found is not None:
            allowance.take(OBJECT_VALUES)
            record, last = found
        else:
            value, last, values = msgpack.read_value(raw, start, allowance.left)
            allowance.take(values)
            record = _record(value, oid_length, number)
        yield record, start, last
    if last != len(raw):
        raise BadRecord(f"bytes lie behind the {count} declared records", requirement="JF-BLK-007", offset=last)


def _plain_object(raw: bytes, start: int) -> tuple[ObjectRecord, int] | None:
    """The object record at ``start`` and its end, read without the library; None for anything that is none."""
    if len(raw) - start < 4 or raw[start] != 0x92:
        return None
    kind, width = raw[start + 1], _BIN_WIDTHS.get(raw[start + 2])
    if width is None or kind not in KINDS:
        return None
    begin = start + 3 + width
    length = int.from_bytes(raw[start + 3 : begin], "big")
    end = begin + length
    if end > len(raw) or length <= _SHORTER[width]:  # cut off, or in a longer form than needed
        return None
    return ObjectRecord(kind, raw[begin:end]), end


def _record(value: Value, oid_length: int, number: int) -> Record:
    if isinstance(value, list) and value and type(value[0]) is int and value[0] in KINDS:
        if len(value) == 2 and isinstance(value[1], bytes):
            return ObjectRecord(value[0], value[1])
        if len(value) == 3 and isinstance(value[1], bytes) and len(value[1]) == oid_length:
            ops = _ops(value[2])
            if ops is not None:
                return DiffRecord(value[0], value[1], ops)
    raise BadRecord(f"record {number} is neither an object nor a diff", requirement="JF-REC-001")


def _ops(value: Value) -> tuple[Op, ...] | None:
    if not isinstance(value, list) or not value:
        return None
    ops: list[Op] = []
    for op in value:
        if isinstance(op, bytes) and op:
            ops.append(op)
        elif (
            isinstance(op, list)
            and len(op) == 2
            and type(op[0]) is int
            and type(op[1]) is int
            and op[0] >= 0
            and op[1] >= 1
        ):
            ops.append((op[0], op[1]))
        else:
            return None
    return tuple(ops)


def count_values(record: Record) -> int:
    """How many values of msgpack a record has (SPEC JF-MSG-007)."""
    if isinstance(record, ObjectRecord):
        return OBJECT_VALUES
    return values_of(record)


def values_of(record: DiffRecord) -> int:
    """How many values of msgpack a diff has (SPEC JF-MSG-007)."""
    return 4 + sum(1 if isinstance(op, bytes) else 3 for op in record.ops)


def format_record(record: Record) -> bytes:
    """The canonical msgpack of a record."""
    if isinstance(record, ObjectRecord):
        return msgpack.record_head(record.kind, len(record.content)) + record.content
    ops: list[Value] = [op if isinstance(op, bytes) else list(op) for op in record.ops]
    return msgpack.encode([record.kind, record.base, ops])
