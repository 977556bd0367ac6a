"""The state of a repository and of those inside it, their objects collected (SPEC JF-STA, JF-IDX, JF-WRK, JF-SUB)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

from jellyformat.capture import notebook, watch
from jellyformat.capture.leaves import LeafStore, expand_sparse, head_leaves, index_leaves, index_of
from jellyformat.capture.options import Budget, Options, Scan, matches
from jellyformat.capture.roots import names_of
from jellyformat.capture.said import Volume
from jellyformat.capture.stats import stats_of
from jellyformat.capture.unchanged import Unchanged
from jellyformat.capture.withhold import Withholder
from jellyformat.capture.without_git import FilesAlone
from jellyformat.capture.worktree import Scanner
from jellyformat.errors import JellyError
from jellyformat.format import limits
from jellyformat.format.collect import Collector
from jellyformat.format.model import Nested, Omitted, Root, State, Worktree
from jellyformat.format.objects import GITLINK, Leaf
from jellyformat.format.paths import check_length, check_path
from jellyformat.format.summary import Flat
from jellyformat.git.index import IndexEntry
from jellyformat.git.index import IndexFile as GitIndex
from jellyformat.git.layout import Layout
from jellyformat.git.objects import MissingObject
from jellyformat.git.repository import Repository

if TYPE_CHECKING:
    from jellyformat.capture.capture import Settings


def _globs(texts: Iterable[str]) -> tuple[bytes, ...]:
    """Globs as shells complete and people write them: ``./dir/`` is ``dir``, and ``**/x`` also an ``x`` at the top."""
    found: list[bytes] = []
    for text in texts:
        glob = re.sub(rb"\A(\./+)+", b"", os.fsencode(text))
        glob = glob.rstrip(b"/") or glob
        while glob.startswith(b"**/"):
            found.append(glob)
            glob = glob[3:]
        found.append(glob)
    return tuple(found)


class UnreadableInside(Exception):
    """A repository inside another turned out to be unreadable when some of it was collected already."""

    def __init__(self, prefix: bytes) -> None:
        super().__init__(prefix)
        self.prefix = prefix


class Capturing:
    """One capture: a repository and those inside it, their objects in one collector.

    Args:
        settings: How to capture.
        collector: Where their objects go.
        unreadable: The prefixes of repositories inside that were found to be unreadable.
    """

    def __init__(self, settings: Settings, collector: Collector, unreadable: Set[bytes] = frozenset()) -> None:
        self.settings = settings
        self.collector = collector
        self._unreadable = unreadable
        self.notebook = notebook.current()
        self.ignored: list[bytes] = []
        self.volume = Volume()
        self.filtered_out: list[bytes] = []
        self.worktrees: set[bytes] = set()
        self._flats: dict[int, tuple[State, Flat]] = {}
        allowed = settings.oversize == "allow"
        size = limits.TOTAL_OBJECT_BYTES if allowed else settings.max_size
        budget = Budget(size, size)
        self._options = Options(
            include=_globs(settings.include),
            exclude=_globs(settings.exclude),
            max_file_size=limits.OBJECT_BYTES if allowed else settings.max_file_size,
            budget=budget,
            by_kind=True,
            wanted=frozenset(() if self.notebook is None else (self.notebook,)),
            carriers=frozenset(os.fsencode(os.path.realpath(path)) for path in settings.carriers),
        )
        self.withholder = Withholder(settings.secrets, settings.oversize, settings.max_file_size, budget, collector)

    def flat_of(self, state: State) -> Flat:
        """The trees of a state captured before."""
        return self._flats[id(state)][1]

    def whole_state(self, repository: Repository, roots: Sequence[Repository]) -> State:
        """The state of the outermost repository, with further ones as its roots."""
        state = self.state_of(repository, b"", 0)
        if not roots:
            return state
        flat = self.flat_of(state)
        found = [
            Root(name, self.state_of(root, name + b"/", 1))
            for name, root in zip(names_of(roots, state, flat), roots, strict=True)
        ]
        whole = replace(state, roots=tuple(sorted(found, key=lambda root: root.name)))
        self._flats[id(whole)] = whole, flat
        return whole

    def state_of(self, repository: Repository, prefix: bytes, depth: int) -> State:
        """The state of one repository, ``prefix`` being its place in the outermost."""
        watch.step("to read HEAD and the index")
        head, operation = repository.head(), repository.operation()
        heads = ([] if head.commit is None else [head.commit]) + list(operation.heads if operation else ())
        git_index, index_time = repository.index() or (GitIndex(2, ()), 0)
        entries = expand_sparse(repository, git_index.entries)
        bare = repository.layout.worktree is None
        if repository.layout.worktree is not None:
            self.worktrees.add(repository.layout.worktree)
        proved = self._commits(repository, heads, entries, index_time)
        scan = Scan()
        watch.step("to read the files")
        if not bare:
            scan = Scanner(
                repository, {entry.path: entry for entry in entries}, index_time, self._options, proved
            ).scan()
            entries = _present(repository, entries, scan)
        self.ignored += [prefix + path for path in scan.ignored]
        self.filtered_out += [prefix + item.path for item in scan.omitted if item.reason == "filter"]

        watch.step("to look for secrets, and read HEAD")
        self.collector.found(scan.contents)
        committed = {} if head.commit is None else head_leaves(repository, head.commit)
        staged: tuple[Omitted, ...] = ()
        if not bare:
            self.withholder.worktree(repository, scan, committed, prefix)
            entries, staged = self.withholder.index(
                repository, entries, committed, prefix, lambda path: matches(path, self._options.exclude)
            )
        nested = self._nested(repository, scan, prefix, depth)
        watch.step("to compress")
        _check_paths(committed, entries)
        flat = Flat(head=committed, index={} if bare else index_leaves(entries), worktree=scan.leaves)
        index = worktree = None
        if not bare:
            self.volume.add(prefix, self._new(repository, scan), {entry.path: None for entry in entries})
            store = LeafStore(repository, self.collector, scan.contents)
            if not isinstance(repository, FilesAlone):
                index = replace(index_of(entries, store.add(flat.index, flat.head)), omitted=staged)
                for conflict in index.conflicts:
                    store.add_stages(conflict)
            worktree = Worktree(
                tree=store.add(flat.worktree, flat.index, flat.head),
                converted=tuple(scan.converted),
                empty_directories=tuple(scan.empty_directories),
                filtered=tuple(scan.filtered),
                omitted=tuple(sorted(scan.omitted, key=lambda item: item.path)),
            )
        watch.step("to read and compress the history")
        self.collector.history(repository, heads, self.settings.depth())
        state = State(repository.object_format, head, index, worktree, operation, nested)
        self._flats[id(state)] = state, flat
        return state

    def _commits(
        self, repository: Repository, heads: Iterable[bytes], entries: Iterable[IndexEntry], index_time: int
    ) -> Set[bytes]:
        """Collect commits (raw ids) with their trees; the paths of the files that this proved to be unchanged."""
        if repository.layout.worktree is None:
            for oid in heads:
                self.collector.commit(repository, oid)
            return frozenset()
        with Unchanged(repository, entries, stats_of(repository, index_time)) as unchanged:
            for oid in heads:
                self.collector.commit(unchanged, oid)
        return unchanged.proved

    def _new(self, repository: Repository, scan: Scan) -> dict[bytes, int]:
        """The files that HEAD has not, each with its bytes."""
        new: dict[bytes, int] = {}
        for path, leaf in scan.leaves.items():
            if leaf.mode != GITLINK and leaf.oid not in self.collector.kept:
                content = scan.contents.get(leaf.oid)
                new[path] = (repository.size(leaf.oid) or 0) if content is None else len(content)
        return new

    def _nested(self, repository: Repository, scan: Scan, prefix: bytes, depth: int) -> tuple[Nested, ...]:
        """The repositories inside this one; their entries are put into the worktree's leaves."""
        found: list[Nested] = []
        for path, layout in sorted(scan.nested.items()):
            state = self._nested_state(repository, layout, prefix + path + b"/", depth + 1)
            if state is None:
                scan.omitted.append(Omitted(path, "unreadable"))
                continue
            found.append(Nested(path, state))
            if state.head.commit is not None:
                scan.leaves[path] = Leaf(GITLINK, state.head.commit)
        return tuple(found)

    def _nested_state(self, repository: Repository, layout: Layout, prefix: bytes, depth: int) -> State | None:
        """The state of a repository inside another; None where it cannot be read."""
        if depth > limits.NESTED_STATES or prefix in self._unreadable:
            return None
        before = self.collector.collected
        try:
            inner = Repository(layout)
            if inner.object_format != repository.object_format:
                return None
            return self.state_of(inner, prefix, depth)
        except (JellyError, OSError, MissingObject) as error:
            if self.collector.collected != before:  # nothing would reach these objects (JF-REC-008)
                raise UnreadableInside(prefix) from error
            return None


def _check_paths(committed: Mapping[bytes, Leaf], entries: list[IndexEntry]) -> None:
    """Check that a container can hold the paths of HEAD and of the index; names in HEAD's trees were checked before.

    Raises:
        FormatError: one is too long or unsafe.
    """
    for path in committed:
        if len(path) >= limits.PATH_COMPONENTS:
            check_length(path, path.count(b"/") + 1)
    for entry in entries:
        if entry.path not in committed:
            check_path(entry.path)


def _present(repository: Repository, entries: list[IndexEntry], scan: Scan) -> list[IndexEntry]:
    """Entries of the index, those outside of a sparse checkout that are there all the same being like others.

    git does this whenever it reads an index, so that their changes are seen.
    """
    settings = repository.settings
    if not settings.boolean("core.sparsecheckout", default=False) or settings.boolean(
        "sparse.expectfilesoutsideofpatterns", default=False
    ):
        return entries
    there = scan.leaves.keys() | {item.path for item in scan.omitted}
    return [entry._replace(skip_worktree=entry.skip_worktree and entry.path not in there) for entry in entries]
