"""Time of restoring a full-history snapshot into a new directory, against `git clone` of the equal bundle, in one run.

python tests/benchmarks/bench_restore.py REPOSITORY [--runs N]

All are whole processes. git is measured plainly, and with ``fetch.fsckObjects``, as it then checks every object as a
restore does. What no restore in Python can do without is measured too: the interpreter, the imports, and the
compiled code of zstd and SHA-1 once over all bytes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jellyformat

LEAST = """
import hashlib, sys
import jellyformat.reader, jellyformat.container
with jellyformat.open(sys.argv[1]) as box:
    offset = jellyformat.container.HEADER_LENGTH + box.header.manifest_length
    for block in box.manifest.blocks:
        hashlib.sha1(jellyformat.container.read_block(box.source, block, offset)).digest()
        offset += block.length
"""


def seconds(*command: str | Path) -> float:
    """How long a command takes."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", options.repository, place / "source"], check=True)
        snap = jellyformat.snapshot(place / "source", history="full")
        (place / "x.jelly").write_bytes(snap.data)
        bundle: list[str | Path] = ["git", "-C", place / "source", "bundle", "create", "-q", place / "x.bundle", "HEAD"]
        subprocess.run(bundle, check=True)
        checked = ("git", "-c", "fetch.fsckObjects=true", "clone", place / "x.bundle")
        tools: dict[str, tuple[str | Path, ...]] = {
            "git clone": ("git", "clone", place / "x.bundle"),
            "git clone, checking objects": checked,
            "zstd and SHA-1 alone": (sys.executable, "-c", LEAST, place / "x.jelly"),
            "jellyformat restore": (sys.executable, "-m", "jellyformat", "restore", place / "x.jelly"),
        }
        found: dict[str, list[float]] = {tool: [] for tool in tools}
        for _ in range(options.runs):
            for tool, command in tools.items():
                found[tool].append(seconds(*command, place / "new"))
                shutil.rmtree(place / "new", ignore_errors=True)
    medians = {tool: statistics.median(times) for tool, times in found.items()}
    for tool, median in medians.items():
        ratio = medians["jellyformat restore"] / median
        print(f"{options.repository.name}: {tool}: {median:.2f} s; jellyformat takes {ratio:.2f} of it")


if __name__ == "__main__":
    main()
