"""Directories that are not there come whole, by one rename each, and go again whole; what is put into them is kept."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import images
import pytest
import restore_zygote
from gitrepo import git
from states import Repo, base

import jellyformat
from jellyformat import errors
from jellyformat.checkout import restore
from jellyformat.checkout.journal import StepJournal, read_journal
from jellyformat.checkout.store import Store
from jellyformat.git.layout import find_repository

FILES = 40
"""In each new directory; more than are synced one by one."""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository, and beside it ``x.jelly``: with directories that are not there."""
    other = base(tmp_path / "other")
    for number in range(FILES):
        other.write(f"fresh/deep/er/{number}.txt", f"{number}\n".encode())
    other.write("fresh/run.sh", b"#!/bin/sh\n", 0o755)
    other.link("fresh/link", "deep/er/1.txt")
    other.write("half/new/a.txt")
    (other.path / "fresh/empty").mkdir()
    inner = Repo(other.path / "with/nested")
    inner.write("inner/a.txt")
    inner.commit()
    (tmp_path / "x.jelly").write_bytes(images.take(other.path).data)
    repo = base(tmp_path / "r")
    repo.write("half/old.txt", b"goes\n")
    return repo


def journal_of(repo: Repo) -> StepJournal:
    """The journal of a restore that was broken off."""
    store = Store(find_repository(repo.path))
    with store.locked():
        found = read_journal(store)
    assert found is not None
    return found


def test_one_rename_for_a_directory(repo: Repo, tmp_path: Path) -> None:
    restore_zygote.break_off(tmp_path, 1)
    paths = {change.path for change in journal_of(repo).changes}
    assert {b"fresh", b"half/new"} <= paths
    assert not any(path.startswith((b"fresh/", b"half/new/")) for path in paths)
    assert b"with/nested/.git" in paths  # which comes by itself, and all above it one by one
    assert b"with/nested" in paths


def test_it_is_what_it_was(repo: Repo, tmp_path: Path) -> None:
    before = images.image(repo.path)
    mask = os.umask(0o027)
    try:
        jellyformat.restore(tmp_path / "x.jelly", repo.path)
    finally:
        os.umask(mask)
    assert images.said(repo.path)["status"] == images.said(tmp_path / "other")["status"]
    fresh = repo.path / "fresh"
    assert sorted(path.name for path in (fresh / "deep/er").iterdir()) == sorted(f"{n}.txt" for n in range(FILES))
    assert os.readlink(fresh / "link") == "deep/er/1.txt"
    assert (fresh / "empty").is_dir()
    for path, mode in (("", 0o750), ("deep", 0o750), ("empty", 0o750), ("run.sh", 0o750), ("deep/er/1.txt", 0o640)):
        assert stat.S_IMODE((fresh / path).stat().st_mode) == mode, path
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []


@pytest.mark.parametrize("at", range(0, 12, 3))
def test_broken_off_it_goes_again(repo: Repo, tmp_path: Path, at: int) -> None:
    before = images.image(repo.path)
    restore_zygote.break_off(tmp_path, at)
    jellyformat.fix(repo.path)
    assert images.differences(before, images.image(repo.path)) == []
    strays = repo.path / ".git/jellyformat/strays"  # git's locks are let go there, so an index may be anybody's
    assert not strays.exists() or [path.read_bytes()[:4] for path in strays.iterdir()] == [b"DIRC"]


def _change(fresh: Path) -> Path:
    (fresh / "deep/er/1.txt").write_bytes(b"!\n")  # of the same size
    os.utime(fresh / "deep/er/1.txt", ns=(1, 1))
    return Path("deep/er/1.txt")


def _add(fresh: Path) -> Path:
    (fresh / "deep/mine.txt").write_bytes(b"!\n")
    return Path("deep/mine.txt")


def _replace(fresh: Path) -> Path:
    (fresh / "link").unlink()
    (fresh / "link").write_bytes(b"!\n")
    return Path("link")


@pytest.mark.parametrize("work", [_change, _add, _replace])
def test_work_in_it_after_a_crash_is_kept(repo: Repo, tmp_path: Path, work: object) -> None:
    before = images.image(repo.path)
    restore_zygote.break_off_behind(tmp_path, b"fresh")
    assert callable(work)
    path = work(repo.path / "fresh")
    done = jellyformat.fix(repo.path)
    assert any("it is kept" in item.what for item in done)
    assert images.differences(before, images.image(repo.path)) == []
    (kept,) = (repo.path / ".git/jellyformat/strays").iterdir()
    assert (kept / path).read_bytes() == b"!\n"


def test_something_in_the_way(repo: Repo, tmp_path: Path) -> None:
    """What comes to be there meanwhile is not touched."""
    restore_zygote.break_off(tmp_path, 1)
    (repo.path / "fresh").mkdir()
    (repo.path / "fresh/mine.txt").write_bytes(b"mine\n")
    jellyformat.fix(repo.path)
    found = [path for path in repo.path.rglob("mine.txt") if path.read_bytes() == b"mine\n"]
    assert found


def test_what_is_taken_back_is_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody puts another repository in the place of the new one, and then the restore fails."""
    (tmp_path / "x.jelly").write_bytes(jellyformat.snapshot(base(tmp_path / "project").path).data)
    place, others = tmp_path / "shared" / "new", tmp_path / "others"
    place.parent.mkdir()
    others.mkdir()
    git(others, "init", "-q")

    def swap(*args: object, **options: object) -> None:
        place.rename(tmp_path / "shared" / "away")
        others.rename(place)
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(restore, "_restore", swap)
    with pytest.raises(errors.SystemFailure):
        jellyformat.restore(tmp_path / "x.jelly", place)
    assert (place / ".git" / "HEAD").exists()
    assert not (tmp_path / "shared" / "away" / ".git").exists()
