"""The files on disk, read as they are (SPEC section 8.2): nothing is written, no filter runs."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from jellyformat import limits
from jellyformat.carriers import content_carries, file_carries, is_carried
from jellyformat.convert import Converter
from jellyformat.gitindex import Entry
from jellyformat.model import Omitted
from jellyformat.objects import BLOB, EXECUTABLE, GITLINK, REGULAR, SYMLINK, Leaf, blob_hasher, object_id
from jellyformat.paths import is_unsafe
from jellyformat.repository import Layout, Repository, layout_at
from jellyformat.source import CHUNK
from jellyformat.trees import directories_of

_TRIES = 3
_TICK = 20_000_000
"""Nanoseconds after which a file that is written again has another modification time, on any system."""


@dataclass
class Budget:
    """Bytes that new files may have together: how many at first, and how many are left."""

    size: int
    left: int


@dataclass(frozen=True)
class Options:
    """What of the worktree is taken; globs match whole paths, names, or any directory above, as bytes.

    Attributes:
        include: Ignored files to take all the same.
        exclude: Files to leave out.
        max_file_size: Bytes; a larger file is left out unless the index has the same content.
        max_size: Bytes; of all files that are new or changed, together.
        budget: The same, shared by several scanners.
        carriers: Absolute paths of files that the snapshot is for, and so no part of it unless tracked.
        wanted: Absolute paths of files to take though git ignores them.
    """

    include: tuple[bytes, ...] = ()
    exclude: tuple[bytes, ...] = ()
    max_file_size: int = limits.OBJECT_BYTES
    max_size: int = limits.TOTAL_OBJECT_BYTES
    budget: Budget | None = None
    carriers: frozenset[bytes] = frozenset()
    wanted: frozenset[bytes] = frozenset()


@dataclass
class Scan:
    """What was found on disk; paths relative to the root of the repository."""

    leaves: dict[bytes, Leaf] = field(default_factory=dict)
    contents: dict[bytes, bytes] = field(default_factory=dict)
    """Blobs that were read from disk, by raw id."""
    converted: list[bytes] = field(default_factory=list)
    filtered: list[bytes] = field(default_factory=list)
    omitted: list[Omitted] = field(default_factory=list)
    ignored: list[bytes] = field(default_factory=list)
    empty_directories: list[bytes] = field(default_factory=list)
    nested: dict[bytes, Layout] = field(default_factory=dict)
    """Repositories inside this one, by path; their entries are not in ``leaves`` yet."""


def matches(path: bytes, globs: tuple[bytes, ...]) -> bool:
    """Whether ``path``, or a directory above it, matches one of ``globs``; with ``/`` in front only from the top."""
    while path:
        name = path.rpartition(b"/")[2]
        if any(fnmatchcase(path, glob) or fnmatchcase(name, glob) or fnmatchcase(b"/" + path, glob) for glob in globs):
            return True
        path = path.rpartition(b"/")[0]
    return False


class Scanner:
    """Walks the worktree of one repository.

    Args:
        repository: The repository; not a bare one.
        entries: Its index entries, by path; of a conflict any one stage.
        index_time: Modification time of the index in nanoseconds: entries as young are not trusted.
        options: What to take.
    """

    def __init__(
        self, repository: Repository, entries: Mapping[bytes, Entry], index_time: int, options: Options
    ) -> None:
        assert repository.layout.worktree is not None
        self._root = repository.layout.worktree
        self._repository = repository
        self._entries = entries
        self._index_time = index_time
        self._options = options
        self._ignore, attributes = repository.rules(entries)
        self._converter = Converter(repository, attributes)
        self._file_mode = repository.settings.boolean("core.filemode", default=True)
        self._symlinks = repository.settings.boolean("core.symlinks", default=True)
        self._budget = options.budget or Budget(options.max_size, options.max_size)
        self._tracked_directories: set[bytes] = set()
        for path in entries:
            directory = path.rpartition(b"/")[0]
            while directory and directory not in self._tracked_directories:
                self._tracked_directories.add(directory)
                directory = directory.rpartition(b"/")[0]
        self._entered: list[bytes] = []
        self._carrying: dict[bytes, str | None] = {}
        self.result = Scan()

    def scan(self) -> Scan:
        """Everything on disk."""
        stack: list[tuple[bytes, bool]] = [(b"", False)]
        while stack:
            stack.extend(self._directory(*stack.pop()))
        self._shorten_ignored()
        for items in (self.result.converted, self.result.filtered, self.result.ignored, self.result.empty_directories):
            items.sort()
        self.result.omitted.sort(key=lambda omitted: omitted.path)
        return self.result

    def _shorten_ignored(self) -> None:
        """Ignored directories that were walked, and of which nothing was taken, are one path again."""
        taken = dict.fromkeys((*self.result.leaves, *self.result.nested, *self._omitted()))
        used = directories_of(taken)
        whole: list[bytes] = []
        for path in sorted(self._entered):
            if path not in used and not (whole and path.startswith(whole[-1])):
                whole.append(path + b"/")
        if whole:
            rest = [path for path in self.result.ignored if not path.startswith(tuple(whole))]
            self.result.ignored[:] = [*rest, *whole]

    def _omitted(self) -> list[bytes]:
        return [item.path for item in self.result.omitted]

    def _directory(self, directory: bytes, ignored: bool) -> Iterator[tuple[bytes, bool]]:
        """Read one directory (``b""`` is the root); its directories to walk, each with whether git ignores it."""
        prefix = directory + b"/" if directory else b""
        try:
            with os.scandir(self._root + b"/" + directory if directory else self._root) as found:
                items = sorted(found, key=lambda item: item.name)
        except FileNotFoundError:
            return
        except OSError:
            if not directory:
                raise
            self._omit(directory, "unreadable")
            return
        if directory and not items and not ignored:
            self.result.empty_directories.append(directory)
        for item in items:
            path = prefix + item.name
            if item.name == b".git" and not directory:
                continue
            if is_unsafe(item.name) or len(path) > limits.PATH_BYTES or path.count(b"/") >= limits.PATH_COMPONENTS:
                self._omit(path, "name")
            elif item.is_dir(follow_symlinks=False):
                yield from self._subdirectory(path, ignored)
            elif self._is_wanted(path, ignored):
                self._file(path)

    def _subdirectory(self, path: bytes, ignored: bool) -> Iterator[tuple[bytes, bool]]:
        entry = self._entries.get(path)
        tracked = path in self._tracked_directories
        inner = None if tracked else self._repository_at(path)
        ignored = ignored or (entry is None and self._ignore.matches(path, directory=True))
        if matches(path, self._options.exclude):
            self._omit(path, "excluded")
        elif inner is not None:
            if ignored and not matches(path, self._options.include):
                self.result.ignored.append(path + b"/")
            else:
                self.result.nested[path] = inner
        elif entry is not None and entry.mode == GITLINK and entry.stage == 0 and self._is_empty(path):
            self.result.leaves[path] = Leaf(GITLINK, entry.oid)  # a submodule that is not initialised
        elif ignored and not tracked and not self._may_be_included(path):
            self.result.ignored.append(path + b"/")
        else:
            if ignored and not tracked:
                self._entered.append(path)
            yield path, ignored

    def _may_be_included(self, path: bytes) -> bool:
        """Whether something in an ignored directory may have been asked for."""
        full = self._root + b"/" + path + b"/"
        return bool(self._options.include) or any(wanted.startswith(full) for wanted in self._options.wanted)

    def _repository_at(self, path: bytes) -> Layout | None:
        """The repository that a directory holds; not one that is bare, which is files like any others."""
        if not os.path.lexists(self._root + b"/" + path + b"/.git"):
            return None
        inner = layout_at(self._root + b"/" + path)
        return inner if inner is not None and inner.worktree == self._root + b"/" + path else None

    def _is_empty(self, path: bytes) -> bool:
        with os.scandir(self._root + b"/" + path) as found:
            return next(found, None) is None

    def _is_wanted(self, path: bytes, ignored: bool) -> bool:
        """Whether a file is taken; where it is not, that is noted."""
        untracked = path not in self._entries
        if (
            untracked
            and (ignored or self._ignore.matches(path, directory=False))
            and not matches(path, self._options.include)
            and self._root + b"/" + path not in self._options.wanted
        ):
            self.result.ignored.append(path)
            return False
        if untracked and self._root + b"/" + path in self._options.carriers:
            self.result.ignored.append(path)
            return False
        if matches(path, self._options.exclude):
            self._omit(path, "excluded")
            return False
        return True

    def _omit(self, path: bytes, reason: str, size: int | None = None) -> None:
        self.result.omitted.append(Omitted(path, reason, size))

    # -- one file ------------------------------------------------------------------------------------------------

    def _file(self, path: bytes) -> None:
        full = self._root + b"/" + path
        for _ in range(_TRIES):
            try:
                before = os.lstat(full)
            except FileNotFoundError:
                return
            except OSError:
                self._omit(path, "unreadable")
                return
            if not (stat.S_ISREG(before.st_mode) or stat.S_ISLNK(before.st_mode)):
                self._omit(path, "special")
                return
            entry = self._entries.get(path)
            if (
                entry is None
                and stat.S_ISREG(before.st_mode)
                and is_carried(full, before.st_size, self._root, self._carrying)
            ):
                self.result.ignored.append(path)
                return
            if entry is not None and self._is_unchanged(entry, before) and self._take_clean(path, entry, before):
                return
            try:
                if before.st_size > min(self._options.max_file_size, self._budget.left, limits.OBJECT_BYTES):
                    self._take_large(path, entry, before)
                    return
                content = _read(full, before)
                after = os.lstat(full)
            except FileNotFoundError:
                continue
            except OSError:
                self._omit(path, "unreadable", before.st_size)
                return
            if content is None or _stamp(before) != _stamp(after) or not _is_settled(full, before, content):
                continue
            if entry is None and stat.S_ISREG(before.st_mode) and content_carries(content):
                self.result.ignored.append(path)
            else:
                self._take(path, entry, before, content)
            return
        self._omit(path, "changing")

    def _is_unchanged(self, entry: Entry, found: os.stat_result) -> bool:
        """Whether the index vouches for the file, by git's own rule: same stat data, and older than the index."""
        seconds, nanoseconds = divmod(found.st_mtime_ns, 10**9)
        changed, changed_ns = divmod(found.st_ctime_ns, 10**9)
        return (
            entry.stage == 0
            and not entry.intent_to_add
            and entry.mode in (REGULAR, EXECUTABLE, SYMLINK)
            and entry.size == found.st_size & 0xFFFFFFFF
            and entry.mtime in ((seconds & 0xFFFFFFFF, nanoseconds), (seconds & 0xFFFFFFFF, 0))
            and entry.ctime in ((changed & 0xFFFFFFFF, changed_ns), (changed & 0xFFFFFFFF, 0))
            and entry.ino == found.st_ino & 0xFFFFFFFF
            and found.st_mtime_ns < self._index_time
            and self._mode(found, entry) == entry.mode
        )

    def _mode(self, found: os.stat_result, entry: Entry | None) -> int:
        if stat.S_ISLNK(found.st_mode):
            return SYMLINK
        if entry is not None and not self._symlinks and entry.mode == SYMLINK:
            return SYMLINK  # a system without links holds the target in a file
        if entry is not None and not self._file_mode and entry.mode in (REGULAR, EXECUTABLE):
            return entry.mode
        return EXECUTABLE if found.st_mode & 0o100 else REGULAR

    def _take_clean(self, path: bytes, entry: Entry, found: os.stat_result) -> bool:
        """Take a file that the index vouches for without reading it; False where it has to be read."""
        if self._repository.size(entry.oid) == found.st_size:
            if entry.mode == SYMLINK or not self._converter.changes_bytes(path):
                self.result.leaves[path] = Leaf(entry.mode, entry.oid)
                return True
            return False  # of the same size by chance, or because nothing was converted
        if entry.mode != SYMLINK and self._converter.filter_of(path) is not None:
            self.result.filtered.append(path)
            self.result.leaves[path] = Leaf(entry.mode, entry.oid)
            return True
        return False  # converted on checkout (or the blob is missing): the bytes on disk are what ran

    def _take_large(self, path: bytes, entry: Entry | None, found: os.stat_result) -> None:
        """A file over the limits is kept where the index has the same content, which is found without holding it."""
        may_be_staged = entry is not None and entry.stage == 0 and self._repository.size(entry.oid) == found.st_size
        if entry is not None and may_be_staged:
            oid = _hash_file(self._root + b"/" + path, found.st_size, self._repository.object_format)
            if oid == entry.oid:
                self.result.leaves[path] = Leaf(self._mode(found, entry), oid)
                return
        if entry is None and file_carries(self._root + b"/" + path):
            self.result.ignored.append(path)
            return
        self._omit(path, "size", found.st_size)

    def _take(self, path: bytes, entry: Entry | None, found: os.stat_result, content: bytes) -> None:
        mode = self._mode(found, entry)
        oid = object_id(BLOB, content, self._repository.object_format)
        staged = entry if entry is not None and entry.stage == 0 and not entry.intent_to_add else None
        if staged is not None and oid == staged.oid:
            self.result.leaves[path] = Leaf(mode, oid)
            if self._repository.size(oid) is None:
                self.result.contents[oid] = content  # a partial clone: what it lacks was found here
            return
        if mode != SYMLINK and self._is_filtered(path, staged, found, content):
            return
        if staged is not None and SYMLINK not in (mode, staged.mode) and self._is_converted(path, staged, content):
            self.result.converted.append(path)
        self.result.leaves[path] = Leaf(mode, oid)
        if oid not in self.result.contents:
            self._budget.left -= len(content)
            self.result.contents[oid] = content

    def _is_filtered(self, path: bytes, staged: Entry | None, found: os.stat_result, content: bytes) -> bool:
        """Whether a file under a filter was dealt with: its stored form taken, or left out."""
        name = self._converter.filter_of(path)
        if name is None:
            return False
        unmodified = staged is not None and (
            self._is_unchanged(staged, found) or self._converter.is_lfs_of(staged.oid, content)
        )
        if staged is not None and unmodified:
            self.result.filtered.append(path)
            self.result.leaves[path] = Leaf(self._mode(found, staged), staged.oid)
        elif self._converter.hides(name):
            # what a filter keeps out of the repository (git-crypt) must not come out here
            self._omit(path, "filter", len(content))
        else:
            return False
        return True

    def _is_converted(self, path: bytes, staged: Entry, content: bytes) -> bool:
        """Whether git takes the file for unmodified; another size than at the last look is enough for it not to."""
        same_size = staged.size in (0, len(content) & 0xFFFFFFFF)
        return same_size and self._converter.is_same(path, staged.oid, content)


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _read(path: bytes, before: os.stat_result) -> bytes | None:
    """The bytes of a regular file or link; None where it is no longer what it was."""
    if stat.S_ISLNK(before.st_mode):
        return os.readlink(path)
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        parts = []
        left = before.st_size + 1
        while left > 0 and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
    content = b"".join(parts)
    return content if len(content) == before.st_size else None


def _is_settled(path: bytes, found: os.stat_result, content: bytes) -> bool:
    """Whether a file would show it if it had changed while it was read: clocks tick too slowly to tell at once."""
    age = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns)
    if stat.S_ISLNK(found.st_mode) or not 0 <= age < _TICK:
        return True
    time.sleep((_TICK - age) / 1e9)
    return _read(path, found) == content and _stamp(os.lstat(path)) == _stamp(found)


def _hash_file(path: bytes, size: int, object_format: str) -> bytes:
    """The raw blob id of a regular file of ``size`` bytes, read in pieces."""
    hasher = blob_hasher(size, object_format)
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        while part := file.read(CHUNK):
            hasher.update(part)
    return hasher.digest()
