"""The trailer adapter against real files: what bears a trailer is loaded with it, what does not is refused."""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import pickle
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from jellyformat_trailer import ADAPTER, find_trailer, plan_trailer
from jellyformat_trailer.refuse import refusal
from jellyformat_trailer.walk import is_msgpack, is_protobuf

from jellyformat.container import MAGIC
from jellyformat.errors import CorruptLocator, JellyError, Refused, RefusedHost
from jellyformat.host import END_MAGIC, Append, Carried, Truncate
from jellyformat.source import BytesSource, read_all

REAL: dict[str, bytes] = {
    # Made by h5py 3.16, pyarrow 26.0, onnx 1.23, flax 0.12, lz4 4.4, joblib 1.6, fastavro 1.13, tfrecord 1.14,
    # array_record 0.8, scipy 1.17, pymongo 4.20 and plyvel 1.5. Each reader fails on a trailer, but for LevelDB's own,
    # which is told the length.
    name: zlib.decompress(base64.b64decode(data))
    for name, data in json.loads((Path(__file__).parent / "real_files.json").read_text()).items()
}


def make_container(body: bytes = b"body") -> bytes:
    head = MAGIC + bytes([1]) + bytes(7) + struct.pack(">QQQ", len(body), 9, 72 + len(body))
    return head + hashlib.sha256(head + body).digest() + body


CONTAINER = make_container()
OTHER = make_container(bytes(range(256)) * 5)


def apply(host: bytes, plan: Append | Truncate) -> bytes:
    """The file after all of ``plan``."""
    if isinstance(plan, Truncate):
        return host[: plan.length]
    return states(host, plan)[-1]


def states(host: bytes, plan: Append) -> list[bytes]:
    """The file after each step of ``plan``."""
    found, data = [], bytearray(host)
    for offset, part in plan.writes:
        data.extend(bytes(max(0, offset + len(part) - len(data))))
        data[offset : offset + len(part)] = part
        found.append(bytes(data))
    return [*found, bytes(data[: plan.length])]


def embed(host: bytes, container: bytes = CONTAINER) -> bytes:
    return apply(host, ADAPTER.plan_embed(BytesSource(host), container))


def find(file: bytes) -> Carried:
    carried = ADAPTER.find(BytesSource(file))
    assert carried is not None
    return carried


def strip(file: bytes) -> bytes:
    return apply(file, ADAPTER.plan_strip(BytesSource(file), find(file)))


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.arange(100.0))
    return stream.getvalue()


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("x.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"hello"))
    return stream.getvalue()


def sqlite(tmp: Path) -> bytes:
    base = sqlite3.connect(tmp / "made.db")
    base.execute("create table t (a)")
    base.execute("insert into t values (7)")
    base.commit()
    base.close()
    return (tmp / "made.db").read_bytes()


def legacy_torch() -> bytes:
    stream = io.BytesIO()
    torch.save({"w": torch.arange(5.0)}, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "hello")
    return stream.getvalue()


def safetensors() -> bytes:
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    return struct.pack("<Q", len(header)) + header + b"x"


NOISE = np.random.default_rng(1).bytes(100_000)

GOOD: dict[str, bytes] = {
    **{f"pickle {p}": pickle.dumps({"a": list(range(50))}, protocol=p) for p in range(2, 6)},
    "npy": npy(),
    "gguf, big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + bytes(64),
    "png": png(),
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01" + bytes(30) + b"\xff\xd9",
    "bz2": bz2.compress(b"hello"),
    "tar": tar(),
    "legacy torch": legacy_torch(),
    "arrow stream": REAL["arrow_stream"],
    "joblib raw": REAL["joblib_raw"],
    "floats": np.linspace(0, 1, 9999, dtype=np.float32).tobytes(),
    "noise": NOISE,
    "zeros": bytes(100_000),
    "tfrecord, cut off": REAL["tfrecord_one"][:-1],
    "bson with more behind": REAL["bson"] + b"\1\2\3",
    "matlab 4 with more behind": REAL["matlab4"] + bytes(20),
    "not quite zlib": b"\x78\x9c" + b"\xff" * 3000,
    "two bytes as of zlib": b"\x78\x9c",
}

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "gzip": (gzip.compress(b"hello"), "gzip"),
    "zlib": (zlib.compress(b"hello"), "zlib"),
    "zlib, long": (zlib.compress(NOISE), "zlib"),
    "zlib, stored": (zlib.compress(NOISE, 0), "zlib"),
    "zlib, long text": (zlib.compress(b"hello " * 100_000), "zlib"),
    "joblib zlib": (REAL["joblib_zlib"], "zlib"),
    "xz": (lzma.compress(b"hello"), "xz"),
    "lzma": (lzma.compress(b"hello", format=lzma.FORMAT_ALONE), "lzma"),
    "zstd": (zstandard.compress(b"hello"), "zstd"),
    "zstd, skippable": (b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstandard.compress(b"hello"), "zstd"),
    "lz4": (REAL["lz4"], "lz4"),
    "hdf5": (REAL["hdf5"], "HDF5"),
    "hdf5, user block": (REAL["hdf5_user_block"], "user block"),
    "parquet": (REAL["parquet"], "parquet"),
    "feather 1": (REAL["feather1"], "Feather"),
    "feather 2": (REAL["feather2"], "Feather"),
    "orc": (REAL["orc"], "ORC"),
    "onnx": (REAL["onnx"], "protocol buffers"),
    "avro": (REAL["avro"], "Avro"),
    "tfrecord": (REAL["tfrecord"], "TFRecord"),
    "tfrecord, one": (REAL["tfrecord_one"], "TFRecord"),
    "array_record": (REAL["array_record"], "ArrayRecord"),
    "matlab 4": (REAL["matlab4"], "MATLAB"),
    "matlab 5": (REAL["matlab5"], "MATLAB"),
    "bson": (REAL["bson"], "BSON"),
    "bson, empty": (REAL["bson_empty"], "BSON"),
    "leveldb": (REAL["leveldb"], "LevelDB"),
    "flax": (REAL["flax"], "msgpack"),
    "msgpack": (msgpack.packb({"a": [1, -1, 1.5, None, b"x" * 70_000, "é" * 40, 2**40]}), "msgpack"),
    "msgpack, wide": (msgpack.packb({str(i): i for i in range(70_000)}), "msgpack"),
    "msgpack array": (msgpack.packb(list(range(-300, 300))), "msgpack"),
    "json": (json.dumps({"a": [1, 2]}).encode(), "text"),
    "yaml": (b"a: 1\nb:\n  - x\n", "text"),
    "text, unicode": ("größe: 見\n".encode() * 9000, "text"),
    "text, latin-1": ("the größe of it\n".encode("latin-1") * 30, "text"),
    "text, utf-16": ("hello".encode("utf-16"), "text"),
    "text, one byte": (b"x", "text"),
    "zip": (zipped(), "zip"),
    "zip behind other bytes": (NOISE + zipped(), "zip"),
    "zip, then a little": (zipped() + bytes(60_000), "zip"),
    "safetensors": (safetensors(), "safetensors"),
    "bare container": (CONTAINER, ".jelly"),
}


@pytest.mark.parametrize("name", GOOD)
def test_embed_find_replace_strip(name: str) -> None:
    host = GOOD[name]
    assert ADAPTER.matches(BytesSource(host))
    assert ADAPTER.find(BytesSource(host)) is None
    file = embed(host)
    assert file[: len(host)] == host
    assert file == host + CONTAINER + file[-64:]
    carried = find(file)
    assert (carried.form, carried.host_length, read_all(carried.container)) == ("trailer", len(host), CONTAINER)
    assert strip(file) == host
    longer = embed(file, OTHER)
    assert longer == embed(host, OTHER)
    assert read_all(find(longer).container) == OTHER
    assert embed(longer, CONTAINER) == file
    assert strip(longer) == host


@pytest.mark.parametrize("name", BAD)
def test_refuses_what_would_break(name: str) -> None:
    host, word = BAD[name]
    with pytest.raises(RefusedHost, match="not touched") as caught:
        embed(host)
    assert word in caught.value.message
    assert "FILE.jelly beside it" in str(caught.value.hint)
    assert caught.value.requirement == "JF-HST-004"
    # Nor is a trailer that another tool has put there replaced.
    with pytest.raises(RefusedHost):
        embed(apply(host, plan_trailer(BytesSource(host), OTHER, len(host))))


def test_a_zip_end_record_is_looked_for_where_readers_do() -> None:
    archive = zipped()
    # zipfile reads 65,557 bytes; the record is 22 of them.
    assert refusal(BytesSource(archive + bytes(65_557 - 22))) is not None
    assert refusal(BytesSource(NOISE + archive + bytes(65_557 - 21))) is None
    assert refusal(BytesSource(NOISE + b"PK\x05\x06" + NOISE[:50])) is None
    with_comment = archive[:-2] + b"\x0a\0" + b"ten bytes."
    assert refusal(BytesSource(NOISE + with_comment)) is not None
    assert refusal(BytesSource(NOISE + with_comment[:-1])) is None


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickle_loads(protocol: int) -> None:
    value = {"a": list(range(50)), "b": b"x" * 1000}
    assert pickle.loads(embed(pickle.dumps(value, protocol=protocol))) == value


def test_numpy_loads(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(embed(npy()))
    assert np.array_equal(np.load(path), np.arange(100.0))
    assert np.array_equal(np.load(path, mmap_mode="r"), np.arange(100.0))
    writable = np.load(path, mmap_mode="r+")
    writable[3] = -1
    writable.flush()
    del writable
    assert np.load(path)[3] == -1
    assert read_all(find(path.read_bytes()).container) == CONTAINER


def test_other_loaders(tmp_path: Path) -> None:
    assert torch.equal(torch.load(io.BytesIO(embed(legacy_torch())))["w"], torch.arange(5.0))
    with tarfile.open(fileobj=io.BytesIO(embed(tar()))) as archive:
        assert archive.getnames() == ["x.txt"]
    assert bz2.BZ2File(io.BytesIO(embed(bz2.compress(b"hello")))).read() == b"hello"
    path = tmp_path / "a.db"
    path.write_bytes(embed(sqlite(tmp_path)))
    base = sqlite3.connect(path)
    assert base.execute("select a from t").fetchall() == [(7,)]
    assert base.execute("pragma integrity_check").fetchall() == [("ok",)]
    base.close()


def test_every_step_keeps_the_host_and_never_shows_half_a_container() -> None:
    host = NOISE[:5000]
    plan = plan_trailer(BytesSource(host), CONTAINER, len(host))
    (end, locator), (start, container) = plan.writes
    assert (start, container, end, len(locator)) == (len(host), CONTAINER, len(host) + len(CONTAINER), 64)
    assert plan.length == end + 64
    hole, whole, done = states(host, plan)
    assert hole.startswith(host)
    with pytest.raises(CorruptLocator):
        find_trailer(BytesSource(hole))
    assert whole == done
    assert read_all(find(done).container) == CONTAINER


def test_keep_lies_in_the_host() -> None:
    for keep in (-1, 6):
        with pytest.raises(ValueError, match="keep"):
            plan_trailer(BytesSource(b"hello"), CONTAINER, keep)


def test_every_flipped_bit_of_locator_and_header_is_noticed() -> None:
    host = NOISE[:500]
    file = embed(host)
    for place in [*range(len(host), len(host) + 72), *range(len(file) - 64, len(file))]:
        for bit in range(8):
            flipped = bytearray(file)
            flipped[place] ^= 1 << bit
            if place >= len(file) - len(END_MAGIC):
                assert find_trailer(BytesSource(bytes(flipped))) is None
            else:
                with pytest.raises(CorruptLocator) as caught:
                    find_trailer(BytesSource(bytes(flipped)))
                assert caught.value.requirement == "JF-LOC-001"


def test_every_truncation_is_noticed() -> None:
    file = embed(NOISE[:100])
    for length in range(len(file)):
        assert find_trailer(BytesSource(file[:length])) is None
    for start in range(1, len(file) - 8):
        with pytest.raises(CorruptLocator):
            find_trailer(BytesSource(file[start:]))


def test_strip_needs_the_host_length() -> None:
    with pytest.raises(Refused):
        ADAPTER.plan_strip(BytesSource(CONTAINER), Carried("bare", BytesSource(CONTAINER), None))


@given(st.binary(max_size=300), st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_round_trip_or_are_refused(host: bytes, body: bytes) -> None:
    container = make_container(body)
    try:
        file = embed(host, container)
    except RefusedHost:
        return
    assert read_all(find(file).container) == container
    assert strip(file) == host


@given(st.binary(max_size=300), st.sampled_from([*(host[:200] for host, _ in BAD.values()), b"", b"\x78\x9c", b"\xdf"]))
@settings(max_examples=300, deadline=None)
def test_garbage_raises_nothing_else(garbage: bytes, start: bytes) -> None:
    for file in (start + garbage, start + garbage + END_MAGIC):
        source = BytesSource(file)
        for call in (ADAPTER.find, lambda source: ADAPTER.plan_embed(source, CONTAINER)):
            with contextlib.suppress(JellyError):
                call(source)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20),
    max_leaves=40,
)


@given(st.dictionaries(st.text(max_size=40), VALUES, max_size=20), st.binary(min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_msgpack_is_told(value: dict[str, Any], more: bytes) -> None:
    packed = msgpack.packb(value)
    assert is_msgpack(BytesSource(packed))
    assert not is_msgpack(BytesSource(packed + more))
    assert not is_msgpack(BytesSource(packed[:-1]))


def test_msgpack_extension_types_are_told() -> None:
    for length in (1, 2, 4, 8, 16, 3, 300, 70_000):
        packed = msgpack.packb({"a": msgpack.ExtType(1, bytes(length)), "b": 1})
        assert is_msgpack(BytesSource(packed))
        assert not is_msgpack(BytesSource(packed[:-1]))


def test_lengths_beyond_the_end_are_not_followed() -> None:
    for data in (b"\xdf\xff\xff\xff\xff", b"\x81\xa1a\xc6\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff" + bytes(100)):
        assert not is_msgpack(BytesSource(data))
    assert not is_protobuf(BytesSource(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))


def test_protocol_buffers_are_told() -> None:
    model = REAL["onnx"]
    assert is_protobuf(BytesSource(model))
    assert is_protobuf(BytesSource(b"\x09" + bytes(8) + b"\x15" + bytes(4) + model))
    # Many nodes, as in a TensorFlow graph, over several pages.
    assert is_protobuf(BytesSource((b"\x0a\xc8\x01" + bytes(200)) * 500))
    for broken in (model[:-1], model + b"\0", model + b"\x0f", CONTAINER, b"", npy()):
        assert not is_protobuf(BytesSource(broken))


def test_a_container_that_does_not_fill_the_gap() -> None:
    """Bytes hidden between the host and the container, or behind it."""
    from jellyformat.host import locator

    host, container = b"\x00own bytes", make_container(b"x" * 50)
    for before, behind in ((b"hidden", b""), (b"", b"hidden")):
        start = len(host) + len(before)
        file = host + before + container + behind + locator(start, container, len(host))
        with pytest.raises(CorruptLocator) as caught:
            find_trailer(BytesSource(file))
        assert caught.value.requirement == "JF-TRL-001"
