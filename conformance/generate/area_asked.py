"""Vectors of what an implementer asked who had SPEC.md alone: each line decided by the text alone before."""

from __future__ import annotations

import base64

from conformance.generate import area_directory as directory
from conformance.generate import area_onnx as onnx
from conformance.generate import area_safetensors as safetensors
from conformance.generate import area_sidecar as beside
from conformance.generate.area_paths import raw_tree
from conformance.generate.area_trailer import legacy
from conformance.generate.area_zip import ENTRY, container, other, output, written
from conformance.generate.draft import (
    Draft,
    Map,
    block_of,
    diff,
    draft,
    gitlink,
    index,
    nested,
    objects_block,
    omitted,
    record,
    small,
    state,
    worktree,
)
from conformance.generate.gitobjects import BLOB, REGULAR, Box, object_id
from conformance.generate.suite import READ, VERIFY, Area, Json, Vector, expected_content
from conformance.generate.trailers import trailer
from conformance.generate.wire import MAGIC, Part, frame
from conformance.generate.zips import ONES16, Item, Zip

MISMATCH, HOST = "mismatch.state", "malformed.host"
ABSENT: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
INDEX = "model.safetensors.index.json"
FILE = directory.FILE


def make() -> Area:
    """The area."""
    area = Area("asked", (VERIFY, "host:jelly"))
    _frames(area)
    _states(area)
    _summary(area)
    _thin(area)
    _short(area)
    _zips(area)
    _legacy(area)
    _safetensors(area)
    _onnx(area)
    _beside(area)
    return area


def _in(area: Area, name: str, ids: str, why: str, data: bytes, host: str, expect: Json | None = None) -> None:
    """A file of a host; by default one in which the container is found."""
    wanted = {"content": expected_content(small(), container(), host, ("manifest", "files"))}
    needs = (READ, f"host:{host}", *(("host:trailer",) if expect == ABSENT else ()))
    files = {"in": ("bin", data)}
    area.add(Vector(area.name, name, tuple(ids.split()), "decode", needs, expect or wanted, why, files))


def _error(name: str, requirement: str) -> Json:
    return {"error": {"class": name, "requirement": requirement}}


def _frames(area: Area) -> None:
    def marked(raw: list[Part]) -> bytes:
        packed = bytearray(frame(raw))
        packed[4] |= 0x10
        return bytes(packed)

    made = small()
    made.packed = marked
    why = "bit 4 of the frame header, which is unused and not reserved, is set, in the manifest"
    area.accept("unused-bit-manifest", "JF-ZST-001", why, made)
    made = small()
    made.blocks[0].frame = marked(made.blocks[0].raw)
    area.accept("unused-bit-block", "JF-ZST-001", "the same in a block", made)


def _states(area: Area) -> None:
    """What the HEAD tree has at a path that is left out of the index: a leaf, its mode read as git reads it."""
    left: Map = {"omitted": [omitted(b"d", "size")]}
    box = Box()
    head, staged = box.tree({b"d/x": b"x\n", b"f": b"f\n"}), box.tree({b"f": b"f\n"})
    made = draft(state(box.commit(head), index(staged, **left), worktree(staged)), box)
    why = "a staged content left out at a path that is a directory of HEAD, which counts as nothing"
    area.accept("omitted-head-directory", "JF-IDX-003", why, made)
    made = draft(state(box.commit(staged), index(head, **left), worktree(staged)), box)
    area.accept("omitted-index-directory", "JF-IDX-003", "the same where it is a directory of the index", made)
    box = Box()
    blob = box.blob(b"d\n")
    for name, mode, good in (("regular", b"100664", True), ("executable", b"100775", False)):
        head, staged = raw_tree(box, [(mode, b"d", blob)]), box.tree({b"d": b"d\n"})
        box.leaves[head] = {b"d": (REGULAR if good else 0o100755, blob)}
        made = draft(state(box.commit(head), index(staged, **left), worktree(staged)), box)
        why = f"a staged content left out whose mode in HEAD is {mode.decode()}, and in the index 100644"
        if good:
            area.accept(f"omitted-mode-{name}", "JF-IDX-003 JF-OBJ-006", why, made)
        else:
            area.reject(f"omitted-mode-{name}", "JF-IDX-003", MISMATCH, why, made)


def _summary(area: Area) -> None:
    box = Box()
    empty, inner, changed = box.tree({}), box.tree({b"x": b"x\n"}), box.tree({b"x": b"changed\n"})
    outer = box.tree({b"n/x": b"x\n"})
    within = state(None, index(inner), worktree(changed))
    head = box.commit(box.tree({b"n/x": b"old\n"}))
    made = draft(state(head, index(outer), worktree(empty), submodules=[nested(b"n", within)]), box)
    assert made.manifest["summary"]["staged"] == [["M", b"n/x"]]
    assert made.manifest["summary"]["unstaged"] == [["D", b"n/x"]]
    why = "a path that two repositories list: the letters of the outer one count, in which it is staged and deleted"
    area.accept("letter-outer", "JF-SUM-001", why, made)
    made.manifest["summary"]["unstaged"] = [["M", b"n/x"]]
    area.reject("letter-inner", "JF-SUM-001", "mismatch.summary", "the same with the letter of the inner one", made)
    box = Box()
    empty, tree = box.tree({}), box.tree({b"m": gitlink(b"\1" * 20)})
    made = draft(state(None, index(empty), worktree(tree)), box)
    assert made.manifest["summary"]["untracked"] == [b"m"]
    area.accept("untracked-module", "JF-SUM-001", "a submodule that the index has nothing of is untracked", made)
    made.manifest["summary"]["untracked"] = []
    area.reject("untracked-module-not", "JF-SUM-001", "mismatch.summary", "the same, not listed", made)


def _thin(area: Area) -> None:
    gone = object_id(BLOB, b"changed\n")

    def lacking(*, listed: bool) -> Draft:
        box = Box()
        old = box.commit(box.tree({b"a": b"a\n"}))
        before = list(box.objects)
        tree = box.tree({b"a": b"changed\n", b"b": b"b\n"})
        whole = state(box.commit(tree, (old,), b"top\n"), index(tree), worktree(tree))
        made = draft(whole, box.without(*before), prerequisites=[old], missing=[gone] if listed else [])
        kept = [oid for oid in box.objects if oid not in {*before, gone}]
        made.blocks = [objects_block("state", box, kept)]
        made.box = box.only(kept)
        made.summarize()
        return made

    ids, why = "JF-NED-001 JF-SUM-001", "a thin container with all its trees that lacks a blob"
    area.accept("thin-blob", ids, why + ": its file is listed, with size 0", lacking(listed=False))
    why += ", which the repository itself did not have: it is listed, with size 0"
    area.accept("thin-blob-missing", ids, why, lacking(listed=True))
    base = object_id(BLOB, b"base\n")
    box = Box()
    old = box.commit(box.tree({b"z": b"z\n"}))
    before = list(box.objects)
    tree = box.tree({b"a": b"target\n", b"b": b"base\n"})
    whole = state(box.commit(tree, (old,), b"top\n"), index(tree), worktree(tree))
    made = draft(whole, box.without(*before), prerequisites=[old])
    target = object_id(BLOB, b"target\n")
    order = [target, *(oid for oid in made.box.objects if oid != target)]
    parts = {target: diff(BLOB, base, [b"target\n"])}
    items = [(parts.get(oid, record(*box.objects[oid])), len(box.objects[oid][1])) for oid in order]
    made.blocks = [block_of("state", items)]
    why = "a thin container with a diff whose base comes later in it"
    area.reject("thin-base-later", "JF-REC-005", "missing.base", why, made)


def _short(area: Area) -> None:
    """Places of fewer than 8 bytes."""
    for name, data in (("none", b""), ("begin", MAGIC[:3]), ("seven", MAGIC[:7]), ("other", b"abc")):
        expect, why = _error("malformed.magic", "JF-HDR-001"), f"of {len(data)} bytes, which are {data.hex() or 'none'}"
        zipped = Zip([Item(b"a", b"a"), Item(ENTRY, data)]).build()
        _in(area, f"short-zip-{name}", "JF-HDR-001 JF-HDR-004", f"an entry {why}", zipped, "zip", expect)
        text = b'{"__metadata__":{"jellyformat":"' + base64.b64encode(data) + b'~"}}'
        file = safetensors.file(text, b"")
        why = f"base64 {why}"
        _in(area, f"short-base64-{name}", "JF-HDR-001 JF-HDR-004", why, file, "safetensors", expect)


def _zips(area: Area) -> None:
    box = container()
    ids, bad = "JF-ZIP-001", _error(HOST, "JF-ZIP-001")

    def zip64(**more: Map) -> bytes:
        return Zip([Item(b"a", b"a"), Item(ENTRY, box)], zip64=True, **more).build()  # type: ignore[arg-type]

    _in(area, "disks-0", ids, "a zip64 locator that counts 0 disks", zip64(end64={"disks": 0}), "zip")
    _in(area, "counts-ones", ids, "both counts of the end record are all ones, the zip64 record has them",
        zip64(end={"here": ONES16, "count": ONES16}), "zip")  # fmt: skip
    cases: dict[str, tuple[str, bytes]] = {
        "disks-2": ("a zip64 locator that counts 2 disks", zip64(end64={"disks": 2})),
        "disk-on": ("a zip64 locator of a zip64 end record on another disk", zip64(end64={"on": 1})),
        "disk-ones": ("disk numbers of all ones beside zip64 records", zip64(end={"disk": ONES16, "start": ONES16})),
        "here-ones": ("one count of the end record all ones, the other not", zip64(end={"here": ONES16})),
        "here-64": ("two counts in the zip64 end record", zip64(end64={"here": 1})),
    }
    for name, (why, data) in cases.items():
        _in(area, name, ids, why, data, "zip", bad)
    for mark, good in ((b"PK\6\7", False), (b"PK\6\x08", True)):
        data = Zip([Item(ENTRY, box), Item(b"a", b"a", central={"comment": mark + bytes(16)})]).build()
        why = f"a zip without zip64 records in which 20 bytes that begin {mark.hex()} stand before the end record"
        _in(area, "locator-counts" + "-not" * good, ids, why, data, "zip", None if good else bad)


def _legacy(area: Area) -> None:
    made = small()
    made.head = {"total": 1 << 20}
    far = made.build()
    cut = _error("truncated", "JF-HDR-004")
    why = "a file of torch that is no zip, with a container that is longer than the file"
    _in(area, "legacy-long", "JF-HDR-004", why, legacy(far), "trailer", cut)
    _in(area, "legacy-long-first", "JF-HDR-004", why + ", and another one behind", legacy(far + other()),
        "trailer", cut)  # fmt: skip
    made.head = {"total": 71 + len(made.build()[72:]) - len(made.blocks[0].packed())}
    why = "a file of torch that is no zip: a header whose total length is too short is passed over"
    _in(area, "legacy-total-short", "JF-HDR-005", why, legacy(made.build() + container()), "trailer")


def _safetensors(area: Area) -> None:
    box = container()
    text = safetensors.plain(box)
    deep = b"[" * 126 + b"]" * 126
    file = safetensors.file(b'{"a":' + deep + b',"__metadata__":{' + text + b"}}", b"")
    why = "a header with 127 objects and arrays within each other"
    _in(area, "json-deep", "JF-SFT-001", why, file, "safetensors")
    size = len(text)
    cases = {
        "behind": (b'{"__metadata__":{"format":"pt",' + text + b"}}", b'{"__metadata__":{"format":"pt"}}', size + 1),
        "spaces": (
            b'{"__metadata__":{ ' + text + b' , "format":"pt"}}',
            b'{"__metadata__":{ "format":"pt"}}',
            size + 3,
        ),
        "alone": (b'{"__metadata__":{' + text + b"}}", b'{"__metadata__":{}}', size),
    }
    for name, (header, rest, gone) in cases.items():
        data = safetensors.file(header, safetensors.DATA)
        left = safetensors.file(rest + b" " * (gone % 64), safetensors.DATA)
        why = f"a header that another tool has written again: {name}; spaces at its end keep the alignment"
        given = {"in": ("safetensors", data)}
        written(area, "strip", f"strip-again-{name}", "JF-SFT-003", why, given, output(left), "safetensors")


def _onnx(area: Area) -> None:
    field = onnx.field(container())
    ids, model = "JF-ONX-001", onnx.VERSION + onnx.GRAPH + onnx.OPSET
    why = "a model with a varint of ten bytes, which has more than 64 bits"
    _in(area, "varint-70", ids, why, model + b"\x70" + b"\xff" * 9 + b"\x7f" + field, "onnx")
    cases = {
        "varint-11": ("a varint of eleven bytes", model + b"\x70" + b"\x80" * 10 + b"\0" + field),
        "length-70": (
            "a length of 2^64 + 4, of which all bits count", model + b"\x72\x84" + b"\x80" * 8 + b"\2abcd" + field,
        ),
        "no-graph": ("no graph", onnx.VERSION + onnx.OPSET + field),
        "no-opset": ("no opset_import", onnx.VERSION + onnx.GRAPH + field),
        "graph-varint": ("a graph that is a varint, besides the other", model + b"\x38\1" + field),
    }  # fmt: skip
    for name, (why, data) in cases.items():
        _in(area, name, ids, f"no ONNX model, so that no container is found in it: {why}", data, "onnx", ABSENT)


def _beside(area: Area) -> None:
    def add(
        name: str, ids: str, why: str, place: dict[str, bytes], named: str, expect: Json, host: str, role: str = READ
    ) -> None:
        needs = (role, f"host:{host}")
        area.add(Vector(area.name, name, tuple(ids.split()), "decode", needs, expect, why, {}, {}, place, named))

    kind = directory.KINDS["index"]
    tied = beside.sidecar(beside.tie(directory.INDEX, INDEX.encode())).build()
    why = "an index with a sidecar of its own: to name it is to name its directory, which has no container"
    add("index-sidecar", "JF-DIR-002", why, {**kind, f"jelly.{INDEX}.jelly": tied}, INDEX, ABSENT, "directory")
    why = "an index with a trailer: to name it is to name its directory, which has no container"
    place = {**kind, INDEX: trailer(directory.INDEX, container())}
    add("index-trailer", "JF-DIR-002", why, place, INDEX, ABSENT, "directory")
    found = beside.content(small(), "directory")
    for name, space in (("json", b"\t\n\r "), ("tab", b"\x0b"), ("feed", b"\x0c"), ("nul", b"\0")):
        place = {**kind, INDEX: space + directory.INDEX, FILE: container()}
        why = f"an index with {space.hex()} in front: white space is that of JSON"
        add(f"space-{name}", "JF-DIR-002", why, place, INDEX, found if name == "json" else ABSENT, "directory")
    for name, space in (("tab", b"\x0b"), ("feed", b"\x0c")):
        place = {**directory.MODEL, "config.json": space + b"{}"}
        why = f"a directory of no kind: config.json with {space.hex()} in front, which is no white space of JSON"
        directory.add(area, f"embed-space-{name}", "JF-DIR-001", why, place, _error("refused.host", "JF-DIR-001"),
                      command="embed", role="role:embed", box=container())  # fmt: skip
    made = beside.sidecar()
    changed = {"weights.json": beside.CHANGED, FILE: made.build()}
    wrong = _error("mismatch.binding", "JF-SDC-003")
    why = "a directory's file that is named itself, with an extension about another file, which has changed"
    add("named-file-tied", "JF-SDC-003", why, {**directory.DCP, **changed}, FILE, wrong, "sidecar", VERIFY)
    why = "the same, where the directory is named: nothing is compared"
    found = beside.content(made, "directory")
    add("directory-tied", "JF-SDC-003", why, {**directory.DCP, **changed}, ".", found, "directory", VERIFY)
    for name, text in (("same", beside.TEXT), ("changed", beside.CHANGED)):
        place = {"weights.json": text, "backup.bin": made.build()}
        why = f"a sidecar whose file name does not end in .jelly, its host beside it: {name}"
        found = beside.content(made, "jelly") if name == "same" else wrong
        add(f"any-name-{name}", "JF-SDC-003", why, place, "backup.bin", found, "sidecar", VERIFY)
