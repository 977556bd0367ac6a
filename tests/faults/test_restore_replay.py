"""Power loss while a state is restored, undone, redone or mended: what the disk may hold then is built and recovered.

The calls of a real run are recorded (``replay``); from each state, the next command makes what was before or what was
to become, and from there it goes on: an undo brings back all that the restore has replaced.
"""

from __future__ import annotations

import os
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import disk
import images
import pytest
import recording
import replay
import restore_zygote
from sample import FULL, share
from states import Repo, git
from test_restore_faults import build, leftovers, worktree
from tracing import Zygote

import jellyformat
from jellyformat.checkout import journal as journals
from jellyformat.checkout import store as stores
from jellyformat.files import durable, platform

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

BACK = {"restore": "undo", "undo": "redo", "redo": "undo"}
SOME = 4
"""States of each step that are recovered each time; JELLYFORMAT_FULL=1 takes all."""


def build_wide(directory: Path) -> None:
    """More files and directories than are synced one by one, in both states and in one of them alone."""
    directory.mkdir()
    for name in ("other", "r"):
        repo = Repo(directory / name)
        repo.write("both/first.txt")
        repo.commit("in both")
        for number in range(24):
            repo.write(f"both/{number}/a.txt", f"{number} of {name}\n".encode() * 30)
            repo.write(f"{name}/{number}/b.txt", f"{number} of {name}\n".encode() * 300)
        repo.commit()
        for number in range(12):
            repo.write(f"both/{number}/a.txt", f"{number} of {name}, not committed\n".encode())
            repo.write(f"untracked {name}/{number}/c.txt", f"{number} of {name}, new\n".encode(), 0o640)
        repo.link("link", f"to {name}")
    (directory / "x.jelly").write_bytes(images.take(directory / "other").data)
    images.remove(directory / "other")


def view(repository: Path) -> dict[str, object]:
    """What has to be as it was: all files, and what git says of the index."""
    quiet = {"GIT_OPTIONAL_LOCKS": "0"}
    return {
        "files": worktree(repository),
        "index": git(repository, "ls-files", "--stage", "-z", "-v", extra=quiet, fails=True),
        "status": git(repository, "status", "--porcelain=v2", "-z", "-uall", "--no-renames", extra=quiet, fails=True),
    }


def differs(one: dict[str, object], two: dict[str, object]) -> list[str]:
    found = images.differences(one["files"], two["files"])  # type: ignore[arg-type]
    return found + [name for name in ("index", "status") if one[name] != two[name]]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    made = Zygote("restore_zygote.py")
    yield made
    made.close()


FOLLOWS = {"undo": "restore", "redo": "undo", "mend": "restore", "wide undo": "wide restore"}
"""The step that leads to where another begins."""


@pytest.fixture(scope="module")
def begins(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where a step begins."""
    top = tmp_path_factory.mktemp("replay")

    def begin(step: str) -> Path:
        place = top / step
        if place.exists():
            return place
        if step not in FOLLOWS:
            (build_wide if step.startswith("wide") else build)(place)
            return place
        images.copy(begin(FOLLOWS[step]), place)
        if step == "mend":
            restore_zygote.break_off(place, 9)
        else:
            restore_zygote.STEPS[FOLLOWS[step].removeprefix("wide ")](place)
        return place

    return begin


def record(zygote: Zygote, step: str, begins: Path, place: Path) -> recording.Recording:
    """What a step does in a copy of a directory."""
    images.copy(begins, place)
    run = recording.Recording(place)
    status, log = zygote.run(step, place, recording.TRACED, options=recording.OPTIONS)
    assert status == 0
    run.read(log)
    return run


@pytest.fixture
def on_copies(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a store known in its copies: they have other inodes, and other times of change."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # what is tested here is logic, and syncs are slow
    for module in (platform, durable):
        monkeypatch.setattr(module, "sync", lambda fd: None)
    for module in (platform, journals):
        monkeypatch.setattr(module, "sync_filesystem", lambda fd: None, raising=False)

    def known(place: Path) -> None:
        info = (place / "r" / ".git" / "jellyformat" / "here").lstat()
        mark = {"ctime": info.st_ctime_ns, "inode": info.st_ino}
        monkeypatch.setattr(stores, "_mark_of", lambda found: mark)

    return known


def check(step: str, place: Path, before: dict[str, object], after: dict[str, object], *, ordered: bool) -> str:
    """The next command recovers a state, and the steps after that work; what it has become.

    Where names are written in any order, an index of ours may be there without the lock that it is known by: it is
    then put aside, and kept.
    """
    repository = place / "r"
    jellyformat.history(repository)
    found = view(repository)
    away = differs(before, found)
    result = "after" if away else "before"
    if away:
        not_after = differs(after, found)
        assert not not_after, f"neither before:\n{away}\nnor after:\n{not_after}"
    left = [path for path in leftovers(repository) if ordered or not path.endswith("/strays")]
    assert left == [], [str(path) for above in left for path in Path(above).rglob("*")]
    if step == "mend":
        return result
    if result == "before":
        restore_zygote.STEPS[step](place)
        assert not differs(after, view(repository)), f"the step again: {differs(after, view(repository))}"
    restore_zygote.STEPS[BACK[step]](place)
    assert not differs(before, view(repository)), f"the way back: {differs(before, view(repository))}"
    git(repository, "fsck", "--connectivity-only")
    return result


def replayed(
    step: str, begins: Callable[[str], Path], zygote: Zygote, place: Path, known: Callable[[Path], None]
) -> tuple[Counter[str], list[str]]:
    """How many states there are of each kind and what became of them; and what went wrong."""
    start = begins(step)
    before = view((begins("restore") if step == "mend" else start) / "r")
    step = step.removeprefix("wide ")
    run = record(zygote, step, start, place)
    known(place)
    after = view(place / "r")
    made = list(replay.states(run, more=3 if FULL else 1))
    chosen = [
        state
        for ordered in (True, False)
        for part in [[state for state in made if state.is_ordered is ordered]]
        for state in share(part, max(1, 2 * len(part) // SOME))
    ]
    counts: Counter[str] = Counter(operations=len(run.ops), built=len(made), recovered=len(chosen))
    counts["syncs"] = len(run.events) - len(run.ops)
    wrong = []
    for state in chosen:
        state.disk.build(place)
        try:
            result = check(step, place, before, after, ordered=state.is_ordered)
        except Exception as error:
            event = run.events[state.at - 1]
            last = replay.describe(event) if isinstance(event, disk.Op) else f"sync {event.inode and 1}"
            wrong.append(
                f"{step}: {state.kind} ({state.told}) after {state.at} of {len(run.events)}, {last}: "
                + "".join(traceback.format_exception(error)[-1:])[:1500]
            )
            counts[f"{state.kind}: WRONG"] += 1
        else:
            counts[f"{state.kind}: {result}"] += 1
    return counts, wrong


@pytest.mark.parametrize("step", share([*FOLLOWS, "restore", "wide restore"], 3))
def test_power_loss(
    step: str, begins: Callable[[str], Path], zygote: Zygote, tmp_path: Path, on_copies: Callable[[Path], None]
) -> None:
    counts, wrong = replayed(step, begins, zygote, tmp_path / "place", on_copies)
    print(step, dict(counts))
    assert not wrong, "\n".join(wrong)
