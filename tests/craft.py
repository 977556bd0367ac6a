"""Containers made wrong on purpose: parts of a good one, changed, and put together without the writer's checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import zstandard

from jellyformat.format import blocks, diffs, manifest, msgpack
from jellyformat.format import frames as container
from jellyformat.format.blocks import BlockWriter
from jellyformat.format.model import (
    STATE,
    Head,
    History,
    Index,
    Manifest,
    Provenance,
    State,
    Summary,
    Worktree,
)
from jellyformat.format.msgpack import Value
from jellyformat.format.objects import (
    BLOB,
    COMMIT,
    GITLINK,
    TREE,
    Leaf,
    build_trees,
    object_id,
    parse_commit,
    tree_fields,
)
from jellyformat.format.reach import named_by
from jellyformat.format.records import DiffRecord, ObjectRecord, Record


def frame(raw: bytes, **options: Any) -> bytes:
    """One zstd frame."""
    return zstandard.ZstdCompressor(**options).compress(raw)


def pack(raw_manifest: bytes, frames: Iterable[bytes] = ()) -> bytes:
    """A container around the raw bytes of a manifest and the frames of its blocks."""
    packed, rest = frame(raw_manifest), b"".join(frames)
    total = container.HEADER_LENGTH + len(packed) + len(rest)
    return container.format_header(packed, len(raw_manifest), total) + packed + rest


def good() -> tuple[Manifest, list[Record]]:
    """A manifest without blocks, and its records: one commit, one file changed since, one new one."""
    old, new, extra = b"one\n" * 50, b"one\n" * 49 + b"two\n", b"new\n"
    blob = {content: object_id(BLOB, content) for content in (old, new, extra)}
    head = build_trees({b"src/a.py": Leaf(0o100644, blob[old])}, "sha1")
    work = build_trees({b"src/a.py": Leaf(0o100644, blob[new]), b"b.py": Leaf(0o100644, blob[extra])}, "sha1")
    commit = b"tree %s\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nfirst\n" % head.root.hex().encode()
    records: list[Record] = [ObjectRecord(COMMIT, commit)]
    records += [ObjectRecord(TREE, content) for content in head.contents.values()]
    records.append(ObjectRecord(BLOB, old))
    records += [ObjectRecord(TREE, content) for oid, content in work.contents.items() if oid not in head.contents]
    records.append(DiffRecord(BLOB, blob[old], ((0, 196), b"two\n")))
    records.append(ObjectRecord(BLOB, extra))
    oid = object_id(COMMIT, commit)
    state = State(
        object_format="sha1",
        head=Head(oid, b"refs/heads/main"),
        index=Index(tree=head.root),
        worktree=Worktree(tree=work.root),
    )
    summary = Summary(
        commit=commit,
        conflicted=(),
        files=2,
        size=len(new) + len(extra),
        staged=(),
        unstaged=(("M", b"src/a.py"),),
        untracked=(b"b.py",),
    )
    parts = Manifest(state=state, summary=summary, history=History(commits=1), provenance=Provenance(0, 0, "tests"))
    return parts, records


def sizes(records: list[Record]) -> list[int]:
    """The size of each record's object."""
    found: list[int] = []
    for record in records:
        if isinstance(record, ObjectRecord):
            found.append(len(record.content))
        else:
            found.append(sum(len(op) if isinstance(op, bytes) else op[1] for op in record.ops))
    return found


def assemble(parts: Manifest, records: list[Record], kind: str = STATE) -> bytes:
    """A container of one block."""
    writer = BlockWriter(kind)
    for record, size in zip(records, sizes(records), strict=True):
        writer.add(record, size)
    return blocks.assemble(parts, writer.close())


def reached(parts: Manifest, records: list[Record]) -> list[Record]:
    """Those of ``records`` whose objects the state reaches: others are in no good container (JF-REC-008)."""
    contents: dict[bytes, tuple[int, bytes, Record]] = {}
    for record in records:
        if isinstance(record, ObjectRecord):
            content = record.content
        else:
            content = diffs.apply(contents[record.base][1], record.ops)
        contents[object_id(record.kind, content)] = record.kind, content, record
    stack = [oid for _, state in parts.state.parts() for oid in named_by(state)]
    found: set[bytes] = set()
    while stack:
        oid = stack.pop()
        if oid in found or oid not in contents:
            continue
        found.add(oid)
        kind, content, _ = contents[oid]
        if kind == COMMIT:
            head = parse_commit(content, 20)
            stack += [head.tree, *head.parents]
        elif kind == TREE:
            stack += [oid for mode, _, oid in tree_fields(content, 20) if mode != GITLINK]
    return [record for oid, (_, _, record) in contents.items() if oid in found]


def change_value(data: bytes, change: Callable[[dict[str, Value]], None]) -> bytes:
    """A container whose manifest was changed as a msgpack value, hashes and lengths right again."""
    header = container.parse_header(data)
    end = container.HEADER_LENGTH + header.manifest_length
    raw = zstandard.ZstdDecompressor().decompress(data[container.HEADER_LENGTH : end])
    value = msgpack.decode(raw)
    assert isinstance(value, dict)
    change(value)
    return pack(msgpack.encode(value), [data[end:]])


@dataclass(frozen=True)
class Crafted:
    """A good container, to be varied."""

    parts: Manifest
    records: list[Record]

    def with_state(self, **changes: Any) -> bytes:
        """The container with fields of the outermost state changed."""
        state = replace(self.parts.state, **changes)
        return assemble(replace(self.parts, state=state), self.records)

    def with_worktree(self, **changes: Any) -> bytes:
        """The container with fields of the worktree changed."""
        assert self.parts.state.worktree is not None
        return self.with_state(worktree=replace(self.parts.state.worktree, **changes))

    def with_index(self, **changes: Any) -> bytes:
        """The container with fields of the index changed."""
        assert self.parts.state.index is not None
        return self.with_state(index=replace(self.parts.state.index, **changes))

    def with_leaves(self, leaves: dict[bytes, Leaf], extra: tuple[Record, ...] = ()) -> bytes:
        """The container with another worktree tree."""
        trees = build_trees(leaves, "sha1")
        new = [ObjectRecord(TREE, content) for content in trees.contents.values()]
        known = {object_id(record.kind, record.content) for record in self.records if isinstance(record, ObjectRecord)}
        records = self.records + [
            record
            for record in (*new, *extra)
            if object_id(record.kind, record.content) not in known  # type: ignore[union-attr]
        ]
        worktree = Worktree(tree=trees.root)
        parts = replace(self.parts, state=replace(self.parts.state, worktree=worktree))
        return assemble(parts, reached(parts, records))


def crafted() -> Crafted:
    """A good container in its parts."""
    return Crafted(*good())


def manifest_bytes(parts: Manifest) -> bytes:
    """The canonical msgpack of a manifest."""
    return manifest.encode(parts)
