"""``sign``: a checkpoint's snapshot signed with an SSH key."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.options import check_one_output, copy_option, drop_signatures_option, in_place_option, key_option
from jellyformat.cli.output import common, each_file, json_option, print_json, safe_name, say
from jellyformat.format.text import plural


@click.command("sign")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@key_option
@click.option("--bind", is_flag=True, help="Put in the hash of the weights: the signature is for them, too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a new file; FILE stays as it is.")
@drop_signatures_option
@copy_option
@in_place_option
@json_option
@common
def command(
    files: tuple[Path, ...],
    key: str | None,
    bind: bool,
    output: Path | None,
    drop_signatures: bool,
    copy: bool,
    in_place: bool,
    as_json: bool,
) -> int:
    """Sign the snapshot in each FILE with an SSH key, as git signs commits.

    ssh-keygen signs: agents, security keys and passphrases work as they do elsewhere. A signature of yours that is
    there gives way to the new one; those of others stay. It vouches for the code, and with --bind for the weights.
    """
    check_one_output(files, output)

    def sign(file: Path) -> None:
        target = output or file
        found = jellyformat.sign(
            file, key, bind=bind, out=output, drop_signatures=drop_signatures, in_place=in_place, copy=copy
        )
        with jellyformat.open(target) as box:
            bound = "binding" in box.manifest.extensions
            digest, snapshot_id = box.digest, box.snapshot_id
        if as_json:
            print_json(
                {
                    "file": str(target),
                    "snapshot_id": snapshot_id,
                    "digest": digest,
                    "bound": bound,
                    "signatures": [item.to_json() for item in found],
                },
                line=len(files) > 1,
            )
            return
        what = "the code and the weights" if bound else "the code, not the weights (--bind is for both)"
        mine = found[-1]
        say(f"{safe_name(target)}: signed with {mine.key_type} {mine.fingerprint}, for {what}")
        if len(found) > 1:
            say(f"  it has {plural(len(found), 'signature')}")

    return each_file(files, sign, json=as_json)
