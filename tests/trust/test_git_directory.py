"""A git directory that somebody prepared: nothing is written through links in it, and no depth of it stops us."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import forked
import images
import pytest
from states import Repo, base
from traces import look

import jellyformat
from jellyformat.checkout.store import Store
from jellyformat.errors import RefusedRepository
from jellyformat.files.beneath import Below
from jellyformat.files.newfile import temporary_folder
from jellyformat.git.layout import find_repository

DEPTH = 3000
"""Directories in each other; Python calls itself a thousand times at most."""


@pytest.fixture(autouse=True)
def cleared(tmp_path: Path) -> Iterator[None]:
    """What is deep is removed by a program that can: pytest cannot."""
    yield
    subprocess.run(["rm", "-rf", tmp_path], check=True)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository, and beside it ``x.jelly`` of another, which has a commit that this one has not."""
    other = base(tmp_path / "other")
    other.write("new.py", b"new = 1\n")
    other.git("add", "new.py")
    other.commit()
    (tmp_path / "x.jelly").write_bytes(images.take(other.path).data)
    images.remove(other.path)
    return base(tmp_path / "r")


# -- links -------------------------------------------------------------------------------------------------------------


def _moved_out(path: Path, outside: Path) -> None:
    """It lies elsewhere, and a link leads there: everything works as before."""
    shutil.move(path, outside / path.name)
    path.symlink_to(outside / path.name)


@pytest.mark.parametrize("part", ["objects", "objects/pack"])
@pytest.mark.parametrize("command", ["restore", "undo", "fix"])
def test_objects_are_written_through_no_link(command: str, part: str, repo: Repo, tmp_path: Path) -> None:
    """What lies outside stays as it is, even if it is the object store of another repository of the user's."""
    outside = tmp_path / "outside"
    outside.mkdir()
    file = tmp_path / "x.jelly"
    if command != "restore":
        jellyformat.restore(file, repo.path)
    (repo.path / ".git/objects/pack").mkdir(exist_ok=True)
    _moved_out(repo.path / ".git" / part, outside)
    if command == "restore":
        before, worktree = look(outside), images.image(repo.path)
        with pytest.raises(RefusedRepository, match=rf"{part} is a symbolic link") as caught:
            jellyformat.restore(file, repo.path)
        assert "nothing was changed" in str(caught.value.hint)
        assert images.differences(worktree, images.image(repo.path)) == []
    else:
        begin = b"tmp_jelly_" + _digest(repo.path) + b"_0123456789ab.pack"  # the name of one that was broken off
        place = outside / ("objects/pack" if part == "objects" else "pack")
        (place / os.fsdecode(begin)).write_bytes(b"mine\n")
        before = look(outside)
        if command == "fix":
            jellyformat.fix(repo.path)
        else:
            jellyformat.undo(repo.path)
    assert look(outside) == before


def _digest(path: Path) -> bytes:
    return hashlib.sha256(os.fsencode(os.path.realpath(path / ".git"))).hexdigest()[:12].encode()


def test_packs_have_names_that_nobody_knows_before(repo: Repo, tmp_path: Path) -> None:
    """So no file can be planted in the place of a pack, and no `git repack` takes one for an old one."""
    had = {path.name for path in (repo.path / ".git/objects/pack").glob("*")}
    images.copy(repo.path, tmp_path / "first")
    made: set[str] = set()
    for place in (repo.path, tmp_path / "first"):
        jellyformat.restore(tmp_path / "x.jelly", place)
        new = [path for path in (place / ".git/objects/pack").glob("*") if path.name not in had]
        assert sorted(path.suffix for path in new) == [".idx", ".pack"]
        assert made.isdisjoint(path.name for path in new)
        made.update(path.name for path in new)
    assert b"error" not in repo.git("fsck", "--no-dangling")


# -- depth -------------------------------------------------------------------------------------------------------------


def deep(path: Path, name: str = "d") -> None:
    """Directories in each other, deeper than a path can name, and a file at the end."""
    path.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(DEPTH):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("end", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)


def _in_work(path: Path) -> None:
    deep(path / ".git/jellyformat/work/new")


def _in_a_state(path: Path) -> None:
    state = next((path / ".git/jellyformat/states").iterdir())
    deep(state / "kept" / "1000")
    deep(state.with_name("77-77") / "kept")


def _in_a_lock(path: Path) -> None:
    deep(path / ".git/jellyformat/log.tmp")


def _unfinished(path: Path) -> None:
    deep(path / ".git.jelly-0123456789ab.tmp", "objects")
    os.utime(path / ".git.jelly-0123456789ab.tmp", (1, 1))


def _temporary(path: Path) -> None:
    deep(path / ".jelly-0123456789ab.tmp")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("plant", [_in_work, _in_a_state, _in_a_lock, _unfinished, _temporary])
def test_deep_trees(plant: Callable[[Path], None], repo: Repo, tmp_path: Path) -> None:
    """Every command ends, in order or with an error for people."""
    file = tmp_path / "x.jelly"
    jellyformat.restore(file, repo.path)
    plant(repo.path)
    for act in (
        lambda: jellyformat.fix(repo.path, dry_run=True), lambda: jellyformat.history(repo.path),
        lambda: jellyformat.undo(repo.path), lambda: jellyformat.redo(repo.path),
        lambda: jellyformat.restore(file, repo.path), lambda: jellyformat.fix(repo.path, adopt=True),
    ):  # fmt: skip
        with contextlib.suppress(jellyformat.JellyError):
            act()


def test_a_repository_inside_that_is_deep(repo: Repo, tmp_path: Path) -> None:
    """Taking back a restore looks at what lies in its way, which may be anything by then."""
    with Below(os.fsencode(tmp_path)) as below:
        deep(tmp_path / "deep")
        assert below.count_files(b"deep") == sys.maxsize
        (tmp_path / "flat/inner").mkdir(parents=True)
        for name in ("one", "inner/two", "inner/three"):
            (tmp_path / "flat" / name).write_bytes(b"")
        (tmp_path / "flat/link").symlink_to(tmp_path)
        assert below.count_files(b"flat") == 4
        below.remove_tree(b"deep")
        assert below.names() == [b"flat", b"r", b"x.jelly"]


def test_a_directory_of_ours_that_became_deep(tmp_path: Path) -> None:
    """It is removed as any other."""
    with temporary_folder(tmp_path) as folder:
        deep(folder)
    assert list(tmp_path.iterdir()) == []


# -- a dry run ---------------------------------------------------------------------------------------------------------


def everything(top: Path) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(top.rglob("*")):
        seen = path.lstat()
        found[str(path)] = (seen.st_mode, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


@pytest.mark.parametrize("what", ["no store", "empty", "lock", "whole", "copied", "damaged", "temporary", "unlocked"])
def test_a_dry_run_writes_nothing(what: str, repo: Repo, tmp_path: Path) -> None:
    """Not even where a store was made, or the file that is locked."""
    path, store = repo.path, repo.path / ".git/jellyformat"
    if what in ("empty", "lock"):
        store.mkdir(0o700)
        (store / "lock").write_bytes(b"") if what == "lock" else None
    elif what != "no store":
        jellyformat.restore(tmp_path / "x.jelly", path)
    if what == "copied":
        shutil.copytree(path, tmp_path / "there", symlinks=True)
        path = tmp_path / "there"
    elif what == "damaged":
        (store / "log").write_bytes(b"garbage")
    elif what == "temporary":
        (store / "log.tmp").write_bytes(b"half")
    elif what == "unlocked":
        (store / "lock").unlink()
    before = everything(tmp_path)
    for adopt in (False, True):
        found = jellyformat.fix(path, dry_run=True, adopt=adopt)
        assert bool(found) == (what in ("copied", "damaged", "temporary"))
    assert everything(tmp_path) == before


def test_a_dry_run_waits_for_nobody_and_disturbs_nobody(repo: Repo, tmp_path: Path) -> None:
    jellyformat.restore(tmp_path / "x.jelly", repo.path)
    with (
        Store(find_repository(repo.path)).locked(),
        pytest.raises(jellyformat.JellyError, match="another restore or undo is at work"),
    ):
        jellyformat.fix(repo.path, dry_run=True)
    assert jellyformat.fix(repo.path, dry_run=True) == ()


# -- other files that are not what they should be ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sparse", "FIFO", "link to a device"])
def test_a_linked_worktree_that_is_said_to_be_elsewhere(kind: str, repo: Repo, tmp_path: Path) -> None:
    """The file by which its git directory knows it again is read as every other."""
    linked = tmp_path / "linked"
    repo.git("worktree", "add", "-q", "--detach", str(linked))
    path = repo.path / ".git/worktrees/linked/gitdir"
    path.unlink()
    if kind == "sparse":
        path.touch()
        os.truncate(path, 1 << 40)
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(RefusedRepository):
        jellyformat.restore(tmp_path / "x.jelly", linked)


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.isdir("/dev/shm"), reason="no place that everybody can reach")
def test_a_temporary_directory_that_is_closed(tmp_path: Path) -> None:
    """One that cannot be looked into is told, and what is beside it is mended all the same."""
    place = Path(tempfile.mkdtemp(prefix="jellyformat-trust-", dir="/dev/shm" if os.geteuid() == 0 else None))
    user = forked.NOBODY if os.geteuid() == 0 else os.geteuid()
    os.chown(place, user, user)
    with forked.acting_as(user):
        for name in (".jelly-0123456789ab.tmp", ".x.jelly-0123456789ab.tmp", "closed"):
            (place / name).mkdir()
            (place / name).chmod(0)
        (place / ".y.jelly-0123456789ab.tmp").write_bytes(b"half")
        found = {left.path.name: left.mended for left in jellyformat.fix(place)}
    subprocess.run(["rm", "-rf", place], check=True)
    assert found == {
        ".jelly-0123456789ab.tmp": False, ".x.jelly-0123456789ab.tmp": False, "closed": False,
        ".y.jelly-0123456789ab.tmp": True,
    }  # fmt: skip
