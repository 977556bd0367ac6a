"""The objects of a repository, wherever they lie (gitrepository-layout(5)), also while git moves them.

`git commit` starts a `gc` in the background, and a fetch brings packs: objects go from loose files into packs, from
pack to pack and back, and what they were in vanishes. So what is not found is looked for again, as git does, where
something has changed since the last look.
"""

from __future__ import annotations

import os
import time
import zlib
from io import RawIOBase

from jellyformat.errors import RefusedRepository
from jellyformat.format import limits
from jellyformat.format.cache import ByteCache
from jellyformat.format.objects import KIND_NAMES, OID_LENGTH, object_id
from jellyformat.git.alternates import with_alternates
from jellyformat.git.packs import (
    DAMAGE,
    LONGEST_CHAIN,
    BadPack,
    Pack,
    Room,
    TooLarge,
    Vanished,
    apply_delta,
    delta_sizes,
)
from jellyformat.git.reading import FOLLOWING, Reader

_KINDS = {name: kind for kind, name in KIND_NAMES.items()}
_LONGEST_HEAD = 64
"""Bytes of kind and size that a loose object begins with."""
_LOOKED_AT = 64 << 20
"""Bytes of an object up to which it is read for its size, and so known to be whole."""
_CACHED_BYTES = 64 << 20
_MOST_MADE = 64 << 30
"""Bytes that all deltas of one object make together, at most: git makes none of files over 512 MiB, and rarely 50 in a
chain."""
_LOOKS = 20
"""How often an object is looked for while everything moves."""
_UNSURE_LOOKS = 3
"""How often where it may be that nothing moves."""
_YOUNG = 2_000_000_000
"""Nanoseconds in which a directory may change again and keep its modification time, on any system."""


class MissingObject(KeyError):
    """An object is not there, or damaged."""


class ObjectStore:
    """The objects of one repository.

    Args:
        directory: Its ``objects`` directory.
        object_format: ``sha1`` or ``sha256``.
        reader: Opens the files; where it follows no links, there are no alternates.

    Attributes:
        sizes: What is known of objects' sizes in bytes, by raw id.
    """

    def __init__(self, directory: bytes, object_format: str, reader: Reader = FOLLOWING) -> None:
        self._reader = reader
        self._directory = directory
        self._format = object_format
        self._length = OID_LENGTH[object_format]
        self._cache: ByteCache[tuple[Pack, int], tuple[int, bytes]] = ByteCache(
            _CACHED_BYTES, largest=_CACHED_BYTES // 4
        )
        self.sizes: dict[bytes, int] = {}
        self._room = Room()
        self._packs: dict[tuple[bytes, bytes], Pack] = {}
        self._look_around()

    def is_empty(self) -> bool:
        """Whether no object is there, nor a place where one could be."""
        try:
            names = self._reader.names(self._directory, b"")
        except (OSError, RefusedRepository):
            return False
        return (
            len(self._directories) == 1 and set(names) <= {b"info", b"pack"} and not self._pack_files(self._directory)
        )

    def _look_around(self) -> None:
        """See which alternates and packs there are, and forget which directories were there or not."""
        self._directories = with_alternates(self._directory, self._reader)
        self._fans: dict[bytes, bool] = {}
        self._vanished = False
        self._looked = time.time_ns()
        self._stamps = self._stamped()  # before the listing: what changes meanwhile is seen at the next look
        known, self._packs = self._packs, {}
        for place in self._directories:
            for name in self._pack_files(place):
                if name.endswith(b".idx"):
                    pack = known.get((place, name))
                    if pack is None or pack.vanished:
                        pack = Pack(place, b"pack/" + name[:-4], self._length, self._reader, self._room)
                    self._packs[place, name] = pack

    def _pack_files(self, place: bytes) -> list[bytes]:
        try:
            return self._reader.names(place, b"pack")
        except (OSError, RefusedRepository):
            if place == self._directory:
                raise
            return []  # an alternate that cannot be read is none, as to git

    def _stamped(self) -> list[int]:
        """When something came or went where objects lie; nanoseconds."""
        names = (b"", b"/pack", b"/info", b"/info/alternates") if self._reader.follow else (b"", b"/pack")
        return [_changed(place + name, self._reader.follow) for place in self._directories for name in names]

    def _may_have_moved(self, looks: int) -> bool:
        """Whether an object that was not found in so many looks may be elsewhere than at the last look around."""
        if self._stamped() != self._stamps:
            return looks < _LOOKS
        return looks < _UNSURE_LOOKS and (self._vanished or self._looked - max(self._stamps) < _YOUNG)

    def read(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object by raw id.

        Raises:
            KeyError: it is not there, damaged, or larger than a snapshot can hold.
        """
        return self._read(oid, limits.OBJECT_BYTES)

    def _read(self, oid: bytes, most: int) -> tuple[int, bytes]:
        looks = 1
        found = self._packed(oid, most) or self._loose(oid, most)
        while found is None and self._may_have_moved(looks):
            self._look_around()
            looks += 1
            found = self._packed(oid, most) or self._loose(oid, most)
        if found is None:
            raise MissingObject(oid.hex())
        self.sizes[oid] = len(found[1])
        return found

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object; None where it is not there. Of a large one, as it says itself."""
        if oid not in self.sizes:
            try:
                self._read(oid, _LOOKED_AT)
            except TooLarge as large:
                self.sizes[oid] = large.size
            except KeyError:
                return None
        return self.sizes[oid]

    def _loose(self, oid: bytes, most: int) -> tuple[int, bytes] | None:
        """The object from the first file of its name that is whole."""
        name = oid.hex().encode()
        for place in self._directories:
            if not self._has_fan(place, name[:2]):
                continue
            try:
                fd = self._reader.open(place, name[:2] + b"/" + name[2:])
                if fd is None:
                    continue
                with open(fd, "rb", buffering=0) as file:
                    found = _read_loose(file, most)
            except DAMAGE:
                continue
            if object_id(*found, self._format) == oid:
                return found
        return None

    def _has_fan(self, place: bytes, fan: bytes) -> bool:
        """Whether there are loose objects whose names begin so; thousands may be asked for that are not there."""
        path = os.path.join(place, fan)
        found = self._fans.get(path)
        if found is None:
            found = self._fans[path] = self._reader.is_directory(place, fan)
        return found

    def _packed(self, oid: bytes, most: int) -> tuple[int, bytes] | None:
        """The object from the first pack that has it whole: one that is damaged is no reason not to look on."""
        for pack in self._packs.values():
            try:
                offset = pack.find(oid)
                found = None if offset is None else self._at(pack, offset, most)
            except Vanished:
                self._vanished = True
                continue
            except DAMAGE:
                continue
            if found is not None and object_id(*found, self._format) == oid:
                return found
        return None

    def _at(self, pack: Pack, offset: int, most: int) -> tuple[int, bytes]:
        """The object at an offset of a pack, its deltas applied."""
        deltas: list[tuple[int, bytes]] = []
        left, made = limits.OBJECT_BYTES, 0
        while True:
            known = self._cache.get((pack, offset))
            if known is not None:
                kind, content = known
                break
            entry = pack.entry(offset, min(left, limits.OBJECT_BYTES if deltas else most))
            if entry.base is None:
                kind, content = entry.kind, entry.data
                self._cache.put((pack, offset), (kind, content), len(content))
                break
            size = delta_sizes(entry.data)[1]
            if not deltas and size > most:
                raise TooLarge(size)
            left -= len(entry.data)
            made += size
            deltas.append((offset, entry.data))
            base = pack.find(entry.base) if isinstance(entry.base, bytes) else entry.base
            if base is None or base == offset or len(deltas) > LONGEST_CHAIN:
                raise BadPack("the base of a delta is missing, or too far away")
            offset = base
        if made > _MOST_MADE:
            raise BadPack("the deltas of an object make far more than the object")
        for place, delta in reversed(deltas):
            content = apply_delta(content, delta)
            self._cache.put((pack, place), (kind, content), len(content))
        return kind, content


def _changed(path: bytes, follow: bool) -> int:
    try:
        return os.stat(path, follow_symlinks=follow).st_mtime_ns
    except (OSError, ValueError):
        return 0


def _read_loose(file: RawIOBase, most: int) -> tuple[int, bytes]:
    """A loose object; no more of it is unpacked than it says it has."""
    decompressor = zlib.decompressobj()
    head = decompressor.decompress(file.read(1 << 16) or b"", _LONGEST_HEAD)
    words, nul, begin = head.partition(b"\0")
    kind, _, number = words.partition(b" ")
    if not nul or kind not in _KINDS or not number.isdigit() or (number[:1] == b"0" and number != b"0"):
        raise BadPack("a loose object is damaged")
    size = int(number)
    if size > most:
        raise TooLarge(size)
    content = bytearray(begin)
    rest = decompressor.unconsumed_tail
    while not decompressor.eof and len(content) <= size:
        rest = rest or file.read(1 << 20) or b""
        if not rest:
            break
        content += decompressor.decompress(rest, size + 1 - len(content))
        rest = decompressor.unconsumed_tail
    if len(content) != size or not decompressor.eof:
        raise BadPack(f"a loose object has not the {size} bytes it should have")
    return _KINDS[kind], bytes(content)
