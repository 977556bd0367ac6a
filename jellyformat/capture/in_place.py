"""Packages that are installed in place: their repositories run too, and are noted with the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from jellyformat.capture import watch
from jellyformat.capture.leaves import expand_sparse, head_leaves, index_leaves
from jellyformat.capture.options import Options, Scan
from jellyformat.capture.worktree import Scanner
from jellyformat.errors import CaptureWarning, JellyError
from jellyformat.format.limits import MIB
from jellyformat.format.objects import GITLINK, Leaf
from jellyformat.git.index import IndexFile as GitIndex
from jellyformat.git.layout import find_repository
from jellyformat.git.repository import Repository
from jellyformat.hints import Hint, option

_SHOWN = 3
_OURS = "jellyformat"
"""It takes the snapshot, and is no part of what is trained."""
_NOT_CODE = frozenset(("environment", "cache", "tracker", "weights", "special"))
"""What may be left out of a repository that counts as clean."""


@dataclass(frozen=True)
class InPlace:
    """A package that is installed in place.

    Attributes:
        name: Its name.
        directory: Where it is.
        worktree: The top of its repository; None where it is in none that can be read.
        remotes: The URLs of that, by name, with whatever is secret in them.
        commit: Raw id of HEAD's; None where there is none.
        clean: Whether nothing is changed or untracked there; None where that cannot be told.
    """

    name: str
    directory: str
    worktree: bytes | None
    remotes: dict[str, str]
    commit: bytes | None
    clean: bool | None


def look_at(packages: Iterable[tuple[str, str]], own: bytes | None) -> list[InPlace]:
    """What is to be known of packages, each a name and a directory.

    Args:
        packages: Those that are installed in place.
        own: The worktree that is captured: what lies in it is in the snapshot.
    """
    known: dict[bytes, tuple[bytes | None, bool | None]] = {}
    found: list[InPlace] = []
    for name, directory in packages:
        try:
            repository = Repository(find_repository(directory))
            place = repository.layout.worktree or repository.layout.git_dir
            if place == own:
                continue
            if place not in known:
                known[place] = _state(repository)
            found.append(InPlace(name, directory, place, dict(repository.remotes()), *known[place]))
        except (JellyError, OSError):
            found.append(InPlace(name, directory, None, {}, None, None))
    return found


def say_dirty(packages: Sequence[InPlace], captured: Set[bytes]) -> None:
    """Warn of packages with changes that no snapshot has.

    Args:
        packages: What is installed in place.
        captured: The worktrees that the snapshot has.
    """
    dirty = [item for item in packages if item.clean is False and item.worktree not in captured and item.name != _OURS]
    if not dirty:
        return
    names = ", ".join(f"{item.name} ({item.directory})" for item in dirty[:_SHOWN])
    more = f" and {len(dirty) - _SHOWN} more" if len(dirty) > _SHOWN else ""
    places = tuple(dict.fromkeys(os.fsdecode(item.worktree or b"") for item in dirty))[:_SHOWN]
    watch.say(
        Hint(
            f"installed in place, with changes that are not committed and not in this snapshot: {names}{more}; "
            "to take them too: ",
            option("roots", places),
        ),
        CaptureWarning,
    )


def _state(repository: Repository) -> tuple[bytes | None, bool | None]:
    """HEAD's commit, and whether nothing differs from it."""
    commit = repository.head().commit
    try:
        return commit, _is_clean(repository, commit)
    except (JellyError, OSError, KeyError):
        return commit, None


def _is_clean(repository: Repository, commit: bytes | None) -> bool:
    if repository.layout.worktree is None:
        return True
    git_index, index_time = repository.index() or (GitIndex(2, ()), 0)
    entries = expand_sparse(repository, git_index.entries)
    index = index_leaves(entries)
    if any(entry.stage or entry.intent_to_add for entry in entries):
        return False
    if index != ({} if commit is None else head_leaves(repository, commit)):
        return False
    options = Options(max_file_size=MIB, max_size=8 * MIB, by_kind=True, only_changes=True)
    scan = Scanner(repository, {entry.path: entry for entry in entries}, index_time, options).scan()
    if any(item.reason not in _NOT_CODE for item in scan.omitted):
        return False
    same = {*scan.converted, *(entry.path for entry in entries if entry.skip_worktree)}
    leaves = {**scan.leaves, **_nested(scan)}
    return (
        all(leaves.get(path) == leaf or path in same for path, leaf in index.items()) and leaves.keys() <= index.keys()
    )


def _nested(scan: Scan) -> dict[bytes, Leaf]:
    """The repositories inside, as the index has submodules."""
    heads = {path: Repository(layout).head().commit for path, layout in scan.nested.items()}
    return {path: Leaf(GITLINK, commit) for path, commit in heads.items() if commit is not None}
