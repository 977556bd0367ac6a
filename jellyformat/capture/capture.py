"""Capture: the exact state of a repository into a container, writing nothing and running nothing (SPEC JF-STA)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat.capture import notebook, watch
from jellyformat.capture.edited import Loaded
from jellyformat.capture.environment import collect_environment, provenance
from jellyformat.capture.roots import open_roots
from jellyformat.capture.said import say_alone, say_committed, say_empty, say_filtered
from jellyformat.capture.states import Capturing, UnreadableInside
from jellyformat.capture.withhold import check_choice
from jellyformat.capture.without_git import FilesAlone
from jellyformat.errors import (
    Busy,
    ForeignRepository,
    FormatError,
    JellyError,
    NoRepository,
    PromptWarning,
    RefusedRepository,
    SystemFailure,
    Usage,
)
from jellyformat.format import blocks, limits, summary
from jellyformat.format.collect import Collector
from jellyformat.format.model import Manifest
from jellyformat.format.msgpack import Value
from jellyformat.git.create import make_repository
from jellyformat.git.layout import Layout, find_repository, layout_at, place_of_files
from jellyformat.git.objects import MissingObject
from jellyformat.git.ownership import TRUST
from jellyformat.git.repository import Repository
from jellyformat.hints import Hint, option

_TRIES = 3
_PATIENCE = 10.0
"""Seconds in which a repository whose HEAD or index changed is captured anew."""
_NO_REPOSITORY = Hint(
    "nothing was changed; name one with ", option("repo", "DIR"), ", or let it be made with ", option("create_repo"),
    "; or take the files alone: ", option("without_git"),
)  # fmt: skip
MAX_FILE_SIZE = 16 * limits.MIB
MAX_SIZE = 256 * limits.MIB


@dataclass(frozen=True)
class Settings:
    """How to capture.

    Attributes:
        history: ``head``, ``full``, or the number of generations of commits, HEAD's being the first.
        include: Globs of files to take all the same that are ignored, or left out by kind.
        exclude: Globs of files to leave out.
        max_file_size: Bytes; of one file that HEAD does not have.
        max_size: Bytes; of all of those.
        oversize: ``refuse`` the capture, ``omit`` what is over a size, listing it, or ``allow`` it.
        secrets: The same for files that seem to hold a secret that HEAD does not have.
        environment: Whether interpreter, packages and command line are noted.
        carriers: Files the snapshot is for: no part of it unless tracked.
        trust_repository: Whether the owner of the repository is trusted, whoever that is.
        captured: By whom (SPEC 7.4): the ``program`` that runs the code, or afterwards by a ``command``.
        roots: Directories of further repositories that are taken too.
        without_git: Whether the files are taken alone where there is no repository, or it cannot be read.
        best: Whether the container has the fewest bytes, however long that takes.
    """

    history: str | int = "head"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_file_size: int = MAX_FILE_SIZE
    max_size: int = MAX_SIZE
    oversize: str = "refuse"
    secrets: str = "refuse"
    environment: bool = True
    carriers: tuple[str, ...] = ()
    trust_repository: bool = False
    captured: str = "program"
    without_git: bool = False
    roots: tuple[str, ...] = ()
    best: bool = False

    def __post_init__(self) -> None:
        check_choice("oversize", self.oversize)
        check_choice("secrets", self.secrets)
        if self.captured not in ("program", "command"):
            raise Usage(f"captured is program or command, not {self.captured!r}")
        self.depth()

    def depth(self) -> int | None:
        """Generations of commits to take; None for all."""
        if self.history in ("head", "full"):
            return 1 if self.history == "head" else None
        try:
            depth = int(self.history)
        except ValueError:
            depth = 0
        if depth < 1:
            raise Usage(f"history is head, full or a number from 1, not {self.history!r}")
        return depth


@dataclass(frozen=True)
class Captured:
    """A container as made by capture, and its manifest without the blocks."""

    data: bytes
    parts: Manifest


def capture(directory: str | os.PathLike[str], settings: Settings) -> Captured:
    """The state of the repository that holds ``directory``.

    Raises:
        NoRepository: there is none.
        ForeignRepository: it is another user's, and may have been planted.
        Refused: it cannot be captured as it is, or something is over a size limit.
        Busy: it kept changing.
    """
    started = time.time()
    watch.step("to look for the repository")
    try:
        with _explained(directory):
            layout = find_repository(directory, trusted=settings.trust_repository, hint=_NO_REPOSITORY)
            _say_whose(layout)
            return _noted(layout.worktree, lambda: Repository(layout), settings, started)
    except (NoRepository, RefusedRepository, SystemFailure) as error:
        if not settings.without_git:
            raise
        reason = error.message
    with _explained(directory):
        place, is_there = place_of_files(directory)
        if is_there:
            say_alone(place, reason)
        why = "unreadable" if is_there else "none"
        return _noted(place, lambda: FilesAlone(place, why), settings, started)


def _noted(top: bytes | None, opened: Callable[[], Repository], settings: Settings, started: float) -> Captured:
    """A capture, with the files noted that changed after the program had loaded them; unsaved cells are said.

    Args:
        top: The directory of the files; None for a bare repository.
        opened: Opens the repository.
        settings: How to capture.
        started: When it began, in seconds since 1970.
    """
    loaded = Loaded(top)
    with watch.no_collections():
        captured = _capture_settled(opened, settings, started)
    typed = notebook.remark(top)
    if typed is not None:
        watch.say(typed, PromptWarning)
    return replace(captured, data=loaded.note(captured.data))


@contextmanager
def _explained(directory: str | os.PathLike[str]) -> Iterator[None]:
    """Say for people what a repository has that cannot be read, or that a snapshot cannot have."""
    try:
        yield
    except FormatError as error:
        # what a container may not hold, a repository can: names such as .GIT, paths without end
        raise RefusedRepository(
            f"the repository holds what a snapshot cannot: {error.message}",
            requirement=error.requirement,
            hint="nothing was changed; `git fsck` may say more",
        ) from error
    except MissingObject as error:
        raise RefusedRepository(
            f"the object {error.args[0]} is missing in {os.fspath(directory)}, or damaged",
            hint="nothing was changed; `git fsck` says more, `git fetch` may bring it back",
        ) from error
    except OSError as error:
        raise SystemFailure(f"the repository cannot be read: {error}", hint="nothing was changed") from error


_SAID: set[bytes] = set()
"""Git directories of other users of which it was said in this process."""


def _say_whose(layout: Layout) -> None:
    """Say once that a repository is another user's."""
    if layout.foreign and layout.git_dir not in _SAID:
        _SAID.add(layout.git_dir)
        watch.say(
            f"{layout.owners}: what the repository names in other places was not looked at (core.worktree, includes, "
            f"alternates, links); if you trust its owner: {TRUST}="
            f"{os.fsdecode(layout.worktree or layout.git_dir)}"
        )


def _capture_settled(opened: Callable[[], Repository], settings: Settings, started: float) -> Captured:
    """Capture until HEAD and index are at the end what they were at the beginning: what failed meanwhile may be whole.

    git may prune what a commit that was amended had.
    """
    begun, tries = time.monotonic(), 0
    while tries < _TRIES or time.monotonic() - begun < _PATIENCE:
        tries += 1
        repository = opened()
        roots = open_roots(settings.roots, repository, trusted=settings.trust_repository)
        before = [item.fingerprint() for item in (repository, *roots)]
        failure: Exception | None = None
        try:
            captured = _capture(repository, roots, settings, started)
        except (JellyError, OSError, MissingObject) as error:
            failure = error
        if [item.fingerprint() for item in (repository, *roots)] == before:
            if failure is not None:
                raise failure
            return captured
    raise Busy(
        f"HEAD or the index of {repository.name} kept changing while it was read",
        hint="nothing was changed; wait for the other git command and try again",
    )


def _capture(repository: Repository, roots: list[Repository], settings: Settings, started: float) -> Captured:
    unreadable: set[bytes] = set()
    while True:
        capturing = Capturing(settings, Collector(repository.oid_length, settings.best), unreadable)
        try:
            state = capturing.whole_state(repository, roots)
            break
        except UnreadableInside as found:
            unreadable.add(found.prefix)
    capturing.withholder.refuse()
    capturing.volume.say()
    say_filtered(capturing.filtered_out)
    say_committed(state, capturing.flat_of)
    history, written = capturing.collector.finish()
    watch.step("to list the installed packages")
    commit = None if state.head.commit is None else repository.read(state.head.commit)[1]
    why = repository.why if isinstance(repository, FilesAlone) else None
    parts = Manifest(
        state=state,
        summary=summary.derive(state, commit, capturing.flat_of, capturing.collector.size_of),
        history=history,
        provenance=provenance(
            repository.remotes(), started, argv=settings.environment, captured=settings.captured, git=why
        ),
        ignored=tuple(sorted(capturing.ignored)),
        environment=_environment(repository, capturing) if settings.environment else {},
    )
    say_empty(repository.name, parts)
    least = summary.least_length(state, capturing.flat_of)
    del capturing  # what it knows of a million files is not needed for putting the container together
    return Captured(blocks.assemble(parts, written, least), parts)


def _environment(repository: Repository, capturing: Capturing) -> Mapping[str, Value]:
    return collect_environment(capturing.notebook, repository.layout.worktree, capturing.worktrees)


def create_repository(directory: str | os.PathLike[str], *, trusted: bool = False) -> None:
    """Make a git repository of ``directory`` where it is in none: one new directory ``.git``, nothing else is touched.

    Args:
        directory: A directory.
        trusted: Whether one that it is in counts whosever it is.

    Raises:
        Usage: there is a ``.git`` already, and it is no repository.
        SystemFailure: it cannot be made.
    """
    path = Path(directory).resolve()
    if os.path.lexists(path / ".git") and layout_at(os.fsencode(path), trusted=trusted) is None:
        raise Usage(f"{path / '.git'} is there and is no repository", hint="nothing was changed; look at it first")
    try:
        find_repository(path, trusted=trusted)
        return
    except NoRepository:
        pass
    except ForeignRepository:  # somebody has put one above it: the one that is made goes before
        if os.path.lexists(path / ".git"):
            raise
    try:
        make_repository(path)
    except OSError as error:
        raise SystemFailure(f"no repository can be made at {path}: {error}", hint="nothing was changed") from error
