"""`doctor`: what is installed, what a filesystem can do, what is broken; and that nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_story import jelly

from jellyformat.files.platform import probe


def test_without_a_directory_nothing_is_written(tmp_path: Path) -> None:
    """It says versions, adapters and git."""
    before = tmp_path.stat()
    said = json.loads(jelly(tmp_path, "doctor", "--json").stdout)
    assert said["version"] == 1
    assert said["ok"] is True
    assert said["directory"] is None
    assert said["features"] == {}
    assert {"torch", "npz", "safetensors", "trailer", "zip"} <= said["adapters"].keys()
    assert {"click", "msgpack", "pygit2", "zstandard"} == said["packages"].keys()
    assert said["git"].split()[0][0].isdigit()
    assert not list(tmp_path.iterdir())
    assert tmp_path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_directory_is_as_it_was(tmp_path: Path) -> None:
    """What was tried there is gone, and the time of the directory is what it was."""
    os.utime(tmp_path, (1_600_000_000, 1_600_000_000))
    said = json.loads(jelly(tmp_path.parent, "doctor", str(tmp_path), "--json").stdout)
    assert said["features"]["rename"] is True
    assert said["features"]["lock"] is True
    assert said["features"].keys() == {name for name, *_ in probe._FEATURES}
    assert not list(tmp_path.iterdir())
    assert tmp_path.stat().st_mtime == 1_600_000_000
    assert b"\n  \xe2\x9c\x93 lock " in jelly(tmp_path.parent, "doctor", str(tmp_path)).stdout


def test_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("missing", "file"):
        jelly(tmp_path, "doctor", name, code=3)


@pytest.mark.slow
def test_what_is_broken_is_told(tmp_path: Path) -> None:
    """An adapter that does not load: exit code 5. A system without git: that is said, and is no fault."""
    made = tmp_path / "packages" / "broken-1.dist-info"
    made.mkdir(parents=True)
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (made / "entry_points.txt").write_text("[jellyformat.adapters]\nbroken = not_there:ADAPTER\n")
    command = [sys.executable, "-m", "jellyformat", "doctor"]
    path = f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{tmp_path / 'packages'}".lstrip(os.pathsep)
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 5, done.stderr
    assert "BROKEN: the adapter broken (not_there:ADAPTER) does not load" in done.stdout
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "not found: the command jelly git needs it" in done.stdout
