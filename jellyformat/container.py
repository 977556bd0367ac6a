"""The container: header, zstd frames and records (SPEC sections 3 to 6 and 9)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import zstandard

from jellyformat import limits, manifest, msgpack
from jellyformat.diffs import Op
from jellyformat.errors import (
    BadCompression,
    BadHeader,
    BadMagic,
    BadManifest,
    BadRecord,
    CorruptBlock,
    CorruptManifest,
    SizeLimit,
    SystemFailure,
    Truncated,
    UnsupportedVersion,
    WindowLimit,
)
from jellyformat.model import HISTORY, Block, Manifest
from jellyformat.msgpack import Value
from jellyformat.objects import KIND_NAMES
from jellyformat.source import BytesSource, Source, read_exactly

MAGIC = b"\x89JELLY\r\n"
MAJOR_VERSION = 1
HEADER_LENGTH = 72
_HEADER = struct.Struct(">8sB7sQQQ32s")
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MANIFEST_LEVEL = 9
_COVERED = 40
"""Bytes of the header that the digest covers."""


@dataclass(frozen=True)
class Header:
    """The header (SPEC section 4); lengths in bytes, ``digest`` 32 raw bytes."""

    manifest_length: int
    manifest_raw_length: int
    total_length: int
    digest: bytes


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


def parse_header(data: bytes) -> Header:
    """The header at the start of ``data``.

    Raises:
        BadMagic, UnsupportedVersion, BadHeader, Truncated, SizeLimit: SPEC JF-HDR-001 to 007.
    """
    if data[:8] != MAGIC:
        if data and MAGIC.startswith(data[:8]):
            raise Truncated("the container ends in its first bytes", requirement="JF-HDR-004", offset=len(data))
        raise BadMagic("this does not begin as a container does", requirement="JF-HDR-001", offset=0)
    if len(data) > 8 and data[8] != MAJOR_VERSION:
        raise UnsupportedVersion(
            f"version {data[8]} of the format is not known here",
            requirement="JF-HDR-002",
            offset=8,
            hint="nothing was lost; a newer jellyformat reads it: pip install --upgrade jellyformat",
        )
    if len(data) < HEADER_LENGTH:
        raise Truncated("the container ends in its header", requirement="JF-HDR-004", offset=len(data))
    _, _, reserved, length, raw_length, total, digest = _HEADER.unpack_from(data)
    if reserved.strip(b"\0"):
        raise BadHeader("a reserved byte of the header is not zero", requirement="JF-HDR-003", offset=9)
    if total < HEADER_LENGTH + length:
        raise BadHeader("the total length is less than header and manifest", requirement="JF-HDR-005", offset=32)
    if not length or not raw_length:
        raise BadHeader("the manifest's length is zero", requirement="JF-HDR-006", offset=16)
    if length > limits.MANIFEST_LENGTH or raw_length > limits.MANIFEST_RAW_LENGTH:
        raise SizeLimit(f"a manifest of {max(length, raw_length)} bytes", requirement="JF-HDR-007", offset=16)
    return Header(length, raw_length, total, digest)


def format_header(frame: bytes, raw_length: int, total_length: int) -> bytes:
    """The header for a manifest's zstd frame, with the digest over both."""
    covered = _HEADER.pack(MAGIC, MAJOR_VERSION, b"", len(frame), raw_length, total_length, b"")[:_COVERED]
    return covered + hashlib.sha256(covered + frame).digest()


def read_header(source: Source) -> Header:
    """The header of the container in ``source``, which has to hold all of it.

    Raises:
        FormatError: as `parse_header`; Truncated where bytes are missing at the end.
    """
    header = parse_header(source.read_at(0, HEADER_LENGTH))
    if source.size < header.total_length:
        raise Truncated(
            f"{header.total_length - source.size} of {header.total_length} bytes are missing at the end",
            requirement="JF-HDR-004",
            offset=source.size,
        )
    if source.size > header.total_length:
        raise BadHeader(f"{source.size - header.total_length} bytes lie behind the container", requirement="JF-HDR-010")
    return header


def read_manifest(source: Source, header: Header) -> Manifest:
    """The manifest: digest, compression, canonical form and fields checked.

    Raises:
        FormatError: as SPEC sections 4 to 8 say.
    """
    covered = read_exactly(source, 0, _COVERED)
    frame = read_exactly(source, HEADER_LENGTH, header.manifest_length)
    if hashlib.sha256(covered + frame).digest() != header.digest:
        raise CorruptManifest(
            "the digest does not match: bytes of the header or manifest were changed",
            requirement="JF-HDR-008",
            offset=0,
        )
    raw = decompress(frame, header.manifest_raw_length, limits.STATE_WINDOW, HEADER_LENGTH)
    result = manifest.decode(raw)
    end = HEADER_LENGTH + header.manifest_length + sum(block.length for block in result.blocks)
    if end != header.total_length:
        raise BadManifest(
            f"header, manifest and blocks have {end} bytes, not {header.total_length}", requirement="JF-HDR-009"
        )
    return result


def window_limit(kind: str) -> int:
    """The largest zstd window in bytes for a block of this kind (SPEC section 11)."""
    return limits.HISTORY_WINDOW if kind == HISTORY else limits.STATE_WINDOW


def decompress(frame: bytes, raw_length: int, window: int, offset: int) -> bytes:
    """The content of one zstd frame.

    Args:
        frame: The frame's bytes, all of them.
        raw_length: The length it has to have.
        window: The largest window size allowed, in bytes.
        offset: Where the frame is in the container, for errors.

    Raises:
        BadCompression, WindowLimit: SPEC section 5.
        SystemFailure: there is not enough memory.
    """

    def bad(message: str, requirement: str) -> BadCompression:
        return BadCompression(message, requirement=requirement, offset=offset)

    wanted = _declared_window(frame)
    if wanted > window:  # the library calls the largest of them no frame at all
        raise WindowLimit(f"a zstd window of {wanted} bytes", requirement="JF-ZST-003", offset=offset)
    try:
        found = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as error:
        raise bad(f"not a zstd frame: {error}", "JF-ZST-001") from error
    if frame[:4] != _ZSTD_MAGIC or found.dict_id:
        raise bad("a skippable frame, or one with a dictionary", "JF-ZST-002")
    if found.window_size > window:
        raise WindowLimit(f"a zstd window of {found.window_size} bytes", requirement="JF-ZST-003", offset=offset)
    if found.content_size not in (zstandard.CONTENTSIZE_UNKNOWN, raw_length):
        raise bad(f"the frame says {found.content_size} bytes, not {raw_length}", "JF-ZST-005")
    try:
        raw = zstandard.ZstdDecompressor().decompress(frame, max_output_size=raw_length, allow_extra_data=False)
    except MemoryError as error:  # no fault of the container
        raise SystemFailure(
            f"there is not enough memory for a part of {raw_length} bytes", hint="nothing was lost or changed"
        ) from error
    except zstandard.ZstdError as error:
        raise bad(f"not one sound zstd frame of {raw_length} bytes: {error}", "JF-ZST-004") from error
    if len(raw) != raw_length:
        raise bad(f"the frame has {len(raw)} bytes, not the declared {raw_length}", "JF-ZST-004")
    return raw


def _declared_window(frame: bytes) -> int:
    """The Window_Size of a frame's Window_Descriptor (RFC 8878, 3.1.1.1.2); 0 where it has none."""
    if len(frame) < 6 or frame[:4] != _ZSTD_MAGIC or frame[4] & 0x20:
        return 0
    base = 1 << (10 + (frame[5] >> 3))
    return base + base // 8 * (frame[5] & 7)


def read_block(source: Source, block: Block, offset: int) -> bytes:
    """The raw bytes of a block: hash checked, then decompressed.

    Args:
        source: The container.
        block: What the manifest says of it.
        offset: Where it begins in the container.

    Raises:
        CorruptBlock, BadCompression, WindowLimit, Truncated: SPEC sections 5 and 7.1.
    """
    frame = read_exactly(source, offset, block.length)
    if hashlib.sha256(frame).digest() != block.sha256:
        raise CorruptBlock(
            f"a {block.kind} block does not match its SHA-256: bytes were changed",
            requirement="JF-BLK-005",
            offset=offset,
        )
    return decompress(frame, block.raw_length, window_limit(block.kind), offset)


def read_records(raw: bytes, count: int, oid_length: int) -> Iterator[Record]:
    """The records in the raw bytes of a block, each checked to be canonical.

    Raises:
        BadRecord, BadMsgpack, DepthLimit, CountLimit: SPEC JF-REC-001, JF-BLK-007 and section 6.
    """
    for record, _, _ in read_records_at(raw, count, oid_length):
        yield record


def read_records_at(raw: bytes, count: int, oid_length: int) -> Iterator[tuple[Record, int, int]]:
    """`read_records`, each record with the offsets at which it begins and ends."""
    last = 0
    for number in range(count):
        if last == len(raw):
            raise BadRecord(f"{count} records are declared, {number} are there", requirement="JF-BLK-007")
        start = last
        found = _plain_object(raw, start) or _any_record(raw, start, oid_length, number)
        last = found[1]
        yield found[0], start, last
    if last != len(raw):
        raise BadRecord(f"bytes lie behind the {count} declared records", requirement="JF-BLK-007", offset=last)


def _plain_object(raw: bytes, start: int) -> tuple[ObjectRecord, int] | None:
    """The object record at ``start`` and its end, read without the library; None for anything that is none."""
    if len(raw) - start < 4 or raw[start] != 0x92 or raw[start + 1] not in KIND_NAMES:
        return None
    width = {0xC4: 1, 0xC5: 2, 0xC6: 4}.get(raw[start + 2], 0)
    begin = start + 3 + width
    length = int.from_bytes(raw[start + 3 : begin], "big")
    if not width or begin + length > len(raw) or not raw.startswith(msgpack.record_head(raw[start + 1], length), start):
        return None
    return ObjectRecord(raw[start + 1], raw[begin : begin + length]), begin + length


def _any_record(raw: bytes, start: int, oid_length: int, number: int) -> tuple[Record, int]:
    value, end = msgpack.read_value(raw, start)
    return _record(value, oid_length, number), end


def _record(value: Value, oid_length: int, number: int) -> Record:
    if isinstance(value, list) and value and type(value[0]) is int and value[0] in KIND_NAMES:
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


def format_record(record: Record) -> bytes:
    """The canonical msgpack of a record."""
    if isinstance(record, ObjectRecord):
        return msgpack.record_head(record.kind, len(record.content)) + record.content
    ops: list[Value] = [op if isinstance(op, bytes) else list(op) for op in record.ops]
    return msgpack.encode([record.kind, record.base, ops])


def with_extensions(data: bytes, changes: Mapping[str, Value]) -> bytes:
    """A container with extensions set, or taken out where the value is None; the same bytes if that changes nothing.

    Args:
        data: The whole container.
        changes: The new values by name.

    Raises:
        FormatError: the header or manifest of ``data`` is damaged.
    """
    source = BytesSource(data)
    header = read_header(source)
    old = read_manifest(source, header)
    kept = {name: value for name, value in old.extensions.items() if name not in changes}
    new = kept | {name: value for name, value in changes.items() if value is not None}
    if new == old.extensions:
        return data
    raw = manifest.encode(replace(old, extensions=new))
    frame = zstandard.ZstdCompressor(level=_MANIFEST_LEVEL).compress(raw)
    rest = memoryview(data)[HEADER_LENGTH + header.manifest_length :]
    return b"".join((format_header(frame, len(raw), HEADER_LENGTH + len(frame) + len(rest)), frame, rest))
