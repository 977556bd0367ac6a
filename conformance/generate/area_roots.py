"""Vectors of SPEC JF-IDX, JF-WRK and JF-ROO: what was left out, files without git, further roots."""

from __future__ import annotations

from conformance.generate.draft import Draft, Map, draft, gitlink, index, nested, omitted, root, state, worktree
from conformance.generate.gitobjects import REGULAR, Box
from conformance.generate.suite import READ, VERIFY, Area
from conformance.generate.wire import Value

MISMATCH, BAD, UNSAFE = "mismatch.state", "malformed.manifest", "unsafe.path"
A, B = b"a\n", b"b\n"


def make() -> Area:
    """The area."""
    area = Area("roots", (VERIFY, "host:jelly"))
    _roots(area)
    _staged(area)
    _directories(area)
    reader = Area("roots", (READ, "host:jelly"))
    _without_git(reader)
    _read(reader)
    for vector in reader.vectors:
        area.add(vector)
    return area


def outer(box: Box, files: dict[bytes, Value] | None = None, **more: Value) -> Map:
    """A repository with a commit."""
    tree = box.tree(files or {b"main.py": A, b"lib/x": B})
    return state(box.commit(tree), index(tree), worktree(tree), **more)


def other(box: Box, content: bytes = b"helper\n") -> Map:
    """Another one, changed since its commit."""
    tree = box.tree({b"h.py": content})
    work = box.tree({b"h.py": content + b"more\n", b"new": A})
    return state(box.commit(tree, (), content), index(tree), worktree(work), ref=b"refs/heads/dev")


def with_roots(*names: bytes, files: dict[bytes, Value] | None = None, work: Map | None = None) -> Draft:
    """A repository, and others that its program ran from."""
    box = Box()
    roots = [root(name, other(box, name + b"\n")) for name in names]
    whole = outer(box, files, roots=roots)
    if work:
        whole["worktree"] |= work
    return draft(whole, box)


def _roots(area: Area) -> None:
    made = with_roots(b"helper", b"tools")
    assert [path for _, path in made.manifest["summary"]["unstaged"]][:1] == [b"helper/h.py"]
    why = "two further repositories: their files are listed under their names, their lists are in the summary"
    area.accept("roots", "JF-ROO-001 JF-ROO-002 JF-SUM-001 JF-NED-001", why, made)
    box = Box()
    deep = state(None, index(box.tree({})), worktree(box.tree({b"d": A})))
    helper = other(box)
    helper["submodules"] = [nested(b"in/side", deep)]
    made = draft(outer(box, roots=[root(b"helper", helper)]), box)
    area.accept("root-nested", "JF-ROO-001 JF-SUM-001 JF-SUB-002", "a root with a repository inside", made)
    taken: dict[str, tuple[bytes, dict[bytes, Value] | None, Map | None]] = {
        "file": (b"main.py", None, None),
        "directory": (b"lib", None, None),
        "empty-directory": (b"hollow", None, {"empty_directories": [b"hollow/x"]}),
        "module": (b"m", {b"m": gitlink(b"\1" * 20)}, None),
    }
    for name, (word, files, work) in taken.items():
        made = with_roots(word, files=files, work=work)
        why = f"a root with the name of something in the worktree: {name}"
        area.reject(f"name-{name}", "JF-ROO-002", MISMATCH, why, made.summarize())
    box = Box()
    deep = state(None, index(box.tree({})), worktree(box.tree({b"d": A})))
    whole = outer(box, roots=[root(b"n", other(box))], submodules=[nested(b"n", deep)])
    why = "a root with the name of a nested repository without a commit"
    area.reject("name-nested", "JF-ROO-002", MISMATCH, why, draft(whole, box))
    made = with_roots(b"Main.py", b"li")
    area.accept("name-near", "JF-ROO-002", "roots with names that come near to others", made)
    made = with_roots(b"helper")
    made.manifest["summary"]["untracked"] = []
    area.reject("lie", "JF-SUM-001", "mismatch.summary", "a new file of a root is not in the summary", made)
    box = Box()
    helper = other(box)
    gone = box.blob(b"helper\n")
    made = draft(outer(box, roots=[root(b"helper", helper)]), box)
    from conformance.generate.draft import objects_block

    made.blocks = [objects_block("state", made.box, [oid for oid in made.box.objects if oid != gone])]
    area.reject("needed", "JF-NED-001", "missing.object", "a file of a root is not there", made)


def _read(area: Area) -> None:
    def named(name: bytes) -> Draft:
        box = Box()
        return draft(outer(box, roots=[root(name, other(box))]), box)

    for word, name in (("parent", b".."), ("git", b".git"), ("empty", b""), ("nul", b"a\0")):
        area.reject(f"unsafe-{word}", "JF-PTH-001", UNSAFE, f"a root named {name!r}", named(name), also=("JF-STA-004",))
    area.reject("two-components", "JF-MAN-002", BAD, "a root named `a/b`", named(b"a/b"))
    area.reject("long", "JF-PTH-002", "limit.path", "a root with a name of 256 bytes", named(b"n" * 256))
    box = Box()
    inner = outer(box, {b"i": A}, roots=[root(b"r", other(box))])
    for where, whole in (
        ("root", outer(box, roots=[root(b"helper", inner)])),
        ("nested", outer(box, {b"n": gitlink(inner["head"]["commit"])}, submodules=[nested(b"n", inner)])),
    ):
        area.reject(f"inside-{where}", "JF-ROO-001", BAD, f"roots of a {where} state", draft(whole, box))
    box, sha256 = Box(), Box("sha256")
    tree = sha256.tree({b"x": A})
    inner = state(None, index(tree), worktree(tree), object_format="sha256")
    made = draft(outer(box, roots=[root(b"helper", inner)]), box)
    area.reject("sha256", "JF-STA-001", MISMATCH, "a root of SHA-256 beside a repository of SHA-1", made)
    for depth, where in ((8, "deepest"), (9, "deeper")):
        box = Box()
        whole = state(None, None, None)
        for _ in range(depth - 1):
            whole = state(None, None, None, submodules=[nested(b"n", whole)])
        made = draft(state(None, None, None, roots=[root(b"r", whole)]), box)
        made.blocks = []
        why = f"a root with repositories inside, {depth} below the outermost"
        if depth == 8:
            area.accept(f"depth-{where}", "JF-SUB-003", why, made)
        else:
            area.reject(f"depth-{where}", "JF-SUB-003", "limit.depth", why, made)


def _staged(area: Area) -> None:
    def with_index(head: dict[bytes, Value], staged: dict[bytes, Value], paths: list[bytes], **more: Value) -> Draft:
        box = Box()
        box.blob(B)
        tree = box.tree(staged)
        lists = {"omitted": [omitted(path, "secret", 5) for path in paths], **more}
        return draft(state(box.commit(box.tree(head)), index(tree, **lists), worktree(tree)), box)

    why = "staged contents that were left out: one of a file of HEAD, one of a new file, one of a file taken out"
    made = with_index({b"f": A, b"g": B}, {b"f": A, b"g": B}, [b"f", b"new"])
    area.accept("staged", "JF-IDX-003", why, made)
    made = with_index({b"f": A}, {b"f": B}, [b"f"])
    why = "a staged content is there and called left out"
    area.reject("staged-there", "JF-IDX-003", MISMATCH, why, made)
    made = with_index({b"f": A}, {}, [b"f"])
    why = "a staged content was left out, and the index has not what HEAD has"
    area.reject("staged-gone", "JF-IDX-003", MISMATCH, why, made)
    made = with_index({b"f": A}, {b"f": A, b"new": B}, [b"new"])
    area.reject("staged-new", "JF-IDX-003", MISMATCH, "a new staged file is there and called left out", made)
    stage = [REGULAR, Box().blob(B)]
    made = with_index({}, {}, [b"c"], conflicts=[[b"c", stage, None, None]])
    area.reject("staged-conflict", "JF-IDX-003", MISMATCH, "a path in conflict whose staged content is left out", made)
    made = with_index({}, {}, [b"i"], intent_to_add=[[b"i", REGULAR]])
    area.reject("staged-intent", "JF-IDX-003", MISMATCH, "a path intended to be added, the same", made)
    made = with_index({b"f": A}, {b"f": A}, [b"d/"])
    area.reject("staged-directory", "JF-PTH-001", UNSAFE, "a directory of staged contents", made, also=("JF-STA-004",))


def _directories(area: Area) -> None:
    def with_work(*items: Map, staged: dict[bytes, Value] | None = None, work: dict[bytes, Value] | None = None,
                  **more: Value) -> Draft:  # fmt: skip
        box = Box()
        at_index = box.tree(staged or {b"f": A})
        at_work = box.tree(work or {b"f": A})
        return draft(state(None, index(at_index, **more), worktree(at_work, omitted=list(items))), box)

    env = omitted(b"env/", "environment", 10**9)
    made = with_work(env, omitted(b"env.txt", "size"), omitted(b"out/runs/", "tracker"))
    why = "directories that were left out as one, and a file"
    made.state["worktree"]["omitted"].sort(key=lambda item: item["path"])
    area.accept("directories", "JF-WRK-002 JF-WRK-007 JF-WRK-001", why, made)
    made = with_work(env, staged={b"env/a": A, b"f": A}, intent_to_add=[[b"env/i", REGULAR]])
    assert made.manifest["summary"]["unstaged"] == []
    why = "files of the index below a directory that was left out: they are not called deleted"
    area.accept("directory-tracked", "JF-SUM-001 JF-WRK-007", why, made)
    for name, work in (("file", {b"env": A}), ("directory", {b"env/a": A})):
        made = with_work(env, work=dict(work))
        why = f"a directory that was left out, where the worktree has a {name}"
        area.reject(f"directory-{name}", "JF-WRK-002", MISMATCH, why, made)
    pairs = {
        "itself": (omitted(b"env", "size"), env),
        "below": (env, omitted(b"env/a", "size")),
        "far-below": (env, omitted(b"env/lib/x/", "size")),
    }
    for name, items in pairs.items():
        why = f"a directory that was left out, and another path: {name}"
        area.reject(f"directory-and-{name}", "JF-WRK-007", BAD, why, with_work(*items))
    made = with_work(omitted(b"/", "size"))
    area.reject("directory-empty", "JF-PTH-001", UNSAFE, "the path `/` left out", made, also=("JF-STA-004",))
    made = with_work(omitted(b"env//", "size"))
    area.reject("directory-twice", "JF-PTH-001", UNSAFE, "the path `env//` left out", made, also=("JF-STA-004",))
    made = with_work(omitted(b"d/.git/", "name"))
    area.accept("directory-name", "JF-WRK-005", "a directory of an unsafe name left out", made)
    path = b"/".join([b"d" * 255] * 15 + [b"d" * 256])
    assert len(path) == 4096
    made = with_work(omitted(b"/".join([b"d" * 255] * 16) + b"/", "size"))
    area.accept("directory-long", "JF-PTH-002", "a path of 4,095 bytes and a slash left out", made)


def _without_git(area: Area) -> None:
    box = Box()
    tree = box.tree({b"a.py": A, b"d/b": B})
    made = draft(state(None, None, worktree(tree, omitted=[omitted(b"env/", "environment")]), ref=None), box)
    made.manifest["provenance"]["git"] = "none"
    why = "files that were in no repository: HEAD has neither a commit nor a ref, and there is no index"
    area.accept("without-git", "JF-STA-002", why, made)
    for name, more in (("index", {"index": index(box.tree({}))}), ("worktree-nil", {"worktree": None})):
        whole = {**state(None, None, worktree(tree), ref=None), **more}
        why = f"HEAD has neither a commit nor a ref: {name}"
        made = draft(whole, box)
        made.blocks = made.blocks if made.box.objects else []
        area.reject(f"without-git-{name}", "JF-STA-002", BAD, why, made)
    whole = state(None, None, worktree(tree), ref=None, operation={"heads": [], "kind": "am", "message": None})
    why = "HEAD has neither a commit nor a ref, and an operation is in progress"
    area.reject("without-git-operation", "JF-STA-002", BAD, why, draft(whole, box))
