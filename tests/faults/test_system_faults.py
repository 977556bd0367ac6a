"""What systems do beside failing: short writes, interrupted calls, disks that become read-only, clocks that go back, a
second crash while the first is mended; and the save calls of frameworks, broken off at every point."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import craft
import pytest
from saves import MARK, SAVES, VALUES, begin
from test_atomic_faults import check, recorded, state
from test_restore_faults import points
from tracing import BROKEN, CALLS, INTERRUPTED, KILL, PROCESSES, READ_ONLY, faults, inject, zygotes
from unmarked import unmarked
from zygote import OLD, REPLACE, SCENARIOS, BrokenOff

from jellyformat.errors import NoSnapshot, SystemFailure
from jellyformat.files.change import apply_plan, repair
from jellyformat.fixing import repair_files
from jellyformat.snapshots import Snapshot

__all__ = ["zygotes"]
pytestmark = pytest.mark.sampled(3)
traced = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
FULL = bool(os.environ.get("JELLYFORMAT_FULL"))
"""Whether every point is taken, or a sample."""


@pytest.mark.parametrize(
    ("name", "most"), [("append", 1), ("recover", 1), *((name, most) for name in SCENARIOS for most in (777, 4096))]
)
def test_short_writes(name: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes a part of what it is given, each time: the rest is given again."""
    SCENARIOS[name].prepare(tmp_path)
    write, pwrite = os.write, os.pwrite
    counts = [0]

    def short_write(fd: int, data: Any) -> int:
        counts[0] += 1
        return write(fd, memoryview(data)[:most])

    def short_pwrite(fd: int, data: Any, offset: int) -> int:
        counts[0] += 1
        return pwrite(fd, memoryview(data)[:most], offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short_write)
        patch.setattr(os, "pwrite", short_pwrite)
        if hasattr(os, "copy_file_range"):
            copy = os.copy_file_range
            patch.setattr(
                os, "copy_file_range", lambda source, to, count, *places: copy(source, to, min(most, count), *places)
            )
        SCENARIOS[name].run(tmp_path)
    assert state(tmp_path, SCENARIOS[name].changed) == SCENARIOS[name].after
    assert counts[0] or name == "truncate"


@traced
@pytest.mark.parametrize("name", SCENARIOS)
def test_interrupted_and_read_only(
    name: str, tmp_path: Path, zygotes: threading.local, record_property: Callable[[str, object], None]
) -> None:
    """Each call is interrupted by a signal once; from each call on, the disk is read-only."""
    found, counts = faults(recorded(zygotes, name, tmp_path / "baseline"), (INTERRUPTED, READ_ONLY))

    def one(job: tuple[int, tuple[str, str, int]]) -> None:
        check(zygotes.zygote, name, tmp_path / str(job[0]), *job[1])

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, enumerate(found)))
    record_property("fault points", len(found))
    print(f"{name}: {len(found)} faults at {dict(counts)}")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_clock_that_goes_back(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No order of events is told by a clock."""
    SCENARIOS[name].prepare(tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (4e9, 4e9))
    backward = itertools.count(2_000_000_000, -1000)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: float(next(backward)))
        patch.setattr(time, "time_ns", lambda: next(backward) * 10**9)
        SCENARIOS[name].run(tmp_path)
    assert state(tmp_path, SCENARIOS[name].changed) == SCENARIOS[name].after
    left = {path.name for path in tmp_path.iterdir()} - {"host", SCENARIOS[name].changed}
    assert not left


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_disk_that_was_mounted_read_only(tmp_path: Path) -> None:
    """A change was broken off, and the disk is read-only since: nothing is done, and later it is mended."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        BrokenOff(lambda directory: None, "host", OLD, OLD).prepare(place)
        half = (place / "host").read_bytes()
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        with pytest.raises(SystemFailure, match="Read-only"):
            repair(place / "host")
        with pytest.raises(SystemFailure, match="Read-only"):
            apply_plan(place / "host", REPLACE)
        assert (place / "host").read_bytes() == half
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        repair(place / "host")
        assert (place / "host").read_bytes() == OLD
        assert [path.name for path in place.iterdir()] == ["host"]
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@traced
def test_a_second_kill(
    tmp_path: Path, zygotes: threading.local, record_property: Callable[[str, object], None]
) -> None:
    """What mends a host is killed at each call, and what mends it again at each call of its own."""
    scenario = SCENARIOS["recover"]
    kills, _ = faults(recorded(zygotes, "recover", tmp_path / "baseline"), (KILL,))
    done = 0
    for number, ((call, fault, at), (second, _, then)) in enumerate(itertools.product(kills, kills[::3])):
        place = tmp_path / str(number)
        place.mkdir()
        scenario.prepare(place)
        assert zygotes.zygote.run("recover", place, *inject(call, fault, at))[0] == -9
        zygotes.zygote.run("recover", place, *inject(second, fault, then))
        repair(place / "host")
        assert (place / "host").read_bytes() == OLD, (call, at, second, then)
        assert [path.name for path in place.iterdir()] == ["host"], (call, at, second, then)
        shutil.rmtree(place)
        done += 1
    record_property("fault points", done)


# -- the save calls ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def boxes() -> tuple[bytes, bytes]:
    """Two containers, of the save before and of the one that is broken off."""
    old = craft.assemble(*craft.good())
    new = craft.change_value(old, lambda value: value["extensions"].update({"x.save": "second"}))  # type: ignore[union-attr]
    assert Snapshot(old).digest != Snapshot(new).digest
    return old, new


def calls(log: str) -> Counter[str]:
    """How often each call was made."""
    return Counter(re.findall(r"^(\w+)\(", log, re.MULTILINE))


THEIRS = "the framework's"


def digest_in(path: Path) -> str | None:
    try:
        return unmarked(path)
    except NoSnapshot:
        return None


def names_below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


@traced
@pytest.mark.parametrize("kind", SAVES)
def test_save_calls(
    kind: str,
    boxes: tuple[bytes, bytes],
    tmp_path: Path,
    zygotes: threading.local,
    record_property: Callable[[str, object], None],
) -> None:
    """What is there is whole and loads, with the snapshot that belongs to it, wherever the save is broken off.

    A framework that writes over the old file itself may leave a half of it, as it does without us; from then on,
    nothing we do may.
    """
    save, scenario = SAVES[kind], f"save-{kind}"
    old, new = (unmarked(Snapshot(box)) for box in boxes)

    def prepare(directory: Path) -> bytes:
        directory.mkdir()
        (directory / "jelly").write_bytes(boxes[0])
        begin(kind, directory)()
        (directory / "jelly").write_bytes(boxes[1])
        path = directory / save.name
        return path.read_bytes() if path.is_file() else b""

    directory = tmp_path / "baseline"
    prepare(directory)
    before_it = digest_in(directory / save.name / save.carrier)
    assert before_it == old
    status, log = zygotes.zygote.run(scenario, directory, f"trace=/^({CALLS})$")
    assert status == 0
    expected = names_below(directory)
    theirs = Counter(calls(log[: log.index(MARK)])) if save.in_place else Counter()
    places = points(log)
    errors = (BROKEN, INTERRUPTED, READ_ONLY)
    jobs = [(*place, fault) for place in places for fault in (KILL, *errors)]
    chosen = jobs if FULL else [job for at, job in enumerate(jobs) if job[2] in (KILL, errors[at // 4 % 3])]
    results: Counter[str] = Counter()
    for place, (call, number, fault) in enumerate(chosen):
        directory = tmp_path / str(place)
        before = prepare(directory)
        status, log = zygotes.zygote.run(scenario, directory, *inject(call, fault, number))
        told = f"{kind}: {call} {number} {fault}: status {status}\n{log[-3000:]}"
        path = directory / save.name
        if number > theirs[call]:  # what is behind is ours
            assert save.load(path) == VALUES, told
            found = digest_in(path / save.carrier)
            assert found in (old, new, *((None,) if save.in_place else ())), told
            if not save.in_place:
                assert (path.read_bytes() == before) == (found == old), told
        else:
            found = THEIRS
        if status == 0:
            assert save.load(path) == VALUES, told
            assert digest_in(path / save.carrier) == new, told
        results["old" if found == old else "new" if found == new else str(found)] += 1
        repair_files(directory)
        left = names_below(directory) - expected
        assert not (left if found != THEIRS else [name for name in left if "jelly" in name]), told
        shutil.rmtree(directory)
    record_property("fault points", len(chosen))
    counts = dict(Counter(call for call, _ in places))
    print(f"{kind}: {len(chosen)} of {len(jobs)} faults at {counts}: {dict(results)}")
    assert results["new"]
    assert results["old"] or results["None"]
