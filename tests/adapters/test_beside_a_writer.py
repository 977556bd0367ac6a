"""Reading beside a process that writes: never a word of damage where there is none."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import craft
import pytest
import torch
from test_story import jelly

import jellyformat
from jellyformat import errors
from jellyformat.hosts import settled
from jellyformat.snapshots import Snapshot

ROUNDS = 40
WRITER = """
import sys
import jellyformat
from jellyformat.snapshots import Snapshot
snaps = [Snapshot(open(name, "rb").read()) for name in sys.argv[2:]]
print("ready", flush=True)
for number in range(10_000):
    jellyformat.embed(sys.argv[1], snaps[number % len(snaps)], replace=True)
"""
HALF = """
import os, sys
from pathlib import Path
from jellyformat.files.change import locked
from jellyformat.files.journal import HostJournal
with locked(Path(sys.argv[1])) as host:
    HostJournal.begin(host.target, host.fd, host.source.size - 400)
    os.pwrite(host.fd, bytes(400), host.source.size - 400)
    print("ready", flush=True)
    sys.stdin.read()
"""


def boxes(directory: Path) -> list[Path]:
    """Two containers of another length each."""
    made = craft.crafted()
    (directory / "one.jelly").write_bytes(craft.assemble(made.parts, made.records))
    grown = craft.change_value(
        craft.assemble(made.parts, made.records),
        lambda value: value["extensions"].update(noise=os.urandom(50_000)),  # type: ignore[union-attr]
    )
    (directory / "two.jelly").write_bytes(grown)
    return [directory / "one.jelly", directory / "two.jelly"]


def checkpoint(path: Path) -> Path:
    torch.save({"w": torch.arange(1000.0)}, path)
    return path


@pytest.mark.parametrize("kind", ["zip", "trailer", "sidecar"])
def test_verify_beside_a_writer(kind: str, tmp_path: Path) -> None:
    containers = boxes(tmp_path)
    file = tmp_path / "model.bin"
    if kind == "zip":
        checkpoint(file)
    else:
        file.write_bytes(pickle.dumps(bytes(5000)) if kind == "trailer" else b"[0.5, 0.25]\n" * 500)
    jellyformat.embed(file, Snapshot(containers[0].read_bytes()))
    command = [sys.executable, "-c", WRITER, str(file), *map(str, containers)]
    good = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        try:
            for _ in range(ROUNDS):
                try:
                    report = jellyformat.verify(file)
                    assert report.ok, report.error
                    with jellyformat.open(file) as box:
                        assert box.manifest.summary.files == 2
                    good += 1
                except errors.Busy:
                    pass
            assert writer.poll() is None
        finally:
            writer.kill()
    assert good
    jellyformat.fix(file)
    assert jellyformat.verify(file).ok


def test_a_writer_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a change of a process that lives is said to be that, with exit status 4; of a dead one, to be mended."""
    file = checkpoint(tmp_path / "model.pt")
    jellyformat.embed(file, Snapshot(boxes(tmp_path)[0].read_bytes()))
    monkeypatch.setattr(settled, "_LONGEST_WAIT", 0.02)
    with subprocess.Popen(
        [sys.executable, "-c", HALF, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        with pytest.raises(errors.Busy, match="another process is changing"):
            jellyformat.verify(file)
        with pytest.raises(errors.Busy):
            jellyformat.open(file)
        said = jelly(tmp_path, "verify", "model.pt", "--json", code=4)
        told = json.loads(said.stdout)
        assert (told["ok"], told["error"]["class"]) == (False, "refused.busy")
        assert b"DAMAGED" not in said.stdout + said.stderr
        writer.kill()
    report = jellyformat.verify(file)
    assert not report.ok
    assert re.search("mend it with: .*fix", str(report.error and report.error.hint))
    jellyformat.fix(file)
    assert jellyformat.verify(file).ok


def test_damage_is_damage(tmp_path: Path) -> None:
    file = boxes(tmp_path)[0]
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    report = jellyformat.verify(file)
    assert not report.ok
    assert report.error is not None
    assert report.error.error_class == "corrupt.block"


def test_memory_maps_and_the_instant_of_cutting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch asks for the file's length and maps so much of it later. Between the two, the file may become shorter:
    strip cuts it off, and so does the end of an embed. No order of writes can help; loading it again does."""
    file = checkpoint(tmp_path / "model.pt")
    jellyformat.embed(file, Snapshot(boxes(tmp_path)[0].read_bytes()))
    getsize = os.path.getsize

    def then_strip(path: str) -> int:
        size = getsize(path)
        jellyformat.strip(file)
        return size

    with monkeypatch.context() as patch:
        patch.setattr(os.path, "getsize", then_strip)
        with pytest.raises(RuntimeError, match=r"size|mapping"):
            torch.load(file, mmap=True, weights_only=True)
    assert torch.equal(torch.load(file, mmap=True, weights_only=True)["w"], torch.arange(1000.0))


def test_memory_maps_that_are_there_already(tmp_path: Path) -> None:
    file = checkpoint(tmp_path / "model.pt")
    snaps = [Snapshot(path.read_bytes()) for path in boxes(tmp_path)]
    jellyformat.embed(file, snaps[1])
    loaded = torch.load(file, mmap=True, weights_only=True)
    jellyformat.embed(file, snaps[0], replace=True)
    jellyformat.strip(file)
    assert torch.equal(loaded["w"], torch.arange(1000.0))
