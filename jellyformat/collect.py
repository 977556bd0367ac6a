"""The objects a snapshot needs, read from the repository and packed into blocks (SPEC sections 7.3 and 9.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jellyformat import limits
from jellyformat.blocks import BlockWriter, Written, smallest_record
from jellyformat.container import ObjectRecord
from jellyformat.errors import RefusedRepository
from jellyformat.model import HISTORY, STATE, History
from jellyformat.objects import BLOB, COMMIT, DIRECTORY, GITLINK, TREE, parse_commit, parse_tree


class Objects(Protocol):
    """Where objects come from: a `Repository`, or what has the same."""

    @property
    def name(self) -> str:
        """Its place, for people."""

    def read(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object by raw id. Raises KeyError."""

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object by raw id; None where it is not there."""

    def shallow(self) -> frozenset[bytes]:
        """The commits whose parents are not there."""


@dataclass
class Collector:
    """Collects objects, each once, into state and history blocks.

    Attributes:
        kept: Kind and size in bytes of every object collected, by raw id.
        missing: Raw ids of objects the repository should have and has not.
        parents: The parents of every commit collected.
    """

    oid_length: int
    kept: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    missing: set[bytes] = field(default_factory=set)
    parents: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._committed = BlockWriter(STATE)
        self._changed = BlockWriter(STATE)
        self._older = BlockWriter(HISTORY)

    def finish(self) -> tuple[History, list[Written]]:
        """The boundary, and the blocks in their order."""
        shallow = {oid for oid, parents in self.parents.items() if any(part not in self.parents for part in parents)}
        history = History(
            commits=len(self.parents),
            missing=tuple(sorted(self.missing - self.kept.keys())),
            shallow=tuple(sorted(shallow)),
        )
        return history, [*self._committed.close(), *self._changed.close(), *self._older.close()]

    def size_of(self, oid: bytes) -> int:
        """The size in bytes of an object collected; 0 where it is missing."""
        return self.kept[oid][1] if oid in self.kept else 0

    # -- what is committed -----------------------------------------------------------------------------------------

    def commit(self, repository: Objects, oid: bytes, *, old: bool = False) -> None:
        """A commit and all that its tree reaches.

        Args:
            repository: Where it is.
            oid: Its raw id.
            old: Whether it is history, and not of the state.

        Raises:
            RefusedRepository: the repository does not have it.
        """
        if oid in self.kept:
            return
        writer = self._older if old else self._committed
        try:
            _, content = repository.read(oid)
        except KeyError as error:
            raise RefusedRepository(
                f"the commit {oid.hex()} is missing in {repository.name}",
                hint="nothing was changed; `git fsck` says more, `git fetch` may bring it back",
            ) from error
        head = parse_commit(content, self.oid_length)
        self.parents[oid] = head.parents
        self._add(writer, oid, COMMIT, content)
        self.tree(repository, head.tree, writer)

    def tree(self, repository: Objects, root: bytes, writer: BlockWriter) -> None:
        """A tree and all that it reaches, in path order: what lies together in the pack is read together."""
        stack = [(root, TREE)]
        while stack:
            oid, kind = stack.pop()
            if oid in self.kept or oid in self.missing:
                continue
            content = self._read(repository, oid, kind)
            if content is None:
                self.missing.add(oid)
                continue
            self._add(writer, oid, kind, content)
            if kind == TREE:
                for entry in reversed(parse_tree(content, self.oid_length, strict=False)):
                    if entry.mode != GITLINK:
                        stack.append((entry.oid, TREE if entry.mode == DIRECTORY else BLOB))

    def found(self, disk: Mapping[bytes, bytes]) -> None:
        """Blobs by raw id that were read from disk: a partial clone may lack them."""
        for oid in sorted(self.missing & disk.keys()):
            self.missing.remove(oid)
            self._add(self._committed, oid, BLOB, disk[oid])

    def _read(self, repository: Objects, oid: bytes, kind: int) -> bytes | None:
        try:
            found, content = repository.read(oid)
        except KeyError:
            return None
        if found != kind:
            raise RefusedRepository(
                f"object {oid.hex()} in {repository.name} is of the wrong kind",
                hint="nothing was changed; `git fsck` says more",
            )
        if len(content) > limits.OBJECT_BYTES:
            raise RefusedRepository(
                f"object {oid.hex()} in {repository.name} has {len(content)} bytes, more than a container can hold",
                hint="nothing was changed; move the file out of git (LFS) to capture the rest",
            )
        return content

    def _add(self, writer: BlockWriter, oid: bytes, kind: int, content: bytes) -> None:
        self.kept[oid] = (kind, len(content))
        writer.add(ObjectRecord(kind, content), len(content))

    # -- what is not -------------------------------------------------------------------------------------------------

    def change(self, oid: bytes, kind: int, content: bytes, bases: list[tuple[bytes, bytes]]) -> None:
        """An object that is in no commit here, as a diff where that is smaller.

        Args:
            oid: Its raw id.
            kind: ``TREE`` or ``BLOB``.
            content: Its content.
            bases: Raw ids and contents of objects of the same kind it may have come from.
        """
        if oid in self.kept:
            return
        self.missing.discard(oid)
        known = [(base, data) for base, data in bases if base in self.kept and base != oid]
        self.kept[oid] = (kind, len(content))
        self._changed.add(smallest_record(kind, content, self.oid_length, known), len(content))

    # -- what came before --------------------------------------------------------------------------------------------

    def history(self, repository: Objects, heads: list[bytes], depth: int | None) -> None:
        """The commits before ``heads``.

        Args:
            repository: Where they are.
            heads: Raw ids; already collected.
            depth: How many generations, the heads being the first; None for all that the repository has.
        """
        boundary = repository.shallow()
        generation = list(heads)
        seen = set(heads)
        level = 1
        while generation and (depth is None or level < depth):
            level += 1
            older: list[bytes] = []
            for oid in generation:
                if oid in boundary:
                    continue
                for parent in self.parents[oid]:
                    if parent not in seen:
                        seen.add(parent)
                        if repository.size(parent) is None:
                            continue
                        self.commit(repository, parent, old=True)
                        older.append(parent)
            generation = older
