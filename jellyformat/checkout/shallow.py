"""Where histories end: git's ``shallow`` file, and the refs of ours that keep commits of states that were left."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace

from jellyformat.checkout import refs
from jellyformat.checkout.current import Present, PresentRepository
from jellyformat.checkout.history import Log
from jellyformat.checkout.keeps import write_kept_pack
from jellyformat.checkout.store import Store
from jellyformat.format.container import Container
from jellyformat.format.model import State
from jellyformat.format.objects import COMMIT, OID_LENGTH, TAG, TREE, object_id, parse_commit
from jellyformat.format.reach import reachable, roots
from jellyformat.git.write import GitObject

_MOST_LOOKED_AT = 100_000
"""Commits."""
_OID = re.compile(rb"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")


class Boundaries:
    """The commits at which the histories end that restores have brought, in one step of the history list.

    Args:
        log: The history list as it is before the step.

    Attributes:
        needs: Which of our ends the refs need that keep the commits of the state that is left.
        noted: What `Log.shallow` is to be.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.needs: tuple[tuple[bytes, bytes], ...] = ()
        self.noted: set[tuple[bytes, bytes]] = set()

    def _ours(self, prefix: bytes) -> set[bytes]:
        """The ends we have put into the ``shallow`` file of a repository."""
        return {oid for place, oid in self._log.shallow if place == prefix}

    def look(self, present: Present, whole: frozenset[bytes]) -> None:
        """Find the ends of ours that are reached by commits of the live state that a ref will keep: `needs`."""
        found: list[tuple[bytes, bytes]] = []
        for prefix, part in present.repositories.items():
            ours = self._ours(prefix)
            stack = [oid for oid in commits_of(part) if oid not in whole] if ours else []
            seen = set(stack)
            while stack:
                oid = stack.pop()
                if oid in ours:
                    found.append((prefix, oid))
                    continue
                with contextlib.suppress(KeyError):
                    parents = parse_commit(part.repository.read(oid)[1], part.repository.oid_length).parents
                    stack += [parent for parent in parents if parent not in seen]
                    seen.update(parents)
        self.needs = tuple(sorted(found))

    def incomplete(
        self, prefix: bytes, part: PresentRepository | None, box: Container, oids: list[bytes], new: list[GitObject]
    ) -> list[bytes]:
        """The commits among ``oids`` that the repository does not have with all that was before them.

        It may have them all the same, from an earlier restore: they are not the user's, whose commits are whole.
        """
        length = OID_LENGTH[box.manifest.state.object_format]
        commits = {oid for oid in oids if box.pool.places[oid].kind == COMMIT}
        parents = {oid: parse_commit(box.pool.read(oid), length).parents for oid in commits}
        found = {oid for oid, kind, _ in new if kind == COMMIT}
        if part is not None:
            ends = part.repository.shallow() - self._ours(prefix)
            for oid in commits & set(box.manifest.history.shallow) - ends:
                if any(other not in commits and part.repository.size(other) is None for other in parents[oid]):
                    found.add(oid)
        children: dict[bytes, list[bytes]] = {}
        for oid, before in parents.items():
            for other in before:
                children.setdefault(other, []).append(oid)
        stack = list(found)
        while stack:
            later = [oid for oid in children.get(stack.pop(), ()) if oid not in found]
            found.update(later)
            stack += later
        return sorted(found)

    def shallow_file(self, prefix: bytes, part: PresentRepository | None, box: Container, state: State) -> bytes | None:
        """Commits whose parents are not here are noted, so that git does not look for them; the whole file.

        Entries of ours go again that neither the target, nor a ref of ours, nor a ref or reflog of the user needs.
        """
        ends = box.manifest.history.shallow
        length = OID_LENGTH[state.object_format]
        mine = set(reachable(box.pool, length, (oid for oid, _ in roots(state)))[0]) if ends else set()
        new: set[bytes] = set()
        for oid in ends:
            if oid in mine:
                parents = parse_commit(box.pool.read(oid), OID_LENGTH[state.object_format]).parents
                if any(oid not in mine and (part is None or part.repository.size(oid) is None) for oid in parents):
                    new.add(oid)
        have = frozenset() if part is None else part.repository.shallow()
        ours = self._ours(prefix) & have
        needed = {
            oid
            for node in (*self._log.nodes.values(), replace(self._log.live, needs=self.needs))
            for place, oid in node.needs
            if place == prefix
        }
        if part is not None and ours - needed - new:
            needed |= reached_by_user(part, ours - needed - new)
        desired = (have - ours) | new | (ours & needed)
        self.noted |= {(prefix, oid) for oid in (ours | (new - have)) & desired}
        return b"".join(sorted(oid.hex().encode() + b"\n" for oid in desired)) if desired != have else None


def reached_by_user(part: PresentRepository, ends: set[bytes]) -> set[bytes]:
    """Those of ``ends`` that a branch, tag, stash, worktree or reflog of the user reaches: without them in ``shallow``,
    git would look for what was before, and its gc would fail. All of them where the history is too long to look at.
    """
    repository, length = part.repository, part.repository.oid_length
    roots = refs.roots(repository.layout.git_dir, repository.layout.common_dir, length, _MOST_LOOKED_AT)
    if roots is None:
        return ends
    stack = list(roots)
    seen, found = set(stack), set[bytes]()
    while stack and found != ends:
        if len(seen) > _MOST_LOOKED_AT:
            return ends
        oid = stack.pop()
        if oid in ends:
            found.add(oid)
            continue
        try:
            kind, content = repository.read(oid)
        except KeyError:
            continue
        following: tuple[bytes, ...] = ()
        if kind == COMMIT:
            following = parse_commit(content, length).parents
        elif kind == TAG and (named := _OID.search(content)) is not None:
            following = (bytes.fromhex(named[0].decode()),)
        stack += [other for other in following if other not in seen]
        seen.update(following)
    return found


def keep_commits(store: Store, present: Present, whole: frozenset[bytes], name: str) -> None:
    """Refs of ours for the commits that only the state that is left names."""
    for prefix, part in present.repositories.items():
        commits = commits_of(part) - whole
        if not commits:
            continue
        commit = next(iter(commits))
        if len(commits) > 1:
            commit = _join(store, part, commits)
        refs.write_ref(part.repository.layout, name, commit, nested=bool(prefix))


def _join(store: Store, part: PresentRepository, commits: set[bytes]) -> bytes:
    """A commit of ours that has all ``commits`` as parents: one ref keeps them all."""
    object_format = part.repository.object_format
    tree = object_id(TREE, b"", object_format)
    lines = b"".join(b"parent %s\n" % oid.hex().encode() for oid in sorted(commits))
    content = b"tree %s\n%s" % (tree.hex().encode(), lines)
    content += b"author jellyformat <> 0 +0000\ncommitter jellyformat <> 0 +0000\n\nkept for undo\n"
    oid = object_id(COMMIT, content, object_format)
    objects = [(oid, COMMIT, content), (tree, TREE, b"")]
    # also where they are there: nothing may reach them, so that git may be about to drop them
    write_kept_pack(store, part.repository.layout.common_dir, objects, object_format, {})
    return oid


def commits_of(part: PresentRepository) -> set[bytes]:
    """HEAD, and whatever the files of an operation in progress name; as far as they are there."""
    found = set() if part.head.commit is None else {part.head.commit}
    stack = [raw for name, raw in part.raw.items() if name != b"index"]
    while stack:
        raw = stack.pop()
        stack += [inner for _, inner in raw.children]
        for match in _OID.finditer(raw.data or b""):
            oid = bytes.fromhex(match[0].decode())
            if oid not in found and len(oid) == part.repository.oid_length:
                with contextlib.suppress(KeyError):
                    if part.repository.read(oid)[0] == COMMIT:
                        found.add(oid)
    return found
