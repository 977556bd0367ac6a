"""``completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from jellyformat.cli.output import common, program


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common
def command(shell: str) -> None:
    """Print what SHELL needs to complete commands, options and files."""
    root = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    assert kind is not None
    name = "jellyformat" if program() == "jellyformat" else "jelly"  # of `python -m` no shell completes anything
    click.echo(kind(root.command, {}, name, f"_{name.upper()}_COMPLETE").source())
