"""The save functions of jellyformat_safetensors: safetensors' own, with a snapshot in what they save (SPEC JF-SFT)."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jellyformat_safetensors
import pytest
from test_safetensors import CONTAINER, OTHER, embed, find, same, strip

import jellyformat
from jellyformat import snapshots, training
from jellyformat.adapter import RefusedHost, Usage, read_all
from jellyformat.training import Snapshot


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Stands in for the capture; the arguments of each come back."""
    made: list[tuple[Any, Any]] = []

    def snapshot(repo: Any = ".", history: Any = "head", **options: Any) -> Snapshot:
        made.append((repo, history))
        return Snapshot(CONTAINER)

    monkeypatch.setattr(training, "take", snapshot)
    return made


@cache
def of_torch() -> dict[str, Any]:
    import torch

    return {"a": torch.arange(3.0), "b": torch.ones(2, dtype=torch.bfloat16)}


@cache
def of_numpy() -> dict[str, Any]:
    import numpy as np

    return {"a": np.arange(3.0), "b": np.ones(2, dtype=np.int8)}


def test_save_file_takes_a_snapshot_along(tmp_path: Path, calls: list[tuple[Any, Any]]) -> None:
    import safetensors.numpy
    import safetensors.torch

    path = tmp_path / "a.safetensors"
    jellyformat_safetensors.save_file(of_torch(), path, {"k": "v"}, repo="there", history=3)
    assert calls == [("there", 3)]
    assert read_all(find(path.read_bytes()).container) == CONTAINER
    assert same(safetensors.torch.load_file(path), of_torch())
    with safetensors.safe_open(path, "pt") as opened:
        assert opened.metadata()["k"] == "v"
    assert strip(path.read_bytes()) == safetensors.torch.save(of_torch(), {"k": "v"})
    calls.clear()
    jellyformat_safetensors.save_file(of_numpy(), str(path), snapshot=Snapshot(OTHER))
    assert calls == []
    assert read_all(find(path.read_bytes()).container) == OTHER
    assert strip(path.read_bytes()) == safetensors.numpy.save(of_numpy())
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]


def test_save_gives_bytes(calls: list[tuple[Any, Any]]) -> None:
    import safetensors.numpy
    import safetensors.torch

    assert jellyformat_safetensors.save(of_torch(), {"k": "v"}) == embed(safetensors.torch.save(of_torch(), {"k": "v"}))
    assert jellyformat_safetensors.save(of_numpy()) == embed(safetensors.numpy.save(of_numpy()))
    assert jellyformat_safetensors.save({}) == embed(safetensors.numpy.save({}))
    assert jellyformat_safetensors.save(of_numpy(), {}) == embed(safetensors.numpy.save(of_numpy(), {}))
    assert calls == [(None, "head")] * 4


def test_save_model(tmp_path: Path, calls: list[tuple[Any, Any]]) -> None:
    import safetensors.torch
    import torch

    model = torch.nn.Linear(3, 4)
    tied = torch.nn.ModuleDict({"a": model, "b": model})
    path = tmp_path / "m.safetensors"
    jellyformat_safetensors.save_model(tied, path, {"k": "v"})
    assert read_all(find(path.read_bytes()).container) == CONTAINER
    fresh = torch.nn.Linear(3, 4)
    safetensors.torch.load_model(torch.nn.ModuleDict({"a": fresh, "b": fresh}), path, strict=True)
    assert same(fresh.state_dict(), model.state_dict())


def test_what_was_there_stays_where_saving_fails(
    tmp_path: Path, calls: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import jellyformat_safetensors.numpy as numpy_saves
    import jellyformat_safetensors.torch as torch_saves
    import safetensors.numpy

    path = tmp_path / "a.safetensors"
    path.write_bytes(b"precious")
    with pytest.raises(Exception, match="str"):
        torch_saves.save_file(of_torch(), path, {"k": 1})  # type: ignore[dict-item]
    numpy_saves.save_file(of_numpy(), tmp_path / "ok", snapshot=Snapshot(CONTAINER))

    def interrupted(path: Path) -> None:
        assert safetensors.numpy.load_file(path).keys() == of_numpy().keys()
        raise KeyboardInterrupt

    monkeypatch.setattr("jellyformat.training.saving._sync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        numpy_saves.save_file(of_numpy(), path)
    assert path.read_bytes() == b"precious"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.safetensors", "ok"]


def test_links_and_modes_stay(tmp_path: Path, calls: list[tuple[Any, Any]]) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    jellyformat_safetensors.save_file(of_numpy(), link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_all(find(path.read_bytes()).container) == CONTAINER


def test_an_earlier_container_in_what_is_saved_gives_way(tmp_path: Path, calls: list[tuple[Any, Any]]) -> None:
    import numpy as np
    import safetensors.numpy
    import torch

    path = tmp_path / "a.safetensors"
    jellyformat_safetensors.save_file(of_numpy(), path, {"k": "v"}, snapshot=Snapshot(OTHER))
    with safetensors.safe_open(path, "np") as opened:
        metadata = opened.metadata()
    assert "jellyformat" in metadata
    jellyformat_safetensors.save_file(of_numpy(), path, metadata)
    assert read_all(find(path.read_bytes()).container) == CONTAINER
    assert strip(path.read_bytes()) == safetensors.numpy.save(of_numpy(), {"k": "v"})
    for carried in (torch.frombuffer(bytearray(OTHER), dtype=torch.uint8), np.frombuffer(OTHER, dtype=np.uint8)):
        own: Any = of_torch() if isinstance(carried, torch.Tensor) else of_numpy()
        saved = jellyformat_safetensors.save({**own, "jellyformat": carried}, {"jellyformat": "x"})
        assert saved == jellyformat_safetensors.save(own)
    for mine in (np.zeros(3), np.zeros(9, np.uint8), np.zeros((9, 9), np.uint8)):
        with pytest.raises(Usage):
            jellyformat_safetensors.save({"jellyformat": mine})


def test_a_real_repository_goes_along(tmp_path: Path) -> None:
    import safetensors.torch

    repo = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    (repo / "train.py").write_text("print('hello')\n")
    path = tmp_path / "m.safetensors"
    jellyformat_safetensors.save_file(of_torch(), path, {"k": "v"}, repo=repo)
    assert jellyformat.verify(path).ok
    with jellyformat.open(path) as box:
        assert box.read("train.py") == b"print('hello')\n"
    assert same(safetensors.torch.load_file(path), of_torch())
    assert jellyformat.strip(path) == "safetensors"
    assert path.read_bytes() == safetensors.torch.save(of_torch(), {"k": "v"})


def test_other_frameworks_are_named() -> None:
    with pytest.raises(Usage, match=r"builtins\.list"):
        jellyformat_safetensors.save_file({"a": [1]}, "x", snapshot=Snapshot(CONTAINER))


def test_as_a_tensor_on_request(tmp_path: Path) -> None:
    """Replaced by either form, by the other, and stripped bit for bit; its own loader gives one tensor more."""
    import torch
    from safetensors.torch import load_file, save_file

    path, other = tmp_path / "model.safetensors", tmp_path / "model.bin"
    save_file({"w": torch.arange(6.0)}, path, metadata={"format": "pt"})
    before = path.read_bytes()
    data = (Path(__file__).parents[2] / "conformance" / "vectors" / "smallest.jelly").read_bytes()
    snap = snapshots.Snapshot(data)
    assert jellyformat.embed(path, snap, as_tensor=True) == "safetensors"
    loaded = load_file(path)
    assert loaded.keys() == {"w", "jellyformat"}
    assert bytes(loaded["jellyformat"].tolist()) == data
    assert jellyformat.load(path).data == data
    jellyformat.embed(path, snap, replace=True)
    assert load_file(path).keys() == {"w"}
    jellyformat.embed(path, snap, replace=True, as_tensor=True)
    jellyformat.strip(path)
    assert path.read_bytes() == before
    other.write_bytes(b"\0\1\2")
    with pytest.raises(RefusedHost, match="no place for a tensor"):
        jellyformat.embed(other, snap, as_tensor=True)
    assert other.read_bytes() == b"\0\1\2"


@pytest.mark.parametrize("metadata", [None, {}, {"k": "v"}, {"k": "v", "l": "w", "m": "x"}])
@pytest.mark.parametrize("large", [False, True])
def test_what_is_saved_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: dict[str, str] | None, large: bool
) -> None:
    """A snapshot that is put in afterwards stands before the tensors, which are written again."""
    import numpy as np

    tensors = {"a": np.arange(400_000.0 if large else 3.0), "b": np.ones(2, dtype=np.int8)}
    copied = []
    monkeypatch.setattr("jellyformat.training.process.embed", lambda *found, **_: copied.append(found))
    path = tmp_path / "x.safetensors"
    jellyformat_safetensors.save_file(tensors, path, metadata, snapshot=Snapshot(CONTAINER))
    assert not copied
    data = path.read_bytes()
    carried = find(data)
    assert carried is not None
    assert read_all(carried.container) == CONTAINER
    from safetensors import safe_open
    from safetensors.numpy import load, save_file

    loaded = load(data)
    assert all((loaded[name] == tensors[name]).all() for name in tensors)
    alone = strip(data)
    save_file(tensors, tmp_path / "alone.safetensors", metadata=metadata)
    plain = (tmp_path / "alone.safetensors").read_bytes()
    assert len(alone) == len(plain)
    with safe_open(path, "np") as file:
        assert {name: text for name, text in (file.metadata() or {}).items() if name != "jellyformat"} == (
            metadata or {}
        )
    if metadata is None or len(metadata) < 2:  # safetensors writes more of them in any order
        assert alone == plain
