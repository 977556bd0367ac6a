"""safetensors files changed in place: the filesystem moves the tensors, and nothing of them is copied (SPEC JF-SFT)."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import plans
import pytest
import test_safetensors as other
from hypothesis import given, settings
from hypothesis import strategies as st
from jellyformat_safetensors import ADAPTER
from test_story import jelly

import jellyformat
from jellyformat.adapter import BytesSource, JellyError, RefusedHost, Splice, Usage, read_all
from jellyformat.errors import Busy, SystemFailure
from jellyformat.files import durable, platform, ranges, splice
from jellyformat.snapshots import Snapshot

if TYPE_CHECKING:
    import torch

ONE, TWO = Snapshot(plans.make_container(20_000, 1)), Snapshot(plans.make_container(3_000, 2))


def tensors() -> dict[str, torch.Tensor]:
    import torch

    return {"w": torch.arange(50_000.0), "b": torch.arange(7, dtype=torch.uint8)}


def save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    save_file(tensors, path, {"format": "pt"})


def can_insert(directory: Path) -> bool:
    probe = directory / "probe"
    probe.write_bytes(bytes(5000))
    with open(probe, "r+b") as file:
        try:
            ranges.insert(file.fileno(), 0, platform.block_size(file.fileno()))
        except OSError:
            return False
        finally:
            probe.unlink()
    return True


@pytest.fixture
def host(tmp_path: Path) -> Path:
    if not can_insert(tmp_path):
        pytest.skip("the filesystem of the tests cannot insert ranges; choose another with --basetemp")
    path = tmp_path / "model.safetensors"
    save(tensors(), path)
    return path


def check(path: Path, snap: Snapshot) -> None:
    """safetensors loads the same tensors, and the snapshot is there."""
    assert other.same(other.load(path)[0], tensors())
    found = plans.found_in(ADAPTER, path)
    assert found is not None
    assert found[:2] == ("metadata", snap.data)


@pytest.mark.parametrize("first", [ONE, TWO], ids=["large", "small"])
@pytest.mark.parametrize("second", [ONE, TWO], ids=["large", "small"])
def test_embed_replace_strip(host: Path, first: Snapshot, second: Snapshot) -> None:
    old, inode = host.read_bytes(), host.stat().st_ino
    assert jellyformat.embed(host, first, in_place=True) == "safetensors"
    check(host, first)
    assert (host.stat().st_size - len(old)) % os.statvfs(host).f_bsize == 0
    jellyformat.embed(host, second, in_place=True, replace=True)
    check(host, second)
    assert host.stat().st_ino == inode
    jellyformat.strip(host, in_place=True)
    assert host.stat().st_ino == inode
    assert host.read_bytes() == old
    assert plans.names_in(host.parent) == [host.name]


def test_strip_and_replace_the_other_way(host: Path) -> None:
    """What was put in in place can be taken out of a new file; what was not may be replaced in place."""
    old = host.read_bytes()
    jellyformat.embed(host, ONE, in_place=True)
    jellyformat.embed(host, TWO, replace=True)
    check(host, TWO)
    jellyformat.strip(host)
    assert host.read_bytes() == old
    jellyformat.embed(host, ONE)
    default = host.read_bytes()
    with pytest.raises(RefusedHost, match="put in by writing the file anew") as caught:
        jellyformat.strip(host, in_place=True)
    assert "leave out in_place=True" in (caught.value.hint or "")
    assert host.read_bytes() == default
    jellyformat.embed(host, TWO, replace=True, in_place=True)
    check(host, TWO)
    jellyformat.strip(host)
    assert host.read_bytes() == old


def test_large_files_are_filled_up_to_blocks(host: Path) -> None:
    """So that a filesystem can share the tensors' blocks, and the snapshot can be taken out in place."""
    import torch

    save({"w": torch.arange(300_000.0)}, host)
    old = host.read_bytes()
    jellyformat.embed(host, ONE)
    assert (host.stat().st_size - len(old)) % 4096 == 0
    other.load(host)
    if os.statvfs(host).f_bsize == 4096:
        jellyformat.strip(host, in_place=True)
    else:
        jellyformat.strip(host)
    assert host.read_bytes() == old


@pytest.mark.parametrize("name", [name for name in other.NAMES if name != "escaped name"])  # safetensors reads none
def test_every_header(name: str, host: Path) -> None:
    """Whatever the header is like, safetensors reads it with the fill, and it comes back bit for bit."""
    old = other.file_of(name)
    host.write_bytes(old)
    there, metadata = other.loaded(old)
    jellyformat.embed(host, TWO, in_place=True)
    new = host.read_bytes()
    now, more = other.loaded(new)
    assert other.same(now, there)
    assert more is not None
    assert set(more) - set(metadata or {}) == {"jellyformat"}
    jellyformat.strip(host, in_place=True)
    assert host.read_bytes() == old
    assert other.strip(new) == old


@given(other.headers(), st.binary(max_size=20), st.binary(max_size=200), st.sampled_from([512, 4096, 1 << 16]))
@settings(max_examples=60, deadline=None)
def test_any_header_comes_back(header: bytes, data: bytes, body: bytes, block: int) -> None:
    old = other.make_file(header, data)
    container = plans.container_of(body)

    def spliced(file: bytes, plan: Splice) -> bytes:
        assert (len(plan.head) - plan.replaced) % block == 0
        return plans.applied(file, plan)

    file = spliced(old, ADAPTER.plan_embed_in_place(BytesSource(old), container, block))
    assert read_all(other.find(file).container) == container
    assert other.find(file).host_length == len(old)
    assert other.strip(file) == old
    assert spliced(file, ADAPTER.plan_strip_in_place(BytesSource(file), other.find(file), block)) == old
    replaced = spliced(file, ADAPTER.plan_embed_in_place(BytesSource(file), other.CONTAINER, block))
    assert other.strip(replaced) == old


def refused(host: Path, kind: type[Exception], match: str, snap: Snapshot = ONE) -> None:
    """``embed --in-place`` and what it says; the file is as it was."""
    old = host.read_bytes()
    with pytest.raises(kind, match=match) as caught:
        jellyformat.embed(host, snap, in_place=True, replace=True)
    assert "nothing was changed" in str(getattr(caught.value, "hint", ""))
    assert host.read_bytes() == old
    assert [name for name in plans.names_in(host.parent) if name.startswith(".")] == []


def test_open_or_mapped(host: Path) -> None:
    import safetensors

    old = host.read_bytes()
    with open(host, "rb"):
        refused(host, Busy, "open or mapped")
    with open(host, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    refused(host, Busy, "open or mapped")
    mapped.close()
    with safetensors.safe_open(host, "pt") as opened:
        tensor = opened.get_tensor("w")
        refused(host, Busy, "open or mapped")
    del opened, tensor
    command = [sys.executable, "-c", "import sys; f = open(sys.argv[1]); print(1, flush=True); sys.stdin.read()"]
    with subprocess.Popen([*command, str(host)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        refused(host, Busy, "open or mapped")
        process.communicate()
    assert host.read_bytes() == old
    jellyformat.embed(host, ONE, in_place=True)
    check(host, ONE)


def test_who_opens_it_meanwhile_waits(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the insertion and the header the file cannot be read; nobody gets to see it so."""
    insert = ranges.insert
    code = "import sys; from safetensors.numpy import load_file; print(sorted(load_file(sys.argv[1])))"
    started: list[subprocess.Popen[bytes]] = []

    def slow(fd: int, offset: int, length: int) -> None:
        insert(fd, offset, length)
        started.append(subprocess.Popen([sys.executable, "-c", code, host], stdout=subprocess.PIPE))
        with pytest.raises(subprocess.TimeoutExpired):
            started[0].wait(1.5)

    monkeypatch.setattr(ranges, "insert", slow)
    jellyformat.embed(host, ONE, in_place=True)
    out, _ = started[0].communicate()
    assert (started[0].returncode, out.strip()) == (0, b"['b', 'w']")


def test_holes(host: Path) -> None:
    size = host.stat().st_size
    with open(host, "r+b") as file:
        ranges.punch(file.fileno(), 65536, 65536)
    assert host.stat().st_size == size
    refused(host, RefusedHost, "holes")


def test_tensor_form(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jellyformat_safetensors.adapter.METADATA_FORM_MAX", 20_000)
    refused(host, RefusedHost, "too large")
    jellyformat.embed(host, ONE)
    refused(host, RefusedHost, "tensor", TWO)
    with pytest.raises(RefusedHost, match="tensor"):
        jellyformat.strip(host, in_place=True)


@pytest.mark.parametrize("block", [0, 100, 1 << 21])
def test_odd_blocks(block: int) -> None:
    with pytest.raises(RefusedHost, match="blocks of"):
        ADAPTER.plan_embed_in_place(BytesSource(other.file_of("torch")), ONE.data, block)


def test_a_filesystem_that_cannot(host: Path) -> None:
    place = Path("/dev/shm")
    if not place.is_dir() or can_insert(place):
        pytest.skip("there is no tmpfs")
    file = place / f"jelly-test-{os.getpid()}" / "model.safetensors"
    file.parent.mkdir()
    try:
        file.write_bytes(host.read_bytes())
        refused(file, RefusedHost, "its filesystem cannot do it")
        jellyformat.embed(file, ONE)
        check(file, ONE)
    finally:
        for left in file.parent.iterdir():
            left.unlink()
        file.parent.rmdir()


def test_another_system(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "sunos")
    refused(host, RefusedHost, "its filesystem cannot do it")


def test_other_hosts(host: Path, tmp_path: Path) -> None:
    """Zip files and those with a trailer are changed in place in any case."""
    import torch

    for name in ("model.pt", "model.npy"):
        path = tmp_path / name
        torch.save(tensors(), path, _use_new_zipfile_serialization=name == "model.pt")
        old, inode = path.read_bytes(), path.stat().st_ino
        jellyformat.embed(path, ONE, in_place=True)
        assert path.read_bytes().startswith(old)
        jellyformat.strip(path, in_place=True)
        assert (path.read_bytes(), path.stat().st_ino) == (old, inode)
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = [1, 2, 3]
    with pytest.raises(RefusedHost, match="cannot be changed in place"):
        jellyformat.embed(tmp_path / "x.h5", ONE, in_place=True)


def test_no_new_file_in_place(host: Path, tmp_path: Path) -> None:
    with pytest.raises(Usage):
        jellyformat.embed(host, ONE, out=tmp_path / "out", in_place=True)
    with pytest.raises(Usage):
        jellyformat.strip(host, out=tmp_path / "out", in_place=True)
    assert plans.names_in(tmp_path) == [host.name]


def test_command_line(host: Path, repository: Path) -> None:
    old = host.read_bytes()
    jelly(repository, "embed", str(host), "--in-place")
    jelly(repository, "verify", str(host))
    with open(host, "rb"):
        said = jelly(repository, "strip", str(host), "--in-place", code=4).stderr
        assert b"open or mapped" in said
    jelly(repository, "strip", str(host), "--in-place", "-o", "new", code=2)
    jelly(repository, "strip", str(host), "--in-place")
    assert host.read_bytes() == old
    for command in ("embed", "strip"):
        told = b" ".join(jelly(repository, command, "--help").stdout.split())
        assert b"one that has it mapped would see wrong data" in told


def test_half_done_is_told(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be neither completed nor put back: the message says so, and the next command mends it."""
    old = host.read_bytes()

    def broken(*arguments: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(ranges, "collapse", broken)
        patch.setattr(splice, "write_at", broken_after(1, durable.write_at))
        with pytest.raises(SystemFailure, match="half changed") as caught:
            jellyformat.embed(host, ONE, in_place=True)
    assert "fix" in str(caught.value.hint)
    assert host.read_bytes() != old
    with pytest.raises(JellyError) as seen:
        jellyformat.open(host)
    assert f'fix("{host}")' in str(seen.value.hint)
    jellyformat.embed(host, TWO, in_place=True, replace=True)
    check(host, TWO)
    jellyformat.strip(host, in_place=True)
    assert host.read_bytes() == old


def broken_after(good: int, function: Callable[..., None]) -> Callable[..., None]:
    left = iter(range(good))

    def broken(*arguments: object) -> None:
        if next(left, None) is None:
            raise OSError(5, "Input/output error")
        function(*arguments)

    return broken


@pytest.mark.parametrize("large", [False, True])
def test_who_has_copied_much_is_told_of_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    from click.testing import CliRunner

    from jellyformat.cli import embed

    path, snap = tmp_path / "x.safetensors", tmp_path / "x.jelly"
    save(tensors(), path)
    snap.write_bytes(jellyformat.snapshot(tmp_path, create_repo=True).data)
    if large:
        monkeypatch.setattr(embed, "_LARGE", path.stat().st_size)
    said = CliRunner().invoke(embed.command, [str(path), "--from", str(snap)])
    assert said.exit_code == 0, said.output
    assert ("--in-place" in said.output) == large
