"""Trees flattened to path → leaf, with every limit checked on the way (SPEC sections 9.2, 10 and 11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from jellyformat import limits
from jellyformat.errors import BadObject, CountLimit
from jellyformat.objects import DIRECTORY, Leaf, TreeEntry, iterate_tree
from jellyformat.paths import check_length


@dataclass(frozen=True, slots=True)
class _Flattened:
    """The leaves of a tree, and what it took: entries, directories counted each time, and the bytes of their paths."""

    leaves: dict[bytes, Leaf]
    entries: int
    path_bytes: int


class Flattener:
    """Flattens trees; parsed trees are kept, since a state's trees share most of theirs.

    Args:
        read: The content of a tree by raw id; raises MissingObject.
        oid_length: 20 or 32.
    """

    def __init__(self, read: Callable[[bytes], bytes], oid_length: int) -> None:
        self._read = read
        self._oid_length = oid_length
        self._parsed: dict[tuple[bytes, bool], list[TreeEntry]] = {}
        self._flat: dict[tuple[bytes, bool], _Flattened] = {}
        self._measured: dict[tuple[bytes, bool], tuple[int, int]] = {}
        self._left = self._left_parsed = limits.ALL_TREE_ENTRIES
        self._left_bytes = limits.ALL_TREE_PATH_BYTES

    def entries(self, oid: bytes, *, strict: bool) -> list[TreeEntry]:
        """The entries of one tree."""
        key = (oid, strict)
        if key not in self._parsed:
            entries: list[TreeEntry] = []
            for entry in iterate_tree(self._read(oid), self._oid_length, strict=strict):
                entries.append(entry)
                self._check_left(len(entries))
            self._left_parsed -= len(entries)
            self._check_left()
            self._parsed[key] = entries
        return self._parsed[key]

    def flatten(self, root: bytes, *, strict: bool) -> Mapping[bytes, Leaf]:
        """Every leaf below the tree ``root`` (raw id), by path; not to be changed.

        Raises:
            FormatError: a tree is missing or not proper, a path unsafe or too long, or there are too many entries.
        """
        key = (root, strict)
        if key not in self._flat:
            self._flat[key] = self._flatten(root, strict=strict)
        found = self._flat[key]
        # counted each time: a few trees can stand in each of a million nested states
        self._left -= found.entries
        self._left_bytes -= found.path_bytes
        self._check_left()
        return found.leaves

    def _check_left(self, entries: int = 0, path_bytes: int = 0) -> None:
        if entries > limits.TREE_ENTRIES:
            raise _too_many(limits.TREE_ENTRIES)
        if entries > self._left or path_bytes > self._left_bytes or self._left_parsed < 0:
            raise _too_many(limits.ALL_TREE_ENTRIES, "all trees together have")

    def _measure(self, root: bytes, *, strict: bool) -> tuple[int, int]:
        """Entries below a tree, directories counted each time, and the bytes of their paths.

        Each tree is looked at once, however often it stands there: ten trees can stand for a billion entries.
        """
        known = self._measured
        stack = [root]
        while stack:
            oid = stack[-1]
            if (oid, strict) in known:
                stack.pop()
                continue
            entries = self.entries(oid, strict=strict)
            below = [entry for entry in entries if entry.mode == DIRECTORY]
            todo = {entry.oid for entry in below if (entry.oid, strict) not in known}
            if todo:
                stack += todo
                continue
            stack.pop()
            count, path_bytes = len(entries), sum(len(entry.name) for entry in entries)
            for entry in below:
                inner = known[entry.oid, strict]
                count += inner[0]
                path_bytes += inner[1] + (len(entry.name) + 1) * inner[0]
            self._check_left(count, path_bytes)
            known[oid, strict] = count, path_bytes
        return known[root, strict]

    def _flatten(self, root: bytes, *, strict: bool) -> _Flattened:
        leaves: dict[bytes, Leaf] = {}
        seen, path_bytes = self._measure(root, strict=strict)
        stack = [(b"", root, 1)]
        while stack:
            prefix, oid, depth = stack.pop()
            entries = self.entries(oid, strict=strict)
            if strict and prefix and not entries:
                raise BadObject("a tree has an entry for a tree that is empty", requirement="JF-OBJ-005")
            for entry in entries:
                path = prefix + entry.name
                check_length(path, depth)
                if entry.mode == DIRECTORY:
                    stack.append((path + b"/", entry.oid, depth + 1))
                else:
                    leaves[path] = Leaf(entry.mode, entry.oid)
        return _Flattened(leaves, seen, path_bytes)


def _too_many(most: int, who: str = "a tree has") -> CountLimit:
    return CountLimit(f"{who} more than {most} entries, or too long paths", requirement="JF-OBJ-008")


def directories_of(leaves: Iterable[bytes]) -> set[bytes]:
    """Every directory that lies above one of the paths ``leaves``."""
    found: set[bytes] = set()
    for path in leaves:
        directory = path.rpartition(b"/")[0]
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition(b"/")[0]
    return found
