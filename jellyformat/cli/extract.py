"""``extract``: the container's bytes out of its host."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.output import common, json_option, print_json, safe_name, say, size_text
from jellyformat.newfile import write_new_file


@click.command("extract")
@click.argument("file")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--replace", is_flag=True, help="Write over a file that is there.")
@json_option
@common
def command(file: str, output: Path, replace: bool, as_json: bool) -> None:
    """Write the container in FILE into a file of its own; FILE stays as it is."""
    snap = jellyformat.load(file)
    write_new_file(output, [snap.data], overwrite=replace)
    if as_json:
        print_json({"file": str(output), "snapshot_id": snap.id, "digest": snap.digest, "bytes": len(snap.data)})
    else:
        say(f"{safe_name(output)}: snapshot {snap.id[:12]}, {size_text(len(snap.data))}")
