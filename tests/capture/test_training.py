"""Many processes and threads at once, and captures that training must survive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jellyformat_pickle
import pytest
from states import GIT_ENVIRONMENT, STATES, Repo, base
from traces import look

import jellyformat
from jellyformat import errors, snapshots, training
from jellyformat.training import SnapshotWarning, is_first_rank


@pytest.fixture(autouse=True)
def no_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JELLYFORMAT_RANKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    made = base(tmp_path / "repo")
    monkeypatch.chdir(made.path)
    return made


@pytest.fixture
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in (SnapshotWarning, errors.CaptureWarning, errors.PromptWarning):  # by name: else they are printed
            warnings.simplefilter("error", kind)
        yield


_RANK = """
import sys, threading, jellyformat
go = threading.Event()
print("ready", flush=True)
sys.stdin.readline()
print(jellyformat.snapshot(sys.argv[1], history="full").id, flush=True)
"""


@pytest.mark.slow
def test_processes_at_once(tmp_path: Path) -> None:
    STATES["conflicts_of_every_kind"](tmp_path / "repo")
    before = look(tmp_path)
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", _RANK, tmp_path / "repo"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**GIT_ENVIRONMENT, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        for _ in range(6)
    ]  # fmt: skip
    for rank in ranks:
        assert rank.stdout is not None
        assert rank.stdout.readline() == "ready\n"
    found = {rank.communicate("go\n")[0] for rank in ranks}
    assert found == {jellyformat.snapshot(tmp_path / "repo").id + "\n"}
    assert look(tmp_path) == before


def test_threads_at_once(tmp_path: Path) -> None:
    names = ["submodule_dirty", "every_letter", "packed", "sha256_packed"]
    for name in names:
        STATES[name](tmp_path / name)
    before = look(tmp_path)
    expected = {name: jellyformat.snapshot(tmp_path / name).id for name in names}
    gate = threading.Barrier(8)

    def run(number: int) -> tuple[str, str]:
        name = names[number % len(names)]
        gate.wait()
        return name, jellyformat.snapshot(tmp_path / name).id

    with ThreadPoolExecutor(8) as pool:
        for name, found in pool.map(run, range(8)):
            assert found == expected[name]
    assert look(tmp_path) == before


# -- ranks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"RANK": "0"}, True),
        ({"RANK": "3"}, False),
        ({"SLURM_PROCID": "1"}, False),
        ({"RANK": "0", "SLURM_PROCID": "4"}, True),
        ({"OMPI_COMM_WORLD_RANK": "2"}, False),
        ({"PMI_RANK": "0"}, True),
        ({"RANK": "none"}, True),
        ({"RANK": ""}, True),
    ],
)
def test_first_rank(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], first: bool) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_rank() is first


@pytest.mark.framework
@pytest.mark.parametrize(("rank", "first"), [(0, True), (1, False)])
def test_torch_distributed_goes_first(tmp_path: Path, rank: int, first: bool) -> None:
    """In a process group that is really there: rank 1 of 2 needs another process, so a fake stands in for that."""
    code = f"""
import os, sys, torch.distributed as dist, warnings
from torch.testing._internal.distributed.fake_pg import FakeStore
os.environ["RANK"] = "{1 - rank}"
dist.init_process_group("fake", store=FakeStore(), rank={rank}, world_size=2)
from jellyformat.training import is_first_rank
print(is_first_rank())
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip().splitlines()[-1:] == [str(first)], done.stderr


def test_broken_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.distributed", types.ModuleType("torch.distributed"))
    assert is_first_rank()


@pytest.mark.framework
def test_other_ranks_save_without(repo: Repo, monkeypatch: pytest.MonkeyPatch, quiet: None) -> None:
    import jellyformat_torch
    import torch

    monkeypatch.setenv("RANK", "1")
    assert jellyformat_torch.create_snapshot() == {}
    jellyformat_torch.save({"a": 1}, "model.pt")
    assert torch.load("model.pt") == {"a": 1}
    with pytest.raises(errors.NoSnapshot):
        jellyformat.open("model.pt")
    assert "jellyformat" in jellyformat_torch.create_snapshot(ranks="all")
    jellyformat_torch.save({"a": 1}, "all.pt", ranks="all")
    jellyformat.open("all.pt").close()
    monkeypatch.setenv("JELLYFORMAT_RANKS", "all")
    assert "jellyformat" in jellyformat_torch.create_snapshot()
    assert jellyformat_torch.create_snapshot(ranks="first") == {}
    with pytest.raises(errors.Usage):
        jellyformat_torch.create_snapshot(ranks="some")


def test_what_start_says_of_ranks_holds(repo: Repo, monkeypatch: pytest.MonkeyPatch, quiet: None) -> None:
    """For all save calls from then on, until the next one."""
    monkeypatch.setenv("RANK", "1")
    started = training.start(ranks="all")
    assert started is not None
    jellyformat_pickle.dump([1], "all.pkl")
    assert jellyformat.load("all.pkl").id == started.id
    assert training.start() is None
    jellyformat_pickle.dump([1], "first.pkl")
    with pytest.raises(errors.NoSnapshot):
        jellyformat.open("first.pkl")
    with pytest.raises(errors.Usage):
        training.start(ranks="some")
    training.start()


# -- training goes on ------------------------------------------------------------------------------------------------


def save_torch(path: str, **options: Any) -> None:
    import jellyformat_torch
    import torch

    jellyformat_torch.save({"w": torch.ones(2)}, path, **options)


def save_npz(path: str, **options: Any) -> None:
    import jellyformat_numpy
    import numpy as np

    jellyformat_numpy.savez(path, w=np.arange(3.0), **options)


def save_npy(path: str, **options: Any) -> None:
    import jellyformat_numpy
    import numpy as np

    jellyformat_numpy.save(path, np.arange(3.0), **options)


def save_safetensors(path: str, **options: Any) -> None:
    import jellyformat_safetensors
    import numpy as np

    jellyformat_safetensors.save_file({"w": np.arange(3.0)}, path, **options)


def save_pickle(path: str, **options: Any) -> None:
    jellyformat_pickle.dump({"w": [1.0, 1.0]}, path, **options)


def save_alone(path: Path) -> None:
    """The same by the framework's own call."""
    import numpy as np
    import torch
    from safetensors.numpy import save_file

    array = np.arange(3.0)
    if path.suffix == ".pt":
        torch.save({"w": torch.ones(2)}, path)
    elif path.suffix == ".npz":
        np.savez(path, w=array)
    elif path.suffix == ".npy":
        np.save(path, array)
    else:
        save_file({"w": array}, path)


BY_FRAMEWORKS: dict[str, Callable[..., None]] = {
    "model.pt": save_torch,
    "model.npz": save_npz,
    "model.npy": save_npy,
    "model.safetensors": save_safetensors,
}
SAVES: dict[str, Callable[..., None]] = {**BY_FRAMEWORKS, "model.pkl": save_pickle}
NAMES = [*(pytest.param(name, marks=pytest.mark.framework) for name in BY_FRAMEWORKS), "model.pkl"]


@pytest.mark.parametrize("name", NAMES)
def test_saves_with_a_snapshot(repo: Repo, name: str, quiet: None) -> None:
    repo.append("README.md")
    expected = jellyformat.snapshot(".").id
    for _ in range(2):  # the second time there is a checkpoint already
        SAVES[name](name)
        assert jellyformat.load(name).id == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.warns(SnapshotWarning, match="no snapshot of the code was taken: there is no git repository") as caught:
        SAVES[name](name)
    assert caught[0].filename == __file__
    if name in BY_FRAMEWORKS:
        save_alone(tmp_path / f"alone-{name}")
        assert (tmp_path / name).stat().st_size == (tmp_path / f"alone-{name}").stat().st_size or name.endswith("pt")
    with pytest.raises(errors.NoSnapshot):
        jellyformat.open(name)
    with pytest.raises(errors.NoRepository):
        SAVES[name]("strict-" + name, strict=True)
    assert not (tmp_path / f"strict-{name}").exists()


@pytest.mark.parametrize("name", NAMES)
def test_secrets_and_large_files_are_left_out(repo: Repo, name: str) -> None:
    repo.write(".env", b"PASSWORD=tr0ub4dor\n")
    repo.write("data.bin", bytes(17 << 20))
    with pytest.warns(
        SnapshotWarning, match=r"left out of the snapshot of the code: \.env \(secret\), data\.bin \(size\)"
    ):
        SAVES[name](name)
    with jellyformat.open(name) as box:
        worktree = box.manifest.state.worktree
        assert worktree is not None
        assert {item.path: item.reason for item in worktree.omitted} == {b".env": "secret", b"data.bin": "size"}
    with pytest.raises(errors.RefusedSecret):
        SAVES[name](name, strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_embedding_fails(repo: Repo, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **options: object) -> None:
        raise errors.RefusedHost("not into this one")

    monkeypatch.setattr(snapshots, "embed", fails)
    if name == "model.safetensors":  # whose header has it otherwise, from the first
        monkeypatch.setattr("jellyformat_safetensors.saving.own_member", lambda *_: None)
    with pytest.warns(SnapshotWarning, match="saved without a snapshot of the code: not into this one"):
        SAVES[name](name)
    assert (repo.path / name).stat().st_size > 0
    with pytest.raises(errors.RefusedHost):
        SAVES[name](name, strict=True)


def test_any_fault_of_ours(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **options: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(snapshots, "snapshot", fails)
    with pytest.warns(SnapshotWarning, match="RuntimeError: a bug"):
        save_pickle("model.pkl")
    with pytest.raises(RuntimeError):
        training.take(strict=True)


@pytest.mark.framework
def test_a_snapshot_in_the_object(repo: Repo, quiet: None) -> None:
    import jellyformat_torch
    import torch

    repo.write("new.py")
    tensors = jellyformat_torch.create_snapshot(repo=repo.path, history="full", environment=False)
    torch.save({"w": torch.ones(2), **tensors}, "model.pt")
    assert jellyformat.load("model.pt").manifest.summary.untracked == (b"new.py",)
    assert jellyformat.snapshot(".").id == jellyformat.load("model.pt").id, "the checkpoint is no part of the code"


IN_AN_IMAGE = """
import os, sys, warnings
import jellyformat_pickle
os.chdir("..")
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    jellyformat_pickle.dump([1, 2], sys.argv[1])
    if len(sys.argv) > 2:
        jellyformat_pickle.dump([1, 2], sys.argv[2], repo=sys.argv[3])
print([str(item.message) for item in said])
"""


def test_a_variable_names_the_snapshot(repo: Repo, tmp_path: Path) -> None:
    """Where the code runs there may be no repository; a relative path is from where the program began."""
    work = tmp_path / "image" / "work"
    work.mkdir(parents=True)
    taken = jellyformat.snapshot(repo.path)
    (work / "code.jelly").write_bytes(taken.data)
    repo.write("README.md", b"changed later\n")

    def run(named: str, *arguments: Path) -> str:
        environment = {**os.environ, **GIT_ENVIRONMENT, "JELLYFORMAT_SNAPSHOT": named}
        return subprocess.run(
            [sys.executable, "-c", IN_AN_IMAGE, *arguments], cwd=work, env=environment, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip

    assert run("code.jelly", tmp_path / "one.pkl", tmp_path / "two.pkl", repo.path) == "[]\n"
    assert jellyformat.load(tmp_path / "one.pkl").id == taken.id
    assert jellyformat.load(tmp_path / "two.pkl").id == jellyformat.snapshot(repo.path).id
    said = run("none.jelly", tmp_path / "three.pkl")
    assert "no snapshot of the code was taken" in said
    assert "none.jelly does not exist" in said
    assert (tmp_path / "three.pkl").exists()
    (work / "code.jelly").write_bytes(taken.data[:-100])
    assert "no snapshot of the code was taken" in run("code.jelly", tmp_path / "four.pkl")


@pytest.mark.framework
def test_torchrun(repo: Repo, tmp_path: Path) -> None:
    """Two ranks of a real process group save a checkpoint each; one has the snapshot."""
    (tmp_path / "train.py").write_text(
        "import sys, warnings, torch, torch.distributed as dist, jellyformat_torch\n"
        "from jellyformat.training import SnapshotWarning\n"
        "warnings.simplefilter('error', SnapshotWarning)\n"
        "dist.init_process_group('gloo', init_method='file://' + sys.argv[1], rank=int(sys.argv[2]), world_size=2)\n"
        "jellyformat_torch.save({'rank': dist.get_rank()}, f'{sys.argv[1]}-{dist.get_rank()}.pt')\n"
        "dist.barrier()\n"
    )
    ranks = [
        subprocess.Popen(
            [sys.executable, tmp_path / "train.py", tmp_path / "meet", str(rank)],
            stderr=subprocess.PIPE, text=True, cwd=repo.path,
        )
        for rank in range(2)
    ]  # fmt: skip
    for rank in ranks:
        _, error = rank.communicate(timeout=120)
        assert rank.returncode == 0, error
    assert jellyformat.load(tmp_path / "meet-0.pt").id == jellyformat.snapshot(".").id
    with pytest.raises(errors.NoSnapshot):
        jellyformat.open(tmp_path / "meet-1.pt")


def test_importing_stays_light() -> None:
    code = "import sys, jellyformat, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"pygit2", "zstandard", "msgpack", "torch", "numpy", "click", "jellyformat.capture.capture"}
