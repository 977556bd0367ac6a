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
    assert jellyformat.load(path).digest == mine.digest
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
