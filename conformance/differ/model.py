"""A container taken apart into values that can be changed, and put together again with lengths and hashes mended."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zstandard

from conformance.generate import derive
from conformance.generate.draft import Block
from conformance.generate.gitobjects import COMMIT, DIRECTORY, EXECUTABLE, GITLINK, REGULAR, SYMLINK, TREE, Box, Leaf
from conformance.generate.gitobjects import object_id as object_id
from conformance.generate.wire import MAGIC, Value, frame, header, pack

Map = dict[str, Any]
_WINDOW_MOST = 1 << 27
_RAW_MOST = 1 << 14
"""Frames of more bytes are left alone: mutants are to be many."""


def unpack(data: bytes) -> Value:
    """The value in canonical msgpack. Raises ValueError, IndexError, struct.error: it is none."""
    value, end = unpack_from(data, 0)
    if end != len(data):
        raise ValueError("bytes behind the value")
    return value


def unpack_from(data: bytes, at: int) -> tuple[Value, int]:
    """A value and where it ends."""
    tag = data[at]
    at += 1
    if tag < 0x80 or tag >= 0xE0:
        return (tag if tag < 0x80 else tag - 256), at
    if tag < 0xC0:
        return _sized(
            data, at, "map" if tag < 0x90 else "array" if tag < 0xA0 else "str", tag & (31 if tag >= 0xA0 else 15)
        )
    if tag in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[tag], at
    if 0xCC <= tag <= 0xD3:
        width = 1 << (tag - 0xCC) % 4
        return int.from_bytes(data[at : at + width], "big", signed=tag >= 0xD0), at + width
    for first, count, width, kind in (
        (0xC4, 3, 1, "bin"),
        (0xD9, 3, 1, "str"),
        (0xDC, 2, 2, "array"),
        (0xDE, 2, 2, "map"),
    ):
        if first <= tag < first + count:
            width <<= tag - first
            return _sized(data, at + width, kind, int.from_bytes(data[at : at + width], "big"))
    raise ValueError(f"type {tag:x}")


def _sized(data: bytes, at: int, kind: str, size: int) -> tuple[Value, int]:
    if kind in ("bin", "str"):
        raw = data[at : at + size]
        if len(raw) < size:
            raise ValueError("cut off")
        return (raw if kind == "bin" else raw.decode()), at + size
    items: list[Value] = []
    for _ in range(size * (2 if kind == "map" else 1)):
        item, at = unpack_from(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2], strict=True)) if kind == "map" else items), at


@dataclass
class Piece:
    """A block: its records as values, or bytes that are none; and what the manifest says of it otherwise than it is."""

    kind: str
    records: list[Value]
    prefix: int | None = None
    critical: bool = True
    raw: bytes | None = None
    """In place of the records."""
    packed: bytes | None = None
    """In place of its frame."""
    said: Map = field(default_factory=dict)
    frame: Map = field(default_factory=dict)
    """Arguments to `wire.frame`."""


@dataclass
class Model:
    """A container in its parts.

    Attributes:
        manifest: All but its blocks.
        pieces: The blocks.
        blocks: What the manifest has as ``blocks``, changed once more.
        head: Fields of the header that are otherwise than right.
        frame: Arguments to `wire.frame` for the manifest's frame.
        raw: What becomes of the manifest's msgpack.
        packed: What becomes of its frame.
        last: What becomes of the whole.
    """

    manifest: Map
    pieces: list[Piece]
    blocks: Callable[[list[Value]], Value] | None = None
    head: Map = field(default_factory=dict)
    frame: Map = field(default_factory=dict)
    raw: Callable[[bytes], bytes] | None = None
    packed: Callable[[bytes], bytes] | None = None
    last: Callable[[bytes], bytes] | None = None

    @property
    def state(self) -> Map:
        """The outermost state."""
        found: Map = self.manifest["state"]
        return found

    @property
    def format(self) -> str:
        """The object format, as far as it is one."""
        state = self.manifest.get("state")
        return "sha256" if isinstance(state, dict) and state.get("object_format") == "sha256" else "sha1"

    def copy(self) -> Model:
        """One that can be changed."""
        return copy.deepcopy(self)

    def build(self) -> bytes:
        """The container."""
        made = [_block(piece, self.format) for piece in self.pieces]
        frames = [block.packed() for block in made]
        entries: Value = [block.entry(packed) for block, packed in zip(made, frames, strict=True)]
        manifest = dict(self.manifest)
        manifest["blocks"] = entries if self.blocks is None else self.blocks(entries)
        raw = pack(manifest)
        raw = raw if self.raw is None else self.raw(raw)
        packed = frame(raw, **self.frame)
        packed = packed if self.packed is None else self.packed(packed)
        rest = b"".join(frames)
        known = dict(self.head)
        length = known.pop("raw_length", len(raw))
        data = header(packed, length, len(rest), **known) + packed + rest
        return data if self.last is None else self.last(data)

    # -- objects -------------------------------------------------------------------------------------------------

    def objects(self) -> dict[bytes, tuple[int, bytes, int]]:
        """Kind, content and number of the block of each object, by id; diffs rebuilt. ValueError: not all can be."""
        found: dict[bytes, tuple[int, bytes, int]] = {}
        for number, piece in enumerate(self.pieces):
            for record in piece.records if piece.raw is None and piece.packed is None else ():
                kind, content = _content(record, found)
                found[object_id(kind, content, self.format)] = kind, content, number
        return found

    def put_objects(self, objects: dict[bytes, tuple[int, bytes, int]]) -> None:
        """Have these objects, each whole."""
        for number, piece in enumerate(self.pieces):
            if piece.raw is None and piece.packed is None:
                piece.records = [[kind, content] for kind, content, where in objects.values() if where == number]
        self.pieces = [piece for piece in self.pieces if piece.records or piece.raw is not None]

    def derive(self) -> None:
        """Mend what follows from the state and the objects: the summary, the number of commits, the boundary."""
        box = box_of(self.objects(), self.format)
        self.manifest["summary"] = derive.summary(box, self.state)
        history = self.manifest["history"]
        commits = {oid: derive.parents(content) for oid, (kind, content) in box.objects.items() if kind == COMMIT}
        known = {*commits, *history["prerequisites"]}
        history["commits"] = len(commits)
        history["shallow"] = sorted(oid for oid, parents in commits.items() if any(it not in known for it in parents))


def _content(record: Value, known: dict[bytes, tuple[int, bytes, int]]) -> tuple[int, bytes]:
    if not isinstance(record, list) or len(record) not in (2, 3) or record[0] not in (1, 2, 3):
        raise ValueError("no record")
    if len(record) == 2:
        return record[0], record[1]
    if record[1] not in known:
        raise ValueError("no base")
    base = known[record[1]][1]
    parts = [op if isinstance(op, bytes) else base[op[0] : op[0] + op[1]] for op in record[2]]
    return record[0], b"".join(parts)


def _size(record: Value) -> int:
    """The size of a record's object, as far as it is one."""
    if not isinstance(record, list) or len(record) < 2:
        return 0
    if len(record) == 3 and isinstance(record[2], list):
        sizes = [len(op) if isinstance(op, bytes) else op[1] for op in record[2] if isinstance(op, bytes) or _is_op(op)]
        return sum(size for size in sizes if isinstance(size, int) and size > 0)
    return len(record[1]) if isinstance(record[1], bytes) else 0


def _is_op(op: Value) -> bool:
    return isinstance(op, list) and len(op) == 2


def _block(piece: Piece, object_format: str) -> Block:
    raw = b"".join(map(pack, piece.records)) if piece.raw is None else piece.raw
    size = sum(map(_size, piece.records))
    packed = frame(raw, **piece.frame) if piece.packed is None else piece.packed
    return Block(piece.kind, [raw], max(1, len(piece.records)), size, piece.critical, packed, piece.said, piece.prefix)


def entries_of(content: bytes, length: int) -> list[tuple[bytes, bytes, bytes]]:
    """Mode, name and id of the entries of a tree. Raises ValueError: it is none."""
    found, at = [], 0
    while at < len(content):
        space = content.index(b" ", at)
        nul = content.index(b"\0", space)
        found.append((content[at:space], content[space + 1 : nul], content[nul + 1 : nul + 1 + length]))
        at = nul + 1 + length
    return found


def read_mode(mode: bytes) -> int:
    """A mode of a tree as git reads it (SPEC JF-OBJ-006)."""
    bits = int(mode, 8)
    if bits & 0o170000 == 0o100000:
        return EXECUTABLE if bits & 0o100 else REGULAR
    return {0o040000: DIRECTORY, 0o120000: SYMLINK}.get(bits & 0o170000, GITLINK)


def box_of(objects: dict[bytes, tuple[int, bytes, int]], object_format: str) -> Box:
    """The objects, and what each tree holds. Raises ValueError, RecursionError: a tree is none, or too deep."""
    box = Box(object_format)
    box.objects = {oid: (kind, content) for oid, (kind, content, _) in objects.items()}
    length = 20 if object_format == "sha1" else 32

    def leaves(oid: bytes, depth: int = 0) -> dict[bytes, Leaf]:
        if oid not in box.leaves:
            kind, content = box.objects.get(oid, (0, b""))
            found: dict[bytes, Leaf] = {}
            for mode, name, inner in entries_of(content, length) if kind == TREE else ():
                if read_mode(mode) != DIRECTORY:
                    found[name] = read_mode(mode), inner
                elif depth < 300:
                    found |= {name + b"/" + path: leaf for path, leaf in leaves(inner, depth + 1).items()}
            box.leaves[oid] = found
        return box.leaves[oid]

    for oid, (kind, content) in box.objects.items():
        if kind == TREE:
            leaves(oid)
        elif kind == COMMIT and content.startswith(b"tree "):
            box.heads[oid] = bytes.fromhex(content[5 : content.index(b"\n")].decode())
    return box


def parse(data: bytes) -> Model | None:
    """The model of a container; None where it is none that can be taken apart."""
    try:
        return _parse(data)
    except (ValueError, KeyError, IndexError, TypeError, struct.error, zstandard.ZstdError, RecursionError):
        return None


def _parse(data: bytes) -> Model:
    if data[:8] != MAGIC or len(data) < 72:
        raise ValueError("no container")
    length, raw_length, total = struct.unpack(">3Q", data[16:40])
    manifest = unpack(_unpacked(data[72 : 72 + length], raw_length))
    pieces, at = [], 72 + length
    raws: list[bytes] = []
    for entry in manifest.pop("blocks"):
        packed = data[at : at + entry["length"]]
        at += entry["length"]
        if entry["kind"] not in ("state", "history"):
            pieces.append(Piece(entry["kind"], [], entry["prefix"], entry["critical"], b"", packed, dict(entry)))
            continue
        raw = _unpacked(packed, entry["raw_length"], None if entry["prefix"] is None else raws[entry["prefix"]])
        raws.append(raw)
        records, end = [], 0
        while end < len(raw):
            record, end = unpack_from(raw, end)
            records.append(record)
        if len(records) != entry["records"]:
            raise ValueError("other records")
        pieces.append(Piece(entry["kind"], records, entry["prefix"], entry["critical"]))
    if at != total or total != len(data):
        raise ValueError("other lengths")
    for piece in pieces:  # what these are is not known, so it is said as it stands
        piece.said = {key: item for key, item in piece.said.items() if key not in ("length", "sha256")}
    return Model(manifest, pieces)


def _unpacked(packed: bytes, length: int, prefix: bytes | None = None) -> bytes:
    if max(length, zstandard.frame_content_size(packed)) > _RAW_MOST:
        raise ValueError("too long")
    dictionary = None
    if prefix is not None:
        dictionary = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=_WINDOW_MOST)
    return decompressor.decompress(packed, max_output_size=length)
