"""Containers to be varied: a manifest as plain values, blocks as records, everything changeable before it is built."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conformance.generate import derive
from conformance.generate.gitobjects import COMMIT, GITLINK, Box
from conformance.generate.wire import Part, Run, Value, frame, header, pack

Map = dict[str, Value]


@dataclass
class Block:
    """A block: its records as raw bytes, and what is to be said of it in the manifest."""

    kind: str
    raw: list[Part]
    records: int
    object_bytes: int
    critical: bool = True
    frame: bytes | None = None
    said: Map = field(default_factory=dict)
    """What the manifest says otherwise than it is."""
    prefix: int | None = None

    def packed(self) -> bytes:
        """Its zstd frame."""
        if self.frame is not None:
            return self.frame
        window = 0x68 if any(isinstance(part, Run) for part in self.raw) else None
        return frame(self.raw, window=window)

    def entry(self, packed: bytes) -> Map:
        """What the manifest says of it."""
        return {
            "critical": self.critical,
            "kind": self.kind,
            "length": len(packed),
            "object_bytes": self.object_bytes,
            "prefix": self.prefix,
            "raw_length": sum(map(len, self.raw)),
            "records": self.records,
            "sha256": hashlib.sha256(packed).digest(),
            **self.said,
        }


def record(kind: int, content: bytes | list[Part]) -> list[Part]:
    """An object record."""
    parts: list[Part] = [content] if isinstance(content, bytes) else content
    length = sum(map(len, parts))
    return [bytes([0x92, kind]) + _bin_head(length), *(part for part in parts if len(part))]


def _bin_head(length: int) -> bytes:
    for code, width in ((0xC4, 1), (0xC5, 2), (0xC6, 4)):
        if length < 1 << (8 * width):
            return bytes([code]) + length.to_bytes(width, "big")
    raise ValueError(length)


def diff(kind: int, base: bytes, ops: Value) -> list[Part]:
    """A diff record; ops are bytes and ``[offset, length]``."""
    return [pack([kind, base, ops])]


def block_of(kind: str, items: list[tuple[list[Part], int]]) -> Block:
    """A block of records, each with the size of its object."""
    raw: list[Part] = []
    for parts, _ in items:
        raw += parts
    return Block(kind, _join(raw), len(items), sum(size for _, size in items))


def _join(parts: list[Part]) -> list[Part]:
    out: list[Part] = []
    for part in parts:
        if out and isinstance(part, bytes) and isinstance(out[-1], bytes):
            out[-1] += part
        else:
            out.append(part)
    return out


def objects_block(kind: str, box: Box, oids: list[bytes] | None = None) -> Block:
    """A block of plain objects: all of ``box``, or some."""
    wanted = list(box.objects) if oids is None else oids
    return block_of(kind, [(record(*box.objects[oid]), len(box.objects[oid][1])) for oid in wanted])


@dataclass
class Draft:
    """A container in its parts."""

    box: Box
    manifest: Map
    blocks: list[Block]
    head: Map = field(default_factory=dict)
    """Header fields that are otherwise than right."""
    raw: list[Part] | None = None
    """The msgpack of the manifest, in place of what ``manifest`` says."""
    packed: Callable[[list[Part]], bytes] | None = None
    """How the manifest is put into a frame."""

    @property
    def state(self) -> Map:
        """The outermost state."""
        found: Map = self.manifest["state"]
        return found

    def value(self) -> Map:
        """The manifest with its blocks."""
        entries = [item.entry(item.packed()) for item in self.blocks]
        return {"blocks": entries, **self.manifest}

    def build(self) -> bytes:
        """The container."""
        raw: list[Part] = [pack(self.value())] if self.raw is None else self.raw
        packed = frame(raw) if self.packed is None else self.packed(raw)
        rest = b"".join(item.packed() for item in self.blocks)
        known = dict(self.head)
        length = known.pop("raw_length", sum(map(len, raw)))
        return header(packed, length, len(rest), **known) + packed + rest

    def summarize(self) -> Draft:
        """Put the right summary in."""
        self.manifest["summary"] = derive.summary(self.box, self.state)
        return self


def index(tree: bytes, **more: Value) -> Map:
    """An index."""
    lists: Map = {"assume_unchanged": [], "conflicts": [], "intent_to_add": [], "omitted": [], "skip_worktree": []}
    return {**lists, "tree": tree, **more}


def worktree(tree: bytes, **more: Value) -> Map:
    """A worktree."""
    return {"converted": [], "empty_directories": [], "filtered": [], "omitted": [], "tree": tree, **more}


def omitted(path: bytes, reason: str, size: int | None = None, sha256: bytes | None = None) -> Map:
    """An omitted file."""
    return {"path": path, "reason": reason, "sha256": sha256, "size": size}


def state(
    commit: bytes | None,
    index: Map | None,
    worktree: Map | None,
    *,
    ref: bytes | None = b"refs/heads/main",
    object_format: str = "sha1",
    operation: Map | None = None,
    submodules: list[Map] | None = None,
    facts: Map | None = None,
    roots: list[Map] | None = None,
) -> Map:
    """A state."""
    return {
        "facts": facts or {},
        "head": {"commit": commit, "ref": ref},
        "index": index,
        "object_format": object_format,
        "operation": operation,
        "roots": roots or [],
        "submodules": submodules or [],
        "worktree": worktree,
    }


def manifest(state: Map, box: Box, **more: Any) -> Map:
    """A manifest, its blocks apart; the summary and the history are derived."""
    commits = [oid for oid, (kind, _) in box.objects.items() if kind == COMMIT]
    parents = {oid: derive.parents(box.objects[oid][1]) for oid in commits}
    thin = more.pop("prerequisites", [])
    shallow = [oid for oid in commits if any(p not in box.objects and p not in thin for p in parents[oid])]
    return {
        "environment": {},
        "extensions": {},
        "history": {
            "commits": len(commits),
            "missing": sorted(more.pop("missing", [])),
            "prerequisites": sorted(thin),
            "shallow": sorted(shallow),
        },
        "ignored": [],
        "provenance": {"argv": [], "remotes": [], "time": 0, "tool": "by hand", "zone": 0},
        "requires": [],
        "state": state,
        "summary": derive.summary(box, state),
        **more,
    }


def roots(state: Map) -> list[bytes]:
    """What a state and those in it name."""
    found: list[bytes] = []
    for _, part in derive.walk(state):
        found += [part["head"]["commit"]] if part["head"]["commit"] else []
        found += part["operation"]["heads"] if part["operation"] else []
        if part["index"]:
            found.append(part["index"]["tree"])
            found += [stage[1] for item in part["index"]["conflicts"] for stage in item[1:] if stage]
        found += [part["worktree"]["tree"]] if part["worktree"] else []
    return found


def draft(state: Map, box: Box, **more: Any) -> Draft:
    """A container whose objects all lie in one state block; what nothing reaches is left out."""
    box = box.only(box.reached(*roots(state)))
    return Draft(box, manifest(state, box, **more), [objects_block("state", box)])


OLD, NEW = b"one\n" * 3, b"two\n" * 3


def small() -> Draft:
    """One commit of one file, which was changed since, and one new file."""
    box = Box()
    head = box.tree({b"a.py": OLD})
    commit = box.commit(head)
    tree = box.tree({b"a.py": NEW, b"d/b": b"new\n"})
    return draft(state(commit, index(head), worktree(tree)), box)


def with_worktree(files: Any, *, more: Map | None = None, extra: Map | None = None) -> Draft:
    """No commit, an empty index, and these files in the worktree."""
    box = Box()
    empty, tree = box.tree({}), box.tree(files)
    return draft(state(None, index(empty, **(extra or {})), worktree(tree, **(more or {}))), box)


def root(name: bytes, inner: Map) -> Map:
    """Another repository that the program ran from."""
    return {"name": name, "state": inner}


def nested(path: bytes, inner: Map) -> Map:
    """A nested repository."""
    return {"path": path, "state": inner}


def gitlink(commit: bytes) -> tuple[int, bytes]:
    """A file that is a submodule."""
    return (GITLINK, commit)
