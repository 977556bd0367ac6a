"""What a capture is asked for: files to take and to leave, a depth of history; the same state has one id."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from parts import omitted
from states import STATES, Repo, base, git, source_text
from truth import ask

import jellyformat


def test_include_and_exclude(tmp_path: Path) -> None:
    STATES["ignored"](tmp_path / "repo")
    plain = jellyformat.snapshot(tmp_path / "repo")
    assert list(plain.manifest.ignored) == [
        b"build/", b"deep/er/run.log", b"only/run.log", b"run.log", b"src/__pycache__/",
    ]  # fmt: skip
    snap = jellyformat.snapshot(tmp_path / "repo", include=["*.bin", "deep/*/run.log"], exclude=["src/lib", "*.json"])
    assert list(snap.manifest.ignored) == [b"only/run.log", b"run.log", b"src/__pycache__/"]
    assert list(snap.manifest.summary.untracked) == [b"build/out.bin", b"deep/er/kept.txt", b"deep/er/run.log"]
    assert omitted(snap) == {b"src/lib/": "excluded", b"data/values.json": "excluded"}
    assert not snap.manifest.summary.unstaged, "what was not looked at is not deleted"
    with snap.open() as box:
        assert box.read("build/out.bin") == b"content\n"
        box.checker.state()
    (tmp_path / "s.jelly").write_bytes(snap.to_bytes())
    assert jellyformat.verify(tmp_path / "s.jelly").ok
    (tmp_path / "x.bundle").write_bytes(b"".join(jellyformat.bundle(tmp_path / "s.jelly").parts))
    git(tmp_path, "clone", "-q", "--bare", tmp_path / "x.bundle", tmp_path / "bare")
    names = git(tmp_path / "bare", "ls-tree", "-r", "--name-only", f"jellyformat/{snap.id[:12]}/worktree").split()
    assert any(name.startswith(b"src/lib/") for name in names), "what was left out is in it as it was staged"


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


@pytest.mark.parametrize("history", ["head", "full"])
def test_a_container_for_an_archive_is_smaller(tmp_path: Path, history: str) -> None:
    repo = base(tmp_path / "repo")
    ours = b"".join(path.read_bytes() for path in sorted(Path(jellyformat.__file__).parent.glob("*.py")))
    for number in range(4):  # of text that repeats itself all the time, some versions of zstd make more at level 19
        repo.write("package/m.py", ours + source_text(300, number))
        repo.commit(f"step {number}")
    plain = jellyformat.snapshot(repo.path, history=history)
    best = jellyformat.snapshot(repo.path, history=history, best=True)
    assert len(best.data) < len(plain.data)
    assert best.id == plain.id
    again = jellyformat.snapshot(repo.path, history=history)
    assert again.manifest.blocks == plain.manifest.blocks  # the same bytes each time, whatever threads do
    (tmp_path / "x.jelly").write_bytes(best.data)
    assert jellyformat.verify(tmp_path / "x.jelly").ok
