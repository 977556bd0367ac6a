"""``restore``: the repository put into the state of a snapshot."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

import jellyformat
from jellyformat.cli.output import common, json_option, path_text, plural, print_json, safe, safe_path, say
from jellyformat.undolog import DIRECTORY


@click.command("restore")
@click.argument("file")
@click.argument("directory", required=False)
@click.option("--any-names", is_flag=True, help="Write names too that not every system can hold.")
@click.option("--without-operation", is_flag=True, help="Leave out a rebase, am or bisect that was in progress.")
@json_option
@common
def command(file: str, directory: str | None, any_names: bool, without_operation: bool, as_json: bool) -> None:
    """Put the repository at DIRECTORY (default: here) into the state of the snapshot in FILE.

    With no repository at DIRECTORY a new one is made. What was there is kept: `undo` brings it back.
    """
    done = jellyformat.restore(file, directory, any_names=any_names, without_operation=without_operation)
    if as_json:
        print_json(
            {
                "directory": str(done.directory),
                "created": done.created,
                "commit": done.commit,
                "branch": done.branch,
                "snapshot_id": done.snapshot_id,
                "written": [path_text(path) for path in done.written],
                "removed": [path_text(path) for path in done.removed],
                "kept_ignored": [path_text(path) for path in done.kept_ignored],
                "filtered": [path_text(path) for path in done.filtered],
                "unavailable": [path_text(path) for path in done.unavailable],
                "remotes": list(done.remotes),
                "state": done.state,
                "mended": list(done.mended),
            }
        )
        return
    for line in done.mended:
        say(f"first mended what was half done: {safe(line)}")
    commit = "no commit yet" if done.commit is None else done.commit[:10]
    branch = "" if done.branch is None else f" (was on {safe(done.branch)})"
    made = "a new repository" if done.created else "the repository"
    say(f"{done.directory}: {made} is at {commit}{branch}, snapshot {done.snapshot_id[:12]}")
    say(f"  {plural(len(done.written), 'file')} written, {plural(len(done.removed), 'file')} put aside")
    paths("left alone, noted in .git/info/exclude", done.kept_ignored)
    paths("as git stores them, no filter was run", done.filtered)
    paths("NOT in the snapshot", done.unavailable)
    put_aside(done.directory)
    where = "" if directory is None else f" {directory}"
    say(f"  everything that was there is kept; to go back: python -m jellyformat undo{where}")


def put_aside(directory: Path) -> None:
    """Where the current directory went with what is kept, a shell there would go on writing in it: that is said."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        gone = True
    else:
        gone = ".git" in here.parts and DIRECTORY in here.parts
    if gone:
        say(f"  the directory you are in was put aside: cd {shlex.quote(str(directory))}")


def paths(title: str, found: tuple[bytes, ...]) -> None:
    """Some paths, a few of them by name."""
    if found:
        names = ", ".join(safe_path(path) for path in found[:3])
        say(f"  {title}: {names}{'' if len(found) <= 3 else f' and {len(found) - 3} more'}")
