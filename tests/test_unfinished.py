"""Files that are not all there: pointers of Git LFS and git-annex, files cut in half, sidecars whose host is gone."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import craft
import plain
import pytest
from test_story import jelly

import jellyformat
from jellyformat.errors import BadHost, HostWarning, NoFile, NoSnapshot, RefusedHost
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))


def lfs(content: bytes) -> bytes:
    """What git has in place of a file that Git LFS keeps."""
    oid = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n".encode()


POINTERS = {
    "lfs": (lfs(bytes(100)), "a Git LFS pointer", "git lfs pull"),
    "lfs with extensions": (
        lfs(bytes(100)).replace(b"oid", b"ext-0-foo sha256:" + b"0" * 64 + b"\noid", 1),
        "a Git LFS pointer",
        "git lfs pull",
    ),
    "annex": (b"/annex/objects/SHA256E-s100--0123abc.pt\n", "a git-annex pointer", "git annex get"),
}


@pytest.mark.sampled(3)
@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.safetensors", "ck.pt"])
@pytest.mark.parametrize("kind", POINTERS)
def test_a_pointer_is_told_by_every_command(repository: Path, name: str, kind: str) -> None:
    content, what, way = POINTERS[kind]
    path = repository / name
    path.write_bytes(content)
    for command in ("verify", "show", "ls", "strip", "env", "extract"):
        arguments = ["-o", "x"] if command == "extract" else []
        said = jelly(repository, command, name, *arguments, code=3).stderr.decode()
        assert f"{name} is {what}" in said
        assert way in said
    for options in ((), ("--sidecar",), ("--trailer",), ("-o", "new")):
        said = jelly(repository, "embed", name, *options, code=4).stderr.decode()
        assert f"{name} is {what}" in said
        assert way in said
    said = jelly(repository, "log", ".", code=3).stderr.decode()
    assert f"{name} is {what}" in said
    assert path.read_bytes() == content
    assert not list(repository.rglob("*.jelly"))


@pytest.mark.parametrize("content", [lfs(b"x") + bytes(1000), lfs(b"x")[:-80], b"version 1\n", b"/annex/objects/\n"])
def test_what_is_no_pointer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(NoSnapshot, match="carries no snapshot"):
        jellyformat.open(path)
    jellyformat.embed(path, SNAP, sidecar=True)


def test_a_model_that_is_still_to_be_fetched(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(lfs(bytes(100)))
    with pytest.raises(RefusedHost, match="is a Git LFS pointer"):
        jellyformat.embed(tmp_path, SNAP)
    with pytest.raises(NoSnapshot, match="is a Git LFS pointer"):
        jellyformat.show(tmp_path)


def test_a_sidecar_beside_a_pointer(tmp_path: Path) -> None:
    """It was committed, and its host is not pulled yet: the code is there, and nothing is wrong."""
    path = tmp_path / "x.json"
    own = json.dumps(list(range(100))).encode()
    path.write_bytes(own)
    jellyformat.embed(path, SNAP, bind=True)
    path.write_bytes(lfs(own))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jellyformat.load(path).id == SNAP.id
    report = jellyformat.verify(path)
    assert report.ok
    assert any("still to be fetched" in check.detail for check in report.checks)
    path.write_bytes(own)
    assert "byte for byte" in jellyformat.verify(path).checks[-1].detail


def cut_safetensors(path: Path) -> None:
    plain.save_safetensors(path, {"a": [0.5] * 1000, "b": [1.5] * 1000}, {"format": "pt"})


def cut_npy(path: Path) -> None:
    path.write_bytes(plain.npy([0.5] * 1000))


@pytest.mark.parametrize("whole", [cut_safetensors, cut_npy])
def test_a_file_cut_in_half(tmp_path: Path, whole: object) -> None:
    path = tmp_path / "model"
    whole(path)  # type: ignore[operator]
    data = path.read_bytes()
    for length in (len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        for options in ({}, {"trailer": True}, {"out": tmp_path / "new"}):
            with pytest.raises(BadHost, match="is cut off"):
                jellyformat.embed(path, SNAP, **options)
        assert path.read_bytes() == data[:length]
    path.write_bytes(data)
    jellyformat.embed(path, SNAP)
    assert jellyformat.verify(path).ok
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.framework
def test_an_onnx_model_cut_in_half(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [300]) for name in "xy"]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [300], [0.5] * 300)
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weight])
    model = helper.make_model(graph, producer_name="a test", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="author", value="x" * 200)
    data = model.SerializeToString()
    path = tmp_path / "model.onnx"
    for length in (len(data) // 2, len(data) // 10, len(data) - 10, len(data) - 100):
        path.write_bytes(data[:length])
        with pytest.raises(BadHost, match="is cut off: it begins as an ONNX model"):
            jellyformat.embed(path, SNAP)
        assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    path.write_bytes(data)
    assert jellyformat.embed(path, SNAP) == "onnx"
    onnx.checker.check_model(onnx.load(path))


def test_a_sidecar_whose_host_is_gone(repository: Path) -> None:
    (repository / "runs").mkdir()
    host, beside = repository / "runs" / "x.json", repository / "runs" / "jelly.x.json.jelly"
    host.write_text("{}")
    jellyformat.embed(host, SNAP)
    assert jellyformat.fix(repository / "runs") == ()
    host.unlink()
    with pytest.warns(HostWarning, match=r"was put beside x\.json, which is not there any more"):
        assert jellyformat.load(beside).id == SNAP.id
    with pytest.raises(NoFile) as caught:
        jellyformat.open(host)
    assert "jelly.x.json.jelly is there, which was put beside it" in str(caught.value.hint)
    assert b"is not beside it" in jelly(repository, "verify", "runs/jelly.x.json.jelly").stdout
    shown = jelly(repository, "log", "runs")
    assert b"jelly.x.json.jelly" in shown.stdout
    assert b"was put beside x.json, which is not there any more" in shown.stderr
    (left,) = jellyformat.fix(repository / "runs")
    assert (left.path, left.mended) == (beside, False)
    assert "put beside x.json, which is gone" in left.what
    assert beside.exists()
    # under another name, it is found again
    moved = repository / "runs" / "moved.json"
    moved.write_text("{}")
    beside.rename(moved.with_name("jelly.moved.json.jelly"))
    assert jellyformat.fix(repository / "runs") == ()
    assert jellyformat.verify(moved).ok
