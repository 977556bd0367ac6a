"""Vectors of SPEC JF-GGF: containers behind GGUF files."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from conformance.generate.area_zip import container, output, written
from conformance.generate.draft import small
from conformance.generate.suite import READ, Area, Json, Vector, expected_content
from conformance.generate.trailers import locator, trailer

U32, STRING, ARRAY, F32, I8, Q8 = 4, 8, 9, 0, 24, 8
"""Types of values, and of tensors."""
Entry = tuple[bytes, int, bytes]


@dataclass(frozen=True)
class Item:
    """A tensor: where ``offset`` is None, behind the one before it."""

    name: bytes
    shape: tuple[int, ...]
    data: bytes
    kind: int = F32
    offset: int | None = None
    dimensions: int | None = None


def string(data: bytes, length: int | None = None) -> bytes:
    """A string; ``length`` may be given wrongly."""
    return struct.pack("<Q", len(data) if length is None else length) + data


def number(value: int) -> bytes:
    """A 32-bit integer."""
    return struct.pack("<I", value)


def alignment(value: int, kind: int = U32) -> Entry:
    """The metadata that gives it."""
    return b"general.alignment", kind, number(value)


W = Item(b"w", (3, 2), bytes(range(24)))
V = Item(b"v\xc3\xa9", (4,), b"\1\2\3\4", I8)
KINDS: tuple[Entry, ...] = (
    (b"u8", 0, b"1"),
    (b"i16", 3, b"12"),
    (b"f32", 6, b"1234"),
    (b"bool", 7, b"\1"),
    (b"f64", 12, b"12345678"),
    (b"text", STRING, string(b"text")),
    (b"words", ARRAY, number(STRING) + string(b"", 3) + string(b"a") + string(b"") + string(b"words")),
    (b"numbers", ARRAY, number(3) + struct.pack("<Q", 2) + b"1234"),
    (b"arrays", ARRAY, number(ARRAY) + struct.pack("<Q", 2) + (number(0) + string(b"ab")) * 2),
)
"""A value of each kind."""


def gguf(
    *items: Item,
    version: int = 3,
    entries: tuple[Entry, ...] = (),
    align: int = 32,
    order: str = "<",
) -> bytes:
    """A file, whose metadata say otherwise where its alignment is not 32."""
    head = b"GGUF" + struct.pack(f"{order}IQQ", version, len(items), len(entries))
    head += b"".join(string(key) + number(kind) + value for key, kind, value in entries)
    data = b""
    for item in items:
        data += bytes(-len(data) % align)
        head += string(item.name) + number(len(item.shape) if item.dimensions is None else item.dimensions)
        head += b"".join(struct.pack("<Q", size) for size in item.shape)
        head += struct.pack("<IQ", item.kind, len(data) if item.offset is None else item.offset)
        data += item.data
    return head + bytes(-len(head) % align if items else 0) + data


MODEL = gguf(W, V, entries=KINDS)


def make() -> Area:
    """The area."""
    area = Area("gguf", (READ, "host:gguf"))
    box = container()
    ids = "JF-LOC-001 JF-TRL-001"
    found = {
        "version-2": ("behind a file of version 2", gguf(W, version=2)),
        "version-3": ("behind a file of version 3", MODEL),
        "not-parsed": ("behind a file whose header is broken, which nobody has asked about", MODEL[:40]),
    }
    for name, (why, host) in found.items():
        data = trailer(host, box)
        area.accept(name, ids, f"a container {why}", small(), data=data, host="gguf", ending="gguf", content=False)
    file = {"in": ("gguf", trailer(MODEL, box))}
    written(area, "extract", "extract", ids, "taken out of a file", file, output(box), "gguf")
    expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
    why = "a file with nothing in it"
    area.add(Vector("gguf", "absent", (), "decode", area.needs, expect, why, {"in": ("gguf", MODEL)}))
    others = {"version-1": gguf(W, version=1), "big-endian": gguf(order=">")}
    for name, data in others.items():
        expect = {"content": expected_content(small(), box, "trailer", ("manifest", "files"))}
        file = {"in": ("gguf", trailer(data, box))}
        why = f"a container behind a trailer host, no GGUF file: {name}"
        area.add(
            Vector("gguf", name, tuple(ids.split()), "decode", (READ, "host:trailer", "host:gguf"), expect, why, file)
        )
    bad = locator(len(MODEL), box, len(MODEL), digest=bytes(32))
    area.reject("locator", "JF-LOC-001", "corrupt.locator", "a wrong SHA-256", MODEL + box + bad, ending="gguf")
    gap = MODEL + b"gap" + box + locator(len(MODEL) + 3, box, len(MODEL))
    area.reject("gap", "JF-TRL-001", "corrupt.locator", "a gap in front of the container", gap, ending="gguf")
    _embed(area)
    _refused(area)
    return area


def _embed(area: Area) -> None:
    box = container()
    hosts = {
        "all": MODEL,
        "version-2": gguf(W, V, version=2),
        "alignment": gguf(W, V, entries=(*KINDS, alignment(128)), align=128),
        "blocks": gguf(Item(b"q", (64, 2), bytes(4 * 34), Q8)),
        "no-dimension": gguf(Item(b"one", (), b"1234")),
        "unknown-type": gguf(Item(b"new", (3, 1 << 40), b"12", 1000), W),
        "no-tensors": gguf(entries=KINDS),
        "zip-at-end": gguf(Item(b"zip", (22,), b"PK\5\6" + bytes(18), I8)),
        "arrays-8": gguf(W, entries=((b"deep", ARRAY, nested(8)),)),
        "dimensions-16": gguf(Item(b"wide", (1,) * 16, b"1234")),
    }
    ids = "JF-GGF-001 JF-GGF-002 JF-HST-002 JF-HST-004"
    for name, host in hosts.items():
        files = {"in": ("gguf", host), "container": ("jelly", box)}
        written(area, "embed", f"embed-{name}", ids, f"into a file: {name}", files, output(trailer(host, box)), "gguf")
    for name, host in (("all", MODEL), ("not-parsed", MODEL[:40])):
        file = {"in": ("gguf", trailer(host, box))}
        written(area, "strip", f"strip-{name}", "JF-HST-002", f"out of a file: {name}", file, output(host), "gguf")


def nested(depth: int) -> bytes:
    """The value of an array that holds an array, and so on: so many in all."""
    inner = number(0) + struct.pack("<Q", 0)
    for _ in range(depth - 1):
        inner = number(ARRAY) + struct.pack("<Q", 1) + inner
    return inner


def _refused(area: Area) -> None:
    box = container()
    head, tensors = "JF-GGF-001", "JF-GGF-002"
    long_name = Item(b"n" * 65_536, (1,), b"1234")
    cases: dict[str, tuple[str, bytes]] = {
        "cut-off-header": (head, MODEL[:100]),
        "cut-off-counts": (head, MODEL[:20]),
        "value-type": (head, gguf(W, entries=((b"a", 13, b""),))),
        "array-type": (head, gguf(W, entries=((b"a", ARRAY, number(13) + string(b"", 0)),))),
        "array-too-long": (head, gguf(W, entries=((b"a", ARRAY, number(0) + string(b"", (1 << 64) - 1)),))),
        "strings-too-many": (head, gguf(W, entries=((b"a", ARRAY, number(STRING) + string(b"", 1 << 62)),))),
        "string-too-long": (head, gguf(W, entries=((b"a", STRING, string(b"", 1 << 63)),))),
        "arrays-9": (head, gguf(W, entries=((b"deep", ARRAY, nested(9)),))),
        "name-too-long": (head, gguf(long_name)),
        "dimensions-17": (head, gguf(Item(b"wide", (1,) * 17, b"1234"))),
        "dimensions-far-too-many": (head, gguf(Item(b"w", (3, 2), W.data, dimensions=(1 << 32) - 1))),
        "tensor-twice": (head, gguf(W, V, Item(b"w", (1,), b"1234"))),
        "alignment-0": (head, gguf(W, entries=(alignment(0),))),
        "alignment-48": (head, gguf(W, entries=(alignment(48),), align=48)),
        "alignment-twice": (head, gguf(W, entries=(alignment(32), alignment(32)))),
        "alignment-signed": (head, gguf(W, entries=(alignment(32, 5),))),
        "cut-off": (tensors, gguf(W)[:-1]),
        "outside": (tensors, gguf(Item(b"w", (3, 2), W.data, offset=1 << 63))),
        "outside-unknown-type": (tensors, gguf(Item(b"w", (3, 2), W.data, 1000, offset=64))),
        "too-large": (tensors, gguf(Item(b"w", ((1 << 62) + 1, 4), W.data))),
        "offset": (tensors, gguf(Item(b"w", (3, 1), W.data, offset=4))),
        "offset-unknown-type": (tensors, gguf(Item(b"w", (3, 1), W.data, 1000, offset=4))),
        "row": (tensors, gguf(Item(b"q", (16, 2), bytes(34), Q8))),
    }
    for name, (requirement, host) in cases.items():
        expect: Json = {"error": {"class": "malformed.host", "requirement": requirement}}
        files = {"in": ("gguf", host), "container": ("jelly", box)}
        why = f"a file that is not to be changed: {name}"
        written(area, "embed", f"refused-{name}", f"{requirement} JF-HST-003", why, files, expect, "gguf")
