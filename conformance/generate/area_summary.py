"""Vectors of SPEC JF-SUM: the summary follows from the state."""

from __future__ import annotations

from conformance.generate.draft import Draft, draft, gitlink, index, nested, omitted, small, state, worktree
from conformance.generate.gitobjects import EXECUTABLE, REGULAR, SYMLINK, Box, Files
from conformance.generate.suite import READ, VERIFY, Area
from conformance.generate.wire import Value

SUM = "JF-SUM-001"


def make() -> Area:
    """The area."""
    area = Area("summary", (VERIFY, "host:jelly"))
    _lies(area)
    _conflict(area)
    _letters(area)
    _lists(area)
    _nested(area)
    reader = Area("summary", (READ, "host:jelly"))
    _commit(reader)
    for vector in reader.vectors:
        area.add(vector)
    return area


def trees(head: Files | None, at_index: Files, work: Files | None, **more: Value) -> Draft:
    """A state of three trees."""
    box = Box()
    commit = None if head is None else box.commit(box.tree(head))
    inside = index(box.tree(at_index), **more.pop("index", {}))
    around = None if work is None else worktree(box.tree(work), **more.pop("worktree", {}))
    return draft(state(commit, inside, around, **more), box)


def _conflict(area: Area) -> None:
    stage = [REGULAR, Box().blob(b"a\n")]
    made = trees(
        {b"a": b"a\n", b"b": b"b\n"}, {b"b": b"b\n"}, {b"b": b"b\n"}, index={"conflicts": [[b"a", stage, None, None]]}
    )
    assert made.manifest["summary"]["staged"] == []
    why = "a path in conflict that HEAD has: it is neither staged nor unstaged"
    area.accept("conflict-in-head", SUM, why, made)


def _lies(area: Area) -> None:
    base = {b"a": b"a\n", b"gone": b"x\n"}
    lies: dict[str, tuple[str, Value]] = {
        "files-more": ("files", 4),
        "files-less": ("files", 2),
        "size": ("size", 11),
        "staged-hidden": ("staged", []),
        "staged-added": ("staged", [["A", b"b"], ["M", b"a"]][::-1]),
        "staged-letter": ("staged", [["T", b"b"]]),
        "staged-path": ("staged", [["A", b"c"]]),
        "unstaged-hidden": ("unstaged", []),
        "unstaged-letter": ("unstaged", [["M", b"gone"]]),
        "unstaged-added": ("unstaged", [["D", b"a"], ["D", b"gone"]]),
        "untracked-hidden": ("untracked", []),
        "untracked-other": ("untracked", [b"o"]),
        "untracked-added": ("untracked", [b"n", b"o"]),
        "conflicted-added": ("conflicted", [b"a"]),
    }
    for name, (key, value) in lies.items():
        made = trees(base, {**base, b"b": b"b\n"}, {b"a": b"a\n", b"b": b"b\n", b"n": b"n\n"})
        assert made.manifest["summary"][key] != value, name
        made.manifest["summary"][key] = value
        area.reject(f"lie-{name}", SUM, "mismatch.summary", f"{key} is {value!r}", made)
    made = trees(base, {}, base, index={"conflicts": [[b"a", [REGULAR, Box().blob(b"a\n")], None, None]]})
    assert made.manifest["summary"]["conflicted"] == [b"a"]
    made.manifest["summary"]["conflicted"] = []
    area.reject("lie-conflicted-hidden", SUM, "mismatch.summary", "a conflict is not listed", made)


def _letters(area: Area) -> None:
    kinds: dict[bytes, Value] = {
        b"file": b"x\n",
        b"edited": b"y\n",
        b"exec": (EXECUTABLE, b"x\n"),
        b"link": (SYMLINK, b"x\n"),
        b"module": gitlink(b"\x11" * 20),
    }
    before: dict[bytes, Value] = {}
    after: dict[bytes, Value] = {}
    for one, old in [*kinds.items(), (b"none", None)]:
        for two, new in [*kinds.items(), (b"none", None)]:
            path = one + b"-to-" + two
            if old is not None:
                before[path] = old
            if new is not None:
                after[path] = new
    why = "every change between the types of entries, "
    area.accept("staged-letters", SUM, why + "staged", trees(before, after, after))
    area.accept("unstaged-letters", SUM, why + "not staged", trees(before, before, after))
    area.accept("both", SUM, why + "staged, and then undone in the worktree", trees(before, after, before))


def _lists(area: Area) -> None:
    a, b = b"a\n", b"b\n"
    area.accept("no-commit", f"{SUM} JF-SUM-002", "no commit yet, one file staged", trees(None, {b"a": a}, {b"a": b}))
    files: dict[bytes, Value] = {b"plain": a, b"crlf": a, b"flags": a, b"big": a, b"sparse/x": a, b"sparse/gone": a}
    work: dict[bytes, Value] = {b"plain": b, b"crlf": b, b"flags": b, b"later": a, b"fight": b}
    stages = [REGULAR, Box().blob(a)]
    made = trees(
        files,
        files,
        work,
        index={
            "skip_worktree": [b"sparse/x"],
            "assume_unchanged": [b"flags"],
            "intent_to_add": [[b"later", REGULAR], [b"never", EXECUTABLE], [b"too-big", REGULAR]],
            "conflicts": [[b"fight", stages, stages, None], [b"fight2", None, stages, stages]],
        },
        worktree={"converted": [b"crlf"], "omitted": [omitted(b"big", "size"), omitted(b"too-big", "size")]},
    )
    why = "converted, omitted, sparse, assumed unchanged, intent to add, in conflict: who is in which list"
    area.accept("lists", f"{SUM} JF-IDX-001 JF-IDX-002 JF-WRK-002 JF-WRK-003", why, made)
    box = Box()
    commit = box.commit(box.tree({b"a": a, b"d/link": (SYMLINK, b"../a"), b"m": gitlink(b"\1" * 20)}))
    made = draft(state(commit, None, None), box)
    why = "a bare repository: files and sizes are those of HEAD, a submodule is none of them"
    area.accept("bare", SUM, why, made)
    box = Box()
    commit = box.commit(box.tree({b"a": a}))
    made = draft(state(commit, None, worktree(box.tree({b"a": b, b"n": a}))), box)
    why = "a worktree without an index: nothing staged or unstaged, everything untracked"
    area.accept("no-index", SUM, why, made)
    box = Box()
    commit = box.commit(box.tree({b"a": a}))
    made = draft(state(commit, index(box.tree({b"a": b}), intent_to_add=[[b"n", REGULAR]]), None), box)
    area.accept("no-worktree", SUM, "an index without a worktree: nothing unstaged", made)
    made = trees({b"a/b": a}, {b"a/b": a}, {b"a": b})
    area.accept("directory-to-file", SUM, "a directory became a file", made)
    made = trees({b"\xff\xfe": a}, {b"\xff\xfe": b, b"\xe4": a}, {b"caf\xc3\xa9": a, b"\n\t\x1b[31m": b})
    area.accept("names", f"{SUM} JF-PTH-001", "names that are not UTF-8, and names with controls", made)
    made = small()
    made.box.objects.pop(Box().blob(b"new\n"))
    missing = Box().blob(b"new\n")
    made = draft(made.state, made.box, missing=[missing])
    why = "a blob that the repository did not have itself has the size 0"
    area.accept("missing-size", f"{SUM} JF-HIS-004 JF-NED-001", why, made)


def _nested(area: Area) -> None:
    a, b = b"a\n", b"b\n"
    box = Box()
    tree = box.tree({b"x": a})
    commit = box.commit(tree)
    deep = state(None, index(box.tree({})), worktree(box.tree({b"new": b})))
    inner = state(
        commit,
        index(tree, conflicts=[[b"fight", None, [REGULAR, box.blob(b)], None]]),
        worktree(box.tree({b"x": b, b"y": a})),
        submodules=[nested(b"deep", deep)],
    )
    outside = box.tree({b"lib": gitlink(commit), b"lib.c": b, b"top": a})
    head = box.commit(box.tree({b"lib": gitlink(b"\2" * 20), b"top": a}))
    made = draft(state(head, index(outside), worktree(outside), submodules=[nested(b"lib", inner)]), box)
    why = "the lists of nested repositories have their path in front, and are sorted as a whole (lib.c before lib/x)"
    area.accept("nested", f"{SUM} JF-SUB-001 JF-SUB-002", why, made)
    box = Box()
    path = b"/".join([b"p" * 240] * 16 + [b"p" * 240])
    assert len(path) == 4096
    deepest = state(None, index(box.tree({})), worktree(box.tree({path: a})))
    for _ in range(8):
        deepest = state(None, index(box.tree({})), worktree(box.tree({})), submodules=[nested(path, deepest)])
    long = draft(deepest, box)
    assert len(long.manifest["summary"]["untracked"][0]) == 36_872
    why = "a path of 4,096 bytes in the eighth repository inside another, each at such a path: 36,872 bytes"
    area.accept("nested-long", f"{SUM} JF-PTH-002", why, long, leave_out=("files",))
    long.manifest["ignored"] = [b"/".join([b"i" * 255] * 145)]
    area.reject("ignored-long", "JF-PTH-002", "limit.path", "an ignored path of 37,119 bytes", long)
    made.manifest["summary"]["untracked"] = [b"lib/y"]
    area.reject("lie-nested", SUM, "mismatch.summary", "a file of a nested repository is not listed", made)


def _commit(area: Area) -> None:
    made = small()
    made.manifest["summary"]["commit"] = None
    area.reject("commit-nil", "JF-SUM-002", "mismatch.summary", "no commit in the summary, and one in the state", made)
    made = small()
    made.manifest["summary"]["commit"] += b"\n"
    area.reject("commit-other", "JF-SUM-002", "mismatch.summary", "the content of another commit", made)
    made = trees(None, {}, {})
    made.manifest["summary"]["commit"] = b""
    area.reject("commit-empty", "JF-SUM-002", "mismatch.summary", "a commit in the summary, none in the state", made)
