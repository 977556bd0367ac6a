"""Bytes of a fuzzer made into containers, packs and trees whose hashes fit, so that more is reached."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import craft
import zstandard
from test_packstream import entry, packed

from jellyformat.errors import JellyError
from jellyformat.format import frames, msgpack
from jellyformat.format.container import Container
from jellyformat.format.objects import BLOB, COMMIT, TREE, TreeEntry, format_tree, object_id
from jellyformat.format.records import ObjectRecord, Record, read_records
from jellyformat.format.source import BytesSource

_LENGTH = struct.Struct(">I")
_MODES = (0o100644, 0o100755, 0o120000, 0o160000)
JELLYML = "jelly_ml_snapshot"


def split(data: bytes) -> Iterator[bytes]:
    """The parts of what the fuzzer made: a length and so many bytes each, the last one as long as it is."""
    at = 0
    while at + _LENGTH.size <= len(data):
        length = _LENGTH.unpack_from(data, at)[0]
        at += _LENGTH.size
        yield data[at : at + length]
        at += length


def join(parts: Iterable[bytes]) -> bytes:
    """What `split` takes apart."""
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def apart(container: bytes) -> bytes:
    """A container in its parts: the raw manifest and the raw blocks."""
    header = frames.parse_header(container)
    end = frames.HEADER_LENGTH + header.manifest_length
    inflater = zstandard.ZstdDecompressor()
    raw = inflater.decompress(container[frames.HEADER_LENGTH : end], max_output_size=header.manifest_raw_length)
    parts, value = [raw], msgpack.decode(raw)
    assert isinstance(value, dict)
    for block in value["blocks"]:
        frame = container[end : end + block["length"]]
        parts.append(inflater.decompress(frame, max_output_size=block["raw_length"]))
        end += block["length"]
    return join(parts)


def container(data: bytes) -> bytes:
    """The container with these parts: lengths, counts and hashes of its blocks are mended where they can be."""
    raw, *blocks = split(data) if len(data) >= _LENGTH.size else [data]
    made = [craft.frame(block) for block in blocks]
    try:
        value = msgpack.decode(raw)
        if isinstance(value, dict) and isinstance(value.get("blocks"), list):
            for told, block, frame in zip(value["blocks"], blocks, made, strict=False):
                if isinstance(told, dict):
                    told |= {"length": len(frame), "raw_length": len(block), "sha256": hashlib.sha256(frame).digest()}
                    told |= _counted(block)
            raw = msgpack.encode(value)
    except JellyError:
        pass  # as it is, then
    return craft.pack(raw, made)


def _counted(block: bytes) -> dict[str, int]:
    count = size = 0
    records = read_records(block, 1 << 30, 20)
    while True:
        try:
            record = next(records)
        except (JellyError, StopIteration):
            return {"records": count, "object_bytes": size}
        count += 1
        size += craft.sizes([record])[0]


def leaves(data: bytes) -> bytes:
    """A container whose worktree has the files of parts ``mode path NUL content``; anything may stand in a path."""
    entries: dict[bytes, list[tuple[bytes, int, bytes]]] = {}
    records: list[Record] = []
    for part in split(data):
        path, _, content = part[1:].partition(b"\0")
        directory, _, name = path.rpartition(b"/")
        mode = _MODES[part[0] % len(_MODES)] if part else _MODES[0]
        entries.setdefault(directory, []).append((name, mode, content))
    made = craft.crafted()
    root = _tree(entries, b"", records)
    assert made.parts.state.worktree is not None
    known = {object_id(record.kind, record.content) for record in made.records if isinstance(record, ObjectRecord)}
    fresh = {object_id(record.kind, record.content): record for record in records if isinstance(record, ObjectRecord)}
    changed = craft.Crafted(made.parts, made.records + [fresh[oid] for oid in fresh if oid not in known])
    return _summed_up(changed.with_worktree(tree=root))


def _summed_up(made: bytes) -> bytes:
    """The container with the summary that its state has; as it is, where that cannot be told."""
    try:
        box = Container(BytesSource(made))
        box.pool.decode()
        parts = replace(box.manifest, summary=box.checker.derive())
        objects: list[Record] = [ObjectRecord(place.kind, box.pool.read(oid)) for oid, place in box.pool.places.items()]
    except JellyError:
        return made
    return craft.assemble(parts, craft.reached(parts, objects))


def _tree(entries: dict[bytes, list[tuple[bytes, int, bytes]]], directory: bytes, records: list[Record]) -> bytes:
    """The raw id of the tree of a directory; it and all below it are put into the records."""
    found: dict[bytes, TreeEntry] = {}
    for name, mode, content in entries.get(directory, []):
        oid = object_id(BLOB, content)
        records.append(ObjectRecord(BLOB, content))
        found.setdefault(name, TreeEntry(mode, name, oid))
    prefix = directory + b"/" if directory else b""
    below = {
        path[len(prefix) :].partition(b"/")[0] for path in entries if path.startswith(prefix) and path != directory
    }
    for name in sorted(below):
        if name and len(prefix) < 512:
            found.setdefault(name, TreeEntry(0o040000, name, _tree(entries, prefix + name, records)))
    content = format_tree(found.values())
    records.append(ObjectRecord(TREE, content))
    return object_id(TREE, content)


def _linked(parts: Iterable[bytes]) -> tuple[list[int], list[bytes]]:
    """Kinds and contents of the objects ``kind content``.

    A commit names the tree that comes after it, and a tree's first entry the blob after that.
    """
    made = list(parts)
    kinds = [(COMMIT, TREE, BLOB)[part[0] % 3] for part in made]
    contents = [part[1:] for part in made]
    for number in reversed(range(len(made) - 1)):
        below = object_id(kinds[number + 1], contents[number + 1])
        if kinds[number] == COMMIT:
            contents[number] = b"tree " + below.hex().encode() + contents[number][45:]
        elif kinds[number] == TREE and b"\0" in contents[number]:
            at = contents[number].index(b"\0") + 1
            contents[number] = contents[number][:at] + below + contents[number][at + 20 :]
    return kinds, contents


def legacy(data: bytes) -> bytes:
    """A snapshot of jellyml's: a header, a bundle with a pack of the parts ``kind content``, HEAD the first commit."""
    kinds, contents = _linked(part for part in split(data) if part)
    pack = packed(*(entry(kind, content) for kind, content in zip(kinds, contents, strict=True)))
    tip = next(
        (object_id(COMMIT, text) for kind, text in zip(kinds, contents, strict=True) if kind == COMMIT), bytes(20)
    )
    bundle = b"# v2 git bundle\n" + tip.hex().encode() + b" HEAD\n\n" + pack
    fields = {
        "magic_number": JELLYML,
        "snapshot_offset": 1024,
        "snapshot_size": len(bundle),
        "version": "january-7-2023",
    }
    return json.dumps(fields).encode().ljust(1024, b"\0") + bundle


FILES = (
    ".git/HEAD",
    ".git/index",
    ".git/config",
    ".git/config.worktree",
    ".git/packed-refs",
    ".git/refs/heads/main",
    ".git/shallow",
    ".git/commondir",
    ".git/MERGE_HEAD",
    ".git/info/exclude",
    ".git/info/attributes",
    ".git/info/sparse-checkout",
    ".git/objects/info/alternates",
    ".git/objects/pack/pack-1.idx",
    ".git/objects/pack/pack-1.pack",
    ".gitattributes",
    ".gitignore",
    ".gitmodules",
    "src/.git",
    "src/a.py",
)
"""What a repository has that a fuzzer may make up."""
_ELSEWHERE = re.compile(rb"worktree", re.IGNORECASE)
_KINDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}


def part(name: str, content: bytes) -> bytes:
    """A file of `FILES`, as `repository` takes it."""
    return bytes((FILES.index(name),)) + content


def repository(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Files of a repository by parts ``number content``; an index with its checksum mended.

    Numbers behind those of the files are for objects, as `_linked` takes them; HEAD is the first commit.
    """
    objects: list[bytes] = []
    for piece in split(data):
        number = piece[0] % (len(FILES) + 1) if piece else 0
        if number == len(FILES):
            objects.append(piece[1:] or b"\0")
            continue
        content = piece[1:]
        if FILES[number] == ".git/index":
            content += hashlib.sha1(content).digest()
        elif FILES[number].startswith(".git/config"):  # core.worktree may name any place, which would be captured
            content = _ELSEWHERE.sub(b"worktre", content)
        yield FILES[number], content
    kinds, contents = _linked(objects)
    for kind, content in zip(kinds, contents, strict=True):
        name = object_id(kind, content).hex()
        text = b"%s %d\0" % (_KINDS[kind], len(content)) + content
        yield f".git/objects/{name[:2]}/{name[2:]}", zlib.compress(text, 1)
        if kind == COMMIT and content is contents[kinds.index(COMMIT)]:
            yield ".git/HEAD", name.encode()


def leaf_parts(files: dict[bytes, bytes]) -> bytes:
    """Files as `leaves` takes them."""
    return join(b"\0" + path + b"\0" + content for path, content in files.items())
