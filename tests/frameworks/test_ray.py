"""Ray Train: workers run far from the code, and are killed and started again. On a cluster of this machine alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from blocks import ROOT, read
from gitrepo import git

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
RAY = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_DEDUP_LOGS": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",
}
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
    """A cluster of this machine alone, with nothing in the home directory: the variables that it is found by."""
    pytest.importorskip("ray.train", reason="needs ray[train]: pip install 'jellyformat[fleet]'")
    short = tempfile.mkdtemp(prefix="ray")  # the names of its sockets may not be long
    variables = {**os.environ, "HOME": str(tmp_path_factory.mktemp("home")), "RAY_TMPDIR": short, **RAY}
    names = ("port", "runtime-env-agent-port")
    options = [f"--{name}={port}" for name, port in zip(names, free_ports(2), strict=True)]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--num-cpus=2", "--block", *options]
    head = subprocess.Popen(
        [*ray, "--include-dashboard=false"],
        env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    started = threading.Event()
    threading.Thread(target=stand_in, args=(Path(short), started), daemon=True).start()
    try:
        assert head.stdout is not None
        said: list[str] = []
        while not said or "Ray runtime started" not in said[-1]:
            said.append(head.stdout.readline())
            assert said[-1], "".join(said)
        started.set()
        threading.Thread(target=head.stdout.read, daemon=True).start()
        yield variables
    finally:
        started.set()
        head.terminate()
        try:
            head.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()
        shutil.rmtree(short, ignore_errors=True)


def stand_in(place: Path, started: threading.Event) -> None:
    """Tell Ray that its agent has no ports yet: on a busy machine, that comes after the 15 seconds that it has."""
    while not started.wait(0.1):
        for log in place.glob("ray/session_2*/logs/raylet.out"):
            found = re.search(r"node_id=([0-9a-f]{56})", log.read_text(errors="replace"))
            for name in ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"):
                if found is not None and not (file := log.parents[1] / f"{name}_{found[1]}").exists():
                    file.write_text("-1")


def free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        found = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in found]


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
