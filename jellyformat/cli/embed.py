"""``embed``: put a snapshot into a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import jellyformat
from jellyformat.cli.options import (
    capture_options,
    check_one_output,
    copy_option,
    drop_signatures_option,
    given_of,
    in_place_option,
    key_option,
    labels_of,
)
from jellyformat.cli.output import common, each_file, json_option, print_json, safe_name, say
from jellyformat.cli.snapshot import describe
from jellyformat.format.extensions import SIGNATURES
from jellyformat.format.text import size_text
from jellyformat.hosts.adapter import SplicingAdapter
from jellyformat.hosts.registry import adapters
from jellyformat.trust.settings import wants_signatures

_LARGE = 1 << 30
"""Bytes of a file that takes a while to copy."""


@click.command("embed")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a new file; FILE stays as it is.")
@click.option("--from", "source", type=click.Path(path_type=Path), help="A snapshot made before, in any file.")
@click.option("--replace", is_flag=True, help="Take the place of a snapshot that is there; its labels stay.")
@click.option("--bind", is_flag=True, help="Put in the hash of the weights, for verify to tell if they are the same.")
@click.option("--as-tensor", is_flag=True, help="In safetensors: as the last tensor, not in the metadata.")
@click.option(
    "--trailer", is_flag=True, help="Inside a file of a kind that is not known: its reader has to stop by itself."
)
@click.option("--sidecar", is_flag=True, help="Into a file beside FILE, which stays as it is.")
@click.option("--directory", is_flag=True, help="FILE is a directory of any kind, and all of it one checkpoint.")
@copy_option
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Such as epoch=3; log shows it.")
@click.option("--note", help="A text of your own.")
@click.option("--sign/--no-sign", default=None, help="Sign it; else as git's jellyformat.sign says. See jelly sign.")
@key_option
@drop_signatures_option
@in_place_option
@capture_options
@json_option
@common
def command(
    files: tuple[Path, ...],
    output: Path | None,
    source: Path | None,
    replace: bool,
    bind: bool,
    as_tensor: bool,
    trailer: bool,
    copy: bool,
    sidecar: bool,
    directory: bool,
    labels: tuple[str, ...],
    note: str | None,
    sign: bool | None,
    key: str | None,
    drop_signatures: bool,
    in_place: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Capture the repository (or take a snapshot made before) and put it into each FILE.

    FILE may be a directory: a torch distributed checkpoint, a Hugging Face model folder, one of orbax, or, with
    --directory, any other. A file that
    its own loader would no longer read with a snapshot in it (JSON, gzip, parquet, ...), or of which that is not known
    (raw arrays, ...), stays as it is: the snapshot goes into jelly.FILE.jelly beside it, where every command finds it.
    """
    check_one_output(files, output)
    if key is not None and sign is False:
        raise click.UsageError("leave out either --key or --no-sign")
    asked = wants_signatures() if sign is None and key is None else sign is not False
    said = labels_of(labels)
    if source is None:
        snap = jellyformat.snapshot(**options, carriers=files, captured="command")
    else:
        if ignored := given_of(options):
            say(f"warning: {', '.join(ignored)}: ignored, as --from takes a snapshot as it is", err=True)
        snap = jellyformat.load(source)
        snap.open().check_hashes()  # a damaged one would stay unnoticed until it is needed

    def embed(file: Path) -> None:
        host = jellyformat.embed(
            file,
            snap,
            out=output,
            replace=replace,
            bind=bind,
            in_place=in_place,
            as_tensor=as_tensor,
            trailer=trailer,
            copy=copy,
            sidecar=sidecar,
            directory=directory,
            labels=said,
            note=note,
            drop_signatures=drop_signatures,
            sign=asked and (key or True),
        )
        _tell(output or file, host, snap, as_json, line=len(files) > 1)
        if not (in_place or as_json) and output is None and _was_copied(file, host):
            say(
                f"  {size_text(file.stat().st_size)} were copied; --in-place copies nothing, where no program uses FILE"
            )

    return each_file(files, embed, json=as_json)


def _was_copied(file: Path, host: str) -> bool:
    """Whether so large a file was written anew that it is worth a word that this need not be."""
    kinds = {adapter.name for adapter in adapters() if isinstance(adapter, SplicingAdapter)}
    return host in kinds and file.stat().st_size >= _LARGE


def _tell(target: Path, host: str, snap: jellyformat.Snapshot, as_json: bool, *, line: bool) -> None:
    with jellyformat.open(target) as box:
        holder, digest, signed = box.file, box.digest, SIGNATURES in box.manifest.extensions
    if as_json:
        held_in = None if holder is None else str(holder)
        told = {"file": str(target), "host": host, "in": held_in, "snapshot_id": snap.id, "digest": digest}
        print_json(told | {"signed": signed}, line=line)
        return
    say(f"{safe_name(target)} ({host}): {describe(snap)}")
    if signed:
        say("  signed")
    if host == "sidecar" and holder is not None:
        say(f"  in {safe_name(holder)} beside it: keep the two together")
    elif holder is not None:
        say(f"  in {safe_name(holder)}")
