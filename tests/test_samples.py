"""What earlier versions wrote is read for ever: kept files of each kind of host (docs/compatibility.md)."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from samples.make import said, sha256

import jellyformat

SAMPLES = Path(__file__).parent / "samples"
VERSIONS = sorted(path for path in SAMPLES.iterdir() if path.is_dir() and path.name[0].isdigit())
EXPECTED = {path.name: json.loads((path / "expected.json").read_text(encoding="utf-8")) for path in VERSIONS}
CASES = [(version, name) for version, found in EXPECTED.items() for name in found["samples"]]
HOSTS = {"directory", "gguf", "hdf5", "jelly", "npz", "onnx", "safetensors", "sidecar", "torch", "trailer"}


def expected(version: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = EXPECTED[version]["samples"][name]
    return found


def test_the_samples_are_what_was_written() -> None:
    """A sample that is made again would prove nothing."""
    for version, found in EXPECTED.items():
        place = SAMPLES / version
        there = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
        assert there == found["bytes"].keys() | {"expected.json"}
        for name, digest in found["bytes"].items():
            assert sha256(place / name) == digest, f"{version}/{name}"


def test_there_is_one_of_each_host() -> None:
    assert {expected(*case)["host"] for case in CASES if case[0] == "1.0"} == HOSTS


@pytest.mark.parametrize(("version", "name"), CASES)
def test_what_an_earlier_version_wrote_is_read(version: str, name: str, tmp_path: Path) -> None:
    """Verified whole, what is shown, and every file of it."""
    wanted = {key: value for key, value in expected(version, name).items() if key != "own"}
    assert said(SAMPLES / version / name, tmp_path / "out") == wanted


@pytest.mark.parametrize(("version", "name"), [case for case in CASES if expected(*case)["own"]])
def test_what_an_earlier_version_put_in_is_taken_out(version: str, name: str, tmp_path: Path) -> None:
    """The host is as it was before that version embedded into it; a sidecar is gone."""
    for path in (SAMPLES / version).iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    jellyformat.strip(tmp_path / name)
    assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == expected(version, name)["own"]
    assert not (tmp_path / f"jelly.{name}.jelly").exists()
    assert not (tmp_path / f"{name}.jelly").exists()
