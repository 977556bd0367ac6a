"""``undo``: back over restores."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import command_line, common, json_option, print_json, safe_name, say
from jellyformat.cli.restore import paths, put_aside
from jellyformat.format.text import decoded, plural, visible


@click.command("undo")
@click.argument("directory", default=".")
@click.option("-n", "--steps", default=1, type=click.IntRange(1), help="How many restores to go back over.")
@click.option("--to", type=click.IntRange(0), help="Go to the state of this number, as `history` lists it.")
@json_option
@common
def command(directory: str, steps: int, to: int | None, as_json: bool) -> None:
    """Step back over a restore: everything is as it was before it. What was done since is kept (`redo`)."""
    done = jellyformat.undo(directory, steps, to=to)
    report(done, as_json=as_json)
    if done.aside is not None and not as_json:
        where = () if directory == "." else (directory,)
        say(f"  there was no repository before: the one that restore had made is now {safe_name(done.aside)}")
        say(f"  to bring it back: {command_line('redo', *where)}")


def report(done: jellyformat.Stepped, *, as_json: bool) -> None:
    """Say what undo or redo has done."""
    if as_json:
        print_json(
            {
                "directory": str(done.directory),
                "steps": done.steps,
                "state": done.state,
                "title": done.title,
                "written": [decoded(path) for path in done.written],
                "removed": [decoded(path) for path in done.removed],
                "kept_ignored": [decoded(path) for path in done.kept_ignored],
                "unavailable": [decoded(path) for path in done.unavailable],
                "detached": done.detached,
                "mended": list(done.mended),
                "aside": None if done.aside is None else str(done.aside),
            }
        )
        return
    for line in done.mended:
        say(f"first mended what was half done: {visible(line)}")
    say(f"{safe_name(done.directory)}: {plural(done.steps, 'step')}, now at state {done.state}: {visible(done.title)}")
    say(f"  {plural(len(done.written), 'file')} written, {plural(len(done.removed), 'file')} put aside")
    paths("left alone, noted in .git/info/exclude", done.kept_ignored)
    paths("kept nowhere, left as they are", done.unavailable)
    put_aside(done.directory)
    if done.detached is not None:
        say(
            f"  the branch {visible(done.detached)} is no longer where it was, so HEAD is detached at the commit it had"
        )
