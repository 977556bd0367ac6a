"""``strip``: take the snapshot out."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.options import in_place_option
from jellyformat.cli.output import common, json_option, print_json, safe_name, say


@click.command("strip")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a new file; FILE stays as it is.")
@in_place_option
@json_option
@common
def command(file: Path, output: Path | None, in_place: bool, as_json: bool) -> None:
    """Take the snapshot out of FILE: it is as it was before, bit for bit.

    FILE may be a directory. A snapshot in FILE.jelly beside it is removed if FILE is still what it was put beside.
    """
    host = jellyformat.strip(file, out=output, in_place=in_place)
    target = output or file
    if as_json:
        print_json({"file": str(target), "host": host})
    else:
        say(f"{safe_name(target)} ({host}): as it was before")
