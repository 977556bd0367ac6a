"""What a snapshot wants of a repository: the target of a restore, made from a validated container."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from jellyformat.errors import RefusedRepository
from jellyformat.gitindex import Entry
from jellyformat.gitwrite import format_index, index_entry
from jellyformat.model import Operation, State
from jellyformat.objects import BLOB, GITLINK, REGULAR, SYMLINK, Leaf, object_id
from jellyformat.planning import Target, Wanted, WantedRepository
from jellyformat.present import MANAGED, Raw
from jellyformat.reader import Container
from jellyformat.trees import directories_of

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
                hint="nothing was changed; to restore all but that, add --without-operation",
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
            target.left.update(prefix + item.path for item in state.worktree.omitted)
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


def roots_of(state: State) -> list[bytes]:
    """What has to be in the repository for the state, nested ones apart: commits, index tree, conflicting blobs."""
    roots = [] if state.head.commit is None else [state.head.commit]
    roots += list(state.operation.heads if state.operation else ())
    if state.index is not None:
        roots.append(state.index.tree)
        for conflict in state.index.conflicts:
            roots += [stage[1] for stage in conflict.stages if stage is not None and stage[0] != GITLINK]
    return roots


Lookup = Callable[[bytes], "os.stat_result | None"]


def make_index(box: Container, state: State, look: Lookup) -> bytes:
    """The index file of a state.

    Args:
        box: The snapshot.
        state: One of its states.
        look: Stat data of the file at a path of that repository, where it is as the snapshot has it.
    """
    flat = box.checker.flat(state)
    object_format = state.object_format
    worktree = flat.head if state.worktree is None else flat.worktree
    unmodified = set(() if state.worktree is None else (*state.worktree.converted, *state.worktree.filtered))
    index = state.index
    hidden = set(() if index is None else index.skip_worktree)
    assumed = set(() if index is None else index.assume_unchanged)
    entries: list[Entry] = []
    for path, leaf in (flat.head if index is None else flat.index).items():
        found, size = None, 0
        if leaf.mode != GITLINK and (worktree.get(path) == leaf or path in unmodified):
            found = _fitting(look(path), leaf)
        elif leaf.oid in box.pool.places and leaf.mode != GITLINK:
            # git takes a file of another size for modified, without asking whether line ends are all that differs
            size = box.pool.places[leaf.oid].size
        entry = index_entry(
            path, leaf.mode, leaf.oid, found, skip_worktree=path in hidden, assume_valid=path in assumed
        )
        entries.append(entry._replace(size=size & 0xFFFFFFFF) if size else entry)
    if index is not None:
        empty = object_id(BLOB, b"", object_format)
        for path, mode in index.intent_to_add:
            flags = {"skip_worktree": path in hidden, "assume_valid": path in assumed}
            entries.append(index_entry(path, mode, empty, None, intent_to_add=True, **flags))
        for conflict in index.conflicts:
            for number, stage in enumerate(conflict.stages, 1):
                if stage is not None:
                    entries.append(index_entry(conflict.path, stage[0], stage[1], None, stage=number))
    return format_index(entries, object_format)


def _fitting(found: os.stat_result | None, leaf: Leaf) -> os.stat_result | None:
    """Stat data that git would take for the entry's."""
    if found is None or stat.S_ISLNK(found.st_mode) != (leaf.mode == SYMLINK):
        return None
    if leaf.mode != SYMLINK and bool(found.st_mode & 0o100) != (leaf.mode != REGULAR):
        return None
    return found
