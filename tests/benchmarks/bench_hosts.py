"""Embedding costs what the payload costs: 1 MiB into sparse hosts of 8 GiB against hosts of 1 MiB, in one run.

python tests/benchmarks/bench_hosts.py [DIRECTORY] [--rounds N]

The large hosts have holes in place of weights, so they take no room on a filesystem that has holes. Small and large
take turns, so that both meet the same load; medians are compared. Exit code 1 where the large one takes more than 1.5
times what the small one takes.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import torch
from torch.serialization import skip_data

import jellyformat
from jellyformat.snapshots import Snapshot

LARGE, SMALL, PAYLOAD = 8 << 30, 1 << 20, 1 << 20
MOST = 1.5


class Sparse(io.FileIO):
    """A file in which zeros become holes."""

    def write(self, data: object) -> int:
        """Write ``data``, or skip as many bytes where they are zero."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        if len(view) >= 4096 and bytes(view).count(0) == len(view):
            self.seek(len(view), os.SEEK_CUR)
            return len(view)
        return super().write(view)


def make_pt(path: Path, size: int) -> None:
    """What torch.save writes of one tensor, whose data torch leaves as a hole; its memory is never touched."""
    with skip_data():
        torch.save({"weight": torch.empty(size // 4)}, path)


def make_npz(path: Path, size: int) -> None:
    """What numpy.savez writes of one array of zeros."""
    with Sparse(path, "w+") as file:
        numpy.savez(file, weight=numpy.zeros(size, "u1"))


def make_raw(path: Path, size: int) -> None:
    """Weights without any format: a page of numbers, then zeros."""
    path.write_bytes(numpy.random.default_rng(0).normal(size=512).astype("<f8").tobytes())
    os.truncate(path, size)


def measure(make: Callable[[Path, int], None], name: str, directory: Path, snap: Snapshot, rounds: int) -> float:
    """Print one line for a kind of host; how many times as long the large one took."""
    took: dict[int, list[float]] = {SMALL: [], LARGE: []}
    paths = {size: directory / f"{size}.{name}" for size in took}
    for size, path in paths.items():
        make(path, size)
    lengths = {size: path.stat().st_size for size, path in paths.items()}
    for turn in range(rounds + 1):
        for size, path in paths.items():
            start = time.perf_counter()
            host = jellyformat.embed(path, snap)
            seconds = time.perf_counter() - start
            if turn:  # the first has to import and to warm up
                took[size].append(seconds)
            assert jellyformat.load(path).data == snap.data
            jellyformat.strip(path)
            assert path.stat().st_size == lengths[size]
    small, large = (statistics.median(took[size]) for size in (SMALL, LARGE))
    on_disk = paths[LARGE].stat().st_blocks * 512
    print(
        f"{name} ({host}): 1 MiB into {lengths[SMALL] / 2**20:.0f} MiB {small * 1000:.1f} ms, into "
        f"{lengths[LARGE] / 2**30:.1f} GiB ({on_disk:,} bytes on disk) {large * 1000:.1f} ms: {large / small:.2f} times"
    )
    for path in paths.values():
        path.unlink()
    return large / small


def main() -> int:
    """Measure every kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", nargs="?", default=None, help="on the filesystem to measure")
    parser.add_argument("--rounds", type=int, default=31)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        code = Path(directory, "code")
        code.mkdir()
        (code / "random.bin").write_bytes(numpy.random.default_rng(1).bytes(PAYLOAD))
        snap = jellyformat.snapshot(code, create_repo=True)
        ratios = [
            measure(make, name, Path(directory), snap, arguments.rounds)
            for name, make in (("pt", make_pt), ("npz", make_npz), ("raw", make_raw))
        ]
    return int(max(ratios) > MOST)


if __name__ == "__main__":
    sys.exit(main())
