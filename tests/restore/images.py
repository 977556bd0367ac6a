"""What a repository is like, byte for byte, and what git says of it: what restores and undos are compared by."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from types import TracebackType

from states import STATES, git

import jellyformat
from jellyformat.checkout.store import Store
from jellyformat.git.layout import find_repository
from jellyformat.git.reftable import Stack

QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"}
Image = dict[bytes, tuple[int, bytes]]
"""Mode with type, and content, by path."""


def image(top: Path) -> Image:
    """Everything below ``top`` but object stores, and what jellyformat keeps: it may stay."""
    found: Image = {}
    stack = [os.fsencode(top)]
    while stack:
        directory = stack.pop()
        for entry in os.scandir(directory):
            info = entry.stat(follow_symlinks=False)
            path = entry.path[len(os.fsencode(top)) + 1 :]
            if entry.is_dir(follow_symlinks=False):
                if _is_ours(directory, entry.name):
                    continue
                if entry.name == b"reftable" and os.path.exists(directory + b"/HEAD"):
                    found[path] = info.st_mode, _tables(directory)
                    continue
                found[path] = info.st_mode, b""
                stack.append(entry.path)
            elif stat.S_ISLNK(info.st_mode):
                found[path] = info.st_mode, os.readlink(entry.path)
            elif stat.S_ISREG(info.st_mode):
                with open(entry.path, "rb") as file:
                    found[path] = info.st_mode, file.read()
            else:
                found[path] = info.st_mode, b""
    return found


def _tables(directory: bytes) -> bytes:
    """The refs in reftables but ours: a table more or less says nothing."""
    named = sorted(Stack(directory).refs().items())
    return b"".join(b"%s %s\n" % (name, text) for name, text in named if not name.startswith(b"refs/jellyformat/"))


def _is_ours(directory: bytes, name: bytes) -> bool:
    if name == b"objects":
        return os.path.exists(directory + b"/HEAD")
    if name == b"jellyformat":
        return os.path.exists(directory + b"/HEAD") or directory.endswith(b"/refs")
    return False


def differences(one: Image, two: Image) -> list[str]:
    """What differs, for people."""
    found = []
    for path in sorted(one.keys() | two.keys()):
        a, b = one.get(path), two.get(path)
        if a != b:
            found.append(f"{os.fsdecode(path)!r}: {_short(a)} → {_short(b)}")
    return found


def _short(item: tuple[int, bytes] | None) -> str:
    return "nothing" if item is None else f"{item[0]:o} {item[1][:60]!r} ({len(item[1])})"


def said(path: Path) -> dict[str, bytes]:
    """What git says of a repository."""

    def run(*args: str) -> bytes:
        options = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "diff.autoRefreshIndex=false")
        return git(path, *(word for option in options for word in ("-c", option)), *args, extra=QUIET, fails=True)

    plain = ("--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
    return {
        "head": run("rev-parse", "-q", "--verify", "HEAD"),
        "status": run("status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames"),
        "diff": run("diff", *plain),
        "cached": run("diff", "--cached", *plain),
        "index": run("ls-files", "--stage", "-z", "-v"),
    }


def refs(path: Path) -> bytes:
    """All refs but those of ours."""
    text = git(path, "for-each-ref", "--format=%(refname) %(objectname)", extra=QUIET)
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"refs/jellyformat/"))


def copy(source: Path, target: Path) -> None:
    """A copy of a directory as exact as it can be, as if it had been there from the beginning."""
    subprocess.run(["cp", "-a", source, target], check=True)
    for store in target.glob("*/.git/jellyformat"):
        with Store(find_repository(store.parent.parent)).locked(adopt=True):
            pass


def remove(path: Path) -> None:
    """Remove a directory, whatever the modes in it."""
    if path.exists():
        shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        subprocess.run(["chmod", "-R", "u+rwX", path], check=False)
        shutil.rmtree(path)


class Built:
    """States, each built when it is first asked for: ``NAME/r`` is the repository, ``NAME.jelly`` its snapshot.

    Args:
        directory: Where.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._said: dict[str, dict[str, bytes]] = {}

    def __enter__(self) -> Built:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        remove(self.directory)

    def repository(self, name: str) -> Path:
        """The repository in a state; not to be changed."""
        place = self.directory / name
        if not place.exists():
            place.mkdir()
            STATES[name](place / "r")
        return place / "r"

    def said(self, name: str) -> dict[str, bytes]:
        """What git says of the state."""
        if name not in self._said:
            self._said[name] = said(self.repository(name))
        return self._said[name]

    def snapshot(self, name: str) -> Path:
        """The state's snapshot."""
        file = self.directory / f"{name}.jelly"
        if not file.exists():
            file.write_bytes(take(self.repository(name)).data)
        return file

    def fresh(self, name: str, place: Path) -> Path:
        """The state anew, in a directory that does not exist."""
        if name in NOT_COPIED:
            place.mkdir()
            STATES[name](place / "r")
        else:
            self.repository(name)
            copy(self.directory / name, place)
        return place / "r"


NOT_COPIED = frozenset(
    (
        "separate_git_dir", "git_dir_is_a_link", "core_worktree", "linked_worktree", "with_linked_worktrees",
        "reftable_linked_worktree",
    )
)  # fmt: skip
"""They name places by absolute paths, so they are built anew each time."""


def take(path: Path) -> jellyformat.Snapshot:
    """A snapshot, nothing withheld."""
    return jellyformat.snapshot(path, environment=False, secrets="allow", oversize="allow")
