"""The objects a snapshot needs, collected from wherever they are into blocks (SPEC JF-HIS and JF-NED)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jellyformat.errors import RefusedRepository
from jellyformat.format import limits, records
from jellyformat.format.blocks import BlockWriter, Written, prefix_of, smallest_record
from jellyformat.format.model import HISTORY, STATE, History
from jellyformat.format.objects import BLOB, COMMIT, DIRECTORY, GITLINK, TREE, checked_fields, parse_commit, tree_fields
from jellyformat.format.records import DiffRecord, ObjectRecord, Record

_PLAIN_VALUES = 3
"""Values of msgpack in the record of a whole object."""
_HELD_BYTES = 128 * limits.MIB
"""Commits and trees of history that are kept until they are written; beyond that they are read again."""


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
        best: Whether they are compressed to the fewest bytes, however long that takes.
        kept: Kind and size in bytes of every object collected, by raw id.
        missing: Raw ids of objects the repository should have and has not.
        parents: The parents of every commit collected.
    """

    oid_length: int
    best: bool = False
    kept: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    missing: set[bytes] = field(default_factory=set)
    parents: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._committed = BlockWriter(STATE, best=self.best)
        self._changed = BlockWriter(STATE, best=self.best)
        self._older: dict[bytes, _Old] = {}
        self._contents: dict[bytes, bytes] = {}
        self._contents_bytes = 0
        self._diff_values = limits.SMALL_VALUES - _PLAIN_VALUES * limits.SMALL_RECORDS
        """Values of msgpack that diffs may have more than whole objects: small readers take so many (JF-LIM-002)."""

    def finish(self) -> tuple[History, list[Written]]:
        """The boundary, and the blocks in their order."""
        state = [*self._committed.close(), *self._changed.close()]
        older = self._write_older(state) if self._older else []
        shallow = {oid for oid, parents in self.parents.items() if any(part not in self.parents for part in parents)}
        history = History(
            commits=len(self.parents),
            missing=tuple(sorted(self.missing - self.kept.keys())),
            shallow=tuple(sorted(shallow)),
        )
        return history, [*state, *older]

    @property
    def collected(self) -> int:
        """How many objects were collected or noted so far."""
        return len(self.kept) + len(self._older) + len(self.missing)

    def size_of(self, oid: bytes) -> int:
        """The size in bytes of an object collected; 0 where it is missing."""
        return self.kept[oid][1] if oid in self.kept else 0

    # -- what is committed -----------------------------------------------------------------------------------------

    def commit(self, repository: Objects, oid: bytes) -> None:
        """A commit of the state and all that its tree reaches.

        Args:
            repository: Where it is.
            oid: Its raw id.

        Raises:
            RefusedRepository: the repository does not have it.
        """
        if oid in self.kept:
            return
        content = _commit(repository, oid)
        head = parse_commit(content, self.oid_length)
        self.parents[oid] = head.parents
        self._add(self._committed, oid, COMMIT, content)
        self.tree(repository, head.tree, self._committed)

    def tree(self, repository: Objects, root: bytes, writer: BlockWriter) -> None:
        """A tree and all that it reaches, in path order: what lies together in the pack is read together."""
        kept, missing = self.kept, self.missing
        stack: list[Iterator[tuple[int, bytes, bytes]]] = [iter(((DIRECTORY, b"", root),))]
        while stack:
            for mode, _, oid in stack[-1]:
                if mode == GITLINK or oid in kept or oid in missing:
                    continue
                kind = TREE if mode == DIRECTORY else BLOB
                content = self._read(repository, oid, kind)
                if content is None:
                    missing.add(oid)
                    continue
                self._add(writer, oid, kind, content)
                if kind == TREE:
                    stack.append(iter(checked_fields(content, self.oid_length)))
                    break
            else:
                stack.pop()

    def found(self, disk: Mapping[bytes, bytes]) -> None:
        """Blobs by raw id that were read from disk: a partial clone may lack them."""
        for oid in sorted(self.missing & disk.keys()):
            self.missing.remove(oid)
            self._add(self._committed, oid, BLOB, disk[oid])

    def _read(self, repository: Objects, oid: bytes, kind: int) -> bytes | None:
        try:
            found, content = repository.read(oid)
        except KeyError:
            size = repository.size(oid)
            if size is not None:
                self._check_size(repository, oid, size)
            return None
        if found != kind:
            raise RefusedRepository(
                f"object {oid.hex()} in {repository.name} is of the wrong kind",
                hint="nothing was changed; `git fsck` says more",
            )
        self._check_size(repository, oid, len(content))
        return content

    @staticmethod
    def _check_size(repository: Objects, oid: bytes, size: int) -> None:
        if size > limits.OBJECT_BYTES:
            raise RefusedRepository(
                f"object {oid.hex()} in {repository.name} has {size} bytes, more than a container can hold",
                hint="nothing was changed; move the file out of git (LFS) to capture the rest",
            )

    def _add(self, writer: BlockWriter, oid: bytes, kind: int, content: bytes) -> None:
        self.kept[oid] = (kind, len(content))
        writer.add_object(kind, content)

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
        record: Record = ObjectRecord(kind, content)
        if self._diff_values > 0:
            record = smallest_record(kind, content, self.oid_length, known)
        if isinstance(record, DiffRecord):
            self._diff_values -= records.values_of(record) - _PLAIN_VALUES
            if self._diff_values < 0:
                record = ObjectRecord(kind, content)
        self._changed.add(record, len(content))

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
                        self._note(repository, parent)
                        older.append(parent)
            generation = older

    def _note(self, repository: Objects, oid: bytes) -> None:
        """Note an old commit and what its tree reaches beyond what was noted: it is written when all is known."""
        if oid in self.parents:
            return
        content = _commit(repository, oid)
        head = parse_commit(content, self.oid_length)
        self.parents[oid] = head.parents
        self._hold(oid, content)
        self._older[oid] = _Old(COMMIT, b"", len(self._older), repository)
        kept, known, missing = self.kept, self._older, self.missing
        stack = [(head.tree, TREE, b"")]
        while stack:
            oid, kind, path = stack.pop()
            if oid in kept or oid in known or oid in missing:
                continue
            if kind == TREE:
                found = self._read(repository, oid, kind)
                if found is None:
                    missing.add(oid)
                    continue
                self._hold(oid, found)
                inside = path + b"/"
                for mode, name, entry in tree_fields(found, self.oid_length):
                    if entry not in known and entry not in kept and mode != GITLINK:
                        stack.append((entry, TREE if mode == DIRECTORY else BLOB, inside + name))
            known[oid] = _Old(kind, path, len(known), repository)

    def _hold(self, oid: bytes, content: bytes) -> None:
        """Keep what was read of history until it is written, as far as memory should go."""
        if self._contents_bytes < _HELD_BYTES:
            self._contents[oid] = content
            self._contents_bytes += len(content)

    def _write_older(self, state: list[Written]) -> list[Written]:
        """The blocks of history: commits, trees, blobs, what had the same path together, the newest first.

        What is alike lies near then, and a pack is read in the order in which its deltas lie.
        """
        writer = BlockWriter(HISTORY, prefix_of(state), best=self.best)
        for oid, old in sorted(self._older.items(), key=lambda item: (item[1].kind, item[1].path, item[1].number)):
            if oid in self.kept:
                continue
            content = self._contents.pop(oid, None)
            if content is None:
                content = self._read(old.repository, oid, old.kind)
            if content is None:
                self.missing.add(oid)
                continue
            self._add(writer, oid, old.kind, content)
        return writer.close()


@dataclass(frozen=True, slots=True)
class _Old:
    """An object of history: its kind, a path at which it was, when it was found, and where it is."""

    kind: int
    path: bytes
    number: int
    repository: Objects


def _commit(repository: Objects, oid: bytes) -> bytes:
    try:
        return repository.read(oid)[1]
    except KeyError as error:
        raise RefusedRepository(
            f"the commit {oid.hex()} is missing in {repository.name}",
            hint="nothing was changed; `git fsck` says more, `git fetch` may bring it back",
        ) from error
