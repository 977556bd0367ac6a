"""Changes of a worktree and its git directory: written down first, then made by renaming, taken back after a crash.

Whatever is replaced or removed is moved, not copied, into the store, so that it stays what it was: bytes, mode, times,
links. Each change can be told from the file numbers to have been made or not, so that taking back may itself be broken
off at any instant and begun again.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from jellyformat.below import Below
from jellyformat.errors import Busy, RefusedRepository
from jellyformat.msgpack import Value
from jellyformat.paths import show_name
from jellyformat.undolog import Store, seal, unseal

_VERSION = 1
_NO_LINK = frozenset(
    (errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What something was like: enough to know it again. ``mtime`` in nanoseconds, ``mode`` with the type."""

    ino: int
    mtime: int
    size: int
    mode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Seen:
        """From stat data."""
        return cls(found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)

    @classmethod
    def of_tree(cls, path: bytes) -> Seen:
        """Of a directory that will be put somewhere: its size is the number of files in it."""
        found = os.lstat(path)
        return cls(found.st_ino, found.st_mtime_ns, count_files(path), found.st_mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is one."""
        return stat.S_ISDIR(self.mode)

    def is_same(self, found: os.stat_result) -> bool:
        """Whether ``found`` is it, unchanged."""
        if self.is_directory:
            return found.st_ino == self.ino and stat.S_ISDIR(found.st_mode)
        return Seen.of(found) == self


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        base: Which of the journal's directories it is in.
        path: Where, relative to that.
        old: What is there before; None for nothing.
        kept: Where in the store that goes; None where there is none, or for a change of mode.
        new: What is to be there comes from this place in the store; None where nothing is to be there.
        fresh: What it is like there; None where it is written only shortly before.
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
class Journal:
    """All that is needed to take a change back.

    Attributes:
        number: The number that the history list has once it is completed.
        bases: The directories the changes are in: absolute paths.
        changes: In their order.
    """

    number: int
    bases: tuple[bytes, ...]
    changes: tuple[Change, ...]

    def write(self, store: Store) -> None:
        """Write it down; from now on it is taken back unless it is completed. Raises OSError."""
        changes: list[Value] = []
        for item in self.changes:
            seen = [
                None if part is None else [part.ino, part.mtime, part.size, part.mode]
                for part in (item.old, item.fresh)
            ]
            changes.append([item.base, item.path, seen[0], item.kept, item.new, seen[1], item.mode])
        home = os.path.realpath(store.git_dir)
        bases: list[Value] = [os.path.relpath(os.path.realpath(base), home) for base in self.bases]
        store.write("journal", seal({"bases": bases, "changes": changes, "number": self.number, "version": _VERSION}))


def read_journal(store: Store) -> Journal | None:
    """The journal of a change that was broken off; None where there is none.

    Raises:
        RefusedRepository: it cannot be understood.
    """
    try:
        data = store.journal.read_bytes()
    except FileNotFoundError:
        return None
    try:
        value = unseal(data)
        if value["version"] != _VERSION:
            raise ValueError("it is of a later version")
        return _parse(value, os.path.realpath(store.git_dir))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise RefusedRepository(
            f"the journal {store.journal} of a restore that was broken off cannot be read: {error}",
            hint=f"nothing was changed; what it had moved is in {store.path}",
        ) from error


def _parse(value: Any, home: bytes) -> Journal:
    def seen(item: Any) -> Seen | None:
        return None if item is None else Seen(*item)

    changes = []
    for base, path, old, kept, new, fresh, mode in value["changes"]:
        changes.append(Change(base, path, seen(old), kept, new, seen(fresh), mode))
    bases = tuple(os.path.normpath(os.path.join(home, path)) for path in value["bases"])
    return Journal(value["number"], bases, tuple(changes))


class Changer:
    """Makes the changes of a journal, and takes them back.

    Args:
        store: Where things are kept.
        journal: The changes.
    """

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._bases: dict[int, Below] = {}
        self._home = Below(os.fsencode(store.path))
        self.strays: list[str] = []
        """What was found in the way while taking back, and where it is now."""

    def close(self) -> None:
        """Close what is open."""
        for below in (*self._bases.values(), self._home):
            below.__exit__(None, None, None)
        self._bases.clear()

    def _base(self, number: int) -> Below:
        if number not in self._bases:
            self._bases[number] = Below(self._journal.bases[number])
        return self._bases[number]

    # -- forward -------------------------------------------------------------------------------------------------

    def run(self, prepare: Prepare) -> None:
        """Make all changes, in order.

        Raises:
            OSError: the system failed.
            Busy: something is no longer as it was.
        """
        for number, change in enumerate(self._journal.changes):
            prepare(number)
            try:
                self._make(change)
            except OSError as error:
                error.filename = os.path.join(self._journal.bases[change.base], change.path)
                raise

    def _make(self, change: Change) -> None:
        below = self._base(change.base)
        fd, name = below.parent(change.path)
        if change.mode is not None:
            if change.old is None:
                os.mkdir(name, 0o700, dir_fd=fd)
            _chmod(name, change.mode, fd)
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
            if not (in_place and _link(name, fd, kept_name, kept_fd)):
                os.rename(name, kept_name, src_dir_fd=fd, dst_dir_fd=kept_fd)
                below.forget()
                fd, name = below.parent(change.path)
        if change.new is not None:
            new_fd, new_name = home.parent(change.new)
            os.rename(new_name, name, src_dir_fd=new_fd, dst_dir_fd=fd)

    # -- back ----------------------------------------------------------------------------------------------------

    def take_back(self) -> None:
        """Take back what of the changes was made; may be done again after it was broken off. Raises OSError."""
        for change in reversed(self._journal.changes):
            self._undo(change)
            for below in (*self._bases.values(), self._home):
                below.forget()

    def _undo(self, change: Change) -> None:
        home = self._home
        try:
            below = self._base(change.base)
        except (FileNotFoundError, NotADirectoryError):
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
                _chmod(name, stat.S_IMODE(change.old.mode), fd)
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
        ours = place is not None and (place.startswith(b"states/") or self._is_ours(change, found))
        if ours and place is not None and self._home.stat(place) is None:
            home_fd, home_name = self._home.parent(place)
        else:
            strays = self._store.path / "strays"
            strays.mkdir(mode=0o700, exist_ok=True)
            stray = f"{time.strftime('%Y%m%d-%H%M%S')}-{len(list(strays.iterdir()))}"
            self.strays.append(f"{show_name(change.path)} → {strays / stray}")
            home_fd, home_name = self._home.parent(b"strays/" + stray.encode())
        fd, name = self._base(change.base).parent(change.path)
        os.rename(name, home_name, src_dir_fd=fd, dst_dir_fd=home_fd)

    def _is_ours(self, change: Change, found: os.stat_result) -> bool:
        """Whether what is there was put there by us, and nobody has worked on it since."""
        fresh = change.fresh
        if fresh is None:
            return True
        if fresh.is_directory and stat.S_ISDIR(found.st_mode):  # an index was put into it later
            path = self._journal.bases[change.base] + b"/" + change.path
            return count_files(path) <= fresh.size + 1
        return replace(Seen.of(found), ino=fresh.ino) == fresh


def count_files(path: bytes) -> int:
    """How many files are below a directory."""
    return sum(len(names) for _, _, names in os.walk(path))


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


def _chmod(name: bytes, mode: int, fd: int) -> None:
    """Change the mode of a regular file or directory that is no link."""
    inner = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_PATH", 0), dir_fd=fd
    )
    try:
        if hasattr(os, "O_PATH"):  # which needs no permission to read it
            os.chmod(f"/proc/self/fd/{inner}", mode)
        else:
            os.fchmod(inner, mode)
    finally:
        os.close(inner)


def _link(name: bytes, fd: int, kept: bytes, kept_fd: int) -> bool:
    """A second name for the old one, so that there is no moment without either; False where that is not to be had."""
    try:
        os.link(name, kept, src_dir_fd=fd, dst_dir_fd=kept_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    return True
