"""``diff`` by git's own engine: what `git diff` shows between the same two trees."""

from __future__ import annotations

import functools
import json
import os
import pty
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from gitrepo import git
from test_labels import make_pickle
from test_story import jelly

import jellyformat
from jellyformat.exports.gitdiff import git_diff
from jellyformat.exports.notebooks import cells
from jellyformat.exports.patch import Files, Side

ROOT = Path(__file__).resolve().parents[1]
PAIRS = 50
FULL = bool(os.environ.get("JELLYFORMAT_FULL"))
"""Every form for each pair, and not one."""
OPTIONS = (["--patch", "--binary"], ["--stat"], ["--word-diff"], ["--name-only"])
Made = Callable[[str, str], tuple[Path, Path]]


class Blobs:
    """The blobs of a repository, read by one process, each once."""

    def __init__(self, repository: Path) -> None:
        self._process = subprocess.Popen(
            ["git", "-C", repository, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.read = functools.cache(self._read)

    def _read(self, oid: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(oid + b"\n")
        self._process.stdin.flush()
        size = int(self._process.stdout.readline().split()[2])
        return self._process.stdout.read(size + 1)[:-1]

    def close(self) -> None:
        self._process.communicate()


def files_of(repository: Path, tree: str, blobs: Blobs) -> Files:
    """The files of a tree of a real repository."""
    found = {}
    for line in git(repository, "ls-tree", "-rz", tree).split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, _, oid = head.split(b" ")
        found[path] = Side(int(mode, 8), oid, functools.partial(blobs.read, oid))
    return found


def by_git(repository: Path, options: list[str], old: str, new: str) -> bytes:
    """What git prints where it reads no attributes."""
    plain = ["--no-ext-diff", "--no-textconv", "--no-color"]
    return git(repository, "-c", "core.attributesFile=/dev/null", "diff", *plain, *options, old, new)


def commits_of(repository: Path, *arguments: str) -> list[str]:
    """The commits that a command of git's lists; none where this is no repository."""
    listed = subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, check=False)
    return listed.stdout.split()


@pytest.mark.sampled(3)
@pytest.mark.slow
def test_fifty_pairs_of_a_real_repository(tmp_path: Path) -> None:
    """The history of this project: files moved, renamed and changed, binary ones among them."""
    commits = commits_of(ROOT, "rev-list", "--reverse", "HEAD")
    if len(commits) < 4 * PAIRS + 5:
        pytest.skip("this is no clone with its history")
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "-q", "--bare", "--shared", str(ROOT), str(bare))
    # counted from the first commit on: a later one changes nothing in what is compared
    pairs = [(commits[4 * number], commits[4 * number + 1 + number % 4]) for number in range(PAIRS)]
    pairs += [
        (f"{new}^", new) for new in commits_of(bare, "log", "--reverse", "-M", "--diff-filter=R", "--format=%H")[:4]
    ]
    blobs = Blobs(bare)
    renamed = 0
    for number, (old, new) in enumerate(pairs):
        sides = files_of(bare, old, blobs), files_of(bare, new, blobs)
        for options in OPTIONS if FULL or number >= PAIRS else [OPTIONS[number % len(OPTIONS)]]:
            expected = by_git(bare, [*options, "--full-index"], old, new)
            assert b"".join(git_diff(*sides, [*options, "--full-index"])) == expected, (old, new, options)
            renamed += expected.count(b"\nrename from ")
    blobs.close()
    assert renamed


def test_pairs_of_a_repository_that_is_made(tmp_path: Path) -> None:
    """Everywhere, and in every form: files that come, go, change, are renamed, made executable, links, binary."""
    repo, chance = tmp_path / "r", random.Random(7)
    repo.mkdir()
    git(repo, "init", "-q")
    lines = [f"value_{number} = {number}" for number in range(60)]
    for number in range(12):
        (repo / f"m{number}.py").write_text("\n".join(chance.sample(lines, 40)) + "\n")
    (repo / "data.bin").write_bytes(bytes(range(256)))
    (repo / "link").symlink_to("m0.py")
    commits = []
    for step in range(6):
        for path in chance.sample(sorted(repo.glob("*.py")), 4):
            text = path.read_text().replace(chance.choice(lines), f"changed = {step}\nmore = 'é {step}'")
            path.write_text(text if chance.random() < 0.8 else text.rstrip("\n"))
        moved = chance.choice(sorted(repo.glob("*.py")))
        moved.rename(repo / f"renamed {step}.py")
        chance.choice(sorted(repo.glob("*.py"))).chmod(0o755)
        (repo / "data.bin").write_bytes(bytes(chance.randrange(256) for _ in range(300)))
        if step == 3:
            (repo / "link").unlink()
            (repo / "link").write_text("no link any more\n")
            (repo / "m99.py").write_bytes(b"")
        git(repo, "add", "-A")
        git(repo, "commit", "-qm", str(step))
        commits.append(git(repo, "rev-parse", "HEAD").decode().strip())
    blobs = Blobs(repo)
    sides = {commit: files_of(repo, commit, blobs) for commit in commits}
    renamed = 0
    for old, new in [*pairwise(commits), (commits[0], commits[-1]), (commits[-1], commits[0])]:
        for options in OPTIONS:
            expected = by_git(repo, [*options, "--full-index"], old, new)
            assert b"".join(git_diff(sides[old], sides[new], [*options, "--full-index"])) == expected, options
            renamed += expected.count(b"\nrename from ")
    blobs.close()
    assert renamed


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A repository with a history in which a file is renamed and changed, and two snapshots of it."""
    repo = tmp_path / "r"
    repo.mkdir()
    git(repo, "init", "-q")

    def make(before: str, after: str) -> tuple[Path, Path]:
        (repo / "old name.py").write_text(before)
        (repo / "data.bin").write_bytes(bytes(range(256)))
        git(repo, "add", ".")
        git(repo, "commit", "-qm", "one")
        first = tmp_path / "1.jelly"
        first.write_bytes(jellyformat.snapshot(repo).data)
        git(repo, "mv", "old name.py", "new.py")
        (repo / "new.py").write_text(after)
        (repo / "data.bin").write_bytes(bytes(range(255, -1, -1)))
        second = tmp_path / "2.jelly"
        second.write_bytes(jellyformat.snapshot(repo).data)
        return first, second

    return make


LINES = "".join(f"line {number}\n" for number in range(20))


@pytest.mark.slow
def test_renames_counts_words_and_names(made: Made, tmp_path: Path) -> None:
    first, second = made(LINES, LINES.replace("line 7\n", "line seven\n"))
    patch = jelly(tmp_path, "diff", str(first), str(second)).stdout
    assert b"rename from old name.py\nrename to new.py\n" in patch
    assert b"GIT binary patch" in patch
    stat = jelly(tmp_path, "diff", str(first), str(second), "--stat").stdout
    assert b"old name.py => new.py | " in stat
    assert b"2 files changed, 1 insertion(+), 1 deletion(-)" in stat
    assert b"line [-7-]{+seven+}" in jelly(tmp_path, "diff", "--word-diff", str(first), str(second)).stdout
    assert jelly(tmp_path, "diff", str(first), str(second), "--name-only").stdout == b"data.bin\nnew.py\n"
    only = jelly(tmp_path, "diff", str(first), str(second), "--name-only", "--", "new.py").stdout
    assert only == b"new.py\n"
    uncommitted = jelly(tmp_path, "diff", str(second), "--name-only", "--", "data.bin").stdout
    assert uncommitted == b"data.bin\n"
    back = tmp_path / "back"
    jellyformat.export(first, back)
    git(back, "init", "-q")
    subprocess.run(["git", "apply", "-"], input=patch, cwd=back, check=True)
    assert (back / "new.py").read_text() == LINES.replace("line 7\n", "line seven\n")
    assert (back / "data.bin").read_bytes() == bytes(range(255, -1, -1))
    assert not (back / "old name.py").exists()


def test_without_git_our_own_code_compares(made: Made, tmp_path: Path) -> None:
    first, second = made(LINES, LINES)
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "diff", str(first), str(second), "--stat"],
        env={**os.environ, "PATH": str(tmp_path / "nowhere")}, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == b'M data.bin\nA new.py\nD "old name.py"\n' or done.stdout == (
        b"M data.bin\nA new.py\nD old name.py\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "diff", str(first), str(second), "--", "new.py"],
        env={**os.environ, "PATH": str(tmp_path / "nowhere")}, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(b"diff --git a/new.py b/new.py\nnew file mode 100644\n")
    assert b"data.bin" not in done.stdout


def test_no_configuration_and_no_attribute_runs_anything(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the user's external diff, nor a driver that the files of a snapshot name."""
    first, _ = made(LINES, "other\n" + LINES)
    canary = tmp_path / "canary"
    config = tmp_path / "config"
    config.write_text(
        f'[diff]\n\texternal = touch {canary} #\n[diff "x"]\n\ttextconv = touch {canary} #\n'
        f"[core]\n\tfsmonitor = touch {canary}\n\tpager = touch {canary}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", f"touch {canary} #")
    (tmp_path / "r" / ".gitattributes").write_text("* diff=x\n")
    third = tmp_path / "3.jelly"
    third.write_bytes(jellyformat.snapshot(tmp_path / "r").data)
    assert b"+other" in jelly(tmp_path / "r", "diff", str(first), str(third)).stdout
    assert not canary.exists()


def on_terminal(command: list[str], directory: Path, **environment: str) -> bytes:
    """What a command writes on a terminal."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "jellyformat", *command], stdin=other, stdout=other, stderr=subprocess.DEVNULL,
        cwd=directory, env={**os.environ, "TERM": "xterm", **environment},
    )  # fmt: skip
    os.close(other)
    out = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    process.wait()
    os.close(main)
    return out


def test_on_a_terminal(made: Made, tmp_path: Path) -> None:
    """Colours, the pager that git uses, and nothing that a stranger wrote for the terminal."""
    first, second = made(LINES, LINES + "\x1b]0;title\x07 \x1b[2J end\n")
    config = tmp_path / "config"
    config.write_text("[core]\n\tpager = sed s/^/paged:/\n")
    out = on_terminal(["diff", str(first), str(second)], tmp_path, GIT_CONFIG_GLOBAL=str(config), PAGER="cat")
    assert b"paged:" in out
    assert b"\x1b[32m" in out
    assert b"Binary files a/data.bin and b/data.bin differ" in out
    assert b"\\x1b]0;title" in out
    assert b"\x1b]0;" not in out
    assert b"\x1b[2J" not in out


@pytest.mark.parametrize("pager", ["sed s/^/one:/ | sed 's/^/two: /'", "MARK=two: sh -c 'sed \"s/^/$MARK one:/\"'"])
def test_a_pager_as_git_takes_it(made: Made, tmp_path: Path, pager: str) -> None:
    """A command for a shell, as those of delta and diff-so-fancy are."""
    first, second = made(LINES, LINES + "end\n")
    out = on_terminal(["diff", str(first), str(second)], tmp_path, GIT_PAGER=pager)
    assert b"two: one:" in out
    out = on_terminal(["log", str(first), str(second)], tmp_path, GIT_PAGER=pager)
    assert b"two: one:" in out


def test_a_pager_that_no_shell_understands(made: Made, tmp_path: Path) -> None:
    first, second = made(LINES, LINES + "end\n")
    assert b"Traceback" not in on_terminal(["diff", str(first), str(second)], tmp_path, GIT_PAGER="less '")


def test_environments(tmp_path: Path, repository: Path) -> None:
    def take(name: str, *arguments: str) -> str:
        jelly(repository, "snapshot", "-o", str(tmp_path / name), *arguments)
        return str(tmp_path / name)

    one, two, bare = take("1.jelly"), take("2.jelly"), take("3.jelly", "--no-environment")
    assert json.loads(jelly(tmp_path, "env", one, two, "--json").stdout) == []
    found = json.loads(jelly(tmp_path, "env", bare, one, "--json").stdout)
    assert {item["kind"] for item in found} == {"environment", "package"}
    assert {item["version"] for item in found} == {1}
    assert all(item["old"] is None and item["new"] for item in found)
    text = jelly(tmp_path, "diff", "--env", one, bare).stdout.decode()
    assert "click: " in text
    assert " → none" in text
    jelly(tmp_path, "diff", "--env", one, code=2)


def test_labels_and_commands_are_compared_too(tmp_path: Path, repository: Path) -> None:
    """By `diff --env` and `env A B` alike."""
    snap = jellyformat.snapshot(repository)
    for name, labels, note in (("1", {"lr": 0.01, "epoch": 3}, "wider"), ("2", {"lr": 0.007, "epoch": 3}, None)):
        jellyformat.embed(make_pickle(tmp_path / f"{name}.pkl"), snap, labels=labels, note=note)
    for arguments in (["diff", "--env"], ["env"]):
        found = json.loads(jelly(tmp_path, *arguments, "1.pkl", "2.pkl", "--json").stdout)
        assert found == [
            {"version": 1, "kind": "label", "name": "lr", "old": "0.01", "new": "0.007"},
            {"version": 1, "kind": "note", "name": "note", "old": "wider", "new": None},
        ]
    text = jelly(tmp_path, "diff", "--env", "1.pkl", "2.pkl").stdout.decode()
    assert text == "lr: 0.01 → 0.007\nnote: wider → none\n"


@pytest.mark.sampled(2)
@pytest.mark.framework
def test_notebooks_by_cells(tmp_path: Path) -> None:
    repo = tmp_path / "r"
    repo.mkdir()
    git(repo, "init", "-q")

    def take(name: str, source: str) -> str:
        cell = {"id": "a", "cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": 1}
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
        (repo / "n.ipynb").write_text(json.dumps(notebook))
        (repo / "broken.ipynb").write_text("{" + source)
        (tmp_path / name).write_bytes(jellyformat.snapshot(repo).data)
        return str(tmp_path / name)

    one, two = take("1.jelly", "lr = 0.1\nx = 3"), take("2.jelly", "lr = 0.2\nx = 3")
    text = jelly(tmp_path, "diff", one, two, "--cells").stdout.decode()
    assert "## modified /cells/0/source:" in text
    assert "-  lr = 0.1\n+  lr = 0.2\n" in text
    assert "+++ b/broken.ipynb\n" in text
    assert "modified" not in jelly(tmp_path, "diff", one, two, "--no-cells").stdout.decode()


@pytest.mark.framework
def test_notebooks_that_nbdime_takes_too_long_for() -> None:
    """It compares letter by letter: a long line, which anybody's notebook may have, for hours. An image it does not."""
    generator = random.Random(0)

    def notebook(length: int, kind: str | None = None, count: int = 1) -> bytes:
        text = "".join(generator.choices("ab", k=length))
        outputs = [] if kind is None else [{"output_type": "display_data", "metadata": {}, "data": {kind: text}}]
        source = text if kind is None else ""
        cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": outputs, "execution_count": 1}
        return json.dumps({"nbformat": 4, "nbformat_minor": 2, "metadata": {}, "cells": [cell] * count}).encode()

    def shown(*arguments: Any) -> bool:
        return cells(b"a.ipynb", notebook(*arguments), notebook(*arguments), colour=False) is not None

    assert shown(100)
    assert shown(100_000, "image/png")
    assert not shown(12_000)
    assert not shown(12_000, "text/html")
    assert not shown(1, None, 1000)
