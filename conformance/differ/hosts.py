"""Hosts around a container, good ones and ones with a fault (SPEC section 14)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random
from typing import Any

from conformance.differ.jsontexts import Place, one, safetensors
from conformance.differ.model import parse
from conformance.differ.values import a_value
from conformance.generate.area_hdf5 import SIGNATURE
from conformance.generate.area_onnx import GRAPH, OPSET, VERSION, field, varint
from conformance.generate.trailers import END_MAGIC, locator
from conformance.generate.zips import DEFLATED, STORED, Item, Zip, embedded, wide

LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
TEXT = b'{"text": true}\n'


def _flipped(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def wrong_locator(random: Random, offset: int, box: bytes, host: int, *, broken: bool) -> bytes:
    """A locator, or one of which a field, right by its hash, is another."""
    if not broken:
        return locator(offset, box, host)
    what = random.randrange(5)
    if what == 0:
        return locator(random.choice((0, offset + 1, offset - 1 if offset else 1, 2**64 - 1)), box, host)
    if what == 1:
        return locator(offset, box, random.choice((0, host + 1, offset + 1, 2**64 - 1)))
    if what == 2:
        return locator(offset, box, host, length=random.choice((0, 71, len(box) - 1, len(box) + 1, 2**64 - 1)))
    if what == 3:
        return _flipped(random, locator(offset, box, host))
    return locator(offset, box, host)[random.randrange(1, 64) :]


def zipped(random: Random, box: bytes, broken: bool) -> Place:
    """A zip: with a locator, an entry of another tool, or a tensor."""
    top = random.choice((b"model", b"archive", b"m\xc3\xa9", b""))
    root = top + b"/" if top else b""
    names = [b"data.pkl", b"version", b"data/0", b"data/1", b"x.npy", b"byteorder"]
    items = [
        Item(root + name, random.randbytes(random.randrange(40)), random.choice((STORED, STORED, DEFLATED)))
        for name in random.sample(names, random.randrange(1, 5))
    ]
    comment = random.choice(
        (b"", b"", b"a comment", b"PK\5\6" + bytes(18), END_MAGIC.hex().encode() if broken else b"c")
    )
    host = Zip(items, comment, zip64=random.random() < 0.2)
    form = random.randrange(4)
    if form == 0:
        fault: dict[str, Any] = {}
        before = len(host.build())
        if broken:
            fault = random.choice(
                (
                    {"digits": lambda it: it.upper()}, {"digits": lambda it: it[1:]},
                    {"digits": lambda it: it[:-1] + b"g"}, {"digits": lambda it: b"x" + it[1:]},
                    {"locator": {"offset": before - 1}}, {"locator": {"host_length": before + 1}},
                    {"locator": {"length": len(box) - 1}},
                    {"added": b"PK\3\4more"}, {"digits": lambda it: it + b"\n"}, {"locator": {"digest": bytes(32)}},
                    {"directory": b""},
                    {"locator": {"length": len(box) + 9}}, {"digits": lambda it: it[:16]},
                )
            )  # fmt: skip
        return one(embedded(host, box, listed=random.choice((None, root + b".jelly/snapshot")), **fault))
    name = (
        random.choice((root + b".jelly/snapshot", b"x/y/.jelly/snapshot", b".jelly/snapshot"))
        if form < 3
        else root + b"data/7"
    )
    ours = Item(name, box, random.choice((STORED, DEFLATED)) if form < 3 else STORED)
    if form == 3 and random.random() < 0.5:
        ours.data += random.randbytes(3)
    items.insert(random.randrange(len(items) + 1) if form < 3 else len(items), ours)
    if broken:
        _break_zip(random, host, ours, box)
    elif random.random() < 0.2:
        ours.local = {"flags": 8, "crc": 0, "size": 0, "packed": 0}
    elif random.random() < 0.2:
        size = len(ours.data), len(ours.body())
        ours.central = {"size": 2**32 - 1, "packed": 2**32 - 1, "extra": wide(*size)}
        ours.local = {"size": 2**32 - 1, "packed": 2**32 - 1} if random.random() < 0.7 else {}
        ours.extra = wide(*size) if ours.local else b""
    return one(host.build())


def _break_zip(random: Random, host: Zip, ours: Item, box: bytes) -> None:
    what = random.randrange(8)
    size, number = len(ours.data), random.choice((0, 1, 2**31, 2**32 - 1))
    fields: tuple[dict[str, Any], ...] = (
        {"magic": b"PK\3\5"}, {"flags": 1}, {"flags": 8}, {"method": random.choice((8, 0, 12, 99))},
        {"size": size + 1}, {"size": number}, {"packed": number},
        {"packed": size + 1}, {"name": ours.name + b"x"}, {"extra": b"\1\0\2\0xy"}, {"extra": b"\1"},
        {"extra": wide(1)}, {"crc": 1},
    )  # fmt: skip
    if what == 0:
        ours.local = random.choice(fields)
    elif what == 1:
        ours.central = random.choice((*fields, {"offset": number}, {"comment": b"x" * 9}, {"offset": 1}))
    elif what == 2:
        host.end = random.choice(
            (
                {"disk": 1},
                {"start": 1},
                {"here": 0},
                {"count": 0},
                {"size": 1},
                {"offset": 1},
                {"comment": 1},
                {"count": 65535, "here": 65535},
                {"offset": 2**32 - 1},
                {"size": 2**32 - 1},
            )
        )
    elif what == 3:
        host.zip64 = True
        host.end64 = random.choice(
            ({"magic": b"PK\6\5"}, {"length": 45}, {"disk": 1}, {"start": 1}, {"here": 0}, {"count": 0}, {"size": 1},
            {"offset": 1}, {"locator": b"PK\6\6"}, {"on": 1}, {"at": 0}, {"disks": 2}, {"disks": 0}, {"at": 2**64 - 1})
        )  # fmt: skip
        if random.random() < 0.5:
            host.end = random.choice(({"offset": 2**32 - 1}, {"count": 65535, "here": 65535}, {"size": 2**32 - 1}))
    elif what == 4:
        host.gap = b"gap"
    elif what == 5:
        host.items.append(
            Item(
                random.choice((b"y/.jelly/snapshot", ours.name)),
                random.choice((box, _flipped(random, box), b"", b"text")),
            )
        )
    elif what == 6:
        ours.packed = random.choice(
            (b"", b"\1\0\0\xff\xff", ours.body()[:-1], b"\7")
        )  # bytes behind it need not be noticed
    else:
        other = random.choice(host.items)
        other.local, other.central = random.choice(fields), random.choice((*fields, {}))


def hdf5(random: Random, box: bytes, broken: bool) -> Place:
    """An HDF5 file with a user block."""
    block = 512
    while block < 64 + len(box):
        block *= 2
    behind = SIGNATURE + bytes(80)
    offset, host = (
        (64, 0) if not broken or random.random() < 0.7 else random.choice(((65, 0), (64, 1), (64, 64), (0, 0)))
    )
    head = wrong_locator(random, offset, box, host, broken=broken and random.random() < 0.6).rjust(64, b"\0")
    if broken and random.random() < 0.5:
        block = random.choice((block * 2, block // 2, block + 1))
        behind = random.choice((behind, behind[1:], behind[:7], b""))
    return one((head + box).ljust(block, random.choice((b"\0", b"x"))) + behind)


def trailer(random: Random, box: bytes, broken: bool) -> Place:
    """Any file with a trailer: one of GGUF, of flax, of HDF5 without a container, or of nobody."""
    gguf = b"GGUF" + random.choice((2, 3, 1, 4)).to_bytes(4, random.choice(("little", "little", "big"))) + bytes(16)
    flax = b"\x81\xa1w\xc7\x0b\1\x93\x91\2\xa5int32\xc4\0"
    host = random.choice(
        (
            gguf,
            gguf,
            b"x",
            b"",
            random.randbytes(30),
            flax,
            SIGNATURE + b"x" * 9,
            flax[:6],
            b"PK\3\5",
            LEGACY,
            b"\x08\x08" + GRAPH,
            b"{" * 30,
        )
    )
    if not broken and host in (flax, b""):
        host = b"weights"
    added = random.choice((b"\0", b"")) if broken else b""
    return one(host + box + added + wrong_locator(random, len(host), box, len(host), broken=broken))


def onnx(random: Random, box: bytes, broken: bool) -> Place:
    """An ONNX model."""
    fields = [
        VERSION,
        GRAPH,
        OPSET,
        *random.choices(
            (b"\x12\x04test", b"\x5d1234", b"\x5912345678", OPSET, b"\xea\xd4\xc8\x12\x01x"), k=random.randrange(3)
        ),
    ]
    ours = [field(box, longer=random.random() < 0.2)]
    if broken:
        faults = (
            [field(box), field(box)], [field(box + b"\0")], [field(box[:-1])], [field(b"")],
            [varint(4867404 << 3) + b"\5"], [field(b"\x88" + box[1:])], [varint(4867404 << 3 | 5) + b"1234"],
            [field(box), b"\x0b"], [field(box), b"\x3a\xff\xff\xff\xff\x0f"], [field(box), b"\x80" * 9 + b"\1"],
            [field(box), b"\x80" * 10 + b"\1"], [field(box), b"\x00\x01"], [field(box), b"\x38\x01"],
            [field(box), b"\x0a\x01x"], [field(box), b"\x81\x80\x80\x80\x10\x01"], [field(box[:40])],
            [field(box), b"\xf8\xff\xff\xff\x0f\x01"], [field(box), b"\xf8\xff\xff\xff\x1f\x01"],
        )  # fmt: skip
        ours = random.choice(faults)
    rest = fields[1:] + ours[:1]
    random.shuffle(rest)
    return one(b"".join([fields[0], *rest, *ours[1:]]))


def legacy(random: Random, box: bytes, broken: bool) -> Place:
    """A legacy torch file that a tensor of bytes lies in, bare."""
    number = LEGACY[2:]
    starts = [
        LEGACY,
        b"L119547037146038801333356L\n.",
        b"\x80\4\x95" + (12).to_bytes(8, "little") + number,
        b"\x80\1" + number,
    ]
    if broken:
        starts += [number, b"\x80\3\x95" + bytes(8) + number, LEGACY[:-1], b"L119547037146038801333356L."]
    decoys = [
        box[:80],
        box[:8],
        box[:71],
        box[:16] + bytes(56),
        box[:72] + b"\0" * 900,
        _flipped(random, box[:72]) + box[72:],
    ]
    parts = random.sample(decoys, random.randrange(3))
    if broken:
        parts += random.choice(
            ([box[:-1]], [box[:72]] * 70, [b""], [_flipped(random, box)], [box, _flipped(random, box)])
        )
        return one(random.choice(starts) + b"x".join(parts))
    return one(random.choice(starts) + b"x".join([*parts, box]) + random.choice((b"", b"more")))


def sidecar(random: Random, box: bytes, broken: bool) -> Place:
    """A container beside a file."""
    model = parse(box)
    if model is None or "binding" in model.manifest["extensions"]:
        return {"w.json": TEXT, "w.json.jelly": box}, random.choice(("w.json", "w.json.jelly"))
    tie: Any = {
        "name": random.choice((b"w.json", b"old.json", b"x\xff")),
        "sha256": hashlib.sha256(TEXT).digest(),
        "size": len(TEXT),
    }
    host = TEXT
    if broken:
        key = random.choice(("name", "sha256", "size", "host", "host", "none", "whole", "later"))
        if key == "host":
            host = random.choice((TEXT + b"x", TEXT.replace(b"true", b"null"), b""))
        elif key == "none":
            tie = None
        elif key == "whole":
            tie = a_value(random)
        elif key == "later":
            model.manifest["requires"] = ["later"]
        else:
            tie[key] = random.choice(
                (b"w.json", b"", b"a/b", b"..", bytes(32), 0, len(TEXT) + 1, 2**64 - 1, None, b"n" * 256, -1)
            )
    if tie is not None:
        model.manifest["extensions"]["sidecar"] = tie
    data = model.build()
    if broken and random.random() < 0.15:
        data = random.choice((data[:-1], data[:100], data[:8], data[:7], b"", b"text", _flipped(random, data)))
    places: tuple[Place, ...] = (
        ({"w.json": host, "w.json.jelly": data}, "w.json"), ({"w.json": host, "w.json.jelly": data}, "w.json.jelly"),
        ({"w.json": host, "x.jelly": data}, "x.jelly"), ({"w.json.jelly": data}, "w.json.jelly"),
        ({"w.json": TEXT, "v.json": host, "v.json.jelly": data}, random.choice(("v.json", "v.json.jelly"))),
    )  # fmt: skip
    return random.choice(places)


def directory(random: Random, box: bytes, broken: bool) -> Place:
    """A container in a directory."""
    index = {"m.safetensors.index.json": b' {"weight_map": {}}', "m-1.safetensors": b"x"}
    places: list[Place] = [
        ({".metadata": b"\x80", "a.distcp": b"x"}, "."), ({"_METADATA": b"{}"}, "."), (index, "."),
        (index, "m.safetensors.index.json"), ({"any": b"x"}, "."),
    ]  # fmt: skip
    files, named = random.choice(places)
    name = "jellyformat.jelly"
    if random.random() < 0.1:
        named = name
    if broken and named != name and "any" not in files:
        box = random.choice((box[:-1], box[:8], box[:7], b"", b"text", _flipped(random, box), box + b"\0", box[:60]))
        if random.random() < 0.1:
            return files, named
    return {**files, name: box}, named


HOSTS: tuple[Callable[[Random, bytes, bool], Place], ...] = (
    zipped, zipped, zipped, safetensors, safetensors, hdf5, trailer, onnx, legacy, sidecar, sidecar, directory,
)  # fmt: skip
