"""The targets of the fuzzer: they bear what is kept and what they begin with, and see the faults that are planted."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import mending
import plants
import pytest
import run
import targets

import jellyformat
from jellyformat.errors import JellyError

RUN = Path(__file__).with_name("run.py")


@pytest.mark.parametrize("name", targets.TARGETS)
def test_seeds_and_corpus(name: str) -> None:
    target = targets.TARGETS[name]
    for data in (*target.seeds(), *targets.corpus(name)):
        target(data)


def test_all_targets_are_known_to_the_program() -> None:
    assert run._names() == list(targets.TARGETS)


def test_what_is_mended_is_sound() -> None:
    """The fuzzer's own containers, packs and trees get past the hashes: else nothing behind them would be reached."""
    for data in list(targets.container_seeds())[1:4]:
        targets.check_container(data)
    _, whole, *_ = targets.container_seeds()
    box = mending.container(whole[1:])
    assert jellyformat.Snapshot(box).manifest.summary.files == 2
    first, *_ = targets.restore_seeds()
    targets.check_restore(first)  # it is not refused
    assert jellyformat.Snapshot(mending.leaves(first)).manifest.summary.files == 3
    second = list(targets.restore_seeds())[1]
    with pytest.raises(JellyError), jellyformat.Snapshot(mending.leaves(second)).open() as unsafe:
        unsafe.files()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_a_planted_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even at random, without what leads the fuzzer; ``run.py --planted`` is the same with that."""
    target = targets.TARGETS[name]
    seeds = [*target.seeds(), *targets.corpus(name)]
    monkeypatch.setattr(*plants.PLANTS[name])
    for data in islice(run.at_random(seeds, 1), 100_000):
        try:
            target(data)
        except Exception:  # an error of ours does not come through
            return
    pytest.fail("not found")


@pytest.mark.sampled(3)
def test_the_program(tmp_path: Path) -> None:
    """Nothing is found in a second each, and what is planted is."""
    command = [sys.executable, str(RUN), "--target", "gguf", "--target", "trailer", "--jobs", "2", "--seconds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^gguf +[1-9]\d* executions, .*: no fault$", done.stdout, re.MULTILINE)
    found = subprocess.run([*command, "--planted"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.count("FAULT") == 2
