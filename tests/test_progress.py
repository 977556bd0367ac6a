"""Progress: on a terminal, after a second, on stderr; never anywhere else."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from craft import assemble, good
from plain import save_npz
from test_labels import make_pickle

import jellyformat
from jellyformat import progress
from jellyformat.cli import progress as shown

SNAP = jellyformat.Snapshot(assemble(*good()))
SLOW = (
    "from jellyformat.cli import progress as shown\n"
    "shown._AFTER = {after}\n"
    "from jellyformat.cli.main import main\n"
    "main()\n"
)
"""The command line, with progress after no time at all: no test waits for a second."""


def on_a_terminal(directory: Path, *arguments: str, after: float = 0.0) -> tuple[str, bytes]:
    """What a command writes to stderr, a terminal, and to stdout, which is none."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", SLOW.format(after=after), *arguments]
    with subprocess.Popen(
        command, cwd=directory, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    ) as process:  # fmt: skip
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # as Linux tells the end
            while data := os.read(ours, 1 << 16):
                said += data
        os.close(ours)
        assert process.stdout is not None
        out = process.stdout.read()
    assert process.returncode == 0, said
    return said.decode(), out


@pytest.fixture
def place(tmp_path: Path, repository: Path) -> Path:
    """A checkpoint of many chunks, and a snapshot for it."""
    save_npz(tmp_path / "model.npz", w=[1.0] * (12 << 20))
    (tmp_path / "code.jelly").write_bytes(jellyformat.snapshot(repository).data)
    return tmp_path


LINE = re.compile(r"\[[#-]+\]  [\d.]+ \w+ of [\d.]+ \w+, [\d.]+ \w+/s, \d+:\d\d left")


def test_the_weights_that_are_hashed_and_the_host_that_is_copied(place: Path) -> None:
    said, out = on_a_terminal(place, "embed", "model.npz", "--from", "code.jelly", "--bind", "-o", "new.npz")
    assert "hashing the" in said
    assert LINE.search(said), said
    assert max(map(len, re.split(r"[\r\n]", re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", said)))) <= 130
    assert b"[#" not in out
    said, out = on_a_terminal(place, "verify", "new.npz")
    assert "hashing the" in said
    assert b"ok" in out


def test_files_that_are_written(place: Path) -> None:
    said, _ = on_a_terminal(place, "restore", "code.jelly", "back")
    assert re.search(r"writing files  \[[#-]+\]  \d+ files of \d+ files", said), said
    said, _ = on_a_terminal(place, "export", "code.jelly", "out")
    assert "writing files" in said


@pytest.mark.slow
def test_nothing_is_shown_where_nobody_looks(place: Path) -> None:
    said, _ = on_a_terminal(place, "export", "code.jelly", "fast", after=3600)
    assert "writing" not in said
    for more in (["--json"], ["--quiet"]):
        said, _ = on_a_terminal(place, "embed", "model.npz", "--from", "code.jelly", "--bind", "--replace", *more)
        assert "hashing" not in said
    command = [sys.executable, "-c", SLOW.format(after=0), "verify", "model.npz"]
    done = subprocess.run(command, cwd=place, capture_output=True, check=True)
    assert done.stderr == b""
    assert b"hashing" not in done.stdout


class Noted:
    """A meter that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def begin(self, what: str, total: int | None, unit: str) -> None:
        self.told.append(("begin", what, total, unit))

    def advance(self, count: int) -> None:
        self.told.append(("advance", count))

    def end(self, *, done: bool) -> None:
        self.told.append(("end", done))


@pytest.fixture
def noted() -> Iterator[Noted]:
    meter = Noted()
    with progress.listened(meter):
        yield meter


def test_work_within_work_counts_something_else(noted: Noted) -> None:
    """Such as bytes that are fetched for files that are written."""
    progress.advance(9)  # no work
    with progress.work("outer", 10, "files"):
        with progress.work("inner", 5000):
            progress.advance(5000)
        progress.advance(1)
    assert noted.told == [("begin", "outer", 10, "files"), ("advance", 1), ("end", True)]


def test_work_that_fails_ends(noted: Noted) -> None:
    with pytest.raises(ValueError, match="x"), progress.work("some", 10):
        raise ValueError("x")
    assert noted.told[-1] == ("end", False)
    with progress.work("more", 1):
        progress.advance(1)
    assert noted.told[-3:] == [("begin", "more", 1, "bytes"), ("advance", 1), ("end", True)]


def test_nobody_has_to_listen() -> None:
    with progress.work("some", 10):
        progress.advance(10)


def test_a_file_that_is_copied_is_told_of_by_all_its_bytes(noted: Noted, tmp_path: Path) -> None:
    host = make_pickle(tmp_path / "m.pkl")
    size = host.stat().st_size
    jellyformat.embed(host, SNAP, out=tmp_path / "n.pkl")
    begun = [told for told in noted.told if told[:2] == ("begin", "copying m.pkl")]
    assert begun == [("begin", "copying m.pkl", size, "bytes")]
    assert sum(told[1] for told in noted.told if told[0] == "advance") == size  # type: ignore[misc]


def test_what_is_fetched_is_told_of(noted: Noted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    from jellyformat.hosts import remote

    monkeypatch.setattr(remote, "_PIECE", 1000)
    (tmp_path / "x.jelly").write_bytes(SNAP.data)
    assert jellyformat.show(f"file://{tmp_path}/x.jelly").digest == SNAP.digest
    assert jellyformat.open(f"file://{tmp_path}/x.jelly").to_bytes() == SNAP.data
    begun = [told for told in noted.told if told[0] == "begin"]
    assert {told[1] for told in begun} == {"fetching x.jelly"}
    assert sum(told[2] for told in begun) >= len(SNAP.data)  # type: ignore[misc]


def test_names_are_harmless_and_the_line_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(shown, "_AFTER", 0)
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: 10.0 * next(clock))
    with shown.shown(quiet=False, json=False), progress.work("hashing bad\x1b]0;title\x07" + "x" * 200, 50 << 30):
        for _ in range(5):
            progress.advance(10 << 30)
    assert "\x1b]" not in out.getvalue()
    assert "10.7 GB of 53.7 GB" in out.getvalue()
    assert re.search(r"\d+:\d\d left", out.getvalue())


def test_what_is_looked_through_is_counted(place: Path) -> None:
    """How many files there are, nobody knows."""
    said, out = on_a_terminal(place, "log", ".", "--format", "table")
    assert re.search(r"looking through  \[[#-]+\]  1 files, \d+ files/s", said), said
    assert b"code.jelly" in out
    said, out = on_a_terminal(place, "grep", "hidden", ".")
    assert "looking through" in said
    assert b"hidden = 16" in out
    said, _ = on_a_terminal(place, "log", ".", "--format", "plain")
    assert "looking" not in said  # the lines themselves come as they are found


def test_other_threads_are_not_told_of(noted: Noted) -> None:
    """Else two would draw on one line."""

    def fetch() -> None:
        with progress.work("fetching", 5000):
            progress.advance(5000)

    with progress.work("looking", None, "files"):
        thread = threading.Thread(target=fetch)
        thread.start()
        thread.join()
        progress.advance(1)
    assert noted.told == [("begin", "looking", None, "files"), ("advance", 1), ("end", True)]
