"""Vectors of SPEC JF-BLK: blocks, and the limits on them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from conformance.generate.draft import Block, Draft, draft, index, objects_block, record, small, state, worktree
from conformance.generate.gitobjects import BLOB, Box
from conformance.generate.suite import Area
from conformance.generate.wire import pack

CANNED = json.loads((Path(__file__).parent / "compressed.json").read_text(encoding="ascii"))


def make() -> Area:
    """The area."""
    area = Area("blocks")
    _kinds(area)
    _order(area)
    _hashes(area)
    _limits(area)
    _counts(area)
    return area


def foreign(
    kind: str = "com.example.index", *, critical: bool = False, data: bytes = b"anything, not even zstd"
) -> Block:
    """A block of a kind that nobody knows."""
    return Block(kind, [bytes(10)], 1, 0, critical, data)


def with_history() -> Draft:
    """Three commits: the state, and in a history block the two before it."""
    box = Box()
    old = box.tree({b"a": b"old\n"})
    first = box.commit(old)
    second = box.commit(old, (first,), b"second\n")
    before = list(box.objects)
    tree = box.tree({b"a": b"new\n"})
    third = box.commit(tree, (second,), b"third\n")
    made = draft(state(third, index(tree), worktree(tree)), box)
    rest = [oid for oid in box.objects if oid not in before]
    made.blocks = [objects_block("state", box, rest), objects_block("history", box, before)]
    return made


def _kinds(area: Area) -> None:
    made = with_history()
    area.accept("history", "JF-BLK-003 JF-BLK-004 JF-HIS-001", "a state block and a history block", made)
    made = small()
    made.blocks.append(foreign())
    why = "a block of an unknown kind that is not critical is skipped, and is not looked into"
    area.accept("unknown-kind", "JF-BLK-001 JF-BLK-002 JF-BLK-004", why, made)
    made = with_history()
    made.blocks += [foreign("x"), foreign("k" * 64), foreign("x")]
    area.accept("unknown-kinds", "JF-BLK-002 JF-BLK-004", "several of them, behind the history", made)
    made = small()
    made.blocks.append(foreign(critical=True))
    area.reject("unknown-critical", "JF-BLK-001", "unsupported.block", "a critical block of an unknown kind", made)
    made = small()
    made.blocks.append(foreign())
    made.blocks[-1].said = {"sha256": bytes(32)}
    why = "an unknown block with a wrong SHA-256"
    area.reject("unknown-hash", "JF-BLK-002", "corrupt.block", why, made, verify=True)
    for name in ("state", "history"):
        made = with_history()
        next(item for item in made.blocks if item.kind == name).critical = False
        area.reject(f"{name}-not-critical", "JF-BLK-003", "malformed.manifest", f"a {name} block not critical", made)
    for name, kind in (("empty", ""), ("65-bytes", "k" * 65)):
        made = small()
        made.blocks.append(foreign(kind))
        area.reject(f"kind-{name}", "JF-MAN-002", "malformed.manifest", f"a kind of {len(kind)} bytes", made)
    made = small()
    made.blocks = []
    made.box = Box()
    made.manifest = draft(state(None, None, None), made.box).manifest
    why = "no block at all: a state of a bare repository without a commit needs no object"
    area.accept("none", "JF-BLK-006 JF-NED-001 JF-STA-002", why, made)
    made = small()
    first, second = list(made.box.objects)[:2], list(made.box.objects)[2:]
    made.blocks = [objects_block("state", made.box, first), objects_block("state", made.box, second)]
    area.accept("two-state-blocks", "JF-BLK-004 JF-BLK-007", "the state's objects in two blocks", made)


def _order(area: Area) -> None:
    made = with_history()
    made.blocks.reverse()
    area.reject("history-first", "JF-BLK-004", "malformed.manifest", "a history block before a state block", made)
    made = small()
    made.blocks.insert(0, foreign())
    area.reject("unknown-first", "JF-BLK-004", "malformed.manifest", "an unknown block before a state block", made)
    made = with_history()
    made.blocks.insert(1, foreign())
    area.reject("unknown-between", "JF-BLK-004", "malformed.manifest", "an unknown block before the history", made)


def _hashes(area: Area) -> None:
    for name, number in (("state", 0), ("history", 1)):
        made = with_history()
        made.blocks[number].said = {"sha256": bytes(32)}
        area.reject(f"{name}-hash", "JF-BLK-005", "corrupt.block", f"a wrong SHA-256 of a {name} block", made,
                    verify=name == "history")  # fmt: skip
    made = small()
    good = made.build()
    made.blocks[0].frame = made.blocks[0].packed()
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    area.reject("last-bit", "JF-BLK-005", "corrupt.block", "the last bit of the container is flipped", flipped)
    made = small()
    made.blocks[0].frame = b"this is no zstd frame"
    made.blocks[0].said = {"sha256": bytes(32)}
    why = "the SHA-256 is wrong and the frame is none: the SHA-256 is checked first"
    area.reject("hash-before-frame", "JF-BLK-005", "corrupt.block", why, made)


def _limits(area: Area) -> None:
    sizes = {
        "raw-length": ("raw_length", (8 << 30) + 1, "limit.size"),
        "raw-length-all-ones": ("raw_length", (1 << 64) - 1, "limit.size"),
        "object-bytes": ("object_bytes", (1 << 40) + 1, "limit.size"),
        "object-bytes-all-ones": ("object_bytes", (1 << 64) - 1, "limit.size"),
        "records": ("records", (1 << 28) + 1, "limit.count"),
        "records-all-ones": ("records", (1 << 64) - 1, "limit.count"),
    }
    for name, (key, size, error) in sizes.items():
        made = small()
        made.blocks[0].said = {key: size}
        area.reject(f"{name}-limit", "JF-BLK-006", error, f"a block that declares {key} {size}", made)
    sums = {
        "raw-length": ("raw_length", 128 << 20, 3, "limit.size"),
        "object-bytes": ("object_bytes", 128 << 20, 3, "limit.size"),
        "records": ("records", 1 << 27, 3, "limit.count"),
    }
    for name, (key, size, count, error) in sums.items():
        made = small()
        made.blocks += [foreign(f"x{number}", data=b"x") for number in range(count)]
        for item in made.blocks[1:]:
            item.said = {key: size}
        why = f"{count} blocks that declare {key} {size} each, which is too much together"
        area.reject(f"{name}-sum", "JF-BLK-006", error, why, made)
    made = small()
    made.packed = lambda raw: bytes.fromhex(CANNED["blocks"])
    made.raw = [many_blocks_manifest()]
    made.blocks = [Block("state", [], 0, 0, frame=bytes(65_537))]
    why = "65,537 blocks, each of one byte that is there; the manifest was compressed by zstd itself"
    area.reject("count-limit", "JF-BLK-006", "limit.count", why, made)
    made = _supported()
    assert pack(made.value()) == supported_manifest()
    made.packed = lambda raw: bytes.fromhex(CANNED["supported"])
    why = "1,024 blocks, which readers of the profile full support: one of the state, and others of an unknown kind"
    area.accept("count-full", "JF-BLK-006", why, made, leave_out=("manifest",), needs=("profile:full",))
    made = small()
    made.blocks += [foreign("x", data=b"x")] * 63
    why = "64 blocks, which every reader supports"
    area.accept("count-supported", "JF-BLK-006", why, made, leave_out=("manifest",))


def many_blocks_manifest() -> bytes:
    """The msgpack of a manifest with 65,537 blocks of one byte each."""
    item = foreign(data=b"\0")
    entry = item.entry(b"\0")
    assert entry["sha256"] == hashlib.sha256(b"\0").digest()
    return pack({"blocks": [entry] * 65_537, **small().manifest})


def _supported() -> Draft:
    made = small()
    made.blocks += [foreign("x", data=b"x")] * 1023
    return made


def supported_manifest() -> bytes:
    """The msgpack of a manifest with 1,024 blocks."""
    return pack(_supported().value())


def _counts(area: Area) -> None:
    for name, key, change in (
        ("records-more", "records", 1),
        ("records-less", "records", -1),
        ("object-bytes-more", "object_bytes", 1),
        ("object-bytes-less", "object_bytes", -1),
        ("object-bytes-zero", "object_bytes", None),
    ):
        made = small()
        block = made.blocks[0]
        real = {"records": block.records, "object_bytes": block.object_bytes}[key]
        said = 0 if change is None else real + change
        block.said = {key: said}
        area.reject(name, "JF-BLK-007", "malformed.record", f"{key} is {said}, and {real} are there", made)
    made = small()
    block = made.blocks[0]
    block.raw += record(BLOB, b"")
    why = "an empty blob behind the declared records, so that the sizes add up all the same"
    area.reject("records-less-by-nothing", "JF-BLK-007", "malformed.record", why, made)
    made = small()
    first, second = list(made.box.objects)[:2], list(made.box.objects)[2:]
    made.blocks = [objects_block("state", made.box, first), objects_block("state", made.box, second)]
    for block, change in zip(made.blocks, (1, -1), strict=True):
        block.said = {"object_bytes": block.object_bytes + change}
    why = "object_bytes of two blocks are right only when added up"
    area.reject("object-bytes-shifted", "JF-BLK-007", "malformed.record", why, made)
    made = small()
    block = made.blocks[0]
    block.raw = [frame_free(block)[:-1]]
    why = "the last record is cut off in its content"
    area.reject("record-cut-off", "JF-MSG-006", "malformed.msgpack", why, made)


def frame_free(block: Block) -> bytes:
    """The raw bytes of a block without runs."""
    return b"".join(part for part in block.raw if isinstance(part, bytes))
