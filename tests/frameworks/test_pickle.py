"""pickle and joblib files that carry the code."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path
from typing import Any

import jellyformat_pickle
import joblib
import numpy as np
import pytest
from unmarked import unmarked

import jellyformat
from jellyformat import errors
from jellyformat.training import SnapshotWarning

pytestmark = pytest.mark.filterwarnings("error::jellyformat.training.SnapshotWarning")

OBJECT = {"weights": np.arange(1000.0).reshape(10, 100), "name": "a model", "more": [np.ones(3), {"deep": None}]}


def same(found: Any) -> bool:
    return bool((found["weights"] == OBJECT["weights"]).all() and found["name"] == OBJECT["name"])


@pytest.mark.parametrize("protocol", [None, 2, 3, 4, 5])
def test_pickle(tmp_path: Path, protocol: int | None) -> None:
    path, plain = tmp_path / "model.pkl", tmp_path / "plain.pkl"
    expected = jellyformat.snapshot().id
    for _ in range(2):  # the second time there is one already
        jellyformat_pickle.dump(OBJECT, path, protocol, fix_imports=False)
        assert jellyformat.verify(path).ok
        assert jellyformat.load(path).id == expected
        assert same(pickle.loads(path.read_bytes()))
        Path("train.py").write_text("edited\n")
    jellyformat.strip(path)
    with plain.open("wb") as file:
        pickle.dump(OBJECT, file, protocol, fix_imports=False)
    assert path.read_bytes() == plain.read_bytes()
    assert sorted(tmp_path.glob("*model*")) == [path]


@pytest.mark.parametrize("arguments", [(), (0, 4), ("bz2",)])
def test_joblib(tmp_path: Path, arguments: tuple[Any, ...]) -> None:
    path, plain = tmp_path / "model.joblib", tmp_path / "plain.joblib"
    expected = jellyformat.snapshot().id
    mine = jellyformat.snapshot(history="full")
    for snapshot, compress in ((None, arguments), (mine, arguments)):
        assert jellyformat_pickle.joblib_dump(OBJECT, path, *compress, snapshot=snapshot) == [str(path)]
        assert jellyformat.verify(path).ok
        assert jellyformat.load(path).id == expected
        assert same(joblib.load(path))
    assert unmarked(path) == unmarked(mine)
    if not arguments:
        assert same(joblib.load(path, mmap_mode="r"))
    jellyformat.strip(path)
    joblib.dump(OBJECT, plain, *arguments)
    assert path.read_bytes() == plain.read_bytes()


def test_goes_on_where_there_can_be_none(tmp_path: Path) -> None:
    mine = jellyformat.snapshot()
    path = tmp_path / "model.pkl"
    os.chdir(tmp_path)
    with pytest.warns(SnapshotWarning, match="no git repository"):
        jellyformat_pickle.dump(OBJECT, path)
    assert same(pickle.loads(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(errors.NoRepository):
        jellyformat_pickle.dump({}, path, strict=True)
    with pytest.raises(TypeError):
        jellyformat_pickle.dump(threading.Lock(), path, snapshot=mine)
    assert path.read_bytes() == before
    jellyformat_pickle.dump(OBJECT, os.devnull, snapshot=mine)
    assert not Path(os.devnull).is_file()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With nothing else in it."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


PLAIN = {"names": ["a model"] * 100, "loss": [0.5, 0.25]}


def load(path: Path) -> Any:
    return joblib.load(path) if path.suffix == ".joblib" else pickle.loads(path.read_bytes())


def save(path: Path, how: Any, **options: Any) -> None:
    if path.suffix == ".joblib":
        jellyformat_pickle.joblib_dump(PLAIN, path, how, **options)
    else:
        jellyformat_pickle.dump(PLAIN, path, how, **options)


@pytest.mark.parametrize(
    ("name", "how"),
    [("m.pkl", 0), ("m.joblib", 3), *(("m.joblib", (kind, 3)) for kind in ("zlib", "gzip", "xz", "lzma"))],
)
def test_what_cannot_carry_one_gets_it_beside_it(folder: Path, name: str, how: Any) -> None:
    path, beside = folder / name, folder / f"jelly.{name}.jelly"
    mine = jellyformat.snapshot(history="full")
    for snapshot in (None, mine):  # the second time there is one already
        save(path, how, snapshot=snapshot)
        report = jellyformat.verify(path)
        assert (report.ok, report.host) == (True, "sidecar")
        assert "byte for byte" in report.checks[-1].detail
        assert "then called" not in report.checks[-1].detail  # the name is that of the file, and no temporary one
        assert jellyformat.load(path).id == mine.id
        assert load(path) == PLAIN
        assert sorted(folder.iterdir()) == [beside, path]
        path.chmod(0o640)
    assert beside.stat().st_mode & 0o777 == 0o644
    own = path.read_bytes()
    assert jellyformat.strip(path) == "sidecar"
    assert path.read_bytes() == own
    # beside a file that only its owner may read
    path.chmod(0o600)
    save(path, how)
    assert beside.stat().st_mode & 0o777 == 0o600
    # what carries its own needs none
    save(path, 5 if path.suffix == ".pkl" else 0)
    assert jellyformat.verify(path).host == "trailer"
    assert sorted(folder.iterdir()) == [path]


@pytest.mark.parametrize("what", ["text", "bare"])
def test_a_file_of_the_name_of_a_sidecar_stays(folder: Path, what: str) -> None:
    path, beside = folder / "m.pkl", folder / "jelly.m.pkl.jelly"
    own = b"mine" if what == "text" else jellyformat.snapshot().data
    beside.write_bytes(own)
    with pytest.raises(errors.RefusedExists):
        save(path, 0, strict=True)
    assert sorted(folder.iterdir()) == [beside]
    path.write_bytes(b"before")
    with pytest.raises(errors.RefusedExists):
        save(path, 0, strict=True)
    assert path.read_bytes() == b"before"
    with pytest.warns(SnapshotWarning, match="saved without a snapshot of the code: .* was not put there for"):
        save(path, 0)
    assert load(path) == PLAIN
    assert beside.read_bytes() == own
    assert sorted(folder.iterdir()) == [beside, path]
    save(path, 5)  # which needs none
    assert beside.read_bytes() == own


@pytest.mark.parametrize("before", [None, b"before"])
def test_a_sidecar_that_cannot_be_moved(folder: Path, before: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system fails at the very end: that is a warning, or all is as it was."""
    path = folder / "m.pkl"
    if before is not None:
        path.write_bytes(before)

    def fails(*arguments: object) -> None:
        raise errors.SystemFailure("the disk failed")

    monkeypatch.setattr("jellyformat.hosts.sidecar.publish", fails)
    with pytest.raises(errors.SystemFailure):
        save(path, 0, strict=True)
    assert sorted(folder.iterdir()) == ([] if before is None else [path])
    assert before is None or path.read_bytes() == before
    with pytest.warns(SnapshotWarning, match="the disk failed"):
        save(path, 0)
    assert load(path) == PLAIN
    assert sorted(folder.iterdir()) == [path]


def test_a_sidecar_beside_a_link(folder: Path) -> None:
    (folder / "real").mkdir()
    real, link = folder / "real" / "m.pkl", folder / "latest.pkl"
    link.symlink_to(real)
    for _ in range(2):
        save(link, 0)
        assert link.is_symlink()
        assert jellyformat.verify(link).ok
    assert sorted(path.name for path in folder.iterdir()) == ["jelly.latest.pkl.jelly", "latest.pkl", "real"]
    assert list(real.parent.iterdir()) == [real]
    jellyformat.strip(link)
    save(real, 0)
    save(link, 0)  # finds that one, and replaces it
    assert jellyformat.verify(link).ok
    assert jellyformat.verify(real).ok
    assert not link.with_name("jelly.latest.pkl.jelly").exists()
