"""One state restored over another, undone, redone: everything has to be equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from images import Built, Image, differences, image, refs, remove, said, take

import jellyformat
from jellyformat.model import State

OWN_RULES = frozenset(
    # what git says of these depends on configuration, which is not part of a snapshot, or on files left out
    (
        "autocrlf_true", "autocrlf_input", "attributes_everywhere", "lfs", "lfs_changed", "encrypted", "special_files",
        "unsafe_names", "bare", "bare_unborn", "filemode_false", "symlinks_false",
        "sparse_cone", "sparse_patterns", "sparse_index",
        "sparse_file_present", "ignored_by_all_rules", "replace_refs",
    )
)  # fmt: skip
LEFT_OUT = frozenset(("special_files", "unsafe_names", "encrypted", "device", "unreadable", "bare", "bare_unborn"))


class Wrong(AssertionError):
    """What differs."""


def plain(state: State) -> State:
    """A state without what a restore does not give back: the branch, and lists of what was left out."""
    worktree = state.worktree
    if worktree is not None:
        worktree = replace(worktree, omitted=(), converted=(), filtered=())
    nested = tuple(replace(item, state=plain(item.state)) for item in state.submodules)
    return replace(
        state, head=replace(state.head, ref=None if state.head.commit else b"x"), worktree=worktree, submodules=nested
    )


def check(over: str, under: str, built: Built, place: Path) -> str:
    """Restore the state ``over`` onto ``under``; what came of it: ``done`` or the class of the refusal."""
    file, source = built.snapshot(over), built.repository(over)
    target = built.fresh(under, place)
    try:
        return _check(over, under, source, target, file)
    finally:
        remove(place)


def _check(over: str, under: str, source: Path, target: Path, file: Path) -> str:
    before, refs_before, said_before = image(target), refs(target), said(target)
    try:
        done = jellyformat.restore(file, target, any_names=True, without_operation=True)
    except jellyformat.JellyError as error:
        if error.exit_code != 4:
            raise
        _same(before, image(target), "refused, and changed")
        return error.error_class
    after = image(target)
    with jellyformat.open(file) as box:
        wanted = box.manifest.state
    config_free = over not in OWN_RULES and under not in OWN_RULES
    if refs(target) != refs_before:
        raise Wrong(f"refs: {refs_before!r} → {refs(target)!r}")
    said_after = said(target)
    said_there = said(source)
    if config_free:
        for name, text in said_there.items():
            if said_after[name] != text:
                raise Wrong(f"git says another {name}:\n{text!r}\n{said_after[name]!r}")
    if over not in LEFT_OUT and under not in OWN_RULES and wanted.worktree is not None:
        again = take(target).manifest.state
        kinds = ("rebase", "am", "bisect")
        expected = replace(wanted, operation=None) if wanted.operation and wanted.operation.kind in kinds else wanted
        if plain(again) != plain(expected):
            raise Wrong(f"captured again it is another state:\n{plain(expected)}\n{plain(again)}")
    if done.state != 0:
        raise Wrong(f"state {done.state}")
    jellyformat.undo(target)
    _same(before, image(target), "undone")
    if refs(target) != refs_before or said(target) != said_before:
        raise Wrong(f"undone, git says:\n{said_before}\n{said(target)}")
    jellyformat.redo(target)
    _same(after, image(target), "redone")
    if said(target) != said_after or refs(target) != refs_before:
        raise Wrong(f"redone, git says:\n{said_after}\n{said(target)}")
    jellyformat.undo(target)
    _same(before, image(target), "undone twice")
    return "done"


def _same(one: Image, two: Image, when: str) -> None:
    found = differences(one, two)
    if found:
        raise Wrong(f"{when}: " + "\n  ".join(found[:12]))
