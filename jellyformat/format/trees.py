"""Trees flattened to path → leaf, with every limit checked on the way (SPEC JF-OBJ, JF-PTH and JF-LIM)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from jellyformat.errors import CountLimit
from jellyformat.format import limits
from jellyformat.format.objects import DIRECTORY, SMALL_TREE, Leaf, TreeEntry, is_strict, iterate_tree, parse_tree
from jellyformat.format.paths import check_length


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
        bounds: How many entries all flattened trees may have, and bytes their paths (SPEC JF-OBJ-008).
    """

    def __init__(self, read: Callable[[bytes], bytes], oid_length: int, bounds: limits.Bounds | None = None) -> None:
        bounds = bounds or limits.bounds(limits.GIB)
        self._read = read
        self._oid_length = oid_length
        self._parsed: dict[tuple[bytes, bool], list[TreeEntry]] = {}
        self._flat: dict[tuple[bytes, bool], _Flattened] = {}
        self._measured: dict[tuple[bytes, bool], tuple[int, int]] = {}
        self._left = self._left_parsed = bounds.entries
        self._left_bytes = bounds.paths

    def entries(self, oid: bytes, *, strict: bool) -> list[TreeEntry]:
        """The entries of one tree."""
        key = (oid, strict)
        found = self._parsed.get(key)
        if found is None:
            content, other = self._read(oid), self._parsed.get((oid, not strict))
            if other is not None and (not strict or is_strict(other, content)):
                found = other
            elif len(content) <= SMALL_TREE:
                found = parse_tree(content, self._oid_length, strict=strict)
            else:
                tree = iterate_tree(content, self._oid_length, strict=strict)
                found = list(islice(tree, self._left_parsed + 1))
            if len(found) > self._left_parsed:  # whatever is parsed stands in a flattened tree
                raise self._too_many()
            self._left_parsed -= len(found)
            self._parsed[key] = found
        return found

    def flatten(self, root: bytes, *, strict: bool, prefix: int = 0) -> Mapping[bytes, Leaf]:
        """The leaves of a tree by path; a later entry of the same path takes the place of an earlier one.

        Args:
            root: The raw id of the root tree.
            strict: Whether it has to be a strict tree.
            prefix: Bytes in front of its paths, where it is that of a repository inside another.

        Raises:
            FormatError: a tree is missing or not proper, a path unsafe or too long, or there are too many entries.
        """
        key = (root, strict)
        if key not in self._flat:
            self._flat[key] = self._flatten(root, strict=strict)
        found = self._flat[key]
        # counted each time: a few trees can stand in each of a million nested states
        path_bytes = found.path_bytes + prefix * found.entries
        self._check_left(found.entries, path_bytes)
        self._left -= found.entries
        self._left_bytes -= path_bytes
        return found.leaves

    def _check_left(self, entries: int, path_bytes: int = 0) -> None:
        if entries > self._left or path_bytes > self._left_bytes:
            raise self._too_many()

    def _too_many(self) -> CountLimit:
        return CountLimit(
            "the trees have more entries, or longer paths, than so few bytes may hold", requirement="JF-OBJ-008"
        )

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
            below = []
            for entry in self.entries(oid, strict=strict):
                path = prefix + entry.name
                check_length(path, depth)
                if entry.mode == DIRECTORY:
                    below.append((path + b"/", entry.oid, depth + 1))
                else:
                    leaves[path] = Leaf(entry.mode, entry.oid)
            stack += reversed(below)  # of two directories of one name, the later one is entered last
        return _Flattened(leaves, seen, path_bytes)


def directories_of(leaves: Iterable[bytes]) -> set[bytes]:
    """Every directory that lies above one of the paths ``leaves``."""
    found: set[bytes] = set()
    for path in leaves:
        directory = path.rpartition(b"/")[0]
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition(b"/")[0]
    return found
