"""Files of several names, and what is asked for by name: beside a file, into any directory, a copy (JF-HST, JF-DIR)."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import craft
import plain
import pytest
from test_story import jelly

import jellyformat
from jellyformat.errors import NoSnapshot, RefusedExists, RefusedHost, Usage
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))
VALUES = [0.5] * 1000


def save_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(VALUES))


def save_npz(path: Path) -> None:
    plain.save_npz(path, a=[1.0, 2.0])


HOSTS: dict[str, Callable[[Path], object]] = {
    "m.pkl": save_pickle,
    "m.npz": save_npz,
    "m.safetensors": lambda path: plain.save_safetensors(path, {"a": VALUES}, {"format": "pt"}),
}


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    HOSTS[request.param](path)
    return path


def test_a_second_name_keeps_its_bytes(host: Path, tmp_path: Path) -> None:
    own = host.read_bytes()
    names = [tmp_path / "best", tmp_path / "last"]
    for name in names:
        name.hardlink_to(host)
    with pytest.raises(RefusedHost, match=r"3 names \(hard links\)") as caught:
        jellyformat.embed(host, SNAP)
    assert (caught.value.requirement, caught.value.exit_code) == ("JF-HST-005", 4)
    assert "copy=True" in str(caught.value.hint)
    assert "sidecar=True" in str(caught.value.hint)
    if host.suffix == ".safetensors":
        with pytest.raises(RefusedHost, match="3 names"):
            jellyformat.embed(host, SNAP, in_place=True)
    assert host.read_bytes() == own
    host.chmod(0o640)
    kind = jellyformat.embed(host, SNAP, copy=True)
    assert jellyformat.verify(host).ok
    assert [name.read_bytes() for name in names] == [own, own]
    assert [path.stat().st_nlink for path in (host, *names)] == [1, 2, 2]
    assert host.stat().st_mode & 0o777 == 0o640
    # nor is the code taken out of all of them at once
    for name in names:
        name.unlink()
        name.hardlink_to(host)
    carrying = host.read_bytes()
    with pytest.raises(RefusedHost, match="3 names") as caught:
        jellyformat.strip(names[1])
    assert "sidecar=True" not in str(caught.value.hint)
    with pytest.raises(RefusedHost, match="3 names"):
        jellyformat.embed(host, SNAP, replace=True)
    assert jellyformat.strip(names[1], copy=True) == kind
    assert [path.read_bytes() for path in (host, *names)] == [carrying, carrying, own]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["best", "last", host.name])


def test_into_a_new_file_other_names_do_not_matter(host: Path, tmp_path: Path) -> None:
    own = host.read_bytes()
    (tmp_path / "best").hardlink_to(host)
    jellyformat.embed(host, SNAP, out=tmp_path / "new")
    assert jellyformat.verify(tmp_path / "new").ok
    assert host.read_bytes() == own
    assert host.stat().st_nlink == 2


def test_beside_any_file(host: Path, tmp_path: Path) -> None:
    """So that its hash stays what it was."""
    own = host.read_bytes()
    (tmp_path / "best").hardlink_to(host)
    assert jellyformat.embed(host, SNAP, sidecar=True, bind=True) == "sidecar"
    assert host.read_bytes() == own
    report = jellyformat.verify(host)
    assert (report.ok, report.host) == (True, "sidecar")
    with pytest.raises(RefusedExists):
        jellyformat.embed(host, SNAP, sidecar=True)
    jellyformat.embed(host, SNAP, sidecar=True, replace=True)
    assert jellyformat.strip(host) == "sidecar"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["best", host.name])
    # one inside would be found first, for ever
    jellyformat.embed(host, SNAP, copy=True)
    for replace in (False, True):
        with pytest.raises(RefusedExists, match="which goes before one beside it"):
            jellyformat.embed(host, SNAP, sidecar=True, replace=replace)


@pytest.mark.parametrize(
    "ways",
    [
        ("sidecar", "trailer"),
        ("sidecar", "copy"),
        ("sidecar", "in_place"),
        ("copy", "in_place"),
        ("sidecar", "as_tensor"),
    ],
)
def test_one_way_at_a_time(host: Path, ways: tuple[str, str]) -> None:
    own = host.read_bytes()
    with pytest.raises(Usage) as caught:
        jellyformat.embed(host, SNAP, **dict.fromkeys(ways, True))  # type: ignore[arg-type]
    assert f"{ways[0]}=True" in str(caught.value.hint)
    with pytest.raises(Usage):
        jellyformat.strip(host, copy=True, out="new")
    assert host.read_bytes() == own


def test_any_directory(tmp_path: Path, repository: Path) -> None:
    """Such as a pipeline of diffusers, one of MLflow or spaCy, or a SavedModel."""
    place = repository / "pipeline"
    (place / "unet").mkdir(parents=True)
    (place / "model_index.json").write_text("{}")
    (place / "unet" / "weights.bin").write_bytes(bytes(100))
    (place / "own.py").write_text("layers = 3\n")
    with pytest.raises(RefusedHost, match="none that is known as a checkpoint") as caught:
        jellyformat.embed(place, SNAP)
    assert caught.value.requirement == "JF-DIR-001"
    assert "directory=True" in str(caught.value.hint)
    with pytest.raises(NoSnapshot):
        jellyformat.strip(place)
    jelly(repository, "embed", "pipeline", code=4)
    jelly(repository, "embed", "pipeline", "--directory", "--bind")
    files = {file.path for file in jellyformat.open(place).files()}
    assert b"pipeline/own.py" in files  # which is code, untracked
    assert b"pipeline/unet/weights.bin" not in files
    assert jellyformat.verify(place).ok
    (entry,) = jellyformat.log(place)
    assert (entry.file, entry.host) == (str(place), "directory")
    (place / "unet" / "weights.bin").write_bytes(bytes(101))
    assert not jellyformat.verify(place).ok
    jelly(repository, "embed", "pipeline", "--replace")  # which has one already
    jelly(repository, "strip", "pipeline")
    assert not (place / "jellyformat.jelly").exists()
    with pytest.raises(Usage, match="is no directory"):
        jellyformat.embed(place / "model_index.json", SNAP, directory=True)


def test_a_directory_that_is_no_checkpoint(tmp_path: Path) -> None:
    """Nothing is there, and it is said where to look."""
    save_pickle(tmp_path / "m.pkl")
    jellyformat.embed(tmp_path / "m.pkl", SNAP)
    for command in ("strip", "ls", "env"):
        said = jelly(tmp_path, command, ".", code=3).stderr.decode()
        assert "none that is known as a checkpoint" in said
        assert " log ." in said, said
    with pytest.raises(NoSnapshot) as caught:
        jellyformat.open(tmp_path)
    assert "jellyformat.log(" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "content"),
    [("train.py", b"lr = 3\n"), ("run", b"#!/bin/sh\n"), ("notes.MD", b"# notes\n"), ("empty.pt", b"")],
)
def test_code_and_empty_files_are_asked_for_twice(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RefusedHost, match="looks like code" if content else "is empty") as caught:
        jellyformat.embed(path, SNAP)
    assert "sidecar=True" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == [path]
    assert jellyformat.embed(path, SNAP, sidecar=True) == "sidecar"
    assert jellyformat.verify(path).ok
    assert path.read_bytes() == content


@pytest.mark.skipif(not shutil.which("dvc"), reason="dvc is not installed")
@pytest.mark.slow
def test_the_cache_of_dvc_stays_as_it_is(repository: Path) -> None:
    """With hard links, the file in the work tree is that in the cache, whose name is the hash of its content."""

    def dvc(*arguments: str) -> str:
        options = {"DVC_NO_ANALYTICS": "1", "PYTHONPATH": ""}
        done = subprocess.run(
            ["dvc", *arguments],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **options},
        )
        return done.stdout

    dvc("init", "-q")
    dvc("config", "cache.type", "hardlink")
    path = repository / "weights.pkl"
    save_pickle(path)
    own = path.read_bytes()
    dvc("add", "-q", "weights.pkl")
    (cached,) = (file for file in (repository / ".dvc" / "cache" / "files").rglob("*") if file.is_file())
    if not cached.samefile(path):
        pytest.skip("dvc makes no hard links on this filesystem")
    with pytest.raises(RefusedHost, match="2 names"):
        jellyformat.embed(path, SNAP)
    jellyformat.embed(path, SNAP, sidecar=True)
    assert "up to date" in dvc("status")
    jellyformat.strip(path)
    jellyformat.embed(path, SNAP, copy=True)
    assert jellyformat.verify(path).ok
    assert cached.read_bytes() == own
    assert "modified" in dvc("status")
