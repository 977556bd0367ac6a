"""The repository that a snapshot is of, where nothing else is said: that of the program that runs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from jellyformat.capture import program
from jellyformat.errors import JellyError, NoRepository
from jellyformat.git.layout import find_repository

REPOSITORY = "JELLYFORMAT_REPO"
"""The environment variable that names a directory of the repository; ``repo=`` goes before it."""
_SAID: set[str] = set()
"""What was said in this process."""


@dataclass(frozen=True)
class Place:
    """Where a snapshot is taken.

    Attributes:
        path: A directory in the repository.
        remark: What the user may not expect of it, for people; None for nothing.
    """

    path: str
    remark: str | None = None


def place_of(
    repo: str | os.PathLike[str] | None = None, *, trusted: bool = False, file: str | None = None, here: str = "."
) -> Place:
    """The directory whose repository is meant: ``repo``, ``JELLYFORMAT_REPO``, that of the program, the current one.

    The program's is the directory of its main script or ``-m`` module. Where the main program is installed (a launcher,
    a console script), has no file, or lies in no repository, it is the current directory; so it is at a prompt and
    in a notebook. Where the program is installed or has no file, and the current directory is in no repository either,
    it is that of the file that calls: the test that pytest runs, the function that a worker of Ray runs.

    Args:
        repo: A directory of the repository; None leaves it to the program.
        trusted: Whether the user gave their word for the repository, whosever it is.
        file: The file of the program, where it was looked for before.
        here: The current directory, or what it was.
    """
    named = os.fspath(repo) if repo is not None else os.environ.get(REPOSITORY)
    if named:
        return Place(named)
    file = file or program.program_file()
    found_here = _repository(here, trusted=trusted)
    if file is None:
        calling = program.calling_file()
        directory = here if calling is None else _directory_of(calling)
        if found_here is None:
            return Place(directory)
        found = _repository(directory, trusted=trusted)
        if found in (None, found_here):
            return Place(here)
        return Place(
            here,
            f"the snapshot is of the repository of the current directory, {found_here}; {calling}, which runs, is in "
            f"another, {found}, which is not in it (repo=DIR or {REPOSITORY}=DIR names the one to take)",
        )
    directory = _directory_of(file)
    found = _repository(directory, trusted=trusted)
    if found is None and found_here is not None:
        return Place(here)
    if None not in (found, found_here) and found != found_here:
        return Place(
            directory,
            f"the snapshot is of the repository of the program, {found}; the current directory is in another, "
            f"{found_here}, which is not in it (repo=DIR or {REPOSITORY}=DIR names the one to take)",
        )
    return Place(directory)


def said_once(remark: str | None) -> str | None:
    """A remark, unless it was given out in this process before."""
    if remark is None or remark in _SAID:
        return None
    _SAID.add(remark)
    return remark


def _directory_of(file: str) -> str:
    """The directory of a file; that of the archive where it is in one."""
    directory = os.path.dirname(file)
    while not os.path.isdir(directory) and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
    return directory


def _repository(directory: str, *, trusted: bool) -> str | None:
    """The top of the repository that holds a directory; None where there is none."""
    try:
        layout = find_repository(directory, trusted=trusted)
    except NoRepository:
        return None
    except JellyError:  # there is one, and a capture says what is wrong with it
        return os.path.realpath(directory)
    return os.fsdecode(layout.worktree or layout.git_dir)
