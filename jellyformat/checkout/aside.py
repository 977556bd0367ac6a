"""The repository that a restore had made in a directory without one: set aside as a whole when that is undone.

It goes beside the directory, into ``.NAME.jelly-undone``, or into the directory itself where that cannot be: a rename
is all it takes, so it is there whole at any instant, and `redo` brings it back by another.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from jellyformat.checkout import sealed
from jellyformat.checkout.excludes import all_excluded, read_exclude
from jellyformat.checkout.history import LOG, Log
from jellyformat.checkout.store import RefusedStore, Store
from jellyformat.errors import RefusedExists, RefusedRepository, SystemFailure
from jellyformat.files import durable
from jellyformat.git.layout import Layout
from jellyformat.git.reading import FOLLOWING
from jellyformat.hints import Hint, command, option
from jellyformat.hosts.registry import PathLike

_VERSION = 1
_MADE = "made"
_ENDING = b".jelly-undone"
_REPOSITORY, _IGNORE = b"repository", b".gitignore"
"""In the directory that it is put into: git shows none of it where that is in another repository."""
_MOST = 1000


def note_made(store: Store, *, directory: bool) -> None:
    """Note that a restore has made the repository, and whether its directory too. Raises OSError."""
    store.write(_MADE, {"directory": directory, "version": _VERSION})


def was_made(store: Store) -> bool:
    """Whether a restore has made the repository. Only while the store is locked, as all below that take one."""
    return _note(store) is not None


def _note(store: Store) -> bool | None:
    """Whether the directory was made too; None where the repository was there before, or nobody knows."""
    try:
        directory, version = sealed.fields(sealed.unseal(store.read(_MADE)), "directory", "version")
    except (FileNotFoundError, ValueError):
        return None
    return bool(directory) if version == _VERSION else None


def is_left_over(store: Store, log: Log) -> bool:
    """Whether a restore has made the repository, and is undone or was never completed; it hides all files from git."""
    made = was_made(store) and (not log.nodes or log.live.id == 0)
    return made and read_exclude(store.layout.common_dir) in (None, all_excluded())


def check(layout: Layout) -> None:
    """Raises RefusedRepository where the repository cannot be set aside: others need it, or it is elsewhere."""
    worktree = os.fsdecode(layout.worktree or b"")
    if FOLLOWING.names(layout.common_dir, b"worktrees"):
        raise RefusedRepository(
            f"before that restore there was no repository in {worktree}, but other worktrees use it now",
            hint="nothing was changed; `git worktree list` names them, `git worktree remove` removes one",
        )
    dot_git = (layout.worktree or b"") + b"/.git"
    if layout.git_dir != layout.common_dir or os.path.islink(dot_git) or not os.path.isdir(dot_git):
        raise RefusedRepository(
            f"before that restore there was no repository in {worktree}, but its .git is no directory any more",
            hint="nothing was changed; move the repository back to there",
        )


def set_aside(store: Store) -> Path:
    """Move the repository away from its directory, which is as it was then; where it is now.

    Raises:
        SystemFailure: it cannot be moved. Undo can be called again.
    """
    worktree = store.layout.worktree
    assert worktree is not None
    directory_made = _note(store)
    fault: OSError | None = None
    for place in _places(os.path.realpath(worktree)):
        try:
            os.mkdir(place, 0o700)  # it is not there: nobody else has put anything in it
            with open(place + b"/" + _IGNORE, "wb") as file:
                file.write(b"*\n")
            os.rename(worktree + b"/.git", place + b"/" + _REPOSITORY)
        except OSError as error:
            fault = fault or error
            with contextlib.suppress(OSError):
                _remove(place)
            continue
        for changed in (place, os.path.dirname(place), worktree):
            durable.sync_directory(Path(os.fsdecode(changed)))
        if directory_made and not _is_here(worktree):
            with contextlib.suppress(OSError):  # something is in it
                os.rmdir(worktree)
        return Path(os.fsdecode(place + b"/" + _REPOSITORY))
    raise SystemFailure(
        f"the repository in {os.fsdecode(worktree)}, which the restore had made, cannot be moved away: {fault}",
        hint=Hint("nothing is lost, and the files are as they were; when that is mended: ", command("undo")),
    )


def find(directory: PathLike) -> Store | None:
    """The store of the repository that was set aside last for a directory, or the nearest one above; not yet locked.

    None where there is none, or where a repository is in its place.
    """
    here = os.path.realpath(os.fsencode(os.fspath(directory)))
    while not os.path.lexists(here + b"/.git"):
        for base in _bases(here):
            last = None
            for place in _numbered(base):
                if not os.path.lexists(place):
                    break
                if _is_directory(place) and _is_directory(place + b"/" + _REPOSITORY):
                    last = place + b"/" + _REPOSITORY
            if last is not None and os.path.lexists(last + b"/jellyformat/" + LOG.encode()):
                return Store(Layout(last, last, here), here + b"/.git")
        above = os.path.dirname(here)
        if above == here:
            break
        here = above
    return None


@contextlib.contextmanager
def brought_back(directory: PathLike) -> Iterator[None]:
    """Move the repository that was set aside for a directory back to it, where there is one; away again if it fails.

    Raises:
        RefusedStore: it is not known to have been there.
    """
    store = find(directory)
    if store is None:
        yield
        return
    assert store.layout.worktree is not None
    worktree, place = store.layout.worktree, os.path.dirname(store.git_dir)
    with durable.system_errors(store.path, "nothing was changed", output=False):
        _verify(store)
        was_there = os.path.isdir(worktree)
        os.makedirs(worktree, exist_ok=True)
        try:
            os.rename(store.git_dir, worktree + b"/.git")
        except OSError as error:
            if os.path.lexists(worktree + b"/.git"):
                raise RefusedExists(
                    f"something is at {os.fsdecode(worktree)}/.git", hint="nothing was changed"
                ) from error
            raise
    try:
        yield
    except BaseException:
        os.rename(worktree + b"/.git", store.git_dir)
        if not was_there:
            with contextlib.suppress(OSError):
                os.rmdir(worktree)
        raise
    with contextlib.suppress(OSError):  # an empty directory
        _remove(place)


def _verify(store: Store) -> None:
    """Raises RefusedStore where it was never at the place that it would go to: anybody may have put it here."""
    try:
        with store.locked():
            known = was_made(store)
    except RefusedStore as error:
        worktree = os.fsdecode(store.layout.worktree or b"")
        raise RefusedStore(
            error.message,
            hint=Hint(
                f"nothing was changed; if it is yours, move {os.fsdecode(store.git_dir)} to {worktree}/.git, then ",
                command("fix", worktree, option("adopt")),
            ),
        ) from error
    if not known:
        raise RefusedStore(f"{os.fsdecode(store.git_dir)} was not set aside by undo", hint="nothing was changed")


# -- places ------------------------------------------------------------------------------------------------------------


def _bases(directory: bytes) -> tuple[bytes, bytes]:
    above, name = os.path.split(directory)
    return above + b"/." + name + _ENDING, directory + b"/.git" + _ENDING


def _numbered(base: bytes) -> Iterator[bytes]:
    yield base
    yield from (b"%s-%d" % (base, number) for number in range(2, _MOST))


def _places(directory: bytes) -> Iterator[bytes]:
    """Where it may go, the best first: none of them is taken."""
    for base in _bases(directory):
        yield next(place for place in _numbered(base) if not os.path.lexists(place))


def _remove(place: bytes) -> None:
    """Take the directory away that a repository was in, if nothing else is. Raises OSError."""
    if os.listdir(place) in ([], [_IGNORE]):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place + b"/" + _IGNORE)
        os.rmdir(place)


def _is_directory(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _is_here(directory: bytes) -> bool:
    try:
        return os.path.samefile(directory, b".")
    except OSError:
        return False
