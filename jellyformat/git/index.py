"""git's index file (gitformat-index(5)), versions 2, 3 and 4, parsed from bytes. Read-only; knows no files.

libgit2 gives neither the flags nor the stat data as they are stored, and cannot read a split index.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from jellyformat.errors import RefusedRepository

MAX_PATH_LENGTH = 1 << 20
"""Bytes of one path. git has no limit; no system can check out a path that long."""
MAX_PATHS_LENGTH = 1 << 29
"""Bytes of all paths: version 4 shares prefixes, so that a small file could otherwise fill the memory."""
MAX_ENTRIES = 4_000_000
"""Entries of one index: of a conflict, each stage is one."""
TREE_MODE = 0o040000

_HEADER = struct.Struct(">4sII")
_EXTENSION = struct.Struct(">4sI")
_KINDS = frozenset((0o100000, 0o120000, 0o160000, TREE_MODE))
_ASSUME_VALID, _EXTENDED, _STAGE, _NAME_LENGTH = 0x8000, 0x4000, 0x3000, 0x0FFF
_SKIP_WORKTREE, _INTENT_TO_ADD = 0x4000, 0x2000


class BadIndex(RefusedRepository):
    """The repository's index file is damaged, or of a form that is not known here."""

    error_class = "refused.repository"

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(
            f"the git index cannot be read: {message}",
            offset=offset,
            hint="nothing was changed; `git status` in that repository tells whether git itself can read its index",
        )


class IndexEntry(NamedTuple):
    """One entry of an index.

    Attributes:
        path: Path from the top of the worktree, as bytes; ends in ``/`` for a tree entry of a sparse index.
        oid: The object's id, binary.
        mode: The mode as stored, such as 0o100644.
        stage: 0, or 1 base, 2 ours, 3 theirs of a conflict.
        size: Bytes on disk when it was last looked at, modulo 2**32; 0 also means "look again".
        mtime: Time of the last change of the content as it is stored: the seconds, modulo 2**32, times 2**32, and the
            nanoseconds. One number, since there may be a million entries.
        ctime: Time of the last change of the inode, likewise.
        dev: Device number, modulo 2**32.
        ino: Inode number, modulo 2**32.
        uid: Owner.
        gid: Group.
        assume_valid: ``git update-index --assume-unchanged``.
        intent_to_add: ``git add -N``.
        skip_worktree: ``git update-index --skip-worktree``, sparse checkouts.
    """

    path: bytes
    oid: bytes
    mode: int
    stage: int
    size: int
    mtime: int
    ctime: int
    dev: int
    ino: int
    uid: int
    gid: int
    assume_valid: bool
    intent_to_add: bool
    skip_worktree: bool

    @property
    def is_tree(self) -> bool:
        """Whether this stands for a whole directory outside of the sparse checkout; ``oid`` is then a tree."""
        return self.mode == TREE_MODE


def stored_time(nanoseconds: int) -> int:
    """A time in nanoseconds since 1970 as an index has it: see `IndexEntry`."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return (seconds & 0xFFFFFFFF) << 32 | rest


@dataclass(frozen=True)
class IndexFile:
    """An index.

    Attributes:
        version: 2, 3 or 4.
        entries: Sorted by path, then stage; those of the shared index of a split one merged in.
        sparse: Whether there may be tree entries.
        shared: Id of the shared index, binary, where the index is split.
    """

    version: int
    entries: tuple[IndexEntry, ...]
    sparse: bool = False
    shared: bytes | None = None


@dataclass(frozen=True)
class _Link:
    """Extension ``link``: the shared index, and positions in it that are not taken, or only for their path."""

    shared: bytes
    deleted: bytes
    replaced: bytes


@dataclass(frozen=True)
class _Raw:
    """An index file before merging: the first ``nameless`` entries replace some of the shared index."""

    version: int
    entries: list[IndexEntry]
    nameless: int
    sparse: bool
    link: _Link | None


def parse_index(data: bytes, oid_length: int, read_shared: Callable[[str], bytes] | None = None) -> IndexFile:
    """Parse an index file.

    Args:
        data: The whole file.
        oid_length: Bytes of an object id: 20 for SHA-1, 32 for SHA-256.
        read_shared: Gives the content of ``sharedindex.<id>`` for a hex id; without it a split index is refused.

    Raises:
        BadIndex: damaged, or needs what is not known here.
    """
    raw = _parse(data, oid_length)
    entries = raw.entries
    if raw.link is None:
        if raw.nameless:
            raise BadIndex("an entry has no path")
    else:
        name = raw.link.shared.hex()
        if read_shared is None:
            raise BadIndex(f"it is split, and the other part (sharedindex.{name}) is not at hand")
        try:
            shared = read_shared(name)
        except OSError as error:
            raise BadIndex(f"it is split, and the other part (sharedindex.{name}) is missing: {error}") from error
        if shared[-oid_length:] != raw.link.shared:
            raise BadIndex(f"it is split, and the other part (sharedindex.{name}) is another one than it was made for")
        base = _parse(shared, oid_length)
        if base.link is not None or base.nameless:
            raise BadIndex(f"sharedindex.{name} is itself split")
        entries = _merge(raw, raw.link, base.entries)
        raw = _Raw(raw.version, entries, 0, raw.sparse or base.sparse, raw.link)
    _check(entries, raw.sparse)
    return IndexFile(raw.version, tuple(entries), raw.sparse, raw.link.shared if raw.link else None)


def _parse(data: bytes, oid_length: int) -> _Raw:
    """One file by itself; its order and modes are not checked yet."""
    end = len(data) - oid_length
    if end < _HEADER.size:
        raise BadIndex(f"{len(data)} bytes are too few: it is cut off", offset=len(data))
    magic, version, count = _HEADER.unpack_from(data)
    if magic != b"DIRC":
        raise BadIndex("it does not begin with DIRC", offset=0)
    if version not in (2, 3, 4):
        raise BadIndex(f"it has version {version}, and only 2, 3 and 4 are known", offset=4)
    body = memoryview(data)
    checksum = body[end:]
    if any(checksum):  # all zero: index.skipHash
        digest = hashlib.sha1(usedforsecurity=False) if oid_length == 20 else hashlib.sha256()
        digest.update(body[:end])
        if digest.digest() != checksum:
            raise BadIndex("its checksum does not match: bytes were changed, or it is cut off", offset=end)
    if count > MAX_ENTRIES:
        raise BadIndex(f"it has {count} entries, and a snapshot can hold {MAX_ENTRIES}", offset=8)
    smallest = (44 if version == 4 else 42) + oid_length
    if count > (end - _HEADER.size) // smallest:
        raise BadIndex(f"{count} entries cannot be in {len(data)} bytes", offset=8)
    entries, nameless, at = (_entries_4 if version == 4 else _entries_2_3)(data, count, oid_length, end)
    sparse, link = False, None
    while at < end:
        if end - at < _EXTENSION.size:
            raise BadIndex(f"{end - at} stray bytes before the checksum", offset=at)
        name, length = _EXTENSION.unpack_from(data, at)
        start = at + _EXTENSION.size
        at = start + length
        if at > end:
            raise BadIndex(f"extension {name!r} reaches over the end", offset=start)
        if name == b"link":
            if link is not None:
                raise BadIndex("extension 'link' is there twice", offset=start)
            link = _link(data[start:at], oid_length)
        elif name == b"sdir":
            sparse = True
        elif not 0x41 <= name[0] <= 0x5A:  # a first letter in upper case: may be ignored
            raise BadIndex(f"it needs the extension {name!r}, which is not known here", offset=start)
    if link is not None and not any(link.shared):  # as git: no shared index
        link = None
    return _Raw(version, entries, nameless, sparse, link)


def _extended(bits: int, at: int) -> int:
    if bits & ~(_SKIP_WORKTREE | _INTENT_TO_ADD):
        raise BadIndex(f"an entry has unknown flags 0x{bits:04x}", offset=at)
    return bits


def _entries_2_3(data: bytes, count: int, oid_length: int, end: int) -> tuple[list[IndexEntry], int, int]:
    """The entries, how many at the beginning have no path, and where they end."""
    fixed = struct.Struct(f">2Q6I{oid_length}sH")
    unpack, size, find = fixed.unpack_from, fixed.size, data.find
    entries: list[IndexEntry] = []
    append = entries.append
    nameless, at = 0, _HEADER.size
    for number in range(count):
        start = at + size
        if start + 2 > end:
            raise BadIndex(f"entry {number} of {count} is cut off", offset=at)
        ctime, mtime, dev, ino, mode, uid, gid, length, oid, flags = unpack(data, at)
        more = 0
        if flags & _EXTENDED:
            more = _extended(data[start] << 8 | data[start + 1], start)
            start += 2
        stop = find(b"\0", start, end)
        wanted = flags & _NAME_LENGTH
        if stop < 0 or (stop - start != wanted if wanted < _NAME_LENGTH else stop - start < wanted):
            raise BadIndex(f"the path of entry {number} has not the length it should have", offset=start)
        if stop - start > MAX_PATH_LENGTH:
            raise BadIndex(f"the path of entry {number} has {stop - start} bytes", offset=start)
        if stop == start:
            if nameless != number:
                raise BadIndex(f"entry {number} has no path", offset=start)
            nameless += 1
        append(
            IndexEntry(
                data[start:stop], oid, mode, flags >> 12 & 3, length, mtime, ctime, dev, ino, uid, gid,
                flags & _ASSUME_VALID != 0, more & _INTENT_TO_ADD != 0, more & _SKIP_WORKTREE != 0,
            )
        )  # fmt: skip
        at += (stop - at + 8) & ~7  # 1 to 8 NULs up to a multiple of 8
    if at > end:
        raise BadIndex("the last entry is cut off", offset=end)
    return entries, nameless, at


def _entries_4(data: bytes, count: int, oid_length: int, end: int) -> tuple[list[IndexEntry], int, int]:
    """As above, for version 4: no padding, and a path is the one before it less some bytes plus others."""
    fixed = struct.Struct(f">2Q6I{oid_length}sH")
    unpack, size, find = fixed.unpack_from, fixed.size, data.find
    entries: list[IndexEntry] = []
    append = entries.append
    nameless, at, total, path = 0, _HEADER.size, 0, b""
    for number in range(count):
        start = at + size
        if start + 2 > end:
            raise BadIndex(f"entry {number} of {count} is cut off", offset=at)
        ctime, mtime, dev, ino, mode, uid, gid, length, oid, flags = unpack(data, at)
        more = 0
        if flags & _EXTENDED:
            more = _extended(data[start] << 8 | data[start + 1], start)
            start += 2
        byte = data[start]
        start += 1
        strip = byte & 127
        while byte & 128:
            if start >= end or strip > len(path):
                raise BadIndex(f"entry {number} takes more from the path before it than that has", offset=start)
            byte = data[start]
            start += 1
            strip = (strip + 1 << 7) | byte & 127
        if strip > len(path):
            raise BadIndex(f"entry {number} takes more from the path before it than that has", offset=start)
        stop = find(b"\0", start, end)
        if stop < 0:
            raise BadIndex(f"entry {number} of {count} is cut off", offset=start)
        path = path[: len(path) - strip] + data[start:stop]
        wanted = flags & _NAME_LENGTH
        if len(path) != wanted if wanted < _NAME_LENGTH else len(path) < wanted:
            raise BadIndex(f"the path of entry {number} has not the length it should have", offset=start)
        total += len(path)
        if len(path) > MAX_PATH_LENGTH or total > MAX_PATHS_LENGTH:
            raise BadIndex(f"the paths up to entry {number} have {total} bytes, which is too much", offset=start)
        if not path:
            if nameless != number:
                raise BadIndex(f"entry {number} has no path", offset=start)
            nameless += 1
        append(
            IndexEntry(
                path, oid, mode, flags >> 12 & 3, length, mtime, ctime, dev, ino, uid, gid,
                flags & _ASSUME_VALID != 0, more & _INTENT_TO_ADD != 0, more & _SKIP_WORKTREE != 0,
            )
        )  # fmt: skip
        at = stop + 1
    return entries, nameless, at


def _link(data: bytes, oid_length: int) -> _Link:
    if len(data) < oid_length:
        raise BadIndex("extension 'link' is cut off")
    shared, at = data[:oid_length], oid_length
    if len(data) == oid_length:
        return _Link(shared, b"", b"")
    first = _bitmap_end(data, at)
    second = _bitmap_end(data, first)
    if second != len(data):
        raise BadIndex("extension 'link' has stray bytes at its end")
    return _Link(shared, data[at:first], data[first:second])


def _bitmap_end(data: bytes, at: int) -> int:
    """Where the EWAH bitmap at ``at`` ends: two numbers, that many words, a third number."""
    if len(data) - at < 12:
        raise BadIndex("extension 'link' is cut off")
    end = at + 12 + 8 * int(struct.unpack_from(">I", data, at + 4)[0])
    if end > len(data):
        raise BadIndex("extension 'link' is cut off")
    return end


def _positions(bitmap: bytes, limit: int) -> list[int]:
    """The bits that are set in an EWAH bitmap, in order; all have to be under ``limit``."""
    found: list[int] = []
    if not bitmap:
        return found
    words = struct.unpack_from(f">{(len(bitmap) - 12) // 8}Q", bitmap, 8)
    at = bit = 0
    while at < len(words):
        marker = words[at]
        run, literals = (marker >> 1 & 0xFFFFFFFF) * 64, marker >> 33
        at += 1
        if literals > len(words) - at:
            raise BadIndex("a bitmap of extension 'link' is cut off")
        if marker & 1:
            if bit + run > limit:
                raise BadIndex(f"a bitmap of extension 'link' reaches over the {limit} entries of the shared index")
            found.extend(range(bit, bit + run))
        bit += run
        for word in words[at : at + literals]:
            if word and bit + word.bit_length() > limit:
                raise BadIndex(f"a bitmap of extension 'link' reaches over the {limit} entries of the shared index")
            while word:
                low = word & -word
                found.append(bit + low.bit_length() - 1)
                word ^= low
            bit += 64
        at += literals
    return found


def _merge(own: _Raw, link: _Link, base: list[IndexEntry]) -> list[IndexEntry]:
    """The entries of a split index: those of the shared index, less deleted ones, some replaced, some added."""
    merged: list[IndexEntry | None] = list(base)
    for position in _positions(link.deleted, len(base)):
        merged[position] = None
    replaced = _positions(link.replaced, len(base))
    if len(replaced) != own.nameless:
        raise BadIndex(f"{len(replaced)} entries of the shared index are replaced, but {own.nameless} are there for it")
    for position, entry in zip(replaced, own.entries, strict=False):
        if merged[position] is None:
            raise BadIndex(f"entry {position} of the shared index is both deleted and replaced")
        merged[position] = entry._replace(path=base[position].path)
    kept = [entry for entry in merged if entry is not None]
    added = own.entries[own.nameless :]
    if not added:
        return kept
    places = {(entry.path, entry.stage): entry for entry in kept}
    for entry in added:
        if entry.stage == 0:
            for stage in (1, 2, 3):
                places.pop((entry.path, stage), None)
        places[entry.path, entry.stage] = entry
    return [entry for _, entry in sorted(places.items())]


def _check(entries: list[IndexEntry], sparse: bool) -> None:
    """Order, modes, and that tree entries are where they may be."""
    before, stage_before = b"", 0
    for number, entry in enumerate(entries):
        path, stage, mode = entry.path, entry.stage, entry.mode
        if path <= before and (path < before or stage <= stage_before or not stage_before):
            raise BadIndex(f"entry {number} ({path[:200]!r}) is not in its place")
        kind = mode & ~0o7777
        if kind not in _KINDS or (kind == TREE_MODE and not (sparse and mode == kind and path[-1:] == b"/")):
            raise BadIndex(f"entry {number} ({path[:200]!r}) has mode {mode:o}")
        before, stage_before = path, stage
