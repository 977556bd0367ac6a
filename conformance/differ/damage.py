"""Changes that break how a container is written: its header, frames, msgpack and blocks; and more than there may be."""

from __future__ import annotations

import struct
from random import Random

from conformance.differ import faults, graph
from conformance.differ.graph import Unfit
from conformance.differ.harmless import Change
from conformance.differ.model import Map, Model
from conformance.differ.values import a_value
from conformance.generate import wire
from conformance.generate.gitobjects import TREE
from conformance.generate.wire import Pairs, Raw, Value, pack


def block(random: Random, model: Model) -> None:
    """What the manifest says of a block."""
    piece = random.choice(model.pieces)
    name = random.choice(("critical", "kind", "length", "object_bytes", "prefix", "raw_length", "records", "sha256"))
    items: dict[str, tuple[Value, ...]] = {
        "critical": (False, None, 1), "kind": ("history", "state", "x", "", "y" * 65, "é" * 33, None),
        "prefix": (0, 1, -1, True, 2**64 - 1),
        "sha256": (bytes(32), bytes(31), None), "length": (1, 0, 2**63, 2**64 - 1),
        "object_bytes": (0, 1, 2**28, 2**30, 2**40, -1),
        "raw_length": (1, 0, 2**28, 2**29, 2**33, 2**33 + 1, 2**64 - 1), "records": (1, 2, 0, 2**32, 2**40, -1),
    }  # fmt: skip
    piece.said[name] = random.choice(items[name])
    if random.random() < 0.1:
        model.blocks = lambda entries: random.choice(
            (entries[::-1], entries + entries[:1], entries[1:], entries * 40, {}, None)
        )


def future(random: Random, model: Model) -> None:
    """What a later version may ask for."""
    what = random.randrange(4)
    if what == 0:
        model.manifest["requires"] = random.choice((["x"], ["a", "b"], ["b", "a"], [""], [b"x"], [1], {}, "x", None))
        if random.random() < 0.5:
            model.manifest["state"] = a_value(random, 1)
    elif what == 1:
        kind = random.choice(("new", "", "y" * 65, "state ", "\0"))
        entry = random.choice(
            (
                {"critical": True, "kind": kind},
                {"critical": 1, "kind": kind},
                {"critical": True, "kind": b"x"},
                [True, kind],
                {"kind": kind},
            )
        )
        model.blocks = lambda entries: [*entries, entry]
    elif what == 2:
        model.blocks = lambda entries: [{**entries[0], "critical": True, "kind": "new", "more": 1}, *entries[1:]]
    else:
        model.manifest["requires"] = []
        model.manifest["later"] = a_value(random)


def header(random: Random, model: Model) -> None:
    """A field of the header."""
    choices: tuple[Map, ...] = (
        {"magic": b"\x89JELLY\n\r"}, {"version": random.choice((0, 2, 255))},
        {"reserved": random.choice((b"\1" + bytes(6), bytes(6) + b"\1"))},
        {"length": 0}, {"length": 2**26 + 1}, {"length": 2**64 - 1}, {"raw_length": 0}, {"raw_length": 2**24 + 2**20},
        {"raw_length": 2**63}, {"raw_length": 9},
        {"total": 71}, {"total": 2**64 - 1}, {"total": 100}, {"digest": bytes(32)}, {"length": 5},
        {"raw_length": 2**28 + 1, "total": 2**40}, {},
    )  # fmt: skip
    model.head = random.choice(choices)
    if not model.head:
        extra = random.choice((b"\0", b"x" * 100))
        model.last = random.choice(
            (
                lambda data: data + extra,
                lambda data: data[: random.randrange(len(data))],
                lambda data: data[:-1],
                lambda data: data[:72],
            )
        )


def frame(random: Random, model: Model) -> None:
    """A zstd frame that is none, or not as it has to be."""
    choices: tuple[Map, ...] = (
        {"size": 5}, {"window": 0x70}, {"window": 0x69}, {"window": 0xA0}, {"window": 0xF8}, {"window": 0x00},
        {"checksum": b"\0\0\0\0"},
        {"dictionary": b"\1"}, {"dictionary": b"\1\0"}, {"descriptor": 0x08}, {"descriptor": 0x10}, {"size": 2**40},
        {"body": b"\7\0\0"}, {"body": b""},
        {"body": b"\1\0\0"}, {"window": 0x00, "size": None, "most": 1024}, {"window": 0x00, "most": 1025},
    )  # fmt: skip
    fields = random.choice(choices)
    others = [it for it in model.pieces if it.packed is None]
    if random.random() < 0.4 or not others:
        model.frame = fields
    else:
        random.choice(others).frame = fields


def frame_bytes(random: Random, model: Model) -> None:
    """Bytes of a frame, its hash mended."""

    def change(data: bytes) -> bytes:
        what = random.randrange(5)
        if what == 0:
            return data + random.choice((b"\0", b"\x50\x2a\x4d\x18\0\0\0\0", data))
        if what == 1:
            return data[: random.randrange(1, len(data))]
        if what == 2:
            return b"\x50\x2a\x4d\x18\0\0\0\0" + data
        at = random.randrange(min(len(data), 14))
        return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]

    others = [it for it in model.pieces if it.packed is None and it.raw is None]
    if random.random() < 0.5 or not others:
        model.packed = change
    else:
        piece = random.choice(others)
        piece.packed = change(wire.frame(b"".join(map(pack, piece.records))))


def _wrong(random: Random, item: Value) -> Value:
    """A value in another encoding, or none at all."""
    data = pack(item)
    raws = [b"\xc1", b"\xca\0\0\0\0", b"\xd4\1\0", b"\xc7\0\0", b"\xa1\xff", b"\xa2\xc0\x80", b"\xa3\xed\xa0\x80",
    b"\xa4\xf4\x90\x80\x80", b"\xd9\1a",
            b"\xc5\0\1x", b"\xdc\0\0", b"\xde\0\0", b"\xcc\1", b"\xcd\0\1", b"\xd0\1", b"\xd0\xff",
            b"\xcf" + bytes(8), b"\xd3" + bytes(8), b"\xdb\xff\xff\xff\xff",
            b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xda\0\x20" + b"x" * 32,
            b"\x91" * random.choice((30, 38, 39, 40, 41)) + b"\x90", b""]  # fmt: skip
    if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 2**32:
        raws += [b"\xce" + struct.pack(">L", item)] * 4
    if isinstance(item, dict) and item:
        pairs = list(item.items())
        return random.choice(
            (
                Pairs((*pairs, pairs[0])),
                Pairs(tuple(sorted(pairs, reverse=True))),
                Pairs(((b"x", 1), *pairs)),
                Raw(random.choice(raws)),
            )
        )
    return Raw(random.choice((*raws, data[:-1], data + b"\0")))


def msgpack(random: Random, model: Model) -> None:
    """A value in an encoding that is not canonical, in the manifest or in a record."""
    pieces = [it for it in model.pieces if it.raw is None]
    if random.random() < 0.7 or not pieces:
        holder, name = random.choice(faults.nodes(model.manifest))
    else:
        holder, name = random.choice(faults.nodes(random.choice(pieces).records))
    holder[name] = _wrong(random, holder[name])


def raw_bytes(random: Random, model: Model) -> None:
    """Bytes of the manifest, or of a block, its hash mended."""

    def change(data: bytes) -> bytes:
        at = random.randrange(len(data))
        return random.choice(
            (
                data[:at] + bytes([random.randrange(256)]) + data[at + 1 :], data[:at] + data[at + 1 :], data[:at],
                data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :],
                data[:at] + bytes([random.randrange(256)]) + data[at:],
            )
        )  # fmt: skip

    others = [it for it in model.pieces if it.packed is None and it.raw is None]
    if random.random() < 0.6 or not others:
        model.raw = change
    else:
        piece = random.choice(others)
        piece.raw = change(b"".join(map(pack, piece.records))) or b"\0"


def deep(random: Random, model: Model) -> None:
    """States within each other."""
    depth = random.choice((7, 8, 9, 12))
    if depth + len(graph.states(model)) > 40:
        raise Unfit
    inner = model.state
    empty = graph.add(model, TREE, b"")
    lists: Map = {"assume_unchanged": [], "conflicts": [], "intent_to_add": [], "omitted": [], "skip_worktree": []}
    for number in range(depth):
        new: Map = {
            "facts": {}, "head": {"commit": None, "ref": b"refs/heads/x"}, "index": {**lists, "tree": empty},
            "object_format": model.format,
            "operation": None, "roots": [], "submodules": [],
            "worktree": {"converted": [], "empty_directories": [], "filtered": [], "omitted": [], "tree": empty},
        }  # fmt: skip
        if random.random() < 0.02:
            new["object_format"] = random.choice(("sha256", "sha1", "md5", None))
        if number == depth - 1 and random.random() < 0.2:
            new["roots"] = [{"name": b"r", "state": {**new, "roots": []}}]
        graph.put(inner["submodules"], {"path": b"deep", "state": new}, faults.path_of)
        inner = new
    model.derive()


def many(random: Random, model: Model) -> None:
    """More of something than there may be."""
    what = random.choice((0, 1, 2)) if random.random() < 0.05 else random.choice((3, 4))  # the first take their time
    if what == 0:
        blocks = random.choice((1024, 1025))
        entry = {
            "critical": False,
            "kind": "x",
            "length": 1,
            "object_bytes": 0,
            "prefix": None,
            "raw_length": 1,
            "records": 1,
            "sha256": bytes(32),
        }
        model.blocks = lambda entries: entries + [entry] * blocks
    elif what == 1:
        model.raw = lambda data: b"\xdd\0\7\0\0" + b"\x90" * 0x70000
    elif what == 2:
        inner = {**model.state, "submodules": [], "roots": []}
        model.state["submodules"] = [
            {"path": b"%05d" % number, "state": inner} for number in range(random.choice((1100, 1024)))
        ]
    elif what == 3:
        model.manifest["extensions"]["labels"] = {f"k{number:04}": "" for number in range(random.choice((1000, 1001)))}
    else:
        model.manifest["extensions"][
            random.choice(("note", "edited", "run", "signatures", "labels", "sidecar", "binding"))
        ] = a_value(random)


FAULTS: tuple[Change, ...] = (
    faults.value, faults.value, faults.value, faults.value, faults.key, faults.summary, faults.commits,
    faults.contradiction, faults.contradiction, faults.contradiction, faults.tree, faults.tree, faults.tree,
    faults.commit, faults.objects, faults.objects,
    faults.diff, faults.chain, faults.record, block, block, future, header, frame, frame_bytes, msgpack, msgpack,
    raw_bytes, raw_bytes,
    deep, many,
)  # fmt: skip
