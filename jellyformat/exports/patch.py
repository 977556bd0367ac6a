"""Differences between two sets of files as a patch in git's form, which `git apply` takes."""

from __future__ import annotations

import base64
import contextlib
import difflib
import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from jellyformat.format.info import Change
from jellyformat.format.paths import show_name

_CONTEXT = 3
_BINARY_REACH = 8000
"""git looks for NUL in as many bytes to tell binary from text."""
_TOO_MANY_LINES = 50_000
_WORK, _WORK_PER_LINE = 200_000, 100
"""Pairs of equal lines that are compared: of a few lines that repeat, a small file has millions."""


@dataclass(frozen=True, slots=True)
class Side:
    """One file on one side: its mode as in git, a key that is equal where the content is, and how to get it."""

    mode: int
    key: bytes
    read: Callable[[], bytes]


Files = Mapping[bytes, Side]


def changed(old: Files, new: Files) -> list[Change]:
    """Each difference (``A``, ``D`` or ``M``), sorted by path."""
    found = []
    for path in sorted(old.keys() | new.keys()):
        one, two = old.get(path), new.get(path)
        if one is None or two is None or (one.mode, one.key) != (two.mode, two.key):
            found.append(Change("A" if one is None else "D" if two is None else "M", path))
    return found


def patch(old: Files, new: Files, *, binary: bool = True) -> Iterator[bytes]:
    """The lines of a patch that makes ``new`` of ``old``.

    Args:
        old: The files before.
        new: The files after; keys are blob ids of the same kind.
        binary: Whether binary files are in it, or it is only said that they differ, and `git apply` takes none of it.
    """
    for _, path in changed(old, new):
        one, two = old.get(path), new.get(path)
        if one is not None and two is not None and one.mode & 0o170000 != two.mode & 0o170000:
            yield from _file(path, one, None, binary)
            yield from _file(path, None, two, binary)
        else:
            yield from _file(path, one, two, binary)


def _name(prefix: bytes, path: bytes) -> bytes:
    return show_name(prefix + path).encode()


def _file(path: bytes, one: Side | None, two: Side | None, binary: bool) -> Iterator[bytes]:
    yield b"diff --git %s %s\n" % (_name(b"a/", path), _name(b"b/", path))
    if one is None and two is not None:
        yield b"new file mode %06o\n" % two.mode
    elif two is None and one is not None:
        yield b"deleted file mode %06o\n" % one.mode
    elif one is not None and two is not None and one.mode != two.mode:
        yield b"old mode %06o\nnew mode %06o\n" % (one.mode, two.mode)
    if one is not None and two is not None and one.key == two.key:
        return
    before = b"" if one is None else one.read()
    after = b"" if two is None else two.read()
    old_name = b"/dev/null" if one is None else _name(b"a/", path)
    new_name = b"/dev/null" if two is None else _name(b"b/", path)
    if is_binary(before) or is_binary(after):
        if binary:
            length = max(len(side.key) for side in (one, two) if side is not None)
            keys = [(bytes(length) if side is None else side.key).hex().encode() for side in (one, two)]
            yield b"index %s..%s\nGIT binary patch\n" % (keys[0], keys[1])
            yield from (*_literal(after), b"\n", *_literal(before), b"\n")
        else:
            yield b"Binary files %s and %s differ\n" % (old_name, new_name)
        return
    if before == after:
        return
    yield b"--- %s\n+++ %s\n" % (_tabbed(old_name), _tabbed(new_name))
    yield from _hunks(_lines(before), _lines(after))


def is_binary(content: bytes) -> bool:
    """Whether git takes content for binary."""
    return b"\0" in content[:_BINARY_REACH]


def replaced(before: bytes, after: bytes) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Each place where two contents differ: the lines that are gone, and those that are new."""
    old, new = _lines(before), _lines(after)
    for group in _groups(old, new):
        for tag, a1, a2, b1, b2 in group:
            if tag != "equal" and (a1 < a2 or b1 < b2):
                yield old[a1:a2], new[b1:b2]


def _literal(content: bytes) -> Iterator[bytes]:
    """Content as git writes it into a patch: deflated, base85, 52 bytes a line, the first letter their count."""
    yield b"literal %d\n" % len(content)
    packed = zlib.compress(content)
    for at in range(0, len(packed), 52):
        piece = packed[at : at + 52]
        count = len(piece) + (0x40 if len(piece) <= 26 else 0x60 - 26)
        yield b"%c%s\n" % (count, base64.b85encode(piece, pad=True))


def _tabbed(name: bytes) -> bytes:
    """git ends a name that has a space with a tab, so that patch does not take it for a date."""
    return name + b"\t" if b" " in name and not name.startswith(b'"') else name


def _lines(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _groups(before: list[bytes], after: list[bytes]) -> list[list[tuple[str, int, int, int, int]]]:
    """What is replaced by what, with the lines around it."""
    for autojunk in (False, True) if len(before) + len(after) <= _TOO_MANY_LINES else ():
        with contextlib.suppress(_TooMuch):
            return list(_Matcher(before, after, autojunk=autojunk).get_grouped_opcodes(_CONTEXT))
    return _one_hunk(before, after)


def _hunks(before: list[bytes], after: list[bytes]) -> Iterator[bytes]:
    for group in _groups(before, after):
        first, last = group[0], group[-1]
        yield b"@@ -%s +%s @@\n" % (_range(first[1], last[2]), _range(first[3], last[4]))
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                yield from _marked(b" ", before[a1:a2])
            else:
                yield from _marked(b"-", before[a1:a2])
                yield from _marked(b"+", after[b1:b2])


class _TooMuch(Exception):
    """Comparing all lines would take minutes."""


class _Matcher(difflib.SequenceMatcher[bytes]):
    """difflib's comparison, given up where it takes too long: the time grows with the cube of the lines."""

    b2j: dict[bytes, list[int]]
    """Where each line stands in what comes after, as difflib has found it."""

    def __init__(self, before: list[bytes], after: list[bytes], *, autojunk: bool) -> None:
        super().__init__(None, before, after, autojunk=autojunk)
        pairs = (1 + len(self.b2j.get(line, ())) for line in before)
        self._pairs = list(itertools.accumulate(pairs, initial=0))
        self._left = _WORK + _WORK_PER_LINE * (len(before) + len(after))

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        self._left -= self._pairs[len(self._pairs) - 1 if ahi is None else ahi] - self._pairs[alo]
        if self._left < 0:
            raise _TooMuch
        return super().find_longest_match(alo, ahi, blo, bhi)


def _one_hunk(before: list[bytes], after: list[bytes]) -> list[list[tuple[str, int, int, int, int]]]:
    """For files so large that comparing all lines would take minutes: what lies between the common ends."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    a, b = len(before) - end, len(after) - end
    lead, tail = min(start, _CONTEXT), min(end, _CONTEXT)
    return [
        [
            ("equal", start - lead, start, start - lead, start),
            ("replace", start, a, start, b),
            ("equal", a, a + tail, b, b + tail),
        ]
    ]


def _range(start: int, stop: int) -> bytes:
    length = stop - start
    if length == 1:
        return b"%d" % (start + 1)
    return b"%d,%d" % (start + 1 if length else start, length)


def _marked(mark: bytes, lines: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield mark + line if line.endswith(b"\n") else mark + line + b"\n\\ No newline at end of file\n"
