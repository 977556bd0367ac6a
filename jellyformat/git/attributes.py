"""git's attributes of paths (gitattributes(5)), read from the worktree, the repository and the user's own file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from jellyformat.git.ignore import ReadFile
from jellyformat.git.rules import Patterns, Work, lines_of, pattern_of

Value: TypeAlias = bytes | bool | None
"""Set, unset, a value, or not specified."""

_BUILTIN = b"[attr]binary -diff -merge -text\n"
_NAME = re.compile(rb"[A-Za-z0-9_.][-A-Za-z0-9_.]*")
_MACRO = b"[attr]"
_LONGEST_LINE = 2048
_BLANK = b" \t\r"


States: TypeAlias = tuple[tuple[bytes, Value], ...]
"""What a line gives the paths that match, in order."""


@dataclass(frozen=True)
class _Rules:
    """The lines of one file, and the macros; ``base`` as in `ignore`."""

    base: bytes
    patterns: Patterns
    states: list[States]
    macros: dict[bytes, States]


class Attributes:
    """Answers what attributes paths have; each file of rules is read once.

    Args:
        read: Reads ``.gitattributes`` files, from the index where they are not on disk.
        outer: The contents of the system's and the user's own file, in this order.
        info: The content of ``info/attributes``.
        fold_case: ``core.ignoreCase``.
        work: What it may take.

    Raises:
        RefusedRepository: here and from its methods: there are too many rules.
    """

    def __init__(
        self,
        read: ReadFile,
        outer: Iterable[bytes] = (),
        info: bytes = b"",
        *,
        fold_case: bool = False,
        work: Work | None = None,
    ) -> None:
        self._read = read
        self._fold_case = fold_case
        self._work = Work() if work is None else work
        self._builtin = self._parsed(_BUILTIN)
        self._outer = tuple(self._parsed(text) for text in outer if text)
        self._info = self._parsed(info)
        self._chains: dict[bytes, tuple[_Rules, ...]] = {}
        self._macros: dict[bytes, States] | None = None
        self._last: tuple[bytes, dict[bytes, Value]] | None = None

    def of(self, path: bytes) -> dict[bytes, Value]:
        """All attributes of a file; what is not there is not specified."""
        if self._last is not None and self._last[0] == path:  # each path is asked for some times
            return self._last[1]
        parent, _, name = path.rpartition(b"/")
        found: dict[bytes, Value] = {}
        for rules in (self._info, *reversed(self._chain(parent))):
            if not rules.states:
                continue
            relative = path[len(rules.base) :]
            exact = rules.patterns.exact(relative, name)
            numbers = [number for numbers in exact for number in numbers]
            numbers += rules.patterns.globs(relative, name, -1)
            for number in sorted(numbers, reverse=True):
                self._fill(found, rules.states[number])
        self._last = path, found
        return found

    def _fill(self, found: dict[bytes, Value], states: States) -> None:
        """Put in what is not there; what a macro stands for, in its place."""
        stack = list(states)
        while stack:
            name, value = stack.pop()
            self._work.compare(1)
            if name not in found:
                found[name] = value
                if value is True:
                    stack += self._known_macros().get(name, ())

    def _known_macros(self) -> dict[bytes, States]:
        if self._macros is None:
            self._macros = {}
            for rules in (self._builtin, *self._outer, self._top(), self._info):
                self._macros.update(rules.macros)
        return self._macros

    def _top(self) -> _Rules:
        return self._parsed(self._read(b".gitattributes") or b"")

    def _chain(self, directory: bytes) -> tuple[_Rules, ...]:
        known = self._chains.get(directory)
        if known is not None:
            return known
        if directory:
            above = self._chain(directory.rpartition(b"/")[0])
            base = directory + b"/"
            rules = self._parsed(self._read(base + b".gitattributes") or b"", base)
        else:
            above, rules = tuple(rules for rules in self._outer if rules.states), self._top()
        chain = (*above, rules) if rules.states else above
        self._chains[directory] = chain
        return chain

    def _parsed(self, text: bytes, base: bytes = b"") -> _Rules:
        """The lines and macros of a file; macros count only at the top (``base`` empty)."""
        rules = _Rules(base, Patterns(self._work, self._fold_case), [], {})
        for raw in lines_of(text, self._work):
            if len(raw) >= _LONGEST_LINE:  # as git
                continue
            line = raw.strip(_BLANK)
            if not line or line.startswith(b"#"):
                continue
            name, rest = _first_word(line)
            states = _states(rest)
            if states is None:
                continue
            if name.startswith(_MACRO) and name != _MACRO:
                if not base and _NAME.fullmatch(name[len(_MACRO) :]):
                    rules.macros[name[len(_MACRO) :]] = states
                continue
            pattern = pattern_of(name)
            if pattern is not None and not pattern.negative and not pattern.directory_only:
                # as git: neither can match a file here
                rules.patterns.add(len(rules.states), pattern)
                rules.states.append(states)
        return rules


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


def _states(text: bytes) -> States | None:
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
