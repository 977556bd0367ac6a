"""The files on disk, read as they are (SPEC JF-WRK): nothing is written, no filter runs."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping, Set

from jellyformat.capture import kinds, watch, whole
from jellyformat.capture.options import Budget, Options, Scan, matches
from jellyformat.capture.pieces import hash_file, pieces, read_whole
from jellyformat.capture.stats import stats_of
from jellyformat.errors import RefusedRepository, SystemFailure
from jellyformat.files.beneath import Below
from jellyformat.files.platform import DECOMPOSES, composed, directories
from jellyformat.format import limits
from jellyformat.format.model import Omitted
from jellyformat.format.objects import BLOB, GITLINK, SYMLINK, Leaf, object_id
from jellyformat.format.paths import is_unsafe
from jellyformat.git.conversion import Converter
from jellyformat.git.index import IndexEntry
from jellyformat.git.layout import Layout, layout_at
from jellyformat.git.repository import Repository
from jellyformat.hosts.carriers import content_carries, file_carries, is_carried
from jellyformat.hosts.models import content_is_model, file_is_model

_TRIES = 3
_TICK = 20_000_000
"""Nanoseconds after which a file that is written again has another modification time, on any system."""


class Scanner:
    """Walks the worktree of one repository.

    Args:
        repository: The repository; not a bare one.
        entries: Its index entries, by path; of a conflict any one stage.
        index_time: Modification time of the index in nanoseconds: entries as young are not trusted.
        options: What to take.
        proved: The paths of files that were read in this capture, and have the content that the index says.
    """

    def __init__(
        self,
        repository: Repository,
        entries: Mapping[bytes, IndexEntry],
        index_time: int,
        options: Options,
        proved: Set[bytes] = frozenset(),
    ) -> None:
        assert repository.layout.worktree is not None
        self._root = repository.layout.worktree
        self._repository = repository
        self._entries = entries
        self._options = options
        self._proved = proved
        self._ignore, attributes = repository.rules(entries, work=options.work)
        self._converter = Converter(repository, attributes)
        self._stats = stats_of(repository, index_time)
        self._budget = options.budget or Budget(options.max_size, options.max_size)
        self._tracked_directories: set[bytes] = set()
        for path in entries:
            directory = path.rpartition(b"/")[0]
            while directory and directory not in self._tracked_directories:
                self._tracked_directories.add(directory)
                directory = directory.rpartition(b"/")[0]
        composes = DECOMPOSES and repository.settings.boolean("core.precomposeunicode", default=False)
        self._named = composed if composes else bytes
        self._entered: list[bytes] = []
        self._kinds: dict[bytes, str] = {}
        self._over: dict[bytes, int] = {}
        self._carrying: dict[bytes, str | None] = {}
        self.result = Scan()

    def scan(self) -> Scan:
        """Everything on disk.

        Raises:
            RefusedRepository: there are too many rules of what is ignored.
            OSError: it cannot be read.
        """
        stack: list[tuple[bytes, bool, str | None]] = [(b"", False, None)]
        # no link that somebody puts in the place of a directory meanwhile leads out of the worktree
        with Below(self._root) as self._below:
            while stack:
                stack.extend(self._directory(*stack.pop()))
            if self._options.by_kind:
                self._leave_out_too_large()
        whole.shorten(self.result, self._entered, self._kinds)
        for items in (self.result.converted, self.result.filtered, self.result.ignored, self.result.empty_directories):
            items.sort()
        self.result.omitted.sort(key=lambda omitted: omitted.path)
        return self.result

    def _leave_out_too_large(self) -> None:
        """What there is no room for together is left out by whole directories, not the half of one that came last."""
        while self._over:
            path = whole.too_large(self.result, self._over, self._budget.size, self._can_go)
            if path is None:
                return
            inside = path + b"/"
            size = sum(item.size or 0 for item in self.result.omitted if item.path.startswith(inside))
            size += whole.taken(self.result, inside)
            freed = whole.leave_out(self.result, path, "size", size)
            again = {over for over in self._over if not over.startswith(inside)}
            self._over.clear()
            self._budget.left += freed
            self.result.omitted[:] = [item for item in self.result.omitted if item.path not in again]
            for over in sorted(again):
                self._file(over)

    def _can_go(self, path: bytes) -> bool:
        """Whether a directory can be left out as one."""
        inside = path + b"/"
        return path not in self._tracked_directories and not any(item.startswith(inside) for item in self.result.nested)

    def _directory(self, directory: bytes, ignored: bool, kind: str | None) -> Iterator[tuple[bytes, bool, str | None]]:
        """Read one directory (``b""`` is the root).

        Args:
            directory: Its path.
            ignored: Whether git ignores it.
            kind: Why what is untracked in it is left out.

        Returns:
            The directories in it that are to be walked, as these arguments.
        """
        prefix = directory + b"/" if directory else b""
        try:
            with directories.entries(self._below.directory(directory)) as found:
                items = sorted((self._named(os.fsencode(item.name)), _is_directory(item)) for item in found)
        except FileNotFoundError:
            return
        except OSError:
            if not directory:
                raise
            self._omit(directory, "unreadable")
            return
        if self._options.by_kind and directory and items and kind is None and not ignored:
            shared = directory in self._tracked_directories
            kind = kinds.kind_of(self._root + b"/" + directory, dict(items), shared=shared)
            if kind is not None and not shared and not self._may_be_included(directory):
                self._omit(prefix, kind)
                return
            if matches(directory, self._options.include):
                kind = None
            elif kind is not None and not shared:
                self._kinds[directory] = kind
        if directory and not items and not ignored:
            self.result.empty_directories.append(directory)
        for name, is_directory in items:
            path = prefix + name
            watch.at(path)
            if name == b".git" and not directory:
                continue
            if is_unsafe(name) or len(path) > limits.PATH_BYTES or path.count(b"/") >= limits.PATH_COMPONENTS:
                self._omit(path, "name")
            elif is_directory:
                yield from self._subdirectory(path, ignored, kind)
            elif self._is_wanted(path, ignored, kind):
                if path in self._proved:
                    entry = self._entries[path]
                    self.result.leaves[path] = Leaf(entry.mode, entry.oid)
                else:
                    self._file(path)

    def _subdirectory(self, path: bytes, ignored: bool, kind: str | None) -> Iterator[tuple[bytes, bool, str | None]]:
        entry = self._entries.get(path)
        tracked = path in self._tracked_directories
        broken = False
        try:
            inner = None if tracked else self._repository_at(path)
        except (RefusedRepository, SystemFailure):
            inner, broken = None, True
        ignored = ignored or (entry is None and self._ignore.matches(path, directory=True))
        if kind is not None and matches(path, self._options.include):
            kind = None
        if matches(path, self._options.exclude):
            self._omit(path + b"/", "excluded")
        elif self._is_ours(path, untracked=not tracked and entry is None) and not self._may_be_included(path):
            self.result.ignored.append(path + b"/")
        elif kind is not None and not tracked and entry is None and not ignored and not self._may_be_included(path):
            self._omit(path + b"/", kind)
        elif inner is not None or broken:
            if ignored and not matches(path, self._options.include):
                self.result.ignored.append(path + b"/")
            elif inner is not None:
                self.result.nested[path] = inner
            else:
                self._omit(path, "unreadable")
        elif entry is not None and entry.mode == GITLINK and entry.stage == 0 and self._is_empty(path):
            self.result.leaves[path] = Leaf(GITLINK, entry.oid)  # a submodule that is not initialised
        elif ignored and not tracked and not self._may_be_included(path):
            self.result.ignored.append(path + b"/")
        else:
            if ignored and not tracked:
                self._entered.append(path)
            elif kind is not None and not tracked:
                self._kinds[path] = kind
            yield path, ignored, kind

    def _may_be_included(self, path: bytes) -> bool:
        """Whether something in an ignored directory may have been asked for."""
        full = self._root + b"/" + path + b"/"
        return bool(self._options.include) or any(wanted.startswith(full) for wanted in self._options.wanted)

    def _repository_at(self, path: bytes) -> Layout | None:
        """The repository that a directory holds; not one that is bare, which is files like any others."""
        if not os.path.lexists(self._root + b"/" + path + b"/.git"):
            return None
        inner = layout_at(self._root + b"/" + path, trusted=self._repository.layout.trusted)
        return inner if inner is not None and inner.worktree == self._root + b"/" + path else None

    def _is_empty(self, path: bytes) -> bool:
        with os.scandir(self._root + b"/" + path) as found:
            return next(found, None) is None

    def _is_wanted(self, path: bytes, ignored: bool, kind: str | None) -> bool:
        """Whether a file is taken; where it is not, that is noted."""
        untracked = path not in self._entries
        if not untracked and not self._options.exclude:
            return True
        if untracked and (ignored or self._ignore.matches(path, directory=False)) and not self._is_asked_for(path):
            self.result.ignored.append(path)
            return False
        if untracked and self._root + b"/" + path in self._options.carriers:
            self.result.ignored.append(path)
            return False
        if self._is_ours(path, untracked=untracked) and not self._is_asked_for(path):
            self.result.ignored.append(path)
            return False
        if matches(path, self._options.exclude):
            self._omit(path, "excluded")
            return False
        if untracked and self._options.by_kind and kinds.is_tracked_run(path.rpartition(b"/")[2]):
            kind = kinds.TRACKER
        if untracked and kind is not None and not self._is_asked_for(path):
            self._omit(path, kind)
            return False
        return True

    def _is_ours(self, path: bytes, *, untracked: bool) -> bool:
        return untracked and self._options.by_kind and kinds.is_ours(path.rpartition(b"/")[2])

    def _is_asked_for(self, path: bytes) -> bool:
        """Whether a file is to be taken whatever it is."""
        return matches(path, self._options.include) or self._root + b"/" + path in self._options.wanted

    def _omit(self, path: bytes, reason: str, size: int | None = None) -> None:
        self.result.omitted.append(Omitted(path, reason, size))

    # -- one file ------------------------------------------------------------------------------------------------

    def _file(self, path: bytes) -> None:
        full = self._root + b"/" + path
        for _ in range(_TRIES):
            try:
                place, name = self._below.parent(path)
                before = directories.status(name, place)
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
            if entry is not None and self._stats.is_unchanged(entry, before) and self._take_clean(path, entry, before):
                return
            try:
                if before.st_size > min(self._options.max_file_size, self._budget.left, limits.OBJECT_BYTES):
                    self._take_large(path, entry, before)
                    return
                content = read_whole(name, before, place)
                after = directories.status(name, place)
            except FileNotFoundError:
                continue
            except OSError:
                self._omit(path, "unreadable", before.st_size)
                return
            if content is None or _stamp(before) != _stamp(after) or not _is_settled(name, before, content, place):
                continue
            if entry is None and stat.S_ISREG(before.st_mode) and content_carries(content):
                self.result.ignored.append(path)
            elif self._may_be_model(path, entry, before) and content_is_model(content):
                self._omit(path, "weights", before.st_size)
            else:
                self._take(path, entry, before, content)
            return
        self._omit(path, "changing")

    def _take_clean(self, path: bytes, entry: IndexEntry, found: os.stat_result) -> bool:
        """Take a file that the index vouches for without reading it; False where it has to be read."""
        if self._options.only_changes:
            self.result.leaves[path] = Leaf(entry.mode, entry.oid)
            return True
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

    def _take_large(self, path: bytes, entry: IndexEntry | None, found: os.stat_result) -> None:
        """A file over the limits is kept where the index has the same content, which is found without holding it."""
        may_be_staged = entry is not None and entry.stage == 0 and self._repository.size(entry.oid) == found.st_size
        if entry is not None and may_be_staged:
            oid = hash_file(self._root + b"/" + path, found.st_size, self._repository.object_format)
            if oid == entry.oid:
                self.result.leaves[path] = Leaf(self._stats.mode(found, entry), oid)
                return
        if entry is None and file_carries(self._root + b"/" + path):
            self.result.ignored.append(path)
            return
        staged = entry is not None and entry.stage == 0 and self._converter.filter_of(path) is not None
        if entry is not None and staged and self._converter.stands_for(entry.oid, pieces(self._root + b"/" + path)):
            # kept elsewhere by LFS or git-annex, and unmodified though its time is another
            self.result.filtered.append(path)
            self.result.leaves[path] = Leaf(self._stats.mode(found, entry), entry.oid)
            return
        if self._may_be_model(path, entry, found) and file_is_model(self._root + b"/" + path):
            self._omit(path, "weights", found.st_size)
            return
        if found.st_size <= min(self._options.max_file_size, limits.OBJECT_BYTES):
            self._over[path] = found.st_size
        self._omit(path, "size", found.st_size)

    def _may_be_model(self, path: bytes, entry: IndexEntry | None, found: os.stat_result) -> bool:
        """Whether a file is left out if it is a model's."""
        is_new = entry is None and stat.S_ISREG(found.st_mode)
        return is_new and self._options.by_kind and not self._is_asked_for(path)

    def _take(self, path: bytes, entry: IndexEntry | None, found: os.stat_result, content: bytes) -> None:
        mode = self._stats.mode(found, entry)
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

    def _is_filtered(self, path: bytes, staged: IndexEntry | None, found: os.stat_result, content: bytes) -> bool:
        """Whether a file under a filter was dealt with: its stored form taken, or left out."""
        name = self._converter.filter_of(path)
        if name is None:
            return False
        unmodified = staged is not None and (
            self._stats.is_unchanged(staged, found) or self._converter.stands_for(staged.oid, (content,))
        )
        if staged is not None and unmodified:
            self.result.filtered.append(path)
            self.result.leaves[path] = Leaf(self._stats.mode(found, staged), staged.oid)
        elif self._converter.hides(name) and not self._is_asked_for(path):
            # what a filter keeps out of the repository (git-crypt) must not come out here
            self._omit(path, "filter", len(content))
        else:
            return False
        return True

    def _is_converted(self, path: bytes, staged: IndexEntry, content: bytes) -> bool:
        """Whether git takes the file for unmodified; another size than at the last look is enough for it not to."""
        same_size = staged.size in (0, len(content) & 0xFFFFFFFF)
        return same_size and self._converter.is_same(path, staged.oid, content)


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _is_directory(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir(follow_symlinks=False)
    except OSError:  # it is gone, or cannot be looked at: whoever reads it finds out
        return False


def _is_settled(name: bytes, found: os.stat_result, content: bytes, place: int) -> bool:
    """Whether a file would show it if it had changed while it was read: clocks tick too slowly to tell at once."""
    age = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns)
    if stat.S_ISLNK(found.st_mode) or not 0 <= age < _TICK:
        return True
    time.sleep((_TICK - age) / 1e9)
    return read_whole(name, found, place) == content and _stamp(directories.status(name, place)) == _stamp(found)
