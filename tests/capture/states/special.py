"""What is no file, cannot be read, or is long; and a history with merges."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from states.build import base, state


@state()
def special_files(path: Path) -> None:
    """A FIFO, a socket, and a FIFO where a tracked file was."""
    repo = base(path)
    os.mkfifo(path / "pipe")
    os.mkfifo(path / "src/pipe")
    here = Path.cwd()
    os.chdir(path)  # a socket's path is limited to a hundred bytes
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("socket")
        listener.close()
    finally:
        os.chdir(here)
    repo.remove("README.md")
    os.mkfifo(path / "README.md")


@state("root")
def device(path: Path) -> None:
    base(path)
    os.mknod(path / "null", 0o020666, os.makedev(1, 3))


@state("unreadable")
def unreadable(path: Path) -> None:
    """Files and a directory that only root can read."""
    repo = base(path)
    repo.write("private.txt", b"for root\n", 0)
    repo.write("locked/inside.txt")
    (path / "src/train.py").chmod(0)
    os.utime(path / "src/train.py", ns=(10**18, 10**18))
    (path / "locked").chmod(0)


@state()
def deep_and_long(path: Path) -> None:
    """A long name, and a path of many components."""
    repo = base(path)
    repo.write("n" * 255)
    repo.write("/".join("d" * 20 for _ in range(60)) + "/file")


@state()
def many_versions(path: Path) -> None:
    """A history with merges, for `--history`."""
    repo = base(path)
    for number in range(4):
        repo.git("checkout", "-q", "-b", f"b{number}")
        repo.append("src/train.py", b"# branch %d\n" % number)
        repo.commit(f"on b{number}")
        repo.git("checkout", "-q", "main")
        repo.write(f"m{number}.txt")
        repo.commit(f"on main {number}")
        repo.git("merge", "-q", "--no-ff", "-m", f"merge {number}", f"b{number}")
    repo.append("README.md")
