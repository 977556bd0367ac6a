"""``run``: a program in a directory that holds the files of a snapshot."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from jellyformat.cli.options import any_names_option
from jellyformat.cli.output import common, say
from jellyformat.running import is_known, run


def say_whose(file: str) -> bool:
    """Say that code is to run that nothing here shows to be the user's own; whether there was anything to say."""
    if is_known(file):
        return False
    say(
        "note: no repository here has the commit of this code, so it may be somebody else's; it runs with all that "
        "you may do",
        err=True,
    )
    return True


@click.command("run", context_settings={"allow_interspersed_args": False}, options_metavar="[OPTIONS]")
@click.argument("file", type=click.Path())
@click.argument("arguments", metavar="-- CMD…", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="A new directory for the files, which stays.")
@any_names_option
@common
def command(file: str, arguments: tuple[str, ...], directory: Path | None, any_names: bool) -> int:
    """Run CMD in a temporary directory that holds the files of the snapshot in FILE; the exit status is CMD's.

    JELLYFORMAT_FILE holds the whole path of FILE. This runs code of the snapshot: do it only where you would run its
    author's programs. The files are there, and no repository; the directory is removed when CMD is done.
    """
    if arguments[0] == "--":  # as click leaves it behind FILE
        arguments = arguments[1:]
    if not arguments:
        raise click.UsageError("which command?")
    say_whose(file)
    sys.stdout.flush()
    return run(file, arguments, directory, any_names=any_names)
