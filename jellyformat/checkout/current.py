"""The present state of a repository and those inside it: what a restore starts from and what undo gives back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from jellyformat.capture.leaves import LeafStore as LeafStore
from jellyformat.capture.leaves import expand_sparse
from jellyformat.capture.options import Options, Scan
from jellyformat.capture.worktree import Scanner
from jellyformat.errors import JellyError, RefusedRepository
from jellyformat.files.durable import read_regular
from jellyformat.format import limits
from jellyformat.format.model import Head, Omitted, Operation, State
from jellyformat.format.objects import BLOB, GITLINK, Leaf, blob_hasher, object_id
from jellyformat.format.source import CHUNK
from jellyformat.format.summary import Flat
from jellyformat.git import reading
from jellyformat.git.ignore import Ignore
from jellyformat.git.index import BadIndex, IndexEntry
from jellyformat.git.index import IndexFile as GitIndex
from jellyformat.git.layout import Layout, changes_allowed
from jellyformat.git.reading import FOLLOWING
from jellyformat.git.reftable import ROOT_REFS, Stack
from jellyformat.git.repository import Repository

_FILE_BYTES = 16 * limits.MIB
_ALL_BYTES = 256 * limits.MIB
"""Larger files, and more, are not copied into the store's container; they are moved into the store where they go."""
_STATE_FILES, _STATE_DEPTH = 100_000, 8
_STATE_BYTES = 64 * limits.MIB
"""What the files of a merge, rebase or the like may have together; the index besides."""
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
    entries: list[IndexEntry]
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
        stays: Whole paths that are not touched, nor what is below them, unless something has to be put there.
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


def read_raw(git_dir: bytes, stack: Stack | None = None) -> dict[bytes, Raw]:
    """What of a git directory is part of a state; what is a ref in its reftables, as the file that it would be.

    Raises:
        RefusedRepository: one of these is a symbolic link, or there is too much of them.
        OSError: one cannot be read.
    """
    found: dict[bytes, Raw] = {}
    room = _Room(git_dir)
    for name in MANAGED:
        if stack is not None and name in ROOT_REFS:
            text = stack.find(name)
            raw = None if text is None else Raw(0o644, text + b"\n")
        else:
            raw = _raw(git_dir + b"/" + name, room, 0)
        if raw is not None:
            found[name] = raw
    return found


@dataclass
class _Room:
    """What the files of a state in a git directory may have together."""

    git_dir: bytes
    files: int = _STATE_FILES
    bytes: int = _STATE_BYTES

    def take(self, size: int, depth: int) -> None:
        """Count a file or directory. Raises RefusedRepository."""
        self.files -= 1
        self.bytes -= size
        if self.files < 0 or self.bytes < 0 or depth > _STATE_DEPTH:
            raise RefusedRepository(
                f"what git has in {os.fsdecode(self.git_dir)} of a merge, rebase or the like is too much to be kept",
                hint="nothing was changed; `git status` in that repository says what is in progress there",
            )


def _raw(path: bytes, room: _Room, depth: int) -> Raw | None:
    try:
        seen = os.lstat(path)
    except FileNotFoundError:
        return None
    mode = stat.S_IMODE(seen.st_mode)
    index = depth == 0 and path.endswith(b"/index")
    if index and seen.st_size > reading.INDEX:
        raise BadIndex(f"it has {seen.st_size} bytes")
    room.take(0 if index or not stat.S_ISREG(seen.st_mode) else seen.st_size, depth)
    if stat.S_ISDIR(seen.st_mode):
        inner = [(name, _raw(path + b"/" + name, room, depth + 1)) for name in FOLLOWING.names(path)]
        return Raw(mode, None, tuple((name, raw) for name, raw in inner if raw is not None))
    if not stat.S_ISREG(seen.st_mode):
        raise RefusedRepository(
            f"{os.fsdecode(path)} is no regular file, so it cannot be kept for undo",
            hint="nothing was changed; `git status` in that repository says more",
        )
    return Raw(mode, read_regular(path), mtime=seen.st_mtime_ns if path.endswith(b"/index") else None)


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
        name = git_index.shared.hex()
        shared[b"sharedindex." + name.encode()] = repository.shared_index(name)
    present.repositories[prefix] = PresentRepository(
        prefix, repository, entries, repository.head(), repository.operation(), scan,
        read_raw(repository.layout.git_dir, repository.stack() if repository.reftable else None), shared,
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
            inner = Repository(layout) if changes_allowed(layout) else None
        except JellyError:
            inner = None
    if inner is None or inner.object_format != outer.object_format or not _is_inside(present, path, layout):
        present.opaque.add(path)
        _add_directories(present, path)
        return
    _add_directories(present, path)
    _look(present, inner, path + b"/", depth, options)


def _is_inside(present: Present, path: bytes, layout: Layout) -> bool:
    """Whether a nested repository's directories are where git puts them; any other belong to somebody else."""
    own = os.path.realpath(present.path(path)) + b"/.git"  # as a link, it leads elsewhere
    modules = os.path.realpath(present.outer.repository.layout.common_dir) + b"/modules/"
    places = [os.path.realpath(place) for place in (layout.git_dir, layout.common_dir)]
    return all(place == own for place in places) or all(place.startswith(modules) for place in places)


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
        path = path.removesuffix(b".")
    path = path.removesuffix(b"/")
    try:
        found = os.lstat(present.path(path))
    except OSError:
        return
    _add_directories(present, path.rpartition(b"/")[0])
    if item.reason in _STAYS or stat.S_ISDIR(found.st_mode):
        present.stays.add(path)
    else:
        present.files[path] = found, None
