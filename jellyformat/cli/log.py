"""``log``: every snapshot below the paths as a timeline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import click

import jellyformat
from jellyformat.cli.diff import worktree_side
from jellyformat.cli.output import bold, common, json_option, path_text, plural, print_json, safe, safe_name, safe_path
from jellyformat.cli.show import branch, is_dirty, subject, timestamp
from jellyformat.directories import FILE_NAME, named_by
from jellyformat.errors import Absent, JellyError, NoFile
from jellyformat.fileio import explained, missing
from jellyformat.model import Manifest
from jellyformat.textdiff import changed

_SHOWN = 3


_Change: TypeAlias = list[tuple[str, bytes]] | None
"""What changed since the entry before; None where there is none, or where it cannot be told."""


@dataclass(frozen=True)
class _Entry:
    """One checkpoint with a snapshot."""

    file: Path | str
    manifest: Manifest
    snapshot_id: str
    holder: str
    """The file that holds it, links followed: the host itself, or one beside or in it."""
    box: jellyformat.Container | None
    """Kept open where the file is behind a URL: nothing is to be read twice."""


@click.command("log")
@click.argument("paths", nargs=-1, required=True)
@json_option
@common
def command(paths: tuple[str, ...], as_json: bool) -> None:
    """Every snapshot in the files PATHS, and in all files below the directories PATHS, oldest first.

    A path may be the URL of a file.
    """
    with ExitStack() as stack:
        _log(paths, as_json, stack)


def _log(paths: tuple[str, ...], as_json: bool, stack: ExitStack) -> None:
    entries: list[_Entry] = []
    damaged: list[tuple[Path | str, JellyError]] = []
    for file in _files(paths, damaged):
        try:
            with ExitStack() as opened:
                box = opened.enter_context(jellyformat.open(file))
                holder = box.file or file
                if not isinstance(file, str):
                    holder = os.path.realpath(holder)
                kept = box if isinstance(file, str) else None
                entries.append(_Entry(file, box.manifest, box.snapshot_id, str(holder), kept))
                if isinstance(file, str):
                    stack.push(opened.pop_all())
        except Absent as error:
            if isinstance(file, str) and isinstance(error, NoFile):
                raise  # named, as a path that does not exist is
            continue
        except JellyError as error:
            damaged.append((file, error))
    entries = _once(entries)
    entries.sort(key=lambda entry: (entry.manifest.provenance.time, str(entry.file)))
    changes: list[_Change] = [None]
    for old, new in pairwise(entries):
        try:
            changes.append(_changes(old, new))
        except JellyError as error:  # its manifest is sound, and tells what it was
            changes.append(None)
            damaged.append((new.file, error))
    if as_json:
        print_json([_as_dict(entry, change) for entry, change in zip(entries, changes, strict=False)])
    else:
        for entry, change in zip(entries, changes, strict=False):
            _print(entry, change)
    for file, fault in damaged:
        click.echo(f"{safe_name(file)}: {safe(fault.message)}", err=True)
    if not entries and not as_json:
        click.echo("no snapshots", err=True)


def _files(paths: tuple[str, ...], unread: list[tuple[Path | str, JellyError]]) -> Iterator[Path | str]:
    """The files, as paths; those behind URLs as they were named. ``unread`` gets directories that cannot be read."""

    def note(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):  # gone since it was listed
            return
        place = Path(os.fsdecode(error.filename))
        unread.append((place, explained(error, place, "nothing was changed", output=False)))

    for given in paths:
        path = Path(given)
        if "://" in given and not os.path.lexists(path):
            yield given
            continue
        if not os.path.lexists(path):
            raise missing(path)
        if not path.is_dir():
            yield path
            continue
        for above, directories, names in os.walk(path, onerror=note):
            directories[:] = sorted(name for name in directories if name != ".git")
            if FILE_NAME in names and named_by(Path(above)) is not None:
                yield Path(above)
            for name in sorted(names):
                file = Path(above, name)
                if file.is_file() and not file.is_symlink():
                    yield file


def _once(entries: list[_Entry]) -> list[_Entry]:
    """The entries without those of sidecars, and of files in directories, whose host is there too."""
    found: dict[str, _Entry] = {}
    for entry in entries:
        present = found.get(entry.holder)
        if present is None or os.path.realpath(present.file) == entry.holder:
            found[entry.holder] = entry
    return list(found.values())


def _changes(old: _Entry, new: _Entry) -> list[tuple[str, bytes]]:
    """What changed in the files between two checkpoints."""
    if old.snapshot_id == new.snapshot_id or _trees(old) == _trees(new):
        return []
    with ExitStack() as stack:
        one, two = (entry.box or stack.enter_context(jellyformat.open(entry.file)) for entry in (old, new))
        return changed(worktree_side(one), worktree_side(two))


def _trees(entry: _Entry) -> list[tuple[bytes, bytes | None]]:
    """The worktree tree of each repository; None, which equals nothing, where there is none."""
    return [
        (prefix, None if state.worktree is None else state.worktree.tree)
        for prefix, state in entry.manifest.state.walk()
    ]


def _as_dict(entry: _Entry, change: _Change) -> dict[str, object]:
    manifest = entry.manifest
    head = manifest.state.head
    return {
        "file": str(entry.file),
        "created": timestamp(manifest.provenance.time),
        "snapshot_id": entry.snapshot_id,
        "ref": None if head.ref is None else path_text(head.ref),
        "commit": None if head.commit is None else head.commit.hex(),
        "dirty": is_dirty(manifest),
        "changes": None if change is None else [{"change": letter, "path": path_text(path)} for letter, path in change],
    }


def _print(entry: _Entry, change: _Change) -> None:
    manifest = entry.manifest
    found = manifest.summary
    head = manifest.state.head
    if change is not None:
        click.echo(f"  │ {_change_text(change)}")
    commit = "no commit" if head.commit is None else head.commit.hex()[:10]
    title = "" if found.commit is None else " " + safe(subject(found.commit))
    uncommitted = len(found.staged) + len(found.unstaged) + len(found.untracked) + len(found.conflicted)
    dirty = f" + {plural(uncommitted, 'uncommitted change')}" if uncommitted else ""
    click.echo(f"● {timestamp(manifest.provenance.time)}  {bold(safe_name(entry.file))}  {entry.snapshot_id[:12]}")
    click.echo(f"  │ {commit} on {branch(manifest)}{title}{dirty}")


def _change_text(change: list[tuple[str, bytes]]) -> str:
    if not change:
        return "same files"
    names = ", ".join(f"{letter} {safe_path(path)}" for letter, path in change[:_SHOWN])
    more = "" if len(change) <= _SHOWN else f" and {len(change) - _SHOWN} more"
    return f"changed: {names}{more}"
