"""A restore, undo or redo that was broken off is finished or taken back, and what it left is cleared up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from jellyformat import refs
from jellyformat.gitlocks import release_locks
from jellyformat.gitstore import sweep_packs
from jellyformat.restorejournal import Changer, read_journal
from jellyformat.staging import sync_filesystem
from jellyformat.undolog import Store


def recover(store: Store) -> list[str]:
    """Finish or take back what was broken off, and clear up. Only while the store is locked.

    Returns:
        What was found and done, for people.

    Raises:
        RefusedRepository: journal or list are damaged.
        OSError: the system failed; it can be tried again.
    """
    done: list[str] = []
    journal = read_journal(store)
    log = store.read_log()
    if journal is not None:
        if journal.number > log.change:
            changer = Changer(store, journal)
            try:
                changer.take_back()
            finally:
                changer.close()
            fd = os.open(store.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sync_filesystem(fd)
            finally:
                os.close(fd)
            done.append("a restore was broken off: everything is as it was before it")
            done += [f"somebody had put something in the way, it is kept: {stray}" for stray in changer.strays]
        else:
            done.append("a restore was broken off when it was done: only cleared up after it")
        store.journal.unlink()
    released = release_locks(store)
    done += [f"removed a stale lock of ours: {path}" for path in released]
    removed = store.sweep(log)
    done += [f"removed what a restore had not finished writing: {name}" for name in removed]
    sweep_packs(Path(os.fsdecode(refs.common_dir_of(store.git_dir))) / "objects", store.git_dir)
    refs.sweep(refs.directory_of(store.git_dir), {node.name or "" for node in log.nodes.values()})
    return done


@contextlib.contextmanager
def opened(store: Store) -> Iterator[list[str]]:
    """Lock the store and mend what was broken off; what was done, for people."""
    with store.locked():
        yield recover(store)
