"""Which objects a snapshot reaches: from its roots, through commits and trees (SPEC JF-NED-001)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jellyformat.format.model import State
from jellyformat.format.objects import BLOB, COMMIT, GITLINK, TREE, parse_commit, tree_fields
from jellyformat.format.pool import Pool


def roots(state: State) -> Iterator[tuple[bytes, int]]:
    """Raw id and kind of what a state names, nested ones and the worktree apart: commits, index tree, conflicts."""
    if state.head.commit is not None:
        yield state.head.commit, COMMIT
    for oid in state.operation.heads if state.operation else ():
        yield oid, COMMIT
    if state.index is not None:
        yield state.index.tree, TREE
        for conflict in state.index.conflicts:
            for stage in conflict.stages:
                if stage is not None and stage[0] != GITLINK:
                    yield stage[1], BLOB


def named_by(state: State) -> Iterator[bytes]:
    """The raw ids of all that a state names itself, the worktree's tree too; nested ones apart."""
    for oid, _ in roots(state):
        yield oid
    if state.worktree is not None:
        yield state.worktree.tree


def reachable(
    pool: Pool, oid_length: int, oids: Iterable[bytes], *, state_only: bool = False
) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The objects of a validated container that some reach.

    Args:
        pool: The container's objects.
        oid_length: 20 or 32.
        oids: Raw ids of commits, trees and blobs; what is not in the container is passed over.
        state_only: Pass over what is in a history block, too.

    Returns:
        Their raw ids, and the path of each tree and blob, which begins with ``/``.
    """
    places = pool.places
    if state_only:
        places = {oid: place for oid, place in places.items() if pool.is_state(oid)}
    names: dict[bytes, bytes] = {}
    found: list[bytes] = []
    seen: set[bytes] = set()
    commits = [oid for oid in oids if oid in places]
    while commits:
        later: list[bytes] = []
        for root in commits:
            stack = [root]
            while stack:
                oid = stack.pop()
                if oid in seen or oid not in places:
                    continue
                seen.add(oid)
                found.append(oid)
                kind = places[oid].kind
                if kind == COMMIT:
                    head = parse_commit(pool.read(oid), oid_length)
                    names.setdefault(head.tree, b"")
                    stack.append(head.tree)
                    later.extend(head.parents)
                elif kind == TREE:
                    path = names.get(oid, b"")
                    for mode, name, entry in tree_fields(pool.read(oid), oid_length):  # checked before
                        if entry not in names and mode != GITLINK:
                            names[entry] = path + b"/" + name
                            stack.append(entry)
        commits = later
    return found, names
