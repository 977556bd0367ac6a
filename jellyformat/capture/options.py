"""What of a worktree is taken, and what was found there."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from jellyformat.format import limits
from jellyformat.format.model import Omitted
from jellyformat.format.objects import Leaf
from jellyformat.git.layout import Layout
from jellyformat.git.rules import Work


@dataclass
class Budget:
    """Bytes that new files may have together: how many at first, and how many are left."""

    size: int
    left: int


@dataclass(frozen=True)
class Options:
    """What of the worktree is taken; globs match whole paths, names, or any directory above, as bytes.

    Attributes:
        include: Files to take all the same that are ignored, or left out by kind.
        exclude: Files to leave out.
        max_file_size: Bytes; a larger file is left out unless the index has the same content.
        max_size: Bytes; of all files that are new or changed, together.
        budget: The same, shared by several scanners.
        carriers: Absolute paths of files that the snapshot is for, and so no part of it unless tracked.
        by_kind: Whether untracked environments, caches, trackers' directories and weights are left out, unless
            ``include`` names them, and directories as one that there is no room for.
        only_changes: Whether a file that the index vouches for is taken as it is there, whatever its bytes are.
        wanted: Absolute paths of files to take though git ignores them.
        work: What comparing paths with rules may take, shared by several scanners.
    """

    include: tuple[bytes, ...] = ()
    exclude: tuple[bytes, ...] = ()
    max_file_size: int = limits.OBJECT_BYTES
    max_size: int = limits.TOTAL_OBJECT_BYTES
    budget: Budget | None = None
    carriers: frozenset[bytes] = frozenset()
    by_kind: bool = False
    only_changes: bool = False
    wanted: frozenset[bytes] = frozenset()
    work: Work = field(default_factory=Work)


@dataclass
class Scan:
    """What was found on disk; paths relative to the root of the repository."""

    leaves: dict[bytes, Leaf] = field(default_factory=dict)
    contents: dict[bytes, bytes] = field(default_factory=dict)
    """Blobs that were read from disk, by raw id."""
    converted: list[bytes] = field(default_factory=list)
    filtered: list[bytes] = field(default_factory=list)
    omitted: list[Omitted] = field(default_factory=list)
    ignored: list[bytes] = field(default_factory=list)
    empty_directories: list[bytes] = field(default_factory=list)
    nested: dict[bytes, Layout] = field(default_factory=dict)
    """Repositories inside this one, by path; their entries are not in ``leaves`` yet."""


def matches(path: bytes, globs: tuple[bytes, ...]) -> bool:
    """Whether ``path``, or a directory above it, matches one of ``globs``; with ``/`` in front only from the top."""
    while path and globs:
        name = path.rpartition(b"/")[2]
        if any(fnmatchcase(path, glob) or fnmatchcase(name, glob) or fnmatchcase(b"/" + path, glob) for glob in globs):
            return True
        path = path.rpartition(b"/")[0]
    return False
