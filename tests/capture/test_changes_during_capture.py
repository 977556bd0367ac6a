"""Files and indexes that change while they are read: taken whole, or listed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from parts import omitted
from states import base

import jellyformat
from jellyformat import errors
from jellyformat.capture import capture, pieces, watch, worktree


class Writer:
    """Writes to a file from a thread for as long as it is entered."""

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        self._path = path
        self._replace = replace
        self._over = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            if self._replace:
                other = self._path.with_name("other")
                other.write_bytes(self._path.read_bytes())
                other.replace(self._path)
            else:
                with open(self._path, "ab") as file:
                    file.write(b"%d\n" % number)
            self._begun.set()
            time.sleep(0.0005)

    def __enter__(self) -> None:
        self._thread.start()
        self._begun.wait()

    def __exit__(self, *unused: object) -> None:
        self._over.set()
        self._thread.join()


def test_file_that_does_not_hold_still(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("train-output.txt", b"0\n" * 1_000_000)
    repo.write("calm.txt")
    with Writer(repo.path / "train-output.txt"):
        snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {b"train-output.txt": "changing"}
    assert snap.manifest.summary.untracked == (b"calm.txt",)
    after = jellyformat.snapshot(repo.path)
    assert omitted(after) == {}
    with after.open() as box:
        assert box.read("train-output.txt") == (repo.path / "train-output.txt").read_bytes()


def test_tracked_file_that_does_not_hold_still(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("src/train.py", b"0\n" * 1_000_000)
    with Writer(repo.path / "src/train.py"):
        snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {b"src/train.py": "changing"}
    (tmp_path / "s.jelly").write_bytes(snap.to_bytes())
    assert jellyformat.verify(tmp_path / "s.jelly").ok


@pytest.mark.parametrize(
    "change", ["appended", "same size", "same size and time", "gone", "made a link", "made a FIFO"]
)
def test_file_that_changes_once_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    repo = base(tmp_path / "repo")
    target = repo.path / "new.txt"
    target.write_bytes(b"before\n")
    if change != "same size and time":
        os.utime(target, ns=(10**18, 10**18))
    times: list[int] = []
    read = pieces.read_whole

    def changing(path: bytes, before: os.stat_result, place: int) -> bytes | None:
        content = read(path, before, place)
        if path.endswith(b"new.txt") and not times:
            times.append(1)
            if change in ("gone", "made a link", "made a FIFO"):
                target.unlink()
            if change == "made a link":
                target.symlink_to("README.md")
            elif change == "made a FIFO":
                os.mkfifo(target)
            elif change != "gone":
                target.write_bytes(b"after, longer\n" if change == "appended" else b"after!\n")
            if change == "same size and time":
                os.utime(target, ns=(before.st_mtime_ns, before.st_mtime_ns))
        return content

    monkeypatch.setattr(worktree, "read_whole", changing)
    snap = jellyformat.snapshot(repo.path)
    with snap.open() as box:
        found = {file.path: box.read(file.path) for file in box.files()}.get(b"new.txt")
    expected = {"appended": b"after, longer\n", "gone": None, "made a link": b"README.md", "made a FIFO": None}
    assert found == expected.get(change, b"after!\n")
    assert omitted(snap) == ({b"new.txt": "special"} if change == "made a FIFO" else {})


def test_write_that_the_clock_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one tick of the file system's clock a file can change without a trace in its times."""
    repo = base(tmp_path / "repo")
    target = repo.path / "new.txt"
    target.write_bytes(b"half old\n")
    times: list[int] = []
    read, stamp = pieces.read_whole, worktree._stamp

    def changing(path: bytes, before: os.stat_result, place: int) -> bytes | None:
        content = read(path, before, place)
        if path.endswith(b"new.txt") and not times:
            times.append(1)
            target.write_bytes(b"half new\n")
        return content

    monkeypatch.setattr(worktree, "read_whole", changing)
    monkeypatch.setattr(worktree, "_stamp", lambda found: stamp(found)[:2])  # as if the clock stood
    now = target.stat().st_ctime_ns  # and however slow the machine is
    monkeypatch.setattr(worktree, "time", SimpleNamespace(time_ns=lambda: now, sleep=time.sleep))
    with jellyformat.snapshot(repo.path).open() as box:
        assert box.read("new.txt") == b"half new\n"


def test_index_that_keeps_changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = base(tmp_path / "repo")
    index, real = repo.path / ".git/index", watch.step

    def step(what: str) -> None:
        """Git writes the index anew in the midst of each capture."""
        (repo.path / ".git/other").write_bytes(index.read_bytes())
        os.utime(repo.path / ".git/other", ns=(1, index.stat().st_mtime_ns + 1_000_000))
        (repo.path / ".git/other").replace(index)
        real(what)

    monkeypatch.setattr(capture, "_PATIENCE", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(watch, "step", step)
        with pytest.raises(errors.Busy, match="kept changing"):
            jellyformat.snapshot(repo.path)
    jellyformat.snapshot(repo.path)
