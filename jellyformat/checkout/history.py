"""The history list of restores: the states that undo and redo walk, and which of them is live."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from jellyformat.checkout import sealed
from jellyformat.checkout.store import Store
from jellyformat.errors import RefusedRepository
from jellyformat.format.msgpack import Value
from jellyformat.hints import Hint, command

_VERSION = 1

LOG, COPY = "log", "log.copy"
"""The history list, and the same again, from which `fix` mends it."""
_PENDING = "pending"
_WORK = "work"


class DamagedLog(RefusedRepository):
    """The history list cannot be read."""

    error_class = "refused.history"


@dataclass(frozen=True)
class Node:
    """One state in the history list.

    Attributes:
        id: Its number, ascending; 0 is what was there before the first restore.
        parent: The state it was restored over; None for the first.
        redo: Where ``redo`` leads from it.
        name: The directory that holds it; None for the state that is live.
        time: Seconds since 1970 when it came to be.
        title: What it is, for people.
        commit: HEAD, hex; empty for none.
        snapshot: The snapshot's id, hex; empty where none was restored.
        needs: What of `Log.shallow` the refs that keep its commits need.
        given: Commits that came with the snapshot and need no ref, its container having them: as in `Log.shallow`.
        hidden: Paths that the restore wrote though git ignores them where they are now; they go again with the state.
    """

    id: int
    parent: int | None
    redo: int | None
    name: str | None
    time: int
    title: str
    commit: str = ""
    snapshot: str = ""
    needs: tuple[tuple[bytes, bytes], ...] = ()
    given: tuple[tuple[bytes, bytes], ...] = ()
    hidden: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Log:
    """The list.

    Attributes:
        current: The id of the live state.
        change: The number of the last change that was completed.
        nodes: By id.
        shallow: Commits that we have put into git's ``shallow`` files: the repository's prefix, the raw id.
    """

    current: int = 0
    change: int = 0
    nodes: dict[int, Node] = field(default_factory=dict)
    shallow: tuple[tuple[bytes, bytes], ...] = ()

    def with_node(self, node: Node) -> Log:
        """The list with ``node`` in it, or in the place of the one with its id."""
        return replace(self, nodes={**self.nodes, node.id: node})

    @property
    def live(self) -> Node:
        """The node of the live state."""
        return self.nodes[self.current]


# -- the list in the store ---------------------------------------------------------------------------------------------


def read_log(store: Store) -> Log:
    """The list; a new one where there is none. Only while the store is locked, as all below.

    Raises:
        DamagedLog: it cannot be understood.
    """
    fault: Exception
    try:
        return _parsed(store, LOG)
    except FileNotFoundError as error:
        if not store.has(COPY):
            return Log()
        fault = error
    except ValueError as error:
        fault = error
    raise DamagedLog(
        f"the list of restores in {store.path} is damaged: {fault}",
        hint=Hint(
            "nothing was changed, and the states it lists are still there; ",
            command("fix"),
            " writes the list again from them",
        ),
    ) from fault


def read_copy(store: Store) -> Log | None:
    """The list's copy, which may be one change behind; None where there is none that can be understood."""
    try:
        return _parsed(store, COPY)
    except (FileNotFoundError, ValueError):
        return None


def write_log(store: Store, log: Log) -> None:
    """Replace the list, then its copy. Raises OSError where the list was not replaced."""
    value = _to_value(log)
    store.write(LOG, value)
    with contextlib.suppress(OSError):  # the next change writes it again
        store.write(COPY, value)


def _parsed(store: Store, name: str) -> Log:
    """A list. Raises FileNotFoundError, or ValueError where it cannot be understood."""
    return _parse_log(sealed.unseal(store.read(name)))


# -- clearing up -------------------------------------------------------------------------------------------------------


def note_pending(store: Store, names: Iterable[str]) -> None:
    """Note, before a step begins to write, what may be removed when it is done or taken back: what it writes beside,
    and the states of these names where the list does not have them then. Raises OSError."""
    store.write(_PENDING, {"states": sorted({*(_pending(store) or ()), *names}), "version": _VERSION})


def _pending(store: Store) -> list[str] | None:
    """The names that were noted; None where there is no such note that can be understood."""
    try:
        version, names = sealed.fields(sealed.unseal(store.read(_PENDING)), "version", "states")
        return [sealed.state_name(name) for name in sealed.items(names)] if version == _VERSION else None
    except (FileNotFoundError, ValueError):
        return None


def gone(store: Store, log: Log) -> set[str]:
    """The names of the states that a step has noted and that the list does not have."""
    return set(_pending(store) or ()) - {node.name or "" for node in log.nodes.values()}


def sweep(store: Store, log: Log, *, dry_run: bool = False, whole: bool = True) -> list[str]:
    """Remove what a step has noted and no change and no node needs any more; only without a journal.

    Args:
        store: The store.
        log: The list.
        dry_run: Remove nothing.
        whole: Whether nothing else is left of the states; else they stay noted, and the next command goes on.

    Returns:
        What was, or would be, removed.
    """
    removed = [name for name in store.temporary() if store.has(name)]
    if _pending(store) is not None:
        places = [_WORK, *(f"states/{name}" for name in sorted(gone(store, log)))]
        removed += [place for place in places if store.has(place)]
    if not dry_run:
        for place in removed:
            store.remove(place)
        if whole and not any(store.has(place) for place in removed):
            store.unlink(_PENDING)
    return removed


def _to_value(log: Log) -> Value:
    nodes: list[Value] = [
        [
            node.id, node.parent, node.redo, node.name, node.time, node.title, node.commit, node.snapshot,
            node.needs, node.given, node.hidden,
        ]
        for _, node in sorted(log.nodes.items())
    ]  # fmt: skip
    shallow: list[Value] = list(log.shallow)
    return {
        "change": log.change,
        "current": log.current,
        "nodes": nodes,
        "shallow": shallow,
        "version": _VERSION,
    }


def _pairs(value: Any) -> tuple[tuple[bytes, bytes], ...]:
    pairs = (sealed.items(pair, 2) for pair in sealed.items(value))
    return tuple((sealed.prefix(prefix), sealed.oid(oid)) for prefix, oid in pairs)


def _parse_node(value: Any) -> Node:
    here, parent, redo, name, time, title, commit, snapshot, needs, given, hidden = sealed.items(value, 11)
    return Node(
        id=sealed.integer(here),
        parent=None if parent is None else sealed.integer(parent),
        redo=None if redo is None else sealed.integer(redo),
        name=None if name is None else sealed.state_name(name),
        time=sealed.integer(time),
        title=sealed.text(title),
        commit=sealed.hexadecimal(commit),
        snapshot=sealed.hexadecimal(snapshot),
        needs=_pairs(needs),
        given=_pairs(given),
        hidden=tuple(sealed.path(path) for path in sealed.items(hidden)),
    )


def _parse_log(value: Any) -> Log:
    if isinstance(value, dict) and value.get("version") != _VERSION:
        raise ValueError("it is of another version")
    change, current, items, shallow, _ = sealed.fields(value, "change", "current", "nodes", "shallow", "version")
    nodes = {node.id: node for node in map(_parse_node, sealed.items(items))}
    log = Log(sealed.integer(current), sealed.integer(change), nodes, _pairs(shallow))
    if log.current not in nodes or len(nodes) != len(items):
        raise ValueError("the live state is not in it, or a state twice")
    if [node.id for node in nodes.values() if node.name is None] != [log.current]:
        raise ValueError("a state in it has no place, or the live one has")
    return log
