"""Vectors of SPEC JF-OBJ and JF-PTH: commits, trees strict and old, and what names what."""

from __future__ import annotations

from conformance.generate.area_paths import raw_tree
from conformance.generate.draft import Draft, draft, index, objects_block, state, worktree
from conformance.generate.gitobjects import (
    BLOB,
    COMMIT,
    EXECUTABLE,
    GITLINK,
    REGULAR,
    SYMLINK,
    TREE,
    Box,
    Files,
    Leaf,
    commit_content,
    object_id,
)
from conformance.generate.suite import READ, VERIFY, Area

OBJECT = "malformed.object"


def make() -> Area:
    """The area."""
    area = Area("objects", (VERIFY, "host:jelly"))
    _commits(area)
    _strict(area)
    _kinds(area)
    reader = Area("objects", (READ, "host:jelly"))
    _entries(reader)
    _old_modes(reader)
    _counts(reader)
    for vector in reader.vectors:
        area.add(vector)
    return area


def with_head(content: bytes, box: Box, tree: bytes) -> Draft:
    """A state whose HEAD commit has this content."""
    commit = box.add(COMMIT, content)
    box.heads[commit] = tree
    made = draft(state(commit, index(tree), worktree(tree)), box)
    made.manifest["history"]["shallow"] = []
    return made


def _commits(area: Area) -> None:
    def lines(box: Box, tree: bytes) -> dict[str, bytes]:
        hexed, parent = tree.hex().encode(), box.commit(tree, (), b"old\n").hex().encode()
        rest = b"author A <a@example.com> 0 +0000\n\nm\n"
        return {
            "empty": b"",
            "no-tree": rest,
            "tree-upper": b"tree " + hexed.upper() + b"\n" + rest,
            "tree-short": b"tree " + hexed[:-1] + b"\n" + rest,
            "tree-long": b"tree " + hexed + b"0\n" + rest,
            "tree-sha256": b"tree " + hexed + hexed[:24] + b"\n" + rest,
            "tree-no-line-end": b"tree " + hexed,
            "tree-crlf": b"tree " + hexed + b"\r\n" + rest,
            "tree-two-spaces": b"tree  " + hexed + b"\n" + rest,
            "tree-not-hex": b"tree " + b"g" + hexed[1:] + b"\n" + rest,
            "space-first": b" tree " + hexed + b"\n" + rest,
            "parent-first": b"parent " + parent + b"\ntree " + hexed + b"\n" + rest,
            "parent-upper": b"tree " + hexed + b"\nparent " + b"A" * 40 + b"\n" + rest,
            "parent-short": b"tree " + hexed + b"\nparent " + parent[:-2] + b"\n" + rest,
            "parent-long": b"tree " + hexed + b"\nparent " + parent + b"00\n" + rest,
            "parent-crlf": b"tree " + hexed + b"\nparent " + parent + b"\r\n" + rest,
            "parent-no-line-end": b"tree " + hexed + b"\nparent " + parent,
            "second-parent-bad": b"tree " + hexed + b"\nparent " + parent + b"\nparent HEAD\n" + rest,
        }

    def base() -> tuple[Box, bytes]:
        box = Box()
        return box, box.tree({b"f": b"f\n"})

    for name in lines(*base()):
        box, tree = base()
        made = with_head(lines(box, tree)[name], box, tree)
        area.reject(f"commit-{name}", "JF-OBJ-001", OBJECT, f"the HEAD commit: {name}", made)
    for name in ("no-tree", "parent-upper"):
        box, tree = base()
        old = box.add(COMMIT, lines(box, tree)[name])
        head = box.commit(tree, (old,))
        made = draft(state(head, index(tree), worktree(tree)), box)
        rest = [oid for oid in made.box.objects if oid != old]
        made.blocks = [objects_block("state", box, rest), objects_block("history", box, [old])]
        made.manifest["history"]["shallow"] = []
        area.reject(f"commit-old-{name}", "JF-OBJ-001", OBJECT, f"a commit of the history: {name}", made)
    box, tree = base()
    head = commit_content(tree)
    good = {
        "bare": head[: head.index(b"\n") + 1],
        "odd-headers": head[: head.index(b"\n") + 1] + b"parents\nencoding x\ngpgsig -\n parent of nothing\n\n\0\xff",
        "parent-later": head[: head.index(b"\n") + 1] + b"author x\nparent not a header line that counts\n\nm",
        "two-trees": head[: head.index(b"\n") + 1] + head,
    }
    for name, content in good.items():
        box, tree = base()
        why = f"a commit that git would not make, and that has all that counts: {name}"
        area.accept(f"commit-{name}", "JF-OBJ-001", why, with_head(content, box, tree))
    box = Box("sha256")
    tree = box.tree({b"f": b"f\n"})
    commit = box.add(COMMIT, b"tree " + tree.hex().encode()[:40] + b"\n\nm\n")
    box.heads[commit] = tree
    made = draft(state(commit, index(tree), worktree(tree), object_format="sha256"), box)
    why = "a tree of 40 digits in a repository of SHA-256"
    area.reject("commit-sha256", "JF-OBJ-001", OBJECT, why, made, needs=("oid:sha256",))


def with_tree(tree: bytes, box: Box, *, where: str = "worktree") -> Draft:
    """A state with this tree in one of its three places."""
    empty = box.tree({})
    if where == "head":
        return draft(state(box.commit(tree), index(empty), worktree(empty)), box)
    at_index, at_work = (tree, empty) if where == "index" else (empty, tree)
    return draft(state(None, index(at_index), worktree(at_work)), box)


def _entries(area: Area) -> None:
    def contents(blob: bytes) -> dict[str, bytes]:
        good = b"100644 a\0" + blob
        return {
            "cut-in-oid": good[:-1],
            "cut-after-name": b"100644 a\0",
            "cut-in-name": b"100644 a",
            "cut-in-mode": b"1006",
            "second-cut": good + b"100644 b\0" + blob[:7],
            "behind": good + b"\n",
            "no-mode": b" a\0" + blob,
            "no-space": b"100644a\0" + blob,
            "mode-8-digits": b"00100644 a\0" + blob,
            "mode-not-octal": b"100844 a\0" + blob,
            "mode-signed": b"+100644 a\0" + blob,
            "mode-hex": b"0x81a4 a\0" + blob,
        }

    for name in contents(b""):
        box = Box()
        tree = box.add(TREE, contents(box.blob(b"a\n"))[name])
        made = with_tree(tree, box)
        area.reject(f"tree-{name}", "JF-OBJ-002", OBJECT, f"the worktree tree: {name}", made)
    for where in ("head", "index"):
        for name in ("cut-in-oid", "mode-not-octal"):
            box = Box()
            tree = box.add(TREE, contents(box.blob(b"a\n"))[name])
            made = with_tree(tree, box, where=where)
            why = f"the tree of {where}: {name}"
            area.reject(f"tree-{where}-{name}", "JF-OBJ-002", OBJECT, why, made, verify=True)
    box = Box()
    old = box.commit(box.add(TREE, contents(box.blob(b"a\n"))["behind"]))
    clean = box.tree({b"f": b"f\n"})
    made = draft(state(box.commit(clean, (old,)), index(clean), worktree(clean)), box)
    area.reject("tree-history-behind", "JF-OBJ-002", OBJECT, "a tree of an old commit: behind", made, verify=True)


def _strict(area: Area) -> None:
    modes = {
        "group-writable": b"100664",
        "zero-padded": b"0100644",
        "owner-only": b"100600",
        "setuid": b"104755",
        "no-bits": b"100000",
        "executable-other": b"100775",
        "link-bits": b"120777",
        "module-bits": b"160755",
        "directory-zero-padded": b"040000",
        "directory-bits": b"40755",
        "device": b"060644",
        "socket": b"140000",
        "zero": b"0",
    }
    for name, mode in modes.items():
        for where in ("worktree", "index") if name in ("group-writable", "directory-zero-padded") else ("worktree",):
            box = Box()
            oid = box.tree({b"x": b"x\n"}) if b"40" in mode[:3] and len(mode) < 7 else box.blob(b"a\n")
            made = with_tree(raw_tree(box, [(mode, b"a", oid)]), box, where=where)
            why = f"the mode {mode.decode()} in the {where} tree"
            area.reject(f"mode-{name}-{where}", "JF-OBJ-004", OBJECT, why, made)
    box = Box()
    a, d = box.blob(b"a\n"), box.tree({b"x": b"x\n"})
    regular, directory = b"100644", b"40000"
    orders = {
        "unsorted": [(regular, b"b", a), (regular, b"a", a)],
        "prefix-last": [(regular, b"ab", a), (regular, b"a", a)],
        "signed": [(regular, b"\xff", a), (regular, b"a", a)],
        "directory-as-file": [(directory, b"a", d), (regular, b"a.b", a)],
        "file-as-directory": [(regular, b"a0", a), (directory, b"a", d)],
        "file-behind-directory": [(directory, b"a0", d), (regular, b"a-", a)],
        "twice": [(regular, b"a", a), (regular, b"a", a)],
        "twice-differing": [(regular, b"a", a), (b"100755", b"a", a)],
        "file-and-directory": [(regular, b"a", a), (directory, b"a", d)],
        "file-and-directory-apart": [(regular, b"a", a), (regular, b"a.b", a), (directory, b"a", d)],
        "link-and-directory": [(b"120000", b"a", a), (directory, b"a", d)],
    }
    for name, entries in orders.items():
        for where in ("worktree", "index") if name in ("unsorted", "file-and-directory") else ("worktree",):
            made = with_tree(raw_tree(box := _filled(), entries), box, where=where)
            area.reject(f"order-{name}-{where}", "JF-OBJ-005", OBJECT, f"entries of the {where} tree: {name}", made)
    for where in ("worktree", "index"):
        box = _filled()
        made = with_tree(raw_tree(box, [(directory, b"e", box.tree({}))]), box, where=where)
        why = f"an entry for a directory that is empty, in the {where} tree"
        area.reject(f"empty-directory-{where}", "JF-OBJ-005", OBJECT, why, made)
    box = _filled()
    inner = raw_tree(box, [(directory, b"e", box.tree({}))])
    made = with_tree(raw_tree(box, [(directory, b"d", inner)]), box)
    area.reject("empty-directory-below", "JF-OBJ-005", OBJECT, "an entry for an empty directory, further below", made)
    box = Box()
    names = (b"a-", b"a.b", b"a/x", b"a0", b"ab", b"b", b"\x7f", b"\x80", b"\xff")
    tree = box.tree(dict.fromkeys(names, b"x\n"))
    why = "git's order: a directory as if a slash followed its name, bytes unsigned"
    area.accept("order-good", "JF-OBJ-004 JF-OBJ-005", why, draft(state(None, index(tree), worktree(tree)), box))
    box = Box()
    every: Files = {
        b"e": (EXECUTABLE, b"x\n"),
        b"l": (SYMLINK, b"f"),
        b"m": (GITLINK, b"\1" * 20),
        b"d/f": b"f\n",
        b"f": b"f\n",
    }
    tree = box.tree(every)
    why = "the five modes of a strict tree"
    area.accept("modes-good", "JF-OBJ-004", why, draft(state(None, index(tree), worktree(tree)), box))


def _filled() -> Box:
    box = Box()
    box.blob(b"a\n")
    box.tree({b"x": b"x\n"})
    return box


def _old_modes(area: Area) -> None:
    box = Box()
    blob = box.blob(b"a\n")
    link = box.blob(b"target")
    below = box.tree({b"x": b"x\n"})
    entries: list[tuple[bytes, bytes, bytes, int | None]] = [
        (b"100664", b"group", blob, REGULAR),
        (b"100600", b"owner", blob, REGULAR),
        (b"100677", b"others-run", blob, REGULAR),
        (b"100000", b"bits-none", blob, REGULAR),
        (b"0100644", b"padded", blob, REGULAR),
        (b"100775", b"run-group", blob, EXECUTABLE),
        (b"100700", b"run-owner", blob, EXECUTABLE),
        (b"104711", b"run-setuid", blob, EXECUTABLE),
        (b"120777", b"link-bits", link, SYMLINK),
        (b"0120000", b"link-padded", link, SYMLINK),
        (b"040000", b"dir-padded", below, None),
        (b"40755", b"dir-bits", below, None),
        (b"160755", b"module-bits", b"\1" * 20, GITLINK),
        (b"140000", b"socket", b"\2" * 20, GITLINK),
        (b"060000", b"device", b"\3" * 20, GITLINK),
        (b"644", b"no-type", b"\4" * 20, GITLINK),
        (b"0", b"zero", b"\5" * 20, GITLINK),
    ]
    tree = raw_tree(box, [item[:3] for item in entries])
    leaves: dict[bytes, Leaf] = {}
    for _, name, oid, mode in entries:
        if mode is None:
            leaves[name + b"/x"] = (REGULAR, object_id(BLOB, b"x\n"))
        else:
            leaves[name] = (mode, oid)
    box.leaves[tree] = leaves
    made = draft(state(box.commit(tree), None, None), box)
    why = "modes of decades ago in the tree of HEAD, out of order, of a bare repository: they are read as git does"
    area.accept("old-modes", "JF-OBJ-006 JF-OBJ-002", why, made)
    made = draft(state(box.commit(tree), index(empty := box.tree({})), worktree(empty)), box)
    area.accept("old-modes-staged", "JF-OBJ-006 JF-SUM-001", "the same against an empty index", made, verify=True)
    box = Box()
    one, two = box.blob(b"one\n"), box.blob(b"two, longer\n")
    empty = box.tree({})
    tree = raw_tree(
        box,
        [
            (b"100644", b"b", one), (b"100644", b"a", one), (b"100755", b"b", two), (b"40000", b"e", empty),
            (b"100644", b"a", two),
        ],
    )  # fmt: skip
    box.leaves[tree] = {b"a": (REGULAR, two), b"b": (EXECUTABLE, two)}
    made = draft(state(box.commit(tree), None, None), box)
    why = "a tree of HEAD out of order, with names twice (the last counts) and an empty directory"
    area.accept("old-order", "JF-OBJ-005 JF-OBJ-006", why, made)


def _kinds(area: Area) -> None:
    def base() -> tuple[Box, bytes, bytes, bytes]:
        box = Box()
        tree = box.tree({b"x": b"x\n"})
        return box, tree, box.blob(b"x\n"), box.commit(tree)

    for name, mode, kind in (
        ("file-is-tree", b"100644", 0), ("file-is-commit", b"100755", 2), ("link-is-tree", b"120000", 0),
        ("directory-is-blob", b"40000", 1), ("directory-is-commit", b"40000", 2),
    ):  # fmt: skip
        box, *oids = base()
        made = with_tree(raw_tree(box, [(mode, b"a", oids[kind])]), box)
        area.reject(f"kind-{name}", "JF-OBJ-007", OBJECT, f"an entry of the worktree tree: {name}", made)
        box, *oids = base()
        made = with_tree(raw_tree(box, [(mode, b"a", oids[kind])]), box, where="head")
        area.reject(f"kind-head-{name}", "JF-OBJ-007", OBJECT, f"an entry of the HEAD tree: {name}", made)
    box, tree, blob, commit = base()
    made = with_head(commit_content(blob), box, blob)
    made.state["index"], made.state["worktree"] = index(tree), worktree(tree)
    area.reject("kind-commit-tree", "JF-OBJ-007", OBJECT, "the tree of the HEAD commit is a blob", made.summarize())
    for name, number in (("tree", 1), ("blob", 2)):
        box, *found = base()
        head = box.commit(found[0], (found[number - 1],), b"child\n")
        made = draft(state(head, index(found[0]), worktree(found[0])), box)
        made.manifest["history"]["shallow"] = []
        area.reject(f"kind-parent-{name}", "JF-OBJ-007", OBJECT, f"a parent of the HEAD commit is a {name}", made)
    box, tree, blob, commit = base()
    made = draft(state(None, index(blob), worktree(tree)), box)
    area.reject("kind-index", "JF-OBJ-007", OBJECT, "the index tree is a blob", made)
    made = draft(state(None, index(tree), worktree(commit)), box)
    area.reject("kind-worktree", "JF-OBJ-007", OBJECT, "the worktree tree is a commit", made)
    made = draft(state(None, index(tree, conflicts=[[b"c", None, [REGULAR, tree], None]]), worktree(tree)), box)
    area.reject("kind-stage", "JF-OBJ-007", OBJECT, "a stage of a conflict is a tree", made)
    merging = {"heads": [blob], "kind": "merge", "message": None}
    made = draft(state(commit, index(tree), worktree(tree), operation=merging), box)
    area.reject("kind-operation", "JF-OBJ-007", OBJECT, "what is being merged is a blob", made)
    old = box.commit(raw_tree(box, [(b"40000", b"a", blob)]), (), b"old\n")
    made = draft(state(box.commit(tree, (old,), b"new\n"), index(tree), worktree(tree)), box)
    area.reject("kind-history", "JF-OBJ-007", OBJECT, "a directory of an old commit is a blob", made)
    box, tree, blob, commit = base()
    modules = box.tree({b"m": (GITLINK, blob), b"n": (GITLINK, tree), b"o": (GITLINK, commit)})
    why = "entries of mode 160000 that name a blob, a tree and a commit of the container: they are not checked"
    area.accept("kind-module", "JF-OBJ-007", why, draft(state(commit, index(modules), worktree(modules)), box))


def _counts(area: Area) -> None:
    for name, mode, where in (("files", b"100644", "worktree"), ("modules", b"160000", "head")):
        box = Box()
        oid = b"\1" * 20 if name == "modules" else box.blob(b"x\n")
        tree = raw_tree(box, [(mode, b"%d" % n, oid) for n in range(10)])
        for _ in range(8):
            tree = raw_tree(box, [(b"40000", b"%d" % n, tree) for n in range(10)])
        made = with_tree(tree, box, where=where)
        if where == "head":
            made = draft(state(box.commit(tree, (), b"two\n"), None, None), box)
        why = f"nine trees of ten entries each that stand for 1,111,111,110 ({name}), in the {where} tree"
        area.reject(f"entries-bomb-{name}-{where}", "JF-OBJ-008", "limit.count", why, made)
    box = Box()
    tree = box.tree({})
    for _ in range(24):
        tree = raw_tree(box, [(b"40000", b"a", tree), (b"40000", b"b", tree)])
    made = draft(state(box.commit(tree), None, None), box)
    why = "25 trees without any file, of two entries each, that stand for 33,554,430: directories count each time"
    area.reject("entries-bomb-directories", "JF-OBJ-008", "limit.count", why, made)
