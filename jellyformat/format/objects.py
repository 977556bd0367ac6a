"""Git objects: kinds, ids, trees and commits as bytes (SPEC JF-REC)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from jellyformat.errors import BadObject, JellyError
from jellyformat.format.paths import check_component, check_components

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
SMALL_TREE = 1 << 20
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
    head = b"%b %d\0" % (KIND_NAMES[kind], size)
    return hashlib.sha1(head, usedforsecurity=False) if object_format == "sha1" else hashlib.sha256(head)


class TreeEntry(NamedTuple):
    """One entry of a tree: its mode as an integer, its name, the raw id it names."""

    mode: int
    name: bytes
    oid: bytes


class Leaf(NamedTuple):
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
    if len(content) <= SMALL_TREE:
        with suppress(JellyError):  # said below, of what comes first
            entries = [TreeEntry(*fields) for fields in checked_fields(content, oid_length)]
            if not strict or is_strict(entries, content):
                return entries
    return list(iterate_tree(content, oid_length, strict=strict))


def iterate_tree(content: bytes, oid_length: int, *, strict: bool) -> Iterator[TreeEntry]:
    """The entries of a tree one by one: a list of them has ten times the tree's bytes.

    Args:
        content: The tree object's content.
        oid_length: 20 or 32.
        strict: Require the canonical modes and git's order (SPEC JF-OBJ-004, 005).

    Raises:
        BadObject: it is not a tree, or not a strict one.
        UnsafePath: a name could reach outside of its directory (SPEC JF-PTH).
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


def is_strict(entries: list[TreeEntry], content: bytes) -> bool:
    """Whether the tree that these entries were read from, with ``strict`` or without, is strict."""
    return len({entry.name for entry in entries}) == len(entries) and format_tree(entries) == content


def tree_fields(content: bytes, oid_length: int) -> Iterable[tuple[int, bytes, bytes]]:
    """Mode, name and raw id of each entry of a tree, as `iterate_tree` gives them with ``strict`` false, but names are
    not checked: for the thousands of trees of a history, whose names are mostly the same.

    Raises:
        BadObject: it is not a tree (SPEC JF-OBJ-002).
    """
    if len(content) > SMALL_TREE:
        return _large_tree_fields(content, oid_length)
    found = _TREE_ENTRY[oid_length].findall(content)
    if sum([len(mode) + len(name) for mode, name, _ in found]) + (2 + oid_length) * len(found) != len(content):
        return ((entry.mode, entry.name, entry.oid) for entry in iterate_tree(content, oid_length, strict=False))
    return [(_STRICT_MODES.get(mode) or canonical_mode(int(mode, 8)), name, oid) for mode, name, oid in found]


def checked_fields(content: bytes, oid_length: int) -> list[tuple[int, bytes, bytes]]:
    """`tree_fields`, with the names checked as `iterate_tree` checks them.

    Raises:
        BadObject: it is not a tree (SPEC JF-OBJ-002).
        UnsafePath, PathLimit: SPEC JF-PTH-001, 002.
    """
    fields = list(tree_fields(content, oid_length))
    check_components([name for _, name, _ in fields])
    return fields


def _large_tree_fields(content: bytes, oid_length: int) -> Iterator[tuple[int, bytes, bytes]]:
    end = 0
    for match in _TREE_ENTRY[oid_length].finditer(content):
        if match.start() != end:
            break
        end = match.end()
        mode, name, oid = match.groups()
        yield _STRICT_MODES.get(mode) or canonical_mode(int(mode, 8)), name, oid
    if end != len(content):
        raise BadObject("a tree entry is cut off or has no mode", requirement="JF-OBJ-002", offset=end)


def format_tree(entries: Iterable[TreeEntry]) -> bytes:
    """The content of the tree with these entries, in git's order."""
    ordered = sorted(entries, key=lambda entry: entry[1] + b"/" if entry[0] == DIRECTORY else entry[1])
    return b"".join([b"%o %b\0%b" % entry for entry in ordered])


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
    below: dict[bytes, list[TreeEntry]] = {b"": []}
    for path, (mode, oid) in leaves.items():
        directory, _, name = path.rpartition(b"/")
        entries = below.get(directory)
        if entries is None:
            entries = below[directory] = []
            while (directory := directory.rpartition(b"/")[0]) not in below:
                below[directory] = []
        entries.append(TreeEntry(mode, name, oid))
    contents: dict[bytes, bytes] = {}
    directories: dict[bytes, bytes] = {}
    for directory in sorted(below, key=lambda path: path.count(b"/") + bool(path), reverse=True):
        if directory in leaves:
            raise BadObject(f"{directory!r} is both a file and a directory")
        content = format_tree(below.pop(directory))
        oid = object_id(TREE, content, object_format)
        contents[oid] = content
        directories[directory] = oid
        if directory:
            above, _, name = directory.rpartition(b"/")
            below[above].append(TreeEntry(DIRECTORY, name, oid))
    return Trees(directories[b""], contents, directories)


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
