"""Fixtures for all tests: a clean git environment, and a small real repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitrepo import ENVIRONMENT, git


@pytest.fixture(autouse=True, scope="session")
def clean_git() -> Iterator[None]:
    """No configuration of whoever runs the tests, and fixed names and dates."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits, and staged, unstaged, untracked and deleted files."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q")
    (root / "train.py").write_text("".join(f"line {number}\n" for number in range(100)))
    (root / "model.py").write_text("hidden = 8\n")
    (root / "gone.py").write_text("to be deleted\n")
    (root / "src").mkdir()
    (root / "src" / "data.bin").write_bytes(bytes(range(256)) * 4)
    (root / ".gitignore").write_text("*.log\nmodel.*\n!model.py\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    (root / "model.py").write_text("hidden = 16\n")
    git(root, "commit", "-qam", "second: wider")
    train = (root / "train.py").read_text().replace("line 50\n", "line fifty\n")
    (root / "train.py").write_text(train)
    (root / "staged.py").write_text("staged = True\n")
    git(root, "add", "staged.py")
    (root / "new file.txt").write_text("untracked\n")
    (root / "gone.py").unlink()
    (root / "run.log").write_text("ignored\n")
    return root


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a filesystem of the size that is asked for, such as ``1m``, and gives its directory."""
    place = tmp_path / "disk"

    def mounted(size: str) -> Path:
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a small filesystem; faults/ lets every write fail without that")
        return place

    yield mounted
    if place.is_mount():
        subprocess.run(["umount", str(place)], check=True)
