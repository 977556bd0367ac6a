"""Tests of jellyformat_numpy with files that numpy itself writes and loads (SPEC 14.2, 14.5)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jellyformat_numpy
import numpy as np
import plans
import pytest
from jellyformat_numpy import ADAPTER
from jellyformat_torch import ADAPTER as TORCH
from jellyformat_trailer import ADAPTER as TRAILER
from jellyformat_zip import ADAPTER as ZIP

from jellyformat import snapshots, training
from jellyformat.errors import CorruptLocator, RefusedHost
from jellyformat.snapshots import Snapshot
from jellyformat.source import BytesSource

CONTAINER = plans.make_container()
OTHER = plans.make_container(100_000, 1)
SMALL = plans.make_container(200, 2)
ARRAYS: dict[str, Any] = {
    "weights": np.arange(1000, dtype=np.float32).reshape(10, 100),
    "empty": np.zeros((0, 3)),
    "one": np.array(7),
    "dir/ä": np.array(["text"]),
}


def same(path: Path) -> None:
    for source in (path, io.BytesIO(path.read_bytes())):
        with np.load(source) as loaded:
            assert loaded.files == list(ARRAYS)
            for name, array in ARRAYS.items():
                np.testing.assert_array_equal(loaded[name], array)


@pytest.fixture(params=[np.savez, np.savez_compressed], ids=["savez", "savez_compressed"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "arrays.npz"
    request.param(path, **ARRAYS)
    return path


def test_every_step_loads(host: Path) -> None:
    original = host.read_bytes()
    assert plans.found_in(ADAPTER, host) is None
    for container in (CONTAINER, OTHER, SMALL, CONTAINER):
        done = []
        for step in plans.embed_file(ADAPTER, host, container):
            done.append(step)
            same(host)
            assert ADAPTER.matches(BytesSource(host.read_bytes()))
        assert len(done) == 4
        assert plans.found_in(ADAPTER, host) == ("unlisted", container, len(original))
        with zipfile.ZipFile(host) as file:
            assert file.testzip() is None
    plans.strip_file(ADAPTER, host)
    assert host.read_bytes() == original


def test_flipped_bits_in_locator(host: Path) -> None:
    data = plans.embed(ADAPTER, host.read_bytes(), CONTAINER)
    for bit in range(128 * 8):
        broken = bytearray(data)
        broken[len(data) - 128 + bit // 8] ^= 1 << bit % 8
        if bit // 8 < 112:
            with pytest.raises(CorruptLocator):
                ADAPTER.find(BytesSource(bytes(broken)))
        else:
            assert ADAPTER.find(BytesSource(bytes(broken))) is None


def test_who_claims_it(host: Path) -> None:
    source = BytesSource(host.read_bytes())
    assert ADAPTER.matches(source)
    assert not TORCH.matches(source)
    assert ZIP.matches(source)


@pytest.mark.parametrize("names", [[], ["a.npy", "b.txt"], ["a.npy.txt"], ["a.NPY"]])
def test_other_zips_are_not_npz(names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    assert not ADAPTER.matches(BytesSource(buffer.getvalue()))


def test_broken_zip_is_not_npz(host: Path) -> None:
    data = host.read_bytes()
    assert not ADAPTER.matches(BytesSource(data[:-1]))
    assert not ADAPTER.matches(BytesSource(data.replace(b"PK\x01\x02", b"PK\x01\x03")))
    assert not ADAPTER.matches(BytesSource(b"\x93NUMPY"))


# The save calls


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """jellyformat.snapshot without a repository."""
    monkeypatch.setattr(training, "take", lambda **options: Snapshot(CONTAINER))


@pytest.mark.parametrize("call", ["savez", "savez_compressed"])
@pytest.mark.parametrize("into", ["path", "short", "stream"])
def test_savez(fakes: None, tmp_path: Path, call: str, into: str) -> None:
    path = tmp_path / "arrays.npz"
    function: Callable[..., None] = getattr(jellyformat_numpy, call)
    if into == "stream":
        with open(path, "wb") as stream:
            function(stream, **ARRAYS)
    else:
        function(path if into == "path" else str(tmp_path / "arrays"), **ARRAYS)
    same(path)
    found = plans.found_in(ADAPTER, path)
    assert found is not None
    assert found[:2] == ("unlisted", CONTAINER)
    assert plans.names_in(tmp_path) == ["arrays.npz"]
    plans.strip_file(ADAPTER, path)
    plain = io.BytesIO()
    getattr(np, call)(plain, **ARRAYS)
    assert path.read_bytes() == plain.getvalue()


def test_savez_by_position(fakes: None, tmp_path: Path) -> None:
    jellyformat_numpy.savez(tmp_path / "a.npz", np.arange(3), snapshot=Snapshot(OTHER))
    assert np.load(tmp_path / "a.npz").files == ["arr_0"]
    found = plans.found_in(ADAPTER, tmp_path / "a.npz")
    assert found is not None
    assert found[1] == OTHER


@pytest.mark.parametrize("into", ["path", "short"])
def test_save(fakes: None, tmp_path: Path, into: str) -> None:
    path = tmp_path / "array.npy"
    array = ARRAYS["weights"]
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
        jellyformat_numpy.savez(path, strict=True, **ARRAYS)
    assert path.read_bytes() == b"as it was"
    assert plans.names_in(tmp_path) == ["arrays.npz"]


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError):
        _ = jellyformat_numpy.nonsense
