"""A checkpoint with the code in it against Lightning's own: the same objects, in turns, each first as often as second.

python tests/benchmarks/bench_lightning.py [MEGABYTES] [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from jellyformat_lightning import SnapshotCheckpointIO
from jellyformat_lightning._framework import TorchCheckpointIO

import jellyformat

_TENSORS = 10


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the wall's clock, and of the processor."""
    os.sync()  # what the last one wrote is not to be waited for
    wall, core = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - core


def main(size: int, rounds: int) -> None:
    """Measure checkpoints of ``size`` bytes, with a snapshot of this repository."""
    repository = Path(__file__).parents[2]
    snap = jellyformat.snapshot(repository, oversize="omit", secrets="omit")
    content = {"state_dict": {f"w{number}": torch.rand(size // 4 // _TENSORS) for number in range(_TENSORS)}}
    writers = {"Lightning": TorchCheckpointIO(), "with a snapshot": SnapshotCheckpointIO(snap, strict=True)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in writers}
    with tempfile.TemporaryDirectory() as directory:
        for number in range(-1, rounds):
            for name in list(writers)[:: 1 if number % 2 else -1]:
                writer, path = writers[name], Path(directory, f"{name}.ckpt")
                one = measured(lambda writer=writer, path=path: writer.save_checkpoint(content, path))  # type: ignore[misc]
                found[name] += [one] if number >= 0 else []
    medians = {name: [statistics.median(part) for part in zip(*times, strict=True)] for name, times in found.items()}
    for name, (wall, core) in medians.items():
        print(f"{name:<16} {wall:6.2f} s, {core:6.2f} s of the processor")
    own, ours = medians.values()
    print(f"ratio            {ours[0] / own[0]:6.2f}    {ours[1] / own[1]:6.2f}   (medians of {rounds} rounds)")


if __name__ == "__main__":
    main((int(sys.argv[1]) if len(sys.argv) > 1 else 400) * 1_000_000, int(sys.argv[2]) if len(sys.argv) > 2 else 9)
