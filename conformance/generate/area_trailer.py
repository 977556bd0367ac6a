"""Vectors of SPEC JF-LOC, JF-TEN and JF-TRL: containers behind files, and in files of torch that are no zip."""

from __future__ import annotations

import struct
import zlib

from conformance.generate.area_zip import EXITS, accept, container, other, output, written
from conformance.generate.suite import READ, Area, Json, Vector
from conformance.generate.trailers import END_MAGIC, locator, trailer
from conformance.generate.wire import MAGIC
from conformance.generate.zips import Item, Zip, deflated

LOCATOR = "corrupt.locator"
ARRAY = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }".ljust(127) + b"\n" + bytes(8)
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How torch's files began before they were zips: a number, pickled."""
ALL = "JF-LOC-001 JF-TRL-001"
PICKLE = b"\x80\2" + EXITS
FRAMED = b"\x80\4\x95" + struct.pack("<Q", len(EXITS)) + EXITS
SQLITE = b"SQLite format 3\0\2\0\1\1\0\x40\x20\x20" + bytes(4) + struct.pack(">L", 1) + bytes(480)
BZIP2 = b"BZh9\x17rE8P\x90" + bytes(4)
TAR = b"name".ljust(257, b"\0") + b"ustar\00000".ljust(255, b"\0") + bytes(1024)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\1teSt\0" + struct.pack(">L", zlib.crc32(b"teSt\0")) + b"\0\0\0\0IEND\xaeB`\x82"


def make() -> Area:
    """The area."""
    area = Area("trailer", (READ, "host:trailer"))
    _found(area)
    _legacy(area)
    _absent(area)
    _locators(area)
    _embed(area)
    _strip(area)
    return area


def legacy(data: bytes = b"") -> bytes:
    """A file of torch from before the zips; whoever unpickles it, ends."""
    return LEGACY + b"\x80\x02M\xe9\x03." + EXITS + data


def _found(area: Area) -> None:
    box = container()
    hosts = {
        "array": ("behind an array of numpy", ARRAY),
        "pickle": ("behind a pickle; whoever unpickles it, ends", EXITS),
        "byte": ("behind a single byte", b"\0"),
        "magic-inside": ("behind a host with the magic and an end magic in it", b"\0" + MAGIC + END_MAGIC + b"\0"),
        "container-inside": ("behind a host with another container in it", b"\0" + other()),
        "safetensors-like": ("behind a length that is too small for safetensors", (1).to_bytes(8, "little") + b"{"),
        "safetensors-long": ("behind a length beyond the file", (1 << 20).to_bytes(8, "little") + b'{"a":1}'),
        "zip-like": ("behind a host that begins nearly as a zip", b"PK\3\5" + bytes(30)),
    }
    for name, (why, host) in hosts.items():
        ids = ALL + (" JF-HST-001" if name == "pickle" else "")
        accept(area, name, ids, why, trailer(host, box), ending="bin")
    given = {"in": ("bin", trailer(ARRAY, box))}
    written(area, "extract", "extract", ALL, "taken out of a trailer", given, output(box), "trailer")


def _legacy(area: Area) -> None:
    box = container()
    bad_digest = box[:71] + bytes([box[71] ^ 1]) + box[72:]
    ids = "JF-HST-001 JF-HDR-010"
    cases = {
        "trailer": ("a trailer behind it", trailer(legacy(), box), ALL + " JF-HST-001"),
        "tensor": ("a tensor of bytes in it", legacy(box), ids),
        "tensor-inside": ("a tensor of bytes between others", legacy(b"abc" + box + bytes(40)), ids),
        "decoys": (
            "places that look like a container, before it: a magic, a header without a manifest, a wrong digest",
            legacy(MAGIC + b"x" + box[:72] + bad_digest + MAGIC + box + b"x"),
            ids,
        ),
        "twice": ("two containers: the first counts", legacy(box + other()), ids),
        "trailer-first": ("a trailer and a tensor: the trailer counts", trailer(legacy(other()), box), ALL),
    }
    for name, (why, data, requirements) in cases.items():
        accept(area, f"legacy-{name}", requirements, f"a file of torch that is no zip: {why}", data, ending="bin")
    decoy = box[:40] + bytes(32)
    why = "a file of torch that is no zip: 63 headers whose digest is wrong, and a container, the 64th to be looked at"
    accept(area, "legacy-candidates-64", ids + " JF-TEN-001", why, legacy(decoy * 63 + box), ending="bin")
    why = "a file of torch that is no zip: 64 headers whose digest is wrong, and a container"
    data = legacy(decoy * 64 + box)
    area.reject("legacy-candidates-65", "JF-TEN-001", "limit.count", why, data, ending="bin")
    given = {"in": ("bin", legacy(b"abc" + box + bytes(40)))}
    written(area, "extract", "extract-legacy", ids, "taken out of a tensor", given, output(box), "trailer")


def _absent(area: Area) -> None:
    box = container()
    cases = {
        "nothing": ("an array with nothing in it", ARRAY),
        "empty": ("an empty file", b""),
        "legacy": ("a file of torch with nothing in it", legacy()),
        "legacy-decoys": ("a file of torch with what only looks like one", legacy(MAGIC + box[8:72] + MAGIC)),
        "not-searched": ("a container in a file that is not of torch", b"\0" + box + b"\0"),
        "end-magic-before-end": ("an end magic before the last byte", trailer(ARRAY, box) + b"\0"),
        "end-magic-damaged": ("an end magic with a bit flipped", trailer(ARRAY, box)[:-1] + b"\x88"),
    }
    for name, (why, data) in cases.items():
        expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
        area.add(Vector(area.name, f"absent-{name}", (), "decode", area.needs, expect, why, {"in": ("bin", data)}))


def _locators(area: Area) -> None:
    box = container()
    size = len(ARRAY)
    good = bytearray(trailer(ARRAY, box))
    for name, place in (("offset", 7), ("length", 15), ("host-length", 23), ("sha256", 24), ("sha256-last", 55)):
        data = bytearray(good)
        data[place - 64] ^= 1
        why = f"a bit of the locator's {name} flipped"
        area.reject(f"locator-bit-{name}", "JF-LOC-001", LOCATOR, why, bytes(data), ending="bin")
    wrong: dict[str, tuple[str, bytes]] = {
        "offset-far": ("the container lies far behind the file", locator(1 << 62, box, size)),
        "offset-wraps": ("offset and length wrap around", locator((1 << 64) - 8, box, size, length=size + 8)),
        "length-less": ("a length one less than the total length", locator(size, box, size, length=len(box) - 1)),
        "length-short": ("a length less than a header's", locator(size, box, size, length=8)),
        "host-longer": ("a host longer than where the container begins", locator(size, box, size + 1)),
    }
    for name, (why, raw) in wrong.items():
        area.reject(f"locator-{name}", "JF-LOC-001", LOCATOR, why, ARRAY + box + raw, ending="bin")
    data = bytearray(good)
    data[size + 50] ^= 1
    why = "a bit of the container's header flipped, which the locator covers"
    area.reject("locator-header", "JF-LOC-001", LOCATOR, why, bytes(data), ending="bin")
    short = locator(size, box, size)[-40:]
    area.reject("locator-cut-off", "JF-LOC-001", LOCATOR, "a file of 40 bytes with an end magic", short, ending="bin")
    area.reject("locator-alone", "JF-LOC-001", LOCATOR, "a locator alone", locator(0, box, 0), ending="bin")
    gaps: dict[str, tuple[str, bytes]] = {
        "before": ("between host and container", ARRAY + b"gap" + box + locator(size + 3, box, size)),
        "behind": ("between container and locator", ARRAY + box + b"gap" + locator(size, box, size)),
        "host-shorter": ("as the host length is less", ARRAY + box + locator(size, box, size - 1)),
    }
    for name, (why, data_) in gaps.items():
        area.reject(f"gap-{name}", "JF-TRL-001", LOCATOR, f"a gap {why}", data_, ending="bin")


def _embed(area: Area) -> None:
    box = container()
    hosts = {
        "array": ARRAY,
        "pickle": b"\x80\x04" + EXITS,
        "pickle-framed": FRAMED,
        "legacy": legacy(),
        "sqlite": SQLITE,
        "bzip2": BZIP2,
        "tar": TAR,
        "png": PNG,
        "tflite": b"\x10\0\0\0TFL3" + bytes(40),
        "ort": b"\x10\0\0\0ORTM" + bytes(40),
        "gguf-big-endian": b"GGUF" + struct.pack(">L2Q", 3, 0, 0) + bytes(8),
    }
    ids = "JF-HST-001 JF-HST-002 JF-HST-004 JF-TRL-002 JF-TRL-003"
    for name, host in hosts.items():
        files = {"in": ("bin", host), "container": ("jelly", box)}
        written(
            area, "embed", f"embed-{name}", ids, f"behind a host: {name}", files, output(trailer(host, box)), "trailer"
        )
    text = b'{"text": true}\n' * 9
    refused = {
        "empty": b"",
        "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\3" + deflated(text) + struct.pack("<2L", zlib.crc32(text), len(text)),
        "zlib": b"\x78\x01" + deflated(text) + struct.pack(">L", zlib.adler32(text)),
        "xz": b"\xfd7zXZ\0" + bytes(40),
        "zstd": b"\x28\xb5\x2f\xfd\x20\x01\x09\0\0x",
        "lz4": b"\x04\x22\x4d\x18" + bytes(30),
        "parquet": b"PAR1" + bytes(40) + b"PAR1",
        "arrow": b"ARROW1\0\0" + bytes(40) + b"ARROW1",
        "feather": b"FEA1" + bytes(40) + b"FEA1",
        "orc": b"ORC" + bytes(40) + b"ORC\x13",
        "json": text,
        "yaml": b"lr: 0.1\nlayers:\n  - 3\n" * 4,
        "zip-at-end": b"#!/bin/sh\n\0\xff" + Zip([Item(b"a", b"a")]).build(),
        "ggml": b"lmgg" + bytes(40),
        "kaldi": b"utterance-1 \0BFV \4\1\0\0\0" + bytes(4),
        "paddle": bytes(16) + b"\6\0\0\0\x08\5\x10\3\x10\2" + bytes(24),
        "pickles": PICKLE + PICKLE,
        "pickles-framed": FRAMED + b"\x80\2" + EXITS,
        "arrays": ARRAY + ARRAY,
    }
    for name, host in refused.items():
        files = {"in": ("bin", host), "container": ("jelly", box)}
        expect: Json = {"error": {"class": "refused.host", "requirement": "JF-HST-004"}}
        why = f"a file that its own readers would no longer read: {name}"
        written(area, "embed", f"refused-{name}", "JF-HST-004 JF-HST-003", why, files, expect, "trailer")
        if host:
            files = {**files, "in": ("bin", trailer(host, other()))}
            why += ", behind which another tool has put a container all the same"
            written(area, "embed", f"refused-again-{name}", "JF-HST-004 JF-HST-003", why, files, expect, "trailer")

    unknown = {
        "zeros": bytes(100),
        "raw": b"".join(struct.pack("<f", number / 7) for number in range(100)),
        "jpeg": b"\xff\xd8\xff\xe0" + bytes(40) + b"\xff\xd9",
        "pickle-more": PICKLE + b"more",
        "pickle-cut-off": PICKLE[:-1],
        "pickle-framed-more": FRAMED + bytes(9),
        "array-more": ARRAY + b"\0",
        "array-of-records": ARRAY.replace(b"'<f4', ", b"[('a', '<f4')], ", 1),
        "tar-no-end": TAR[:512],
        "tar-uneven": TAR + b"\0",
        "sqlite-longer": SQLITE + bytes(512),
        "png-more": PNG + b"\0",
        "gguf-version": b"GGUF" + struct.pack(">L2Q", 4, 0, 0) + bytes(8),
    }
    expect = {"error": {"class": "refused.host", "requirement": "JF-TRL-002"}}
    for name, host in unknown.items():
        files = {"in": ("bin", host), "container": ("jelly", box)}
        why = f"a file of which it is not known where its readers stop: {name}"
        written(area, "embed", f"unknown-{name}", "JF-TRL-002 JF-HST-003", why, files, expect, "trailer")

    onnx = b"\x08\x08\x12\4test\x28\1\x3a\x64" + bytes(100)
    for name, host in {
        "array": ARRAY[:-1],
        "array-header": ARRAY[:-8],
        "onnx": onnx[:-1],
        "onnx-half": onnx[:60],
    }.items():
        files = {"in": ("bin", host), "container": ("jelly", box)}
        expect = {"error": {"class": "malformed.host", "requirement": "JF-TRL-003"}}
        why = f"a file that is cut off: {name}"
        written(area, "embed", f"cut-off-{name}", "JF-TRL-003 JF-HST-003", why, files, expect, "trailer")


def _strip(area: Area) -> None:
    box = container()
    for name, host in (("array", ARRAY), ("pickle", EXITS), ("legacy", legacy())):
        given = {"in": ("bin", trailer(host, box))}
        why = f"taken out again from behind: {name}"
        written(area, "strip", f"strip-{name}", "JF-HST-002", why, given, output(host), "trailer")
    expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
    written(
        area, "strip", "strip-absent", "JF-HST-003", "nothing to take out", {"in": ("bin", ARRAY)}, expect, "trailer"
    )
    expect = {"error": {"class": LOCATOR, "requirement": "JF-TRL-001"}}
    size = len(ARRAY)
    given = {"in": ("bin", ARRAY + b"gap" + box + locator(size + 3, box, size))}
    why = "a trailer with a gap is not cut off"
    written(area, "strip", "strip-gap", "JF-TRL-001 JF-HST-003", why, given, expect, "trailer")
