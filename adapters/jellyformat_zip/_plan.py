"""How a container is put into a zip and taken out, such that the zip opens at every instant (SPEC JF-ZIP)."""

from __future__ import annotations

import zlib
from dataclasses import replace

from jellyformat.adapter import (
    Append,
    BadHost,
    BytesSource,
    Carried,
    RefusedHost,
    Source,
    Truncate,
    Window,
    locator,
    nothing_fits_in,
)
from jellyformat_zip._find import HEX_LENGTH, LISTED_NAME, find_located, is_listed_name, root_of
from jellyformat_zip._records import (
    FLAG_UTF8,
    MAX_16,
    Archive,
    ends_early,
    format_central,
    format_end,
    format_local,
    parse_entries,
    read_archive,
    read_directory,
    read_end_record,
)


def plan_append(source: Source, container: bytes, *, listed: bool) -> Append:
    """How to put ``container`` behind the zip's own bytes, in place of one that a locator points at.

    Args:
        source: The zip as it is.
        container: The container's bytes.
        listed: Whether it gets an entry of its own in the directory.

    Raises:
        BadHost: the zip is broken (JF-ZIP-001).
        CorruptLocator: it has a locator that does not fit (JF-LOC-001).
        RefusedHost: bytes stand behind the zip (JF-ZIP-005), another tool has added to it since (JF-ZIP-008), its
            comment is too long, or cannot be kept.
    """
    try:
        end = read_end_record(source)
    except BadHost as error:
        if ends_early(source):
            raise RefusedHost(
                "bytes stand behind the end of the zip file: it is cut off or something was appended to it",
                requirement="JF-ZIP-005",
                hint="nothing was changed; load it and save it again first",
            ) from error
        raise
    carried = find_located(source, end)
    if carried is not None:
        _check_nothing_added(source, carried)
    keep = source.size if carried is None or carried.host_length is None else carried.host_length
    host = Window(source, 0, keep)
    original = read_archive(host)
    if len(original.comment) + HEX_LENGTH > MAX_16:
        raise nothing_fits_in(
            f"the zip's comment has {len(original.comment)} bytes, which leaves no room for the {HEX_LENGTH} needed"
        )
    directory, entries, root, flags = _own_directory(host, original)
    local = added = b""
    if listed and root is not None and len(name := root + b"/" + LISTED_NAME) <= MAX_16:
        crc32 = zlib.crc32(container)
        local = format_local(name, flags, crc32, len(container))
        added = format_central(name, flags, crc32, len(container), keep)
    offset = keep + len(local)
    final = replace(
        original,
        entries=entries + bool(local),
        directory_offset=offset + len(container),
        directory_size=len(directory) + len(added),
        comment=original.comment + locator(offset, container, keep).hex().encode("ascii"),
    )
    tail = directory + added + format_end(final)
    length = final.directory_offset + len(tail)
    # Staged behind everything, so that it is never what a step overwrites; nothing in it points to the container.
    far = max(length, source.size)
    staged = replace(original, entries=entries, directory_offset=far, directory_size=len(directory))
    staged_tail = directory + format_end(staged)
    _check_tail(tail, final, final.directory_offset)
    _check_tail(staged_tail, staged, far)
    return Append(keep, ((far, staged_tail), (keep, local + container), (final.directory_offset, tail)), length)


def _own_directory(host: Source, archive: Archive) -> tuple[bytes, int, bytes | None, int]:
    """The directory without snapshots that a tool has repacked, its count, the root, and the first name's encoding."""
    directory = read_directory(host, archive)
    kept: list[bytes] | None = [] if LISTED_NAME in directory else None
    entries = 0
    root: bytes | None = None
    flags = 0
    for number, entry in enumerate(parse_entries(directory, archive)):
        if number == 0:
            root, flags = root_of(entry.name), entry.flags & FLAG_UTF8
        if kept is not None and is_listed_name(entry.name):
            continue  # an old snapshot: it would be found again when a tool repacks the file
        entries += 1
        if kept is not None:
            kept.append(directory[entry.begin : entry.end])
    return (directory if kept is None else b"".join(kept)), entries, root, flags


def _check_tail(tail: bytes, archive: Archive, offset: int) -> None:
    """Refuses a zip whose own comment would make another end record be found than the one written."""
    try:
        end = read_end_record(BytesSource(tail))
        right = len(end.comment) == len(archive.comment)
    except BadHost:
        right = False
    if not right:
        raise nothing_fits_in(
            "the zip's comment holds an end record of its own, so that readers would disagree on what the file is",
            offset=offset,
        )


def plan_cut(source: Source, carried: Carried) -> Truncate:
    """How to take the container out again.

    Raises:
        RefusedHost: it was repacked or is a tensor, so that there is nothing to cut off; another tool has added to it
            since (JF-ZIP-008).
        BadHost: what would be left is no zip (JF-ZIP-001).
    """
    if carried.host_length is None:
        tensor = carried.form not in ("listed", "unlisted")
        what = (
            "the snapshot is a tensor in the saved object"
            if tensor
            else "a tool has repacked the file, so that its bytes before the snapshot are not known"
        )
        how = (
            "load the file, delete the key that holds the snapshot, and save it again"
            if tensor
            else "to take it out anyway: zip -d FILE '*.jelly/snapshot', or load the file and save it again"
        )
        raise RefusedHost(f"{what}, and it cannot be cut off", hint=f"nothing was changed; {how}")
    _check_nothing_added(source, carried)
    read_archive(Window(source, 0, carried.host_length))
    return Truncate(carried.host_length)


def _check_nothing_added(source: Source, carried: Carried) -> None:
    """Refuses where another tool has put entries behind the container: they would be cut off with it (JF-ZIP-008)."""
    inner = carried.container
    if not isinstance(inner, Window):
        return
    try:
        directory_offset = read_archive(source).directory_offset
    except BadHost:  # then no tool finds anything behind it either
        return
    if directory_offset != inner.start + inner.size:
        raise RefusedHost(
            "another tool has added to the zip file behind its snapshot, and what it added would be lost",
            requirement="JF-ZIP-008",
            offset=directory_offset,
            hint="nothing was changed; load all of it and save it again, which leaves the snapshot out, and embed then",
        )
