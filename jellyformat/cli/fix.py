"""``fix``: find what is broken or half done, and mend it."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import common, in_words, json_option, print_json, safe_name, say
from jellyformat.format.text import visible


@click.command("fix")
@click.argument("path", default=".", metavar="[FILE or DIR]")
@click.option("--dry-run", is_flag=True, help="Only say what there is.")
@click.option("--adopt", is_flag=True, help="Take over the history of a repository that was copied, moved or unpacked.")
@json_option
@common
def command(path: str, dry_run: bool, adopt: bool, as_json: bool) -> int:
    """Mend what was broken off: an embed, a restore, an undo; stale locks and temporary files; a damaged history list.

    DIR (default: here) stands for the repository that holds it, and all files below it. Nothing is ever lost by it.
    """
    found = jellyformat.fix(path, dry_run=dry_run, adopt=adopt)
    if as_json:
        print_json([{"path": str(item.path), "what": in_words(item.what), "mended": item.mended} for item in found])
    for item in found if not as_json else ():
        mark = "-" if not item.mended else "would mend" if dry_run else "mended"
        say(f"{mark}: {safe_name(item.path)}: {visible(in_words(item.what))}")
    left = [item for item in found if not item.mended]
    if not found and not as_json:
        say("nothing is broken or half done")
    return 1 if left and not dry_run else 0
