"""Every adapter that is installed is tested by the contract, and its hosts go the whole way with a real snapshot."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import plans
import pytest

import jellyformat
from jellyformat.hosts import registry
from jellyformat.testing import AdapterContract, BesideContract

Contract = TypeVar("Contract", AdapterContract, BesideContract)

for _path in sorted(Path(__file__).parent.glob("test_*.py")):
    if _path.stem != Path(__file__).stem:
        import_module(_path.stem)


def contracts(kind: type[Contract]) -> Iterator[type[Contract]]:
    """The classes of the tests beside this one, for adapters that are installed."""
    for contract in kind.__subclasses__():
        if contract.adapter in registry.adapters():
            yield contract
        yield from contracts(contract)


def test_every_adapter_is_tested() -> None:
    tested = {contract.adapter.name for contract in (*contracts(AdapterContract), *contracts(BesideContract))}
    assert tested == {adapter.name for adapter in registry.adapters()}


def test_adapters_import_no_framework() -> None:
    code = "import sys; from jellyformat.hosts import registry; registry.adapters(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"jellyformat_torch", "jellyformat_zip"} <= loaded
    assert not loaded & {"flax", "gguf", "h5py", "jax", "keras", "numpy", "onnx", "safetensors", "torch"}


@pytest.mark.parametrize("contract", [*contracts(AdapterContract)], ids=lambda contract: contract.adapter.name)
def test_whole_way(contract: type[AdapterContract], repository: Path, tmp_path: Path) -> None:
    name = next(iter(contract.hosts))
    path, inside = tmp_path / name, repository / "weights.bin"
    host = contract().saved(name, path)
    for place in (path, inside):
        place.write_bytes(host)
    snap = jellyformat.snapshot(repository, oversize="allow", include=["weights.bin"])
    assert snap.open().read("weights.bin") == host
    assert jellyformat.embed(path, snap) == contract.adapter.name
    report = jellyformat.verify(path)
    assert report.ok, report
    with jellyformat.open(path) as box:
        assert (box.host, box.read("new file.txt")) == (contract.adapter.name, b"untracked\n")
    jellyformat.embed(path, snap, replace=True)
    assert jellyformat.strip(path) == contract.adapter.name
    assert path.read_bytes() == host
    assert plans.names_in(tmp_path) == sorted([name, "project"])
    # what carries a snapshot is no part of the next one
    jellyformat.embed(inside, jellyformat.snapshot(repository, exclude=["weights.bin"]))
    assert "weights.bin" not in {file.path.decode() for file in jellyformat.snapshot(repository).open().files()}


@pytest.mark.parametrize("contract", [*contracts(BesideContract)], ids=lambda contract: contract.adapter.name)
def test_beside(contract: type[BesideContract], repository: Path, tmp_path: Path) -> None:
    for name in contract.hosts:
        path = tmp_path / "host" / name
        path.parent.mkdir(exist_ok=True)
        host = contract().saved(name, path)
        path.write_bytes(host)
        assert jellyformat.embed(path, jellyformat.snapshot(repository), sidecar=not host) == "sidecar"
        assert jellyformat.verify(path).ok
        assert path.read_bytes() == host
        assert jellyformat.strip(path) == "sidecar"
        assert plans.names_in(path.parent) == [name]
        path.unlink()
