"""Repositories of other users, that cannot be read, or are none; no git program, no place to write."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from owners import open_place
from parts import omitted
from states import GIT_ENVIRONMENT, STATES, Repo, base
from traces import look
from truth import ask

import jellyformat
from jellyformat import errors
from jellyformat.capture import capture

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


_CHILD = """
import json, os, sys, jellyformat
path, user = sys.argv[1:]
if user:
    jellyformat.snapshot(path)  # what it imports may not be readable afterwards
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
try:
    snap = jellyformat.snapshot(path, history="full")
except jellyformat.JellyError as error:
    print(json.dumps({"error": error.error_class, "message": error.message, "hint": error.hint}))
else:
    state = snap.manifest.state
    print(json.dumps({
        "tree": state.worktree.tree.hex(),
        "omitted": {item.path.decode(): item.reason for item in state.worktree.omitted},
        "staged": len(snap.manifest.summary.staged),
    }))
"""


def capture_elsewhere(path: Path, *, user: int | None = None, command: list[str] | None = None) -> dict[str, object]:
    """Capture in another process: as another user, under another command, with no git program to be found."""
    done = subprocess.run(
        [*(command or []), sys.executable, "-c", _CHILD, path, "" if user is None else str(user)],
        capture_output=True, text=True, check=False, cwd="/",
        env={**GIT_ENVIRONMENT, "PATH": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


# -- who, and where --------------------------------------------------------------------------------------------------


@as_root
def test_repository_of_another_user(place: Path) -> None:
    STATES["every_letter"](place / "repo")
    expected = ask(place / "repo").worktree_tree
    assert expected is not None
    for user in (None, NOBODY):  # root reads nobody's, nobody reads root's
        for directory, names, files in os.walk(place / "repo"):
            for name in (".", *names, *files):
                os.chown(os.path.join(directory, name), 0 if user else NOBODY, 0, follow_symlinks=False)
        before = look(place)
        assert capture_elsewhere(place / "repo", user=user)["tree"] == expected.decode()
        assert look(place) == before


@as_root
def test_unreadable_files(place: Path) -> None:
    STATES["unreadable"](place / "repo")
    found = capture_elsewhere(place / "repo", user=NOBODY)
    assert found["omitted"] == {"private.txt": "unreadable", "locked": "unreadable", "src/train.py": "unreadable"}
    (place / "repo").chmod(0o711)
    assert capture_elsewhere(place / "repo", user=NOBODY)["error"] == "system.io"


@as_root
def test_unreadable_repository(place: Path) -> None:
    repo = base(place / "repo")
    (repo.path / ".git/index").chmod(0)
    found = capture_elsewhere(repo.path, user=NOBODY)
    assert found["error"] == "system.io"
    assert ".git/index" in str(found["message"])


@as_root
def test_read_only_filesystem(place: Path) -> None:
    STATES["staged_then_changed"](place / "repo")
    expected = ask(place / "repo").worktree_tree or b""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && ! touch "$0/x" 2>/dev/null && exec "$@"'
    shell = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", "PATH=/usr/bin:/bin;" + script, str(place)]
    if subprocess.run([*shell, "/bin/true"], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount")
    assert capture_elsewhere(place / "repo", command=shell)["tree"] == expected.decode()


def test_no_git_program(tmp_path: Path) -> None:
    STATES["conflicts_of_every_kind"](tmp_path / "repo")
    assert shutil.which("git", path="/nonexistent") is None
    assert capture_elsewhere(tmp_path / "repo")["tree"] == (ask(tmp_path / "repo").worktree_tree or b"").decode()


@pytest.mark.parametrize("start", [".", "src", "src/lib/deep", ".git", ".git/objects", "link"])
def test_found_from_below(tmp_path: Path, start: str) -> None:
    repo = base(tmp_path / "repo")
    repo.link("link", "src/lib")
    assert jellyformat.snapshot(repo.path / start).id == jellyformat.snapshot(repo.path).id


# -- no repository, or one that cannot be read -----------------------------------------------------------------------


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(errors.NoRepository, match="no git repository at") as caught:
        jellyformat.snapshot(tmp_path)
    assert "create_repo=True" in str(caught.value.hint)
    assert caught.value.exit_code == 3


def test_git_file_that_points_nowhere(tmp_path: Path) -> None:
    """Not the repository around it, which was not meant."""
    base(tmp_path / "outer")
    (tmp_path / "outer/moved").mkdir()
    (tmp_path / "outer/moved/.git").write_text("gitdir: /no/such/place\n")
    with pytest.raises(errors.NoRepository, match="says that the repository is at /no/such/place"):
        jellyformat.snapshot(tmp_path / "outer/moved")


def test_create_repository(tmp_path: Path) -> None:
    (tmp_path / "new/src").mkdir(parents=True)
    (tmp_path / "new/src/a.py").write_text("a = 1\n")
    before = look(tmp_path / "new/src")
    snap = jellyformat.snapshot(tmp_path / "new", create_repo=True)
    assert look(tmp_path / "new/src") == before
    assert snap.manifest.summary.untracked == (b"src/a.py",)
    made = look(tmp_path / "new")
    assert jellyformat.snapshot(tmp_path / "new/src", create_repo=True).id == snap.id
    assert look(tmp_path / "new") == made, "the repository around it is used"


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_create_repository_overwrites_nothing(tmp_path: Path, kind: str) -> None:
    place = tmp_path / ".git"
    if kind == "file":
        place.write_text("precious")
    elif kind == "directory":
        place.mkdir()
        (place / "config").write_text("precious")
    else:
        place.symlink_to("nowhere")
    before = look(tmp_path)
    with pytest.raises(errors.JellyError):
        jellyformat.snapshot(tmp_path, create_repo=True)
    assert look(tmp_path) == before


@as_root
def test_create_repository_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(errors.SystemFailure, match="no repository can be made"):
        capture.create_repository("/proc/self")


def damage(repo: Repo, kind: str) -> None:
    """Make a repository one that cannot be captured."""
    path = repo.path
    blob = repo.git("rev-parse", "HEAD:README.md").strip()
    if kind == "refs":
        repo.git("config", "core.repositoryFormatVersion", "1")
        repo.git("config", "extensions.refStorage", "fromTheFuture")
    elif kind == "no reftable":
        repo.git("config", "core.repositoryFormatVersion", "1")
        repo.git("config", "extensions.refStorage", "reftable")
    elif kind == "extension":
        repo.git("config", "core.repositoryFormatVersion", "1")
        repo.git("config", "extensions.fromTheFuture", "true")
    elif kind == "version":
        repo.git("config", "core.repositoryFormatVersion", "9")
    elif kind == "hash":
        repo.git("config", "core.repositoryFormatVersion", "1")
        repo.git("config", "extensions.objectFormat", "sha3")
    elif kind == "index":
        data = bytearray((path / ".git/index").read_bytes())
        data[60] ^= 1
        (path / ".git/index").write_bytes(data)
    elif kind == "config":
        (path / ".git/config").write_bytes(b"[core\n")
    elif kind == "HEAD":
        (path / ".git/HEAD").write_bytes(b"nonsense\n")
    elif kind == "no objects":
        repo.git("update-ref", "refs/heads/main", "HEAD")
        shutil.rmtree(path / ".git/objects")
        (path / ".git/objects").mkdir()
    elif kind == "branch":
        (path / ".git/refs/heads/main").write_bytes(b"1" * 40 + b"\n")
    elif kind == "unsafe path":
        tree = repo.git("mktree", data=b"100644 blob " + blob + b"\t.GIT\n").decode().strip()
        commit = repo.git("commit-tree", "-m", "evil", tree).strip()
        (path / ".git/refs/heads/main").write_bytes(commit + b"\n")
    elif kind == "long path":
        deep = tuple("d" * 200 for _ in range(25))
        line = b"100644 " + blob + b" 0\t" + "/".join(deep).encode() + b"\n"
        repo.git("update-index", "--index-info", data=line)
    elif kind == "unsafe path in the index":
        data = bytearray((path / ".git/index").read_bytes())
        at = data.index(b"tool.sh")
        data[at : at + 7] = b".GIT/sh"
        data[-20:] = hashlib.sha1(data[:-20]).digest()
        (path / ".git/index").write_bytes(data)
    elif kind == "tree":
        tree = repo.git("rev-parse", "HEAD:src").decode().strip()
        (path / f".git/objects/{tree[:2]}/{tree[2:]}").unlink()
    elif kind == "shared index":
        repo.git("update-index", "--split-index")
        next((path / ".git").glob("sharedindex.*")).unlink()
    elif kind == "merge head":
        (path / ".git/MERGE_HEAD").write_bytes(b"2" * 40 + b"\n")


REFUSED = {
    "refs": "its refs in a form that is not known here ('fromthefuture')",
    "no reftable": "there is no tables.list in it",
    "extension": "a form that is not known here (extensions.fromthefuture)",
    "version": "a form that is not known here (version 9",
    "hash": "a form that is not known here",
    "index": "the git index cannot be read",
    "config": "line 1 of the git configuration",
    "HEAD": "a ref of",
    "no objects": "is missing in",
    "branch": "the commit 1111",
    "unsafe path": "holds what a snapshot cannot: the name .GIT is unsafe",
    "unsafe path in the index": "the git index cannot be read",
    "long path": "holds what a snapshot cannot: a path has",
    "tree": "is missing in",
    "shared index": "the shared index of",
    "merge head": "the commit 2222",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_a_way_on(tmp_path: Path, kind: str) -> None:
    repo = base(tmp_path / "repo")
    damage(repo, kind)
    before = look(tmp_path)
    with pytest.raises(errors.RefusedRepository) as caught:
        jellyformat.snapshot(repo.path)
    assert REFUSED[kind] in caught.value.message
    assert "nothing was changed" in str(caught.value.hint)
    assert caught.value.exit_code == 4
    assert look(tmp_path) == before


def test_nested_repository_that_cannot_be_read(tmp_path: Path) -> None:
    """It is listed, and the rest is captured."""
    repo = base(tmp_path / "repo")
    inner = base(repo.path / "broken")
    damage(inner, "index")
    base(repo.path / "other", "--object-format=sha256")
    repo.write("new.py")
    snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {b"broken": "unreadable", b"other": "unreadable"}
    assert snap.manifest.summary.untracked == (b"new.py",)
    (tmp_path / "s.jelly").write_bytes(snap.to_bytes())
    assert jellyformat.verify(tmp_path / "s.jelly").ok


# -- told by the surroundings, and odd files in it ---------------------------------------------------------------------


def test_ceilings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git looks for no repository, none is captured: it may be a whole home directory."""
    repo = base(tmp_path / "repo")
    (repo.path / "a/b").mkdir(parents=True)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", f"relative:{tmp_path / 'repo'}")
    assert jellyformat.snapshot(repo.path).id
    with pytest.raises(errors.NoRepository):
        jellyformat.snapshot(repo.path / "a/b")
    (tmp_path / "link").symlink_to("repo")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path / "link"))
    with pytest.raises(errors.NoRepository):
        jellyformat.snapshot(repo.path / "a")
    for ceilings in (str(tmp_path), f":{tmp_path / 'link'}"):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", ceilings)
        assert jellyformat.snapshot(repo.path / "a").id


def test_repository_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base(tmp_path / "repo")
    (tmp_path / "files").mkdir()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "repo/.git"))
    with pytest.raises(errors.NoRepository) as caught:
        jellyformat.snapshot(tmp_path / "files")
    assert "GIT_DIR is not looked at" in str(caught.value.hint)


def test_fifos_and_devices_in_the_repository(tmp_path: Path) -> None:
    """A capture waited for ever for what nobody writes; one that goes by rules it cannot read takes in anything."""
    repo = base(tmp_path / "repo")
    (repo.path / "sub/.gitignore").mkdir(parents=True)
    os.mkfifo(repo.path / "src/.gitignore")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    snap = jellyformat.snapshot(repo.path)
    assert (omitted(snap), snap.manifest.summary.untracked) == ({b"src/.gitignore": "special"}, ())
    (repo.path / ".git/info/exclude").unlink()
    os.mkfifo(repo.path / ".git/info/exclude")
    with pytest.raises(errors.RefusedRepository, match=r"info/exclude is a FIFO"):
        jellyformat.snapshot(repo.path)
    (repo.path / ".git/info/exclude").unlink()
    repo.git("config", "core.excludesFile", "/dev/zero")
    with pytest.raises(errors.RefusedRepository, match=r"/dev/zero is a device"):
        jellyformat.snapshot(repo.path)
    repo.git("config", "core.excludesFile", "/dev/null")
    assert jellyformat.snapshot(repo.path).id == snap.id
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0), "a descriptor was left open"


@pytest.mark.parametrize("name", ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"])
def test_operation_without_a_commit(tmp_path: Path, name: str) -> None:
    """As a crash leaves it; the snapshot that came of it could not be read again."""
    repo = base(tmp_path / "repo")
    (repo.path / ".git" / name).write_bytes(b"")
    with pytest.raises(errors.RefusedRepository, match=f"{name} names no commit"):
        jellyformat.snapshot(repo.path)
