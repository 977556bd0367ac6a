"""``diff``: the uncommitted changes, or code against code."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import click

import jellyformat
from jellyformat.cli.output import common, json_option, path_text, plural, print_json, safe_path, write_bytes
from jellyformat.cli.show import omissions
from jellyformat.objects import BLOB, EXECUTABLE, REGULAR, SYMLINK, object_id
from jellyformat.textdiff import Files, Side, changed, patch

_COLOURS = {b"-": "red", b"+": "green", b"@": "cyan"}


@click.command("diff")
@click.argument("file")
@click.argument("other", required=False)
@click.option("--stat", is_flag=True, help="Only which files differ.")
@json_option
@common
def command(file: str, other: str | None, stat: bool, as_json: bool) -> None:
    """The uncommitted changes in FILE (HEAD against the files on disk), or the code of FILE against OTHER.

    OTHER is another file with a snapshot, or a directory. On a terminal it is only said that binary files differ; in a
    file or pipe they are in the patch, and `git apply` takes it.
    """
    with ExitStack() as stack:
        box = stack.enter_context(jellyformat.open(file))
        mine = worktree_side(box)
        unknown: set[bytes] = set()
        if other is None:
            old, new = head_side(box), mine
        elif Path(other).is_dir():
            old = mine
            new, unknown = directory_side(Path(other), box)
        else:
            theirs = stack.enter_context(jellyformat.open(other))
            old, new, unknown = mine, worktree_side(theirs), left_out(theirs)
        if other is not None:
            unknown |= left_out(box)
            old = {path: side for path, side in old.items() if path not in unknown}
            new = {path: side for path, side in new.items() if path not in unknown}
            if unknown:
                click.echo(f"not compared, since left out of a snapshot: {plural(len(unknown), 'file')}", err=True)
        if as_json:
            print_json([{"change": letter, "path": path_text(path)} for letter, path in changed(old, new)])
        elif stat:
            for letter, path in changed(old, new):
                click.echo(f"{letter} {safe_path(path)}")
        else:
            _print(old, new)


def worktree_side(box: jellyformat.Container) -> Files:
    """The files on disk of a snapshot."""
    return {
        item.path: Side(item.mode, item.oid, lambda oid=item.oid: box.pool.read(oid, BLOB))  # type: ignore[misc]
        for item in box.files()
    }


def head_side(box: jellyformat.Container) -> Files:
    """The files of the HEAD commits of a snapshot, without those its files on disk are only another form of."""
    same: dict[bytes, Side] = {}
    mine = worktree_side(box)
    for prefix, state in box.manifest.state.walk():
        for path in state.worktree.converted if state.worktree is not None else ():
            same[prefix + path] = mine[prefix + path]
        for item in state.worktree.omitted if state.worktree is not None else ():
            same[prefix + item.path] = Side(0, b"", bytes)
    found: dict[bytes, Side] = {}
    for path, leaf in box.head_files().items():
        if path not in same:
            found[path] = Side(leaf.mode, leaf.oid, lambda oid=leaf.oid: box.pool.read(oid, BLOB))  # type: ignore[misc]
        elif same[path].mode:
            found[path] = same[path]
    return found


def left_out(box: jellyformat.Container) -> set[bytes]:
    """The paths of files that were there and are not in a snapshot: nobody knows whether they differ."""
    return {item.path for item in omissions(box.manifest)}


def directory_side(directory: Path, box: jellyformat.Container) -> tuple[Files, set[bytes]]:
    """The files of a directory, and what was left out: those git would take where it is a repository, else all."""
    from jellyformat.errors import NoRepository

    try:
        # nothing of it leaves this machine, so that secrets are no reason to refuse
        snap = jellyformat.snapshot(directory, environment=False, oversize="omit", secrets="allow")
    except NoRepository:
        return _plain_directory(os.fsencode(directory), box.manifest.state.object_format), set()
    other = snap.open()
    return worktree_side(other), left_out(other)


def _plain_directory(root: bytes, object_format: str) -> Files:
    found: dict[bytes, Side] = {}
    for above, directories, names in os.walk(root):
        links = [name for name in directories if Path(os.fsdecode(above + b"/" + name)).is_symlink()]
        for name in [*names, *links]:
            path = Path(os.fsdecode(above + b"/" + name))
            if path.is_symlink():
                content, mode = os.fsencode(path.readlink()), SYMLINK
            elif path.is_file():
                content, mode = path.read_bytes(), EXECUTABLE if path.stat().st_mode & 0o100 else REGULAR
            else:
                continue
            relative = os.path.relpath(above + b"/" + name, root)
            found[relative] = Side(mode, object_id(BLOB, content, object_format), lambda data=content: data)  # type: ignore[misc]
    return found


def _print(old: Files, new: Files) -> None:
    terminal = sys.stdout is not None and sys.stdout.isatty()
    for line in patch(old, new, binary=not terminal):
        if terminal:
            text = "".join(
                char if char.isprintable() or char in "\t\n" else char.encode("unicode_escape").decode()
                for char in line.decode("utf-8", "replace")
            )
            click.secho(text, fg=_COLOURS.get(line[:1]), nl=False)
        else:
            write_bytes(line)
