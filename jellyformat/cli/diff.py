"""``diff``: the uncommitted changes, or code against code."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import click

import jellyformat
from jellyformat.cli.output import common, json_option, path_text, print_json
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

    OTHER is another file with a snapshot, or a directory.
    """
    with ExitStack() as stack:
        box = stack.enter_context(jellyformat.open(file))
        mine = worktree_side(box)
        if other is None:
            old, new = head_side(box), mine
        elif Path(other).is_dir():
            old, new = mine, directory_side(Path(other), box)
        else:
            old, new = mine, worktree_side(stack.enter_context(jellyformat.open(other)))
        if as_json:
            print_json([{"change": letter, "path": path_text(path)} for letter, path in changed(old, new)])
        elif stat:
            for letter, path in changed(old, new):
                click.echo(f"{letter} {path_text(path)}".encode(errors="surrogateescape"))
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


def directory_side(directory: Path, box: jellyformat.Container) -> Files:
    """The files of a directory: those git would take where it is a repository, else all."""
    from jellyformat.errors import JellyError, NoRepository

    try:
        snap = jellyformat.snapshot(directory, environment=False, oversize="omit")
    except NoRepository:
        return _plain_directory(os.fsencode(directory), box.manifest.state.object_format)
    except JellyError as error:
        raise click.ClickException(f"{directory} cannot be read as a repository: {error.message}") from error
    return worktree_side(snap.open())


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
    terminal = sys.stdout.isatty() and click.get_current_context().color is not False
    out = sys.stdout.buffer
    for line in patch(old, new):
        if terminal:
            text = "".join(
                char if char.isprintable() or char in "\t\n" else char.encode("unicode_escape").decode()
                for char in line.decode("utf-8", "replace")
            )
            click.secho(text, fg=_COLOURS.get(line[:1]), nl=False)
        else:
            out.write(line)
    out.flush()
