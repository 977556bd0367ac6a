"""jellyformat run by another user, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from states import GIT_ENVIRONMENT

ALICE, BOB, MALLORY = 54321, 54322, 54323
"""Users that no system has."""

_CHILD = """
import difflib  # which click imports only when it is needed
import contextlib, importlib, io, json, os, pkgutil, sys, warnings
import pygit2
import jellyformat
from jellyformat.cli import main
# what is imported only when it is needed may lie where this user cannot read
for module in pkgutil.walk_packages(jellyformat.__path__, "jellyformat."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
user, groups, commands, host, spare = json.load(sys.stdin)
jellyformat.embed(host, jellyformat.snapshot(spare))
jellyformat.verify(host)
warnings.simplefilter("always")
if user:
    os.setgroups(groups)
    os.setgid(user)
    os.setuid(user)
for command in commands:
    sys.argv = ["jellyformat", *command]
    streams = [io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            main.main()
        except SystemExit as done:
            code = done.code
    print(json.dumps([code, *(stream.buffer.getvalue().decode() for stream in streams)]))
"""


@dataclass(frozen=True)
class Done:
    """What came of a command."""

    code: int
    stdout: str
    stderr: str


@contextmanager
def open_place() -> Iterator[Path]:
    """A directory that every user can get at."""
    path = Path(tempfile.mkdtemp(prefix="jelly-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        for directory, _, _ in os.walk(path):
            os.chmod(directory, 0o700)
        shutil.rmtree(path)


def give(path: Path, owner: int, group: int | None = None) -> None:
    """Give a file or a directory and all in it to a user."""
    for directory, names, files in os.walk(path) if not path.is_symlink() else ():
        for name in (".", *names, *files):
            os.chown(os.path.join(directory, name), owner, owner if group is None else group, follow_symlinks=False)
    os.chown(path, owner, owner if group is None else group, follow_symlinks=False)


@dataclass(frozen=True)
class Person:
    """A user who runs commands.

    Attributes:
        uid: Their number; 0 is root.
        spare: A repository of root's, for what is imported late.
        groups: Their groups.
    """

    uid: int
    spare: Path
    groups: tuple[int, ...] = ()

    def run_all(self, place: Path, commands: Sequence[Sequence[str | Path]], **environment: str) -> list[Done]:
        """Run the command line in a directory, some times."""
        host = self.spare.parent / f"spare-{self.uid}.bin"
        host.write_bytes(b"\x80\x04K\x01.")
        given = [self.uid, self.groups, [list(map(str, command)) for command in commands], str(host), str(self.spare)]
        variables = {
            **GIT_ENVIRONMENT, "GIT_CONFIG_COUNT": "1", "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", _CHILD], input=json.dumps(given), cwd=place, capture_output=True, text=True,
            check=False, timeout=300, env={**variables, **environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [Done(*json.loads(line)) for line in done.stdout.splitlines()]

    def run(self, place: Path, *command: str | Path, **environment: str) -> Done:
        """Run the command line in a directory."""
        return self.run_all(place, [command], **environment)[0]
