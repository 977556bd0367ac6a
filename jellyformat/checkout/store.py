"""Where the states are kept that restores have left: the directory ``jellyformat/`` in the git directory.

    lock            locked while anything here changes
    home, here/     where, and by whom, the store was made
    log, log.copy   the history list (`history`)
    made            that a restore has made the repository (`aside`)
    journal         a change under way (`journal`)
    locks, token    git's locks that we hold (`locks`)
    keeps           packs of ours that git is kept from removing (`keeps`)
    pending         what may be removed here: what a step has begun to write, and what the list no longer has
    work/           what is written before a change begins
    states/<name>/  a state that was left: ``record``, ``state.jelly``, ``kept/``
    strays/         what a repair has replaced, and what somebody had put in the way

The files are msgpack followed by its SHA-256 (`sealed`), replaced as a whole.

A repository may have been prepared by anybody, its store with it. So no link is followed and nothing is opened here
that is no file or directory of the store's owner; and the store of another user, or one that was copied, moved or
unpacked, is not used until its owner says so (``fix --adopt``). A store is known to be where it was made by the number
and the time of change (ctime) of the empty directory ``here``: an archive can carry neither of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from jellyformat.checkout import sealed
from jellyformat.checkout.bases import check_home
from jellyformat.errors import Busy, RefusedRepository
from jellyformat.files import durable, platform
from jellyformat.files.beneath import Below, Odd, kind_of
from jellyformat.files.platform import directories
from jellyformat.format.msgpack import Value
from jellyformat.git.layout import Layout
from jellyformat.hints import Hint, command, option

DIRECTORY = "jellyformat"
_VERSION = 1
_HOME, _HERE = b"home", b"here"
_FILES = (
    b"lock", _HOME, b"log", b"log.copy", b"journal", b"locks", b"token", b"keeps", b"pending", b"made",
)  # fmt: skip
_ENDING = b".tmp"
"""Behind the name of a file that is being written."""
_TEMPORARY = tuple(name + _ENDING for name in _FILES)
_DIRECTORIES = (_HERE, b"work", b"states", b"strays")


class RefusedStore(RefusedRepository):
    """What restores have left in the repository is not, or not known to be, this user's."""

    error_class = "refused.store"


def check_system() -> None:
    """Raises RefusedRepository where the system cannot hold a directory while what is in it is changed (Windows)."""
    if not directories.HELD:
        raise RefusedRepository(
            "a repository cannot be restored safely on this system: it cannot hold a directory open",
            hint=Hint(
                "nothing was changed; the files alone: ",
                command("export", "FILE", "DIR"),
                "; with history, for git clone: ",
                command("bundle", "FILE"),
            ),
        )


class Store:
    """The directory in one git directory.

    Args:
        layout: The repository.
        made_at: The git directory that the store was made in, where that has been moved since by us; None: it is there.

    Raises:
        RefusedRepository: as `check_system`.
    """

    def __init__(self, layout: Layout, made_at: bytes | None = None) -> None:
        check_system()
        self.layout = layout
        self.git_dir = layout.git_dir
        self._made_at = layout.git_dir if made_at is None else made_at
        self.path = Path(os.fsdecode(layout.git_dir)) / DIRECTORY
        self.adopted: str | None = None
        """Why the store is not known to be where it was made, though it was taken over; None where it is known."""
        self._below: Below | None = None

    @property
    def below(self) -> Below:
        """The directory, while it is locked."""
        assert self._below is not None
        return self._below

    @property
    def journal(self) -> Path:
        """The journal of a change under way."""
        return self.path / "journal"

    def state(self, name: str) -> Path:
        """The directory of a state."""
        return self.path / "states" / name

    def exists(self) -> bool:
        """Whether anything was ever restored here."""
        return os.path.lexists(self.path)

    # -- opening -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, *, adopt: bool = False, dry_run: bool = False) -> Iterator[None]:
        """Open the store and keep others out; it is made where it is missing.

        Args:
            adopt: Take over a store that is not known to be where it was made.
            dry_run: Only to look, where it is there: nothing is written, not even where or by whom it was made.

        Raises:
            RefusedStore: it is not this user's, or not known to be; nothing was changed.
            Busy: another process is at work here.
            OSError: it cannot be made or locked.
        """
        check_home(self.layout)
        with contextlib.ExitStack() as stack:
            below = stack.enter_context(self._opened(make=not dry_run))
            stack.callback(setattr, self, "_below", None)
            self._below = below
            self._check_parts()
            doubt = self._doubt()
            empty = not set(below.names()) - {b"lock", b"lock" + _ENDING, _HERE, _HOME + _ENDING}
            if doubt is not None and not (empty or (adopt and not dry_run)):
                place = os.fsdecode(self.layout.worktree or self.git_dir)
                mends = command("fix", place, option("adopt"))
                raise RefusedStore(doubt, hint=Hint("nothing was changed; if it is yours: ", mends))
            stack.enter_context(self._lock(make=not dry_run))
            self.adopted = None
            if not dry_run and doubt is not None and self._doubt() is not None:  # else another process has just made it
                self._check_owner()
                if empty:
                    self._claim()
                else:
                    self.adopted = doubt
            yield
            if self.adopted is not None:  # only now: what is mended before is anybody's
                self._claim()

    @contextlib.contextmanager
    def _opened(self, *, make: bool) -> Iterator[Below]:
        name = os.fsencode(DIRECTORY)
        with Below(self.git_dir) as git:
            with contextlib.suppress(FileExistsError):
                if make:
                    os.mkdir(name, 0o700, dir_fd=git.root)
                    durable.sync_names(git.root)
            try:
                fd = os.open(name, directories.FLAGS, dir_fd=git.root)
            except OSError as error:
                found = git.stat(name)
                if error.errno in (errno.ENOTDIR, errno.ELOOP) and found is not None:
                    raise self._odd(self.path, kind_of(found)) from error
                raise
        try:
            with Below(fd) as below:
                yield below
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _lock(self, *, make: bool) -> Iterator[None]:
        if not make and self.below.stat(b"lock") is None:  # nobody was ever at work here
            yield
            return
        flags = (os.O_RDWR | os.O_CREAT if make else os.O_RDONLY) | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(b"lock", flags, 0o600, dir_fd=self.below.root)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise self._odd(self.path / "lock", kind_of(os.fstat(fd)))
            if not platform.lock(fd):
                raise Busy(
                    f"another restore or undo is at work in {os.fsdecode(self.git_dir)}",
                    hint="nothing was changed; run it again when that one is done",
                )
            yield
        finally:
            platform.release(fd)

    # -- whose it is ---------------------------------------------------------------------------------------------

    def _check_parts(self) -> None:
        """Raises RefusedStore where something has the name of one of our files or directories and is none."""
        owner = os.fstat(self.below.root).st_uid
        for names, is_kind in ((_FILES + _TEMPORARY, stat.S_ISREG), (_DIRECTORIES, stat.S_ISDIR)):
            for name in names:
                found = self.below.stat(name)
                if found is None:
                    continue
                if not is_kind(found.st_mode):
                    raise self._odd(self.path / os.fsdecode(name), kind_of(found))
                if found.st_uid != owner:
                    raise self._odd(self.path / os.fsdecode(name), f"a file of {_user(found.st_uid)}")
                if stat.S_ISREG(found.st_mode) and found.st_size > sealed.LIMIT:
                    raise self._odd(self.path / os.fsdecode(name), f"a file of {found.st_size} bytes")

    @staticmethod
    def _odd(path: Path, what: str) -> RefusedStore:
        return RefusedStore(
            f"{path} is {what}, which jellyformat has not put there",
            hint="nothing was changed; look at it, and move it away",
        )

    def _doubt(self) -> str | None:
        """Why the store is not known to be this user's and where it was made; None where it is.

        Raises:
            RefusedStore: it is of another version.
        """
        found = os.fstat(self.below.root)
        doubt = f"the history of restores in {self.path} was copied, moved or unpacked, or its permissions were changed"
        if found.st_uid != platform.user_id():
            doubt = f"the history of restores in {self.path} is that of {_user(found.st_uid)}"
        mark = self.below.stat(_HERE)
        try:
            value = sealed.unseal(self.below.read(_HOME, limit=sealed.LIMIT))
        except (FileNotFoundError, ValueError):
            return doubt
        if isinstance(value, dict) and value.get("version") != _VERSION:
            raise RefusedStore(
                f"the history of restores in {self.path} was made by a later version of jellyformat",
                hint="nothing was changed; use that version",
            )
        if mark is None or value != {**self._where(found.st_uid), **_mark_of(mark)}:
            return doubt
        return None

    def _where(self, owner: int) -> dict[str, int | bytes]:
        worktree = b"" if self.layout.worktree is None else os.path.realpath(self.layout.worktree)
        return {
            "git_dir": os.path.realpath(self._made_at),
            "owner": owner,  # as the filesystem says it, which may know no users
            "user": platform.user_id(),
            "version": _VERSION,
            "worktree": worktree,
        }

    def _check_owner(self) -> None:
        """Raises RefusedStore where what is made in the store gets another owner than it: it is another user's."""
        below = self.below
        found = os.fstat(below.root)
        below.unlink(_HOME + _ENDING)
        fd = below.create(_HOME + _ENDING)
        try:
            ours = os.fstat(fd).st_uid == found.st_uid
        finally:
            os.close(fd)
            below.unlink(_HOME + _ENDING)
        if not ours:
            raise RefusedStore(
                f"the history of restores in {self.path} is that of {_user(found.st_uid)}",
                hint="nothing was changed; run it as that user, or change its owner",
            )

    def _claim(self) -> None:
        """Note that the store is here, and this user's. Raises OSError."""
        below = self.below
        with contextlib.suppress(FileNotFoundError):
            try:
                os.rmdir(_HERE, dir_fd=below.root)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise self._odd(self.path / os.fsdecode(_HERE), "a directory with something in it") from error
                raise
        below.make_directory(_HERE)
        below.sync()  # before the times are read that have to last
        mark = below.stat(_HERE)
        assert mark is not None
        self.write("home", {**self._where(os.fstat(below.root).st_uid), **_mark_of(mark)})

    # -- its files -----------------------------------------------------------------------------------------------

    def read(self, place: str) -> bytes:
        """The content of a file of ours.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is none of ours.
            OSError: it cannot be read.
        """
        try:
            return self.below.read(os.fsencode(place), limit=sealed.LIMIT)
        except Odd as error:
            raise ValueError(error.strerror) from error

    def has(self, place: str) -> bool:
        """Whether something is at a place."""
        return self.below.stat(os.fsencode(place)) is not None

    def write(self, name: str, value: Value) -> None:
        """Write a file here, sealed, whole or not at all, so that it lasts.

        Raises:
            RefusedRepository: it would be too large to be read again.
            OSError: the system failed.
        """
        data, temporary = sealed.seal(value), os.fsencode(name) + _ENDING
        self.below.unlink(temporary)  # left by a dead process
        self.below.replace(os.fsencode(name), data, temporary)

    def create(self, place: str, data: bytes, mode: int = 0o600) -> None:
        """Write a new file at a place; it is not waited for. Raises OSError."""
        with open(self.below.create(os.fsencode(place), mode), "wb", buffering=0) as file:
            durable.write_at(file.fileno(), data, 0)

    def rename(self, name: str, other: str) -> None:
        """Give a file of ours another name. Raises OSError."""
        self.below.rename(os.fsencode(name), os.fsencode(other))

    @staticmethod
    def temporary() -> list[str]:
        """The names that files of ours have while they are written; one that is there is never finished."""
        return [os.fsdecode(name) for name in _TEMPORARY]

    def remove(self, place: str) -> None:
        """Remove what is at a place, with all in it, as far as that goes; what cannot be removed stays."""
        self.below.remove_tree(os.fsencode(place))

    def unlink(self, name: str) -> None:
        """Remove a file of ours, where it is there. Raises OSError."""
        self.below.unlink(os.fsencode(name))


def _mark_of(found: os.stat_result) -> dict[str, int]:
    return {"ctime": found.st_ctime_ns, "inode": found.st_ino}


def _user(uid: int) -> str:
    """A user's name, for people."""
    return f"the user {platform.user_name(uid) or uid}"
