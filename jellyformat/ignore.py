"""What git ignores (gitignore(5)): rules read from the worktree, the repository and the user's own file.

libgit2's answer differs from git's where names are not UTF-8, and needs an index that libgit2 can read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jellyformat.wildmatch import Pattern, parse_pattern

ReadFile = Callable[[bytes], bytes | None]
"""The content of a file of rules by its path from the top; None where there is none (a link counts as none)."""


@dataclass(frozen=True)
class _Rules:
    """The rules of one file, and the directory (with ``/`` at its end, or empty) they are relative to."""

    base: bytes
    patterns: tuple[Pattern, ...]


class Ignore:
    """Answers whether untracked paths are ignored; each file of rules is read once.

    Args:
        read: Reads ``.gitignore`` files.
        outer: The contents of the user's own file of rules and of ``info/exclude``, in this order.
        fold_case: ``core.ignoreCase``.
    """

    def __init__(self, read: ReadFile, outer: tuple[bytes, ...], *, fold_case: bool = False) -> None:
        self._read = read
        self._fold_case = fold_case
        self._chains: dict[bytes, tuple[_Rules, ...]] = {}
        # the last rule that matches wins, so those that count more stand later
        self._outer = tuple(_Rules(b"", parse_ignore(text, fold_case=fold_case)) for text in outer if text)

    def matches(self, path: bytes, *, directory: bool) -> bool:
        """Whether a rule ignores ``path``, the directories above it not being ignored.

        Args:
            path: From the top of the worktree.
            directory: Whether it is a directory; links to one are not.
        """
        parent, _, name = path.rpartition(b"/")
        for rules in reversed(self._chain(parent)):
            relative = path[len(rules.base) :]
            for pattern in reversed(rules.patterns):
                if pattern.directory_only and not directory:
                    continue
                if pattern.matches(name if pattern.by_name else relative):
                    return not pattern.negative
        return False

    def _chain(self, directory: bytes) -> tuple[_Rules, ...]:
        """The files of rules that speak about what is in a directory, those that count more later."""
        known = self._chains.get(directory)
        if known is not None:
            return known
        above = self._chain(directory.rpartition(b"/")[0]) if directory else self._outer
        base = directory + b"/" if directory else b""
        text = self._read(base + b".gitignore")
        patterns = parse_ignore(text, fold_case=self._fold_case) if text else ()
        chain = (*above, _Rules(base, patterns)) if patterns else above
        self._chains[directory] = chain
        return chain


def parse_ignore(text: bytes, *, fold_case: bool = False) -> tuple[Pattern, ...]:
    """The patterns of a file of ignore rules."""
    found: list[Pattern] = []
    for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        line = _without_trailing_spaces(line.removesuffix(b"\r"))
        if line and not line.startswith(b"#"):
            found.append(parse_pattern(line, fold_case=fold_case))
    return tuple(found)


def _without_trailing_spaces(line: bytes) -> bytes:
    """Without the spaces at the end, but for one that a backslash keeps."""
    bare = line.rstrip(b" ")
    escapes = len(bare) - len(bare.rstrip(b"\\"))
    return line[: len(bare) + (escapes % 2 and len(bare) < len(line))]
