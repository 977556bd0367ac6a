"""The container: header, zstd frames and records (SPEC JF-HDR, JF-ZST, JF-MSG and JF-REC)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import zstandard

from jellyformat.errors import (
    BadCompression,
    BadHeader,
    BadMagic,
    BadManifest,
    CorruptBlock,
    CorruptManifest,
    RefusedSigned,
    SizeLimit,
    SystemFailure,
    Truncated,
    UnsupportedVersion,
    WindowLimit,
)
from jellyformat.format import limits, manifest
from jellyformat.format.extensions import SIGNATURES, UNSIGNED
from jellyformat.format.model import HISTORY, Block, Manifest
from jellyformat.format.msgpack import Value
from jellyformat.format.source import BytesSource, Source, read_exactly
from jellyformat.hints import Hint, option

MAGIC = b"\x89JELLY\r\n"
MAJOR_VERSION = 1
HEADER_LENGTH = 72
_HEADER = struct.Struct(">8sB7sQQQ32s")
_BLOCK_MOST, _BLOCK_HEADER, _RLE = 128 << 10, 3, 1
"""RFC 8878, 3.1.1.2: the most bytes of a block, those of its header, and the type of one byte many times."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MANIFEST_LEVEL = 9
_COVERED = 40
"""Bytes of the header that the digest covers."""


@dataclass(frozen=True)
class Header:
    """The header (SPEC JF-HDR); lengths in bytes, ``digest`` 32 raw bytes."""

    manifest_length: int
    manifest_raw_length: int
    total_length: int
    digest: bytes


Known: TypeAlias = tuple[Header, Manifest]
"""Header and manifest of a container that was read."""


def parse_header(data: bytes) -> Header:
    """The header at the start of ``data``.

    Raises:
        BadMagic, UnsupportedVersion, BadHeader, Truncated, SizeLimit: SPEC JF-HDR-001 to 007.
    """
    if data[:8] != MAGIC:
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
    if length > limits.MANIFEST_LENGTH or raw_length > limits.bounds(total).manifest:
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


def read_manifest(source: Source, header: Header, known: Known | None = None) -> Manifest:
    """The manifest: digest, compression, canonical form and fields checked.

    Args:
        source: The container.
        header: Its header.
        known: What was read before, maybe of these very bytes: then the manifest is not decoded again.

    Raises:
        FormatError: as SPEC JF-HDR, JF-ZST, JF-MSG, JF-MAN, JF-BLK, JF-SUM, JF-HIS, JF-PRV and JF-STA say.
    """
    covered = read_exactly(source, 0, _COVERED)
    frame = read_exactly(source, HEADER_LENGTH, header.manifest_length)
    if hashlib.sha256(covered + frame).digest() != header.digest:
        raise CorruptManifest(
            "the digest does not match: bytes of the header or manifest were changed",
            requirement="JF-HDR-008",
            offset=0,
        )
    if known is not None and known[0] == header:
        return known[1]
    raw = decompress(frame, header.manifest_raw_length, limits.STATE_WINDOW, HEADER_LENGTH)
    result = manifest.decode(raw, header.total_length)
    end = HEADER_LENGTH + header.manifest_length + sum(block.length for block in result.blocks)
    if end != header.total_length:
        raise BadManifest(
            f"header, manifest and blocks have {end} bytes, not {header.total_length}", requirement="JF-HDR-009"
        )
    return result


def window_limit(kind: str) -> int:
    """The largest zstd window in bytes for a block of this kind (SPEC JF-LIM)."""
    return limits.HISTORY_WINDOW if kind == HISTORY else limits.STATE_WINDOW


def decompress(frame: bytes, raw_length: int, window: int, offset: int, prefix: bytes | None = None) -> bytes:
    """The content of one zstd frame.

    Args:
        frame: The frame's bytes, all of them.
        raw_length: The length it has to have.
        window: The largest window size allowed, in bytes.
        offset: Where the frame is in the container, for errors.
        prefix: What its content may refer to as if it stood before it.

    Raises:
        BadCompression, WindowLimit: SPEC JF-ZST.
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
    if _largest_block(frame) > min(found.window_size, _BLOCK_MOST):  # the library copies what is not compressed
        raise bad("a zstd block is larger than its frame allows", "JF-ZST-001")
    if found.content_size == zstandard.CONTENTSIZE_UNKNOWN and 0 < raw_length <= found.window_size:
        frame = _with_size(frame, raw_length)
    try:
        raw = _decompressor(prefix).decompress(frame, max_output_size=raw_length, allow_extra_data=False)
    except MemoryError as error:  # no fault of the container
        raise SystemFailure(
            f"there is not enough memory for a part of {raw_length} bytes", hint="nothing was lost or changed"
        ) from error
    except zstandard.ZstdError as error:
        raise bad(f"not one sound zstd frame of {raw_length} bytes: {error}", "JF-ZST-004") from error
    if len(raw) != raw_length:
        raise bad(f"the frame has {len(raw)} bytes, not the declared {raw_length}", "JF-ZST-004")
    return raw


def _with_size(frame: bytes, size: int) -> bytes:
    """A frame that does not say its Frame_Content_Size, with it: the library then writes to where the content is to
    be, and not first to a buffer as large as the window."""
    end = zstandard.frame_header_size(frame)
    return b"%b%c%b%b%b" % (frame[:4], frame[4] | 0xC0, frame[5:end], size.to_bytes(8, "little"), frame[end:])


def _decompressor(prefix: bytes | None) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor() if prefix is None else zstandard.ZstdDecompressor(dict_data=raw_prefix(prefix))


def raw_prefix(prefix: bytes) -> zstandard.ZstdCompressionDict:
    """Bytes as the raw content dictionary of RFC 8878, section 5, without an id."""
    return zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _declared_window(frame: bytes) -> int:
    """The Window_Size of a frame's Window_Descriptor (RFC 8878, 3.1.1.1.2); 0 where it has none."""
    if len(frame) < 6 or frame[:4] != _ZSTD_MAGIC or frame[4] & 0x20:
        return 0
    base = 1 << (10 + (frame[5] >> 3))
    return base + base // 8 * (frame[5] & 7)


def _largest_block(frame: bytes) -> int:
    """The largest Block_Size in a frame (RFC 8878, 3.1.1.2), as far as its blocks are there."""
    at, largest = zstandard.frame_header_size(frame), 0
    while at + _BLOCK_HEADER <= len(frame):
        head = int.from_bytes(frame[at : at + _BLOCK_HEADER], "little")
        size = head >> 3
        largest = max(largest, size)
        at += _BLOCK_HEADER + (1 if head >> 1 & 3 == _RLE else size)
        if head & 1:
            break
    return largest


def read_block(source: Source, block: Block, offset: int, prefix: bytes | None = None) -> bytes:
    """The raw bytes of a block: hash checked, then decompressed.

    Args:
        source: The container.
        block: What the manifest says of it.
        offset: Where it begins in the container.
        prefix: The raw bytes of the block that it names as its prefix.

    Raises:
        CorruptBlock, BadCompression, WindowLimit, Truncated: SPEC JF-ZST and JF-BLK.
    """
    frame = read_exactly(source, offset, block.length)
    if hashlib.sha256(frame).digest() != block.sha256:
        raise CorruptBlock(
            f"a {block.kind} block does not match its SHA-256: bytes were changed",
            requirement="JF-BLK-005",
            offset=offset,
        )
    return decompress(frame, block.raw_length, window_limit(block.kind), offset, prefix)


def with_extensions(data: bytes, changes: Mapping[str, Value], *, drop_signatures: bool = False) -> bytes:
    """A container with extensions set, or taken out where the value is None; the same bytes if that changes nothing.

    Args:
        data: The whole container.
        changes: The new values by name.
        drop_signatures: Take signatures out that would no longer hold.

    Raises:
        FormatError: the header or manifest of ``data`` is damaged.
        RefusedSigned: it is signed, and the signatures would no longer hold (JF-SIG-002).
    """
    source = BytesSource(data)
    header = read_header(source)
    old = read_manifest(source, header)
    kept = {name: value for name, value in old.extensions.items() if name not in changes}
    new = kept | {name: value for name, value in changes.items() if value is not None}
    if new == old.extensions:
        return data
    covered = [name for name in changes if new.get(name) != old.extensions.get(name) and name not in UNSIGNED]
    if SIGNATURES in new and SIGNATURES not in changes and covered:
        if not drop_signatures:
            raise RefusedSigned(
                f"the snapshot is signed, and would not be any more with a change of its {covered[0]}",
                requirement="JF-SIG-002",
                hint=Hint(
                    "nothing was changed; to do it without the signatures, add ",
                    option("drop_signatures"),
                    ", and sign again",
                ),
            )
        del new[SIGNATURES]
    raw = manifest.encode(replace(old, extensions=new))
    frame = zstandard.ZstdCompressor(level=_MANIFEST_LEVEL).compress(raw)
    rest = memoryview(data)[HEADER_LENGTH + header.manifest_length :]
    return b"".join((format_header(frame, len(raw), HEADER_LENGTH + len(frame) + len(rest)), frame, rest))
