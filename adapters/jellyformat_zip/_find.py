"""Where the container is in a zip (SPEC JF-ZIP): by the locator, by name, or in a tensor of bytes (14.3)."""

from __future__ import annotations

import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from jellyformat.adapter import (
    CHUNK,
    END_MAGIC,
    HEADER_LENGTH,
    LOCATOR_LENGTH,
    MAGIC,
    BadHost,
    Carried,
    CorruptLocator,
    Source,
    StreamSource,
    Window,
    locate,
)
from jellyformat_zip._records import (
    DEFLATED,
    FLAG_ENCRYPTED,
    STORED,
    Archive,
    EndRecord,
    Entry,
    LocalHeaders,
    bad_zip,
    parse_entries,
    read_archive,
    read_directory,
    read_end_record,
)

LISTED_NAME = b".jelly/snapshot"
HEX_LENGTH = 2 * LOCATOR_LENGTH
INFLATE_LIMIT = 2 << 30
"""Bytes of container that a deflated entry may hold: more than SPEC asks a reader to support."""
_INFLATE_ANY, _INFLATE_TIMES = 1 << 26, 16
"""Bytes that all such entries of a file may inflate to: so many, and so many times the file. Containers are compressed
already, so that what they are packed into is hardly shorter."""
_IN_MEMORY = 1 << 26
_HEX_END = END_MAGIC.hex().encode()
_STALE = (
    "nothing was changed; if another tool has written the zip anew, it has kept the comment, which no longer fits: "
    "zip -z FILE </dev/null takes the comment out, and a snapshot that is still there as an entry is found then"
)
_LOWER_HEX = re.compile(rb"[0-9a-f]{128}")


@dataclass(frozen=True)
class Foreign:
    """Snapshots of another tool in tensors of bytes: what they begin with, and how they are read as a container."""

    form: str
    prefix: bytes
    read: Callable[[Source], Source]


def is_listed_name(name: bytes) -> bool:
    """Whether an entry of this name holds a container (SPEC JF-ZIP, step 2)."""
    return name == LISTED_NAME or name.endswith(b"/" + LISTED_NAME)


def root_of(name: bytes) -> bytes | None:
    """The first component of an entry's name; None where it has only one."""
    root, slash, _ = name.partition(b"/")
    return root if slash else None


def find_located(source: Source, end: EndRecord) -> Carried | None:
    """The container that the locator in the comment points at; None where there is no locator (step 1).

    A comment that ends as a locator ends is one, so that damage to any other byte of it does not make it vanish.

    Raises:
        CorruptLocator: the locator does not fit (JF-LOC-001).
    """
    digits = end.comment[-HEX_LENGTH:]
    if not digits.endswith(_HEX_END):
        return None
    if not _LOWER_HEX.fullmatch(digits):
        raise CorruptLocator(
            "the locator in the zip's comment is not 128 hex digits: bytes were changed",
            requirement="JF-ZIP-006",
            offset=end.offset,
        )
    raw = bytes.fromhex(digits.decode("ascii"))
    try:
        carried = locate(source, raw, end.offset, "unlisted")
    except CorruptLocator as error:
        error.hint = _STALE
        raise
    if int.from_bytes(raw[:8], "big") == carried.host_length:
        return carried
    return Carried("listed", carried.container, carried.host_length)  # a local header lies between


def find_container(source: Source, foreign: Foreign | None = None) -> Carried | None:
    """The container in a zip, or None; ``host_length`` is None where it cannot be cut off (SPEC JF-ZIP and JF-TEN).

    Args:
        source: The zip.
        foreign: What is looked for where there is no container.

    Raises:
        BadHost: the zip is broken or ambiguous (JF-ZIP-001 to 004).
        CorruptLocator: the locator does not fit (JF-LOC-001).
    """
    end = read_end_record(source)
    if carried := find_located(source, end):
        return carried
    archive = read_archive(source, end)
    directory = read_directory(source, archive)
    if listed := list(_listed(source, archive, directory)):
        return Carried("listed", _only(listed), None)
    strangers: list[Source] = []
    tensors = list(_tensors(source, archive, directory, foreign, strangers))
    if tensors:
        return Carried("tensor", _only(tensors), None)
    return Carried(foreign.form, foreign.read(_only(strangers)), None) if foreign is not None and strangers else None


def _only(found: list[Source]) -> Source:
    """The one of ``found``, where all are the same; JF-ZIP-003."""
    first = found[0]
    for other in found[1:]:
        if other == first:  # the same bytes, by two entries
            continue
        if other.size != first.size or any(
            first.read_at(offset, CHUNK) != other.read_at(offset, CHUNK) for offset in range(0, first.size, CHUNK)
        ):
            raise BadHost(
                "the zip file has two different snapshots, and nothing says which is meant",
                requirement="JF-ZIP-003",
                hint="nothing was changed; unpack it and look at its .jelly/snapshot and data entries",
            )
    return first


def _listed(source: Source, archive: Archive, directory: bytes) -> Iterator[Source]:
    """The containers in entries that are named as such (step 2)."""
    locals_, left = LocalHeaders(source, archive), _INFLATE_ANY + _INFLATE_TIMES * source.size
    for entry in parse_entries(directory, archive):
        if is_listed_name(entry.name):
            if entry.flags & FLAG_ENCRYPTED or entry.method not in (STORED, DEFLATED):
                raise bad_zip("the snapshot is encrypted, or compressed by a method not known here", entry.offset)
            begin = locals_.data_offset(entry)
            locals_.take(entry.compressed_size, entry)
            if entry.method == DEFLATED:
                left -= entry.size
                if left < 0:
                    raise bad_zip("its snapshots would inflate to too many bytes", entry.offset, "JF-ZIP-004")
                yield _inflate(source, begin, entry)
            else:
                yield _stored(source, begin, entry, entry.size)


def _tensors(
    source: Source, archive: Archive, directory: bytes, foreign: Foreign | None, strangers: list[Source]
) -> Iterator[Source]:
    """The containers that stored entries ``<root>/data/<digits>`` begin with (step 3); ``strangers`` gets the foreign
    ones."""
    prefix = MAGIC if foreign is None else foreign.prefix
    locals_ = LocalHeaders(source, archive)
    place: bytes | None = None
    for entry in parse_entries(directory, archive):
        if place is None:
            root = root_of(entry.name)
            if root is None:
                return
            place = root + b"/data/"
        is_plain = entry.method == STORED and not entry.flags & FLAG_ENCRYPTED
        if is_plain and entry.name.startswith(place) and entry.name[len(place) :].isdigit():
            begin = locals_.data_offset(entry)
            _check_stored(entry)
            head = source.read_at(begin, min(max(len(MAGIC), len(prefix)), entry.size))
            if head.startswith((MAGIC, prefix)):
                locals_.take(entry.compressed_size, entry)
            if head.startswith(MAGIC):
                yield _stored(source, begin, entry, declared_length(source, begin))
            elif head.startswith(prefix):
                strangers.append(_stored(source, begin, entry, entry.size))


def _stored(source: Source, begin: int, entry: Entry, length: int) -> Source:
    """The first ``length`` bytes of a stored entry's data, or all of them."""
    _check_stored(entry)
    return Window(source, begin, min(length, entry.size))


def _check_stored(entry: Entry) -> None:
    if entry.size != entry.compressed_size:
        raise bad_zip("a stored entry has two sizes", entry.offset, "JF-ZIP-002")


def declared_length(source: Source, offset: int) -> int:
    """The total length that the container header at ``offset`` declares; at least 72."""
    return max(HEADER_LENGTH, int.from_bytes(source.read_at(offset + 32, 8), "big"))


def _inflate(source: Source, begin: int, entry: Entry) -> Source:
    """The data of a deflated entry, never more than it declares; over 64 MiB in a temporary file (JF-ZIP-004)."""

    def bad(message: str) -> BadHost:
        return bad_zip(f"the snapshot's entry {message}", begin, "JF-ZIP-004")

    if entry.size > INFLATE_LIMIT:
        raise bad(f"declares {entry.size} bytes")
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    # it lives as long as the source that reads it
    output = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    length = 0
    place, left = begin, entry.compressed_size
    pending = b""
    try:
        while not decoder.eof:
            if not pending:
                pending = source.read_at(place, min(left, CHUNK))
                place += len(pending)
                left -= len(pending)
            part = decoder.decompress(pending, CHUNK)  # whatever comes in, at most a megabyte goes out
            if not part and not pending:
                break
            pending = decoder.unconsumed_tail
            length += len(part)
            if length > entry.size:
                raise bad("inflates to more than it declares")
            output.write(part)
    except zlib.error as error:
        raise bad(f"does not inflate: {error}") from error
    if not decoder.eof or length != entry.size or decoder.unused_data or left:
        raise bad("does not inflate to what it declares")
    return StreamSource(cast(BinaryIO, output), length)
