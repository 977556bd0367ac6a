"""Vectors of SPEC JF-DIR: containers in directories of checkpoint files."""

from __future__ import annotations

from conformance.generate import area_safetensors
from conformance.generate.area_sidecar import bytes_of, content, damaged, error, made_anew, sidecar, tie
from conformance.generate.area_trailer import legacy
from conformance.generate.area_zip import EXITS, arrays, container, other, output, torch
from conformance.generate.draft import small
from conformance.generate.suite import EMBED, READ, VERIFY, Area, Json, Vector

FILE = "jellyformat.jelly"
HOST = "host:directory"
Place = dict[str, bytes]
TENSORS = area_safetensors.file(b"{" + area_safetensors.WEIGHT + b"}")
INDEX = b' {"metadata": {}, "weight_map": {"w": "model-1.safetensors"}}\n'
DCP: Place = {".metadata": b"\x80\x02" + EXITS, "__0_0.distcp": b"tensors of one process", "run.txt": b"notes\n"}
ORBAX: Place = {"_CHECKPOINT_METADATA": b'\n{"item_handlers": {}}', "d/manifest.ocdbt": b"x", "d/d/0": b"tensors"}
MODEL: Place = {"config.json": b'{"model_type": "x"}', "model.safetensors": TENSORS}
KINDS: dict[str, Place] = {
    "dcp": DCP,
    "orbax": ORBAX,
    "orbax-array": {"_METADATA": b"{}", "params/0": b"tensors"},
    "model": MODEL,
    "model-torch": {"config.json": b"{}", "pytorch_model.bin": torch().build()},
    "model-legacy": {"config.json": b"{}", "pytorch_model.bin": legacy()},
    "adapter": {"adapter_config.json": b"{}", "adapter_model.safetensors": TENSORS},
    "index": {"model.safetensors.index.json": INDEX, "model-1.safetensors": TENSORS},
    "index-alone": {"model.safetensors.index.json": INDEX},
}


def make() -> Area:
    """The area."""
    area = Area("directory", (READ, HOST))
    _found(area)
    _embed(area)
    _strip(area)
    return area


def add(
    area: Area, name: str, ids: str, why: str, place: Place, expect: Json, *, command: str = "decode", named: str = ".",
    role: str = READ, box: bytes | None = None,
) -> None:  # fmt: skip
    """A vector of a directory."""
    options = {} if command == "decode" else {"host": "directory"}
    files = {} if box is None else {"container": ("jelly", box)}
    area.add(
        Vector(area.name, name, tuple(ids.split()), command, (role, HOST), expect, why, files, options, place, named)
    )


def _found(area: Area) -> None:
    made = small()
    box = made.build()
    ids = "JF-DIR-002"
    for name, files in {**KINDS, "other": {"weights.bin": b"x"}}.items():
        why = f"a container in a directory of this kind: {name}"
        add(area, f"found-{name}", ids, why, {**files, FILE: box}, content(made, "directory"))
    place = {**KINDS["index"], FILE: box}
    why = "the index of a model stands for its directory"
    add(area, "named-index", ids, why, place, content(made, "directory"), named="model.safetensors.index.json")
    why = "the file in the directory is a bare container too"
    add(area, "named-file", ids, why, {**DCP, FILE: box}, content(made, "jelly"), named=FILE, role=VERIFY)
    add(area, "extract", ids, "taken out of a directory", {**DCP, FILE: box}, output(box), command="extract")
    wrong = {"text": b"nothing\n", "empty": b"", "short": box[:7], "zip": arrays().build()}
    for name, data in wrong.items():
        why, expect = f"its file is no container: {name}", error("absent.snapshot", ids)
        add(area, f"absent-{name}", ids, why, {**DCP, FILE: data}, expect)
        why = f"a directory of no other kind, and its file is no container: {name}"
        add(area, f"absent-other-{name}", ids, why, {"weights.bin": b"x", FILE: data}, expect)
    for name, files in KINDS.items():
        why = f"a directory with no container: {name}"
        add(area, f"absent-{name}", "", why, files, error("absent.snapshot", None))
    why = "a container in its file that is damaged"
    add(area, "damaged", "JF-HDR-008", why, {**DCP, FILE: damaged(small())}, error("corrupt.manifest", "JF-HDR-008"))


def _embed(area: Area) -> None:
    box = container()

    def embed(
        name: str, ids: str, why: str, place: Place, expect: Json, named: str = ".", box: bytes = box
    ) -> None:  # fmt: skip
        add(area, name, ids, why, place, expect, command="embed", role=EMBED, box=box, named=named)

    done: Json = {"after": {FILE: bytes_of(box)}}
    for name, files in KINDS.items():
        ids = "JF-DIR-001 JF-DIR-003"
        embed(f"embed-{name}", ids, f"into a directory of this kind: {name}", files, done)
    why = "into a directory whose .metadata is no pickle, and which is a model: the first kind that fits"
    embed("embed-later-kind", "JF-DIR-001", why, {**DCP, ".metadata": b"text", **MODEL}, done)
    why = "into the directory of an index"
    embed("embed-named-index", "JF-DIR-001", why, KINDS["index"], done, "model.safetensors.index.json")
    embed("embed-again", "JF-DIR-003", "in the place of another container", {**DCP, FILE: other()}, done)
    why = "in the place of another container in a directory of no other kind"
    embed("embed-again-other", "JF-DIR-003 JF-DIR-001", why, {"w.bin": b"x", FILE: other()}, done)
    why, expect = "an extension about a sidecar's host is taken out", {"after": {FILE: made_anew(small())}}
    embed("embed-tied", "JF-SDC-007", why, DCP, expect, box=sidecar(tie(b"other", b"other")).build())
    no_kind: dict[str, tuple[str, Place]] = {
        "text": ("a file of text", {"notes.txt": b"notes\n"}),
        "one-file": ("one file of weights", {"model.safetensors": TENSORS}),
        "metadata-alone": ("nothing but .metadata", {".metadata": DCP[".metadata"]}),
        "distcp-alone": ("no .metadata", {"__0_0.distcp": b"tensors"}),
        "metadata-text": (".metadata that is no pickle", {**DCP, ".metadata": b"text"}),
        "metadata-empty": (".metadata that is empty", {**DCP, ".metadata": b""}),
        "orbax-text": ("_METADATA that is no JSON text", {"_METADATA": b"[]"}),
        "config-text": ("config.json that is no JSON text", {**MODEL, "config.json": b'x{"a": 1}'}),
        "config-alone": ("nothing but config.json", {"config.json": b"{}"}),
        "config-no-weights": (
            "files with the names of weight files that are none",
            {"config.json": b"{}", "m.safetensors": b"text", "m.bin": b"text"},
        ),
        "config-zip": ("a .bin that is a zip and none of torch", {"config.json": b"{}", "m.bin": arrays().build()}),
        "index-no-map": ("an index without a weight_map", {"model.safetensors.index.json": b'{"metadata": {}}'}),
        "index-text": ("an index that is no JSON text", {"model.safetensors.index.json": b'"weight_map" {'}),
        "index-late": (
            "an index whose weight_map comes too late",
            {"model.safetensors.index.json": b"{" + b" " * 65_535 + b'"weight_map": {}}'},
        ),
        "index-name": ("an index of another name", {"model.safetensors.index.txt": INDEX, "index.json": INDEX}),
        "below": ("a checkpoint in a directory in it", {f"step-1/{name}": data for name, data in DCP.items()}),
    }  # fmt: skip
    for name, (why, files) in no_kind.items():
        expect = error("refused.host", "JF-DIR-001")
        embed(f"embed-no-kind-{name}", "JF-DIR-001 JF-HST-003", f"a directory of no kind: {why}", files, expect)
    for name, data in {"text": b"nothing\n", "empty": b"", "damaged": damaged(small()), "cut-off": box[:200]}.items():
        expect = error(None, "JF-DIR-003")
        embed(f"embed-taken-{name}", "JF-DIR-003", f"the name is taken, and the file stays: {name}",
              {**DCP, FILE: data}, expect)  # fmt: skip


def _strip(area: Area) -> None:
    box = container()

    def strip(name: str, ids: str, why: str, place: Place, expect: Json, named: str = ".") -> None:
        add(area, name, ids, why, place, expect, command="strip", role=EMBED, named=named)

    gone: Json = {"after": {FILE: None}}
    for name, files in {**KINDS, "other": {"weights.bin": b"x"}}.items():
        why = f"taken out of a directory of this kind: {name}"
        strip(f"strip-{name}", "JF-DIR-004 JF-HST-002", why, {**files, FILE: box}, gone)
    why, place = "taken out of the directory of an index", {**KINDS["index"], FILE: box}
    strip("strip-named-index", "JF-DIR-004", why, place, gone, "model.safetensors.index.json")
    for name, data in {"damaged": damaged(small()), "cut-off": box[:200]}.items():
        expect, why = error("refused.host", "JF-DIR-004"), f"a file whose manifest cannot be read stays: {name}"
        strip(f"strip-{name}", "JF-DIR-004", why, {**DCP, FILE: data}, expect)
    why = "a file that is no container stays"
    strip("strip-text", "JF-DIR-002", why, {**DCP, FILE: b"nothing\n"}, error("absent.snapshot", "JF-DIR-002"))
    strip("strip-absent", "", "nothing to take out", DCP, error("absent.snapshot", None))
