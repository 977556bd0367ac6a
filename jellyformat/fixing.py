"""``fix``: what is half done or broken in a repository and beside checkpoints is found, and mended."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

from jellyformat import fileio
from jellyformat.errors import JellyError, NoRepository, RefusedRepository
from jellyformat.gitwrite import new_repository_files
from jellyformat.mending import Left, mend_files
from jellyformat.reader import open_container
from jellyformat.records import read_record
from jellyformat.recovery import recover
from jellyformat.registry import PathLike
from jellyformat.repository import find
from jellyformat.restorejournal import read_journal
from jellyformat.undolog import COPY, LOG, DamagedLog, Log, Node, Store

_NEW_REPOSITORY = re.compile(r"\.git\.jelly-[0-9a-f]{12}\.tmp")
_OLD = 60
"""Seconds after which a new repository that was not finished is no longer being made."""
_STATE = re.compile(r"(\d+)-(\d+)")


def fix(path: PathLike = ".", *, dry_run: bool = False) -> tuple[Left, ...]:
    """Find what is broken or half done, and mend it: embeds, restores and undos that were broken off, stale locks and
    temporary files of ours, a damaged history list. Nothing else is touched.

    Args:
        path: A file, or a directory: the repository that holds it, and all files below it.
        dry_run: Only say what there is.

    Returns:
        What was found.

    Raises:
        NoFile: there is no such file.
        Busy: another process is at work there.
        SystemFailure: the system said no.
    """
    place = Path(path)
    found: list[Left] = []
    if place.is_dir():
        try:
            store = Store(find(place).git_dir)
        except NoRepository:
            store = None
        except RefusedRepository as error:  # what is beside checkpoints there is mended all the same
            store = None
            found.append(Left(place, error.message, False))
        if store is not None and store.exists():
            with fileio.system_errors(store.path, "nothing was lost", output=False), store.locked():
                found += _mend_store(store, dry_run)
        found += _new_repositories(place, dry_run)
    return (*found, *mend_files(place, dry_run=dry_run))


def _mend_store(store: Store, dry_run: bool) -> list[Left]:
    """Mend what restores have left in a repository."""
    found: list[Left] = []
    try:
        store.read_log()
    except DamagedLog:
        log, what = _list_again(store)
        found.append(Left(store.path / LOG, what, True))
        if dry_run:
            return found  # what else there is shows when the list is there
        aside = store.path / f"{LOG}.damaged-{int(time.time())}"
        if (store.path / LOG).exists():
            (store.path / LOG).replace(aside)
        store.write_log(log)
    try:
        done = recover(store, dry_run=dry_run)
    except JellyError as error:  # a damaged journal: only a person can tell
        return [*found, Left(store.journal, error.message + (f"; {error.hint}" if error.hint else ""), False)]
    log = store.read_log()
    if not dry_run and not (store.path / COPY).exists() and (store.path / LOG).exists():
        store.write_log(log)
    found += [Left(store.path, what, True) for what in done]
    return [
        *found,
        *(left for node in log.nodes.values() if node.name and (left := _damage(store, node.name, node.id))),
    ]


def _damage(store: Store, name: str, number: int) -> Left | None:
    """What is wrong with a state that undo or redo leads to; None where it is whole."""
    place = store.state(name)
    try:
        record = read_record(store, name)
        with open_container(place / "state.jelly") as box:
            box.check_hashes()
        files = [kept for item in record.files.values() if (kept := item.kept) is not None]
        gone = [kept for kept in (*files, *record.trees.values()) if not os.path.lexists(place / "kept" / kept)]
        if not gone:
            return None
        what = f"{len(gone)} of its files are missing, such as kept/{gone[0]}"
    except JellyError as error:
        what = error.message
    return Left(place, f"the state {number} is damaged, undo and redo do not lead to it: {what}", False)


def _list_again(store: Store) -> tuple[Log, str]:
    """The history list, made from its copy and from the states that are there; and what was done, for people."""
    log = store.read_copy()
    states = _states(store)
    if log is not None:
        later = [(number, name) for number, name in states if number == log.change + 1]
        if not later or _is_under_way(store, log.change + 1):
            return log, "the list of restores was damaged: written again from its copy"
        number, name = later[0]
        live = log.live
        node = _found(max(log.nodes) + 1, live.id, None)
        left = replace(live, name=name, redo=node.id)
        log = replace(log.with_node(left).with_node(node), current=node.id, change=number)
        return log, "the list of restores was damaged: written again from its copy, and the state of the last restore"
    log = Log(change=max((number for number, _ in states), default=0))
    for number, name in states:
        if _is_under_way(store, number):
            log = replace(log, change=number - 1)
            continue
        here = int(name.partition("-")[0])
        log = log.with_node(replace(_found(here, None, store.state(name)), name=name))
    ids = sorted(log.nodes)
    for before, here in itertools.pairwise(ids):
        log = log.with_node(replace(log.nodes[here], parent=before)).with_node(replace(log.nodes[before], redo=here))
    live = _found(max(ids, default=-1) + 1, ids[-1] if ids else None, None)
    if ids:
        log = log.with_node(replace(log.nodes[ids[-1]], redo=live.id))
    log = replace(log.with_node(live), current=live.id)
    return log, f"the list of restores was damaged: written again from the {len(ids)} states that are there"


def _is_under_way(store: Store, number: int) -> bool:
    """Whether the change of this number has a journal: then it is taken back."""
    try:
        journal = read_journal(store)
    except JellyError:
        return False
    return journal is not None and journal.number == number


def _found(number: int, parent: int | None, state: Path | None) -> Node:
    """A state that no list tells of."""
    seconds, commit = int(time.time()), ""
    if state is not None:
        with open_container(state / "state.jelly") as box:
            head = box.manifest.state.head.commit
            seconds, commit = box.manifest.provenance.time, "" if head is None else head.hex()
    return Node(number, parent, None, None, seconds, "found again by fix", commit)


def _states(store: Store) -> list[tuple[int, str]]:
    """The states that are there whole: the number of the change that left each, and its name; of one state the last."""
    found: dict[int, tuple[int, str]] = {}
    places = sorted((store.path / "states").iterdir()) if (store.path / "states").is_dir() else []
    for place in places:
        match = _STATE.fullmatch(place.name)
        if match is None:
            continue
        try:
            read_record(store, place.name)
            with open_container(place / "state.jelly"):
                pass
        except (OSError, JellyError, ValueError):
            continue
        here, number = int(match[1]), int(match[2])
        found[here] = max(found.get(here, (0, "")), (number, place.name))
    return sorted(found.values())


def _new_repositories(place: Path, dry_run: bool) -> list[Left]:
    """Repositories that were never finished."""
    found = []
    for path in sorted(place.iterdir()):
        old = _NEW_REPOSITORY.fullmatch(path.name) and time.time() - path.lstat().st_mtime > _OLD
        if old and path.is_dir() and not path.is_symlink() and _is_new_repository(path):
            if not dry_run:
                shutil.rmtree(path, ignore_errors=True)
            found.append(Left(path, "a new repository that was never finished", not os.path.lexists(path) or dry_run))
    return found


def _is_new_repository(path: Path) -> bool:
    """Whether there is nothing in a directory but what is written for a new repository; its name is no proof."""
    ours = {name.rstrip(b"/") for name, _ in new_repository_files("sha1", ())} | {b"info/exclude"}
    return ours.issuperset(os.fsencode(found.relative_to(path)) for found in path.rglob("*"))
