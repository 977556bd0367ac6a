"""Vectors of SPEC JF-BLK: a history block whose zstd prefix is a state block."""

from __future__ import annotations

import json
from pathlib import Path

from conformance.generate.area_blocks import foreign
from conformance.generate.draft import Block, Draft, block_of, draft, index, objects_block, record, state, worktree
from conformance.generate.gitobjects import BLOB, Box
from conformance.generate.suite import VERIFY, Area
from conformance.generate.wire import Run, frame

MIB = 1 << 20
BAD = "malformed.manifest"
CANNED = json.loads((Path(__file__).parent / "compressed.json").read_text(encoding="ascii"))


def make() -> Area:
    """The area."""
    area = Area("prefix", (VERIFY, "host:jelly"))
    _good(area)
    _bad(area)
    _lengths(area)
    return area


def lines(version: int) -> bytes:
    """A file as it was once."""
    return b"".join(b"value_%d = %d\n" % (n, n * n * n * 7919 + (version if n % 40 == 0 else 0)) for n in range(200))


def with_old(*, state_blocks: int = 1, history_blocks: int = 1) -> Draft:
    """A commit and the one before it, whose file is much the same."""
    box = Box()
    old = box.tree({b"a.py": lines(0), b"b.py": lines(1)})
    first = box.commit(old, (), b"first\n")
    before = list(box.objects)
    tree = box.tree({b"a.py": lines(2), b"b.py": lines(3)})
    second = box.commit(tree, (first,), b"second\n")
    made = draft(state(second, index(tree), worktree(tree)), box)
    rest = [oid for oid in box.objects if oid not in before]
    made.blocks = []
    for kind, oids, count in (("state", rest, state_blocks), ("history", before, history_blocks)):
        for number in range(count):
            made.blocks.append(objects_block(kind, box, oids[number::count]))
    return made


def raw_of(block: Block) -> bytes:
    """The raw bytes of a block without runs."""
    return b"".join(part for part in block.raw if isinstance(part, bytes))


def contents() -> dict[str, tuple[bytes, bytes]]:
    """What the frames hold that zstd itself has to make, and their prefix."""
    one = with_old()
    two = with_old(state_blocks=2, history_blocks=2)
    return {
        "prefix": (raw_of(one.blocks[1]), raw_of(one.blocks[0])),
        "prefix-0": (raw_of(two.blocks[2]), raw_of(two.blocks[0])),
        "prefix-1": (raw_of(two.blocks[3]), raw_of(two.blocks[1])),
    }


def _packed(name: str = "prefix") -> Draft:
    made = with_old()
    made.blocks[1].frame = bytes.fromhex(CANNED[name])
    made.blocks[1].prefix = 0
    return made


def _good(area: Area) -> None:
    ids = "JF-BLK-008 JF-ZST-001 JF-ZST-004"
    made = _packed()
    assert len(made.blocks[1].packed()) * 3 < len(raw_of(made.blocks[1]))
    area.accept("packed", ids, "a history block that zstd compressed with the state block as prefix", made)
    made = with_old()
    made.blocks[1].prefix = 0
    area.accept("unused", ids, "a history block with a prefix that its frame makes no use of", made)
    made = with_old(state_blocks=2, history_blocks=2)
    for number in (0, 1):
        made.blocks[2 + number].frame = bytes.fromhex(CANNED[f"prefix-{number}"])
        made.blocks[2 + number].prefix = number
    area.accept("two", ids, "two history blocks, each with a state block of its own as prefix", made)
    made.blocks.append(foreign())
    area.accept("beside-unknown", ids, "the same, and a block of an unknown kind", made)


def _bad(area: Area) -> None:
    compression = "malformed.compression"
    made = _packed()
    made.blocks[1].prefix = None
    why = "a frame that refers to a prefix, in a block that names none"
    area.reject("not-named", "JF-ZST-001", compression, why, made)
    made = with_old()
    made.blocks[1].frame = frame(raw_of(made.blocks[1]), dictionary=b"\x07")
    made.blocks[1].prefix = 0
    area.reject("dictionary-id", "JF-ZST-002", compression, "a prefix, and a frame with a dictionary id", made)
    made = _packed()
    made.blocks[0].said = {"sha256": bytes(32)}
    area.reject("changed", "JF-BLK-005", "corrupt.block", "the SHA-256 of the prefix's block is wrong", made)
    wrong = {
        "itself": (1, 1, "a block that is its own prefix"),
        "history": (2, 1, "a history block as prefix"),
        "beyond": (1, 3, "the number of a block that is not there"),
        "far": (1, (1 << 64) - 1, "a number of 2^64 - 1"),
        "unknown": (1, 3, "a block of an unknown kind as prefix"),
        "of-state": (0, 0, "a state block with itself as prefix"),
        "of-later-state": (0, 1, "a state block with a later one as prefix"),
        "of-unknown": (3, 0, "a block of an unknown kind with a prefix"),
    }
    for name, (number, prefix, why) in wrong.items():
        made = with_old(state_blocks=2) if "state" in name else with_old(history_blocks=2)
        if "unknown" in name:
            made.blocks.append(foreign())
        made.blocks[number].prefix = prefix
        area.reject(f"number-{name}", "JF-BLK-008", BAD, why, made)
    for name, value in (("negative", -1), ("boolean", False), ("bin", b"\0")):
        made = with_old()
        made.blocks[1].said = {"prefix": value}
        area.reject(f"number-{name}", "JF-MAN-002", BAD, f"a prefix of {value!r}", made)


def _lengths(area: Area) -> None:
    for content, name in ((b"four", "8"), (b"six", "7")):
        box = Box()
        tree = box.tree({b"f": content})
        old = box.commit(tree, (), b"old\n")
        new = box.commit(tree, (old,), b"new\n")
        blob = box.blob(content)
        made = draft(state(new, index(tree), worktree(tree)), box)
        rest = [oid for oid in box.objects if oid not in (blob, old)]
        made.blocks = [objects_block("state", box, part) for part in ([blob], rest)]
        made.blocks.append(objects_block("history", box, [old]))
        made.blocks[2].prefix = 0
        assert len(raw_of(made.blocks[0])) == int(name)
        why = f"a prefix of {name} bytes"
        if name == "8":
            area.accept(f"length-{name}", "JF-BLK-008", why + ", the least", made)
        else:
            area.reject(f"length-{name}", "JF-BLK-008", BAD, why, made)
    for raw, name in ((64 * MIB, "most"), (64 * MIB + 1, "more")):
        box = Box()
        size = raw - 7  # of a record in front of its content
        blob = box.blob(bytes(size))
        tree = box.tree_of({b"f": (0o100644, blob)})
        old = box.commit(tree, (), b"old\n")
        new = box.commit(tree, (old,), b"new\n")
        made = draft(state(new, index(tree), worktree(tree)), box)
        rest = [oid for oid in box.objects if oid not in (blob, old)]
        made.blocks = [
            block_of("state", [(record(BLOB, [Run(0, size)]), size)]),
            objects_block("state", box, rest),
            objects_block("history", box, [old]),
        ]
        made.blocks[2].prefix = 0
        assert sum(map(len, made.blocks[0].raw)) == raw
        why = f"a prefix of {raw} bytes"
        if name == "most":
            area.accept(f"length-{name}", "JF-BLK-008", why + ", the most", made, leave_out=("manifest",))
        else:
            area.reject(f"length-{name}", "JF-BLK-008", BAD, why, made, needs=("profile:full",))
