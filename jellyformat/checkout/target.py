"""What a restore or a step back wants of a repository; made from a validated container for a snapshot."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from jellyformat.checkout.current import MANAGED, Raw
from jellyformat.errors import RefusedRepository
from jellyformat.format.container import Container
from jellyformat.format.model import Operation, State
from jellyformat.format.objects import GITLINK
from jellyformat.format.paths import Outermost
from jellyformat.format.trees import directories_of
from jellyformat.hints import Hint, option

_MARKS = {"merge": b"MERGE_HEAD", "cherry-pick": b"CHERRY_PICK_HEAD", "revert": b"REVERT_HEAD"}


def check_operation(state: State, *, drop: bool) -> None:
    """Refuse a state that cannot be made again.

    Raises:
        RefusedRepository: a rebase or the like was in progress, whose instructions no snapshot holds.
    """
    if drop:
        return
    for prefix, inner in state.walk():
        if inner.operation is not None and inner.operation.kind not in _MARKS:
            where = f" in {os.fsdecode(prefix)}" if prefix else ""
            raise RefusedRepository(
                f"a {inner.operation.kind} was in progress{where}, and its instructions are not in the snapshot",
                hint=Hint("nothing was changed; to restore all but that, add ", option("without_operation")),
            )


def target_of(box: Container, *, drop_operation: bool) -> Target:
    """What a validated snapshot wants.

    Raises:
        RefusedRepository: its operation cannot be made again.
    """
    check_operation(box.manifest.state, drop=drop_operation)
    target = Target(absent=absent_of(box))
    for prefix, state in box.manifest.state.walk():
        flat = box.checker.flat(state)
        leaves = flat.head if state.worktree is None else flat.worktree
        nested = {item.path for item in state.submodules}
        filtered = frozenset(() if state.worktree is None else state.worktree.filtered)
        for path, leaf in leaves.items():
            if leaf.mode != GITLINK:
                place = box.pool.places.get(leaf.oid)
                size = None if place is None or path in filtered else place.size
                target.files[prefix + path] = Wanted(leaf.mode, leaf.oid, size, filtered=path in filtered)
            elif path not in nested:
                target.gitlinks[prefix + path] = leaf.oid
                target.directories[prefix + path] = None
        if state.worktree is not None:
            for path in state.worktree.empty_directories:
                target.directories[prefix + path] = None
            target.left.update(prefix + item.path.removesuffix(b"/") for item in state.worktree.omitted)
        raw = _marks(state.operation)
        keep = frozenset((b"ORIG_HEAD",))
        target.repositories[prefix] = WantedRepository(
            prefix, state.head.commit, state.head.ref, raw, keep, late_index=True
        )
    return target


def absent_of(box: Container) -> set[bytes]:
    """Whole paths that the index of a snapshot has and its worktree has not, deleted on purpose."""
    found: set[bytes] = set()
    for prefix, state in box.manifest.state.walk():
        if state.index is None or state.worktree is None:
            continue
        flat = box.checker.flat(state)
        known = {*flat.index, *(path for path, _ in state.index.intent_to_add)}
        known.update(conflict.path for conflict in state.index.conflicts)
        gone = known - flat.worktree.keys() - {item.path for item in state.worktree.omitted}
        above = Outermost(item.path for item in state.worktree.omitted if item.is_directory)
        gone = {path for path in gone if not above.holds(path)}
        directories = directories_of(dict(flat.worktree)) | set(state.worktree.empty_directories)
        found.update(prefix + path for path in gone - directories)
    return found


def _marks(operation: Operation | None) -> dict[bytes, Raw]:
    """The files that say that a merge or the like is in progress."""
    raw: dict[bytes, Raw] = {}
    if operation is None or operation.kind not in _MARKS:
        return raw
    raw[_MARKS[operation.kind]] = Raw(0o644, b"".join(oid.hex().encode() + b"\n" for oid in operation.heads))
    if operation.kind == "merge":
        raw[b"MERGE_MODE"] = Raw(0o644, b"")
    if operation.message is not None:
        raw[b"MERGE_MSG"] = Raw(0o644, operation.message)
    assert raw.keys() <= set(MANAGED)
    return raw


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file or link that is to be there.

    Attributes:
        mode: ``REGULAR``, ``EXECUTABLE`` or ``SYMLINK``.
        oid: The raw id of its bytes; None where only ``kept`` has them.
        size: Of its bytes; None where not known.
        permissions: The exact bits; None where only the executable bit counts.
        mtime: Nanoseconds; None for now.
        kept: Where in the store it comes back from; None where it is written anew.
        filtered: Whether ``oid`` is git's stored form of a file under a filter.
    """

    mode: int
    oid: bytes | None
    size: int | None
    permissions: int | None = None
    mtime: int | None = None
    kept: bytes | None = None
    filtered: bool = False


@dataclass(frozen=True)
class WantedRepository:
    """A repository that is to be there.

    Attributes:
        prefix: ``b""``, or its path and ``/``.
        commit: HEAD's raw id; None for none yet.
        head: The ref that HEAD names; None: detached.
        raw: Files of the git directory as they are to be; not ``HEAD``. A name that is missing is to be absent.
        keep: Names that stay as they are.
        shared: Files that are to be there besides.
        late_index: Whether ``index`` is written when the files are there.
    """

    prefix: bytes
    commit: bytes | None
    head: bytes | None
    raw: dict[bytes, Raw]
    keep: frozenset[bytes] = frozenset()
    shared: dict[bytes, bytes] = field(default_factory=dict)
    late_index: bool = False


@dataclass
class Target:
    """What is wanted; all paths whole.

    Attributes:
        files: Files and links.
        directories: Directories, with their exact mode or None.
        trees: Directories that come back from the store as they went, with their place there.
        repositories: By prefix.
        gitlinks: Submodules that are not initialised, with the commit the index names.
        left: Paths for which nothing is known: what is there stays, of a directory with all below it; it may end in
            ``/`` or not.
        absent: Paths that git knows and that are not there: what is there goes, even where git ignores it.
    """

    files: dict[bytes, Wanted] = field(default_factory=dict)
    directories: dict[bytes, int | None] = field(default_factory=dict)
    trees: dict[bytes, bytes] = field(default_factory=dict)
    repositories: dict[bytes, WantedRepository] = field(default_factory=dict)
    gitlinks: dict[bytes, bytes] = field(default_factory=dict)
    left: set[bytes] = field(default_factory=set)
    absent: set[bytes] = field(default_factory=set)


def without(target: Target, directory: bytes) -> Target:
    """The target less everything in a directory."""

    def outside(path: bytes) -> bool:
        return path != directory and not path.startswith(directory + b"/")

    return Target(
        files={path: item for path, item in target.files.items() if outside(path)},
        directories={path: item for path, item in target.directories.items() if outside(path)},
        trees={path: item for path, item in target.trees.items() if outside(path)},
        repositories={prefix: item for prefix, item in target.repositories.items() if outside(prefix[:-1])},
        gitlinks={path: item for path, item in target.gitlinks.items() if outside(path)},
        left={path for path in target.left if outside(path)},
        absent={path for path in target.absent if outside(path)},
    )
