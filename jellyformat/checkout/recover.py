"""A restore, undo or redo that was broken off is finished or taken back, and what it left is cleared up."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from jellyformat.checkout import history, refs
from jellyformat.checkout.journal import Changer, StepJournal, read_journal
from jellyformat.checkout.keeps import release_keeps
from jellyformat.checkout.locks import git_locked, release_locks
from jellyformat.checkout.store import Store
from jellyformat.errors import JellyError, RepositoryWarning
from jellyformat.exports.objects import sweep_packs
from jellyformat.files.platform import sync_filesystem


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
    log = history.read_log(store)
    if journal is not None:
        if journal.number > log.change:
            strays = [] if dry_run else _take_back(store, journal, log)
            done.append("a restore was broken off: everything is as it was before it")
            done += [f"somebody had put something in the way, it is kept: {stray}" for stray in strays]
        else:
            done.append("a restore was broken off when it was done: only cleared up after it")
        if not dry_run:
            store.unlink("journal")
    released = release_locks(store, dry_run=dry_run)
    done += [f"removed a stale lock of ours: {path}" for path in released]
    done += [f"removed a stale .keep file of ours: {path}" for path in release_keeps(store, dry_run=dry_run)]
    common_dir = Path(os.fsdecode(store.layout.common_dir))
    cleared = dry_run or clear_refs(store, log)
    removed = history.sweep(store, log, dry_run=dry_run, whole=cleared)
    removed += sweep_packs(common_dir, store.git_dir, dry_run=dry_run)
    done += [f"removed what a restore had not finished writing: {name}" for name in removed]
    return done


def clear_refs(store: Store, log: history.Log) -> bool:
    """Remove our refs that keep commits of states that are no more, also those of worktrees that were removed.

    Returns:
        Whether none is left; where git is at work there, the next command does it.
    """
    layout = store.layout
    with contextlib.suppress(JellyError, OSError):
        unneeded = refs.unneeded(layout, history.gone(store, log))
        if unneeded:
            with git_locked(store, (), [layout.common_dir]):
                refs.remove(layout, unneeded)
        return True
    return False


def _take_back(store: Store, journal: StepJournal, log: history.Log) -> list[str]:
    """Undo the changes of a journal; what was in the way."""
    changer = Changer(store, journal, {node.name or "" for node in log.nodes.values()})
    try:
        changer.take_back()
    finally:
        changer.close()
    sync_filesystem(store.below.root)
    return changer.strays


@contextlib.contextmanager
def locked_store(store: Store, *, dry_run: bool = False) -> Iterator[list[str]]:
    """Lock the store and mend what was broken off, with ``dry_run`` only find it; what was done, for people."""
    with store.locked(dry_run=dry_run):
        yield recover(store, dry_run=dry_run)


def say(mended: list[str]) -> None:
    """Warn of what was mended where the answer has no place for it."""
    for what in mended:
        warnings.warn(what, RepositoryWarning, stacklevel=4)
