"""The state that is left as a container, thin where its commits stay in the repository (SPEC JF-HIS-002)."""

from __future__ import annotations

import time

from jellyformat.capture.leaves import LeafStore as LeafStore
from jellyformat.capture.leaves import head_leaves, index_leaves, index_of
from jellyformat.checkout.current import Present, PresentRepository
from jellyformat.format import blocks, summary
from jellyformat.format.collect import Collector
from jellyformat.format.model import Manifest, Nested, Omitted, Provenance, State, Worktree
from jellyformat.format.objects import DIRECTORY as DIRECTORY_MODE
from jellyformat.format.objects import GITLINK, Leaf, parse_commit, parse_tree
from jellyformat.format.summary import Flat
from jellyformat.git.repository import Repository
from jellyformat.version import __version__


class _Thin(Collector):
    """Leaves out what HEAD reaches: it is in the repository, and a ref of ours keeps it there."""

    def __init__(self, oid_length: int, prerequisites: set[bytes]) -> None:
        super().__init__(oid_length)
        self.prerequisites = prerequisites

    def known(self, repository: Repository, commit: bytes) -> None:
        """Note everything the commit reaches as there already."""
        content = repository.read(commit)[1]
        self.kept[commit] = (1, len(content))
        stack = [parse_commit(content, self.oid_length).tree]
        while stack:
            oid = stack.pop()
            if oid in self.kept:
                continue
            try:
                content = repository.read(oid)[1]
            except KeyError:  # of HEAD it is needed, which is found, and said, when the state is read
                self.missing.add(oid)
                continue
            self.kept[oid] = (2, len(content))
            for entry in parse_tree(content, self.oid_length, strict=False):
                if entry.mode == DIRECTORY_MODE:
                    stack.append(entry.oid)
                elif entry.mode != GITLINK and entry.oid not in self.kept:
                    size = repository.size(entry.oid)
                    if size is None:
                        self.missing.add(entry.oid)
                    else:
                        self.kept[entry.oid] = (3, size)


def make_container(present: Present, whole: frozenset[bytes], given: set[bytes]) -> tuple[bytes, frozenset[bytes]]:
    """The present state as a container, thin where HEAD's commit stays in the repository.

    Args:
        present: The state.
        whole: Commits that will not be kept in the repository: they go into the container,
        given: and so do those of these that they reach.

    Returns:
        The container, and the ids of the blobs it has or its prerequisites keep.
    """
    outer = present.outer
    prerequisites: set[bytes] = set()
    collector = _Thin(outer.repository.oid_length, prerequisites)
    for oid in heads_of(outer):  # repositories inside may go, and their objects with them
        if oid not in whole and outer.repository.size(oid) is not None:
            prerequisites.add(oid)
            collector.known(outer.repository, oid)
    _commits(outer, collector, whole, given)
    state = _state(present, outer, collector)
    flats = {id(part.state): part.flat for part in present.repositories.values()}
    history, written = collector.finish()
    history = type(history)(history.commits, history.missing, tuple(sorted(prerequisites)), history.shallow)
    commit = None if state.head.commit is None else outer.repository.read(state.head.commit)[1]
    parts = Manifest(
        state=state,
        summary=summary.derive(state, commit, lambda item: flats[id(item)], collector.size_of),
        history=history,
        provenance=Provenance(int(time.time()), 0, f"jellyformat {__version__}"),
        ignored=tuple(sorted(set(present.ignored))),
    )
    least = summary.least_length(state, lambda item: flats[id(item)])
    return blocks.assemble(parts, written, least), frozenset(collector.kept)


def _commits(part: PresentRepository, collector: Collector, whole: frozenset[bytes], given: set[bytes]) -> None:
    """Put commits into the container, and those before them that came with the same snapshot."""
    stack = [oid for oid in heads_of(part) if oid in whole]
    while stack:
        oid = stack.pop()
        if oid not in collector.parents and part.repository.size(oid) is not None:
            collector.commit(part.repository, oid)
            collector.found(part.scan.contents)
            stack += [parent for parent in collector.parents[oid] if parent in given]


def heads_of(part: PresentRepository) -> list[bytes]:
    """HEAD and the commits that are being merged or the like, raw ids."""
    heads = [] if part.head.commit is None else [part.head.commit]
    return heads + list(part.operation.heads if part.operation else ())


def _state(present: Present, part: PresentRepository, collector: Collector) -> State:
    repository, scan = part.repository, part.scan
    nested = []
    leaves = dict(scan.leaves)
    omitted = list(scan.omitted)
    for path in sorted(scan.nested):
        inner = present.repositories.get(part.prefix + path + b"/")
        if inner is None:
            omitted.append(Omitted(path, "unreadable"))
            continue
        state = _state(present, inner, collector)
        nested.append(Nested(path, state))
        if state.head.commit is not None:
            leaves[path] = Leaf(GITLINK, state.head.commit)
    for oid in heads_of(part):
        collector.commit(repository, oid)
    collector.found(scan.contents)
    part.flat = Flat(
        head={} if part.head.commit is None else head_leaves(repository, part.head.commit),
        index=index_leaves(part.entries),
        worktree=leaves,
    )
    store = LeafStore(repository, collector, scan.contents)
    index = index_of(part.entries, store.add(part.flat.index, part.flat.head))
    for conflict in index.conflicts:
        store.add_stages(conflict)
    worktree = Worktree(
        tree=store.add(leaves, part.flat.index, part.flat.head),
        converted=tuple(scan.converted),
        empty_directories=tuple(scan.empty_directories),
        filtered=tuple(scan.filtered),
        omitted=tuple(sorted(omitted, key=lambda item: item.path)),
    )
    part.state = State(repository.object_format, part.head, index, worktree, part.operation, tuple(nested))
    return part.state
