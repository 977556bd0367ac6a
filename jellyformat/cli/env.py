"""``env``: the environment that was noted at the capture."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import bold, common, json_option, print_json, safe
from jellyformat.cli.show import plain
from jellyformat.errors import NoEnvironment
from jellyformat.msgpack import Value
from jellyformat.requirements import packages_of, requirements


@click.command("env")
@click.argument("file")
@click.option(
    "--format", "form", type=click.Choice(["text", "requirements"]), help="requirements: lines for pip install -r."
)
@json_option
@common
def command(file: str, form: str | None, as_json: bool) -> None:
    """The environment of the snapshot in FILE: interpreter, platform, accelerators, packages.

    With --format requirements, `pip install -r` takes what is printed: name==version, and name @ URL for what came from
    a repository or an archive. What pip could not install elsewhere, such as a local directory, stands in a comment.
    Packages that are not on PyPI come from whoever made the snapshot: look at the lines before you install them.
    """
    if as_json and form is not None:
        raise click.UsageError("--json and --format cannot be used together")
    with jellyformat.open(file) as box:
        environment, snapshot_id, name = box.manifest.environment, box.snapshot_id, box.name
    if not environment:
        raise NoEnvironment(
            f"the snapshot in {name} has no environment noted", hint="it was captured with --no-environment"
        )
    if as_json:
        print_json({"file": file, "snapshot_id": snapshot_id, "environment": plain(environment)})
    elif form == "requirements":
        words = [_text(environment[key]) for key in ("language", "version", "platform") if key in environment]
        click.echo(f"# snapshot {snapshot_id[:12]}: {' '.join(words)}")
        for line in requirements(environment):
            click.echo(line)
    else:
        for key, value in environment.items():
            if key != "packages":
                click.echo(f"{bold(f'{safe(key):<16}')} {_text(value)}")
        packages = packages_of(environment)
        click.echo(f"{bold('packages'.ljust(16))} {len(packages)}")
        for package, version, origin in packages:
            click.echo(f"  {safe(package)} {safe(version)}" + ("" if origin is None else f"  ({safe(origin)})"))


def _text(value: Value) -> str:
    """An open value in one line."""
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{safe(key)}: {_text(item)}" for key, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return safe(value) if isinstance(value, bytes) else safe(str(value))
