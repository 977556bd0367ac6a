"""Further repositories that a program runs from (SPEC JF-ROO): opened, and given names."""

from __future__ import annotations

import os
from collections.abc import Iterable

from jellyformat.errors import RefusedRepository, Usage
from jellyformat.format.model import State
from jellyformat.format.paths import is_unsafe
from jellyformat.format.summary import Flat
from jellyformat.git.layout import find_repository
from jellyformat.git.repository import Repository


def open_roots(directories: Iterable[str], main: Repository, *, trusted: bool) -> list[Repository]:
    """The repositories that hold the directories, each once.

    Args:
        directories: As they were named.
        main: The repository that they go with.
        trusted: Whether the user gave their word for them.

    Raises:
        NoRepository, ForeignRepository, RefusedRepository: one cannot be read, or has ids of another kind.
        Usage: one is the main one.
    """
    found: dict[bytes, Repository] = {}
    for directory in directories:
        layout = find_repository(directory, trusted=trusted)
        place = layout.worktree or layout.git_dir
        if place == (main.layout.worktree or main.layout.git_dir):
            raise Usage(
                f"{directory} is in the repository that is captured anyway",
                hint="nothing was changed; name directories of other repositories",
            )
        root = found[place] = Repository(layout)
        if root.object_format != main.object_format:
            raise RefusedRepository(
                f"{root.name} has {root.object_format} object ids, and {main.name} {main.object_format}: "
                "one snapshot cannot hold both",
                requirement="JF-STA-001",
                hint="nothing was changed; capture that one by itself",
            )
    return [found[place] for place in sorted(found)]


def names_of(roots: Iterable[Repository], state: State, flat: Flat) -> list[bytes]:
    """The names of roots: those of their directories, with a number where the main repository has such a thing.

    Args:
        roots: The repositories.
        state: That of the main one.
        flat: Its trees.
    """
    taken = {path.partition(b"/")[0] for path in (flat.head if state.worktree is None else flat.worktree)}
    taken.update(nested.path.partition(b"/")[0] for nested in state.submodules)
    if state.worktree is not None:
        left = (*state.worktree.empty_directories, *(item.path for item in state.worktree.omitted))
        taken.update(path.partition(b"/")[0] for path in left)
    names: list[bytes] = []
    for root in roots:
        place = root.layout.worktree or root.layout.git_dir
        base = os.path.basename(place.removesuffix(b"/.git")) or b"root"
        base = b"root" if is_unsafe(base) or len(base) > 200 else base
        name, number = base, 1
        while name in taken:
            number += 1
            name = b"%s-%d" % (base, number)
        taken.add(name)
        names.append(name)
    return names
