"""Snapshots with one fault: told by every command that reads it, and nothing is written from them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import plain
import pytest
from craft import assemble, crafted, good, pack
from test_story import jelly

from jellyformat.errors import CorruptBlock, RefusedName
from jellyformat.exports.files import export
from jellyformat.format import frames, manifest
from jellyformat.format.container import Container
from jellyformat.format.model import Block
from jellyformat.format.objects import BLOB, SYMLINK, Leaf, object_id
from jellyformat.format.paths import not_portable
from jellyformat.format.records import ObjectRecord
from jellyformat.format.source import BytesSource


def test_log_with_a_damaged_block(tmp_path: Path) -> None:
    """One checkpoint with a damaged block took the whole timeline down."""
    data = assemble(*good())
    parts, records = good()
    other = assemble(replace(parts, provenance=replace(parts.provenance, time=1)), records)
    (tmp_path / "a.jelly").write_bytes(data)
    oid = object_id(BLOB, b"y")
    changed = crafted().with_leaves({b"y": Leaf(0o100644, oid)}, (ObjectRecord(BLOB, b"y"),))
    (tmp_path / "b.jelly").write_bytes(changed[:-1] + bytes((changed[-1] ^ 1,)))
    (tmp_path / "c.jelly").write_bytes(other)
    done = jelly(tmp_path, "log", ".", "--json", code=1)
    entries = json.loads(done.stdout)
    assert [Path(entry["file"]).name for entry in entries] == ["a.jelly", "b.jelly", "c.jelly"]
    assert [entry["damaged"] and entry["damaged"]["class"] for entry in entries] == [
        None,
        "corrupt.block",
        None,  # of the same code as the first
    ]
    assert [entry["since"] for entry in entries] == [None, None, "a.jelly"]
    assert {entry["host"] for entry in entries} == {"jelly"}
    assert all(len(entry["digest"]) == 64 for entry in entries)
    assert b"b.jelly: " in done.stderr
    assert jelly(tmp_path, "log", ".", code=1).stdout.count(b"\n") == 3
    jelly(tmp_path, "log", "nowhere", code=3)


# -- damage that nobody looks at ----------------------------------------------------------------------------------


def with_unknown_block(*, sound: bool) -> bytes:
    """A container with a block of a kind that nobody knows, not critical."""
    data = assemble(*good())
    box = Container(BytesSource(data))
    extra = b"anything"
    digest = hashlib.sha256(extra).digest() if sound else bytes(32)
    block = Block("com.example.thing", False, len(extra), 5, 0, 1, digest)
    parts = replace(box.manifest, blocks=(*box.manifest.blocks, block))
    start = frames.HEADER_LENGTH + box.header.manifest_length
    return pack(manifest.encode(parts), [data[start:], extra])


def test_export_checks_blocks_it_does_not_know(tmp_path: Path) -> None:
    """SPEC JF-PTH-004: all checks of a verifier, before the first file is written; JF-BLK-002 is one of them."""
    export(Container(BytesSource(with_unknown_block(sound=True))), tmp_path / "good")
    with pytest.raises(CorruptBlock) as caught:
        export(Container(BytesSource(with_unknown_block(sound=False))), tmp_path / "bad")
    assert caught.value.requirement == "JF-BLK-002"
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("target", [b"", b"a\0b", b"x" * 5000])
def test_links_to_nothing_are_refused_before_anything_is_written(target: bytes, tmp_path: Path) -> None:
    leaves = {b"link": Leaf(SYMLINK, object_id(BLOB, target))}
    box = Container(BytesSource(crafted().with_leaves(leaves, (ObjectRecord(BLOB, target),))))
    box.checker.summary = lambda: None  # type: ignore[method-assign]
    with pytest.raises(RefusedName, match="has a target that no system takes"):
        export(box, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_damaged_snapshot_is_not_embedded(repository: Path) -> None:
    jelly(repository, "snapshot", "-o", "x.jelly")
    data = (repository / "x.jelly").read_bytes()
    (repository / "bad.jelly").write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    (repository / "model.bin").write_bytes(plain.npy(range(50)))
    jelly(repository, "embed", "model.bin", "--from", "bad.jelly", code=1)
    assert (repository / "model.bin").read_bytes() == plain.npy(range(50))
    jelly(repository, "embed", "model.bin", "--from", "x.jelly")


def test_portable_names_of_deep_trees() -> None:
    """Each directory was looked at again for each file below it."""
    deep = b"/".join([b"d"] * 250)
    found = [b"%s/%06d" % (deep, number) for number in range(20_000)]
    assert not_portable([*found, deep + b"/aux", b"D/x"]) == sorted([deep + b"/aux", b"D/x"])
