"""The logical model as frozen dataclasses (SPEC JF-MAN and JF-STA); `manifest` puts it into bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from jellyformat.format.msgpack import Value

STATE: Final = "state"
HISTORY: Final = "history"

REASONS: Final = (
    "cache",
    "changing",
    "environment",
    "excluded",
    "filter",
    "missing",
    "name",
    "secret",
    "size",
    "special",
    "time",
    "tracker",
    "unreadable",
    "weights",
)
"""Why something was left out; others have a dot, and are somebody's own (SPEC JF-WRK)."""
WITH_HEADS: Final = ("merge", "cherry-pick", "revert")
"""Operations that name the commits they are about."""
OPERATIONS: Final = ("merge", "cherry-pick", "revert", "rebase", "am", "bisect")


@dataclass(frozen=True)
class Head:
    """HEAD: the commit (raw id; None: unborn) and the full ref name (None: detached); neither where there is no git."""

    commit: bytes | None
    ref: bytes | None


@dataclass(frozen=True)
class Conflict:
    """An unmerged path; each stage is ``(mode, raw id)`` or None where the side does not have it."""

    path: bytes
    base: tuple[int, bytes] | None
    ours: tuple[int, bytes] | None
    theirs: tuple[int, bytes] | None

    @property
    def stages(self) -> tuple[tuple[int, bytes] | None, ...]:
        """Base, ours, theirs."""
        return (self.base, self.ours, self.theirs)


@dataclass(frozen=True)
class Index:
    """What is staged: a tree (raw id), and what a tree cannot say (SPEC JF-IDX)."""

    tree: bytes
    conflicts: tuple[Conflict, ...] = ()
    intent_to_add: tuple[tuple[bytes, int], ...] = ()
    skip_worktree: tuple[bytes, ...] = ()
    assume_unchanged: tuple[bytes, ...] = ()
    omitted: tuple[Omitted, ...] = ()


@dataclass(frozen=True)
class Omitted:
    """A file that was there and is not in the container, or a directory, whose path ends in ``/``, with all in it.

    ``size`` in bytes, ``sha256`` raw, where known.
    """

    path: bytes
    reason: str
    size: int | None = None
    sha256: bytes | None = None

    @property
    def is_directory(self) -> bool:
        """Whether a directory was left out as one."""
        return self.path.endswith(b"/")


@dataclass(frozen=True)
class Worktree:
    """What is on disk: a tree (raw id), and what a tree cannot say (SPEC JF-WRK)."""

    tree: bytes
    converted: tuple[bytes, ...] = ()
    empty_directories: tuple[bytes, ...] = ()
    filtered: tuple[bytes, ...] = ()
    omitted: tuple[Omitted, ...] = ()


@dataclass(frozen=True)
class Operation:
    """A merge or the like in progress (SPEC JF-STA); heads are raw commit ids."""

    kind: str
    heads: tuple[bytes, ...] = ()
    message: bytes | None = None


@dataclass(frozen=True)
class State:
    """The logical state of a repository (SPEC JF-STA).

    ``facts`` is the open map: what this version does not know is kept, and no part of what is restored (JF-STA-005).
    """

    object_format: str
    head: Head
    index: Index | None
    worktree: Worktree | None
    operation: Operation | None = None
    submodules: tuple[Nested, ...] = ()
    facts: Mapping[str, Value] = field(default_factory=dict)
    roots: tuple[Root, ...] = ()

    def walk(self, prefix: bytes = b"") -> Iterator[tuple[bytes, State]]:
        """This state and those nested in it, each with the prefix (ending in ``/``) of its paths."""
        yield prefix, self
        for nested in self.submodules:
            yield from nested.state.walk(prefix + nested.path + b"/")

    def parts(self) -> Iterator[tuple[bytes, State]]:
        """As `walk`, and the further roots with what is nested in them, their name in front: all that is shown."""
        yield from self.walk()
        for root in self.roots:
            yield from root.state.walk(root.name + b"/")


@dataclass(frozen=True)
class Nested:
    """A nested repository at ``path`` of the one around it."""

    path: bytes
    state: State


@dataclass(frozen=True)
class Root:
    """Another repository that the program ran from, shown under ``name`` (SPEC JF-ROO)."""

    name: bytes
    state: State


@dataclass(frozen=True)
class Summary:
    """What follows from the state, kept to be shown without reading blocks (SPEC JF-SUM)."""

    commit: bytes | None
    conflicted: tuple[bytes, ...]
    files: int
    size: int
    staged: tuple[tuple[str, bytes], ...]
    unstaged: tuple[tuple[str, bytes], ...]
    untracked: tuple[bytes, ...]


@dataclass(frozen=True)
class History:
    """What of the history is in the container (SPEC JF-HIS); raw ids."""

    commits: int
    missing: tuple[bytes, ...] = ()
    prerequisites: tuple[bytes, ...] = ()
    shallow: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """When, with what tool, from where (SPEC JF-PRV); ``time`` in seconds since 1970, ``zone`` in minutes east of UTC.

    ``more`` has the further keys of the map, which is open.
    """

    time: int
    zone: int
    tool: str
    argv: tuple[bytes, ...] = ()
    remotes: tuple[tuple[bytes, bytes], ...] = ()
    more: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """What the manifest says of one block (SPEC JF-BLK); lengths in bytes.

    ``prefix`` is the number of the state block whose raw bytes are the zstd prefix of this one, a history block.
    """

    kind: str
    critical: bool
    length: int
    raw_length: int
    object_bytes: int
    records: int
    sha256: bytes
    prefix: int | None = None


@dataclass(frozen=True)
class Manifest:
    """The whole manifest (SPEC JF-MAN)."""

    state: State
    summary: Summary
    history: History
    provenance: Provenance
    blocks: tuple[Block, ...] = ()
    ignored: tuple[bytes, ...] = ()
    requires: tuple[str, ...] = ()
    environment: Mapping[str, Value] = field(default_factory=dict)
    extensions: Mapping[str, Value] = field(default_factory=dict)
