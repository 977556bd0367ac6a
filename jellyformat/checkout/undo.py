"""Undo, redo and history: any number of steps over restores, in any process, exactly."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat.checkout import aside
from jellyformat.checkout.history import Log, Node, read_log
from jellyformat.checkout.plan import ancestors
from jellyformat.checkout.prune import sizes_of
from jellyformat.checkout.recover import locked_store, say
from jellyformat.checkout.saved import open_kept, read_record
from jellyformat.checkout.step import Moved, Mover, move
from jellyformat.checkout.store import Store
from jellyformat.checkout.target import absent_of
from jellyformat.errors import Absent, RefusedRepository, Usage
from jellyformat.files import durable
from jellyformat.format.container import Container
from jellyformat.format.pool import Outside
from jellyformat.format.text import brief
from jellyformat.git.layout import Layout, repository_to_change
from jellyformat.git.repository import Repository
from jellyformat.hints import Hint, command
from jellyformat.hosts.registry import PathLike


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
        aside: Where the repository is now that a restore had made here; `redo` brings it back. None: it is in place.
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
    aside: Path | None = None

    def __repr__(self) -> str:
        done = f"{len(self.written)} written, {len(self.removed)} put aside"
        return f"<Stepped {brief(str(self.directory))}: at state {self.state}, {done}>"


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
        size: Bytes that it takes on the disk.
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
    size: int = 0

    def __repr__(self) -> str:
        return f"<HistoryEntry {self.state}{' (here)' if self.live else ''}: {brief(self.title)}>"


def undo(directory: PathLike = ".", steps: int = 1, *, to: int | None = None) -> Stepped:
    """Go back over restores: everything is as it was before, bytes, modes, index, HEAD and what was in progress.

    What was done since is kept, commits included, and `redo` gives it back. A repository that the first restore made in
    a directory without one is set aside as a whole.

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
    with aside.brought_back(directory):
        return _step(directory, steps, None, back=False)


def history(directory: PathLike = ".") -> tuple[HistoryEntry, ...]:
    """The states that undo and redo walk, by number. What was broken off is mended first.

    Warns:
        RepositoryWarning: something was.

    Raises:
        NoRepository: there is none.
        Refused: another process is at work there, or the list is damaged.
    """
    store = aside.find(directory) or Store(repository_to_change(directory))
    if not store.exists():
        return ()
    with durable.system_errors(store.path, "nothing was changed", output=False), locked_store(store) as mended:
        say(mended)
        log = read_log(store)
        sizes = sizes_of(store, log)
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
            size=sizes.get(node.id, 0),
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
    layout = repository_to_change(directory)
    store = Store(layout)
    word = "undo" if back else "redo"
    listed = command("history", *([] if os.fspath(directory) == "." else [os.fspath(directory)]))
    nothing = NothingToUndo(
        f"there is nothing to {word} in {os.fsdecode(layout.worktree or layout.git_dir)}",
        hint=Hint("nothing was changed; what there is, is listed by: ", listed),
    )
    if not store.exists():
        raise nothing
    with durable.system_errors(store.path, "all is as it was", output=False), locked_store(store) as mended:
        log = read_log(store)
        if back and log.nodes and aside.is_left_over(store, log):  # it was undone, and broken off before this
            return _put_aside(store, log, tuple(mended))
        if to is not None:
            chosen = log.nodes.get(to)
            if chosen is None or chosen.id == log.current:
                raise NothingToUndo(
                    f"there is no state {to} to go to" if chosen is None else f"state {to} is what is there now",
                    hint=Hint("nothing was changed; the states are listed by: ", listed),
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
        made = chosen.id == 0 and aside.was_made(store)
        if made:
            aside.check(layout)
        done = _go(store, log, chosen, steps, tuple(mended), layout)
        return replace(done, aside=aside.set_aside(store)) if made else done


def _put_aside(store: Store, log: Log, mended: tuple[str, ...]) -> Stepped:
    """Complete an undo that had yet to set the repository aside."""
    layout, live = store.layout, log.live
    aside.check(layout)
    place = aside.set_aside(store)
    where = Path(os.fsdecode(layout.worktree or b""))
    return Stepped(where, 1, live.id, live.title, (), (), (), (), None, mended, place)


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
        return open_kept(store, name, _outside(repository, state))
    except ValueError as error:
        raise RefusedRepository(
            f"{state / 'state.jelly'}, which has what the state was, cannot be read: {error}",
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
