"""``undo``: back over restores."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import common, json_option, path_text, plural, print_json, safe, say
from jellyformat.cli.restore import paths, put_aside


@click.command("undo")
@click.argument("directory", default=".")
@click.option("-n", "--steps", default=1, type=click.IntRange(1), help="How many restores to go back over.")
@click.option("--to", type=click.IntRange(0), help="Go to the state of this number, as `history` lists it.")
@json_option
@common
def command(directory: str, steps: int, to: int | None, as_json: bool) -> None:
    """Step back over a restore: everything is as it was before it. What was done since is kept (`redo`)."""
    report(jellyformat.undo(directory, steps, to=to), as_json=as_json)


def report(done: jellyformat.Stepped, *, as_json: bool) -> None:
    """Say what undo or redo has done."""
    if as_json:
        print_json(
            {
                "directory": str(done.directory),
                "steps": done.steps,
                "state": done.state,
                "title": done.title,
                "written": [path_text(path) for path in done.written],
                "removed": [path_text(path) for path in done.removed],
                "kept_ignored": [path_text(path) for path in done.kept_ignored],
                "unavailable": [path_text(path) for path in done.unavailable],
                "detached": done.detached,
                "mended": list(done.mended),
            }
        )
        return
    for line in done.mended:
        say(f"first mended what was half done: {safe(line)}")
    say(f"{done.directory}: {plural(done.steps, 'step')}, now at state {done.state}: {safe(done.title)}")
    say(f"  {plural(len(done.written), 'file')} written, {plural(len(done.removed), 'file')} put aside")
    paths("left alone, noted in .git/info/exclude", done.kept_ignored)
    paths("kept nowhere, left as they are", done.unavailable)
    put_aside(done.directory)
    if done.detached is not None:
        say(f"  the branch {safe(done.detached)} is no longer where it was, so HEAD is detached at the commit it had")
