"""The import contracts in pyproject.toml hold, and an import that breaks one is found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
ADAPTERS = sorted(path.name for path in (ROOT / "adapters").iterdir() if (path / "__init__.py").is_file())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages, in which imports can be planted."""
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("jellyformat", "adapters"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of a tree."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tree), str(tree / "adapters")))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_contracts_are_kept(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("jellyformat/format/limits.py", "from jellyformat.files import durable"),
        ("jellyformat/files/plans.py", "from jellyformat.format import frames"),
        ("jellyformat/hosts/weights.py", "from jellyformat.git import layout"),
        ("jellyformat/hosts/adapter.py", "import jellyformat.snapshots"),
        ("jellyformat/exports/patch.py", "def later():\n    from jellyformat.checkout import undo"),
        ("jellyformat/adapter.py", "from jellyformat.capture import capture"),
        ("jellyformat/testing/hosts.py", "from jellyformat import verifier"),
        ("jellyformat/hosts/registry.py", "import jellyformat_zip"),
        ("adapters/jellyformat_zip/_find.py", "from jellyformat.format import frames"),
        ("adapters/jellyformat_zip/_find.py", "from jellyformat.format.frames import MAGIC"),
        ("adapters/jellyformat_torch/functions.py", "from jellyformat.training import saving"),
    ],
)
def test_an_import_that_breaks_one_is_found(module: str, line: str, tree: Path) -> None:
    plant(tree / module, line)
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    importer = module.removeprefix("adapters/").removesuffix(".py").replace("/", ".")
    assert f"{importer} -> jellyformat" in done.stdout


def test_every_adapter_is_held(tree: Path) -> None:
    for name in ADAPTERS:
        plant(tree / "adapters" / name / "__init__.py", "def later():\n    import jellyformat.errors")
    found = lint(tree).stdout
    assert [name for name in ADAPTERS if f"{name} -> jellyformat.errors" not in found] == []


def plant(path: Path, line: str) -> None:
    with open(path, "a") as file:
        file.write(f"\n{line}\n")


def test_the_face_is_what_adapters_use() -> None:
    """Each name in it is used by an adapter of ours, or is part of what those methods take and give."""
    import jellyformat.adapter as face

    text = "".join(path.read_text() for path in (ROOT / "adapters").rglob("*.py"))
    part_of_a_method = {"Adapter", "SplicingAdapter", "TensorAdapter", "WeightsAdapter", "Content", "Stream"}
    for_tests_and_errors = {"FileSource", "FormatError", "JellyError", "Truncated"}
    unused = {name for name in face.__all__ if name not in text}
    assert unused <= part_of_a_method | for_tests_and_errors
    assert all(hasattr(face, name) for name in face.__all__)


def test_importing_the_face_is_light() -> None:
    """No framework, nothing of the verbs, and jellyml's format only when there is something of it."""
    code = "import sys, jellyformat.adapter; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"numpy", "torch", "pytest", "pygit2", "rich", "click", "asyncio", "concurrent.futures"}
    rooms = {name.split(".")[1] for name in loaded if name.startswith("jellyformat.")}
    assert rooms == {"adapter", "errors", "files", "format", "hints", "hosts", "progress", "searchpath", "version"}
