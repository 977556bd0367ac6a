"""Refs in reftables (git's Documentation/technical/reftable), read.

A table is a header, blocks and a footer: blocks of refs, of an index of them, of objects and of reflogs. A stack of
them, the oldest first in ``tables.list``, is the refs of a repository, or those that a worktree has for itself.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from jellyformat.errors import RefusedRepository
from jellyformat.git import reading
from jellyformat.git.config import read_local_config
from jellyformat.git.reading import FOLLOWING, Reader

LIST = b"reftable/tables.list"
NAME = re.compile(rb"reftable/0x[0-9a-f]{12,16}-0x[0-9a-f]{12,16}-[0-9a-f]{8}\.ref")
"""A table that git, or we, have written; from the git directory."""

ROOT_REFS = frozenset(
    (
        b"HEAD", b"ORIG_HEAD", b"CHERRY_PICK_HEAD", b"REVERT_HEAD", b"REBASE_HEAD", b"AUTO_MERGE", b"MERGE_AUTOSTASH",
        b"BISECT_HEAD", b"BISECT_EXPECTED_REV",
    )
)  # fmt: skip
"""Refs of a git directory that are files in it elsewhere; ``MERGE_HEAD`` and ``FETCH_HEAD`` are files here too."""

_TABLE = re.compile(rb"[0-9A-Za-z][0-9A-Za-z._-]{0,250}")
_MOST_TABLES = 10_000
_DEEPEST = 16
"""Levels of an index."""
_LONGEST_NAME = 1 << 14
"""Bytes of a ref's name; where refs are files, no system has longer ones than 4,096."""
_ALL_NAMES = 1 << 29
"""Bytes of all names that are read of a stack: they share prefixes, so that a small table could fill the memory."""
_NAMES_TIMES = 64
"""Bytes of the names in a block of reflogs, for each byte of it; and as many as one name may have."""
_TRIES = 5
"""How often a stack is read anew that another process is changing."""
HEADER, FOOTER = struct.Struct(">4sB3sQQ"), struct.Struct(">QQQQQI")
_HASHES = {b"sha1": 20, b"s256": 32}
DELETED, OID, PEELED, SYMBOLIC = range(4)


def is_used(common_dir: bytes, reader: Reader = FOLLOWING) -> bool:
    """Whether a repository keeps its refs in reftables. Raises RefusedRepository, OSError."""
    config = read_local_config([common_dir + b"/config"], None, reader)
    return (config.get("extensions.refstorage") or "").lower() == "reftable"


@dataclass(frozen=True, slots=True)
class Record:
    """A ref in a table.

    Attributes:
        text: What a file of the ref would hold: the object's id in hexadecimal digits, or ``ref: `` and another ref;
            None where the ref was deleted.
        number: The update that made it so.
        value: As the table has it: the kind, and the bytes behind.
    """

    text: bytes | None
    number: int
    value: tuple[int, bytes]


class Stack:
    """The tables of one git directory, as they were when it was read.

    Args:
        git_dir: The directory.
        reader: Opens its files.

    Raises:
        RefusedRepository: they are damaged, or too large.
        OSError: they cannot be read.
    """

    def __init__(self, git_dir: bytes, reader: Reader = FOLLOWING) -> None:
        self._name = git_dir + b"/reftable"
        for _ in range(_TRIES):
            found = self._read(git_dir, reader)
            if found is not None:
                self.names, self.tables = found
                return
        _bad(self._name, "its tables come and go while they are read")

    @property
    def oid_length(self) -> int:
        """Bytes of an object's id in it."""
        return self.tables[0].oid_length if self.tables else 20

    def _read(self, git_dir: bytes, reader: Reader) -> tuple[list[bytes], list[Table]] | None:
        text = reader.read(git_dir, LIST, reading.POINTER)
        if text is None:
            _bad(self._name, "there is no tables.list in it")
        names = text.split(b"\n")
        if names.pop() or len(names) > _MOST_TABLES or not all(map(_TABLE.fullmatch, names)):
            _bad(self._name, "its tables.list is none")
        room = reading.PACKED_REFS
        tables: list[Table] = []
        for name in names:
            data = reader.read(git_dir, b"reftable/" + name, room)
            if data is None:
                return None
            room -= len(data)
            tables.append(Table(data, self._name + b"/" + name))
        return names, tables

    def find(self, name: bytes) -> bytes | None:
        """What a file of the ref would hold, without the end of the line; None where there is no such ref."""
        for table in reversed(self.tables):
            found = table.find(name)
            if found is not None:
                return found.text
        return None

    def refs(self) -> dict[bytes, bytes]:
        """What files of the refs would hold, by name."""
        found: dict[bytes, bytes | None] = {}
        room = _ALL_NAMES
        for table in self.tables:
            for name, record in table.records():
                room -= len(name)
                if room < 0:
                    _bad(self._name, "the names of its refs are too long together")
                found[name] = record.text
        return {name: text for name, text in found.items() if text is not None}

    def logged(self, most: int) -> Iterator[bytes]:
        """The raw ids that the reflogs hold, those of deleted entries too.

        Raises:
            RefusedRepository: they have more than ``most`` bytes.
        """
        for table in self.tables:
            for block in table.logs():
                most -= len(block)
                if most < 0:
                    _bad(self._name, "its reflogs are too large")
                yield from table.logged(block)


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Bytes of the table ``name``, read as records are."""

    data: bytes
    name: bytes

    def damaged(self) -> NoReturn:
        _bad(self.name, "it is damaged")

    def number(self, at: int, stop: int) -> tuple[int, int]:
        """A number as pack files have those of deltas, and where it ends."""
        value = -1
        for place in range(at, min(stop, at + 9)):
            byte = self.data[place]
            value = (value + 1 << 7) | byte & 0x7F
            if byte < 0x80:
                return value, place + 1
        self.damaged()

    def skip(self, at: int, stop: int) -> int:
        """Where the bytes end that follow their number."""
        size, at = self.number(at, stop)
        return at + size

    def key(self, before: bytes, at: int, stop: int) -> tuple[bytes, int, int]:
        """The key of a record behind the one of ``before``, its kind, and where its value begins."""
        shared, at = self.number(at, stop)
        more, at = self.number(at, stop)
        end = at + (more >> 3)
        if shared > len(before) or end > stop or shared + (more >> 3) > _LONGEST_NAME:
            self.damaged()
        return before[:shared] + self.data[at:end], more & 7, end

    def restarts(self, start: int, stop: int) -> int:
        """Where the list of restarts begins, which ends a block."""
        at = stop - 2
        if at >= start:
            at -= 3 * int.from_bytes(self.data[at:stop], "big")
        if at < start:
            self.damaged()
        return at


class Table:
    """One table.

    Args:
        data: All of its bytes.
        name: Its path, for people.

    Raises:
        RefusedRepository: it is none.
    """

    def __init__(self, data: bytes, name: bytes) -> None:
        self.data, self._bytes = data, _Bytes(data, name)
        version = data[4] if len(data) > 4 else 0
        self._header = HEADER.size + 4 * (version == 2)
        footer = len(data) - self._header - FOOTER.size
        if data[:4] != b"REFT" or version not in (1, 2) or footer < self._header:
            self._bytes.damaged()
        block: bytes
        self.least: int
        self.most: int
        _, _, block, self.least, self.most = HEADER.unpack_from(data)
        self._block = int.from_bytes(block, "big")
        length = 20 if version == 1 else _HASHES.get(data[HEADER.size : self._header])
        end = data[footer:]
        crc: tuple[int, ...] = FOOTER.unpack_from(end, self._header)
        if length is None or end[: self._header] != data[: self._header] or zlib.crc32(end[:-4]) != crc[5]:
            self._bytes.damaged()
        self.oid_length: int = length
        self._index: int = crc[0]
        self._log: int = crc[3]
        self._end = footer

    def records(self, at: int = 0) -> Iterator[tuple[bytes, Record]]:
        """The refs in their order, from a block on; the deleted ones too."""
        room = _ALL_NAMES
        while (inside := self._inside(at, b"r")) is not None:
            start, stop, following = inside
            key = b""
            while start < stop:
                key, kind, start = self._bytes.key(key, start, stop)
                room -= len(key)
                if room < 0:
                    self._bytes.damaged()
                record, start = self._record(kind, start, stop)
                yield key, record
            at = following

    def find(self, name: bytes) -> Record | None:
        """The ref of a name; None where this table says nothing of it."""
        at = 0 if self._index == 0 else self._indexed(name)
        if at is None:
            return None
        for key, record in self.records(at):
            if key >= name:
                return record if key == name else None
        return None

    def _indexed(self, name: bytes) -> int | None:
        """Where the block begins that the ref of a name is in, if it is in any."""
        at, room = self._index, _ALL_NAMES
        for _ in range(_DEEPEST):
            inside = self._inside(at, b"i")
            if inside is None:
                return at
            start, stop, _ = inside
            key, place = b"", -1
            while start < stop and (place < 0 or key < name):
                key, _, start = self._bytes.key(key, start, stop)
                room -= len(key)
                place, start = self._bytes.number(start, stop)
                if room < 0:
                    self._bytes.damaged()
            if key < name:
                return None
            if not 0 <= place < at:
                self._bytes.damaged()
            at = place
        self._bytes.damaged()

    def logs(self) -> Iterator[bytes]:
        """The records of reflogs, as they are in each block."""
        at = self._log
        if at == 0 and self.data[self._header : self._header + 1] != b"g":
            return
        while at < self._end:
            begin = at + 4 + (self._header if at == 0 else 0)
            if self.data[begin - 4 : begin - 3] != b"g" or begin > self._end:
                return
            size = int.from_bytes(self.data[begin - 3 : begin], "big") - (begin - at)
            content, at = self._inflated(begin, size)
            yield content[: _Bytes(content, self._bytes.name).restarts(0, size)]

    def _inflated(self, at: int, size: int) -> tuple[bytes, int]:
        """The ``size`` bytes that the zlib stream at ``at`` holds, and where it ends.

        It is given no more of the table at once than it may need: of what lies behind it, a copy is made.
        """
        inflater = zlib.decompressobj()
        content, rest = bytearray(), b""
        try:
            while not inflater.eof and len(content) <= size:
                if not rest:
                    rest = self.data[at : min(self._end, at + max(size, 0) + (size >> 8) + 64)]
                    at += len(rest)
                    if not rest:
                        break
                content += inflater.decompress(rest, max(1, size + 1 - len(content)))
                rest = inflater.unconsumed_tail
        except zlib.error:
            self._bytes.damaged()
        if len(content) != size or not inflater.eof:
            self._bytes.damaged()
        return bytes(content), at - len(inflater.unused_data)

    def logged(self, block: bytes) -> Iterator[bytes]:
        """The raw ids in the records of a block of reflogs."""
        inside = _Bytes(block, self._bytes.name)
        at, stop, key, length = 0, len(block), b"", self.oid_length
        room = _NAMES_TIMES * len(block) + _LONGEST_NAME
        while at < stop:
            key, kind, at = inside.key(key, at, stop)
            room -= len(key)
            if room < 0:
                inside.damaged()
            if kind == DELETED:
                continue
            yield from (block[at : at + length], block[at + length : at + 2 * length])
            at = inside.skip(inside.skip(at + 2 * length, stop), stop)  # name, address
            _, at = inside.number(at, stop)
            at = inside.skip(at + 2, stop)  # zone, message
            if at > stop or kind != OID:
                inside.damaged()

    # -- parts of blocks -----------------------------------------------------------------------------------------

    def _inside(self, at: int, kind: bytes) -> tuple[int, int, int] | None:
        """Where the records of a block begin and end, and where the next block begins; None: it is of another kind."""
        begin = at + (self._header if at == 0 else 0)
        if begin + 4 > self._end or self.data[begin : begin + 1] != kind:
            return None
        length = int.from_bytes(self.data[begin + 1 : begin + 4], "big")
        stop = at + length
        if begin + 4 > stop or stop > self._end:
            self._bytes.damaged()
        following = stop
        if length < self._block and self.data[stop : stop + 1] == b"\0":  # it is padded
            following = at + self._block
        return begin + 4, self._bytes.restarts(begin + 4, stop), following

    def _record(self, kind: int, at: int, stop: int) -> tuple[Record, int]:
        delta, at = self._bytes.number(at, stop)
        size = 0
        if kind in (OID, PEELED):
            size = self.oid_length * kind
        elif kind == SYMBOLIC:
            size, at = self._bytes.number(at, stop)
        elif kind != DELETED:
            self._bytes.damaged()
        if at + size > stop:
            self._bytes.damaged()
        value = self.data[at : at + size]
        text = None if kind == DELETED else b"ref: " + value
        if kind in (OID, PEELED):
            text = value[: self.oid_length].hex().encode()
        return Record(text, self.least + delta, (kind, value)), at + size


def _bad(name: bytes, what: str) -> NoReturn:
    raise RefusedRepository(
        f"{name.decode('utf-8', 'surrogateescape')}, which holds the repository's refs, cannot be read: {what}",
        hint="nothing was changed; `git refs verify` says more",
    )
