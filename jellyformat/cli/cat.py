"""``cat``: one file's bytes to stdout."""

from __future__ import annotations

import os

import click

import jellyformat
from jellyformat.cli.output import common, write_bytes


@click.command("cat")
@click.argument("file", type=click.Path())
@click.argument("path")
@common
def command(file: str, path: str) -> None:
    """The bytes of PATH in the snapshot in FILE, as they were on disk."""
    name = os.fsencode(path)
    while name.startswith(b"./"):  # as shells complete it
        name = name[2:].lstrip(b"/")
    with jellyformat.open(file) as box:
        content = box.read(name)
    write_bytes(content)
