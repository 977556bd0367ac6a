"""``fix``: what was broken off or damaged is found, told, and mended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import images
import pytest
import restore_zygote
import test_mending
from states import Repo, base

import jellyformat
from jellyformat.checkout.history import DamagedLog
from jellyformat.errors import RepositoryWarning


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository, beside it a snapshot of another state of it: the names that ``restore_zygote`` knows."""
    repo = base(tmp_path / "r")
    repo.write("gone.txt")
    repo.append("README.md")
    (tmp_path / "x.jelly").write_bytes(images.take(repo.path).data)
    repo.remove("gone.txt")
    repo.write("src/train.py", b"now\n")
    repo.git("add", "src")
    repo.write("untracked/one.txt")
    return repo


def store(repo: Repo) -> Path:
    return repo.path / ".git" / "jellyformat"


def everything(path: Path) -> dict[str, bytes]:
    """All files, those of the store among them."""
    return {str(file): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def damage(file: Path, kind: str) -> None:
    if kind == "gone":
        file.unlink()
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "cut":
        file.write_bytes(file.read_bytes()[:-7])
    else:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 4
        file.write_bytes(data)


@pytest.mark.parametrize("kind", ["gone", "empty", "cut", "flipped"])
@pytest.mark.parametrize("copy", ["whole", "behind", "damaged"])
@pytest.mark.slow
def test_damaged_list(repo: Repo, tmp_path: Path, kind: str, copy: str) -> None:
    looks = [images.image(repo.path)]
    jellyformat.restore(tmp_path / "x.jelly", repo.path)
    repo.write("since.txt", b"since\n")
    looks.append(images.image(repo.path))
    before = (store(repo) / "log.copy").read_bytes()
    other = base(tmp_path / "other")
    other.write("src/train.py", b"third\n")
    (tmp_path / "y.jelly").write_bytes(images.take(other.path).data)
    jellyformat.restore(tmp_path / "y.jelly", repo.path)
    here = images.image(repo.path)
    if copy == "behind":
        (store(repo) / "log.copy").write_bytes(before)
    elif copy == "damaged":
        damage(store(repo) / "log.copy", "flipped")
    damage(store(repo) / "log", kind)
    for command in (jellyformat.undo, jellyformat.history, jellyformat.redo):
        with pytest.raises(DamagedLog) as caught:
            command(repo.path)
        assert "fix" in (caught.value.hint or "")
    with pytest.raises(DamagedLog):
        jellyformat.restore(tmp_path / "x.jelly", repo.path)
    told = everything(tmp_path)
    (found,) = jellyformat.fix(repo.path, dry_run=True)
    assert "list of restores was damaged" in found.what
    assert everything(tmp_path) == told
    assert [item.mended for item in jellyformat.fix(repo.path)] == [True]
    assert images.differences(here, images.image(repo.path)) == []
    assert jellyformat.fix(repo.path) == ()
    for look in reversed(looks):
        jellyformat.undo(repo.path)
        assert images.differences(look, images.image(repo.path)) == []
    for look in (looks[1], here):
        jellyformat.redo(repo.path)
        assert images.differences(look, images.image(repo.path)) == []


def test_list_gone_and_copy_too(repo: Repo, tmp_path: Path) -> None:
    """Nothing is known but the states that lie there: no command takes that for an empty list and clears them up."""
    before = images.image(repo.path)
    jellyformat.restore(tmp_path / "x.jelly", repo.path)
    (store(repo) / "log").unlink()
    (store(repo) / "log.copy").write_bytes(b"")
    with pytest.raises(DamagedLog):
        jellyformat.history(repo.path)
    assert "1 states" in jellyformat.fix(repo.path)[0].what
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []


def test_restore_that_was_broken_off(repo: Repo, tmp_path: Path) -> None:
    before = images.image(repo.path)
    restore_zygote.break_off(tmp_path, 3)
    broken = everything(tmp_path)
    assert images.differences(before, images.image(repo.path))
    told = jellyformat.fix(repo.path, dry_run=True)
    assert any("broken off" in item.what for item in told)
    assert everything(tmp_path) == broken
    done = jellyformat.fix(repo.path)
    assert any("broken off" in item.what for item in done)
    assert all(item.mended for item in done)
    assert images.differences(before, images.image(repo.path)) == []
    assert jellyformat.fix(repo.path) == ()


def test_looking_at_the_states_mends_and_says_so(repo: Repo, tmp_path: Path) -> None:
    """It was done without a word; and what only looks did it, too."""
    before = images.image(repo.path)
    restore_zygote.break_off(tmp_path, 3)
    broken = everything(tmp_path)
    assert jellyformat.prune(repo.path, keep=0, dry_run=True).states == ()
    assert everything(tmp_path) == broken
    with pytest.warns(RepositoryWarning, match="broken off: everything is as it was before it"):
        jellyformat.history(repo.path)
    assert images.differences(before, images.image(repo.path)) == []


def test_broken_off_and_the_list_damaged(repo: Repo, tmp_path: Path) -> None:
    """Both at once, after a restore that was completed: the one that was broken off is taken back, the other stays."""
    first = images.image(repo.path)
    jellyformat.restore(tmp_path / "x.jelly", repo.path)
    repo.write("src/train.py", b"later\n")
    repo.write("more.txt")
    before = images.image(repo.path)
    restore_zygote.break_off(tmp_path, 1)
    damage(store(repo) / "log", "flipped")
    assert all(item.mended for item in jellyformat.fix(repo.path))
    assert images.differences(before, images.image(repo.path)) == []
    jellyformat.undo(repo.path)
    assert images.differences(first, images.image(repo.path)) == []


def test_damaged_journal_is_told(repo: Repo, tmp_path: Path) -> None:
    restore_zygote.break_off(tmp_path, 3)
    damage(store(repo) / "journal", "cut")
    broken = everything(tmp_path)
    (found,) = jellyformat.fix(repo.path)
    assert not found.mended
    assert str(store(repo)) in found.what
    assert everything(tmp_path) == broken


@pytest.mark.parametrize("what", ["all", "record", "state.jelly", "kept"])
def test_damaged_state_is_told(repo: Repo, tmp_path: Path, what: str) -> None:
    jellyformat.restore(tmp_path / "x.jelly", repo.path)
    assert jellyformat.fix(repo.path) == ()
    (place,) = (store(repo) / "states").iterdir()
    if what == "all":
        images.remove(place)
    elif what == "kept":
        next(file for file in (place / "kept").rglob("*") if file.is_file()).unlink()
    else:
        damage(place / what, "flipped")
    before = everything(repo.path)
    (left,) = jellyformat.fix(repo.path)
    assert left.path == place
    assert not left.mended
    assert "state 0 is damaged" in left.what
    assert everything(repo.path) == before


def test_checkpoints_below(repo: Repo) -> None:
    """An embed that was broken off somewhere below, and what a killed save call left."""
    runs = repo.path / "runs" / "1"
    runs.mkdir(parents=True)
    test_mending.broken_off(runs / "model.bin")
    folder = test_mending.killed_save(runs / "last.pt")
    found = jellyformat.fix(repo.path)
    assert {item.path for item in found} == {runs / "model.bin", folder}
    assert (runs / "model.bin").read_bytes() == test_mending.OLD
    assert not folder.exists()


def test_new_repository_that_was_not_finished(tmp_path: Path) -> None:
    place = tmp_path / "new"
    old, young, other, used = (place / f".git.jelly-{letter * 12}.tmp" for letter in "abzc")
    for path in (old, young, other, used):
        path.mkdir(parents=True)
        (path / "HEAD").write_bytes(b"")
    (used / "thesis.tex").write_bytes(b"somebody's, whatever the name says")
    for path in (old, other, used):
        os.utime(path, (1, 1))
    assert [item.path for item in jellyformat.fix(place)] == [old]
    assert sorted(place.iterdir()) == sorted([young, other, used])


@pytest.mark.slow
def test_command(repo: Repo, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jellyformat", "fix", *arguments]
        return subprocess.run(command, cwd=repo.path, capture_output=True, text=True, check=False)

    done = run()
    assert (done.returncode, done.stdout) == (0, "nothing is broken or half done\n")
    restore_zygote.break_off(tmp_path, 3)
    done = run("--dry-run")
    assert done.returncode == 0
    assert "would mend" in done.stdout
    done = run("--json")
    assert done.returncode == 0
    assert all(item["mended"] for item in json.loads(done.stdout))
    assert json.loads(run("--json").stdout) == []
    restore_zygote.break_off(tmp_path, 3)
    damage(store(repo) / "journal", "cut")
    assert run().returncode == 1
    assert run("no-such-file").returncode == 3
