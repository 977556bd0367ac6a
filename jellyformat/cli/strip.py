"""``strip``: take the snapshot out."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.options import check_one_output, copy_option, in_place_option
from jellyformat.cli.output import common, each_file, json_option, print_json, safe_name, say


@click.command("strip")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a new file; FILE stays as it is.")
@copy_option
@in_place_option
@json_option
@common
def command(files: tuple[Path, ...], output: Path | None, in_place: bool, copy: bool, as_json: bool) -> int:
    """Take the snapshot out of each FILE: it is as it was before, bit for bit.

    FILE may be a directory. A snapshot beside it, in jelly.FILE.jelly, is removed if FILE is what it was put beside.
    """
    check_one_output(files, output)

    def strip(file: Path) -> None:
        host = jellyformat.strip(file, out=output, in_place=in_place, copy=copy)
        target = output or file
        if as_json:
            print_json({"file": str(target), "host": host}, line=len(files) > 1)
        else:
            say(f"{safe_name(target)} ({host}): as it was before")

    return each_file(files, strip, json=as_json)
