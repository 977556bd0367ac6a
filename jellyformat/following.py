"""Checkpoints one after the other: with which of them each is compared, and what changed in its code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from jellyformat.comparing import worktree_side
from jellyformat.errors import JellyError, SizeLimit
from jellyformat.exports.edits import Edit, edits_between
from jellyformat.exports.patch import Files
from jellyformat.gathering import STATE_BYTES, Found, Missed
from jellyformat.hints import Hint, command

_KEPT = 3
"""Checkpoints whose files are kept: the one that is told of, the one before, and the one after."""
_COMPARE = command("diff", "ONE", "OTHER")

Pairs: TypeAlias = dict[tuple[str, str], tuple[Edit, ...]]
"""What changed between two codes."""


@dataclass(frozen=True)
class Place:
    """A checkpoint in its timeline: the one before it in the order, and the one that it says it comes from."""

    item: Found
    earlier: Place | None
    parent: Found | None

    def mates(self) -> Iterator[Found]:
        """Those before it in its run."""
        place = self.earlier
        while place is not None and place.item.run == self.item.run:
            yield place.item
            place = place.earlier

    def before(self) -> Iterator[Found]:
        """What it can be compared with, the first that can be read: its parent, then those before it."""
        if self.parent is not None:
            yield self.parent
        place = self.earlier
        while place is not None:
            yield place.item
            place = place.earlier


def places_of(batches: Iterable[list[Found]]) -> Iterator[Place]:
    last: Place | None = None
    for batch in batches:
        by_digest = {item.info.digest: item for item in batch}
        for item in batch:
            run = item.info.run
            parent = None if run is None or run.parent is None else by_digest.get(run.parent.hex())
            last = Place(item, last, None if parent is item else parent)
            yield last


class Code:
    """The code of checkpoints: the files of the last are kept, for each is compared with what is before and after.

    Args:
        missed: Gets those whose code cannot be read, when another is compared with them.
        known: What changed between two codes, where that is known already.

    Attributes:
        used: What changed in the code of each checkpoint that was compared, since each other code.
    """

    def __init__(self, missed: Missed, known: Mapping[tuple[str, str], tuple[Edit, ...]] | None = None) -> None:
        self._missed = missed
        self._known = known or {}
        self.used: dict[str, dict[str, tuple[Edit, ...]]] = {}
        self._kept: dict[str, tuple[Files, ExitStack]] = {}
        self._broken: set[str] = set()
        self._edits: dict[tuple[str, str], tuple[Edit, ...]] = {}

    def __enter__(self) -> Code:
        return self

    def __exit__(self, *_: object) -> None:
        for _files, stack in self._kept.values():
            stack.close()

    def files(self, item: Found) -> Files:
        """The files on disk of a checkpoint.

        Raises:
            SizeLimit: there is more than `log` compares.
            FormatError: it is damaged.
        """
        if item.state_bytes > STATE_BYTES:
            raise SizeLimit(
                f"{item.name} has more code than log compares", hint=Hint("compare two of them: ", _COMPARE)
            )
        kept = self._kept.pop(item.holder, None)
        if kept is None:
            with ExitStack() as stack:
                box = stack.enter_context(item.opened())
                kept = worktree_side(box), stack.pop_all()
        self._kept[item.holder] = kept
        while len(self._kept) > _KEPT:
            self._kept.pop(next(iter(self._kept)))[1].close()
        return kept[0]

    def compared(self, candidates: Iterable[Found], new: Found) -> tuple[Found | None, tuple[Edit, ...]]:
        """What changed since the first of some checkpoints that can be read, and which that is; None for none.

        Raises:
            As `files`, for ``new``.
        """
        for old in candidates:
            if old.code == new.code:
                return old, ()
            if old.holder in self._broken:
                continue
            known = self._known.get((old.code, new.code), dict(new.info.compared).get(old.code))
            if known is not None:
                self.used.setdefault(new.name, {})[old.code] = known
                return old, known
            if old.is_indexed or new.is_indexed:  # no file is opened because an index names it
                if new.info.damaged is not None:
                    raise new.info.damaged
                if old.info.damaged is not None:
                    continue
                break
            key = (old.holder, new.holder)
            if key not in self._edits:
                mine = self.files(new)
                try:
                    theirs = self.files(old)
                    edits = edits_between(theirs, mine)
                except JellyError as error:
                    self._broken.add(old.holder)
                    self._missed.damaged.append((old.name, error))
                    continue
                self._edits = {key: edits}
            self.used.setdefault(new.name, {})[old.code] = self._edits[key]
            return old, self._edits[key]
        return None, ()


def pairs(found: list[Found]) -> list[tuple[Found, Found]]:
    """Which checkpoints of other code `log` compares with which, the older one in front; of two codes, once."""
    chosen: dict[tuple[str, str], tuple[Found, Found]] = {}
    for place in places_of([found]):
        for old in (next(place.before(), None), next(place.mates(), None)):
            if old is not None and old.code != place.item.code:
                chosen.setdefault((old.code, place.item.code), (old, place.item))
    return list(chosen.values())


def edits_of(one: Found, two: Found) -> tuple[Edit, ...] | None:
    """What changed between the code of two checkpoints; None where that cannot be read."""
    with Code(Missed()) as code:
        try:
            old, edits = code.compared([one], two)
        except JellyError:
            return None
    return None if old is None else edits
