"""Snapshots that jellyml 1.0.0 made, read as containers: 1,024 bytes of JSON header, then a git bundle.

jellyml commits everything uncommitted, staged or not, on top of HEAD, and bundles that commit with all of its history.
What was staged, the branch, empty directories and what was left out are not in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from jellyformat.compat.packstream import PackStream
from jellyformat.errors import BadHost, BadObject, MissingObject, RefusedRepository, UnsupportedVersion
from jellyformat.format import blocks, summary
from jellyformat.format.collect import Collector
from jellyformat.format.model import Head, Index, Manifest, Provenance, State, Worktree
from jellyformat.format.objects import BLOB, COMMIT, GITLINK, OID_LENGTH, TREE, build_trees, parse_commit
from jellyformat.format.summary import Flat, Leaves
from jellyformat.format.trees import Flattener

_HEADER_LENGTH = 1024
_VERSION = "january-7-2023"
_LONGEST_LINE = 4096
_SNAPSHOT = re.compile(rb"jellyml_snapshot_at_\d{4}-\d\d-\d\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\s*")
_COMMITTER = re.compile(rb"^committer [^\n]*> (\d{1,18}) ([+-])(\d\d)(\d\d)$", re.MULTILINE)
_LINE = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (\S+)")


@dataclass(frozen=True)
class BundleHeader:
    """A git bundle: its object format, the raw ids of its refs, and where its pack begins."""

    object_format: str
    refs: dict[bytes, bytes]
    pack: int


def convert(record: bytes) -> bytes:
    """A container of what a snapshot of jellyml's holds.

    HEAD is detached, since the branch is not known. Where there were uncommitted changes, HEAD is the commit below
    jellyml's, nothing is staged, and the changes are in the worktree.

    Raises:
        FormatError: it is damaged, or made to do harm.
    """
    start = _check_header(record)
    bundle = parse_bundle(record[start:])
    tip = bundle.refs.get(b"HEAD")
    if tip is None:
        raise _bad("its git bundle has no HEAD")
    pack = PackStream(record[start + bundle.pack :], bundle.object_format)
    try:
        return _Converter(pack, bundle.object_format).convert(tip)
    except RefusedRepository as error:  # said of a repository elsewhere
        raise BadObject(f"the git bundle of jellyml's snapshot: {error.message}", hint="nothing was changed") from error


def _check_header(record: bytes) -> int:
    """Check the header; where the bundle begins."""
    raw = record[:_HEADER_LENGTH]
    try:
        header = json.loads(raw.rstrip(b"\0"))
    except (ValueError, RecursionError) as error:
        raise _bad("its header is no JSON") from error
    if len(raw) < _HEADER_LENGTH or not isinstance(header, dict) or header.get("magic_number") != "jelly_ml_snapshot":
        raise _bad("its header is cut off or not its own")
    if header.get("version") != _VERSION:
        raise UnsupportedVersion(
            "a snapshot of another version of jellyml than 1.0.0", hint="nothing was lost; jellyml itself may read it"
        )
    offset, size = header.get("snapshot_offset"), header.get("snapshot_size")
    if offset != _HEADER_LENGTH or size != len(record) - _HEADER_LENGTH or type(size) is not int:
        raise _bad("its header gives another length than it has")
    return _HEADER_LENGTH


def parse_bundle(data: bytes) -> BundleHeader:
    """The header of a git bundle (gitformat-bundle(5)).

    Raises:
        BadHost: it is none, or one that needs what is not in it.
    """
    object_format = "sha1"
    refs: dict[bytes, bytes] = {}
    at = 0
    signature: bytes | None = None
    while True:
        end = data.find(b"\n", at, at + _LONGEST_LINE)
        if end < 0:
            raise _bad("its git bundle has no header")
        line, at = data[at:end], end + 1
        if signature is None:
            signature = line
            if line not in (b"# v2 git bundle", b"# v3 git bundle"):
                raise _bad("there is no git bundle in it")
        elif not line:
            return BundleHeader(object_format, refs, at)
        elif line.startswith(b"@") and signature == b"# v3 git bundle" and not refs:
            if line not in (b"@object-format=sha1", b"@object-format=sha256"):
                raise _bad("its git bundle needs what is not known here")
            object_format = line.partition(b"=")[2].decode()
        elif line.startswith(b"-"):
            raise _bad("its git bundle builds on commits that are not in it")
        else:
            match = _LINE.fullmatch(line)
            if match is None or len(match[1]) != 2 * OID_LENGTH[object_format] or match[2] in refs:
                raise _bad("its git bundle has a line that is no ref, or one twice")
            refs[match[2]] = bytes.fromhex(match[1].decode())


def _bad(what: str) -> BadHost:
    return BadHost(f"the snapshot of jellyml's in the file is damaged: {what}", hint="nothing was changed")


class _Converter:
    """Makes one container."""

    def __init__(self, pack: PackStream, object_format: str) -> None:
        self._pack = pack
        self._format = object_format
        self._length = OID_LENGTH[object_format]
        self._collector = Collector(self._length)
        self._flattener = Flattener(lambda oid: self._read(oid, TREE), self._length)

    def convert(self, tip: bytes) -> bytes:
        """The container for the commit ``tip`` (raw id)."""
        collector = self._collector
        content = self._read(tip, COMMIT)
        commit = parse_commit(content, self._length)
        below = [oid for oid in commit.parents if self._pack.size(oid) is not None]
        message = content.partition(b"\n\n")[2]
        dirty = len(commit.parents) == len(below) == 1 and _SNAPSHOT.fullmatch(message) is not None
        head = below[0] if dirty else tip
        head_commit = self._read(head, COMMIT)
        collector.commit(self._pack, head)
        leaves = self._flattener.flatten(parse_commit(head_commit, self._length).tree, strict=False)
        files = self._flattener.flatten(commit.tree, strict=False)
        index = self._add_trees(leaves)
        for path, leaf in files.items():
            if leaf.mode != GITLINK and leaf.oid not in collector.kept:
                old = leaves.get(path)
                known = old is not None and old.mode != GITLINK and old.oid in collector.kept
                bases = [(old.oid, self._read(old.oid, BLOB))] if old is not None and known else []
                collector.change(leaf.oid, BLOB, self._read(leaf.oid, BLOB), bases)
        state = State(self._format, Head(head, None), Index(index), Worktree(self._add_trees(files)))
        collector.history(self._pack, [head], None)
        history, written = collector.finish()
        if history.missing:
            raise MissingObject(
                f"{len(history.missing)} objects are not in the git bundle of jellyml's snapshot",
                hint="nothing was changed; the repository, or another copy of the file, may have them",
            )
        flat = Flat(head=leaves, index=leaves, worktree=files)
        parts = Manifest(
            state=state,
            summary=summary.derive(state, head_commit, lambda item: flat, collector.size_of),
            history=history,
            provenance=_provenance(content),
        )
        return blocks.assemble(parts, written)

    def _add_trees(self, leaves: Leaves) -> bytes:
        """Put the trees of some files in, where they are not there: old ones are not always spelled as they should."""
        trees = build_trees(leaves, self._format)
        for oid, content in trees.contents.items():
            self._collector.change(oid, TREE, content, [])
        return trees.root

    def _read(self, oid: bytes, kind: int) -> bytes:
        try:
            found, content = self._pack.read(oid)
        except KeyError:
            found, content = kind, None
        if content is None:
            raise MissingObject(
                f"object {oid.hex()} is not in the git bundle of jellyml's snapshot",
                hint="nothing was changed; the repository, or another copy of the file, may have it",
            )
        if found != kind:
            raise BadObject(f"object {oid.hex()} is of another kind than its user says")
        return content


def _provenance(commit: bytes) -> Provenance:
    """When the commit was made: with uncommitted changes that is when the snapshot was."""
    match = _COMMITTER.search(commit.partition(b"\n\n")[0])
    time = zone = 0
    if match is not None:
        time, zone = int(match[1]), int(match[3]) * 60 + int(match[4])
        zone = 0 if zone > 1440 else -zone if match[2] == b"-" else zone
    return Provenance(time, zone, "jellyml 1.0.0")
