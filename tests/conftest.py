"""Fixtures for all tests: a clean git environment, and a small real repository. Which group each test is in.

Every test is in one of four groups, so that `pytest -m core` is all that can be run without a framework:

* `framework`: in `adapters/` and `frameworks/`, or marked so: it needs torch, numpy, a store's client or the like.
* `fault`: in `faults/`: stops, kills or starves the program at every step.
* `slow`: in `conformance/`, which tests the suite's runner, in `fuzz/` and `trust/`, or marked so: it takes more than
  two seconds, or needs a checker (mypy, import-linter).
* `core`: all others.

A `slow` test of a framework has both marks. Of tests that are `sampled(N)`, each commit takes one of N shares; those
that are asked for by name, and with JELLYFORMAT_ALL=1 all, are run (tests/sample.py).
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression
from gitrepo import ENVIRONMENT, git
from sample import ALL, share

HERE = Path(__file__).parent
GROUPS = {
    "adapters": "framework", "conformance": "slow", "faults": "fault", "frameworks": "framework", "fuzz": "slow",
    "trust": "slow",
}  # fmt: skip
"""What the tests of a directory are."""


def group_of(path: Path) -> str | None:
    """The group that a file's directory puts it in."""
    return next((group for name, group in GROUPS.items() if path.is_relative_to(HERE / name)), None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Directories of which `-m` takes nothing are not even imported: their frameworks need not be there."""
    group = group_of(collection_path)
    chosen = config.getoption("markexpr")
    if group is None or not chosen:
        return None
    expression = Expression.compile(chosen)
    if not set(re.findall(r"\w+", chosen)) <= {"core", "framework", "fault", "slow", "and", "or", "not"}:
        return None  # it asks for more than the groups
    for marks in ({group}, {group, "slow"}):
        if expression.evaluate(lambda name, /, _marks=marks, **_: name in _marks):
            return None
    return True


def in_turn(items: list[pytest.Item]) -> set[pytest.Item]:
    """What this commit's turn is: all that is not sampled, and of each module's tests with equal shares one share."""
    chosen: set[pytest.Item] = set()
    sampled: dict[tuple[Path, int], list[pytest.Item]] = {}
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is None:
            chosen.add(item)
        else:
            sampled.setdefault((item.path, mark.args[0]), []).append(item)
    for place, ((_, shares), found) in enumerate(sampled.items()):
        chosen.update(share(found, shares, place))
    return chosen


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its group, before `-m` chooses; leave out what another commit's share has."""
    if not ALL and not config.getoption("keyword") and not any("::" in name for name in config.args):
        chosen = in_turn(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = [item for item in items if item in chosen]
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        group = group_of(item.path)
        if group is not None and group not in marks:
            item.add_marker(group)
        elif not marks & {"framework", "fault", "slow"}:
            item.add_marker("core")


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> Iterator[None]:
    """No configuration of git's or pytest's of whoever runs the tests, and fixed names and dates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(autouse=True)
def not_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A save call in this process, in no repository, would take that of the test: the one of jellyformat itself."""
    monkeypatch.setattr("jellyformat.capture.program.calling_file", lambda: None)


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
