"""Changes of a worktree and its git directory: written down first, then made by renaming, taken back after a crash.

Whatever is replaced or removed is moved, not copied, into the store, so that it stays what it was: bytes, mode, times,
links. Each change can be told from the file numbers to have been made or not, so that taking back may itself be broken
off at any instant and begun again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from jellyformat.checkout import sealed
from jellyformat.checkout.bases import WORKTREE, Base
from jellyformat.checkout.locks import is_held
from jellyformat.checkout.plan import without_privileges
from jellyformat.checkout.sealed import NAME
from jellyformat.checkout.seen import ANY, Seen
from jellyformat.checkout.staging import new_stray
from jellyformat.checkout.store import Store
from jellyformat.errors import Busy, RefusedRepository
from jellyformat.files.beneath import Below
from jellyformat.files.platform.directories import change_mode, link
from jellyformat.format.msgpack import Value
from jellyformat.format.paths import show_name

_VERSION = 2
_KEPT = re.compile(rf"(?:work/old|states/{NAME}/kept)/[0-9]{{1,18}}".encode())
_NEW = re.compile(rf"(?:work/new|states/{NAME}/kept)/[0-9]{{1,18}}".encode())
"""Places in the store that a change moves something to, and takes something from."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        base: Which of the journal's directories it is in.
        path: Where, relative to that.
        old: What is there before; None for nothing.
        kept: Where in the store that goes; None where there is none, or for a change of mode.
        new: What is to be there comes from this place in the store; None where nothing is to be there.
        fresh: What it is like there; None for an index, which is written only shortly before.
        mode: For a new directory (``old`` and ``new`` None) or a change of mode: the mode.
    """

    base: int
    path: bytes
    old: Seen | None = None
    kept: bytes | None = None
    new: bytes | None = None
    fresh: Seen | None = None
    mode: int | None = None


Prepare: TypeAlias = Callable[[int], None]
"""Called before the change of that number: writes what can only be known then."""


@dataclass(frozen=True)
class StepJournal:
    """All that is needed to take a change back.

    Attributes:
        number: The number that the history list has once it is completed.
        bases: The directories the changes are in.
        changes: In their order.
    """

    number: int
    bases: tuple[Base, ...]
    changes: tuple[Change, ...]

    def write(self, store: Store) -> None:
        """Write it down; from now on it is taken back unless it is completed.

        Raises:
            RefusedRepository: it names what a repair would not touch. Nothing was changed.
            OSError: the system failed.
        """
        changes: list[Value] = []
        for item in self.changes:
            seen = [None if part is None else part.to_value() for part in (item.old, item.fresh)]
            changes.append([item.base, item.path, seen[0], item.kept, item.new, seen[1], item.mode])
        bases: list[Value] = [base.to_value() for base in self.bases]
        value: Value = {"bases": bases, "changes": changes, "number": self.number, "version": _VERSION}
        try:
            _parse(value)
        except ValueError as error:
            raise RefusedRepository(f"this cannot be done so that it could be taken back: {error}") from error
        store.write("journal", value)


def read_journal(store: Store) -> StepJournal | None:
    """The journal of a change that was broken off; None where there is none.

    Raises:
        RefusedRepository: it cannot be understood, or names what no restore of this repository changes.
    """
    try:
        return _parse(sealed.unseal(store.read("journal")))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RefusedRepository(
            f"the journal {store.journal} of a restore that was broken off cannot be read: {error}",
            hint=f"nothing was changed; what it had moved is in {store.path}",
        ) from error


def _parse(value: Any) -> StepJournal:
    """The journal that a value is. Raises ValueError where it is none, or leads anywhere but into this repository."""
    if isinstance(value, dict) and value.get("version") != _VERSION:
        raise ValueError("it is of another version")
    bases, changes, number, _ = sealed.fields(value, "bases", "changes", "number", "version")
    found = tuple(Base.parse(base) for base in sealed.items(bases))
    return StepJournal(sealed.integer(number), found, tuple(_change(item, found) for item in sealed.items(changes)))


def _change(value: Any, bases: tuple[Base, ...]) -> Change:
    number, path, old, kept, new, fresh, mode = sealed.items(value, 7)
    base = bases[sealed.integer(number, len(bases) - 1)]
    base.check(sealed.raw(path))
    for place, pattern in ((kept, _KEPT), (new, _NEW)):
        if place is not None and not pattern.fullmatch(sealed.raw(place)):
            raise ValueError("a place in it is none of the store's")
    permissions = None if mode is None else sealed.integer(mode, 0o7777)
    return Change(number, path, Seen.parse(old), kept, new, Seen.parse(fresh), permissions)


class Changer:
    """Makes the changes of a journal, and takes them back.

    Args:
        store: Where things are kept; locked.
        journal: The changes.
        states: The names of the states that the history list has.
    """

    def __init__(self, store: Store, journal: StepJournal, states: set[str]) -> None:
        self._store = store
        self._journal = journal
        self._states = tuple(f"states/{name}/".encode() for name in states)
        self._bases: dict[int, Below] = {}
        self._home = store.below
        root = Base(WORKTREE, b"")
        put = {change.path for change in journal.changes if change.new and journal.bases[change.base] == root}
        self._made = {base for base in journal.bases if base.root == WORKTREE and base.path in put}
        """Repositories that come with the change: what is in them goes with them."""
        self._ahead: set[bytes] = set()
        """Places in the store of second names that were made ahead of their change."""
        self.strays: list[str] = []
        """What was found in the way while taking back, and where it is now."""

    def close(self) -> None:
        """Close what is open."""
        for below in self._bases.values():
            below.__exit__(None, None, None)
        self._home.forget()
        self._bases.clear()

    def _base(self, number: int) -> Below:
        if number not in self._bases:
            self._bases[number] = self._journal.bases[number].open(self._store.layout)
        return self._bases[number]

    def sync(self) -> None:
        """Wait until the names in the directories that were changed are on the disk, those in the store before: what
        was moved there has a name at every instant. Raises OSError."""
        changes = self._journal.changes
        places = {(change.base, change.path.rpartition(b"/")[0]) for change in changes}
        places |= {(change.base, change.path) for change in changes if change.mode is not None}
        self._sync_store({place for change in changes for place in (change.kept, change.new) if place is not None})
        for number, directory in sorted(places):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._base(number).sync(directory)

    def _sync_store(self, places: Iterable[bytes]) -> None:
        for directory in sorted({place.rpartition(b"/")[0] for place in places}):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._home.sync(directory)

    # -- forward -------------------------------------------------------------------------------------------------

    def run(self, prepare: Prepare) -> None:
        """Make all changes, in order.

        Raises:
            OSError: the system failed.
            Busy: something is no longer as it was.
        """
        self._link_ahead()
        for number, change in enumerate(self._journal.changes):
            prepare(number)
            try:
                self._make(change)
            except OSError as error:
                error.filename = os.path.join(self._journal.bases[change.base].full(self._store.layout), change.path)
                raise

    def _link_ahead(self) -> None:
        """Give all that is replaced its second name, and wait for those: a disk that writes names in any order may
        have the new file before the second name of the old one, and the old one would have none."""
        for change in self._journal.changes:
            if change.kept is None or change.new is None or change.old is None:
                continue
            below = self._base_there(change.base)
            found = None if below is None else below.stat(change.path)
            new = self._home.stat(change.new)
            if below is None or found is None or new is None or not change.old.is_same(found):
                continue
            if stat.S_ISDIR(found.st_mode) or stat.S_ISDIR(new.st_mode):
                continue
            fd, name = below.parent(change.path)
            kept_fd, kept_name = self._home.parent(change.kept)
            self._ahead.add(change.kept)
            if not link(name, fd, kept_name, kept_fd):
                self._ahead.discard(change.kept)
                break
        self._sync_store(self._ahead)

    def _base_there(self, number: int) -> Below | None:
        """A base; None where it is only to come."""
        try:
            return self._base(number)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _make(self, change: Change) -> None:
        below = self._base(change.base)
        fd, name = below.parent(change.path)
        if change.mode is not None:
            if change.old is None:
                os.mkdir(name, 0o700, dir_fd=fd)
            change_mode(name, change.mode, fd)
            return
        found = _stat(name, fd)
        if (found is None) != (change.old is None) or (
            found is not None and change.old is not None and not change.old.is_same(found)
        ):
            raise _moved(change.path)
        home = self._home
        new = None if change.new is None else home.stat(change.new)
        if change.new is not None and new is None:
            return  # it turned out not to be needed
        if change.kept is not None and found is not None:
            kept_fd, kept_name = home.parent(change.kept)
            in_place = new is not None and not stat.S_ISDIR(found.st_mode) and not stat.S_ISDIR(new.st_mode)
            if change.kept in self._ahead:
                self._ahead.discard(change.kept)
            elif in_place and link(name, fd, kept_name, kept_fd):
                self._sync_store((change.kept,))
            else:
                os.rename(name, kept_name, src_dir_fd=fd, dst_dir_fd=kept_fd)
                below.forget()
                fd, name = below.parent(change.path)
        if change.new is not None:
            new_fd, new_name = home.parent(change.new)
            os.rename(new_name, name, src_dir_fd=new_fd, dst_dir_fd=fd)

    # -- back ----------------------------------------------------------------------------------------------------

    def take_back(self) -> None:
        """Take back what of the changes was made; may be done again after it was broken off. Raises OSError."""
        for place in self._ahead:  # their changes were not begun
            self._home.unlink(place)
        self._ahead.clear()
        for change in reversed(self._journal.changes):
            self._undo(change)
            for below in (*self._bases.values(), self._home):
                below.forget()

    def _undo(self, change: Change) -> None:
        home = self._home
        if self._journal.bases[change.base] in self._made:
            return
        below = self._base_there(change.base)
        if below is None:
            return  # the directory itself was put there, and was taken away again or had not come yet
        found = below.stat(change.path)
        if change.mode is not None:
            self._undo_mode(change, found)
            return
        kept = None if change.kept is None else home.stat(change.kept)
        if change.kept is not None and kept is None:
            return  # it was not begun
        if kept is not None and found is not None and os.path.samestat(kept, found):
            fd, name = home.parent(change.kept or b"")
            os.unlink(name, dir_fd=fd)  # a second name of it: the change ended there
            return
        if change.new is not None and home.stat(change.new) is not None and kept is None:
            return  # it was not begun
        if found is not None:
            self._put_aside(change, found)
        if kept is not None:
            kept_fd, kept_name = home.parent(change.kept or b"")
            fd, name = below.parent(change.path)
            os.rename(kept_name, name, src_dir_fd=kept_fd, dst_dir_fd=fd)

    def _undo_mode(self, change: Change, found: os.stat_result | None) -> None:
        if found is None:
            return
        fd, name = self._base(change.base).parent(change.path)
        if change.old is not None:
            if stat.S_IMODE(found.st_mode) == change.mode and not stat.S_ISLNK(found.st_mode):
                change_mode(name, without_privileges(change.old.mode, found), fd)
            return
        if not stat.S_ISDIR(found.st_mode):
            return
        try:
            os.rmdir(name, dir_fd=fd)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

    def _put_aside(self, change: Change, found: os.stat_result) -> None:
        """What a broken-off change had put there goes back to where it came from; anything else is somebody's work."""
        place = change.new
        # what came out of a state goes back into it even where somebody has changed it
        back = place is not None and (place.startswith(self._states) or self._is_ours(change, found))
        if not back or place is None or self._home.stat(place) is not None:
            place = new_stray(self._store)
            self.strays.append(f"{show_name(change.path)} → {self._store.path / os.fsdecode(place)}")
        home_fd, home_name = self._home.parent(place)
        fd, name = self._base(change.base).parent(change.path)
        os.rename(name, home_name, src_dir_fd=fd, dst_dir_fd=home_fd)

    def _is_ours(self, change: Change, found: os.stat_result) -> bool:
        """Whether what is there was put there by us, and nobody has worked on it since, so that it may go."""
        if self._store.adopted is not None:  # the journal may be anybody's: nothing is removed on its word
            return False
        fresh, base = change.fresh, self._journal.bases[change.base]
        if fresh is None:
            return is_held(self._store, base)
        if fresh.inside:
            with contextlib.suppress(OSError):  # not to be read, or no directory any more
                return self._base(change.base).likeness(change.path) == fresh.inside
            return False
        if fresh.is_directory and stat.S_ISDIR(found.st_mode):  # an index was put into it later
            is_repository = base.root == WORKTREE and change.path.endswith(b"/.git")
            return is_repository and self._base(change.base).count_files(change.path) <= fresh.size + 1
        seen = replace(Seen.of(found), ino=fresh.ino)
        return (replace(seen, size=ANY) if fresh.size == ANY else seen) == fresh


def _moved(path: bytes) -> Busy:
    return Busy(
        f"{show_name(path)} changed while it was about to be replaced",
        hint="all is as it was; run it again when nothing else is writing there",
    )


def _stat(name: bytes, fd: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
