"""Vectors of SPEC JF-PTH: which paths are unsafe, on any system, and how long they may be."""

from __future__ import annotations

from conformance.generate.draft import Draft, draft, index, nested, omitted, small, state, with_worktree, worktree
from conformance.generate.gitobjects import DIRECTORY, REGULAR, TREE, Box, entry
from conformance.generate.suite import Area
from conformance.generate.wire import Value

UNSAFE, LIMIT = "unsafe.path", "limit.path"
IGNORABLE = (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)

BAD = {
    "dot": b".",
    "dot-dot": b"..",
    "dot-dot-first": b"../x",
    "dot-dot-inside": b"a/../b",
    "dot-dot-last": b"a/..",
    "dot-inside": b"a/./b",
    "slash-first": b"/a",
    "slashes": b"a//b",
    "nul": b"a\0b",
    "backslash-dot-dot": b"..\\x",
    "backslash-dot-dot-last": b"a\\..",
    "backslash-dot-dot-between": b"a\\..\\b",
    "backslash-dot": b".\\a",
    "backslash-first-dot-dot": b"\\..",
    "git": b".git",
    "git-inside": b"a/.git/hooks",
    "git-upper": b".GIT",
    "git-mixed": b".gIt/config",
    "git-dot": b".git.",
    "git-dots-spaces": b".git. . ..",
    "git-space": b".git ",
    "git-stream": b".git::$INDEX_ALLOCATION",
    "git-colon": b".git:",
    "git-colon-more": b".Git .:x:y/hooks",
    "git-short": b"git~1",
    "git-short-upper": b"GIT~1/hooks",
    "git-short-dot": b"git~1.",
    "git-short-stream": b"Git~1 :x",
    "git-backslash": b"a\\.git",
    "git-backslash-inside": b"a\\.GIT\\hooks",
    "git-backslash-first": b".git\\hooks",
    "git-backslash-short": b"x\\git~1.\\hooks",
    "git-backslash-stream": b"\\.git:$DATA",
    "git-ignorable-all": "\ufeff.\u200dGI\u206fT\u202a . .".encode(),
    "git-ignorable-short": "g\u200cit~1".encode(),
    "git-ignorable-behind": ".git.\u200c.".encode(),
    "git-ignorable-stream": ".gi\u202et:\ufeff".encode(),
}
GOOD = (
    b"...", b".. ", b". .", b"..a", b"a..", b"....", b"\\", b"a\\", b"\\a", b"a\\\\b", b"...\\...", b".gitignore",
    b".gitmodules", b".git-", b".gi", b".g it", b" .git", b"git", b"git~2", b"git~10", b"git~", b".git~1", b"a.git",
    b"a:.git", b":.git", b"x.git\\y", b".git-\\.gitx", b".g\xe2\x80it", b".git\xff", b"\xff.git", b"\xe2\x80",
    ".g\u200bit".encode(), ".g\u2010it".encode(), ".g\u2029it".encode(), ".g\u202fit".encode(), ".g\u2069it".encode(),
    ".g\u2070it".encode(), ".g\u0131t".encode(), "\uff0egit".encode(), b"aux.c", b"12:30", b"a ", b"\x01\n\x7f",
)  # fmt: skip
IN_TREES = {
    "empty": b"",
    "dot": b".",
    "dot-dot": b"..",
    "slash": b"a/b",
    "git": b".git",
    "git-upper": b".GIT",
    "git-short": b"git~1",
    "git-space": b".git ",
    "git-stream": b".git::$INDEX_ALLOCATION",
    "git-ignorable": ".g\u200cit".encode(),
    "backslash-dot-dot": b"..\\..\\x",
    "backslash-git": b"a\\.git",
}


def make() -> Area:
    """The area."""
    area = Area("paths")
    _spellings(area)
    _places(area)
    _trees(area)
    _lengths(area)
    return area


def ignoring(*paths: bytes) -> Draft:
    """A container that says these paths were ignored."""
    made = small()
    made.manifest["ignored"] = sorted(paths)
    return made


def _spellings(area: Area) -> None:
    for name, path in BAD.items():
        area.reject(f"bad-{name}", "JF-PTH-001", UNSAFE, f"the path {path!r}", ignoring(path))
    for point in IGNORABLE:
        path = f".g{chr(point)}it".encode()
        why = f"`.git` with U+{point:04X} in it, which some systems pass over"
        area.reject(f"bad-ignorable-{point:04x}", "JF-PTH-001", UNSAFE, why, ignoring(path))
    why = "an empty path"
    area.reject("bad-empty", "JF-PTH-001", UNSAFE, why, ignoring(b""))
    area.reject("bad-only-slash", "JF-PTH-001", UNSAFE, "a directory without a name", ignoring(b"/"))
    area.reject("bad-slashes-last", "JF-PTH-001", UNSAFE, "a directory whose last component is empty", ignoring(b"a//"))
    area.reject("bad-git-directory", "JF-PTH-001", UNSAFE, "`.git` as a directory left out", ignoring(b"a/.git/"))
    why = "names that come near to unsafe ones, and are safe"
    area.accept("good", "JF-PTH-001", why, ignoring(*GOOD))
    why = "the same names as files, in three trees"
    made = with_worktree(dict.fromkeys(GOOD, b"x\n"))
    area.accept("good-files", "JF-PTH-001 JF-OBJ-003 JF-STA-004", why, made, verify=True)
    area.accept("good-directory", "JF-PTH-001", "directories left out as a whole", ignoring(b"a/", b"b/c/", b"\\/"))


def _places(area: Area) -> None:
    bad = b"a/../b"
    stage = [REGULAR, Box().blob(b"s\n")]
    indexes: dict[str, tuple[str, Value]] = {
        "assume-unchanged": ("assume_unchanged", [bad]),
        "conflicts": ("conflicts", [[bad, stage, None, None]]),
        "intent-to-add": ("intent_to_add", [[bad, REGULAR]]),
        "skip-worktree": ("skip_worktree", [bad]),
    }
    for name, (key, value) in indexes.items():
        made = with_worktree({b"f": b"f\n"}, extra={key: value})
        made.box.blob(b"s\n")
        area.reject(f"in-{name}", "JF-STA-004", UNSAFE, f"an unsafe path in {key}", made)
    works: dict[str, tuple[str, Value]] = {
        "converted": ("converted", [bad]),
        "empty-directories": ("empty_directories", [bad]),
        "filtered": ("filtered", [bad]),
    }
    for name, (key, value) in works.items():
        made = with_worktree({b"f": b"f\n"}, more={key: value})
        area.reject(f"in-{name}", "JF-STA-004", UNSAFE, f"an unsafe path in {key}", made)
    for reason in ("size", "secret", "filter", "missing", "unreadable", "special", "changing", "excluded"):
        made = with_worktree({b"f": b"f\n"}, more={"omitted": [omitted(b".git/config", reason)]})
        why = f"an unsafe path left out for the reason {reason}"
        area.reject(f"in-omitted-{reason}", "JF-WRK-005", UNSAFE, why, made, also=("JF-STA-004",))
    names = sorted([b"", b".git/config", b"a//b", b"..", b"x" * 5000, b"/".join([b"d"] * 300), b"nul\0"])
    made = with_worktree({b"f": b"f\n"}, more={"omitted": [omitted(name, "name") for name in names]})
    area.accept("omitted-names", "JF-WRK-005", "with the reason `name` any bytes may stand", made, verify=True)
    box = Box()
    empty = box.tree({})
    inner = state(None, index(empty), worktree(empty))
    for name, path in (("dot-dot", b"../lib"), ("git", b".git/modules/x"), ("empty", b"")):
        made = draft(state(None, index(empty), worktree(empty), submodules=[nested(path, inner)]), box)
        area.reject(f"in-submodule-{name}", "JF-STA-004", UNSAFE, f"a nested repository at {path!r}", made)
    deep = state(None, index(empty), worktree(empty, empty_directories=[b"..\\x"]))
    made = draft(state(None, index(empty), worktree(empty), submodules=[nested(b"lib", deep)]), box)
    area.reject("in-nested-state", "JF-STA-004", UNSAFE, "an unsafe path in a nested state", made)
    for key, value in (
        ("conflicted", [bad]), ("staged", [["A", bad]]), ("unstaged", [["M", bad]]), ("untracked", [bad]),
    ):  # fmt: skip
        made = small()
        made.manifest["summary"][key] = value
        area.reject(f"in-summary-{key}", "JF-PTH-001", UNSAFE, f"an unsafe path in the summary, {key}", made)


def raw_tree(box: Box, entries: list[tuple[bytes, bytes, bytes]]) -> bytes:
    """A tree of these entries as they are; what it holds is not known to the box."""
    return box.add(TREE, b"".join(entry(*item) for item in entries))


def _trees(area: Area) -> None:
    for name, component in IN_TREES.items():
        box = Box()
        empty, blob = box.tree({}), box.blob(b"x\n")
        tree = raw_tree(box, [(b"100644", component, blob)])
        why = f"a file named {component!r} in the worktree tree"
        made = draft(state(None, index(empty), worktree(tree)), box)
        area.reject(f"tree-{name}", "JF-OBJ-003", UNSAFE, why, made, also=("JF-PTH-001",))
    for name, mode in (("directory", b"40000"), ("link", b"120000"), ("module", b"160000")):
        box = Box()
        empty, blob = box.tree({}), box.blob(b"x\n")
        below = box.tree({b"x": b"x\n"})
        oid = {"directory": below, "link": blob, "module": b"\1" * 20}[name]
        made = draft(state(None, index(empty), worktree(raw_tree(box, [(mode, b".Git", oid)]))), box)
        area.reject(f"tree-git-{name}", "JF-OBJ-003", UNSAFE, f"a {name} named .Git in the worktree tree", made)
    box = Box()
    empty, blob = box.tree({}), box.blob(b"x\n")
    inner = raw_tree(box, [(b"100644", b"git~1", blob)])
    made = draft(state(None, index(empty), worktree(raw_tree(box, [(b"40000", b"d", inner)]))), box)
    area.reject("tree-below", "JF-OBJ-003", UNSAFE, "an unsafe name in a tree below the worktree tree", made)
    made = draft(state(None, index(raw_tree(box, [(b"100644", b".git", blob)])), worktree(empty)), box)
    area.reject("tree-of-index", "JF-OBJ-003", UNSAFE, "an unsafe name in the index tree", made, verify=True)
    for where in ("head", "history"):
        box = Box()
        blob = box.blob(b"x\n")
        tree = raw_tree(box, [(b"100644", b"..", blob)])
        clean = box.tree({b"x": b"x\n"})
        old = box.commit(tree)
        head = old if where == "head" else box.commit(clean, (old,), b"two\n")
        made = draft(state(head, index(clean), worktree(clean)), box)
        why = f"an unsafe name in a tree of {'HEAD' if where == 'head' else 'an old commit'}"
        area.reject(f"tree-of-{where}", "JF-OBJ-003", UNSAFE, why, made, verify=True)


def _chain(box: Box, names: list[bytes], oid: bytes) -> bytes:
    """Trees one in another, at the end of which lies a file."""
    mode = b"%o" % REGULAR
    for name in reversed(names):
        oid, mode = raw_tree(box, [(mode, name, oid)]), b"%o" % DIRECTORY
    return oid


def _lengths(area: Area) -> None:
    longest = b"/".join([b"c" * 255] * 16)
    assert len(longest) == 4095
    good = [b"c" * 255, b"d/" + b"c" * 255, b"/".join([b"c"] * 256), b"e" * 240 + b"/" + longest[:3855]]
    assert len(good[-1]) == 4096
    area.accept("longest", "JF-PTH-002", "paths as long as they may be, in every way", ignoring(*good))
    bad = {
        "component": b"c" * 256,
        "component-last": b"a/" + b"c" * 256,
        "path": b"e" * 241 + b"/" + longest[:3855],
        "components": b"/".join([b"c"] * 257),
    }
    for name, path in bad.items():
        why = f"a path with {len(path)} bytes in {path.count(b'/') + 1} components"
        if name not in ("path", "components"):  # it may go through repositories inside each other
            area.reject(f"long-{name}", "JF-PTH-002", LIMIT, why, ignoring(path))
        made = with_worktree({b"f": b"f\n"}, more={"empty_directories": [path]})
        area.reject(f"long-{name}-in-state", "JF-PTH-002", LIMIT, why + ", in the state", made)
    made = with_worktree({b"f": b"f\n"}, more={"omitted": [omitted(b"c" * 256, "size")]})
    area.reject("long-omitted", "JF-PTH-002", LIMIT, "a path left out for its size, with a component too long", made)
    fine = {
        "component": [b"c" * 255],
        "path": [b"e" * 240, *longest[:3855].split(b"/")],
        "components": [b"c"] * 256,
    }
    for name, parts in fine.items():
        made = with_worktree({b"/".join(parts): b"x\n"})
        area.accept(f"longest-tree-{name}", "JF-PTH-002", f"a file at the limit: {name}", made, verify=True)
    over = {
        "component": [b"c" * 256],
        "path": [b"e" * 241, *longest[:3855].split(b"/")],
        "components": [b"c"] * 257,
    }
    for name, parts in over.items():
        box = Box()
        empty, blob = box.tree({}), box.blob(b"x\n")
        made = draft(state(None, index(empty), worktree(_chain(box, parts, blob))), box)
        area.reject(f"long-tree-{name}", "JF-PTH-002", LIMIT, f"a file over the limit: {name}", made)
    box = Box()
    empty, blob = box.tree({}), box.blob(b"x\n")
    made = draft(state(None, index(_chain(box, [b"c"] * 257, blob)), worktree(empty)), box)
    why = "a file of the index in too many directories"
    area.reject("long-index-components", "JF-PTH-002", LIMIT, why, made, verify=True)
