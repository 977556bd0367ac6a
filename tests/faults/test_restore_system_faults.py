"""What systems do beside failing, while a state is restored: short writes, clocks that go back, disks that were mounted
read-only, and a second kill while what the first one left is mended.

JELLYFORMAT_FULL=1 takes every point of the first kill, else it is a sample.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import images
import pytest
import restore_zygote
from test_restore_faults import CALLS, Ready, leftovers, outcome, points, ready, zygote
from tracing import KILL, Zygote, inject

import jellyformat
from jellyformat.errors import JellyError, SystemFailure

__all__ = ["ready", "zygote"]
FULL = bool(os.environ.get("JELLYFORMAT_FULL"))
traced = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
STEPS = ("restore", "undo", "redo", "mend")


@pytest.mark.parametrize("step", STEPS)
def test_short_writes(step: str, ready: dict[str, Ready], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes a part of what it is given, each time: the rest is given again."""
    start, directory = ready[step], tmp_path / "r"
    images.copy(start.directory, directory)
    write, pwrite, counts = os.write, os.pwrite, [0]

    def short_write(fd: int, data: Any) -> int:
        counts[0] += 1
        return write(fd, memoryview(data)[:7])

    def short_pwrite(fd: int, data: Any, offset: int) -> int:
        counts[0] += 1
        return pwrite(fd, memoryview(data)[:7], offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short_write)
        patch.setattr(os, "pwrite", short_pwrite)
        restore_zygote.STEPS[step](directory)
    assert outcome(directory) == start.after
    assert leftovers(directory / "r") == []
    assert counts[0] or step == "mend"


def test_a_clock_that_goes_back(ready: dict[str, Ready], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No order of events is told by a clock: what was done last is undone first."""
    start, repository = ready["restore"], tmp_path / "here" / "r"
    images.copy(start.directory, tmp_path / "here")
    backward = itertools.count(2_000_000_000, -10_000)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: float(next(backward)))
        patch.setattr(time, "time_ns", lambda: next(backward) * 10**9)
        restore_zygote.STEPS["restore"](tmp_path / "here")
        assert outcome(tmp_path / "here") == start.after
        (repository / "README.md").write_bytes(b"worked on\n")
        worked_on = images.image(repository)
        restore_zygote.STEPS["restore"](tmp_path / "here")
        assert outcome(tmp_path / "here") == start.after
        for step, expected in (("undo", worked_on), ("undo", start.before), ("redo", worked_on)):
            restore_zygote.STEPS[step](tmp_path / "here")
            assert images.differences(expected, images.image(repository)) == [], step
    assert next(backward) < 2_000_000_000 - 40_000, "the clock was asked"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
@pytest.mark.parametrize("step", ["restore", "mend"])
def test_a_disk_that_was_mounted_read_only(step: str, ready: dict[str, Ready], tmp_path: Path) -> None:
    """Nothing is done while it is read-only, not even mending; later all is."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        images.copy(ready[step].directory, place / "here")
        repository = place / "here" / "r"
        half = images.image(repository)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        for change in (restore_zygote.STEPS["restore"], lambda directory: jellyformat.undo(directory / "r")):
            with pytest.raises(JellyError) as caught:
                change(place / "here")
            assert isinstance(caught.value, SystemFailure) or (step == "restore" and caught.value.exit_code == 3)
        assert images.differences(half, images.image(repository)) == []
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        restore_zygote.STEPS[step](place / "here")
        assert outcome(place / "here") == ready[step].after
        assert leftovers(repository) == []
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.sampled(3)
@traced
def test_a_second_kill(
    ready: dict[str, Ready], tmp_path: Path, zygote: Zygote, record_property: Callable[[str, object], None]
) -> None:
    """A restore is killed at each of its calls, and what mends it at some of its own; the next command mends all."""
    start = ready["restore"]
    images.copy(start.directory, tmp_path / "baseline")
    status, log = zygote.run("restore", tmp_path / "baseline", f"trace=/^({CALLS})$")
    assert status == 0
    first = points(log)
    images.copy(ready["mend"].directory, tmp_path / "mended")
    status, log = zygote.run("mend", tmp_path / "mended", f"trace=/^({CALLS})$")
    assert status == 0
    second = points(log)
    jobs = [(one, two) for number, one in enumerate(first) for two in second[number % 11 :: 11]]
    chosen = jobs[:: 1 if FULL else max(1, len(jobs) // 24)]
    results: Counter[str] = Counter()
    for number, ((call, at), (then_call, then_at)) in enumerate(chosen):
        directory = tmp_path / str(number)
        images.copy(start.directory, directory)
        told = f"killed at {call} {at}, then at {then_call} {then_at}"
        assert zygote.run("restore", directory, *inject(call, KILL, at))[0] == -9, told
        again = zygote.run("mend", directory, *inject(then_call, KILL, then_at))[0]
        jellyformat.history(directory / "r")
        found = images.differences(start.before, images.image(directory / "r"))
        if found:
            assert outcome(directory) == start.after, told + "\n".join(found)
        assert leftovers(directory / "r") == [], told
        results[f"{'killed twice' if again == -9 else 'mended at once'}, then {'after' if found else 'before'}"] += 1
        images.remove(directory)
    record_property("fault points", len(chosen))
    print(f"{len(chosen)} of {len(jobs)} pairs of kills: {dict(results)}")
    assert results["killed twice, then before"]
