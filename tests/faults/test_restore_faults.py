"""Every system call that writes is broken off or made to fail while a state is restored, undone, redone or mended.

After each fault the repository is, at the latest after the next command, exactly what it was before or what it was to
become, and from there it can be restored and undone again. JELLYFORMAT_FULL=1 takes every point, else it is a sample.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import images
import pytest
import restore_zygote
from states import Repo, base
from tracing import BROKEN, BROKEN_FOR_GOOD, FOR_GOOD, INTERRUPTED, KILL, NO_SPACE, READ_ONLY, Zygote, inject

import jellyformat

pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.sampled(2),
]

CALLS = (
    "write|writev|pwrite64|pwritev2?|copy_file_range|sendfile|fsync|fdatasync|sync|syncfs|ftruncate|openat|creat|unlink"
    "|unlinkat|rename|renameat2?|link|linkat|symlink|symlinkat|mkdir|mkdirat|rmdir|chmod|fchmod|fchmodat2?|fchown|utimensat"
    "|flock"
)
SHARE = 1 if os.environ.get("JELLYFORMAT_FULL") else 35
FAULTS = (KILL, NO_SPACE, BROKEN, BROKEN_FOR_GOOD, INTERRUPTED, READ_ONLY)


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    made = Zygote("restore_zygote.py")
    yield made
    made.close()


def build(directory: Path) -> None:
    """A repository with something of everything, and a snapshot of another state."""
    directory.mkdir()
    other = base(directory / "other")
    other.write("src/train.py", b"other\n")
    other.git("add", "src/train.py")
    other.append("README.md")
    other.write("thing/inner.txt", b"inner\n")
    other.write(".env", b"OTHER=1\n")
    other.remove("tool.sh")
    other.write("wide/new.py", b"x = 1\n", 0o755)
    other.link("pointer", "README.md")
    (other.path / "empty").mkdir()
    inner = Repo(other.path / "nested")
    inner.write("a.txt")
    inner.commit()
    (directory / "x.jelly").write_bytes(images.take(other.path).data)
    images.remove(directory / "other")

    repo = base(directory / "r")
    repo.git("checkout", "-q", "-b", "side", "HEAD~1")
    repo.write("README.md", b"# side\n")
    repo.commit("side")
    repo.git("checkout", "-q", "main")
    repo.write("README.md", b"# ours\n")
    repo.commit("ours")
    repo.git("merge", "side", fails=True)
    repo.write("thing", b"a file where the other has a directory\n", 0o600)
    repo.write("src/lib/deep/untracked.bin", bytes(range(256)) * 40)
    repo.write("gone/one.txt")
    repo.write("gone/two.txt", mode=0o640)
    repo.write(".env", b"KEEP=me\n", 0o600)
    repo.write(".git/info/exclude", b".env\n")
    repo.write("debug.log", b"ignored\n")
    repo.remove("data/values.json")
    repo.link("pointer", "nowhere")
    (repo.path / "hollow").mkdir(mode=0o750)


@dataclass
class Ready:
    """A directory before a step, and what has to be before and after it."""

    directory: Path
    before: images.Image
    after: dict[str, object]


def worktree(repository: Path) -> images.Image:
    """An image without what changes with every copy: the stat data in index files."""
    found = images.image(repository)
    return {path: item for path, item in found.items() if not path.endswith(b".git/index")}


def outcome(directory: Path) -> dict[str, object]:
    repository = directory / "r"
    return {"files": worktree(repository), **images.said(repository)}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ready]:
    """Where each step begins."""
    top = tmp_path_factory.mktemp("faults")
    build(top / "restore")
    made: dict[str, Ready] = {}
    for step, follows in (("restore", None), ("undo", "restore"), ("redo", "undo"), ("mend", "restore")):
        directory = top / step
        if follows is not None:
            images.copy(top / follows, directory)
            if step == "mend":
                restore_zygote.break_off(directory, 9)
            else:
                restore_zygote.STEPS[follows](directory)
        before = images.image(directory / "r")
        images.copy(directory, top / "after")
        restore_zygote.STEPS[step](top / "after")
        made[step] = Ready(directory, before, outcome(top / "after"))
        images.remove(top / "after")
    made["mend"] = Ready(made["mend"].directory, made["restore"].before, made["mend"].after)
    return made


def leftovers(repository: Path) -> list[str]:
    """What should not be there when all is mended."""
    store = repository / ".git" / "jellyformat"
    found = [str(path) for path in repository.rglob("*.lock")]
    found += [str(path) for path in (repository / ".git").rglob("tmp_*")]
    found += [str(path) for path in store.rglob("*.tmp")] if store.exists() else []
    found += [str(store / name) for name in ("journal", "work", "locks", "strays") if (store / name).exists()]
    kept = {entry.where for entry in jellyformat.history(repository)}
    found += [str(path) for path in (store / "states").glob("*") if path not in kept]
    return found


def is_outcome(directory: Path, after: dict[str, object], call: str, fault: str) -> bool:
    """Whether all is as it is after a step. What never works there, git is told of in a new repository's config."""
    found = outcome(directory)
    if call in ("chmod", "symlink") and fault.endswith(FOR_GOOD):
        found, after = ({**said, "files": _without_configs(said["files"])} for said in (found, after))
    return found == after


def _without_configs(files: Any) -> images.Image:
    return {path: item for path, item in files.items() if not path.endswith(b"/.git/config")}


def check(zygote: Zygote, step: str, ready: Ready, directory: Path, call: str, fault: str, number: int) -> str:
    """One fault: the ``number``-th ``call`` of the step is broken off, or fails; what came of it."""
    images.copy(ready.directory, directory)
    repository = directory / "r"
    status, log = zygote.run(step, directory, *inject(call, fault, number))
    place = f"{step}: {call} {number} {fault}: status {status}\n{log[-3000:]}"
    is_reached = ("killed by SIGKILL" if fault == KILL else "INJECTED") in log
    if not is_reached and call == "rename" and status == 0:  # libgit2 writes a new config once more or less each time
        assert outcome(directory) == ready.after, place
        images.remove(directory)
        return "not reached"
    assert is_reached, place
    if fault == KILL:
        assert status == -9, place
    else:
        assert status in (0, 5), place
        if fault in (NO_SPACE, BROKEN, INTERRUPTED) and status and step != "mend":
            assert images.differences(ready.before, images.image(repository)) == [], place
        if status == 0 and not fault.endswith(FOR_GOOD):  # else a lock of ours may stay until the next command
            assert outcome(directory) == ready.after, place
    jellyformat.history(repository)
    found = images.differences(ready.before, images.image(repository))
    result = "before"
    if found:
        assert is_outcome(directory, ready.after, call, fault), place + "\n".join(found)
        result = "after"
    assert (status != 0) or result == "after" or step == "mend", place
    assert leftovers(repository) == [], place
    if step == "restore":
        if result == "before":
            jellyformat.restore(directory / "x.jelly", repository)
        jellyformat.undo(repository)
        assert images.differences(ready.before, images.image(repository)) == [], place
    images.remove(directory)
    return result


def points(log: str) -> list[tuple[str, int]]:
    """Every call that writes: its name and which one of its name it is."""
    seen: Counter[str] = Counter()
    found = []
    for line in log.splitlines():
        match = re.match(r"(\w+)\((.*)", line)
        if match is None:
            continue
        seen[match[1]] += 1
        if match[1] != "openat" or re.search(r"O_(CREAT|WRONLY|RDWR)", match[2]):
            found.append((match[1], seen[match[1]]))
    return found


@pytest.mark.parametrize("step", ["restore", "undo", "redo", "mend"])
def test_every_fault(
    step: str, ready: dict[str, Ready], tmp_path: Path, zygote: Zygote, record_property: Callable[[str, object], None]
) -> None:
    start = ready[step]
    images.copy(start.directory, tmp_path / "baseline")
    status, log = zygote.run(step, tmp_path / "baseline", f"trace=/^({CALLS})$")
    assert status == 0
    assert outcome(tmp_path / "baseline") == start.after
    calls = points(log)
    assert len(calls) > 20, log
    jobs = [(call, fault, number) for call, number in calls for fault in FAULTS]
    chosen = jobs[:: SHARE if step != "mend" else max(1, SHARE // 3)]
    results = Counter(
        check(zygote, step, start, tmp_path / str(place), call, fault, number)
        for place, (call, fault, number) in enumerate(chosen)
    )
    record_property("fault points", len(chosen))
    print(f"{step}: {len(chosen)} of {len(jobs)} faults at {dict(Counter(call for call, _ in calls))}: {dict(results)}")
    assert results["before"]
    assert results["after"] or step == "mend"  # which ends with what was before the restore


@pytest.mark.parametrize("step", ["create", "new"])
def test_every_fault_of_a_new_repository(step: str, ready: dict[str, Ready], tmp_path: Path, zygote: Zygote) -> None:
    """It is there whole, or not at all; what is left of it is found by `fix`, and the same done again is done."""

    def begin(name: str) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        (directory / "x.jelly").symlink_to(ready["restore"].directory / "x.jelly")
        if step == "create":
            (directory / "new").mkdir()
        return directory

    directory = begin("baseline")
    status, log = zygote.run(step, directory, f"trace=/^({CALLS})$")
    assert status == 0
    after = worktree(directory / "new")
    jobs = [(call, fault, number) for call, number in points(log) for fault in FAULTS]
    results: Counter[str] = Counter()
    for place, (call, fault, number) in enumerate(jobs[:: SHARE if step == "new" else max(1, SHARE // 5)]):
        directory = begin(str(place))
        status, log = zygote.run(step, directory, *inject(call, fault, number))
        told = f"{step}: {call} {number} {fault}: status {status}\n{log[-3000:]}"
        if call == "rename" and status == 0 and not re.search(r"killed by SIGKILL|INJECTED", log):
            images.remove(directory)  # libgit2 writes a new config once more or less each time
            continue
        assert status == -9 if fault == KILL else status in (0, 5), told
        new = directory / "new"
        if status == 0 and not fault.endswith(FOR_GOOD):
            assert worktree(new) == after, told
        elif status == 5 and not fault.endswith(FOR_GOOD):
            assert not new.exists() or not list(new.iterdir()), told
        if new.exists():
            for left in new.glob(".git.jelly-*"):
                os.utime(left, (1, 1))
            jellyformat.fix(new)
            assert not list(new.glob(".git.jelly-*")), told
            if (new / ".git").exists():
                subprocess.run(["git", "fsck"], cwd=new, check=True, capture_output=True)
        results["whole" if (new / ".git").exists() else "not at all"] += 1
        restore_zygote.STEPS[step](directory)
        if not fault.endswith(FOR_GOOD) or call not in ("chmod", "symlink"):  # what never works there git is told of
            assert worktree(new) == after, told
        images.remove(directory)
    print(f"{step}: {sum(results.values())} of {len(jobs)} faults: {dict(results)}")
    assert len(results) == 2
