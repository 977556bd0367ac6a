"""What is in no snapshot though git does not ignore it: environments, caches, trackers; what is too large together."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
from parts import omitted
from states import Repo, base

import jellyformat
from jellyformat import errors
from jellyformat.files import newfile
from jellyformat.files.journal import journal_path
from jellyformat.training.saving import save_beside


def environment(path: Path) -> None:
    """A real virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    (path / ".gitignore").unlink(missing_ok=True)  # Python 3.13 writes one


def conda(path: Path) -> None:
    (path / "conda-meta").mkdir(parents=True)
    (path / "conda-meta/history").write_text("==> 2026-01-01 00:00:00 <==\n")
    (path / "lib").mkdir()
    (path / "lib/libz.so").write_bytes(bytes(1000))


def node(path: Path) -> None:
    (path / "left-pad").mkdir(parents=True)
    (path / "left-pad/index.js").write_text("module.exports = 1\n")
    (path / "left-pad/README.md").write_text("read\n")


def tagged(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n")
    (path / "data").write_bytes(bytes(100))


def compiled(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "a.cpython-311.pyc").write_bytes(bytes(10))
    (path / "b.cpython-311.pyc").write_bytes(bytes(10))


def mlflow(path: Path) -> None:
    (path / "0/abc/artifacts").mkdir(parents=True)
    (path / "0/meta.yaml").write_text("experiment_id: '0'\n")
    (path / "0/abc/artifacts/plot.png").write_bytes(b"\x89PNG")


def wandb(path: Path) -> None:
    (path / "offline-run-20260101_000000-abc/files").mkdir(parents=True)
    (path / "offline-run-20260101_000000-abc/run-abc.wandb").write_bytes(b":W&B")
    (path / "offline-run-20260101_000000-abc/files/code.py").write_text("copy = 1\n")
    (path / "latest-run").symlink_to("offline-run-20260101_000000-abc")


def tensorboard(path: Path) -> None:
    (path / "Jan01_host").mkdir(parents=True)
    for number in range(2):
        (path / f"Jan01_host/events.out.tfevents.1700000000.host.1.{number}").write_bytes(bytes(50))


def lightning(path: Path) -> None:
    (path / "version_0").mkdir(parents=True)
    (path / "version_0/hparams.yaml").write_text("{}\n")
    (path / "version_0/metrics.csv").write_text("loss\n1\n")


def hydra(path: Path) -> None:
    (path / "2026-01-01/00-00-00/.hydra").mkdir(parents=True)
    (path / "2026-01-01/00-00-00/.hydra/config.yaml").write_text("a: 1\n")
    (path / "2026-01-01/00-00-00/train.log").write_text("hello\n")


def ultralytics(path: Path) -> None:
    (path / "detect/train/weights").mkdir(parents=True)
    (path / "detect/train/weights/notes.txt").write_text("weights\n")
    (path / "detect/train/args.yaml").write_text("task: detect\n")


KINDS = {
    "env": (environment, "environment"),
    "tools/.my-env": (environment, "environment"),
    "condaenv": (conda, "environment"),
    "web/node_modules": (node, "environment"),
    "cached": (tagged, "cache"),
    "src/__pycache__": (compiled, "cache"),
    "mlruns": (mlflow, "tracker"),
    "experiments/wandb": (wandb, "tracker"),
    "runs": (tensorboard, "tracker"),
    "lightning_logs": (lightning, "tracker"),
    "outputs": (hydra, "tracker"),
    "yolo/runs": (ultralytics, "tracker"),
    "elsewhere": (lambda path: hydra(path), "tracker"),
}


def verified(snap: jellyformat.Snapshot, scratch: Path) -> jellyformat.Snapshot:
    (scratch / "s.jelly").write_bytes(snap.to_bytes())
    report = jellyformat.verify(scratch / "s.jelly")
    assert report.ok, report.error
    return snap


def files(snap: jellyformat.Snapshot) -> set[str]:
    with snap.open() as box:
        return {os.fsdecode(item.path) for item in box.files()}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_untracked_directories_of_programs(tmp_path: Path, name: str) -> None:
    """They are left out as one and listed; `--include` takes them, whole or in part; tracked ones are files."""
    make, reason = KINDS[name]
    repo = base(tmp_path / "repo")
    repo.remove(".gitignore")
    repo.write("new.py")
    before = files(jellyformat.snapshot(repo.path))
    make(repo.path / name)
    left = name if name != "elsewhere" else "elsewhere/2026-01-01/00-00-00"
    snap = verified(jellyformat.snapshot(repo.path), tmp_path)
    assert omitted(snap) == {os.fsencode(left + "/"): reason}
    assert files(snap) == before
    assert snap.manifest.summary.untracked == (b"new.py",)

    everything = {path.decode() for path in repo.git("ls-files", "-z", "-o", "--exclude-standard").split(b"\0") if path}
    for glob in (name, f"{name}/*"):
        snap = verified(jellyformat.snapshot(repo.path, include=[glob]), tmp_path)
        assert files(snap) == before | everything, glob
        assert omitted(snap) == {}
    one = sorted(path for path in everything if path.startswith(left + "/"))[0]
    snap = verified(jellyformat.snapshot(repo.path, include=[one]), tmp_path)
    assert files(snap) == before | {one}
    assert omitted(snap)
    assert set(omitted(snap).values()) == {reason}
    snap = verified(jellyformat.snapshot(repo.path, include=["nothing.at.all"]), tmp_path)
    assert omitted(snap) == {os.fsencode(left + "/"): reason}

    repo.git("add", "-f", name)
    snap = verified(jellyformat.snapshot(repo.path), tmp_path)
    assert files(snap) == before | everything
    assert omitted(snap) == {}


MODELS = ("torch zip", "torch legacy", "safetensors", "hdf5", "keras", "gguf", "onnx", "flax", "tflite")


def model(kind: str) -> bytes:
    """A small one, made by its own framework where that is there."""
    out = io.BytesIO()
    if kind.startswith("torch"):
        import torch

        state = torch.nn.Linear(4, 3).state_dict()
        torch.save(state, out, _use_new_zipfile_serialization=kind == "torch zip")
    elif kind == "safetensors":
        import numpy as np
        from safetensors.numpy import save

        return bytes(save({"w": np.ones((4, 3), np.float32)}))
    elif kind in ("hdf5", "keras"):
        import h5py

        with h5py.File(out, "w") as file:
            file["layers/dense/vars/0"] = [[1.0, 2.0]]
        if kind == "keras":
            with zipfile.ZipFile(zipped := io.BytesIO(), "w") as archive:
                archive.writestr("metadata.json", "{}")
                archive.writestr("config.json", "{}")
                archive.writestr("model.weights.h5", out.getvalue())
            return zipped.getvalue()
    elif kind == "gguf":
        return b"GGUF" + struct.pack("<IQQ", 3, 0, 0)
    elif kind == "onnx":
        import onnx
        from onnx import helper

        value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
        graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [value])
        return bytes(helper.make_model(graph).SerializeToString())
    elif kind == "flax":
        import numpy as np
        from flax.serialization import to_bytes

        return bytes(to_bytes({"params": {"w": np.ones((4, 3), np.float32)}}))
    else:
        return struct.pack("<I", 28) + b"TFL3" + bytes(100)
    return out.getvalue()


@pytest.mark.framework
@pytest.mark.parametrize("kind", MODELS)
def test_models_are_left_out(tmp_path: Path, kind: str) -> None:
    """Whatever their name; `--include` takes them, and what is tracked is taken always."""
    data = model(kind)
    repo = base(tmp_path / "repo")
    repo.write("pretrained/any name.dat", data)
    repo.write("large.dat", data + bytes(3000) if kind == "torch legacy" else data)
    repo.write("new.py")
    snap = verified(jellyformat.snapshot(repo.path), tmp_path)
    assert omitted(snap) == {b"large.dat": "weights", b"pretrained/any name.dat": "weights"}
    assert snap.manifest.summary.untracked == (b"new.py",)
    state = snap.manifest.state.worktree
    assert state is not None
    assert state.omitted[1].size == len(data)
    small = verified(jellyformat.snapshot(repo.path, max_file_size=10), tmp_path)  # not read whole, and not refused
    assert omitted(small) == omitted(snap)
    snap = verified(jellyformat.snapshot(repo.path, include=["pretrained"]), tmp_path)
    assert omitted(snap) == {b"large.dat": "weights"}
    with snap.open() as box:
        assert box.read("pretrained/any name.dat") == data
    repo.git("add", "-N", "large.dat")
    repo.git("add", "pretrained")
    assert omitted(verified(jellyformat.snapshot(repo.path), tmp_path)) == {}


def test_data_is_no_model(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    for name, content in {
        "a.pkl": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello\x94.",
        "b.zip": b"PK\x05\x06" + bytes(18),
        "c.zip": b"PK\x03\x04" + bytes(40),
        "d.json": b'{"weights": [1, 2]}',
        "e.txt": b"Let us write GGUF\n",
        "f.bin": b"\x08\x08\x08",
        "g.bin": b"\x82\xa1a\x01\xa1b\x02",
        "model.pt": b"not a model\n",
        "h.npy": b"\x93NUMPY\x01\x00",
    }.items():
        repo.write(name, content)
    snap = verified(jellyformat.snapshot(repo.path, include=["model.pt"]), tmp_path)
    assert omitted(snap) == {}
    assert len(snap.manifest.summary.untracked) == 9


def test_what_only_has_such_a_name(tmp_path: Path) -> None:
    """A user's own package is taken, whatever it is called."""
    repo = base(tmp_path / "repo")
    names = {
        "wandb/__init__.py", "mlruns/read.py", "runs/sweep.py", "runs/one/events.txt", "outputs/report.txt",
        "env/config.yaml", "venv/__init__.py", "lightning_logs/README", "cache/CACHEDIR.TAG/x", "models/net.py",
        "project/pyvenv.cfg", "project/train.py",
    }  # fmt: skip
    for name in names:
        repo.write(name)
    repo.write("runs/events.out.tfevents.1.x")
    repo.write("mlflow.db")
    snap = verified(jellyformat.snapshot(repo.path), tmp_path)
    assert omitted(snap) == {b"runs/events.out.tfevents.1.x": "tracker", b"mlflow.db": "tracker"}
    assert names <= files(snap)


def test_in_a_directory_with_tracked_files(tmp_path: Path) -> None:
    """`wandb/.gitkeep` is committed: that is taken, changed too, and the untracked rest is left out."""
    repo = base(tmp_path / "repo")
    repo.write("wandb/.gitkeep", b"")
    repo.write("wandb/notes/kept.txt", b"one\n")
    repo.commit()
    wandb(repo.path / "wandb")
    repo.write("wandb/debug.txt")
    repo.write("wandb/notes/new.txt")
    repo.write("wandb/notes/kept.txt", b"two\n")
    snap = verified(jellyformat.snapshot(repo.path), tmp_path)
    assert omitted(snap) == {
        b"wandb/debug.txt": "tracker",
        b"wandb/latest-run": "tracker",
        b"wandb/notes/new.txt": "tracker",
        b"wandb/offline-run-20260101_000000-abc/": "tracker",
    }
    assert [path for _, path in snap.manifest.summary.unstaged] == [b"wandb/notes/kept.txt"]


def test_an_environment_in_the_top_directory(tmp_path: Path) -> None:
    """`python -m venv .`: what is written beside it is taken all the same."""
    repo = base(tmp_path / "repo")
    environment(repo.path)
    place = next(repo.path.glob("lib/python*/site-packages"))
    (place / "package").mkdir()
    (place / "package/__init__.py").write_bytes(b"x = 1\n")
    repo.write("new.py")
    snap = verified(jellyformat.snapshot(repo.path), tmp_path)
    assert omitted(snap) == {os.fsencode(os.path.relpath(place, repo.path)) + b"/": "environment"}
    assert "new.py" in files(snap)


def test_a_restore_leaves_them_alone(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    environment(repo.path / "env")
    tensorboard(repo.path / "runs")
    (repo.path / "runs/deep/er").mkdir(parents=True)
    repo.write("new.py", b"one\n")
    snap = jellyformat.snapshot(repo.path)
    (tmp_path / "s.jelly").write_bytes(snap.to_bytes())
    repo.write("new.py", b"two\n")
    repo.write("env/later.txt")
    there = sorted(path for path in repo.path.rglob("*") if {"env", "runs"} & set(path.parts))
    jellyformat.restore(tmp_path / "s.jelly", repo.path)
    assert (repo.path / "new.py").read_bytes() == b"one\n"
    assert sorted(path for path in repo.path.rglob("*") if {"env", "runs"} & set(path.parts)) == there
    jellyformat.undo(repo.path)
    assert (repo.path / "new.py").read_bytes() == b"two\n"
    assert sorted(path for path in repo.path.rglob("*") if {"env", "runs"} & set(path.parts)) == there
    jellyformat.restore(tmp_path / "s.jelly", tmp_path / "new")
    assert not (tmp_path / "new/env").exists()


def filled(repo: Repo, directory: str, count: int, size: int = 1000) -> None:
    for number in range(count):
        repo.write(f"{directory}/{number:03}.txt", (f"{directory} {number}\n".encode() * size)[:size])


def test_a_difference_is_not_made_of_them(tmp_path: Path) -> None:
    """What one snapshot has, and the other, or a directory, left out as one: nobody knows whether it differs."""
    repo = base(tmp_path / "repo")
    node(repo.path / "node_modules")
    for name, include in (("with", ["node_modules"]), ("without", [])):
        (tmp_path / name).write_bytes(jellyformat.snapshot(repo.path, include=include).to_bytes())
    for one, other in (("with", "without"), ("without", "with"), ("with", "repo")):
        with jellyformat.diff(tmp_path / one, tmp_path / other) as found:
            assert found.changes == (), (one, other)


def sizes(snap: jellyformat.Snapshot) -> list[int | None]:
    """Of what was left out on disk."""
    state = snap.manifest.state.worktree
    assert state is not None
    return [item.size for item in state.omitted]


def test_directories_are_left_out_whole(tmp_path: Path) -> None:
    """126 MB of `env/` went in, and of what was too large all that came first."""
    repo = base(tmp_path / "repo")
    filled(repo, "project/data/part1", 30)
    filled(repo, "project/data/part2", 30)
    filled(repo, "project/src", 5)
    filled(repo, "zz-after", 5)
    repo.write("project/data/part1/empty/x", b"")
    snap = verified(jellyformat.snapshot(repo.path, max_size=40_000, oversize="omit"), tmp_path)
    assert omitted(snap) == {b"project/data/": "size"}
    assert {path for path in files(snap) if path.startswith(("project", "zz"))} == {
        f"{place}/{number:03}.txt" for place in ("project/src", "zz-after") for number in range(5)
    }
    assert sizes(snap) == [60_000]
    with pytest.raises(errors.RefusedSize, match=r"project/data/ \(0\.1 MB\)"):
        jellyformat.snapshot(repo.path, max_size=40_000)
    snap = verified(jellyformat.snapshot(repo.path, max_size=15_000, oversize="omit"), tmp_path)
    assert omitted(snap) == {b"project/data/part1/": "size", b"project/data/part2/": "size"}
    assert sizes(snap) == [30_000, 30_000]
    # none alone is over the limit, and all are together
    snap = verified(jellyformat.snapshot(repo.path, max_size=69_000, oversize="omit"), tmp_path)
    assert omitted(snap) == {b"project/": "size"}
    assert sizes(snap) == [65_000]


@pytest.mark.slow
def test_much_is_said(tmp_path: Path) -> None:
    """Over 20 MB that are not committed: the largest names, and the line that keeps each out."""
    repo = base(tmp_path / "repo")
    repo.write("project/data set/a.bin", os.urandom(12_000_000))
    repo.write("project/data set/b.bin", os.urandom(4_000_000))
    repo.write("project/code.py")
    repo.write("[one] file.bin", os.urandom(3_000_000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jellyformat.snapshot(repo.path)
    repo.write("README.md", os.urandom(1_000_000))
    repo.write("staged.bin", os.urandom(1_000_000))
    repo.git("add", "staged.bin")
    with pytest.warns(errors.CaptureWarning) as caught:
        jellyformat.snapshot(repo.path)
    said = str(caught[0].message)
    assert (
        "21 MB that are not committed went into the snapshot: project/data set/ (16 MB), [one] file.bin (3 MB)" in said
    )
    assert "file.bin (3 MB) and 3 more" in said
    lines = said.partition("add to .gitignore: ")[2]
    assert lines == r"/project/data\ set/  /\[one]\ file.bin"
    repo.write(".gitignore", "\n".join(lines.split("  ")).encode())
    assert jellyformat.snapshot(repo.path).manifest.summary.untracked == (b"project/code.py",)
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "snapshot", "-o", tmp_path / "x.jelly", "--include=*.bin"],
        cwd=repo.path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "warning: 21 MB that are not committed" in done.stderr


def test_tracked_files_over_the_limit_are_left_out_singly(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    filled(repo, "data", 10)
    repo.commit()
    filled(repo, "data", 10, 2000)
    snap = verified(jellyformat.snapshot(repo.path, max_size=9_000, oversize="omit"), tmp_path)
    assert set(omitted(snap).values()) == {"size"}
    assert all(path.startswith(b"data/0") for path in omitted(snap))
    assert len(omitted(snap)) == 6


def test_what_another_process_saves_is_no_code(tmp_path: Path) -> None:
    """A checkpoint that is being saved in the repository is no part of a snapshot, and neither is what undo keeps."""
    repo = base(tmp_path / "r")
    before = jellyformat.snapshot(repo.path)
    seen = []

    def write(path: str) -> None:
        Path(path).write_bytes(bytes(100_000))
        seen.append(jellyformat.snapshot(repo.path))

    save_beside(repo.path / "model.bin", write, None, strict=False)
    (repo.path / "model.bin").unlink()
    with newfile.new_file(repo.path / "other.bin") as fd:
        os.write(fd, bytes(1000))
        seen.append(jellyformat.snapshot(repo.path))
    (repo.path / "other.bin").unlink()
    for path in (journal_path(repo.path / "model.bin"), repo.path / ".git.jelly-undone/HEAD"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"ref: refs/heads/main\n")
    seen.append(jellyformat.snapshot(repo.path))
    assert [snap.id for snap in seen] == [before.id] * 3
    assert {b".model.bin.jelly-journal", b".git.jelly-undone/"} <= set(seen[2].manifest.ignored)
    taken = jellyformat.snapshot(repo.path, include=["*.jelly-journal"])
    (repo.path / "copy.jelly").write_bytes(taken.data)
    with jellyformat.open(repo.path / "copy.jelly") as box:
        assert box.read(".model.bin.jelly-journal") == b"ref: refs/heads/main\n"


@pytest.mark.slow
def test_small_ones_are_not_named_where_much_is_said(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("data/a.bin", os.urandom(12_000_000))
    repo.write("data/b.bin", os.urandom(8_500_000))
    repo.write("README.md", b"changed\n")
    with pytest.warns(errors.CaptureWarning) as caught:
        jellyformat.snapshot(repo.path)
    assert "data/a.bin (12 MB), data/b.bin (8.5 MB) and 1 more; to leave it out" in str(caught[0].message)
