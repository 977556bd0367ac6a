"""git repacks, and drops what nothing reaches, while a restore, undo or redo is under way: what that needs stays."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import images
import pytest
from states import Repo, base, git

import jellyformat
from jellyformat.checkout import refs
from jellyformat.checkout.change import Changeover
from jellyformat.checkout.keeps import release_keeps
from jellyformat.checkout.step import Mover
from jellyformat.checkout.store import Store
from jellyformat.errors import SystemFailure
from jellyformat.files import platform
from jellyformat.files.beneath import Below
from jellyformat.git.layout import layout_at

POINTS: dict[str, tuple[object, str]] = {
    "staged": (Changeover, "stage"),
    "refs": (refs, "write_ref"),
    "changed": (Changeover, "run"),
    "listed": (Mover, "_new_log"),
    "cleared up": (Mover, "_clear_up"),
}
"""What a step does after its objects are there, in order."""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return base(tmp_path / "r")


def elsewhere(tmp_path: Path, name: str = "elsewhere") -> Path:
    """A snapshot of a repository with commits and staged files that no other has."""
    other = base(tmp_path / name)
    other.write("src/train.py", name.encode())
    other.commit(name)
    other.write("staged.py", b"staged in " + name.encode())
    other.git("add", "staged.py")
    file = tmp_path / f"{name}.jelly"
    file.write_bytes(images.take(other.path).data)
    images.remove(other.path)
    return file


def repack(path: Path) -> None:
    """All that git has to drop objects at once, the reflog's too."""
    git(path, "repack", "-a", "-d", "-q")
    git(path, "prune-packed", "-q")
    git(path, "prune", "--expire=now")


def before(monkeypatch: pytest.MonkeyPatch, point: str, act: Callable[[], None]) -> list[str]:
    """Do something before a point of each step; where it was done."""
    owner, name = POINTS[point]
    was = getattr(owner, name)
    done: list[str] = []

    def first(*args: object, **named: object) -> object:
        act()
        done.append(point)
        return was(*args, **named)

    monkeypatch.setattr(owner, name, first)
    return done


def keeps(repo: Repo) -> list[str]:
    return sorted(path.name for path in repo.path.rglob("*.keep"))


def check(repo: Repo) -> None:
    """git has all that HEAD, the index and refs name, and nothing is kept from it any more."""
    assert git(repo.path, "fsck", "--no-dangling") == b""
    git(repo.path, "rev-list", "--objects", "--all", "HEAD")
    git(repo.path, "write-tree")
    assert keeps(repo) == []
    assert not (repo.path / ".git/jellyformat/keeps").exists()


def differences(one: images.Image, two: images.Image) -> list[str]:
    """What differs but what git repacks write."""
    return [item for item in images.differences(one, two) if ".git/info/refs" not in item]


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("action", ["restore", "undo", "redo", "redo at once"])
def test_repacked_meanwhile(
    action: str, point: str, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = elsewhere(tmp_path, "one"), elsewhere(tmp_path, "two")
    if action != "restore":
        jellyformat.restore(one, repo.path, anyway=True)
    if action == "undo":
        jellyformat.restore(two, repo.path, anyway=True)
    elif action != "restore":
        jellyformat.undo(repo.path)
    if action != "redo at once":  # whose objects are there, but nothing reaches them
        repack(repo.path)
    done = before(monkeypatch, point, lambda: repack(repo.path))
    if action == "restore":
        jellyformat.restore(one, repo.path, anyway=True)
    else:
        {"undo": jellyformat.undo, "redo": jellyformat.redo, "redo at once": jellyformat.redo}[action](repo.path)
    assert done or (action, point) == ("undo", "refs")  # where the container has the commits
    check(repo)
    assert (repo.path / "src/train.py").read_bytes() == b"one"


def test_in_the_middle_of_a_merge(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several commits have to be kept: by a commit of ours, which is there before the ref."""
    file = elsewhere(tmp_path)
    repo.git("checkout", "-q", "-b", "side")
    repo.append("README.md")
    repo.commit("side")
    repo.git("checkout", "-q", "-")
    repo.write("mine.py")
    repo.commit("mine")
    repo.git("merge", "-q", "--no-commit", "--no-ff", "side")
    look = images.image(repo.path)
    done = before(monkeypatch, "refs", lambda: repack(repo.path))
    for _ in range(2):  # the second time, the commit is there and nothing reaches it
        jellyformat.restore(file, repo.path, anyway=True)
        check(repo)
        jellyformat.undo(repo.path)
        check(repo)
        assert differences(look, images.image(repo.path)) == []
    assert done


@pytest.mark.parametrize("kind", ["inside", "moved", "worktree"])
def test_other_object_stores(kind: str, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a repository inside, of one that is moved away with a commit of ours in it, and one that worktrees share."""
    place = repo
    if kind == "worktree":
        repo.git("worktree", "add", "-q", "-b", "side", tmp_path / "side")
        place = Repo.__new__(Repo)
        place.__dict__.update(repo.__dict__, path=tmp_path / "side")
        inner = repo
        file = elsewhere(tmp_path)
    else:
        inner = Repo(repo.path / "inner")
        inner.write("a.txt", b"one")
        inner.commit("inner")
        if kind == "moved":
            file = elsewhere(tmp_path)
            inner.git("checkout", "-q", "-b", "side")
            inner.write("b.txt")
            inner.commit("side")
            inner.git("checkout", "-q", "-")
            inner.git("merge", "-q", "--no-commit", "--no-ff", "side")
        else:
            inner.write("a.txt", b"only in the snapshot")
            inner.commit("inner, later")
            file = tmp_path / "x.jelly"
            file.write_bytes(images.take(repo.path).data)
            inner.git("reset", "-q", "--hard", "HEAD^")
            inner.git("reflog", "expire", "--expire=now", "--all")
    store = inner.path
    if kind != "inside":  # there, its objects are still to be dropped
        repack(store)
    done = before(monkeypatch, "refs", lambda: repack(store))
    jellyformat.restore(file, place.path, anyway=True)
    assert done
    assert keeps(repo) == []
    if kind != "moved":
        assert git(store, "fsck", "--no-dangling") == b""
    jellyformat.undo(place.path)
    assert keeps(repo) == []
    assert git(store, "fsck", "--no-dangling") == b""


@pytest.mark.parametrize("point", POINTS)
def test_killed(point: str, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .keep file that a dead process has left goes with the next command, and no other."""
    file = elsewhere(tmp_path)
    look = images.image(repo.path)
    git(repo.path, "repack", "-a", "-d", "-q")
    user = next((repo.path / ".git/objects/pack").glob("*.pack")).with_suffix(".keep")
    user.write_bytes(b"")
    child = os.fork()
    if child == 0:
        try:
            before(monkeypatch, point, lambda: os._exit(9))
            jellyformat.restore(file, repo.path, anyway=True)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(keeps(repo)) == 2
    told = [left.what for left in jellyformat.fix(repo.path, dry_run=True)]
    assert any(".keep" in str(what) for what in told)
    assert len(keeps(repo)) == 2
    jellyformat.fix(repo.path)
    assert keeps(repo) == [user.name]
    assert not (repo.path / ".git/jellyformat/keeps").exists()
    if point == "cleared up":
        jellyformat.undo(repo.path)
    assert differences(look, images.image(repo.path)) == []
    assert git(repo.path, "fsck", "--no-dangling") == b""


def test_killed_while_a_ref_is_written(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = elsewhere(tmp_path)
    rename = Below.rename

    def killed(below: Below, source: bytes, target: bytes) -> None:
        if target.startswith(b"refs/"):
            os._exit(9)
        rename(below, source, target)

    child = os.fork()
    if child == 0:
        try:
            monkeypatch.setattr(Below, "rename", killed)
            jellyformat.restore(file, repo.path, anyway=True)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(list((repo.path / ".git/refs").rglob("*.lock"))) == 1
    jellyformat.fix(repo.path)
    assert not list((repo.path / ".git/refs").rglob("*.lock"))
    check(repo)


def test_taken_back(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = elsewhere(tmp_path)

    def full() -> None:
        assert len(keeps(repo)) == 1
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        before(patch, "changed", full)
        with pytest.raises(SystemFailure):
            jellyformat.restore(file, repo.path, anyway=True)
    assert keeps(repo) == []


@pytest.mark.parametrize("content", [b"", b"git's own\n", b"jellyformat: until a restore is done\nand more", None])
def test_what_is_not_ours_stays(content: bytes | None, repo: Repo, tmp_path: Path) -> None:
    """Even if a note of ours names it; None: it is a link."""
    jellyformat.restore(elsewhere(tmp_path), repo.path, anyway=True)
    name = "ab" * 20
    place = repo.path / f".git/objects/pack/pack-{name}.keep"
    outside = tmp_path / "outside"
    outside.write_bytes(b"jellyformat: until a restore is done\n")
    if content is None:
        place.symlink_to(outside)
    else:
        place.write_bytes(content)
    layout = layout_at(os.fsencode(repo.path))
    assert layout is not None
    store = Store(layout)
    with store.locked():
        store.write("keeps", {"packs": [[1, b"", name]]})
        assert release_keeps(store) == []
        store.write("keeps", {"packs": [[1, b"", "../../../" + name]]})
        assert release_keeps(store) == []
    assert os.path.lexists(place)
    assert outside.exists()


def test_pruned_while_the_pack_is_written(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`git prune --expire=now` removes temporary files of others too: the pack is written again."""
    sync, done = platform.sync, list[int]()

    def pruned(fd: int) -> None:
        sync(fd)
        if len(done) < 3 and any((repo.path / ".git/objects/pack").glob("tmp_jelly_*")):
            git(repo.path, "prune", "--expire=now")
            done.append(fd)

    monkeypatch.setattr(platform, "sync", pruned)
    jellyformat.restore(elsewhere(tmp_path), repo.path, anyway=True)
    assert done
    check(repo)


@pytest.mark.parametrize("reached", ["HEAD", "branch", "reflog", "tag", "nothing"])
def test_what_is_reached_is_not_written_again(reached: str, repo: Repo, tmp_path: Path) -> None:
    """Objects that a ref keeps are not put into a pack; else they are, even if they are there."""
    repo.commit("all")
    file = tmp_path / "x.jelly"
    snapshot = images.take(repo.path)
    file.write_bytes(snapshot.data)
    if reached != "HEAD":
        if reached == "branch":
            repo.git("branch", "other")
        elif reached == "tag":
            repo.git("tag", "-a", "-m", "x", "v1")
        repo.git("checkout", "-q", "--orphan", "new")
        repo.git("rm", "-rfq", "--cached", ".")
        repo.write("other.txt")
        repo.commit("another beginning")
        for name in git(repo.path, "branch", "--format=%(refname:short)").split():
            if name not in (b"new", b"other"):
                repo.git("branch", "-D", name)
        if reached != "reflog":
            repo.git("reflog", "expire", "--expire=now", "--all")
            for name in git(repo.path, "tag").split():
                if name != b"v1":
                    repo.git("tag", "-d", name)
    had = set((repo.path / ".git/objects/pack").glob("*.pack"))
    jellyformat.restore(file, repo.path, anyway=True)
    new = set((repo.path / ".git/objects/pack").glob("*.pack")) - had
    listed = [git(repo.path, "verify-pack", "-v", path.with_suffix(".idx")) for path in new]
    assert any(b" commit " in text for text in listed) == (reached == "nothing"), listed
    check(repo)


def test_beside_git_all_the_time(repo: Repo, tmp_path: Path) -> None:
    """Restores, undos and redos while git repacks again and again."""
    files = [elsewhere(tmp_path, name) for name in ("one", "two")]
    stop = threading.Event()
    codes: list[int] = []

    def gc() -> None:
        commands = [("repack", "-a", "-d", "-q"), ("prune", "--expire=now"), ("gc", "-q", "--prune=now")]
        while not stop.is_set():
            for arguments in commands:
                done = subprocess.run(
                    ["git", *arguments],
                    cwd=repo.path,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
                codes.append(done.returncode)

    thread = threading.Thread(target=gc)
    thread.start()
    try:
        for number in range(6):
            for _ in range(20):  # git gc holds locks for a moment
                try:
                    jellyformat.restore(files[number % 2], repo.path, anyway=True)
                    break
                except jellyformat.errors.Busy:
                    continue
            git(repo.path, "rev-list", "--objects", "HEAD")
            for step in (jellyformat.undo, jellyformat.redo):
                for _ in range(20):
                    try:
                        step(repo.path)
                        break
                    except jellyformat.errors.Busy:
                        continue
                git(repo.path, "rev-list", "--objects", "HEAD")
    finally:
        stop.set()
        thread.join()
    assert 0 in codes
    check(repo)
