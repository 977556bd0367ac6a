"""``extract --bundle``: what somebody who only has git makes of it, with the git program."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import craft
import plain
import pytest
from gitrepo import git
from states import STATES
from states import git as git_of_states
from test_story import jelly

import jellyformat
from jellyformat.errors import RefusedBundle, RefusedPath
from jellyformat.exports.bundle import Bundle
from jellyformat.format.model import Provenance
from jellyformat.format.objects import BLOB, Leaf, object_id

CLONE = ("-c", "transfer.fsckObjects=true", "clone", "-q")
STASHED = (
    "staged", "staged_then_changed", "staged_then_deleted", "untracked_names", "file_to_directory", "renamed",
    "mode_changed", "directory_to_symlink", "sparse_cone", "detached", "merge_no_commit", "shallow", "sha256",
    "partial_clone",
)  # fmt: skip


def captured(name: str, tmp_path: Path, history: str = "head") -> tuple[Path, Path]:
    """A repository in one of the states, and a file with its snapshot."""
    repo, file = tmp_path / "repo", tmp_path / "x.jelly"
    STATES[name](repo)
    file.write_bytes(jellyformat.snapshot(repo, history=history).data)
    return repo, file


def bundled(file: Path, *, prerequisites: bool = False) -> tuple[Bundle, Path]:
    made = jellyformat.bundle(file, prerequisites=prerequisites)
    path = file.with_name("x.bundle")
    path.write_bytes(made.to_bytes())
    assert made.to_bytes() == jellyformat.bundle(file, prerequisites=prerequisites).to_bytes()
    return made, path


def cloned(path: Path) -> Path:
    target = path.with_name("clone")
    git(path.parent, *CLONE, str(path), str(target))
    git(target, "fsck", "--full", "--strict")
    return target


def ref(made: Bundle, name: str) -> str:
    """The remote branch of a clone for one of our refs."""
    (found,) = [item for item in made.refs if item.endswith(b"/" + name.encode()) and b"nested" not in item]
    return "origin/" + found.decode().removeprefix("refs/heads/")


@pytest.mark.parametrize("history", ["head", "full"])
def test_clone(history: str, repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.jelly"
    file.write_bytes(jellyformat.snapshot(repository, history=history).data)
    made, path = bundled(file)
    clone = cloned(path)
    assert git(clone, "status", "--porcelain", "--branch") == b"## main...origin/main\n"
    assert git(clone, "rev-parse", "HEAD^{tree}") == git(repository, "rev-parse", "HEAD^{tree}")
    assert git(clone, "rev-parse", ref(made, "index") + "^{tree}") == git(repository, "write-tree")
    with jellyformat.open(file) as box:
        worktree = box.manifest.state.worktree
        assert worktree is not None
        assert git(clone, "rev-parse", ref(made, "worktree") + "^{tree}").decode().strip() == worktree.tree.hex()
    assert git(clone, "log", "--format=%s", "--first-parent", ref(made, "worktree")).splitlines()[:3] == [
        b"worktree: all files as they were on disk",
        b"index: what was staged",
        b"second: wider",
    ]
    log = "log", "--format=%H %an %ae %ad %cn %cd %s"
    if history == "full":
        assert git(clone, *log) == git(repository, *log)
        assert not made.rewritten
    else:
        commit = git(repository, "rev-parse", "HEAD").decode().strip()
        assert git(clone, *log).split()[1:] == git(repository, *log, "-1").split()[1:]
        assert list(made.rewritten) == [commit]
        assert commit in git(clone, "log", "-1", "--format=%B").decode()


@pytest.mark.parametrize("name", STASHED)
def test_the_whole_state_by_git_alone(name: str, tmp_path: Path) -> None:
    repo, file = captured(name, tmp_path)
    made, path = bundled(file)
    clone = cloned(path)
    git(clone, "stash", "apply", "-q", "--index", ref(made, "stash"))
    status = "status", "--porcelain", "--untracked-files=all"
    assert git_of_states(clone, *status) == git_of_states(repo, *status)
    assert git_of_states(clone, "diff") == git_of_states(repo, "diff")
    assert git_of_states(clone, "diff", "--cached") == git_of_states(repo, "diff", "--cached")


def test_clean(tmp_path: Path) -> None:
    repo, file = captured("clean", tmp_path, "full")
    made, path = bundled(file)
    assert list(made.refs) == [b"refs/heads/main"]
    assert made.head == git(repo, "rev-parse", "HEAD").decode().strip()
    assert git(cloned(path), "branch", "--show-current") == b"main\n"


def test_a_repository_that_has_the_history(repository: Path, tmp_path: Path) -> None:
    """The commit may never have been pushed: who has its parent gets it with its own id."""
    colleague = tmp_path / "colleague"
    git(tmp_path, "init", "-q", str(colleague))
    git(repository, "push", "-q", str(colleague), "HEAD~1:refs/heads/theirs")
    commit = git(repository, "rev-parse", "HEAD").decode().strip()
    assert subprocess.run(["git", "cat-file", "-e", commit], cwd=colleague, check=False).returncode
    file = tmp_path / "x.jelly"
    file.write_bytes(jellyformat.snapshot(repository).data)
    made, path = bundled(file, prerequisites=True)
    parent = git(repository, "rev-parse", "HEAD~1").decode().strip()
    assert (made.head, made.prerequisites, dict(made.rewritten)) == (commit, (parent,), {})
    git(colleague, "bundle", "verify", "-q", str(path))
    git(colleague, "fetch", "-q", str(path), "refs/heads/*:refs/remotes/snapshot/*")
    assert git(colleague, "rev-parse", "snapshot/main").decode().strip() == commit
    git(colleague, "fsck", "--full", "--strict")
    done = subprocess.run(["git", *CLONE, str(path), "no"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode
    # the other form is fetched by anybody
    _, path = bundled(file)
    git(colleague, "fetch", "-q", str(path))
    assert git(colleague, "diff", "FETCH_HEAD", commit) == b""


def test_without_branch_or_commit(tmp_path: Path) -> None:
    repo, file = captured("detached", tmp_path)
    made, path = bundled(file)
    assert git(cloned(path), "branch", "--show-current").decode().strip() == ref(made, "head").removeprefix("origin/")
    for name in ("unborn_with_files", "unborn", "bare_unborn"):
        place = tmp_path / name
        place.mkdir()
        repo, file = captured(name, place)
        made, path = bundled(file)
        clone = cloned(path)
        assert git(clone, "rev-parse", "HEAD") == git(clone, "rev-parse", ref(made, "worktree"))
        if name == "unborn_with_files":
            listed = git_of_states(repo, "ls-files", "-co", "--exclude-standard").splitlines()
            assert git_of_states(clone, "ls-files").splitlines() == sorted(listed)
            assert git(clone, "rev-parse", ref(made, "index") + "^{tree}") == git_of_states(repo, "write-tree")


def test_a_branch_in_the_way(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "-q", "-b", "jellyformat")
    file = tmp_path / "x.jelly"
    file.write_bytes(jellyformat.snapshot(repository).data)
    _, path = bundled(file)
    assert git(cloned(path), "branch", "--show-current") == b"jellyformat\n"


def test_what_git_would_not_stash(tmp_path: Path) -> None:
    """A file that was taken out of the index and is still there would be in git's own way."""
    repo, file = captured("rm_cached", tmp_path)
    made, path = bundled(file)
    assert sorted(name.rpartition(b"/")[2] for name in made.refs) == [b"index", b"main", b"worktree"]
    assert b"README.md" in git(cloned(path), "ls-tree", "--name-only", ref(made, "worktree")).splitlines()
    assert b"README.md" not in git_of_states(repo, "ls-files").splitlines()


def test_signatures_of_commits_that_lose_their_parents(tmp_path: Path) -> None:
    repo, file = captured("signed_and_encoded", tmp_path)
    assert b"\ngpgsig " in git_of_states(repo, "cat-file", "commit", "HEAD")
    made, path = bundled(file)
    found = git(cloned(path), "cat-file", "commit", made.head)
    original = git_of_states(repo, "cat-file", "commit", "HEAD")
    kept = [
        line
        for line in found.partition(b"\n\n")[0].splitlines()
        if line.startswith((b"tree", b"auth", b"comm", b"enc"))
    ]
    assert kept == found.partition(b"\n\n")[0].splitlines()
    assert [line for line in original.splitlines() if line in kept] == kept
    assert original.partition(b"\n\n")[2].rstrip() in found
    full = tmp_path / "full"
    full.mkdir()
    repo, file = captured("signed_and_encoded", full, "full")
    made, path = bundled(file)
    assert git(cloned(path), "cat-file", "commit", made.head) == original


def test_a_merge_in_progress(tmp_path: Path) -> None:
    repo, file = captured("merge_conflict", tmp_path, "full")
    made, path = bundled(file)
    clone = cloned(path)
    assert git(clone, "rev-parse", ref(made, "merge-head")) == git(repo, "rev-parse", "MERGE_HEAD")
    assert not [name for name in made.refs if name.endswith((b"/index", b"/stash"))]
    with jellyformat.open(file) as box:
        path_in_conflict = os.fsdecode(box.manifest.summary.conflicted[0])
    assert b"<<<<<<<" in git(clone, "show", f"{ref(made, 'worktree')}:{path_in_conflict}")


def test_nested_repositories(tmp_path: Path) -> None:
    repo, file = captured("submodule_dirty", tmp_path, "full")
    made, path = bundled(file)
    clone = cloned(path)
    (head,) = [name for name in made.refs if name.endswith(b"/nested/1/head")]
    assert made.refs[head] == git(repo / "lib", "rev-parse", "HEAD").decode().strip()
    (worktree,) = [name for name in made.refs if name.endswith(b"/nested/1/worktree")]
    files = git(clone, "ls-tree", "-r", "--name-only", made.refs[worktree]).splitlines()
    listed = git_of_states(repo / "lib", "ls-files", "-co", "--exclude-standard").splitlines()
    assert sorted(files) == sorted(listed)


def test_what_git_would_ask_for_is_not_there(tmp_path: Path) -> None:
    _, file = captured("partial_clone_blobs_missing", tmp_path)
    with pytest.raises(RefusedBundle):
        jellyformat.bundle(file)
    jelly(tmp_path, "extract", "x.jelly", "--bundle", "-o", "x.bundle", code=4)
    assert not (tmp_path / "x.bundle").exists()


@pytest.mark.slow
def test_a_container_made_to_do_harm(tmp_path: Path) -> None:
    made = craft.crafted()
    leaf = Leaf(0o100644, object_id(BLOB, b"new\n"))
    for number, name in enumerate((b".git", b".GIT/hooks/post-checkout", b"git~1", b"..", b"a/../../b")):
        file = tmp_path / f"{number}.jelly"
        file.write_bytes(made.with_leaves({name: leaf}))
        with pytest.raises(RefusedPath):
            jellyformat.bundle(file)
        jelly(tmp_path, "extract", file.name, "--bundle", "-o", "x.bundle", code=4)
    assert not (tmp_path / "x.bundle").exists()


def test_times_beyond_the_calendar(tmp_path: Path) -> None:
    parts, records = craft.good()
    for time, zone in ((1 << 63, -1440), (0, 1440), (1, -90)):
        provenance = Provenance(time, zone, "\x1b[2J")
        file = tmp_path / "x.jelly"
        file.write_bytes(craft.assemble(replace(parts, provenance=provenance), records))
        _, path = bundled(file)
        git(tmp_path, "init", "-q", f"r{time}")
        git(tmp_path / f"r{time}", "-c", "fetch.fsckObjects=true", "fetch", "-q", str(path), "refs/heads/*:refs/x/*")


@pytest.mark.slow
def test_the_command(repository: Path, tmp_path: Path) -> None:
    file = repository / "model.bin"
    file.write_bytes(plain.npy(range(50)))
    jelly(repository, "embed", "model.bin")
    said = jelly(repository, "extract", "model.bin", "--bundle", "-o", "x.bundle").stdout
    assert b"--prerequisites" in said
    assert cloned(repository / "x.bundle").is_dir()
    before = (repository / "x.bundle").read_bytes()
    jelly(repository, "extract", "model.bin", "--bundle", "-o", "x.bundle", code=4)
    assert (repository / "x.bundle").read_bytes() == before
    told = json.loads(
        jelly(repository, "extract", "model.bin", "--bundle", "--replace", "-o", "x.bundle", "--json").stdout
    )
    listed = git(repository, "bundle", "list-heads", "x.bundle").decode().split()
    assert dict(zip(listed[1::2], listed[::2], strict=True)) == {**told["refs"], "HEAD": told["head"]}
    assert told["bytes"] == os.path.getsize(repository / "x.bundle")
    assert told["prerequisites"] == []
    jelly(repository, "extract", "model.bin", "--prerequisites", "-o", "y", code=2)
    said = jelly(repository, "extract", "model.bin", "--bundle", "--prerequisites", "-o", "y.bundle").stdout
    assert b"git fetch takes it where" in said
    jelly(repository, "extract", "train.py", "--bundle", "-o", "y", code=3)
