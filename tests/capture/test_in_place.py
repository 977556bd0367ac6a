"""What runs from other repositories: packages installed in place, and further roots; a snapshot without a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from states import Repo, base
from test_left_out import files, verified

import jellyformat
from jellyformat import errors

PROJECT = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "0.1"
[tool.setuptools]
packages = ["{name}"]
"""


def library(path: Path, name: str) -> Repo:
    """A repository of a package."""
    repo = Repo(path)
    repo.write("pyproject.toml", PROJECT.format(name=name).encode())
    repo.write(f"{name}/__init__.py", b"version = 1\n")
    repo.write(".gitignore", b"*.egg-info\nbuild\n")
    repo.commit()
    return repo


def installed(repo: Repo, prefix: Path) -> Path:
    """Where pip has noted it, after a real installation in place."""
    pytest.importorskip("setuptools")
    options = [
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--prefix",
        str(prefix),
        "-q",
        "--no-warn-script-location",
    ]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "-e", repo.path], check=True, capture_output=True)
    return next(prefix.glob("lib/python*/site-packages"))


def editable(snap: jellyformat.Snapshot) -> dict[str, dict[str, object]]:
    """What is noted of each, but for what is installed for these tests."""
    noted = json.loads(json.dumps(snap.manifest.environment.get("editable", [])))
    return {item.pop("name"): item for item in noted if item["name"] != "jellyformat"}


def head(repo: Repo) -> str:
    return repo.git("rev-parse", "HEAD").decode().strip()


@pytest.mark.slow
def test_packages_that_run_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one's repository, commit, and whether it is clean; one that is not is said, until it is taken too."""
    repo = base(tmp_path / "repo")
    lib = library(tmp_path / "lib", "mylib")
    lib.git("remote", "add", "origin", "https://me:pw@example.org/mylib.git")
    monkeypatch.syspath_prepend(str(installed(lib, tmp_path / "prefix")))
    assert not lib.git("status", "--porcelain")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        snap = jellyformat.snapshot(repo.path)
    expected = {"repository": "https://example.org/mylib.git", "commit": head(lib), "clean": True}
    assert editable(snap) == {"mylib": expected}
    (tmp_path / "s.jelly").write_bytes(snap.to_bytes())
    shown = subprocess.run(
        [sys.executable, "-m", "jellyformat", "show", tmp_path / "s.jelly"], capture_output=True, text=True, check=True
    ).stdout
    assert f"mylib {head(lib)[:10]} of https://example.org/mylib.git\n" in shown
    for change in ("changed", "staged", "untracked", "deleted", "mode"):
        if change == "untracked":
            lib.write("mylib/new.py")
        elif change == "deleted":
            lib.remove("mylib/__init__.py")
        elif change == "mode":
            (lib.path / "mylib/__init__.py").chmod(0o755)
        else:
            lib.write("mylib/__init__.py", b"version = 2\n")
        if change == "staged":
            lib.git("add", "-A")
        with pytest.warns(errors.CaptureWarning, match=r"installed in place.*mylib \(.*lib\).*roots=\[") as caught:
            snap = jellyformat.snapshot(repo.path)
        assert str(lib.path) in str(caught[0].message)
        assert editable(snap)["mylib"] == {**expected, "clean": False}, change
        lib.git("reset", "-q", "--hard")
        lib.git("clean", "-qfd")
    lib.write("mylib/__init__.py", b"version = 3\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        snap = verified(jellyformat.snapshot(repo.path, roots=[lib.path / "mylib"]), tmp_path)
    assert editable(snap)["mylib"]["clean"] is False
    with snap.open() as box:
        assert box.read("lib/mylib/__init__.py") == b"version = 3\n"
    lib.git("commit", "-qam", "three")
    assert editable(jellyformat.snapshot(repo.path))["mylib"] == {**expected, "commit": head(lib)}


def test_as_setuptools_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`setup.py develop`: the directory itself is on the path. And one that is in no repository."""
    repo = base(tmp_path / "repo")
    lib = library(tmp_path / "lib", "oldlib")
    for place in (lib.path, tmp_path / "plain", repo.path):
        (place / f"{place.name}old.egg-info").mkdir(parents=True)
        (place / f"{place.name}old.egg-info/PKG-INFO").write_text(f"Name: {place.name}old\nVersion: 1\n")
        monkeypatch.syspath_prepend(str(place))
    found = editable(jellyformat.snapshot(repo.path))
    assert found.keys() == {"libold", "plainold"}, "what is in the snapshot is not noted besides"
    assert (found["libold"]["commit"], found["libold"]["clean"]) == (head(lib), True)
    assert (found["plainold"]["commit"], found["plainold"]["clean"]) == (None, None)


def test_further_roots(tmp_path: Path) -> None:
    """They are in the snapshot under their names, seen and exported; a restore leaves them alone."""
    repo = base(tmp_path / "repo")
    repo.write("lib/own.py")
    one, two = library(tmp_path / "lib", "one"), library(tmp_path / "deep/lib", "two")
    one.write("one/new.py", b"new = 1\n")
    command = [sys.executable, "-m", "jellyformat", "snapshot", "-o", str(tmp_path / "s.jelly")]
    done = subprocess.run(
        [*command, "--with", one.path / "one", "--with", two.path, "--with", one.path],
        cwd=repo.path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert jellyformat.verify(tmp_path / "s.jelly").ok
    snap = jellyformat.load(tmp_path / "s.jelly")
    roots = snap.manifest.state.roots
    assert [root.name for root in roots] == [b"lib-2", b"lib-3"], "the repository itself has a directory lib"
    by_commit = {root.state.head.commit.hex(): root for root in roots if root.state.head.commit is not None}
    assert by_commit.keys() == {head(one), head(two)}
    mine = os.fsdecode(by_commit[head(one)].name)
    assert by_commit[head(one)].state == jellyformat.snapshot(one.path).manifest.state
    assert {f"{mine}/one/new.py", f"{mine}/one/__init__.py", "lib/own.py"} <= files(snap)
    assert f"{mine}/one/new.py".encode() in snap.manifest.summary.untracked
    assert snap.id == jellyformat.snapshot(repo.path, roots=[two.path, one.path]).id
    assert snap.id != jellyformat.snapshot(repo.path).id
    jellyformat.export(tmp_path / "s.jelly", tmp_path / "code")
    assert (tmp_path / "code" / mine / "one/new.py").read_bytes() == b"new = 1\n"
    done_restore = jellyformat.restore(tmp_path / "s.jelly", tmp_path / "again")
    assert set(done_restore.roots) == {b"lib-2", b"lib-3"}
    assert not (tmp_path / "again" / mine).exists()


def test_roots_that_cannot_be_taken(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    with pytest.raises(errors.Usage, match="is in the repository that is captured anyway"):
        jellyformat.snapshot(repo.path, roots=[repo.path / "src"])
    other = base(tmp_path / "other", "--object-format=sha256")
    with pytest.raises(errors.RefusedRepository, match="sha256 object ids") as caught:
        jellyformat.snapshot(repo.path, roots=[other.path])
    assert caught.value.requirement == "JF-STA-001"
    (tmp_path / "plain").mkdir()
    with pytest.raises(errors.NoRepository):
        jellyformat.snapshot(repo.path, roots=[tmp_path / "plain"])
    lib = library(tmp_path / "lib", "lib")
    lib.write(".env", b"DB_PASSWORD=tr0ub4dor\n")
    with pytest.raises(errors.RefusedSecret, match=r"lib/\.env line 1"):
        jellyformat.snapshot(repo.path, roots=[lib.path])


@pytest.mark.parametrize("why", ["nothing", "ignored", "deleted", "left out"])
def test_a_snapshot_without_a_file_is_said(tmp_path: Path, why: str) -> None:
    repo = Repo(tmp_path / "repo")
    if why == "ignored":
        repo.write(".gitignore", b"*\n")
        repo.write("train.py")
    elif why == "deleted":
        repo.write("train.py")
        repo.commit()
        repo.remove("train.py")
    elif why == "left out":
        repo.write("node_modules/x/index.js")
    with pytest.warns(errors.CaptureWarning, match=r"has no file in it.*repo=\"DIR\"") as caught:
        snap = jellyformat.snapshot(repo.path)
    assert snap.manifest.summary.files == 0
    said = str(caught[0].message)
    assert ("2 ignored by git (.gitignore, train.py)" in said) == (why == "ignored")
    assert ("1 left out (node_modules/)" in said) == (why == "left out")
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "snapshot", "-o", tmp_path / "x.jelly"],
        cwd=repo.path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "has no file in it" in done.stderr
    assert "--repo DIR" in done.stderr
