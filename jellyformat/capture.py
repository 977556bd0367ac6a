"""Capture: the exact state of a repository into a container, writing nothing and running nothing (SPEC section 8)."""

from __future__ import annotations

import gc
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jellyformat import blocks, limits, notebooks, summary
from jellyformat.collect import Collector
from jellyformat.environment import collect_environment, provenance
from jellyformat.errors import Busy, FormatError, JellyError, NoRepository, RefusedRepository, SystemFailure, Usage
from jellyformat.gitindex import Entry
from jellyformat.gitindex import Index as GitIndex
from jellyformat.leaves import Store, expand_sparse, head_leaves, index_leaves, index_of
from jellyformat.model import Manifest, Nested, Omitted, State, Worktree
from jellyformat.objects import GITLINK, Leaf
from jellyformat.paths import check_length, check_path
from jellyformat.repository import Layout, Repository, find, layout_at
from jellyformat.summary import Flat
from jellyformat.withhold import Withholder, check_choice, staged_note
from jellyformat.worktree import Budget, Options, Scan, Scanner, matches

_TRIES = 3
STAGED_OMITTED = "staged_omitted"
"""The extension that lists staged contents that were left out: path, reason, size."""
MAX_FILE_SIZE = 16 * limits.MIB
MAX_SIZE = 256 * limits.MIB


@dataclass(frozen=True)
class Settings:
    """How to capture.

    Attributes:
        history: ``head``, ``full``, or the number of generations of commits, HEAD's being the first.
        include: Globs of ignored files to take all the same.
        exclude: Globs of files to leave out.
        max_file_size: Bytes; of one file that HEAD does not have.
        max_size: Bytes; of all of those.
        oversize: ``refuse`` the capture, ``omit`` what is over a size, listing it, or ``allow`` it.
        secrets: The same for files that seem to hold a secret that HEAD does not have.
        environment: Whether interpreter, packages and command line are noted.
        carriers: Files the snapshot is for: no part of it unless tracked.
    """

    history: str | int = "head"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_file_size: int = MAX_FILE_SIZE
    max_size: int = MAX_SIZE
    oversize: str = "refuse"
    secrets: str = "refuse"
    environment: bool = True
    carriers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("oversize", self.oversize)
        check_choice("secrets", self.secrets)
        self.depth()

    def depth(self) -> int | None:
        """Generations of commits to take; None for all."""
        if self.history in ("head", "full"):
            return 1 if self.history == "head" else None
        try:
            depth = int(self.history)
        except ValueError:
            depth = 0
        if depth < 1:
            raise Usage(f"history is head, full or a number from 1, not {self.history!r}")
        return depth


@dataclass(frozen=True)
class Captured:
    """A container as made by capture, and its manifest without the blocks."""

    data: bytes
    parts: Manifest


def capture(directory: str | os.PathLike[str], settings: Settings) -> Captured:
    """The state of the repository that holds ``directory``.

    Raises:
        NoRepository: there is none.
        Refused: it cannot be captured as it is, or something is over a size limit.
        Busy: it kept changing.
    """
    started = time.time()
    try:
        layout = find(directory)
        with _no_collections():
            return _capture_settled(layout, settings, started)
    except FormatError as error:
        # what a container may not hold, a repository can: names such as .GIT, paths without end
        raise RefusedRepository(
            f"the repository holds what a snapshot cannot: {error.message}",
            requirement=error.requirement,
            hint="nothing was changed; `git fsck` may say more",
        ) from error
    except OSError as error:
        raise SystemFailure(f"the repository cannot be read: {error}", hint="nothing was changed") from error


@contextmanager
def _no_collections() -> Iterator[None]:
    """Python does not look for cycles meanwhile: in a process that has a framework loaded, one look takes as long as
    a capture, and we make none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _capture_settled(layout: Layout, settings: Settings, started: float) -> Captured:
    """Capture until HEAD and index are at the end what they were at the beginning."""
    for _ in range(_TRIES):
        repository = Repository(layout)
        before = repository.fingerprint()
        captured = _capture(repository, settings, started)
        if repository.fingerprint() == before:
            return captured
        name = repository.name
    raise Busy(
        f"HEAD or the index of {name} kept changing while it was read",
        hint="nothing was changed; wait for the other git command and try again",
    )


def _capture(repository: Repository, settings: Settings, started: float) -> Captured:
    capturing = _Capturing(settings, Collector(repository.oid_length))
    state = capturing.state_of(repository, b"", 0)
    capturing.withholder.refuse()
    history, written = capturing.collector.finish()
    commit = None if state.head.commit is None else repository.read(state.head.commit)[1]
    parts = Manifest(
        state=state,
        summary=summary.derive(state, commit, capturing.flat_of, capturing.collector.size_of),
        history=history,
        provenance=provenance(repository.remotes(), started, argv=settings.environment),
        ignored=tuple(sorted(capturing.ignored)),
        extensions={STAGED_OMITTED: [*note]} if (note := staged_note(capturing.withholder.held)) else {},
        environment=collect_environment(capturing.notebook) if settings.environment else {},
    )
    return Captured(blocks.assemble(parts, written), parts)


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


class _Capturing:
    """One capture: a repository and those inside it, their objects in one collector."""

    def __init__(self, settings: Settings, collector: Collector) -> None:
        self.settings = settings
        self.collector = collector
        self.notebook = notebooks.current()
        self.ignored: list[bytes] = []
        self._flats: dict[int, tuple[State, Flat]] = {}
        allowed = settings.oversize == "allow"
        size = limits.TOTAL_OBJECT_BYTES if allowed else settings.max_size
        budget = Budget(size, size)
        self._options = Options(
            include=_globs(settings.include),
            exclude=_globs(settings.exclude),
            max_file_size=limits.OBJECT_BYTES if allowed else settings.max_file_size,
            budget=budget,
            wanted=frozenset(() if self.notebook is None else (self.notebook,)),
            carriers=frozenset(os.fsencode(os.path.realpath(path)) for path in settings.carriers),
        )
        self.withholder = Withholder(settings.secrets, settings.oversize, settings.max_file_size, budget, collector)

    def flat_of(self, state: State) -> Flat:
        """The trees of a state captured before."""
        return self._flats[id(state)][1]

    def state_of(self, repository: Repository, prefix: bytes, depth: int) -> State:
        """The state of one repository, ``prefix`` being its place in the outermost."""
        head, operation = repository.head(), repository.operation()
        heads = ([] if head.commit is None else [head.commit]) + list(operation.heads if operation else ())
        for oid in heads:
            self.collector.commit(repository, oid)
        git_index, index_time = repository.index() or (GitIndex(2, ()), 0)
        entries = expand_sparse(repository, git_index.entries)
        bare = repository.layout.worktree is None
        scan = Scan()
        if not bare:
            scan = Scanner(repository, {entry.path: entry for entry in entries}, index_time, self._options).scan()
            entries = _present(repository, entries, scan)
        self.ignored += [prefix + path for path in scan.ignored]

        self.collector.found(scan.contents)
        committed = {} if head.commit is None else head_leaves(repository, head.commit)
        if not bare:
            self.withholder.worktree(repository, scan, committed, prefix)
            entries = self.withholder.index(
                repository, entries, committed, prefix, lambda path: matches(path, self._options.exclude)
            )
        nested = self._nested(repository, scan, prefix, depth)
        _check_paths(committed, entries)
        flat = Flat(head=committed, index={} if bare else index_leaves(entries), worktree=scan.leaves)
        index = worktree = None
        if not bare:
            store = Store(repository, self.collector, scan.contents)
            index = index_of(entries, store.add(flat.index, flat.head))
            for conflict in index.conflicts:
                store.add_stages(conflict)
            worktree = Worktree(
                tree=store.add(flat.worktree, flat.index, flat.head),
                converted=tuple(scan.converted),
                empty_directories=tuple(scan.empty_directories),
                filtered=tuple(scan.filtered),
                omitted=tuple(sorted(scan.omitted, key=lambda item: item.path)),
            )
        self.collector.history(repository, heads, self.settings.depth())
        state = State(repository.object_format, head, index, worktree, operation, nested)
        self._flats[id(state)] = state, flat
        return state

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
        if depth > limits.NESTED_STATES:
            return None
        try:
            inner = Repository(layout)
            if inner.object_format != repository.object_format:
                return None
            return self.state_of(inner, prefix, depth)
        except (JellyError, OSError):
            return None


def _check_paths(committed: Mapping[bytes, Leaf], entries: list[Entry]) -> None:
    """Check that a container can hold the paths of HEAD and of the index; names in HEAD's trees were checked before.

    Raises:
        FormatError: one is too long or unsafe.
    """
    for path in committed:
        check_length(path, path.count(b"/") + 1)
    for entry in entries:
        if entry.path not in committed:
            check_path(entry.path)


def _present(repository: Repository, entries: list[Entry], scan: Scan) -> list[Entry]:
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


def create_repository(directory: str | os.PathLike[str]) -> None:
    """Make a git repository of ``directory`` where it is in none: one new directory ``.git``, nothing else is touched.

    Raises:
        Usage: there is a ``.git`` already, and it is no repository.
        SystemFailure: it cannot be made.
    """
    path = Path(directory).resolve()
    if os.path.lexists(path / ".git") and layout_at(os.fsencode(path)) is None:
        raise Usage(f"{path / '.git'} is there and is no repository", hint="nothing was changed; look at it first")
    try:
        find(path)
        return
    except NoRepository:
        import pygit2
    try:
        pygit2.init_repository(str(path), flags=pygit2.enums.RepositoryInitFlag.NO_REINIT)
    except (OSError, pygit2.GitError) as error:
        raise SystemFailure(f"no repository can be made at {path}: {error}", hint="nothing was changed") from error
