"""HEAD, index and worktree as leaves, and what they need put into a container (SPEC JF-IDX and JF-NED)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jellyformat.errors import FormatError, RefusedRepository
from jellyformat.format import limits
from jellyformat.format.collect import Collector
from jellyformat.format.model import Conflict, Index
from jellyformat.format.objects import (
    BLOB,
    DIRECTORY,
    GITLINK,
    TREE,
    Leaf,
    Trees,
    build_trees,
    canonical_mode,
    checked_fields,
    parse_commit,
)
from jellyformat.format.paths import check_length
from jellyformat.git.index import IndexEntry
from jellyformat.git.repository import Repository

_ENTRIES = 2_000_000
_PATH_BYTES = 512 * limits.MIB
"""Bytes of all paths of a tree."""


def head_leaves(repository: Repository, commit: bytes) -> dict[bytes, Leaf]:
    """The leaves of a commit (raw id).

    Raises:
        RefusedRepository: a tree is missing, or there are more, or longer paths, than a snapshot can hold.
    """
    leaves: dict[bytes, Leaf] = {}
    head = parse_commit(repository.read(commit)[1], repository.oid_length)
    _walk(repository, head.tree, b"", leaves)
    return leaves


def _walk(repository: Repository, root: bytes, prefix: bytes, leaves: dict[bytes, Leaf]) -> None:
    """Put the leaves of a tree into ``leaves``: a few small trees, one in another, can stand for any number of them."""
    stack = [(prefix, root)]
    walked = size = 0
    while stack:
        base, oid = stack.pop()
        walked += 1
        _check(repository, base, max(walked, len(leaves)), size)
        try:
            content = repository.read(oid)[1]
        except KeyError as error:
            raise RefusedRepository(
                f"the tree {oid.hex()} is missing in {repository.name}",
                hint="nothing was changed; in a partial clone, `git checkout HEAD` brings what HEAD needs; "
                "else `git fsck` says more",
            ) from error
        for mode, name, entry in checked_fields(content, repository.oid_length):
            if mode == DIRECTORY:
                stack.append((base + name + b"/", entry))
            else:
                leaves[base + name] = Leaf(mode, entry)
                size += len(base) + len(name)


def _check(repository: Repository, path: bytes, count: int, size: int) -> None:
    """Check that a snapshot can hold a path, so many entries, and so many bytes of paths."""
    try:
        check_length(path, path.count(b"/") + 1)
    except FormatError as error:
        raise RefusedRepository(
            f"{repository.name} holds what a snapshot cannot: {error.message}",
            requirement=error.requirement,
            hint="nothing was changed; give that directory a shorter name",
        ) from error
    if count > _ENTRIES or size > _PATH_BYTES:
        raise RefusedRepository(
            f"{repository.name} holds more than {_ENTRIES} files, or too long paths",
            hint="nothing was changed; name a smaller repository",
        )


def expand_sparse(repository: Repository, entries: Iterable[IndexEntry]) -> list[IndexEntry]:
    """Index entries, with the directories of a sparse index replaced by their files.

    Raises:
        RefusedRepository: a tree is missing, or there are more, or longer paths, than a snapshot can hold.
    """
    expanded: list[IndexEntry] = []
    for entry in entries:
        if len(entry.path) >= limits.PATH_COMPONENTS or len(expanded) > _ENTRIES:  # shorter ones are short enough
            _check(repository, entry.path, len(expanded), 0)
        if entry.mode != DIRECTORY:
            expanded.append(entry)
            continue
        leaves: dict[bytes, Leaf] = {}
        _walk(repository, entry.oid, entry.path.rstrip(b"/") + b"/", leaves)
        for path, leaf in sorted(leaves.items()):
            expanded.append(entry._replace(path=path, mode=leaf.mode, oid=leaf.oid, skip_worktree=True))
    return expanded


def index_leaves(entries: Iterable[IndexEntry]) -> dict[bytes, Leaf]:
    """The leaves of the index tree: stage 0, without intent-to-add."""
    return {
        entry.path: Leaf(canonical_mode(entry.mode), entry.oid)
        for entry in entries
        if entry.stage == 0 and not entry.intent_to_add
    }


def index_of(entries: list[IndexEntry], tree: bytes) -> Index:
    """The index of a state: its tree (raw id), and what a tree cannot say."""
    stages: dict[bytes, list[tuple[int, bytes] | None]] = {}
    for entry in entries:
        if entry.stage:
            stage = (canonical_mode(entry.mode), entry.oid)
            stages.setdefault(entry.path, [None, None, None])[entry.stage - 1] = stage
    plain = [entry for entry in entries if entry.stage == 0]
    return Index(
        tree=tree,
        conflicts=tuple(Conflict(path, *found) for path, found in sorted(stages.items())),
        intent_to_add=tuple(sorted((entry.path, canonical_mode(entry.mode)) for entry in plain if entry.intent_to_add)),
        skip_worktree=tuple(sorted(entry.path for entry in plain if entry.skip_worktree)),
        assume_unchanged=tuple(sorted(entry.path for entry in plain if entry.assume_valid)),
    )


class LeafStore:
    """Puts the trees and blobs of index and worktree into a container, as diffs against what is there where smaller.

    Args:
        repository: Where staged blobs are.
        collector: Where they go.
        contents: Blobs that were read from disk, by raw id.
    """

    def __init__(self, repository: Repository, collector: Collector, contents: Mapping[bytes, bytes]) -> None:
        self._repository = repository
        self._collector = collector
        self._contents = contents
        self._built: list[tuple[Mapping[bytes, Leaf], Trees]] = []

    def add(self, leaves: Mapping[bytes, Leaf], *olds: Mapping[bytes, Leaf]) -> bytes:
        """Add what ``leaves`` have beyond ``olds``, which were added or committed; the raw id of the root tree."""
        kept = self._collector.kept
        new = [item for item in leaves.items() if item[1].oid not in kept and item[1].mode != GITLINK]
        for path, leaf in sorted(new):
            if leaf.oid in kept:
                continue
            content = self._content(leaf.oid)
            if content is None:
                self._collector.missing.add(leaf.oid)
                continue
            bases = [old[path].oid for old in olds if path in old and old[path].mode != GITLINK]
            known = [(base, data) for base in bases if (data := self._content(base)) is not None]
            self._collector.change(leaf.oid, BLOB, content, known)
        trees, earlier = self._trees(leaves), [self._trees(old) for old in olds]
        for directory, oid in sorted(trees.directories.items()):
            if oid not in kept:
                bases = [old.directories[directory] for old in earlier if directory in old.directories]
                known = [(base, data) for base in bases if (data := self._content(base)) is not None]
                self._collector.change(oid, TREE, trees.contents[oid], known)
        return trees.root

    def add_stages(self, conflict: Conflict) -> None:
        """Add the blobs of an unmerged path."""
        known: list[tuple[bytes, bytes]] = []
        for stage in conflict.stages:
            if stage is None or stage[0] == GITLINK:
                continue
            content = self._content(stage[1])
            if content is None:
                self._collector.missing.add(stage[1])
                continue
            self._collector.change(stage[1], BLOB, content, known)
            known.append((stage[1], content))

    def _content(self, oid: bytes) -> bytes | None:
        if oid in self._contents:
            return self._contents[oid]
        try:
            return self._repository.read(oid)[1]
        except KeyError:
            return next((trees.contents[oid] for _, trees in self._built if oid in trees.contents), None)

    def _trees(self, leaves: Mapping[bytes, Leaf]) -> Trees:
        for known, trees in self._built:
            if known == leaves:
                return trees
        built = build_trees(leaves, self._repository.object_format)
        self._built.append((leaves, built))
        return built
