"""A release is the same bytes whoever builds it, where, and when; it says what is in it; the vectors stand alone."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from jellyformat.cli.main import _COMMANDS

ROOT = Path(__file__).parents[1]
LEFT = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", ".*_cache")


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tree(place: Path, mask: int, time: int) -> Path:
    """A copy of what is built, with other permissions and times."""
    for name in ("jellyformat", "adapters", "conformance/runner", "changelog.d"):
        shutil.copytree(ROOT / name, place / name, ignore=LEFT)
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "SPEC.md",
        "conformance/PROTOCOL.md",
        "conformance/run.py",
        ".ci/man.py",
        "docs/jelly.magic",
    ):
        (place / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    for name in ("package-lock.json", "page/build.js"):
        (place / "conformance" / "javascript" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "conformance" / "javascript" / name, place / "conformance" / "javascript" / name)
    vectors = place / "conformance" / "vectors" / "header"
    shutil.copytree(ROOT / "conformance" / "vectors" / "header", vectors)
    for path in place.rglob("*"):
        path.chmod(path.stat().st_mode & ~mask)
        os.utime(path, (time, time))
    return place


@pytest.mark.slow
def test_two_builds_give_the_same_bytes(release: ModuleType, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    release.package(tree(tmp_path / "here", 0o022, 1_600_000_000), one, "1700000000")
    release.package(tree(tmp_path / "else" / "where", 0o077, 1_500_000_000), two, "1700000000")
    names = {path.name for path in one.iterdir()}
    assert {Path(name).suffix for name in names} == {".whl", ".gz", ".xz", ".json"}
    assert names == {path.name for path in two.iterdir()}
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    _check_bill(one)


def _check_bill(out: Path) -> None:
    """It names what pyproject.toml needs and what the page bundles, and the hashes are right."""
    (bill,) = out.glob("*.cdx.json")
    found = json.loads(bill.read_bytes())
    kinds: dict[str, set[str]] = {"pypi": set(), "npm": set()}
    for item in found["components"]:
        kinds[item["purl"][4:].partition("/")[0]].add(item["name"])
    (wanted,) = re.findall(r"^dependencies = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    assert kinds["pypi"] == set(re.findall(r'"([a-z0-9]+)', wanted))
    page = (ROOT / "jellyformat" / "exports" / "view.html").read_text(encoding="utf-8")
    assert kinds["npm"] == {"@noble/hashes", "diff", "highlight.js", "marked", "xxhash-wasm", "zstddec"}
    assert all(f"\n{name}\n" in page for name in kinds["npm"])
    own = found["metadata"]["component"]["externalReferences"]
    assert {item["url"] for item in own} == {path.name for path in out.iterdir() if path.suffix in (".whl", ".gz")}
    for item in own:
        assert item["hashes"][0]["content"] == hashlib.sha256((out / item["url"]).read_bytes()).hexdigest()
    assert found["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"


@pytest.mark.slow
def test_a_wheel_has_a_manual_page_for_each_command(release: ModuleType, tmp_path: Path) -> None:
    """Where `man` finds them; `man` says no word against them, and shows what `--help` does."""
    release.package(tree(tmp_path / "tree", 0, 1_600_000_000), tmp_path / "out", "1700000000")
    with zipfile.ZipFile(next((tmp_path / "out").glob("*.whl"))) as wheel:
        place = f"{Path(wheel.filename or '').name.split('-py3')[0]}.data/data/share/"
        pages = {Path(name).name: name for name in wheel.namelist() if name.startswith(f"{place}man/man1/")}
        assert wheel.read(f"{place}jellyformat/jelly.magic") == (ROOT / "docs" / "jelly.magic").read_bytes()
        wheel.extractall(tmp_path / "installed")
    assert pages.keys() == {"jelly.1", "jellyformat.1", *(f"jelly-{name}.1" for name in _COMMANDS)}
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("man is not installed: the pages were made and not shown")
    for name, path in pages.items():
        if name == "jellyformat.1":
            continue
        command = ["man", "--warnings", "-l", str(tmp_path / "installed" / path)]
        environment = {
            **os.environ,
            "MANWIDTH": "100",
            "LC_ALL": "C.UTF-8",
            "MANPAGER": "cat",
            "MAN_KEEP_FORMATTING": "",
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert not done.stderr, (name, done.stderr)
        for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"):
            assert f"\n{heading}\n" in done.stdout, (name, heading)
    shown = (tmp_path / "installed" / pages["jelly-embed.1"]).read_text(encoding="utf-8")
    assert "\\-\\-replace" in shown
    assert "jelly embed model.pt" in shown


def test_the_archive_of_vectors_stands_alone(release: ModuleType, tmp_path: Path) -> None:
    """Its sums are right, and its runner runs from it with nothing else."""
    packed = release.archive(tree(tmp_path / "tree", 0, 1), tmp_path)
    with tarfile.open(packed) as tar:
        assert all(item.isreg() and item.mode == 0o644 and item.mtime == 0 for item in tar)
        tar.extractall(tmp_path / "out")
    (top,) = (tmp_path / "out").iterdir()
    assert top.name == packed.name.removesuffix(".tar.xz")
    assert (top / "VERSION").read_text().strip() == top.name.rpartition("-")[2]
    sums = dict(line.split("  ")[::-1] for line in (top / "SHA256SUMS").read_text().splitlines())
    found = {path.relative_to(top).as_posix(): path for path in top.rglob("*") if path.is_file()}
    assert sums.keys() == found.keys() - {"SHA256SUMS"}
    for name, expected in sums.items():
        assert hashlib.sha256(found[name].read_bytes()).hexdigest() == expected
    command = [sys.executable, "conformance/run.py", "--batch", "--only", "JF-HDR-001"]
    command += ["--", sys.executable, "-m", "jellyformat.conformance"]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed, 0 failed" in done.stdout
