"""Tests of jellyformat_numpy with files that numpy itself writes and loads (SPEC JF-ZIP and JF-TRL)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jellyformat_numpy
import plans
import pytest
from jellyformat_numpy import ADAPTER
from jellyformat_trailer import ADAPTER as TRAILER

from jellyformat import snapshots, training
from jellyformat.adapter import BytesSource, RefusedHost
from jellyformat.testing import AdapterContract, WeightsContract
from jellyformat.training import Snapshot

CONTAINER = plans.make_container()
OTHER = plans.make_container(100_000, 1)


def arrays() -> dict[str, Any]:
    import numpy as np

    return {
        "weights": np.arange(1000, dtype=np.float32).reshape(10, 100),
        "empty": np.zeros((0, 3)),
        "one": np.array(7),
        "dir/ä": np.array(["text"]),
    }


def saved(call: str) -> bytes:
    import numpy as np

    stream = io.BytesIO()
    getattr(np, call)(stream, **arrays())
    return stream.getvalue()


def loaded(path: Path) -> list[tuple[str, str, object]]:
    import numpy as np

    found = []
    for source in (path, io.BytesIO(path.read_bytes())):
        with np.load(source) as file:
            found.append([(name, str(file[name].dtype), file[name].tolist()) for name in file.files])
    assert found[0] == found[1]
    return found[0]


class TestNpz(WeightsContract, AdapterContract):
    adapter = ADAPTER
    hosts = {
        "a.npz": lambda path: path.write_bytes(saved("savez")),
        "compressed.npz": lambda path: path.write_bytes(saved("savez_compressed")),
    }

    def loads(self, path: Path) -> object:
        with zipfile.ZipFile(path) as file:
            assert file.testzip() is None
        return loaded(path)

    def large(self, path: Path, size: int) -> None:
        import numpy as np

        with path.open("wb") as file:
            np.savez(file, a=np.zeros(size, np.uint8))


@pytest.mark.parametrize("names", [[], ["a.npy", "b.txt"], ["a.npy.txt"], ["a.NPY"]])
def test_other_zips_are_not_npz(names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    assert not ADAPTER.matches(BytesSource(buffer.getvalue()))


def test_broken_zip_is_not_npz() -> None:
    data = saved("savez")
    assert not ADAPTER.matches(BytesSource(data[:-1]))
    assert not ADAPTER.matches(BytesSource(data.replace(b"PK\x01\x02", b"PK\x01\x03")))
    assert not ADAPTER.matches(BytesSource(b"\x93NUMPY"))


# The save calls


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """jellyformat.snapshot without a repository."""
    monkeypatch.setattr(training, "take", lambda **options: Snapshot(CONTAINER))
    monkeypatch.setattr(training, "mark", lambda snap, *_, **__: snap)  # its manifest is noise


@pytest.mark.parametrize("call", ["savez", "savez_compressed"])
@pytest.mark.parametrize("into", ["path", "short", "stream"])
def test_savez(fakes: None, tmp_path: Path, call: str, into: str) -> None:
    path = tmp_path / "arrays.npz"
    function: Callable[..., None] = getattr(jellyformat_numpy, call)
    if into == "stream":
        with open(path, "wb") as stream:
            function(stream, **arrays())
    else:
        function(path if into == "path" else str(tmp_path / "arrays"), **arrays())
    assert [name for name, *_ in loaded(path)] == list(arrays())
    found = plans.found_in(ADAPTER, path)
    assert found is not None
    assert found[:2] == ("unlisted", CONTAINER)
    assert plans.names_in(tmp_path) == ["arrays.npz"]
    plans.strip_file(ADAPTER, path)
    assert path.read_bytes() == saved(call)


def test_savez_by_position(fakes: None, tmp_path: Path) -> None:
    import numpy as np

    jellyformat_numpy.savez(tmp_path / "a.npz", np.arange(3), snapshot=Snapshot(OTHER))
    assert np.load(tmp_path / "a.npz").files == ["arr_0"]
    found = plans.found_in(ADAPTER, tmp_path / "a.npz")
    assert found is not None
    assert found[1] == OTHER


@pytest.mark.parametrize("into", ["path", "short"])
def test_save(fakes: None, tmp_path: Path, into: str) -> None:
    import numpy as np

    path = tmp_path / "array.npy"
    array = np.arange(1000, dtype=np.float32).reshape(10, 100)
    jellyformat_numpy.save(path if into == "path" else str(tmp_path / "array"), array)
    for mode in (None, "r", "r+", "c"):
        np.testing.assert_array_equal(np.load(path, mmap_mode=mode), array)
    found = plans.found_in(TRAILER, path)
    assert found is not None
    assert found[:2] == ("trailer", CONTAINER)
    plans.strip_file(TRAILER, path)
    plain = io.BytesIO()
    np.save(plain, array)
    assert path.read_bytes() == plain.getvalue()


def test_failed_save_leaves_what_was(fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "arrays.npz"
    path.write_bytes(b"as it was")

    def fails(*args: object, **options: object) -> None:
        raise RefusedHost("no")

    monkeypatch.setattr(snapshots, "embed", fails)
    with pytest.raises(RefusedHost):
        jellyformat_numpy.savez(path, strict=True, **arrays())
    assert path.read_bytes() == b"as it was"
    assert plans.names_in(tmp_path) == ["arrays.npz"]


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError):
        _ = jellyformat_numpy.nonsense
