"""Directories that a snapshot left out as one: what is below them stays as it is, whatever is restored over it."""

from __future__ import annotations

import os
from pathlib import Path

import craft
import images
import pytest
from images import Image
from states import Repo, base

import jellyformat
from jellyformat.format.msgpack import Value

LEFT = (b"env", b"src/env")


def leave_out(data: bytes) -> bytes:
    """The snapshot, with ``env/`` and ``src/env/`` named as left out."""

    def change(manifest: dict[str, Value]) -> None:
        state = manifest["state"]
        assert isinstance(state, dict)
        assert isinstance(state["worktree"], dict)
        state["worktree"]["omitted"] = [
            {"path": path + b"/", "reason": "environment", "sha256": None, "size": None} for path in LEFT
        ]
        summary = manifest["summary"]
        assert isinstance(summary, dict)
        assert isinstance(summary["unstaged"], list)
        summary["unstaged"].remove(["D", b"env/known.py"])  # nothing is known of it

    return craft.change_value(data, change)


def below(repo: Repo) -> Image:
    """All there is at and below the directories that were left out."""
    found = images.image(repo.path)
    return {path: item for path, item in found.items() if path in LEFT or path.startswith((b"env/", b"src/env/"))}


def stamps(repo: Repo) -> dict[bytes, tuple[int, int]]:
    """Which files these are, and when they were written; git's own directories are locked while a step is made."""
    paths = [path for path in below(repo) if b".git" not in path.split(b"/")]
    there = {path: os.lstat(os.path.join(os.fsencode(repo.path), path)) for path in paths}
    return {path: (found.st_ino, found.st_mtime_ns) for path, found in there.items()}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository, and beside it ``snapshot.jelly``: with other files, and the two directories left out."""
    repo = base(tmp_path / "r")
    repo.write("env/known.py", b"git knows this one\n")
    repo.git("add", "env/known.py")
    repo.git("commit", "-qm", "a file of the environment")
    (repo.path / "env/known.py").unlink()  # in the index, and in a directory that was left out
    (repo.path / "env").rmdir()
    repo.write("src/wanted.py", b"of the snapshot\n")
    data = images.take(repo.path).data
    (tmp_path / "snapshot.jelly").write_bytes(leave_out(data))
    (repo.path / "src/wanted.py").unlink()
    repo.write("src/other.py", b"of the state before\n")
    for top in LEFT:
        repo.write(os.fsdecode(top) + "/lib/site.py", b"an installed package\n")
        repo.write(os.fsdecode(top) + "/bin/python", b"#!/bin/sh\n")
        os.chmod(repo.path / os.fsdecode(top) / "bin/python", 0o755)
        os.symlink("nowhere", repo.path / os.fsdecode(top) / "link")
        (repo.path / os.fsdecode(top) / "empty").mkdir()
        inner = base(repo.path / os.fsdecode(top) / "inner")
        inner.write("changed.py", b"in a repository inside\n")
    repo.write("env/known.py", b"changed since\n")
    return repo


def test_nothing_below_is_touched(repo: Repo, tmp_path: Path) -> None:
    """Restore, undo and redo: not a file, link, mode or repository below such a directory is another one after."""
    before, known, files = images.image(repo.path), below(repo), stamps(repo)
    report = jellyformat.verify(tmp_path / "snapshot.jelly")
    assert report.ok, report.error
    done = jellyformat.restore(tmp_path / "snapshot.jelly", repo.path)
    assert (repo.path / "src/wanted.py").exists()
    assert not (repo.path / "src/other.py").exists()
    assert stamps(repo) == files
    assert images.differences(known, below(repo)) == []
    assert not [path for path in done.removed if path.startswith((b"env", b"src/env"))]
    after = images.image(repo.path)
    jellyformat.undo(repo.path)
    assert stamps(repo) == files
    assert images.differences(before, images.image(repo.path)) == []
    jellyformat.redo(repo.path)
    assert stamps(repo) == files
    assert images.differences(after, images.image(repo.path)) == []


def test_what_is_made_there_later_is_not_lost(repo: Repo, tmp_path: Path) -> None:
    """What was written below such a directory between two steps is there, or is given back by the step forward."""
    before = images.image(repo.path)
    jellyformat.restore(tmp_path / "snapshot.jelly", repo.path)
    repo.write("env/lib/installed.py", b"installed after the restore\n")
    (repo.path / "src/env/lib/site.py").write_bytes(b"upgraded after the restore\n")
    after = images.image(repo.path)
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []
    jellyformat.redo(repo.path)
    assert images.differences(after, images.image(repo.path)) == []


def test_over_a_file_in_its_place(repo: Repo, tmp_path: Path) -> None:
    """A file where the directory was stays too: nothing is known of the path."""
    images.remove(repo.path / "env")
    repo.write("env", b"a file\n")
    before = images.image(repo.path)
    jellyformat.restore(tmp_path / "snapshot.jelly", repo.path)
    assert (repo.path / "env").read_bytes() == b"a file\n"
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []


def test_a_file_that_the_snapshot_wants_goes_there(repo: Repo, tmp_path: Path) -> None:
    """Another snapshot, which has a file below, is restored over it all the same, and undone."""
    jellyformat.restore(tmp_path / "snapshot.jelly", repo.path)
    images.remove(repo.path / "env/inner")
    images.remove(repo.path / "src/env/inner")
    (tmp_path / "whole.jelly").write_bytes(images.take(repo.path).data)
    (repo.path / "env/lib/site.py").write_bytes(b"another version\n")
    before = images.image(repo.path)
    jellyformat.restore(tmp_path / "whole.jelly", repo.path)
    assert (repo.path / "env/lib/site.py").read_bytes() == b"an installed package\n"
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []
