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
@click.option("--bind", is_flag=True, help="Put in the hash of the weights, for verify to tell if they are the same.")
@click.option("--as-tensor", is_flag=True, help="In safetensors: as the last tensor, not in the metadata.")
@in_place_option
@capture_options
@json_option
@common
def command(
    file: Path,
    output: Path | None,
    source: Path | None,
    replace: bool,
    bind: bool,
    in_place: bool,
    as_tensor: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Capture the repository (or take a snapshot made before) and put it into FILE.

    FILE may be a directory: a torch distributed checkpoint, a Hugging Face model folder, or one of orbax. A file that
    its own loader would no longer read with a snapshot in it (JSON, gzip, parquet, ...) stays as it is: the snapshot
    goes into FILE.jelly beside it, where every command finds it.
    """
    if source is None:
        snap = jellyformat.snapshot(**options, carriers=(file,))
    else:
        snap = jellyformat.load(source)
        snap.open().check_hashes()  # a damaged one would stay unnoticed until it is needed
    host = jellyformat.embed(file, snap, out=output, replace=replace, bind=bind, in_place=in_place, as_tensor=as_tensor)
    target = output or file
    with jellyformat.open(target) as box:
        holder, digest = box.file, box.digest
    if as_json:
        held_in = None if holder is None else str(holder)
        print_json({"file": str(target), "host": host, "in": held_in, "snapshot_id": snap.id, "digest": digest})
        return
    say(f"{safe_name(target)} ({host}): {describe(snap)}")
    if host == "sidecar" and holder is not None:
        say(f"  in {safe_name(holder)} beside it, for nothing can be put into such a file: keep the two together")
    elif holder is not None:
        say(f"  in {safe_name(holder)}")
