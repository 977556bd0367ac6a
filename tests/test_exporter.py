"""Export writes the files of a snapshot, and nothing else anywhere."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from craft import Crafted, assemble, crafted

import jellyformat
from jellyformat import errors
from jellyformat.format.container import Container
from jellyformat.format.model import Manifest
from jellyformat.format.objects import BLOB, EXECUTABLE, REGULAR, SYMLINK, TREE, Leaf, TreeEntry, format_tree, object_id
from jellyformat.format.records import ObjectRecord
from jellyformat.format.source import BytesSource

NEW = object_id(BLOB, b"new\n")


def with_true_summary(data: bytes) -> bytes:
    """A crafted container with the summary that its author would have put in to get past the verifier."""
    box = Container(BytesSource(data))
    box.pool.decode()
    parts: Manifest = replace(box.manifest, summary=box.checker.derive())
    records = [ObjectRecord(place.kind, box.pool.read(oid)) for oid, place in box.pool.places.items()]
    return assemble(parts, list(records))


def opened(leaves: dict[bytes, Leaf], *blobs: bytes, base: Crafted | None = None) -> Container:
    extra = tuple(ObjectRecord(BLOB, blob) for blob in blobs)
    return Container(BytesSource(with_true_summary((base or crafted()).with_leaves(leaves, extra))))


def everything_below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_files_links_and_modes(tmp_path: Path) -> None:
    target = b"../outside"
    leaves = {
        b"a/run.sh": Leaf(EXECUTABLE, NEW),
        b"a/b/plain": Leaf(REGULAR, NEW),
        b"a/link": Leaf(SYMLINK, object_id(BLOB, target)),
        b"\xff'": Leaf(REGULAR, NEW),
    }
    done = jellyformat.export(opened(leaves, target), tmp_path / "out")
    assert done.files == 4
    out = os.fsencode(tmp_path / "out")
    assert os.readlink(out + b"/a/link") == target
    assert stat.S_IMODE(os.stat(out + b"/a/run.sh").st_mode) & 0o111
    assert not stat.S_IMODE(os.stat(out + b"/a/b/plain").st_mode) & 0o111
    assert Path(os.fsdecode(out + b"/\xff'")).read_bytes() == b"new\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link and, by another spelling of its name, a file below it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    target = os.fsencode(outside)
    leaves = {b"dir": Leaf(SYMLINK, object_id(BLOB, target)), b"DIR/evil": Leaf(REGULAR, NEW)}
    with pytest.raises(errors.RefusedName):
        jellyformat.export(opened(leaves, target), tmp_path / "out")
    jellyformat.export(opened(leaves, target), tmp_path / "out", any_names=True)
    assert everything_below(outside) == set()


def test_one_name_as_link_and_directory(tmp_path: Path) -> None:
    """No strict tree can hold both, so nothing is written."""
    outside = tmp_path / "outside"
    outside.mkdir()
    target = os.fsencode(outside)
    base = crafted()
    inner = format_tree([TreeEntry(REGULAR, b"evil", NEW)])
    link = object_id(BLOB, target)
    root = b"120000 dir\0" + link + b"40000 dir\0" + object_id(TREE, inner)
    records = [*base.records, ObjectRecord(BLOB, target), ObjectRecord(TREE, inner), ObjectRecord(TREE, root)]
    assert base.parts.state.worktree is not None
    worktree = replace(base.parts.state.worktree, tree=object_id(TREE, root))
    data = assemble(replace(base.parts, state=replace(base.parts.state, worktree=worktree)), records)
    with pytest.raises(errors.BadObject):
        jellyformat.export(Container(BytesSource(data)), tmp_path / "out")
    assert everything_below(tmp_path) == {"outside"}


@pytest.mark.parametrize(
    "name",
    [b"..", b".git", b".GIT", b"git~1", b".git ", b".git.", b".git:x", b".g\xe2\x80\x8cit", b"..\\x", b"a\\.git", b"."],
)
def test_unsafe_names_are_refused_before_anything_is_written(name: bytes, tmp_path: Path) -> None:
    content = format_tree([TreeEntry(REGULAR, b"evil", NEW)])
    root = format_tree([TreeEntry(0o040000, name, object_id(TREE, content)), TreeEntry(REGULAR, b"a", NEW)])
    base = crafted()
    records = [*base.records, ObjectRecord(TREE, content), ObjectRecord(TREE, root)]
    assert base.parts.state.worktree is not None
    worktree = replace(base.parts.state.worktree, tree=object_id(TREE, root))
    data = assemble(replace(base.parts, state=replace(base.parts.state, worktree=worktree)), records)
    with pytest.raises(errors.RefusedPath) as caught:
        jellyformat.export(Container(BytesSource(data)), tmp_path / "out")
    assert caught.value.exit_code == 4
    assert everything_below(tmp_path) == set()


@pytest.mark.parametrize("name", [b"a:b", b"con", b"AUX.txt", b"dot.", b"space ", b"back\\slash"])
def test_names_that_are_not_portable(name: bytes, tmp_path: Path) -> None:
    box = opened({b"d/" + name: Leaf(REGULAR, NEW)})
    with pytest.raises(errors.RefusedName):
        jellyformat.export(box, tmp_path / "out")
    assert everything_below(tmp_path) == set()
    jellyformat.export(box, tmp_path / "out", any_names=True)
    assert os.listdir(os.fsencode(tmp_path / "out" / "d")) == [name]


def test_a_lying_summary_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(errors.SummaryMismatch):
        jellyformat.export(Container(BytesSource(crafted().with_leaves({b"x": Leaf(REGULAR, NEW)}))), tmp_path / "out")
    assert everything_below(tmp_path) == set()


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*unused: object, **more: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "symlink", no_links)
    leaves = {b"a/fine": Leaf(REGULAR, NEW), b"z": Leaf(SYMLINK, object_id(BLOB, b"a"))}
    with pytest.raises(errors.SystemFailure):
        jellyformat.export(opened(leaves, b"a"), tmp_path / "out")
    assert everything_below(tmp_path) == set()
    (tmp_path / "out").mkdir()
    with pytest.raises(errors.SystemFailure):
        jellyformat.export(opened(leaves, b"a"), tmp_path / "out")
    assert everything_below(tmp_path) == {"out"}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_a_failure_takes_nothing_of_others(
    there: bool, swapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another export into the same directory, or a link that somebody puts in its place."""
    out, others, link = tmp_path / "out", tmp_path / "others", os.symlink
    (others / "a").mkdir(parents=True)
    (others / "a/fine").write_text("mine")

    def no_links(*unused: object, **more: object) -> None:
        (out / "a/other").write_text("mine")
        if swapped:
            out.rename(tmp_path / "moved")
            link("others", out)
        raise OSError(errno.EPERM, "no links here")

    if there:
        out.mkdir()
    monkeypatch.setattr(os, "symlink", no_links)
    leaves = {b"a/fine": Leaf(REGULAR, NEW), b"b/c/d": Leaf(REGULAR, NEW), b"z": Leaf(SYMLINK, object_id(BLOB, b"a"))}
    with pytest.raises(errors.SystemFailure):
        jellyformat.export(opened(leaves, b"a"), out)
    left = {"others", "others/a", "others/a/fine"}
    left |= {"moved", "moved/a", "moved/a/other", "out"} if swapped else {"out", "out/a", "out/a/other"}
    assert everything_below(tmp_path) == left


def test_a_link_in_place_of_the_directory_that_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "others").mkdir()
    make = Path.mkdir

    def swap(path: Path, *arguments: Any, **more: Any) -> None:
        make(path, *arguments, **more)
        path.rmdir()
        path.symlink_to("others")

    monkeypatch.setattr(Path, "mkdir", swap)
    with pytest.raises(errors.SystemFailure):
        jellyformat.export(opened({b"a": Leaf(REGULAR, NEW)}, b"a"), tmp_path / "out")
    assert everything_below(tmp_path) == {"others", "out"}


def test_empty_directories(repository: Path, tmp_path: Path) -> None:
    (repository / "results" / "plots").mkdir(parents=True)
    box = jellyformat.snapshot(repository).open()
    jellyformat.export(box, tmp_path / "out")
    assert (tmp_path / "out" / "results" / "plots").is_dir()
