"""From the present state to a wanted one: the present is kept, all is written beside it first, then names change.

The order, each step synced before the next where it matters:

1. objects into git's object store; the state that is left into ``states/``; new files into ``work/``;
2. the journal: from now on a crash is taken back;
3. the changes, by renaming;
4. the history list: from now on the change is completed;
5. clearing up.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jellyformat import fileio
from jellyformat.errors import JellyError, RefusedRepository, SystemFailure
from jellyformat.objects import EXECUTABLE, SYMLINK
from jellyformat.paths import show_name
from jellyformat.planning import Plan, Target, Wanted, WantedRepository
from jellyformat.present import MANAGED, Present, PresentRepository, Raw, hash_path
from jellyformat.records import Record, SavedFile, SavedRepository
from jellyformat.restorejournal import Change, Changer, Journal, Seen
from jellyformat.staging import FEW, Staging, flush
from jellyformat.undolog import Log, Store

_COPY_BYTES = 16 << 20
"""A file that stays, and whose content is nowhere else, is copied up to this size."""


Late = Callable[[], bytes | None]
"""Makes the content of a file when the worktree is as wanted; None: it is right as it is."""


class Changeover:
    """One change from the present state to a target.

    Args:
        store: Where things are kept; locked.
        log: The history list.
        present: The present state.
        target: The wanted one.
        plan: How to get there.
        name: The directory of the state that is left.
        number: The number of the change.
    """

    def __init__(
        self, store: Store, log: Log, present: Present, target: Target, plan: Plan, name: str, number: int
    ) -> None:
        self.store, self.log, self.present = store, log, present
        self.target, self.plan, self.name, self.number = target, plan, name, number
        self.staging = Staging(store, name)
        self.changes: list[Change] = []
        self.bases: list[bytes] = [present.root]
        self._late: dict[int, tuple[bytes, Late]] = {}
        self._kept: dict[bytes, str] = {}
        self.record = Record()
        self.new_repositories: dict[bytes, bytes] = {}
        """Nested repositories that are not there: path, and the place of the ``.git`` made for them."""

    # -- writing beside ------------------------------------------------------------------------------------------

    def stage(
        self, read: Callable[[bytes], bytes], container: bytes, stored: frozenset[bytes], shown: tuple[bytes, ...]
    ) -> None:
        """Write everything that the change needs, and what is left; nothing that was there changes.

        Args:
            read: The content of a blob by raw id.
            container: The present state as a container.
            stored: Ids of the blobs that it has, or that stay in the repository.
            shown: Paths left alone that git shows.

        Raises:
            OSError: the system failed.
        """
        self._check_filesystems()
        self._worktree(read)
        self.record = self._record(read, stored, shown)
        state = self.store.state(self.name)
        for file, data in (("record", self.record.to_bytes()), ("state.jelly", container)):
            with open(
                os.open(state / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", 0
            ) as out:
                fileio.write_at(out.fileno(), data, 0)
            self.staging.written.append(state / file)

    def _check_filesystems(self) -> None:
        """What is moved has to stay on one filesystem."""
        home = os.stat(self.store.path).st_dev
        moved = [*self.plan.parks, *self.plan.puts, *self.plan.trees]
        for directory in {path.rpartition(b"/")[0] for path in moved}:
            found = self.present.directories.get(directory)
            if found is not None and found.st_dev != home:
                raise RefusedRepository(
                    f"{show_name(directory) if directory else 'the worktree'} is on another filesystem than its git "
                    "directory, so its files cannot be kept for undo by moving them",
                    hint="nothing was changed; restore into a new directory instead",
                )

    def _worktree(self, read: Callable[[bytes], bytes]) -> None:
        plan, staging = self.plan, self.staging
        for path, found in sorted(plan.parks.items()):
            name, place = staging.next_kept()
            self._kept[path] = name
            self.changes.append(Change(0, path, Seen.of(found), place))
        modes = dict(plan.modes)
        for path, mode in sorted(plan.directories.items()):
            self.changes.append(Change(0, path, mode=mode | 0o700))
            if mode != mode | 0o700:
                modes[path] = self.present.directories[b""], mode
        links: list[Change] = []
        for path, (wanted, found_or_none) in sorted(plan.puts.items()):
            place = wanted.kept or self._new_file(wanted, read)
            kept = None
            if found_or_none is not None:
                name, kept = staging.next_kept()
                self._kept[path] = name
            fresh = Seen.of(os.lstat(staging.path(place)))
            old = None if found_or_none is None else Seen.of(found_or_none)
            change = Change(0, path, old, kept, place, fresh)
            (links if wanted.mode == SYMLINK else self.changes).append(change)
        for path, place in sorted(plan.trees.items()):
            self.changes.append(Change(0, path, None, None, place, Seen.of(os.lstat(staging.path(place)))))
        self._new_repositories()
        self.changes += links
        for path, (found, mode) in sorted(modes.items(), reverse=True):
            self.changes.append(Change(0, path, Seen.of(found), mode=mode))

    def _new_file(self, wanted: Wanted, read: Callable[[bytes], bytes]) -> bytes:
        assert wanted.oid is not None
        content = read(wanted.oid)
        if wanted.mode == SYMLINK:
            if not content or b"\0" in content:
                raise RefusedRepository("a symbolic link has no usable target", hint="nothing was changed")
            place = self.staging.next_new()
            os.symlink(content, os.fsencode(self.staging.path(place)))
            return place
        if wanted.permissions is not None:
            return self.staging.file(content, wanted.permissions, exact=True, mtime=wanted.mtime)
        return self.staging.file(content, 0o777 if wanted.mode == EXECUTABLE else 0o666, exact=False)

    def _new_repositories(self) -> None:
        """Nested repositories that are not there come as a whole, made before."""
        for path, place in sorted(self.new_repositories.items()):
            git = path + b"/.git"
            fresh = Seen.of_tree(os.fsencode(self.staging.path(place)))
            self.changes.append(Change(0, git, None, None, place, fresh))

    # -- what is left --------------------------------------------------------------------------------------------

    def _record(self, read: Callable[[bytes], bytes], stored: frozenset[bytes], shown: tuple[bytes, ...]) -> Record:
        present, plan = self.present, self.plan
        files: dict[bytes, SavedFile] = {}
        trees: dict[bytes, str] = {}
        seen = {path: found for path, (found, _) in present.files.items()}
        seen.update((path, found) for path, (_, found) in plan.puts.items() if found is not None)
        seen.update((path, os.lstat(present.path(path))) for path in plan.same - seen.keys())
        for path, found in plan.parks.items():
            if stat.S_ISDIR(found.st_mode):
                trees[path] = self._kept[path]
            else:
                seen[path] = found
        for path, found in seen.items():
            if path in self._kept or not plan.covered(path):
                files[path] = self._saved(path, found, stored)
        return Record(
            files=files,
            directories={
                path: stat.S_IMODE(found.st_mode)
                for path, found in present.directories.items()
                if path and not plan.covered(path)
            },
            trees=trees,
            repositories={
                prefix: self._saved_repository(part)
                for prefix, part in present.repositories.items()
                if not prefix or not plan.covered(prefix + b".git")
            },
            stays=tuple(sorted(set(present.stays) | set(shown))),
        )

    def _saved(self, path: bytes, found: os.stat_result, stored: frozenset[bytes]) -> SavedFile:
        known = self.present.files.get(path)
        leaf = None if known is None else known[1]
        kept = self._kept.get(path)
        mode = SYMLINK if stat.S_ISLNK(found.st_mode) else EXECUTABLE if found.st_mode & 0o100 else 0o100644
        oid = None if leaf is None or path in self.filtered else leaf.oid
        if kept is None and (oid is None or oid not in stored) and stat.S_ISREG(found.st_mode):
            if found.st_size <= _COPY_BYTES:
                kept, oid = self._copy(path, found)
        elif kept is None and oid is None and stat.S_ISLNK(found.st_mode):
            kept, oid = self._copy(path, found)
        return SavedFile(mode, stat.S_IMODE(found.st_mode), found.st_mtime_ns, found.st_size, oid, kept)

    def _copy(self, path: bytes, found: os.stat_result) -> tuple[str | None, bytes | None]:
        """A copy of a file that stays; nothing where it cannot be read."""
        name, place = self.staging.next_kept()
        full = self.present.path(path)
        try:
            if stat.S_ISLNK(found.st_mode):
                os.symlink(os.readlink(full), os.fsencode(self.staging.path(place)))
            else:
                with open(os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                    data = file.read()
                self.staging.write(place, data, stat.S_IMODE(found.st_mode), exact=True, mtime=found.st_mtime_ns)
        except PermissionError:
            return None, None
        copy = self.staging.path(place)
        oid = hash_path(os.fsencode(copy), os.lstat(copy).st_size, self.present.outer.repository.object_format)
        return name, oid

    @property
    def filtered(self) -> set[bytes]:
        """Paths whose leaf is git's stored form and not the bytes on disk."""
        parts = self.present.repositories.values()
        return {part.prefix + path for part in parts for path in part.scan.filtered}

    @staticmethod
    def _saved_repository(part: PresentRepository) -> SavedRepository:
        raw = {name: item for name, item in part.raw.items() if name != b"HEAD"}
        exclude = fileio.read_optional(part.repository.layout.common_dir + b"/info/exclude")
        return SavedRepository(part.prefix, part.head.commit, part.head.ref, raw, part.shared, exclude)

    # -- git directories -----------------------------------------------------------------------------------------

    def base(self, directory: bytes) -> int:
        """The number of a directory that changes are in."""
        if directory not in self.bases:
            self.bases.append(directory)
        return self.bases.index(directory)

    def git_files(self, git_dir: bytes, part: PresentRepository, wanted: WantedRepository, head: bytes) -> None:
        """The changes of one git directory that is there."""
        have = part.raw
        base = self.base(git_dir)
        want = {**wanted.raw, b"HEAD": Raw(0o644, head)}
        for name, data in wanted.shared.items():
            if not os.path.lexists(git_dir + b"/" + name):
                self.put_git(base, git_dir, name, Raw(0o644, data))
        for name in MANAGED:
            if name in wanted.keep:
                continue
            new, old = want.get(name), have.get(name)
            if name == b"index" and wanted.late_index:
                continue
            if new is None and old is not None:
                found = os.lstat(git_dir + b"/" + name)
                self.changes.append(Change(base, name, Seen.of(found), self.staging.next_old()))
            elif new is not None and (old is None or not _same_raw(old, new)):
                if old is not None and old.data is not None and new.data is not None:
                    new = replace(new, mode=old.mode)
                self.put_git(base, git_dir, name, new)

    def replace_git(self, git_dir: bytes, name: bytes, raw: Raw | None) -> None:
        """Put a file into a git directory, or take it away (None)."""
        if raw is not None:
            self.put_git(self.base(git_dir), git_dir, name, raw)
            return
        found = os.lstat(git_dir + b"/" + name)
        self.changes.append(Change(self.base(git_dir), name, Seen.of(found), self.staging.next_old()))

    def put_git(self, base: int, git_dir: bytes, name: bytes, raw: Raw) -> None:
        """Put a file or directory into a git directory, whatever is there."""
        place = self.staging.raw(raw)
        old = _lstat(git_dir + b"/" + name)
        kept = None if old is None else self.staging.next_old()
        fresh = Seen.of(os.lstat(self.staging.path(place)))
        self.changes.append(Change(base, name, None if old is None else Seen.of(old), kept, place, fresh))

    def put_late(self, directory: bytes, name: bytes, make: Late) -> None:
        """Put a file that is only made when the worktree is as wanted."""
        base = self.base(directory)
        old = _lstat(directory + b"/" + name)
        above = name.rpartition(b"/")[0]
        if above and os.path.isdir(directory) and not os.path.isdir(directory + b"/" + above):
            self.changes.append(Change(base, above, mode=0o755))
        kept = None if old is None else self.staging.next_old()
        place = self.staging.next_new()
        self._late[len(self.changes)] = place, make
        self.changes.append(Change(base, name, None if old is None else Seen.of(old), kept, place))

    # -- the change ----------------------------------------------------------------------------------------------

    def run(self, make_log: Callable[[], Log]) -> Log:
        """Make the change, and write down the history list that ``make_log`` makes when all is as wanted; the list.

        Raises:
            JellyError: it could not be made; all is as it was.
            SystemFailure: neither made nor taken back; the next command does that.
        """
        journal = Journal(self.number, tuple(self.bases), tuple(self.changes))
        flush(self.store, self.staging.written)
        changer = Changer(self.store, journal)
        try:
            journal.write(self.store)
            changer.run(self._prepare)
            flush(self.store, self._changed())
            log = make_log()
            self.store.write_log(log)
        except BaseException as error:
            if self._is_completed():  # the disk failed behind the one rename that counts
                return self.store.read_log()
            self._take_back(changer, error)
            raise
        finally:
            changer.close()
        return log

    def _prepare(self, number: int) -> None:
        if number in self._late:
            place, make = self._late[number]
            data = make()
            if data is not None:
                change = self.changes[number]
                self.staging.write(place, data, 0o644, exact=False)
                if change.old is not None:
                    os.chmod(self.staging.path(place), stat.S_IMODE(change.old.mode))
                flush(self.store, [self.staging.path(place)])

    def _changed(self) -> list[Path]:
        paths = {os.path.dirname(os.path.join(self.bases[item.base], item.path)) for item in self.changes}
        if len(paths) > FEW:
            return [Path(os.fsdecode(path)) / "x" for path in paths]
        return [Path(os.fsdecode(path)) for path in paths if os.path.isdir(path)]

    def _is_completed(self) -> bool:
        try:
            return self.store.read_log().change >= self.number
        except (JellyError, OSError):
            return False

    def _take_back(self, changer: Changer, error: BaseException) -> None:
        try:
            changer.take_back()
            flush(self.store, self._changed())
            self.store.journal.unlink(missing_ok=True)
        except OSError as second:
            raise SystemFailure(
                f"it was broken off ({error}), and could not be taken back ({second})",
                hint=f"nothing is lost: what was moved is in {self.store.path}; when that is mended, "
                "python -m jellyformat fix puts everything back",
            ) from error
        if changer.strays:
            raise SystemFailure(
                f"it was broken off ({error}); all is as it was, but for what somebody had put in the way: "
                + ", ".join(changer.strays),
                hint="look at these files",
            ) from error


def _same_raw(one: Raw, two: Raw) -> bool:
    if one.data is not None or two.data is not None:
        return one.data == two.data
    names = [name for name, _ in one.children]
    if names != [name for name, _ in two.children]:
        return False
    return all(_same_raw(a, b) for (_, a), (_, b) in zip(one.children, two.children, strict=True))


def _lstat(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
