"""Vectors for writers: a logical content, to be written and read again."""

from __future__ import annotations

import json

from conformance.generate import derive
from conformance.generate.area_blocks import with_history
from conformance.generate.draft import (
    Draft,
    draft,
    gitlink,
    index,
    nested,
    omitted,
    small,
    state,
    with_worktree,
    worktree,
)
from conformance.generate.gitobjects import COMMIT, EXECUTABLE, KINDS, REGULAR, SYMLINK, Box
from conformance.generate.suite import WRITE, Area, Vector, expected_content

IDS = (
    "JF-HDR-008 JF-ZST-003 JF-MSG-002 JF-MSG-003 JF-MAN-001 JF-MAN-003 JF-BLK-004 JF-BLK-007 JF-SUM-001 JF-HIS-001 "
    "JF-REC-002 JF-REC-008 JF-NED-001 JF-LIM-001 JF-LIM-002"
)


def make() -> Area:
    """The area."""
    area = Area("write", (WRITE,))
    for name, (why, made, needs) in _cases().items():
        _add(area, name, why, made, needs)
    return area


def _add(area: Area, name: str, why: str, made: Draft, needs: tuple[str, ...]) -> None:
    history = {oid for item in made.blocks if item.kind == "history" for oid in _held(made, item.records)}
    objects = [
        {
            "block": "history" if oid in history else "state",
            "kind": KINDS[kind].decode(),
            "content": {"hex": content.hex()},
        }
        for oid, (kind, content) in made.box.objects.items()
    ]
    plain = derive.to_json(made.manifest)
    logical = json.dumps({"manifest": plain, "objects": objects}, indent=1).encode() + b"\n"
    content = expected_content(made, made.build())
    del content["digest"], content["host"]
    content["manifest"] = plain
    file = {"in": ("logical", logical)}
    area.add(Vector("write", name, tuple(IDS.split()), "encode", (WRITE, *needs), {"content": content}, why, file))


def _held(made: Draft, count: int) -> list[bytes]:
    """The objects of a history block, which were the first that were made."""
    return list(made.box.objects)[:count]


def _cases() -> dict[str, tuple[str, Draft, tuple[str, ...]]]:
    box = Box()
    empty = box.tree({})
    unborn = draft(state(None, index(empty), worktree(empty)), box)
    bare = Box()
    tree = bare.tree({b"a": b"a\n", b"run": (EXECUTABLE, b"#!/bin/sh\n")})
    of_bare = draft(state(bare.commit(tree), None, None), bare)
    large = with_worktree({b"text": b"line of text\n" * 500, b"zeros": bytes(66_000), b"run": (EXECUTABLE, b"x" * 300)})
    sha256 = Box("sha256")
    other = sha256.tree({b"a": b"a\n", b"l": (SYMLINK, b"a")})
    of_sha256 = draft(
        state(sha256.commit(other), index(other), worktree(other), object_format="sha256"), sha256
    )  # fmt: skip
    return {
        "small": ("one commit, a change and a new file", small(), ()),
        "unborn": ("a repository just made", unborn, ()),
        "bare": ("a bare repository", of_bare, ()),
        "history": ("two old commits in the history", with_history(), ()),
        "everything": ("every list and map of a state has something in it", everything(), ()),
        "large": ("files that compress, and are over the shorter lengths of msgpack", large, ()),
        "names": (
            "names that are no text",
            with_worktree(dict.fromkeys((b"\xff", b"a\nb", b"\xc3\xa9", b"-"), b"x\n")),
            (),
        ),
        "sha256": ("a repository of SHA-256", of_sha256, ("oid:sha256",)),
    }


def everything() -> Draft:
    """A state in which no list is empty."""
    box = Box()
    head = box.tree({b"a": b"a\n", b"lfs": b"pointer\n", b"sparse": b"s\n", b"text": b"line\n"})
    old = box.commit(head)
    side = box.commit(head, (), b"side\n")
    inner_tree = box.tree({b"i": b"i\n"})
    inner_commit = box.commit(inner_tree, (), b"inner\n")
    inner = state(inner_commit, index(inner_tree), worktree(inner_tree), ref=None)
    unborn = state(None, index(box.tree({})), worktree(box.tree({})))
    work = box.tree({
        b"a": b"changed\n", b"lfs": b"pointer\n", b"text": b"line\r\n", b"new": b"new\n", b"l": (SYMLINK, b"../x"),
        b"run": (EXECUTABLE, b"x\n"), b"later": b"later\n", b"module": gitlink(inner_commit),
    })  # fmt: skip
    stages = [[REGULAR, box.blob(b"base\n")], [EXECUTABLE, box.blob(b"ours\n")], None]
    whole = state(
        old,
        index(
            head, conflicts=[[b"clash", *stages]], intent_to_add=[[b"later", REGULAR]], skip_worktree=[b"sparse"],
            assume_unchanged=[b"a"],
        ),
        worktree(
            work, converted=[b"text"], filtered=[b"lfs"], empty_directories=[b"hollow"],
            omitted=[omitted(b".git/x", "name"), omitted(b"big", "size", 1 << 40, bytes(32))],
        ),
        operation={"heads": [side], "kind": "merge", "message": b"Merge\xff\n"},
        submodules=[nested(b"fresh", unborn), nested(b"module", inner)],
    )  # fmt: skip
    made = draft(whole, box)
    made.manifest["environment"] = {
        "language": "Python",
        "packages": [["numpy", "2.0", None]],
        "deep": {"x": [-1, True]},
    }
    made.manifest["extensions"] = {"com.example.thing": {"bytes": b"\0\xff", "n": (1 << 64) - 1}}
    made.manifest["ignored"] = [b"__pycache__/", b"secrets.env"]
    made.manifest["provenance"] = {
        "argv": [b"train.py", b"--token=***", b"\xff"],
        "remotes": [[b"origin", b"https://example.com/r.git"]],
        "time": 1_700_000_000,
        "tool": "t\u00e9st 1",
        "zone": -90,
    }
    assert sum(kind == COMMIT for kind, _ in box.objects.values()) == 3
    return made
