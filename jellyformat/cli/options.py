"""The capture options of ``snapshot`` and ``embed``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)i?b?", re.IGNORECASE)


class Size(click.ParamType[int]):
    """A size in bytes: a number, or one with k, M, G (powers of 1024)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no size; say 500000, 500k, 20M or 1G", param, ctx)
        power: int = " kmgt".index(match[2].lower() or " ")
        return int(match[1]) << (10 * power)


def capture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the capture options; they reach the command as ``**options`` for `jellyformat.snapshot`."""
    for option in reversed(
        (
            click.option("--repo", default=".", help="A directory of the repository (here, found upward)."),
            click.option("--history", default="head", show_default=True, help="Commits: head, full, or a number N."),
            click.option("--include", multiple=True, metavar="GLOB", help="Ignored files to take all the same."),
            click.option(
                "--exclude",
                multiple=True,
                metavar="GLOB",
                help="Files to leave out (as seen from the repository's top).",
            ),
            click.option("--max-file-size", type=Size(), help="Of one file that HEAD does not have (16M)."),
            click.option("--max-size", type=Size(), help="Of all of those together (256M)."),
            click.option(
                "--allow-secrets",
                "secrets",
                flag_value="allow",
                default="refuse",
                help="Take what looks like a secret.",
            ),
            click.option("--environment/--no-environment", default=True, help="Note interpreter and packages."),
            click.option("--create-repo", is_flag=True, help="Make a repository where there is none."),
        )
    ):
        function = option(function)
    return function


in_place_option = click.option(
    "--in-place",
    is_flag=True,
    help="Copy nothing of FILE, where it would be written anew (safetensors; ext4, xfs). No program may be using FILE "
    "meanwhile: one that has it mapped would see wrong data. Refused where FILE is seen to be open.",
)
