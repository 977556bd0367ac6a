"""The index file of a snapshot's state, and what has to be in the repository for it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from jellyformat.format.container import Container
from jellyformat.format.model import State
from jellyformat.format.objects import BLOB, GITLINK, REGULAR, SYMLINK, Leaf, object_id
from jellyformat.git.index import IndexEntry
from jellyformat.git.write import format_index, index_entry

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
    entries: list[IndexEntry] = []
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
