"""Containers crafted to exhaust, surprise or slip through."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from craft import assemble, crafted, good, pack, sizes

from jellyformat.errors import BadMsgpack, BadRecord, CountLimit, DuplicateObject, FormatError, SizeLimit, WindowLimit
from jellyformat.format import blocks, frames, limits, msgpack, pool, records
from jellyformat.format.blocks import BlockWriter
from jellyformat.format.container import Container
from jellyformat.format.model import Head, Nested, Operation, State, Worktree
from jellyformat.format.objects import BLOB, TREE, Leaf, build_trees, object_id
from jellyformat.format.records import DiffRecord, ObjectRecord, Record
from jellyformat.format.source import BytesSource
from jellyformat.verifier import verify


def opened(data: bytes) -> Container:
    return Container(BytesSource(data))


def bounded(monkeypatch: pytest.MonkeyPatch, **less: int) -> None:
    """Bounds that are less than those of SPEC JF-LIM."""
    bounds = limits.bounds
    monkeypatch.setattr(limits, "bounds", lambda length: replace(bounds(length), **less))


def with_records(*extra: Record) -> bytes:
    parts, records = good()
    return assemble(parts, [*records, *extra])


def blob(content: bytes) -> tuple[bytes, ObjectRecord]:
    return object_id(BLOB, content), ObjectRecord(BLOB, content)


# -- objects that do not fit into the cache --------------------------------------------------------------------


def test_bases_driven_out_of_the_cache_by_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding a block again to get at one base drove out the other, which decoded the block again, for ever."""
    monkeypatch.setattr(pool, "_CACHE_BYTES", 1000)
    one, first = blob(b"1" * 900)
    two, second = blob(b"2" * 900)
    diffs = [DiffRecord(BLOB, (one, two)[number % 2], ((0, 10 + number),)) for number in range(20)]
    box = opened(with_records(first, second, *diffs))
    box.pool.decode()
    for number in range(20):
        content = (b"1", b"2")[number % 2] * (10 + number)
        assert box.pool.read(object_id(BLOB, content)) == content


def test_trees_and_commits_do_not_stay_in_memory_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a diff of a few bytes against the one before: kept all, a kilobyte could stand for a terabyte."""
    monkeypatch.setattr(pool, "_SMALL_BYTES", 1 << 20)
    entry = b"100644 %07d\0" + bytes(20)
    base = b"".join(entry % number for number in range(10_000))
    records: list[Record] = [ObjectRecord(TREE, base)]
    records += [DiffRecord(TREE, object_id(TREE, base), ((0, len(entry) * cut),)) for cut in range(5000, 5200)]
    box = opened(with_records(*records))
    tracemalloc.start()
    box.pool.decode()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20
    assert box.pool.read(object_id(TREE, base)) == base


def test_blocks_are_not_decompressed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_SMALL_BYTES", 1000)
    monkeypatch.setattr(pool, "_AGAIN_BYTES", 0)
    monkeypatch.setattr(pool, "_AGAIN_TIMES", 4)
    one, first = blob(b"1" * 900)
    two, second = blob(b"2" * 900)
    writer, written = BlockWriter("state"), list[blocks.Written]()
    parts, records = good()
    groups: list[list[Record]] = [
        [*records, first],
        [second],
        [DiffRecord(BLOB, (one, two)[number % 2], ((0, 9 + number),)) for number in range(20)],
    ]
    for group in groups:
        for record, size in zip(group, sizes(group), strict=True):
            writer.add(record, size)
        written += writer.close()
    with pytest.raises(SizeLimit):
        opened(blocks.assemble(parts, written)).pool.decode()


def test_a_fault_stays_a_fault() -> None:
    """Asked again after the fault in a block, a reader gave out the objects before it as if all were well."""
    _, record = blob(b"twice")
    box = opened(with_records(record, record))
    for _ in range(2):
        with pytest.raises(DuplicateObject):
            box.files()
        assert not box.pool.places
    with pytest.raises(DuplicateObject):
        box.read("b.py")


# -- more in memory than in the file ------------------------------------------------------------------------------


def test_many_small_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest of 64 MiB of empty maps is two kilobytes of zstd, and was ten gigabytes of memory."""
    bounded(monkeypatch, values=1000)
    assert msgpack.decode(b"\xdc\x03\xe7" + b"\x80" * 999, 1000) == [{}] * 999
    with pytest.raises(CountLimit):
        msgpack.decode(b"\xdc\x03\xe8" + b"\x80" * 1000, 1000)
    with pytest.raises(CountLimit):
        opened(pack(b"\xdc\x03\xe8" + b"\x80" * 1000))
    monkeypatch.undo()
    data = with_records(DiffRecord(BLOB, object_id(BLOB, b"new\n"), ((0, 1),) * 1000))
    bounded(monkeypatch, values=1000)
    box = opened(data)
    with pytest.raises(CountLimit):
        box.pool.decode()


def test_many_nested_repositories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names a large tree of its own: none is over the limit, and together they were."""
    bounded(monkeypatch, entries=100)
    parts, records = good()
    oid, extra = blob(b"x")
    found: list[Record] = []
    nested = []
    shared = {b"d/%02d" % number: Leaf(0o100644, oid) for number in range(20)}
    for number in range(10):
        made = build_trees({**shared, b"own%d" % number: Leaf(0o100644, oid)}, "sha1")
        found += [ObjectRecord(TREE, content) for content in made.contents.values()]
        state = State("sha1", Head(None, b"refs/heads/main"), None, Worktree(made.root))
        nested.append(Nested(b"n%d" % number, state))
    unique = {record.content: record for record in found if isinstance(record, ObjectRecord)}
    data = assemble(
        replace(parts, state=replace(parts.state, submodules=tuple(nested))), [*records, extra, *unique.values()]
    )
    with pytest.raises(CountLimit):
        opened(data).files()


def test_one_tree_in_many_nested_repositories(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, records = good()
    assert parts.state.worktree is not None
    state = State("sha1", Head(None, b"refs/heads/main"), None, Worktree(parts.state.worktree.tree))
    nested = tuple(Nested(b"n%05d" % number, state) for number in range(2000))
    data = assemble(replace(parts, state=replace(parts.state, submodules=nested)), records)
    box = opened(data)
    assert len(box.files()) == 2 * 2001
    assert len({id(box.checker.flat(nested.state).worktree) for nested in box.manifest.state.submodules}) == 1
    bounded(monkeypatch, entries=5000)
    with pytest.raises(CountLimit):
        opened(data).files()


def test_paths_longer_than_their_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, paths=100_000)
    oid, extra = blob(b"x")
    leaves = {b"/".join([b"d" * 200] * 10 + [b"%03d" % number]): Leaf(0o100644, oid) for number in range(100)}
    with pytest.raises(CountLimit):
        opened(crafted().with_leaves(leaves, (extra,))).files()


def test_a_commit_named_many_times_is_looked_at_once() -> None:
    """Its tree was walked again for each."""
    parts, _ = good()
    assert parts.state.head.commit is not None
    heads = (parts.state.head.commit,) * 5000
    box = opened(crafted().with_state(operation=Operation("merge", heads)))
    box.pool.decode()
    reads: list[bytes] = []
    inner = box.pool.read

    def read(oid: bytes, kind: int | None = None) -> bytes:
        reads.append(oid)
        return inner(oid, kind)

    box.pool.read = read  # type: ignore[method-assign]
    box.checker.needed()
    assert reads.count(heads[0]) == 1


@pytest.mark.parametrize("descriptor", [0xFF, 0xB0, 0x69])
def test_the_largest_windows(descriptor: int) -> None:
    """Those over 2 GiB the library calls no frame, which is another fault."""
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes((descriptor,)) + b"\x09\x00\x00x"
    with pytest.raises(WindowLimit):
        frames.decompress(frame, 1, limits.STATE_WINDOW, 0)
    assert frames.decompress(frame[:5] + b"\x68" + frame[6:], 1, limits.STATE_WINDOW, 0) == b"x"


# -- records ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"\x92\x03\xc4\x01", BadMsgpack),  # cut off
        (b"\x92\x03\xc5\x00\x01x", BadMsgpack),  # a longer form than needed
        (b"\x92\x03\xc6\x00\x00\x00\x01x", BadMsgpack),
        (b"\x92\x03\xa1x", BadRecord),  # a str
        (b"\x92\x05\xc4\x01x", BadRecord),  # no kind
        (b"\x92\xc3\xc4\x01x", BadRecord),
        (b"\x80", BadRecord),
        (b"\x92", BadMsgpack),
        (b"\x92\x03\xc4", BadMsgpack),
    ],
)
def test_records_that_are_none(raw: bytes, error: type[FormatError]) -> None:
    with pytest.raises(error):
        list(records.read_records(raw, 1, 20))
    good_one = b"\x92\x03\xc4\x01x"
    with pytest.raises(error):
        list(records.read_records(good_one + raw, 2, 20))


def test_a_report_of_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "x.jelly").write_bytes(with_records())
    assert verify(tmp_path / "x.jelly").ok
