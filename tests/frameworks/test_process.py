"""One snapshot a process: taken by `start` or the first save, used by all that follow."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jellyformat_numpy
import jellyformat_safetensors
import jellyformat_torch
import numpy as np
import pytest
from gitrepo import git
from unmarked import unmarked

import jellyformat
from jellyformat import Snapshot, errors, snapshots, training
from jellyformat.training import SnapshotWarning

ARRAY = np.arange(3.0)


def edit() -> None:
    Path("train.py").write_text("edited\n")


def test_an_edit_while_it_runs_is_in_no_checkpoint() -> None:
    first = jellyformat.snapshot().id
    jellyformat_torch.save({}, "a.pt")
    edit()
    jellyformat_torch.save({}, "b.pt")
    jellyformat_numpy.savez("c.npz", w=ARRAY)
    jellyformat_numpy.save("d.npy", ARRAY)
    jellyformat_safetensors.save_file({"w": ARRAY}, "e.safetensors")
    names = ["a.pt", "b.pt", "c.npz", "d.npy", "e.safetensors"]
    assert len({unmarked(name) for name in names}) == 1
    assert jellyformat.load("a.pt").id == first
    tensor = jellyformat_torch.create_snapshot()["jellyformat"]
    assert unmarked(Snapshot(tensor.numpy().tobytes())) == unmarked("a.pt")
    assert jellyformat.snapshot().id != first, "asked for itself, a snapshot is one of now"


def test_start_again_is_a_new_run() -> None:
    one = training.start()
    edit()
    assert training.take() is one
    two = training.start()
    assert one is not None
    assert two is not None
    assert one.id != two.id
    assert training.take() is two


def test_a_snapshot_that_is_given_wins() -> None:
    training.start()
    edit()
    mine = jellyformat.snapshot()
    jellyformat_torch.save({}, "a.pt", snapshot=mine)
    jellyformat_numpy.savez("c.npz", w=ARRAY, snapshot=mine)
    jellyformat_safetensors.save_file({"w": ARRAY}, "e.safetensors", snapshot=mine)
    assert {unmarked(name) for name in ("a.pt", "c.npz", "e.safetensors")} == {unmarked(mine)}


def test_another_place_and_other_options(tmp_path: Path) -> None:
    head = training.take()
    full = training.take(history="full")
    assert head is not None
    assert full is not None
    assert head.digest != full.digest
    assert training.take(history="full") is full
    assert training.take(repo=".", history="head", carriers=("x.pt",)) is head
    assert training.take(repo="src") is head, "a directory of the same repository"
    assert training.take(exclude=["*.txt"]) is training.take(exclude=("*.txt",)) is not head
    git(tmp_path, "init", "-q", "other")
    other = training.take(repo=tmp_path / "other")
    assert other is not None
    assert other.id != head.id
    os.chdir(tmp_path / "other")
    assert training.take() is other


def test_what_was_started_stays_where_the_script_goes_elsewhere(tmp_path: Path) -> None:
    """As Hydra does."""
    started = training.start(history="full")
    os.chdir(tmp_path)
    assert training.take() is started
    jellyformat_safetensors.save_file({"w": ARRAY}, "e.safetensors")
    assert started is not None
    assert unmarked("e.safetensors") == unmarked(started)
    with pytest.warns(SnapshotWarning, match="no git repository"):
        assert training.take(repo=tmp_path) is None


def test_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    with pytest.warns(SnapshotWarning, match="no git repository"):
        assert training.start() is None
    with pytest.raises(errors.NoRepository):
        training.start(strict=True)
    os.chdir(here)
    assert training.take() is not None


def test_an_interactive_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    one = training.take()
    edit()
    two = training.take()
    assert one is not None
    assert two is not None
    assert one.id != two.id
    started = training.start()
    edit()
    assert training.take() is started


def test_what_is_left_out_is_said_once(recwarn: pytest.WarningsRecorder) -> None:
    Path(".env").write_text("PASSWORD=tr0ub4dor\n")
    training.start()
    training.take()
    jellyformat_torch.save({}, "a.pt")
    assert [str(item.message) for item in recwarn] == ["left out of the snapshot of the code: .env (secret)"]
    with pytest.raises(errors.RefusedSecret):
        training.take(strict=True, history="full")


def test_what_was_started_is_not_refused_later() -> None:
    """Nor is what came from elsewhere: only who asks for a snapshot strictly has it refused."""
    Path(".env").write_text("PASSWORD=tr0ub4dor\n")
    with pytest.warns(SnapshotWarning, match="left out"):
        started = training.start()
    assert started is not None
    assert training.take(strict=True) is started
    assert training.start(snapshot=started, strict=True) is started
    with pytest.raises(errors.RefusedSecret):
        training.start(strict=True)


def test_a_snapshot_travels() -> None:
    snap = jellyformat.snapshot()
    assert snap.info().files
    data = pickle.dumps(snap)
    assert len(data) < len(snap.data) + 500, "its bytes alone"
    there = pickle.loads(data)
    assert there == snap
    edit()
    assert training.start(snapshot=there) is there
    jellyformat_torch.save({}, "a.pt")
    assert unmarked("a.pt") == unmarked(snap)


def test_threads_take_one(monkeypatch: pytest.MonkeyPatch) -> None:
    captures: list[object] = []
    real = snapshots.snapshot

    def counted(**options: Any) -> snapshots.Snapshot:
        captures.append(options)
        return real(**options)

    monkeypatch.setattr(snapshots, "snapshot", counted)
    gate = threading.Barrier(8)

    def run(_: int) -> object:
        gate.wait()
        return training.take()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, range(8)))
    assert found[0] is not None
    assert len({id(item) for item in found}) == len(captures) == 1


_FORK = """
import os, signal, sys, threading, warnings
from jellyformat import snapshots, training
warnings.simplefilter("error")
warnings.simplefilter("error", training.SnapshotWarning)
busy, go, real = threading.Event(), threading.Event(), snapshots.snapshot
def slow(**options):
    busy.set()
    go.wait()
    return real(**options)
snapshots.snapshot = slow
capturing = threading.Thread(target=training.take)
capturing.start()
busy.wait()
child = os.fork()
if not child:
    signal.alarm(30)
    snapshots.snapshot = real
    os._exit(0 if training.take() is not None else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
go.set()
capturing.join()
before = training.take().digest
child = os.fork()
if not child:
    os._exit(0 if training.take().digest == before else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_forked_while_another_thread_captures() -> None:
    """As data loader workers are: one that saves neither waits forever nor takes another than its parent has."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORK], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["0", "0"], done.stderr


@pytest.mark.parametrize(
    ("node", "local", "first"),
    [("0", "0", True), ("0", "1", False), ("1", "0", False), ("", "", True), ("", "10", False)],
)
def test_ranks_as_lightning_tells_them(monkeypatch: pytest.MonkeyPatch, node: str, local: str, first: bool) -> None:
    monkeypatch.setenv("NODE_RANK", node)
    monkeypatch.setenv("LOCAL_RANK", local)
    assert training.is_first_rank() is first
    assert (training.start() is not None) is first
