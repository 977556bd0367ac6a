"""``history``: the states that undo and redo walk."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import bold, common, json_option, print_json, safe
from jellyformat.cli.show import timestamp


@click.command("history")
@click.argument("directory", default=".")
@json_option
@common
def command(directory: str, as_json: bool) -> None:
    """The states of the repository at DIRECTORY that undo and redo lead to, oldest first."""
    found = jellyformat.history(directory)
    if as_json:
        print_json(
            [
                {
                    "state": entry.state,
                    "live": entry.live,
                    "parent": entry.parent,
                    "time": timestamp(entry.time),
                    "title": entry.title,
                    "commit": entry.commit,
                    "snapshot_id": entry.snapshot_id,
                    "undo": entry.undo,
                    "redo": entry.redo,
                }
                for entry in found
            ]
        )
        return
    if not found:
        click.echo("nothing was restored here yet", err=True)
    for entry in found:
        mark = "●" if entry.live else "○"
        commit = "" if entry.commit is None else f"  {entry.commit[:10]}"
        how = f"  (undo -n {entry.undo})" if entry.undo else f"  (redo -n {entry.redo})" if entry.redo else ""
        how = "  (here)" if entry.live else how
        click.echo(f"{mark} {entry.state:>3}  {timestamp(entry.time)}  {bold(safe(entry.title))}{commit}{how}")
