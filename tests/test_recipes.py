"""Each command of docs/recipes.md, run; what git, file, pre-commit and people get to see of snapshots by it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gitrepo import git
from plain import save_torch
from test_story import jelly

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "recipes.md"
MAGIC = ROOT / "docs" / "jelly.magic"

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository that tracks a checkpoint, in two versions of other code; `jelly` is on the path."""
    repo = tmp_path / "project"
    repo.mkdir()
    git(repo, "init", "-q")
    for rate in (1, 2):
        (repo / "train.py").write_text(f"lr = {rate}\n")
        git(repo, "add", "train.py")
        git(repo, "commit", "-qm", f"rate {rate}")
        save_torch(repo / "model.pt", bytes(100))
        jelly(repo, "embed", "model.pt", "--label", f"epoch={rate}", "-q")
        git(repo, "add", "model.pt")
        git(repo, "commit", "-qm", f"trained with {rate}")
    jelly(repo, "snapshot", "-o", "code.jelly", "-q")
    shutil.copy(MAGIC, repo)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "jelly").write_text(f'#!/bin/sh\nexec {sys.executable} -m jellyformat "$@"\n')
    (programs / "jelly").chmod(0o755)
    return repo


def bash(place: Path, script: str) -> subprocess.CompletedProcess[str]:
    home = place.parent / "home"
    home.mkdir(exist_ok=True)
    path = f"{place.parent / 'programs'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(home), "GIT_PAGER": "cat"}
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_every_command_of_the_page_works(place: Path) -> None:
    if shutil.which("file") is None:
        pytest.skip("file is not installed")
    done = bash(place, "\n".join(blocks("bash")))
    assert done.returncode == 0, done.stderr
    assert "-lr = 1\n+lr = 2" in done.stdout
    assert "code.jelly: application/vnd.jellyformat" in done.stdout
    assert "filter: lfs" in done.stdout
    assert "| epoch | 2 |" in (place / "README.md").read_text()


def test_the_workflow_runs_what_the_page_tells(place: Path, tmp_path: Path) -> None:
    """Its last step, and the exit statuses that the page gives: of a damaged snapshot, of none, of a file without."""
    line = re.findall(r"run: (jelly verify.*)", blocks("yaml")[1])[0]
    assert line in blocks("bash")[5]
    assert bash(place, line).returncode == 0  # train.py, which has none, is no failure
    assert bash(place, f"{line} train.py").returncode == 3
    data = bytearray((place / "code.jelly").read_bytes())
    data[-10] ^= 1
    (place / "code.jelly").write_bytes(data)
    damaged = bash(place, line)
    assert damaged.returncode == 1
    assert "code.jelly: DAMAGED" in damaged.stdout
    empty = tmp_path / "empty"
    empty.mkdir()
    assert bash(empty, line).returncode == 3


def test_git_diff_shows_the_code(place: Path) -> None:
    """Also of a file without a snapshot; never more than the code and what was said of it."""
    (place / ".gitattributes").write_text("*.pt diff=jelly\n")
    git(place, "config", "diff.jelly.textconv", "jelly show --text")
    shown = bash(place, "git diff HEAD~2 HEAD -- model.pt").stdout
    changed = [line for line in shown.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert {"-label epoch = 1", "+label epoch = 2", "-lr = 1", "+lr = 2"} <= set(changed)
    assert {line.split()[0][1:] for line in changed if line.strip("+-")} <= {"commit", "label", "lr", "==>", "binary,"}
    save_torch(place / "model.pt", bytes(200))
    done = bash(place, "git diff -- model.pt")
    assert done.returncode == 0, done.stderr
    assert "+no snapshot; " in done.stdout


def test_the_text_is_that_of_the_code(repository: Path, tmp_path: Path) -> None:
    """Two captures of the same code give the same text; binary files are told, controls escaped."""
    (repository / "odd.txt").write_bytes(b"a\tb\x1b[31m\r\nlast")
    texts = []
    for name in ("one", "two"):
        jelly(repository, "snapshot", "-o", str(tmp_path / f"{name}.jelly"), "-q")
        texts.append(jelly(tmp_path, "show", "--text", f"{name}.jelly").stdout)
    assert texts[0] == texts[1]
    assert b"==> src/data.bin\nbinary, 1024 bytes, " in texts[0]
    assert b"a\tb\\x1b[31m\nlast\n" in texts[0]
    assert b"hidden = 16" in texts[0]
    assert b"model.pt" not in jelly(tmp_path, "show", "--text", "--markdown", "one.jelly", code=2).stdout


def test_a_card_is_no_markup_of_others(repository: Path, tmp_path: Path) -> None:
    git(repository, "remote", "add", "origin", "https://example.com/secret-place.git")
    git(repository, "commit", "-qm", "<script>alert(1)</script> | [x](http://evil) `code`", "--allow-empty")
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"), "-q")
    jelly(tmp_path, "label", "x.jelly", "a|b=<b>\n# title", "-q")
    card = jelly(tmp_path, "show", "--markdown", str(tmp_path / "x.jelly")).stdout.decode()
    assert "secret-place" not in card
    assert str(tmp_path) not in card
    for line in card.splitlines():
        if line.startswith(("| Subject", "| a")):
            assert not re.search(r"(?<!\\)[<>`\[\]#]", line), line
            assert len(re.findall(r"(?<!\\)\|", line)) == 3, line
    assert "\n# title" not in card


@pytest.mark.skipif(shutil.which("file") is None, reason="file is not installed")
def test_file_knows_snapshots(place: Path, tmp_path: Path) -> None:
    """Bare ones, behind the end of a file, and in an archive; nothing else."""
    (tmp_path / "model.bin").write_bytes(b"\x93MODEL" + bytes(range(256)) * 8)
    (tmp_path / "other").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    jelly(place, "embed", str(tmp_path / "model.bin"), "--trailer", "-q")
    said = {}
    for path in (place / "code.jelly", place / "model.pt", tmp_path / "model.bin", tmp_path / "other"):
        for option in ("--brief", "--mime-type"):
            done = subprocess.run(
                ["file", "--brief", option, "-m", str(MAGIC), str(path)], capture_output=True, text=True, check=True
            )
            said[path.name, option] = done.stdout.strip()
    size = (place / "code.jelly").stat().st_size
    assert said["code.jelly", "--brief"] == f"JELLY snapshot of a git repository, format version 1, {size} bytes"
    assert said["code.jelly", "--mime-type"] == "application/vnd.jellyformat"
    assert "JELLY snapshot in its archive" in said["model.pt", "--brief"]
    assert "JELLY snapshot behind its end" in said["model.bin", "--brief"]
    assert "JELLY" not in said["other", "--brief"]


def test_the_hook_is_one_that_pre_commit_takes(place: Path) -> None:
    """Its fields, and what it runs: sound snapshots pass, a file without one does not."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^[- ] (\w+): (.*)$", text, re.MULTILINE))
    assert {"id", "name", "entry", "language", "files"} <= fields.keys()
    assert f"id: {fields['id']}" in blocks("yaml")[0]
    assert re.search(fields["files"], "runs/code.jelly")
    assert bash(place, f"{fields['entry']} model.pt code.jelly").returncode == 0
    assert bash(place, f"{fields['entry']} train.py").returncode == 3
