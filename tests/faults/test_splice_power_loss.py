"""Power loss while a head is spliced in or out: the filesystem moves extents one after another, so that the hole it
makes or takes out may be anywhere; and what was not synced may be there, or not, or half.

The operation runs once and is recorded; every state that a disk could be in is built, holes and all, and healed.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from jellyformat.files import ranges
from jellyformat.files.change import locked, repair
from jellyformat.files.journal import journal_path
from jellyformat.files.plans import Splice

DATA = b"".join(number.to_bytes(4, "big") for number in range(1, 20_000))
SHORT, LONG = b"small head " * 100, b"another head " * 800
HOSTS = {"grow": (SHORT, LONG), "shrink": (LONG, SHORT)}


@dataclass(frozen=True)
class File:
    """What a file is like on the disk: its bytes, and where it has a hole."""

    content: bytes
    hole: tuple[int, int] | None = None

    def written(self, data: bytes, offset: int) -> File:
        """With ``data`` at ``offset``, filling the hole where it is met."""
        end = offset + len(data)
        content = self.content.ljust(offset, b"\0")
        hole = self.hole
        if hole is not None and offset < hole[0] + hole[1] and end > hole[0]:
            left = (end, hole[0] + hole[1] - end) if end < hole[0] + hole[1] else None
            hole = None if left is None else (-(-left[0] // BLOCK) * BLOCK, left[1] // BLOCK * BLOCK)
            hole = hole if hole is not None and hole[1] > 0 else None
        return File(content[:offset] + data + content[end:], hole)

    def with_hole(self, place: int, length: int) -> File:
        """With a hole put in at ``place``."""
        return File(self.content[:place].ljust(place, b"\0") + bytes(length) + self.content[place:], (place, length))

    def build(self, path: Path) -> None:
        """Make it, in the same inode as before."""
        with open(path, "r+b") as file:
            file.truncate(0)
            file.truncate(len(self.content))
            start, length = self.hole or (len(self.content), 0)
            os.pwrite(file.fileno(), self.content[:start], 0)
            os.pwrite(file.fileno(), self.content[start + length :], start + length)


BLOCK = 4096


def moving(file: File, gap: int) -> Iterator[File]:
    """``file``, whole and small, while a hole is put in at its beginning or taken out: each place it may have."""
    yield file
    for place in range(0, len(file.content), BLOCK):
        yield file.with_hole(place, gap)
    yield File(file.content + bytes(gap), (-(-len(file.content) // BLOCK) * BLOCK, gap))  # nothing moved yet


def states(host: Path, plan: Splice, monkeypatch: pytest.MonkeyPatch) -> set[tuple[File, bytes | None]]:
    """What host and journal may be like after a power loss at each moment."""
    lasting = {"host": File(host.read_bytes()), "journal": File(b"")}
    pending: dict[str, list[list[File]]] = {"host": [], "journal": []}
    named = "no"  # whether the journal's name is on the disk: no, maybe, yes
    found: set[tuple[File, bytes | None]] = set()

    def kind(fd: int) -> str:
        info = os.fstat(fd)
        if stat.S_ISDIR(info.st_mode):
            return "directory"
        return "host" if info.st_ino == host.stat().st_ino else "journal"

    def possible(name: str) -> list[File]:
        return [lasting[name], *itertools.chain.from_iterable(pending[name])]

    def note(name: str, *choices: File) -> None:
        pending[name].append(list(choices))
        look()

    def look() -> None:
        for one in possible("host"):
            if named != "yes":
                found.add((one, None))
            if named != "no":
                found.update((one, other.content) for other in possible("journal"))

    def now(name: str) -> File:
        return pending[name][-1][-1] if pending[name] else lasting[name]

    pwrite, fsync = os.pwrite, os.fsync
    insert, collapse, punch = ranges.insert, ranges.collapse, ranges.punch

    def fake_pwrite(fd: int, data: bytes, offset: int) -> int:
        nonlocal named
        name, data = kind(fd), bytes(data)
        if name == "journal" and named == "no":
            named = "maybe"
        old, half = now(name), len(data) // 2
        torn = [old.written(data[:half], offset), old.written(data[half:], offset + half)] if half else []
        note(name, *torn, old.written(data, offset))
        return pwrite(fd, data, offset)

    def fake_fsync(fd: int) -> None:
        nonlocal named
        fsync(fd)
        name = kind(fd)
        if name == "directory":
            named = "yes" if journal_path(host).exists() else "maybe"
        else:
            lasting[name] = now(name)
            pending[name].clear()
        look()

    def fake_insert(fd: int, offset: int, length: int) -> None:
        assert (offset, pending["host"]) == (0, [])
        note("host", *moving(now("host"), length), now("host").with_hole(0, length))
        insert(fd, offset, length)

    def fake_collapse(fd: int, offset: int, length: int) -> None:
        assert (offset, pending["host"]) == (0, [])
        small = File(now("host").content[length:])
        note("host", *moving(small, length), small)
        collapse(fd, offset, length)

    def fake_punch(fd: int, offset: int, length: int) -> None:
        assert offset == 0
        old = now("host")
        punched = replace(old, content=bytes(length) + old.content[length:], hole=(0, length))
        note("host", File(lasting["host"].content, (0, length)), punched)
        punch(fd, offset, length)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fake_pwrite)
        patch.setattr(os, "fsync", fake_fsync)
        patch.setattr(ranges, "insert", fake_insert)
        patch.setattr(ranges, "collapse", fake_collapse)
        patch.setattr(ranges, "punch", fake_punch)
        with locked(host) as opened:
            opened.splice(plan)
    return found


@pytest.mark.parametrize("name", HOSTS)
def test_power_loss(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = HOSTS[name]
    after += bytes((len(before) - len(after)) % BLOCK)
    host = tmp_path / "host"
    host.write_bytes(before + DATA)
    ends = (before + DATA, after + DATA)
    found = states(host, Splice(len(before), after), monkeypatch)
    assert host.read_bytes() == ends[1]
    assert len(found) > 30
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # what is tested here is logic, and syncs are slow
    seen = dict.fromkeys(ends, 0)
    for file, book in found:
        file.build(host)
        if book is not None:
            journal_path(host).write_bytes(book)
        repair(host)
        left = host.read_bytes()
        phase = "none" if book is None else book[-1:].hex()
        assert left in ends, f"{len(file.content)} bytes, hole {file.hole}, journal {phase}"
        seen[left] += 1
        assert not journal_path(host).exists()
    assert min(seen.values()) >= 2, seen
