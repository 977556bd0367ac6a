"""A snapshot as git alone can hold it: commits and refs, the uncommitted work as commits of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jellyformat.errors import RefusedBundle, RefusedRepository
from jellyformat.exports import files as exporter
from jellyformat.exports.objects import objects_of
from jellyformat.format.container import Container
from jellyformat.format.manifest import is_ref
from jellyformat.format.model import State
from jellyformat.format.objects import COMMIT, GITLINK, OID_LENGTH, TREE, build_trees, object_id, parse_commit
from jellyformat.format.paths import show_name
from jellyformat.format.reach import reachable
from jellyformat.format.summary import Flat, Leaves
from jellyformat.git.write import GitObject
from jellyformat.hints import Hint, command

_BRANCHES = b"refs/heads/"
_OURS = b"refs/heads/jellyformat"
_SIGNATURES = (b"gpgsig", b"gpgsig-sha256", b"mergetag")
"""Headers of a commit that say something of its bytes, or of its parents'."""
_LATEST = 253_402_300_799
"""The end of the year 9999: what git has a date for."""


@dataclass(frozen=True)
class GitView:
    """What a git repository or bundle of a snapshot holds; read while the container is open.

    Attributes:
        object_format: ``sha1`` or ``sha256``.
        head: The raw id of the commit that HEAD is at.
        head_ref: The ref of that commit that HEAD stands for.
        refs: Raw commit id by full name.
        ours: What the names of those refs begin with that are not the branch's.
        shallow: Commits (raw ids) whose parents are not all there.
        prerequisites: Those parents.
        rewritten: New raw id by old one, of commits that have lost their parents.
    """

    object_format: str
    head: bytes
    head_ref: bytes
    refs: Mapping[bytes, bytes]
    ours: bytes
    shallow: tuple[bytes, ...]
    prerequisites: tuple[bytes, ...]
    rewritten: Mapping[bytes, bytes]
    names: dict[bytes, bytes] = field(repr=False)
    """The path of a tree or blob by raw id."""
    _box: Container = field(repr=False)
    _made: Mapping[bytes, tuple[int, bytes]] = field(repr=False)
    _taken: tuple[bytes, ...] = field(repr=False)

    def objects(self) -> Iterator[GitObject]:
        """All that the refs reach."""
        for oid, (kind, content) in self._made.items():
            yield oid, kind, content
        yield from objects_of(self._box, self._taken, None)


def make_view(box: Container, *, rewrite: bool) -> GitView:
    """The commits and refs of a snapshot.

    HEAD is at the branch it was on, ``refs/heads/jellyformat/<id>/head`` where it was detached. Where something was not
    committed, ``…/<id>/worktree`` has all files and ``…/<id>/index`` what was staged, each a commit on top of what
    comes before it, and ``…/<id>/stash`` is what ``git stash apply --index`` takes. Nested repositories are in
    ``…/<id>/nested/<number>/``.

    Args:
        box: The snapshot; it is validated here.
        rewrite: Leave out the parents that are not in the snapshot, which gives the commits other ids; else they stay
            as they are, and the view is ``shallow``.

    Raises:
        RefusedBundle: the snapshot does not have all that git would ask for.
        RefusedPath, FormatError: it is damaged or made to do harm.
    """
    exporter.validate(box)
    if box.checker.thin:
        raise RefusedRepository(
            "this container builds on commits that it does not have",
            requirement="JF-HIS-004",
            hint="nothing was changed; such containers belong to the undo of the repository they are in",
        )
    return _Maker(box, rewrite=rewrite).make()


class _Maker:
    """Makes one view."""

    def __init__(self, box: Container, *, rewrite: bool) -> None:
        self._box = box
        self._rewrite = rewrite
        self._format = box.manifest.state.object_format
        self._length = OID_LENGTH[self._format]
        self._made: dict[bytes, tuple[int, bytes]] = {}
        self._commits: dict[bytes, bytes] = {}  # new id by old, parents first
        self._shallow: set[bytes] = set()
        self._prerequisites: set[bytes] = set()
        self._roots: list[bytes] = []  # trees and blobs of the commits made here
        self._names: dict[bytes, bytes] = {}
        self._refs: dict[bytes, bytes] = {}
        provenance = box.manifest.provenance
        sign, zone = "-" if provenance.zone < 0 else "+", abs(provenance.zone)
        stamp = f"{min(provenance.time, _LATEST)} {sign}{zone // 60:02}{zone % 60:02}"
        self._who = f"jellyformat <> {stamp}".encode()

    def make(self) -> GitView:
        """The view."""
        state = self._box.manifest.state
        branch = state.head.ref
        root = _OURS + (b"-" if branch == _OURS else b"/") + self._box.snapshot_id[:12].encode() + b"/"
        outer = self._add(root, state, b"")
        number = 0
        for prefix, nested in state.walk():
            if prefix:
                number += 1
                inner = root + b"nested/%d/" % number
                head = self._add(inner, nested, prefix)
                if nested.head.commit is not None:
                    self._refs[inner + b"head"] = head
        if state.head.commit is None:
            head_ref = root + b"worktree"
        else:
            head_ref = branch if branch is not None and _is_branch(branch) else root + b"head"
        # git checks out the last of several branches that are where HEAD is
        self._refs[head_ref] = outer
        taken, names = self._reached()
        return GitView(
            object_format=self._format,
            head=outer,
            head_ref=head_ref,
            refs=self._refs,
            ours=root,
            shallow=tuple(sorted(self._shallow)),
            prerequisites=tuple(sorted(self._prerequisites)),
            rewritten={old: new for old, new in self._commits.items() if old != new},
            names=names,
            _box=self._box,
            _made=self._made,
            _taken=tuple(taken),
        )

    def _reached(self) -> tuple[list[bytes], dict[bytes, bytes]]:
        """What is taken from the container as it is, new things first; and the paths of trees and blobs."""
        pool = self._box.pool
        newest = list(reversed(self._commits))
        trees = [parse_commit(pool.read(oid, COMMIT), self._length).tree for oid in newest]
        found, names = reachable(pool, self._length, [*self._roots, *trees])
        names = {**names, **self._names, **dict.fromkeys(trees, b"")}
        missing = [oid for oid in names if oid not in pool.places and oid not in self._made]
        if missing:
            raise RefusedBundle(
                f"the snapshot lacks {len(missing)} objects that its repository, a partial clone, did not have either",
                hint=Hint(
                    "nothing was written; ",
                    command("export", "FILE", "DIR"),
                    " and ",
                    command("restore", "FILE"),
                    " give back what is there",
                ),
            )
        return [oid for oid in newest if self._commits[oid] == oid] + found, names

    # -- states --------------------------------------------------------------------------------------------------

    def _add(self, root: bytes, state: State, prefix: bytes) -> bytes:
        """Add the commits of one state and their refs below ``root``; where its HEAD is."""
        flat = self._box.checker.flat(state)
        where = f" in {show_name(prefix[:-1])}" if prefix else ""
        base = None if state.head.commit is None else self._commit_of(state.head.commit)
        last, files = base, flat.head
        # the entries of a conflict are in no tree: without them the index would look as if they were deleted
        index = state.index if state.index is not None and not state.index.conflicts else None
        if index is not None and flat.index != files:
            last, files = self._commit_leaves(flat.index, [last], f"index: what was staged{where}"), flat.index
            self._refs[root + b"index"] = last
        disk = _worktree(state, flat)
        if disk is not None and disk != files:
            last = self._commit_leaves(disk, [last], f"worktree: all files as they were on disk{where}")
        if last is None:  # no commit yet, and no file
            last = self._commit_leaves({}, [], f"nothing yet{where}")
        if last != base:
            self._refs[root + b"worktree"] = last
        if index is not None and base is not None and disk is not None and last != base:
            self._stash(root, flat, disk, base, where)
        if state.operation is not None:
            for number, oid in enumerate(state.operation.heads):
                name = state.operation.kind.encode() + b"-head" + (b"-%d" % (number + 1) if number else b"")
                self._refs[root + name] = self._commit_of(oid)
        return last if base is None else base

    def _stash(self, root: bytes, flat: Flat, disk: Leaves, base: bytes, where: str) -> None:
        """The commit that ``git stash apply --index`` takes: its parents are HEAD, index, untracked files."""
        new = {path: leaf for path, leaf in disk.items() if path not in flat.index}
        if new.keys() & flat.head.keys():  # git would find them in its way
            return
        tracked = {path: leaf for path, leaf in disk.items() if path not in new}
        index = self._commit_leaves(flat.index, [base], f"index on the snapshot's HEAD{where}")
        parents: list[bytes | None] = [base, index]
        if new:
            parents.append(self._commit_leaves(new, [], f"untracked files on the snapshot's HEAD{where}"))
        self._refs[root + b"stash"] = self._commit_leaves(tracked, parents, f"WIP on the snapshot's HEAD{where}")

    # -- commits -------------------------------------------------------------------------------------------------

    def _commit_leaves(self, leaves: Leaves, parents: list[bytes | None], message: str) -> bytes:
        """A commit of ours with these files; its tree is made where the container does not have it."""
        trees = build_trees(leaves, self._format)
        for oid, content in trees.contents.items():
            if oid in self._box.pool.places:
                self._roots.append(oid)
            else:
                self._made[oid] = TREE, content
        if trees.root in self._made:
            for path, leaf in leaves.items():
                if leaf.mode != GITLINK:
                    self._roots.append(leaf.oid)
                    self._names[leaf.oid] = b"/" + path
        self._names[trees.root] = b""
        lines = [b"tree " + trees.root.hex().encode()]
        lines += [b"parent " + parent.hex().encode() for parent in parents if parent is not None]
        lines += [b"author " + self._who, b"committer " + self._who, b"", message.encode(), b""]
        return self._new(b"\n".join(lines))

    def _new(self, content: bytes) -> bytes:
        oid = object_id(COMMIT, content, self._format)
        self._made[oid] = COMMIT, content
        return oid

    def _commit_of(self, tip: bytes) -> bytes:
        """The commit that stands for one of the container, all before it done."""
        places = self._box.pool.places
        stack = [tip]
        while stack:
            oid = stack[-1]
            if oid in self._commits:
                stack.pop()
                continue
            content = self._box.pool.read(oid, COMMIT)
            head = parse_commit(content, self._length)
            there = [parent for parent in head.parents if parent in places]
            todo = [parent for parent in there if parent not in self._commits]
            if todo:
                stack += todo
                continue
            stack.pop()
            self._commits[oid] = self._stand_in(oid, content, head.parents, there)
        return self._commits[tip]

    def _stand_in(self, oid: bytes, content: bytes, parents: tuple[bytes, ...], there: list[bytes]) -> bytes:
        if not self._rewrite:
            if len(there) < len(parents):
                self._shallow.add(oid)
                self._prerequisites.update(parent for parent in parents if parent not in there)
            return oid
        new = [self._commits[parent] for parent in there]
        return oid if tuple(new) == parents else self._new(_without_parents(oid, content, new))


def _worktree(state: State, flat: Flat) -> Leaves | None:
    """What git would commit of the worktree: a file that git takes for unmodified, that a sparse checkout leaves out,
    or that was left out of the snapshot, is as it is staged."""
    if state.worktree is None:
        return None
    leaves = dict(flat.worktree)
    absent = {item.path for item in state.worktree.omitted}
    above = tuple(item.path for item in state.worktree.omitted if item.is_directory)
    absent.update(path for path in flat.index if above and path.startswith(above))
    absent.update(() if state.index is None else state.index.skip_worktree)
    for path in (*state.worktree.converted, *(absent - leaves.keys())):
        if path in flat.index:
            leaves[path] = flat.index[path]
    return leaves


def _is_branch(ref: bytes) -> bool:
    """Whether git makes a branch of this name."""
    name = ref.removeprefix(_BRANCHES)
    return is_ref(ref) and ref.startswith(_BRANCHES) and not name.startswith(b"-") and name != b"HEAD"


def _without_parents(oid: bytes, content: bytes, parents: list[bytes]) -> bytes:
    """A commit with other parents, without the signatures that no longer hold, naming the commit it was."""
    head, _, message = content.partition(b"\n\n")
    tree, *rest = head.split(b"\n")
    lines = [tree, *(b"parent " + parent.hex().encode() for parent in parents)]
    dropped = False
    for line in rest:
        if not (line.startswith(b" ") and dropped):
            dropped = line.partition(b" ")[0] in (b"parent", *_SIGNATURES)
        if not dropped:
            lines.append(line)
    note = b"This was commit %s, some of whose history is not in the snapshot.\n" % oid.hex().encode()
    return b"\n".join(lines) + b"\n\n" + (message.rstrip(b"\n") + b"\n\n" + note).lstrip(b"\n")
