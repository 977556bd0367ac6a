"""``export``: the files alone into a new directory."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.output import common, json_option, plural, print_json, safe_name, say, size_text
from jellyformat.cli.show import omissions


@click.command("export")
@click.argument("file")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--any-names", is_flag=True, help="Write names too that not every system can hold.")
@json_option
@common
def command(file: str, directory: Path, any_names: bool, as_json: bool) -> None:
    """Write the files of the snapshot in FILE into the new or empty DIRECTORY. No repository is touched."""
    with jellyformat.open(file) as box:
        done = jellyformat.export(box, directory, any_names=any_names)
        left_out = len(omissions(box.manifest))
    if as_json:
        print_json({"directory": str(done.directory), "files": done.files, "size": done.size, "omitted": left_out})
        return
    say(f"{safe_name(done.directory)}: {plural(done.files, 'file')}, {size_text(done.size)}")
    if left_out:
        say(f"  {plural(left_out, 'file')} had been left out when it was captured; `show` lists them")
