"""Vectors of SPEC JF-HIS, JF-PRV, JF-STA and JF-NED: history, state, what they need."""

from __future__ import annotations

from conformance.generate.area_blocks import with_history
from conformance.generate.draft import (
    Draft,
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
from conformance.generate.gitobjects import BLOB, COMMIT, EXECUTABLE, REGULAR, SYMLINK, TREE, Box, object_id
from conformance.generate.suite import READ, VERIFY, Area
from conformance.generate.wire import Value

MISMATCH = "mismatch.state"


def make() -> Area:
    """The area."""
    area = Area("state", (VERIFY, "host:jelly"))
    _history(area)
    _thin(area)
    _needed(area)
    _index(area)
    _worktree(area)
    _nested(area)
    _below(area)
    reader = Area("state", (READ, "host:jelly"))
    _head(reader)
    _nested_read(reader)
    _sha256(reader)
    for vector in reader.vectors:
        area.add(vector)
    return area


def _history(area: Area) -> None:
    for name, change in (("more", 1), ("less", -1)):
        made = small()
        made.manifest["history"]["commits"] += change
        area.reject(f"commits-{name}", "JF-HIS-001", MISMATCH, f"one commit {name} is declared than is there", made)
    for number in (0, 1):
        made = with_history()
        made.manifest["history"]["commits"] = (1, 2)[number]
        why = "only the commits of one kind of block are counted"
        area.reject(f"commits-of-{('state', 'history')[number]}", "JF-HIS-001", MISMATCH, why, made)
    box = Box()
    tree = box.tree({b"a": b"a\n"})
    far = b"\x11" * 20
    root = box.commit(tree)
    middle = box.commit(tree, (root, far), b"merge\n")
    commit = box.commit(tree, (middle, root), b"top\n")
    made = draft(state(commit, index(tree), worktree(tree)), box)
    assert made.manifest["history"]["shallow"] == [middle]
    why = "of a merge one parent is there and one is not: it is at the boundary"
    area.accept("shallow-half", "JF-HIS-002", why, made)
    for name, shallow in (("hidden", []), ("added", sorted([middle, root])), ("unknown", sorted([middle, far]))):
        made.manifest["history"]["shallow"] = shallow
        why = f"the boundary is {name} (of {len(shallow)} commits)"
        area.reject(f"shallow-{name}", "JF-HIS-002", MISMATCH, why, made)
    made = small()
    made.manifest["history"]["missing"] = [next(iter(made.box.objects))]
    area.reject("missing-is-there", "JF-HIS-003", MISMATCH, "an object that is there is called missing", made)
    made = small()
    made.manifest["history"]["missing"] = [b"\x11" * 20]
    area.accept("missing-unnamed", "JF-HIS-003", "`missing` may list more than is named", made)
    for name, lost in (("blob", Box().blob(b"old\n")), ("tree", Box().tree({b"a": b"old\n"}))):
        made = with_history()
        kept = [oid for oid in made.box.objects if oid != lost]
        new = [oid for oid in kept if oid not in _history_objects(made)]
        rest = [oid for oid in kept if oid not in new]
        made.blocks = [objects_block("state", made.box, new), objects_block("history", made.box, rest)]
        why = f"a {name} of an old commit is not there"
        area.reject(f"history-{name}-absent", "JF-HIS-004", "missing.object", why, made)
        made.manifest["history"]["missing"] = [lost]
        if name == "tree":  # what it alone names is reached no more
            rest.remove(Box().blob(b"old\n"))
            made.blocks[1] = objects_block("history", made.box, rest)
        area.accept(f"history-{name}-missing", "JF-HIS-004 JF-HIS-003", why + ", and listed as missing", made)


def _history_objects(made: Draft) -> list[bytes]:
    found = []
    for kind, content in ((TREE, None), (BLOB, b"old\n"), (COMMIT, None)):
        for oid, (there, data) in made.box.objects.items():
            if there == kind and (data == content or content is None):
                found.append(oid)
    new = {made.state["head"]["commit"], made.state["index"]["tree"], object_id(BLOB, b"new\n")}
    return [oid for oid in found if oid not in new]


def thin() -> Draft:
    """A thin container: what a prerequisite reaches is left out."""
    box = Box()
    old = box.tree({b"a": b"a\n" * 9, b"d/b": b"b\n"})
    base = box.commit(old)
    before = list(box.objects)
    tree = box.tree({b"a": b"changed\n", b"d/b": b"b\n"})
    top = box.commit(tree, (base,), b"top\n")
    new = [oid for oid in box.objects if oid not in before]
    whole = state(top, index(tree), worktree(tree))
    made = draft(whole, box.without(*before), prerequisites=[base])
    made.box = box
    made.blocks = [objects_block("state", box, new)]
    made.summarize()
    return made


def _thin(area: Area) -> None:
    made = thin()
    box = made.box
    top = made.state["head"]["commit"]
    whole, base = made.state, made.manifest["history"]["prerequisites"][0]
    before = made.box.reached(base)
    new = [oid for oid in made.box.objects if oid not in before]
    why = "a thin container: what the prerequisite reaches is left out, and its child is not at the boundary"
    ids = "JF-HIS-002 JF-HIS-004 JF-NED-001 JF-REC-005"
    area.accept("thin", ids, why, made, leave_out=("files",))
    made.manifest["history"]["shallow"] = [top]
    why = "a child of a prerequisite is called shallow"
    area.reject("thin-shallow", "JF-HIS-002", MISMATCH, why, made)
    made = draft(whole, box.without(*before), prerequisites=[base])
    made.box = box
    made.summarize()
    blob = object_id(BLOB, b"a\n" * 9)
    parts = [(record(*box.objects[oid]), len(box.objects[oid][1])) for oid in new if box.objects[oid][0] != BLOB]
    parts.append((diff(BLOB, blob, [b"changed\n"]), 8))
    made.blocks = [block_of("state", parts)]
    why = "a diff on an object of a prerequisite, which the reader does not have"
    area.reject("thin-diff", "JF-REC-005", "missing.base", why, made)


def _needed(area: Area) -> None:
    def lacking(name: str, oid: bytes, made: Draft, why: str) -> None:
        made.blocks = [objects_block("state", made.box, [item for item in made.box.objects if item != oid])]
        area.reject(f"needed-{name}", "JF-NED-001", "missing.object", why + " is not there", made)

    base = small()
    work, head = base.state["worktree"]["tree"], base.state["index"]["tree"]
    lacking("worktree-tree", work, small(), "the worktree tree")
    lacking("worktree-subtree", Box().tree({b"b": b"new\n"}), small(), "a tree below the worktree tree")
    lacking("worktree-blob", Box().blob(b"new\n"), small(), "a file of the worktree")
    lacking("index-tree", head, small(), "the tree of HEAD and index")
    lacking("index-blob", Box().blob(b"one\n" * 3), small(), "a file of HEAD and index")
    made = small()
    made.manifest["history"]["commits"] = 0
    lacking("commit", base.state["head"]["commit"], made, "the HEAD commit")
    box = Box()
    made = draft(state(None, index(box.tree({})), worktree(box.tree({b"a": b"a\n"}))), box)
    lacking("empty-tree", box.tree({}), made, "the empty tree, an object like any other,")
    box = Box()
    empty = box.tree({})
    side = box.commit(empty, (), b"side\n")
    commit = box.commit(empty)
    work_on = {"heads": [side], "kind": "merge", "message": b"m"}
    whole = state(commit, index(empty), worktree(empty), operation=work_on)
    made = draft(whole, box)
    area.accept("needed-operation", "JF-NED-001", "a merge with the commit it names", made)
    made = draft(whole, box)
    made.manifest["history"]["commits"] = 1
    lacking("operation-head", side, made, "the commit that is being merged")
    made = draft(whole, box)
    made.blocks = [
        objects_block("state", box, [oid for oid in box.objects if oid != side]),
        objects_block("history", box, [side]),
    ]
    why = "the commit that is being merged is there, but in a history block"
    area.reject("needed-in-history", "JF-NED-001", "missing.object", why, made)
    made = small()
    made.blocks = [
        objects_block("state", made.box, [oid for oid in made.box.objects if oid != Box().blob(b"new\n")]),
        objects_block("history", made.box, [Box().blob(b"new\n")]),
    ]
    why = "a file of the worktree is there, but in a history block"
    area.reject("needed-blob-in-history", "JF-NED-001", "missing.object", why, made)
    for number, side_name in enumerate(("base", "ours", "theirs")):
        box = Box()
        empty = box.tree({})
        stages: list[Value] = [None, None, None]
        stages[number] = [REGULAR, box.blob(b"stage\n")]
        made = draft(state(None, index(empty, conflicts=[[b"c", *stages]]), worktree(empty)), box)
        lacking(f"stage-{side_name}", Box().blob(b"stage\n"), made, f"the blob of the stage {side_name}")
    box = Box()
    empty = box.tree({})
    conflict = [b"c", None, [0o160000, b"\1" * 20], [REGULAR, box.blob(b"s\n")]]
    made = draft(state(None, index(empty, conflicts=[conflict]), worktree(empty)), box)
    area.accept("needed-stage-module", "JF-NED-001", "the stage of a submodule needs nothing", made)
    box = Box()
    tree = box.tree({b"m": gitlink(b"\1" * 20)})
    made = draft(state(None, index(tree), worktree(tree)), box)
    area.accept("needed-module", "JF-NED-001 JF-SUB-001", "a submodule that is not initialised needs nothing", made)
    made = small()
    lost = Box().tree({b"b": b"new\n"})
    made.manifest["history"]["missing"] = [lost]
    lacking(
        "tree-missing", lost, made, "a tree that the worktree needs is listed as missing, which only a blob may be, and"
    )


def _index(area: Area) -> None:
    a, b = b"a\n", b"b\n"

    def with_index(**more: Value) -> Draft:
        box = Box()
        tree = box.tree({b"d/x": a, b"f": a})
        box.blob(b)
        return draft(state(None, index(tree, **more), worktree(tree)), box)

    stage = [REGULAR, Box().blob(b)]
    why = "a path in conflict that the index tree has too"
    conflict = with_index(conflicts=[[b"f", stage, None, None]])
    area.reject("conflict-staged", "JF-IDX-001", MISMATCH, why, conflict)
    why = "a path intended to be added that the index tree has already"
    area.reject("intent-staged", "JF-IDX-001", MISMATCH, why, with_index(intent_to_add=[[b"f", REGULAR]]))
    made = with_index(conflicts=[[b"new", stage, None, None]], intent_to_add=[[b"new", REGULAR]])
    area.reject("conflict-and-intent", "JF-IDX-001", MISMATCH, "a path in conflict and intended to be added", made)
    made = with_index(conflicts=[[b"new", stage, None, None]], intent_to_add=[[b"new2", REGULAR]])
    area.accept("conflict-beside-intent", "JF-IDX-001", "one path in conflict, another intended to be added", made)
    made = with_index(conflicts=[[b"d", stage, None, None]])
    area.accept("conflict-with-directory", "JF-IDX-001", "a path in conflict that is a directory of the index", made)
    for key in ("assume_unchanged", "skip_worktree"):
        name = key.replace("_", "-")
        made = with_index(**{key: [b"nowhere"]})
        area.reject(f"{name}-nowhere", "JF-IDX-002", MISMATCH, f"{key} has a path that the index has not", made)
        made = with_index(**{key: [b"d"]})
        area.reject(f"{name}-directory", "JF-IDX-002", MISMATCH, f"{key} has a directory of the index", made)
        made = with_index(**{key: [b"new"]}, intent_to_add=[[b"new", REGULAR]])
        area.accept(f"{name}-intent", "JF-IDX-002", f"{key} has a path that is intended to be added", made)
    made = with_index(skip_worktree=[b"c"], conflicts=[[b"c", stage, None, None]])
    area.reject("skip-worktree-conflict", "JF-IDX-002", MISMATCH, "skip_worktree has a path in conflict", made)


def _worktree(area: Area) -> None:
    a, b = b"a\n", b"b\n"

    def with_work(**more: Value) -> Draft:
        box = Box()
        tree = box.tree({b"d/x": a, b"f": a, b"e": (EXECUTABLE, a), b"l": (SYMLINK, a), b"only-index": a})
        work = box.tree({b"d/x": b, b"f": b, b"e": (EXECUTABLE, b), b"l": (SYMLINK, b), b"only-work": a, b"u": a})
        return draft(state(None, index(tree), worktree(work, **more)), box)

    for name, path in (("file", b"f"), ("directory", b"d")):
        made = with_work(omitted=[omitted(path, "size")])
        area.reject(f"omitted-{name}", "JF-WRK-002", MISMATCH, f"a {name} that is there is listed as omitted", made)
        made = with_work(empty_directories=[path])
        area.reject(f"empty-{name}", "JF-WRK-002", MISMATCH, f"an empty directory at a {name} of the worktree", made)
    made = with_work(omitted=[omitted(b"d/y", "secret")], empty_directories=[b"d/empty", b"hollow"])
    area.accept("omitted-beside", "JF-WRK-002", "omitted and empty beside what is there", made)
    made = with_work(converted=[b"e", b"f"])
    area.accept("converted", "JF-WRK-003", "converted files, one of them executable", made)
    for name, path in (("link", b"l"), ("only-index", b"only-index"), ("only-work", b"u"), ("nowhere", b"no")):
        made = with_work(converted=[path])
        why = f"a converted path: {name}"
        area.reject(f"converted-{name}", "JF-WRK-003", MISMATCH, why, made)
    made = with_work(filtered=[b"f"])
    area.reject("filtered-differs", "JF-WRK-004", MISMATCH, "a filtered file that differs from the index", made)
    for name, path in (("only-index", b"only-index"), ("only-work", b"u"), ("nowhere", b"no"), ("directory", b"d")):
        made = with_work(filtered=[path])
        area.reject(f"filtered-{name}", "JF-WRK-004", MISMATCH, f"a filtered path: {name}", made)
    box = Box()
    one, two = box.tree({b"f": a}), box.tree({b"f": (EXECUTABLE, a)})
    made = draft(state(None, index(one), worktree(two, filtered=[b"f"])), box)
    area.accept("filtered-mode", "JF-WRK-004", "a filtered file of the same content and another mode", made)
    box = Box()
    tree = box.tree({b"f": a})
    made = draft(state(None, None, worktree(tree, filtered=[b"f"])), box)
    area.reject("filtered-no-index", "JF-WRK-004", MISMATCH, "a filtered file without an index", made)
    made = draft(state(None, None, worktree(tree, converted=[b"f"])), box)
    area.reject("converted-no-index", "JF-WRK-003", MISMATCH, "a converted file without an index", made)


def _below(area: Area) -> None:
    box = Box()
    empty = box.tree({})
    unborn = state(None, index(empty), worktree(empty))
    files: dict[bytes, Value] = {b"d/x": b"x\n", b"f": b"f\n", b"l": (SYMLINK, b".."), b"m": gitlink(b"\1" * 20)}
    tree = box.tree(files)
    for name, path in (("file", b"f/e"), ("link", b"l/e"), ("link-further", b"l/e/e"), ("module", b"m/e")):
        made = draft(state(None, index(empty), worktree(tree, empty_directories=[path])), box)
        area.reject(f"empty-below-{name}", "JF-WRK-006", MISMATCH, f"an empty directory {path!r}, below a {name}", made)
        made = draft(state(None, index(empty), worktree(tree), submodules=[nested(path, unborn)]), box)
        why = f"a nested repository {path!r}, below a {name}"
        area.reject(f"nested-below-{name}", "JF-SUB-005", MISMATCH, why, made)
    for name, path in (("at", b"n"), ("below", b"n/e")):
        made = draft(
            state(None, index(empty), worktree(tree, empty_directories=[path]), submodules=[nested(b"n", unborn)]), box
        )
        why = f"an empty directory {name} the path of a nested repository"
        area.reject(f"empty-{name}-nested", "JF-WRK-006", MISMATCH, why, made)
    nests = [nested(b"n", unborn), nested(b"n/o/p", unborn)]
    made = draft(state(None, index(empty), worktree(tree), submodules=nests), box)
    why = "a nested repository below the path of another, which is not in the state of that one"
    area.reject("nested-below-nested", "JF-SUB-005", MISMATCH, why, made)
    nests = [nested(b"d/n", unborn), nested(b"n", unborn), nested(b"n.x", unborn)]
    directories = [b"d/e", b"d/e.x", b"n.e"]
    made = draft(state(None, index(empty), worktree(tree, empty_directories=directories), submodules=nests), box)
    why = "nested repositories and empty directories beside each other and in directories"
    area.accept("nested-beside", "JF-WRK-006 JF-SUB-005", why, made)


def around(inner: Value, leaf: Value = None, path: bytes = b"lib", box: Box | None = None) -> Draft:
    """A state with a nested one, and an entry for it."""
    box = box or Box()
    tree = box.tree({b"top": b"t\n", **({} if leaf is None else {path: leaf})})
    return draft(state(None, index(tree), worktree(tree), submodules=[nested(path, inner)]), box)


def _nested(area: Area) -> None:
    box = Box()
    tree = box.tree({b"x": b"x\n"})
    commit, other = box.commit(tree), box.commit(tree, (), b"other\n")
    inner = state(commit, index(tree), worktree(tree))
    for name, leaf in (("no-entry", None), ("other-commit", gitlink(other)), ("file", b"f\n")):
        made = around(inner, leaf, box=box)
        why = f"a nested repository with a commit, and in the worktree around it: {name}"
        area.reject(f"nested-{name}", "JF-SUB-001", MISMATCH, why, made)
    made = around(inner, gitlink(commit), box=box)
    area.accept("nested", "JF-SUB-001 JF-STA-001", "a nested repository with its entry", made)
    box = Box()
    empty = box.tree({})
    unborn = state(None, index(empty), worktree(empty))
    area.accept(
        "nested-unborn", "JF-SUB-002", "a nested repository without a commit has no entry", around(unborn, box=box)
    )
    for name, leaf, path in (("module", gitlink(b"\1" * 20), b"lib"), ("file", b"f\n", b"lib")):
        made = around(unborn, leaf, path, box)
        why = f"a nested repository without a commit at a {name} of the worktree"
        area.reject(f"nested-unborn-{name}", "JF-SUB-002", MISMATCH, why, made)
    tree = box.tree({b"lib/x": b"x\n"})
    made = draft(state(None, index(tree), worktree(tree), submodules=[nested(b"lib", unborn)]), box)
    why = "a nested repository without a commit at a directory of the worktree"
    area.reject("nested-unborn-directory", "JF-SUB-002", MISMATCH, why, made)


def _nested_read(area: Area) -> None:
    for depth in (8, 9):
        box = Box()
        empty = box.tree({})
        inner = state(None, index(empty), worktree(empty))
        for _ in range(depth):
            inner = state(None, index(empty), worktree(empty), submodules=[nested(b"n", inner)])
        made = draft(inner, box)
        if depth == 8:
            area.accept("nested-8", "JF-SUB-003", "states nested 8 deep, the limit", made)
        else:
            area.reject("nested-9", "JF-SUB-003", "limit.depth", "states nested 9 deep", made)
    box = Box()
    sha256 = Box("sha256").tree({})
    inner = state(None, index(sha256), worktree(sha256), object_format="sha256")
    made = around(inner, box=box)
    area.reject("nested-format", "JF-STA-001", MISMATCH, "a nested state of the other object format", made)


def _head(area: Area) -> None:
    made = small()
    made.state["head"]["ref"] = None
    area.accept("detached", "JF-STA-002", "a detached HEAD", made)
    box = Box()
    empty = box.tree({})
    made = draft(state(None, index(empty), worktree(empty), ref=None), box)
    area.reject("head-nothing", "JF-STA-002", "malformed.manifest", "HEAD has neither a commit nor a ref", made)
    good = [b"refs/x", b"refs/heads/a/b", b"refs/heads/@", b"refs/@", b"refs/heads/a.b", b"refs/heads/a.lockx"]
    good += [b"refs/heads/\xc3\xa9\xff", b"refs/heads/a{b}", b"refs/heads/-", b"refs/heads/a@b", b"refs/heads/a./b"]
    for number, ref in enumerate(good):
        made = small()
        made.state["head"]["ref"] = ref
        area.accept(f"ref-good-{number}", "JF-STA-003", f"the ref {ref!r}", made, leave_out=("manifest",))
    bad = {
        "empty": b"",
        "head": b"HEAD",
        "short": b"main",
        "not-refs": b"heads/main",
        "refs-alone": b"refs/",
        "refs": b"refs",
        "slash-end": b"refs/heads/",
        "slashes": b"refs//main",
        "slash-start": b"/refs/heads/main",
        "dot-start": b"refs/heads/.main",
        "dots": b"refs/heads/a..b",
        "dot-end": b"refs/heads/main.",
        "lock": b"refs/heads/main.lock",
        "lock-directory": b"refs/main.lock/x",
        "space": b"refs/heads/my main",
        "tilde": b"refs/heads/a~1",
        "caret": b"refs/heads/a^",
        "colon": b"refs/heads/a:b",
        "question": b"refs/heads/a?",
        "star": b"refs/heads/*",
        "bracket": b"refs/heads/[a",
        "backslash": b"refs/heads/a\\b",
        "reflog": b"refs/heads/a@{b",
        "newline": b"refs/heads/a\n",
        "nul": b"refs/heads/a\0b",
        "delete": b"refs/heads/a\x7f",
        "up": b"refs/../x",
    }
    for name, ref in bad.items():
        made = small()
        made.state["head"]["ref"] = ref
        area.reject(f"ref-{name}", "JF-STA-003", "malformed.manifest", f"the ref {ref!r}", made)


def _sha256(area: Area) -> None:
    box = Box("sha256")
    old = box.tree({b"a": b"a\n", b"d/b": b"b\n"})
    commit = box.commit(old, (b"\x11" * 32,))
    new = box.tree({b"a": b"changed\n", b"d/b": b"b\n", b"n": b"n\n"})
    inner_tree = box.tree({b"i": b"i\n"})
    inner = state(None, index(inner_tree), worktree(inner_tree), object_format="sha256")
    whole = state(commit, index(old), worktree(new), object_format="sha256", submodules=[nested(b"lib", inner)])
    made = draft(whole, box, missing=[b"\x22" * 32])
    why = "a repository of SHA-256, with a nested one"
    area.accept("sha256", "JF-STA-001 JF-MAN-002 JF-OBJ-001", why, made, needs=("oid:sha256",), verify=True)
    blob = object_id(BLOB, b"a\n", "sha256")
    parts = [(record(*box.objects[oid]), len(box.objects[oid][1])) for oid in box.objects]
    changed = object_id(BLOB, b"changed\n", "sha256")
    parts[list(box.objects).index(changed)] = (diff(BLOB, blob, [b"ch", [0, 1], b"nged", [1, 1]]), 8)
    made.blocks = [block_of("state", parts)]
    why = "a diff on a base of 32 bytes"
    area.accept("sha256-diff", "JF-REC-001 JF-REC-003", why, made, needs=("oid:sha256",))
    made = draft(whole, box)
    made.state["index"]["tree"] = Box().tree({})
    why = "an oid of 20 bytes where they have 32"
    area.reject("sha256-short", "JF-MAN-002", "malformed.manifest", why, made, needs=("oid:sha256",))
