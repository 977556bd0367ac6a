"""Blobs whose files are unchanged, read from disk: to hash one proves it, and costs less than git's own copy does."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from types import TracebackType

from jellyformat.capture.pieces import read_whole
from jellyformat.capture.stats import Stats
from jellyformat.files.beneath import Below
from jellyformat.files.platform import directories
from jellyformat.format.objects import BLOB, SYMLINK, object_id
from jellyformat.git.index import IndexEntry
from jellyformat.git.repository import Repository

_MOST = 1 << 28
"""Bytes of a file that is read at once."""


class Unchanged:
    """A repository whose blobs come from the files that its index vouches for, where they are there.

    Only what has the hash that it should have is taken from a file; all else comes from the repository. Use it as a
    context manager.

    Args:
        repository: The repository; not a bare one.
        entries: Its index entries.
        stats: Tells which files the index vouches for.

    Attributes:
        proved: The paths of the files that were read and have the content that the index says.
    """

    def __init__(self, repository: Repository, entries: Iterable[IndexEntry], stats: Stats) -> None:
        assert repository.layout.worktree is not None
        self._root = repository.layout.worktree
        self._repository = repository
        self._stats = stats
        self._format = repository.object_format
        self._places = {entry.oid: entry for entry in entries}
        self.proved: set[bytes] = set()

    def __enter__(self) -> Unchanged:
        self._below = Below(self._root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._below.__exit__(kind, value, trace)

    @property
    def name(self) -> str:
        """Its place, for people."""
        return self._repository.name

    def shallow(self) -> frozenset[bytes]:
        """The commits whose parents are not there."""
        return self._repository.shallow()

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object by raw id; None where it is not there."""
        return self._repository.size(oid)

    def read(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object by raw id. Raises KeyError."""
        entry = self._places.get(oid)
        content = None if entry is None else self._content(entry)
        if entry is None or content is None:
            return self._repository.read(oid)
        self.proved.add(entry.path)
        self._repository.note_size(oid, len(content))
        return BLOB, content

    def _content(self, entry: IndexEntry) -> bytes | None:
        """What a file or link holds; None where that is not, for sure, what the entry says."""
        try:
            place, name = self._below.parent(entry.path)
            found = directories.status(name, place)
            if found.st_size > _MOST or not self._stats.is_unchanged(entry, found):
                return None
            if stat.S_ISLNK(found.st_mode) != (entry.mode == SYMLINK):
                return None
            content = read_whole(name, found, place)
        except OSError:
            return None
        return content if content is not None and object_id(BLOB, content, self._format) == entry.oid else None
