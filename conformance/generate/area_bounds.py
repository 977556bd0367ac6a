"""Vectors of SPEC JF-LIM: at each bound on what a container may cost, one that keeps it and one beyond.

The bounds grow with the bytes of the container: what is short and large at once is rejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from conformance.generate.area_blocks import foreign
from conformance.generate.area_paths import raw_tree
from conformance.generate.area_records import multiplied
from conformance.generate.draft import (
    Block,
    Draft,
    block_of,
    diff,
    draft,
    index,
    nested,
    objects_block,
    record,
    small,
    state,
    worktree,
)
from conformance.generate.gitobjects import BLOB, TREE, Box, object_id
from conformance.generate.suite import Area
from conformance.generate.wire import Part, Run, Value, frame, pack

MIB = 1 << 20
SIZE, COUNT = "limit.size", "limit.count"
FULL = ("profile:full",)
BASE = 1 << 18
"""Values of msgpack, and entries of flattened trees, that every container may have."""
MODULE = b"\1" * 20
CANNED = json.loads((Path(__file__).parent / "compressed.json").read_text(encoding="ascii"))


def make() -> Area:
    """The area."""
    area = Area("bounds")
    _bytes(area)
    _manifest(area)
    _values(area)
    _entries(area)
    _trees(area)
    _states(area)
    _unreached(area)
    return area


def contents() -> dict[str, bytes]:
    """What the frames hold that zstd itself has to make."""
    return {
        "ops": _join(_with_ops(1 << 20).blocks[0].raw),
        "ops-small": _join(_with_ops(70_000).blocks[0].raw),
        "entries": _join(_large_tree().blocks[0].raw),
        "history": _join(_large_history(TREES).blocks[1].raw),
        "history-more": _join(_large_history(TREES_MORE).blocks[1].raw),
        "states": pack(_with_states(2000).value()),
    }


def _join(raw: list[Part]) -> bytes:
    return b"".join(part if isinstance(part, bytes) else bytes([part.byte]) * part.count for part in raw)


def padded(make: Callable[[bytes], Draft], length: int) -> Draft:
    """A container of exactly ``length`` bytes, padded in its environment."""
    short = len(make(bytes(300)).build())
    if length < short:
        raise ValueError(f"{short} bytes at least, not {length}")
    made = make(bytes(300 + length - short))
    missing = length - len(made.build())
    made = make(bytes(300 + length - short + missing))
    if len(made.build()) != length:
        raise ValueError(f"{len(made.build())} bytes, not {length}")
    return made


# -- sizes -----------------------------------------------------------------------------------------------------


def _bytes(area: Area) -> None:
    why = "objects of almost 256 MiB together, which every reader supports"
    made = multiplied(64 * MIB - 65_536, 4)
    assert 255 * MIB < made.blocks[0].object_bytes <= 256 * MIB
    area.accept("object-bytes-supported", "JF-BLK-006 JF-BLK-007", why, made, leave_out=("manifest",))
    for key, name in (("raw_length", "raw-length"), ("object_bytes", "object-bytes")):
        for over, word in ((0, "most"), (1, "more")):

            def claim(padding: bytes, key: str = key, over: int = over) -> Draft:
                made = small()
                made.manifest["environment"] = {"padding": padding}
                made.blocks += [foreign(), foreign()]
                real = {"raw_length": 10, "object_bytes": 0}
                have = sum(block.entry(block.packed())[key] for block in made.blocks) - 2 * real[key]
                made.blocks[1].said = {key: 128 * MIB}  # two: in one they would be over what a block may have
                made.blocks[2].said = {key: 128 * MIB + 512 * 2000 + over - have}
                return made

            made = padded(claim, 2000)
            ids = "JF-BLK-006"
            why = f"blocks that declare {key} of 256 MiB and 512 times the container's length together"
            if over:
                area.reject(f"{name}-{word}", ids, SIZE, why + ", and one byte more", made)
            else:
                area.accept(f"{name}-{word}", ids, why, made, leave_out=("manifest",), needs=FULL)
    made = small()
    why = "a bomb of 1,634 bytes, the objects of which would have 590 MB"
    made.blocks[0].said = {"object_bytes": 590_000_000}
    area.reject("object-bytes-bomb", "JF-BLK-006", SIZE, why, made)
    for size, name in ((64 * MIB, "supported"), (64 * MIB + 1, "full")):
        made = _run(size)
        why = f"a block of {size} raw bytes"
        needs = FULL if name == "full" else ()
        area.accept(f"block-{name}", "JF-BLK-006", why, made, leave_out=("manifest",), needs=needs)


def _run(raw: int) -> Draft:
    """A state in whose one block there are ``raw`` bytes, most of them zeros."""
    size = raw - 200
    for _ in range(2):
        box = Box()
        tree = box.tree({b"zeros": bytes(size)})
        made = draft(state(None, index(box.tree({})), worktree(tree)), box)
        items = []
        for kind, content in made.box.objects.values():
            items.append((record(kind, [Run(0, size)] if kind == BLOB else content), len(content)))
        made.blocks = [block_of("state", items)]
        size += raw - sum(map(len, made.blocks[0].raw))
    assert sum(map(len, made.blocks[0].raw)) == raw
    return made


# -- the manifest --------------------------------------------------------------------------------------------------


def with_raw(raw: int, fill: int = 0, code: bytes = b"\xc6", padding: bytes = b"") -> Draft:
    """A manifest of ``raw`` bytes, most of them one run in a value of the environment."""
    mark = b"\xc4\x08<splice>"
    made = small()
    made.manifest["environment"] = {"x": b"<splice>", **({"z": padding} if padding else {})}
    head, _, tail = pack(made.value()).partition(mark)
    count = raw - len(head) - len(tail) - 5
    made.raw = [head + code + count.to_bytes(4, "big"), Run(fill, count), tail]
    made.packed = lambda parts: frame(parts, window=0x68)
    return made


def _manifest(area: Area) -> None:
    why = "a manifest of 16 MiB, which every reader supports"
    area.accept("manifest-supported", "JF-HDR-007", why, with_raw(16 * MIB), leave_out=("manifest",))
    most = 16 * MIB + 64 * 4000
    why = "a manifest of 16 MiB and 64 times the container's length"
    made = padded(lambda part: with_raw(most, padding=part), 4000)
    area.accept("manifest-most", "JF-HDR-007", why, made, leave_out=("manifest",), needs=FULL)
    made = padded(lambda part: with_raw(most + 1, padding=part), 4000)
    area.reject("manifest-more", "JF-HDR-007", SIZE, why + ", and one byte more", made)
    made = with_raw(70_000_000, 0xC0, b"\xdd")
    why = f"a bomb of {len(made.build())} bytes with 60 million nils"
    area.reject("manifest-bomb", "JF-HDR-007", SIZE, why, made)


def count(value: Value) -> int:
    """How many values of msgpack are in one, keys too."""
    if isinstance(value, list):
        return 1 + sum(map(count, value))
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(count, value.values()))
    return 1


def with_values(total: int, fill: int = 0xC0, padding: bytes = b"") -> Draft:
    """A manifest of ``total`` values."""
    made = small()
    made.manifest["environment"] = {"x": b"<splice>", **({"z": padding} if padding else {})}
    have = count(made.value())
    head, _, tail = pack(made.value()).partition(b"\xc4\x08<splice>")
    made.raw = [head + b"\xdd" + (total - have).to_bytes(4, "big"), Run(fill, total - have), tail]
    made.packed = lambda parts: frame(parts, window=0x68)
    return made


def _values(area: Area) -> None:
    why = "a manifest of 262,144 values, which every reader supports"
    area.accept("values-supported", "JF-MSG-007", why, with_values(BASE), leave_out=("manifest",))
    for fill, name in ((0xC0, "nils"), (0x80, "maps"), (0x90, "arrays")):
        for over, word in ((0, "most"), (1, "more")):
            made = padded(partial(with_values, BASE + 4000 + over, fill), 2000)
            why = f"a manifest of 262,144 values and two for each byte of the container: {name}"
            if over:
                area.reject(f"values-{name}-{word}", "JF-MSG-007", COUNT, why + ", and one more", made)
            else:
                area.accept(f"values-{name}-{word}", "JF-MSG-007", why, made, leave_out=("manifest",), needs=FULL)
    made = with_values(16_000_000, 0x80)
    why = f"a bomb of {len(made.build())} bytes with 16 million empty maps"
    area.reject("values-bomb", "JF-MSG-007", COUNT, why, made)
    made = _with_ops(70_000)
    made.blocks[0].frame = bytes.fromhex(CANNED["ops-small"])
    why = "a diff of 70,000 ops"
    area.accept("ops", "JF-MSG-007", why, made, leave_out=("manifest",))
    made = _with_ops(1 << 20)
    made.blocks[0].frame = bytes.fromhex(CANNED["ops"])
    why = f"a bomb of {len(made.build())} bytes with a diff of a million ops"
    area.reject("ops-bomb", "JF-MSG-007", COUNT, why, made)


def _with_ops(ops: int) -> Draft:
    """A file that is made by so many ops of a byte each."""
    box = Box()
    box.blob(b"x")
    tree = box.tree({b"a": b"x", b"b": b"x" * ops})
    made = draft(state(None, index(box.tree({})), worktree(tree)), box)
    base, target = object_id(BLOB, b"x"), object_id(BLOB, b"x" * ops)
    plain = [
        (record(*made.box.objects[oid]), len(made.box.objects[oid][1])) for oid in made.box.objects if oid != target
    ]
    head = b"\x93\x03\xc4\x14" + base + b"\xdd" + ops.to_bytes(4, "big")
    made.blocks = [block_of("state", [*plain, ([head + b"\x92\x00\x01" * ops], ops)])]
    return made


# -- trees -----------------------------------------------------------------------------------------------------


def wide(box: Box, directories: int, inside: int, more: int = 0) -> bytes:
    """A tree of so many directories, in each of which the same tree stands, and of ``more`` entries beside them."""
    inner = raw_tree(box, [(b"160000", b"%03d" % n, MODULE) for n in range(inside)])
    entries = [(b"40000", b"%04d" % n, inner) for n in range(directories)]
    return raw_tree(box, entries + [(b"160000", b"z%03d" % n, MODULE) for n in range(more)])


def headed(tree: bytes, box: Box, padding: bytes = b"", **more: Value) -> Draft:
    """A bare repository whose HEAD has this tree."""
    made = draft(state(box.commit(tree), None, None, **more), box)
    if padding:
        made.manifest["environment"] = {"padding": padding}
    return made


def _entries(area: Area) -> None:
    box = Box()
    tree = wide(box, 512, 511)
    why = "262,144 entries in the flattened tree of HEAD, which every reader supports (all of them submodules)"
    area.accept("entries-supported", "JF-OBJ-008", why, headed(tree, box))
    length = 42_000
    for over, word in ((0, "most"), (1, "more")):

        def make(padding: bytes, over: int = over) -> Draft:
            box = Box()
            rest = BASE + length + over - 547 * (1 + 555)
            return headed(wide(box, 547, 555, rest), box, padding)

        why = "as many entries as 262,144 and one for each byte of the container"
        made = padded(make, length)
        if over:
            area.reject(f"entries-{word}", "JF-OBJ-008", COUNT, why + ", and one more", made)
        else:
            area.accept(f"entries-{word}", "JF-OBJ-008", why, made, needs=FULL)
    for states, word in ((2, "shared"), (3, "shared-bomb")):
        box = Box()
        tree = wide(box, 300, 319)
        commit = box.commit(tree)
        inner = [nested(b"n%d" % n, state(commit, None, None)) for n in range(states)]
        around = raw_tree(box, [(b"160000", b"n%d" % n, commit) for n in range(states)])
        box.leaves[around] = {b"n%d" % n: (0o160000, commit) for n in range(states)}
        made = draft(state(None, index(around), worktree(around), submodules=inner), box)
        why = f"{states} nested states that share a tree of 96,000 entries, which counts each time"
        if states == 2:
            area.accept(f"entries-{word}", "JF-OBJ-008", why, made, verify=True, leave_out=("files",))
        else:
            area.reject(f"entries-{word}", "JF-OBJ-008", COUNT, why, made, verify=True)
    made = _large_tree()
    made.blocks[0].frame = bytes.fromhex(CANNED["entries"])
    why = f"a bomb of {len(made.build())} bytes with a tree of 2 million entries"
    area.reject("entries-bomb", "JF-OBJ-008", COUNT, why, made)
    for over, word in ((0, "most"), (1, "more")):
        box = Box()
        made = headed(_long_paths(box, 32 * MIB + over * 128 * 200_000), box)
        why = f"entries whose paths have {32 * MIB} bytes together, which every reader supports"
        if over:
            assert len(made.build()) < 200_000
            why = f"a container of {len(made.build())} bytes whose flattened trees have paths of 56 MiB"
            area.reject(f"paths-{word}", "JF-OBJ-008", COUNT, why, made)
        else:
            area.accept(f"paths-{word}", "JF-OBJ-008", why, made)
    for name, words, states in (("alone", "", 1), ("nested", " behind the path of a nested repository", 2)):
        box = Box()
        tree = _long_paths(box, 20 * MIB)
        commit = box.commit(tree)
        whole = state(commit, None, None)
        path = b"p" * 200
        for _ in range(states - 1):
            around = box.tree({path: (0o160000, commit)})
            whole = state(None, index(around), worktree(around), submodules=[nested(path, whole)])
        made = draft(whole, box)
        why = f"entries with paths of 20 MiB{words}"
        if states == 1:
            area.accept(f"paths-{name}", "JF-OBJ-008", why, made)
        else:
            why += ", which counts with each of them"
            area.reject(f"paths-{name}", "JF-OBJ-008", COUNT, why, made, verify=True)


def _long_paths(box: Box, total: int) -> bytes:
    """A tree whose entries have paths of so many bytes together."""
    inner = raw_tree(box, [(b"160000", b"%03d" % n, MODULE) for n in range(500)])
    each = 100 + 500 * 104
    directories = total // each
    rest = total - directories * each
    entries = [(b"40000", b"%0100d" % n, inner) for n in range(directories)]
    names: list[bytes] = []
    while rest > 255:
        names.append(b"z%0199d" % len(names))
        rest -= 200
    names.append(b"~" * rest)
    return raw_tree(box, entries + [(b"160000", name, MODULE) for name in names if name])


def _large_tree() -> Draft:
    """A tree of 2 million entries of one name, as only a commit's may be."""
    box = Box()
    tree = box.add(TREE, (b"0 a\0" + MODULE) * 2_000_000)
    box.leaves[tree] = {b"a": (0o160000, MODULE)}
    return headed(tree, box)


TREES, TREES_MORE = 1 << 20, (1 << 20) + 32 * 12_000


def _large_history(entries: int) -> Draft:
    """Trees of so many entries, each tree once; most of them those of an old commit."""
    box = Box()
    content = b"0 a\0" + MODULE
    clean = box.tree({b"f": b"f\n"})
    tree = box.add(TREE, content * (entries - 1))
    old = box.commit(tree, (), b"old\n")
    made = draft(state(box.commit(clean, (old,)), index(clean), worktree(clean)), box)
    rest = [oid for oid in made.box.objects if oid not in (tree, old)]
    made.blocks = [objects_block("state", made.box, rest), objects_block("history", made.box, [old, tree])]
    return made


def _trees(area: Area) -> None:
    for entries, name in ((TREES, "history"), (TREES_MORE, "history-more")):
        made = _large_history(entries)
        made.blocks[1].frame = bytes.fromhex(CANNED[name])
        why = f"a container of {len(made.build())} bytes with a history whose trees have {entries} entries, each once"
        if entries == TREES:
            why += ", which every reader supports"
            area.accept("trees-supported", "JF-OBJ-009", why, made, verify=True)
        else:
            assert len(made.build()) < 12_000
            area.reject("trees-bomb", "JF-OBJ-009", COUNT, why, made, verify=True)


# -- states ----------------------------------------------------------------------------------------------------


def _with_states(states: int) -> Draft:
    box = Box()
    empty = box.tree({})
    inner = state(None, None, None)
    nests = [nested(b"%04d" % n, inner) for n in range(states)]
    return draft(state(None, index(empty), worktree(empty), submodules=nests), box)


def _states(area: Area) -> None:
    made = _with_states(1024)
    why = "1,024 nested states, which every reader supports"
    area.accept("states-supported", "JF-SUB-006", why, made, leave_out=("manifest",))
    made = _with_states(2000)
    made.packed = lambda raw: bytes.fromhex(CANNED["states"])
    why = f"a bomb of {len(made.build())} bytes with 2,000 nested states"
    area.reject("states-bomb", "JF-SUB-006", COUNT, why, made)


# -- what nothing reaches --------------------------------------------------------------------------------------------


def _unreached(area: Area) -> None:
    mismatch = "mismatch.state"

    def extra(made: Draft, kind: int, content: bytes, where: str) -> Draft:
        item = (record(kind, content), len(content))
        if where == "state":
            items = [(record(*it), len(it[1])) for it in made.box.objects.values()]
            made.blocks = [block_of("state", [*items, item])]
        else:
            made.blocks.append(block_of("history", [item]))
        return made

    for where in ("state", "history"):
        for kind, content, name in ((BLOB, b"nobody\n", "blob"), (TREE, b"", "tree")):
            why = f"a {name} in a {where} block that nothing reaches"
            made = extra(small(), kind, content, where)
            area.reject(f"unreached-{where}-{name}", "JF-REC-008", mismatch, why, made, verify=True)
    box = Box()
    tree = box.tree({b"f": b"f\n"})
    made = draft(state(box.commit(tree), index(tree), worktree(tree)), box)
    other = box.commit(tree, (), b"other\n")
    made.blocks.append(objects_block("history", box, [other]))
    made.manifest["history"]["commits"] = 2
    area.reject("unreached-commit", "JF-REC-008", mismatch, "a commit that nothing reaches", made, verify=True)
    box = Box()
    unit = b"b" * 100
    tree = box.tree({b"f": b"f\n"})
    made = draft(state(None, index(tree), worktree(tree)), box)
    items = [(record(*it), len(it[1])) for it in made.box.objects.values()]
    items.append((record(BLOB, unit), len(unit)))
    items.append((diff(BLOB, object_id(BLOB, unit), [[0, 100], b"c"]), 101))
    made.blocks = [block_of("state", items)]
    why = "two blobs that nothing reaches, one of them the base of the other"
    area.reject("unreached-base", "JF-REC-008", mismatch, why, made, verify=True)
    made = small()
    gone = object_id(BLOB, b"new\n")
    made.manifest["history"]["missing"] = [gone]
    kept = made.box.without(gone)
    made.blocks = [objects_block("state", kept), Block("history", record(BLOB, b"x\n"), 1, 2)]
    why = "an object that nothing reaches, where another one is missing"
    area.reject("unreached-missing", "JF-REC-008", mismatch, why, Draft(kept, made.manifest, made.blocks).summarize(),
                verify=True)  # fmt: skip
