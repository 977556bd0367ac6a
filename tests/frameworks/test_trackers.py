"""What MLflow and Weights & Biases are told of a checkpoint: offline, with the real ones, in a process each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jellyformat

TRAIN = """
import os, pickle, sys
BEGIN
import jellyformat.training, jellyformat_pickle
jellyformat.training.start(repo=os.environ["REPOSITORY"])
jellyformat.training.label(lr=0.1)
for epoch in range(3):
    with open(f"epoch-{epoch}.pkl", "wb") as file: pass
    jellyformat_pickle.dump({"w": epoch}, f"epoch-{epoch}.pkl", labels={"epoch": epoch, "odd name!": "é"})
from jellyformat.training import trackers
assert trackers._TELLER.finish(60)
END
"""


def train(directory: Path, repository: Path, begin: str, end: str = "", **variables: str) -> str:
    """Three checkpoints, saved by a program that begins and ends so; what it prints."""
    (directory / "train.py").write_text(TRAIN.replace("BEGIN", begin).replace("END", end))
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=directory, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "REPOSITORY": str(repository), "HOME": str(directory), **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "training").mkdir()
    return tmp_path / "training"


MLFLOW = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.start_run()
"""
MLFLOW_END = """
import json
mlflow.log_artifact("epoch-2.pkl", "checkpoints")
run = mlflow.get_run(mlflow.active_run().info.run_id)
print(json.dumps([run.data.tags, run.data.params, run.info.artifact_uri]))
"""


def test_mlflow(place: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tags of the newest checkpoint; the first one's code as parameters, which stay."""
    pytest.importorskip("mlflow", reason="needs MLflow: pip install 'jellyformat[mlflow]'")
    tags, params, artifacts = json.loads(train(place, repository, MLFLOW, MLFLOW_END).splitlines()[-1])
    info = jellyformat.show(place / "epoch-2.pkl")
    for name, value in (
        ("file", str(place / "epoch-2.pkl")),
        ("restore", f"jelly restore {place / 'epoch-2.pkl'}"),
        ("snapshot_id", info.snapshot_id),
        ("digest", info.digest),
        ("commit", info.commit),
        ("branch", "main"),
        ("dirty", "true"),
        ("sequence", "2"),
        ("label.epoch", "2"),
        ("label.lr", "0.1"),
        ("label.odd name_", "é"),
        ("version.python", ".".join(map(str, sys.version_info[:3]))),
    ):
        assert tags[f"jellyformat.{name}"] == value
    assert params == {
        "jellyformat.snapshot_id": info.snapshot_id,
        "jellyformat.commit": info.commit,
        "jellyformat.branch": "main",
    }
    # what was logged there is found
    monkeypatch.chdir(place)
    where = artifacts.removeprefix("file://")
    assert [entry.labels["epoch"] for entry in jellyformat.log(where)] == ["2"]
    url = f"file://{Path(where).absolute()}"
    pytest.importorskip("fsspec")
    assert [entry.labels["epoch"] for entry in jellyformat.log(url)] == ["2"]


WANDB = """
import wandb
run = wandb.init(project="p", tags=["mine"])
run.config.update({"lr": 3})
"""
WANDB_END = """
import json
print(json.dumps([dict(run.config), list(run.tags)], default=dict))
run.finish()
"""


def test_wandb(place: Path, repository: Path) -> None:
    """Its configuration has the newest checkpoint; a tag says which code; what was there stays."""
    pytest.importorskip("wandb", reason="needs W&B: pip install 'jellyformat[wandb]'")
    said = train(place, repository, WANDB, WANDB_END, WANDB_MODE="offline", WANDB_SILENT="true")
    config, tags = json.loads(said.splitlines()[-1])
    info = jellyformat.show(place / "epoch-2.pkl")
    ours = config["jellyformat"]
    assert config["lr"] == 3
    assert ours["file"] == str(place / "epoch-2.pkl")
    assert (ours["snapshot_id"], ours["digest"], ours["commit"]) == (info.snapshot_id, info.digest, info.commit)
    assert ours["label"] == {"epoch": "2", "lr": "0.1", "odd name!": "é"}
    assert tags[0] == "mine"
    assert [len(tag) for tag in tags[1:]] == [len("code-") + 12]


def test_a_tracker_that_hangs_or_fails_is_no_affair_of_training(place: Path, repository: Path) -> None:
    """Nothing is waited for longer than a second, at the end, and no error comes out."""
    hanging = """
import sys, types, time
def active_run(): return types.SimpleNamespace(info=types.SimpleNamespace(run_id="1"))
class MlflowClient:
    def __init__(self): open("told", "w").close(); time.sleep(600)
sys.modules["mlflow"] = types.SimpleNamespace(active_run=active_run, MlflowClient=MlflowClient)
sys.modules["mlflow.entities"] = types.SimpleNamespace()
class Run:
    @property
    def config(self): raise SystemExit(3)
sys.modules["wandb"] = types.SimpleNamespace(run=Run())
"""
    waiting = "while not os.path.exists('told'): time.sleep(0.1)"
    text = TRAIN.replace("assert trackers._TELLER.finish(60)", waiting)
    (place / "train.py").write_text(text.replace("BEGIN", hanging).replace("END", "print('done')"))
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=place, env={**os.environ, "REPOSITORY": str(repository)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["done"]
    assert len(list(place.glob("epoch-*.pkl"))) == 3


def test_no_tracker_is_imported(place: Path, repository: Path) -> None:
    said = train(place, repository, "", "print(sorted({'mlflow', 'wandb'} & sys.modules.keys()))")
    assert said.splitlines()[-1] == "[]"
