"""Power loss while a host is changed in place: what was not synced may be there, or not, or half.

The operation runs once and its writes and syncs are recorded; then every state that a disk could
be in is built and healed.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import plans
import pytest
from jellyformat_onnx import ADAPTER as ONNX

from jellyformat.files.change import apply_plan, repair
from jellyformat.files.journal import journal_path
from jellyformat.files.plans import Append
from jellyformat.format.source import BytesSource

OLD = bytes(range(241)) * 30
FRESH = Append(len(OLD), ((9_000, b"S" * 300), (len(OLD), b"C" * 1000), (len(OLD) + 1000, b"E" * 300)), len(OLD) + 1300)
REPLACE = Append(5_000, ((8_000, b"S" * 300), (5_000, b"C" * 1000), (6_000, b"E" * 300)), 6_300)


@dataclass
class Disk:
    """One file: what is surely on the disk, and what happened since (``(offset, bytes)``, or a new length)."""

    lasting: bytes | None
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)

    def possible(self, *, pages: bool = False) -> Iterator[bytes | None]:
        """Every content that may be found: any selection of what is pending, writes also torn in the middle.

        Args:
            pages: As disks and filesystems do that keep order: what is appended grows by pages, sectors are whole.
        """
        choices: list[list[tuple[int, bytes] | int | None]] = []
        for change in self.pending:
            if isinstance(change, int):
                choices.append([None, change])
                continue
            offset, data = change
            half = len(data) // 2
            if pages:
                appended = offset >= len(self.lasting or b"")
                half = -offset % 4096 + 4096 if appended else -offset % 512
                torn = [(offset, data[:half])] if half < len(data) else []
                torn += [] if appended or not torn else [(offset + half, data[half:])]
            else:
                torn = [(offset, data[:half]), (offset + half, data[half:])]
            choices.append([None, change, *torn])
        for chosen in itertools.product(*choices):
            content = self.lasting
            for one in chosen:
                if one is not None:
                    content = applied(content or b"", one)
            yield content


def applied(content: bytes, change: tuple[int, bytes] | int) -> bytes:
    if isinstance(change, int):
        return content[:change] + bytes(max(0, change - len(content)))
    offset, data = change
    content += bytes(max(0, offset - len(content)))
    return content[:offset] + data + content[offset + len(data) :]


def states(
    host: Path, plan: Append, monkeypatch: pytest.MonkeyPatch, *, pages: bool = False
) -> Iterator[tuple[bytes, bytes | None]]:
    """What host and journal may be like after a power loss at each moment of ``plan``; ``pages``: as above."""
    disks = {"host": Disk(host.read_bytes()), "journal": Disk(None)}
    named = "no"  # whether the journal's name is on the disk: no, maybe, yes
    found: set[tuple[bytes, bytes | None]] = set()

    def snapshot() -> None:
        for content in disks["host"].possible(pages=pages):
            assert content is not None
            if named != "yes":
                found.add((content, None))
            if named != "no":
                found.update((content, book or b"") for book in disks["journal"].possible())

    def kind(fd: int) -> str:
        info = os.fstat(fd)
        if stat.S_ISDIR(info.st_mode):
            return "directory"
        return "host" if info.st_ino == host.stat().st_ino else "journal"

    pwrite, fsync, ftruncate, unlink = os.pwrite, os.fsync, os.ftruncate, Path.unlink

    def fake_pwrite(fd: int, data: bytes, offset: int) -> int:
        nonlocal named
        if kind(fd) == "journal" and named == "no":
            named = "maybe"
        disks[kind(fd)].pending.append((offset, bytes(data)))
        snapshot()
        return pwrite(fd, data, offset)

    def fake_ftruncate(fd: int, length: int) -> None:
        disks[kind(fd)].pending.append(length)
        snapshot()
        ftruncate(fd, length)

    def fake_fsync(fd: int) -> None:
        nonlocal named
        fsync(fd)
        name = kind(fd)
        if name == "directory":
            named = "yes" if journal_path(host).exists() else "no"
        else:
            disk = disks[name]
            for change in disk.pending:
                disk.lasting = applied(disk.lasting or b"", change)
            disk.pending.clear()
        snapshot()

    def fake_unlink(path: Path, missing_ok: bool = False) -> None:
        nonlocal named
        named = "maybe"
        snapshot()
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fake_pwrite)
        patch.setattr(os, "fsync", fake_fsync)
        patch.setattr(os, "ftruncate", fake_ftruncate)
        patch.setattr(Path, "unlink", fake_unlink)
        apply_plan(host, plan)
    yield from found


@pytest.mark.parametrize("plan", [FRESH, REPLACE], ids=["fresh", "replace"])
def test_power_loss(tmp_path: Path, plan: Append, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "host"
    host.write_bytes(OLD)
    found = list(states(host, plan, monkeypatch))
    new = host.read_bytes()
    assert new == OLD[: plan.keep] + b"C" * 1000 + b"E" * 300
    assert len(found) > 25
    heal_all(host, found, plan.keep, (OLD, new), monkeypatch)


def heal_all(
    host: Path,
    found: list[tuple[bytes, bytes | None]],
    keep: int,
    ends: tuple[bytes, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every state becomes one of the two, and none is left out."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # what is tested here is logic, and syncs are slow
    seen = dict.fromkeys(ends, 0)
    for content, book in found:
        host.write_bytes(content)  # the same inode, as after a power loss
        assert content[:keep] == ends[0][:keep]
        if book is not None:
            journal_path(host).write_bytes(book)
        repair(host)
        left = host.read_bytes()
        assert left in ends, f"{len(content)} bytes, journal {None if book is None else len(book)}"
        seen[left] += 1
        assert not journal_path(host).exists()
    assert min(seen.values()) >= 2


MODEL = b"\x08\x09\x42\x04\x0a\x00\x10\x12\x3a\xb8\x17\x12" + b"\xb5\x17" + b"g" * 2997
"""An ONNX model of 3,011 bytes."""


@pytest.mark.sampled(3)
@pytest.mark.parametrize("before", [None, 9000, 300], ids=["fresh", "shorter", "longer"])
@pytest.mark.parametrize("more", [0, 4096 - 3011 - 5, 4096 - 3011 - 20], ids=["", "head in two pages", "page"])
def test_onnx_loads_after_a_power_loss(
    tmp_path: Path, before: int | None, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where appended bytes reach the disk page by page, and sectors whole: before anything is mended."""
    model = MODEL + b"\x32" + bytes((more - 3 & 0x7F | 0x80, more - 3 >> 7)) + b"d" * (more - 3) if more else MODEL
    data = model if before is None else plans.embed(ONNX, model, plans.make_container(before, 1))
    host = tmp_path / "host"
    host.write_bytes(data)
    plan = ONNX.plan_embed(BytesSource(data), plans.make_container(5000))
    assert isinstance(plan, Append)
    found = list(states(host, plan, monkeypatch, pages=True))
    new = host.read_bytes()
    assert new == plans.embed(ONNX, model, plans.make_container(5000))
    for content in {content for content, _ in found}:
        assert onnx.load_from_string(content).graph.name == "g" * 2997
    heal_all(host, found, plan.keep, (data, new), monkeypatch)
    host.write_bytes(data)
    for content, book in () if more else states(host, plan, monkeypatch):  # and where they do not
        host.write_bytes(content)
        if book is not None:
            journal_path(host).write_bytes(book)
        repair(host)
        assert host.read_bytes() in (data, new)
