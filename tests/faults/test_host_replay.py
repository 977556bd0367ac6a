"""Power loss while a snapshot is put into a checkpoint, replaced, labelled or taken out: each kind of host, each way.

The calls of a real run are recorded (``replay``), what the disk may hold after each of them is built, and `fix` makes
of it the checkpoint as it was or as it was to be. The checkpoints are those that earlier versions have written. A
framework is imported when its kind is tested: together they take many seconds.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import disk
import images
import pytest
import recording
import replay
from host_steps import STEPS, host_of
from sample import FULL, share
from tracing import Zygote

import jellyformat
from jellyformat.errors import JellyError
from jellyformat.files import durable, platform
from jellyformat.fixing import repair_files

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
SAMPLES = Path(__file__).parents[1] / "samples" / "1.0"
SOME = 40
"""States of each step that are mended each time; JELLYFORMAT_FULL=1 takes all."""


def load_torch(path: Path) -> Any:
    import torch

    return {name: item.tolist() for name, item in torch.load(path, weights_only=True).items()}


def load_numpy(path: Path) -> Any:
    import numpy

    found = numpy.load(path)
    return found.tolist() if path.suffix == ".npy" else {name: found[name].tolist() for name in ("a", "b")}


def load_safetensors(path: Path) -> Any:
    import safetensors.numpy

    found = safetensors.numpy.load_file(path)
    return {name: found[name].tolist() for name in ("a", "b")}


def load_hdf5(path: Path) -> Any:
    import h5py

    with h5py.File(path, "r", locking=False) as file:
        return {name: file[name][:].tolist() for name in file}


def load_onnx(path: Path) -> Any:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    return graph.node[0].op_type, [numpy_helper.to_array(item).tolist() for item in graph.initializer]


def load_gguf(path: Path) -> Any:
    import gguf

    return {item.name: item.data.tolist() for item in gguf.GGUFReader(path).tensors}


def load_flax(path: Path) -> Any:
    from flax import serialization

    return {name: item.tolist() for name, item in serialization.msgpack_restore(path.read_bytes()).items()}


KINDS: dict[str, tuple[str, Callable[[Path], Any], tuple[str, ...]]] = {
    "torch": ("model.pt", load_torch, ("", "copy", "sidecar")),
    "legacy torch": ("legacy.pt", load_torch, ("",)),
    "npz": ("arrays.npz", load_numpy, ("", "sidecar")),
    "npy": ("array.npy", load_numpy, ("", "copy")),
    "safetensors": ("metadata.safetensors", load_safetensors, ("", "in_place", "as_tensor", "sidecar")),
    "hdf5": ("weights.h5", load_hdf5, ("",)),
    "onnx": ("model.onnx", load_onnx, ("",)),
    "gguf": ("model.gguf", load_gguf, ("",)),
    "flax": ("flax.msgpack", load_flax, ("",)),
    "text": ("notes.json", Path.read_text, ("",)),
    "trailer": ("", lambda path: path.read_bytes()[:3000], ("", "trailer")),
    "directory": ("huggingface", lambda path: load_safetensors(path / "model.safetensors"), ("", "directory")),
    "index": ("", lambda path: load_safetensors(path.with_name("a.safetensors")), ("",)),
}
"""The sample, how its framework loads it, and the ways in which it is changed."""
CASES = [(kind, way) for kind, (_, _, ways) in KINDS.items() for way in ways]


def lay_out(kind: str, place: Path) -> None:
    """The checkpoint without a snapshot, in a directory of its own."""
    name = KINDS[kind][0]
    if kind == "directory":
        shutil.copytree(SAMPLES / name, place)
        jellyformat.strip(place)
        return
    place.mkdir()
    if kind == "trailer":
        (place / "host.weights").write_bytes(bytes(range(250)) * 12)
        return
    if kind == "index":
        shutil.copy(SAMPLES / "huggingface" / "model.safetensors", place / "a.safetensors")
        text = '{"metadata": {}, "weight_map": {"a": "a.safetensors", "b": "a.safetensors"}}'
        (place / "model.safetensors.index.json").write_text(text)
        return
    host = place / ("host" + Path(name).suffix)
    shutil.copy(SAMPLES / name, host)
    beside = SAMPLES / f"jelly.{name}.jelly"
    if not beside.exists():
        jellyformat.strip(host)


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    made = Zygote("host_steps.py")
    yield made
    made.close()


def sequence(way: str) -> list[tuple[str, str]]:
    """The steps, each from where the one before has ended, and which container is put in."""
    taken = way if f"strip:{way}" in STEPS else ""
    said = way if f"label:{way}" in STEPS else ""
    return [
        (f"put:{way}", "sha256.jelly"), (f"put:{way}", "code.jelly"), (f"label:{said}", ""),
        (f"put:{way}", "code.jelly"), (f"strip:{taken}", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "way"), share(CASES, 8))
def test_power_loss(kind: str, way: str, tmp_path: Path, zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    load = KINDS[kind][1]
    start = tmp_path / "start"
    lay_out(kind, start)
    values = load(host_of(start))
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for number, (step, container) in enumerate(sequence(way)):
        place = tmp_path / "place"
        if number:
            shutil.copytree(place, start)
        else:
            shutil.copytree(start, place)
        if container:
            shutil.copy(SAMPLES / container, tmp_path / "jelly")
        run = recording.Recording(place)
        status, log = zygote.run(step, place, recording.TRACED, options=recording.OPTIONS)
        if status == 4 and way == "in_place":
            pytest.skip("this filesystem does not move the content of files")
        assert status == 0, step
        run.read(log)
        before, after = images.image(start), images.image(place)
        assert load(host_of(place)) == values
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda fd: None)  # what is tested here is logic, and syncs are slow
            for module in (platform, durable):
                patch.setattr(module, "sync", lambda fd: None)
            made = list(replay.states(run, more=6 if FULL else 2))
            chosen = made if FULL else made[:: max(1, len(made) // SOME)]
            counts.update(operations=len(run.ops), built=len(made), mended=len(chosen))
            for state in chosen:
                state.disk.build(place)
                loads = True
                try:
                    loads = load(host_of(place)) == values
                except Exception:
                    loads = False
                counts["loads at once"] += loads
                if not loads:
                    counts[f"{step}, {state.kind}: loads later"] += 1
                try:
                    repair_files(place)
                    found = images.image(place)
                    away, not_after = images.differences(before, found), images.differences(after, found)
                    told = f"{away}\n{not_after}" if away and not_after else ""
                    if not told and load(host_of(place)) != values:
                        told = "other values"
                except (JellyError, OSError) as error:
                    told, away = repr(error), []
                if told:
                    wrong.append(f"{step} {number}: {state.kind} {state.told} after {state.at}: {told}"[:1500])
                counts["WRONG" if told else "after" if away else "before"] += 1
            done = disk.Disk(run.root)
            for op in run.ops:
                done.apply(op)
            done.build(place)
        shutil.rmtree(start)
    print(kind, way, dict(counts))
    assert not wrong, "\n".join(wrong[:8])
    assert counts["before"]
    assert counts["after"]
