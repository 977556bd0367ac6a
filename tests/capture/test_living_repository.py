"""Repositories in which git goes on working: objects that move into packs and back, packs that vanish."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from states import base, source_text
from states.build import Repo, git

import jellyformat
from jellyformat import errors
from jellyformat.git import repository as repositories
from jellyformat.git.objects import ObjectStore

ROUNDS = 12


def grown(path: Path) -> Repo:
    """A repository with some hundred objects, half of them packed."""
    repo = base(path)
    for number in range(8):
        for file in range(12):
            repo.write(f"package/m{file}.py", source_text(40, number * 100 + file))
        repo.commit(f"step {number}")
        if number == 4:
            repo.git("repack", "-q", "-a", "-d")
    return repo


def beside(work: Callable[[int], None], rounds: int) -> tuple[threading.Thread, list[BaseException]]:
    """A thread that works so many rounds, begun; and what went wrong in it."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            for number in range(rounds):
                work(number)
        except BaseException as error:  # told to the test
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failed


@pytest.mark.slow
@pytest.mark.parametrize("history", ["head", "full"])
def test_captures_beside_git(tmp_path: Path, history: str) -> None:
    """Each `git commit` may begin a gc, and training begins right after: 18 of 30 captures failed."""
    repo = grown(tmp_path / "repo")

    def work(number: int) -> None:
        repo.write("package/m0.py", source_text(30, 1000 + number))
        repo.commit(f"round {number}")
        repo.git("repack", "-q", "-a", "-d")
        repo.git("prune-packed", "-q")
        repo.git("gc", "-q", "--prune=now")
        repo.git("repack", "-q", "-A", "-d", "--unpack-unreachable=now")
        repo.git("pack-refs", "--all")

    thread, failed = beside(work, ROUNDS)
    taken: list[jellyformat.Snapshot] = []
    while thread.is_alive() or not taken:
        taken.append(jellyformat.snapshot(repo.path, history=history))
    assert not failed
    commits = set(repo.git("rev-list", "--reflog", "HEAD").decode().split())
    for snap in taken:
        commit = snap.manifest.state.head.commit
        assert commit is not None
        assert commit.hex() in commits
        assert not snap.manifest.history.missing
        assert snap.manifest.history.commits == (
            1 if history == "head" else int(repo.git("rev-list", "--count", commit.hex()))
        )
    (tmp_path / "last.jelly").write_bytes(taken[-1].to_bytes())
    assert jellyformat.verify(tmp_path / "last.jelly").ok


def test_restores_beside_git(tmp_path: Path) -> None:
    repo = grown(tmp_path / "repo")
    repo.git("config", "gc.auto", "0")
    repo.append("README.md")
    now = jellyformat.snapshot(repo.path)
    repo.git("stash", "-q")
    repo.git("checkout", "-q", "--detach", "HEAD~3")
    (tmp_path / "now.jelly").write_bytes(now.to_bytes())

    def work(number: int) -> None:
        # as gc does it, but for the locks that a restore holds: what nothing names is kept, as loose objects
        repo.git("repack", "-q", "-A", "-d", "-f", f"--depth={number % 5 + 1}")
        repo.git("prune-packed", "-q")

    thread, failed = beside(work, ROUNDS)
    times = 0
    while thread.is_alive() or times < 1:
        jellyformat.restore(tmp_path / "now.jelly", repo.path)
        jellyformat.undo(repo.path)
        times += 1
    assert not failed
    jellyformat.restore(tmp_path / "now.jelly", repo.path)
    assert jellyformat.snapshot(repo.path).manifest.state.worktree == now.manifest.state.worktree
    repo.git("fsck", "--strict")


def oids_of(repo: Repo) -> list[bytes]:
    listing = repo.git("cat-file", "--batch-check=%(objectname)", "--batch-all-objects", "--unordered")
    return [bytes.fromhex(line.decode()) for line in listing.split()]


def opened(repo: Repo) -> ObjectStore:
    """A store that knows its packs and has mapped their indexes, not the packs."""
    store = ObjectStore(bytes(repo.path / ".git/objects"), "sha1")
    with pytest.raises(KeyError):
        store.read(bytes(20))
    return store


def old(repo: Repo) -> None:
    """Let every directory be one that has not changed for long."""
    for directory, _, _ in os.walk(repo.path / ".git/objects"):
        os.utime(directory, (10**9, 10**9))


@pytest.mark.parametrize("age", [old, lambda repo: None], ids=["old", "young"])
def test_objects_that_move(tmp_path: Path, age: Callable[[Repo], object]) -> None:
    repo = grown(tmp_path / "repo")
    oids = oids_of(repo)
    pack = next((repo.path / ".git/objects/pack").glob("*.pack"))
    age(repo)
    store = opened(repo)
    repo.git("repack", "-q", "-a", "-d", "-f")  # loose ones into a pack, and the old pack goes
    assert not pack.exists()
    for oid in oids:
        assert store.read(oid)
    age(repo)
    store = opened(repo)
    data = b""
    for file in sorted((repo.path / ".git/objects/pack").iterdir()):  # and back
        data = file.read_bytes() if file.suffix == ".pack" else data
        file.unlink()
    repo.git("unpack-objects", "-q", data=data)
    assert [store.size(oid) for oid in oids] == [len(store.read(oid)[1]) for oid in oids]


def test_what_is_mapped_stays(tmp_path: Path) -> None:
    """A delta whose base is in a pack that goes meanwhile."""
    repo = grown(tmp_path / "repo")
    repo.git("repack", "-q", "-a", "-d")
    store = ObjectStore(bytes(repo.path / ".git/objects"), "sha1")
    oids = oids_of(repo)
    for number, oid in enumerate(oids):
        if number % 40 == 0:
            repo.git("repack", "-q", "-a", "-d", "-f", f"--depth={number % 7 + 1}", "--window=20")
        assert store.read(oid)


def test_an_alternate_that_comes(tmp_path: Path) -> None:
    """`git repack` in a clone that borrows, and `git clone --reference` after the fact."""
    repo = grown(tmp_path / "repo")
    oids = oids_of(repo)
    git(tmp_path, "clone", "-q", "--shared", repo.path, tmp_path / "other")
    named = tmp_path / "other/.git/objects/info/alternates"
    text = named.read_bytes()
    named.unlink()
    other = Repo(tmp_path / "other")
    old(other)
    store = opened(other)
    named.write_bytes(text)
    for oid in oids:
        assert store.read(oid)


def test_a_commit_that_is_amended_and_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HEAD was is gone before it was read: the capture is of what it is."""
    repo = base(tmp_path / "repo")
    calls: list[int] = []
    operation = repositories.Repository.operation

    def pruned(self: repositories.Repository) -> object:
        if not calls:
            calls.append(1)
            repo.git("commit", "-q", "--amend", "-m", "amended")
            repo.git("reflog", "expire", "--expire=now", "--all")
            repo.git("gc", "-q", "--prune=now")
        return operation(self)

    monkeypatch.setattr(repositories.Repository, "operation", pruned)
    snap = jellyformat.snapshot(repo.path)
    assert snap.manifest.state.head.commit == bytes.fromhex(repo.git("rev-parse", "HEAD").decode().strip())
    assert calls


def test_objects_that_are_missing_are_said(tmp_path: Path) -> None:
    """Any object of a repository that holds still: no bare KeyError, and the hint."""
    repo = base(tmp_path / "repo")
    repo.write("staged.py", b"staged = 1\n")
    repo.git("add", "staged.py")
    for file in sorted((repo.path / ".git/objects").glob("??/*")):
        data = file.read_bytes()
        file.unlink()
        with contextlib.suppress(errors.RefusedRepository):
            jellyformat.snapshot(repo.path, history="full")
        file.write_bytes(data)
