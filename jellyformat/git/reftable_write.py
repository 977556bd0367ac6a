"""Refs in reftables, written: one more table for a stack (git's Documentation/technical/reftable)."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Mapping

from jellyformat.errors import RefusedRepository
from jellyformat.git.reftable import DELETED, HEADER, OID, SYMBOLIC, Record, Stack

_BLOCK = 4096
"""Bytes of a block as git writes them; the largest that there can be has ``_LARGEST``."""
_LARGEST = (1 << 24) - 1
_SMALL = 1 << 14
"""Bytes of a table that may become one with the next."""


def small_end(stack: Stack, is_free: Callable[[bytes], bool]) -> int:
    """How many tables at the end of a stack are small, without reflogs, and free: they may become one with a new one.

    Args:
        stack: The stack.
        is_free: Whether nobody is compacting the table of that name.
    """
    count = 0
    for name, table in zip(reversed(stack.names), reversed(stack.tables), strict=True):
        if len(table.data) > _SMALL or any(table.logs()) or not is_free(name):
            break
        count += 1
    return count


def addition(
    stack: Stack, changes: Mapping[bytes, bytes | None], oid_length: int, merged: int = 0
) -> tuple[bytes, bytes, bytes]:
    """One more table for a stack.

    Args:
        stack: The stack, which nobody else changes meanwhile.
        changes: What files of the refs would hold, by name; None where a ref is to go.
        oid_length: 20 or 32.
        merged: So many tables at the end of it become one with the new one; none has reflogs.

    Returns:
        The table's name, its bytes, and the new ``tables.list``.
    """
    number = max((table.most for table in stack.tables), default=0) + 1
    stays = len(stack.tables) - merged
    least = min((table.least for table in stack.tables[stays:]), default=number)
    records = {name: record for table in stack.tables[stays:] for name, record in table.records()}
    records |= {name: _record_of(text, number) for name, text in changes.items()}
    if stays == 0:  # there is nothing below that it would hide
        records = {name: record for name, record in records.items() if record.text is not None}
    name, data = table_of(records, least, number, oid_length)
    return name, data, b"".join(item + b"\n" for item in (*stack.names[:stays], name))


def _record_of(text: bytes | None, number: int) -> Record:
    if text is None:
        return Record(None, number, (DELETED, b""))
    if text.startswith(b"ref:"):
        return Record(text, number, (SYMBOLIC, text[4:].strip()))
    return Record(text, number, (OID, bytes.fromhex(text.decode())))


def table_of(records: Mapping[bytes, Record], least: int, most: int, oid_length: int) -> tuple[bytes, bytes]:
    """A name and the bytes of a table that holds some refs, in one block; the updates it is of are given.

    Raises:
        RefusedRepository: they are too many.
    """
    version = b"\x01" if oid_length == 20 else b"\x02"
    kind = b"" if oid_length == 20 else b"s256"
    header_length = HEADER.size + len(kind)
    block, restarts = bytearray(), []
    for name, record in sorted(records.items()):
        value_kind, value = record.value
        restarts.append(header_length + 4 + len(block))
        block += b"\0" + _varint(len(name) << 3 | value_kind) + name + _varint(record.number - least)
        block += (_varint(len(value)) if value_kind == SYMBOLIC else b"") + value
    length = header_length + 4 + len(block) + 3 * len(restarts) + 2
    if length > _LARGEST or len(restarts) > 0xFFFF:
        raise RefusedRepository("there are more refs than fit into one block of a reftable", hint="nothing was changed")
    size = -(-length // _BLOCK) * _BLOCK
    header = HEADER.pack(b"REFT", version[0], min(size, _LARGEST).to_bytes(3, "big"), least, most) + kind
    body = b""
    if restarts:
        body = b"r" + length.to_bytes(3, "big") + bytes(block)
        body += b"".join(at.to_bytes(3, "big") for at in restarts) + len(restarts).to_bytes(2, "big")
    footer = header + struct.pack(">QQQQQ", 0, 0, 0, 0, 0)
    data = header + body + footer + zlib.crc32(footer).to_bytes(4, "big")
    return b"0x%012x-0x%012x-%s.ref" % (least, most, os.urandom(4).hex().encode()), data


def _varint(value: int) -> bytes:
    found = bytearray((value & 0x7F,))
    while value := value >> 7:
        value -= 1
        found.append(0x80 | value & 0x7F)
    return bytes(reversed(found))
