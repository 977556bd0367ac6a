"""git's attributes of paths (gitattributes(5)), read from the worktree, the repository and the user's own file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from jellyformat.ignore import ReadFile
from jellyformat.wildmatch import Pattern, parse_pattern

Value: TypeAlias = bytes | bool | None
"""Set, unset, a value, or not specified."""

_BUILTIN = b"[attr]binary -diff -merge -text\n"
_NAME = re.compile(rb"[A-Za-z0-9_.][-A-Za-z0-9_.]*")
_MACRO = b"[attr]"
_LONGEST_LINE = 2048
_BLANK = b" \t\r"


@dataclass(frozen=True)
class _Line:
    """One line: what the paths that match are given, in order."""

    pattern: Pattern
    states: tuple[tuple[bytes, Value], ...]


@dataclass(frozen=True)
class _Rules:
    base: bytes
    lines: tuple[_Line, ...]
    macros: tuple[tuple[bytes, tuple[tuple[bytes, Value], ...]], ...]


class Attributes:
    """Answers what attributes paths have; each file of rules is read once.

    Args:
        read: Reads ``.gitattributes`` files, from the index where they are not on disk.
        outer: The contents of the system's and the user's own file, in this order.
        info: The content of ``info/attributes``.
        fold_case: ``core.ignoreCase``.
    """

    def __init__(
        self, read: ReadFile, outer: Iterable[bytes] = (), info: bytes = b"", *, fold_case: bool = False
    ) -> None:
        self._read = read
        self._fold_case = fold_case
        self._builtin = parse_attributes(_BUILTIN)
        self._outer = tuple(parse_attributes(text, fold_case=fold_case) for text in outer if text)
        self._info = parse_attributes(info, fold_case=fold_case)
        self._chains: dict[bytes, tuple[_Rules, ...]] = {}
        self._macros: dict[bytes, tuple[tuple[bytes, Value], ...]] | None = None

    def of(self, path: bytes) -> dict[bytes, Value]:
        """All attributes of a file; what is not there is not specified."""
        parent, _, name = path.rpartition(b"/")
        chain = self._chain(parent)
        found: dict[bytes, Value] = {}
        if not self._info.lines and not chain:
            return found
        for rules in (self._info, *reversed(chain)):
            relative = path[len(rules.base) :]
            for line in reversed(rules.lines):
                if line.pattern.matches(name if line.pattern.by_name else relative):
                    self._fill(found, line.states)
        return found

    def _fill(self, found: dict[bytes, Value], states: tuple[tuple[bytes, Value], ...]) -> None:
        for name, value in reversed(states):
            if name not in found:
                found[name] = value
                if value is True and name in self._known_macros():
                    self._fill(found, self._known_macros()[name])

    def _known_macros(self) -> dict[bytes, tuple[tuple[bytes, Value], ...]]:
        if self._macros is None:
            self._macros = {}
            for rules in (self._builtin, *self._outer, self._top(), self._info):
                self._macros.update(rules.macros)
        return self._macros

    def _top(self) -> _Rules:
        return parse_attributes(self._read(b".gitattributes") or b"", fold_case=self._fold_case)

    def _chain(self, directory: bytes) -> tuple[_Rules, ...]:
        known = self._chains.get(directory)
        if known is not None:
            return known
        if directory:
            above = self._chain(directory.rpartition(b"/")[0])
            base = directory + b"/"
            text = self._read(base + b".gitattributes")
            rules = parse_attributes(text or b"", base, fold_case=self._fold_case)
        else:
            above, rules = tuple(rules for rules in self._outer if rules.lines), self._top()
        chain = (*above, rules) if rules.lines else above
        self._chains[directory] = chain
        return chain


def parse_attributes(text: bytes, base: bytes = b"", *, fold_case: bool = False) -> _Rules:
    """The lines and macros of a file of attributes; macros count only at the top (``base`` empty)."""
    lines: list[_Line] = []
    macros: list[tuple[bytes, tuple[tuple[bytes, Value], ...]]] = []
    for raw in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = raw.strip(_BLANK)
        if not line or line.startswith(b"#") or len(raw) >= _LONGEST_LINE:
            continue
        name, rest = _first_word(line)
        states = _states(rest)
        if states is None:
            continue
        if name.startswith(_MACRO) and name != _MACRO:
            if not base and _NAME.fullmatch(name[len(_MACRO) :]):
                macros.append((name[len(_MACRO) :], states))
            continue
        pattern = parse_pattern(name, fold_case=fold_case)
        if not pattern.negative and not pattern.directory_only:  # as git: neither can match a file here
            lines.append(_Line(pattern, states))
    return _Rules(base, tuple(lines), tuple(macros))


def _first_word(line: bytes) -> tuple[bytes, bytes]:
    """The pattern, which may be quoted as C does, and the rest of the line."""
    if line.startswith(b'"'):
        end = 1
        while end < len(line) and line[end : end + 1] != b'"':
            end += 2 if line[end : end + 1] == b"\\" else 1
        name = unquote(line[1:end])
        if end < len(line) and name is not None:
            return name, line[end + 1 :]
    parts = re.split(rb"[ \t\r]+", line, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else b""


_QUOTED = re.compile(rb'(?:[^\\]|\\(?:[0-3][0-7]{2}|[abfnrtv"\\]))*', re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def unquote(text: bytes) -> bytes | None:
    """Text quoted as C (and git) does, without its quotes; None where it is not quoted so."""

    def value(match: re.Match[bytes]) -> bytes:
        code: bytes = match[1]
        return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(value, text) if _QUOTED.fullmatch(text) else None


def _states(text: bytes) -> tuple[tuple[bytes, Value], ...] | None:
    """What a line sets; None where git would not take the line."""
    found: list[tuple[bytes, Value]] = []
    for word in re.split(rb"[ \t\r]+", text.strip(_BLANK)):
        if not word:
            continue
        name, equals, value = word.partition(b"=")
        state: Value = value if equals else True
        if name[:1] in (b"-", b"!"):
            state = False if name[:1] == b"-" else None
            name = name[1:]
        if not _NAME.fullmatch(name) or name.startswith(b"builtin_"):
            return None
        found.append((name, state))
    return tuple(found)
