"""The capture options of ``snapshot`` and ``embed``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)i?b?", re.IGNORECASE)


def size(text: str) -> int:
    """A size in bytes: a number, or one with k, M, G (powers of 1024)."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no size; say 500000, 500k, 20M or 1G")
    power: int = " kmgt".index(match[2].lower() or " ")
    return int(match[1]) << (10 * power)


def given_of(names: Iterable[str]) -> list[str]:
    """The options among these parameters of the command that runs that somebody has given, as they are written."""
    context = click.get_current_context()
    given = {name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    return [parameter.opts[0] for parameter in context.command.params if parameter.name in given]


def capture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the capture options; they reach the command as ``**options`` for `jellyformat.snapshot`."""
    for option in reversed(
        (
            click.option("--repo", default=".", help="A directory of the repository (here, found upward)."),
            click.option("--history", default="head", show_default=True, help="Commits: head, full, or a number N."),
            click.option(
                "--include",
                multiple=True,
                metavar="GLOB",
                help="Files to take all the same: ignored ones, and what is left out by kind.",
            ),
            click.option(
                "--exclude",
                multiple=True,
                metavar="GLOB",
                help="Files to leave out (as seen from the repository's top).",
            ),
            click.option("--max-file-size", type=size, help="Of one file that HEAD does not have (16M)."),
            click.option("--max-size", type=size, help="Of all of those together (256M)."),
            click.option(
                "--allow-secrets",
                "secrets",
                is_flag=True,
                callback=lambda context, parameter, given: "allow" if given else "refuse",
                help="Take what looks like a secret.",
            ),
            click.option("--environment/--no-environment", default=True, help="Note interpreter and packages."),
            click.option(
                "--trust-repository",
                is_flag=True,
                help="Take the repository though others may have put it there; see also JELLYFORMAT_TRUST.",
            ),
            click.option(
                "--without-git",
                is_flag=True,
                help="Take the files alone where there is no repository, or it cannot be read.",
            ),
            click.option(
                "--with",
                "roots",
                multiple=True,
                metavar="DIR",
                help="Take the repository of DIR too, which the program also runs from.",
            ),
            click.option("--best", is_flag=True, help="Compress for an archive: a tenth fewer bytes, much slower."),
            click.option("--create-repo", is_flag=True, help="Make a repository where there is none."),
        )
    ):
        function = option(function)
    return function


any_names_option = click.option("--any-names", is_flag=True, help="Write names too that not every system can hold.")
copy_option = click.option(
    "--copy", is_flag=True, help="Write FILE anew under this name; other names of it (hard links) keep it as it was."
)
in_place_option = click.option(
    "--in-place",
    is_flag=True,
    help="Copy nothing of FILE, where it would be written anew (safetensors; ext4, xfs). No program may be using FILE "
    "meanwhile: one that has it mapped would see wrong data. Refused where FILE is seen to be open.",
)


drop_signatures_option = click.option(
    "--drop-signatures", is_flag=True, help="Take signatures out, which would no longer hold; sign again."
)


key_option = click.option(
    "--key",
    metavar="PATH|agent",
    help="An SSH key, agent or agent:NAME; else git's user.signingKey, or the agent's first.",
)
signers_option = click.option(
    "--signers",
    type=click.Path(),
    metavar="FILE",
    help="Who may sign, as ssh-keygen and git have it (gpg.ssh.allowedSignersFile).",
)


def labels_of(given: Iterable[str]) -> dict[str, object]:
    """Labels as they are given: ``KEY=VALUE``."""
    labels: dict[str, object] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text!r} is no label; say KEY=VALUE, such as epoch=3")
        labels[key] = value
    return labels


def check_one_output(files: Sequence[Path], output: Path | None) -> None:
    """Refuse one new file for many."""
    if output is not None and len(files) > 1:
        raise click.UsageError(f"-o takes one FILE, and there are {len(files)}")
