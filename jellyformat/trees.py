"""Trees flattened to path → leaf, with every limit checked on the way (SPEC sections 9.2, 10 and 11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jellyformat import limits
from jellyformat.errors import BadObject, CountLimit
from jellyformat.objects import DIRECTORY, Leaf, TreeEntry, parse_tree
from jellyformat.paths import check_length


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

    def entries(self, oid: bytes, *, strict: bool) -> list[TreeEntry]:
        """The entries of one tree."""
        key = (oid, strict)
        if key not in self._parsed:
            self._parsed[key] = parse_tree(self._read(oid), self._oid_length, strict=strict)
        return self._parsed[key]

    def flatten(self, root: bytes, *, strict: bool) -> dict[bytes, Leaf]:
        """Every leaf below the tree ``root`` (raw id), by path.

        Raises:
            FormatError: a tree is missing or not proper, a path unsafe or too long, or there are too many entries.
        """
        leaves: dict[bytes, Leaf] = {}
        seen = 0
        stack = [(b"", root, 1)]
        while stack:
            prefix, oid, depth = stack.pop()
            entries = self.entries(oid, strict=strict)
            if strict and prefix and not entries:
                raise BadObject("a tree has an entry for a tree that is empty", requirement="JF-OBJ-005")
            seen += len(entries)
            if seen > limits.TREE_ENTRIES:
                raise CountLimit(f"a tree has more than {limits.TREE_ENTRIES} entries", requirement="JF-BLK-006")
            for entry in entries:
                path = prefix + entry.name
                check_length(path, depth)
                if entry.mode == DIRECTORY:
                    stack.append((path + b"/", entry.oid, depth + 1))
                else:
                    leaves[path] = Leaf(entry.mode, entry.oid)
        return leaves


def directories_of(leaves: Iterable[bytes]) -> set[bytes]:
    """Every directory that lies above one of the paths ``leaves``."""
    found: set[bytes] = set()
    for path in leaves:
        directory = path.rpartition(b"/")[0]
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition(b"/")[0]
    return found
