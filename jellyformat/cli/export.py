"""``export``: the files alone into a new directory."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.options import any_names_option
from jellyformat.cli.origin import say_origin
from jellyformat.cli.output import command_line, common, json_option, print_json, safe_name, say
from jellyformat.format.paths import show_name
from jellyformat.format.text import decoded, plural, size_text

_SHOWN = 3


@click.command("export")
@click.argument("file", type=click.Path())
@click.argument("directory", type=click.Path(path_type=Path))
@any_names_option
@json_option
@common
def command(file: str, directory: Path, any_names: bool, as_json: bool) -> None:
    """Write the files of the snapshot in FILE into the new or empty DIRECTORY. No repository is touched."""
    say_origin(file)
    done = jellyformat.export(file, directory, any_names=any_names)
    left_out = len(done.omitted)
    if as_json:
        print_json(
            {
                "directory": str(done.directory),
                "files": done.files,
                "size": done.size,
                "omitted": left_out,
                "from_head": [decoded(path) for path in done.from_head],
            }
        )
        return
    say(f"{safe_name(done.directory)}: {plural(done.files, 'file')}, {size_text(done.size)}")
    if left_out:
        shown = command_line("show", file)
        say(f"  {plural(left_out, 'file')} had been left out when it was captured, listed by: {shown}")
    if done.from_head:
        names = ", ".join(show_name(path) for path in done.from_head[:_SHOWN])
        more = f" and {len(done.from_head) - _SHOWN} more" if len(done.from_head) > _SHOWN else ""
        say(f"  as HEAD has them, not as they were on disk (a filter stands between): {names}{more}")
