"""Packs without an index: read as git reads them, and bounded whatever a stranger wrote."""

from __future__ import annotations

import hashlib
import struct
import tracemalloc
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from states import STATES, git

from jellyformat.compat import packstream
from jellyformat.compat.packstream import PackStream
from jellyformat.errors import BadHost, CountLimit, SizeLimit
from jellyformat.format.objects import BLOB, COMMIT, KIND_NAMES, TREE, object_id
from jellyformat.git import write
from jellyformat.git.write import make_pack

BASE = b"line of a file\n" * 40


def entry(kind: int, data: bytes, size: int | None = None, head: bytes = b"", level: int = 1) -> bytes:
    """One entry of a pack; ``head`` is what names a delta's base."""
    size = len(data) if size is None else size
    byte, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    return bytes(out) + bytes([byte]) + head + zlib.compress(data, level)


def packed(*entries: bytes, count: int | None = None, version: int = 2) -> bytes:
    body = struct.pack(">4sII", b"PACK", version, len(entries) if count is None else count) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delta(base: int, size: int, *ops: bytes) -> bytes:
    return number(base) + number(size) + b"".join(ops)


def copy(offset: int, length: int) -> bytes:
    return b"\xff" + offset.to_bytes(4, "little") + length.to_bytes(3, "little")


@pytest.mark.parametrize("name", ["many_versions", "sha256_packed"])
@pytest.mark.parametrize("options", [("--delta-base-offset",), (), ("--depth=0",)])
def test_as_git_reads_it(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    STATES[name](repo)
    data = git(repo, "pack-objects", "--stdout", "--all", "--window=50", "--no-reuse-delta", *options, data=b"")
    pack = PackStream(data, "sha256" if "sha256" in name else "sha1")
    listed = git(repo, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)").split()
    for oid, kind in zip(listed[::2], listed[1::2], strict=True):
        raw = bytes.fromhex(oid.decode())
        content = git(repo, "cat-file", kind, oid)
        assert pack.read(raw) == ({value: key for key, value in KIND_NAMES.items()}[kind], content)
        assert pack.size(raw) == len(content)
    assert pack.size(bytes(20)) is None
    with pytest.raises(KeyError):
        pack.read(bytes(20))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([COMMIT, TREE, BLOB]), st.binary(max_size=300)), max_size=12), st.booleans())
def test_what_we_write_is_read(objects: list[tuple[int, bytes]], alike: bool) -> None:
    grown = [(kind, BASE + content if alike else content) for kind, content in objects]
    known = {object_id(kind, content): (kind, content) for kind, content in grown}
    names = dict.fromkeys(known, b"/same")
    pack = PackStream(b"".join(make_pack(((oid, *item) for oid, item in known.items()), "sha1", names).data), "sha1")
    assert {oid: pack.read(oid) for oid in known} == known


@pytest.mark.parametrize("bytes_at_once", [1, 500, 100_000])
def test_threads_change_nothing(bytes_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack is the same bytes by however many threads it is deflated."""
    contents = [BASE * (1 + number % 7) + b"%d" % number for number in range(200)]
    objects = [(object_id(BLOB, content), BLOB, content) for content in contents]
    names = {oid: b"/%d" % (number % 3) for number, (oid, _, _) in enumerate(objects)}
    expected = make_pack(iter(objects), "sha1", names)
    monkeypatch.setattr(write, "_AT_ONCE", bytes_at_once)
    monkeypatch.setattr(write, "_AHEAD", 2)
    assert make_pack(iter(objects), "sha1", names) == expected
    pack = PackStream(b"".join(expected.data), "sha1")
    assert [pack.read(oid) for oid, _, _ in objects] == [(BLOB, content) for content in contents]


def test_a_base_that_comes_later() -> None:
    middle, last = BASE + b"middle", BASE + b"last"
    one = delta(len(BASE), len(middle), copy(0, len(BASE)), b"\x06middle")
    two = delta(len(middle), len(last), copy(0, len(BASE)), b"\x04last")
    data = packed(
        entry(7, two, head=object_id(BLOB, middle)), entry(7, one, head=object_id(BLOB, BASE)), entry(BLOB, BASE)
    )
    pack = PackStream(data, "sha1")
    assert pack.read(object_id(BLOB, last)) == (BLOB, last)


def test_a_small_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packstream, "_CACHED_BYTES", 2000)
    repo = tmp_path / "repo"
    STATES["many_versions"](repo)
    data = git(repo, "pack-objects", "--stdout", "--all", data=b"")
    pack = PackStream(data, "sha1")
    for oid in git(repo, "rev-list", "--all", "--objects", "--no-object-names").split():
        kind, content = pack.read(bytes.fromhex(oid.decode()))
        assert object_id(kind, content) == bytes.fromhex(oid.decode())


GOOD = delta(len(BASE), len(BASE), copy(0, len(BASE)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PACK",
        packed(count=1),
        packed(entry(BLOB, b"x"), count=2),
        packed(entry(BLOB, b"x"), entry(BLOB, b"y"), count=1),
        packed(entry(BLOB, b"x"), version=4),
        packed(entry(BLOB, b"x"))[:-1],
        packed(entry(BLOB, b"x"))[:-1] + b"\0",
        packed(entry(0, b"x")),
        packed(entry(5, b"x")),
        packed(entry(BLOB, b"xx", size=1)),
        packed(entry(BLOB, b"x", size=2)),
        packed(entry(BLOB, b"x") + b"behind"),
        packed(b"\x31not zlib at all"),
        packed(b"\xff" * 12 + b"\x01"),
        packed(entry(6, GOOD, head=b"\x05")),
        packed(entry(6, GOOD, head=b"\x00")),
        packed(entry(6, GOOD, head=b"\xff\xff\xff\xff\x7f")),
        packed(entry(7, GOOD, head=bytes(20))),
        packed(entry(7, GOOD, head=object_id(BLOB, BASE))),  # it would be its own base
        packed(entry(BLOB, b"other"), entry(7, GOOD, head=object_id(BLOB, b"other"))),
        packed(entry(BLOB, BASE), entry(7, delta(len(BASE), 5, b"\0"), head=object_id(BLOB, BASE))),
        packed(entry(BLOB, BASE), entry(7, delta(len(BASE), 5, copy(9, 5)[:4]), head=object_id(BLOB, BASE))),
        packed(entry(BLOB, BASE), entry(7, delta(len(BASE), 5, copy(9999, 5)), head=object_id(BLOB, BASE))),
        packed(entry(BLOB, BASE), entry(7, b"\xff" * 9, head=object_id(BLOB, BASE))),
        packed(entry(BLOB, BASE), entry(7, b"", head=object_id(BLOB, BASE))),
    ],
)
def test_damaged(data: bytes) -> None:
    with pytest.raises(BadHost):
        PackStream(data, "sha1")


def test_every_byte_counts() -> None:
    data = packed(entry(BLOB, BASE), entry(7, GOOD, head=object_id(BLOB, BASE)))
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(BadHost):
            PackStream(bytes(changed), "sha1")


def test_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CountLimit):
        PackStream(packed(count=0xFFFFFFFF), "sha1")
    with pytest.raises(SizeLimit):
        PackStream(packed(entry(BLOB, b"x", size=1 << 40)), "sha1")
    # ten bytes that stand for gigabytes: refused before they are made
    tracemalloc.start()
    big = delta(len(BASE), 1 << 33, *[copy(0, len(BASE))] * 10)
    with pytest.raises(SizeLimit):
        PackStream(packed(entry(BLOB, BASE), entry(7, big, head=object_id(BLOB, BASE))), "sha1")
    grow = delta(len(BASE), 10, *[copy(1, len(BASE) - 1)] * 1_000_000)
    with pytest.raises(BadHost):
        PackStream(packed(entry(BLOB, BASE), entry(7, grow, head=object_id(BLOB, BASE))), "sha1")
    zeros = entry(BLOB, bytes(64 << 20), size=5, level=9)
    with pytest.raises(BadHost):
        PackStream(packed(zeros), "sha1")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200_000_000
    # all together, and a chain without end
    monkeypatch.setattr(packstream, "_ALL_BYTES", 10_000)
    with pytest.raises(SizeLimit):
        PackStream(packed(*(entry(BLOB, bytes([n]) * 1000) for n in range(30))), "sha1")
    monkeypatch.undo()
    monkeypatch.setattr(packstream, "_CHAIN", 10)
    versions = [BASE + bytes([n]) for n in range(20)]
    chain = [entry(BLOB, versions[0])]
    for old, new in pairwise(versions):
        step = delta(len(old), len(new), copy(0, len(BASE)), b"\x01" + new[-1:])
        chain.append(entry(7, step, head=object_id(BLOB, old)))
    with pytest.raises(BadHost, match="chain"):
        PackStream(packed(*chain), "sha1")
    monkeypatch.setattr(packstream, "_CHAIN", 4096)
    monkeypatch.setattr(packstream, "_CACHED_BYTES", 1)
    monkeypatch.setattr(packstream, "_AGAIN_TIMES", 1)
    pack = PackStream(packed(*chain), "sha1")
    with pytest.raises(SizeLimit):
        read_all(pack, versions, 100)


def read_all(pack: PackStream, versions: list[bytes], times: int) -> None:
    for version in versions * times:
        assert pack.read(object_id(BLOB, version)) == (BLOB, version)
