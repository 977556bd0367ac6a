"""``ls``: the files of a snapshot."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import common, json_option, print_json, safe_path
from jellyformat.format.text import decoded


@click.command("ls")
@click.argument("file", type=click.Path())
@click.option("-l", "--long", "long_form", is_flag=True, help="Also mode, size and blob id.")
@click.option("-z", "nul", is_flag=True, help="Paths as they are, each ended by NUL.")
@json_option
@common
def command(file: str, long_form: bool, nul: bool, as_json: bool) -> None:
    """The files of the snapshot in FILE, as they were on disk."""
    with jellyformat.open(file) as box:
        files = box.files()
    if as_json:
        print_json(
            [
                {"path": decoded(item.path), "mode": f"{item.mode:06o}", "size": item.size, "oid": item.oid.hex()}
                for item in files
            ]
        )
        return
    for item in files:
        if nul:
            click.echo(item.path + b"\0", nl=False)
        elif long_form:
            click.echo(f"{item.mode:06o} {item.oid.hex()[:10]} {item.size:>10} {safe_path(item.path)}")
        else:
            click.echo(safe_path(item.path))
