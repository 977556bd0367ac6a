"""Readers of the formats that are none of the frameworks': what is beside a file leaves them alone (SPEC JF-SDC).

Inside, a snapshot breaks some of them: docs/hosts.md says which.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import craft
import numpy as np
import pytest

import jellyformat
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))
VALUES = np.arange(30, dtype=np.float64)
PACKAGES = Path(__file__).parents[2] / "conformance" / "javascript"

NPYJS = """
import { load } from 'npyjs';
import { readFile } from 'node:fs/promises';
const bytes = await readFile(process.argv[1]);
const { data } = await load(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
console.log(JSON.stringify([...data]));
"""
JSFIVE = """
import * as hdf5 from 'jsfive';
import { readFile } from 'node:fs/promises';
const bytes = await readFile(process.argv[1]);
const file = new hdf5.File(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), 'x');
console.log(JSON.stringify([...file.get('a').value]));
"""


def node(program: str, file: Path) -> object:
    """What a program in JavaScript reads; None where it fails."""
    command = ["node", "--input-type=module", "-e", program, str(file)]
    done = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def needs(package: str) -> None:
    if not shutil.which("node") or not (PACKAGES / "node_modules" / package).is_dir():
        pytest.skip(f"{package} is not installed (npm ci in conformance/javascript)")


def test_npyjs(tmp_path: Path) -> None:
    needs("npyjs")
    path = tmp_path / "a.npy"
    np.save(path, VALUES)
    assert node(NPYJS, path) == VALUES.tolist()
    jellyformat.embed(path, SNAP)
    assert node(NPYJS, path) != VALUES.tolist()  # it takes all that is behind the header for numbers
    assert np.load(path).tolist() == VALUES.tolist()
    jellyformat.strip(path)
    jellyformat.embed(path, SNAP, sidecar=True)
    assert node(NPYJS, path) == VALUES.tolist()


def save_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["a"] = VALUES


def test_jsfive(tmp_path: Path) -> None:
    needs("jsfive")
    path = tmp_path / "a.h5"
    save_hdf5(path)
    assert node(JSFIVE, path) == VALUES.tolist()
    jellyformat.embed(path, SNAP)
    assert node(JSFIVE, path) != VALUES.tolist()
    jellyformat.strip(path)
    jellyformat.embed(path, SNAP, sidecar=True)
    assert node(JSFIVE, path) == VALUES.tolist()


def test_pyfive(tmp_path: Path) -> None:
    import pyfive

    def read() -> list[float] | None:
        try:
            with pyfive.File(path) as file:
                found: list[float] = file["a"][...].tolist()
                return found
        except Exception:  # whatever it makes of what it does not know
            return None

    path = tmp_path / "a.h5"
    save_hdf5(path)
    assert read() == VALUES.tolist()
    jellyformat.embed(path, SNAP)
    assert read() != VALUES.tolist()
    jellyformat.strip(path)
    jellyformat.embed(path, SNAP, sidecar=True)
    assert read() == VALUES.tolist()
