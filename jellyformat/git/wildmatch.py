"""git's patterns (gitignore(5), gitattributes(5)): parsed, and turned into regular expressions over bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_CLASSES = {
    b"alnum": b"0-9A-Za-z", b"alpha": b"A-Za-z", b"blank": b" \\t", b"cntrl": b"\\x00-\\x1f\\x7f", b"digit": b"0-9",
    b"graph": b"\\x21-\\x7e", b"lower": b"a-z", b"print": b"\\x20-\\x7e", b"punct": b"!-\\x2f:-@\\x5b-`{-~",
    b"space": b"\\t-\\r ", b"upper": b"A-Z", b"xdigit": b"0-9A-Fa-f",
}  # fmt: skip
_NEVER = b"(?!)"
_SPECIAL, _ESCAPED = re.compile(rb"[*?\[\\]"), re.compile(rb"\\(.)", re.DOTALL)
_STAR, _DIRECTORIES, _ALL = b"[^/]*", b"(?:.*/)?", b".*"
_STARS = 2
"""As many in one regular expression take no time that could be felt; each one more multiplies it."""


Matcher = Callable[[bytes], object]
"""Whether a path (or name) matches."""


@dataclass(frozen=True)
class Pattern:
    """One pattern of a file of rules.

    Attributes:
        negative: Whether it began with ``!``.
        directory_only: Whether it ended with ``/``.
        by_name: Whether it is compared with the last component of a path alone, since it has no ``/``.
        text: What paths (or names), relative to the directory of its file, are compared with.
    """

    negative: bool
    directory_only: bool
    by_name: bool
    text: bytes

    def literal(self) -> bytes | None:
        """The one path (or name) that matches; None where there may be others."""
        if b"\\" not in self.text:
            return self.text if _SPECIAL.search(self.text) is None else None
        plain = _ESCAPED.sub(rb"\1", self.text)
        return plain if _SPECIAL.search(_ESCAPED.sub(b"", self.text)) is None else None

    def ends(self) -> tuple[bytes, bytes] | None:
        """What names begin and end with that match, where that is all: ``a*b``."""
        head, star, tail = self.text.partition(b"*")
        plain = star and self.by_name and _SPECIAL.search(head + tail) is None
        return (head, tail) if plain else None

    def matcher(self, *, fold_case: bool = False) -> tuple[Matcher, int]:
        """What tells whether a path matches, and how many places its stars may stand at: powers of its length."""
        special = _SPECIAL.search(self.text)
        literal = special.start() if special and b"/" in self.text else 0
        return _matcher(self.text, literal, fold_case)


def parse_pattern(text: bytes) -> Pattern:
    """The pattern of one line, already without comment, line end and trailing spaces."""
    negative = text.startswith(b"!")
    text = text[negative:]
    directory_only = text.endswith(b"/")
    if directory_only:
        text = text[:-1]
    by_name = b"/" not in text
    if not by_name and text.startswith(b"/"):
        text = text[1:]
    return Pattern(negative, directory_only, by_name, text)


def path_matcher(text: bytes, *, fold_case: bool = False) -> Matcher:
    """What tells whether a path matches a pattern in which ``*`` does not match ``/``."""
    return _matcher(text, 0, fold_case)[0]


def _matcher(text: bytes, literal: int, fold_case: bool) -> tuple[Matcher, int]:
    flags = re.DOTALL | (re.IGNORECASE if fold_case else 0)
    found = _pieces(text, literal)
    stars = sum(piece in (_STAR, _DIRECTORIES, _ALL) for piece in found)
    if stars > _STARS:
        return _Steps(tuple((piece, re.compile(piece, flags)) for piece in found)), len(found)
    return re.compile(b"".join(found), flags).fullmatch, stars


@dataclass(frozen=True)
class _Steps:
    """A pattern with many stars, matched piece by piece: the time is that of pieces times places, as in git."""

    pieces: tuple[tuple[bytes, re.Pattern[bytes]], ...]

    def __call__(self, text: bytes) -> bool:
        places = {0}
        for piece, pattern in self.pieces:
            first = min(places)
            found: set[int] = set()
            if piece == _ALL:
                found.update(range(first, len(text) + 1))
            elif piece == _DIRECTORIES:
                found = places | {at + 1 for at in range(first, len(text)) if text[at] == 0x2F}
            elif piece == _STAR:
                for place in sorted(places):
                    end = text.find(b"/", place)
                    if place not in found:
                        found.update(range(place, (len(text) if end < 0 else end) + 1))
            else:
                found = {match.end() for place in places if (match := pattern.match(text, place)) is not None}
            if not found:
                return False
            places = found
        return len(text) in places


def _pieces(text: bytes, literal: int) -> list[bytes]:
    """What the parts of a pattern stand for, one byte or one run of stars each.

    Args:
        text: The pattern.
        literal: How many bytes at its beginning git compares by themselves: ``**`` behind them stands, to git, at the
            beginning of a pattern.
    """
    out: list[bytes] = []
    at, end = 0, len(text)
    while at < end:
        char = text[at : at + 1]
        if char == b"*":
            stop = at
            while text[stop : stop + 1] == b"*":
                stop += 1
            piece, at = _stars(text, at, stop, literal)
            if not out or out[-1] != piece:
                out.append(piece)
            continue
        if char == b"?":
            out.append(b"[^/]")
        elif char == b"[":
            found = _bracket(text, at + 1)
            if found is None:
                return [_NEVER]
            piece, at = found
            out.append(piece)
            continue
        elif char == b"\\":
            at += 1
            if at == end:
                return [_NEVER]
            out.append(re.escape(text[at : at + 1]))
        else:
            out.append(re.escape(char))
        at += 1
    return out


def _stars(text: bytes, start: int, stop: int, literal: int) -> tuple[bytes, int]:
    """What stars from ``start`` to ``stop`` stand for, and where to go on."""
    alone = stop - start >= 2 and (start in (0, literal) or text[start - 1 : start] == b"/")
    if alone and stop == len(text):
        return _ALL, stop
    if alone and text[stop : stop + 1] == b"/":
        return _DIRECTORIES, stop + 1
    if alone and text[stop : stop + 2] == b"\\/":
        return _ALL, stop
    return _STAR, stop


def _bracket(text: bytes, at: int) -> tuple[bytes, int] | None:
    """A bracket expression whose inside begins at ``at``, and where it ends; None where it does not end."""
    negated = text[at : at + 1] in (b"!", b"^")
    at += negated
    items: list[bytes] = []
    previous: int | None = None
    first = True
    while first or text[at : at + 1] != b"]":
        first = False
        if at >= len(text):
            return None
        char = text[at]
        if char == 0x5B and text[at + 1 : at + 2] == b":":
            close = text.find(b"]", at + 2)
            if close < 0:
                return None
            if text[close - 1 : close] == b":" and close - 1 >= at + 2:
                name = text[at + 2 : close - 1]
                if name not in _CLASSES:
                    return None
                items.append(_CLASSES[name])
                at, previous = close + 1, None
                continue
        elif char == 0x2D and previous is not None and at + 1 < len(text) and text[at + 1 : at + 2] != b"]":
            at += 1
            if text[at : at + 1] == b"\\":
                at += 1
                if at >= len(text):
                    return None
            if previous <= text[at]:
                items.append(b"\\x%02x-\\x%02x" % (previous, text[at]))
            at, previous = at + 1, None
            continue
        elif char == 0x5C:
            at += 1
            if at >= len(text):
                return None
            char = text[at]
        items.append(b"\\x%02x" % char)
        at, previous = at + 1, char
    inside = b"".join(items)
    if negated:
        return b"[^/" + inside + b"]", at + 1
    return (b"(?!/)[" + inside + b"]" if inside else _NEVER), at + 1
