"""git objects, made without the reference: ids, trees, commits, and a box that collects them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

COMMIT, TREE, BLOB = 1, 2, 3
KINDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
REGULAR, EXECUTABLE, SYMLINK, GITLINK, DIRECTORY = 0o100644, 0o100755, 0o120000, 0o160000, 0o040000
Leaf = tuple[int, bytes]
Files = Mapping[bytes, "bytes | tuple[int, bytes]"]
"""Path to content, or to (mode, content); for a submodule to (0o160000, commit id)."""


def object_id(kind: int, content: bytes, object_format: str = "sha1") -> bytes:
    """The raw id of an object."""
    return hashlib.new(object_format, b"%s %d\0" % (KINDS[kind], len(content)) + content).digest()


def entry(mode: bytes, name: bytes, oid: bytes) -> bytes:
    """One entry of a tree, whatever it says."""
    return mode + b" " + name + b"\0" + oid


def commit_content(tree: bytes, parents: tuple[bytes, ...] = (), message: bytes = b"one\n") -> bytes:
    """The content of a commit."""
    lines = [b"tree " + tree.hex().encode()]
    lines += [b"parent " + parent.hex().encode() for parent in parents]
    lines += [b"author A <a@example.com> 0 +0000", b"committer A <a@example.com> 0 +0000", b"", message]
    return b"\n".join(lines)


class Box:
    """Objects in the order they were added, each once, and what the trees made here hold."""

    def __init__(self, object_format: str = "sha1") -> None:
        self.format = object_format
        self.objects: dict[bytes, tuple[int, bytes]] = {}
        self.leaves: dict[bytes, dict[bytes, Leaf]] = {}
        self.heads: dict[bytes, bytes] = {}

    def add(self, kind: int, content: bytes) -> bytes:
        """Any object."""
        oid = object_id(kind, content, self.format)
        self.objects.setdefault(oid, (kind, content))
        return oid

    def blob(self, content: bytes) -> bytes:
        """A blob."""
        return self.add(BLOB, content)

    def tree(self, files: Files, *, blobs: bool = True) -> bytes:
        """The trees over some files, and unless ``blobs`` is False their blobs."""
        leaves: dict[bytes, Leaf] = {}
        for path, item in files.items():
            mode, content = item if isinstance(item, tuple) else (REGULAR, item)
            oid = content if mode == GITLINK else object_id(BLOB, content, self.format)
            if mode != GITLINK and blobs:
                self.blob(content)
            leaves[path] = (mode, oid)
        return self.tree_of(leaves)

    def tree_of(self, leaves: Mapping[bytes, Leaf]) -> bytes:
        """The trees over some leaves."""
        below: dict[bytes, dict[bytes, Leaf]] = {}
        entries: list[tuple[bytes, bytes, bytes]] = []
        for path, (mode, oid) in leaves.items():
            first, slash, rest = path.partition(b"/")
            if slash:
                below.setdefault(first, {})[rest] = (mode, oid)
            else:
                entries.append((first, b"%o" % mode, oid))
        for name, inner in below.items():
            entries.append((name + b"/", b"40000", self.tree_of(inner)))
        content = b"".join(entry(mode, name.rstrip(b"/"), oid) for name, mode, oid in sorted(entries))
        found = self.add(TREE, content)
        self.leaves[found] = dict(leaves)
        return found

    def commit(self, tree: bytes, parents: tuple[bytes, ...] = (), message: bytes = b"one\n") -> bytes:
        """A commit."""
        found = self.add(COMMIT, commit_content(tree, parents, message))
        self.heads[found] = tree
        return found

    def without(self, *oids: bytes) -> Box:
        """The same without some objects."""
        return self.only(oid for oid in self.objects if oid not in oids)

    def reached(self, *roots: bytes) -> set[bytes]:
        """What some objects reach, themselves too; as far as trees and commits can be read."""
        length = 20 if self.format == "sha1" else 32
        found: set[bytes] = set()
        stack = list(roots)
        while stack:
            oid = stack.pop()
            if oid in found or oid not in self.objects:
                continue
            found.add(oid)
            kind, content = self.objects[oid]
            if kind == COMMIT:
                named = re.findall(rb"^(?:tree|parent) ([0-9a-f]{%d})$" % (2 * length), content, re.M)
                stack += [bytes.fromhex(item.decode()) for item in named]
            elif kind == TREE:
                entries = re.findall(rb"([^ ]{1,16}) [^\0]*\0(.{%d})" % length, content, re.S)
                stack += [item for mode, item in entries if mode[:2] != b"16"]
        return found

    def only(self, oids: Iterable[bytes]) -> Box:
        """The same with some objects alone."""
        kept = set(oids)
        box = Box(self.format)
        box.objects = {oid: item for oid, item in self.objects.items() if oid in kept}
        box.leaves, box.heads = self.leaves, self.heads
        return box
