"""The story of sixty checkpoints: which had a learning rate, which share their code, what changed where, which is best.

The key is written down before the checkpoints are made; each answer of the commands that
docs/guides/many-checkpoints.md shows is held against it.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import threading
import time
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from craft import assemble, good, pack
from gitrepo import ENVIRONMENT, git
from test_labels import make_pickle, run
from test_story import jelly

import jellyformat
from jellyformat.errors import CaptureWarning
from jellyformat.format import frames, manifest

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guides" / "many-checkpoints.md"
EPOCHS = 10


@dataclass(frozen=True)
class Trained:
    """A run of the key: its learning rate, the code it began with, and the epoch from which it had another one."""

    name: str
    lr: str
    code: str
    epochs: dict[int, str]
    best: float


KEY = (
    Trained("baseline", "0.01", "first", {}, 0.50),
    Trained("small-lr", "0.007", "smaller", {}, 0.41),
    Trained("wider", "0.01", "first", {6: "wide"}, 0.31),
    Trained("again", "0.01", "first", {}, 0.48),
    Trained("nested/adam", "0.007", "adam", {}, 0.22),
    Trained("nested/refactored", "0.007", "refactored", {}, 0.35),
)
CODE: dict[str, dict[str, str]] = {
    "first": {"config.py": "lr = 0.01\nseed = 1\n", "model.py": "hidden = 64\n", "train.py": "optimizer = 'sgd'\n"},
    "smaller": {"config.py": "lr = 0.007\nseed = 1\n"},
    "wide": {"model.py": "hidden = 128\n"},
    "adam": {"config.py": "lr = 0.007\nseed = 1\n", "train.py": "optimizer = 'adam'\n"},
    "refactored": {
        "config.py": "lr = 0.007\nseed = 1\n",
        "train.py": "".join(f"def step_{number}():\n    return {number}\n" for number in range(20)),
        "data.py": "".join(f"load({number})\n" for number in range(30)),
    },
}
"""Files of the first code, and where the others differ from it."""
CHANGES = {
    "small-lr/epoch-1.pkl": ["lr: 0.01 → 0.007 (config.py)"],
    "wider/epoch-1.pkl": ["lr: 0.007 → 0.01 (config.py)"],
    "wider/epoch-6.pkl": ["hidden: 64 → 128 (model.py)"],
    "again/epoch-1.pkl": ["hidden: 128 → 64 (model.py)"],
    "nested/adam/epoch-1.pkl": ["lr: 0.01 → 0.007 (config.py)", "optimizer: sgd → adam (train.py)"],
    "nested/refactored/epoch-1.pkl": ["A data.py +30", "M train.py +40 -1"],
}
"""Which checkpoints have another code than the one before, and what is said of it."""


def val_loss(trained: Trained, epoch: int) -> float:
    return round(trained.best + (EPOCHS - epoch) * 0.01, 3)


def names(trained: Trained, epochs: range = range(1, EPOCHS + 1)) -> list[str]:
    return [f"runs/{trained.name}/epoch-{epoch}.pkl" for epoch in epochs]


ALL = [name for trained in KEY for name in names(trained)]
LOW = [name for trained in KEY if trained.lr == "0.007" for name in names(trained)]
FIRST = [*names(KEY[0]), *names(KEY[2], range(1, 6)), *names(KEY[3])]
BEST = "runs/nested/adam/epoch-10.pkl"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty checkpoints of six runs, made after the key; and two files that are none."""
    top = tmp_path_factory.mktemp("story")
    root = top / "project"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        git(root, "init", "-q")
        taken: dict[str, jellyformat.Snapshot] = {}
        for number, trained in enumerate(KEY):
            code = trained.code
            for epoch in range(1, EPOCHS + 1):
                code = trained.epochs.get(epoch, code)
                if code not in taken:
                    for path in root.glob("*.py"):
                        path.unlink()
                    for name, text in {**CODE["first"], **CODE[code]}.items():
                        (root / name).write_text(text)
                    git(root, "add", ".")
                    git(root, "commit", "-q", "--allow-empty", "-m", code)
                    taken[code] = jellyformat.snapshot(root)
                file = top / "runs" / trained.name / f"epoch-{epoch}.pkl"
                file.parent.mkdir(parents=True, exist_ok=True)
                labels = {"lr": float(trained.lr), "epoch": epoch, "val_loss": val_loss(trained, epoch)}
                snap = captured(taken[code], 1_700_000_000 + 3600 * number)
                jellyformat.embed(make_pickle(file), snap, labels=labels)
    (top / "runs" / "notes.txt").write_text("nothing in it\n")
    (top / "runs" / "nested" / "metrics.csv").write_text("epoch,loss\n")
    return top


def captured(snap: jellyformat.Snapshot, seconds: int) -> jellyformat.Snapshot:
    """The same state, captured at some time."""
    old = snap.manifest
    parts = replace(old, provenance=replace(old.provenance, time=seconds))
    header = frames.parse_header(snap.data[: frames.HEADER_LENGTH])
    blocks = snap.data[frames.HEADER_LENGTH + header.manifest_length :]
    return jellyformat.Snapshot(pack(manifest.encode(parts), [blocks]))


@pytest.fixture
def here(story: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(story)
    return story


def shown_commands() -> dict[str, list[str]]:
    """The questions and commands of the guide to many checkpoints."""
    found = re.findall(r"^jelly (.*?)\s+# (.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    return {question: shlex.split(command) for command, question in found}


def files_of(output: str) -> list[str]:
    return [line.split("\t")[1] for line in output.splitlines() if line.startswith("20")]


# -- the questions of the guide, each with one command -----------------------------------------------------------------


def test_which_had_this_learning_rate(here: Path) -> None:
    asked = shown_commands()
    assert sorted(files_of(run(*asked["which had lr 0.007, by their label?"]))) == sorted(LOW)
    said = run(*asked["which had it in their code?"])
    assert "1: lr = 0.007" in said
    assert "in 30 checkpoints" in said
    for trained in KEY:
        assert (f"runs/{trained.name}/epoch-{{1..10}}.pkl" in said) == (trained.lr == "0.007")


def test_which_share_their_code(here: Path) -> None:
    code = jellyformat.show("runs/baseline/epoch-1.pkl").snapshot_id
    commands = shown_commands()
    (command,) = (words for question, words in commands.items() if question == "which have the code of this one?")
    for name in (code[:12], "runs/baseline/epoch-1.pkl"):
        said = run(*(name if word == "runs/a/1.pt" else word for word in command))
        assert sorted(files_of(said)) == sorted(FIRST)


def test_what_changed_where(here: Path) -> None:
    said = run(*shown_commands()["what changed, and where?"])
    lines = [line for line in said.splitlines() if line.startswith("20")]
    changed = {}
    for line in lines:
        cells = line.split("\t")
        if cells[-1]:
            changed[cells[1].removeprefix("runs/")] = cells[-1]
    assert changed.keys() == CHANGES.keys()
    for name, words in CHANGES.items():
        for word in words:
            assert word in changed[name], (name, changed[name])
    entries = {entry.file: entry for entry in jellyformat.log("runs")}
    inside = entries["runs/wider/epoch-6.pkl"]
    assert inside.changes == (("M", b"model.py"),)
    assert inside.since == "runs/wider/epoch-5.pkl"
    first = entries["runs/wider/epoch-1.pkl"]
    assert first.changes is None  # the first of its run
    assert first.since == "runs/small-lr/epoch-10.pkl"


def test_which_is_best(here: Path) -> None:
    said = run(*shown_commands()["which was best?"])
    assert files_of(said) == [BEST]
    (entry,) = jellyformat.log("runs", sort="val_loss", n=1)
    assert (entry.file, entry.labels["val_loss"], entry.labels["epoch"]) == (BEST, "0.22", "10")
    worst = jellyformat.log("runs", sort="val_loss", reverse=True, n=2)
    assert [entry.labels["val_loss"] for entry in worst] == ["0.59", "0.58"]


def test_a_leak_is_found_and_taken_out(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = shown_commands()["which have this text in their files?"]
    having = run(*("hidden = 128" if word == "TEXT" else word for word in asked)).split()
    assert having == names(KEY[2], range(6, 11))
    shutil.copytree("runs", tmp_path / "runs")
    monkeypatch.chdir(here / "project")
    files = [str(tmp_path / name) for name in having]
    said = run("embed", "--replace", "--exclude", "model.py", *files)
    assert said.count("(trailer)") == len(files)
    run("grep", "-lF", "hidden = 128", str(tmp_path / "runs"), code=3)
    assert len(run("grep", "-lF", "hidden = 64", str(tmp_path / "runs")).split()) == 55
    assert [entry.labels["epoch"] for entry in jellyformat.log(*files)] == ["6", "7", "8", "9", "10"]
    assert run("strip", *files).count("as it was before") == len(files)


# -- the other forms --------------------------------------------------------------------------------------------------


def test_order(here: Path) -> None:
    """By run, time and name as people count: epoch 2 before 10."""
    assert [entry.file for entry in jellyformat.log("runs")] == ALL
    assert files_of(run("log", "runs")) == ALL
    assert [entry.file for entry in jellyformat.log("runs", reverse=True, n=2)] == ALL[::-1][:2]
    by_time = jellyformat.log("runs", since="2023-11-14T23:13:20Z", until="@1700010800")
    assert [entry.file for entry in by_time] == ALL[10:40]


def test_a_label_that_none_has_is_said(here: Path) -> None:
    """Mistyped, the first of all would look as if it was the best; and two conditions in one are never met."""
    for words in (["--sort", "val_los", "-n", "1"], ["--where", "val_los<0.2"], ["--where", "lr", "--sort", "val_los"]):
        done = jelly(here, "log", "runs", *words, code=3 if words[1] == "val_los<0.2" else 0)
        assert b"no checkpoint here has a label 'val_los'" in done.stderr, words
        assert b"'lr'" not in done.stderr
        assert b"has a label" not in jelly(here, "log", "runs", *words, "-q", code=done.returncode).stderr
    for words in (["--where", "val_los!=3"], ["--sort", "time"], ["--where", "run=runs/wider", "--sort", "val_loss"]):
        assert b"has a label" not in jelly(here, "log", "runs", *words).stderr, words
    for text in ("epoch>=3 and lr=0.01", "epoch>=3 && lr=0.01"):
        assert b"--where A --where B" in jelly(here, "log", "runs", "--where", text, code=3).stderr
    assert b"--where A" not in jelly(here, "log", "runs", "--where", "epoch>=300", code=3).stderr


def test_a_time_as_it_is_shown_can_be_asked_for_in_every_zone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its Z, it would be one of the local clock."""
    monkeypatch.setenv("TZ", "XYZ-9")
    time.tzset()
    try:
        for form in ("plain", "table"):
            shown = run("log", "runs", "--format", form, "--columns", "time")
            (last,) = sorted(set(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", shown)))[-1:]
            assert files_of(run("log", "runs", "--since", last)) == [
                entry.file for entry in jellyformat.log("runs") if (entry.created or "").replace("T", " ") == last
            ]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_selection(here: Path) -> None:
    def files(**options: object) -> list[str]:
        return [entry.file for entry in jellyformat.log("runs", **options)]  # type: ignore[arg-type]

    assert files(where=["val_loss<0.24", "epoch>8"]) == names(KEY[4], range(9, 11))
    assert files(where="file~nested/a") == names(KEY[4])
    assert files(where="no_such_label") == []
    assert files(where="no_such_label!=3") == ALL
    assert files(branch="ma*") == ALL
    assert files(branch="other") == []
    assert files(changed="model.py") == [
        *names(KEY[0], range(1, 2)), "runs/wider/epoch-6.pkl", "runs/again/epoch-1.pkl",
    ]  # fmt: skip
    assert files(changed="data.py") == ["runs/nested/refactored/epoch-1.pkl"]


def test_json_and_jsonl(here: Path) -> None:
    found = json.loads(run("log", "runs", "--json").partition("]\n60 checkpoints")[0] + "]")
    assert [entry["file"] for entry in found] == ALL
    assert {entry["version"] for entry in found} == {1}
    assert found[25]["changes"] == [{"change": "M", "path": "model.py"}]
    assert found[25]["edits"] == [
        {"change": "M", "path": "model.py", "added": 1, "removed": 1, "text": "hidden: 64 → 128", "values": []}
    ]
    assert found[0]["labels"] == {"epoch": "1", "lr": "0.01", "val_loss": "0.59"}
    lines = [json.loads(line) for line in run("log", "runs", "--format", "jsonl", "--quiet").splitlines()]
    assert sorted(line["file"] for line in lines) == sorted(ALL)
    assert {line["version"] for line in lines} == {1}
    sorted_lines = run("log", "runs", "--format", "jsonl", "--sort", "val_loss", "-n", "1", "--quiet")
    assert json.loads(sorted_lines)["file"] == BEST


def test_csv(here: Path, tmp_path: Path) -> None:
    run("log", "runs", "--format", "csv", "-o", str(tmp_path / "x.csv"))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert [row["file"] for row in rows] == ALL
    assert rows[25]["changes"] == "hidden: 64 → 128 (model.py)"
    assert float(rows[25]["val_loss"]) == val_loss(KEY[2], 6)
    run("log", "runs", "-o", str(tmp_path / "x.csv"), code=4)


def test_table(here: Path) -> None:
    """A line for each checkpoint, and one for each change of the code, in front of the first that has it."""
    lines = run("log", "runs", "--format", "table", "--quiet").splitlines()
    assert len(lines) == 1 + 60 + len(CHANGES)
    assert lines[0].split() == ["FILE", "TIME", "BRANCH", "COMMIT", "CODE", "epoch", "lr", "val_loss"]
    for at, line in enumerate(lines):
        if line.startswith("  ↓"):
            (words,) = (words for name, words in CHANGES.items() if f"runs/{name} " in lines[at + 1])
            assert all(word in line for word in words)
    shown = run("log", "runs/baseline", "--format", "table", "--quiet")
    assert "the same in all: lr=0.01" in shown
    shown = run(
        "log", "runs", "--format", "table", "--columns", "file, val_loss", "--sort", "val_loss", "-n", "1", "-q"
    )
    assert shown.split() == ["FILE", "val_loss", BEST, "0.22"]


def on_a_terminal(*arguments: str) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    command = [sys.executable, "-m", "jellyformat", *arguments]
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"PAGER": "cat", "TERM": "xterm"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=env) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # as Linux tells the end
            while data := os.read(ours, 1 << 16):
                shown += data
        os.close(ours)
    assert process.returncode == 0
    return shown.decode()


def test_on_a_terminal(here: Path) -> None:
    """A table, the same code in the same colour; labels that do not fit are left out, and no colour where none is."""
    shown = on_a_terminal("log", "runs/baseline", "runs/again", "runs/small-lr")
    codes = set(re.findall(r"(\x1b\[\d+m)([0-9a-f]{12})", shown))
    assert len(codes) == len({code for _, code in codes}) == 2
    plain = re.sub(r"\x1b\[\d*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 80 + len("  ↓ , since runs/small-lr/epoch-10.pkl")
    assert "epoch" in plain.splitlines()[0]
    assert "val_loss" not in plain.splitlines()[0]
    assert "\x1b" not in on_a_terminal("log", "runs/baseline", "--no-color")


def test_nothing_reaches_a_terminal_raw(tmp_path: Path) -> None:
    """Labels and notes are what somebody wrote."""
    odd = "\x1b]0;title\x07\u202e"
    host = make_pickle(tmp_path / "m.pkl")
    jellyformat.embed(
        host,
        jellyformat.Snapshot(assemble(*good())),
        labels={odd.replace("\x1b", "").replace("\x07", ""): odd},
        note=odd,
    )
    for form in ("table", "plain", "json", "jsonl", "csv"):
        said = run("log", str(host), "--format", form, "--columns", "file,note")
        assert not set(said) & set("\x1b\x07\u202e"), form
    assert not set(run("log", str(host), "--format", "table")) & set("\x1b\x07\u202e")
    assert not set(run("label", str(host), "a=b")) & set("\x1b\x07\u202e")


def test_patch_and_stat(here: Path) -> None:
    said = run("log", "runs/wider", "-p")
    assert "    -hidden = 64\n    +hidden = 128\n" in said
    assert said.count("diff --git") == 1
    said = run("log", "runs/nested", "--stat", "--path", "data.py", "-q")
    assert said.splitlines()[-1].strip() == "A data.py +30"
    assert "train.py" not in said


def test_what_carries_nothing_is_counted(here: Path) -> None:
    said = run("log", "runs")
    assert "60 checkpoints; 2 files without a snapshot: runs/notes.txt, runs/nested/metrics.csv\n" in said
    assert "without" not in run("log", "runs", "--quiet")


def test_where_nothing_is_there(here: Path, tmp_path: Path) -> None:
    """It is said, and the exit status tells, in every form; what was not asked for is another thing."""
    for at in range(5):
        (tmp_path / f"{at}.txt").write_text("none\n")
    names = [str(tmp_path / f"{at}.txt") for at in range(5)]
    said = run("log", str(tmp_path), code=3)
    assert said == (
        f"there is no checkpoint with a snapshot here; 5 files without a snapshot: {', '.join(names[:3])} and 2 more\n"
    )
    assert ", ".join(names) in run("log", str(tmp_path), "-v", code=3)
    for form in ("plain", "table", "csv", "jsonl"):
        assert "no checkpoint" in run("log", str(tmp_path), "--format", form, code=3)
    assert json.loads(run("log", str(tmp_path), "--json", "-q", code=3)) == []
    (tmp_path / "empty").mkdir()
    assert "there are no other files" in run("log", str(tmp_path / "empty"), code=3)
    said = run("log", "runs", "--where", "no_such_label=3", code=3)
    assert said == (
        "warning: no checkpoint here has a label 'no_such_label'\nno checkpoint of 60 is what was asked for\n"
    )
    assert "no checkpoint of 60" in run("log", "runs", "--path", "no_such_file", code=3)
    assert "no checkpoint of 60" in run("log", "runs", "--code", "ffffffffffffffff", "-n", "3", code=3)
    assert run("log", "runs", "-n", "0", "-q") == ""
    assert run("grep", "x", str(tmp_path), code=3) == run("log", str(tmp_path), code=3)


def test_a_run_is_named_as_it_is_shown(here: Path) -> None:
    """By its directory where the checkpoints say of none; ids by their first digits."""
    shown = run("log", "runs/wider", "--columns", "run,code,commit", "-q", "-n", "1").split()
    assert shown[:2] == ["runs/wider/epoch-10.pkl", "runs/wider"]
    for directory in ("runs/wider", "runs/wider/"):
        assert files_of(run("log", "runs", "--where", f"run={directory}")) == names(KEY[2])
    assert len(files_of(run("log", "runs", "--where", "run!=runs/wider"))) == 50
    assert files_of(run("log", "runs", "--where", f"code={shown[2]}")) == names(KEY[2], range(6, 11))
    assert files_of(run("log", "runs", "--where", f"commit={shown[3]}")) == names(KEY[2], range(6, 11))


def test_columns_keep_the_file(here: Path) -> None:
    said = run("log", "runs/baseline", "--columns", "epoch, val_loss", "-q", "--sort", "val_loss", "-n", "1")
    assert said == "runs/baseline/epoch-10.pkl\t10\t0.5\n"
    said = run("log", "runs/baseline", "--columns", "epoch", "-q", "-n", "1", "--format", "table")
    assert said.split()[:4] == ["FILE", "epoch", "runs/baseline/epoch-10.pkl", "10"]
    said = run("log", "runs/baseline", "--columns", "epoch,file", "-q", "-n", "1")
    assert said == "10\truns/baseline/epoch-10.pkl\n"


def test_damage_is_named_and_told_at_the_end(here: Path, tmp_path: Path) -> None:
    shutil.copytree("runs", tmp_path / "runs")
    broken = tmp_path / "runs" / "wider" / "epoch-3.pkl"
    data = bytearray(broken.read_bytes())
    data[data.index(frames.MAGIC) + frames.HEADER_LENGTH + 20] ^= 1  # in the manifest
    broken.write_bytes(data)
    for form in ("plain", "table", "csv", "json", "jsonl"):
        said = run("log", str(tmp_path / "runs"), "--format", form, code=1)
        assert f"{broken}: " in said
        assert said.count("epoch-4.pkl") >= 6
    *rest, last = jellyformat.log(tmp_path / "runs")
    assert (last.file, last.snapshot_id) == (str(broken), None)
    assert [entry.damaged for entry in rest] == [None] * 59
    assert [entry.file for entry in rest if entry.edits] == [str(tmp_path / "runs" / name) for name in CHANGES]
    said = run("grep", "hidden = 128", str(tmp_path / "runs"), code=1)
    assert f"{broken}: " in said
    assert "in 5 checkpoints" in said


@pytest.mark.parametrize(
    "arguments",
    [("--where", "<3"), ("--where", "a<"), ("--since", "when?"), ("-n", "-1"), ("--format", "xml")],
)
def test_wrong_usage(arguments: tuple[str, str], here: Path) -> None:
    run("log", "runs", *arguments, code=2)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "jsonl"])
def test_lines_come_as_directories_are_read(form: str, here: Path) -> None:
    """Who looks through a store sees the first ones while the last are still to come."""
    asked = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.wait(60)
            self.send_error(404)

        do_GET = do_HEAD

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/last.pkl"
    command = [sys.executable, "-m", "jellyformat", "log", "runs/baseline", "runs/wider", url, "--format", form]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert not asked.is_set()
            asked.set()
            rest = process.stdout.read()
    finally:
        asked.set()
        server.shutdown()
        server.server_close()
    assert "runs/baseline/epoch-1.pkl" in first
    assert len(rest.splitlines()) == 2 * EPOCHS - 1
    assert all(f"runs/wider/epoch-{at}.pkl" in rest for at in range(1, EPOCHS + 1))


def test_a_secret_that_is_only_committed_is_found(tmp_path: Path) -> None:
    """Nothing said that what was left out was still in the commit, and nothing found it."""
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("lr = 1\n")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "a.py").write_text("KEY = 'hunter22'\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    with pytest.warns(CaptureWarning, match=r"still in the snapshot, for HEAD's commit has it: keys/a\.py$"):
        snap = jellyformat.snapshot(tmp_path, exclude=["keys/a.py"])
    with pytest.warns(CaptureWarning, match="HEAD's commit has it: keys/$"):
        jellyformat.snapshot(tmp_path, exclude=["keys"])
    (tmp_path / "staged.py").write_text("KEY = 'hunter22'\n")
    git(tmp_path, "add", "staged.py")
    (tmp_path / "staged.py").write_text("KEY = None\n")
    with pytest.warns(CaptureWarning):
        staged = jellyformat.snapshot(tmp_path, exclude=["keys/a.py"], secrets="allow")
    for name, made in (("1.jelly", snap), ("2.jelly", staged)):
        (tmp_path / name).write_bytes(made.data)
    files = (tmp_path / "1.jelly", tmp_path / "2.jelly")
    assert jellyformat.grep("hunter22", *files) == []
    found = jellyformat.grep("hunter22", *files, committed=True)
    assert [(match.path, match.line, [Path(file).name for file in match.files]) for match in found] == [
        (b"keys/a.py", 1, ["1.jelly", "2.jelly"]),
        (b"staged.py", 1, ["2.jelly"]),
    ]
    said = run("grep", "-lF", "hunter22", *map(str, files), "--committed")
    assert said.split() == list(map(str, files))
    # what is the same on disk and in the commit is one
    assert [match.files for match in jellyformat.grep("lr = 1", files[0], committed=True)] == [(str(files[0]),)]
