"""The trailer adapter against real files: what bears a trailer is loaded with it, what does not is refused."""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import io
import json
import lzma
import pickle
import random
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import plans
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from jellyformat_trailer import ADAPTER, find_trailer, plan_trailer
from jellyformat_trailer.bear import bears
from jellyformat_trailer.refuse import refusal
from jellyformat_trailer.walk import is_msgpack, is_protobuf

import jellyformat
from jellyformat.adapter import (
    END_MAGIC,
    Append,
    BytesSource,
    Carried,
    CorruptLocator,
    JellyError,
    Refused,
    RefusedHost,
    locator,
    read_all,
)
from jellyformat.errors import HostWarning
from jellyformat.snapshots import Snapshot
from jellyformat.testing import AdapterContract, BesideContract, make_container

REAL: dict[str, bytes] = {
    # Made by h5py 3.16, pyarrow 26.0, onnx 1.23, flax 0.12, lz4 4.4, joblib 1.6, fastavro 1.13, tfrecord 1.14,
    # array_record 0.8, scipy 1.17, pymongo 4.20 and plyvel 1.5. Each reader fails on a trailer, but for LevelDB's own,
    # which is told the length.
    name: zlib.decompress(base64.b64decode(data))
    for name, data in json.loads((Path(__file__).parent / "real_files.json").read_text()).items()
}


CONTAINER = plans.container_of(b"body")
OTHER = plans.container_of(bytes(range(256)) * 5)


def states(host: bytes, plan: Append) -> list[bytes]:
    """The file after each step of ``plan``."""
    found, data = [], bytearray(host)
    for offset, part in plan.writes:
        data.extend(bytes(max(0, offset + len(part) - len(data))))
        data[offset : offset + len(part)] = part
        found.append(bytes(data))
    return [*found, bytes(data[: plan.length])]


def embed(host: bytes, container: bytes = CONTAINER) -> bytes:
    """Put in though it may not be known whether the host bears it."""
    return plans.applied(host, ADAPTER.plan_embed_as_trailer(BytesSource(host), container))


def find(file: bytes) -> Carried:
    carried = ADAPTER.find(BytesSource(file))
    assert carried is not None
    return carried


def strip(file: bytes) -> bytes:
    return plans.strip(ADAPTER, file)


def npy(*objects: object) -> bytes:
    import numpy as np

    stream = io.BytesIO()
    np.save(stream, np.array([str(one) for one in objects], object) if objects else np.arange(100.0))
    return stream.getvalue()


def save_gguf(path: Path) -> None:
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_tensor("a", np.arange(32, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def save_ort(path: Path) -> None:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy"]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [3], [1, 2, 3])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    plain = path.with_name("plain.onnx")
    onnx.save(model, plain)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(plain, options, providers=["CPUExecutionProvider"])
    plain.unlink()


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


def save_sqlite(path: Path) -> None:
    base = sqlite3.connect(path)
    base.execute("create table t (a)")
    base.execute("insert into t values (7)")
    base.commit()
    base.close()


def legacy_torch() -> bytes:
    import torch

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


NOISE = random.Random(1).randbytes(100_000)

GOOD: dict[str, bytes | Callable[[Path], object]] = {
    **{f"pickle {p}": pickle.dumps({"a": list(range(50)), "b": b"x" * 1000}, protocol=p) for p in range(2, 6)},
    "npy": lambda path: path.write_bytes(npy()),
    "sqlite": save_sqlite,
    "gguf, big-endian": save_gguf,
    "png": png(),
    "bz2": bz2.compress(b"hello"),
    "bz2 of nothing": bz2.compress(b""),
    "tar": tar(),
    "x.ort": save_ort,
}

UNKNOWN: dict[str, bytes] = {
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01" + bytes(30) + b"\xff\xd9",
    "arrow stream": REAL["arrow_stream"],
    "joblib raw": REAL["joblib_raw"],
    "pickle and more behind": pickle.dumps([1, 2, 3], 4) + b"more",
    "pickle 2 and more behind": pickle.dumps([1, 2, 3], 2) + bytes(8),
    "pickle, cut off": pickle.dumps(list(range(1000)), 4)[:-5],
    "pickle 2, cut off": pickle.dumps(list(range(1000)), 2)[:-5],
    "npy and more behind": npy() + bytes(8),
    "npy of objects": npy(object()),
    "png and more behind": png() + b"\0",
    "tar without an end": tar()[:512],
    "sqlite, cut off": b"SQLite format 3\0" + bytes(84),
    "gguf of an unknown version": b"GGUF" + bytes(100),
    "floats": array("f", (number / 9999 for number in range(9999))).tobytes(),
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
    "kaldi vector": (b"utt-1 \0BFV \4\1\0\0\0" + bytes(4), "Kaldi"),
    "kaldi integers": (b"utt-1 \0B\4\1\0\0\0\4\1\0\0\0", "Kaldi"),
    "ggml": (b"lmgg" + bytes(100), "ggml"),
    # a tensor of 3 by 2 floats, as Paddle writes it
    "paddle": (bytes(16) + b"\6\0\0\0\x08\5\x10\3\x10\2" + bytes(24), "Paddle"),
    "pickles": (pickle.dumps(1, 4) + pickle.dumps(2, 3), "several"),
    "arrays": (npy() + npy(), "several"),
}


class TestTrailer(AdapterContract):
    adapter = ADAPTER
    hosts = GOOD

    def loads(self, path: Path) -> object:
        """As the file's own reader does."""
        name, data = path.name, path.read_bytes()
        if name.startswith("pickle"):
            return pickle.loads(data)
        if name == "tar":
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                return archive.getnames()
        if name == "npy":
            import numpy as np

            one, two = np.load(path).tolist(), np.load(path, mmap_mode="r").tolist()
            assert one == two
            return one
        if name == "sqlite":
            with contextlib.closing(sqlite3.connect(path)) as base:
                return [base.execute(what).fetchall() for what in ("select a from t", "pragma integrity_check")]
        if name.startswith("bz2"):
            return bz2.decompress(data)
        if name.startswith("gguf"):
            import gguf

            return [tensor.data.tolist() for tensor in gguf.GGUFReader(path).tensors]
        if name == "x.ort":
            import numpy as np
            import onnxruntime

            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            return session.run(None, {"x": np.ones(3, np.float32)})[0].tolist()
        import PIL.Image

        with PIL.Image.open(path) as image:
            return image.getpixel((0, 0))

    def large(self, path: Path, size: int) -> None:
        path.write_bytes(pickle.dumps(bytes(size)))


class TestRefused(BesideContract):
    """What would break on a trailer; but for files that adapters of their own are asked for before."""

    adapter = ADAPTER
    hosts = {
        name: data
        for name, (data, _) in BAD.items()
        if name not in ("hdf5", "onnx", "flax", "zip", "zip, then a little", "safetensors", "bare container")
        and name != "msgpack, wide"  # which takes long, and is as the others
    }

    def large(self, path: Path, size: int) -> None:
        path.write_text(json.dumps([0] * (size // 3 + 1)))


@pytest.mark.parametrize("name", BAD)
def test_refuses_what_would_break(name: str) -> None:
    host, word = BAD[name]
    with pytest.raises(RefusedHost, match="its readers fail") as caught:
        ADAPTER.plan_embed(BytesSource(host), CONTAINER)
    with pytest.raises(RefusedHost, match="its readers fail"):
        embed(host)  # though it was asked for
    assert word in caught.value.message
    assert "a file beside it" in str(caught.value.hint)
    assert caught.value.requirement == "JF-HST-004"
    # Nor is a trailer that another tool has put there replaced.
    with pytest.raises(RefusedHost):
        embed(plans.applied(host, plan_trailer(BytesSource(host), OTHER, len(host))))


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_left_alone_unless_asked_for(name: str) -> None:
    host = UNKNOWN[name]
    with pytest.raises(RefusedHost) as caught:
        ADAPTER.plan_embed(BytesSource(host), CONTAINER)
    assert caught.value.requirement == "JF-TRL-002"
    file = embed(host)
    assert read_all(find(file).container) == CONTAINER
    assert strip(file) == host
    # where one is, another takes its place
    again = plans.applied(file, ADAPTER.plan_embed(BytesSource(file), OTHER))
    assert read_all(find(again).container) == OTHER
    assert strip(again) == host


def streams() -> dict[str, tuple[bytes, Callable[[bytes], object]]]:
    """Several records in one file, and how they are read: one after another, until there are no more."""
    import numpy as np

    def arrays(data: bytes) -> object:
        stream, found = io.BytesIO(data), []
        while stream.tell() < len(data):
            found.append(np.load(stream).tolist())
        return found

    def pickles(data: bytes) -> object:
        stream, found = io.BytesIO(data), []
        with contextlib.suppress(EOFError):
            while True:
                found.append(pickle.load(stream))
        return found

    two = io.BytesIO()
    np.save(two, np.arange(3))
    np.save(two, np.ones((2, 2)))
    return {
        "pickles": (pickle.dumps([1, 2]) + pickle.dumps({"a": b"x" * 200_000}), pickles),
        "pickles 2": (pickle.dumps([1, 2], 2) + pickle.dumps("x", 2), pickles),
        "pickles of two protocols": (pickle.dumps([1, 2], 4) + pickle.dumps("x", 2), pickles),
        "arrays": (two.getvalue(), arrays),
        "raw array": (np.arange(100.0).tobytes(), lambda data: np.frombuffer(data, np.uint8).tolist()),
    }


@pytest.mark.parametrize("name", streams())
def test_what_is_read_to_its_end_stays_as_it_is(name: str, tmp_path: Path) -> None:
    data, reader = streams()[name]
    expected = reader(data)
    path = tmp_path / "weights.bin"
    path.write_bytes(data)
    snap = Snapshot(make_container())
    if name == "raw array":
        with pytest.warns(
            HostWarning, match=r"not known whether the reader .* stops at its end, .* inside: trailer=True"
        ):
            assert jellyformat.embed(path, snap) == "sidecar"
    else:
        assert jellyformat.embed(path, snap) == "sidecar"
        with pytest.raises(RefusedHost, match="several pickles or arrays"):
            jellyformat.embed(path, snap, replace=True, trailer=True)
    assert reader(path.read_bytes()) == expected
    jellyformat.strip(path)
    with_trailer = plans.applied(data, plan_trailer(BytesSource(data), CONTAINER, len(data)))
    if name == "raw array":
        assert reader(with_trailer) != expected  # and nobody would have noticed
    else:
        with pytest.raises((pickle.UnpicklingError, ValueError)):
            reader(with_trailer)


def test_a_kaldi_archive(tmp_path: Path) -> None:
    import kaldiio
    import numpy as np

    path = tmp_path / "x.ark"
    for options in ({}, {"compression_method": 2}):
        with kaldiio.WriteHelper(f"ark:{path}", **options) as writer:
            writer("utterance-1", np.ones((2, 3), np.float32))
            writer("utterance-2", np.ones((4, 3), np.float32))
        own = path.read_bytes()
        assert jellyformat.embed(path, Snapshot(make_container())) == "sidecar"
        assert [name for name, _ in kaldiio.load_ark(str(path))] == ["utterance-1", "utterance-2"]
        jellyformat.strip(path)
        path.write_bytes(plans.applied(own, plan_trailer(BytesSource(own), CONTAINER, len(own))))
        with pytest.raises(UnicodeDecodeError):
            list(kaldiio.load_ark(str(path)))


def test_asked_for_it_is_inside(tmp_path: Path) -> None:
    path, snap = tmp_path / "weights.bin", Snapshot(make_container())
    path.write_bytes(NOISE)
    with pytest.raises(RefusedHost) as caught:
        jellyformat.embed(path, snap, out=tmp_path / "new.bin")
    assert "trailer=True" in str(caught.value.hint)
    assert jellyformat.embed(path, snap, trailer=True) == "trailer"
    assert jellyformat.embed(path, snap, replace=True) == "trailer"
    jellyformat.strip(path)
    assert path.read_bytes() == NOISE
    text = tmp_path / "x.json"
    text.write_text("{}")
    with pytest.raises(RefusedHost, match="its readers fail"):
        jellyformat.embed(text, snap, trailer=True)
    # other files have places of their own
    array = tmp_path / "x.zip"
    array.write_bytes(zipped())
    assert jellyformat.embed(array, snap, trailer=True) == "zip"
    assert plans.names_in(tmp_path) == ["weights.bin", "x.json", "x.zip"]


def test_a_zip_end_record_is_looked_for_where_readers_do() -> None:
    archive = zipped()
    # zipfile reads 65,557 bytes; the record is 22 of them.
    assert refusal(BytesSource(archive + bytes(65_557 - 22))) is not None
    assert refusal(BytesSource(NOISE + archive + bytes(65_557 - 21))) is None
    assert refusal(BytesSource(NOISE + b"PK\x05\x06" + NOISE[:50])) is None
    with_comment = archive[:-2] + b"\x0a\0" + b"ten bytes."
    assert refusal(BytesSource(NOISE + with_comment)) is not None
    assert refusal(BytesSource(NOISE + with_comment[:-1])) is None


def test_what_is_written_to_a_mapped_array_stays(tmp_path: Path) -> None:
    import numpy as np

    path = tmp_path / "a.npy"
    path.write_bytes(embed(npy()))
    writable = np.load(path, mmap_mode="r+")
    writable[3] = -1
    writable.flush()
    del writable
    assert np.load(path)[3] == -1
    assert read_all(find(path.read_bytes()).container) == CONTAINER


def test_files_of_old_torch() -> None:
    """Which have an adapter of their own, should it not be there."""
    import torch

    host = legacy_torch()
    with pytest.raises(RefusedHost, match="several pickles"):
        embed(host)
    file = plans.applied(host, plan_trailer(BytesSource(host), CONTAINER, len(host)))
    assert torch.equal(torch.load(io.BytesIO(file))["w"], torch.arange(5.0))


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
    container = plans.container_of(body)
    try:
        file = embed(host, container)
    except (RefusedHost, CorruptLocator):  # the latter of bytes that end as a locator does
        return
    assert read_all(find(file).container) == container
    assert strip(file) == host


@given(st.binary(max_size=300), st.sampled_from([*(host[:200] for host, _ in BAD.values()), b"", b"\x78\x9c", b"\xdf"]))
@settings(max_examples=300, deadline=None)
def test_garbage_raises_nothing_else(garbage: bytes, start: bytes) -> None:
    for file in (start + garbage, start + garbage + END_MAGIC):
        source = BytesSource(file)
        for call in (ADAPTER.find, lambda source: ADAPTER.plan_embed(source, CONTAINER), bears):
            with contextlib.suppress(JellyError):
                call(source)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20),
    max_leaves=40,
)


@pytest.mark.sampled(3)
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
    host, container = b"\x00own bytes", plans.container_of(b"x" * 50)
    for before, behind in ((b"hidden", b""), (b"", b"hidden")):
        start = len(host) + len(before)
        file = host + before + container + behind + locator(start, container, len(host))
        with pytest.raises(CorruptLocator) as caught:
            find_trailer(BytesSource(file))
        assert caught.value.requirement == "JF-TRL-001"
