"""What follows from the state: changes, counts and sizes (SPEC JF-SUM)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from jellyformat.format import limits
from jellyformat.format.model import State, Summary
from jellyformat.format.objects import EXECUTABLE, GITLINK, REGULAR, Leaf
from jellyformat.format.paths import Outermost
from jellyformat.format.trees import directories_of

Leaves: TypeAlias = Mapping[bytes, Leaf]


@dataclass(frozen=True)
class Flat:
    """The three trees of one state, flattened; empty where there is none."""

    head: Leaves = field(default_factory=dict)
    index: Leaves = field(default_factory=dict)
    worktree: Leaves = field(default_factory=dict)

    @property
    def trees(self) -> tuple[Leaves, Leaves, Leaves]:
        """HEAD, index, worktree."""
        return self.head, self.index, self.worktree


def least_length(state: State, flats: Callable[[State], Flat]) -> int:
    """How many bytes a container has to have for what its trees are when flattened (SPEC JF-OBJ-008, JF-LIM).

    Args:
        state: The outermost state.
        flats: The flattened trees of a state.
    """
    base = limits.bounds(0)
    trees = [(prefix, tree) for prefix, part in state.parts() for tree in flats(part).trees]
    # every file with directories of its own: an estimate from above, which is nearly always enough
    depth = sum(path.count(b"/") + 1 for _, tree in trees for path in tree)
    longest = max((len(prefix) + len(path) for prefix, tree in trees for path in tree), default=0)
    if depth <= base.entries and depth * longest <= base.paths:
        return 0
    entries = paths = 0
    for prefix, tree in trees:
        for names in (tree, directories_of(tree)):
            entries += len(names)
            paths += sum(map(len, names)) + len(prefix) * len(names)
    return max(0, entries - base.entries, -(-(paths - base.paths) // 128))


def letter(old: Leaf | None, new: Leaf | None) -> str:
    """``A``, ``D``, ``M`` or ``T``: how ``new`` differs from ``old``; not both None."""
    if old is None:
        return "A"
    if new is None:
        return "D"
    return "M" if _type(old.mode) == _type(new.mode) else "T"


def _type(mode: int) -> int:
    return REGULAR if mode == EXECUTABLE else mode


def staged(state: State, flat: Flat) -> list[tuple[str, bytes]]:
    """HEAD against index."""
    if state.index is None:
        return []
    conflicts = {conflict.path for conflict in state.index.conflicts}
    return [
        (letter(flat.head.get(path), flat.index.get(path)), path)
        for path in flat.head.keys() | flat.index.keys()
        if path not in conflicts and flat.head.get(path) != flat.index.get(path)
    ]


def unstaged(state: State, flat: Flat) -> list[tuple[str, bytes]]:
    """Index against worktree."""
    if state.index is None or state.worktree is None:
        return []
    skip = {conflict.path for conflict in state.index.conflicts}
    skip |= {omitted.path for omitted in state.worktree.omitted}
    above = Outermost(omitted.path for omitted in state.worktree.omitted if omitted.is_directory)
    converted, sparse = set(state.worktree.converted), set(state.index.skip_worktree)
    found: list[tuple[str, bytes]] = []
    for path, old in flat.index.items():
        new = flat.worktree.get(path)
        if old == new or path in skip or path in converted or (new is None and path in sparse):
            continue
        if above.holds(path):
            continue
        found.append((letter(old, new), path))
    for path, _ in state.index.intent_to_add:
        if path not in skip and not above.holds(path):
            found.append(("A" if path in flat.worktree else "D", path))
    return found


def untracked(state: State, flat: Flat) -> list[bytes]:
    """In the worktree, and nowhere in the index."""
    if state.index is None:
        return list(flat.worktree)
    known = {conflict.path for conflict in state.index.conflicts}
    known |= {path for path, _ in state.index.intent_to_add}
    return [path for path in flat.worktree if path not in flat.index and path not in known]


def derive(
    state: State, commit: bytes | None, flats: Callable[[State], Flat], size_of: Callable[[bytes], int]
) -> Summary:
    """The summary of a state and those nested in it.

    Args:
        state: The outermost state.
        commit: The content of its HEAD commit.
        flats: The flattened trees of a state.
        size_of: The size in bytes of a blob by raw id; 0 where it is missing.
    """
    files = size = 0
    changed: dict[str, dict[bytes, str]] = {"staged": {}, "unstaged": {}}
    listed: dict[str, set[bytes]] = {"untracked": set(), "conflicted": set()}
    for prefix, part in state.parts():
        flat = flats(part)
        for kind, path in staged(part, flat):
            changed["staged"].setdefault(prefix + path, kind)
        for kind, path in unstaged(part, flat):
            changed["unstaged"].setdefault(prefix + path, kind)
        listed["untracked"].update(prefix + path for path in untracked(part, flat))
        if part.index is not None:
            listed["conflicted"].update(prefix + conflict.path for conflict in part.index.conflicts)
        shown = flat.head if part.worktree is None else flat.worktree
        for leaf in shown.values():
            if leaf.mode != GITLINK:
                files += 1
                size += size_of(leaf.oid)
    return Summary(
        commit=commit,
        conflicted=tuple(sorted(listed["conflicted"])),
        files=files,
        size=size,
        staged=tuple((kind, path) for path, kind in sorted(changed["staged"].items())),
        unstaged=tuple((kind, path) for path, kind in sorted(changed["unstaged"].items())),
        untracked=tuple(sorted(listed["untracked"])),
    )
