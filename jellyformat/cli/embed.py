"""``embed``: put a snapshot into a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import jellyformat
from jellyformat.cli.options import capture_options, in_place_option
from jellyformat.cli.output import common, json_option, print_json, safe_name, say
from jellyformat.cli.snapshot import describe


@click.command("embed")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a new file; FILE stays as it is.")
@click.option("--from", "source", type=click.Path(path_type=Path), help="A snapshot made before, in any file.")
@click.option("--replace", is_flag=True, help="Take the place of a snapshot that is there.")
@in_place_option
@capture_options
@json_option
@common
def command(
    file: Path,
    output: Path | None,
    source: Path | None,
    replace: bool,
    in_place: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Capture the repository (or take a snapshot made before) and put it into FILE."""
    if source is None:
        snap = jellyformat.snapshot(**options, carriers=(file,))
    else:
        snap = jellyformat.load(source)
        snap.open().check_hashes()  # a damaged one would stay unnoticed until it is needed
    host = jellyformat.embed(file, snap, out=output, replace=replace, in_place=in_place)
    target = output or file
    if as_json:
        print_json({"file": str(target), "host": host, "snapshot_id": snap.id, "digest": snap.digest})
    else:
        say(f"{safe_name(target)} ({host}): {describe(snap)}")
