"""Every system call that writes is broken off or made to fail, one after another, in every operation of ``atomic``.

SIGKILL, no space left and I/O errors come from strace (``-e inject``); the code under test has no hooks.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from zygote import OLD, SCENARIOS, BrokenOff

from jellyformat.atomic import recover
from jellyformat.newfile import sweep

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

ROOT = Path(__file__).parents[2]
CALLS = (
    "write|pwrite64|pwritev2?|copy_file_range|sendfile|fsync|fdatasync|ftruncate|openat|open|creat|unlink|unlinkat|rename"
    "|renameat2?|link|linkat|fchmod|fchown|flock|fsetxattr|fallocate"
)
KILL, NO_SPACE, BROKEN, BROKEN_FOR_GOOD = "signal=SIGKILL", "error=ENOSPC", "error=EIO", "error=EIO for good"
PROCESSES = 2


class Zygote:
    """The process that forks the children."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line: str) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def run(self, scenario: str, directory: Path, *expressions: str) -> tuple[int, str]:
        """Exit status of the child, and what strace has seen."""
        pid = self.say(f"{scenario} {directory}")
        with tempfile.NamedTemporaryFile("r") as log:
            command = ["strace", "-o", log.name, "-p", str(pid)]
            for expression in expressions:
                command += ["-e", expression]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
                assert strace.stderr is not None
                said = strace.stderr.readline()
                assert "attached" in said, f"strace cannot trace here: {said}"
                status = self.say("go")
                strace.stderr.read()
            return status, log.read()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def zygotes() -> Iterator[threading.local]:
    """One for each thread."""
    made: list[Zygote] = []

    class Mine(threading.local):
        def __init__(self) -> None:
            self.zygote = Zygote()
            made.append(self.zygote)

    yield Mine()
    for zygote in made:
        zygote.close()


def state(directory: Path, name: str) -> bytes | None:
    path = directory / name
    return path.read_bytes() if path.exists() else None


def check(zygote: Zygote, name: str, directory: Path, call: str, fault: str, number: int) -> None:
    """One fault: the ``number``-th ``call`` of the operation is broken off, or fails."""
    scenario = SCENARIOS[name]
    directory.mkdir()
    scenario.prepare(directory)
    when = f"{fault.partition(' ')[0]}:when={number}{'+' if fault == BROKEN_FOR_GOOD else ''}"
    status, log = zygote.run(name, directory, f"trace={call}", f"inject={call}:{when}")
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
        elif fault != BROKEN_FOR_GOOD and not recovering:
            assert left == old, f"reported as failed, but not as it was: {place}"
    if scenario.changed == "host":
        assert (left or b"")[:9_000] == OLD[:9_000] or left == new, f"the host's own bytes: {place}"
    else:
        assert state(directory, "host") == OLD, place
    recover(directory / "host")
    if scenario.changed != "host":
        sweep(directory / scenario.changed)
    mended = state(directory, scenario.changed)
    assert mended == (new if status == 0 else mended), place
    assert mended in (old, new), f"neither old nor new: {place}"
    if fault in (NO_SPACE, BROKEN) and status:
        assert mended == old, place
    expected = {"host", scenario.changed} if mended is not None else {"host"}
    assert {path.name for path in directory.iterdir()} == expected, f"something is left behind: {place}"
    assert recover(directory / "host") is None, place
    shutil.rmtree(directory)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_fault(
    name: str,
    tmp_path: Path,
    zygotes: threading.local,
    record_property: Callable[[str, object], None],
) -> None:
    baseline = tmp_path / "baseline"
    baseline.mkdir()
    SCENARIOS[name].prepare(baseline)
    status, log = zygotes.zygote.run(name, baseline, f"trace=/^({CALLS})$")
    assert status == 0
    assert state(baseline, SCENARIOS[name].changed) == SCENARIOS[name].after
    counts = Counter(re.findall(r"^(\w+)\(", log, re.MULTILINE))
    assert counts["fsync"] >= 1
    assert sum(counts.values()) >= 5, log
    points = [
        (call, fault, number)
        for call, count in counts.items()
        for fault in (KILL, NO_SPACE, BROKEN, BROKEN_FOR_GOOD)
        for number in range(1, count + 1)
    ]

    def one(job: tuple[int, tuple[str, str, int]]) -> None:
        check(zygotes.zygote, name, tmp_path / str(job[0]), *job[1])

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(one, enumerate(points)))
    record_property("fault points", len(points))
    print(f"{name}: {len(points)} faults at {dict(counts)}")
