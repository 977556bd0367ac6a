"""Make samples: one file of each kind of host, with a snapshot in it, to be kept and read by every later version.

python tests/samples/make.py DIRECTORY     a new directory, such as tests/samples/1.1

What is there is never made again: `tests/test_samples.py` reads the files of each version as they were written. Needs
torch, safetensors, h5py, onnx, gguf and flax.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gitrepo import ENVIRONMENT, git

import jellyformat
from jellyformat.training import Snapshot

CODE = b"lr = 0.01\n"
PROGRAM = b"import model\n\nfor step in range(3):\n    print(step, model.lr)\n" * 4


def repository(place: Path, object_format: str = "sha1") -> Path:
    """A repository with history, and with something of each kind that is not committed."""
    git(place.parent, "init", "-q", f"--object-format={object_format}", place.name)
    for name, content in {"model.py": CODE, "train.py": PROGRAM, "old.py": b"pass\n", "caf\u00e9.txt": b"1\n"}.items():
        (place / name).write_bytes(content)
    (place / "run.sh").write_bytes(b"#!/bin/sh\nexec python train.py\n")
    (place / "run.sh").chmod(0o755)
    (place / "link").symlink_to("train.py")
    (place / ".gitignore").write_bytes(b"*.log\n")
    git(place, "add", "-A")
    git(place, "commit", "-qm", "first")
    (place / "train.py").write_bytes(PROGRAM + b"print('done')\n")
    git(place, "commit", "-qam", "second")
    (place / "model.py").write_bytes(b"lr = 0.02\n")
    git(place, "add", "model.py")
    (place / "model.py").write_bytes(b"lr = 0.03\n")
    git(place, "rm", "-q", "old.py")
    (place / "new.py").write_bytes(b"import train\n")
    (place / "out.log").write_bytes(b"ignored\n")
    (place / "empty").mkdir()
    inner = place / "inner"
    git(place, "init", "-q", f"--object-format={object_format}", "inner")
    (inner / "nested.py").write_bytes(b"x = 1\n")
    git(inner, "add", "-A")
    git(inner, "commit", "-qm", "nested")
    return place


def hosts(place: Path) -> dict[str, dict[str, Any]]:
    """Write each host as its own framework does; how it is embedded into."""
    import flax.serialization
    import gguf
    import h5py
    import numpy as np
    import onnx
    import safetensors.numpy
    import torch

    weights = {"a": np.arange(6, dtype=np.float32), "b": np.ones((2, 2), dtype=np.float32)}
    torch.save({name: torch.from_numpy(item) for name, item in weights.items()}, place / "model.pt")
    tensors = {name: torch.from_numpy(item) for name, item in weights.items()}
    torch.save(tensors, place / "legacy.pt", _use_new_zipfile_serialization=False)
    np.savez(place / "arrays.npz", a=weights["a"], b=weights["b"])
    np.save(place / "array.npy", weights["a"])
    safetensors.numpy.save_file(weights, place / "metadata.safetensors", {"format": "np"})
    safetensors.numpy.save_file(weights, place / "tensor.safetensors")
    with h5py.File(place / "weights.h5", "w", libver="latest") as file:
        for name, item in weights.items():
            file[name] = item
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    ])  # fmt: skip
    onnx.save(onnx.helper.make_model(graph), place / "model.onnx")
    writer = gguf.GGUFWriter(str(place / "model.gguf"), "llama")
    for name, item in weights.items():
        writer.add_tensor(name, item)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    for name in ("flax.msgpack", "before.msgpack"):
        (place / name).write_bytes(flax.serialization.to_bytes(weights))
    (place / "notes.json").write_bytes(b'{"epoch": 3}\n')
    folder = place / "huggingface"
    folder.mkdir()
    (folder / "config.json").write_bytes(b'{"model_type": "tiny"}\n')
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    named: dict[str, dict[str, Any]] = {path.name: {"bind": True} for path in sorted(place.iterdir())}
    named["tensor.safetensors"]["as_tensor"] = True
    named["notes.json"]["bind"] = named["array.npy"]["bind"] = False
    named["model.pt"] |= {"labels": {"val_loss": 0.25}, "note": "the best one"}
    return named


def tensor(place: Path, container: bytes) -> None:
    """A container as a tensor of bytes in what torch saved, in both of its forms."""
    import torch

    saved = {"a": torch.arange(3.0), "code": torch.frombuffer(bytearray(container), dtype=torch.uint8).clone()}
    torch.save(saved, place / "inside.pt")
    torch.save(saved, place / "inside-legacy.pt", _use_new_zipfile_serialization=False)


def sha256(path: Path) -> str:
    """Of a file's bytes, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def said(path: Path, exported: Path) -> dict[str, Any]:
    """What every version has to find in it."""
    report, info = jellyformat.verify(path), jellyformat.show(path)
    assert report.ok, report
    jellyformat.export(path, exported)
    files = {os.fsencode(item.relative_to(exported)).decode(): item for item in sorted(exported.rglob("*"))}
    return {
        "host": info.host,
        "form": info.form,
        "digest": info.digest,
        "snapshot_id": info.snapshot_id,
        "tied": [check.name for check in report.checks if check.name in ("sidecar", "binding")],
        "staged": [[letter, path.decode()] for letter, path in info.staged],
        "unstaged": [[letter, path.decode()] for letter, path in info.unstaged],
        "untracked": [path.decode() for path in info.untracked],
        "history": info.history,
        "labels": dict(info.labels),
        "note": info.note,
        "files": {name: sha256(item) for name, item in files.items() if item.is_file() and not item.is_symlink()},
        "links": {name: os.readlink(item) for name, item in files.items() if item.is_symlink()},
    }


def main(directory: Path) -> None:
    """Make all of them, and say what is in them."""
    os.environ.update(ENVIRONMENT)
    directory.mkdir()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        snap = jellyformat.snapshot(repository(work / "project"), environment=False, captured="command")
        whole = jellyformat.snapshot(work / "project", "full", environment=False, captured="command")
        other = jellyformat.snapshot(repository(work / "sha256", "sha256"), environment=False, captured="command")
        own = {}
        for path, options in hosts(directory).items():
            if (directory / path).is_file():
                own[path] = sha256(directory / path)
            jellyformat.embed(directory / path, Snapshot(snap.data), **options)
        shutil.move(directory / "jelly.before.msgpack.jelly", directory / "before.msgpack.jelly")
        tensor(directory, snap.data)
        for path, made in {"code.jelly": whole, "sha256.jelly": other}.items():
            (directory / path).write_bytes(made.data)
        found = {}
        beside = ("before.msgpack.jelly",)
        for number, item in enumerate(sorted(directory.iterdir())):
            if not item.name.startswith("jelly.") and item.name not in beside:
                found[item.name] = {"own": own.get(item.name), **said(item, work / f"out{number}")}
        everything = sorted(item for item in directory.rglob("*") if item.is_file())
        for item in everything:
            item.chmod(0o644)
        sums = {item.relative_to(directory).as_posix(): sha256(item) for item in everything}
    text = json.dumps({"bytes": sums, "samples": found}, indent=1, ensure_ascii=False, sort_keys=True)
    (directory / "expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
