"""Every system call that writes is broken off or made to fail while a snapshot is put into, replaced in or taken out of
real checkpoints: their own framework loads them afterwards, and their bytes can be had back.

A file that is changed in place before its content (safetensors, ``--in-place``) loads when it has been mended.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import plans
import pytest
import safetensors.torch
import torch
from tracing import BROKEN, CALLS, KILL, NO_SPACE, PROCESSES, Zygote, faults, inject, zygotes
from zygote import HOSTS

from jellyformat.atomic import recover
from jellyformat.errors import SystemFailure

__all__ = ["zygotes"]
pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

VALUES = torch.arange(3000.0)
ONE, TWO = plans.make_container(20_000, 1), plans.make_container(9_000, 2)


@dataclass(frozen=True)
class Kind:
    """A kind of checkpoint: how its framework saves and loads it."""

    save: Callable[[Path], object]
    load: Callable[[Path], bool]
    in_place: bool = False
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


KINDS = {
    "torch": Kind(lambda path: torch.save({"w": VALUES}, path), load_torch),
    "legacy torch": Kind(save_legacy, load_torch),
    "npz": Kind(save_npz, load_npz),
    "safetensors": Kind(save_safetensors, load_safetensors),
    "safetensors in place": Kind(save_safetensors, load_safetensors, in_place=True),
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
    if not kind.in_place or fault in (NO_SPACE, BROKEN):
        assert kind.load(host), place
    try:
        recover(host)
    except SystemFailure as error:
        raise AssertionError(place) from error
    mended = host.read_bytes()
    assert mended in (before, after), place
    if status == 0:
        assert mended == after, place
    assert kind.load(host), place
    assert {path.name for path in directory.iterdir()} == {"host", "jelly"}, f"something is left behind: {place}"
    assert recover(host) is None, place
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("name", "step"),
    [(name, step) for name, kind in KINDS.items() for step in STEPS if kind.in_place or step != "shrink"],
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

    def one(job: tuple[int, tuple[str, str, int]]) -> None:
        check(zygotes.zygote, kind, step, tmp_path / str(job[0]), *job[1])

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, enumerate(points)))
    record_property("fault points", len(points))
    print(f"{name}, {step}: {len(points)} faults at {dict(counts)}")


@pytest.mark.parametrize(
    ("step", "call", "number"), [("embed", "fsync", 3), ("embed", "fsync", 5), ("strip", "fallocate", 2)]
)
def test_mending_may_be_broken_off_too(
    step: str, call: str, number: int, tmp_path: Path, zygotes: threading.local
) -> None:
    """A change in place is killed when its head lies behind a hole, is written, and is to move back."""
    kind = KINDS["safetensors in place"]
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
        recover(host)
        assert host.read_bytes() in whole, place
        assert kind.load(host), place
        assert {path.name for path in directory.iterdir()} == {"host", "jelly"}, place
        shutil.rmtree(directory)

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, enumerate(points)))
