"""Where a repository and its parts are (gitrepository-layout(5)), and whether it is to be read or changed at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from jellyformat.errors import JellyError, NoRepository, RefusedRepository, SystemFailure
from jellyformat.git import ownership, reading
from jellyformat.git.config import protected_config, read_local_config
from jellyformat.git.ownership import Found
from jellyformat.git.reading import FOLLOWING, Reader
from jellyformat.hints import Hint, option

_TRUE = ("1", "true", "yes", "on")
_NOWHERE = b"/"
"""What ``.`` in ``safe.directory`` stands for where no directory was named."""

_NAME_ONE = "nothing was changed; name a directory that is in one"


@dataclass(frozen=True)
class Layout:
    """Where a repository's parts are; absolute paths, bytes. ``worktree`` is None for a bare one.

    Attributes:
        foreign: Whether it is another user's: what it names outside of itself is not looked at.
        trusted: Whether the user gave their word for it, and so for those inside it.
        owners: Who owns it, for people; empty unless it is foreign.
        named: The git directory as it was named, with the links that lead there; empty where there are none.
    """

    git_dir: bytes
    common_dir: bytes
    worktree: bytes | None
    foreign: bool = False
    trusted: bool = False
    owners: str = ""
    named: tuple[bytes, ...] = field(default=(), compare=False)


def find_repository(start: str | os.PathLike[str], *, trusted: bool = False, hint: str | Hint = _NAME_ONE) -> Layout:
    """The repository that holds the directory ``start``, looked for upward as git does, to be read.

    Args:
        start: A directory.
        trusted: Whether the user gave their word for it, whosever it is.
        hint: What to do where there is none.

    Raises:
        NoRepository: there is none.
        ForeignRepository: somebody may have planted it.
        RefusedRepository: it is broken, or its configuration cannot be read.
    """
    with _readable_or_said():
        directory = _directory(start)
        found = _readable(_found_upward(directory, hint, to_read=True), directory, trusted=trusted)
        return replace(found, named=_as_named(found.git_dir, directory, start))


def place_of_files(start: str | os.PathLike[str]) -> tuple[bytes, bool]:
    """Which directory's files are meant where no repository can be read, and whether there is one all the same.

    Args:
        start: A directory.

    Raises:
        NoRepository: it is not there.
    """
    directory = _directory(start)
    for current in _upward(directory):
        try:
            if _found_at(current) is not None:
                return current, True
            _check_pointer(current, to_read=True)
        except (JellyError, OSError):
            return current, True
    return directory, False


def repository_to_change(start: str | os.PathLike[str]) -> Layout:
    """The repository that holds the directory ``start``, to be changed: only where git itself would.

    Raises:
        NoRepository: there is none.
        ForeignRepository: it is another user's.
        RefusedRepository: it is broken, or its configuration cannot be read.
    """
    with _readable_or_said():
        directory = _directory(start)
        found = _found_upward(directory)
        ownership.check_change(found, directory)
        layout = _layout(found, foreign=False, trusted=False)
        return replace(layout, named=_as_named(layout.git_dir, directory, start))


def layout_at(directory: bytes, *, trusted: bool = False) -> Layout | None:
    """The repository whose worktree root, or bare directory, is ``directory``, to be read; None where there is none.

    Raises:
        ForeignRepository: somebody may have planted it.
        RefusedRepository: its configuration cannot be read.
    """
    with _readable_or_said():
        found = _found_at(directory)
        return None if found is None else _readable(found, _NOWHERE, trusted=trusted)


def changes_allowed(layout: Layout) -> bool:
    """Whether git would act in a repository inside another one."""
    with _readable_or_said():
        found = _found_at(layout.worktree or layout.git_dir)
        return found is not None and ownership.git_acts(found, _NOWHERE)


@contextmanager
def _readable_or_said() -> Iterator[None]:
    """Say what the system says of a repository for people."""
    try:
        yield
    except OSError as error:
        raise SystemFailure(f"the repository cannot be read: {error}", hint="nothing was changed") from error


# -- the search ----------------------------------------------------------------------------------------------------


def _directory(start: str | os.PathLike[str]) -> bytes:
    try:
        return os.fsencode(Path(start).resolve())
    except FileNotFoundError as error:
        raise NoRepository(
            "the current directory is no longer there", hint="nothing was changed; go to one that is, or name one"
        ) from error
    except (OSError, RuntimeError) as error:  # links in a circle
        raise NoRepository(f"{os.fspath(start)} cannot be read: {error}", hint="nothing was changed") from error


def _as_named(git_dir: bytes, directory: bytes, start: str | os.PathLike[str]) -> tuple[bytes, ...]:
    """A git directory by the links that ``start``, which is ``directory``, leads through."""
    path = os.fsencode(os.environ.get("PWD", "") if os.fspath(start) == "." else os.path.abspath(start))
    try:
        if path == directory or not os.path.isabs(path) or not os.path.samefile(path, directory):
            return ()
    except OSError:
        return ()
    while not git_dir.startswith(directory.rstrip(b"/") + b"/"):
        if os.path.basename(path) != os.path.basename(directory) or directory == b"/":
            return ()
        path, directory = os.path.dirname(path), os.path.dirname(directory)
    return (path + git_dir[len(directory) :],)


def _found_upward(directory: bytes, hint: str | Hint = _NAME_ONE, *, to_read: bool = False) -> Found:
    """The repository of a directory or of the nearest one above it.

    Raises:
        NoRepository, RefusedRepository, SystemFailure: as `find_repository`.
    """
    for current in _upward(directory):
        found = _found_at(current)
        if found is not None:
            return found
        _check_pointer(current, to_read=to_read)
    border = ""
    if os.path.dirname(current) not in (current, *_ceilings()):
        border = f", up to the filesystem {os.fsdecode(current)} (GIT_DISCOVERY_ACROSS_FILESYSTEM is not set)"
    if "GIT_DIR" in os.environ:
        hint = Hint(
            hint,
            "; the variable GIT_DIR is not looked at: core.worktree in that repository says where its files are",
        )
    raise NoRepository(f"there is no git repository at {os.fsdecode(directory)} or above it{border}", hint=hint)


def _upward(directory: bytes) -> Iterator[bytes]:
    """A directory and those above it, as far as git looks."""
    ceilings = _ceilings()
    across = os.environ.get("GIT_DISCOVERY_ACROSS_FILESYSTEM", "").lower() in _TRUE
    device = _device(directory)
    current = directory
    while True:
        yield current
        parent = os.path.dirname(current)
        if parent in (current, *ceilings) or (device is not None and not across and _device(parent) != device):
            return
        current = parent


def _device(directory: bytes) -> int | None:
    try:
        return os.stat(directory).st_dev
    except OSError:
        return None


def _ceilings() -> set[bytes]:
    """The directories that git does not go up into (git(1), GIT_CEILING_DIRECTORIES)."""
    found: set[bytes] = set()
    resolve = True
    for path in os.fsencode(os.environ.get("GIT_CEILING_DIRECTORIES", "")).split(os.fsencode(os.pathsep)):
        if not path:
            resolve = False  # what comes behind an empty one is taken as it stands
        elif os.path.isabs(path):
            found.add(os.path.realpath(path) if resolve else os.path.normpath(path))
    return found


def _check_pointer(directory: bytes, *, to_read: bool) -> None:
    """A ``.git`` that points nowhere, is broken or cannot be read is said: further up there may be another repository.

    Args:
        directory: Where it is.
        to_read: Whether the files could be taken without it.
    """
    dot_git = directory + b"/.git"
    try:
        mode = os.stat(dot_git).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unreadable(dot_git, error, to_read=to_read) from error
    if not stat.S_ISDIR(mode):
        target = _pointed_to(directory)
        if target is None:
            raise RefusedRepository(
                f"{os.fsdecode(dot_git)} is neither a repository nor a file that says where one is",
                hint="nothing was changed; look at it, and move it away",
            )
        _check_readable(target, to_read=to_read)
        raise NoRepository(
            f"{os.fsdecode(dot_git)} says that the repository is at {os.fsdecode(target)}, but there is none",
            hint=_mount(target, to_read=to_read),
        )
    _check_readable(dot_git, to_read=to_read)
    parts = [name for name in (b"HEAD", b"objects", b"refs") if os.path.lexists(dot_git + b"/" + name)]
    if parts and len(parts) < 3:
        missing = ", ".join(sorted({"HEAD", "objects", "refs"} - {os.fsdecode(name) for name in parts}))
        raise RefusedRepository(
            f"{os.fsdecode(dot_git)} is no repository any more: there is no {missing} in it",
            hint="nothing was changed; bring back what is missing there, or move it away",
        )


def _check_readable(git_dir: bytes, *, to_read: bool) -> None:
    """Raise SystemFailure where the system does not say what is in a git directory."""
    try:
        os.stat(git_dir + b"/HEAD")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise _unreadable(git_dir, error, to_read=to_read) from error


def _unreadable(place: bytes, error: OSError, *, to_read: bool) -> SystemFailure:
    alone = Hint(", or take the files without it: ", option("without_git")) if to_read else ""
    return SystemFailure(
        f"the repository at {os.fsdecode(place)} cannot be read: {error.strerror}",
        hint=Hint("nothing was changed; ask its owner, or run this as who may read it", alone),
    )


def _mount(target: bytes, *, to_read: bool) -> Hint:
    """What to do where a worktree or submodule is there, and the repository it belongs to is not."""
    whole, inside, _ = target.partition(b"/.git/")
    alone = Hint("; or take the files without it: ", option("without_git")) if to_read else ""
    if not inside:
        return Hint("nothing was changed; if the repository was moved, make it available there", alone)
    kind = "submodule" if target.startswith(whole + b"/.git/modules/") else "worktree"
    return Hint(
        f"nothing was changed; this is a {kind} of another repository. In a container, mount {os.fsdecode(whole)} too, "
        "and both at the paths that they have outside. If it was moved, `git worktree repair` in it",
        alone,
    )


def _pointed_to(directory: bytes) -> bytes | None:
    """Where a file ``.git`` in ``directory`` points to; None where there is no such file."""
    if not os.path.isfile(directory + b"/.git"):
        return None
    text = FOLLOWING.read(directory, b".git", reading.POINTER) or b""
    if not text.startswith(b"gitdir: "):
        return None
    return os.path.normpath(os.path.join(directory, text[8:].rstrip(b"\r\n")))


# -- what is there -------------------------------------------------------------------------------------------------


def _found_at(directory: bytes) -> Found | None:
    """What git would take for a repository in a directory, or for one that the directory is; nothing is believed."""
    dot_git = directory + b"/.git"
    git_dir = dot_git if os.path.isdir(dot_git) else _pointed_to(directory)
    common = None if git_dir is None else _common_dir(git_dir)
    if git_dir is not None and common is not None:
        return Found(directory, dot_git, git_dir, common, bare=False)
    common = _common_dir(directory)
    if common is None:
        return None
    if os.path.basename(directory) == b".git":
        return Found(os.path.dirname(directory), directory, directory, common, bare=False)
    return Found(directory, directory, directory, common, bare=True)


def _common_dir(git_dir: bytes) -> bytes | None:
    """What a git directory shares with other worktrees, or itself; None where it is no git directory."""
    if not (os.path.isfile(git_dir + b"/HEAD") or os.path.islink(git_dir + b"/HEAD")):
        return None
    text = FOLLOWING.read(git_dir, b"commondir", reading.POINTER)
    common = git_dir if text is None else os.path.normpath(os.path.join(git_dir, text.rstrip(b"\r\n")))
    return common if os.path.isdir(common + b"/objects") and os.path.isdir(common + b"/refs") else None


def _readable(found: Found, start: bytes, *, trusted: bool) -> Layout:
    if found.bare and protected_config(os.environ).get("safe.barerepository") == "explicit":
        raise RefusedRepository(
            f"{os.fsdecode(found.directory)} is a bare repository, and safe.bareRepository is explicit",
            hint="nothing was changed; your git configuration says so",
        )
    trusted = trusted or ownership.is_trusted(found)
    return _layout(found, foreign=ownership.check_capture(found, start, trusted=trusted), trusted=trusted)


def _layout(found: Found, *, foreign: bool, trusted: bool) -> Layout:
    """The layout of a repository that was found; its own configuration may name another worktree, or none."""
    owners = ownership.owners(found) if foreign else ""
    git_dir, common_dir = found.git_dir, found.common_dir
    if foreign:  # that the links on the way lead to the owner's own was looked at
        git_dir, common_dir = os.path.realpath(git_dir), os.path.realpath(common_dir)
    worktree = None if found.bare else found.directory
    if found.git_dir == found.common_dir:
        config = read_local_config([git_dir + b"/config"], None, Reader(follow=not foreign))
        named = config.get("core.worktree")
        if named is not None:
            place = os.path.normpath(os.path.join(git_dir, os.fsencode(named)))
            worktree = place if os.path.isdir(place) else worktree
        elif config.boolean("core.bare", default=False):
            worktree = None
    return Layout(git_dir, common_dir, worktree, foreign, trusted, owners)
