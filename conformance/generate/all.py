"""Make all vectors. Standard library only; nothing of jellyformat is imported.

python conformance/generate/all.py           write conformance/vectors
python conformance/generate/all.py --check   fail where what is committed is not exactly what would be written
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from conformance.generate.suite import Area  # noqa: E402

VECTORS = ROOT / "conformance" / "vectors"
AREAS = (
    "header",
    "future",
    "zstd",
    "blocks",
    "msgpack",
    "manifest",
    "summary",
    "state",
    "roots",
    "paths",
    "objects",
    "records",
    "bounds",
    "prefix",
    "zip",
    "safetensors",
    "trailer",
    "examples",
    "extensions",
    "write",
    "restore",
    "decided",
    "asked",
    "plain",
    "hdf5",
    "gguf",
    "onnx",
    "flax",
    "sidecar",
    "directory",
    "weights",
    "binding",
)
LIMIT = 8 << 20
"""Bytes that all vectors together may have."""


def build() -> dict[str, bytes]:
    """Every file of the suite, by its path below ``vectors``."""
    found: dict[str, bytes] = {}
    for name in AREAS:
        area: Area = import_module(f"conformance.generate.area_{name}").make()
        for vector in area.vectors:
            for file, data in vector.written(f"conformance/generate/area_{name}.py").items():
                path = f"{area.name}/{file}"
                if path in found:
                    raise ValueError(f"{path} twice")
                found[path] = data
    return found


def committed() -> dict[str, bytes]:
    """What is there, but for the smallest container, which has a program of its own."""
    files = (path for path in VECTORS.rglob("*") if path.is_file() and path != VECTORS / "smallest.jelly")
    return {path.relative_to(VECTORS).as_posix(): path.read_bytes() for path in files}


def main() -> int:
    """Write, or check."""
    made, there = build(), committed()
    wrong = sorted(path for path in made.keys() | there.keys() if made.get(path) != there.get(path))
    count = sum(path.endswith(".json") for path in made)
    size = sum(map(len, made.values()))
    if size > LIMIT:
        print(f"{size} bytes of vectors, more than {LIMIT}")
        return 1
    if "--check" in sys.argv[1:]:
        for path in wrong:
            print(f"differs: {path}")
        print(f"{count} vectors, {size} bytes: " + ("DIFFER from what is committed" if wrong else "as committed"))
        return 1 if wrong else 0
    for path in wrong:
        target = VECTORS / path
        if path in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(made[path])
        else:
            target.unlink()
    print(f"{count} vectors, {size} bytes, {len(wrong)} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
