"""Many patterns at once: which of a file of rules match a path, found without comparing it with each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from jellyformat.errors import RefusedRepository
from jellyformat.git.wildmatch import Matcher, Pattern, parse_pattern

_RULES = 2_000_000
"""Rules that a repository may have."""
_LONGEST = 1 << 14
"""Bytes of a pattern with wildcards; a path has 4,096 at most."""
_COMPARISONS = 100_000_000
"""What comparing paths with patterns may take in one capture, in short comparisons: half a minute or so."""
_COMPILING = 300
"""What it takes to make a pattern ready, likewise,"""
_COMPILING_BYTE = 12
"""and for each of its bytes."""
_LINE = re.compile(rb"[^\n]+")


@dataclass
class Work:
    """What is left of what rules may take."""

    rules: int = _RULES
    comparisons: int = _COMPARISONS

    def rule(self) -> None:
        """Count a rule. Raises RefusedRepository."""
        self.rules -= 1
        if self.rules < 0:
            raise _too_much(f"has more than {_RULES} rules in its .gitignore and .gitattributes files")

    def compare(self, count: int) -> None:
        """Count comparisons. Raises RefusedRepository."""
        self.comparisons -= count
        if self.comparisons < 0:
            raise _too_much("has so many wildcards in its .gitignore and .gitattributes files that it takes too long")


def _too_much(what: str) -> RefusedRepository:
    return RefusedRepository(
        f"the repository {what}", hint="nothing was changed; say the same with fewer rules: whole directories"
    )


def lines_of(text: bytes, work: Work) -> Iterator[bytes]:
    """The lines of a file of rules that are not empty, counted. Raises RefusedRepository."""
    for match in _LINE.finditer(text, 3 if text.startswith(b"\xef\xbb\xbf") else 0):
        work.rule()
        yield match[0]


def pattern_of(text: bytes) -> Pattern | None:
    """The pattern of a line; None where no path is so long.

    Raises:
        RefusedRepository: it has wildcards and is longer than is looked at here.
    """
    pattern = parse_pattern(text)
    if len(text) <= _LONGEST:
        return pattern
    if pattern.literal() is not None:
        return None
    raise _too_much(f"has a pattern of {len(text)} bytes in a .gitignore or .gitattributes file")


@dataclass
class Patterns:
    """The patterns of one file, by number in its order.

    Args:
        work: What comparing may take.
        fold_case: ``core.ignoreCase``.
    """

    work: Work
    fold_case: bool
    _names: dict[bytes, list[int]] = field(default_factory=dict)
    _paths: dict[bytes, list[int]] = field(default_factory=dict)
    _suffixes: dict[bytes, list[int]] = field(default_factory=dict)
    _prefixes: dict[bytes, list[int]] = field(default_factory=dict)
    _lengths: tuple[set[int], set[int]] = field(default_factory=lambda: (set(), set()))
    _globs: list[tuple[int, bool, int, Matcher]] = field(default_factory=list)

    def add(self, number: int, pattern: Pattern) -> list[int] | None:
        """Put in a pattern; numbers ascend.

        Returns:
            The numbers of the patterns that match the same, where that is known, this one the last.
        """
        literal = pattern.literal()
        ends = None if literal is not None else pattern.ends()
        if literal is not None:
            place, key = self._names if pattern.by_name else self._paths, literal
        elif ends is not None and not ends[0]:
            place, key = self._suffixes, ends[1]
            self._lengths[0].add(len(key))
        elif ends is not None and not ends[1]:
            place, key = self._prefixes, ends[0]
            self._lengths[1].add(len(key))
        else:
            self.work.compare(_COMPILING + _COMPILING_BYTE * len(pattern.text))
            matcher, stars = pattern.matcher(fold_case=self.fold_case)
            self._globs.append((number, pattern.by_name, stars, matcher))
            return None
        same = place.setdefault(key.lower() if self.fold_case else key, [])
        same.append(number)
        return same

    def exact(self, path: bytes, name: bytes) -> list[list[int]]:
        """The numbers of patterns without wildcards, or with one at an end, that match; in lists that ascend."""
        if self.fold_case:
            path, name = path.lower(), name.lower()
        found = [self._names.get(name), self._paths.get(path)]
        if self._suffixes:
            found += [
                self._suffixes.get(name[len(name) - length :]) for length in self._lengths[0] if length <= len(name)
            ]
        if self._prefixes:
            found += [self._prefixes.get(name[:length]) for length in self._lengths[1] if length <= len(name)]
        self.work.compare(len(found))
        return [numbers for numbers in found if numbers]

    def globs(self, path: bytes, name: bytes, above: int) -> Iterator[int]:
        """The numbers of other patterns that match, from the last to the one ``above`` that number."""
        for number, by_name, stars, matcher in reversed(self._globs):
            if number <= above:
                return
            text = name if by_name else path
            self.work.compare(1 + (len(text) ** stars >> 6 if stars <= 2 else len(text) * stars >> 4))
            if matcher(text):
                yield number
