"""A pack as it stands in a bundle, without an index (gitformat-pack(5)): read in memory, from a stranger."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

from jellyformat.errors import BadHost, CountLimit, SizeLimit
from jellyformat.format import limits
from jellyformat.format.cache import ByteCache
from jellyformat.format.objects import OID_LENGTH, object_id
from jellyformat.git.packs import BadPack, apply_delta, delta_sizes, entry_head

_OBJECT_BYTES = 512 * limits.MIB
_ALL_BYTES = 16 * limits.GIB
"""Bytes that all entries inflate to and all deltas make, added up; and these bounds, by the pack's own length: a few
bytes can stand for gigabytes, and git's packs of code for a hundred times their length."""
_ANY_BYTES, _BYTES_TIMES = 64 * limits.MIB, 1024
_ANY_DELTA_BYTES, _DELTA_TIMES = 16 * limits.MIB, 32
"""The same for what deltas inflate to: each two bytes of them may be an instruction."""
_OBJECTS = 4_000_000
_CHAIN = 4096
"""Deltas in a chain: git makes up to 50, and up to 4095 where it is told to."""
_CACHED_BYTES = 256 * limits.MIB
_AGAIN_TIMES = 16
"""How many times the bytes of all objects may be made again because they did not stay in the cache."""


@dataclass(slots=True)
class _Entry:
    """An entry: where its zlib stream begins, and what that inflates to; then what the object is, once it is known."""

    start: int
    inflated: int
    kind: int
    size: int
    oid: bytes = b""
    base: int | None = None
    """The number of the entry that a delta builds on."""
    depth: int = 0


class PackStream:
    """The objects of a pack. All of them are checked when it is made.

    Args:
        data: The pack's bytes, its checksum the last of them.
        object_format: ``sha1`` or ``sha256``.

    Raises:
        BadHost: it is no pack, cut off or damaged.
        SizeLimit, CountLimit: it is larger than the code of a checkpoint can be.
    """

    name = "the git bundle"

    def __init__(self, data: bytes, object_format: str) -> None:
        self._data = data
        self._format = object_format
        self._end = len(data) - OID_LENGTH[object_format]
        self._entries: list[_Entry] = []
        self._numbers: dict[bytes, int] = {}
        self._cache: ByteCache[int, bytes] = ByteCache(_CACHED_BYTES)
        self._all = self._delta_bytes = self._again = 0
        self._most = min(_ALL_BYTES, _ANY_BYTES + _BYTES_TIMES * len(data))
        self._most_delta_bytes = _ANY_DELTA_BYTES + _DELTA_TIMES * len(data)
        try:
            self._check()
            self._resolve(self._scan())
        except (BadPack, IndexError, zlib.error) as error:
            raise BadHost(f"the git pack is damaged: {error}", hint="nothing was changed") from error

    def read(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object by raw id.

        Raises:
            KeyError: it is not there.
        """
        number = self._numbers[oid]
        return self._entries[number].kind, self._content(number)

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object by raw id; None where it is not there."""
        number = self._numbers.get(oid)
        return None if number is None else self._entries[number].size

    def shallow(self) -> frozenset[bytes]:
        """Commits whose parents are not to be looked for: a pack names none."""
        return frozenset()

    # -- the pack, from its beginning to its end -------------------------------------------------------------------

    def _check(self) -> None:
        data = self._data
        if self._end < 12 or data[:4] != b"PACK" or data[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
            raise BadPack("it does not begin as a pack does")
        hasher = hashlib.sha1(usedforsecurity=False) if self._format == "sha1" else hashlib.sha256()
        hasher.update(memoryview(data)[: self._end])
        if hasher.digest() != data[self._end :]:
            raise BadPack("its checksum does not match")

    def _scan(self) -> dict[int | bytes, list[int]]:
        """Read all entries; the deltas by the number or id of what they build on."""
        count = int.from_bytes(self._data[8:12], "big")
        if count > _OBJECTS:
            raise CountLimit(f"a git pack of {count} objects")
        deltas: dict[int | bytes, list[int]] = {}
        numbers: dict[int, int] = {}
        at = 12
        for number in range(count):
            numbers[at] = number
            kind, size, base, start = entry_head(self._data, at, OID_LENGTH[self._format])
            self._delta_bytes += 0 if base is None else size
            if self._delta_bytes > self._most_delta_bytes:
                raise SizeLimit("the deltas of the git pack are longer than those of code can be")
            content, at = self._inflate(start, size)
            if base is None:
                self._entries.append(_Entry(start, size, kind, size))
                self._know(number, content)
                continue
            made = delta_sizes(content)[1]
            self._check_size(made)
            self._entries.append(_Entry(start, size, 0, made))
            key = base if isinstance(base, bytes) else numbers.get(base)
            if key is None:
                raise BadPack("the base of a delta is no object")
            deltas.setdefault(key, []).append(number)
        if at != self._end:
            raise BadPack("bytes lie behind its objects")
        return deltas

    def _resolve(self, deltas: dict[int | bytes, list[int]]) -> None:
        """Make the objects of deltas, each as soon as its base is known."""
        known = [number for number, entry in enumerate(self._entries) if entry.kind] if deltas else []
        while known:
            base = known.pop()
            found = self._entries[base]
            for number in deltas.pop(base, []) + deltas.pop(found.oid, []):
                entry = self._entries[number]
                entry.base, entry.kind, entry.depth = base, found.kind, found.depth + 1
                if entry.depth > _CHAIN:
                    raise BadPack(f"more than {_CHAIN} deltas in a chain")
                self._know(number, self._content(number))
                known.append(number)
        if deltas:
            raise BadPack("the base of a delta is not there")

    def _know(self, number: int, content: bytes) -> None:
        entry = self._entries[number]
        entry.oid = object_id(entry.kind, content, self._format)
        self._numbers.setdefault(entry.oid, number)
        self._cache.put(number, content, len(content))

    # -- entries ---------------------------------------------------------------------------------------------------

    def _check_size(self, size: int) -> None:
        self._all += size
        if size > _OBJECT_BYTES or self._all > self._most:
            raise SizeLimit(f"the git pack has an object of {size} bytes, or too many bytes in all for its length")

    def _inflate(self, at: int, size: int, *, again: bool = False) -> tuple[bytes, int]:
        """What the zlib stream at ``at`` holds, which has to be ``size`` bytes, and where it ends."""
        if not again:
            self._check_size(size)
        inflater = zlib.decompressobj()
        parts: list[bytes] = []
        left, rest = size + 1, b""
        while not inflater.eof:
            if not rest:
                rest = self._data[at : min(self._end, at + size + (size >> 8) + 64)]
                at += len(rest)
            if not rest or not left:
                raise BadPack(f"an object has not the {size} bytes it should have")
            part = inflater.decompress(rest, left)
            left -= len(part)
            parts.append(part)
            rest = inflater.unconsumed_tail
        if left != 1:
            raise BadPack(f"an object has not the {size} bytes it should have")
        return parts[0] if len(parts) == 1 else b"".join(parts), at - len(inflater.unused_data)

    def _content(self, number: int) -> bytes:
        """The content of an object, its deltas applied."""
        chain: list[int] = []
        content = self._cache.get(number)
        while content is None:
            entry = self._entries[number]
            if entry.base is None:
                content = self._made(number, self._inflate(entry.start, entry.inflated, again=True)[0])
            else:
                chain.append(number)
                number = entry.base
                content = self._cache.get(number)
        for number in reversed(chain):
            entry = self._entries[number]
            delta, _ = self._inflate(entry.start, entry.inflated, again=True)
            content = self._made(number, apply_delta(content, delta))
        return content

    def _made(self, number: int, content: bytes) -> bytes:
        self._again += len(content) + self._entries[number].inflated
        if self._again > _AGAIN_TIMES * (self._all + _CACHED_BYTES):
            raise SizeLimit("the git pack lies so that the same objects would be made over and over")
        self._cache.put(number, content, len(content))
        return content
