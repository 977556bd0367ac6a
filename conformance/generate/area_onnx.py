"""Vectors of SPEC JF-ONX: containers in a field of ONNX models."""

from __future__ import annotations

from conformance.generate.area_zip import container, other, output, written
from conformance.generate.draft import small
from conformance.generate.suite import READ, Area, Json, Vector

HOST = "malformed.host"
VERSION, GRAPH, OPSET = b"\x08\x08", b"\x3a\x03\x12\x01g", b"\x42\x02\x10\x11"
MODEL = VERSION + b"\x12\x04test" + GRAPH + OPSET

FILLED = MODEL + b"\xea\xd4\xc8\x12\x83\x00xyz\xea\xd4\xc8\x12\x00"
"""With two fillers behind it."""


def make() -> Area:
    """The area."""
    area = Area("onnx", (READ, "host:onnx"))
    box = container()
    cases = {
        "appended": ("behind the model", MODEL + field(box)),
        "first": ("behind the first field", VERSION + field(box) + GRAPH + OPSET),
        "between": ("between others", VERSION + GRAPH + field(box) + OPSET),
        "wire-types": (
            "beside fields of every wire type",
            VERSION + GRAPH + OPSET + b"\x5d1234\x5912345678" + field(box),
        ),
        "repeated": ("beside fields that stand there twice", MODEL + OPSET + VERSION + field(box)),
        "fillers": ("behind fillers, which an append that was broken off has left", FILLED + field(box)),
        "length-longer": ("with a length that is no shortest varint", MODEL + field(box, longer=True)),
    }
    ids = "JF-ONX-001"
    for name, (why, data) in cases.items():
        area.accept(name, ids, f"a container {why}", small(), data=data, host="onnx", ending="onnx", content=False)
    file = {"in": ("onnx", cases["between"][1])}
    written(area, "extract", "extract", ids, "taken out of a model", file, output(box), "onnx")
    bad = {
        "twice": ("the field twice", MODEL + field(box) + field(other())),
        "twice-same": ("the same field twice", MODEL + field(box) + field(box)),
        "varint": ("the field as a varint", MODEL + varint(4867404 << 3) + b"\5"),
        "fixed": ("the field as four bytes", MODEL + varint(4867404 << 3 | 5) + b"\x89JEL"),
        "no-magic": ("a field that does not begin with the magic", MODEL + field(b"\x88" + box[1:])),
        "longer": ("a byte behind the container", MODEL + field(box + b"\0")),
        "shorter": ("a container without its last byte", MODEL + field(box[:-1])),
        "empty": ("an empty field", MODEL + field(b"")),
    }
    for name, (why, data) in bad.items():
        area.reject(name, ids, HOST, f"a model with {why}", data, ending="onnx")
    expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
    file = {"in": ("onnx", MODEL)}
    area.add(Vector("onnx", "absent", (), "decode", area.needs, expect, "a model with nothing in it", file))
    files = {"in": ("onnx", MODEL), "container": ("jelly", box)}
    ids = "JF-HST-002 JF-HST-004 JF-ONX-001"
    written(area, "embed", "embed", ids, "behind a model", files, output(MODEL + field(box)), "onnx")
    files = {"in": ("onnx", FILLED), "container": ("jelly", box)}
    why = "behind fillers, which an append that was broken off has left"
    written(area, "embed", "embed-fillers", ids, why, files, output(FILLED + field(box)), "onnx")
    owns = {"appended": MODEL, "between": VERSION + GRAPH + OPSET, "fillers": FILLED}
    for name, own in owns.items():
        file = {"in": ("onnx", cases[name][1])}
        written(area, "strip", f"strip-{name}", ids, f"taken out again: {name}", file, output(own), "onnx")
    return area


def varint(value: int) -> bytes:
    """A number as protocol buffers write it."""
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(value: bytes, *, longer: bool = False) -> bytes:
    """The field of a container."""
    length = varint(len(value))
    if longer:
        length = length[:-1] + bytes([length[-1] | 128, 128, 0])
    return b"\xe2\xd4\xc8\x12" + length + value
