"""What is done to an old checkpoint does not make it look like a new one: times of modification stay (SPEC JF-HST)."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import craft
import plain
import pytest

import jellyformat
from jellyformat.files.change import apply_plan
from jellyformat.files.journal import journal_path
from jellyformat.files.plans import Append
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))
OTHER = Snapshot(craft.crafted().with_leaves({}))
LONG_AGO = 1_000_000_000_123_456_789


def make(place: Path, kind: str) -> Path:
    """A host in a directory of its own, both of long ago; what is to be named."""
    place.mkdir()
    if kind == "directory":
        (place / "config.json").write_text("{}")
        plain.save_safetensors(place / "model.safetensors", {"a": [0.5]}, {"format": "pt"})
        named = place
    elif kind == "safetensors":
        named = place / "x.safetensors"
        plain.save_safetensors(named, {"a": [0.5]}, {"format": "pt"})
    else:
        named = place / "x"
        named.write_bytes(b"{}" if kind == "sidecar" else pickle.dumps([1]))
    for path in (*place.iterdir(), place):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return named


def times(place: Path) -> set[int]:
    """The times of a directory, and of the files in it but for what is ours."""
    files = [path for path in place.iterdir() if path.suffix != ".jelly" and not path.name.startswith(".")]
    return {path.stat().st_mtime_ns for path in (place, *files)}


KINDS = ["trailer", "safetensors", "sidecar", "directory"]


@pytest.mark.parametrize("kind", KINDS)
def test_times_stay(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "checkpoint-5"
    named = make(place, kind)
    copy = kind in ("trailer", "safetensors")
    steps: list[Callable[[], object]] = [
        lambda: jellyformat.embed(named, SNAP),
        lambda: jellyformat.embed(named, OTHER, replace=True),
        lambda: jellyformat.verify(named),
        lambda: jellyformat.strip(named),
        lambda: jellyformat.embed(named, SNAP, copy=copy),
        lambda: jellyformat.strip(named, copy=copy),
        lambda: jellyformat.fix(named),
    ]
    for number, step in enumerate(steps):
        step()
        assert times(place) == {LONG_AGO}, number
    if kind == "safetensors":
        with pytest.raises(jellyformat.JellyError):  # too small; and refused, nothing changes either
            jellyformat.embed(named, SNAP, in_place=True, copy=True)
        assert times(place) == {LONG_AGO}


def test_a_change_in_place(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint-5"
    named = make(place, "safetensors")
    plain.save_safetensors(named, {"a": [0.5] * 100_000}, {"format": "pt"})
    for path in (named, place):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    try:
        jellyformat.embed(named, SNAP, in_place=True)
    except jellyformat.errors.RefusedHost as error:
        pytest.skip(error.message)  # the filesystem cannot
    assert times(place) == {LONG_AGO}


def test_fix(tmp_path: Path) -> None:
    """What was broken off, and what a dead process has left, leaves no trace in the times of the directory."""
    place = tmp_path / "checkpoint-5"
    named = make(place, "trailer")
    own = named.read_bytes()
    (place / ".x.jelly-0123456789ab.tmp").write_bytes(b"half")
    (place / ".y.jelly-0123456789ab.tmp").write_bytes(b"half")
    journal_path(named).write_bytes(b"")
    os.utime(place, ns=(LONG_AGO, LONG_AGO))
    assert len(jellyformat.fix(named)) == 2
    assert times(place) == {LONG_AGO}
    jellyformat.fix(place)
    assert [path.name for path in place.iterdir()] == ["x"]
    assert times(place) == {LONG_AGO}
    assert named.read_bytes() == own


def test_what_is_not_ours_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system that does not let times be set, all else is done."""
    named = make(tmp_path / "x", "trailer")

    def fails(*arguments: object, **options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", fails)
    jellyformat.embed(named, SNAP)
    assert jellyformat.verify(named).ok


def test_a_new_file_is_new(tmp_path: Path) -> None:
    place = tmp_path / "x"
    named = make(place, "trailer")
    jellyformat.embed(named, SNAP, out=place / "new")
    assert named.stat().st_mtime_ns == LONG_AGO
    assert (place / "new").stat().st_mtime_ns != LONG_AGO
    assert place.stat().st_mtime_ns != LONG_AGO


def test_the_same_size_and_time_are_seen_to_be_another_file(tmp_path: Path) -> None:
    """Who reads while it is replaced reads again, though neither tells."""
    from jellyformat.hosts import settled

    named = make(tmp_path / "x", "trailer")
    looks = settled._looks(named)
    data = named.read_bytes()
    apply_plan(named, Append(len(data) - 1, ((len(data) - 1, data[-1:]),), len(data)))
    assert (named.stat().st_size, named.stat().st_mtime_ns) == (len(data), LONG_AGO)
    assert settled._looks(named) != looks
