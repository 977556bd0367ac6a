"""``git FILE ARG… {} …``: the git program on a snapshot, what it says, and what it must not run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import craft
import plain
import pytest
from gitrepo import git
from states import STATES
from states import git as git_of_states
from test_story import jelly

import jellyformat
from jellyformat.format.objects import BLOB, Leaf, object_id


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files; nothing may be left there."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    return place


@pytest.fixture
def model(repository: Path) -> Path:
    """A checkpoint with a snapshot, in its repository."""
    file = repository / "model.bin"
    file.write_bytes(plain.npy(range(50)))
    jellyformat.embed(file, jellyformat.snapshot(repository, carriers=[file]))
    return file


@pytest.mark.slow
def test_inside(model: Path, repository: Path, temporary: Path) -> None:
    def said(*arguments: str, code: int = 0) -> bytes:
        return jelly(repository, "git", "model.bin", *arguments, code=code).stdout

    assert said("rev-parse", "HEAD") == git(repository, "rev-parse", "HEAD")
    assert said("symbolic-ref", "HEAD") == b"refs/heads/main\n"
    assert said("log", "--format=%H %s") == git(repository, "log", "-1", "--format=%H %s")
    assert said("show", "HEAD:model.py") == b"hidden = 16\n"
    assert said("diff", "--cached") == git(repository, "diff", "--cached")
    assert said("diff", "jellyformat/index", "jellyformat/worktree", "--", "train.py") == git(
        repository, "diff", "--", "train.py"
    )
    assert said("show", "jellyformat/worktree:new file.txt") == b"untracked\n"
    assert said("diff", "--exit-code", "--stat", "HEAD", "jellyformat/index", code=1)
    said("rev-parse", "--verify", "-q", "nothing", code=1)
    said("no-such-command", code=1)
    said("status", code=128)
    assert said("archive", "-o", "code.tar", "jellyformat/worktree") == b""
    assert (repository / "code.tar").stat().st_size
    assert list(temporary.iterdir()) == []


def test_clone(model: Path, repository: Path, tmp_path: Path, temporary: Path) -> None:
    jelly(tmp_path, "git", str(model), "clone", "-q", "{}")
    clone = tmp_path / "model"
    assert git(clone, "rev-parse", "HEAD") == git(repository, "rev-parse", "HEAD")
    assert git(clone, "status", "--porcelain", "--branch") == b"## main...origin/main\n"
    assert git(clone, "rev-parse", "--is-shallow-repository") == b"true\n"
    git(clone, "fsck", "--full", "--strict")
    (stash,) = (line for line in git(clone, "branch", "-r", "--format=%(refname)").splitlines() if b"/stash" in line)
    git(clone, "stash", "apply", "-q", "--index", stash)
    model.unlink()
    assert git(clone, "status", "--porcelain") == git(repository, "status", "--porcelain")
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_fetch_with_the_history_and_without(model: Path, repository: Path, tmp_path: Path) -> None:
    colleague, stranger = tmp_path / "colleague", tmp_path / "stranger"
    commit = git(repository, "rev-parse", "HEAD").decode().strip()
    git(tmp_path, "init", "-q", str(colleague))
    git(repository, "push", "-q", str(colleague), "HEAD~1:refs/heads/theirs")
    assert subprocess.run(["git", "cat-file", "-e", commit], cwd=colleague, check=False).returncode
    jelly(colleague, "git", str(model), "fetch", "-q", "{}", "jellyformat/worktree")
    assert git(colleague, "show", "FETCH_HEAD:new file.txt") == b"untracked\n"
    assert git(colleague, "rev-parse", "FETCH_HEAD~2").decode().strip() == commit
    assert git(colleague, "rev-parse", "--is-shallow-repository") == b"false\n"
    git(colleague, "fsck", "--full")
    git(colleague, "checkout", "-q", commit)
    jelly(colleague, "git", str(model), "fetch", "-q", "{}", "refs/jellyformat/*:refs/model/*")  # it has the commit
    assert git(colleague, "rev-list", "--count", "refs/model/worktree") == b"4\n"
    git(tmp_path, "init", "-q", str(stranger))
    jelly(stranger, "git", str(model), "fetch", "-q", "--update-shallow", "{}", "refs/heads/*:refs/remotes/model/*")
    assert git(stranger, "rev-parse", "model/main").decode().strip() == commit
    git(stranger, "fsck", "--full")


def test_a_clone_does_not_borrow(model: Path, repository: Path) -> None:
    jelly(repository, "git", "model.bin", "clone", "-q", "{}", "copy")
    assert not (repository / "copy" / ".git" / "objects" / "info" / "alternates").exists()
    git(repository / "copy", "fsck", "--full")


def test_fetch_into_a_shallow_repository(repository: Path, tmp_path: Path) -> None:
    """It has the parent and not the parent's parent, and goes on having no more."""
    place = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", str(place))
    boundary = (place / ".git" / "shallow").read_bytes()
    git(repository, "commit", "-qam", "third")
    (tmp_path / "x.jelly").write_bytes(jellyformat.snapshot(repository).data)
    jelly(place, "git", str(tmp_path / "x.jelly"), "fetch", "-q", "{}")
    assert git(place, "rev-parse", "FETCH_HEAD") == git(repository, "rev-parse", "HEAD")
    assert (place / ".git" / "shallow").read_bytes() == boundary
    assert git(place, "rev-list", "--count", "FETCH_HEAD") == b"2\n"
    git(place, "fsck", "--full")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "name", ["sha256", "detached", "unborn_with_files", "merge_conflict", "bare", "submodule_dirty"]
)
@pytest.mark.slow
def test_states(name: str, tmp_path: Path, temporary: Path) -> None:
    repo = tmp_path / "repo"
    STATES[name](repo)
    (tmp_path / "x.jelly").write_bytes(jellyformat.snapshot(repo).data)

    def said(*arguments: str, code: int = 0) -> bytes:
        return jelly(tmp_path, "git", "x.jelly", *arguments, code=code).stdout

    if name == "unborn_with_files":
        assert said("ls-tree", "--name-only", "jellyformat/index") == b"staged.py\n"
    else:
        assert said("rev-parse", "HEAD") == git_of_states(repo, "rev-parse", "HEAD")
    if name == "detached":
        said("symbolic-ref", "-q", "HEAD", code=1)
    if name == "submodule_dirty":
        assert said("rev-parse", "jellyformat/nested/1/head") == git_of_states(repo / "lib", "rev-parse", "HEAD")
    if name != "bare":
        assert said("ls-files", "--stage") == git_of_states(repo, "ls-files", "--stage")
    said("fsck", "--full", "--strict")
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_nothing_of_a_snapshot_or_configuration_is_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    program.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        (hooks / hook).symlink_to(program)
    (repository / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    (repository / ".gitconfig").write_text(f"[core]\n\tfsmonitor = {program}\n")
    git(repository, "add", ".")
    file = tmp_path / "x.jelly"
    file.write_bytes(jellyformat.snapshot(repository).data)
    configuration = tmp_path / ".gitconfig"
    monkeypatch.setenv("HOME", str(tmp_path))
    configuration.write_text(
        f"[core]\n\thooksPath = {hooks}\n\tfsmonitor = {program}\n\tpager = {program}\n"
        f'[diff]\n\texternal = {program}\n[diff "evil"]\n\ttextconv = {program}\n\tcommand = {program}\n'
        f'[filter "evil"]\n\tsmudge = {program}\n\tclean = {program}\n\trequired = true\n'
        f"[uploadpack]\n\tpackObjectsHook = {program}\n[alias]\n\tlook = !{program}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(configuration))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(program))
    monkeypatch.setenv("GIT_WORK_TREE", str(repository))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    for arguments in (
        ("log", "-p", "--all"), ("diff", "--cached"), ("show", "jellyformat/worktree"), ("grep", "hidden", "HEAD"),
        ("cat-file", "--filters", "HEAD:model.py"), ("cat-file", "--textconv", "HEAD:model.py"),
        ("update-ref", "refs/heads/new", "HEAD"), ("archive", "-o", str(tmp_path / "x.tar"), "HEAD"), ("gc",),
        ("commit-tree", "-m", "x", "HEAD^{tree}"),
    ):  # fmt: skip
        jelly(tmp_path, "git", "x.jelly", *arguments)
        assert not canary.exists(), arguments
    jelly(tmp_path, "git", "x.jelly", "look", code=1)
    assert not canary.exists()
    # the canary sings where git is asked to use what the user has set
    subprocess.run(["git", "diff", "HEAD"], cwd=repository, stdout=subprocess.DEVNULL, check=False)
    assert canary.exists()


@pytest.mark.slow
def test_a_container_made_to_do_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    made = craft.crafted()
    leaf = Leaf(0o100644, object_id(BLOB, b"new\n"))
    for name in (b".git/hooks/post-checkout", b"../out", b"GIT~1"):
        (tmp_path / "x.jelly").write_bytes(made.with_leaves({name: leaf}))
        jelly(tmp_path, "git", "x.jelly", "log", code=4)
        jelly(tmp_path, "git", "x.jelly", "clone", "{}", code=4)
    data = bytearray(craft.assemble(*craft.good()))
    data[-3] ^= 1
    (tmp_path / "x.jelly").write_bytes(data)
    jelly(tmp_path, "git", "x.jelly", "log", code=1)
    assert not (tmp_path / "canary").exists()
    (tmp_path / "x.jelly").write_bytes(craft.assemble(*craft.good()))
    jelly(tmp_path, "git", "x.jelly", "log")
    assert (tmp_path / "canary").exists()
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_wrong_usage_and_no_git(
    model: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    jelly(repository, "git", "model.bin", code=2)
    jelly(repository, "git", "train.py", "log", code=3)
    jelly(repository, "git", "nothing.bin", "log", code=3)
    monkeypatch.setenv("PATH", str(temporary))
    done = jelly(repository, "git", "model.bin", "log", code=5)
    assert b"no git program" in done.stderr
    assert list(temporary.iterdir()) == []


def running(model: Path) -> subprocess.Popen[bytes]:
    """git waiting for input, in a temporary repository."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jellyformat", "git", str(model), "cat-file", "--batch-check"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"HEAD\n")
    process.stdin.flush()
    assert b" commit " in process.stdout.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_git_and_takes_the_repository_away(number: signal.Signals, model: Path, temporary: Path) -> None:
    process = running(model)
    assert len(list(temporary.iterdir())) == 1
    process.send_signal(number)
    assert process.wait(timeout=60) == 128 + number  # its input is still open: git has not ended by itself
    process.communicate()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_has_left(model: Path, repository: Path, temporary: Path) -> None:
    """It is removed by the next one, when git is done with it; and nothing else is."""
    others = [temporary / name for name in ("jellyformat-git-notes", "jellyformat-git-0123456789abc", "x")]
    for other in others:
        other.mkdir()
    link = temporary / "jellyformat-git-00112233aabb"
    link.symlink_to(repository)
    others += [link, temporary / "jellyformat-git-00112233aabc"]
    others[-1].write_bytes(b"mine")
    if os.geteuid() == 0:  # that of somebody else
        others.append(temporary / "jellyformat-git-00112233aabd")
        others[-1].mkdir()
        os.chown(others[-1], 65534, 65534)
    with running(model) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        (left,) = set(temporary.iterdir()) - {*others}
        process.kill()
        assert process.wait(timeout=60) == -signal.SIGKILL
        with running(model) as second:  # one that lives keeps its own, and git keeps that of the dead one
            assert left.exists()
            assert len(list(temporary.iterdir())) == len(others) + 2
            second.communicate()
        jelly(repository, "git", "model.bin", "rev-parse", "HEAD")
        process.stdin.write(b"HEAD^{tree}\n")
        process.stdin.flush()
        assert b" tree " in process.stdout.readline()
        process.stdin.close()
        assert process.stdout.read() == b""  # git has ended
    jelly(repository, "git", "model.bin", "rev-parse", "HEAD")
    assert sorted(temporary.iterdir()) == sorted(others)
    assert (repository / "model.py").exists()


def test_an_interrupt_is_for_git_to_handle(model: Path, temporary: Path) -> None:
    process = running(model)
    process.send_signal(signal.SIGINT)  # a terminal sends it to git as well, which may go on
    assert process.stdin is not None
    process.stdin.write(b"HEAD^{tree}\n")
    out, _ = process.communicate(timeout=60)
    assert b" tree " in out
    assert process.returncode == 0
    assert list(temporary.iterdir()) == []


def test_a_signal_before_git_was_run(temporary: Path, tmp_path: Path) -> None:
    code = f"""
import os, signal
from jellyformat.exports import rungit
write = rungit._write
def slow(*args):
    write(*args)
    os.kill(os.getpid(), signal.SIGTERM)
rungit._write = slow
rungit.run_git({str(tmp_path / "x.jelly")!r}, ["log"])
"""
    (tmp_path / "x.jelly").write_bytes(craft.assemble(*craft.good()))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, b"")
    assert list(temporary.iterdir()) == []
