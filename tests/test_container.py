"""The container: header, frames, records; every flipped bit and every cut noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from craft import Crafted, assemble, change_value, crafted, frame, manifest_bytes, pack
from hypothesis import given, settings
from hypothesis import strategies as st

from jellyformat import errors
from jellyformat.format import frames as container
from jellyformat.format import limits, msgpack, records
from jellyformat.format.container import Container
from jellyformat.format.model import HISTORY, STATE, Block
from jellyformat.format.msgpack import Value
from jellyformat.format.objects import BLOB, TREE, object_id
from jellyformat.format.records import DiffRecord, ObjectRecord, format_record
from jellyformat.format.source import BytesSource

SMALLEST = Path(__file__).parents[1] / "conformance" / "vectors" / "smallest.jelly"


def check(data: bytes) -> Container:
    """Everything a verifier checks; raises at the first fault."""
    box = Container(BytesSource(data))
    box.pool.decode()
    box.checker.needed()
    box.checker.history()
    box.checker.state()
    box.checker.summary()
    return box


def test_the_smallest_and_a_good_one() -> None:
    check(SMALLEST.read_bytes())
    base = crafted()
    box = check(assemble(base.parts, base.records))
    assert [file.path for file in box.files()] == [b"b.py", b"src/a.py"]
    assert box.read("src/a.py") == b"one\n" * 49 + b"two\n"


@pytest.mark.parametrize("name", ["smallest", "crafted"])
def test_every_flipped_bit_is_noticed(name: str) -> None:
    base = crafted()
    good = SMALLEST.read_bytes() if name == "smallest" else assemble(base.parts, base.records)
    for position in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[position] ^= 1 << bit
            with pytest.raises(errors.FormatError):
                check(bytes(bad))


def test_every_cut_and_every_byte_more_is_noticed() -> None:
    good = SMALLEST.read_bytes()
    for length in range(len(good)):
        with pytest.raises(errors.BadMagic if length < len(container.MAGIC) else errors.Truncated):
            check(good[:length])
    with pytest.raises(errors.BadHeader):
        check(good + b"\0")


@given(st.binary(max_size=200))
def test_garbage_behind_the_magic(data: bytes) -> None:
    with pytest.raises(errors.FormatError):
        check(container.MAGIC + data)


# -- header --------------------------------------------------------------------------------------------------------


def header_with(offset: int, data: bytes) -> bytes:
    bad = bytearray(SMALLEST.read_bytes())
    bad[offset : offset + len(data)] = data
    bad[40:72] = hashlib.sha256(bytes(bad[:40]) + bytes(bad[72 : 72 + 606])).digest()
    return bytes(bad)


@pytest.mark.parametrize(
    ("offset", "data", "kind", "requirement"),
    [
        (0, b"\x88", errors.BadMagic, "JF-HDR-001"),
        (8, b"\x02", errors.UnsupportedVersion, "JF-HDR-002"),
        (8, b"\x00", errors.UnsupportedVersion, "JF-HDR-002"),
        (15, b"\x01", errors.BadHeader, "JF-HDR-003"),
        (32, (72 + 605).to_bytes(8, "big"), errors.BadHeader, "JF-HDR-005"),
        (16, bytes(8), errors.BadHeader, "JF-HDR-006"),
        (24, bytes(8), errors.BadHeader, "JF-HDR-006"),
        (24, (limits.MANIFEST_RAW_LENGTH + 1).to_bytes(8, "big"), errors.SizeLimit, "JF-HDR-007"),
        (40, bytes(32), errors.CorruptManifest, "JF-HDR-008"),
    ],
)
def test_header(offset: int, data: bytes, kind: type[errors.FormatError], requirement: str) -> None:
    bad = header_with(offset, data)
    if offset == 40:
        bad = bad[:40] + data + bad[72:]
    with pytest.raises(kind) as caught:
        check(bad)
    assert caught.value.requirement == requirement


def test_huge_manifest_is_refused_unread() -> None:
    size = limits.MANIFEST_LENGTH + 1
    data = container.format_header(b"", 1, 72 + size)
    data = data[:16] + size.to_bytes(8, "big") + data[24:]
    with pytest.raises(errors.SizeLimit):
        container.parse_header(data)


def test_lengths_that_do_not_add_up() -> None:
    def change(value: dict[str, Value]) -> None:
        value["blocks"] = []

    with pytest.raises(errors.BadManifest) as caught:
        check(change_value(SMALLEST.read_bytes(), change))
    assert caught.value.requirement == "JF-HDR-009"


# -- frames --------------------------------------------------------------------------------------------------------


def unpack(data: bytes, length: int, window: int = limits.STATE_WINDOW) -> bytes:
    return container.decompress(data, length, window, 0)


def test_frames() -> None:
    raw = b"some content " * 1000
    for options in ({"level": 1}, {"level": 19}, {"write_checksum": True}, {"write_content_size": False}):
        assert unpack(frame(raw, **options), len(raw)) == raw
    streamed = zstandard.ZstdCompressor().compressobj()
    assert unpack(streamed.compress(raw) + streamed.flush(), len(raw)) == raw


@pytest.mark.parametrize(
    ("data", "length", "kind"),
    [
        (b"", 3, errors.BadCompression),
        (b"abcdefghij", 3, errors.BadCompression),
        (b"\x50\x2a\x4d\x18\x00\x00\x00\x00" + frame(b"abc"), 3, errors.BadCompression),
        (frame(b"abc") + b"\0", 3, errors.BadCompression),
        (frame(b"abc") + frame(b"abc"), 3, errors.BadCompression),
        (frame(b"abc") + frame(b"abc"), 6, errors.BadCompression),
        (frame(b"abc")[:-1], 3, errors.BadCompression),
        (frame(b"abc"), 2, errors.BadCompression),
        (frame(b"abc"), 4, errors.BadCompression),
        (frame(b"abc", write_content_size=False), 2, errors.BadCompression),
        (frame(b"abc", write_content_size=False), 4, errors.BadCompression),
    ],
)
def test_what_is_not_one_frame(data: bytes, length: int, kind: type[errors.FormatError]) -> None:
    with pytest.raises(kind):
        unpack(data, length)


def test_dictionary_and_window() -> None:
    dictionary = zstandard.ZstdCompressionDict(b"abcdefgh" * 100, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    samples: list[bytes | bytearray | memoryview[int]] = [
        b"sample %d of the training" % number * 9 for number in range(200)
    ]
    trained = zstandard.train_dictionary(2000, samples)
    assert trained.dict_id()
    assert dictionary.dict_id() == 0
    with pytest.raises(errors.BadCompression):
        unpack(zstandard.ZstdCompressor(dict_data=trained).compress(bytes(samples[0])), len(samples[0]))
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=24)
    streamed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = streamed.compress(b"x" * 100) + streamed.flush()
    with pytest.raises(errors.WindowLimit):
        unpack(data, 100)
    assert unpack(data, 100, limits.HISTORY_WINDOW) == b"x" * 100
    with pytest.raises(errors.WindowLimit):  # one segment: the window is the content
        unpack(zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(9 << 20)), 9 << 20)


def test_a_bomb_stops_at_the_declared_length() -> None:
    bomb = frame(bytes(200 << 20), write_content_size=False)
    assert len(bomb) < 20_000
    with pytest.raises((errors.BadCompression, errors.WindowLimit)):
        unpack(bomb, 1000)


# -- records -------------------------------------------------------------------------------------------------------

any_record = st.one_of(
    st.builds(ObjectRecord, st.integers(1, 3), st.binary(max_size=400)),
    st.builds(
        DiffRecord,
        st.integers(1, 3),
        st.binary(min_size=20, max_size=20),
        st.lists(
            st.binary(min_size=1, max_size=300) | st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 2**64 - 1)),
            min_size=1,
            max_size=20,
        ).map(tuple),
    ),
)


@given(st.lists(any_record, min_size=1, max_size=8))
def test_records_round_trip(found: list[records.Record]) -> None:
    raw = b"".join(format_record(record) for record in found)
    assert list(records.read_records(raw, len(found), 20)) == found


@given(st.lists(any_record, min_size=1, max_size=3), st.data())
def test_changed_records_are_other_records_or_refused(found: list[records.Record], data: st.DataObject) -> None:
    raw = bytearray(b"".join(format_record(record) for record in found))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        again = list(records.read_records(bytes(raw), len(found), 20))
    except errors.FormatError:
        return
    assert b"".join(format_record(record) for record in again) == bytes(raw)


@given(st.binary(min_size=1, max_size=100), st.integers(1, 3))
def test_garbage_records(raw: bytes, count: int) -> None:
    try:
        found = list(records.read_records(raw, count, 20))
    except errors.FormatError:
        return
    assert b"".join(format_record(record) for record in found) == raw


OID = bytes(20)


@pytest.mark.parametrize(
    "value",
    [
        [0, b"x"],
        [5, b"x"],
        [True, b"x"],
        [3],
        [3, "x"],
        [3, b"x", b"y", b"z"],
        [3, OID, []],
        [3, OID, [b""]],
        [3, OID, [[0, 0]]],
        [3, OID, [[-1, 1]]],
        [3, OID, [[0, 1, 2]]],
        [3, OID, ["x"]],
        [3, OID, [[False, 1]]],
        [3, OID[:19], [b"x"]],
        [3, OID, b"x"],
        [],
        None,
        {},
        b"x",
    ],
)
def test_what_is_no_record(value: Value) -> None:
    with pytest.raises(errors.BadRecord) as caught:
        list(records.read_records(msgpack.encode(value), 1, 20))
    assert caught.value.requirement == "JF-REC-001"


@pytest.mark.parametrize("raw", [b"\x92\x03\xc5\x00\x01x", b"\x92\xcc\x03\xc4\x01x", b"\xdc\x00\x02\x03\xc4\x01x"])
def test_records_in_longer_forms(raw: bytes) -> None:
    with pytest.raises(errors.BadMsgpack):
        list(records.read_records(raw, 1, 20))


# -- blocks --------------------------------------------------------------------------------------------------------


def block_of(base: Crafted, **changes: Any) -> bytes:
    """A good container with the description of its block changed."""
    good = Container(BytesSource(assemble(base.parts, base.records)))
    block = replace(good.manifest.blocks[0], **changes)
    data = good.to_bytes()
    return pack(manifest_bytes(replace(good.manifest, blocks=(block,))), [data[72 + good.header.manifest_length :]])


@pytest.mark.parametrize(
    ("changes", "kind", "requirement"),
    [
        ({"kind": "other"}, errors.UnsupportedBlock, "JF-BLK-001"),
        ({"critical": False}, errors.BadManifest, "JF-BLK-003"),
        ({"sha256": bytes(32)}, errors.CorruptBlock, "JF-BLK-005"),
        ({"raw_length": limits.BLOCK_RAW_LENGTH + 1}, errors.SizeLimit, "JF-BLK-006"),
        ({"object_bytes": limits.TOTAL_OBJECT_BYTES + 1}, errors.SizeLimit, "JF-BLK-006"),
        ({"records": limits.RECORDS + 1}, errors.CountLimit, "JF-BLK-006"),
        ({"raw_length": 5}, errors.BadCompression, "JF-ZST-004"),
        ({"records": 2}, errors.BadRecord, "JF-BLK-007"),
        ({"records": 20}, errors.BadRecord, "JF-BLK-007"),
        ({"object_bytes": 3}, errors.BadRecord, "JF-BLK-007"),
        ({"object_bytes": 3000}, errors.BadRecord, "JF-BLK-007"),
    ],
)
def test_block(changes: dict[str, object], kind: type[errors.FormatError], requirement: str) -> None:
    with pytest.raises(kind) as caught:
        check(block_of(crafted(), **changes))
    assert caught.value.requirement == requirement


def test_unknown_blocks_that_may_be_skipped() -> None:
    base = crafted()
    good = Container(BytesSource(assemble(base.parts, base.records)))
    extra = b"whatever this is"
    block = Block("com.example.extra", False, len(extra), 1, 0, 1, hashlib.sha256(extra).digest())
    blocks = (*good.manifest.blocks, block)
    frames = [good.to_bytes()[72 + good.header.manifest_length :], extra]
    check(pack(manifest_bytes(replace(good.manifest, blocks=blocks)), frames))
    with pytest.raises(errors.BadManifest) as caught:
        check(pack(manifest_bytes(replace(good.manifest, blocks=blocks[::-1])), frames[::-1]))
    assert caught.value.requirement == "JF-BLK-004"


def test_state_objects_must_be_in_state_blocks() -> None:
    base = crafted()
    with pytest.raises(errors.MissingObject) as caught:
        check(assemble(base.parts, base.records, HISTORY))
    assert caught.value.requirement == "JF-NED-001"


def records_with(change: Callable[[list[records.Record]], None]) -> bytes:
    base = crafted()
    found = list(base.records)
    change(found)
    return assemble(base.parts, found, STATE)


OLD = object_id(BLOB, b"one\n" * 50)


@pytest.mark.parametrize(
    ("change", "kind", "requirement"),
    [
        (lambda found: found.append(found[-1]), errors.DuplicateObject, "JF-REC-002"),
        (lambda found: found.append(DiffRecord(BLOB, OLD, ((0, 200),))), errors.DuplicateObject, "JF-REC-002"),
        (lambda found: found.append(DiffRecord(BLOB, OLD, ((1, 200),))), errors.BadDiff, "JF-REC-003"),
        (lambda found: found.append(DiffRecord(TREE, OLD, ((0, 1),))), errors.BadDiff, "JF-REC-004"),
        (lambda found: found.append(DiffRecord(BLOB, OID, ((0, 1),))), errors.MissingBase, "JF-REC-005"),
        (lambda found: found.insert(0, found.pop(-2)), errors.MissingBase, "JF-REC-005"),
        (lambda found: found.pop(), errors.MissingObject, "JF-NED-001"),
    ],
)
def test_records(
    change: Callable[[list[records.Record]], None], kind: type[errors.FormatError], requirement: str
) -> None:
    with pytest.raises(kind) as caught:
        check(records_with(change))
    assert caught.value.requirement == requirement


def test_chains_of_diffs_end() -> None:
    def chain(length: int) -> bytes:
        def change(found: list[records.Record]) -> None:
            content = b"one\n" * 50
            for number in range(length):
                base = object_id(BLOB, content)
                content = content[:-1] + bytes([65 + number])
                found.append(DiffRecord(BLOB, base, ((0, len(content) - 1), content[-1:])))

        return records_with(change)

    with pytest.raises(errors.StateMismatch) as reached:  # nothing reaches them, and all else is well
        check(chain(limits.DIFF_CHAIN))
    assert reached.value.requirement == "JF-REC-008"
    with pytest.raises(errors.DepthLimit) as caught:
        check(chain(limits.DIFF_CHAIN + 1))
    assert caught.value.requirement == "JF-REC-006"


@settings(max_examples=20)
@given(st.integers(0, 9))
def test_nested_msgpack_in_a_block_is_refused(extra: int) -> None:
    raw = b"\x92\x03" + b"\x91" * (39 + extra) + b"\xc0"
    with pytest.raises((errors.DepthLimit, errors.BadRecord)) as caught:
        list(records.read_records(raw, 1, 20))
    assert isinstance(caught.value, errors.DepthLimit) == (extra >= 1)


def test_objects_that_the_cache_has_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    from jellyformat.format import pool

    monkeypatch.setattr(pool, "_SMALL_BYTES", 100)
    base = crafted()
    box = check(assemble(base.parts, base.records))
    for _ in range(2):
        assert box.read("src/a.py") == b"one\n" * 49 + b"two\n"
        assert box.read("b.py") == b"new\n"
