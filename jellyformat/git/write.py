"""What git reads, written by us: index files (gitformat-index(5)) and packs (gitformat-pack(5))."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from jellyformat.git.deltas import delta_from, wants_delta
from jellyformat.git.index import IndexEntry, stored_time

GitObject: TypeAlias = tuple[bytes, int, bytes]
"""Raw id, kind (numbered as in packs), content."""

_ASSUME_VALID, _EXTENDED, _NAME_LENGTH = 0x8000, 0x4000, 0x0FFF
_SKIP_WORKTREE, _INTENT_TO_ADD = 0x4000, 0x2000
_STAT_DATA = struct.Struct(">2Q6I")
_OFS_DELTA = 6
_DEPTH = 40
"""Deltas in a chain: more makes reading slow."""
_WINDOW_BYTES = 64 << 20
"""Bytes of objects kept as bases for deltas."""
_SMALL = 4096
"""Bytes of the smaller window."""
_THREADS, _AT_ONCE, _AHEAD = 2, 1 << 19, 16
"""Threads that deflate; bytes that one of them takes at once; how often so many wait."""
_SHORT = 192
"""Bytes; shorter data, deltas of trees with their ids above all, hardly shrink: they are stored."""


def _sha(object_format: str) -> hashlib._Hash:
    return hashlib.sha1(usedforsecurity=False) if object_format == "sha1" else hashlib.sha256()


def format_index(entries: Iterable[IndexEntry], object_format: str) -> bytes:
    """An index file of version 2, or 3 where an entry needs its flags (gitformat-index(5)).

    Args:
        entries: In any order; one for each path and stage.
        object_format: ``sha1`` or ``sha256``.
    """
    ordered = sorted(entries, key=lambda entry: (entry.path, entry.stage))
    extended = any(entry.skip_worktree or entry.intent_to_add for entry in ordered)
    parts = [struct.pack(">4sII", b"DIRC", 3 if extended else 2, len(ordered))]
    for entry in ordered:
        flags = min(len(entry.path), _NAME_LENGTH) | entry.stage << 12
        flags |= _ASSUME_VALID if entry.assume_valid else 0
        more = (_SKIP_WORKTREE if entry.skip_worktree else 0) | (_INTENT_TO_ADD if entry.intent_to_add else 0)
        head = _STAT_DATA.pack(
            entry.ctime, entry.mtime, entry.dev, entry.ino, entry.mode, entry.uid, entry.gid, entry.size
        )
        head += entry.oid + struct.pack(">H", flags | (_EXTENDED if more else 0))
        head += (struct.pack(">H", more) if more else b"") + entry.path
        parts.append(head + bytes(8 - len(head) % 8))
    body = b"".join(parts)
    hasher = _sha(object_format)
    hasher.update(body)
    return body + hasher.digest()


def index_entry(
    path: bytes,
    mode: int,
    oid: bytes,
    found: os.stat_result | None = None,
    *,
    stage: int = 0,
    assume_valid: bool = False,
    intent_to_add: bool = False,
    skip_worktree: bool = False,
) -> IndexEntry:
    """An index entry; with the stat data of the file that has its content, or for git to look at again."""
    if found is None:
        return IndexEntry(path, oid, mode, stage, 0, 0, 0, 0, 0, 0, 0, assume_valid, intent_to_add, skip_worktree)
    low = 0xFFFFFFFF
    return IndexEntry(
        path, oid, mode, stage, found.st_size & low, stored_time(found.st_mtime_ns), stored_time(found.st_ctime_ns),
        found.st_dev & low, found.st_ino & low, found.st_uid & low, found.st_gid & low,
        assume_valid, intent_to_add, skip_worktree,
    )  # fmt: skip


# -- packs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pack:
    """A pack: its name (hex), the bytes of ``.pack`` in pieces, and of ``.idx``."""

    name: str
    data: list[bytes]
    index: bytes


def make_pack(objects: Iterable[GitObject], object_format: str, names: Mapping[bytes, bytes]) -> Pack:
    """A pack of ``objects``, each once.

    Args:
        objects: What to pack; an object may become a delta of an earlier one of the same name.
        object_format: ``sha1`` or ``sha256``.
        names: The path of a tree or blob by raw id; those of one path are alike.
    """
    entries: list[tuple[bytes, int, int, int | None]] = []  # raw id, kind, length, and the entry that a delta is of
    bases: dict[tuple[int, bytes], tuple[bytes, int, int]] = {}  # content, entry, depth
    held, seen, deflating = 0, set[bytes](), _Deflating()
    for oid, kind, content in objects:
        if oid in seen:
            continue
        seen.add(oid)
        key = (kind, names.get(oid, b""))
        base = bases.get(key) if oid in names else None
        delta = delta_from(base[0], content) if base is not None and wants_delta(content) else None
        depth, data, of = 0, content, None
        if delta is not None and base is not None:
            data, of, depth = delta, base[1], base[2] + 1
        if oid in names and depth < _DEPTH:
            held += len(content) - (len(base[0]) if base is not None else 0)
            bases[key] = content, len(entries), depth
            if held > _WINDOW_BYTES:
                bases.clear()
                held = 0
        elif oid in names:
            del bases[key]
            held -= 0 if base is None else len(base[0])
        entries.append((oid, kind, len(data), of))
        deflating.put(data)
    bases.clear()
    parts: list[bytes] = [b""]
    found: list[tuple[bytes, int, int]] = []  # raw id, crc, offset
    offset = 12
    for (oid, kind, length, of), deflated in zip(entries, deflating.all(), strict=True):
        if of is None:
            packed = _entry_head(kind, length) + deflated
        else:
            packed = _entry_head(_OFS_DELTA, length) + _offset(offset - found[of][2]) + deflated
        parts.append(packed)
        found.append((oid, zlib.crc32(packed), offset))
        offset += len(packed)
    parts[0] = struct.pack(">4sII", b"PACK", 2, len(found))
    hasher = _sha(object_format)
    for part in parts:
        hasher.update(part)
    trailer = hasher.digest()
    parts.append(trailer)
    found.sort()
    naming = _sha(object_format)
    naming.update(b"".join(oid for oid, _, _ in found))
    return Pack(naming.hexdigest(), parts, _pack_index(found, trailer, object_format))


class _Deflating:
    """Data deflated in their order, by two threads where there is much: zlib lets others run meanwhile."""

    def __init__(self) -> None:
        self._parts: deque[Future[list[bytes]]] = deque()
        self._next: list[bytes] = []
        self._size = 0
        self._pool: ThreadPoolExecutor | None = None

    def put(self, data: bytes) -> None:
        """Deflate something."""
        self._next.append(data)
        self._size += len(data)
        if self._size >= _AT_ONCE:
            self._begin()

    def all(self) -> Iterator[bytes]:
        """All that was put in, deflated; it can be asked for once."""
        last = map(_deflated, self._next)  # for little, no thread is begun
        while self._parts:
            yield from self._parts.popleft().result()
        yield from last
        if self._pool is not None:
            self._pool.shutdown()

    def _begin(self) -> None:
        part, self._next, self._size = self._next, [], 0
        try:
            self._pool = self._pool or ThreadPoolExecutor(_THREADS)
            self._parts.append(self._pool.submit(_all_deflated, part))
        except RuntimeError:  # no more threads, or the interpreter is ending
            done: Future[list[bytes]] = Future()
            done.set_result(_all_deflated(part))
            self._parts.append(done)
        if len(self._parts) > _AHEAD:  # what was read is not heaped up where reading is the faster
            self._parts[-_AHEAD].result()


def _all_deflated(parts: list[bytes]) -> list[bytes]:
    return [_deflated(part) for part in parts]


def _deflated(data: bytes) -> bytes:
    """A zlib stream (RFC 1950); where compression would not pay for its start, of one stored block."""
    if len(data) > _SMALL:
        return zlib.compress(data, 1)
    if len(data) > _SHORT:  # zlib spends more time on clearing its tables than on the data, unless they are small
        compressor = zlib.compressobj(1, zlib.DEFLATED, 12, 7)
        return compressor.compress(data) + compressor.flush()
    length = struct.pack("<HH", len(data), len(data) ^ 0xFFFF)
    return b"\x78\x01\x01" + length + data + struct.pack(">I", zlib.adler32(data))


def _entry_head(kind: int, size: int) -> bytes:
    byte = kind << 4 | size & 15
    size >>= 4
    out = bytearray()
    while size:
        out.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    out.append(byte)
    return bytes(out)


def _offset(distance: int) -> bytes:
    out = [distance & 0x7F]
    while distance := distance >> 7:
        distance -= 1
        out.append(distance & 0x7F | 0x80)
    return bytes(reversed(out))


def _pack_index(found: list[tuple[bytes, int, int]], trailer: bytes, object_format: str) -> bytes:
    """A pack index of version 2 over entries sorted by id."""
    fan = [0] * 256
    for oid, _, _ in found:
        fan[oid[0]] += 1
    for number in range(1, 256):
        fan[number] += fan[number - 1]
    large: list[int] = []
    offsets = []
    for _, _, offset in found:
        if offset < 1 << 31:
            offsets.append(offset)
        else:
            offsets.append(1 << 31 | len(large))
            large.append(offset)
    body = b"".join(
        (
            b"\xfftOc\0\0\0\2",
            struct.pack(">256I", *fan),
            b"".join(oid for oid, _, _ in found),
            struct.pack(f">{len(found)}I", *(crc for _, crc, _ in found)),
            struct.pack(f">{len(offsets)}I", *offsets),
            struct.pack(f">{len(large)}Q", *large),
            trailer,
        )
    )
    hasher = _sha(object_format)
    hasher.update(body)
    return body + hasher.digest()
