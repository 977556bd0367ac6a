"""``label``: what somebody says of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.options import copy_option, drop_signatures_option, in_place_option, labels_of
from jellyformat.cli.output import common, json_option, print_json, safe_name, say
from jellyformat.format.text import visible


@click.command("label")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("labels", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--remove", multiple=True, metavar="KEY", help="Take a label away.")
@click.option("--note", help="A text of your own; an empty one takes the note away.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a new file; FILE stays as it is.")
@drop_signatures_option
@copy_option
@in_place_option
@json_option
@common
def command(
    file: Path,
    labels: tuple[str, ...],
    remove: tuple[str, ...],
    note: str | None,
    output: Path | None,
    drop_signatures: bool,
    copy: bool,
    in_place: bool,
    as_json: bool,
) -> None:
    """Set labels of FILE, such as epoch=3 val_loss=0.21; log shows them, and sorts by them.

    The code in FILE stays the same. Values that look like secrets are not stored.
    """
    found = jellyformat.label(
        file,
        labels_of(labels),
        remove=remove,
        note=note,
        out=output,
        drop_signatures=drop_signatures,
        in_place=in_place,
        copy=copy,
    )
    if as_json:
        print_json(
            {
                "file": str(output or file),
                "snapshot_id": found.snapshot_id,
                "digest": found.digest,
                "labels": dict(found.labels),
                "note": found.note,
            }
        )
        return
    said = " ".join(f"{name}={value}" for name, value in found.labels.items())
    say(f"{safe_name(output or file)}: {visible(said) or 'no labels'}")
    if found.note is not None:
        for line in found.note.splitlines():
            say(f"  {visible(line)}")
