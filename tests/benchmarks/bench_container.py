"""Size and time of a snapshot against `git bundle` of the same repository, in one run.

python tests/benchmarks/bench_container.py REPOSITORY…
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jellyformat


def timed(*command: str, cwd: Path) -> float:
    """Seconds that a command takes."""
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - start


def measure(repository: Path, directory: Path) -> None:
    """Print one line for full history, and one for HEAD alone."""
    bundle = directory / "full.bundle"
    seconds = timed("git", "bundle", "create", str(bundle), "HEAD", cwd=repository)
    shallow = directory / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{repository.resolve()}", str(shallow)], check=True)
    head_bundle = directory / "head.bundle"
    head_seconds = timed("git", "bundle", "create", str(head_bundle), "HEAD", cwd=shallow)
    for history, size, git_seconds in (
        ("full", bundle.stat().st_size, seconds),
        ("head", head_bundle.stat().st_size, head_seconds),
    ):
        start = time.perf_counter()
        data = jellyformat.snapshot(repository, history=history, environment=False).to_bytes()
        took = time.perf_counter() - start
        file = directory / f"{history}.jelly"
        file.write_bytes(data)
        start = time.perf_counter()
        assert jellyformat.verify(file).ok
        verified = time.perf_counter() - start
        sizes = f"container {len(data):,} bytes, bundle {size:,}, ratio {len(data) / size:.3f}"
        print(
            f"{repository.name} {history}: {sizes}; "
            f"capture {took:.2f} s, git bundle {git_seconds:.2f} s, verify {verified:.2f} s"
        )


def main() -> None:
    """Measure each repository named."""
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as directory:
            measure(Path(name), Path(directory))


if __name__ == "__main__":
    main()
