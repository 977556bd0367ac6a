"""What a file's stat data say of it: whether the index vouches for it, and its mode."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from jellyformat.format.objects import EXECUTABLE, REGULAR, SYMLINK
from jellyformat.git.index import IndexEntry, stored_time
from jellyformat.git.repository import Repository


@dataclass(frozen=True)
class Stats:
    """Tells for one repository.

    Attributes:
        index_time: Modification time of the index in nanoseconds: entries as young are not trusted.
        file_mode: Whether the executable bit on disk counts.
        symlinks: Whether the system has symbolic links.
    """

    index_time: int
    file_mode: bool
    symlinks: bool

    def is_unchanged(self, entry: IndexEntry, found: os.stat_result) -> bool:
        """Whether the index vouches for the file, by git's own rule: same stat data, and older than the index."""
        return (
            entry.size == found.st_size & 0xFFFFFFFF
            and entry.ino == found.st_ino & 0xFFFFFFFF
            and _is_at(entry.mtime, found.st_mtime_ns)
            and _is_at(entry.ctime, found.st_ctime_ns)
            and found.st_mtime_ns < self.index_time
            and entry.stage == 0
            and not entry.intent_to_add
            and entry.mode in (REGULAR, EXECUTABLE, SYMLINK)
            and self.mode(found, entry) == entry.mode
        )

    def mode(self, found: os.stat_result, entry: IndexEntry | None) -> int:
        """The mode of a file, as git would take it."""
        if stat.S_ISLNK(found.st_mode):
            return SYMLINK
        if entry is not None and not self.symlinks and entry.mode == SYMLINK:
            return SYMLINK  # a system without links holds the target in a file
        if entry is not None and not self.file_mode and entry.mode in (REGULAR, EXECUTABLE):
            return entry.mode
        return EXECUTABLE if found.st_mode & 0o100 else REGULAR


def _is_at(noted: int, time: int) -> bool:
    """Whether a time in an index is this one, in nanoseconds; some systems leave out what is less than a second."""
    stored = stored_time(time)
    return noted in (stored, stored & ~0xFFFFFFFF)


def stats_of(repository: Repository, index_time: int) -> Stats:
    """What tells for a repository, by its configuration.

    Args:
        repository: The repository.
        index_time: Modification time of its index in nanoseconds.
    """
    return Stats(
        index_time,
        file_mode=repository.settings.boolean("core.filemode", default=True),
        symlinks=repository.settings.boolean("core.symlinks", default=True),
    )
