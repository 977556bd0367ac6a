"""Objects of a snapshot that a repository has, though nothing there may reach them: git may be about to drop them."""

from __future__ import annotations

import contextlib
import heapq
import re

from jellyformat.checkout import refs
from jellyformat.checkout.current import PresentRepository
from jellyformat.errors import JellyError
from jellyformat.format.container import Container
from jellyformat.format.model import State
from jellyformat.format.objects import COMMIT, TAG, TREE, parse_commit, parse_tree
from jellyformat.format.reach import reachable
from jellyformat.git.write import GitObject

_MOST = 10_000
"""Commits that are looked at, and refs; what is not found by then is taken to be unreached, which costs space alone."""
_DATE = re.compile(rb"^committer .* ([0-9]{1,18}) [+-][0-9]+$", re.MULTILINE)
_NAMED = re.compile(rb"^object ([0-9a-f]{40}(?:[0-9a-f]{24})?)$", re.MULTILINE)


def unreached(part: PresentRepository, box: Container, state: State, oids: list[bytes]) -> list[GitObject]:
    """Those of a snapshot's objects that are not surely reached by the repository's HEAD, index, refs or reflogs.

    Args:
        part: The repository, as it is.
        box: The snapshot.
        state: The repository's state in it.
        oids: Raw ids of what the state reaches and the repository has.
    """
    length, pool = part.repository.oid_length, box.pool
    have = set(oids)
    commits = {oid for oid in pool.places if pool.places[oid].kind == COMMIT}
    safe = _reached_commits(part, commits & have)
    found = set(reachable(pool, length, safe)[0])
    found.update(entry.oid for entry in part.entries)
    if not have <= found and part.head.commit is not None:
        trees = {parse_commit(pool.read(oid), length).tree for oid in commits - found}
        trees.update(() if state.index is None else (state.index.tree,))
        with contextlib.suppress(KeyError):
            head = parse_commit(part.repository.read(part.head.commit)[1], length).tree
            found.update(reachable(pool, length, _alike(part, box, trees - found, head))[0])
    return [(oid, pool.places[oid].kind, pool.read(oid)) for oid in oids if oid not in found]


def _reached_commits(part: PresentRepository, wanted: set[bytes]) -> set[bytes]:
    """Those of some commits that HEAD, a ref of the user's or a reflog reaches: by their dates, the latest first."""
    repository = part.repository
    layout = repository.layout
    dates: dict[bytes, int] = {}
    for oid in wanted:
        with contextlib.suppress(KeyError):
            dates[oid] = _date(repository.read(oid)[1])
    found: set[bytes] = set()
    seen: set[bytes] = set()
    for use_refs in (False, True):
        if found == wanted or not dates:
            break
        tips: set[bytes] = set() if part.head.commit is None else {part.head.commit}
        if use_refs:
            with contextlib.suppress(JellyError, OSError):
                tips = refs.roots(layout.git_dir, layout.common_dir, repository.oid_length, _MOST) or set()
        oldest = min(dates[oid] for oid in dates.keys() - found)
        heap: list[tuple[int, bytes, tuple[bytes, ...]]] = []
        new = list(tips)
        while new or heap:
            for oid in new:
                if oid in seen:
                    continue
                seen.add(oid)
                with contextlib.suppress(KeyError):
                    kind, content = repository.read(oid)
                    if kind == TAG and (named := _NAMED.search(content)) is not None:
                        oid = bytes.fromhex(named[1].decode())
                        kind, content = repository.read(oid)
                    if kind == COMMIT:
                        parents = parse_commit(content, repository.oid_length).parents
                        heapq.heappush(heap, (-_date(content), oid, parents))
            if not heap or found == wanted or len(seen) > _MOST:
                break
            date, oid, new_parents = heapq.heappop(heap)
            if oid in wanted:
                found.add(oid)
            if -date < oldest:
                break
            new = list(new_parents)
    return found


def _date(commit: bytes) -> int:
    match = _DATE.search(commit.partition(b"\n\n")[0])
    return 0 if match is None else int(match[1])


def _alike(part: PresentRepository, box: Container, trees: set[bytes], head: bytes) -> set[bytes]:
    """What trees of a snapshot have in common with the tree of the repository's HEAD, at the same paths."""
    length = part.repository.oid_length
    same: set[bytes] = set()
    stack = [(tree, head) for tree in trees]
    seen = set(stack)
    while stack:
        ours, theirs = stack.pop()
        if ours == theirs:
            same.add(ours)
            continue
        if ours not in box.pool.places or box.pool.places[ours].kind != TREE:
            continue
        try:
            kind, content = part.repository.read(theirs)
        except KeyError:
            continue
        if kind != TREE:
            continue
        there = {entry.name: entry.oid for entry in parse_tree(content, length, strict=False)}
        for entry in parse_tree(box.pool.read(ours), length, strict=False):
            pair = entry.oid, there.get(entry.name, b"")
            if pair[1] and pair not in seen:
                seen.add(pair)
                stack.append(pair)
    return same
