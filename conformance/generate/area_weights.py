"""Vectors of SPEC JF-BND: what the weights of hosts hash to."""

from __future__ import annotations

import base64

from conformance.generate import area_gguf, area_onnx, derive
from conformance.generate.area_directory import DCP, FILE, KINDS, ORBAX, TENSORS, Place
from conformance.generate.area_hdf5 import block, hdf5
from conformance.generate.area_safetensors import (
    DATA,
    FORMAT,
    WEIGHT,
    file,
    metadata_form,
    new_metadata_form,
    plain,
    tensor_form,
)
from conformance.generate.area_sidecar import BESIDE, NAME, TEXT, error, sidecar
from conformance.generate.area_trailer import ARRAY, legacy
from conformance.generate.area_zip import ENTRY, arrays, container, torch
from conformance.generate.suite import BIND, Area, Json, Vector
from conformance.generate.trailers import trailer
from conformance.generate.weights import PIECE, Map, Weight, binding, entries, whole, zeros
from conformance.generate.zips import DEFLATED, Item, Zip, embedded

BROKEN, REFUSED, PARTIAL = "JF-BND-004", "JF-BND-007", "JF-BND-008"
W = Weight(b"w", DATA, "F32", (2,))
NPZ = entries((b"a.npy", b"\x93NUMPY a"), (b"b.npy", b"\x93NUMPY b"))
TORCH_ITEMS = [(item.name.partition(b"/")[2], item.data) for item in torch().items]
TORCH = entries(*TORCH_ITEMS)
ENCRYPTED = Item(b"c", b"c", local={"flags": 1}, central={"flags": 1})


def make() -> Area:
    """The area."""
    area = Area("weights", (BIND,))
    _zips(area)
    _tensors(area)
    _gguf(area)
    _bytes(area)
    _directories(area)
    _broken(area)
    return area


def _weights(area: Area, name: str, ids: str, why: str, kind: str, host: bytes | Place, expect: Map | Json) -> None:
    """The weights of a host, a file or a directory, are asked for."""
    named = next(iter(host)) if isinstance(host, dict) and kind == "sidecar" else "."
    files: dict[str, tuple[str, bytes]] = {} if isinstance(host, dict) else {"in": ("bin", host)}
    place = host if isinstance(host, dict) else {}
    wanted = expect if "error" in expect else {"content": {"binding": derive.to_json(expect)}}
    needs = (BIND, f"host:{kind}")
    area.add(
        Vector(area.name, name, tuple(ids.split()), "weights", needs, wanted, why, files, {"host": kind},
               place, named)
    )  # fmt: skip


def _zips(area: Area) -> None:
    box = container()
    a, b = Item(b"a.npy", b"\x93NUMPY a"), Item(b"b.npy", b"\x93NUMPY b")
    packed = Zip([Item(a.name, a.data, DEFLATED), b])
    listed = b"archive/" + ENTRY
    again = torch(Item(listed, box, DEFLATED))
    other_root = Zip([Item(item.name.replace(b"archive", b"best"), item.data) for item in torch().items])
    unstable = torch(Item(b"archive/.data/serialization_id", b"123"))
    twice = (b"a", b"one"), (b"a", b"two")
    cases: dict[str, tuple[str, str, bytes, Map]] = {
        "stored": ("stored entries", REFUSED, arrays().build(), NPZ),
        "deflated": ("the same, one of them deflated", f"{REFUSED} {BROKEN}", packed.build(), NPZ),
        "order": ("the same in another order", REFUSED, Zip([b, a]).build(), NPZ),
        "empty": ("no entries", REFUSED, Zip([]).build(), entries()),
        "tensor": (
            "a tensor that holds a container, which is a weight like others", REFUSED,
            Zip([Item(b"r/data.pkl", b"."), Item(b"r/data/0", box)]).build(),
            entries((b"data.pkl", b"."), (b"data/0", box)),
        ),
        "entry-empty": ("an entry of no bytes, which has no piece", REFUSED, Zip([Item(b"a", b"")]).build(),
                        entries((b"a", b""))),
        "twice": ("two entries of one name", REFUSED, Zip([Item(*item) for item in twice]).build(), entries(*twice)),
        "twice-same": ("an entry twice, which counts once", BROKEN, Zip([a, b, a]).build(), NPZ),
        "root-kept": (
            "names with directories, which stay", REFUSED, Zip([Item(b"r/a", b"1"), Item(b"r/b", b"2")]).build(),
            entries((b"r/a", b"1"), (b"r/b", b"2")),
        ),
        "not-utf-8": ("a name that is no UTF-8", REFUSED, Zip([Item(b"\xff\0", b"1")]).build(),
                      entries((b"\xff\0", b"1"))),
        "piece": (
            "an entry of one whole piece, deflated", BROKEN,
            Zip([Item(b"a", bytes(PIECE), DEFLATED, zeros(PIECE))]).build(), entries((b"a", bytes(PIECE))),
        ),
        "pieces": (
            "an entry of a piece and a byte, deflated", BROKEN,
            Zip([Item(b"a", bytes(PIECE + 1), DEFLATED, zeros(PIECE + 1))]).build(), entries((b"a", bytes(PIECE + 1))),
        ),
        "torch": ("entries of torch, without their root", REFUSED, torch().build(), TORCH),
        "torch-root": ("the same with another root", REFUSED, other_root.build(), TORCH),
        "torch-id": ("the same with an id of the saving, which is left out", REFUSED, unstable.build(), TORCH),
        "torch-no-root": (
            "entries of torch of whose names nothing would be left without the root", REFUSED,
            torch(Item(b"top", b"1"), Item(b"archive/", b"")).build(),
            entries(*TORCH_ITEMS, (b"top", b"1"), (b"archive/", b"")),
        ),
        "carried": ("a container in the unlisted form", "JF-BND-001", embedded(arrays(), box), NPZ),
        "carried-listed": (
            "a container in the listed form", "JF-BND-001", embedded(torch(), box, listed=listed), TORCH,
        ),
        "carried-again": ("a container that a tool has packed again", "JF-BND-001", again.build(), TORCH),
        "carried-root": ("a container at the root of a zip", "JF-BND-001", Zip([a, b, Item(ENTRY, box)]).build(), NPZ),
        "carried-not": (
            "an entry whose name only ends alike, which is a weight", "JF-BND-001",
            Zip([a, b, Item(b"x.jelly/snapshot", b"x")]).build(),
            entries((a.name, a.data), (b.name, b.data), (b"x.jelly/snapshot", b"x")),
        ),
        "many": (
            "two hundred entries", "JF-BND-005", Zip([Item(b"%d" % n, b"%d" % n) for n in range(200)]).build(),
            entries(*((b"%d" % n, b"%d" % n) for n in range(200))),
        ),
    }  # fmt: skip
    for name, (why, ids, data, expect) in cases.items():
        _weights(area, f"zip-{name}", ids, f"a zip with {why}", "zip", data, expect)


def _tensors(area: Area) -> None:
    box = container()
    one = binding("tensors", W)
    two = binding("tensors", W, Weight("v\u00e9/\U0001f40d".encode(), DATA[:4], "I32", ()))
    text = b'"v\\u00e9\\/\\ud83d\\udc0d":{ "shape":[], "data_offsets":[8,12], "dtype":"I32" }'
    nothing = binding("tensors", Weight(b"e", b"", "F8_E4M3", (0, 1 << 40)), W)
    cases: dict[str, tuple[str, str, bytes, Map]] = {
        "one": ("one tensor", BROKEN, file(b"{" + WEIGHT + b"}"), one),
        "metadata": ("metadata", "JF-BND-001", file(b"{" + FORMAT + b"," + WEIGHT + b"}"), one),
        "none": ("nothing in it", BROKEN, file(b"{}", b""), binding("tensors")),
        "two": ("two, one of an escaped name", BROKEN, file(b"{" + WEIGHT + b"," + text + b"}", DATA + DATA[:4]), two),
        "order": ("the same in another order", BROKEN, file(b"{" + text + b"," + WEIGHT + b"}", DATA + DATA[:4]), two),
        "moved": (
            "the data in another order", BROKEN,
            file(b"{" + text.replace(b"8,12", b"0,4") + b"," + WEIGHT.replace(b"0,8", b"4,12") + b"}", DATA[:4] + DATA),
            two,
        ),
        "no-data": (
            "one of no bytes", BROKEN,
            file(b'{"e":{"dtype":"F8_E4M3","shape":[0,1099511627776],"data_offsets":[8,8]},' + WEIGHT + b"}"), nothing,
        ),
        "carried": (
            "a container in the metadata", "JF-BND-001",
            file(b'{"__metadata__":{' + metadata_form(box) + b'"format":"pt"},' + WEIGHT + b"}"), one,
        ),
        "carried-new": (
            "a container and no metadata of its own", "JF-BND-001",
            file(b"{" + new_metadata_form(box) + WEIGHT + b"}"), one,
        ),
        "carried-again": (
            "a container that a tool has written again", "JF-BND-001",
            file(b"{" + WEIGHT + b',"__metadata__":{"format":"pt",' + plain(box) + b"}}"), one,
        ),
        "carried-tensor": (
            "a container as a tensor", "JF-BND-001",
            file(b"{" + tensor_form(8, len(box)) + FORMAT + b"," + WEIGHT + b"}", DATA + box), one,
        ),
    }  # fmt: skip
    assert base64.b64encode(box) in cases["carried"][2]
    for name, (why, ids, data, expect) in cases.items():
        _weights(area, f"tensors-{name}", ids, f"safetensors: {why}", "safetensors", data, expect)


def _gguf(area: Area) -> None:
    w, v, gguf = area_gguf.W, area_gguf.V, area_gguf.gguf
    two = binding("tensors", Weight(w.name, w.data, "F32", (3, 2)), Weight(v.name, v.data, "I8", (4,)))
    quantized = area_gguf.Item(b"q", (32, 2), bytes(range(68)), 8)
    new = gguf(w, area_gguf.Item(b"new", (4,), b"1234", 1000))
    aligned = gguf(w, v, entries=(area_gguf.alignment(256),), align=256)
    cases: dict[str, tuple[str, str, bytes, Map]] = {
        "two": ("two tensors", "JF-GGF-002", gguf(w, v), two),
        "again": ("the same in another order, with metadata", "JF-GGF-002", gguf(v, w, entries=area_gguf.KINDS), two),
        "aligned": ("the same with another alignment", "JF-GGF-001", aligned, two),
        "carried": ("a container behind it", "JF-BND-001", trailer(gguf(w, v), container()), two),
        "none": ("no tensors", "JF-GGF-001", gguf(), binding("tensors")),
        "blocks": (
            "a tensor in blocks", "JF-GGF-002", gguf(quantized),
            binding("tensors", Weight(b"q", quantized.data, "Q8_0", (32, 2))),
        ),
        "unknown-type": ("a tensor of a type that is not listed: all bytes", "JF-BND-001", new, whole(new)),
        "unknown-type-carried": (
            "the same with a container behind it", "JF-BND-001", trailer(new, container()), whole(new),
        ),
    }  # fmt: skip
    for name, (why, ids, data, expect) in cases.items():
        _weights(area, f"gguf-{name}", ids, f"a GGUF file: {why}", "gguf", data, expect)
    same = [area_gguf.Item(b"%d" % number, (30,), b"" if number else bytes(120), offset=0) for number in range(10)]
    expect = error("malformed.host", BROKEN)
    why = "a GGUF file with ten tensors that are the same bytes, more than the file has"
    _weights(area, "gguf-overlap", BROKEN, why, "gguf", gguf(*same), expect)
    expect = error("malformed.host", "JF-GGF-002")
    _weights(area, "gguf-cut-off", "JF-GGF-002", "a GGUF file that is cut off", "gguf", gguf(w, v)[:-1], expect)
    expect = error("malformed.host", "JF-GGF-001")
    _weights(area, "gguf-broken", "JF-GGF-001", "a GGUF file that ends in its header", "gguf", gguf(w)[:40], expect)


def _bytes(area: Area) -> None:
    box = container()
    model = area_onnx.MODEL
    cases: dict[str, tuple[str, str, bytes, bytes]] = {
        "trailer": ("trailer", "an array of numpy", ARRAY, ARRAY),
        "trailer-carried": ("trailer", "a container behind it", trailer(ARRAY, box), ARRAY),
        "legacy": ("trailer", "a file of torch that is no zip", legacy(), legacy()),
        "legacy-carried": ("trailer", "the same with a container behind it", trailer(legacy(), box), legacy()),
        "hdf5": ("hdf5", "an HDF5 file", hdf5(0), hdf5(0)),
        "hdf5-carried": ("hdf5", "a container in its user block", block(box, 2048) + hdf5(0, 2048), hdf5(0)),
        "hdf5-carried-3": ("hdf5", "the same, superblock version 3", block(box, 2048) + hdf5(3, 2048), hdf5(3)),
        "onnx": ("onnx", "a model", model, model),
        "onnx-carried": ("onnx", "a container behind a model", model + area_onnx.field(box), model),
    }
    for name, (kind, why, data, own) in cases.items():
        _weights(area, name, "JF-BND-001", f"all bytes of the file: {why}", kind, data, whole(own))
    why = "all bytes of a file beside which a container lies"
    _weights(area, "sidecar", "JF-BND-001", why, "sidecar", {NAME: TEXT, BESIDE: sidecar().build()}, whole(TEXT))


def _directories(area: Area) -> None:
    box = container()

    def files(place: Place, *names: str) -> Map:
        return binding("files", *(Weight(name.encode(), place[name]) for name in names))

    parts = {
        "config.json": b"{}",
        "model-1.safetensors": file(b"{" + FORMAT + b"," + WEIGHT + b"}"),
        "model-2.safetensors": file(b'{"v":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}'),
        "model-3.safetensors": b"text\n",
        "pytorch_model.bin": torch().build(),
    }
    names = binding("tensors", W, Weight(b"v", DATA, "U8", (8,)))
    two = {"config.json": b"{}", "a.bin": torch().build(), "b.bin": legacy(), "c.bin": b"text\n"}
    items = [(b"a.bin/" + item.name.partition(b"/")[2], item.data) for item in torch().items]
    other = {"a": b"1", "b/c": b"2", "b/jellyformat.jelly": b"3"}
    cases: dict[str, tuple[str, Place, Map]] = {
        "dcp": ("the .distcp files alone", DCP, files(DCP, "__0_0.distcp")),
        "orbax": ("all files, those below too", ORBAX, files(ORBAX, *ORBAX)),
        "orbax-carried": ("all files but for the container", {**ORBAX, FILE: box}, files(ORBAX, *ORBAX)),
        "model": ("the tensors of one file", KINDS["model"], binding("tensors", W)),
        "model-parts": ("the tensors of two files together", parts, names),
        "model-torch": ("the entries of torch files and the bytes of legacy ones", two,
                        entries(*items, (b"b.bin/", legacy()))),
        "model-torch-carried": (
            "the same with containers in them",
            {
                **two, "a.bin": embedded(torch(), box, listed=b"archive/" + ENTRY), "b.bin": trailer(legacy(), box),
                FILE: box,
            },
            entries(*items, (b"b.bin/", legacy())),
        ),
        "other": ("all files but for the container at its top", {**other, FILE: box}, files(other, *other)),
    }  # fmt: skip
    for name, (why, place, expect) in cases.items():
        _weights(area, f"directory-{name}", "JF-BND-001", f"a directory: {why}", "directory", place, expect)
    _indexes(area)


def _indexes(area: Area) -> None:
    """Directories whose index names the files with weights."""

    def place(text: bytes) -> Place:
        return {"model.safetensors.index.json": text, "model.safetensors": TENSORS}

    expect = binding("tensors", W)
    good = place(b'{"weight_map": {"w": "model.safetensors"}}')
    _weights(area, "directory-index", PARTIAL, "an index that names a file in the directory", "directory", good, expect)
    cases = {
        "missing": (
            "a file that is not there",
            b'{"weight_map": {"v": "model.safetensors", "w": "other.safetensors"}}',
        ),
        "below": ("a file in a subdirectory", b'{"weight_map": {"w": "sub/model.safetensors"}}'),
        "above": ("a file that is not in the directory", b'{"weight_map": {"w": "../p/model.safetensors"}}'),
        "empty": ("a file without a name", b'{"weight_map": {"w": ""}}'),
        "number": ("what is no name", b'{"weight_map": {"w": 1}}'),
        "list": ("no map", b'{"weight_map": ["model.safetensors"]}'),
        "text": ("no JSON", b'{"weight_map": {'),
        "surrogate": ("half a character", b'{"weight_map": {"w": "\\ud800"}}'),
    }
    for name, (why, text) in cases.items():
        files = place(text)
        if name == "below":
            files["sub/model.safetensors"] = TENSORS
        _weights(
            area, f"directory-index-{name}", PARTIAL, f"an index that names {why}", "directory", files,
            error("refused.host", PARTIAL),
        )  # fmt: skip


def _broken(area: Area) -> None:
    data = bytes(range(256)) * 2
    zips: dict[str, tuple[str, str, str, Zip]] = {
        "overlap": (
            "two entries that are the same bytes, more than the file has", BROKEN, "malformed.host",
            Zip([Item(b"a", data), Item(b"a", data, packed=b"", central={"offset": 0, "packed": len(data)})]),
        ),
        "inflates-more": (
            "a deflated entry that is longer than it declares", BROKEN, "malformed.host",
            Zip([Item(b"a", data, DEFLATED, local={"size": 511}, central={"size": 511})]),
        ),
        "inflates-less": (
            "a deflated entry that is shorter than it declares", BROKEN, "malformed.host",
            Zip([Item(b"a", data, DEFLATED, local={"size": 513}, central={"size": 513})]),
        ),
        "inflates-far-more": (
            "a deflated entry that is longer by a whole piece", BROKEN, "malformed.host",
            Zip([Item(b"a", data, DEFLATED, zeros(PIECE + len(data)))]),
        ),
        "cut-off": (
            "a deflate stream without its end", BROKEN, "malformed.host",
            Zip([Item(b"a", data, DEFLATED, b"\0" + Item(b"a", data, DEFLATED).body()[1:])]),
        ),
        "encrypted": ("an encrypted entry", REFUSED, "refused.host", Zip([*arrays().items, ENCRYPTED])),
        "bzip2": ("an entry compressed with bzip2", REFUSED, "refused.host",
                  Zip([Item(b"a", b"a", 12, b"BZh91AY"), *arrays().items])),
        "method": (
            "an entry compressed by no known method", REFUSED, "refused.host", Zip([Item(b"a", b"a", 99, b"x")]),
        ),
    }  # fmt: skip
    for name, (why, requirement, kind, made) in zips.items():
        expect = error(kind, requirement)
        _weights(area, f"zip-{name}", requirement, f"a zip with {why}", "zip", made.build(), expect)

    def tensor(value: bytes, before: bytes = b"") -> bytes:
        return file(b"{" + before + b'"t":' + value + b"}")

    bad: dict[str, tuple[str, str | None, bytes]] = {
        "overlap": ("two that are the same bytes", BROKEN, tensor(WEIGHT[4:], WEIGHT + b",")),
        "beyond": ("one that reaches beyond the file", BROKEN, tensor(WEIGHT[4:].replace(b"0,8", b"1,9"))),
        "number": ("one that is a number", None, tensor(b"1")),
        "array": ("one that is an array", None, tensor(b"[]")),
        "dtype": ("one whose dtype is no string", None, tensor(WEIGHT[4:].replace(b'"F32"', b"1"))),
        "no-dtype": ("one without a dtype", None, tensor(WEIGHT[4:].replace(b'"dtype"', b'"type"'))),
        "no-shape": ("one without a shape", None, tensor(WEIGHT[4:].replace(b'"shape"', b'"size"'))),
        "shape": ("one whose shape is a number", None, tensor(WEIGHT[4:].replace(b"[2]", b"2"))),
        "fraction": ("one whose shape has a fraction", None, tensor(WEIGHT[4:].replace(b"[2]", b"[2.0]"))),
        "three": ("one with three offsets", None, tensor(WEIGHT[4:].replace(b"0,8", b"0,4,8"))),
        "backwards": ("one whose offsets are swapped", None, tensor(WEIGHT[4:].replace(b"0,8", b"8,0"))),
        "long": ("one of more than 65,536 bytes", None, tensor(WEIGHT[4:-1] + b" " * 65_536 + b"}")),
        "name-half": ("one whose name has half of a surrogate pair", None, file(b'{"\\ud83dx":' + WEIGHT[4:] + b"}")),
        "dtype-half": ("one whose dtype has half of a pair", None, tensor(WEIGHT[4:].replace(b"F32", b"\\udc0d"))),
    }
    for name, (why, id_, data) in bad.items():
        expect = error("malformed.host", id_)
        _weights(area, f"tensors-{name}", id_ or "", f"tensors, and {why}", "safetensors", data, expect)
