"""From the present state to a wanted one: the present is kept, all is written beside it first, then names change.

The order, each step synced before the next where it matters:

1. objects into git's object store; the state that is left into ``states/``; new files into ``work/``;
2. the journal: from now on a crash is taken back;
3. the changes: what is replaced gets a second name in ``states/`` or ``work/``, then names change;
4. the history list: from now on the change is completed;
5. clearing up.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace

from jellyformat import progress
from jellyformat.checkout.bases import Base, base_of
from jellyformat.checkout.comes import NewDirectories, one_name
from jellyformat.checkout.current import MANAGED, Present, PresentRepository, Raw, hash_path
from jellyformat.checkout.excludes import read_exclude
from jellyformat.checkout.history import Log, read_log, write_log
from jellyformat.checkout.journal import Change, Changer, StepJournal
from jellyformat.checkout.plan import WorktreePlan
from jellyformat.checkout.saved import SavedFile, SavedRepository, SavedState
from jellyformat.checkout.seen import Seen
from jellyformat.checkout.staging import Staging, flush
from jellyformat.checkout.store import Store
from jellyformat.checkout.target import Target, Wanted, WantedRepository
from jellyformat.errors import JellyError, RefusedRepository, SystemFailure
from jellyformat.files import durable
from jellyformat.format.objects import EXECUTABLE, SYMLINK
from jellyformat.format.paths import show_name
from jellyformat.git.reftable import LIST, ROOT_REFS
from jellyformat.git.reftable_write import addition
from jellyformat.hints import Hint, command

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
        staging: Where what is left and what is new is written.
        number: The number of the change.
        whole: As for the `WorktreePlanner`.
    """

    def __init__(
        self,
        store: Store,
        log: Log,
        present: Present,
        target: Target,
        plan: WorktreePlan,
        staging: Staging,
        number: int,
        *,
        whole: bool = True,
    ) -> None:
        self._whole = whole
        self.store, self.log, self.present = store, log, present
        self.target, self.plan, self.number = target, plan, number
        self.staging = staging
        self.changes: list[Change] = []
        self.bases: list[Base] = [base_of(store.layout, present.root)]
        self._late: dict[int, tuple[bytes, Late]] = {}
        self._kept: dict[bytes, str] = {}
        self.record = SavedState()
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
        for file, data in ((b"record", self.record.to_bytes()), (b"state.jelly", container)):
            self.staging.write(b"states/%s/%s" % (self.staging.name.encode(), file), data, 0o600, exact=False)

    def _check_filesystems(self) -> None:
        """What is moved has to stay on one filesystem."""
        home = os.fstat(self.store.below.root).st_dev
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
        new = NewDirectories(plan, staging, self.new_repositories, whole=self._whole)
        new.make()
        for path, mode in sorted(plan.directories.items()):
            if path in new:
                continue
            self.changes.append(Change(0, path, mode=mode | 0o700))
            if mode != mode | 0o700:
                modes[path] = self.present.directories[b""], mode
        links: list[Change] = []
        with progress.work("writing files", len(plan.puts), "files"):
            for path, (wanted, found_or_none) in sorted(plan.puts.items()):
                progress.advance(1)
                inside = new.place(path)
                if inside is not None:
                    try:
                        self._new_file(wanted, read, inside)
                    except FileExistsError as error:
                        raise one_name(path) from error
                    continue
                place = wanted.kept or self._new_file(wanted, read, staging.next_new())
                kept = None
                if found_or_none is not None:
                    name, kept = staging.next_kept()
                    self._kept[path] = name
                fresh = Seen.of(staging.stat(place))
                old = None if found_or_none is None else Seen.of(found_or_none)
                change = Change(0, path, old, kept, place, fresh)
                (links if wanted.mode == SYMLINK else self.changes).append(change)
        for path, place in new.tops.items():
            self.changes.append(Change(0, path, None, None, place, Seen.of_new(self.store.below, place)))
        for path, place in sorted(plan.trees.items()):
            self.changes.append(Change(0, path, None, None, place, Seen.of(staging.stat(place))))
        self._new_repositories()
        self.changes += links
        for path, (found, mode) in sorted(modes.items(), reverse=True):
            self.changes.append(Change(0, path, Seen.of(found), mode=mode))

    def _new_file(self, wanted: Wanted, read: Callable[[bytes], bytes], place: bytes) -> bytes:
        """Write a file or link at a place; that place."""
        assert wanted.oid is not None
        content = read(wanted.oid)
        if wanted.mode == SYMLINK:
            if not content or b"\0" in content:
                raise RefusedRepository("a symbolic link has no usable target", hint="nothing was changed")
            self.staging.link(place, content)
        elif wanted.permissions is not None:  # the record may be anybody's: a new file gets no set-user-ID by it
            self.staging.write(place, content, wanted.permissions & 0o1777, exact=True, mtime=wanted.mtime)
        else:
            self.staging.write(place, content, 0o777 if wanted.mode == EXECUTABLE else 0o666, exact=False)
        return place

    def _new_repositories(self) -> None:
        """Nested repositories that are not there come as a whole, made before."""
        for path, place in sorted(self.new_repositories.items()):
            git = path + b"/.git"
            fresh = Seen.of_tree(self.store.below, place)
            self.changes.append(Change(0, git, None, None, place, fresh))

    # -- what is left --------------------------------------------------------------------------------------------

    def _record(self, read: Callable[[bytes], bytes], stored: frozenset[bytes], shown: tuple[bytes, ...]) -> SavedState:
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
        return SavedState(
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
                self.staging.link(place, os.readlink(full))
            else:
                data = durable.read_regular(full)
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
        exclude = read_exclude(part.repository.layout.common_dir)
        return SavedRepository(part.prefix, part.head.commit, part.head.ref, raw, part.shared, exclude)

    # -- git directories -----------------------------------------------------------------------------------------

    def base(self, directory: bytes) -> int:
        """The number of a directory that changes are in."""
        base = base_of(self.store.layout, directory)
        if base not in self.bases:
            self.bases.append(base)
        return self.bases.index(base)

    def git_files(self, git_dir: bytes, part: PresentRepository, wanted: WantedRepository, head: bytes) -> None:
        """The changes of one git directory that is there."""
        have = part.raw
        base = self.base(git_dir)
        want = {**wanted.raw, b"HEAD": Raw(0o644, head)}
        for name, data in wanted.shared.items():
            if not os.path.lexists(git_dir + b"/" + name):
                self.put_git(base, git_dir, name, Raw(0o644, data))
        refs: dict[bytes, bytes | None] = {}
        for name in MANAGED:
            if name in wanted.keep:
                continue
            new, old = want.get(name), have.get(name)
            if part.repository.reftable and name in ROOT_REFS:
                if new is None or old is None or new.data != old.data:
                    refs[name] = None if new is None else (new.data or b"").strip()
                continue
            if name == b"index" and wanted.late_index:
                continue
            if new is None and old is not None:
                found = os.lstat(git_dir + b"/" + name)
                self.changes.append(Change(base, name, Seen.of(found), self.staging.next_old()))
            elif new is not None and (old is None or not _same_raw(old, new)):
                if old is not None and old.data is not None and new.data is not None:
                    new = replace(new, mode=old.mode)
                self.put_git(base, git_dir, name, new)

        refs = {name: text for name, text in refs.items() if text is not None or name in have}
        if refs:
            self._tables(base, git_dir, part, refs)

    def _tables(self, base: int, git_dir: bytes, part: PresentRepository, refs: dict[bytes, bytes | None]) -> None:
        """Change refs of a git directory that are in reftables: one more table comes, and then the list with it."""
        name, table, names = addition(part.repository.stack(), refs, part.repository.oid_length)
        mode = stat.S_IMODE(os.lstat(git_dir + b"/" + LIST).st_mode)
        self.put_git(base, git_dir, b"reftable/" + name, Raw(mode, table))
        self.put_git(base, git_dir, LIST, Raw(mode, names))

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
        fresh = Seen.of(self.staging.stat(place))
        self.changes.append(Change(base, name, None if old is None else Seen.of(old), kept, place, fresh))

    def put_late(self, directory: bytes, name: bytes, make: Late, fresh: Seen | None) -> None:
        """Put a file that is only made when the worktree is as wanted, with mode and time of ``fresh`` (else now)."""
        base = self.base(directory)
        old = _lstat(directory + b"/" + name)
        above = name.rpartition(b"/")[0]
        if above and os.path.isdir(directory) and not os.path.isdir(directory + b"/" + above):
            self.changes.append(Change(base, above, mode=0o755))
        kept = None if old is None else self.staging.next_old()
        place = self.staging.next_new()
        self._late[len(self.changes)] = place, make
        self.changes.append(Change(base, name, None if old is None else Seen.of(old), kept, place, fresh))

    # -- the change ----------------------------------------------------------------------------------------------

    def run(self, make_log: Callable[[], Log]) -> Log:
        """Make the change, and write down the history list that ``make_log`` makes when all is as wanted; the list.

        Raises:
            JellyError: it could not be made; all is as it was.
            SystemFailure: neither made nor taken back; the next command does that.
        """
        journal = StepJournal(self.number, tuple(self.bases), tuple(self.changes))
        self.staging.flush()
        changer = Changer(self.store, journal, {node.name or "" for node in self.log.nodes.values()})
        try:
            journal.write(self.store)
            changer.run(self._prepare)
            changer.sync()
            log = make_log()
            write_log(self.store, log)
        except BaseException as error:
            if self._is_completed():  # the disk failed behind the one rename that counts
                return read_log(self.store)
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
                seen = change.fresh or change.old
                mode = 0o644 if seen is None else stat.S_IMODE(seen.mode)
                mtime = None if change.fresh is None else change.fresh.mtime
                self.staging.write(place, data, mode, exact=seen is not None, mtime=mtime)
                flush(self.store, [place])

    def _is_completed(self) -> bool:
        try:
            return read_log(self.store).change >= self.number
        except (JellyError, OSError):
            return False

    def _take_back(self, changer: Changer, error: BaseException) -> None:
        try:
            changer.take_back()
            changer.sync()
            self.store.unlink("journal")
        except OSError as second:
            raise SystemFailure(
                f"it was broken off ({error}), and could not be taken back ({second})",
                hint=Hint(
                    f"nothing is lost: what was moved is in {self.store.path}; when that is mended, ",
                    command("fix"),
                    " puts everything back",
                ),
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
