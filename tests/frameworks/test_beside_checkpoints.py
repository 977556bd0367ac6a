"""What looks for checkpoints in a directory takes no sidecar for one (SPEC JF-SDC)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import craft
import numpy as np
import pytest

import jellyformat
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_flax_restores_and_keeps(tmp_path: Path) -> None:
    import flax

    with flax.config.temp_flip_flag("use_orbax_checkpointing", False):
        _save_and_restore(tmp_path / "run")


def _save_and_restore(run: Path) -> None:
    from flax.training import checkpoints

    def state(step: int) -> dict[str, Any]:
        return {"step": step, "w": np.full(10, float(step))}

    for step in range(1, 6):
        file = Path(checkpoints.save_checkpoint(os.fspath(run), state(step), step, keep=3))
        assert file.is_file()
        jellyformat.embed(file, SNAP, sidecar=True)
        latest = checkpoints.latest_checkpoint(os.fspath(run))
        assert latest is not None
        assert Path(latest) == file
        found = checkpoints.restore_checkpoint(os.fspath(run), state(0))
        assert found["step"] == step
    names = {path.name for path in run.iterdir() if not path.name.startswith("jelly.")}
    assert names == {"checkpoint_3", "checkpoint_4", "checkpoint_5"}
    # with the name of before, a checkpoint was deleted in its favour
    (run / "jelly.checkpoint_5.jelly").rename(run / "checkpoint_5.jelly")
    assert checkpoints.latest_checkpoint(os.fspath(run)) == os.fspath(run / "checkpoint_5.jelly")


def test_lightning_finds_its_last(tmp_path: Path) -> None:
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint

    callback = ModelCheckpoint(tmp_path, save_last=True)
    trainer = Trainer(default_root_dir=tmp_path, callbacks=[callback], logger=False, enable_progress_bar=False)
    for name in ("last.ckpt", "last-v1.ckpt"):
        (tmp_path / name).write_bytes(b"\0")
        jellyformat.embed(tmp_path / name, SNAP, sidecar=True)
    found = callback._find_last_checkpoints(trainer)
    assert {Path(path).name for path in found} == {"last.ckpt", "last-v1.ckpt"}


def test_the_trainer_of_transformers_finds_its_last(tmp_path: Path) -> None:
    from transformers.trainer_utils import get_last_checkpoint, sort_checkpoints

    for step in (5, 10):
        place = tmp_path / f"checkpoint-{step}"
        place.mkdir()
        (place / "weights.bin").write_bytes(b"\0")
        jellyformat.embed(place, SNAP, directory=True)
    (tmp_path / "checkpoint-10.json").write_text("{}")
    jellyformat.embed(tmp_path / "checkpoint-10.json", SNAP)
    assert get_last_checkpoint(os.fspath(tmp_path)) == os.fspath(tmp_path / "checkpoint-10")
    assert [Path(path).name for path in sort_checkpoints(os.fspath(tmp_path))] == ["checkpoint-5", "checkpoint-10"]


def test_the_trainer_of_transformers_deletes_its_oldest(tmp_path: Path) -> None:
    """By the directory's time: what is done to an old one later does not make it the newest."""
    from transformers.trainer_utils import rotate_checkpoints

    for step in (5, 10, 15):
        place = tmp_path / f"checkpoint-{step}"
        place.mkdir()
        (place / "weights.bin").write_bytes(b"\0")
        (place / "config.json").write_text("{}")
        os.utime(place, ns=(step * 10**9, step * 10**9))
    for step in (5, 10):
        place = tmp_path / f"checkpoint-{step}"
        jellyformat.embed(place, SNAP, directory=True)
        jellyformat.embed(place / "weights.bin", SNAP, trailer=True)
        jellyformat.embed(place / "config.json", SNAP)
    jellyformat.strip(tmp_path / "checkpoint-5")
    rotate_checkpoints(os.fspath(tmp_path), save_total_limit=2, use_mtime=True)
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-10", "checkpoint-15"]


def test_orbax_finds_its_steps(tmp_path: Path) -> None:
    import orbax.checkpoint as ocp

    with ocp.CheckpointManager(tmp_path / "run", options=ocp.CheckpointManagerOptions(max_to_keep=2)) as manager:
        for step in (1, 2, 3):
            manager.save(step, args=ocp.args.StandardSave({"w": np.full(3, float(step))}))
            manager.wait_until_finished()
            jellyformat.embed(tmp_path / "run" / str(step) / "default", SNAP)
            (tmp_path / "run" / f"{step}.json").write_text("{}")
            jellyformat.embed(tmp_path / "run" / f"{step}.json", SNAP)
        assert sorted(manager.all_steps()) == [2, 3]
    with ocp.CheckpointManager(tmp_path / "run") as manager:
        assert manager.latest_step() == 3
        assert manager.restore(3, args=ocp.args.StandardRestore({"w": np.zeros(3)}))["w"].tolist() == [3.0, 3.0, 3.0]
