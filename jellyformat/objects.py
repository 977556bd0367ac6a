"""Git objects: kinds, ids, trees and commits as bytes (SPEC section 9)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from jellyformat.errors import BadObject
from jellyformat.paths import check_component

COMMIT: Final = 1
TREE: Final = 2
BLOB: Final = 3
TAG: Final = 4
KIND_NAMES: Final = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}

REGULAR: Final = 0o100644
EXECUTABLE: Final = 0o100755
SYMLINK: Final = 0o120000
GITLINK: Final = 0o160000
DIRECTORY: Final = 0o040000
FILE_MODES: Final = (REGULAR, EXECUTABLE, SYMLINK, GITLINK)

OID_LENGTH: Final = {"sha1": 20, "sha256": 32}

_STRICT_MODES: Final = {b"%o" % mode: mode for mode in (*FILE_MODES, DIRECTORY)}
_SMALL_TREE = 1 << 20
"""Bytes; the fields of larger ones, which take ten times as much memory, are not listed at once."""
_TREE_ENTRY = {
    length: re.compile(rb"([0-7]{1,7}) ([^\0]*)\0(.{%d})" % length, re.DOTALL) for length in OID_LENGTH.values()
}
_COMMIT_HEAD = {
    length: re.compile(rb"tree ([0-9a-f]{%d})\n((?:parent [0-9a-f]{%d}\n)*)" % (length * 2, length * 2))
    for length in OID_LENGTH.values()
}


def object_id(kind: int, content: bytes, object_format: str = "sha1") -> bytes:
    """The raw id git gives an object: 20 bytes for ``sha1``, 32 for ``sha256``."""
    hasher = _hasher(kind, len(content), object_format)
    hasher.update(content)
    return hasher.digest()


def blob_hasher(size: int, object_format: str) -> hashlib._Hash:
    """A hasher that gives the id of a blob once its ``size`` bytes were put in."""
    return _hasher(BLOB, size, object_format)


def _hasher(kind: int, size: int, object_format: str) -> hashlib._Hash:
    hasher = hashlib.sha1(usedforsecurity=False) if object_format == "sha1" else hashlib.sha256()
    hasher.update(b"%s %d\0" % (KIND_NAMES[kind], size))
    return hasher


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree: its mode as an integer, its name, the raw id it names."""

    mode: int
    name: bytes
    oid: bytes


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a path stands for in a flattened tree: a mode of `FILE_MODES`, and the raw id of the blob or commit."""

    mode: int
    oid: bytes


@dataclass(frozen=True, slots=True)
class CommitHead:
    """What the format reads of a commit: raw ids of its tree and parents."""

    tree: bytes
    parents: tuple[bytes, ...]


def canonical_mode(mode: int) -> int:
    """``mode`` as git reads it from trees of any age (SPEC JF-OBJ-006)."""
    kind = mode & 0o170000
    if kind == 0o100000:
        return EXECUTABLE if mode & 0o100 else REGULAR
    if kind in (SYMLINK, DIRECTORY):
        return kind
    return GITLINK


def parse_tree(content: bytes, oid_length: int, *, strict: bool) -> list[TreeEntry]:
    """The entries of a tree, as `iterate_tree` gives them."""
    return list(iterate_tree(content, oid_length, strict=strict))


def iterate_tree(content: bytes, oid_length: int, *, strict: bool) -> Iterator[TreeEntry]:
    """The entries of a tree one by one: a list of them has ten times the tree's bytes.

    Args:
        content: The tree object's content.
        oid_length: 20 or 32.
        strict: Require the canonical modes and git's order (SPEC JF-OBJ-004, 005).

    Raises:
        BadObject: it is not a tree, or not a strict one.
        UnsafePath: a name could reach outside of its directory (SPEC section 10).
    """
    names: set[bytes] = set()
    position, end = 0, len(content)
    last = b""
    while position < end:
        space = content.find(b" ", position, position + 8)
        nul = content.find(b"\0", space + 1) if space > 0 else -1
        stop = nul + 1 + oid_length
        if space <= position or nul < 0 or stop > end:
            raise BadObject("a tree entry is cut off or has no mode", requirement="JF-OBJ-002", offset=position)
        raw_mode, name = content[position:space], content[space + 1 : nul]
        check_component(name)
        if strict:
            strict_mode = _STRICT_MODES.get(raw_mode)
            if strict_mode is None:
                raise BadObject(f"a tree entry has the mode {raw_mode!r}", requirement="JF-OBJ-004", offset=position)
            mode = strict_mode
            key = name + b"/" if mode == DIRECTORY else name
            if key <= last or name in names:
                raise BadObject("tree entries out of order, or one name twice", requirement="JF-OBJ-005")
            last = key
            names.add(name)
        else:
            if raw_mode.strip(b"01234567"):
                raise BadObject(f"a tree entry has the mode {raw_mode!r}", requirement="JF-OBJ-002", offset=position)
            mode = canonical_mode(int(raw_mode, 8))
        yield TreeEntry(mode, name, content[nul + 1 : stop])
        position = stop


def tree_fields(content: bytes, oid_length: int) -> Iterable[tuple[int, bytes, bytes]]:
    """Mode, name and raw id of each entry of a tree, as `iterate_tree` gives them with ``strict`` false, but names are
    not checked: for the thousands of trees of a history, whose names are mostly the same.

    Raises:
        BadObject: it is not a tree (SPEC JF-OBJ-002).
    """
    found = _TREE_ENTRY[oid_length].findall(content) if len(content) <= _SMALL_TREE else []
    if sum([len(mode) + len(name) for mode, name, _ in found]) + (2 + oid_length) * len(found) != len(content):
        return ((entry.mode, entry.name, entry.oid) for entry in iterate_tree(content, oid_length, strict=False))
    return [(_STRICT_MODES.get(mode) or canonical_mode(int(mode, 8)), name, oid) for mode, name, oid in found]


def format_tree(entries: Iterable[TreeEntry]) -> bytes:
    """The content of the tree with these entries, in git's order."""
    ordered = sorted(entries, key=lambda entry: entry.name + b"/" if entry.mode == DIRECTORY else entry.name)
    return b"".join(b"%o %s\0%s" % (entry.mode, entry.name, entry.oid) for entry in ordered)


@dataclass(frozen=True)
class Trees:
    """The trees over some leaves.

    Attributes:
        root: The raw id of the root tree.
        contents: The content of each tree by raw id.
        directories: The raw id of each tree by its path; the root is ``b""``.
    """

    root: bytes
    contents: dict[bytes, bytes]
    directories: dict[bytes, bytes]


def build_trees(leaves: Mapping[bytes, Leaf], object_format: str) -> Trees:
    """The trees that hold ``leaves``.

    Args:
        leaves: Path to leaf.
        object_format: ``sha1`` or ``sha256``.

    Raises:
        BadObject: a path is also the directory of another.
    """
    contents: dict[bytes, bytes] = {}
    directories: dict[bytes, bytes] = {}
    stack: list[tuple[bytes, list[TreeEntry], set[bytes]]] = [(b"", [], set())]

    def close() -> bytes:
        path, entries, _ = stack.pop()
        content = format_tree(entries)
        oid = object_id(TREE, content, object_format)
        contents[oid] = content
        directories[path[:-1]] = oid
        if stack:
            stack[-1][1].append(TreeEntry(DIRECTORY, path[:-1].rpartition(b"/")[2], oid))
        return oid

    for path in sorted(leaves):
        directory, _, name = path.rpartition(b"/")
        prefix = directory + b"/" if directory else b""
        while not prefix.startswith(stack[-1][0]):
            close()
        while stack[-1][0] != prefix:
            part, _, _ = prefix[len(stack[-1][0]) :].partition(b"/")
            _reserve(stack[-1][2], part, path)
            stack.append((stack[-1][0] + part + b"/", [], set()))
        _reserve(stack[-1][2], name, path)
        leaf = leaves[path]
        stack[-1][1].append(TreeEntry(leaf.mode, name, leaf.oid))
    while len(stack) > 1:
        close()
    return Trees(close(), contents, directories)


def _reserve(names: set[bytes], name: bytes, path: bytes) -> None:
    if name in names:
        raise BadObject(f"{path!r} is both a file and a directory")
    names.add(name)


def parse_commit(content: bytes, oid_length: int) -> CommitHead:
    """The tree and the parents of a commit.

    Raises:
        BadObject: it does not begin as a commit does (SPEC JF-OBJ-001).
    """
    match = _COMMIT_HEAD[oid_length].match(content)
    if match is None or content.startswith(b"parent ", match.end()):
        raise BadObject("a commit does not begin with its tree and parents", requirement="JF-OBJ-001")
    parents = tuple(bytes.fromhex(line[7:].decode()) for line in match[2].splitlines())
    return CommitHead(bytes.fromhex(match[1].decode()), parents)
