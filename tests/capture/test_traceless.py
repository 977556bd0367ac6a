"""Capture touches nothing and starts nothing: seen by the system calls it makes, in every state."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from states import GIT_ENVIRONMENT, NEWER_GIT, STATES, TRAITS
from traces import look

_CAPTURE = """
import sys, time
import jellyformat
for path in sys.stdin.read().splitlines():
    snap = jellyformat.snapshot(path, history="full")
    print(len(snap.to_bytes()))
"""
_LOOKING = frozenset((
    "access", "faccessat", "faccessat2", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs",
    "readlink", "readlinkat", "getdents64", "getcwd", "chdir", "fchdir", "open", "openat", "close", "read", "pread64",
    "lseek", "fcntl", "ioctl", "fadvise64", "mmap", "munmap", "madvise", "poll",
))  # fmt: skip
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
_CALL = re.compile(r"^\d+ +(?:<\.\.\. )?([a-z0-9_]+)")


def violations(trace: str, root: str) -> list[str]:
    """The calls of a trace that write below ``root`` or start a process."""
    found: list[str] = []
    programs = 0
    for line in trace.splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        name = match[1]
        if f"<... {name} resumed>" in line and name.startswith("clone"):
            continue  # its flags stand where it began
        if name in ("execve", "execveat"):
            programs += 1
            if programs > 1:
                found.append(line)
        elif name in ("fork", "vfork") or (name in ("clone", "clone3") and "CLONE_THREAD" not in line):
            found.append(line)
        elif root in line:
            shared = name == "mmap" and "MAP_SHARED" in line and "PROT_WRITE" in line
            if name not in _LOOKING or shared or (name.startswith("open") and _WRITING.search(line)):
                found.append(line)
    return found


def traced(code: str, paths: list[Path], scratch: Path) -> tuple[str, str]:
    """The output and the trace of a Python program that reads ``paths`` from its standard input."""
    log = scratch / "trace"
    command = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-s",
        "400",
        "-e",
        "trace=%file,%desc,%process",
        "-e",
        "signal=none",
        "-o",
        str(log),
    ]
    done = subprocess.run(
        [*command, sys.executable, "-c", code],
        input="\n".join(map(str, paths)), capture_output=True, text=True, check=False, cwd=scratch,
        env={**GIT_ENVIRONMENT, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, log.read_text(errors="replace")


needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.mark.slow
@pytest.mark.sampled(2)
@needs_strace
def test_system_calls(tmp_path: Path) -> None:
    world = tmp_path / "world"
    paths: list[Path] = []
    without = {"large", "unreadable", "root"} | (set() if NEWER_GIT else {"newer git"})
    for name in sorted(STATES):
        if not TRAITS[name] & without:
            paths.append(world / name)
            STATES[name](paths[-1])
    before = look(world)
    output, trace = traced(_CAPTURE, paths, tmp_path)
    assert len(output.split()) == len(paths)
    assert trace.count(str(world)) > 100 * len(paths)
    assert violations(trace, str(world)) == []
    assert look(world) == before


@needs_strace
@pytest.mark.parametrize(
    "code",
    [
        "import os; os.utime(path)",
        "open(path + '/new', 'wb')",
        "open(path + '/README.md', 'r+b')",
        "import os; os.chmod(path + '/README.md', 0o600)",
        "import os; os.rename(path + '/README.md', path + '/x')",
        "import os; os.fchmod(os.open(path + '/README.md', os.O_RDONLY), 0o600)",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.fork() or os._exit(0)",
    ],
)
def test_the_trace_would_show_it(tmp_path: Path, code: str) -> None:
    STATES["clean"](tmp_path / "world/repo")
    _, trace = traced(f"path = input()\n{code}", [tmp_path / "world/repo"], tmp_path)
    assert violations(trace, str(tmp_path / "world"))
