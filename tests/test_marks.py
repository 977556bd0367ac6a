"""What save calls say of a checkpoint: labels, note, and its place in the run of the process (SPEC JF-EXT)."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import warnings
from pathlib import Path

import craft
import pytest
from jellyformat_pickle import dump, joblib_dump
from test_extensions import signed
from unmarked import unmarked

import jellyformat
from jellyformat import training
from jellyformat.errors import NoFile, Usage
from jellyformat.snapshots import Snapshot
from jellyformat.training import SnapshotWarning, marks, process

SNAP = Snapshot(craft.assemble(*craft.good()))
LAUNCHERS = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_STEP_ID")


@pytest.fixture(autouse=True)
def new_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(marks, "_MARKS", marks._Marks())
    monkeypatch.setattr(process, "_KEPT", process._Kept())


def test_save_calls_take_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    dump({}, path, snapshot=SNAP, labels={"epoch": 3, "loss": 0.5}, note="first")
    found = jellyformat.show(path)
    assert (found.labels, found.note) == ({"epoch": "3", "loss": "0.5"}, "first")
    assert unmarked(path) == unmarked(SNAP)
    assert jellyformat.verify(path).ok
    dump({}, path, snapshot=SNAP)  # another checkpoint of the same name
    assert (jellyformat.show(path).labels, jellyformat.show(path).note) == ({}, None)


def test_labels_of_plain_loops(tmp_path: Path) -> None:
    training.label(run="lr sweep", step=100, loss=0.3)
    training.label(loss=0.2, lr=0.01)
    dump({}, tmp_path / "a", snapshot=SNAP, labels={"lr": 0.02})
    assert jellyformat.show(tmp_path / "a").labels == {"loss": "0.2", "lr": "0.02", "run": "lr sweep", "step": "100"}
    training.label(run=None, lr=None)
    dump({}, tmp_path / "b", snapshot=SNAP)
    assert jellyformat.show(tmp_path / "b").labels == {"loss": "0.2", "step": "100"}


def test_checkpoints_of_a_process_are_a_run(tmp_path: Path) -> None:
    for number in range(3):
        dump({}, tmp_path / f"{number}.pkl", snapshot=SNAP)
    infos = [jellyformat.show(tmp_path / f"{number}.pkl") for number in range(3)]
    runs = [info.run for info in infos]
    assert [run.sequence for run in runs if run] == [0, 1, 2]
    assert len({run.id for run in runs if run}) == 1
    assert [run.parent.hex() if run and run.parent else None for run in runs] == [
        None, infos[0].digest, infos[1].digest,
    ]  # fmt: skip
    marks.begin_run()
    dump({}, tmp_path / "3.pkl", snapshot=SNAP)
    other = jellyformat.show(tmp_path / "3.pkl").run
    assert other is not None
    assert (other.sequence, other.parent) == (0, None)
    assert runs[0] is not None
    assert other.id != runs[0].id


def test_a_run_goes_on_where_training_resumes(tmp_path: Path) -> None:
    dump({}, tmp_path / "a", snapshot=SNAP)
    dump({}, tmp_path / "b", snapshot=SNAP)
    before = jellyformat.show(tmp_path / "b")
    marks.begin_run()
    training.go_on(tmp_path / "b")
    dump({}, tmp_path / "c", snapshot=SNAP)
    after = jellyformat.show(tmp_path / "c").run
    assert before.run is not None
    assert after is not None
    assert (after.id, after.sequence) == (before.run.id, 2)
    assert after.parent is not None
    assert after.parent.hex() == before.digest
    entries = jellyformat.log(tmp_path)
    assert [Path(entry.file).name for entry in entries] == ["a", "b", "c"]
    assert entries[2].since == str(tmp_path / "b")


def test_a_run_begins_with_a_checkpoint_that_says_of_none(tmp_path: Path) -> None:
    (tmp_path / "old.jelly").write_bytes(SNAP.data)
    training.go_on(tmp_path / "old.jelly")
    dump({}, tmp_path / "a", snapshot=SNAP)
    found = jellyformat.show(tmp_path / "a").run
    assert found is not None
    assert (found.sequence, found.parent) == (1, bytes.fromhex(SNAP.digest))
    assert jellyformat.verify(tmp_path / "a").ok
    (tmp_path / "none").write_bytes(b"\0\1\2")
    training.go_on(tmp_path / "none")  # saved without a snapshot: nothing to go on with
    with pytest.warns(SnapshotWarning, match="does not go on"):
        training.go_on(tmp_path / "nothing")
    with pytest.raises(NoFile):
        training.go_on(tmp_path / "nothing", strict=True)


def test_start_begins_a_run(repository: Path, tmp_path: Path) -> None:
    dump({}, tmp_path / "a", snapshot=SNAP, labels={"x": 1})
    snap = training.start(repo=repository, labels={"sweep": 3}, resume=tmp_path / "a")
    dump({}, tmp_path / "b")
    found = jellyformat.show(tmp_path / "b")
    assert found.labels == {"sweep": "3"}
    assert found.run is not None
    assert found.run.sequence == 1
    assert unmarked(tmp_path / "b") == unmarked(snap or SNAP)
    training.start(repo=repository)
    dump({}, tmp_path / "c")
    assert jellyformat.show(tmp_path / "c").labels == {}


def test_what_cannot_be_said_stops_no_save(tmp_path: Path) -> None:
    training.label(val_loss=0.25, config="y" * 5000)
    with pytest.warns(SnapshotWarning, match=r"left out of the checkpoint's labels.*: config, x*…?"):
        dump({}, tmp_path / "a", snapshot=SNAP, labels={"x" * 200: 1, "epoch": 3})
    found = jellyformat.show(tmp_path / "a")
    assert (found.labels, found.run is not None) == ({"val_loss": "0.25", "epoch": "3"}, True)
    training.label(val_loss=None, config=None)
    with pytest.warns(SnapshotWarning, match="has no labels"):
        dump({}, tmp_path / "a", snapshot=SNAP, note="z" * 70_000)
    assert jellyformat.load(tmp_path / "a").digest == SNAP.digest
    with pytest.raises(Usage):
        dump({}, tmp_path / "b", snapshot=SNAP, labels={"": 1}, strict=True)
    assert not (tmp_path / "b").exists()
    odd = {"x" * 200: 1, "loss": 0.5, "": 2, "text": "y" * 5000}
    marked = training.mark(SNAP, own=odd)
    assert marked is not None
    assert marked.info().labels == {"loss": "0.5"}
    assert training.mark(None) is None


@pytest.mark.parametrize("all_of_them", [True, False])
def test_where_warnings_are_errors_the_checkpoint_is_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], all_of_them: bool
) -> None:
    """As by `-W error`; only who makes errors of our own kind of warning asks to be stopped."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Warning if all_of_them else SnapshotWarning)
        with contextlib.nullcontext() if all_of_them else pytest.raises(SnapshotWarning):
            dump({}, tmp_path / "a", snapshot=SNAP, labels={"x" * 200: 1, "epoch": 3})
    assert (tmp_path / "a").exists() is all_of_them
    if all_of_them:
        assert jellyformat.show(tmp_path / "a").labels == {"epoch": "3"}
        assert "SnapshotWarning: left out of the checkpoint's labels" in capsys.readouterr().err


def test_a_signed_snapshot_stays_signed(tmp_path: Path) -> None:
    dump({}, tmp_path / "a", snapshot=Snapshot(signed()), labels={"epoch": 3})
    assert jellyformat.load(tmp_path / "a").data == signed()


def test_secrets_are_not_stored(tmp_path: Path) -> None:
    training.label(hub_token="abcdefgh")
    dump({}, tmp_path / "a", snapshot=SNAP, note="--api-key=abcdefghijk")
    found = jellyformat.show(tmp_path / "a")
    assert found.labels == {"hub_token": "***"}
    assert found.note == "--api-key=***"


@pytest.mark.slow
def test_processes_of_a_launcher_are_one_run() -> None:
    code = "from jellyformat.training import marks; print(marks._MARKS.id.hex())"

    def run_of(**environment: str) -> str:
        import os

        env = {name: value for name, value in os.environ.items() if name not in LAUNCHERS} | environment
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout

    one = run_of(TORCHELASTIC_RUN_ID="job", TORCHELASTIC_RESTART_COUNT="0")
    assert one == run_of(TORCHELASTIC_RUN_ID="job", TORCHELASTIC_RESTART_COUNT="0")
    assert one != run_of(TORCHELASTIC_RUN_ID="job", TORCHELASTIC_RESTART_COUNT="1")
    assert run_of(SLURM_JOB_ID="7") == run_of(SLURM_JOB_ID="7")
    assert run_of() != run_of()
    assert run_of(TORCHELASTIC_RUN_ID="none") != run_of(TORCHELASTIC_RUN_ID="none")


def test_processes_of_multiprocessing_are_one_run(tmp_path: Path) -> None:
    """As torch.multiprocessing.spawn and what is built on it start them."""
    code = """
import multiprocessing
from jellyformat.training import marks
def tell():
    print(marks._MARKS.id.hex(), flush=True)
if __name__ == "__main__":
    for method in ("spawn", "forkserver", "fork"):
        child = multiprocessing.get_context(method).Process(target=tell)
        child.start()
        child.join()
    tell()
    marks.begin_run()
    tell()
"""
    script = tmp_path / "train.py"
    script.write_text(code)
    ids = [subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout for _ in "ab"]
    one, other = (found.split() for found in ids)
    assert len(one) == 5
    assert len(set(one[:4])) == 1
    assert not {one[4], *other} & {one[0]}


@pytest.mark.framework
def test_joblib(tmp_path: Path) -> None:
    joblib_dump({}, tmp_path / "a.joblib", snapshot=SNAP, labels={"epoch": 3})
    assert jellyformat.show(tmp_path / "a.joblib").labels == {"epoch": "3"}
