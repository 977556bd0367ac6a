"""The adapter for zip files of no kind of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jellyformat.adapter import ENTRIES, Append, BadHost, Carried, Source, Truncate, Weight
from jellyformat_zip._find import Foreign, find_container
from jellyformat_zip._plan import plan_append, plan_cut
from jellyformat_zip._records import (
    END_MAGIC,
    LOCAL_MAGIC,
    Archive,
    read_archive,
    read_directory,
)
from jellyformat_zip._weights import read_weights


def is_zip(source: Source) -> bool:
    """Whether a file is a zip by SPEC JF-HST: by its first four bytes."""
    return source.read_at(0, 4) in (LOCAL_MAGIC, END_MAGIC)


def open_directory(source: Source) -> tuple[Archive, bytes] | None:
    """Where the central directory of a zip is, and its bytes; None where it is no zip or a broken one."""
    try:
        if not is_zip(source):
            return None
        archive = read_archive(source)
        return archive, read_directory(source, archive)
    except BadHost:
        return None


@dataclass(frozen=True)
class ZipAdapter:
    """Containers in zip files (SPEC JF-ZIP), in the unlisted form: no name is added.

    Adapters for kinds of zip are made from it: they say which zips are theirs,
    whether to list the container, and what other snapshots to look for.
    """

    name: str = "zip"
    priority: int = 50
    listed: bool = False
    foreign: Foreign | None = None

    def matches(self, source: Source) -> bool:
        """Whether the file begins as a zip."""
        return is_zip(source)

    def find(self, source: Source) -> Carried | None:
        """The container, or None.

        Raises:
            BadHost, CorruptLocator: the zip or the locator is damaged (JF-ZIP-001 to 004, JF-LOC-001).
        """
        return find_container(source, self.foreign)

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """How to put ``container`` in, in place of one that was appended before.

        Raises:
            RefusedHost: the zip would no longer open (JF-ZIP-005), or its comment is too long.
            BadHost, CorruptLocator: the zip or the locator is damaged.
        """
        return plan_append(source, container, listed=self.listed)

    def plan_strip(self, source: Source, carried: Carried) -> Truncate:
        """How to take the container out: the file is cut off at the length it had.

        Raises:
            RefusedHost: a tool has repacked the file, or the container is a tensor.
            BadHost: what would be left is no zip.
        """
        return plan_cut(source, carried)

    def weights(self, source: Source, carried: Carried | None) -> tuple[str, Iterator[Weight]]:
        """The entries, by name (SPEC JF-BND).

        Raises:
            BadHost: the zip is damaged (JF-ZIP-001, JF-ZIP-002, JF-BND-004).
            RefusedHost: an entry cannot be read.
        """
        return ENTRIES, read_weights(source, torch=self.listed)


ADAPTER = ZipAdapter()
