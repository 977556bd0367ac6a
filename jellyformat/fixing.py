"""``fix``: what is half done or broken in a repository and beside checkpoints is found, and mended."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat.checkout import aside
from jellyformat.checkout.excludes import all_excluded, read_exclude
from jellyformat.checkout.history import COPY, LOG, DamagedLog, Log, Node, read_copy, read_log, write_log
from jellyformat.checkout.journal import read_journal
from jellyformat.checkout.recover import recover
from jellyformat.checkout.saved import open_kept, read_record
from jellyformat.checkout.store import Store
from jellyformat.errors import JellyError, NoRepository, RefusedRepository
from jellyformat.files import durable, journal, newfile, platform
from jellyformat.files.beneath import remove_tree
from jellyformat.files.change import repair
from jellyformat.files.platform import directories
from jellyformat.files.repair import repair_open
from jellyformat.format.source import FileSource
from jellyformat.format.text import brief
from jellyformat.git.create import is_unfinished
from jellyformat.git.layout import repository_to_change
from jellyformat.hints import Hint
from jellyformat.hosts.binding import sidecar_of
from jellyformat.hosts.lookup import SUFFIX, host_of, is_sidecar, read_extensions, sidecar_names
from jellyformat.hosts.registry import PathLike, open_file

_OLD = 60
"""Seconds after which a new repository that was not finished is no longer being made."""
_STATE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


def fix(path: PathLike = ".", *, dry_run: bool = False, adopt: bool = False) -> tuple[Left, ...]:
    """Find what is broken or half done, and mend it: embeds, restores and undos that were broken off, stale locks and
    temporary files of ours, a damaged history list. Nothing else is touched.

    Args:
        path: A file, or a directory: the repository that holds it, and all files below it.
        dry_run: Only say what there is.
        adopt: Take over the history of restores of a repository that was copied, moved or unpacked, which may be
            anybody's: else it is only told.

    Returns:
        What was found.

    Raises:
        NoFile: there is no such file.
        Busy: another process is at work there.
        SystemFailure: the system said no.
    """
    place = Path(path)
    found: list[Left] = []
    if durable.is_directory(place):
        try:
            store = Store(repository_to_change(place)) if directories.HELD else None
        except NoRepository:
            store = None
        except RefusedRepository as error:  # what is beside checkpoints there is mended all the same
            store = None
            found.append(Left(place, error.message, False))
        if store is not None and (store.exists() or _has_begun(store)):
            found += _fix_store(store, dry_run, adopt)
        if not durable.is_directory(place):  # it went with the repository that a restore had made
            return tuple(found)
        found += _new_repositories(place, dry_run)
    return (*found, *repair_files(place, dry_run=dry_run))


def _fix_store(store: Store, dry_run: bool, adopt: bool) -> list[Left]:
    """Mend what restores have left in a repository, where that is this user's; else it is told."""
    try:
        with (
            durable.system_errors(store.path, "nothing was lost", output=False),
            store.locked(adopt=adopt, dry_run=dry_run),
        ):
            taken = [] if store.adopted is None else [Left(store.path, f"{store.adopted}; taken over", True)]
            return taken + _repair_store(store, dry_run)
    except RefusedRepository as error:
        return [Left(store.path, Hint(error.message, "; " if error.hint else "", error.hint or ""), False)]


def _repair_store(store: Store, dry_run: bool) -> list[Left]:
    """Mend what restores have left in a repository."""
    found: list[Left] = []
    try:
        read_log(store)
    except DamagedLog:
        log, what = _list_again(store)
        found.append(Left(store.path / LOG, what, True))
        if dry_run:
            return found  # what else there is shows when the list is there
        if store.has(LOG):
            store.rename(LOG, f"{LOG}.damaged-{int(time.time())}")
        write_log(store, log)
    try:
        done = recover(store, dry_run=dry_run)
    except JellyError as error:  # a damaged journal: only a person can tell
        return [*found, Left(store.journal, Hint(error.message, "; " if error.hint else "", error.hint or ""), False)]
    log = read_log(store)
    if not dry_run and not store.has(COPY) and store.has(LOG):
        write_log(store, log)
    found += [Left(store.path, what, True) for what in done]
    if _has_begun(store) and not log.nodes and not dry_run:
        aside.note_made(store, directory=False)
    if aside.is_left_over(store, log) or (_has_begun(store) and not log.nodes):
        return [*found, _set_aside(store, dry_run)]
    return [
        *found,
        *(left for node in log.nodes.values() if node.name and (left := _damage(store, node.name, node.id))),
    ]


def _has_begun(store: Store) -> bool:
    """Whether all files are hidden from git, as by a restore that was broken off when it had made the repository."""
    return read_exclude(store.layout.common_dir) == all_excluded()


def _set_aside(store: Store, dry_run: bool) -> Left:
    """Set a repository aside that a restore had made, and that is used no more."""
    path = Path(os.fsdecode(store.git_dir))
    what = "the repository of a restore that was undone or broken off, which hides all files from git"
    try:
        aside.check(store.layout)
        return Left(path, what if dry_run else f"{what}: it is now {aside.set_aside(store)}", True)
    except JellyError as error:
        return Left(path, Hint(error.message, "; " if error.hint else "", error.hint or ""), False)


def _damage(store: Store, name: str, number: int) -> Left | None:
    """What is wrong with a state that undo or redo leads to; None where it is whole."""
    place = store.state(name)
    try:
        record = read_record(store, name)
        with open_kept(store, name) as box:
            box.check_hashes()
        files = [kept for item in record.files.values() if (kept := item.kept) is not None]
        gone = [kept for kept in (*files, *record.trees.values()) if not store.has(f"states/{name}/kept/{kept}")]
        if not gone:
            return None
        what = f"{len(gone)} of its files are missing, such as kept/{gone[0]}"
    except JellyError as error:
        what = error.message
    except ValueError as error:
        what = f"state.jelly cannot be read: {error}"
    return Left(place, f"the state {number} is damaged, undo and redo do not lead to it: {what}", False)


def _list_again(store: Store) -> tuple[Log, str]:
    """The history list, made from its copy and from the states that are there; and what was done, for people."""
    log = read_copy(store)
    states = _states(store)
    if log is not None:
        later = [(number, name) for number, name in states if number == log.change + 1]
        if not later or _is_under_way(store, log.change + 1):
            return log, "the list of restores was damaged: written again from its copy"
        number, name = later[0]
        live = log.live
        node = _found(max(log.nodes) + 1, live.id)
        left = replace(live, name=name, redo=node.id)
        log = replace(log.with_node(left).with_node(node), current=node.id, change=number)
        return log, "the list of restores was damaged: written again from its copy, and the state of the last restore"
    log = Log(change=max((number for number, _ in states), default=0))
    for number, name in states:
        if _is_under_way(store, number):
            log = replace(log, change=number - 1)
            continue
        here = int(name.partition("-")[0])
        log = log.with_node(replace(_found(here, None, store, name), name=name))
    ids = sorted(log.nodes)
    for before, here in itertools.pairwise(ids):
        log = log.with_node(replace(log.nodes[here], parent=before)).with_node(replace(log.nodes[before], redo=here))
    live = _found(max(ids, default=-1) + 1, ids[-1] if ids else None)
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


def _found(number: int, parent: int | None, store: Store | None = None, name: str = "") -> Node:
    """A state that no list tells of."""
    seconds, commit = int(time.time()), ""
    if store is not None:
        with open_kept(store, name) as box:
            head = box.manifest.state.head.commit
            seconds, commit = box.manifest.provenance.time, "" if head is None else head.hex()
    return Node(number, parent, None, None, seconds, "found again by fix", commit)


def _states(store: Store) -> list[tuple[int, str]]:
    """The states that are there whole: the number of the change that left each, and its name; of one state the last."""
    found: dict[int, tuple[int, str]] = {}
    for name in map(os.fsdecode, store.below.names(b"states")):
        match = _STATE.fullmatch(name)
        if match is None:
            continue
        try:
            read_record(store, name)
            with open_kept(store, name):
                pass
        except (OSError, JellyError, ValueError):
            continue
        here, number = int(match[1]), int(match[2])
        found[here] = max(found.get(here, (0, "")), (number, name))
    return sorted(found.values())


def _new_repositories(place: Path, dry_run: bool) -> list[Left]:
    """Repositories that were never finished."""
    found = []
    for path in sorted(place.iterdir()):
        is_ours = path.is_dir() and not path.is_symlink() and path.lstat().st_uid == platform.user_id()
        if is_ours and is_unfinished(path) and time.time() - path.lstat().st_mtime > _OLD:
            if not dry_run:
                remove_tree(path)
            found.append(Left(path, "a new repository that was never finished", not os.path.lexists(path) or dry_run))
    return found


@dataclass(frozen=True)
class Left:
    """Something that a killed process left behind.

    Attributes:
        path: The file that was half changed, or the temporary file or directory.
        what: What it is, or was, for people.
        mended: Whether it has been, or with ``dry_run`` would be, mended or removed.
    """

    path: Path
    what: str
    mended: bool

    def __repr__(self) -> str:
        return f"<Left {brief(str(self.path))}: {brief(self.what)}, {'mended' if self.mended else 'NOT mended'}>"


def repair_files(path: str | os.PathLike[str], *, dry_run: bool = False) -> list[Left]:
    """Complete or take back half done changes, and remove temporary files and directories whose process is dead.

    Args:
        path: A file: only what belongs to it. A directory: everything in it and below it but ``.git``.
        dry_run: Only say what there is.

    Returns:
        What was found, in the order of names.

    Raises:
        NoFile: there is no such file, nor anything that belongs to it.
        Busy: another process is at work on the file ``path``.
        SystemFailure: it cannot be read, or not mended.
    """
    given = Path(path)
    if durable.is_directory(given):
        found: list[Left] = []

        def note(error: OSError) -> None:
            if isinstance(error, FileNotFoundError):  # gone since it was listed
                return
            place = Path(os.fsdecode(error.filename))
            found.append(Left(place, f"a directory that cannot be read ({error.strerror})", False))

        below = [given]
        while below:  # one after another: a tree may be deeper than calls can be
            here = below.pop()
            try:
                folders, names = _listed(here)
            except OSError as error:
                note(error)
                continue
            with durable.kept_times(here):
                found += _in_directory(here, names, folders, dry_run)
            below += [
                here / name for name in reversed(folders) if name != ".git" and not newfile.FOLDER.fullmatch(name)
            ]
        return found
    target = Path(os.path.realpath(given))
    if not durable.is_directory(target.parent):
        raise durable.missing(given)
    with durable.system_errors(given, "nothing was changed", output=False):
        listed = sorted(entry.name for entry in target.parent.iterdir())
    found = []
    beside = [target.with_name(name) for name in sidecar_names(target.name)]
    begins = tuple(newfile.temporary_begin(path) for path in (target, *beside))
    with durable.kept_times(target.parent):
        for name in listed:
            is_temporary = newfile.TEMPORARY.fullmatch(name) and name.startswith(begins)
            if is_temporary or (newfile.FOLDER.fullmatch(name) and os.path.lexists(target.parent / name / target.name)):
                found += _stale(target.parent / name, dry_run)
    if target.name in listed:
        found += [left for left in [_half_done(target, dry_run)] if left is not None]
    elif not found:
        raise durable.missing(given)
    return found


def _listed(directory: Path) -> tuple[list[str], list[str]]:
    """The names of the directories and of all else in one, each sorted. Raises OSError."""
    with os.scandir(directory) as found:
        kinds = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    return [name for name, is_directory in kinds if is_directory], [
        name for name, is_directory in kinds if not is_directory
    ]


def _in_directory(here: Path, names: list[str], folders: list[str], dry_run: bool) -> Iterator[Left]:
    """What is left in one directory."""
    for name in sorted(names):
        if newfile.TEMPORARY.fullmatch(name):
            yield from _stale(here / name, dry_run)
    for name in folders:
        if newfile.FOLDER.fullmatch(name):
            yield from _stale(here / name, dry_run)
    yield from (left for name in sorted(names) if name.endswith(SUFFIX) and (left := _orphan(here / name)) is not None)
    journals = {name for name in names if name.endswith(journal.ENDING)}
    for name in sorted(names) if journals else ():
        book = journal.journal_path(here / name).name
        if book in journals:
            journals.discard(book)
            try:
                left = _half_done(here / name, dry_run)
            except JellyError as error:
                left = Left(here / name, error.message, False)
            if left is not None:
                yield left
    for name in sorted(journals):
        if (here / name).is_file() and journal.is_journal(here / name):
            yield Left(here / name, "half of a change, but its file is gone: move that back, or remove this", False)


def _orphan(path: Path) -> Left | None:
    """A sidecar whose host is not there."""
    try:
        with open_file(path) as fd:
            source = FileSource.of(fd)
            sidecar = sidecar_of(read_extensions(source)) if is_sidecar(source) else None
    except JellyError:  # verify tells of a damaged one
        return None
    if sidecar is None or host_of(path, sidecar) is not None:
        return None
    name = os.fsdecode(sidecar.name)
    return Left(
        path, f"a snapshot that was put beside {name}, which is gone: move that back, or this to where it is", False
    )


def _half_done(target: Path, dry_run: bool) -> Left | None:
    """The change of ``target`` that was broken off, mended."""
    if not os.path.lexists(journal.journal_path(target)):
        return None
    if dry_run:
        with open_file(target) as fd, durable.system_errors(target, "nothing was changed", output=False):
            what = repair_open(target, fd, dry_run=True)
    else:
        what = repair(target)
    return None if what is None else Left(target, what.removeprefix(f"{target}: "), True)


def _stale(path: Path, dry_run: bool) -> list[Left]:
    """A temporary file or directory, if its process is dead, removed."""
    size = _size(path)
    try:
        if not newfile.remove_stale(path, dry_run=dry_run):
            return []
    except FileNotFoundError:
        return []
    except OSError as error:
        return [Left(path, f"a temporary file that cannot be removed ({error.strerror})", False)]
    return [Left(path, f"a temporary file of {size} bytes, never finished", True)]


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a directory; 0 where they cannot be told."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sum(file.lstat().st_size for file in path.iterdir())
        return path.lstat().st_size
    except OSError:
        return 0
