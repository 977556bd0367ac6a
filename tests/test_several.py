"""Several files and directories of checkpoints: `verify` and `show` look at each, and say so in one form of JSON."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from craft import assemble, good
from test_labels import make_folder, make_pickle

import jellyformat
from jellyformat.format import frames

SNAP = jellyformat.Snapshot(assemble(*good()))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Checkpoints of every kind of place: in a file, beside one, in a directory; and files that are none."""
    place = tmp_path / "runs"
    (place / "b").mkdir(parents=True)
    for name in ("epoch-10.pkl", "epoch-2.pkl", "b/last.pkl"):
        jellyformat.embed(make_pickle(place / name), SNAP)
    (place / "b" / "m.json.gz").write_bytes(gzip.compress(b"{}" * 100))
    jellyformat.embed(place / "b" / "m.json.gz", SNAP)
    jellyformat.embed(make_folder(place / "folder"), SNAP)
    (place / "notes.txt").write_text("none\n")
    monkeypatch.chdir(tmp_path)
    return place


FILES = ["runs/b/last.pkl", "runs/b/m.json.gz", "runs/epoch-2.pkl", "runs/epoch-10.pkl", "runs/folder"]


def told(*arguments: str, code: int = 0) -> tuple[list[dict[str, object]], str]:
    """The objects of JSON, and what is said beside them."""
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", *arguments, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.parametrize("command", ["verify", "show"])
def test_a_directory_of_checkpoints(runs: Path, command: str) -> None:
    found, said = told(command, "runs")
    assert [item["file"] for item in found] == FILES
    assert {item["version"] for item in found} == {1}
    assert {item["snapshot_id"] for item in found} == {SNAP.id}
    assert "5 checkpoints; " in said
    assert " without a snapshot" in said
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", command, "runs"], capture_output=True, text=True, check=True
    )
    assert [name for name in FILES if name in done.stdout] == FILES


def test_links_to_files(runs: Path) -> None:
    """As in the cache of Hugging Face: the names are links, to files elsewhere."""
    (runs / "names" / "rev").mkdir(parents=True)
    (runs / "names" / "rev" / "model.pkl").symlink_to("../../epoch-2.pkl")
    (runs / "names" / "rev" / "gone.pkl").symlink_to("../../nothing")
    (runs / "names" / "up").symlink_to("../..")
    for command in ("verify", "show"):
        found, _ = told(command, "runs/names")
        assert [item["file"] for item in found] == ["runs/names/rev/model.pkl"]
    assert [str(entry.file) for entry in jellyformat.log("runs/names")] == ["runs/names/rev/model.pkl"]
    (runs / "last.pkl").symlink_to("epoch-10.pkl")
    assert [item["file"] for item in told("verify", "runs")[0]] == FILES  # each file once
    assert sorted(str(entry.file) for entry in jellyformat.log("runs")) == sorted(FILES)


@pytest.mark.parametrize("command", ["verify", "show"])
def test_a_directory_that_is_a_checkpoint_is_one(runs: Path, command: str) -> None:
    found, said = told(command, "runs/folder", "runs/epoch-2.pkl")
    assert [item["file"] for item in found] == ["runs/folder", "runs/epoch-2.pkl"]
    assert said == ""


def test_the_code_of_a_checkpoint_that_is_a_directory(runs: Path) -> None:
    assert [entry.file for entry in jellyformat.log("runs", code="runs/folder")] == [
        entry.file for entry in jellyformat.log("runs")
    ]
    assert jellyformat.log("runs", code="runs/b") == []  # no checkpoint, and no id of one


@pytest.mark.parametrize("command", ["verify", "show"])
def test_the_exit_status_tells_of_the_worst(runs: Path, command: str) -> None:
    """All others are looked at all the same; each error is told of with its file."""
    found, _ = told(command, "runs/epoch-2.pkl", "runs/notes.txt", "nothing", "runs/b", code=3)
    assert [item["file"] for item in found] == [
        "runs/epoch-2.pkl", "runs/notes.txt", "nothing", "runs/b/last.pkl", "runs/b/m.json.gz",
    ]  # fmt: skip
    assert [(item.get("error") or {}).get("class") for item in found] == [  # type: ignore[attr-defined]
        None, "absent.snapshot", "absent.file", None, None,
    ]  # fmt: skip
    damaged = runs / "epoch-10.pkl"
    data = bytearray(damaged.read_bytes())
    data[data.index(frames.MAGIC) + frames.HEADER_LENGTH + 20] ^= 1  # in the manifest
    damaged.write_bytes(data)
    found, _ = told(command, "runs", "nothing", code=1)
    assert [item["file"] for item in found] == [*FILES, "nothing"]
    assert found[3]["error"]["class"] == "corrupt.manifest"  # type: ignore[index]


@pytest.mark.parametrize("command", ["verify", "show"])
def test_a_directory_without_any(tmp_path: Path, command: str) -> None:
    (tmp_path / "a.txt").write_text("none\n")
    (item,), _ = told(command, str(tmp_path), code=3)
    assert item["error"]["class"] == "absent.snapshot"  # type: ignore[index]
    assert "of 1 file below it none carries one" in item["error"]["message"]  # type: ignore[index]
