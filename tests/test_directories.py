"""Directories that are one checkpoint: one file in them carries the snapshot, and their loaders do not mind it."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import craft
import plain
import pytest
from gitrepo import git
from test_story import jelly

import jellyformat
from jellyformat import training
from jellyformat.errors import NoSnapshot, RefusedExists, RefusedHost, Usage
from jellyformat.hosts.binding import binding_of
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))
CARRIER = "jellyformat.jelly"
INDEX = "model.safetensors.index.json"
STATE = {f"layer.{number}.weight": [float(number + at) for at in range(64)] for number in range(6)}


def make_model(path: Path, shards: int = 1, state: dict[str, list[float]] = STATE) -> Path:
    """A Hugging Face model folder, as `save_pretrained` writes it."""
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text('{\n  "architectures": ["BertModel"]\n}\n')
    for old in [*path.glob("*.safetensors"), *path.glob("*.index.json")]:
        old.unlink()
    if shards == 1:
        plain.save_safetensors(path / "model.safetensors", state, {"format": "pt"})
        return path
    names = [f"model-{number + 1:05}-of-{shards:05}.safetensors" for number in range(shards)]
    where = {key: names[number % shards] for number, key in enumerate(state)}
    for name in names:
        plain.save_safetensors(path / name, {key: state[key] for key in state if where[key] == name}, {"format": "pt"})
    (path / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": where}, indent=2))
    return path


def tensors() -> dict[str, Any]:
    """The same state as torch has it."""
    import torch

    return {key: torch.tensor(values) for key, values in STATE.items()}


def make_bin(path: Path) -> Path:
    """The same in torch files, as older versions wrote it."""
    import torch

    path.mkdir()
    (path / "config.json").write_text("{}")
    torch.save(tensors(), path / "pytorch_model.bin")
    return path


def make_dcp(path: Path) -> Path:
    import torch.distributed.checkpoint as dcp

    dcp.save({"model": tensors(), "epoch": 3}, checkpoint_id=path)
    return path


def make_orbax(path: Path) -> Path:
    """What orbax 0.12 writes, as far as it matters here."""
    (path / "d").mkdir(parents=True)
    (path / "_CHECKPOINT_METADATA").write_text('{"item_handlers": "x"}')
    (path / "manifest.ocdbt").write_bytes(b"\x0c\xdb\x3a\x2a")
    (path / "d" / "0123abc").write_bytes(bytes(1000))
    return path


MAKERS: dict[str, Callable[[Path], Path]] = {
    "one file": make_model,
    "shards": lambda path: make_model(path, 3),
    "bin": make_bin,
    "dcp": make_dcp,
    "orbax": make_orbax,
}


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.framework] * (kind in ("bin", "dcp"))) for kind in MAKERS],
)
def test_there_and_back(tmp_path: Path, kind: str) -> None:
    path = MAKERS[kind](tmp_path / "checkpoint")
    before = content(path)
    with pytest.raises(NoSnapshot):
        jellyformat.open(path)
    with pytest.raises(NoSnapshot):
        jellyformat.strip(path)
    assert jellyformat.embed(path, SNAP, bind=True) == "directory"
    with jellyformat.open(path) as box:
        assert (box.host, box.snapshot_id) == ("directory", SNAP.id)
        assert box.file == path / CARRIER
        assert box.read("b.py") == b"new\n"
    for named in (path, path / CARRIER):
        report = jellyformat.verify(named)
        assert report.ok, report
        assert report.checks[-1].name == "binding"
        assert report.checks[-1].detail.startswith("the weights are those")
    with pytest.raises(RefusedExists):
        jellyformat.embed(path, SNAP)
    with pytest.raises(RefusedHost):
        jellyformat.embed(path, SNAP, replace=True, out=tmp_path / "new")
    other = Snapshot(craft.crafted().with_leaves({}))
    jellyformat.embed(path, other, replace=True)
    assert jellyformat.load(path).id == other.id
    assert jellyformat.verify(path, quick=True).ok
    assert {name: data for name, data in content(path).items() if name != CARRIER} == before
    assert jellyformat.strip(path) == "directory"
    assert content(path) == before


@pytest.mark.framework
@pytest.mark.filterwarnings("ignore")
def test_torch_loads_a_distributed_checkpoint(tmp_path: Path) -> None:
    import torch
    import torch.distributed.checkpoint as dcp

    path = make_dcp(tmp_path / "step1")
    jellyformat.embed(path, SNAP, bind=True)
    found: dict[str, Any] = {"model": {key: torch.zeros(64) for key in STATE}, "epoch": 0}
    dcp.load(found, checkpoint_id=path)
    assert found["epoch"] == 3
    assert {key: value.tolist() for key, value in found["model"].items()} == STATE
    again = tmp_path / "step2"
    dcp.save(found, checkpoint_id=again)  # what was loaded, saved again
    jellyformat.embed(again, jellyformat.load(path))
    assert "1 files" in jellyformat.verify(again).checks[-1].detail
    found["model"]["layer.2.weight"][5] += 1
    dcp.save(found, checkpoint_id=again)  # over it: the snapshot stays, and is of other weights
    report = jellyformat.verify(again)
    assert report.error is not None
    assert report.error.error_class == "mismatch.binding"
    assert "1 changed: __0_0.distcp" in report.error.message


def test_a_model_divided_otherwise(tmp_path: Path) -> None:
    path = make_model(tmp_path / "model", 3)
    jellyformat.embed(path / INDEX, SNAP, bind=True)
    assert (path / CARRIER).exists()
    assert not (path / f"jelly.{INDEX}.jelly").exists()
    assert jellyformat.verify(path / INDEX).host == "directory"
    for shards in (2, 1, 6):
        make_model(path, shards)
        assert jellyformat.verify(path).checks[-1].detail.endswith("6 tensors")
    changed = {**STATE, "layer.4.weight": [1.0] * 64}
    make_model(path, 2, changed)
    report = jellyformat.verify(path)
    assert report.error is not None
    assert "1 changed: layer.4.weight" in report.error.message
    # all of it in one file, without a folder: the binding is the same
    make_model(path, 2)
    single = tmp_path / "single.safetensors"
    plain.save_safetensors(single, STATE)
    jellyformat.embed(single, jellyformat.load(path))
    with jellyformat.open(single) as one, jellyformat.open(path) as many:
        assert binding_of(one.manifest.extensions) == binding_of(many.manifest.extensions)
    # left over from an earlier save, with the same tensors, and then with others
    shutil.copy(single, path / "model.safetensors")
    assert jellyformat.verify(path).ok
    plain.save_safetensors(path / "model.safetensors", changed)
    assert not jellyformat.verify(path).ok


@pytest.mark.framework
def test_a_model_that_safetensors_saves(tmp_path: Path) -> None:
    """The folder as the library writes it: the same binding, and it is loaded with the snapshot in it."""
    from safetensors.torch import load_file, save_file

    path = make_model(tmp_path / "model")
    jellyformat.embed(path, SNAP, bind=True)
    save_file(tensors(), path / "model.safetensors", metadata={"format": "pt"})
    assert jellyformat.verify(path).checks[-1].detail.endswith("6 tensors")
    assert load_file(path / "model.safetensors")["layer.1.weight"].tolist() == STATE["layer.1.weight"]


def test_told_by_content(tmp_path: Path) -> None:
    """A directory of none of the kinds is refused, and nothing is written in it."""
    (tmp_path / "empty").mkdir()
    made: dict[str, dict[str, bytes]] = {
        "config alone": {"config.json": b"{}"},
        "config of something else": {"config.json": b"[]", "model.safetensors": b"\0" * 20},
        "no safetensors": {"config.json": b"{}", "model.safetensors": b"nothing of the kind", "a.bin": b"\0" * 100},
        "an index of something else": {"x.index.json": b'{"files": []}'},
        "data without metadata": {"__0_0.distcp": b"PK"},
        "metadata without data": {".metadata": pickle.dumps({})},
        "metadata of something else": {".metadata": b"{}", "__0_0.distcp": b"PK"},
        "orbax by name": {"_METADATA": b"text"},
    }
    for name, files in made.items():
        (tmp_path / name).mkdir()
        for file, data in files.items():
            (tmp_path / name / file).write_bytes(data)
    for name in ("empty", *made):
        path = tmp_path / name
        before = content(path)
        with pytest.raises(RefusedHost) as caught:
            jellyformat.embed(path, SNAP)
        assert caught.value.requirement == "JF-DIR-001"
        assert "is known as a checkpoint" in caught.value.message
        with pytest.raises(NoSnapshot):
            jellyformat.open(path)
        with pytest.raises(NoSnapshot):
            jellyformat.strip(path)
        assert content(path) == before


@pytest.mark.parametrize("data", [b"mine", SNAP.data[:90]])
def test_what_is_not_ours_stays(tmp_path: Path, data: bytes) -> None:
    path = make_model(tmp_path / "model")
    (path / CARRIER).write_bytes(data)
    for replace in (False, True):
        with pytest.raises(RefusedExists):
            jellyformat.embed(path, SNAP, replace=replace)
    with pytest.raises((NoSnapshot, RefusedHost)):
        jellyformat.strip(path)
    assert (path / CARRIER).read_bytes() == data


def test_what_a_save_call_has_put_there(tmp_path: Path) -> None:
    """In a directory of any kind: it is read, bound, replaced and taken out."""
    path = tmp_path / "states"
    path.mkdir()
    (path / "random_states_0.pkl").write_bytes(pickle.dumps(1))
    training.embed(path, SNAP, strict=True)
    with jellyformat.open(path) as box:
        assert (box.host, box.form, box.digest) == ("directory", "other", SNAP.digest)
    with pytest.raises(RefusedExists):
        jellyformat.embed(path, SNAP)
    jellyformat.embed(path, SNAP, replace=True, bind=True)
    assert jellyformat.verify(path).checks[-1].detail.endswith("1 files")
    assert jellyformat.strip(path) == "directory"
    with pytest.raises(RefusedHost):
        jellyformat.embed(path, SNAP)


def test_a_save_call_and_what_is_not_ours(tmp_path: Path) -> None:
    """In a directory of any kind: another file of the name stays, and that is a warning."""
    model, other = make_model(tmp_path / "model"), tmp_path / "other"
    other.mkdir()
    for path in (model, other):
        assert training.embed(path, SNAP, strict=True) == "directory"
        jellyformat.verify(path)
        assert training.embed(path, SNAP, strict=True) == "directory"  # in place of the one that is there
        (path / CARRIER).write_bytes(b"mine")
        with pytest.raises(RefusedExists):
            training.embed(path, SNAP, strict=True)
        with pytest.warns(training.SnapshotWarning, match="without a snapshot"):
            assert training.embed(path, SNAP) is None
        with pytest.warns(training.SnapshotWarning, match="without a snapshot"):
            training.embed_remotely(f"file://{path}", SNAP)
        assert (path / CARRIER).read_bytes() == b"mine"
        (path / CARRIER).unlink()
        training.embed_remotely(f"file://{path}", SNAP, strict=True)
        training.embed_remotely(f"file://{path}", SNAP, strict=True)
        assert jellyformat.load(path).data == SNAP.data


def test_a_save_call_with_a_snapshot_of_another_host(tmp_path: Path) -> None:
    """What tied it to that host does not come along, where it is not for these weights to say."""
    text, path = tmp_path / "x.json", tmp_path / "states"
    text.write_text("{}")
    path.mkdir()
    jellyformat.embed(text, SNAP)
    tied = jellyformat.load(text)
    assert "sidecar" in tied.manifest.extensions
    training.embed(path, tied, strict=True)
    assert jellyformat.load(path).data == SNAP.data
    training.embed_remotely(f"file://{path}", tied, strict=True)
    assert jellyformat.load(path).data == SNAP.data


def test_links_as_the_hub_keeps_them(tmp_path: Path) -> None:
    real = make_model(tmp_path / "blobs", 2)
    linked = tmp_path / "snapshots"
    linked.mkdir()
    for file in real.iterdir():
        (linked / file.name).symlink_to(file)
    jellyformat.embed(linked, SNAP, bind=True)
    assert jellyformat.verify(linked).ok
    assert not (real / CARRIER).exists()


@pytest.mark.slow
def test_by_the_command_line(repository: Path) -> None:
    make_model(repository / "first", 2)
    (repository / "first" / "modeling.py").write_text("code beside the weights\n")
    told = json.loads(jelly(repository, "embed", "first", "--json").stdout)
    assert (told["host"], told["in"]) == ("directory", f"first/{CARRIER}")
    names = jelly(repository, "ls", f"first/{INDEX}").stdout.decode()
    assert "first/modeling.py" in names  # code is code
    assert ".safetensors" not in names.replace(INDEX, "")
    assert json.loads(jelly(repository, "show", "first", "--json").stdout)["host"] == "directory"
    make_orbax(repository / "second")
    jelly(repository, "embed", "second")
    names = jelly(repository, "ls", "second").stdout.decode()
    assert ".safetensors" not in names.replace(INDEX, "")  # those of the first are no part of the second
    assert "0123abc" not in names
    for paths in (["."], ["first", f"first/{INDEX}", f"first/{CARRIER}", "second"]):
        logged = json.loads(jelly(repository, "log", *paths, "--json").stdout)
        assert sorted(entry["file"] for entry in logged) == ["first", "second"]
    jelly(repository, "verify", "first", "second")
    jelly(repository, "export", "second", "out")
    assert (repository / "out" / "model.py").exists()
    jelly(repository, "strip", "first")
    jelly(repository, "show", "first", code=3)
    git(repository, "status")


def test_a_file_of_a_directory_that_carries_one_leads_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to a second snapshot in one of its shards."""
    model = make_model(tmp_path / "m", 2)
    shard = next(path for path in model.iterdir() if path.suffix == ".safetensors")
    with pytest.raises(NoSnapshot, match="put one in with"):
        jellyformat.show(shard)
    jellyformat.embed(model, SNAP)
    for named, where in ((shard, str(model)), (Path(shard.name), ".")):
        monkeypatch.chdir(model)
        with pytest.raises(NoSnapshot, match="the directory that it is in carries one") as caught:
            jellyformat.show(named)
        assert f'show("{where}")' in str(caught.value.hint)


def test_an_index_gets_no_sidecar(tmp_path: Path) -> None:
    """No command looked for it there: an index stands for its directory."""
    place = make_model(tmp_path / "m", 3)
    with pytest.raises(Usage, match="stands for a directory"):
        jellyformat.embed(place / INDEX, SNAP, sidecar=True)
    assert not list(place.glob("*.jelly"))
    jellyformat.embed(place / INDEX, SNAP)
    assert jellyformat.label(place / INDEX, {"epoch": 3}).labels == {"epoch": "3"}
