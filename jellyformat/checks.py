"""What a verifier checks beyond reading (SPEC sections 7.2, 7.3, 8 and 9.3)."""

from __future__ import annotations

from collections.abc import Container, Iterator

from jellyformat.errors import BadObject, MissingObject, StateMismatch, SummaryMismatch
from jellyformat.model import Manifest, State, Summary
from jellyformat.objects import (
    BLOB,
    COMMIT,
    DIRECTORY,
    EXECUTABLE,
    GITLINK,
    OID_LENGTH,
    REGULAR,
    SYMLINK,
    TREE,
    parse_commit,
    tree_fields,
)
from jellyformat.paths import check_component
from jellyformat.pool import Pool
from jellyformat.summary import Flat, Leaves, derive
from jellyformat.trees import Flattener, directories_of


class Checker:
    """The checks on one container whose manifest was read; each method raises at the first fault.

    Args:
        manifest: The manifest.
        pool: The container's objects.
    """

    def __init__(self, manifest: Manifest, pool: Pool) -> None:
        self._manifest = manifest
        self._pool = pool
        self._oid_length = OID_LENGTH[manifest.state.object_format]
        self._excused = frozenset(manifest.history.missing)
        self._flattener = Flattener(lambda oid: pool.read(oid, TREE), self._oid_length)
        self._flats: dict[int, Flat] = {}
        self.outside: set[bytes] = set()
        """Objects left to the prerequisites of a thin container."""

    @property
    def thin(self) -> bool:
        """Whether the container builds on commits it does not have."""
        return bool(self._manifest.history.prerequisites)

    def flat(self, state: State) -> Flat:
        """The three trees of a state, flattened."""
        if id(state) not in self._flats:
            flatten = self._flattener.flatten
            head: Leaves = {}
            if state.head.commit is not None:
                commit = parse_commit(self._pool.read(state.head.commit, COMMIT), self._oid_length)
                head = flatten(commit.tree, strict=False)
            self._flats[id(state)] = Flat(
                head=head,
                index={} if state.index is None else flatten(state.index.tree, strict=True),
                worktree={} if state.worktree is None else flatten(state.worktree.tree, strict=True),
            )
        return self._flats[id(state)]

    # -- needed objects ------------------------------------------------------------------------------------------

    def needed(self) -> int:
        """Check that the state blocks hold all that the state needs (SPEC 9.3); how many objects that is."""
        seen: set[bytes] = set()
        strict: set[bytes] = set()
        for _, state in self._manifest.state.walk():
            heads = [] if state.head.commit is None else [state.head.commit]
            for oid in heads + list(state.operation.heads if state.operation else ()):
                self._need_commit(oid, seen)
            if state.index is not None:
                self._need_tree(state.index.tree, seen, strict)
                for conflict in state.index.conflicts:
                    for stage in conflict.stages:
                        if stage is not None and stage[0] != GITLINK:
                            self._need(stage[1], BLOB, seen)
            if state.worktree is not None:
                self._need_tree(state.worktree.tree, seen, strict)
        return len(seen)

    def _need(self, oid: bytes, kind: int, seen: set[bytes]) -> bool:
        """Whether the object is in the container; it is new in ``seen`` then."""
        if self._pool.is_state(oid):
            found = self._pool.places[oid].kind
            if found != kind:
                raise BadObject(f"object {oid.hex()} is of another kind than its user says", requirement="JF-OBJ-007")
            seen.add(oid)
            return True
        if kind != BLOB or oid not in self._excused:
            self._leave(oid, "the state needs", "JF-NED-001")
        return False

    def _leave(self, oid: bytes, who: str, requirement: str) -> None:
        if not self.thin:
            raise MissingObject(f"object {oid.hex()}, which {who}, is not in the container", requirement=requirement)
        self.outside.add(oid)

    def _need_commit(self, oid: bytes, seen: set[bytes]) -> None:
        known = oid in seen  # a list of heads may name one commit a million times
        if self._need(oid, COMMIT, seen) and not known:
            self._need_tree(parse_commit(self._pool.read(oid), self._oid_length).tree, seen)

    def _need_tree(self, root: bytes, seen: set[bytes], strict: set[bytes] | None = None) -> None:
        """Check a tree and all below it; ``strict`` has the strict trees that were, and is None for others."""
        stack = [root]
        while stack:
            oid = stack.pop()
            done = oid in (seen if strict is None else strict)
            if not self._need(oid, TREE, seen) or done:
                continue
            if strict is not None:
                strict.add(oid)
            for entry in self._flattener.entries(oid, strict=strict is not None):
                if entry.mode == DIRECTORY:
                    stack.append(entry.oid)
                elif entry.mode != GITLINK and entry.oid not in seen:
                    self._need(entry.oid, BLOB, seen)

    # -- history -------------------------------------------------------------------------------------------------

    def history(self) -> int:
        """Check commits, boundary and the objects every tree names (SPEC 7.3); the number of commits."""
        history, places = self._manifest.history, self._pool.places
        commits = [oid for oid, place in places.items() if place.kind == COMMIT]
        if len(commits) != history.commits:
            raise StateMismatch(
                f"{len(commits)} commits are there, {history.commits} are declared", requirement="JF-HIS-001"
            )
        shallow = set()
        prerequisites = set(history.prerequisites)
        for oid in commits:
            head = parse_commit(self._pool.read(oid), self._oid_length)
            self._named(head.tree, TREE)
            if any(parent not in places and parent not in prerequisites for parent in head.parents):
                shallow.add(oid)
            for parent in head.parents:
                if parent in places and places[parent].kind != COMMIT:
                    raise BadObject(f"the parent {parent.hex()} is no commit", requirement="JF-OBJ-007")
        if shallow != set(history.shallow):
            raise StateMismatch("the shallow boundary is not what the commits say", requirement="JF-HIS-002")
        for oid in history.missing:
            if oid in places:
                raise StateMismatch(f"{oid.hex()} is called missing and is there", requirement="JF-HIS-003")
        names: set[bytes] = set()
        named: dict[int, set[bytes]] = {TREE: set(), BLOB: set()}
        for oid, place in list(places.items()):
            if place.kind == TREE:
                # not through the flattener, which would keep every tree of the history
                for mode, name, entry in tree_fields(self._pool.read(oid), self._oid_length):
                    if name not in names:
                        check_component(name)
                        names.add(name)
                    kind = TREE if mode == DIRECTORY else BLOB
                    if mode != GITLINK and entry not in named[kind]:
                        self._named(entry, kind)
                        named[kind].add(entry)
        return len(commits)

    def _named(self, oid: bytes, kind: int) -> None:
        place = self._pool.places.get(oid)
        if place is None:
            if oid not in self._excused:
                self._leave(oid, "a commit or tree names", "JF-HIS-004")
        elif place.kind != kind:
            raise BadObject(f"object {oid.hex()} is of another kind than its user says", requirement="JF-OBJ-007")

    # -- state ---------------------------------------------------------------------------------------------------

    def state(self) -> int:
        """Check that the parts of each state agree (SPEC section 8); the number of states."""
        count = 0
        for prefix, state in self._manifest.state.walk():
            count += 1
            for requirement, message in self._faults(state):
                where = f" (in {prefix!r})" if prefix else ""
                raise StateMismatch(message + where, requirement=requirement)
        return count

    def _faults(self, state: State) -> Iterator[tuple[str, str]]:
        flat = self.flat(state)
        files = (REGULAR, EXECUTABLE, SYMLINK)
        if state.index is not None:
            conflicts = {conflict.path for conflict in state.index.conflicts}
            intents = {path for path, _ in state.index.intent_to_add}
            for path in conflicts | intents:
                if path in flat.index or (path in conflicts and path in intents):
                    yield "JF-IDX-001", f"{path!r} is in the index more than once"
            for path in state.index.assume_unchanged + state.index.skip_worktree:
                if path not in flat.index and path not in intents:
                    yield "JF-IDX-002", f"{path!r} has a flag and is not in the index"
        directories = directories_of(flat.worktree)
        nests = {nested.path for nested in state.submodules}
        if state.worktree is not None:
            gone = [omitted.path for omitted in state.worktree.omitted] + list(state.worktree.empty_directories)
            for path in gone:
                if path in flat.worktree or path in directories:
                    yield "JF-WRK-002", f"{path!r} is said to be left out or empty, and is there"
            for path in state.worktree.empty_directories:
                if path in nests or _below(path, flat.worktree) or _below(path, nests):
                    yield "JF-WRK-006", f"the empty directory {path!r} lies in what is no directory of this worktree"
            for path in state.worktree.converted:
                modes = [leaves[path].mode if path in leaves else 0 for leaves in (flat.index, flat.worktree)]
                if not all(mode in files[:2] for mode in modes):
                    yield "JF-WRK-003", f"{path!r} is called converted and is no file in index and worktree"
            for path in state.worktree.filtered:
                one, two = flat.index.get(path), flat.worktree.get(path)
                if one is None or two is None or one.oid != two.oid:
                    yield "JF-WRK-004", f"{path!r} is called filtered and differs from the index"
        for nested in state.submodules:
            if _below(nested.path, flat.worktree) or _below(nested.path, nests):
                yield (
                    "JF-SUB-005",
                    f"the nested repository {nested.path!r} lies in what is no directory of this worktree",
                )
            entry = flat.worktree.get(nested.path)
            commit = nested.state.head.commit
            if commit is not None and (entry is None or (entry.mode, entry.oid) != (GITLINK, commit)):
                yield "JF-SUB-001", f"the nested repository {nested.path!r} has no entry with its commit"
            if commit is None and (entry is not None or nested.path in directories):
                yield "JF-SUB-002", f"the nested repository {nested.path!r} has no commit and an entry"

    # -- summary -------------------------------------------------------------------------------------------------

    def summary(self) -> None:
        """Derive the summary again and compare (JF-SUM-001)."""
        if self.derive() != self._manifest.summary:
            raise SummaryMismatch("the summary is not what the state says", requirement="JF-SUM-001")

    def derive(self) -> Summary:
        """The summary that follows from state and objects."""
        return derive(self._manifest.state, self._manifest.summary.commit, self.flat, self._size_of)

    def _size_of(self, oid: bytes) -> int:
        place = self._pool.places.get(oid)
        if place is not None:
            return place.size
        return len(self._pool.read(oid, BLOB)) if self.thin and oid not in self._excused else 0


def _below(path: bytes, paths: Container[bytes]) -> bool:
    """Whether one of ``paths`` is a directory above ``path``."""
    directory = path.rpartition(b"/")[0]
    while directory and directory not in paths:
        directory = directory.rpartition(b"/")[0]
    return bool(directory)
