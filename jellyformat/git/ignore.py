"""What git ignores (gitignore(5)): rules read from the worktree, the repository and the user's own file.

libgit2's answer differs from git's where names are not UTF-8, and needs an index that libgit2 can read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jellyformat.git.rules import Patterns, Work, lines_of, pattern_of

ReadFile = Callable[[bytes], bytes | None]
"""The content of a file of rules by its path from the top; None where there is none (a link counts as none)."""


@dataclass(frozen=True)
class _Rules:
    """The rules of one file.

    Attributes:
        base: The directory (with ``/`` at its end, or empty) they are relative to.
        patterns: What they match.
        flags: Of each, whether it is negative (1), and for directories only (2).
    """

    base: bytes
    patterns: Patterns
    flags: bytearray

    def last(self, path: bytes, name: bytes, *, directory: bool) -> bool | None:
        """What the last rule that matches says: whether the path is ignored. None where none matches."""
        best = -1
        path = path[len(self.base) :]
        for numbers in self.patterns.exact(path, name):
            for number in reversed(numbers):
                if directory or not self.flags[number] & _DIRECTORY_ONLY:
                    best = max(best, number)
                    break
        for number in self.patterns.globs(path, name, best):
            if directory or not self.flags[number] & _DIRECTORY_ONLY:
                best = number
                break
        return None if best < 0 else not self.flags[best] & _NEGATIVE


_NEGATIVE, _DIRECTORY_ONLY = 1, 2


class Ignore:
    """Answers whether untracked paths are ignored; each file of rules is read once.

    Args:
        read: Reads ``.gitignore`` files.
        outer: The contents of the user's own file of rules and of ``info/exclude``, in this order.
        fold_case: ``core.ignoreCase``.
        work: What it may take.

    Raises:
        RefusedRepository: here and from its methods: there are too many rules.
    """

    def __init__(
        self, read: ReadFile, outer: tuple[bytes, ...], *, fold_case: bool = False, work: Work | None = None
    ) -> None:
        self._read = read
        self._fold_case = fold_case
        self._work = Work() if work is None else work
        self._chains: dict[bytes, tuple[_Rules, ...]] = {}
        # the last rule that matches wins, so those that count more stand later
        found = (self._parsed(b"", text) for text in outer if text)
        self._outer = tuple(rules for rules in found if rules.flags)

    def matches(self, path: bytes, *, directory: bool) -> bool:
        """Whether a rule ignores ``path``, the directories above it not being ignored.

        Args:
            path: From the top of the worktree.
            directory: Whether it is a directory; links to one are not.
        """
        parent, _, name = path.rpartition(b"/")
        for rules in reversed(self._chain(parent)):
            found = rules.last(path, name, directory=directory)
            if found is not None:
                return found
        return False

    def _chain(self, directory: bytes) -> tuple[_Rules, ...]:
        """The files of rules that speak about what is in a directory, those that count more later."""
        known = self._chains.get(directory)
        if known is not None:
            return known
        above = self._chain(directory.rpartition(b"/")[0]) if directory else self._outer
        base = directory + b"/" if directory else b""
        text = self._read(base + b".gitignore")
        rules = self._parsed(base, text) if text else None
        chain = (*above, rules) if rules is not None and rules.flags else above
        self._chains[directory] = chain
        return chain

    def _parsed(self, base: bytes, text: bytes) -> _Rules:
        """The rules of a file."""
        rules = _Rules(base, Patterns(self._work, self._fold_case), bytearray())
        for line in lines_of(text, self._work):
            line = _without_trailing_spaces(line.removesuffix(b"\r"))
            pattern = pattern_of(line) if line and not line.startswith(b"#") else None
            if pattern is None:
                continue
            number = len(rules.flags)
            rules.flags.append(pattern.negative * _NEGATIVE | pattern.directory_only * _DIRECTORY_ONLY)
            same = rules.patterns.add(number, pattern)
            # of rules that match the same only the last ones count
            if same is not None and len(same) > 1 and not pattern.directory_only:
                del same[:-1]
            elif same is not None and len(same) > 1 and rules.flags[same[-2]] & _DIRECTORY_ONLY:
                del same[-2]
        return rules


def _without_trailing_spaces(line: bytes) -> bytes:
    """Without the spaces at the end, but for one that a backslash keeps."""
    bare = line.rstrip(b" ")
    escapes = len(bare) - len(bare.rstrip(b"\\"))
    return line[: len(bare) + (escapes % 2 and len(bare) < len(line))]
