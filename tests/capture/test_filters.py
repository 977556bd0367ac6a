"""Filters: real git-annex, DVC and nbstripout, and what may conceal; what was left out is said, and how to take it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from parts import omitted, worktree_of
from states import STATES, Repo
from states.build import GIT_ENVIRONMENT

import jellyformat
from jellyformat import errors
from jellyformat.git.filters import conceals, pointer_of

KEPT = {
    "lfs": "",
    "annex": "git-annex smudge --clean -- %f",
    "nbstripout": '"/opt/my envs/bin/python3" -m nbstripout',
    "strip": "/opt/my\\ envs/bin/nbstripout --keep-output %f",
    "notebooks": "python -I -m jupyter nbconvert --ClearOutputPreprocessor.enabled=True --to=notebook --stdin --stdout",
    "one-of-ours": "PYTHONPATH=. python3.11 tools/strip_notebook_output.py %f",
    "shell": "sh ./.ci/nb-strip.sh",
    "jq": "jq --indent 1 '(.cells[] | select(has(\"outputs\")) | .outputs) = [] | .cells[].execution_count = null'",
    "piped": "jupytext --to py | cat 2>/dev/null",
    "git lfs": "git lfs clean -- %f",
    "git annex": "git annex smudge --clean -- %f",
    "ipynb": "ipynb_drop_output.py",
    "uv": "uv run nbstripout",
}
CONCEALING = {
    "git-crypt": '"git-crypt" clean',
    "crypt": "transcrypt clean context=default %f",
    "sops": "sops --encrypt --input-type binary /dev/stdin",
    "agenix": "age -r key",
    "gpg": "gpg --encrypt",
    "openssl": "openssl enc -base64",
    "lfs": "git-crypt clean",
    "nbstripout": "ansible-vault encrypt",
    "hide": "/home/jupyter/nbstripout/bin/git-crypt clean",
    "sed": "sed s/PASSWORD=.*/PASSWORD=/",
    "and": "nbstripout | gpg -e",
    "more": "jq . && curl -T - example.org",
    "substituted": "jq $(hide)",
    "unknown": "tidy",
    "options": "python -c 'import nbstripout'",
    "unfinished": "jq '",
    "strip_secrets": "strip_secrets_of_notebook.py",
}


@pytest.mark.parametrize("name", KEPT)
def test_filters_that_conceal_nothing(name: str) -> None:
    assert not conceals(name, ["", KEPT[name]])


@pytest.mark.parametrize("name", CONCEALING)
def test_filters_that_may_conceal(name: str) -> None:
    assert conceals(name, ["", CONCEALING[name]])


def test_a_filter_of_no_name() -> None:
    assert conceals("unknown", [])
    assert pointer_of(b"/annex/objects/SHA256E-s6--" + b"0" * 64 + b".dat\n") is not None
    assert pointer_of(b"/annex/objects/URL--http:x\n") is None
    assert pointer_of(b"/annex/objects/../--00\n") is None


def program(name: str) -> str:
    """A real program, beside Python or on the path."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(repo: Repo, *command: str) -> None:
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**GIT_ENVIRONMENT, "PATH": path, "HOME": os.fspath(repo.path.parent), "DVC_NO_ANALYTICS": "1"}
    subprocess.run(command, cwd=repo.path, check=True, capture_output=True, env=environment)


def read(snap: jellyformat.Snapshot, path: str) -> bytes:
    with snap.open() as box:
        return box.read(path)


def test_git_annex(tmp_path: Path) -> None:
    """All files are under its filter: what was changed or new came out empty, code too."""
    annex = program("git-annex")
    git = {"PATH": f"{Path(annex).parent}{os.pathsep}{os.environ['PATH']}", "HOME": os.fspath(tmp_path)}
    repo = Repo(tmp_path / "repo")
    run(repo, annex, "init", "-q", "here")
    repo.git("config", "annex.largefiles", "include=*.dat", extra=git)
    names = ("locked", "unlocked", "touched", "changed")
    for name in names:
        repo.write(f"{name}.dat", f"{name} data\n".encode() * 50)
    run(repo, annex, "add", "-q", ".")
    run(repo, annex, "unlock", "-q", *(f"{name}.dat" for name in names[1:]))
    repo.write("train.py", b"a = 1\n")
    repo.git("add", "-A", extra=git)
    repo.git("commit", "-qm", "data", extra=git)
    os.utime(repo.path / "touched.dat", ns=(10**18, 10**18))
    repo.write("changed.dat", b"changed now\n")
    repo.write("train.py", b"a = 2\n")
    repo.write("new.py", b"new = 1\n")
    repo.write("new.dat", b"new data\n")
    snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {}
    assert worktree_of(snap).filtered == (b"touched.dat", b"unlocked.dat")
    assert read(snap, "locked.dat").startswith(b".git/annex/objects/")
    for name in ("changed.dat", "train.py", "new.py", "new.dat"):
        assert read(snap, name) == (repo.path / name).read_bytes()
    assert [path for _, path in snap.manifest.summary.unstaged] == [b"changed.dat", b"train.py"]
    assert snap.manifest.summary.untracked == (b"new.dat", b"new.py")
    # too large to be held, and told by its hash to be what git has
    assert jellyformat.snapshot(repo.path, max_file_size=100).manifest.state.worktree == snap.manifest.state.worktree


@pytest.mark.slow
def test_dvc(tmp_path: Path) -> None:
    """What it tracks is ignored by git: its small files say which data were there."""
    dvc = program("dvc")
    repo = Repo(tmp_path / "repo")
    run(repo, dvc, "init", "-q")
    run(repo, dvc, "config", "core.analytics", "false")
    repo.write("data/train.csv", b"a,b\n1,2\n")
    run(repo, dvc, "add", "-q", "data/train.csv")
    repo.git("add", "-A")
    repo.git("commit", "-qm", "data")
    repo.write("data/train.csv", b"a,b\n1,2\n3,4\n")
    run(repo, dvc, "add", "-q", "data/train.csv")
    repo.write("train.py")
    snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {}
    assert read(snap, "data/train.csv.dvc") == (repo.path / "data/train.csv.dvc").read_bytes()
    assert set(snap.manifest.ignored) == {b".dvc/cache/", b".dvc/tmp/", b"data/train.csv"}


@pytest.mark.sampled(3)
@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("--keep-output",)])
def test_nbstripout(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Installed with a path, as it does by itself, and with arguments."""
    nbstripout = program("nbstripout")
    repo = Repo(tmp_path / "repo")
    run(repo, nbstripout, "--install", "--attributes", ".gitattributes")
    clean = " ".join((repo.git("config", "filter.nbstripout.clean").decode().strip(), *arguments))
    repo.git("config", "--rename-section", "filter.nbstripout", "filter.notebooks")
    repo.git("config", "filter.notebooks.clean", clean)
    repo.write(".gitattributes", b"*.ipynb filter=notebooks\n")
    cell = {"cell_type": "code", "execution_count": 3, "metadata": {}, "source": ["1+1"], "outputs": []}
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    repo.write("old.ipynb", json.dumps(book).encode())
    repo.git("add", "-A")
    repo.git("commit", "-qm", "notebook")
    cell["source"] = ["2+2"]
    repo.write("old.ipynb", json.dumps(book).encode())
    repo.write("new.ipynb", json.dumps(book).encode())
    snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {}
    assert read(snap, "old.ipynb") == read(snap, "new.ipynb") == json.dumps(book).encode()


def test_what_may_be_concealed_is_said(tmp_path: Path) -> None:
    """It is left out unless it is named; HEAD's version is exported in its place."""
    STATES["encrypted"](tmp_path / "repo")
    repo = Repo(tmp_path / "repo")
    with pytest.warns(errors.CaptureWarning, match=r'conceal them: private/new\.txt, .*include=\["private/new\.txt"'):
        snap = jellyformat.snapshot(repo.path)
    assert omitted(snap) == {f"private/{name}.txt".encode(): "filter" for name in ("new", "three", "two")}
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "snapshot", "-o", tmp_path / "s.jelly"],
        cwd=repo.path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "to take them as they are on disk: --include private/new.txt --include private/" in done.stderr
    exported = jellyformat.export(tmp_path / "s.jelly", tmp_path / "code")
    assert exported.from_head == (b"private/three.txt", b"private/two.txt")
    assert (tmp_path / "code/private/two.txt").read_bytes() == repo.git("cat-file", "blob", "HEAD:private/two.txt")
    assert not (tmp_path / "code/private/new.txt").exists()
    command = [sys.executable, "-m", "jellyformat", "export", str(tmp_path / "s.jelly"), str(tmp_path / "again")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "as HEAD has them, not as they were on disk (a filter stands between): private/three.txt" in done.stdout
    snap = jellyformat.snapshot(repo.path, include=["private/two.txt", "private/new.txt"])
    assert omitted(snap) == {b"private/three.txt": "filter"}
    assert read(snap, "private/two.txt") == (repo.path / "private/two.txt").read_bytes()
    assert read(snap, "private/new.txt") == b"plain and new\n"


def test_a_large_lfs_file_that_was_touched(tmp_path: Path) -> None:
    STATES["lfs_smudged"](tmp_path / "repo")
    repo = Repo(tmp_path / "repo")
    os.utime(repo.path / "weights/1.bin", ns=(10**18, 10**18))
    snap = jellyformat.snapshot(repo.path, max_file_size=100)
    assert omitted(snap) == {}
    assert b"weights/1.bin" in worktree_of(snap).filtered
