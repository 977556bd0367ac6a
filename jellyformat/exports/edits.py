"""What changed between the files of two states, for people: a small change in full, a larger one counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jellyformat.exports import patch
from jellyformat.exports.patch import Files, Side
from jellyformat.format.paths import show_name
from jellyformat.format.text import brief

_COMPARED = 1 << 20
"""Bytes of a file whose lines are compared."""
_FILES = 200
"""Files whose lines are compared between two states."""
_LINES = 3
_LONGEST = 120
"""Lines, and characters, of a change that is said in full."""
_TOKEN = re.compile(r"[\w.+-]+|\s+|.")
_WORD = re.compile(r"[\w.+-]+")
_BETWEEN = frozenset("=:\"'`[( ")
"""What may stand between a name and its value,"""
_FAR = 100
"""and how much of it."""


@dataclass(frozen=True, repr=False)
class Edit:
    """How one file differs between two states.

    Attributes:
        change: ``A`` added, ``D`` deleted, ``M`` changed.
        path: Where it is.
        added: How many lines are new; None where that was not counted: binary, large, or one of very many.
        removed: How many are gone; None as above.
        text: All that changed, where it is little: ``lr: 0.01 → 0.007``; else None.
        values: Where more changed, the values that did, so far as they are few: each as ``lr: 0.01 → 0.007``.
    """

    change: str
    path: bytes
    added: int | None
    removed: int | None
    text: str | None
    values: tuple[str, ...] = ()

    @property
    def said(self) -> str | None:
        """All that changed, or, where that is much, the values that did; None where nothing short can be said."""
        return "; ".join(self.values) or None if self.text is None else self.text

    def __repr__(self) -> str:
        return f"<Edit {brief(self.change)} {brief(show_name(self.path))}: {brief(self.text or self.counts())}>"

    def counts(self) -> str:
        """How many lines are new and gone: ``+3 -1``."""
        if self.added is None or self.removed is None:
            return ""
        return " ".join(f"{sign}{count}" for sign, count in (("+", self.added), ("-", self.removed)) if count)


def edits_between(old: Files, new: Files) -> tuple[Edit, ...]:
    """How the files of two states differ, sorted by path.

    Raises:
        FormatError: what is read for it is damaged.
    """
    return tuple(
        _edit(change, path, old.get(path), new.get(path), at < _FILES)
        for at, (change, path) in enumerate(patch.changed(old, new))
    )


def _edit(change: str, path: bytes, one: Side | None, two: Side | None, compared: bool) -> Edit:
    if not compared:
        return Edit(change, path, None, None, None)
    if one is not None and two is not None and one.key == two.key:
        return Edit(change, path, 0, 0, f"mode {one.mode:06o} → {two.mode:06o}")
    before, after = (b"" if side is None else side.read() for side in (one, two))
    if max(len(before), len(after)) > _COMPARED or patch.is_binary(before) or patch.is_binary(after):
        return Edit(change, path, None, None, None)
    gone, new = [], []
    pairs: list[tuple[list[str], list[str]]] = []
    for removed, added in patch.replaced(before, after):
        gone += removed
        new += added
        pairs.append(([_text(line) for line in removed[:_LINES]], [_text(line) for line in added[:_LINES]]))
    if change != "M":
        return Edit(change, path, len(new), len(gone), None)
    text = _in_full(pairs) if max(len(gone), len(new)) <= _LINES else None
    return Edit(change, path, len(new), len(gone), text, _values(pairs) if text is None else ())


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()


def _in_full(pairs: list[tuple[list[str], list[str]]]) -> str | None:
    """All that changed on one line, if that is not too long."""
    said = "; ".join(part for removed, added in pairs for part in _parts(removed, added))
    return said if 0 < len(said) <= _LONGEST else None


def _values(pairs: list[tuple[list[str], list[str]]]) -> tuple[str, ...]:
    """The values that changed among more, where the lines around them did not; none of them where they are many."""
    said: list[str] = []
    for removed, added in pairs:
        if len(removed) == len(added) < _LINES and max(map(len, removed + added)) <= _LONGEST:
            said += filter(None, map(_named, removed, added))
        if sum(map(len, said)) > _LONGEST or len(said) > _LINES:
            return ()
    return tuple(said)


def _parts(removed: list[str], added: list[str]) -> Iterator[str]:
    if len(removed) == len(added):
        for one, two in zip(removed, added, strict=True):
            yield _pair(one, two)
    else:
        yield from (f"- {line}" for line in removed)
        yield from (f"+ {line}" for line in added)


def _pair(one: str, two: str) -> str:
    """A line that was changed: the names of the values that differ, and both values; else both lines."""
    return _named(one, two) or f"{one or '(empty line)'} → {two or '(empty line)'}"


def _named(one: str, two: str) -> str | None:
    """The names of the values in which two lines differ, and both values; None where they differ otherwise."""
    old, new = _TOKEN.findall(one), _TOKEN.findall(two)
    if len(old) == len(new):
        differ = [at for at in range(len(old)) if old[at] != new[at]]
        if len(differ) > _LONGEST:  # too long, however it is said
            return None
        named = [(_name(old, at), old[at], new[at]) for at in differ]
        if differ and all(name and _WORD.fullmatch(was) and _WORD.fullmatch(now) for name, was, now in named):
            return ", ".join(f"{name}: {was} → {now}" for name, was, now in named)
    return None


def _name(tokens: list[str], at: int) -> str | None:
    """The name that the value at a place is given to; None where it has none."""
    assigned = False
    for token in reversed(tokens[max(0, at - _FAR) : at]):
        if not token.strip() or token in _BETWEEN:
            assigned = assigned or token in "=:"
        else:
            return token if assigned and _WORD.fullmatch(token) else None
    return None
