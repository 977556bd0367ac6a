"""What a disk may hold after a power loss: the calls of a run that write are recorded (``recording``), and replayed in
part.

What was synced is there. Of what was not, a filesystem may have written any part: names without the data of their
files, data without names, half of a write; and, where only what was waited for is written at once, later names without
earlier ones.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from disk import Disk, Inode, Op, Sync
from recording import Recording


@dataclass
class State:
    """What a disk may hold."""

    at: int
    kind: str
    disk: Disk
    told: str = ""

    @property
    def is_ordered(self) -> bool:
        """Whether names were written in the order in which they were made, as ext4 and XFS do."""
        return self.kind == "all" or self.kind.startswith(("ordered", "names with"))


def states(recording: Recording, *, seed: int = 1, more: int = 2) -> Iterator[State]:
    """What may be found when the power fails, at each moment; each once.

    Args:
        recording: What was done.
        seed: Of what is drawn by chance.
        more: How many are drawn at each moment, of each kind that has too many.
    """
    chance = random.Random(seed)
    durable: set[Op] = set()
    done: list[Op] = []
    seen: set[bytes] = set()

    def disk(chosen: Iterable[Op]) -> Disk:
        made = Disk(recording.root)
        for op in chosen:
            made.apply(op)
        return made

    waited = 0
    for at, event in enumerate([None, *recording.events]):
        if isinstance(event, Op):
            done.append(event)
        elif isinstance(event, Sync):
            durable |= _synced(done, event)
            waited = len(done)
        for kind, chosen, told in _chosen(done, durable, waited, chance, more):
            made = disk(chosen)
            key = made.key()
            if key not in seen:
                seen.add(key)
                yield State(at, kind, made, told)


def _synced(done: list[Op], sync: Sync) -> set[Op]:
    if sync.inode is None:
        return set(done)
    found: set[Op] = set()
    names: set[tuple[Inode, bytes]] = set()
    for op in reversed(done):  # what a name was before goes with it
        places = {(directory, name) for directory, name, _ in op.entries}
        if op.inode is sync.inode or any(d is sync.inode for d, _ in places) or places & names:
            found.add(op)
            names |= places
    return found


def _chosen(
    done: list[Op], durable: set[Op], waited: int, chance: random.Random, more: int
) -> Iterator[tuple[str, list[Op], str]]:
    """What of it was written: which kind of choice, the calls, and what they are, for people."""
    pending = [op for op in done if op not in durable]
    yield "all", done, ""
    if not pending:
        return

    def some(wanted: Iterable[Op]) -> list[Op]:
        chosen = set(wanted)
        return [op for op in done if op in durable or op in chosen]

    def names_until(until: int) -> list[Op]:
        chosen = []
        for number, op in enumerate(done):
            if op in durable or (op.is_of_names and number < until):
                chosen.append(op)
            elif not op.is_of_names and chance.random() < 0.6:
                chosen.append(op.torn(chance) if chance.random() < 0.4 else op)
        return chosen

    ordered = {op for op in done[:waited] if op.is_of_names}  # each sync writes all names from before
    named = [op for op in pending if op.is_of_names]
    yield "ordered: no more", some(ordered), ""
    yield "ordered: data, no names", some({op for op in pending if not op.is_of_names} | ordered), ""
    yield "names without data", some(named), ""
    yield "names with zeros", [op if op in durable else op.zeros() for op in done], ""
    for _ in range(more):
        until = chance.randrange(waited, len(done) + 1)
        yield "ordered", names_until(until), f"names up to {until}"
    yield "only what was synced", some(()), ""
    yield "data without names", some(op for op in pending if not op.is_of_names), ""
    for _ in range(more):
        until = chance.randrange(len(done) + 1)
        yield "synced and earlier names", names_until(until), f"names up to {until}"


def describe(op: Op) -> str:
    """An operation, for people."""
    return f"{op.call} {[os.fsdecode(name) for _, name, _ in op.entries] or [op.offset, len(op.data or b'')]}"
