"""``env``: the environment that was noted at the capture."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import bold, common, json_option, print_json
from jellyformat.cli.show import plain
from jellyformat.format.msgpack import Value
from jellyformat.format.text import visible
from jellyformat.reading import Difference, compare_env


@click.command("env")
@click.argument("file", type=click.Path())
@click.argument("other", type=click.Path(), required=False)
@click.option(
    "--format", "form", type=click.Choice(["text", "requirements"]), help="requirements: lines for pip install -r."
)
@json_option
@common
def command(file: str, other: str | None, form: str | None, as_json: bool) -> None:
    """The environment of the snapshot in FILE: interpreter, platform, accelerators, packages.

    With OTHER: how environment, command and labels of OTHER differ from those of FILE.

    With --format requirements, `pip install -r` takes what is printed: name==version, and name @ URL for what came from
    a repository or an archive. What pip could not install elsewhere, such as a local directory, stands in a comment.
    Packages that are not on PyPI come from whoever made the snapshot: look at the lines before you install them.
    """
    if as_json and form is not None:
        raise click.UsageError("--json and --format cannot be used together")
    if other is not None:
        if form is not None:
            raise click.UsageError("--format is for one file")
        print_differences(compare_env(file, other), as_json=as_json)
        return
    found = jellyformat.env(file)
    environment = found.values
    if as_json:
        print_json({"file": file, "snapshot_id": found.snapshot_id, "environment": plain(environment)})
    elif form == "requirements":
        words = [_text(environment[key]) for key in ("language", "version", "platform") if key in environment]
        click.echo(f"# snapshot {found.snapshot_id[:12]}: {' '.join(words)}")
        for line in found.requirements():
            click.echo(line)
    else:
        for key, value in environment.items():
            if key != "packages":
                click.echo(f"{bold(f'{visible(key):<16}')} {_text(value)}")
        click.echo(f"{bold('packages'.ljust(16))} {len(found.packages)}")
        for package, version, origin in found.packages:
            click.echo(
                f"  {visible(package)} {visible(version)}" + ("" if origin is None else f"  ({visible(origin)})")
            )


def print_differences(found: list[Difference], *, as_json: bool) -> None:
    """What differs besides the code; of each, what it was and what it is."""
    if as_json:
        print_json([{"version": 1, "kind": it.kind, "name": it.name, "old": it.old, "new": it.new} for it in found])
        return
    for item in found:
        old, new = ("none" if value is None else visible(value) for value in (item.old, item.new))
        click.echo(f"{bold(visible(item.name))}: {old} → {new}")
    if not found:
        click.echo("no difference in environment, command and labels", err=True)


def _text(value: Value) -> str:
    """An open value in one line."""
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{visible(key)}: {_text(item)}" for key, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(value) if isinstance(value, bytes) else visible(str(value))
