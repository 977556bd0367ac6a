"""Files without git: worktrees and submodules mounted alone, repositories that cannot be read, plain directories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from owners import open_place
from states import GIT_ENVIRONMENT, STATES, base
from test_left_out import files, verified
from traces import look

import jellyformat
from jellyformat import errors
from jellyformat.training import SnapshotWarning, process

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else, or mount")
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def alone(path: Path, scratch: Path, git: str) -> jellyformat.Snapshot:
    """A snapshot of the files at ``path`` alone, checked; nothing there is touched."""
    before = look(path)
    snap = verified(jellyformat.snapshot(path, without_git=True), scratch)
    assert look(path) == before
    state = snap.manifest.state
    assert (state.head.commit, state.head.ref, state.index, state.operation) == (None, None, None, None)
    assert snap.manifest.provenance.more["git"] == git
    return snap


def test_a_plain_directory(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "src").mkdir(parents=True)
    (place / "empty").mkdir()
    (place / "src/train.py").write_text("a = 1\n")
    (place / ".gitignore").write_text("*.log\n")
    (place / "run.log").write_text("ignored\n")
    with pytest.raises(errors.NoRepository) as caught:
        jellyformat.snapshot(place)
    assert "without_git=True" in str(caught.value.hint)
    snap = alone(place, tmp_path, "none")
    assert files(snap) == {"src/train.py", ".gitignore"}
    assert snap.manifest.ignored == (b"run.log",)
    assert snap.manifest.summary.untracked == (b".gitignore", b"src/train.py")
    assert files(alone(place / "src", tmp_path, "none")) == {"train.py"}, "the directory that was named"
    jellyformat.export(tmp_path / "s.jelly", tmp_path / "code")
    assert (tmp_path / "code/train.py").read_text() == "a = 1\n"
    with pytest.raises(errors.RefusedRepository, match="were in no repository"):
        jellyformat.restore(tmp_path / "s.jelly", tmp_path / "new")
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "snapshot", "--without-git", "-o", "x.jelly"],
        cwd=place, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    shown = subprocess.run(
        [sys.executable, "-m", "jellyformat", "show", "x.jelly"], cwd=place, capture_output=True, text=True, check=True
    ).stdout
    assert "none: the files were taken without git" in shown
    command = [sys.executable, "-m", "jellyformat", "log", "x.jelly"]
    assert "without git" in subprocess.run(command, cwd=place, capture_output=True, text=True, check=True).stdout


def test_a_repository_that_is_there_is_taken(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    assert jellyformat.snapshot(repo.path / "src", without_git=True).id == jellyformat.snapshot(repo.path).id


def test_a_repository_inside(tmp_path: Path) -> None:
    place = tmp_path / "place"
    repo = base(place / "project")
    (place / "notes.txt").write_text("notes\n")
    snap = alone(place, tmp_path, "none")
    nested = snap.manifest.state.submodules
    assert [item.path for item in nested] == [b"project"]
    assert nested[0].state == jellyformat.snapshot(repo.path).manifest.state


@pytest.mark.parametrize("kind", ["linked_worktree", "submodule_dirty", "separate_git_dir"])
def test_mounted_alone(tmp_path: Path, kind: str) -> None:
    """Its ``.git`` points to what is not there: said, with how to mount it; not the repository above."""
    base(tmp_path / "outer")
    path = tmp_path / "outer/mine"
    made = tmp_path / "made/repo"
    made.parent.mkdir()
    STATES[kind](made)
    if kind == "submodule_dirty":
        inside = next(item.parent for item in made.rglob(".git") if item.is_file())
        target = (inside / (inside / ".git").read_text()[8:].strip()).resolve()
        (inside / ".git").write_text(f"gitdir: {target}\n")
        made = inside
    shutil.move(made, path)
    pointed = Path((path / ".git").read_text()[8:].strip())
    owner = pointed
    while owner.parent != tmp_path / "made":
        owner = owner.parent
    owner.rename(tmp_path / "elsewhere")
    with pytest.raises(errors.NoRepository, match="says that the repository is at") as caught:
        jellyformat.snapshot(path)
    hint = str(caught.value.hint)
    assert "without_git=True" in hint
    if kind != "separate_git_dir":
        assert f"mount {pointed.as_posix().partition('/.git/')[0]} too" in hint
        assert ("submodule" if kind == "submodule_dirty" else "worktree") in hint
    with pytest.warns(errors.CaptureWarning, match="are taken alone, without commit, branch and what was staged"):
        snap = alone(path, tmp_path, "unreadable")
    on_disk = {os.path.relpath(item, path) for item in path.rglob("*") if not item.is_dir() and item.name != ".git"}
    assert files(snap) <= on_disk
    assert len(files(snap)) > 3
    below = next(item for item in path.iterdir() if item.is_dir() and item.name != ".git")
    with pytest.warns(errors.CaptureWarning):
        assert jellyformat.snapshot(below, without_git=True).id == snap.id


_CHILD = """
import json, os, sys, warnings, jellyformat
path, user = sys.argv[1:]
warnings.simplefilter("ignore")
jellyformat.snapshot(path, without_git=True)  # what it imports may not be readable afterwards
if user:
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
for without_git in (False, True):
    try:
        snap = jellyformat.snapshot(path, without_git=without_git)
    except jellyformat.JellyError as error:
        print(json.dumps([error.error_class, error.message, str(error.hint)]))
    else:
        with snap.open() as box:
            names = [os.fsdecode(item.path) for item in box.files()]
        print(json.dumps([snap.manifest.provenance.more.get("git"), snap.manifest.state.head.ref is None, names]))
"""


def elsewhere(path: Path, user: int | None, *command: str) -> list[list[object]]:
    """Capture in another process, as another user or under another command, with and without git."""
    path_variable = os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        [*command, sys.executable, "-c", _CHILD, path, "" if user is None else str(user)],
        capture_output=True, text=True, check=False, cwd="/",
        env={**GIT_ENVIRONMENT, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path_variable},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@as_root
def test_a_worktree_in_a_container(place: Path) -> None:
    """A real mount over the repository that it belongs to."""
    repo = base(place / "main")
    repo.git("worktree", "add", "-q", place / "side", "-b", "side")
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    shell = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, str(repo.path)]
    if subprocess.run([*shell, "/bin/true"], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount")
    refused, taken = elsewhere(place / "side", None, *shell)
    assert refused[0] == "absent.repository"
    assert f"mount {repo.path} too" in str(refused[2])
    assert taken[:2] == ["unreadable", True]
    assert "src/train.py" in taken[2]  # type: ignore[operator]


@pytest.mark.slow
@as_root
@pytest.mark.parametrize("what", [".git", ".git/HEAD", ".git/index", ".git/objects", ".git/config", "pointed", "file"])
def test_a_repository_that_cannot_be_read(place: Path, what: str) -> None:
    """It was taken for none, or the repository above was taken in its place."""
    base(place / "outer")
    repo = base(place / "outer/repo")
    closed = repo.path / what
    if what in ("pointed", "file"):
        (repo.path / ".git").rename(place / "git")
        (repo.path / ".git").write_text(f"gitdir: {place}/git\n")
        closed = place / "git" if what == "pointed" else repo.path / ".git"
    closed.chmod(0)
    refused, taken = elsewhere(repo.path, NOBODY)
    assert refused[0] == "system.io"
    assert "cannot be read" in str(refused[1])
    assert "Permission denied" in str(refused[1])
    assert taken[:2] == ["unreadable", True]
    assert "src/train.py" in taken[2]  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["index", "HEAD", "objects"])
def test_a_repository_that_is_damaged(tmp_path: Path, kind: str) -> None:
    repo = base(tmp_path / "repo")
    if kind == "objects":
        shutil.rmtree(repo.path / ".git/objects")
        (repo.path / ".git/objects").mkdir()
    else:
        (repo.path / ".git" / kind).write_bytes(b"nonsense\n")
    with pytest.raises(errors.RefusedRepository):
        jellyformat.snapshot(repo.path)
    with pytest.warns(errors.CaptureWarning):
        snap = alone(repo.path, tmp_path, "unreadable")
    assert "src/train.py" in files(snap)


def test_a_secret_is_no_reason_to_take_the_files_alone(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write(".env", b"DB_PASSWORD=tr0ub4dor\n")
    with pytest.raises(errors.RefusedSecret):
        jellyformat.snapshot(repo.path, without_git=True)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/.env").write_bytes(b"DB_PASSWORD=tr0ub4dor\n")
    with pytest.raises(errors.RefusedSecret):
        jellyformat.snapshot(tmp_path / "plain", without_git=True)


def test_save_calls_take_one_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_KEPT", process._Kept())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("a = 1\n")
    first = process.take(without_git=True)
    (tmp_path / "train.py").write_text("a = 2\n")
    assert first is not None
    assert process.take(without_git=True) is first
    with pytest.warns(SnapshotWarning, match="no git repository"):
        assert process.take() is None


def test_an_empty_git_directory(tmp_path: Path) -> None:
    """A ``.git`` that is an empty directory is none, to git either: the files are those of the directory named."""
    (tmp_path / "home/.git").mkdir(parents=True)
    (tmp_path / "home/private").mkdir()
    (tmp_path / "home/private/x.py").write_text("x\n")
    (tmp_path / "home/letter.txt").write_text("dear\n")
    snap = alone(tmp_path / "home/private", tmp_path, "none")
    assert files(snap) == {"x.py"}
