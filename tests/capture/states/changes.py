"""What is staged, what is not, and what is neither."""

from __future__ import annotations

import os
from pathlib import Path

from states.build import base, state

# -- nothing special ---------------------------------------------------------------------------------------------------


@state()
def clean(path: Path) -> None:
    base(path)


@state()
def only_touched(path: Path) -> None:
    """Newer modification times, the same bytes: the index's stat data are stale."""
    repo = base(path)
    for name in ("README.md", "src/train.py"):
        os.utime(repo.path / name, ns=(10**18, 10**18))


@state()
def stashed(path: Path) -> None:
    repo = base(path)
    repo.append("README.md")
    repo.git("stash")


@state()
def many_branches(path: Path) -> None:
    """Refs loose and packed, a branch with a name for a shell, tags."""
    repo = base(path)
    for name in ("feat(a)&b", "x;touch$y", "deep/er/name", "übung"):
        repo.git("branch", name)
    repo.git("tag", "-a", "-m", "tagged", "v1")
    repo.git("pack-refs", "--all")
    repo.git("checkout", "-q", "x;touch$y")
    repo.append("README.md")


@state()
def touched_by_hooks(path: Path) -> None:
    """Hooks that would leave a trace if anything ran them."""
    repo = base(path)
    for name in ("pre-commit", "post-index-change", "post-checkout", "reference-transaction"):
        repo.write(f".git/hooks/{name}", b"#!/bin/sh\ntouch hook-ran\n", 0o755)
    repo.append("README.md")


# -- staged and not ----------------------------------------------------------------------------------------------------


@state()
def staged(path: Path) -> None:
    repo = base(path)
    repo.append("src/train.py")
    repo.write("src/new.py")
    repo.git("add", "-A")


@state()
def unstaged(path: Path) -> None:
    repo = base(path)
    repo.append("src/train.py")
    repo.write("README.md", b"")


@state()
def staged_then_changed(path: Path) -> None:
    repo = base(path)
    repo.append("src/train.py", b"staged\n")
    repo.write("src/new.py", b"staged\n")
    repo.git("add", "-A")
    repo.append("src/train.py", b"not staged\n")
    repo.write("src/new.py", b"not staged\n")


@state()
def staged_then_reverted(path: Path) -> None:
    repo = base(path)
    before = (path / "src/train.py").read_bytes()
    repo.append("src/train.py")
    repo.git("add", "-A")
    repo.write("src/train.py", before)


@state()
def staged_then_deleted(path: Path) -> None:
    repo = base(path)
    repo.append("src/train.py")
    repo.write("src/new.py")
    repo.git("add", "-A")
    repo.remove("src/train.py")
    repo.remove("src/new.py")


@state()
def racy(path: Path) -> None:
    """Changed in the instant the index was written, the size staying the same."""
    repo = base(path)
    repo.write("README.md", b"# PROJECT\n")
    repo.git("add", "README.md")
    repo.write("README.md", b"# pROJECT\n")
    times = (path / ".git/index").stat().st_mtime_ns
    os.utime(path / "README.md", ns=(times, times))


@state()
def every_letter(path: Path) -> None:
    """Many things at once."""
    repo = base(path)
    repo.append("src/train.py")
    repo.git("add", "-A")
    repo.append("src/train.py", b"more\n")
    repo.remove("data/values.json")
    repo.git("rm", "-q", "--cached", "README.md")
    repo.git("mv", "src/model.py", "src/net.py")
    repo.write("notes/today.md")
    (path / "tool.sh").chmod(0o644)
    repo.remove("latest")
    repo.write("latest", b"a file now\n")
