"""Capture of every state, compared with what the git program and the file system say of the same repository."""

from __future__ import annotations

import os
import stat
from contextlib import nullcontext
from pathlib import Path

import pytest
from states import NEWER_GIT, STATES, TRAITS, is_reftable, shadow
from traces import look
from truth import Truth, ask

import jellyformat
from jellyformat.format.model import State

_LEFT = {"large", "unreadable"}
ORDINARY = sorted(name for name in STATES if not TRAITS[name] & _LEFT)

OPERATIONS = {
    "merge_conflict": "merge",
    "merge_resolved": "merge",
    "merge_no_commit": "merge",
    "cherry_pick_conflict": "cherry-pick",
    "cherry_pick_sequence": "cherry-pick",
    "revert_conflict": "revert",
    "rebase_conflict": "rebase",
    "rebase_apply_conflict": "rebase",
    "rebase_edit": "rebase",
    "am_conflict": "am",
    "bisect": "bisect",
    "conflicts_of_every_kind": "merge",
    "conflict_file_directory": "merge",
    "conflict_worked_on": "merge",
    "conflict_deleted_on_disk": "merge",
    "submodule_conflict": "merge",
    "reftable_cherry_pick_conflict": "cherry-pick",
    "reftable_rebase_conflict": "rebase",
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", ORDINARY)
def test_state(name: str, tmp_path: Path) -> None:
    if "root" in TRAITS[name] and os.geteuid() != 0:
        pytest.skip("only root can make a device")
    if "newer git" in TRAITS[name] and NEWER_GIT is None:
        pytest.skip("it takes a git from 2.45 on, such as JELLYFORMAT_NEWER_GIT names")
    path = tmp_path / "repo"
    STATES[name](path)
    before = look(tmp_path)
    snap = jellyformat.snapshot(path, history="full")
    assert look(tmp_path) == before, "capture touched something"
    compare(snap, path, tmp_path, name)


def compare(snap: jellyformat.Snapshot, path: Path, scratch: Path, name: str) -> None:
    """Compare a snapshot of the repository at ``path`` with what is true of it."""
    container = scratch / "snapshot.jelly"
    container.write_bytes(snap.to_bytes())
    report = jellyformat.verify(container)
    assert report.ok, report.error
    with shadow(path) if is_reftable(path) and NEWER_GIT is None else nullcontext(path) as known:
        truth = ask(known)
    state = snap.manifest.state
    assert (None if state.operation is None else state.operation.kind) == OPERATIONS.get(name)
    compare_state(state, truth)
    compare_summary(snap, truth)
    compare_export(snap, truth, scratch / "exported")
    assert list(snap.manifest.ignored) == sorted(ignored_below(truth, b""))


def compare_state(state: State, truth: Truth) -> None:
    assert (state.head.commit.hex().encode() if state.head.commit else None) == truth.commit
    assert state.head.ref == truth.ref
    if truth.index_tree is None:
        assert state.index is None
        assert state.worktree is None
        return
    index, worktree = state.index, state.worktree
    assert index is not None
    assert worktree is not None
    stages = {
        item.path: [None if stage is None else (stage[0], stage[1].hex().encode()) for stage in item.stages]
        for item in index.conflicts
    }
    assert stages == truth.conflicts
    assert dict(index.intent_to_add) == truth.intent_to_add
    assert list(index.skip_worktree) == sorted(truth.skip_worktree)
    assert list(index.assume_unchanged) == sorted(truth.assume_unchanged)
    assert index.tree.hex().encode() == truth.index_tree
    assert list(worktree.converted) == sorted(truth.converted)
    assert list(worktree.filtered) == sorted(truth.filtered)
    assert {item.path: item.reason for item in worktree.omitted} == truth.omitted
    assert list(worktree.empty_directories) == truth.empty_directories
    assert worktree.tree.hex().encode() == truth.worktree_tree
    assert [nested.path for nested in state.submodules] == sorted(truth.nested)
    for nested in state.submodules:
        compare_state(nested.state, truth.nested[nested.path])


def compare_summary(snap: jellyformat.Snapshot, truth: Truth) -> None:
    summary = snap.manifest.summary
    staged, unstaged, untracked, conflicted = summary_below(truth, b"")
    told_not_to_look = {
        prefix + path for prefix, inner in walk(truth, b"") for path in (*inner.assume_unchanged, *inner.skip_worktree)
    }
    assert {path: letter for letter, path in summary.staged} == staged
    found = {path: letter for letter, path in summary.unstaged if path not in told_not_to_look}
    assert found == unstaged
    assert list(summary.untracked) == sorted(untracked)
    assert list(summary.conflicted) == sorted(conflicted)


def walk(truth: Truth, prefix: bytes) -> list[tuple[bytes, Truth]]:
    found = [(prefix, truth)]
    for path, inner in truth.nested.items():
        found += walk(inner, prefix + path + b"/")
    return found


def summary_below(truth: Truth, prefix: bytes) -> tuple[dict[bytes, str], dict[bytes, str], set[bytes], set[bytes]]:
    staged: dict[bytes, str] = {}
    unstaged: dict[bytes, str] = {}
    untracked: set[bytes] = set()
    conflicted: set[bytes] = set()
    for before, inner in walk(truth, prefix):
        staged |= {before + path: letter for path, letter in inner.staged.items()}
        unstaged |= {
            before + path: letter
            for path, letter in inner.unstaged.items()
            if inner.omitted.get(path) is None and (path not in inner.nested or inner.nested[path].commit is not None)
        }
        untracked |= {before + path for path in inner.untracked}
        conflicted |= {before + path for path in inner.conflicted}
    return staged, unstaged, untracked, conflicted


def ignored_below(truth: Truth, prefix: bytes) -> set[bytes]:
    return {before + path for before, inner in walk(truth, prefix) for path in inner.ignored}


def compare_export(snap: jellyformat.Snapshot, truth: Truth, target: Path) -> None:
    """The exported files against the ones on disk, byte for byte."""
    with snap.open() as box:
        done = jellyformat.export(box, target, any_names=True)
    expected = {before + path: item for before, inner in walk(truth, b"") for path, item in inner.contents.items()}
    stored = {before + path for before, inner in walk(truth, b"") for path in inner.filtered}
    empty = {before + path for before, inner in walk(truth, b"") for path in inner.empty_directories}
    if truth.index_tree is None:
        return
    found: dict[bytes, tuple[int, bytes]] = {}
    root = os.fsencode(target)
    for directory, names, files in os.walk(root):
        if not names and not files and directory != root:
            empty.discard(os.path.relpath(directory, root))
        for file in (*files, *(name for name in names if os.path.islink(os.path.join(directory, name)))):
            full = os.path.join(directory, file)
            mode = os.lstat(full).st_mode
            if stat.S_ISLNK(mode):
                found[os.path.relpath(full, root)] = (0o120000, os.readlink(full))
            else:
                kind = 0o100755 if mode & 0o100 else 0o100644
                found[os.path.relpath(full, root)] = (kind, Path(os.fsdecode(full)).read_bytes())
    assert {truth.omitted.get(path) for path in done.from_head} <= {"filter"}  # as they are in HEAD
    assert {path: item for path, item in found.items() if path not in stored | set(done.from_head)} == expected
    assert stored <= found.keys()
    assert not empty


def test_the_table_is_true() -> None:
    """STATES.md lists every state, with what these tests assert of it."""
    import table

    assert Path(table.__file__).with_name("STATES.md").read_text(encoding="utf-8") == table.table()
