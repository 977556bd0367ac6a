"""`restore`, `undo`, `redo` and `history` by the command line."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from gitrepo import git
from test_story import jelly


def status(directory: Path) -> bytes:
    return git(directory, "status", "--porcelain=v2", "-z", "--untracked-files=all")


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_was_and_what_is(repository: Path, tmp_path: Path) -> None:
    """Where HEAD was, where it is, how to go on, how to come back, and what the history calls the file."""
    (repository / "runs").mkdir()
    jelly(repository, "snapshot", "-o", str(repository / "runs/x.jelly"))
    made = git(repository, "rev-parse", "HEAD").decode()[:10]
    git(repository, "switch", "-qc", "later")
    git(repository, "commit", "-qam", "later")
    left = git(repository, "rev-parse", "HEAD").decode()[:10]
    said = jelly(repository, "restore", "runs/x.jelly").stdout.decode()
    assert "which was made on main\n" in said
    assert f"before: on later, at {left}\n" in said
    assert f"now: HEAD is detached at {made}; to go on from here: git switch -c NAME\n" in said
    assert "to go back: " in said
    assert "older commits" not in said
    assert "restored from runs/x.jelly " in jelly(repository, "history").stdout.decode()
    jelly(repository, "snapshot", "-o", str(tmp_path / "y.jelly"))
    said = jelly(repository, "restore", str(tmp_path / "y.jelly")).stdout.decode()
    assert f"before: HEAD was detached, at {made}\n" in said
    assert f"restored from {tmp_path}/y.jelly " in jelly(repository, "history").stdout.decode()


@pytest.mark.slow
def test_older_commits(repository: Path, tmp_path: Path) -> None:
    """Without history it is said that older commits are not here, and the command that gets them does."""
    (tmp_path / "copies").mkdir()
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(tmp_path / "copies/project"))
    file = str(tmp_path / "x.jelly")
    jelly(repository, "snapshot", "-o", file)
    said = jelly(tmp_path, "restore", file, "alone").stdout.decode()
    assert "older commits are not here, and no remote is set to get them from\n" in said
    git(repository, "remote", "add", "copy", str(tmp_path / "copies/project"))
    git(repository, "remote", "add", "odd", "ext::sh -c touch% /tmp/x")
    file = str(tmp_path / "y.jelly")
    jelly(repository, "snapshot", "-o", file)
    said = jelly(tmp_path, "restore", file, "new").stdout.decode()
    assert "to get them: git fetch --unshallow copy\n" in said
    assert "the remote odd was not set" in said
    assert len(git(tmp_path / "new", "rev-list", "HEAD").split()) == 1
    git(tmp_path / "new", "fetch", "-q", "--unshallow", "copy")
    assert git(tmp_path / "new", "rev-list", "HEAD") == git(repository, "rev-list", "HEAD")
    found = json.loads(jelly(tmp_path, "restore", file, "json", "--json").stdout)
    assert (found["shortened"], found["remotes_left"], found["left_branch"]) == (True, ["odd"], None)
    file = str(tmp_path / "z.jelly")
    jelly(repository, "snapshot", "-o", file, "--history", "full")
    assert "older commits" not in jelly(tmp_path, "restore", file, "whole").stdout.decode()


def test_a_file_with_a_snapshot_is_not_called_ignored(repository: Path, tmp_path: Path) -> None:
    jelly(repository, "snapshot", "-o", str(repository / "runs.jelly"))
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    said = jelly(repository, "show", str(tmp_path / "x.jelly")).stdout.decode()
    assert "as git ignores them or they carry one: " in said
    assert "runs.jelly" in said
    assert "ignored by git" not in said


def test_what_is_kept_for_a_linked_worktree(repository: Path, tmp_path: Path) -> None:
    """git removes what it takes for clean, and our history with it: that is said, and `git worktree lock` helps."""
    git(repository, "stash", "-qu")
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    side = tmp_path / "a side"
    git(repository, "worktree", "add", "-q", "--detach", str(side))
    (side / "model.py").write_text("mine\n")
    said = jelly(side, "restore", str(tmp_path / "x.jelly")).stdout.decode()
    lock = said.splitlines()[-1].rpartition("it does after: ")[2]
    assert lock == f"git worktree lock '{side}'"
    assert status(side) == b""  # git would remove it
    subprocess.run(shlex.split(lock), cwd=repository, check=True)
    done = subprocess.run(["git", "worktree", "remove", str(side)], cwd=repository, capture_output=True, check=False)
    assert done.returncode != 0
    jelly(side, "undo")
    assert (side / "model.py").read_text() == "mine\n"
    done = jelly(repository, "restore", str(tmp_path / "x.jelly"))
    assert b"worktree" not in done.stdout
    assert json.loads(jelly(side, "restore", str(tmp_path / "x.jelly"), "--json").stdout)["linked"]
