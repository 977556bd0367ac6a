"""Where a repository and its parts are: found without libgit2, which refuses repositories of other users."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from jellyformat.errors import NoRepository, RefusedRepository
from jellyformat.fileio import read_optional
from jellyformat.gitconfig import read_config


@dataclass(frozen=True)
class Layout:
    """Where a repository's parts are; absolute paths, bytes. ``worktree`` is None for a bare one."""

    git_dir: bytes
    common_dir: bytes
    worktree: bytes | None


def find(start: str | os.PathLike[str]) -> Layout:
    """The repository that holds the directory ``start``, looked for upward.

    Raises:
        NoRepository: there is none.
        RefusedRepository: it is broken, or its configuration cannot be read.
    """
    try:
        directory = os.fsencode(Path(start).resolve())
    except FileNotFoundError as error:
        raise NoRepository(
            "the current directory is no longer there", hint="nothing was changed; go to one that is, or name one"
        ) from error
    current = directory
    ceilings = _ceilings()
    while True:
        found = layout_at(current)
        if found is not None:
            return found
        _check_pointer(current)
        parent = os.path.dirname(current)
        if parent == current or parent in ceilings:
            hint = "nothing was changed; name one with --repo DIR, or let it be made with --create-repo"
            if "GIT_DIR" in os.environ:
                hint += (
                    "; the variable GIT_DIR is not looked at: core.worktree in that repository says where its files are"
                )
            raise NoRepository(f"there is no git repository at {os.fsdecode(directory)} or above it", hint=hint)
        current = parent


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


def _check_pointer(directory: bytes) -> None:
    """A ``.git`` that points nowhere, or is broken, is said: further up there may be another repository than meant."""
    target = _pointed_to(directory)
    if target is not None:
        raise NoRepository(
            f"{os.fsdecode(directory)}/.git says that the repository is at {os.fsdecode(target)}, but there is none",
            hint="nothing was changed; if the repository was moved, `git worktree repair` in it, or make it available",
        )
    parts = [name for name in (b"HEAD", b"objects", b"refs") if os.path.lexists(directory + b"/.git/" + name)]
    if parts and len(parts) < 3:
        missing = ", ".join(sorted({"HEAD", "objects", "refs"} - {os.fsdecode(name) for name in parts}))
        raise RefusedRepository(
            f"{os.fsdecode(directory)}/.git is no repository any more: there is no {missing} in it",
            hint="nothing was changed; bring back what is missing there, or move it away",
        )


def _pointed_to(directory: bytes) -> bytes | None:
    """Where a file ``.git`` in ``directory`` points to; None where there is no such file."""
    if not os.path.isfile(directory + b"/.git"):
        return None
    text = read_optional(directory + b"/.git") or b""
    if not text.startswith(b"gitdir: "):
        return None
    return os.path.normpath(os.path.join(directory, text[8:].rstrip(b"\r\n")))


def layout_at(directory: bytes) -> Layout | None:
    """The repository whose worktree root, or bare directory, is ``directory``; None where there is none.

    Raises:
        RefusedRepository: its configuration cannot be read.
    """
    dot_git = directory + b"/.git"
    git_dir = dot_git if os.path.isdir(dot_git) else _pointed_to(directory)
    if git_dir is not None and _is_git_dir(git_dir):
        return _layout(git_dir, directory)
    if not _is_git_dir(directory):
        return None
    inside = os.path.basename(directory) == b".git"
    return _layout(directory, os.path.dirname(directory) if inside else None)


def _layout(git_dir: bytes, worktree: bytes | None) -> Layout:
    """The layout of a repository that was found; its own configuration may name another worktree, or none."""
    common = read_optional(git_dir + b"/commondir")
    if common is not None:
        return Layout(git_dir, os.path.normpath(os.path.join(git_dir, common.rstrip(b"\r\n"))), worktree)
    config = read_config([git_dir + b"/config"])
    named = config.get("core.worktree")
    if named is not None:
        place = os.path.normpath(os.path.join(git_dir, os.fsencode(named)))
        return Layout(git_dir, git_dir, place if os.path.isdir(place) else worktree)
    return Layout(git_dir, git_dir, None if config.boolean("core.bare", default=False) else worktree)


def _is_git_dir(path: bytes) -> bool:
    if not (os.path.isfile(path + b"/HEAD") or os.path.islink(path + b"/HEAD")):
        return False
    common = read_optional(path + b"/commondir")
    base = path if common is None else os.path.join(path, common.rstrip(b"\r\n"))
    return os.path.isdir(base + b"/objects") and os.path.isdir(base + b"/refs")
