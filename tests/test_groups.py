"""The groups of tests: what `-m core` takes can be collected where no framework is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
FRAMEWORKS = (
    "accelerate", "flax", "gcsfs", "gguf", "h5py", "huggingface_hub", "jax", "joblib", "keras", "lightning", "moto",
    "numpy", "onnx", "onnxruntime", "optax", "orbax", "pyarrow", "pytorch_lightning", "s3fs", "safetensors",
    "tokenizers", "torch", "transformers", "xllamacpp",
)  # fmt: skip
COLLECT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FRAMEWORKS:
            raise ModuleNotFoundError(f"{name} is not there", name=name)

FRAMEWORKS = set(sys.argv[1:])
sys.meta_path.insert(0, Absent())
import pytest
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-m", GROUP, PLACE]))
"""


def collect(group: str, place: str) -> subprocess.CompletedProcess[str]:
    """Collect in a process in which no framework can be imported."""
    code = COLLECT.replace("GROUP", repr(group)).replace("PLACE", repr(place))
    return subprocess.run(
        [sys.executable, "-c", code, *FRAMEWORKS], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_core_is_collected_without_a_framework() -> None:
    done = collect("core", "tests")
    assert done.returncode == 0, done.stdout[-3000:]
    files = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert {"tests/test_container.py", "tests/test_binding.py", "tests/capture/test_states.py"} <= files
    others = ("tests/adapters/", "tests/faults/", "tests/frameworks/")
    assert [file for file in sorted(files) if file.startswith(others)] == []


def test_a_group_of_frameworks_needs_them() -> None:
    """Nothing is passed over in silence: without its framework a group fails."""
    done = collect("framework", "tests/frameworks")
    assert done.returncode == 2
    assert "is not there" in done.stdout
