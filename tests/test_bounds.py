"""What a container may cost: the writer's blocks, what it does where a bound is near, and histories behind a state."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from craft import good, pack

import jellyformat
from jellyformat.errors import BadCompression, CountLimit, SizeLimit
from jellyformat.format import blocks, frames, limits, loosen, manifest, msgpack
from jellyformat.format.blocks import BlockWriter
from jellyformat.format.container import Container
from jellyformat.format.model import HISTORY, STATE
from jellyformat.format.objects import BLOB
from jellyformat.format.records import ObjectRecord
from jellyformat.format.source import BytesSource
from jellyformat.verifier import verify


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(("git", "-C", str(directory), *arguments), check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.email", "a@b")
    git(root, "config", "user.name", "A")
    return root


def commit(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")


def test_state_blocks_are_small() -> None:
    """JF-LIM-001: sixteen megabytes, but for a record that is larger alone."""
    writer = BlockWriter(STATE)
    sizes = [10 << 20, 5 << 20, 2 << 20, 20 << 20, 1]
    for number, size in enumerate(sizes):
        writer.add(ObjectRecord(BLOB, bytes([number]) * size), size)
    found = [item.block for item in writer.close()]
    assert [block.records for block in found] == [2, 1, 1, 1]
    assert all(block.raw_length <= limits.SMALL_BLOCK for block in found if block.records > 1)


@pytest.mark.sampled(3)
@pytest.mark.slow
def test_what_compresses_too_well_is_stored(repository: Path, tmp_path: Path) -> None:
    """JF-BLK-006: objects of more than 256 MiB in a few kilobytes; the container is as long as they ask for."""
    commit(repository, {f"zeros{number}": bytes([number]) + bytes(100 << 20) for number in range(3)})
    snap = jellyformat.snapshot(repository)
    total = sum(block.object_bytes for block in snap.manifest.blocks)
    assert total > limits.SMALL_BYTES
    assert limits.SMALL_BYTES + 512 * len(snap.data) >= total
    assert len(snap.data) < (total - limits.SMALL_BYTES) // 512 * 2
    (tmp_path / "x.jelly").write_bytes(snap.data)
    report = verify(tmp_path / "x.jelly")
    assert report.ok, report.error


@pytest.mark.parametrize("stored", [0, 1, 1000, 131_072, 131_073, 400_000, 10**6])
def test_stored_bytes_in_front_of_compressed_ones(stored: int) -> None:
    raw = b"".join(b"line %d of many\n" % number for number in range(30_000))
    frame = loosen.compress(raw, stored, limits.STATE_WINDOW)
    assert frames.decompress(frame, len(raw), limits.STATE_WINDOW, 0) == raw
    assert len(frame) >= min(stored, len(raw))


def test_more_values_than_a_small_container_may_hold() -> None:
    """The same value many times compresses to next to nothing."""
    parts, _ = good()
    writer = BlockWriter(STATE)
    data = blocks.assemble(replace(parts, environment={"x": [None] * 400_000}), writer.close())
    box = Container(BytesSource(data))
    assert len(box.manifest.environment["x"]) == 400_000  # type: ignore[arg-type]
    values = msgpack.walk(manifest.encode(box.manifest), 0, 1 << 30)[1]
    assert values <= limits.bounds(len(data)).values
    with pytest.raises(CountLimit) as caught:
        Container(BytesSource(pack(manifest.encode(replace(box.manifest, blocks=())))))
    assert caught.value.requirement == "JF-MSG-007"


def test_a_manifest_longer_than_its_container_may_have() -> None:
    value = {"x": bytes(30 << 20)}
    with pytest.raises(SizeLimit) as caught:
        Container(BytesSource(pack(msgpack.encode(value))))
    assert caught.value.requirement == "JF-HDR-007"


def test_history_follows_the_state(repository: Path, tmp_path: Path) -> None:
    """JF-BLK-008: it is read with the state's block as prefix, and not without it."""
    chance = random.Random(7)
    lines = [b"%032x\n" % chance.getrandbits(128) for _ in range(2000)]
    for version in range(5):
        lines[version * 100] = b"version %d\n" % version
        commit(repository, {"a.txt": b"".join(lines)})
    head, full = jellyformat.snapshot(repository), jellyformat.snapshot(repository, history="full")
    history = [block for block in full.manifest.blocks if block.kind == HISTORY]
    assert [block.prefix for block in history] == [0]
    assert history[0].raw_length > 4 * len(b"".join(lines))
    assert history[0].length < 3000
    assert len(full.data) < len(head.data) + 5000
    box = full.open()
    box.pool.decode()
    assert box.manifest.history.commits == 5
    (tmp_path / "x.jelly").write_bytes(full.data)
    assert verify(tmp_path / "x.jelly").ok
    # small histories have windows that small readers take
    offset = len(full.data) - history[0].length
    frame = full.data[offset:]
    assert frames.decompress(frame, history[0].raw_length, limits.STATE_WINDOW, 0, box.pool._raw(0))


def test_objects_of_an_old_nested_commit_that_the_outer_state_has(repository: Path, tmp_path: Path) -> None:
    """They were put into the history of the repository inside, where the state's needs are not looked for."""
    commit(repository, {"a": b"outer\n"})
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q", "-b", "main")
    git(inner, "config", "user.email", "a@b")
    git(inner, "config", "user.name", "A")
    commit(inner, {"shared": b"the same text\n"})
    commit(inner, {"shared": b"another text\n"})
    (repository / "copy").write_bytes(b"the same text\n")
    snap = jellyformat.snapshot(repository, history="full")
    (tmp_path / "x.jelly").write_bytes(snap.data)
    report = verify(tmp_path / "x.jelly")
    assert report.ok, report.error
    assert len(snap.manifest.state.submodules) == 1


def test_a_nested_repository_that_turns_out_unreadable(repository: Path, tmp_path: Path) -> None:
    """What was collected of it before is in no container: nothing would reach it (JF-REC-008)."""
    commit(repository, {"a": b"outer\n"})
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q", "-b", "main")
    git(inner, "config", "user.email", "a@b")
    git(inner, "config", "user.name", "A")
    commit(inner, {"big": b"only in there\n", "d/x": b"x\n"})
    tree = subprocess.run(
        ("git", "-C", str(inner), "rev-parse", "HEAD:d"), check=True, capture_output=True, text=True
    ).stdout.strip()
    (inner / ".git/objects" / tree[:2] / tree[2:]).unlink()
    snap = jellyformat.snapshot(repository)
    (tmp_path / "x.jelly").write_bytes(snap.data)
    report = verify(tmp_path / "x.jelly")
    assert report.ok, report.error
    worktree = snap.manifest.state.worktree
    assert worktree is not None
    assert [(item.path, item.reason) for item in worktree.omitted] == [(b"inner", "unreadable")]
    assert b"only in there" not in b"".join(snap.open().pool._raw(n) for n in range(len(snap.manifest.blocks)))


def _window(frame: bytes) -> int:
    """The window of a frame, in bytes."""
    return zstandard.get_frame_parameters(frame).window_size


def _check_small(data: bytes) -> int:
    """Every row of SPEC section 11 for the profile `small`, whatever goes beyond; how many records there are."""
    box = Container(BytesSource(data))
    box.pool.decode()
    header, parts = box.header, box.manifest
    end = frames.HEADER_LENGTH + header.manifest_length
    assert header.manifest_length <= 16 * limits.MIB
    assert header.manifest_raw_length <= 16 * limits.MIB
    assert msgpack.walk(manifest.encode(parts), 0, 1 << 30)[1] <= 262_144
    assert len(list(parts.state.parts())) - 1 <= 1_024
    assert len(parts.blocks) <= 64
    assert sum(block.raw_length for block in parts.blocks) <= 256 * limits.MIB
    assert sum(block.object_bytes for block in parts.blocks) <= 256 * limits.MIB
    assert sum(block.records for block in parts.blocks) <= 65_536
    assert _window(data[frames.HEADER_LENGTH : end]) <= 8 * limits.MIB
    values = 0
    for number, block in enumerate(parts.blocks):
        assert block.length <= 72 * limits.MIB
        assert block.raw_length <= 64 * limits.MIB
        assert _window(data[end : end + block.length]) <= 8 * limits.MIB
        end += block.length
        raw, at = box.pool._raw(number), 0
        while at < len(raw):
            at, count = msgpack.walk(raw, at, 1 << 30)
            values += count
    assert values <= 262_144
    assert max(place.size for place in box.pool.places.values()) <= 64 * limits.MIB
    assert max(place.chain for place in box.pool.places.values()) <= 50
    flats = [flat for _, state in parts.state.parts() for flat in vars(box.checker.flat(state)).values()]
    leaves = [path for flat in flats for path in flat]
    assert len(leaves) <= 262_144
    assert sum(map(len, leaves)) <= 32 * limits.MIB
    return sum(block.records for block in parts.blocks)


@pytest.mark.sampled(3)
@pytest.mark.slow
def test_a_state_that_small_readers_take_is_written_for_them(repository: Path) -> None:
    """JF-LIM-002: many changed files, long ones, and ones that compress to nothing, without history."""
    chance = random.Random(3)
    text = [[b"%016x\n" % chance.getrandbits(64) for _ in range(120)] for _ in range(2_500)]
    files = {f"src/d{number % 40}/m{number}.py": b"".join(lines) for number, lines in enumerate(text)}
    commit(repository, {"old.txt": b"before\n"})
    commit(repository, {**files, "noise.bin": chance.randbytes(20 << 20), "zeros.bin": bytes(60 << 20)})
    for number, lines in enumerate(text):  # with a change in every third line, so that a diff has many parts
        for place in range(0, 120, 3):
            lines[place] = b"%d changed\n" % place
        (repository / f"src/d{number % 40}/m{number}.py").write_bytes(b"".join(lines))
    snap = jellyformat.snapshot(repository)
    assert [block.kind for block in snap.manifest.blocks] == [STATE] * len(snap.manifest.blocks)
    assert _check_small(snap.data) > 5_000


_PEAKS = """
import sys
import zstandard
from jellyformat.format import frames
from memory import peak

raw = bytes(range(256)) * (1 << 18)  # 64 MiB
parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=27)
compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
frame = compressor.compress(raw) + compressor.flush()
assert zstandard.get_frame_parameters(frame).content_size == zstandard.CONTENTSIZE_UNKNOWN
del raw
before = peak()
print(len(frames.decompress(frame, 1 << 26, 1 << 27, 0)), peak() - before)
"""


def test_a_frame_costs_no_window_besides() -> None:
    """A frame that does not say its size is not written to a buffer as large as its window first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", _PEAKS], capture_output=True, env=environment, check=True)
    length, more = map(int, done.stdout.split())
    assert length == 1 << 26
    assert more < 16 << 10  # kilobytes: the content took the place of what was there before


@pytest.mark.parametrize("size", [2, 1000, 300_000])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_frames_of_another_size_than_said(size: int, more: int) -> None:
    raw = random.Random(size).randbytes(size // 2) * 2
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    frame = compressor.compress(raw) + compressor.flush()
    said = len(raw) + more
    if not more:
        assert frames.decompress(frame, said, limits.STATE_WINDOW, 0) == raw
        return
    with pytest.raises(BadCompression) as caught:
        frames.decompress(frame, said, limits.STATE_WINDOW, 0)
    assert caught.value.requirement == "JF-ZST-004"
