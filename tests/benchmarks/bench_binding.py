"""The hash of a binding against sha256sum and, if it is installed, BLAKE3: the same file, all in one run.

python tests/benchmarks/bench_binding.py [MEGABYTES]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jellyformat.format.source import FileSource, Window
from jellyformat.hosts.weights import Weight, hash_weights

_BLOCK = 64 << 20


def measure(name: str, size: int, work: Callable[[], object]) -> None:
    """Print the megabytes a second, of the wall's clock and of one core's."""
    wall, core = time.perf_counter(), sum(os.times()[:4])
    work()
    wall, core = time.perf_counter() - wall, sum(os.times()[:4]) - core
    print(f"{name:<32} {size / wall / 1e6:8.0f} MB/s, {size / max(core, 0.01) / 1e6:6.0f} MB/s for each core")


def main(size: int) -> None:
    """Measure on a file of ``size`` bytes, in the page cache as far as it fits."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "weights")
        block = os.urandom(_BLOCK)
        with path.open("wb") as stream:
            for _ in range(size // _BLOCK):
                stream.write(block)
        size = path.stat().st_size
        with path.open("rb") as stream:
            file = FileSource.of(stream.fileno())
            part = 4 << 20
            tensors = [Weight(b"%d" % at, "F32", (part // 4,), Window(file, at, part)) for at in range(0, size, part)]
            measure("cat", size, lambda: subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True))
            measure("sha256sum", size, lambda: subprocess.run(["sha256sum", path], capture_output=True, check=True))
            measure("binding, one tensor", size, lambda: hash_weights([Weight(b"", "U8", (size,), file)]))
            measure("binding, tensors of 4 MiB", size, lambda: hash_weights(tensors))
            try:
                import blake3  # type: ignore[import-not-found,unused-ignore]
            except ImportError:
                return
            hasher = blake3.blake3(max_threads=blake3.blake3.AUTO)
            measure("blake3, mapped, all cores", size, lambda: hasher.update_mmap(path).digest())


if __name__ == "__main__":
    main(int(sys.argv[1]) * 1_000_000 if len(sys.argv) > 1 else 1 << 30)
