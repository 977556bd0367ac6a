"""Vectors of SPEC JF-REC: records, diffs, and the objects they make."""

from __future__ import annotations

from conformance.generate.draft import (
    Draft,
    block_of,
    diff,
    draft,
    index,
    objects_block,
    record,
    small,
    state,
    worktree,
)
from conformance.generate.gitobjects import BLOB, COMMIT, TREE, Box, commit_content, object_id
from conformance.generate.suite import Area
from conformance.generate.wire import Part, Run, Value, pack

RECORD, DIFF = "malformed.record", "malformed.diff"
Items = list[tuple[list[Part], int]]


def make() -> Area:
    """The area."""
    area = Area("records")
    _forms(area)
    _duplicates(area)
    _diffs(area)
    _chains(area)
    _sizes(area)
    return area


BASE = bytes(range(200))


def base_box() -> tuple[Box, bytes]:
    """Objects of a state with two files: a base of 200 bytes, and another to be made of it."""
    box = Box()
    return box, box.blob(BASE)


def with_files(box: Box, files: dict[bytes, bytes]) -> Draft:
    """No commit, an empty index, and these files."""
    empty, tree = box.tree({}), box.tree(files)
    return draft(state(None, index(empty), worktree(tree)), box)


def with_records(made: Draft, replaced: dict[bytes, list[Part]], last: tuple[bytes, ...] = ()) -> Draft:
    """The objects of a draft, some of them by other records; those of ``last`` stand last, in that order."""
    box = made.box
    order = [oid for oid in box.objects if oid not in last] + list(last)
    items: Items = [(replaced.get(oid, record(*box.objects[oid])), len(box.objects[oid][1])) for oid in order]
    made.blocks = [block_of("state", items)]
    return made


def applied(ops: Value) -> bytes:
    """What ops make of the base."""
    return b"".join(op if isinstance(op, bytes) else BASE[op[0] : op[0] + op[1]] for op in ops)


def _forms(area: Area) -> None:
    oid = object_id(BLOB, BASE)
    forms: dict[str, Value] = {
        "nil": None,
        "boolean": True,
        "integer": 3,
        "str": "blob",
        "bin": b"blob\n",
        "map": {"content": b"x\n", "kind": 3},
        "empty": [],
        "kind-alone": [3],
        "four": [3, oid, [b"x"], 0],
        "kind-0": [0, b"x\n"],
        "kind-4": [4, b"x\n"],
        "kind-negative": [-1, b"x\n"],
        "kind-large": [1 << 32, b"x\n"],
        "kind-boolean": [True, b"x\n"],
        "kind-str": ["blob", b"x\n"],
        "kind-bin": [b"\3", b"x\n"],
        "kind-nil": [None, b"x\n"],
        "content-str": [3, "x\n"],
        "content-nil": [3, None],
        "content-array": [3, [b"x\n"]],
        "diff-kind-0": [0, oid, [b"x\n"]],
        "base-nil": [3, None, [b"x\n"]],
        "base-str": [3, "x" * 20, [b"x\n"]],
        "base-19": [3, oid[:-1], [b"x\n"]],
        "base-21": [3, oid + b"\0", [b"x\n"]],
        "base-32": [3, oid + oid[:12], [b"x\n"]],
        "base-empty": [3, b"", [b"x\n"]],
        "ops-nil": [3, oid, None],
        "ops-bin": [3, oid, b"x\n"],
        "ops-map": [3, oid, {}],
        "ops-none": [3, oid, []],
        "op-empty": [3, oid, [b""]],
        "op-empty-between": [3, oid, [b"x", b"", b"\n"]],
        "op-str": [3, oid, ["x\n"]],
        "op-nil": [3, oid, [b"x\n", None]],
        "op-integer": [3, oid, [0, 2]],
        "op-none": [3, oid, [[]]],
        "op-one": [3, oid, [[0]]],
        "op-three": [3, oid, [[0, 1, 1]]],
        "op-length-zero": [3, oid, [[0, 0]]],
        "op-length-zero-between": [3, oid, [b"x", [0, 0], b"\n"]],
        "op-length-negative": [3, oid, [[0, -1]]],
        "op-offset-negative": [3, oid, [[-3, 2]]],
        "op-boolean": [3, oid, [[False, True]]],
        "op-bin": [3, oid, [[b"\0", b"\1"]]],
    }
    for name, value in forms.items():
        box, _ = base_box()
        made = with_files(box, {b"a": BASE})
        made.blocks[0].raw.append(pack(value))
        made.blocks[0].records += 1
        made.blocks[0].object_bytes += 0 if name in ("ops-none", "op-length-zero", "op-length-negative") else 2
        area.reject(f"form-{name}", "JF-REC-001", RECORD, f"a record of the form {name}", made)


def _duplicates(area: Area) -> None:
    dup = "malformed.duplicate"
    made = small()
    blob = record(BLOB, b"new\n")
    made.blocks.append(block_of("state", [(blob, 4)]))
    area.reject("twice-apart", "JF-REC-002", dup, "the same object in two blocks", made)
    made = small()
    items: Items = [(record(*item), len(item[1])) for item in made.box.objects.values()]
    made.blocks = [block_of("state", [*items, (blob, 4)])]
    area.reject("twice", "JF-REC-002", dup, "the same object twice in a block", made)
    made = small()
    copied = diff(BLOB, object_id(BLOB, b"new\n"), [[0, 4]])
    made.blocks = [block_of("state", [*items, (copied, 4)])]
    area.reject("twice-as-diff", "JF-REC-002", dup, "an object again, as a diff on itself", made)
    made = small()
    made.blocks.append(block_of("history", [(blob, 4)]))
    area.reject("twice-in-history", "JF-REC-002", dup, "an object of the state again in the history", made, verify=True)
    made = small()
    made.manifest["history"]["commits"] = 2
    made.blocks.append(block_of("history", [(record(*item), len(item[1])) for item in list(items_of(made))[2:3]]))
    area.reject("twice-commit", "JF-REC-002", dup, "the HEAD commit again in the history", made, verify=True)
    box = Box()
    same = box.objects[box.tree({b"x": b"x\n"})][1]
    made = with_files(box, {b"a": same, b"d/x": b"x\n"})
    why = "the same bytes as a blob and as a tree are two objects"
    area.accept("same-bytes", "JF-REC-002", why, made)


def items_of(made: Draft) -> list[tuple[int, bytes]]:
    """Kind and content of the objects of a draft."""
    return list(made.box.objects.values())


def _diffs(area: Area) -> None:
    good: dict[str, Value] = {
        "insert": [b"only new bytes\n"],
        "copy": [[0, 199]],
        "last-byte": [[199, 1], b"\n"],
        "whole-twice": [[0, 200], [0, 200]],
        "backwards": [[100, 100], b"|", [0, 100]],
        "many": [[n, 1] for n in range(0, 200, 7)],
    }
    for name, ops in good.items():
        box, oid = base_box()
        made = with_files(box, {b"a": BASE, b"b": applied(ops)})
        target = object_id(BLOB, applied(ops))
        made = with_records(made, {target: diff(BLOB, oid, ops)}, (target,))
        area.accept(f"diff-{name}", "JF-REC-001 JF-REC-003 JF-REC-004 JF-REC-005", f"a diff: {name}", made)
    box = Box()
    old = box.tree({b"a": b"a\n", b"b": b"b\n"})
    commit = box.commit(old)
    new = box.tree({b"a": b"a\n", b"b": b"b\n", b"c": b"c\n"})
    made = draft(state(commit, index(old), worktree(new)), box)
    size = len(box.objects[old][1])
    grown = diff(TREE, old, [[0, size], box.objects[new][1][size:]])
    made = with_records(made, {new: grown}, (new,))
    area.accept("diff-tree", "JF-REC-004", "a diff of a tree on a tree", made)
    box = Box()
    tree = box.tree({b"a": b"a\n"})
    first = box.commit(tree)
    head = box.commit(tree, (first,), b"two\n")
    made = draft(state(head, index(tree), worktree(tree)), box)
    content = commit_content(tree, (first,), b"two\n")
    ops = [[0, 46], content[46:]]
    made = with_records(made, {head: diff(COMMIT, first, ops)}, (head,))
    area.accept("diff-commit", "JF-REC-004", "a diff of a commit on its parent", made)
    bad: dict[str, Value] = {
        "one-beyond": [[0, 201]],
        "behind": [[200, 1]],
        "second": [b"x", [0, 200], [150, 51]],
        "far": [[1 << 40, 1]],
        "wraps": [[(1 << 64) - 1, 1]],
        "wraps-more": [[(1 << 64) - 1, 2]],
    }
    for name, ops in bad.items():
        box, oid = base_box()
        made = with_files(box, {b"a": BASE, b"b": b"target\n"})
        target = object_id(BLOB, b"target\n")
        made = with_records(made, {target: diff(BLOB, oid, ops)}, (target,))
        made.blocks[0].object_bytes += 1000
        why = f"an op that reaches beyond the 200 bytes of its base: {name}"
        area.reject(f"diff-{name}", "JF-REC-003", DIFF, why, made)
    for name, kind in (("tree-of-blob", TREE), ("commit-of-blob", COMMIT)):
        box, oid = base_box()
        made = with_files(box, {b"a": BASE})
        made.blocks[0].raw += diff(kind, oid, [[0, 200]])
        made.blocks[0].records += 1
        made.blocks[0].object_bytes += 200
        area.reject(f"diff-{name}", "JF-REC-004", DIFF, f"a diff whose base is of another kind: {name}", made)
    missing = "missing.base"
    target = object_id(BLOB, b"target\n")

    def on(base: bytes, *, last: bool) -> Draft:
        box, oid = base_box()
        made = with_files(box, {b"a": BASE, b"b": b"target\n"})
        return with_records(made, {target: diff(BLOB, base, [b"target\n"])}, (target,) if last else (target, oid))

    why = "a diff on an object that is not in the container"
    area.reject("base-absent", "JF-REC-005", missing, why, on(b"\1" * 20, last=True))
    area.reject("base-itself", "JF-REC-005", missing, "a diff on the object that it makes", on(target, last=True))
    why = "a diff on an object that comes later: what is in front of it decides, so that nothing can go in circles"
    area.reject("base-later", "JF-REC-005", missing, why, on(object_id(BLOB, BASE), last=False))
    box, oid = base_box()
    made = with_files(box, {b"a": BASE, b"b": b"target\n"})
    rest = [item for item in box.objects if item not in (oid, target)]
    made_of: Items = [(diff(BLOB, oid, [b"target\n"]), 7)]
    made.blocks = [block_of("state", made_of), objects_block("state", box, [oid, *rest])]
    area.reject("base-in-later-block", "JF-REC-005", missing, "a diff on an object of a later block", made)
    made.blocks = [objects_block("state", box, [oid, *rest]), block_of("state", made_of)]
    area.accept("base-in-earlier-block", "JF-REC-005", "a diff on an object of an earlier block", made)


def _chains(area: Area) -> None:
    for length in (50, 51):
        contents = [b"%03d\n" % n for n in range(length + 1)]
        box = Box()
        for content in contents:
            box.blob(content)
        made = with_files(box, {b"f%03d" % n: content for n, content in enumerate(contents)})
        oids = [object_id(BLOB, content) for content in contents]
        replaced = {oids[n]: diff(BLOB, oids[n - 1], [contents[n]]) for n in range(1, length + 1)}
        made = with_records(made, replaced, tuple(oids))
        why = f"a chain of {length} diffs"
        if length == 50:
            area.accept("chain-50", "JF-REC-006", why + ", the limit", made)
        else:
            area.reject("chain-51", "JF-REC-006", "limit.depth", why, made)


def _sizes(area: Area) -> None:
    target = object_id(BLOB, b"target\n")
    ops_of: dict[str, Value] = {
        "one": [[0, 1 << 32]],
        "sum": [[0, 1 << 31], [0, 1 << 31]],
        "with-bytes": [[0, (1 << 32) - 1], b"x"],
        "thousand": [[0, 200]] + [[0, 1 << 23]] * 1000,
        "wraps": [[0, 1 << 63], [0, 1 << 63], b"target\n"],
    }
    for name, ops in ops_of.items():
        box, oid = base_box()
        made = with_files(box, {b"a": BASE, b"b": b"target\n"})
        made = with_records(made, {target: diff(BLOB, oid, ops)}, (target,))
        why = f"a diff whose ops add up to more than 4 GiB - 1, before its base and object_bytes are looked at: {name}"
        area.reject(f"size-{name}", "JF-REC-007", "limit.size", why, made)
    made = multiplied(64 << 20)
    why = "an object of 64 MiB, which every reader supports, made of a few bytes"
    area.accept("size-supported", "JF-REC-007 JF-BLK-006 JF-BLK-007", why, made)
    why = "an object of 256 MiB, which readers of the profile full support"
    full = ("profile:full",)
    area.accept("size-full", "JF-REC-007 JF-BLK-006 JF-BLK-007", why, multiplied(256 << 20), needs=full)
    made.blocks[0].said = {"object_bytes": 1 << 21}
    why = "a real bomb: a diff that makes 64 MiB where the block declares 2 MiB"
    area.reject("size-bomb", "JF-BLK-007", RECORD, why, made)
    box, oid = base_box()
    made = with_files(box, {b"a": BASE, b"b": b"target\n"})
    made = with_records(made, {target: diff(BLOB, oid, [[0, 200], [0, 200]])}, (target,))
    why = "a diff that makes 400 bytes, so that the objects are larger than declared"
    area.reject("size-of-diff", "JF-BLK-007", RECORD, why, made)


def multiplied(size: int, count: int = 1) -> Draft:
    """Files of ``size`` bytes each (a multiple of 64 KiB), all made of one of 64 KiB."""
    unit = bytes(1 << 16)
    box = Box()
    big = bytearray(size)
    blobs = [box.blob(unit)]
    for number in range(count):
        big[0] = number + 1
        blobs.append(box.blob(bytes(big)))
    tree = box.tree_of({b"%d" % number: (0o100644, blob) for number, blob in enumerate(blobs)})
    made = draft(state(None, index(box.tree({})), worktree(tree)), box)
    items: Items = [(record(BLOB, [Run(0, len(unit))]), len(unit))]
    for number in range(count):
        ops: Value = [bytes([number + 1]), [0, (1 << 16) - 1]] + [[0, 1 << 16]] * (size // len(unit) - 1)
        items.append((diff(BLOB, blobs[0], ops), size))
    for kind, content in made.box.objects.values():
        if kind != BLOB:
            items.append((record(kind, content), len(content)))
    made.blocks = [block_of("state", items)]
    return made
