"""The present state of a repository and those inside it: what a restore starts from and what undo gives back."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from jellyformat import blocks, limits, summary
from jellyformat.collect import Collector
from jellyformat.errors import JellyError, RefusedRepository
from jellyformat.gitindex import Entry
from jellyformat.gitindex import Index as GitIndex
from jellyformat.ignore import Ignore
from jellyformat.leaves import Store as LeafStore
from jellyformat.leaves import expand_sparse, head_leaves, index_leaves, index_of
from jellyformat.model import Head, Manifest, Nested, Omitted, Operation, Provenance, State, Worktree
from jellyformat.objects import BLOB, GITLINK, Leaf, blob_hasher, object_id, parse_commit, parse_tree
from jellyformat.objects import DIRECTORY as DIRECTORY_MODE
from jellyformat.repository import Layout, Repository
from jellyformat.source import CHUNK
from jellyformat.summary import Flat
from jellyformat.version import __version__
from jellyformat.worktree import Options, Scan, Scanner

_FILE_BYTES = 16 * limits.MIB
_ALL_BYTES = 256 * limits.MIB
"""Larger files, and more, are not copied into the store's container; they are moved into the store where they go."""
_STAYS = frozenset(("special", "name"))
"""What git does not see either, or what we never touch."""

MANAGED = (
    b"MERGE_HEAD", b"MERGE_MSG", b"MERGE_MODE", b"MERGE_RR", b"MERGE_AUTOSTASH", b"AUTO_MERGE", b"SQUASH_MSG",
    b"CHERRY_PICK_HEAD", b"REVERT_HEAD", b"REBASE_HEAD", b"ORIG_HEAD", b"rebase-merge", b"rebase-apply", b"sequencer",
    b"BISECT_LOG", b"BISECT_START", b"BISECT_TERMS", b"BISECT_NAMES", b"BISECT_RUN", b"BISECT_EXPECTED_REV",
    b"BISECT_ANCESTORS_OK", b"BISECT_HEAD", b"BISECT_FIRST_PARENT", b"index", b"HEAD",
)  # fmt: skip
"""Names in a git directory that are part of a state, in the order they are changed: HEAD last."""


@dataclass(frozen=True)
class Raw:
    """A file (``data``) or directory (``children``) of a git directory, as it is.

    ``mtime`` (nanoseconds) is that of an index alone: files as young are not taken for unmodified.
    """

    mode: int
    data: bytes | None = None
    children: tuple[tuple[bytes, Raw], ...] = ()
    mtime: int | None = None


@dataclass
class PresentRepository:
    """One repository: the outermost has the prefix ``b""``, others their path and ``/``."""

    prefix: bytes
    repository: Repository
    entries: list[Entry]
    head: Head
    operation: Operation | None
    scan: Scan
    raw: dict[bytes, Raw]
    shared: dict[bytes, bytes]
    """Shared index files that a split index needs."""
    state: State | None = None
    flat: Flat = field(default_factory=Flat)


@dataclass
class Present:
    """What is there.

    Attributes:
        root: The worktree's path.
        repositories: By prefix.
        files: Stat data and leaf (None: not known) of every file and link that git sees, by whole path.
        directories: Stat data of every directory walked, by whole path.
        ignored: Whole paths that git ignores; those of whole directories end in ``/``.
        stays: Whole paths that are not touched unless something has to be put there.
        linked: Whole paths of other worktrees of the same repository.
        opaque: Whole paths of directories that were not looked into: repositories of a kind not known here.
    """

    root: bytes
    repositories: dict[bytes, PresentRepository] = field(default_factory=dict)
    files: dict[bytes, tuple[os.stat_result, Leaf | None]] = field(default_factory=dict)
    directories: dict[bytes, os.stat_result] = field(default_factory=dict)
    ignored: list[bytes] = field(default_factory=list)
    stays: set[bytes] = field(default_factory=set)
    linked: list[bytes] = field(default_factory=list)
    opaque: set[bytes] = field(default_factory=set)

    @property
    def outer(self) -> PresentRepository:
        """The outermost repository."""
        return self.repositories[b""]

    def path(self, path: bytes) -> bytes:
        """The absolute path."""
        return self.root + b"/" + path if path else self.root

    def repository_of(self, path: bytes) -> PresentRepository:
        """The innermost repository that a path is in."""
        directory = path
        while directory:
            directory = directory.rpartition(b"/")[0]
            found = self.repositories.get(directory + b"/" if directory else b"")
            if found is not None:
                return found
        return self.outer

    def oid_of(self, path: bytes, size: int) -> bytes | None:
        """The raw blob id of a file or link at ``path`` if it has ``size`` bytes; None where it differs."""
        known = self.files.get(path)
        if known is not None and known[1] is not None:
            return known[1].oid
        return hash_path(self.path(path), size, self.outer.repository.object_format)


def hash_path(full: bytes, size: int, object_format: str) -> bytes | None:
    """The raw blob id of a file or link of ``size`` bytes; None where it has another size or cannot be read."""
    try:
        found = os.lstat(full)
        if found.st_size != size:
            return None
        if stat.S_ISLNK(found.st_mode):
            return object_id(BLOB, os.readlink(full), object_format)
        hasher = blob_hasher(size, object_format)
        with open(os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
            while part := file.read(CHUNK):
                hasher.update(part)
    except OSError:
        return None
    return hasher.digest()


def read_raw(git_dir: bytes) -> dict[bytes, Raw]:
    """What of a git directory is part of a state.

    Raises:
        RefusedRepository: one of these is a symbolic link.
        OSError: one cannot be read.
    """
    found: dict[bytes, Raw] = {}
    there = set(os.listdir(git_dir))
    for name in MANAGED:
        raw = _raw(git_dir + b"/" + name) if name in there else None
        if raw is not None:
            found[name] = raw
    return found


def _raw(path: bytes) -> Raw | None:
    try:
        seen = os.lstat(path)
    except FileNotFoundError:
        return None
    mode = stat.S_IMODE(seen.st_mode)
    if stat.S_ISDIR(seen.st_mode):
        inner = [(name, _raw(path + b"/" + name)) for name in sorted(os.listdir(path))]
        return Raw(mode, None, tuple((name, raw) for name, raw in inner if raw is not None))
    if not stat.S_ISREG(seen.st_mode):
        raise RefusedRepository(
            f"{os.fsdecode(path)} is no regular file, so it cannot be kept for undo",
            hint="nothing was changed; `git status` in that repository says more",
        )
    with open(path, "rb") as file:
        return Raw(mode, file.read(), mtime=seen.st_mtime_ns if path.endswith(b"/index") else None)


def is_ignored(ignore: Ignore, path: bytes) -> bool:
    """Whether git ignores an untracked path, or a directory above it; directories end in ``/``."""
    parts = path.rstrip(b"/").split(b"/")
    for number in range(1, len(parts)):
        if ignore.matches(b"/".join(parts[:number]), directory=True):
            return True
    return ignore.matches(path.rstrip(b"/"), directory=path.endswith(b"/"))


def look(layout: Layout, hidden: Iterable[bytes] = ()) -> Present:
    """Everything there is.

    Args:
        layout: The repository.
        hidden: Paths of files that are looked at though git ignores them.

    Raises:
        RefusedRepository: it is bare, or cannot be read.
    """
    if layout.worktree is None:
        raise RefusedRepository(
            f"{os.fsdecode(layout.git_dir)} is a bare repository, which has no files to restore",
            hint="nothing was changed; name a directory that does not exist, and it is made",
        )
    present = Present(layout.worktree)
    present.directories[b""] = os.lstat(layout.worktree)
    wanted = frozenset(present.path(path) for path in hidden)
    options = Options(max_file_size=_FILE_BYTES, max_size=_ALL_BYTES, wanted=wanted)
    _look(present, Repository(layout), b"", 0, options)
    return present


def _look(present: Present, repository: Repository, prefix: bytes, depth: int, options: Options) -> None:
    worktree = repository.layout.worktree
    assert worktree is not None
    git_index, index_time = repository.index() or (GitIndex(2, ()), 0)
    entries = expand_sparse(repository, git_index.entries)
    scan = Scanner(repository, {entry.path: entry for entry in entries}, index_time, options).scan()
    shared = {}
    if git_index.shared is not None:
        name = b"sharedindex." + git_index.shared.hex().encode()
        with open(repository.layout.git_dir + b"/" + name, "rb") as file:
            shared[name] = file.read()
    present.repositories[prefix] = PresentRepository(
        prefix, repository, entries, repository.head(), repository.operation(), scan,
        read_raw(repository.layout.git_dir), shared,
    )  # fmt: skip
    present.ignored += [prefix + path for path in scan.ignored]
    for path in scan.empty_directories:
        _add_directories(present, prefix + path)
    for path, leaf in scan.leaves.items():
        if leaf.mode == GITLINK:
            _add_directories(present, prefix + path)
        else:
            _add_file(present, prefix + path, leaf)
    for item in scan.omitted:
        _add_omitted(present, prefix + item.path, item)
    for path, layout in sorted(scan.nested.items()):
        _nested(present, repository, layout, prefix + path, depth + 1, options)


def _nested(present: Present, outer: Repository, layout: Layout, path: bytes, depth: int, options: Options) -> None:
    if os.path.realpath(layout.common_dir) == os.path.realpath(outer.layout.common_dir):
        present.ignored.append(path + b"/")  # another worktree of the same repository: not ours to move
        present.linked.append(path)
        _add_directories(present, path.rpartition(b"/")[0])
        return
    inner: Repository | None = None
    if depth <= limits.NESTED_STATES:
        try:
            inner = Repository(layout)
        except JellyError:
            inner = None
    if inner is None or inner.object_format != outer.object_format or not _is_inside(present, path, layout):
        present.opaque.add(path)
        _add_directories(present, path)
        return
    _add_directories(present, path)
    _look(present, inner, path + b"/", depth, options)


def _is_inside(present: Present, path: bytes, layout: Layout) -> bool:
    """Whether a nested repository's git directory is where git puts it; any other belongs to somebody else."""
    git_dir = os.path.realpath(layout.git_dir)
    homes = (present.path(path) + b"/.git", present.outer.repository.layout.common_dir + b"/modules")
    return any(git_dir == home or git_dir.startswith(home + b"/") for home in map(os.path.realpath, homes))


def _add_directories(present: Present, path: bytes) -> None:
    while path and path not in present.directories:
        present.directories[path] = os.lstat(present.path(path))
        path = path.rpartition(b"/")[0]


def _add_file(present: Present, path: bytes, leaf: Leaf | None) -> None:
    try:
        present.files[path] = os.lstat(present.path(path)), leaf
    except FileNotFoundError:
        return
    _add_directories(present, path.rpartition(b"/")[0])


def _add_omitted(present: Present, path: bytes, item: Omitted) -> None:
    if item.path == b".":
        path = path.removesuffix(b".").removesuffix(b"/")
    try:
        found = os.lstat(present.path(path))
    except OSError:
        return
    _add_directories(present, path.rpartition(b"/")[0])
    if item.reason in _STAYS or stat.S_ISDIR(found.st_mode):
        present.stays.add(path)
    else:
        present.files[path] = found, None


# -- the present state as a container ------------------------------------------------------------------------------


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
    return blocks.assemble(parts, written), frozenset(collector.kept)


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
