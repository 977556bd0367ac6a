"""Children of a zygote under strace: which system calls they make, and one of them broken off or made to fail."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLS = (
    "write|pwrite64|pwritev2?|copy_file_range|sendfile|fsync|fdatasync|ftruncate|openat|open|creat|unlink|unlinkat|rename"
    "|renameat2?|link|linkat|fchmod|fchown|flock|fsetxattr|fallocate"
)
KILL, NO_SPACE, BROKEN, BROKEN_FOR_GOOD = "signal=SIGKILL", "error=ENOSPC", "error=EIO", "error=EIO for good"
INTERRUPTED, READ_ONLY = "error=EINTR", "error=EROFS for good"
FOR_GOOD = " for good"
PROCESSES = 2
LIMIT = 120
"""Seconds after which a child that hangs is killed."""


class Zygote:
    """The process that forks the children.

    Args:
        program: The module that it runs.
    """

    def __init__(self, program: str = "zygote.py") -> None:
        command = [sys.executable, str(Path(__file__).with_name(program))]
        # measured, the children would make calls of their own
        here = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        environment = {**here, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, line: str) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def run(self, scenario: str, directory: Path, *expressions: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        """Exit status of the child, and what strace, told ``expressions`` and other ``options``, has seen."""
        pid = self.say(f"{scenario} {directory}")
        with tempfile.NamedTemporaryFile("r") as log:
            command = ["strace", "-o", log.name, "-p", str(pid), *options]
            for expression in expressions:
                command += ["-e", expression]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
                assert strace.stderr is not None
                said = strace.stderr.readline()
                assert "attached" in said, f"strace cannot trace here: {said}"
                limit = threading.Timer(LIMIT, os.kill, (pid, signal.SIGKILL))
                limit.start()
                status = self.say("go")
                limit.cancel()
                strace.stderr.read()
            return status, log.read()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def faults(
    log: str, kinds: tuple[str, ...] = (KILL, NO_SPACE, BROKEN, BROKEN_FOR_GOOD)
) -> tuple[list[tuple[str, str, int]], Counter[str]]:
    """All faults there can be at the calls that strace has seen, as ``(call, fault, number)``; and how many calls."""
    counts = Counter(re.findall(r"^(\w+)\(", log, re.MULTILINE))
    assert counts["fsync"] >= 1
    assert sum(counts.values()) >= 5, log
    found = [
        (call, fault, number) for call, count in counts.items() for fault in kinds for number in range(1, count + 1)
    ]
    return found, counts


def sampled(points: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Half of the faults: at each call the kill, and one of the errors in turn."""
    errors = (NO_SPACE, BROKEN, BROKEN_FOR_GOOD)
    return [point for point in points if point[1] in (KILL, errors[point[2] % 3])]


def inject(call: str, fault: str, number: int) -> tuple[str, str]:
    """What strace is to be told so that it lets the ``number``-th ``call`` fail."""
    when = f"{fault.partition(' ')[0]}:when={number}{'+' if fault.endswith(FOR_GOOD) else ''}"
    return f"trace={call}", f"inject={call}:{when}"


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
