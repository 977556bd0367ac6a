"""Vectors of SPEC JF-MAN: the closed maps, their types, and sorted arrays."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from conformance.generate.draft import Draft, Map, draft, index, nested, omitted, root, small, state, worktree
from conformance.generate.gitobjects import BLOB, EXECUTABLE, REGULAR, SYMLINK, Box, object_id
from conformance.generate.suite import Area
from conformance.generate.wire import Raw, Value, pack

BAD = "malformed.manifest"
Path = tuple[str | int, ...]


def make() -> Area:
    """The area."""
    area = Area("manifest")
    area.accept(
        "everything",
        "JF-MAN-001 JF-MAN-002 JF-MAN-003 JF-SUM-001 JF-HIS-003 JF-IDX-001 JF-IDX-002 JF-WRK-001 JF-WRK-002 "
        "JF-WRK-003 JF-WRK-004 JF-WRK-005 JF-SUB-001 JF-SUB-002 JF-SUB-003 JF-STA-001 JF-STA-004 JF-PRV-001 JF-PRV-002",
        "every key of every map has something in it",
        everything(),
    )
    _keys(area)
    _types(area)
    _ranges(area)
    _sorted(area)
    _open(area)
    return area


def everything() -> Draft:
    """A container in which every map and array has something."""
    box = Box()
    gone = object_id(BLOB, b"not here\n")
    inner_tree = box.tree({b"lib.c": b"int x;\n"})
    inner_commit = box.commit(inner_tree, (), b"inner\n")
    inner = state(inner_commit, index(inner_tree), worktree(inner_tree), ref=None)
    unborn = state(None, index(box.tree({})), worktree(box.tree({b"n": b"n\n"})))
    head = box.tree_of(
        {
            **box.leaves[box.tree({b"a": b"a\n", b"crlf": b"x\n", b"lfs": b"pointer\n", b"sparse/s": b"s\n"})],
            b"partial": (REGULAR, gone),
        }
    )
    staged = {**box.leaves[head], b"exec": (EXECUTABLE, box.blob(b"#!/bin/sh\n")), b"lib": (0o160000, inner_commit)}
    at_index = box.tree_of(staged)
    work = {path: leaf for path, leaf in staged.items() if path not in (b"sparse/s", b"big")}
    work[b"crlf"] = (REGULAR, box.blob(b"x\r\n"))
    work[b"link"] = (SYMLINK, box.blob(b"a"))
    work[b"fight"] = (REGULAR, box.blob(b"<<<<<<<\n"))
    work[b"later"] = (REGULAR, box.blob(b"later\n"))
    work[b"zz/deep/file"] = (REGULAR, box.blob(b"deep\n"))
    at_work = box.tree_of(work)
    parent = b"\x11" * 20
    commit = box.commit(head, (parent,), b"outer\n")
    other = box.commit(head, (), b"other side\n")
    conflicts = [
        [b"fight", [REGULAR, box.blob(b"base\n")], [EXECUTABLE, box.blob(b"ours\n")], None],
        [b"fight2", None, [SYMLINK, box.blob(b"to")], [0o160000, b"\x22" * 20]],
    ]
    outer = state(
        commit,
        index(
            at_index,
            assume_unchanged=[b"a", b"exec"],
            conflicts=conflicts,
            intent_to_add=[[b"later", REGULAR], [b"never", EXECUTABLE]],
            skip_worktree=[b"later", b"sparse/s"],
            omitted=[omitted(b"secret.py", "secret", 90), omitted(b"sparse/x", "size", None)],
        ),
        worktree(
            at_work,
            converted=[b"crlf"],
            empty_directories=[b"empty", b"zz/hollow"],
            filtered=[b"exec", b"lfs"],
            omitted=[
                omitted(b"big", "size", 1 << 40, b"\x33" * 32),
                omitted(b"env/", "environment", 1 << 30),
                omitted(b"keys/.git/x", "name"),
                omitted(b"pipe", "special", None),
                omitted(b"secret.key", "secret", 100),
            ],
        ),
        operation={"heads": [other], "kind": "merge", "message": b"Merge branch\n"},
        submodules=[nested(b"fresh", unborn), nested(b"lib", inner)],
        roots=[root(b"helper", state(None, None, worktree(box.tree({b"h.py": b"h\n"})), ref=None))],
        facts={"com.example.fact": [1, None, {"deep": b"\xff"}]},
    )
    return draft(
        outer,
        box,
        missing=[gone],
        environment={"language": "python", "packages": [["torch", "2.1", None]], "version": "3.11"},
        extensions={"com.example.thing": {"x": [1, None, True]}},
        ignored=[b"__pycache__/", b"run.log"],
        provenance={
            "argv": [b"train.py", b"--lr", b"\xff"],
            "remotes": [[b"origin", b"https://example.com/x.git"], [b"up", b"git@example.com:x"]],
            "time": 1_700_000_000,
            "tool": "by hand",
            "zone": -720,
        },
    )


MAPS: dict[str, Path] = {
    "manifest": (),
    "block": ("blocks", 0),
    "history": ("history",),
    "provenance": ("provenance",),
    "summary": ("summary",),
    "state": ("state",),
    "head": ("state", "head"),
    "index": ("state", "index"),
    "worktree": ("state", "worktree"),
    "omitted": ("state", "worktree", "omitted", 0),
    "operation": ("state", "operation"),
    "submodule": ("state", "submodules", 0),
    "root": ("state", "roots", 0),
    "staged-omitted": ("state", "index", "omitted", 0),
    "nested-state": ("state", "submodules", 0, "state"),
}


def changed(path: Path, value: Value, base: Draft | None = None) -> Draft:
    """The container with everything in it (or another), one value of its manifest changed."""
    made = everything() if base is None else base
    whole = copy.deepcopy(made.value())
    at: Value = whole
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    made.raw = [pack(whole)]
    return made


def _at(value: Value, path: Path) -> Value:
    for step in path:
        value = value[step]
    return value


def _keys(area: Area) -> None:
    for name, path in MAPS.items():
        found: Map = _at(everything().value(), path)
        for word, keys in (("missing", sorted(found)[1:]), ("added", sorted({*found, "zzz"}))):
            wrong = {key: found.get(key) for key in keys}
            made = _replaced(path, wrong)
            if (name, word) == ("provenance", "added"):
                continue  # it is open
            area.reject(f"{name}-key-{word}", "JF-MAN-001", BAD, f"a key is {word} in the map {name}", made)


def _replaced(path: Path, value: Value) -> Draft:
    if path:
        return changed(path, value)
    made = everything()
    made.raw = [pack(value)]
    return made


WRONG: dict[type, Value] = {int: "0", str: b"state", bytes: "text", list: {}, dict: [], bool: 1, type(None): 0}


def _fields(value: Value) -> Iterator[tuple[str, Path, Value]]:
    for name, path in MAPS.items():
        if name in ("nested-state",):
            continue
        for key, item in sorted(_at(value, path).items()):
            yield f"{name}-{key.replace('_', '-')}", (*path, key), item


def _types(area: Area) -> None:
    for name, path, item in _fields(everything().value()):
        wrong = WRONG[type(item)]
        why = f"a {type(wrong).__name__} where {'/'.join(map(str, path))} is to be a {type(item).__name__}"
        area.reject(f"type-{name}", "JF-MAN-002", BAD, why, changed(path, wrong))
    inside: dict[str, tuple[Path, Value]] = {
        "manifest-is-array": ((), []),
        "block-is-nil": (("blocks", 0), None),
        "boolean-for-integer": (("provenance", "time"), True),
        "integer-for-boolean": (("blocks", 0, "critical"), 1),
        "nil-for-integer": (("summary", "files"), None),
        "str-for-path": (("ignored", 0), "a"),
        "oid-as-hex": (("state", "index", "tree"), "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
        "mode-as-str": (("state", "index", "intent_to_add", 0, 1), "100644"),
        "change-not-a-pair": (("summary", "staged", 0), ["A"]),
        "change-of-three": (("summary", "staged", 0), ["A", b"exec", 1]),
        "conflict-of-three": (("state", "index", "conflicts", 0), [b"fight", None, [REGULAR, bytes(20)]]),
        "stage-of-one": (("state", "index", "conflicts", 0, 1), [REGULAR]),
        "remote-of-one": (("provenance", "remotes", 0), [b"origin"]),
        "remote-str": (("provenance", "remotes", 0), ["origin", b"x"]),
        "argv-str": (("provenance", "argv", 0), "train.py"),
        "intent-of-one": (("state", "index", "intent_to_add", 0), [b"later"]),
        "head-in-hex": (("state", "operation", "heads", 0), b"1" * 40),
    }
    for name, (path, wrong) in inside.items():
        made = changed(path, wrong) if path else _replaced((), wrong)
        area.reject(name, "JF-MAN-002", BAD, f"{wrong!r} at {'/'.join(map(str, path)) or 'the top'}"[:160], made)


def _ranges(area: Area) -> None:
    wrong: dict[str, tuple[Path, Value]] = {
        "length-zero": (("blocks", 0, "length"), 0),
        "raw-length-zero": (("blocks", 0, "raw_length"), 0),
        "records-zero": (("blocks", 0, "records"), 0),
        "object-bytes-negative": (("blocks", 0, "object_bytes"), -1),
        "sha256-31": (("blocks", 0, "sha256"), bytes(31)),
        "sha256-33": (("blocks", 0, "sha256"), bytes(33)),
        "commits-negative": (("history", "commits"), -1),
        "time-negative": (("provenance", "time"), -1),
        "zone-1441": (("provenance", "zone"), 1441),
        "zone-minus-1441": (("provenance", "zone"), -1441),
        "files-negative": (("summary", "files"), -1),
        "tree-19": (("state", "index", "tree"), bytes(19)),
        "tree-21": (("state", "worktree", "tree"), bytes(21)),
        "tree-32": (("state", "index", "tree"), bytes(32)),
        "commit-empty": (("state", "head", "commit"), b""),
        "missing-32": (("history", "missing", 0), bytes(32)),
        "letter": (("summary", "staged", 0, 0), "R"),
        "letter-lower": (("summary", "staged", 0, 0), "a"),
        "mode-100664": (("state", "index", "intent_to_add", 0, 1), 0o100664),
        "mode-directory": (("state", "index", "intent_to_add", 0, 1), 0o040000),
        "mode-zero": (("state", "index", "conflicts", 0, 1, 0), 0),
        "conflict-nothing": (("state", "index", "conflicts", 0), [b"fight", None, None, None]),
        "reason": (("state", "worktree", "omitted", 0, "reason"), "large"),
        "reason-upper": (("state", "worktree", "omitted", 0, "reason"), "Com.example"),
        "reason-dot-last": (("state", "worktree", "omitted", 0, "reason"), "example."),
        "reason-dot-first": (("state", "worktree", "omitted", 0, "reason"), ".example"),
        "reason-line": (("state", "worktree", "omitted", 0, "reason"), "com.example\n"),
        "reason-long": (("state", "worktree", "omitted", 0, "reason"), "x." + "y" * 63),
        "reason-staged": (("state", "index", "omitted", 0, "reason"), "large"),
        "directory-sha256": (("state", "worktree", "omitted", 1, "sha256"), bytes(32)),
        "omitted-size-negative": (("state", "worktree", "omitted", 0, "size"), -1),
        "omitted-sha256-20": (("state", "worktree", "omitted", 0, "sha256"), bytes(20)),
        "operation": (("state", "operation", "kind"), "stash"),
        "object-format": (("state", "object_format"), "md5"),
        "object-format-case": (("state", "object_format"), "SHA1"),
    }
    for name, (path, value) in wrong.items():
        where = "/".join(map(str, path))
        area.reject(f"range-{name}", "JF-MAN-002", BAD, f"{value!r} at {where}"[:160], changed(path, value))
    for zone in (-1440, 1440):
        made = small()
        made.manifest["provenance"]["zone"] = zone
        area.accept(f"zone-{zone}", "JF-MAN-002", f"a zone of {zone} minutes, the limit", made)
    for kind in ("merge", "cherry-pick", "revert", "rebase", "am", "bisect"):
        made = small()
        heads = [made.state["head"]["commit"]] if kind in ("merge", "cherry-pick", "revert") else []
        made.state["operation"] = {"heads": heads, "kind": kind, "message": None}
        area.accept(f"operation-{kind}", "JF-MAN-002", f"the operation {kind}, without a message", made)
        made.state["operation"]["heads"] = [] if heads else [made.state["head"]["commit"]]
        why = f"a head of the operation {kind}" if not heads else f"no head of the operation {kind}"
        area.reject(f"range-heads-{kind}", "JF-MAN-002", BAD, why, made)
    made = small()
    reasons = (
        "cache", "changing", "com.example-2.too-old", "environment", "excluded", "filter", "missing", "secret", "size",
        "special", "time", "tracker", "unreadable", "weights", "x.y",
    )  # fmt: skip
    made.state["worktree"]["omitted"] = [omitted(b"o/" + word.encode(), word) for word in reasons]
    area.accept("reasons", "JF-MAN-002 JF-WRK-001", "every reason for a file to be left out", made)


SORTED: dict[str, tuple[Path, list[Value]]] = {
    "ignored": (("ignored",), [b"a", b"b"]),
    "missing": (("history", "missing"), [b"\1" * 20, b"\2" * 20]),
    "prerequisites": (("history", "prerequisites"), [b"\1" * 20, b"\2" * 20]),
    "shallow": (("history", "shallow"), [b"\1" * 20, b"\2" * 20]),
    "remotes": (("provenance", "remotes"), [[b"a", b"x"], [b"b", b"x"]]),
    "requires": (("requires",), ["a", "b"]),
    "conflicted": (("summary", "conflicted"), [b"a", b"b"]),
    "staged": (("summary", "staged"), [["M", b"a"], ["A", b"b"]]),
    "unstaged": (("summary", "unstaged"), [["M", b"a"], ["A", b"b"]]),
    "untracked": (("summary", "untracked"), [b"a", b"b"]),
    "assume-unchanged": (("state", "index", "assume_unchanged"), [b"a", b"b"]),
    "skip-worktree": (("state", "index", "skip_worktree"), [b"a", b"b"]),
    "intent-to-add": (("state", "index", "intent_to_add"), [[b"a", REGULAR], [b"b", REGULAR]]),
    "conflicts": (
        ("state", "index", "conflicts"),
        [[b"a", [REGULAR, bytes(20)], None, None], [b"b", [REGULAR, bytes(20)], None, None]],
    ),
    "converted": (("state", "worktree", "converted"), [b"a", b"b"]),
    "empty-directories": (("state", "worktree", "empty_directories"), [b"a", b"b"]),
    "filtered": (("state", "worktree", "filtered"), [b"a", b"b"]),
    "staged-omitted": (("state", "index", "omitted"), [omitted(b"a", "size"), omitted(b"b", "size")]),
    "omitted": (("state", "worktree", "omitted"), [omitted(b"a", "size"), omitted(b"b", "size")]),
}


def _sorted(area: Area) -> None:
    for name, (path, (one, two)) in SORTED.items():
        made = changed(path, [two, one], small())
        area.reject(f"unsorted-{name}", "JF-MAN-003", BAD, f"{'/'.join(map(str, path))} is not sorted", made)
        made = changed(path, [one, one], small())
        area.reject(f"twice-{name}", "JF-MAN-003", BAD, f"{'/'.join(map(str, path))} has something twice", made)
    inner = state(None, index(Box().tree({})), worktree(Box().tree({})))
    for name, paths in (("unsorted", (b"b", b"a")), ("twice", (b"a", b"a"))):
        made = small()
        made.state["roots"] = [root(item, inner) for item in paths]
        area.reject(f"{name}-roots", "JF-MAN-003", BAD, f"roots {paths!r}", made)
    for name, paths in (("unsorted", (b"b", b"a")), ("twice", (b"a", b"a"))):
        made = small()
        made.state["submodules"] = [nested(item, inner) for item in paths]
        area.reject(f"{name}-submodules", "JF-MAN-003", BAD, f"nested repositories {paths!r}", made)
    made = small()
    made.manifest["ignored"] = [b"a", b"a-b", b"a/b", b"ab", b"b/", b"\xff"]
    area.accept("sorted-bytes", "JF-MAN-003", "sorted by unsigned bytes, a prefix before what it begins", made)
    made = small()
    made.manifest["ignored"] = [b"\xff", b"a"]
    area.reject("unsorted-signed", "JF-MAN-003", BAD, "sorted as if bytes had a sign", made)


def _open(area: Area) -> None:
    made = small()
    made.manifest["requires"] = ["com.example.future"]
    area.reject("requires", "JF-MAN-004", "unsupported.feature", "a feature that is not known is required", made)
    made.manifest["requires"] = [""]
    area.reject("requires-empty-name", "JF-MAN-004", "unsupported.feature", "an empty name is required", made)
    made = small()
    made.manifest["extensions"] = {"anything": None, "com.example.thing": {"deep": [{"er": b"\0"}]}}
    made.manifest["environment"] = {"": "", "accelerators": 7, "language": ["not", "a", "str"]}
    why = "extensions and the environment may hold any key with any canonical value"
    area.accept("open-maps", "JF-MAN-001 JF-PRV-002", why, made)
    for name in ("extensions", "environment"):
        area.reject(f"{name}-array", "JF-MAN-002", BAD, f"{name} as an array", changed((name,), ["x"], small()))
    area.reject(
        "deep-key-added", "JF-MAN-001", BAD, "a key too many in a nested state's index",
        changed(("state", "submodules", 1, "state", "index", "extra"), Raw(b"\xc0")),
    )  # fmt: skip
