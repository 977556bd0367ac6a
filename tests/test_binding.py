"""Bindings: the same weights saved again are the same, and a changed one is told by name."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import craft
import msgpack
import plain
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_story import jelly

import jellyformat
from jellyformat.errors import BadHost, BindingMismatch, CountLimit, JellyError, RefusedHost
from jellyformat.format import limits
from jellyformat.format.source import BytesSource, FileSource, Joined, StreamSource
from jellyformat.hosts.binding import Binding, binding_of
from jellyformat.hosts.weights import CHUNK, Weight, hash_weights, root_of
from jellyformat.snapshots import Snapshot

if TYPE_CHECKING:
    import torch

SNAP = Snapshot(craft.assemble(*craft.good()))


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def leaf(name: bytes, dtype: str, shape: list[int], data: bytes) -> bytes:
    """The leaf as the text of SPEC JF-BND has it, by the library's msgpack."""
    tree = sha(*(sha(data[start : start + 4194304]) for start in range(0, len(data), 4194304)))
    return sha(msgpack.packb([name, dtype, shape, len(data), tree], use_bin_type=True))


def bound(path: Path) -> Binding:
    with jellyformat.open(path) as box:
        found = binding_of(box.manifest.extensions)
    assert found is not None
    return found


def model(seed: int = 0) -> torch.nn.Module:
    import torch

    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.Linear(16, 4))


def names_of(path: Path) -> str:
    """What verify says that differs."""
    report = jellyformat.verify(path)
    assert isinstance(report.error, BindingMismatch), report
    assert report.checks[-1].name == "binding"
    assert report.error.to_json()["class"] == "mismatch.binding"
    return report.error.message


def moved(old: Path, new: Path) -> Path:
    """The container of ``old``, with its binding, in ``new``: what verify says of that is what is asked."""
    data = jellyformat.load(old).data
    jellyformat.embed(new, SNAP, replace=True)
    box = Path(f"{new}.box.jelly")
    box.write_bytes(data)
    jellyformat.embed(new, jellyformat.load(box), replace=True)
    return new


# -- the hash ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_as_specified(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    path = tmp_path / "data"
    path.write_bytes(data)
    with open(path, "rb") as stream:
        half = BytesSource(data[: size // 2]), BytesSource(data[size // 2 :])
        for source in (BytesSource(data), FileSource.of(stream.fileno()), StreamSource.of(stream), Joined(half)):
            found = hash_weights([Weight(b"b", "F32", (2, 3), source), Weight(b"a", "", (), BytesSource(b""))])
            assert found == [(b"a", leaf(b"a", "", [], b"")), (b"b", leaf(b"b", "F32", [2, 3], data))]
            assert root_of(found) == sha(found[0][1], found[1][1])


@given(st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=40)), max_size=20, unique=True))
def test_order_does_not_matter(items: list[tuple[bytes, bytes]]) -> None:
    def of(pairs: list[tuple[bytes, bytes]]) -> Binding:
        return Binding.of("bytes", hash_weights(Weight(name, "", (), BytesSource(data)) for name, data in pairs))

    there = of(items)
    assert there == of(items[::-1])
    assert there == of(items * 2)
    assert there.difference(of(items[::-1])) == ""
    assert binding_of({"binding": there.to_value()}) == there
    if items:
        name, data = items[0]
        assert there.difference(of([(name, data + b"!"), *items[1:]]))
        assert there.difference(of(items[1:]))


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WEIGHTS", 3)
    four = [Weight(b"%d" % number, "", (), BytesSource(b"")) for number in range(4)]
    assert len(hash_weights(four[:3])) == 3
    with pytest.raises(CountLimit):
        hash_weights(four)
    with pytest.raises(CountLimit):
        hash_weights(four[:1], before=3)


def test_too_many_to_name() -> None:
    leaves = [(b"%05d" % number, sha(b"%d" % number)) for number in range(65_537)]
    there = Binding.of("tensors", leaves)
    assert there.named is None
    assert Binding.of("tensors", leaves[1:]).named is not None
    assert "is not known" in there.difference(Binding.of("tensors", leaves[1:]))
    assert binding_of({"binding": there.to_value()}) == there


def test_a_source_that_ends_early(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(bytes(100))
    with open(path, "rb") as stream, pytest.raises(BadHost):
        hash_weights([Weight(b"", "", (), FileSource(stream.fileno(), 101))])


# -- safetensors ---------------------------------------------------------------------------------------------------


@pytest.mark.framework
def test_safetensors(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    path = tmp_path / "model.safetensors"
    state = model().state_dict()
    save_file(state, path)
    jellyformat.embed(path, SNAP, bind=True)
    found = bound(path)
    assert (found.kind, found.count) == ("tensors", len(state))
    expected = []
    for name, tensor in sorted(state.items()):
        dtype = {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype]
        expected.append(leaf(name.encode(), dtype, list(tensor.shape), tensor.numpy().tobytes()))
    assert found.root == sha(*expected)
    assert found.named is not None
    assert [check for _, check in found.named] == [item[:8] for item in expected]
    assert jellyformat.verify(path).ok
    # saved again: other metadata, other order, and without the snapshot, which then is put in again
    again = tmp_path / "again.safetensors"
    save_file(dict(reversed(load_file(path).items())), again, metadata={"format": "pt"})
    report = jellyformat.verify(moved(path, again))
    assert report.ok
    assert "9 tensors" in report.checks[-1].detail
    # one weight changed, in a file that carries the container still
    data = bytearray(again.read_bytes())
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    place = 8 + int.from_bytes(data[:8], "little") + header["2.weight"]["data_offsets"][0]
    data[place] ^= 1
    again.write_bytes(data)
    assert "1 changed: 2.weight" in names_of(again)
    assert jellyformat.verify(again, quick=True).ok
    done = jelly(tmp_path, "verify", again.name, code=1)
    assert b"2.weight" in done.stderr
    # other names, shapes and types are other weights
    for change in ({"2.weight": state["2.weight"].T.contiguous()}, {"0.bias": state["0.bias"].view(torch.int32)}):
        save_file({**state, **change}, again)
        with pytest.raises(RefusedHost, match=f"1 changed: {next(iter(change))}"):
            moved(path, again)
    save_file({name: tensor for name, tensor in state.items() if name != "2.bias"} | {"new": state["2.bias"]}, again)
    with pytest.raises(RefusedHost, match=r"1 not there then: new; 1 missing now: 2\.bias") as caught:
        moved(path, again)
    assert caught.value.requirement == "JF-BND-006"
    jellyformat.embed(again, jellyformat.load(path), replace=True, bind=True)
    assert jellyformat.verify(again).ok


def safetensors(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin: Any, end: Any, **more: Any) -> dict[str, Any]:
    return {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end], **more}


@pytest.mark.parametrize(
    "header",
    [
        {"a": tensor(0, 8), "b": tensor(0, 8)},  # else a million of them would read the file a million times
        {"a": tensor(0, 9)},
        {"a": tensor(4, 3)},
        {"a": tensor(0, 8, shape=[-1])},
        {"a": tensor(0, 8, shape=[1 << 64])},
        {"a": tensor(0, 8, shape=[True])},
        {"a": tensor(0, 8, dtype=1)},
        {"a": tensor(0, 8, data_offsets=[0, 8, 9])},
        {"a": tensor(0, 8, data_offsets=[False, 8])},
        {"a": tensor(0, 8, x="y" * 70_000)},
        {"a": 1},
        b'{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":' + b"[" * 40_000 + b"]" * 40_000 + b"}",
    ],
)
def test_crafted_safetensors(tmp_path: Path, header: object) -> None:
    path = tmp_path / "crafted.safetensors"
    own = safetensors(header, bytes(8))
    path.write_bytes(own)
    with pytest.raises(BadHost):
        jellyformat.embed(path, SNAP, bind=True)
    assert path.read_bytes() == own


# -- torch ---------------------------------------------------------------------------------------------------------


@pytest.mark.framework
def test_torch(tmp_path: Path) -> None:
    """`torch.save` of what `torch.load` gave, under any name, from a model or from a file that was mapped."""
    import torch

    path = tmp_path / "epoch1.pt"
    net = model()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(3, 8)).sum().backward()
    optimizer.step()
    torch.save({"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, path)
    jellyformat.embed(path, SNAP, bind=True)
    assert bound(path).kind == "entries"
    assert jellyformat.verify(path).ok
    for number, options in enumerate(({"weights_only": True}, {"weights_only": False}, {"mmap": True})):
        again = tmp_path / f"saved again {number}.bin"
        torch.save(torch.load(path, **options), again)
        assert jellyformat.verify(moved(path, again)).ok
    content = torch.load(path)
    content["model"]["2.weight"][1, 2] += 1
    again = tmp_path / "changed.pt"
    torch.save(content, again)
    with pytest.raises(RefusedHost, match=r"1 changed: data/\d+;"):
        moved(path, again)
    content = torch.load(path)
    content["epoch"] = 4
    torch.save(content, again)
    with pytest.raises(RefusedHost, match=r"1 changed: data\.pkl;"):
        moved(path, again)
    # in the file itself: the bytes of one storage
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("epoch1/data/0")
    data = bytearray(path.read_bytes())
    begin = info.header_offset + 30 + sum(struct.unpack_from("<2H", data, info.header_offset + 26))
    data[begin] ^= 1
    path.write_bytes(data)
    assert "1 changed: data/0" in names_of(path)
    jellyformat.strip(path)


@pytest.mark.framework
def test_legacy_torch_is_its_bytes(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "old.pt"
    torch.save(model().state_dict(), path, _use_new_zipfile_serialization=False)
    own = path.read_bytes()
    jellyformat.embed(path, SNAP, bind=True)
    assert (bound(path).kind, bound(path).count) == ("bytes", 1)
    assert bound(path).root == sha(leaf(b"", "", [], own))
    shutil.copy(path, tmp_path / "copy.pt")
    assert jellyformat.verify(tmp_path / "copy.pt").ok
    data = bytearray(path.read_bytes())
    data[len(own) - 1] ^= 1
    path.write_bytes(data)
    assert "1 changed: the bytes of the file" in names_of(path)


# -- numpy and other zips ------------------------------------------------------------------------------------------


@pytest.mark.framework
def test_npz(tmp_path: Path) -> None:
    import numpy as np

    path = tmp_path / "arrays.npz"
    arrays: dict[str, Any] = {"a": np.arange(3_000_000), "b": np.asfortranarray(np.eye(3)), "c": np.float32(1)}
    np.savez(path, **arrays)
    jellyformat.embed(path, SNAP, bind=True)
    found = bound(path)
    assert (found.kind, found.count) == ("entries", 3)
    with zipfile.ZipFile(path) as archive:
        assert found.root == sha(*(leaf(f"{name}.npy".encode(), "", [], archive.read(f"{name}.npy")) for name in "abc"))
    for save in (np.savez, np.savez_compressed):
        again = tmp_path / f"{save.__name__}.npz"
        save(again, **dict(reversed(list(np.load(path).items()))))
        assert jellyformat.verify(moved(path, again)).ok
    arrays["b"][1, 1] = 2
    np.savez_compressed(again, **arrays)
    with pytest.raises(RefusedHost, match=r"1 changed: b\.npy"):
        moved(path, again)


def test_crafted_zips(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"x" * 1000)
    with pytest.raises(RefusedHost) as caught:
        jellyformat.embed(path, SNAP, bind=True)
    assert caught.value.requirement == "JF-BND-007"
    jellyformat.embed(path, SNAP)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"x" * 100_000)
    own = path.read_bytes()
    assert own.count(struct.pack("<L", 100_000)) == 2
    for size in (99_999, 100_001, 0, 0xFFFFFFFE):
        path.write_bytes(own.replace(struct.pack("<L", 100_000), struct.pack("<L", size)))
        with pytest.raises(BadHost, match="inflate"):
            jellyformat.embed(path, SNAP, bind=True)
    # entries that are the same bytes: a small file that would be hashed a thousand times over
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", bytes(10_000))
        archive.filelist.extend([archive.filelist[0]] * 5)
    with pytest.raises(BadHost, match="overlap"):
        jellyformat.embed(path, SNAP, bind=True)


# -- other hosts ---------------------------------------------------------------------------------------------------


def test_trailer_and_sidecar(tmp_path: Path) -> None:
    array, text = tmp_path / "a.npy", tmp_path / "x.json"
    array.write_bytes(plain.npy(range(1000)))
    text.write_text("{}")
    for path, kind in ((array, "trailer"), (text, "sidecar")):
        own = path.read_bytes()
        assert jellyformat.embed(path, SNAP, bind=True) == kind
        assert bound(path).root == sha(leaf(b"", "", [], own))
        assert jellyformat.verify(path).ok
    assert [check.name for check in jellyformat.verify(text).checks[-2:]] == ["sidecar", "binding"]
    assert (
        jellyformat.verify(tmp_path / "jelly.x.json.jelly").checks[-1].detail.startswith("the file is, byte for byte,")
    )
    jellyformat.strip(array)
    # alone, there is nothing to compare with
    (tmp_path / "jelly.x.json.jelly").rename(tmp_path / "alone.jelly")
    text.unlink()
    report = jellyformat.verify(tmp_path / "alone.jelly")
    assert report.ok
    assert "not checked" in report.checks[-1].detail


def save_hdf5(path: Path, libver: str, value: float) -> None:
    import h5py

    with h5py.File(path, "w", libver=libver) as file:
        file["w"] = [number * value for number in range(5000)]


def load_hdf5(path: Path) -> float:
    import h5py

    with h5py.File(path, "r") as file:
        return float(file["w"][4999]) / 4999


def save_onnx(path: Path, _: str, value: float) -> None:
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    there = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 4]) for name in "xy"]
    weights = numpy_helper.from_array(np.full((4, 4), value, np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", there[:1], there[1:], [weights])
    onnx.save(helper.make_model(graph), path)


def load_onnx(path: Path) -> float:
    import onnx

    return float(onnx.numpy_helper.to_array(onnx.load(path).graph.initializer[0])[0, 0])


@pytest.mark.framework
@pytest.mark.parametrize(
    ("save", "load", "name", "libver"),
    [
        *((save_hdf5, load_hdf5, "a.h5", libver) for libver in ("earliest", "v108", "latest")),
        (save_onnx, load_onnx, "a.onnx", ""),
    ],
)
def test_hdf5_and_onnx_are_their_bytes(
    tmp_path: Path, save: Callable[[Path, str, float], None], load: Callable[[Path], float], name: str, libver: str
) -> None:
    """Those of before: in an HDF5 file that carries a container, two addresses are other ones."""

    def longer(manifest: dict[str, Any]) -> None:
        manifest["extensions"]["noise"] = random.Random(1).randbytes(70_000)

    path, again = tmp_path / name, tmp_path / f"again {name}"
    save(path, libver, 2)
    own = path.read_bytes()
    for snap in (SNAP, Snapshot(craft.change_value(SNAP.data, longer)), SNAP):  # user blocks of other sizes
        kind = jellyformat.embed(path, snap, replace=True, bind=True)
        assert kind == ("onnx" if name == "a.onnx" else "hdf5")
        assert len(path.read_bytes()) - len(own) > len(snap.data)
        assert (bound(path).kind, bound(path).count) == ("bytes", 1)
        assert bound(path).root == sha(leaf(b"", "", [], own))
        report = jellyformat.verify(path)
        assert report.ok
        assert "the file is, byte for byte," in report.checks[-1].detail
        assert load(path) == 2
    # it goes along into a file of the same bytes, and not into one of other weights
    again.write_bytes(own)
    assert jellyformat.verify(moved(path, again)).ok
    jellyformat.strip(again)
    assert again.read_bytes() == own
    save(again, libver, 3)
    with pytest.raises(RefusedHost, match="1 changed: the bytes of the file"):
        moved(path, again)
    # one byte, in the file itself
    data = bytearray(path.read_bytes())
    at = data.index(own[-200:-160]) if name == "a.h5" else data.index(plain.float32([2] * 16))
    data[at] ^= 1
    path.write_bytes(data)
    assert "1 changed: the bytes of the file" in names_of(path)
    data[at] ^= 1
    path.write_bytes(data)
    assert jellyformat.verify(path).ok
    jellyformat.strip(path)
    assert path.read_bytes() == own
    assert load(path) == 2
    jellyformat.embed(path, SNAP)
    assert "binding" not in [check.name for check in jellyformat.verify(path).checks]


@pytest.mark.framework
def test_far_away_it_is_not_read(tmp_path: Path) -> None:
    import fsspec

    path = tmp_path / "a.npy"
    path.write_bytes(plain.npy(range(1000)))
    jellyformat.embed(path, SNAP, bind=True)
    with fsspec.open("memory://bound.npy", "wb") as stream:
        stream.write(path.read_bytes())
    report = jellyformat.verify("memory://bound.npy")
    assert report.ok
    assert "not checked" in report.checks[-1].detail
    with fsspec.open("memory://bound.npy", "rb") as stream:  # who opens it has chosen to read it
        assert jellyformat.verify(stream).checks[-1].detail.startswith("the file is, byte for byte,")


BAD: list[Any] = [
    None,
    {},
    {"count": 0, "kind": "bytes", "leaves": None, "root": bytes(31)},
    {"count": True, "kind": "bytes", "leaves": None, "root": bytes(32)},
    {"count": 1_000_001, "kind": "bytes", "leaves": None, "root": bytes(32)},
    {"count": 1, "kind": 1, "leaves": None, "root": bytes(32)},
    {"count": 1, "kind": "bytes", "leaves": [], "root": bytes(32)},
    {"count": 1, "kind": "bytes", "leaves": [[b"", bytes(7)]], "root": bytes(32)},
    {"count": 1, "kind": "bytes", "leaves": [["", bytes(8)]], "root": bytes(32)},
    {"count": 2, "kind": "bytes", "leaves": [[b"b", bytes(8)], [b"a", bytes(8)]], "root": bytes(32)},
    {"count": 1, "kind": "bytes", "leaves": None, "root": bytes(32), "x": 1},
]


@pytest.mark.parametrize("value", BAD)
def test_a_malformed_extension(tmp_path: Path, value: Any) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["extensions"]["binding"] = value

    path = tmp_path / "x.jelly"
    path.write_bytes(craft.change_value(SNAP.data, change))
    report = jellyformat.verify(path)
    assert report.error is not None
    assert (report.error.error_class, report.error.requirement) == ("malformed.manifest", "JF-BND-002")
    jellyformat.open(path).close()


@pytest.mark.parametrize("what", ["count", "leaves", "kind"])
def test_a_binding_that_contradicts_itself(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(plain.npy(range(10)))
    jellyformat.embed(path, SNAP, bind=True)
    right = bound(path).to_value()
    assert isinstance(right, dict)
    wrong: dict[str, Any] = {"count": 2, "leaves": [[b"x", bytes(8)]], "kind": "tensors"}

    def change(manifest: dict[str, Any]) -> None:
        manifest["extensions"]["binding"] = {**right, what: wrong[what]}
        if what == "count":
            manifest["extensions"]["binding"]["leaves"] = None

    crafted = craft.change_value(jellyformat.load(path).data, change)
    with pytest.raises(JellyError):
        jellyformat.embed(path, Snapshot(crafted), replace=True)
    text = tmp_path / "x.json"
    jellyformat.strip(path)
    text.write_text("{}")
    jellyformat.embed(text, SNAP, bind=True)
    beside = tmp_path / "jelly.x.json.jelly"
    beside.write_bytes(craft.change_value(beside.read_bytes(), change))
    names_of(text)
