"""Flags, forms and extensions of the index."""

from __future__ import annotations

import os
from pathlib import Path

from states.build import base, beside, state


@state()
def intent_to_add(path: Path) -> None:
    repo = base(path)
    repo.write("planned.py")
    repo.write("planned-run", b"#!/bin/sh\n", 0o755)
    repo.write("planned-empty", b"")
    repo.write("planned-gone")
    repo.git("add", "-N", "planned.py", "planned-run", "planned-empty", "planned-gone")
    repo.remove("planned-gone")


@state()
def assume_unchanged(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--assume-unchanged", "src/train.py", "README.md", "tool.sh")
    repo.append("src/train.py")
    repo.remove("README.md")


@state()
def skip_worktree(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--skip-worktree", "src/train.py", "README.md", "tool.sh")
    repo.append("src/train.py")
    repo.remove("README.md")


@state()
def sparse_cone(path: Path) -> None:
    repo = base(path)
    repo.git("sparse-checkout", "set", "--cone", "src/lib")
    repo.append("src/lib/deep/util.py")
    repo.write("src/new.py")


@state()
def sparse_patterns(path: Path) -> None:
    repo = base(path)
    repo.git("sparse-checkout", "set", "--no-cone", "/*", "!/src/model.py", "!/data/")
    repo.append("src/train.py")


@state()
def sparse_index(path: Path) -> None:
    """Whole directories as one entry of the index."""
    repo = base(path)
    repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "src/lib")
    repo.append("README.md")


@state()
def sparse_file_present(path: Path) -> None:
    """A file outside of the sparse checkout that is there all the same, and changed."""
    repo = base(path)
    repo.git("sparse-checkout", "set", "--cone", "src/lib")
    repo.write("data/values.json", b"changed\n")


@state()
def index_version_4(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--index-version", "4")
    repo.append("README.md")
    repo.write("new")
    repo.git("add", "new")


@state()
def index_version_3(path: Path) -> None:
    repo = base(path)
    repo.write("planned")
    repo.git("add", "-N", "planned")
    repo.append("README.md")


@state()
def split_index(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--split-index")
    repo.append("src/train.py")
    repo.write("new.py")
    repo.git("add", "-A")
    repo.git("rm", "-q", "--cached", "README.md")
    repo.append("tool.sh")


@state()
def untracked_cache(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--untracked-cache")
    repo.write("seen/a.py")
    repo.git("status")
    repo.write("seen/b.py")
    repo.append("README.md")


@state()
def fsmonitor(path: Path) -> None:
    """A file system monitor that would leave a trace if anything asked it."""
    repo = base(path)
    hook = beside(path, "fsmonitor")
    hook.write_bytes(b"#!/bin/sh\ntouch '" + os.fsencode(hook) + b".ran'\nprintf '/\\0'\n")
    hook.chmod(0o755)
    repo.git("config", "core.fsmonitor", str(hook))
    repo.git("update-index", "--fsmonitor")
    repo.git("status")
    beside(path, "fsmonitor.ran").unlink()
    repo.append("README.md")
    repo.write("new.py")


@state()
def index_without_checksum(path: Path) -> None:
    """``index.skipHash``: the last bytes of the index are zero."""
    repo = base(path)
    index = path / ".git/index"
    index.write_bytes(index.read_bytes()[:-20] + bytes(20))
    repo.append("README.md")


@state()
def no_index(path: Path) -> None:
    """The index is gone: everything is a staged deletion, and untracked."""
    base(path)
    (path / ".git/index").unlink()
