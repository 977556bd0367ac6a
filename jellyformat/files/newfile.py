"""New files that are there whole or not at all, under a name that is free or in place of an old file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from jellyformat.errors import RefusedExists, SystemFailure
from jellyformat.files import platform
from jellyformat.files.beneath import open_regular, remove_tree
from jellyformat.files.durable import hidden_name, sync_directory, system_errors, write_at
from jellyformat.files.platform import directories, lock, release, sync_new
from jellyformat.files.platform.directories import open_file

TEMPORARY = re.compile(r"\..+\.jelly-[0-9a-f]{12}\.tmp", re.DOTALL)
"""The name of a temporary file."""
FOLDER = re.compile(r"\.jelly-[0-9a-f]{12}\.tmp")
"""The name of a directory that a framework saves into."""
_HELD: set[str] = set()
"""The temporary directories that this process has now."""
_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EACCES))


def write_new_file(path: Path, data: Iterable[bytes], *, overwrite: bool = False, mode: int = 0o666) -> None:
    """Write a file that is there whole, or not at all.

    Args:
        path: Its name. It must not exist, unless ``overwrite``.
        data: Its content, in pieces.
        overwrite: Replace a regular file of that name, keeping its mode; a symbolic link is followed.
        mode: The permissions of a new one, before the umask.

    Raises:
        RefusedExists: ``path`` exists.
        SystemFailure: the system failed; what was there is as it was.
    """
    with new_file(path, overwrite=overwrite, mode=mode) as fd:
        at = 0
        for piece in data:
            write_at(fd, piece, at)
            at += len(piece)


@contextlib.contextmanager
def new_file(path: Path, *, overwrite: bool = False, mode: int = 0o666) -> Iterator[int]:
    """A descriptor to write a file by, which is there whole when the body ends, or not at all.

    Args:
        path: Its name, as for `write_new_file`.
        overwrite: As there.
        mode: As there.

    Raises:
        RefusedExists: ``path`` exists.
        SystemFailure: the system failed; what was there is as it was.
    """
    with system_errors(path, "nothing was written"):
        target = free(path, overwrite)
        with temporary(target, mode) as (fd, new):
            yield fd
            if overwrite and target.exists():
                copy_mode(target.stat(), fd)
            sync_new(fd)
            platform.let_go(fd)
            publish(new, target, overwrite)


def check_replaceable(path: Path, begins: tuple[bytes, ...], kind: str) -> None:
    """Raises RefusedExists where a file is there that is neither empty nor what such a command writes.

    Args:
        path: What is to be written over.
        begins: What files that may go begin with.
        kind: What these are, for people, such as ``a snapshot``.
    """
    if not path.is_file():
        return
    with system_errors(path, "nothing was written", output=False), path.open("rb") as file:
        head = file.read(max(map(len, begins)))
    if head and not head.startswith(begins):
        raise RefusedExists(
            f"{path} is not {kind}, and would be lost",
            hint="nothing was changed; choose another name, or delete the file if that is what you want",
        )


def copy_mode(seen: os.stat_result, fd: int) -> None:
    """The mode; set-id bits only where the owner is the same."""
    now = os.fstat(fd)
    same = (now.st_uid, now.st_gid) == (seen.st_uid, seen.st_gid)
    platform.change_mode(fd, stat.S_IMODE(seen.st_mode) if same else seen.st_mode & 0o777)


def free(path: Path, overwrite: bool) -> Path:
    """Where a new file ``path`` is to be written: it does not exist, or is a regular file that may go."""
    if not os.path.lexists(path):
        return Path(os.path.realpath(path.parent)) / path.name
    target = Path(os.path.realpath(path))
    if not overwrite:
        raise RefusedExists(f"{path} exists already", hint="nothing was changed; choose another name")
    if target.exists() and not target.is_file():
        raise RefusedExists(f"{path} is not a regular file", hint="nothing was changed; choose another name")
    return target


@contextlib.contextmanager
def temporary(target: Path, mode: int) -> Iterator[tuple[int, Path]]:
    """A new file beside ``target``, open, locked and gone at the end unless it was renamed."""
    sweep(target)
    while True:
        path = temporary_path(target)
        fd = open_file(os.fsencode(path), os.O_RDWR | platform.NEW, mode)
        try:
            alive = True
            with contextlib.suppress(OSError):  # without locks, nobody sweeps
                alive = lock(fd)
            if alive and path.exists():  # else somebody swept it before it was locked
                yield fd, path
                return
        finally:
            release(fd)
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def temporary_folder(directory: Path) -> Iterator[Path]:
    """A new directory in ``directory``, locked as long as its process lives, and gone at the end."""
    with locked_folder(directory, ".jelly-", ".tmp") as (path, _):
        place = os.path.realpath(path)
        _HELD.add(place)
        try:
            yield path
        finally:
            _HELD.discard(place)


def is_held(directory: Path) -> bool:
    """Whether a directory, links followed, is a `temporary_folder` of this process: it goes with what is in it."""
    return os.fspath(directory) in _HELD


@contextlib.contextmanager
def locked_folder(directory: Path, begin: str, ending: str) -> Iterator[tuple[Path, int]]:
    """`temporary_folder`, under a name that begins and ends so; and the descriptor that holds the lock.

    A process that inherits the descriptor keeps the lock when this one is killed.
    """
    while True:
        path = directory / f"{begin}{os.urandom(6).hex()}{ending}"
        path.mkdir(0o700)
        try:
            fd = directories.open_directory(os.fsencode(path))
        except FileNotFoundError:  # somebody who sweeps has taken it for one that was left
            continue
        try:
            alive = True
            with contextlib.suppress(OSError):  # without locks, nobody removes it
                alive = lock(fd)
            if alive and path.exists():  # else somebody removed it before it was locked
                yield path, fd
                return
        finally:
            remove_tree(path)
            directories.release(fd)


@contextlib.contextmanager
def scratch_folder(begin: str) -> Iterator[tuple[Path, int]]:
    """`locked_folder` where the system has temporary files; those that killed processes of this user left go first.

    Args:
        begin: What its name begins with, and theirs.

    Raises:
        SystemFailure: the system says no, to this or to what is done meanwhile; nothing was changed.
    """
    import tempfile  # only now: who reads a file needs none

    temporary = Path(tempfile.gettempdir())
    with system_errors(temporary, "nothing was changed"):
        sweep_folders(temporary, re.compile(re.escape(begin) + "[0-9a-f]{12}"))
        with locked_folder(temporary, begin, "") as found:
            yield found


def remove_stale(path: Path, *, dry_run: bool = False) -> bool:
    """Remove a temporary file or directory whose process is dead.

    Args:
        path: Its name is one of ours.
        dry_run: Only say whether it would go.

    Returns:
        Whether it is stale; what is no file or directory is not.

    Raises:
        OSError: it cannot be told, or it cannot be removed.
    """
    seen = path.lstat()
    # anybody may make one of that name where all may write
    if not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)) or platform.user_id() not in (seen.st_uid, 0):
        return False
    fd = open_file(os.fsencode(path), platform.REGULAR)
    try:
        if not os.path.samestat(seen, os.fstat(fd)) or not lock(fd):
            return False
        if not dry_run:
            if stat.S_ISDIR(seen.st_mode):
                remove_tree(path)
                with contextlib.suppress(FileNotFoundError):
                    path.rmdir()  # which says why something is left
            else:
                platform.let_go(fd)
                path.unlink()
        return True
    finally:
        release(fd)


def sweep_folders(directory: Path, names: re.Pattern[str] = FOLDER) -> None:
    """Remove the directories in ``directory`` that were in use when their process died.

    Args:
        directory: Where to look.
        names: What their names are like; by default of those that a framework was saving into.
    """
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if names.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid == platform.user_id():
                        remove_stale(Path(entry.path))


def temporary_path(target: Path) -> Path:
    """A new name for a temporary file beside ``target``."""
    return target.with_name(hidden_name(target.name, f".jelly-{os.urandom(6).hex()}.tmp"))


def temporary_begin(target: Path) -> str:
    """What the names of all temporary files for ``target`` begin with."""
    return hidden_name(target.name, ".jelly-############.tmp").partition("############")[0]


def sweep(target: Path) -> None:
    """Remove temporary files for ``target`` that nobody locks: their processes are dead."""
    begin = temporary_begin(target)
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            if path.name.startswith(begin) and TEMPORARY.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    _sweep_one(path, target)


def _sweep_one(path: Path, target: Path) -> None:
    owners = {platform.user_id(), *([target.stat().st_uid] if target.exists() else [])}
    fd = open_regular(os.fsencode(path), limit=sys.maxsize)
    try:
        info = os.fstat(fd)
        # a second name of the target itself may go though the target is locked
        if info.st_uid in owners and (lock(fd) or os.path.samestat(info, target.stat())):
            platform.let_go(fd)
            path.unlink()
    finally:
        release(fd)


def publish(new: Path, target: Path, overwrite: bool) -> None:
    """Give the finished temporary file its name. Where that fails, what was there is there again.

    Raises:
        OSError: it failed.
        RefusedExists: without ``overwrite``, ``target`` exists.
        SystemFailure: it failed, and so did taking it back.
    """
    backup: Path | None = None
    created = False
    try:
        if overwrite and target.exists():
            backup = _link_aside(target)
            new.replace(target)
        else:
            _link_new(new, target)
            created = True
        sync_directory(target.parent)
    except BaseException as error:
        try:
            if created:
                target.unlink()
            elif backup is not None and not backup.samefile(target):
                backup.replace(target)
        except OSError as second:
            raise SystemFailure(
                f"{target} is new and whole, but the disk failed ({error}; {second})",
                hint="look at the system's log; copy what matters to another disk",
            ) from error
        raise
    finally:
        if backup is not None:
            with contextlib.suppress(OSError):
                backup.unlink()


def remove(path: Path) -> None:
    """Remove a file. Where that fails, it is there again.

    Raises:
        OSError: it failed.
        SystemFailure: it failed, and so did taking it back.
    """
    aside = temporary_path(path)
    path.rename(aside)
    try:
        sync_directory(path.parent)
    except OSError as error:
        try:
            aside.rename(path)
        except OSError as second:
            raise SystemFailure(
                f"{path} was removed, but the disk failed ({error}; {second})",
                hint="look at the system's log; copy what matters to another disk",
            ) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def _link_aside(target: Path) -> Path | None:
    """A second name for the old file, to have it back; None where there are no hard links."""
    path = temporary_path(target)
    try:
        platform.link(target, path)
    except OSError as error:
        if error.errno in _NO_LINKS:
            return None
        raise
    return path


def _link_new(new: Path, target: Path) -> None:
    """Name it ``target`` if that does not exist: a rename would replace what somebody has put there just now."""
    exists = RefusedExists(f"{target} exists already", hint="nothing was changed; choose another name")
    try:
        platform.link(new, target)
    except FileExistsError:
        raise exists from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            os.close(open_file(os.fsencode(target), os.O_WRONLY | platform.NEW))
        except FileExistsError:
            raise exists from None
        try:
            new.replace(target)
        except BaseException:
            target.unlink()
            raise
