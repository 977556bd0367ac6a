"""What a verifier checks beyond reading (SPEC JF-SUM, JF-HIS, JF-STA and JF-NED)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from jellyformat.errors import BadObject, CountLimit, MissingObject, StateMismatch, SummaryMismatch
from jellyformat.format import extensions, limits
from jellyformat.format.model import Manifest, State, Summary
from jellyformat.format.objects import (
    BLOB,
    COMMIT,
    DIRECTORY,
    EXECUTABLE,
    GITLINK,
    OID_LENGTH,
    REGULAR,
    SYMLINK,
    TREE,
    object_id,
    parse_commit,
    tree_fields,
)
from jellyformat.format.paths import Outermost, check_component
from jellyformat.format.pool import Pool
from jellyformat.format.reach import named_by, roots
from jellyformat.format.summary import Flat, Leaves, derive
from jellyformat.format.trees import Flattener, directories_of

_KEPT = 1 << 18
"""Names and ids of trees that are remembered, so as not to look at them again and again."""


class Checker:
    """The checks on one container whose manifest was read; each method raises at the first fault.

    Args:
        manifest: The manifest.
        pool: The container's objects.
        length: Bytes of the container.
    """

    def __init__(self, manifest: Manifest, pool: Pool, length: int) -> None:
        self._manifest = manifest
        self._bounds = limits.bounds(length)
        self._pool = pool
        self._oid_length = OID_LENGTH[manifest.state.object_format]
        self._excused = frozenset(manifest.history.missing)
        self._empty = {object_id(TREE, b"", manifest.state.object_format)}
        self._flattener = Flattener(lambda oid: pool.read(oid, TREE), self._oid_length, self._bounds)
        self._flats: dict[int, Flat] = {}
        self._parts: dict[tuple[int, str], Leaves] = {}
        self._prefixes = {id(state): len(prefix) for prefix, state in manifest.state.parts()}
        self.outside: set[bytes] = set()
        """Objects left to the prerequisites of a thin container."""
        self.names: dict[bytes, bytes] | None = None
        """Where it is wanted: a name under which each tree and blob stands in some tree, by raw id; see `history`."""
        self._names_outside = False
        """Whether one of these is a commit or tree, which would name others."""

    @property
    def thin(self) -> bool:
        """Whether the container builds on commits it does not have."""
        return bool(self._manifest.history.prerequisites)

    def flat(self, state: State) -> Flat:
        """The three trees of a state, flattened."""
        if id(state) not in self._flats:
            self._flats[id(state)] = Flat(self._head(state), self._index(state), self._worktree(state))
        return self._flats[id(state)]

    def shown(self, state: State) -> Leaves:
        """The files of a state: its worktree's, or HEAD's where it has none; its other trees need not be there."""
        return self._head(state) if state.worktree is None else self._worktree(state)

    def _head(self, state: State) -> Leaves:
        if state.head.commit is None:
            return {}
        commit = parse_commit(self._pool.read(state.head.commit, COMMIT), self._oid_length)
        return self._leaves(state, "head", commit.tree)

    def _index(self, state: State) -> Leaves:
        return {} if state.index is None else self._leaves(state, "index", state.index.tree)

    def _worktree(self, state: State) -> Leaves:
        return {} if state.worktree is None else self._leaves(state, "worktree", state.worktree.tree)

    def _leaves(self, state: State, part: str, tree: bytes) -> Leaves:
        """A tree of a state, flattened; counted once (JF-OBJ-008)."""
        key = id(state), part
        if key not in self._parts:
            prefix = self._prefixes[id(state)]
            self._parts[key] = self._flattener.flatten(tree, strict=part != "head", prefix=prefix)
        return self._parts[key]

    # -- needed objects ------------------------------------------------------------------------------------------

    def needed(self) -> int:
        """Check that the state blocks hold all that the state needs (SPEC JF-NED); how many objects that is."""
        seen: set[bytes] = set()
        strict: set[bytes] = set()
        for _, state in self._manifest.state.parts():
            for oid, kind in roots(state):
                if kind == COMMIT:
                    self._need_commit(oid, seen, head=oid == state.head.commit)
                elif kind == TREE:
                    self._need_tree(oid, seen, strict)
                else:
                    self._need(oid, kind, seen)
            if state.worktree is not None:
                self._need_tree(state.worktree.tree, seen, strict)
        return len(seen)

    def _need(self, oid: bytes, kind: int, seen: set[bytes]) -> bool:
        """Whether the object is in the container; it is new in ``seen`` then."""
        place = self._pool.places.get(oid)
        if place is not None and (self.thin or self._pool.is_state(oid)):
            if place.kind != kind:
                raise BadObject(f"object {oid.hex()} is of another kind than its user says", requirement="JF-OBJ-007")
            seen.add(oid)
            return True
        if kind != BLOB or oid not in self._excused:
            self._leave(oid, kind, "the state needs", "JF-NED-001")
        return False

    def _leave(self, oid: bytes, kind: int, who: str, requirement: str) -> None:
        if not self.thin:
            raise MissingObject(f"object {oid.hex()}, which {who}, is not in the container", requirement=requirement)
        self.outside.add(oid)
        self._names_outside |= kind != BLOB

    def _need_commit(self, oid: bytes, seen: set[bytes], *, head: bool) -> None:
        known = oid in seen  # a list of heads may name one commit a million times
        if self._need(oid, COMMIT, seen) and not known:
            self._need_tree(parse_commit(self._pool.read(oid), self._oid_length).tree, seen, kept=head)

    def _need_tree(self, root: bytes, seen: set[bytes], strict: set[bytes] | None = None, *, kept: bool = True) -> None:
        """Check a tree and all below it.

        Args:
            root: Its raw id.
            seen: What was found to be there.
            strict: The strict trees that were checked; None for trees that are not strict.
            kept: Whether it will be flattened, and what was parsed is kept until then.
        """
        stack = [root]
        while stack:
            oid = stack.pop()
            done = oid in (seen if strict is None else strict)
            if not self._need(oid, TREE, seen) or done:
                continue
            if strict is not None:
                strict.add(oid)
            for mode, entry in self._entries(oid, strict=strict is not None, kept=kept):
                if mode == DIRECTORY:
                    stack.append(entry)
                    if strict is not None and entry in self._empty:
                        raise BadObject("a tree has an entry for a tree that is empty", requirement="JF-OBJ-005")
                elif mode != GITLINK and entry not in seen:
                    self._need(entry, BLOB, seen)

    def _entries(self, oid: bytes, *, strict: bool, kept: bool) -> Iterable[tuple[int, bytes]]:
        """Mode and raw id of each entry of a tree."""
        if kept:
            return ((entry.mode, entry.oid) for entry in self._flattener.entries(oid, strict=strict))
        return ((mode, entry) for mode, _, entry in tree_fields(self._pool.read(oid, TREE), self._oid_length))

    # -- extensions -----------------------------------------------------------------------------------------------

    def extensions(self) -> int:
        """Check the registered extensions that lie in the container alone (SPEC JF-EXT); how many are there."""
        return extensions.check(self._manifest)

    # -- history -------------------------------------------------------------------------------------------------

    def history(self) -> int:
        """Check commits, boundary and the objects every tree names (SPEC JF-HIS); the number of commits."""
        history, places = self._manifest.history, self._pool.places
        commits = [oid for oid, place in places.items() if place.kind == COMMIT]
        if len(commits) != history.commits:
            raise StateMismatch(
                f"{len(commits)} commits are there, {history.commits} are declared", requirement="JF-HIS-001"
            )
        shallow = set()
        prerequisites = set(history.prerequisites)
        unnamed = places.keys() - {oid for _, state in self._manifest.state.parts() for oid in named_by(state)}
        for oid in commits:
            head = parse_commit(self._pool.read(oid), self._oid_length)
            self._named(head.tree, TREE)
            if self.names is not None:
                self.names.setdefault(head.tree, b"")
            unnamed -= {head.tree, *head.parents}
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
        self._check_trees(unnamed)
        if unnamed and not self._names_outside:  # else what is not here may name it
            raise StateMismatch(
                f"nothing reaches {len(unnamed)} objects, such as {min(unnamed).hex()}", requirement="JF-REC-008"
            )
        return len(commits)

    def _check_trees(self, unnamed: set[bytes]) -> None:
        """Check the names and entries of all trees; what they name is taken out of ``unnamed``."""
        names: set[bytes] = set()
        trees, blobs = set[bytes](), set[bytes]()
        left = self._bounds.trees
        for oid, place in list(self._pool.places.items()):
            if place.kind != TREE:
                continue
            # not through the flattener, which would keep every tree of the history
            for mode, name, entry in tree_fields(self._pool.read(oid), self._oid_length):
                left -= 1
                if left < 0:
                    raise CountLimit("the trees have more entries than so few bytes may hold", requirement="JF-OBJ-009")
                if name not in names:
                    check_component(name)
                    names.add(name)
                known = trees if mode == DIRECTORY else blobs
                if entry not in known and mode != GITLINK:
                    if self.names is not None:
                        self.names.setdefault(entry, name)
                    self._named(entry, TREE if mode == DIRECTORY else BLOB)
                    known.add(entry)
                    unnamed.discard(entry)
            for kept in (names, trees, blobs):
                if len(kept) > _KEPT:
                    kept.clear()

    def _named(self, oid: bytes, kind: int) -> None:
        place = self._pool.places.get(oid)
        if place is None:
            if oid not in self._excused:
                self._leave(oid, kind, "a commit or tree names", "JF-HIS-004")
            elif self.thin:  # the repository did not have it, nor what it names
                self._names_outside |= kind != BLOB
        elif place.kind != kind:
            raise BadObject(f"object {oid.hex()} is of another kind than its user says", requirement="JF-OBJ-007")

    # -- state ---------------------------------------------------------------------------------------------------

    def is_whole(self, state: State) -> bool:
        """Whether the HEAD commit and the trees of a state can be had: of a thin container, some need not be there."""
        try:
            self.flat(state)
        except MissingObject:
            if not self.thin:
                raise
            return False
        return True

    def state(self) -> int:
        """Check that the parts of each state agree that is whole (SPEC JF-STA and 13.3); the number of these states."""
        count = 0
        for prefix, state in self._manifest.state.parts():
            if not self.is_whole(state):
                continue
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
            for omitted in state.index.omitted:
                path = omitted.path
                if flat.index.get(path) != flat.head.get(path) or path in conflicts or path in intents:
                    yield "JF-IDX-003", f"what was staged of {path!r} is called left out, and is there"
        directories = directories_of(flat.worktree)
        nests = {nested.path for nested in state.submodules}
        empties = () if state.worktree is None else state.worktree.empty_directories
        inside = Outermost((*flat.worktree, *nests) if nests or empties else ())
        if state.worktree is not None:
            gone = [omitted.path.removesuffix(b"/") for omitted in state.worktree.omitted]
            gone += state.worktree.empty_directories
            for path in gone:
                if path in flat.worktree or path in directories:
                    yield "JF-WRK-002", f"{path!r} is said to be left out or empty, and is there"
            for path in state.worktree.empty_directories:
                if path in nests or inside.holds(path):
                    yield "JF-WRK-006", f"the empty directory {path!r} lies in what is no directory of this worktree"
            for path in state.worktree.converted:
                modes = [leaves[path].mode if path in leaves else 0 for leaves in (flat.index, flat.worktree)]
                if not all(mode in files[:2] for mode in modes):
                    yield "JF-WRK-003", f"{path!r} is called converted and is no file in index and worktree"
            for path in state.worktree.filtered:
                one, two = flat.index.get(path), flat.worktree.get(path)
                if one is None or two is None or one.oid != two.oid:
                    yield "JF-WRK-004", f"{path!r} is called filtered and differs from the index"
        if state.roots:
            shown = flat.head if state.worktree is None else flat.worktree
            empty = () if state.worktree is None else state.worktree.empty_directories
            taken = {path.partition(b"/")[0] for path in (*shown, *empty, *nests)}
            for root in state.roots:
                if root.name in taken:
                    yield "JF-ROO-002", f"the root {root.name!r} has the name of something in the worktree"
        for nested in state.submodules:
            if inside.holds(nested.path):
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
        """Derive the summary again and compare, as far as the objects are there (JF-SUM-001 and 13.3)."""
        if not all(self.is_whole(state) for _, state in self._manifest.state.parts()):
            return
        said = self._manifest.summary
        sizes = self._sizes()
        found = self.derive(sizes)
        if replace(found, size=found.size if sizes.known else said.size) != said:
            raise SummaryMismatch("the summary is not what the state says", requirement="JF-SUM-001")

    def derive(self, sizes: _Sizes | None = None) -> Summary:
        """The summary that follows from state and objects."""
        sizes = sizes or self._sizes()
        return derive(self._manifest.state, self._manifest.summary.commit, self.flat, sizes.of)

    def _sizes(self) -> _Sizes:
        return _Sizes(self._pool, self._excused, self.thin)


@dataclass
class _Sizes:
    """Sizes of blobs; ``known`` says whether all could be had."""

    pool: Pool
    excused: frozenset[bytes]
    thin: bool
    known: bool = True

    def of(self, oid: bytes) -> int:
        """That of a blob by raw id; 0 where it is not there."""
        place = self.pool.places.get(oid)
        if place is not None:
            return place.size
        if self.thin and oid not in self.excused:
            try:
                return len(self.pool.read(oid, BLOB))
            except MissingObject:
                self.known = False
        return 0
