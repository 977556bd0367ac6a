"""What is kept for undo: its size is said and has a bound, and what its owner prunes is gone, with all that kept it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import images
import pytest
from states import NEWER_GIT, REFTABLE, Repo, base, git
from test_story import jelly

import jellyformat
from jellyformat.checkout import prune
from jellyformat.checkout.undo import NothingToUndo
from jellyformat.errors import JellyError, RefusedSize, Usage

OPTIONS = [()] if NEWER_GIT is None else [(), (REFTABLE,)]


@pytest.fixture(params=OPTIONS, ids=["files", "reftable"][: len(OPTIONS)])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    return base(tmp_path / "r", *request.param)


def kept(repo: Repo, name: str = "x") -> Path:
    """A snapshot of the repository as it is, beside it."""
    file = repo.path.with_name(f"{name}.jelly")
    file.write_bytes(images.take(repo.path).data)
    return file


def steps(repo: Repo, count: int) -> None:
    """So many restores, a commit and a large file before each."""
    file = kept(repo)
    for number in range(count):
        repo.write("big.bin", os.urandom(100_000))
        repo.commit(f"number {number}")
        jellyformat.restore(file, repo.path)


def our_refs(repo: Repo) -> list[bytes]:
    return repo.git("for-each-ref", "--format=%(refname)", "refs/jellyformat").split()


def store_size(repo: Repo) -> int:
    return sum(path.stat().st_size for path in (repo.path / ".git/jellyformat").rglob("*") if path.is_file())


def test_by_count(repo: Repo) -> None:
    steps(repo, 6)
    before = store_size(repo)
    assert len(our_refs(repo)) == 6
    told = jellyformat.prune(repo.path, keep=2, dry_run=True)
    assert told.states == (0, 1, 2, 3)
    assert store_size(repo) == before
    done = jellyformat.prune(repo.path, keep=2)
    assert (done.states, done.freed, done.left) == (told.states, told.freed, told.left)
    assert done.freed >= 400_000
    assert before - store_size(repo) >= 400_000
    assert len(our_refs(repo)) == 2
    assert [entry.state for entry in jellyformat.history(repo.path)] == [4, 5, 6]
    assert jellyformat.undo(repo.path, 2).state == 4
    with pytest.raises(NothingToUndo):
        jellyformat.undo(repo.path)
    jellyformat.redo(repo.path, 2)
    assert jellyformat.prune(repo.path, keep=2).states == ()
    assert len(jellyformat.prune(repo.path, keep=0).states) == 2
    assert our_refs(repo) == []
    assert repo.git("fsck", "--no-dangling") == b""


def test_by_age(repo: Repo) -> None:
    steps(repo, 4)
    assert jellyformat.prune(repo.path, older_than=1).states == ()
    old = time.time() - 10 * 86_400
    for name in ("0-1", "1-2"):
        os.utime(repo.path / f".git/jellyformat/states/{name}/record", (old, old))
    assert jellyformat.prune(repo.path, keep=3, older_than=9, dry_run=True).states == (0,)
    assert jellyformat.prune(repo.path, older_than=9).states == (0, 1)
    assert [entry.undo for entry in jellyformat.history(repo.path)] == [2, 1, None]


def test_commits_of_what_is_gone_go_with_gc(repo: Repo) -> None:
    """git packs our refs in its gc: they go from there as well."""
    steps(repo, 3)
    commits = [repo.git("rev-parse", ref.decode()).strip().decode() for ref in our_refs(repo)]
    repo.git("pack-refs", "--all")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("update-ref", "-d", "refs/heads/main")
    jellyformat.prune(repo.path, keep=1)
    assert len(our_refs(repo)) == 1
    repo.git("gc", "-q", "--prune=now")
    there = [repo.git("cat-file", "-t", commit, fails=True) == b"commit\n" for commit in sorted(commits)]
    assert sum(there) < 3
    jellyformat.undo(repo.path)
    assert repo.git("fsck", "--no-dangling") == b""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["write_log", "clear_refs", "sweep"])
def test_killed_while_it_prunes(name: str, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next command completes it, or nothing was done."""
    steps(repo, 3)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prune, name, killed)
        with pytest.raises(KeyboardInterrupt):
            jellyformat.prune(repo.path, keep=1)
    listed = [entry.state for entry in jellyformat.history(repo.path)]
    assert listed == ([0, 1, 2, 3] if name == "write_log" else [2, 3])
    states = sorted(path.name for path in (repo.path / ".git/jellyformat/states").iterdir())
    assert len(states) == len(listed) - 1
    assert len(our_refs(repo)) == len(listed) - 1
    jellyformat.undo(repo.path)


def test_the_bound(repo: Repo) -> None:
    steps(repo, 2)
    repo.write("big.bin", os.urandom(3_000_000))
    before = images.image(repo.path)
    with pytest.raises(RefusedSize, match="would be kept for undo") as caught:
        jellyformat.restore(kept(repo, "y").with_name("x.jelly"), repo.path, max_history=3_000_000)
    assert caught.value.exit_code == 4
    assert "max_history" in str(caught.value.hint)
    assert images.differences(before, images.image(repo.path)) == []
    jellyformat.restore(repo.path.with_name("x.jelly"), repo.path, max_history=10_000_000)
    repo.append("README.md")
    with pytest.raises(RefusedSize):
        jellyformat.restore(repo.path.with_name("x.jelly"), repo.path, max_history=3_000_000)
    jellyformat.prune(repo.path, keep=0)
    jellyformat.restore(repo.path.with_name("x.jelly"), repo.path, max_history=3_000_000)


@pytest.mark.slow
def test_the_commands(repo: Repo, tmp_path: Path) -> None:
    steps(repo, 3)
    said = jelly(tmp_path, "history", "r").stdout.decode()
    assert "kept for undo: " in said
    assert "at most 8 GB" in said
    told = jelly(tmp_path, "history", "r", "--prune", "--keep", "1", "--dry-run").stdout.decode()
    assert "would remove 2 states (0, 1); would free " in told
    found = json.loads(jelly(tmp_path, "history", "r", "--prune", "--keep", "1", "--json").stdout)
    assert found["states"] == [0, 1]
    assert found["freed"] > 200_000
    assert "removed 0 states" in jelly(tmp_path, "history", "r", "--prune").stdout.decode()
    jelly(tmp_path, "history", "r", "--keep", "1", code=2)
    repo.write("big.bin", os.urandom(2_000_000))
    jelly(tmp_path, "restore", "x.jelly", "r", "--max-history", "1M", code=4)
    with pytest.raises(Usage):
        jellyformat.prune(repo.path, keep=-1)


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_refs_in_a_repository_inside(packed: bool, repo: Repo) -> None:
    inner = Repo(repo.path / "inner")
    inner.write("a.txt")
    inner.commit()
    file = kept(repo)
    for number in range(3):
        inner.write("a.txt", b"%d\n" % number)
        inner.commit()
        jellyformat.restore(file, repo.path)
    assert len(our_refs(inner)) == 3
    if packed:
        inner.git("pack-refs", "--all")
    jellyformat.prune(repo.path, keep=1)
    assert len(our_refs(inner)) == 1
    jellyformat.undo(repo.path)
    assert inner.git("fsck", "--no-dangling") == b""


# -- worktrees ---------------------------------------------------------------------------------------------------------


def linked(repo: Repo, name: str = "side") -> Repo:
    repo.git("worktree", "add", "-q", "-b", name, repo.path.with_name(name))
    return Repo(repo.path.with_name(name))


def test_a_worktree_that_was_removed_leaves_no_refs(repo: Repo) -> None:
    side = linked(repo)
    file = kept(repo)
    for place in (repo, side):
        place.append("README.md")
        place.commit("mine")
        jellyformat.restore(file, place.path)
    repo.git("pack-refs", "--all")
    assert len(our_refs(repo)) == 2
    assert {ref.split(b"/")[2] for ref in our_refs(repo)} == {b"state", b"state-" + b"side".hex().encode()}
    git(repo.path, "worktree", "remove", "--force", side.path)
    assert len(our_refs(repo)) == 2
    jellyformat.history(repo.path)
    assert [ref.split(b"/")[2] for ref in our_refs(repo)] == [b"state"]
    jellyformat.undo(repo.path)
    assert repo.git("fsck", "--no-dangling") == b""


@pytest.mark.slow
def test_rules_of_two_worktrees(repo: Repo) -> None:
    """They share one file of rules: what one notes there stays when the other is undone, and hides nothing there."""
    repo.write("plain.txt")
    file = kept(repo)
    repo.remove("plain.txt")
    side = linked(repo)
    repo.write(".gitignore", b"*.secret\n")
    side.write(".gitignore", b"*.key\n*.both\n")
    repo.write("a.secret")
    side.write("b.key")
    side.write("c.both")
    repo.write("c.both", b"not ignored here\n")
    exclude = repo.path / ".git/info/exclude"
    at_first = exclude.read_bytes() if exclude.exists() else None
    said = images.said(repo.path)["status"], images.said(side.path)["status"]
    jellyformat.restore(file, repo.path)
    assert b"/a.secret\n" in exclude.read_bytes()
    jellyformat.restore(file, side.path)
    assert b"/b.key\n" in exclude.read_bytes()
    repo.write("c.both")
    jellyformat.undo(repo.path)
    assert b"/a.secret\n" not in exclude.read_bytes()
    assert b"/b.key\n" in exclude.read_bytes()
    assert b"?? c.both" in repo.git("status", "--porcelain")
    assert images.said(repo.path)["status"] == said[0]
    jellyformat.undo(side.path)
    assert images.said(side.path)["status"] == said[1]
    assert (exclude.read_bytes() if exclude.exists() else None) == at_first
    jellyformat.redo(side.path)
    git(repo.path, "worktree", "remove", "--force", side.path)
    jellyformat.redo(repo.path)
    assert b"/b.key" not in exclude.read_bytes()
    assert b"/a.secret\n" in exclude.read_bytes()


def test_another_worktrees_files_are_not_hidden(repo: Repo) -> None:
    repo.write("plain.txt")
    file = kept(repo)
    repo.remove("plain.txt")
    side = linked(repo)
    repo.write(".gitignore", b"*.secret\n")
    repo.write("a.secret")
    side.write("a.secret", b"not ignored here\n")
    jellyformat.restore(file, repo.path)
    assert b"?? a.secret" in side.git("status", "--porcelain")
    assert (repo.path / "a.secret").exists()
    jellyformat.undo(repo.path)
    assert (repo.path / "a.secret").exists()


def test_both_worktrees_note_the_same_path(repo: Repo) -> None:
    repo.write("plain.txt")
    file = kept(repo)
    repo.remove("plain.txt")
    side = linked(repo)
    for place in (repo, side):
        place.write(".gitignore", b"*.secret\n")
        place.write("a.secret")
        jellyformat.restore(file, place.path)
    for place in (repo, side):
        assert b"a.secret" not in place.git("status", "--porcelain")
    jellyformat.undo(repo.path)
    assert b"a.secret" not in side.git("status", "--porcelain")
    jellyformat.undo(side.path)
    assert b"a.secret" not in (repo.path / ".git/info/exclude").read_bytes()


@pytest.mark.slow
def test_git_at_work_on_its_refs(repo: Repo) -> None:
    """What cannot be cleared now is by the next command."""
    steps(repo, 2)
    repo.git("pack-refs", "--all")
    names = ("packed-refs.lock", "reftable/tables.list.lock")
    lock = repo.path / ".git" / names[(repo.path / ".git/reftable").is_dir()]
    lock.write_bytes(b"")
    try:
        jellyformat.prune(repo.path, keep=0)
    except JellyError as error:
        pytest.fail(str(error))
    assert len(our_refs(repo)) == 2
    lock.unlink()
    jellyformat.history(repo.path)
    assert our_refs(repo) == []
