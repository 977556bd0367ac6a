"""One state restored over another, undone, redone: everything has to be equal."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from images import QUIET, Built, Image, differences, image, refs, remove, said, take
from states import git

import jellyformat
from jellyformat.exports import files as exporter
from jellyformat.format.model import State
from jellyformat.format.objects import GITLINK

OWN_RULES = frozenset(
    # what git says of these depends on configuration, which is not part of a snapshot, or on files left out
    (
        "autocrlf_true", "autocrlf_input", "attributes_everywhere", "lfs", "lfs_changed", "encrypted", "special_files",
        "unsafe_names", "bare", "bare_unborn", "filemode_false", "symlinks_false",
        "sparse_cone", "sparse_patterns", "sparse_index",
        "sparse_file_present", "partial_clone_blobs_missing", "ignored_by_all_rules", "all_ignored", "replace_refs",
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


@dataclass(frozen=True)
class Look:
    """A repository as it is: its files, its refs, what git says, and which files they are.

    Attributes:
        files: Byte for byte.
        stamps: Inode and modification time of the files in the worktree.
    """

    files: Image
    refs: bytes
    said: dict[str, bytes]
    stamps: dict[bytes, tuple[int, int]]

    @classmethod
    def at(cls, target: Path, *, asked: Look | None = None) -> Look:
        """The repository at ``target``; ``asked`` has what git says, where that is known."""
        files = image(target)
        stamps = {}
        for path, (mode, _) in files.items():
            if not stat.S_ISDIR(mode) and b".git" not in path.split(b"/"):
                found = os.lstat(os.path.join(os.fsencode(target), path))
                stamps[path] = found.st_ino, found.st_mtime_ns
        if asked is not None:
            return cls(files, asked.refs, asked.said, stamps)
        return cls(files, refs(target), said(target), stamps)


class Under:
    """A state that others are restored over, one after another: each is undone, so it stays what it is.

    Args:
        name: The state.
        built: Where states are built.
        place: A directory for it that does not exist.
    """

    def __init__(self, name: str, built: Built, place: Path) -> None:
        self.name, self._built, self._place = name, built, place
        self.target = built.fresh(name, place)
        self._git_dir = self.target if (self.target / "HEAD").exists() else self.target / ".git"
        if self._git_dir.is_file():
            self._git_dir = self.target / self._git_dir.read_text().removeprefix("gitdir:").strip()
        self._packs = _packs(place)
        self._before = Look.at(self.target)
        self._checked = _fsck(self.target)

    def __enter__(self) -> Under:
        return self

    def __exit__(self, *unused: object) -> None:
        remove(self._place)

    def settle(self) -> None:
        """Check that git still says what it said at first, and that no object is missing that was there."""
        _same(self._before, Look.at(self.target), "in the end")
        checked = _fsck(self.target)
        if checked != self._checked:
            raise Wrong(f"git fsck: {self._checked!r} → {checked!r}")

    def check(self, over: str) -> str:
        """Restore the state ``over``; what came of it: ``done`` or the class of the refusal."""
        try:
            return self._check(over, self._built.snapshot(over))
        except jellyformat.JellyError as error:
            raise Wrong(f"{error.error_class}: {error.message}") from error
        finally:
            self._forget()

    def _forget(self) -> None:
        """Begin the history list anew; packs that came are no longer needed, and git would look into each of them."""
        shutil.rmtree(self._git_dir / "jellyformat", ignore_errors=True)
        for pack in _packs(self._place) - self._packs:
            pack.unlink()

    def _check(self, over: str, file: Path) -> str:
        target, before = self.target, self._before
        try:
            done = jellyformat.restore(file, target, any_names=True, without_operation=True, anyway=True)
        except jellyformat.JellyError as error:
            if error.exit_code != 4:
                raise
            _same(before, Look.at(target, asked=before), "refused, and changed")
            return error.error_class
        after = Look.at(target)
        with jellyformat.open(file) as box:
            wanted = box.manifest.state
            exporter.validate(box)
            leaves = {} if wanted.worktree is None else box.checker.flat(wanted).worktree
            links = {path for path, leaf in leaves.items() if leaf.mode == GITLINK}
        if after.refs != before.refs:
            raise Wrong(f"refs: {before.refs!r} → {after.refs!r}")
        if over not in OWN_RULES and self.name not in OWN_RULES:
            for name, text in self._built.said(over).items():
                if after.said[name] != text:
                    raise Wrong(f"git says another {name}:\n{text!r}\n{after.said[name]!r}")
        if over not in LEFT_OUT and self.name not in OWN_RULES and wanted.worktree is not None:
            again = take(target).manifest.state
            # a submodule that was not initialised may be: where there is a clean one of that commit, it stays
            links -= {nested.path for nested in wanted.submodules}
            nested = tuple(item for item in again.submodules if item.path not in links)
            again = replace(again, submodules=nested)
            kinds = ("rebase", "am", "bisect")
            dropped = wanted.operation is not None and wanted.operation.kind in kinds
            expected = replace(wanted, operation=None) if dropped else wanted
            if plain(again) != plain(expected):
                raise Wrong(f"captured again it is another state:\n{plain(expected)}\n{plain(again)}")
        if done.state != 0:
            raise Wrong(f"state {done.state}")
        _untouched(before, after)
        jellyformat.undo(target)
        # where every byte is the same git says the same; `settle` asks it all the same
        _same(before, Look.at(target, asked=before), "undone")
        jellyformat.redo(target)
        _same(after, Look.at(target, asked=after), "redone")
        jellyformat.undo(target)
        _same(before, Look.at(target, asked=before), "undone twice")
        return "done"


def _packs(place: Path) -> set[Path]:
    """Packs and their indexes, of nested repositories too."""
    return set(place.rglob("objects/pack/pack-*"))


def _fsck(path: Path) -> bytes:
    """What git finds missing or broken."""
    return git(path, "fsck", "--no-dangling", "--no-progress", extra=QUIET, fails=True)


def _untouched(before: Look, after: Look) -> None:
    """Files that do not differ were not rewritten."""
    for path in before.stamps.keys() & after.stamps.keys():
        if before.files[path] == after.files[path] and before.stamps[path] != after.stamps[path]:
            raise Wrong(f"{os.fsdecode(path)!r} is the same, and was written again")


def _same(one: Look, two: Look, when: str) -> None:
    found = differences(one.files, two.files)
    if found:
        raise Wrong(f"{when}: " + "\n  ".join(found[:12]))
    if one.refs != two.refs or one.said != two.said:
        raise Wrong(f"{when}, git says:\n{one.refs!r} {one.said}\n{two.refs!r} {two.said}")
    if one.stamps != two.stamps:
        moved = [os.fsdecode(path) for path in one.stamps if one.stamps[path] != two.stamps.get(path)]
        raise Wrong(f"{when}: other inodes or times: {moved[:12]}")
