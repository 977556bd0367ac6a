"""Undo, redo and history: any number of steps over restores, in any process, exactly."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat import fileio
from jellyformat.errors import Absent, RefusedRepository, Usage
from jellyformat.moving import Moved, Mover, move
from jellyformat.planning import ancestors
from jellyformat.pool import Outside
from jellyformat.reader import Container, open_container
from jellyformat.records import read_record
from jellyformat.recovery import opened
from jellyformat.registry import PathLike
from jellyformat.repository import Layout, Repository, find
from jellyformat.undolog import Log, Node, Store
from jellyformat.wanting import absent_of


class NothingToUndo(Absent):
    """There is no state to go to."""

    error_class = "absent.state"


@dataclass(frozen=True)
class Stepped:
    """What undo or redo has done.

    Attributes:
        directory: The worktree.
        steps: How many steps were taken.
        state: The number of the state that is live now.
        title: What it is, for people.
        written: Paths that came back.
        removed: Paths that went; they are kept.
        kept_ignored: Ignored files that were left alone, and are noted in ``info/exclude``.
        unavailable: Paths whose content is kept nowhere; they were left as they are.
        detached: The branch that HEAD was on then: it has moved or gone since, so HEAD is detached. None: it is as it
            was.
        mended: What was found half done before, and mended.
    """

    directory: Path
    steps: int
    state: int
    title: str
    written: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    kept_ignored: tuple[bytes, ...]
    unavailable: tuple[bytes, ...]
    detached: str | None
    mended: tuple[str, ...]


@dataclass(frozen=True)
class HistoryEntry:
    """One state of the history list.

    Attributes:
        state: Its number; 0 is what was there before the first restore.
        live: Whether it is what is there now.
        parent: The state it was restored over.
        time: Seconds since 1970 when it came to be.
        title: What it is, for people.
        commit: HEAD's commit, hex, when it was left; None for none.
        snapshot_id: The snapshot it was restored from; None for none.
        where: The directory that holds it; None for the live one. ``state.jelly`` in it is a container.
        undo: Whether `undo` leads to it from the live one, and after how many steps; None where it does not.
        redo: The same for `redo`.
    """

    state: int
    live: bool
    parent: int | None
    time: int
    title: str
    commit: str | None
    snapshot_id: str | None
    where: Path | None
    undo: int | None
    redo: int | None


def undo(directory: PathLike = ".", steps: int = 1, *, to: int | None = None) -> Stepped:
    """Go back over restores: everything is as it was before, bytes, modes, index, HEAD and what was in progress.

    What was done since is kept, commits included, and `redo` gives it back.

    Args:
        directory: A directory of the repository.
        steps: How many restores to go back over.
        to: Go to the state of this number instead, wherever it is in the history.

    Raises:
        NoRepository: there is none.
        NothingToUndo: there are not so many.
        Refused: it cannot be done now. Nothing was changed.
        SystemFailure: the system said no; all is as it was, or the next command makes it so.
    """
    return _step(directory, steps, to, back=True)


def redo(directory: PathLike = ".", steps: int = 1) -> Stepped:
    """Go forward again after `undo`; arguments and errors are the same."""
    return _step(directory, steps, None, back=False)


def history(directory: PathLike = ".") -> tuple[HistoryEntry, ...]:
    """The states that undo and redo walk, by number. What was broken off is mended first.

    Raises:
        NoRepository: there is none.
        Refused: another process is at work there, or the list is damaged.
    """
    layout = find(directory)
    store = Store(layout.git_dir)
    if not store.exists():
        return ()
    with fileio.system_errors(store.path, "nothing was changed", output=False), opened(store):
        log = store.read_log()
    back = {node.id: number for number, node in enumerate(_walk(log, back=True), 1)}
    forward = {node.id: number for number, node in enumerate(_walk(log, back=False), 1)}
    return tuple(
        HistoryEntry(
            state=node.id,
            live=node.id == log.current,
            parent=node.parent,
            time=node.time,
            title=node.title,
            commit=node.commit or None,
            snapshot_id=node.snapshot or None,
            where=None if node.name is None else store.state(node.name),
            undo=back.get(node.id),
            redo=forward.get(node.id),
        )
        for _, node in sorted(log.nodes.items())
    )


def _walk(log: Log, *, back: bool) -> list[Node]:
    """The states that one undo (or redo) after another leads to."""
    found: list[Node] = []
    node = log.nodes.get(log.current)
    seen = {log.current}
    while node is not None:
        following = node.parent if back else node.redo
        if following is None or following in seen or following not in log.nodes:
            break
        seen.add(following)
        node = log.nodes[following]
        found.append(node)
    return found


def _step(directory: PathLike, steps: int, to: int | None, *, back: bool) -> Stepped:
    if steps < 1:
        raise Usage(f"the number of steps is 1 or more, not {steps}")
    layout = find(directory)
    store = Store(layout.git_dir)
    word = "undo" if back else "redo"
    nothing = NothingToUndo(
        f"there is nothing to {word} in {os.fsdecode(layout.worktree or layout.git_dir)}",
        hint="nothing was changed; what there is, is listed by: python -m jellyformat history",
    )
    if not store.exists():
        raise nothing
    with fileio.system_errors(store.path, "all is as it was", output=False), opened(store) as mended:
        log = store.read_log()
        if to is not None:
            chosen = log.nodes.get(to)
            if chosen is None or chosen.id == log.current:
                raise NothingToUndo(
                    f"there is no state {to} to go to" if chosen is None else f"state {to} is what is there now",
                    hint="nothing was changed; the states are listed by: python -m jellyformat history",
                )
            steps = 1
        else:
            path = _walk(log, back=back)
            if len(path) < steps:
                if path:
                    raise NothingToUndo(
                        f"there are only {len(path)} steps to {word}, not {steps}", hint="nothing was changed"
                    )
                raise nothing
            chosen = path[steps - 1]
        return _go(store, log, chosen, steps, tuple(mended), layout)


def _go(store: Store, log: Log, chosen: Node, steps: int, mended: tuple[str, ...], layout: Layout) -> Stepped:
    assert chosen.name is not None
    name = chosen.name
    record = read_record(store, name)

    def go(mover: Mover) -> Moved:
        target = record.target(name)
        target.absent = {path for path in absent_of(box) if not target.trees.keys() & {path, *ancestors(path)}}
        return mover.go(
            target,
            mover.log.nodes[chosen.id],
            kept=box,
            shown=frozenset(record.stays),
            excludes={prefix: item.exclude for prefix, item in record.repositories.items()},
        )

    with _container(store, name, Repository(layout)) as box:
        box.pool.decode()
        moved = move(store, _linked(log, chosen), layout, go)
    return Stepped(
        directory=Path(os.fsdecode(layout.worktree or b"")),
        steps=steps,
        state=chosen.id,
        title=chosen.title,
        written=moved.written,
        removed=moved.removed,
        kept_ignored=moved.kept_ignored,
        unavailable=moved.unavailable,
        detached=None if moved.detached is None else os.fsdecode(moved.detached.removeprefix(b"refs/heads/")),
        mended=mended,
    )


def _linked(log: Log, chosen: Node) -> Log:
    """The list in which `redo` leads back the way that is gone now."""
    changed = log
    node = log.live
    while node.id != chosen.id and node.parent is not None and node.parent in log.nodes:
        above = changed.nodes[node.parent]
        changed = changed.with_node(replace(above, redo=node.id))
        node = log.nodes[node.parent]
    return changed if node.id == chosen.id else log


def _container(store: Store, name: str, repository: Repository) -> Container:
    """The container of a state.

    Raises:
        RefusedRepository: it is missing, or is none.
    """
    state = store.state(name)
    try:
        return open_container(state / "state.jelly", outside=_outside(repository, state))
    except Absent as error:
        raise RefusedRepository(
            f"{state / 'state.jelly'}, which has what the state was, cannot be read: {error.message}",
            hint=f"nothing was changed; what was moved away from that state is in {state}/kept",
        ) from error


def _outside(repository: Repository, state: Path) -> Outside:
    """The objects that a thin container in the directory ``state`` leaves to the repository."""

    def read(oid: bytes) -> tuple[int, bytes]:
        try:
            return repository.read(oid)
        except KeyError as error:
            raise RefusedRepository(
                f"the object {oid.hex()}, which that state builds on, is missing in {repository.name}",
                hint="nothing was changed; `git fsck` says more, `git fetch` may bring it back; "
                f"what was moved away from that state is in {state}/kept",
            ) from error

    return read
