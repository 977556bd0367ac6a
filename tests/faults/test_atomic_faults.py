"""Every system call that writes is broken off or made to fail, one after another, in every operation of ``atomic``.

SIGKILL, no space left and I/O errors come from strace (``-e inject``); the code under test has no hooks.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tracing import BROKEN, CALLS, FOR_GOOD, INTERRUPTED, KILL, NO_SPACE, PROCESSES, Zygote, faults, inject, zygotes
from zygote import OLD, SCENARIOS, BrokenOff

from jellyformat.files.change import repair
from jellyformat.files.newfile import sweep

__all__ = ["zygotes"]
pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def state(directory: Path, name: str) -> bytes | None:
    path = directory / name
    return path.read_bytes() if path.exists() else None


def check(zygote: Zygote, name: str, directory: Path, call: str, fault: str, number: int) -> None:
    """One fault: the ``number``-th ``call`` of the operation is broken off, or fails."""
    scenario = SCENARIOS[name]
    directory.mkdir()
    scenario.prepare(directory)
    status, log = zygote.run(name, directory, *inject(call, fault, number))
    place = f"{name}: {call} {number} {fault}: status {status}\n{log}"
    old, new = scenario.before, scenario.after
    left = state(directory, scenario.changed)
    recovering = isinstance(scenario, BrokenOff)
    if fault == KILL:
        assert status == -9, place
        assert "killed by SIGKILL" in log, place
    else:
        assert "INJECTED" in log, place
        assert status in (0, 5), place
        if status == 0:
            assert left == new, place
        elif not fault.endswith(FOR_GOOD) and not recovering:
            assert left == old, f"reported as failed, but not as it was: {place}"
    if scenario.changed == "host":
        assert (left or b"")[:9_000] == OLD[:9_000] or left == new, f"the host's own bytes: {place}"
    else:
        assert state(directory, "host") == OLD, place
    repair(directory / "host")
    if scenario.changed != "host":
        sweep(directory / scenario.changed)
    mended = state(directory, scenario.changed)
    assert mended == (new if status == 0 else mended), place
    assert mended in (old, new), f"neither old nor new: {place}"
    if fault in (NO_SPACE, BROKEN, INTERRUPTED) and status:
        assert mended == old, place
    expected = {"host", scenario.changed} if mended is not None else {"host"}
    assert {path.name for path in directory.iterdir()} == expected, f"something is left behind: {place}"
    assert repair(directory / "host") is None, place
    shutil.rmtree(directory)


def recorded(zygotes: threading.local, name: str, directory: Path) -> str:
    """The calls of a scenario that nothing disturbs, in a new directory."""
    directory.mkdir()
    SCENARIOS[name].prepare(directory)
    status, log = zygotes.zygote.run(name, directory, f"trace=/^({CALLS})$")
    assert status == 0
    found: str = log
    return found


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_fault(
    name: str,
    tmp_path: Path,
    zygotes: threading.local,
    record_property: Callable[[str, object], None],
) -> None:
    baseline = tmp_path / "baseline"
    log = recorded(zygotes, name, baseline)
    assert state(baseline, SCENARIOS[name].changed) == SCENARIOS[name].after
    points, counts = faults(log)

    def one(job: tuple[int, tuple[str, str, int]]) -> None:
        check(zygotes.zygote, name, tmp_path / str(job[0]), *job[1])

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, enumerate(points)))
    record_property("fault points", len(points))
    print(f"{name}: {len(points)} faults at {dict(counts)}")
