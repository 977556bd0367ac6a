"""Vectors of SPEC JF-BND: containers that are bound to the weights of their hosts."""

from __future__ import annotations

from conformance.generate import area_onnx
from conformance.generate.area_directory import DCP, FILE, TENSORS, Place
from conformance.generate.area_hdf5 import block, hdf5
from conformance.generate.area_safetensors import (
    DATA,
    WEIGHT,
    file,
    new_metadata_form,
)
from conformance.generate.area_sidecar import BESIDE, CHANGED, NAME, TEXT, content, error, tie
from conformance.generate.area_trailer import ARRAY
from conformance.generate.area_weights import ENCRYPTED, NPZ, TORCH, W
from conformance.generate.area_zip import ENTRY, arrays, output, torch
from conformance.generate.draft import Draft
from conformance.generate.suite import BIND, EMBED, VERIFY, Area, Vector, expected_content
from conformance.generate.trailers import trailer
from conformance.generate.weights import Map, Weight, binding, bound, entries, whole
from conformance.generate.wire import Value
from conformance.generate.zips import DEFLATED, Item, Zip, embedded


def make() -> Area:
    """The area."""
    area = Area("binding", (BIND,))
    _extension(area)
    _checked(area)
    _embed(area)
    return area


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
