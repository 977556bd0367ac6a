"""Vectors of sentences that two implementers could read in two ways, and of what a differential fuzzer found."""

from __future__ import annotations

from conformance.generate.area_flax import STATE
from conformance.generate.area_sidecar import error, tie
from conformance.generate.area_trailer import LEGACY
from conformance.generate.area_zip import EXITS, arrays, container
from conformance.generate.draft import (
    Block,
    Draft,
    Map,
    draft,
    index,
    nested,
    objects_block,
    omitted,
    small,
    state,
    with_worktree,
    worktree,
)
from conformance.generate.gitobjects import BLOB, TREE, Box, entry, object_id
from conformance.generate.suite import READ, VERIFY, Area, Vector
from conformance.generate.trailers import trailer
from conformance.generate.wire import Value, block, frame
from conformance.generate.zips import embedded

BAD, MISMATCH = "malformed.manifest", "mismatch.state"


def make() -> Area:
    """The area."""
    area = Area("plain", (VERIFY, "host:jelly"))
    _frames(area)
    _legacy(area)
    _kinds(area)
    _nested(area)
    _omitted(area)
    _thin(area)
    _hosts(area)
    return area


def _frames(area: Area) -> None:
    for size, word in ((1024, "most"), (1025, "more")):
        for where in ("manifest", "block"):
            made = with_worktree({b"a": b"x" * 2000})
            if where == "manifest":
                made.manifest["environment"] = {"padding": bytes(2000)}
                made.packed = lambda raw, size=size: frame(raw, window=0, most=size)
            else:
                made.blocks[0].frame = frame(made.blocks[0].raw, window=0, most=size)
            why = f"the {where}'s frame has a window of 1 KiB, and a raw block of {size} bytes"
            if word == "most":
                area.accept(f"{where}-block-most", "JF-ZST-001", why, made, leave_out=("manifest",))
            else:
                area.reject(f"{where}-block-more", "JF-ZST-001", "malformed.compression", why, made)
    made = with_worktree({b"a": b"x" * 1000})
    raw = b"".join(part for part in made.blocks[0].raw if isinstance(part, bytes))
    run = block(1, 1025, b"\0", True)
    made.blocks[0] = Block("state", [raw + bytes(1025)], made.blocks[0].records, made.blocks[0].object_bytes)
    made.blocks[0].frame = frame(b"", size=None, window=0, body=block(0, len(raw), raw, False) + run)
    why = "a run of 1,025 bytes in a frame with a window of 1 KiB"
    area.reject("block-run-more", "JF-ZST-001", "malformed.compression", why, made)


def _legacy(area: Area) -> None:
    number, text = LEGACY[2:], b"L119547037146038801333356L\n."
    framed = b"\x95" + len(number).to_bytes(8, "little") + number
    good = {
        "text": text, "protocol-3": b"\x80\3" + number, "protocol-4": b"\x80\4" + framed,
        "protocol-4-bare": b"\x80\4" + number,
        "protocol-5": b"\x80\5" + framed, "protocol-255": b"\x80\xff" + framed,
    }  # fmt: skip
    needs = (READ, "host:trailer")
    for name, begin in good.items():
        why = f"a file of torch that is no zip, in another way in which pickle writes its number: {name}"
        made = small()
        area.add(
            Vector(
                "plain", f"legacy-{name}", ("JF-TEN-001", "JF-HST-001"), "decode", needs,
                {"content": {"digest": made.build()[40:72].hex(), "host": "trailer"}}, why,
                {"in": ("bin", begin + EXITS + made.build() + b"more")},
            )
        )  # fmt: skip
    bad = {
        "protocol-1": b"\x80\1" + number, "protocol-3-frame": b"\x80\3" + framed, "no-protocol": number,
        "text-crlf": text.replace(b"\n", b"\r\n"),
        "number": LEGACY.replace(b"\x6c", b"\x6d"), "no-stop": LEGACY[:-1] + b"0",
    }  # fmt: skip
    for name, begin in bad.items():
        why = f"a file that begins nearly as one of torch, and so is not searched: {name}"
        data = begin + EXITS + container() + b"more"
        expect = error("absent.snapshot", None)
        area.add(Vector("plain", f"legacy-not-{name}", (), "decode", needs, expect, why, {"in": ("bin", data)}))


def _kinds(area: Area) -> None:
    for name, kind in (("empty", ""), ("long", "x" * 65), ("nul", "\0")):
        made = small()
        made.blocks.append(Block("x", [b"x"], 1, 0, True, b"x", {"kind": kind}))
        why = f"a critical block whose kind is: {name}"
        area.reject(f"kind-{name}", "JF-BLK-001", "unsupported.block", why, made)
    made = small()
    made.blocks.append(Block("x", [b"x"], 1, 0, False, b"x", {"kind": ""}))
    area.reject("kind-empty-skipped", "JF-MAN-002", BAD, "a block that may be skipped, whose kind is empty", made)


def _nested(area: Area) -> None:
    def inside(object_format: Value) -> Draft:
        box = Box()
        tree = box.tree({})
        inner = {**state(None, index(tree), worktree(tree)), "object_format": object_format}
        made = draft(state(None, index(tree), worktree(tree)), box)
        made.manifest["state"]["submodules"] = [nested(b"n", inner)]
        return made

    for name, text in (("md5", "md5"), ("empty", ""), ("sha256", "sha256")):
        why = f"a nested state whose object_format is a str, and not the outermost one's: {name}"
        area.reject(f"nested-{name}", "JF-STA-001", MISMATCH, why, inside(text))
    for name, value in (("nil", None), ("bytes", b"sha1")):
        why = f"a nested state whose object_format is no str: {name}"
        area.reject(f"nested-{name}", "JF-MAN-002", BAD, why, inside(value))


def _omitted(area: Area) -> None:
    box = Box()
    staged, empty = box.tree({b"a": b"a\n", b"b/c": b"c\n"}), box.tree({})
    left = [omitted(b"a/", "environment"), omitted(b"b/", "cache")]
    made = draft(state(None, index(staged), worktree(empty, omitted=left)), box)
    assert made.manifest["summary"]["unstaged"] == [["D", b"a"]]
    why = "the index has a file `a` and the worktree a directory `a/` that was left out: the file is deleted"
    area.accept("omitted-directory-file", "JF-SUM-001 JF-WRK-002 JF-WRK-005", why, made)
    made.manifest["summary"]["unstaged"] = []
    area.reject("omitted-directory-hides", "JF-SUM-001", "mismatch.summary", why + ", and the summary lacks it", made)
    named = [omitted(b"a", "size"), omitted(b"a/", "name")]
    made = draft(state(None, index(empty, omitted=named), worktree(empty)), box)
    why = "staged contents left out: `a`, and `a/` for its name"
    area.reject("omitted-staged-both", "JF-WRK-007", BAD, why, made)
    made = draft(state(None, index(empty, omitted=[omitted(b"a/", "name")]), worktree(empty)), box)
    area.accept("omitted-staged-name", "JF-WRK-005 JF-WRK-007", "a staged content left out for its name, `a/`", made)
    made = draft(state(None, index(empty), worktree(box.tree({b"a": b"a\n"}), omitted=[omitted(b"a/", "size")])), box)
    why = "a directory `a/` left out where the worktree tree has a file `a`"
    area.reject("omitted-there", "JF-WRK-002", MISMATCH, why, made)


def _thin(area: Area) -> None:
    why = "a thin container: "
    gone = object_id(BLOB, b"changed\n")
    without = lambda made: [oid for oid in made.box.objects if oid not in _left(made) and oid != gone]  # noqa: E731
    made = _changed({"empty_directories": [b"a"]}, without)
    area.reject("thin-blob-state", "JF-WRK-002", MISMATCH, why + "a rule on its state, where a blob is not there", made)
    made = _changed({}, without)
    made.manifest["summary"]["size"] += 1
    area.accept("thin-blob-size", "JF-SUM-001", why + "a size that cannot be told", made, leave_out=("files",))
    made = _changed({}, without)
    made.manifest["summary"]["files"] += 1
    area.reject("thin-blob-files", "JF-SUM-001", "mismatch.summary", why + "a number of files that can be told", made)
    made = _changed({}, without)
    made.box.blob(b"alone\n")
    made.blocks.append(objects_block("state", made.box, [object_id(BLOB, b"alone\n")]))
    names = why + "an object that nothing names, where "
    area.reject("thin-unreached", "JF-REC-008", MISMATCH, names + "blobs alone are not there", made)
    box = Box()
    elsewhere, tree = box.tree({b"x": b"elsewhere\n"}), box.tree({b"b": b"here\n"})
    box.blob(b"alone\n")
    made = draft(state(box.commit(tree), index(tree), worktree(tree)), box, prerequisites=[bytes(20)])
    made.state["worktree"]["tree"] = elsewhere
    kept = [oid for oid in box.objects if oid in made.box.objects or oid == object_id(BLOB, b"alone\n")]
    made.blocks = [objects_block("state", box, kept)]
    why_ = names + "a tree is not there, which may name it"
    area.accept("thin-unreached-tree", "JF-REC-008 JF-SUM-001", why_, made, leave_out=("files",))
    box = Box()
    here = box.tree({b"a": b"here\n"})
    head = box.commit(box.tree({b"a": b"there\n"}))
    made = draft(state(head, index(here), worktree(here)), box.only([oid for oid in box.objects if oid != head]),
                 prerequisites=[head], summary={})  # fmt: skip
    made.manifest["summary"] = {**draft(state(head, index(here), worktree(here)), box).manifest["summary"]}
    made.manifest["history"]["commits"] = 0
    made.box = box
    kept = list(box.reached(here))
    made.blocks = [objects_block("state", box, sorted(kept))]
    area.accept("thin-files", "JF-NED-001", why + "its HEAD commit is not there, and its files are listed", made)
    made.blocks = [objects_block("history", box, sorted(kept))]
    ids = "JF-NED-001"
    area.accept("thin-blocks", ids, why + "what the state needs may lie in a history block", made)
    box = Box()
    empty = object_id(TREE, b"")
    top = box.add(TREE, entry(b"100644", b"a", box.blob(b"a\n")) + entry(b"40000", b"e", empty))
    box.leaves[top] = {b"a": (0o100644, object_id(BLOB, b"a\n"))}
    made = draft(state(None, None, worktree(top)), box, prerequisites=[bytes(20)])
    name, kind = "thin-empty-directory", "malformed.object"
    area.reject(name, "JF-OBJ-005", kind, why + "a directory that is the empty tree, which is not there", made)
    box = Box()
    tree, nothing = box.tree({b"a": b"a\n"}), box.tree({})
    for word, more in (("thin", {"prerequisites": [bytes(20)]}), ("whole", {})):
        made = draft(state(None, index(nothing), worktree(tree)), box, **more)
        kept = [oid for oid in made.box.objects if oid != nothing]
        made.blocks = [objects_block("state", made.box, kept)]
        why_ = f"a {word} container whose index is the empty tree, which is not there"
        if more:
            area.accept("thin-empty-tree", "JF-NED-001", why_, made)
        else:
            area.reject("whole-empty-tree", "JF-NED-001", "missing.object", why_, made)


def _left(made: Draft) -> set[bytes]:
    return made.box.reached(made.manifest["history"]["prerequisites"][0])


def _changed(more: Map, kept: object) -> Draft:
    """A thin container with all trees there, and HEAD's; without one blob."""
    box = Box()
    base = box.commit(box.tree({b"z": b"old\n"}))
    tree = box.tree({b"a": b"changed\n", b"b": b"b\n"})
    top = box.commit(tree, (base,), b"top\n")
    made = draft(state(top, index(tree), worktree(tree, **more)), box, prerequisites=[base])
    made.manifest["history"] |= {"commits": 1, "shallow": []}
    made.box = box
    assert callable(kept)
    made.blocks = [objects_block("state", box, kept(made))]
    return made


def _hosts(area: Area) -> None:
    box = small()
    box.manifest["extensions"] = {"sidecar": tie(b"another file", b"other.json")}
    needs = (VERIFY, "host:zip")
    data = embedded(arrays(), box.build())
    why = "a container in a zip with an extension `sidecar`, which is about another file: nothing is compared"
    expect = {"content": {"digest": box.build()[40:72].hex(), "host": "zip"}}
    area.add(Vector("plain", "sidecar-inside", ("JF-SDC-003",), "decode", needs, expect, why, {"in": ("zip", data)}))
    box.manifest["extensions"] = {"sidecar": {**tie(), "more": 1}}
    data = embedded(arrays(), box.build())
    why = "the same with an extension that is not such a map"
    wrong = error("malformed.manifest", "JF-SDC-002")
    area.add(Vector("plain", "sidecar-inside-bad", ("JF-SDC-002",), "decode", needs, wrong, why, {"in": ("zip", data)}))
    why = "a file of flax with a trailer behind it: a container never lies in such a file"
    files = {"in": ("msgpack", trailer(STATE, container()))}
    expect = error("absent.snapshot", None)
    area.add(Vector("plain", "flax-trailer", (), "decode", (READ, "host:flax"), expect, why, files))
    later = small()
    later.manifest["extensions"] = {"sidecar": tie()}
    later.manifest["requires"] = ["later"]
    why = "a sidecar that requires what this reader does not have counts as one, and that is reported"
    place = {"w.json": b"{}\n", "w.json.jelly": later.build()}
    wrong = error("unsupported.feature", "JF-MAN-004")
    ids = ("JF-MAN-004", "JF-SDC-001")
    area.add(
        Vector("plain", "sidecar-later", ids, "decode", (READ, "host:sidecar"), wrong, why, {}, {}, place, "w.json")
    )
