"""Capture: the exact state of a repository into a container, writing nothing and running nothing (SPEC section 8)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from jellyformat import blocks, limits, summary
from jellyformat.collect import Collector
from jellyformat.environment import collect_environment, provenance
from jellyformat.errors import Busy, JellyError, RefusedSize, Usage
from jellyformat.gitindex import Entry
from jellyformat.gitindex import Index as GitIndex
from jellyformat.leaves import Store, expand_sparse, head_leaves, index_leaves, index_of
from jellyformat.model import Manifest, Nested, Omitted, State, Worktree
from jellyformat.objects import GITLINK, Leaf
from jellyformat.paths import show_name
from jellyformat.repository import Layout, Repository, find, layout_at
from jellyformat.summary import Flat
from jellyformat.worktree import Options, Scan, Scanner

_TRIES = 3
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
        oversize: ``refuse`` the capture, or ``omit`` what is over a size, listing it.
        environment: Whether interpreter, packages and command line are noted.
    """

    history: str | int = "head"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_file_size: int = MAX_FILE_SIZE
    max_size: int = MAX_SIZE
    oversize: str = "refuse"
    environment: bool = True

    def __post_init__(self) -> None:
        if self.oversize not in ("refuse", "omit"):
            raise Usage(f"oversize is refuse or omit, not {self.oversize!r}")
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
    layout = find(directory)
    started = time.time()
    for _ in range(_TRIES):
        repository = Repository(layout)
        before = repository.fingerprint()
        captured = _capture(repository, settings, started)
        if repository.fingerprint() == before:
            return captured
    raise Busy(
        f"HEAD or the index of {repository.name} kept changing while it was read",
        hint="nothing was changed; wait for the other git command and try again",
    )


def _capture(repository: Repository, settings: Settings, started: float) -> Captured:
    capturing = _Capturing(settings, Collector(repository.oid_length))
    state = capturing.state_of(repository, b"", 0)
    history, written = capturing.collector.finish()
    commit = None if state.head.commit is None else repository.read(state.head.commit)[1]
    parts = Manifest(
        state=state,
        summary=summary.derive(state, commit, capturing.flat_of, capturing.collector.size_of),
        history=history,
        provenance=provenance(repository.remotes(), started, argv=settings.environment),
        ignored=tuple(sorted(capturing.ignored)),
        environment=collect_environment() if settings.environment else {},
    )
    _guard(state, settings)
    return Captured(blocks.assemble(parts, written), parts)


def _guard(state: State, settings: Settings) -> None:
    over: list[Omitted] = []
    for prefix, inner in state.walk():
        if inner.worktree is not None:
            over += [
                Omitted(prefix + item.path, item.reason, item.size)
                for item in inner.worktree.omitted
                if item.reason == "size"
            ]
    if over and settings.oversize == "refuse":
        over.sort(key=lambda item: -(item.size or 0))
        names = ", ".join(f"{show_name(item.path)} ({_megabytes(item.size or 0)})" for item in over[:3])
        more = f" and {len(over) - 3} more" if len(over) > 3 else ""
        largest = over[0].size or 0
        raise RefusedSize(
            f"too large for a snapshot: {names}{more}",
            hint="nothing was changed; leave files out with --exclude GLOB or .gitignore, or raise the limits: "
            f"--max-file-size {largest} (now {settings.max_file_size}) --max-size N (now {settings.max_size})",
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


class _Capturing:
    """One capture: a repository and those inside it, their objects in one collector."""

    def __init__(self, settings: Settings, collector: Collector) -> None:
        self.settings = settings
        self.collector = collector
        self.ignored: list[bytes] = []
        self._flats: dict[int, tuple[State, Flat]] = {}
        self._options = Options(
            include=tuple(os.fsencode(glob) for glob in settings.include),
            exclude=tuple(os.fsencode(glob) for glob in settings.exclude),
            max_file_size=settings.max_file_size,
            max_size=settings.max_size,
        )

    def flat_of(self, state: State) -> Flat:
        """The trees of a state captured before."""
        return self._flats[id(state)][1]

    def state_of(self, repository: Repository, prefix: bytes, depth: int) -> State:
        """The state of one repository, ``prefix`` being its place in the outermost."""
        head, operation = repository.head(), repository.operation()
        git_index, index_time = repository.index() or (GitIndex(2, ()), 0)
        entries = expand_sparse(repository, git_index.entries)
        bare = repository.layout.worktree is None
        scan = Scan()
        if not bare:
            scan = Scanner(repository, {entry.path: entry for entry in entries}, index_time, self._options).scan()
            entries = _present(repository, entries, scan)
        self.ignored += [prefix + path for path in scan.ignored]
        nested = self._nested(repository, scan, prefix, depth)

        heads = ([] if head.commit is None else [head.commit]) + list(operation.heads if operation else ())
        for oid in heads:
            self.collector.commit(repository, oid, scan.contents)
        flat = Flat(
            head={} if head.commit is None else head_leaves(repository, head.commit),
            index={} if bare else index_leaves(entries),
            worktree=scan.leaves,
        )
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
    """Make a git repository of ``directory``: one new directory ``.git``, nothing else is touched.

    Raises:
        Usage: there is a ``.git`` already.
    """
    import pygit2

    path = Path(directory).resolve()
    if layout_at(os.fsencode(path)) is not None:
        return
    if (path / ".git").exists() or (path / ".git").is_symlink():
        raise Usage(f"{path / '.git'} is there and is no repository", hint="nothing was changed; look at it first")
    pygit2.init_repository(str(path))
