"""Every system call that writes is broken off or made to fail while a snapshot is put into, replaced in or taken out of
real checkpoints: their own framework loads them afterwards, and their bytes can be had back.

A file that is changed in place before its content (safetensors, ``--in-place``), and an ONNX file in which one
container takes the place of another, load when they have been mended.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import craft
import gguf
import h5py
import numpy
import onnx
import plans
import pytest
import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp
from onnx import helper, numpy_helper
from tracing import BROKEN, CALLS, KILL, NO_SPACE, PROCESSES, Zygote, faults, inject, sampled, zygotes
from zygote import HOSTS, SAVED

from jellyformat.errors import SystemFailure
from jellyformat.files.change import repair
from jellyformat.fixing import repair_files

__all__ = ["zygotes"]
pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.sampled(3),
]

VALUES = torch.arange(3000.0)
ONE, TWO = plans.make_container(20_000, 1), plans.make_container(9_000, 2)


@dataclass(frozen=True)
class Kind:
    """A kind of checkpoint: how its framework saves and loads it."""

    save: Callable[[Path], object]
    load: Callable[[Path], bool]
    in_place: bool = False
    journaled: bool = False
    """Whether it is whole only when it has been mended, where the change was broken off."""
    sampled: bool = False
    """Whether half of the faults will do: the calls are those of another kind."""
    states: dict[str, bytes] = field(default_factory=dict)
    """The host without a container, with the first, and with the second, once they are made."""


def same(loaded: dict[str, torch.Tensor]) -> bool:
    return list(loaded) == ["w"] and torch.equal(loaded["w"], VALUES)


def load_torch(path: Path) -> bool:
    return same(torch.load(path, weights_only=True))


def save_npz(path: Path) -> None:
    with open(path, "wb") as file:
        numpy.savez(file, w=VALUES.numpy())


def save_npy(path: Path) -> None:
    with open(path, "wb") as file:
        numpy.save(file, VALUES.numpy())


def load_npz(path: Path) -> bool:
    with numpy.load(path) as file:
        return file.files == ["w"] and bool((file["w"] == VALUES.numpy()).all())


def save_legacy(path: Path) -> None:
    torch.save({"w": VALUES}, path, _use_new_zipfile_serialization=False)


def save_safetensors(path: Path) -> None:
    safetensors.torch.save_file({"w": VALUES}, path, {"format": "pt"})


def load_safetensors(path: Path) -> bool:
    return same(safetensors.torch.load_file(path))


def save_hdf5(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["w"] = VALUES.numpy()


def load_hdf5(path: Path) -> bool:
    with h5py.File(path, "r", locking=False) as file:
        return list(file) == ["w"] and bool((file["w"][:] == VALUES.numpy()).all())


def save_onnx(path: Path) -> None:
    weights = numpy_helper.from_array(VALUES.numpy(), "w")
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [weights])), path)


def load_onnx(path: Path) -> bool:
    (weights,) = onnx.load(path).graph.initializer
    return weights.name == "w" and bool((numpy_helper.to_array(weights) == VALUES.numpy()).all())


def save_gguf(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("w", VALUES.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def load_gguf(path: Path) -> bool:
    (weights,) = gguf.GGUFReader(path).tensors
    return weights.name == "w" and bool((weights.data == VALUES.numpy()).all())


KINDS = {
    "gguf": Kind(save_gguf, load_gguf, sampled=True),
    "hdf5": Kind(save_hdf5, load_hdf5, sampled=True),
    "onnx": Kind(save_onnx, load_onnx),
    "torch": Kind(lambda path: torch.save({"w": VALUES}, path), load_torch),
    "legacy torch": Kind(save_legacy, load_torch),
    "npz": Kind(save_npz, load_npz),
    "safetensors": Kind(save_safetensors, load_safetensors),
    "safetensors in place": Kind(save_safetensors, load_safetensors, in_place=True, journaled=True),
    "npy": Kind(
        save_npy,
        lambda path: bool((numpy.load(path) == VALUES.numpy()).all()),
    ),
}
STEPS = {"embed": ("old", "one"), "replace": ("one", "two"), "shrink": ("two", "one"), "strip": ("one", "old")}
CONTAINERS = {"one": ONE, "two": TWO}


def prepare(directory: Path, kind: Kind, step: str) -> str:
    """Lay the host and the container out; what the zygote calls the action."""
    before, after = STEPS[step]
    directory.mkdir()
    (directory / "host").write_bytes(kind.states[before])
    (directory / "jelly").write_bytes(CONTAINERS.get(after, b""))
    return ("strip" if after == "old" else "embed") + ("-in-place" if kind.in_place else "")


def make(kind: Kind, directory: Path) -> None:
    """The host in all states, each loaded once, and the way back from each."""
    made = directory / "host"
    directory.mkdir()
    kind.save(made)
    for name in ("old", "one", "two", "one", "old"):
        if kind.states:
            made.with_name("jelly").write_bytes(CONTAINERS.get(name, b""))
            HOSTS[("strip" if name == "old" else "embed") + ("-in-place" if kind.in_place else "")](directory)()
        assert kind.load(made)
        assert kind.states.setdefault(name, made.read_bytes()) == made.read_bytes()


def check(zygote: Zygote, kind: Kind, step: str, directory: Path, call: str, fault: str, number: int) -> None:
    """One fault, and what the next command makes of it."""
    action = prepare(directory, kind, step)
    status, log = zygote.run(action, directory, *inject(call, fault, number))
    place = f"{step}: {call} {number} {fault}: status {status}\n{log}"
    host = directory / "host"
    before, after = (kind.states[name] for name in STEPS[step])
    left = host.read_bytes()
    assert status == -9 if fault == KILL else status in (0, 4, 5), place
    if fault in (NO_SPACE, BROKEN):
        assert left == (before if status else after), place
    if not kind.journaled or fault in (NO_SPACE, BROKEN):
        assert kind.load(host), place
    try:
        repair(host)
    except SystemFailure as error:
        raise AssertionError(place) from error
    mended = host.read_bytes()
    assert mended in (before, after), place
    if status == 0:
        assert mended == after, place
    assert kind.load(host), place
    assert {path.name for path in directory.iterdir()} == {"host", "jelly"}, f"something is left behind: {place}"
    assert repair(host) is None, place
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        (name, step)
        for name, kind in KINDS.items()
        for step in STEPS
        if kind.in_place or name == "onnx" or step != "shrink"
    ],
)
def test_every_fault(
    name: str,
    step: str,
    tmp_path: Path,
    zygotes: threading.local,
    record_property: Callable[[str, object], None],
) -> None:
    kind = KINDS[name]
    if not kind.states:
        make(kind, tmp_path / "made")
    action = prepare(tmp_path / "baseline", kind, step)
    status, log = zygotes.zygote.run(action, tmp_path / "baseline", f"trace=/^({CALLS})$")
    assert status == 0
    assert (tmp_path / "baseline" / "host").read_bytes() == kind.states[STEPS[step][1]]
    points, counts = faults(log)
    points = sampled(points) if kind.sampled else points

    def one(job: tuple[int, tuple[str, str, int]]) -> None:
        check(zygotes.zygote, kind, step, tmp_path / str(job[0]), *job[1])

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, enumerate(points)))
    record_property("fault points", len(points))
    print(f"{name}, {step}: {len(points)} faults at {dict(counts)}")


@pytest.mark.parametrize(
    ("name", "step", "call", "number"),
    [
        ("safetensors in place", "embed", "fsync", 3),
        ("safetensors in place", "embed", "fsync", 5),
        ("safetensors in place", "strip", "fallocate", 2),
        ("onnx", "embed", "pwrite64", 5),
        ("onnx", "replace", "fsync", 9),
    ],
)
def test_mending_may_be_broken_off_too(
    name: str, step: str, call: str, number: int, tmp_path: Path, zygotes: threading.local
) -> None:
    """A change is killed: in place, when its head lies behind a hole, is written, and is to move back; an append, in
    the midst of its writes."""
    kind = KINDS[name]
    if not kind.states:
        make(kind, tmp_path / "made")
    whole = [kind.states[name] for name in STEPS[step]]

    def half_done(directory: Path) -> Path:
        status, _ = zygotes.zygote.run(prepare(directory, kind, step), directory, *inject(call, KILL, number))
        assert status == -9
        assert len(list(directory.glob(".*journal"))) == 1
        return directory / "host"

    half_done(tmp_path / "baseline")
    status, log = zygotes.zygote.run("mend-host", tmp_path / "baseline", f"trace=/^({CALLS})$")
    assert status == 0
    points, _ = faults(log)

    def one(job: tuple[int, tuple[str, str, int]]) -> None:
        directory = tmp_path / str(job[0])
        host = half_done(directory)
        status, log = zygotes.zygote.run("mend-host", directory, *inject(*job[1]))
        place = f"{job[1]}: {status}\n{log}"
        assert status == -9 if job[1][1] == KILL else status in (0, 5), place
        assert kind.journaled or kind.load(host), place
        repair(host)
        assert host.read_bytes() in whole, place
        assert kind.load(host), place
        assert {path.name for path in directory.iterdir()} == {"host", "jelly"}, place
        shutil.rmtree(directory)

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, enumerate(points)))


# -- files beside their host -----------------------------------------------------------------------------------------


def grown(size: int) -> bytes:
    """A container of about that many bytes, with a manifest that can be read."""

    def grow(manifest: dict[str, Any]) -> None:
        manifest["extensions"]["noise"] = numpy.random.default_rng(size).bytes(size)

    return craft.change_value(craft.assemble(*craft.good()), grow)


BOXES = {"one": grown(20_000), "two": grown(9_000)}
FOREIGN = {"host.txt": b"notes", "jelly.host.jelly.old": b"mine", ".host": b"mine, too"}


@dataclass(frozen=True)
class Beside:
    """A host of which nothing is changed: the container is a file of its own.

    Attributes:
        save: How the host is made.
        load: Whether it is whole.
        file: The container, relative to the host's directory.
        states: All files, without a container, with the first, and with the second, once they are made.
    """

    save: Callable[[Path], object]
    load: Callable[[Path], bool]
    file: str
    states: dict[str, dict[str, bytes]] = field(default_factory=dict)


def save_distributed(path: Path) -> None:
    dcp.save({"w": VALUES}, checkpoint_id=path, no_dist=True)


def load_distributed(path: Path) -> bool:
    loaded = {"w": torch.zeros(3000)}
    dcp.load(loaded, checkpoint_id=path, no_dist=True)
    return same(loaded)


SIDECAR = Beside(
    lambda path: path.write_text("[0.5, 0.25]\n" * 500),
    lambda path: path.read_text() == "[0.5, 0.25]\n" * 500,
    "jelly.host.jelly",
)
BESIDE = {"sidecar": SIDECAR, "directory": Beside(save_distributed, load_distributed, "host/jellyformat.jelly")}


def look(directory: Path, *, helpers: bool = True) -> dict[str, bytes]:
    """All files but the container that is to be put in; with temporary files of ours, or without."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path != directory / "jelly" and (helpers or ".jelly-" not in str(path))
    }


def lay(directory: Path, files: dict[str, bytes], container: bytes) -> None:
    for name, data in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(data)
    (directory / "jelly").write_bytes(container)


def make_beside(kind: Beside, directory: Path) -> None:
    """The host in all states, and the way back from each."""
    directory.mkdir()
    kind.save(directory / "host")
    lay(directory, FOREIGN, b"")
    for name in ("old", "one", "two", "one", "old"):
        if kind.states:
            (directory / "jelly").write_bytes(BOXES.get(name, b""))
            HOSTS["strip" if name == "old" else "embed"](directory)()
        assert kind.load(directory / "host")
        assert kind.states.setdefault(name, look(directory)) == look(directory)
        assert (kind.file in look(directory)) == (name != "old")


def check_beside(
    zygote: Zygote,
    action: str,
    container: bytes,
    states: list[dict[str, bytes]],
    directory: Path,
    fault: tuple[str, str, int],
) -> None:
    """One fault, and what `fix` makes of it: the first of the states, the last, or one a crash may leave between."""
    before, *_, after = states
    lay(directory, before, container)
    status, log = zygote.run(action, directory, *inject(*fault))
    place = f"{action}: {fault}: status {status}\n{log}"
    assert status == -9 if fault[1] == KILL else status in (0, 4, 5, 70), place
    left = look(directory, helpers=False)
    if fault[1] in (NO_SPACE, BROKEN):
        assert left == (before if status else after), place
    for place_to_mend in (directory / "host", directory):  # only the latter knows a folder that is empty yet
        repair_files(place_to_mend)
    found = look(directory)
    assert found in states, place
    if status == 0:
        assert found == after, place
    assert repair_files(directory) == [], place
    assert [path for path in directory.rglob("*") if ".jelly-" in path.name] == [], place
    shutil.rmtree(directory)


def try_them(
    action: str, container: bytes, states: list[dict[str, bytes]], tmp_path: Path, zygotes: threading.local
) -> int:
    """Half of the faults of an action; how many these are."""
    lay(tmp_path / "baseline", states[0], container)
    status, log = zygotes.zygote.run(action, tmp_path / "baseline", f"trace=/^({CALLS})$")
    assert status == 0
    assert look(tmp_path / "baseline") == states[-1]
    points, counts = faults(log)
    points = sampled(points)

    def one(job: tuple[int, tuple[str, str, int]]) -> None:
        check_beside(zygotes.zygote, action, container, states, tmp_path / str(job[0]), job[1])

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, enumerate(points)))
    print(f"{action}: {len(points)} faults at {dict(counts)}")
    return len(points)


@pytest.mark.parametrize("step", ["embed", "replace", "strip"])
@pytest.mark.parametrize("name", BESIDE)
def test_faults_beside_a_host(
    name: str,
    step: str,
    tmp_path: Path,
    zygotes: threading.local,
    record_property: Callable[[str, object], None],
) -> None:
    kind = BESIDE[name]
    if not kind.states:
        make_beside(kind, tmp_path / "made")
    before, after = STEPS[step]
    action, states = "strip" if after == "old" else "embed", [kind.states[before], kind.states[after]]
    record_property("fault points", try_them(action, BOXES.get(after, b""), states, tmp_path, zygotes))


def test_faults_of_a_save_call(tmp_path: Path, zygotes: threading.local) -> None:
    """A file that cannot carry its snapshot is saved over an older one: the old one or the new one is there, whole."""
    made = tmp_path / "made"
    if not SIDECAR.states:
        make_beside(SIDECAR, made / "states")
    before = SIDECAR.states["one"]
    lay(made, before, BOXES["two"])
    HOSTS["save"](made)()
    after = {name: data for name, data in look(made).items() if not name.startswith("states/")}
    between = {**before, "host": SAVED.encode()}
    assert set(after) == set(before)
    assert after["host"] == between["host"]
    assert after["jelly.host.jelly"] not in (before["jelly.host.jelly"], BOXES["two"])
    try_them("save", BOXES["two"], [before, between, after], tmp_path, zygotes)
