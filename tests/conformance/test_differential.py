"""The differential fuzzer: it makes the same each time, and sees whatever the other program says otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("zstandard")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from conformance import differential  # noqa: E402
from conformance.differ.compare import judge, steps  # noqa: E402
from conformance.runner.program import Answer  # noqa: E402

OTHER = """import sys
from jellyformat import conformance
right, fault = conformance.answer, sys.argv.pop()
def answer(args):
    status, output = right(args)
    if fault == "files" and status == 0 and output.get("files"):
        output["files"][0]["size"] += 1
    if fault == "accepts" and status == 1 and output["error"]["class"] == "mismatch.summary":
        status, output = 0, {}
    if fault == "class" and status == 1 and output["error"]["class"] == "malformed.msgpack":
        output["error"] = {"class": "mismatch.state", "requirement": "JF-IDX-001"}
    if fault == "dies" and status == 1:
        sys.exit(3)
    return status, output
conformance.answer = answer
sys.exit(conformance.main(sys.argv[1:]))
"""


def run(tmp_path: Path, fault: str, count: int = 128) -> subprocess.CompletedProcess[str]:
    """The reference against itself, with a fault."""
    other = tmp_path / "other.py"
    other.write_text(OTHER)
    words = [
        sys.executable,
        str(ROOT / "conformance" / "differential.py"),
        "--count",
        str(count),
        "--keep",
        str(tmp_path / "kept"),
    ]
    # the fault is the last word of each call, behind `batch`
    wrapper = tmp_path / "wrapper.py"
    wrapper.write_text(
        f"import os, sys\nos.execv(sys.executable, [sys.executable, {str(other)!r}, *sys.argv[1:], {fault!r}])\n"
    )
    return subprocess.run([*words, "--", sys.executable, str(wrapper)], capture_output=True, text=True, timeout=300)


def test_no_difference(tmp_path: Path) -> None:
    """The reference says the same as itself, and reads a fifth of what it is asked about."""
    done = run(tmp_path, "none")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 differences" in done.stdout


@pytest.mark.sampled(3)
@pytest.mark.parametrize("fault", ["files", "accepts", "class", "dies"])
def test_every_difference_is_seen(tmp_path: Path, fault: str) -> None:
    """Its line has what makes the mutant again, and where its file is kept."""
    done = run(tmp_path, fault)
    assert done.returncode == 1, done.stdout + done.stderr
    line = next(text for text in done.stdout.splitlines() if text.startswith("--seed 1 --number "))
    kept = done.stdout.splitlines()[done.stdout.splitlines().index(line) + 1].strip()
    assert Path(kept).exists()


def test_the_same_each_time() -> None:
    models = differential.corpus()
    assert len(models) > 100
    one, two = ([differential.mutant(7, number, models) for number in range(40)] for _ in range(2))
    assert one == two
    assert len({made.made for made in one}) > 30


def test_faults_of_one_step() -> None:
    """Of two faults within one step any may be reported; of different steps, the first step's."""

    def error(name: str, requirement: str) -> Answer:
        return Answer(1, {"error": {"class": name, "requirement": requirement}})

    one, two = error("missing.object", "JF-NED-001"), error("mismatch.state", "JF-IDX-001")
    assert judge(one, two).difference == ""
    assert judge(one, two).classes == ("missing.object", "mismatch.state")
    assert judge(error("malformed.msgpack", "JF-MSG-001"), two).difference
    assert judge(error("corrupt.manifest", "JF-HDR-008"), error("malformed.header", "JF-HDR-005")).difference
    assert steps(None) == set()
