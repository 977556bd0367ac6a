"""A restore, undo or redo that was broken off is finished or taken back, and what it left is cleared up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from jellyformat import refs
from jellyformat.gitlocks import release_locks
from jellyformat.gitstore import sweep_packs
from jellyformat.restorejournal import Changer, Journal, read_journal
from jellyformat.staging import sync_filesystem
from jellyformat.undolog import Store


def recover(store: Store, *, dry_run: bool = False) -> list[str]:
    """Finish or take back what was broken off, and clear up. Only while the store is locked.

    Args:
        store: The store.
        dry_run: Only find it.

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
            strays = [] if dry_run else _take_back(store, journal)
            done.append("a restore was broken off: everything is as it was before it")
            done += [f"somebody had put something in the way, it is kept: {stray}" for stray in strays]
        else:
            done.append("a restore was broken off when it was done: only cleared up after it")
        if not dry_run:
            store.journal.unlink()
    released = release_locks(store, dry_run=dry_run)
    done += [f"removed a stale lock of ours: {path}" for path in released]
    objects = Path(os.fsdecode(refs.common_dir_of(store.git_dir))) / "objects"
    removed = [*store.sweep(log, dry_run=dry_run), *sweep_packs(objects, store.git_dir, dry_run=dry_run)]
    done += [f"removed what a restore had not finished writing: {name}" for name in removed]
    if not dry_run:
        refs.sweep(refs.directory_of(store.git_dir), {node.name or "" for node in log.nodes.values()})
    return done


def _take_back(store: Store, journal: Journal) -> list[str]:
    """Undo the changes of a journal; what was in the way."""
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
    return changer.strays


@contextlib.contextmanager
def opened(store: Store) -> Iterator[list[str]]:
    """Lock the store and mend what was broken off; what was done, for people."""
    with store.locked():
        yield recover(store)
