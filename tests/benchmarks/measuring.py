"""Commands and calls timed against each other: in turns, several rounds, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST = 240
"""Seconds after which a command is given up."""

TIMED = """
import json, os, sys, time
def timed(call):
    before, start = os.times(), time.perf_counter()
    result = call()
    wall, after = time.perf_counter() - start, os.times()
    print("\\n" + json.dumps({"wall": wall, "cpu": sum(after[:4]) - sum(before[:4]), "size": result or 0}))
"""
"""Begins a script that measures a call of its own: imports do not count."""


@dataclass(frozen=True)
class Run:
    """One run: seconds, seconds of processor time, children's too, the most MiB of memory, and bytes made."""

    wall: float
    cpu: float
    memory: float
    size: int = 0


@dataclass(frozen=True)
class Task:
    """What is timed.

    Attributes:
        command: Arguments, or a text for the shell.
        script: A Python script that begins with `TIMED`, and prints what it has measured; runs by ``command``.
        before: Called before each run, not timed.
        environment: Variables to set.
    """

    command: Sequence[str] | str
    script: str | None = None
    before: Callable[[], object] = lambda: None
    environment: Mapping[str, str] | None = None


def run(task: Task) -> Run:
    """Run it once."""
    task.before()
    command = task.command if task.script is None else [*task.command, "-c", TIMED + task.script]
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        shell=isinstance(command, str),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(task.environment or {})},
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
    wall = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{command!r} failed: {said.decode(errors='replace')[-2000:]}")
    memory = used.ru_maxrss / 1024
    if task.script is None:
        return Run(wall, used.ru_utime + used.ru_stime, memory)
    found = json.loads(said.decode(errors="replace").splitlines()[-1])
    return Run(found["wall"], found["cpu"], memory, found["size"])


def in_turns(tasks: Mapping[str, Task], rounds: int) -> dict[str, list[Run]]:
    """Run them all, in turns; one that fails is left out from then on, and said."""
    found: dict[str, list[Run]] = {name: [] for name in tasks}
    failed: set[str] = set()
    begun = time.monotonic()
    for turn in range(rounds):
        if turn and time.monotonic() - begun > LONGEST / 2:
            break
        for name, task in tasks.items():
            if name in failed:
                continue
            try:
                found[name].append(run(task))
            except (RuntimeError, OSError, ValueError, IndexError) as error:
                failed.add(name)
                print(f"{name}: {error}")
    return {name: runs for name, runs in found.items() if runs}


def least(runs: Sequence[Run], what: str) -> float:
    """The least of a figure."""
    return float(min(getattr(item, what) for item in runs))


def sync(path: Path) -> None:
    """What was written before is not waited for by what is measured."""
    subprocess.run(["sync", "-f", path], check=False)
