"""Time of a capture against jellyml 1.0.0's `create_snapshot`, side by side on dirty clones of one repository.

python tests/benchmarks/bench_capture.py REPOSITORY [--jellyml PYTHON] [--runs N]

PYTHON is an interpreter that has jellyml 1.0.0: it wants an old torch, so it lives in an environment of its own. Each
run is a new process of each tool, one after the other; imports are not counted, except in the second figure.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_OURS = """
import sys, time
from jellyformat_torch import create_snapshot
start = time.perf_counter()
tensor = create_snapshot(repo=sys.argv[1], history=sys.argv[2], strict=True)["jellyformat"]
print(time.perf_counter() - start, tensor.numel())
"""
_THEIRS = """
import sys, time
from jellyml import create_snapshot
start = time.perf_counter()
tensor = next(iter(create_snapshot(git_repo_path=sys.argv[1]).values()))
print("\\n", time.perf_counter() - start, tensor.numel())
"""
GOAL = 0.40


def dirty_clone(repository: Path, directory: Path) -> Path:
    """A clone with staged, unstaged, deleted and new files."""
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", repository, directory], check=True)
    for name, value in (("user.name", "A"), ("user.email", "a@example.org")):
        subprocess.run(["git", "config", name, value], cwd=directory, check=True)
    names = subprocess.run(["git", "ls-files", "-z", "*.py"], cwd=directory, check=True, capture_output=True).stdout
    files = [directory / os.fsdecode(name) for name in names.split(b"\0") if name][:40]
    for number, file in enumerate(files):
        if number % 2 == 0:
            file.write_bytes(file.read_bytes() + b"\n# changed\n")
        if number % 4 == 0:
            subprocess.run(["git", "add", file], cwd=directory, check=True)
    if files:
        files[-1].unlink()
    for number in range(10):
        (directory / f"experiment_{number}.py").write_text(f"rate = {number}\n" * 50)
    return directory


def run(python: str, code: str, *arguments: str) -> tuple[float, float, int]:
    """Seconds of the call, of the whole process, and the bytes made."""
    start = time.perf_counter()
    done = subprocess.run([python, "-c", code, *arguments], check=True, capture_output=True, text=True, input="")
    whole = time.perf_counter() - start
    call, size = done.stdout.splitlines()[-1].split()
    return float(call), whole, int(size)


def main() -> None:
    """Measure, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--jellyml", help="an interpreter that has jellyml 1.0.0")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tools: dict[str, tuple[str, ...]] = {
            "jellyformat, HEAD": (sys.executable, _OURS, "head"),
            "jellyformat, full history": (sys.executable, _OURS, "full"),
        }
        if options.jellyml:
            tools["jellyml 1.0.0"] = (options.jellyml, _THEIRS)
        clones = {
            tool: dirty_clone(options.repository, Path(scratch, str(number))) for number, tool in enumerate(tools)
        }
        found: dict[str, list[tuple[float, float, int]]] = {tool: [] for tool in tools}
        for _ in range(options.runs):
            for tool, (python, code, *rest) in tools.items():
                found[tool].append(run(python, code, str(clones[tool]), *rest))
    medians = {
        tool: (statistics.median(call for call, _, _ in runs), statistics.median(whole for _, whole, _ in runs))
        for tool, runs in found.items()
    }
    for tool, (call, whole) in medians.items():
        size = found[tool][-1][2]
        print(f"{options.repository.name}: {tool}: {call:.3f} s ({whole:.2f} s with imports), {size:,} bytes")
    if options.jellyml:
        theirs = medians["jellyml 1.0.0"][0]
        for tool, (call, _) in medians.items():
            if tool != "jellyml 1.0.0":
                verdict = "under" if call / theirs < GOAL else "OVER"
                print(f"{tool}: {call / theirs:.2f} of jellyml's time, {verdict} the goal of {GOAL}")


if __name__ == "__main__":
    main()
