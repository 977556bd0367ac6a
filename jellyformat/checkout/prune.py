"""What is kept for undo: how much it is, up to how much, and what of it is removed when its owner says so."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat.checkout import aside, refs
from jellyformat.checkout.history import Log, Node, note_pending, read_log, sweep, write_log
from jellyformat.checkout.locks import git_locked
from jellyformat.checkout.plan import WorktreePlan
from jellyformat.checkout.recover import clear_refs, locked_store, say
from jellyformat.checkout.saved import read_record
from jellyformat.checkout.store import Store
from jellyformat.errors import JellyError, RefusedSize, Usage
from jellyformat.files import durable
from jellyformat.format.text import size_text
from jellyformat.git.layout import changes_allowed, layout_at, repository_to_change
from jellyformat.hints import Hint, command, option
from jellyformat.hosts.registry import PathLike

MOST = 8_000_000_000
"""Bytes that may be kept for undo, unless more is asked for."""
KEEP = 20
"""So many states stay where nothing else is said."""
_DAY = 86_400


@dataclass(frozen=True)
class Pruned:
    """What was removed of what is kept for undo.

    Attributes:
        directory: The worktree.
        states: The numbers of the states that are gone.
        freed: Bytes on the disk that they took.
        left: Bytes of the states that are still there.
        dry_run: Whether it was only looked at.
    """

    directory: Path
    states: tuple[int, ...]
    freed: int
    left: int
    dry_run: bool = False

    def __repr__(self) -> str:
        return f"<Pruned: {len(self.states)} states, {size_text(self.freed)}>"


def prune(
    directory: PathLike = ".", *, keep: int | None = None, older_than: float | None = None, dry_run: bool = False
) -> Pruned:
    """Remove states that undo and redo lead to, the oldest first. They cannot be had back.

    A state goes where both say so, if both are given. What is there now is not touched.

    Args:
        directory: A directory of the repository.
        keep: So many stay, those that were left last; 20 where neither is given.
        older_than: Only those go that were left so many days ago.
        dry_run: Remove nothing, and say what would go.

    Raises:
        NoRepository: there is none.
        Refused: another process is at work there, or the list is damaged. Nothing was removed.
    """
    if (keep is not None and keep < 0) or (older_than is not None and not older_than >= 0):
        raise Usage("the number of states to keep, and that of days, is 0 or more", hint="nothing was removed")
    store = aside.find(directory) or Store(repository_to_change(directory))
    where = Path(os.fsdecode(store.layout.worktree or store.git_dir))
    if not store.exists():
        return Pruned(where, (), 0, 0, dry_run)
    with (
        durable.system_errors(store.path, "what was not removed is still there", output=False),
        locked_store(store, dry_run=dry_run) as mended,
    ):
        if not dry_run:
            say(mended)
        log = read_log(store)
        sizes = sizes_of(store, log)
        going = _going(store, log, KEEP if keep is None and older_than is None else keep or 0, older_than)
        freed = sum(sizes[node.id] for node in going)
        if going and not dry_run:
            _remove(store, log, going)
    return Pruned(where, tuple(node.id for node in going), freed, sum(sizes.values()) - freed, dry_run)


def sizes_of(store: Store, log: Log) -> dict[int, int]:
    """Bytes on the disk of each state of a list, by its number. Only while the store is locked."""
    return {
        node.id: store.below.disk_size(f"states/{node.name}".encode())
        for node in log.nodes.values()
        if node.name is not None
    }


def check_room(store: Store, log: Log, plan: WorktreePlan, most: int) -> None:
    """Check that there is room for what a restore puts aside.

    Raises:
        RefusedSize: more would be kept for undo than may be.
    """
    new = sum(found.st_size for found in plan.parks.values() if stat.S_ISREG(found.st_mode))
    new += sum(found.st_size for _, found in plan.puts.values() if found is not None)
    kept = sum(sizes_of(store, log).values())
    if kept + new > most:
        place = os.fsdecode(store.layout.worktree or store.git_dir)
        raise RefusedSize(
            f"{size_text(kept + new)} would be kept for undo in {store.path}, {size_text(new)} of it by this restore: "
            f"more than {size_text(most)}",
            hint=Hint(
                "nothing was changed; old states are removed by ", command("prune", place),
                ", or more is allowed with ", option("max_history", 20_000_000_000),
            ),
        )  # fmt: skip


def _going(store: Store, log: Log, keep: int, older_than: float | None) -> list[Node]:
    """The states that go, the oldest first."""
    left = [node for node in log.nodes.values() if node.name is not None]
    left.sort(key=lambda node: int((node.name or "").partition("-")[2]))
    going = left[: max(0, len(left) - keep)]
    if older_than is not None:
        before = time.time() - older_than * _DAY
        going = [node for node in going if _time(store, node) <= before]
    return going


def _time(store: Store, node: Node) -> float:
    """When a state was left."""
    found = store.below.stat(f"states/{node.name}/record".encode())
    return node.time if found is None else found.st_mtime


def _remove(store: Store, log: Log, going: list[Node]) -> None:
    """Take states out of the list, and then away. Raises OSError."""
    gone = {node.id for node in going}
    nodes = {
        number: replace(
            node,
            parent=None if node.parent in gone else node.parent,
            redo=None if node.redo in gone else node.redo,
        )
        for number, node in log.nodes.items()
        if number not in gone
    }
    nested = _nested(store, going)
    note_pending(store, [node.name for node in going if node.name is not None])
    log = replace(log, nodes=nodes)
    write_log(store, log)
    cleared = clear_refs(store, log)
    for prefix in nested:
        _clear_nested(store, prefix, {node.name for node in going if node.name is not None})
    sweep(store, log, whole=cleared)


def _nested(store: Store, states: list[Node]) -> set[bytes]:
    """The prefixes of repositories inside, as far as the states say."""
    found: set[bytes] = set()
    for node in states:
        with contextlib.suppress(JellyError):
            found.update(read_record(store, node.name or "").repositories)
    return found - {b""}


def _clear_nested(store: Store, prefix: bytes, names: set[str]) -> None:
    """Remove our refs for states from a repository inside, where it is still there; else they keep commits longer."""
    with contextlib.suppress(JellyError, OSError):
        layout = layout_at((store.layout.worktree or b"") + b"/" + prefix[:-1])
        unneeded = [] if layout is None or not changes_allowed(layout) else refs.of_states(layout, names)
        if layout is not None and unneeded:
            with git_locked(store, (), [layout.common_dir]):
                refs.remove(layout, unneeded)
