"""What the tests write in the frameworks' place is what the frameworks read."""

from __future__ import annotations

from pathlib import Path

import plain
import pytest

pytestmark = pytest.mark.framework
VALUES = [0.0, 1.5, -2.25]


def test_numpy(tmp_path: Path) -> None:
    import numpy

    (tmp_path / "a.npy").write_bytes(plain.npy(VALUES))
    numpy.save(tmp_path / "b.npy", numpy.array(VALUES, "<f4"))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    plain.save_npz(tmp_path / "c.npz", one=VALUES, two=[1])
    with numpy.load(tmp_path / "c.npz") as found:
        assert {name: found[name].tolist() for name in found.files} == {"one": VALUES, "two": [1]}


def test_safetensors(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file

    plain.save_safetensors(tmp_path / "a.safetensors", {"b": [1], "a": VALUES}, {"format": "pt"})
    found = load_file(tmp_path / "a.safetensors")
    assert {name: values.tolist() for name, values in found.items()} == {"a": VALUES, "b": [1]}
    with safe_open(tmp_path / "a.safetensors", "np") as opened:
        assert opened.metadata() == {"format": "pt"}


def test_torch(tmp_path: Path) -> None:
    """The object in it is an empty one; its storages are there all the same."""
    import torch

    plain.save_torch(tmp_path / "a.pt", b"storage")
    assert torch.load(tmp_path / "a.pt") == {}
