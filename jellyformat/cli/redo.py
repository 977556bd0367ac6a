"""``redo``: forward again after ``undo``."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import common, json_option
from jellyformat.cli.undo import report


@click.command("redo")
@click.argument("directory", default=".")
@click.option("-n", "--steps", default=1, type=click.IntRange(1), help="How many steps to go forward.")
@json_option
@common
def command(directory: str, steps: int, as_json: bool) -> None:
    """Step forward again after `undo`."""
    report(jellyformat.redo(directory, steps), as_json=as_json)
