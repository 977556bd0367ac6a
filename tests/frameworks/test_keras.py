"""Keras models, really fitted on torch, that carry the code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import jellyformat_keras
import keras
import numpy as np
import pytest
from unmarked import unmarked

import jellyformat
from jellyformat import errors, snapshots
from jellyformat.training import SnapshotWarning

pytestmark = pytest.mark.filterwarnings("error::jellyformat.training.SnapshotWarning")

DATA = np.ones((4, 4)), np.ones((4, 2))


class Edits(keras.callbacks.Callback):
    """Somebody goes on working while the model trains."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        Path("train.py").write_text(f"edited in epoch {epoch}\n")


@pytest.fixture(scope="module")
def model() -> Any:
    made = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    made.compile("adam", "mse")
    return made


def fit(model: Any, *callbacks: Any) -> None:
    model.fit(*DATA, epochs=2, verbose=0, callbacks=[*callbacks, Edits()])


def loads(path: Path, model: Any) -> bool:
    found = keras.models.load_model(path).get_weights()
    return all(np.shape(one) == np.shape(two) for one, two in zip(found, model.get_weights(), strict=True))


def test_callback(tmp_path: Path, model: Any) -> None:
    expected = jellyformat.snapshot().id
    callback = jellyformat_keras.SnapshotModelCheckpoint(str(tmp_path / "model-{epoch}.keras"))
    best = jellyformat_keras.SnapshotModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True)
    fit(model, callback, best)
    paths = sorted(tmp_path.glob("*.keras"))
    assert [path.name for path in paths] == ["best.keras", "model-1.keras", "model-2.keras"]
    for path in paths:
        assert jellyformat.verify(path).ok
        assert jellyformat.load(path).id == expected
        assert loads(path, model)
    assert len({unmarked(path) for path in paths}) == 1
    shown = [jellyformat.show(path) for path in paths[1:]]
    assert [info.labels["epoch"] for info in shown] == ["1", "2"]
    assert [float(info.labels["loss"]) >= 0 for info in shown] == [True, True]
    jellyformat.strip(paths[0])
    assert loads(paths[0], model)


def test_functions(tmp_path: Path, model: Any) -> None:
    mine = jellyformat.snapshot(history="full")
    jellyformat_keras.save(model, tmp_path / "a.keras")
    jellyformat_keras.save(model, tmp_path / "b.keras", snapshot=mine, labels={"epoch": 3}, note="last")
    assert (jellyformat.show(tmp_path / "b.keras").labels, jellyformat.show(tmp_path / "b.keras").note) == (
        {"epoch": "3"}, "last",
    )  # fmt: skip
    assert jellyformat.load(tmp_path / "a.keras").id == mine.id
    assert unmarked(tmp_path / "b.keras") == unmarked(mine)
    assert loads(tmp_path / "b.keras", model)


def test_weights(tmp_path: Path, model: Any) -> None:
    expected = jellyformat.snapshot().id
    path = tmp_path / "model.weights.h5"
    jellyformat_keras.save_weights(model, path)
    jellyformat_keras.save_weights(model, path, overwrite=True)
    callback = jellyformat_keras.SnapshotModelCheckpoint(
        str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True, strict=True
    )
    fit(model, callback)
    for name in ("model", "1", "2"):
        assert jellyformat.verify(tmp_path / f"{name}.weights.h5").ok
        assert jellyformat.load(tmp_path / f"{name}.weights.h5").id == expected
        model.load_weights(tmp_path / f"{name}.weights.h5")
    jellyformat.strip(path)
    model.load_weights(path)


def test_it_cannot_be_put_in(tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object, **options: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(snapshots, "embed", fails)
    with pytest.warns(SnapshotWarning, match="saved without a snapshot of the code: RuntimeError: a bug"):
        fit(model, jellyformat_keras.SnapshotModelCheckpoint(tmp_path / "model.keras"))
    assert loads(tmp_path / "model.keras", model)
    with pytest.raises(RuntimeError):
        jellyformat_keras.save(model, tmp_path / "model.keras", strict=True)


def test_training_goes_on(tmp_path: Path, model: Any) -> None:
    os.chdir(tmp_path)
    with pytest.warns(SnapshotWarning, match="no snapshot of the code was taken: there is no git repository"):
        fit(model, jellyformat_keras.SnapshotModelCheckpoint(tmp_path / "model.keras"))
    assert loads(tmp_path / "model.keras", model)
    with pytest.raises(errors.NoSnapshot):
        jellyformat.open(tmp_path / "model.keras")
    with pytest.raises(errors.NoRepository):
        fit(model, jellyformat_keras.SnapshotModelCheckpoint(tmp_path / "strict.keras", strict=True))
