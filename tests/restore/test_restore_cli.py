"""`restore`, `undo`, `redo` and `history` by the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from gitrepo import git
from test_story import jelly


def status(directory: Path) -> bytes:
    return git(directory, "status", "--porcelain=v2", "-z", "--untracked-files=all")


def test_there_and_back(repository: Path, tmp_path: Path) -> None:
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    wanted = status(repository)
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(repository), str(other))
    (other / "model.py").write_text("hidden = 1\n")
    (other / "mine.txt").write_text("mine\n")
    before, branches = status(other), git(other, "for-each-ref")

    jelly(other, "undo", code=3)
    done = json.loads(jelly(other, "restore", str(tmp_path / "x.jelly"), "--json").stdout)
    assert not done["created"]
    assert done["branch"] == "main"
    assert status(other) == wanted
    assert not (other / "mine.txt").exists()
    assert b"to go back" in jelly(other, "eat", str(tmp_path / "x.jelly"), ".").stdout
    jelly(other, "undo")
    stepped = json.loads(jelly(other, "undonut", "--json").stdout)
    assert (stepped["steps"], stepped["state"]) == (1, 0)
    assert status(other) == before
    assert (other / "mine.txt").read_text() == "mine\n"
    assert [line for line in git(other, "for-each-ref").splitlines() if b"refs/jellyformat/" not in line] == (
        branches.splitlines()
    )
    jelly(other, "redo")
    assert status(other) == wanted
    found = json.loads(jelly(other, "history", "--json").stdout)
    assert [entry["state"] for entry in found if entry["live"]] == [1]
    assert b"(here)" in jelly(other, "history").stdout
    jelly(other, "undo", "--to", "0")
    assert status(other) == before
    jelly(other, "return", code=3)


def test_a_new_repository(repository: Path, tmp_path: Path) -> None:
    git(repository, "remote", "add", "origin", "https://user:secret@example.org/x.git")
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    jelly(tmp_path, "load", "x.jelly", "new")
    new = tmp_path / "new"
    assert status(new) == status(repository)
    assert git(new, "remote", "get-url", "origin") == b"https://example.org/x.git\n"
    git(new, "fsck")
    jelly(tmp_path, "restore", "missing.jelly", "new", code=3)
    (tmp_path / "bad.jelly").write_bytes((tmp_path / "x.jelly").read_bytes()[:-1])
    jelly(tmp_path, "restore", "bad.jelly", "new2", code=1)
    assert not (tmp_path / "new2").exists()


def test_from_a_directory_that_goes(repository: Path, tmp_path: Path) -> None:
    """Whoever is in it is told, and can undo from where it is now."""
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    here = repository / "later"
    here.mkdir()
    (here / "notes.txt").write_text("mine\n")
    fd = os.open(here, os.O_RDONLY)
    try:
        said = jelly(here, "restore", str(tmp_path / "x.jelly")).stdout
        moved = Path(f"/proc/self/fd/{fd}").resolve()
    finally:
        os.close(fd)
    assert not here.exists()
    assert f"put aside: cd {repository}\n".encode() in said
    assert b"put aside: cd" not in jelly(moved, "undo").stdout
    assert (here / "notes.txt").read_text() == "mine\n"
