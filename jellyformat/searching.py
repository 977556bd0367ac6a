"""Text found in the code of many checkpoints: each distinct file is searched once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from jellyformat.comparing import committed_sides, worktree_side
from jellyformat.errors import JellyError, SizeLimit, Usage
from jellyformat.exports.patch import is_binary
from jellyformat.format.paths import show_name
from jellyformat.format.text import brief, plural
from jellyformat.gathering import STATE_BYTES, Found, Missed, gather
from jellyformat.hints import Hint, option
from jellyformat.hosts.registry import PathLike
from jellyformat.selecting import path_matches

_LONGEST = 1000
"""Characters of a line that are given."""


@dataclass(frozen=True, repr=False)
class Match:
    """A line that was found, and the checkpoints that have it.

    Attributes:
        path: Of the file in the code.
        line: The number of the line, from 1; None for a file that is binary.
        text: The line; where it is very long, the part of it around what was found.
        files: The checkpoints whose code has this line at this place, in the order of `jellyformat.log`.
    """

    path: bytes
    line: int | None
    text: str
    files: tuple[str, ...]

    def __repr__(self) -> str:
        where = brief(show_name(self.path)) if self.line is None else f"{brief(show_name(self.path))}:{self.line}"
        return f"<Match {where}: {brief(self.text)}, in {plural(len(self.files), 'checkpoint')}>"


@dataclass(frozen=True)
class Pattern:
    """What is looked for, and in which files of the code.

    Attributes:
        regex: What is looked for.
        glob: In which files; None for all.
        committed: Whether what HEAD's commit and the index have is searched, too.
    """

    regex: re.Pattern[str]
    glob: str | None = None
    committed: bool = False


def grep(
    pattern: str,
    path: PathLike,
    *more: PathLike,
    ignore_case: bool = False,
    fixed: bool = False,
    word: bool = False,
    within: str | None = None,
    committed: bool = False,
) -> list[Match]:
    """Search the files of every snapshot in some files, and in all files below some directories.

    Args:
        pattern: A regular expression as Python's `re` takes it, looked for in each line.
        path: A file or directory, an index, the URL of a file, or one that the names of files in a store begin with.
        more: More of them.
        ignore_case: Whether ``A`` is ``a``.
        fixed: The pattern is a text, not a regular expression.
        word: What is found begins and ends where words do.
        within: Only in files of the code that this glob, or directory, means.
        committed: Also what HEAD's commit and the index have, where it is not on disk: a secret may be there.

    Returns:
        What was found, by path and line. Files whose snapshot cannot be read are passed over.

    Raises:
        Usage: the pattern is no regular expression.
        NoFile: there is no such file.
    """
    made = pattern_of(pattern, ignore_case=ignore_case, fixed=fixed, word=word, within=within, committed=committed)
    return search(made, (path, *more), Missed())[0]


def pattern_of(
    pattern: str, *, ignore_case: bool, fixed: bool, word: bool, within: str | None, committed: bool = False
) -> Pattern:
    """What `grep` looks for.

    Raises:
        Usage: the pattern is no regular expression.
    """
    text = re.escape(pattern) if fixed else pattern
    try:
        re.compile(text)  # alone, so that nothing in it can end the group
        made = re.compile(rf"(?<!\w)(?:{text})(?!\w)" if word else text, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        raise Usage(
            f"{pattern!r} is no regular expression: {error}",
            hint=Hint("to look for the text itself, add ", option("fixed")),
        ) from error
    return Pattern(made, within, committed)


def search(pattern: Pattern, paths: Iterable[PathLike], missed: Missed) -> tuple[list[Match], list[str]]:
    """As `grep`.

    Args:
        pattern: From `pattern_of`.
        paths: As for `grep`.
        missed: Gets what carries no snapshot that can be read.

    Returns:
        What was found; and all checkpoints that were searched, in the order of `jellyformat.log`.

    Raises:
        NoFile: there is no such file.
    """
    with ExitStack() as opened:
        everything = [item for batch in gather(paths, missed, opened, current=True) for item in batch]
        codes: dict[object, list[int]] = {}
        for at, item in enumerate(everything):
            # checkpoints of the same files may have other commits
            codes.setdefault(item.info.snapshot_id if pattern.committed else item.code, []).append(at)
        known: dict[bytes, tuple[tuple[int | None, str], ...]] = {}
        found: dict[tuple[bytes, int | None, str], list[int]] = {}
        for places in codes.values():
            for path, hits in _searched([everything[at] for at in places], pattern, known, missed):
                for number, text in hits:
                    found.setdefault((path, number, text), []).extend(places)
    names = [item.name for item in everything]
    matches = [
        (path, number or 0, min(places), Match(path, number, text, tuple(names[at] for at in sorted(set(places)))))
        for (path, number, text), places in found.items()
    ]
    return [match for *_, match in sorted(matches, key=lambda entry: entry[:3])], names


def _searched(
    same: list[Found],
    pattern: Pattern,
    known: dict[bytes, tuple[tuple[int | None, str], ...]],
    missed: Missed,
) -> list[tuple[bytes, tuple[tuple[int | None, str], ...]]]:
    """What is found in each file of checkpoints of the same code: in the first of them that can be read."""
    for item in same:
        try:
            if item.state_bytes > STATE_BYTES:
                raise SizeLimit(f"{item.name} has more code than is searched in many")
            with item.opened() as box:
                sides = chain(worktree_side(box).items(), committed_sides(box) if pattern.committed else ())
                keys: dict[tuple[bytes, bytes], None] = {}
                for path, side in sides:
                    if pattern.glob is not None and not path_matches(path, pattern.glob):
                        continue
                    if side.key not in known:
                        known[side.key] = tuple(_hits(side.read(), pattern.regex))
                    keys[path, side.key] = None
                return [(path, known[key]) for path, key in keys]
        except JellyError as error:
            missed.damaged.append((item.name, error))
    return []


def _hits(content: bytes, regex: re.Pattern[str]) -> Iterator[tuple[int | None, str]]:
    """The lines of a file in which something is found."""
    text = content.decode("utf-8", "surrogateescape")
    if is_binary(content):
        if regex.search(text):
            yield None, "binary file"
        return
    lines = text.split("\n")
    if not lines[-1]:  # what stands behind the last line's end is no line
        lines.pop()
    for number, line in enumerate(lines, 1):
        match = regex.search(line)
        if match is not None:
            start = max(0, match.start() - _LONGEST // 2) if len(line) > _LONGEST else 0
            yield number, line[start : start + _LONGEST].removesuffix("\r")
