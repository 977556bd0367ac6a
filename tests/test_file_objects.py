"""Save calls to file objects: what is saved passes through, and the snapshot goes behind it."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_save_calls import snap

import jellyformat
from jellyformat import errors
from jellyformat.snapshots import Snapshot
from jellyformat.training import passing

__all__ = ["snap"]

TO_A_FILE_OBJECT = """
import io, os, subprocess, sys, threading, warnings
import memory, jellyformat, numpy, torch, jellyformat_torch, jellyformat_numpy
warnings.simplefilter("error")
warnings.simplefilter("error", jellyformat.training.SnapshotWarning)
kind, into, path, code = sys.argv[1:]
snap = jellyformat.load(code)
if kind == "torch":
    what = {f"w{number}": torch.rand(10_000_000) for number in range(3)}
    what |= {f"b{number}": torch.ones(5) for number in range(300)}
    save = lambda file: jellyformat_torch.save(what, file, snapshot=snap)
    load = lambda: torch.load(path)["w2"].equal(what["w2"])
else:
    what = {f"w{number}": numpy.arange(number, 10_000_000, dtype="f4") for number in range(3)}
    save = lambda file: getattr(jellyformat_numpy, kind)(file, snapshot=snap, **what)
    load = lambda: (numpy.load(path)["w2"] == what["w2"]).all()
small = io.BytesIO()
jellyformat_torch.save({"a": torch.ones(3)}, small, snapshot=snap)  # imports what is needed
jellyformat_numpy.savez(io.BytesIO(), a=numpy.ones(3), snapshot=snap)
before = memory.peak()
if into == "file":
    with open(path, "wb") as file:
        save(file)
else:
    process = subprocess.Popen(["sh", "-c", 'cat > "$1"', "sh", path], stdin=subprocess.PIPE)
    save(process.stdin)
    process.stdin.close()
    process.wait()
more = memory.peak() - before
assert load()
print(more)
"""


@given(st.lists(st.tuples(st.integers(0, 120), st.binary(max_size=40), st.booleans()), max_size=30))
def test_what_is_kept_of_a_stream_is_right(writes: list[tuple[int, bytes, bool]]) -> None:
    """Whatever is written and where: what can be read again is what is there, and the last bytes can be."""
    inner = io.BytesIO(b"before")
    inner.seek(6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passing, "_HEAD", 4)
        patch.setattr(passing, "_LAST", 16)
        stream = passing.Passing(inner)
        for place, data, elsewhere in writes:
            if elsewhere:
                stream.seek(min(place, stream.size))
            stream.write(data)
            assert stream.tell() == inner.tell() - 6
        whole = inner.getvalue()[6:]
        assert stream.size == len(whole)
        known = []
        for at in range(len(whole)):
            with contextlib.suppress(errors.RefusedHost):
                assert stream.read_at(at, 1) == whole[at : at + 1]
                known.append(at)
        if not any(elsewhere for _, _, elsewhere in writes):
            assert known[-16:] == [*range(len(whole))][-16:]


@pytest.mark.framework
@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["torch", "savez", "savez_compressed"])
@pytest.mark.parametrize("into", ["file", "pipe"])
def test_a_file_object_costs_no_memory(tmp_path: Path, snap: Snapshot, kind: str, into: str) -> None:
    """What is saved to a file object is not held: there may be no room for it twice."""
    (tmp_path / "code.jelly").write_bytes(snap.to_bytes())
    done = subprocess.run(
        [sys.executable, "-c", TO_A_FILE_OBJECT, kind, into, tmp_path / "model", tmp_path / "code.jelly"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert jellyformat.load(tmp_path / "model").id == snap.id
    assert int(done.stdout) < 90_000, "kilobytes more than before, of 120 MB"
