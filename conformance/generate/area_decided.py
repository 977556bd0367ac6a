"""Vectors of what implementers asked: each line decided by the text, and wrong when it is turned round."""

from __future__ import annotations

from conformance.generate.area_paths import raw_tree
from conformance.generate.area_restore import tree as restored
from conformance.generate.area_state import thin
from conformance.generate.draft import Draft, draft, index, nested, objects_block, small, state, worktree
from conformance.generate.gitobjects import BLOB, REGULAR, Box, object_id
from conformance.generate.suite import READ, RESTORE, VERIFY, Area, Json, Vector, sha256
from conformance.generate.trailers import trailer
from conformance.generate.wire import MAGIC

MISMATCH = "mismatch.state"
A, B = b"a\n", b"b\n"


def make() -> Area:
    """The area."""
    area = Area("decided", (VERIFY, "host:jelly"))
    _short(area)
    _nested(area)
    _thin(area)
    _extract(area)
    _heads(area)
    _missing(area)
    return area


def _short(area: Area) -> None:
    for length in range(1, 8):
        expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
        needs = (READ, "host:jelly", "host:trailer")
        why = f"a file of {length} bytes that are the beginning of the magic: it has no container"
        files = {"in": ("jelly", MAGIC[:length])}
        area.add(Vector("decided", f"magic-{length}", ("JF-HDR-004",), "decode", needs, expect, why, files))
    why = "a file of the magic alone is a container that is cut off"
    area.reject("magic-8", "JF-HDR-004", "truncated", why, MAGIC)


def _nested(area: Area) -> None:
    box = Box()
    tree = box.tree({b"i": A})
    commit = box.commit(tree)
    inner = state(commit, index(tree), worktree(tree))
    around = box.tree({b"n": (0o160000, commit)})
    for name, work in (("nil", None), ("there", worktree(around))):
        made = draft(state(None, index(around), work, submodules=[nested(b"n", inner)]), box)
        if work:
            area.accept(f"nested-worktree-{name}", "JF-SUB-001", "a nested state with its entry", made)
        else:
            why = "a nested state with a commit where the worktree around it is nil, so that no entry is there"
            area.reject(f"nested-worktree-{name}", "JF-SUB-001", MISMATCH, why, made)


def _thin(area: Area) -> None:
    """What of a thin container cannot be decided is passed over; what can be is checked."""
    why = "a thin container that lacks "
    made = thin()
    top = made.state["head"]["commit"]
    made.state["head"]["commit"] = made.manifest["history"]["prerequisites"][0]
    made.manifest["history"]["commits"] = 0
    made.manifest["summary"]["commit"] = made.box.objects[made.state["head"]["commit"]][1]
    kept = [oid for oid in made.box.reached(made.state["worktree"]["tree"]) if oid not in _before(made)]
    made.blocks = [objects_block("state", made.box, [oid for oid in made.box.objects if oid in kept])]
    made.summarize()
    ids = "JF-HIS-004 JF-NED-001 JF-SUM-001"
    area.accept("thin-head", ids, why + "its HEAD commit, which is the prerequisite", made, leave_out=("files",))
    assert top not in kept
    made = thin()
    gone = object_id(BLOB, b"changed\n")
    kept_ = [oid for oid in made.box.objects if oid not in _before(made) and oid != gone]
    made.blocks = [objects_block("state", made.box, kept_)]
    area.accept("thin-blob", ids, why + "a blob of its worktree", made, leave_out=("files",))
    box = Box()
    gone_tree, tree = box.tree({b"x": b"elsewhere\n"}), box.tree({b"b": b"here\n"})
    alone = box.blob(b"alone\n")
    head = box.commit(tree, (box.commit(gone_tree),))
    made = draft(state(head, index(tree), worktree(tree)), box, prerequisites=[bytes(20)])
    made.manifest["history"]["missing"] = [gone_tree]
    made.manifest["history"]["commits"] = 2
    left = {gone_tree, object_id(BLOB, b"elsewhere\n")}
    kept_ = [oid for oid in box.objects if oid not in left]
    assert alone in kept_
    made.blocks = [objects_block("state", box, kept_)]
    why_ = "a thin container with an object that a tree may name which the repository itself did not have"
    area.accept("thin-missing-tree", "JF-REC-008 JF-HIS-003", why_, made)
    made = thin()
    made.manifest["history"]["commits"] = 2
    area.reject("thin-commits", "JF-HIS-001", MISMATCH, "a thin container with a number of commits that is wrong", made)


def _before(made: Draft) -> set[bytes]:
    return made.box.reached(made.manifest["history"]["prerequisites"][0])


def _extract(area: Area) -> None:
    made = small()
    box = bytearray(made.build())
    box[-1] ^= 1
    host = b"\x93NUMPY host of somebody"
    needs = (READ, "host:trailer")
    why = "`extract` looks at header and manifest alone: a container with a block that was changed comes out as it is"
    expect: Json = {"output": {"sha256": sha256(bytes(box)), "length": len(box)}}
    files = {"in": ("bin", trailer(host, bytes(box)))}
    options = {"host": "trailer"}
    area.add(Vector("decided", "extract-block", ("JF-BLK-005",), "extract", needs, expect, why, files, options))


def _heads(area: Area) -> None:
    box = Box()
    one, two, inner = box.blob(A), box.blob(B), box.tree({b"x": A})
    twice = raw_tree(box, [(b"100644", b"a", one), (b"100644", b"a", two)])
    box.leaves[twice] = {b"a": (REGULAR, two)}
    made = draft(state(box.commit(twice), None, None), box)
    expect: Json = {"tree": restored(made)}
    why = "a HEAD tree, of a bare repository, with a name twice: the last one counts, as in `decode`"
    ids = ("JF-OBJ-006", "JF-OBJ-010")
    files = {"in": ("jelly", made.build())}
    area.add(Vector("decided", "head-twice", ids, "restore", (RESTORE,), expect, why, files))
    trees = [box.tree({b"x": content}) for content in (A, B)]
    folders = raw_tree(box, [(b"40000", b"a", trees[0]), (b"40000", b"a", trees[1])])
    box.leaves[folders] = {b"a/x": (REGULAR, two)}
    made = draft(state(box.commit(folders), None, None), box)
    why = "a HEAD tree with two directories of one name: of two files of one path, the later one's counts"
    area.accept("head-directory-twice", "JF-OBJ-006 JF-OBJ-008", why, made)
    both = raw_tree(box, [(b"100644", b"a", one), (b"40000", b"a", inner)])
    box.leaves[both] = {b"a": (REGULAR, one), b"a/x": (REGULAR, one)}
    made = draft(state(box.commit(both), None, None), box)
    why = "a HEAD tree, of a bare repository, in which a name is a file and a directory"
    area.accept("head-both-read", "JF-OBJ-006", why + ": it is read", made)
    expect = {"error": {"class": "malformed.object", "requirement": "JF-OBJ-010"}}
    files = {"in": ("jelly", made.build())}
    area.add(Vector("decided", "head-both", ("JF-OBJ-010",), "restore", (RESTORE,), expect, why, files))


def _missing(area: Area) -> None:
    made = small()
    gone = object_id(BLOB, b"new\n")
    made.manifest["history"]["missing"] = [gone]
    kept = made.box.without(gone)
    made = Draft(kept, made.manifest, [objects_block("state", kept)]).summarize()
    expect: Json = {"error": {"class": "missing.object", "requirement": "JF-RES-001"}}
    why = "a file that the repository did not have itself: it cannot be written, and so nothing is"
    files = {"in": ("jelly", made.build())}
    area.add(Vector("decided", "missing", ("JF-RES-001",), "restore", (RESTORE,), expect, why, files))
    expect = {"tree": restored(small())}
    files = {"in": ("jelly", small().build())}
    why = "the same with the file"
    area.add(Vector("decided", "missing-not", ("JF-RES-001",), "restore", (RESTORE,), expect, why, files))
