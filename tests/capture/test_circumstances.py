"""A repository's surroundings: other users, no git program, no place to write, writers at work, no repository."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from states import GIT_ENVIRONMENT, STATES, Repo, base, git, source_text
from traces import look
from truth import Asker, ask

import jellyformat
from jellyformat import capture, errors, worktree
from jellyformat.model import Worktree

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can get at."""
    path = Path(tempfile.mkdtemp(prefix="jelly-"))
    path.chmod(0o755)
    yield path
    for directory, _, _ in os.walk(path):
        os.chmod(directory, 0o700)
    shutil.rmtree(path)


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


def worktree_of(snap: jellyformat.Snapshot) -> Worktree:
    found = snap.manifest.state.worktree
    assert found is not None
    return found


def omitted(snap: jellyformat.Snapshot) -> dict[bytes, str]:
    return {item.path: item.reason for item in worktree_of(snap).omitted}


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
    assert "--create-repo" in str(caught.value.hint)
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
    if kind == "reftable":
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
    "reftable": "branches in the form 'reftable'",
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


# -- asked for otherwise ---------------------------------------------------------------------------------------------


def test_include_and_exclude(tmp_path: Path) -> None:
    STATES["ignored"](tmp_path / "repo")
    plain = jellyformat.snapshot(tmp_path / "repo")
    assert list(plain.manifest.ignored) == [
        b"build/", b"deep/er/run.log", b"only/run.log", b"run.log", b"src/__pycache__/",
    ]  # fmt: skip
    snap = jellyformat.snapshot(tmp_path / "repo", include=["*.bin", "deep/*/run.log"], exclude=["src/lib", "*.json"])
    assert list(snap.manifest.ignored) == [b"only/run.log", b"run.log", b"src/__pycache__/"]
    assert list(snap.manifest.summary.untracked) == [b"build/out.bin", b"deep/er/kept.txt", b"deep/er/run.log"]
    assert omitted(snap) == {b"src/lib": "excluded", b"data/values.json": "excluded"}
    assert not {path for _, path in snap.manifest.summary.unstaged if path == b"data/values.json"}
    with snap.open() as box:
        assert box.read("build/out.bin") == b"content\n"
        box.checker.state()
    (tmp_path / "s.jelly").write_bytes(snap.to_bytes())
    assert jellyformat.verify(tmp_path / "s.jelly").ok


@pytest.mark.parametrize(
    ("glob", "matched"),
    [("src/", {"src/a.py", "src/deep/a.py"}), ("./src", {"src/a.py", "src/deep/a.py"}), ("/a.py", {"a.py"}),
     ("**/a.py", {"a.py", "src/a.py", "src/deep/a.py"}), (".//src/deep/", {"src/deep/a.py"}),
     ("src/a.py/", {"src/a.py"})],
)  # fmt: skip
def test_globs_as_shells_complete_them(tmp_path: Path, glob: str, matched: set[str]) -> None:
    """One with ``/`` behind matched nothing: the directory to be kept out was published, and not a word said."""
    repo = Repo(tmp_path / "repo")
    names = {"a.py", "src/a.py", "src/deep/a.py", "other.py"}
    for name in names:
        repo.write(name)
    with jellyformat.snapshot(repo.path, exclude=[glob]).open() as box:
        assert {os.fsdecode(item.path) for item in box.files()} == names - matched
    repo.write(".gitignore", b"*.py\n")
    with jellyformat.snapshot(repo.path, include=[glob]).open() as box:
        assert {os.fsdecode(item.path) for item in box.files()} == {".gitignore", *matched}


@pytest.mark.parametrize("below", ["", "sub"])
def test_relative_rules_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    """core.excludesFile and core.attributesFile were looked for in the current directory: what was ignored got in."""
    repo = Repo(tmp_path / "repo")
    repo.write("rules", b"*.secret\nrules\nattributes\n")
    repo.write("attributes", b"*.txt text\n")
    repo.git("config", "core.excludesFile", "rules")
    repo.git("config", "core.attributesFile", "attributes")
    repo.write("sub/a.txt", b"one\n")
    repo.commit()
    repo.write("sub/a.txt", b"one\r\n")
    repo.write("sub/b.secret")
    monkeypatch.chdir(repo.path / below)
    repo.git("update-index", "-q", "--really-refresh", fails=True)
    manifest = jellyformat.snapshot().manifest
    assert list(manifest.summary.untracked) == ask(repo.path).untracked == []
    assert manifest.state.worktree is not None
    assert list(manifest.state.worktree.converted) == ask(repo.path).converted


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
    """A capture waited for ever for what nobody writes."""
    repo = base(tmp_path / "repo")
    (repo.path / ".git/info/exclude").unlink()
    os.mkfifo(repo.path / ".git/info/exclude")
    os.mkfifo(repo.path / ".git/MERGE_MSG")
    repo.git("config", "core.excludesFile", "/dev/zero")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    (repo.path / "sub/.gitignore").mkdir(parents=True)
    assert jellyformat.snapshot(repo.path).manifest.summary.untracked == ()
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0), "a descriptor was left open"


@pytest.mark.parametrize("name", ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"])
def test_operation_without_a_commit(tmp_path: Path, name: str) -> None:
    """As a crash leaves it; the snapshot that came of it could not be read again."""
    repo = base(tmp_path / "repo")
    (repo.path / ".git" / name).write_bytes(b"")
    with pytest.raises(errors.RefusedRepository, match=f"{name} names no commit"):
        jellyformat.snapshot(repo.path)


@pytest.mark.parametrize(("history", "commits"), [("head", 1), (2, 2), ("2", 2), (100, 2), ("full", 2)])
def test_history(tmp_path: Path, history: str | int, commits: int) -> None:
    repo = base(tmp_path / "repo")
    snap = jellyformat.snapshot(repo.path, history=history)
    assert snap.manifest.history.commits == commits
    assert len(snap.manifest.history.shallow) == (1 if commits == 1 else 0)
    assert snap.id == jellyformat.snapshot(repo.path).id


def test_the_same_state_has_the_same_id(tmp_path: Path) -> None:
    """Wherever, whenever, and however packed; another state has another."""
    STATES["every_letter"](tmp_path / "one")
    STATES["every_letter"](tmp_path / "two/deeper")
    one = jellyformat.snapshot(tmp_path / "one")
    git(tmp_path / "two/deeper", "gc", "-q")
    assert jellyformat.snapshot(tmp_path / "two/deeper", environment=False).id == one.id
    (tmp_path / "one/ignored.log").write_text("x")
    assert jellyformat.snapshot(tmp_path / "one").id == one.id
    (tmp_path / "one/src/train.py").touch()
    assert jellyformat.snapshot(tmp_path / "one").id == one.id
    (tmp_path / "one/src/train.py").write_text("x")
    assert jellyformat.snapshot(tmp_path / "one").id != one.id


# -- writers at work -------------------------------------------------------------------------------------------------


class Writer:
    """Writes to a file from a thread for as long as it is entered."""

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        self._path = path
        self._replace = replace
        self._over = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            if self._replace:
                other = self._path.with_name("other")
                other.write_bytes(self._path.read_bytes())
                other.replace(self._path)
            else:
                with open(self._path, "ab") as file:
                    file.write(b"%d\n" % number)
            self._begun.set()
            time.sleep(0.0005)

    def __enter__(self) -> None:
        self._thread.start()
        self._begun.wait()

    def __exit__(self, *unused: object) -> None:
        self._over.set()
        self._thread.join()


def test_file_that_does_not_hold_still(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("train-output.txt", b"0\n" * 1_000_000)
    repo.write("calm.txt")
    with Writer(repo.path / "train-output.txt"):
        snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {b"train-output.txt": "changing"}
    assert snap.manifest.summary.untracked == (b"calm.txt",)
    after = jellyformat.snapshot(repo.path)
    assert omitted(after) == {}
    with after.open() as box:
        assert box.read("train-output.txt") == (repo.path / "train-output.txt").read_bytes()


def test_tracked_file_that_does_not_hold_still(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("src/train.py", b"0\n" * 1_000_000)
    with Writer(repo.path / "src/train.py"):
        snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {b"src/train.py": "changing"}
    (tmp_path / "s.jelly").write_bytes(snap.to_bytes())
    assert jellyformat.verify(tmp_path / "s.jelly").ok


@pytest.mark.parametrize(
    "change", ["appended", "same size", "same size and time", "gone", "made a link", "made a FIFO"]
)
def test_file_that_changes_once_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    repo = base(tmp_path / "repo")
    target = repo.path / "new.txt"
    target.write_bytes(b"before\n")
    if change != "same size and time":
        os.utime(target, ns=(10**18, 10**18))
    times: list[int] = []
    read = worktree._read

    def changing(path: bytes, before: os.stat_result) -> bytes | None:
        content = read(path, before)
        if path.endswith(b"new.txt") and not times:
            times.append(1)
            if change in ("gone", "made a link", "made a FIFO"):
                target.unlink()
            if change == "made a link":
                target.symlink_to("README.md")
            elif change == "made a FIFO":
                os.mkfifo(target)
            elif change != "gone":
                target.write_bytes(b"after, longer\n" if change == "appended" else b"after!\n")
            if change == "same size and time":
                os.utime(target, ns=(before.st_mtime_ns, before.st_mtime_ns))
        return content

    monkeypatch.setattr(worktree, "_read", changing)
    snap = jellyformat.snapshot(repo.path)
    with snap.open() as box:
        found = {file.path: box.read(file.path) for file in box.files()}.get(b"new.txt")
    expected = {"appended": b"after, longer\n", "gone": None, "made a link": b"README.md", "made a FIFO": None}
    assert found == expected.get(change, b"after!\n")
    assert omitted(snap) == ({b"new.txt": "special"} if change == "made a FIFO" else {})


def test_write_that_the_clock_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one tick of the file system's clock a file can change without a trace in its times."""
    repo = base(tmp_path / "repo")
    target = repo.path / "new.txt"
    target.write_bytes(b"half old\n")
    times: list[int] = []
    read, stamp = worktree._read, worktree._stamp

    def changing(path: bytes, before: os.stat_result) -> bytes | None:
        content = read(path, before)
        if path.endswith(b"new.txt") and not times:
            times.append(1)
            target.write_bytes(b"half new\n")
        return content

    monkeypatch.setattr(worktree, "_read", changing)
    monkeypatch.setattr(worktree, "_stamp", lambda found: stamp(found)[:2])  # as if the clock stood
    with jellyformat.snapshot(repo.path).open() as box:
        assert box.read("new.txt") == b"half new\n"


def test_index_that_keeps_changing(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    for number in range(300):
        repo.write(f"many/{number}", source_text(5, number))
    with Writer(repo.path / ".git/index", replace=True), pytest.raises(errors.Busy, match="kept changing"):
        jellyformat.snapshot(repo.path)
    jellyformat.snapshot(repo.path)


# -- many files ------------------------------------------------------------------------------------------------------


def make_files(root: Path, directories: int, each: int) -> dict[bytes, bytes]:
    """Files and their contents."""
    made: dict[bytes, bytes] = {}
    for outer in range(directories):
        (root / f"{outer:03}").mkdir(parents=True)
        for inner in range(each):
            name, content = b"%03d/%04d.txt" % (outer, inner), b"%d %d\n" % (outer, inner)
            fd = os.open(os.fsencode(root) + b"/" + name, os.O_WRONLY | os.O_CREAT, 0o644)
            os.write(fd, content)
            os.close(fd)
            made[name] = content
    return made


def test_hundred_thousand_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fifty thousand tracked ones, one of them changed, and an untracked directory with as many."""
    repo = Repo(tmp_path / "repo")
    files = {b"new/" + name: content for name, content in make_files(repo.path / "new", 50, 1000).items()}
    tracked = {b"old/" + name[4:]: content + b"old\n" for name, content in files.items()}
    lines = [b"commit refs/heads/main\ncommitter C <c@x> 1700000000 +0000\ndata 4\nmany\n"]
    lines += [b"M 100644 inline %s\ndata %d\n%s" % (path, len(data), data) for path, data in tracked.items()]
    repo.git("fast-import", "--quiet", data=b"".join(lines))
    repo.git("reset", "-q", "--hard")
    repo.write("old/007/0007.txt", b"changed\n")
    asker = Asker(repo.path, tmp_path)
    everything = {**files, **tracked, b"old/007/0007.txt": b"changed\n"}
    expected = asker.tree({path: (0o100644, asker.blob(data)) for path, data in everything.items()})
    start = time.perf_counter()
    snap = jellyformat.snapshot(repo.path)
    took = time.perf_counter() - start
    with capsys.disabled():
        print(f"\n100,000 files, 50,000 of them untracked: {took:.1f} s, {len(snap.to_bytes()):,} bytes")
    assert worktree_of(snap).tree.hex().encode() == expected
    assert snap.manifest.summary.files == 100_000
    assert len(snap.manifest.summary.untracked) == 50_000
    assert snap.manifest.summary.unstaged == (("M", b"old/007/0007.txt"),)
