"""The records at the end of a zip (APPNOTE.TXT 4.3.12 to 4.3.16): read strictly, and written (SPEC JF-ZIP)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from jellyformat.adapter import BadHost, Source

LOCAL_MAGIC = b"PK\x03\x04"
CENTRAL_MAGIC = b"PK\x01\x02"
END_MAGIC = b"PK\x05\x06"
ZIP64_END_MAGIC = b"PK\x06\x06"
ZIP64_LOCATOR_MAGIC = b"PK\x06\x07"

MAX_16 = 0xFFFF
MAX_32 = 0xFFFFFFFF
STORED = 0
DEFLATED = 8
FLAG_ENCRYPTED = 0x0001
FLAG_DESCRIPTOR = 0x0008
FLAG_UTF8 = 0x0800

DIRECTORY_LIMIT = 1 << 28
"""Bytes of central directory that are read into memory: room for some three million entries."""
EXTENSION_LIMIT = 1 << 16
"""Bytes of extensible data sector in a zip64 end record."""

_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ZIP64_EXTRA = 1
LOCAL_LENGTH = _LOCAL.size
END_LENGTH = _END.size
END_REACH = END_LENGTH + MAX_16
"""An end record and the longest comment: as far from the end of the file, in bytes, as one can begin."""
_DOS_DATE = 0x0021
"""1980-01-01: a zip without clock, so the same input gives the same bytes."""
_VERSION = 20
_VERSION_ZIP64 = 45
_UNIX = 3 << 8


@dataclass(frozen=True)
class EndRecord:
    """The end of central directory record as it stands in the file.

    Attributes:
        offset: Where it begins.
        disk, directory_disk: Disk numbers; zero in a zip of one file.
        entries_here, entries: Counts, or 0xFFFF.
        directory_size, directory_offset: In bytes, or 0xFFFFFFFF.
        comment: The zip's comment.
    """

    offset: int
    disk: int
    directory_disk: int
    entries_here: int
    entries: int
    directory_size: int
    directory_offset: int
    comment: bytes


@dataclass(frozen=True)
class Zip64:
    """What a zip64 end record holds that is no size, count or offset."""

    version_made: int = _UNIX | _VERSION_ZIP64
    version_needed: int = _VERSION_ZIP64
    extension: bytes = b""


@dataclass(frozen=True)
class Archive:
    """Where the central directory is: ``directory_size`` bytes from ``directory_offset``, ``entries`` of them."""

    entries: int
    directory_offset: int
    directory_size: int
    comment: bytes
    zip64: Zip64 | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the central directory.

    Attributes:
        name: As bytes; zip has two encodings, and neither matters here.
        flags, method, crc32: As the directory says.
        compressed_size, size: In bytes, those of the zip64 extra field where that is needed.
        offset: Where the local header begins in the file.
        begin, end: Where the entry itself lies in the directory.
    """

    name: bytes
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int
    offset: int
    begin: int
    end: int


def bad_zip(message: str, offset: int | None = None, requirement: str = "JF-ZIP-001") -> BadHost:
    """The error for a zip that is broken at byte ``offset``."""
    return BadHost(f"the zip file is damaged: {message}", requirement=requirement, offset=offset)


def read_bytes(source: Source, offset: int, length: int, what: str) -> bytes:
    """``length`` bytes of ``what`` from ``offset``.

    Raises:
        BadHost: the file ends before (JF-ZIP-001).
    """
    data = source.read_at(offset, length) if offset + length <= source.size else b""
    if len(data) != length:
        raise bad_zip(f"the {what} reaches beyond the end of the file", offset)
    return data


_END_USUAL_REACH = 4096


def read_end_record(source: Source) -> EndRecord:
    """The end record: the last one from which the comment reaches exactly to the end of the file (SPEC JF-ZIP).

    Raises:
        BadHost: there is none (JF-ZIP-001).
    """
    for reach in (_END_USUAL_REACH, END_REACH):  # comments are short, and hosts may be far away
        begin = max(0, source.size - reach)
        tail = source.read_at(begin, source.size - begin)
        found = tail.rfind(END_MAGIC)
        while found >= 0:
            if len(tail) - found >= END_LENGTH:
                _, disk, directory_disk, here, entries, size, offset, comment = _END.unpack_from(tail, found)
                if found + END_LENGTH + comment == len(tail):
                    rest = tail[found + END_LENGTH :]
                    return EndRecord(begin + found, disk, directory_disk, here, entries, size, offset, rest)
            found = tail.rfind(END_MAGIC, 0, found + len(END_MAGIC) - 1)
    raise bad_zip("it has no end record that reaches to its end", source.size)


def ends_early(source: Source) -> bool:
    """Whether bytes stand behind the last end record and its comment (JF-ZIP-005)."""
    begin = max(0, source.size - 2 * END_REACH)
    tail = source.read_at(begin, source.size - begin)
    found = tail.rfind(END_MAGIC)
    if found < 0 or len(tail) - found < END_LENGTH:
        return False
    return found + END_LENGTH + int.from_bytes(tail[found + 20 : found + 22], "little") < len(tail)


def read_archive(source: Source, end: EndRecord | None = None) -> Archive:
    """Where the central directory is, from the end record (read here if not given) and the zip64 records.

    Raises:
        BadHost: the records do not parse, contradict each other, or do not lie one behind the other (JF-ZIP-001).
    """
    end = end or read_end_record(source)
    records = end.offset
    entries, size, offset = end.entries, end.directory_size, end.directory_offset
    if end.disk or end.directory_disk or end.entries_here != end.entries:
        raise bad_zip("it is one part of several, or says so", end.offset)
    zip64 = None
    locator_offset = end.offset - _ZIP64_LOCATOR.size
    raw = source.read_at(locator_offset, _ZIP64_LOCATOR.size) if locator_offset >= 0 else b""
    if raw.startswith(ZIP64_LOCATOR_MAGIC):
        _, disk, records, disks = _ZIP64_LOCATOR.unpack(raw)
        if disk or disks > 1 or records + _ZIP64_END.size > locator_offset:
            raise bad_zip("the zip64 locator points to no place before it", locator_offset)
        fields = _ZIP64_END.unpack(read_bytes(source, records, _ZIP64_END.size, "zip64 end record"))
        magic, length, made, needed, disk, directory_disk, here, entries, size, offset = fields
        if magic != ZIP64_END_MAGIC or records + 12 + length != locator_offset:
            raise bad_zip("there is no zip64 end record where the zip64 locator says", records)
        if disk or directory_disk or here != entries:
            raise bad_zip("it is one part of several, or says so", records)
        for short, full, limit in (
            (end.entries, entries, MAX_16),
            (end.directory_size, size, MAX_32),
            (end.directory_offset, offset, MAX_32),
        ):
            if short not in (full, limit):
                raise bad_zip("the end record and the zip64 end record contradict each other", end.offset)
        extension = locator_offset - records - _ZIP64_END.size
        if extension > EXTENSION_LIMIT:
            raise bad_zip(f"the zip64 end record has {extension} bytes of extensible data", records)
        zip64 = Zip64(made, needed, read_bytes(source, records + _ZIP64_END.size, extension, "zip64 end record"))
    if offset + size != records:
        raise bad_zip("the central directory does not end where the end records begin", records)
    if size > DIRECTORY_LIMIT:
        raise bad_zip(f"it has a central directory of {size} bytes", offset)
    return Archive(entries, offset, size, end.comment, zip64)


def read_directory(source: Source, archive: Archive) -> bytes:
    """The central directory's bytes.

    Raises:
        BadHost: they are not all there.
    """
    return read_bytes(source, archive.directory_offset, archive.directory_size, "central directory")


def parse_entries(directory: bytes, archive: Archive) -> Iterator[Entry]:
    """The entries of the central directory, one after another.

    Raises:
        BadHost: they are not as many as declared, or do not fill the directory exactly (JF-ZIP-001).
    """
    place = 0
    for _ in range(archive.entries):
        if place + _CENTRAL.size > len(directory):
            raise bad_zip("the central directory ends in an entry", archive.directory_offset + place)
        fields = _CENTRAL.unpack_from(directory, place)
        magic, _, _, flags, method, _, _, crc, compressed, size, names, extras, comments, _, _, _, offset = fields
        end = place + _CENTRAL.size + names + extras + comments
        if magic != CENTRAL_MAGIC or end > len(directory):
            raise bad_zip("an entry of the central directory is none", archive.directory_offset + place)
        begin_extra = place + _CENTRAL.size + names
        name = directory[place + _CENTRAL.size : begin_extra]
        if MAX_32 in (size, compressed, offset):
            extra = directory[begin_extra : begin_extra + extras]
            size, compressed, offset = widen(extra, (size, compressed, offset), archive.directory_offset + place)
        yield Entry(name, flags, method, crc, compressed, size, offset, place, end)
        place = end
    if place != len(directory):
        raise bad_zip("the central directory has more than its entries", archive.directory_offset + place)


def widen(extra: bytes, values: tuple[int, ...], offset: int) -> tuple[int, ...]:
    """``values`` with those that are 0xFFFFFFFF taken from the zip64 extra field, in order, where there is one.

    Raises:
        BadHost: the extra field is too short for them.
    """
    place = 0
    while place + 4 <= len(extra):  # fewer than 4 bytes are padding of some aligners
        tag, length = struct.unpack_from("<2H", extra, place)
        data = extra[place + 4 : place + 4 + length]
        if len(data) != length:
            raise bad_zip("an extra field is longer than all of them", offset)
        if tag == _ZIP64_EXTRA:
            wide: list[int] = []
            for value in values:
                if value == MAX_32:
                    if len(data) < 8:
                        raise bad_zip("a zip64 extra field is too short", offset)
                    value, data = int.from_bytes(data[:8], "little"), data[8:]
                wide.append(value)
            return tuple(wide)
        place += 4 + length
    return values


class LocalHeaders:
    """The local headers of a zip, read one by one: together with what else is read of the entries, they have no more
    bytes than the file. Else thousands of entries in the directory could stand for one part of it.

    Args:
        source: The zip.
        archive: Its directory.
    """

    def __init__(self, source: Source, archive: Archive) -> None:
        self._source, self._archive = source, archive
        self._left = source.size

    def take(self, length: int, entry: Entry) -> None:
        """Count ``length`` bytes of an entry.

        Raises:
            BadHost: all that were counted are more than the file has (JF-ZIP-001).
        """
        self._left -= length
        if self._left < 0:
            raise bad_zip("its entries overlap", entry.offset)

    def data_offset(self, entry: Entry) -> int:
        """Where the data of ``entry`` begin, its local header checked against the directory.

        Raises:
            BadHost: the local header is another one (JF-ZIP-002), the data reach into the directory or the local
                headers overlap (JF-ZIP-001).
        """
        raw = read_bytes(self._source, entry.offset, _LOCAL.size, "local header")
        magic, _, flags, method, _, _, _, compressed, size, names, extras = _LOCAL.unpack(raw)
        if magic != LOCAL_MAGIC:
            raise bad_zip("there is no local header where the directory says", entry.offset, "JF-ZIP-002")
        self.take(_LOCAL.size + names + extras, entry)
        rest = read_bytes(self._source, entry.offset + _LOCAL.size, names + extras, "local header")
        if MAX_32 in (size, compressed):
            size, compressed = widen(rest[names:], (size, compressed), entry.offset)
        sizes_differ = not flags & FLAG_DESCRIPTOR and (size, compressed) != (entry.size, entry.compressed_size)
        if rest[:names] != entry.name or method != entry.method or sizes_differ:
            raise bad_zip("a local header contradicts the directory", entry.offset, "JF-ZIP-002")
        archive = self._archive
        begin: int = entry.offset + _LOCAL.size + names + extras
        if begin + entry.compressed_size > archive.directory_offset:
            raise bad_zip("the data of an entry reach into the central directory", begin)
        return begin


def format_local(name: bytes, flags: int, crc32: int, size: int) -> bytes:
    """The local header of a stored entry with ``size`` bytes of data."""
    extra = struct.pack("<2H2Q", _ZIP64_EXTRA, 16, size, size) if size >= MAX_32 else b""
    version = _VERSION_ZIP64 if extra else _VERSION
    short = min(size, MAX_32)
    fields = (LOCAL_MAGIC, version, flags, STORED, 0, _DOS_DATE, crc32, short, short, len(name), len(extra))
    return _LOCAL.pack(*fields) + name + extra


def format_central(name: bytes, flags: int, crc32: int, size: int, offset: int) -> bytes:
    """The directory entry that belongs to `format_local` at ``offset`` of the file."""
    wide = ([size, size] if size >= MAX_32 else []) + ([offset] if offset >= MAX_32 else [])
    extra = struct.pack(f"<2H{len(wide)}Q", _ZIP64_EXTRA, 8 * len(wide), *wide) if wide else b""
    version = _VERSION_ZIP64 if extra else _VERSION
    short = min(size, MAX_32)
    mode = 0o100644 << 16
    fields = (
        *(CENTRAL_MAGIC, _UNIX | version, version, flags, STORED, 0, _DOS_DATE, crc32, short, short),
        *(len(name), len(extra), 0, 0, 0, mode, min(offset, MAX_32)),
    )
    return _CENTRAL.pack(*fields) + name + extra


def format_end(archive: Archive) -> bytes:
    """The end record for a directory that these bytes follow; zip64 records before it if it had or needs them.

    Args:
        archive: ``zip64`` says whether there are zip64 records in any case; ``comment`` has at most 65,535 bytes.
    """
    entries, size, offset = archive.entries, archive.directory_size, archive.directory_offset
    zip64 = archive.zip64
    if zip64 is None and (offset >= MAX_32 or size >= MAX_32 or entries >= MAX_16):
        zip64 = Zip64()
    records = b""
    if zip64 is not None:
        length = _ZIP64_END.size - 12 + len(zip64.extension)
        version = (zip64.version_made, zip64.version_needed)
        records = _ZIP64_END.pack(ZIP64_END_MAGIC, length, *version, 0, 0, entries, entries, size, offset)
        records += zip64.extension + _ZIP64_LOCATOR.pack(ZIP64_LOCATOR_MAGIC, 0, offset + size, 1)
    count = min(entries, MAX_16)
    short = (min(size, MAX_32), min(offset, MAX_32))
    return records + _END.pack(END_MAGIC, 0, 0, count, count, *short, len(archive.comment)) + archive.comment
