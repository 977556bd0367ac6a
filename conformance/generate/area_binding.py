"""Vectors of SPEC section 14.8: the hash of a host's weights, and containers that are bound to it."""

from __future__ import annotations

import base64

from conformance.generate import area_onnx, derive
from conformance.generate.area_directory import DCP, FILE, KINDS, ORBAX, TENSORS
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
from conformance.generate.area_sidecar import BESIDE, CHANGED, NAME, TEXT, content, error, sidecar, tie
from conformance.generate.area_trailer import ARRAY, legacy
from conformance.generate.area_zip import ENTRY, arrays, container, output, torch
from conformance.generate.draft import Draft
from conformance.generate.suite import BIND, EMBED, VERIFY, Area, Json, Vector, expected_content
from conformance.generate.trailers import trailer
from conformance.generate.weights import PIECE, Map, Weight, binding, bound, entries, whole, zeros
from conformance.generate.wire import Value
from conformance.generate.zips import DEFLATED, Item, Zip, embedded

BROKEN, REFUSED = "JF-BND-004", "JF-BND-007"
W = Weight(b"w", DATA, "F32", (2,))
NPZ = entries((b"a.npy", b"\x93NUMPY a"), (b"b.npy", b"\x93NUMPY b"))
TORCH = entries(*((item.name.partition(b"/")[2], item.data) for item in torch().items))
ENCRYPTED = Item(b"c", b"c", local={"flags": 1}, central={"flags": 1})
Place = dict[str, bytes]


def make() -> Area:
    """The area."""
    area = Area("binding", (BIND,))
    _zips(area)
    _tensors(area)
    _bytes(area)
    _directories(area)
    _broken(area)
    _extension(area)
    _checked(area)
    _embed(area)
    return area


def _weights(area: Area, name: str, ids: str, why: str, kind: str, host: bytes | Place, expect: Map | Json) -> None:
    """The weights of a host, a file or a directory, are asked for."""
    named = next(iter(host)) if isinstance(host, dict) and kind == "sidecar" else "."
    files: dict[str, tuple[str, bytes]] = {} if isinstance(host, dict) else {"in": ("bin", host)}
    place = host if isinstance(host, dict) else {}
    wanted = expect if "error" in expect else {"content": {"binding": derive.to_json(expect)}}
    needs = (BIND, f"host:{kind}")
    area.add(
        Vector(area.name, f"weights-{name}", tuple(ids.split()), "weights", needs, wanted, why, files, {"host": kind},
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
        "entry-empty": ("an entry of no bytes, which has no piece", REFUSED, Zip([Item(b"a", b"")]).build(),
                        entries((b"a", b""))),
        "twice": ("two entries of one name", REFUSED, Zip([Item(*item) for item in twice]).build(), entries(*twice)),
        "twice-same": ("an entry twice, which counts once", BROKEN, Zip([a, b, a]).build(), NPZ),
        "root-kept": ("names with directories, which stay", REFUSED, Zip([Item(b"r/a", b"1"), Item(b"r/b", b"2")]).build(),
                      entries((b"r/a", b"1"), (b"r/b", b"2"))),
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
        "carried": ("a container in the unlisted form", "JF-BND-001", embedded(arrays(), box), NPZ),
        "carried-listed": ("a container in the listed form", "JF-BND-001", embedded(torch(), box, listed=listed), TORCH),
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
            file(b"{" + text.replace(b"8,12", b"0,4") + b"," + WEIGHT.replace(b"0,8", b"4,12") + b"}", DATA[:4] + DATA), two,
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
            "a container and no metadata of its own", "JF-BND-001", file(b"{" + new_metadata_form(box) + WEIGHT + b"}"), one,
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
            {**two, "a.bin": embedded(torch(), box, listed=b"archive/" + ENTRY), "b.bin": trailer(legacy(), box), FILE: box},
            entries(*items, (b"b.bin/", legacy())),
        ),
        "other": ("all files but for the container at its top", {**other, FILE: box}, files(other, *other)),
    }  # fmt: skip
    for name, (why, place, expect) in cases.items():
        _weights(area, f"directory-{name}", "JF-BND-001", f"a directory: {why}", "directory", place, expect)


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
        "method": ("an entry compressed by no known method", REFUSED, "refused.host", Zip([Item(b"a", b"a", 99, b"x")])),
    }  # fmt: skip
    for name, (why, requirement, kind, made) in zips.items():
        expect = error(kind, requirement)
        _weights(area, f"zip-{name}", requirement, f"a zip with {why}", "zip", made.build(), expect)

    def tensor(value: bytes, before: bytes = b"") -> bytes:
        return file(b"{" + before + b'"t":' + value + b"}")

    bad = {
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
    }
    for name, (why, requirement, data) in bad.items():
        expect = error("malformed.host", requirement)
        _weights(area, f"tensors-{name}", requirement or "", f"tensors, and {why}", "safetensors", data, expect)


def _extension(area: Area) -> None:
    good: dict[str, Map] = {
        "good": NPZ,
        "nil": {**NPZ, "leaves": None},
        "none": entries(),
        "most": {**NPZ, "count": 1_000_000, "leaves": None},
        "twice": {**NPZ, "leaves": [[b"a", bytes(8)], [b"a", bytes(8)]]},
        "kind": {**NPZ, "kind": "com.example.other"},
    }
    needs = (VERIFY, "host:jelly")
    for name, value in good.items():
        made = bound(value)
        expect = {"content": expected_content(made, made.build())}
        why, given = f"a good extension, whose host is not there: {name}", {"in": ("jelly", made.build())}
        area.add(Vector("binding", f"extension-{name}", ("JF-BND-002",), "decode", needs, expect, why, given))
    first, second = NPZ["leaves"]
    bad: dict[str, Value] = {
        "nil": None,
        "array": [],
        "str": "entries",
        "count-missing": {key: item for key, item in NPZ.items() if key != "count"},
        "kind-missing": {key: item for key, item in NPZ.items() if key != "kind"},
        "leaves-missing": {key: item for key, item in NPZ.items() if key != "leaves"},
        "root-missing": {key: item for key, item in NPZ.items() if key != "root"},
        "key": {**NPZ, "more": 1},
        "count-less": {**NPZ, "count": 1},
        "count-more": {**NPZ, "count": 3},
        "count-negative": {**NPZ, "count": -1, "leaves": None},
        "count-bool": {**NPZ, "count": True, "leaves": [first]},
        "count-over": {**NPZ, "count": 1_000_001, "leaves": None},
        "kind-bin": {**NPZ, "kind": b"entries"},
        "kind-nil": {**NPZ, "kind": None},
        "root-short": {**NPZ, "root": bytes(31)},
        "root-str": {**NPZ, "root": "0" * 64},
        "leaves-map": {**NPZ, "leaves": {}, "count": 0},
        "leaves-order": {**NPZ, "leaves": [second, first]},
        "leaves-check-order": {**NPZ, "leaves": [[b"a", b"b" * 8], [b"a", b"a" * 8]]},
        "leaf-one": {**NPZ, "leaves": [first, second[:1]]},
        "leaf-three": {**NPZ, "leaves": [first, [*second, b""]]},
        "leaf-name-str": {**NPZ, "leaves": [first, ["b.npy", second[1]]]},
        "leaf-check-short": {**NPZ, "leaves": [first, [second[0], second[1][:7]]]},
        "leaf-check-long": {**NPZ, "leaves": [first, [second[0], second[1] + b"x"]]},
        "leaf-check-nil": {**NPZ, "leaves": [first, [second[0], None]]},
    }
    for name, value in bad.items():
        expect, given = error("malformed.manifest", "JF-BND-002"), {"in": ("jelly", bound(value).build())}
        why = f"an extension that is not as it has to be: {name}"
        area.add(Vector("binding", f"extension-bad-{name}", ("JF-BND-002",), "decode", needs, expect, why, given))


def _decode(
    area: Area, name: str, why: str, kind: str, host: bytes | Place, made: Draft | None, named: str = "."
) -> None:  # fmt: skip
    """A bound container in a host; it is the wrong one where ``made`` is None."""
    expect = error("mismatch.binding", "JF-BND-003") if made is None else content(made, kind)
    files: dict[str, tuple[str, bytes]] = {} if isinstance(host, dict) else {"in": ("bin", host)}
    place = host if isinstance(host, dict) else {}
    ids, needs = ("JF-BND-003",), (BIND, f"host:{kind}")
    area.add(Vector(area.name, f"check-{name}", ids, "decode", needs, expect, why, files, {}, place, named))


def _checked(area: Area) -> None:
    def zipped(made: Draft, host: Zip | None = None) -> bytes:
        return embedded(host or arrays(), made.build())

    right = bound(NPZ)
    nil = bound({**NPZ, "leaves": None})
    _decode(area, "zip", "bound to the weights there are", "zip", zipped(right), right)
    _decode(area, "zip-nil", "leaves of nil are not compared", "zip", zipped(nil), nil)
    packed = Zip([Item(b"b.npy", b"\x93NUMPY b", DEFLATED), Item(b"a.npy", b"\x93NUMPY a")])
    why = "compressed otherwise, and in another order"
    _decode(area, "zip-packed", why, "zip", zipped(right, packed), right)
    saved = bound(TORCH)
    again = torch(Item(b"archive/" + ENTRY, saved.build(), DEFLATED))
    _decode(area, "torch-again", "saved again by a tool", "zip", again.build(), saved)
    first, second = NPZ["leaves"]
    wrong: dict[str, Map] = {
        "root": {**NPZ, "root": bytes(32)},
        "root-nil": {**NPZ, "root": bytes(32), "leaves": None},
        "leaf": {**NPZ, "leaves": [first, [second[0], bytes(8)]]},
        "leaf-name": {**NPZ, "leaves": [first, [b"c.npy", second[1]]]},
        "kind": {**NPZ, "kind": "tensors"},
        "count-nil": {**NPZ, "count": 3, "leaves": None},
        "others": entries((b"a.npy", b"\x93NUMPY a"), (b"b.npy", b"\x93NUMPY c")),
        "renamed": entries((b"a.npy", b"\x93NUMPY a"), (b"c.npy", b"\x93NUMPY b")),
        "fewer": entries((b"a.npy", b"\x93NUMPY a")),
    }
    for name, value in wrong.items():
        why = f"the binding is not the one of the host: {name}"
        _decode(area, f"zip-other-{name}", why, "zip", zipped(bound(value)), None)
    why = "no binding can be derived: an entry is encrypted"
    _decode(area, "zip-none", why, "zip", zipped(right, Zip([*arrays().items, ENCRYPTED])), None)

    def metadata(made: Draft, weight: bytes = WEIGHT, data: bytes = DATA) -> bytes:
        return file(b"{" + new_metadata_form(made.build()) + weight + b"}", data)

    ours = bound(binding("tensors", W))
    _decode(area, "tensors", "bound to the tensors there are", "safetensors", metadata(ours), ours)
    for name, weight, data in (
        ("data", WEIGHT, DATA[::-1]),
        ("dtype", WEIGHT.replace(b"F32", b"I32"), DATA),
        ("shape", WEIGHT.replace(b"[2]", b"[1,2]"), DATA),
        ("name", WEIGHT.replace(b'"w"', b'"v"'), DATA),
        ("broken", WEIGHT.replace(b"[2]", b"2"), DATA),
    ):
        why = f"a tensor has changed: {name}"
        _decode(area, f"tensors-other-{name}", why, "safetensors", metadata(ours, weight, data), None)
    array = bound(whole(ARRAY))
    _decode(area, "trailer", "bound to all bytes", "trailer", trailer(ARRAY, array.build()), array)
    why = "a byte has changed"
    _decode(area, "trailer-other", why, "trailer", trailer(ARRAY[:-1] + b"x", array.build()), None)
    model = bound(whole(area_onnx.MODEL))
    carried = area_onnx.MODEL + area_onnx.field(model.build())
    _decode(area, "onnx", "bound to all bytes", "onnx", carried, model)
    _decode(area, "onnx-other", why, "onnx", carried.replace(b"test", b"TEST"), None)
    tree = bound(whole(hdf5(0)))
    moved = block(tree.build(), 2048) + hdf5(0, 2048)
    _decode(area, "hdf5", "bound to all bytes of before", "hdf5", moved, tree)
    _decode(area, "hdf5-other", why, "hdf5", moved[:-1] + b"x", None)
    beside = bound(whole(TEXT), sidecar=tie())
    place = {NAME: TEXT, BESIDE: beside.build()}
    _decode(area, "sidecar", "bound to all bytes of the file it is beside", "sidecar", place, beside, NAME)
    place = {NAME: TEXT, BESIDE: bound(whole(CHANGED), sidecar=tie()).build()}
    _decode(area, "sidecar-other", "bound to other bytes", "sidecar", place, None, NAME)
    made = bound(binding("files", Weight(b"__0_0.distcp", DCP["__0_0.distcp"])))
    place = {**DCP, ".metadata": b"\x80another", FILE: made.build()}
    _decode(area, "directory", "bound to its .distcp files", "directory", place, made)
    place = {**DCP, "__0_0.distcp": b"other", FILE: made.build()}
    _decode(area, "directory-other", "a file has changed", "directory", place, None)
    place = {**DCP, "__1_0.distcp": b"more", FILE: made.build()}
    _decode(area, "directory-more", "a file was added", "directory", place, None)
    one_file = bound(binding("tensors", W))
    place = {"config.json": b"{}", "all.safetensors": TENSORS, FILE: one_file.build()}
    _decode(area, "directory-tensors", "bound to its tensors, whatever file they are in", "directory", place, one_file)


def _embed(area: Area) -> None:
    npz, other = bound(NPZ).build(), bound(whole(b"x")).build()
    tensors, array = bound(binding("tensors", W)).build(), bound(whole(ARRAY)).build()
    before = file(b"{" + WEIGHT + b"}")
    good: dict[str, tuple[str, bytes, bytes, bytes]] = {
        "zip": ("zip", arrays().build(), npz, embedded(arrays(), npz)),
        "tensors": ("safetensors", before, tensors, file(b"{" + new_metadata_form(tensors) + WEIGHT + b"}")),
        "trailer": ("trailer", ARRAY, array, trailer(ARRAY, array)),
    }
    for name, (kind, host, box, after) in good.items():
        files = {"in": ("bin", host), "container": ("jelly", box)}
        needs, options = (BIND, EMBED, f"host:{kind}"), {"host": kind}
        why = f"a container that is bound to the weights there are: {name}"
        ids = ("JF-BND-006",)
        area.add(Vector("binding", f"embed-{name}", ids, "embed", needs, output(after), why, files, options))
        files, expect = {"in": ("bin", host), "container": ("jelly", other)}, error("refused.host", "JF-BND-006")
        why = f"a container that is bound to other weights: {name}"
        area.add(Vector("binding", f"embed-other-{name}", ids, "embed", needs, expect, why, files, options))
    for kind, place, named in (("sidecar", {NAME: TEXT}, NAME), ("directory", DCP, ".")):
        files, expect = {"container": ("jelly", other)}, error("refused.host", "JF-BND-006")
        needs, options = (BIND, EMBED, f"host:{kind}"), {"host": kind}
        why = f"a container that is bound to other weights: {kind}"
        area.add(
            Vector("binding", f"embed-other-{kind}", ids, "embed", needs, expect, why, files, options, place, named)
        )
