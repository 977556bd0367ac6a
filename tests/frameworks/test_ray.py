"""Ray Train: workers run far from the code, and are killed and started again. On a cluster of this machine alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from blocks import ROOT, read
from gitrepo import git
from raycluster import on_this_machine

import jellyformat

DRIVER = """
import os, signal, sys
import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from model import width

PLACE = sys.argv[1]

def train(config):
    # START
    import jellyformat_torch
    assert not os.path.exists("train.py"), "the worker is at work elsewhere"
    rank = ray.train.get_context().get_world_rank()
    for step in range(3):
        if rank == 0 and step == 1 and not os.path.exists(PLACE + "/killed"):
            open(PLACE + "/killed", "w").close()
            with open(config["code"] + "/model.py", "a") as file:
                file.write("# edited while it trains\\n")
            os.kill(os.getpid(), signal.SIGKILL)
        jellyformat_torch.save({"width": width}, f"{PLACE}/{rank}-{step}.pt")
        ray.train.report({"step": step})

if __name__ == "__main__":
    import jellyformat.training
    ray.init(address="auto", runtime_env={"env_vars": {"PYTHONPATH": PATHS}})
    TorchTrainer(
        train,
        train_loop_config={"code": os.path.dirname(__file__), "snapshot": jellyformat.training.start()},
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(storage_path=PLACE + "/results", failure_config=FailureConfig(max_failures=1)),
    ).fit()
    ray.shutdown()
"""
LINE = "import jellyformat.training; jellyformat.training.start(snapshot=config['snapshot'])"


pytestmark = pytest.mark.slow


@pytest.fixture
def code(tmp_path: Path) -> Path:
    root = tmp_path / "code"
    root.mkdir()
    git(root, "init", "-q")
    (root / "model.py").write_text("width = 8\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A cluster of this machine alone: the variables that it is found by."""
    pytest.importorskip("ray.train", reason="needs ray[train]: pip install 'jellyformat[fleet]'")
    with on_this_machine(tmp_path_factory.mktemp("home")) as (variables, _):
        yield variables


def run(code: Path, place: Path, text: str, cluster: dict[str, str]) -> str:
    place.mkdir()
    paths = os.pathsep.join((str(code), os.environ.get("PYTHONPATH", "")))
    (code / "train.py").write_text(text.replace("PATHS", repr(paths)))
    done = subprocess.run(
        [sys.executable, code / "train.py", place],
        cwd=place, env={**cluster, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


def test_the_drivers_snapshot_travels(code: Path, tmp_path: Path, cluster: dict[str, str]) -> None:
    """By one line; the worker that is started again after the code was edited has the same."""
    place = tmp_path / "place"
    run(code, place, DRIVER.replace("# START", LINE), cluster)
    assert (place / "killed").exists()
    found = [jellyformat.show(place / f"0-{step}.pt") for step in range(3)]
    assert len({(info.snapshot_id, info.time) for info in found}) == 1
    assert found[0].untracked == (b"train.py",)
    assert found[0].unstaged == ()
    assert found[0].edited == ()
    assert "train.py" in found[0].argv[0]
    with pytest.raises(jellyformat.JellyError):
        jellyformat.open(place / "1-0.pt")


def test_without_that_line_the_functions_file_tells(code: Path, tmp_path: Path, cluster: dict[str, str]) -> None:
    """No repository is where the worker is; what it says, it says in Python's words."""
    place = tmp_path / "place"
    said = run(code, place, DRIVER.replace("# START", "pass"), cluster)
    for step in range(3):
        with jellyformat.open(place / f"0-{step}.pt") as box:
            assert box.read("train.py").decode().lstrip().startswith("import os")
    assert "--repo" not in said


def test_the_guide_does_what_it_says(code: Path, tmp_path: Path, cluster: dict[str, str]) -> None:
    """The script of docs/frameworks/ray.md, on this cluster."""
    (script,) = (block.text for block in read(ROOT / "docs" / "frameworks" / "ray.md").blocks if block.title)
    place = tmp_path / "place"
    run(code, place, script, {**cluster, "RAY_ADDRESS": "auto"})
    assert jellyformat.open(place / "model.pt").read("model.py") == b"width = 8\n"
