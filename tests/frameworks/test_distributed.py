"""torch's distributed checkpoints: one process without a group, and two that train together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
import torch.distributed.checkpoint as dcp
from jellyformat_torch import distributed

import jellyformat
from jellyformat import errors
from jellyformat.hosts import sidecar
from jellyformat.training import SnapshotWarning

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::jellyformat.training.SnapshotWarning"),
]
NAME = "jellyformat.jelly"


@pytest.fixture
def expected() -> str:
    return jellyformat.snapshot().id


def state(value: float = 1.0) -> dict[str, Any]:
    return {"model": {"weight": torch.full((4, 4), value)}, "step": 7}


def check(path: str | Path, expected: str, value: float = 1.0) -> None:
    """The directory carries the snapshot, and torch loads it."""
    assert jellyformat.verify(f"{path}/{NAME}").ok
    assert jellyformat.load(f"{path}/{NAME}").id == expected
    loaded = state(0.0)
    dcp.load(loaded, checkpoint_id=path)
    assert torch.equal(loaded["model"]["weight"], state(value)["model"]["weight"])


def train(directory: Path) -> None:
    """A model that is trained, somebody going on to work meanwhile, and saved after each step."""
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(2):
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
        distributed.save({"model": model.state_dict()}, checkpoint_id=directory / f"{step}", no_dist=True)
        Path("train.py").write_text(f"edited in step {step}\n")
    loaded = {"model": torch.nn.Linear(4, 2).state_dict()}
    dcp.load(loaded, checkpoint_id=directory / "1", no_dist=True)
    assert all(torch.equal(loaded["model"][name], value) for name, value in model.state_dict().items())


def test_a_training(tmp_path: Path, expected: str) -> None:
    train(tmp_path)
    for step in range(2):
        assert jellyformat.verify(tmp_path / f"{step}" / NAME).ok
        assert jellyformat.load(tmp_path / f"{step}" / NAME).id == expected


def test_saved_again_and_by_a_writer(tmp_path: Path, expected: str) -> None:
    distributed.save(state(), checkpoint_id=tmp_path)
    check(tmp_path, expected)
    Path("train.py").write_text("edited\n")
    mine = jellyformat.snapshot()
    distributed.save(state(2.0), storage_writer=dcp.FileSystemWriter(tmp_path), snapshot=mine, no_dist=True)
    check(tmp_path, mine.id, 2.0)


def test_a_writer_that_does_not_say_where(tmp_path: Path) -> None:
    class Secret(dcp.FileSystemWriter):
        path = property(lambda self: None, lambda self, value: self.__dict__.update(hidden=value))

        def __getattribute__(self, name: str) -> Any:
            own = sys._getframe(1).f_globals["__name__"].startswith("torch")
            return super().__getattribute__("hidden" if own and name == "path" else name)

    before = sorted(Path().rglob("*"))
    with pytest.warns(SnapshotWarning, match="nothing says where the storage writer writes to"):
        distributed.save(state(), storage_writer=Secret(tmp_path / "out"))
    assert (tmp_path / "out" / ".metadata").exists()
    assert sorted(Path().rglob("*")) == before
    with pytest.raises(errors.Usage):
        distributed.save(state(), storage_writer=Secret(tmp_path / "out"), strict=True)


def test_remote(expected: str) -> None:
    distributed.save(state(), checkpoint_id="memory://run/step")
    check("memory://run/step", expected)
    fsspec.filesystem("memory").rm("/run", recursive=True)


def test_async(tmp_path: Path, expected: str) -> None:
    distributed.async_save(state(), checkpoint_id=tmp_path / "a").result()
    check(tmp_path / "a", expected)
    stager = dcp.staging.DefaultStager(dcp.staging.StagingOptions(False, False, True, False))
    response = distributed.async_save(state(), checkpoint_id=tmp_path / "b", async_stager=stager)
    response.upload_completion.result()
    check(tmp_path / "b", expected)
    stager.close()
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(dcp.api.CheckpointException, match="file"):
        distributed.async_save(state(), checkpoint_id=blocked).result()


def test_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = jellyformat.snapshot()
    os.chdir(tmp_path)
    with pytest.warns(SnapshotWarning, match="no snapshot of the code was taken: there is no git repository"):
        train(tmp_path)
    with pytest.raises(errors.NoRepository):
        distributed.save(state(), checkpoint_id=tmp_path / "strict", strict=True)
    assert not (tmp_path / "strict").exists()
    monkeypatch.setattr(sidecar, "write_new_file", None)
    with pytest.warns(SnapshotWarning, match="the checkpoint was saved without a snapshot of the code"):
        distributed.save(state(), checkpoint_id=tmp_path / "without", snapshot=mine)
    with pytest.warns(SnapshotWarning, match="the checkpoint was saved without a snapshot of the code"):
        distributed.async_save(state(), checkpoint_id=tmp_path / "late", snapshot=mine).result()
    with pytest.raises(TypeError):
        distributed.async_save(state(), checkpoint_id=tmp_path / "late", snapshot=mine, strict=True).result()
    for name in ("without", "late"):
        assert not (tmp_path / name / NAME).exists()
        dcp.load(state(0.0), checkpoint_id=tmp_path / name)


_RANK = """
import sys, warnings, torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
import jellyformat_torch.distributed as distributed
from jellyformat.training import SnapshotWarning
warnings.simplefilter("ignore")
warnings.simplefilter("error", SnapshotWarning)
meet, out, rank = sys.argv[1], sys.argv[2], int(sys.argv[3])
dist.init_process_group("gloo", init_method="file://" + meet, rank=rank, world_size=2)
model = torch.nn.Linear(4, 2)
fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
optimizer = torch.optim.Adam(model.parameters())
model(torch.ones(1, 4)).sum().backward()
optimizer.step()
distributed.save({"model": model.state_dict()}, checkpoint_id=out + "/all")
distributed.async_save({"model": model.state_dict()}, checkpoint_id=out + "/async").result()
group = dist.new_group([1])
if rank == 1:
    distributed.save({"rank": torch.ones(1)}, checkpoint_id=out + "/one", process_group=group)
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.sampled(3)
def test_two_processes(tmp_path: Path, expected: str) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", _RANK, tmp_path / "meet", tmp_path / "out", str(rank)],
            stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    for rank in ranks:
        _, error = rank.communicate(timeout=120)
        assert rank.returncode == 0, error
    for name in ("all", "async", "one"):
        assert jellyformat.verify(tmp_path / "out" / name / NAME).ok
        assert jellyformat.load(tmp_path / "out" / name / NAME).id == expected
    assert len([*(tmp_path / "out" / "all").glob("*.distcp")]) == 2
    loaded = {"model": torch.nn.Linear(4, 2).state_dict()}
    dcp.load(loaded, checkpoint_id=tmp_path / "out" / "all", no_dist=True)
