"""Each save call takes labels and a note, and puts in its place in the run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jellyformat_numpy
import jellyformat_safetensors
import jellyformat_torch
import keys
import numpy as np
import pytest
import torch
from jellyformat_torch import distributed
from jellyformat_transformers import save_pretrained

import jellyformat
from jellyformat import training

LABELS, NOTE = {"epoch": 3, "loss": torch.tensor(0.5)}, "wider"


class Config:
    """Whatever has `save_pretrained`."""

    def save_pretrained(self, folder: Path) -> None:
        Path(folder).mkdir()
        (Path(folder) / "config.json").write_text("{}")


def with_tensor(path: Path, **said: Any) -> None:
    torch.save({**jellyformat_torch.create_snapshot(**said)}, path)


SAVES: dict[str, Callable[..., object]] = {
    "torch.pt": lambda path, **said: jellyformat_torch.save({}, path, **said),
    "tensor.pt": with_tensor,
    "distributed": lambda path, **said: distributed.save(
        {"w": torch.ones(2)}, checkpoint_id=path, no_dist=True, **said
    ),
    "later": lambda path, **said: distributed.async_save(
        {"w": torch.ones(2)}, checkpoint_id=path, no_dist=True, **said
    ).result(),
    "a.safetensors": lambda path, **said: jellyformat_safetensors.save_file({"w": torch.ones(2)}, path, **said),
    "n.safetensors": lambda path, **said: jellyformat_safetensors.save_file({"w": np.ones(2)}, path, **said),
    "m.safetensors": lambda path, **said: jellyformat_safetensors.save_model(torch.nn.Linear(1, 1), path, **said),
    "b.safetensors": lambda path, **said: path.write_bytes(jellyformat_safetensors.save({"w": torch.ones(2)}, **said)),
    "a.npy": lambda path, **said: jellyformat_numpy.save(path, np.ones(2), **said),
    "pretrained": lambda path, **said: save_pretrained(Config(), path, **said),
}


@pytest.mark.parametrize("name", SAVES)
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_labels(name: str, tmp_path: Path) -> None:
    SAVES[name](tmp_path / name, labels=LABELS, note=NOTE)
    found = jellyformat.show(tmp_path / name)
    assert (found.labels, found.note) == ({"epoch": "3", "loss": "0.5"}, "wider")
    assert found.run is not None
    assert (found.run.sequence, found.run.parent) == (0, None)
    assert jellyformat.verify(tmp_path / name).ok


@pytest.mark.parametrize("name", SAVES)
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_signatures(name: str, tmp_path: Path) -> None:
    key = keys.make_key(tmp_path / "keys")
    signers = keys.signers(tmp_path / "signers", f"ann@example.org {keys.public(key)}")
    SAVES[name](tmp_path / name, sign=str(key))
    assert jellyformat.verify(tmp_path / name, signers=signers, require="ann@example.org").ok


def test_callbacks_and_hooks_take_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    from jellyformat_accelerate import register, save_model
    from jellyformat_keras import SnapshotModelCheckpoint, save, save_weights
    from jellyformat_lightning import SnapshotCallback, SnapshotCheckpointIO
    from jellyformat_pickle import dump, joblib_dump
    from jellyformat_transformers import SnapshotCallback as HuggingFaceCallback

    for call in (
        register, save_model, SnapshotModelCheckpoint, save, save_weights, SnapshotCallback, SnapshotCheckpointIO, dump,
        joblib_dump, HuggingFaceCallback,
    ):  # fmt: skip
        assert "sign" in inspect.signature(call).parameters, call


def test_an_array_may_be_called_labels(tmp_path: Path) -> None:
    """As in many data sets: what `savez` is given by name are arrays."""
    training.label(epoch=3)
    jellyformat_numpy.savez(tmp_path / "a.npz", labels=np.ones(2), note=np.zeros(1))
    with np.load(tmp_path / "a.npz") as found:
        assert sorted(found.files) == ["labels", "note"]
    assert jellyformat.show(tmp_path / "a.npz").labels == {"epoch": "3"}
