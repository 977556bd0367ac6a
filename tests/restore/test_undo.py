"""Undo, redo and history over many steps: nothing that was done between is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import images
import plain
import pytest
from states import Repo, base, git, lfs_repository

import jellyformat
from jellyformat import Stepped
from jellyformat.checkout.store import Store
from jellyformat.checkout.undo import NothingToUndo
from jellyformat.errors import Busy, JellyError, NoRepository, RefusedRepository, SystemFailure
from jellyformat.files import durable
from jellyformat.git.layout import Layout


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return base(tmp_path / "r")


def read(repo: Repo, path: str) -> bytes:
    return (repo.path / path).read_bytes()


def kept(repo: Repo, name: str) -> Path:
    """A snapshot of the repository as it is, beside it."""
    file = repo.path.with_name(f"{name}.jelly")
    file.write_bytes(images.take(repo.path).data)
    return file


def elsewhere(tmp_path: Path, text: bytes = b"other\n") -> Path:
    """A snapshot of another repository, whose history ends at its HEAD."""
    other = base(tmp_path / "elsewhere")
    for version in (b"before\n", text):
        other.write("src/train.py", version)
        other.commit("other")
    file = tmp_path / "elsewhere.jelly"
    file.write_bytes(images.take(other.path).data)
    images.remove(other.path)
    return file


@pytest.mark.slow
def test_many_steps(repo: Repo, tmp_path: Path) -> None:
    """Back and forth over ten restores, each of another state, in steps of one and of many."""
    looks = []
    files = []
    for number in range(10):
        repo.write("step.txt", b"%d\n" % number)
        repo.write(f"only_{number}.txt", b"x\n")
        if number % 3 == 0:
            repo.git("add", ".")
        files.append(kept(repo, str(number)))
    for file in reversed(files):
        looks.append(images.image(repo.path))
        jellyformat.restore(file, repo.path, anyway=True)
    looks.append(images.image(repo.path))
    for number in range(9, -1, -1):
        jellyformat.undo(repo.path)
        assert images.differences(looks[number], images.image(repo.path)) == []
    with pytest.raises(NothingToUndo):
        jellyformat.undo(repo.path)
    assert images.differences(looks[0], images.image(repo.path)) == []
    for number in range(1, 11):
        jellyformat.redo(repo.path)
        assert images.differences(looks[number], images.image(repo.path)) == []
    with pytest.raises(NothingToUndo):
        jellyformat.redo(repo.path)
    assert jellyformat.undo(repo.path, 7).steps == 7
    assert images.differences(looks[3], images.image(repo.path)) == []
    jellyformat.undo(repo.path, to=9)
    assert images.differences(looks[9], images.image(repo.path)) == []
    entries = jellyformat.history(repo.path)
    assert [entry.state for entry in entries] == list(range(11))
    assert [entry.state for entry in entries if entry.live] == [9]
    with pytest.raises(NothingToUndo):
        jellyformat.undo(repo.path, 10)
    assert images.differences(looks[9], images.image(repo.path)) == []


def test_commits_made_since_survive_gc(repo: Repo, tmp_path: Path) -> None:
    """Work committed on the detached HEAD is on no branch after undo: it comes back with redo, gc or not."""
    file = elsewhere(tmp_path)
    jellyformat.restore(file, repo.path, anyway=True)
    repo.write("new.py", b"found the bug\n")
    repo.commit("on a detached HEAD")
    made = git(repo.path, "rev-parse", "HEAD")
    before = images.image(repo.path)
    jellyformat.undo(repo.path)
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    assert git(repo.path, "cat-file", "-t", made.decode().strip()) == b"commit\n"
    jellyformat.redo(repo.path)
    assert git(repo.path, "rev-parse", "HEAD") == made
    found = images.differences(before, images.image(repo.path))
    assert [item for item in found if ".git/" not in item] == []
    assert git(repo.path, "fsck", "--no-dangling") == b""


def test_the_same_snapshot_twice(repo: Repo, tmp_path: Path) -> None:
    """The commit came the first time: that does not make it the user's, and the end of its history goes again."""
    file = elsewhere(tmp_path)
    before = images.image(repo.path)
    for _ in range(3):
        jellyformat.restore(file, repo.path, anyway=True)
        assert (repo.path / ".git" / "shallow").exists()
        jellyformat.undo(repo.path)
        assert images.differences(before, images.image(repo.path)) == []


def test_files_that_git_ignores_where_they_come_to(repo: Repo, tmp_path: Path) -> None:
    """A rule of the user's that stays hides what was restored: it goes again all the same, and comes back."""
    other = base(tmp_path / "other")
    other.write("notes.txt", b"kept by --include\n")
    other.write("deep/inner/notes.txt", b"too\n")
    other.write(".gitignore", read(other, ".gitignore") + b"notes.txt\n")
    other.commit("ignored")
    file = tmp_path / "x.jelly"
    snap = jellyformat.snapshot(other.path, include=["notes.txt"], environment=False)
    file.write_bytes(snap.data)
    assert b"notes.txt" in snap.manifest.summary.untracked
    before = images.image(repo.path)
    jellyformat.restore(file, repo.path, anyway=True)
    assert read(repo, "notes.txt") == b"kept by --include\n"
    after = images.image(repo.path)
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []
    jellyformat.redo(repo.path)
    assert images.differences(after, images.image(repo.path)) == []
    repo.write("notes.txt", b"changed since\n")
    changed = images.image(repo.path)
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []
    jellyformat.redo(repo.path)
    assert images.differences(changed, images.image(repo.path)) == []


def test_an_ignored_file_in_the_way(repo: Repo, tmp_path: Path) -> None:
    """The user's .env is replaced by the snapshot's, and comes back byte for byte, with its mode and time."""
    other = base(tmp_path / "other")
    other.write(".env", b"OTHER=1\n")
    other.git("add", "-f", ".env")
    other.commit("tracked there")
    file = tmp_path / "x.jelly"
    file.write_bytes(images.take(other.path).data)
    repo.write(".git/info/exclude", b".env\n")
    env = repo.path / ".env"
    env.write_bytes(b"MINE=1\n")
    env.chmod(0o600)
    os.utime(env, (1, 1))
    jellyformat.restore(file, repo.path, anyway=True)
    assert env.read_bytes() == b"OTHER=1\n"
    jellyformat.undo(repo.path)
    assert env.read_bytes() == b"MINE=1\n"
    assert env.stat().st_mode & 0o777 == 0o600
    assert env.stat().st_mtime == 1


_ONE = "import sys, jellyformat; jellyformat.restore(sys.argv[1], sys.argv[2], anyway=True)"


def test_restores_at_once(repo: Repo, tmp_path: Path) -> None:
    """Eight processes restore two snapshots into one repository: each is done whole, or refused and changes nothing."""
    repo.append("README.md")
    before = images.image(repo.path)
    files = [elsewhere(tmp_path, b"%d\n" % number).rename(tmp_path / f"{number}.jelly") for number in range(2)]
    running = [
        subprocess.Popen([sys.executable, "-c", _ONE, files[number % 2], repo.path], stderr=subprocess.PIPE)
        for number in range(8)
    ]
    told = [process.communicate()[1] for process in running]
    done = [process.returncode for process in running].count(0)
    assert done >= 1
    for process, text in zip(running, told, strict=True):
        assert process.returncode == 0 or b"Busy" in text, text.decode()
    assert len(jellyformat.history(repo.path)) == done + 1
    assert git(repo.path, "status", "--porcelain") in (b"", b"?? README.md\n")
    jellyformat.undo(repo.path, done)
    assert images.differences(before, images.image(repo.path)) == []


@pytest.mark.slow
def test_git_at_work(repo: Repo, tmp_path: Path) -> None:
    file = elsewhere(tmp_path)
    before = images.image(repo.path)
    repo.write(".git/index.lock", b"")
    with pytest.raises(Busy, match=r"index\.lock"):
        jellyformat.restore(file, repo.path, anyway=True)
    (repo.path / ".git" / "index.lock").unlink()
    assert images.differences(before, images.image(repo.path)) == []


def test_a_fifo_for_rules(repo: Repo, tmp_path: Path) -> None:
    """Whoever reads one waits for ever."""
    file = elsewhere(tmp_path)
    place = repo.path / ".git" / "info" / "exclude"
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    before = images.image(repo.path)
    with pytest.raises(RefusedRepository, match=r"info/exclude is a FIFO"):
        jellyformat.restore(file, repo.path, anyway=True)
    assert images.differences(before, images.image(repo.path)) == []
    with pytest.raises(RefusedRepository, match=r"info/exclude is a FIFO"):
        jellyformat.snapshot(repo.path)


def test_git_at_work_for_a_moment(repo: Repo, tmp_path: Path) -> None:
    """An editor that asks `git status` holds the index's lock now and then."""
    file = elsewhere(tmp_path)
    repo.write(".git/index.lock", b"")
    timer = threading.Timer(0.2, (repo.path / ".git" / "index.lock").unlink)
    timer.start()
    jellyformat.restore(file, repo.path, anyway=True)
    timer.join()
    assert len(jellyformat.history(repo.path)) == 2


def test_threads(repo: Repo, tmp_path: Path) -> None:
    """The same in threads of one process."""
    file = elsewhere(tmp_path)
    before = images.image(repo.path)
    results: list[object] = []

    def work() -> None:
        try:
            results.append(jellyformat.restore(file, repo.path, anyway=True))
        except JellyError as error:
            results.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [item for item in results if isinstance(item, jellyformat.Restored)]
    assert done
    assert all(isinstance(item, (jellyformat.Restored, Busy)) for item in results)
    jellyformat.undo(repo.path, len(done))
    assert images.differences(before, images.image(repo.path)) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_full_disk(tmp_path: Path) -> None:
    """A filesystem that really is full, wherever it gets full: nothing changes, and when there is room it works."""
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", mount], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        repo = base(mount / "r")
        repo.append("README.md")
        file = tmp_path / "x.jelly"
        other = base(tmp_path / "other")
        for number in range(40):
            other.write(f"data/{number}.bin", os.urandom(9_000))
        file.write_bytes(images.take(other.path).data)
        before = images.image(repo.path)
        filler = mount / "filler"
        refused = 0
        for room in (4_096, 60_000, 200_000, 420_000, 800_000):
            filler.unlink(missing_ok=True)
            free = os.statvfs(mount).f_bavail * os.statvfs(mount).f_frsize
            filler.write_bytes(b"x" * max(0, free - room))
            try:
                jellyformat.restore(file, repo.path, anyway=True)
                jellyformat.undo(repo.path)
            except SystemFailure:
                refused += 1
            filler.unlink()
            if len(jellyformat.history(repo.path)) > 1 and jellyformat.history(repo.path)[1].live:
                jellyformat.undo(repo.path)  # there was room for the restore, and none for its undo
            assert images.differences(before, images.image(repo.path)) == [], room
            images.remove(repo.path / ".git" / "jellyformat")
        assert refused >= 2
        jellyformat.restore(file, repo.path, anyway=True)
        assert read(repo, "data/1.bin") == read(other, "data/1.bin")
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_a_branch_that_moved_since(repo: Repo, tmp_path: Path) -> None:
    """HEAD was on it: the branch is the user's and stays where it is, so HEAD is detached at the commit it was."""
    file = elsewhere(tmp_path)
    was = git(repo.path, "rev-parse", "HEAD")
    jellyformat.restore(file, repo.path, anyway=True)
    repo.git("branch", "-f", "main", "HEAD")
    moved = git(repo.path, "rev-parse", "main")
    done: Stepped = jellyformat.undo(repo.path)
    assert done.detached == "main"
    assert git(repo.path, "rev-parse", "HEAD") == was
    assert git(repo.path, "rev-parse", "main") == moved


@pytest.mark.parametrize("how", ["branch", "tag", "reflog", "worktree"])
def test_what_the_user_made_on_a_short_history_stays_whole(repo: Repo, tmp_path: Path, how: str) -> None:
    """A branch put on a commit whose parents are missing needs git's note of that, after undo too."""
    jellyformat.restore(elsewhere(tmp_path), repo.path, anyway=True)
    if how == "branch":
        repo.git("branch", "mine")
        repo.git("pack-refs", "--all")
    elif how == "tag":
        repo.git("tag", "-a", "-m", "x", "mine")
    elif how == "worktree":
        repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), "HEAD")
    repo.git("switch", "-q", "-f", "main")
    if how != "reflog":
        repo.git("reflog", "expire", "--expire=all", "--all")
    jellyformat.undo(repo.path)
    assert repo.git("fsck", "--connectivity-only") == b""
    repo.git("gc", "-q", "--prune=now")
    jellyformat.redo(repo.path)
    assert repo.git("fsck", "--connectivity-only") == b""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rules", "negated", "nested", "many", "repository", "worktree"])
def test_what_is_ignored_beside_a_file_of_the_snapshot(repo: Repo, tmp_path: Path, kind: str) -> None:
    """The snapshot has a file in a directory that git ignores here: all else in it stays where it is, undone too."""
    other = base(tmp_path / "other")
    if kind == "nested":
        base(other.path / "results")
    else:
        other.write("results/README", b"of the snapshot\n")
        other.write("results/deep/untracked", b"of the snapshot\n")
        other.git("add", "results/README")
    if kind == "negated":
        other.write(".gitignore", b"!results/big.bin\n")
    file = kept(other, "x")
    if kind == "worktree":
        repo.git("worktree", "add", "-q", "--detach", "results", "HEAD")
    elif kind == "repository":
        base(repo.path / "results")
    repo.write("results/big.bin", b"not ours to move\n")
    repo.write("results/deep/er/x.bin", b"nor this\n")
    for number in range(300 if kind == "many" else 1):
        repo.write(f"results/{number}.png", b"")
    repo.write(".gitignore", read(repo, ".gitignore") + b"results/\n")
    before = images.image(repo.path)
    shown = other.git("status", "--porcelain", "--untracked-files=all")
    done = jellyformat.restore(file, repo.path, anyway=True)
    assert not any(path.startswith(b"results") for path in done.removed)
    assert read(repo, "results/big.bin") == b"not ours to move\n"
    if kind in ("rules", "many"):
        assert repo.git("status", "--porcelain", "--untracked-files=all") == shown
    after = images.image(repo.path)
    for _ in range(2):
        jellyformat.undo(repo.path)
        assert images.differences(before, images.image(repo.path)) == []
        jellyformat.redo(repo.path)
        assert images.differences(after, images.image(repo.path)) == []
    jellyformat.restore(file, repo.path, anyway=True)
    jellyformat.undo(repo.path, 2)
    assert images.differences(before, images.image(repo.path)) == []


def test_a_directory_with_files_and_no_repository(repo: Repo, tmp_path: Path) -> None:
    """Where checkpoints and the like lie about, only what the snapshot has something in place of is touched."""
    file = kept(repo, "x")
    place = tmp_path / "downloads"
    for path in ("src/train.py", "src/other.py", "thesis/draft.tex", "model.bin"):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(b"mine\n")
    before = images.image(place)
    done = jellyformat.restore(file, place, anyway=True)
    assert done.created
    assert done.removed == ()
    assert done.kept_ignored == (b"model.bin", b"src/other.py", b"thesis/")
    assert (place / "src/train.py").read_bytes() == read(repo, "src/train.py")
    assert (place / "thesis/draft.tex").read_bytes() == b"mine\n"
    assert git(place, "status", "--porcelain") == repo.git("status", "--porcelain")
    jellyformat.undo(place)
    now = {path: item for path, item in images.image(place).items() if not path.startswith(b".git")}
    assert images.differences(before, now) == []


def test_interrupted_when_it_was_done(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository that was made stays: what the restore has put aside is in it."""
    file = kept(repo, "x")
    place = tmp_path / "downloads"
    (place / "src").mkdir(parents=True)
    (place / "src/train.py").write_bytes(b"mine\n")

    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jellyformat.checkout.restore.Restored", interrupted)
        with pytest.raises(KeyboardInterrupt):
            jellyformat.restore(file, place, anyway=True)
    jellyformat.undo(place)
    assert (place / "src/train.py").read_bytes() == b"mine\n"


def test_rules_the_user_wrote_since(repo: Repo, tmp_path: Path) -> None:
    """What the user puts into info/exclude between stays: to lose it would show, and commit, what is private."""
    exclude = repo.path / ".git" / "info" / "exclude"
    own = exclude.read_bytes()
    repo.write("private.log", b"ignored here, and not by the snapshot\n")
    other = Repo(tmp_path / "other")
    other.write("x.py", b"x\n")
    other.commit("x")
    jellyformat.restore(kept(other, "o"), repo.path, anyway=True)
    assert b"/private.log\n" in exclude.read_bytes()
    exclude.write_bytes(exclude.read_bytes() + b"secrets.txt\n")
    jellyformat.undo(repo.path)
    assert exclude.read_bytes() == own + b"secrets.txt\n"
    jellyformat.redo(repo.path)
    assert b"secrets.txt\n" in exclude.read_bytes()
    assert b"/private.log\n" in exclude.read_bytes()


def test_a_file_written_as_the_index_was(repo: Repo, tmp_path: Path) -> None:
    """git tells such a file from its entry by the time of the index alone, which comes back with it."""
    file = elsewhere(tmp_path)
    repo.git("config", "core.trustctime", "false")
    path, index = repo.path / "x.txt", repo.path / ".git" / "index"
    for text in (b"one\n", b"two\n"):
        path.write_bytes(text)
        os.utime(path, (100, 100))
        if text == b"one\n":
            repo.git("add", "x.txt")
    os.utime(index, (100, 100))
    assert b"AM x.txt" in git(repo.path, "status", "--porcelain", extra=images.QUIET)
    jellyformat.restore(file, repo.path, anyway=True)
    jellyformat.undo(repo.path)
    assert b"AM x.txt" in git(repo.path, "status", "--porcelain", extra=images.QUIET)


@pytest.mark.parametrize("what", ["HEAD^{tree}", "HEAD:src", "HEAD"])
def test_a_repository_that_lacks_an_object(repo: Repo, tmp_path: Path, what: str) -> None:
    """What is missing is said, and where; as after a crash of the machine, when a restore is most wanted."""
    file = elsewhere(tmp_path)
    oid = repo.git("rev-parse", what).decode().strip()
    lost = repo.path / ".git" / "objects" / oid[:2] / oid[2:]
    hidden = lost.with_name("hidden")
    lost.rename(hidden)
    with pytest.raises(RefusedRepository, match=f"{oid} is missing in {repo.path}"):
        jellyformat.restore(file, repo.path, anyway=True)
    hidden.rename(lost)
    jellyformat.restore(file, repo.path, anyway=True)
    lost.rename(hidden)
    with pytest.raises(RefusedRepository, match=f"{oid}, which that state builds on, is missing in {repo.path}"):
        jellyformat.undo(repo.path)
    hidden.rename(lost)
    jellyformat.undo(repo.path)


def test_another_name_of_a_file_keeps_its_mode(repo: Repo, tmp_path: Path) -> None:
    """A file that shares its inode with one outside (a cache of DVC, say) is replaced, not changed, and comes back."""
    file = kept(repo, "x")
    tool, cached = repo.path / "tool.sh", tmp_path / "cached"
    tool.chmod(0o644)
    os.link(tool, cached)
    jellyformat.restore(file, repo.path, anyway=True)
    assert tool.stat().st_mode & 0o777 == 0o755
    assert cached.stat().st_mode & 0o777 == 0o644
    jellyformat.undo(repo.path)
    assert tool.stat().st_mode & 0o777 == 0o644
    assert tool.samefile(cached)
    jellyformat.redo(repo.path)
    assert cached.stat().st_mode & 0o777 == 0o644


def test_where_the_current_directory_is_gone(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and not only that something does not exist."""
    file = kept(repo, "x")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(NoRepository, match="current directory is no longer there"):
        jellyformat.undo()
    with pytest.raises(SystemFailure, match=r"\. does not exist"):
        jellyformat.restore(file, anyway=True)


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EXDEV, "cannot be moved"), (errno.EBUSY, "cannot be moved"), (errno.EACCES, "no permission for")],
)
def test_errors_speak_of_the_repository(number: int, said: str) -> None:
    """There is no output that could be written somewhere else with -o."""
    error = durable.explained(OSError(number, "no", "sub"), Path("."), "all is as it was", output=False)
    assert said in error.message
    assert "sub" in error.message
    assert "out=" not in (error.hint or "")


def test_a_checkpoint_under_lfs_is_not_replaced_by_its_pointer(tmp_path: Path) -> None:
    """The file that is restored from stays, where the snapshot has a pointer to what it was before."""
    repo = lfs_repository(tmp_path / "r")
    repo.write(".gitattributes", b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    model = repo.path / "model.safetensors"
    plain.save_safetensors(model, {"w": [1] * 4})
    repo.commit("model")
    jellyformat.embed(model, jellyformat.snapshot(repo.path, environment=False))
    content = model.read_bytes()
    repo.append("README.md")
    before = images.image(repo.path)
    for _ in range(2):
        done = jellyformat.restore(model, repo.path, anyway=True)
        assert model.read_bytes() == content
        assert b"model.safetensors" not in (*done.written, *done.removed)
    jellyformat.undo(repo.path, 2)
    assert images.differences(before, images.image(repo.path)) == []


def test_rules_that_are_a_link(repo: Repo, tmp_path: Path) -> None:
    """info/exclude may lead to a file among others of the user's: neither is touched, and no ignored file goes."""
    exclude, rules = repo.path / ".git" / "info" / "exclude", tmp_path / "rules"
    exclude.unlink()
    exclude.symlink_to(rules)
    rules.write_bytes(b"*.tmp\n")
    repo.write("private.log", b"ignored here, and not by the snapshot\n")
    other = Repo(tmp_path / "other")
    other.write("x.py", b"x\n")
    other.commit("x")
    before = images.image(repo.path)
    jellyformat.restore(kept(other, "o"), repo.path, anyway=True)
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []
    assert rules.read_bytes() == b"*.tmp\n"


@pytest.mark.parametrize("data", [None, b"no container"])
def test_the_container_of_a_state_is_damaged(repo: Repo, tmp_path: Path, data: bytes | None) -> None:
    """It is said where its files are, and not to embed a snapshot there."""
    jellyformat.restore(elsewhere(tmp_path), repo.path, anyway=True)
    container = repo.path / ".git/jellyformat/states/0-1/state.jelly"
    container.unlink()
    if data is not None:
        container.write_bytes(data)
    with pytest.raises(RefusedRepository, match="cannot be read") as raised:
        jellyformat.undo(repo.path)
    assert "kept" in (raised.value.hint or "")


@pytest.mark.parametrize("lost", ["HEAD", "refs", "objects"])
def test_a_broken_repository_inside_another(repo: Repo, tmp_path: Path, lost: str) -> None:
    """The one around it is not the one that is meant."""
    file = elsewhere(tmp_path)
    inner = base(repo.path / "project")
    (inner.path / ".git" / lost).rename(tmp_path / lost)
    before = images.image(repo.path)
    with pytest.raises(JellyError, match="no repository"):
        jellyformat.restore(file, inner.path / "src", anyway=True)
    with pytest.raises(JellyError, match="no repository"):
        jellyformat.restore(file, inner.path, anyway=True)
    assert [(item.path, item.mended) for item in jellyformat.fix(inner.path)] == [(inner.path, False)]
    assert images.differences(before, images.image(repo.path)) == []


def test_a_new_repository_that_somebody_else_is_at_work_in(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two restores at once into a new directory: the one that comes late does not take the other's away."""
    file = kept(repo, "x")
    place = tmp_path / "new"
    with contextlib.ExitStack() as other, monkeypatch.context() as patch:

        def late(box: object, file: object, layout: Layout, *_: object, **__: object) -> None:
            other.enter_context(Store(layout).locked())
            raise Busy("another restore")

        patch.setattr("jellyformat.checkout.restore._restore", late)
        with pytest.raises(Busy):
            jellyformat.restore(file, place, anyway=True)
        assert (place / ".git" / "objects").is_dir()
    jellyformat.restore(file, place, anyway=True)
    assert git(place, "status", "--porcelain") == repo.git("status", "--porcelain")


@pytest.mark.slow
def test_ranks_that_restore_into_one_new_directory(repo: Repo, tmp_path: Path) -> None:
    """Whoever is first does it, or all of them one after another; no file is lost."""
    file = kept(repo, "x")
    for number in range(3):
        place = tmp_path / f"new{number}"
        place.mkdir()
        (place / "mine.txt").write_bytes(b"mine\n")
        command = [sys.executable, "-c", _ONE, str(file), str(place)]
        ranks = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(4)]
        assert 0 in [rank.wait() for rank in ranks]
        assert (place / "mine.txt").read_bytes() == b"mine\n"
        assert git(place, "status", "--porcelain") == repo.git("status", "--porcelain")
        git(place, "fsck")


def test_directories_that_cannot_be_moved(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the image of a container the system moves files and no directories: their files go one by one."""
    file = kept(repo, "x")
    shown = repo.git("status", "--porcelain")
    repo.write("later/deep/a.txt", b"a\n")
    repo.write("later/deep/b.txt", b"b\n")
    repo.git("add", "later/deep/a.txt")
    before = images.image(repo.path)
    rename = os.rename

    def moves_files(source: bytes, target: bytes, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        if stat.S_ISDIR(os.stat(source, dir_fd=src_dir_fd, follow_symlinks=False).st_mode):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", moves_files)
        done = jellyformat.restore(file, repo.path, anyway=True)
    assert done.removed == (b"later/deep/a.txt", b"later/deep/b.txt")
    assert repo.git("status", "--porcelain") == shown
    after = images.image(repo.path)
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", moves_files)
        jellyformat.redo(repo.path)
    assert images.differences(after, images.image(repo.path)) == []
