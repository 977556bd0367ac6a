"""What a restore costs: each block is decompressed a few times, however large the history is beside the memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from states import base, source_text

import jellyformat
from jellyformat.format import frames, pool
from jellyformat.git.objects import ObjectStore


def test_blocks_are_not_decompressed_for_each_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history of 148 MB took a minute: state and history were decompressed in turns."""
    repo = base(tmp_path / "repo")
    for number in range(6):
        for file in range(8):
            repo.write(f"package/m{file}.py", source_text(40, number * 100 + file))
        repo.commit(f"step {number}")
    snap = jellyformat.snapshot(repo.path, history="full")
    (tmp_path / "x.jelly").write_bytes(snap.data)
    for name in ("_SMALL_BYTES", "_CACHE_BYTES", "_RAW_BYTES"):
        monkeypatch.setattr(pool, name, 1)
    read_block, calls = frames.read_block, []

    def counted(*arguments: object) -> bytes:
        calls.append(arguments)
        return read_block(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pool, "read_block", counted)
    jellyformat.restore(tmp_path / "x.jelly", tmp_path / "new")
    assert len(calls) <= 6 * len(snap.manifest.blocks)
    commits = repo.git("rev-list", "HEAD")
    assert repo.git("-C", str(tmp_path / "new"), "rev-list", "HEAD") == commits
    repo.git("-C", str(tmp_path / "new"), "fsck", "--strict")


def test_a_new_repository_is_not_asked_for_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = base(tmp_path / "repo")
    snap = jellyformat.snapshot(repo.path)
    (tmp_path / "x.jelly").write_bytes(snap.data)
    asked: list[bytes] = []
    read = ObjectStore.read

    def spied(self: ObjectStore, oid: bytes) -> tuple[int, bytes]:
        asked.append(oid)
        return read(self, oid)

    monkeypatch.setattr(ObjectStore, "read", spied)
    done = jellyformat.restore(tmp_path / "x.jelly", tmp_path / "new")
    assert done.objects > 4
    assert len(asked) < done.objects
