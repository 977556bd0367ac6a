"""``diff``: the uncommitted changes, or code against code."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

import jellyformat
from jellyformat.cli.env import print_differences
from jellyformat.cli.output import common, json_option, print_json
from jellyformat.cli.pager import is_terminal, page
from jellyformat.comparing import Form
from jellyformat.files import durable
from jellyformat.fleet.index import is_index
from jellyformat.format.text import decoded, plural
from jellyformat.gathering import named_in
from jellyformat.reading import compare_env


class _Command(click.Command):
    """Everything behind ``--`` is paths, even where OTHER is not given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        before, paths = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        ctx.ensure_object(dict)
        ctx.meta["jellyformat.paths"] = tuple(paths)
        return super().parse_args(ctx, before)


@click.command("diff", cls=_Command)
@click.argument("file", type=click.Path())
@click.argument("other", type=click.Path(), required=False)
@click.argument("third", type=click.Path(), required=False, metavar="")
@click.option("--stat", "form", flag_value="stat", help="Only the files, with how many lines changed.")
@click.option("--name-only", "form", flag_value="names", help="Only the names of the files.")
@click.option("--word-diff", "form", flag_value="words", help="Word by word.")
@click.option("--env", "environment", is_flag=True, help="Environment, command and labels, not the code.")
@click.option("--cells/--no-cells", default=None, help="Notebooks cell by cell (on a terminal, if nbdime is there).")
@json_option
@common
@click.pass_context
def command(
    context: click.Context,
    file: str,
    other: str | None,
    third: str | None,
    form: Form | None,
    environment: bool,
    cells: bool | None,
    as_json: bool,
) -> None:
    """The uncommitted changes in FILE (HEAD against the files on disk), or the code of FILE against OTHER.

    OTHER is another file with a snapshot, or a directory. Behind an index, FILE and OTHER are checkpoints that it
    names: by their file, or by the first digits of their code or commit, as `log` shows them; OTHER may be a directory
    there, too. Paths behind -- limit it to these. git compares, where it is installed, and finds what was renamed. On a
    terminal it is only said that binary files differ; in a file or pipe they are in the patch, and `git apply` takes
    it. A terminal has it through the pager that git uses.
    """
    paths: tuple[str, ...] = context.meta["jellyformat.paths"]
    if is_index(file):
        if other is None:
            raise click.UsageError("name one or two of the checkpoints in the index: jelly diff INDEX FILE [OTHER]")
        if third is None or durable.is_directory(Path(third)):
            file, other = named_in(file, other)[0], third
        else:
            file, other = named_in(file, other, third)
    elif third is not None:
        raise click.UsageError("diff takes two files; paths stand behind --, and a third one only behind an index")
    if environment:
        if other is None or form is not None or paths:
            raise click.UsageError("--env takes two files and nothing else")
        print_differences(compare_env(file, other), as_json=as_json)
        return
    with jellyformat.diff(file, other) as found:
        unknown = len(found.not_compared)
        if unknown:
            click.echo(f"not compared, since left out of a snapshot: {plural(unknown, 'file')}", err=True)
        if as_json:
            if paths or form is not None:
                raise click.UsageError("--json lists all changes; it goes with no paths and no other form")
            print_json([{"version": 1, "change": letter, "path": decoded(path)} for letter, path in found.changes])
            return
        terminal = is_terminal()
        colour = terminal and context.color is not False
        if cells if cells is not None else terminal and form is None and find_spec("nbdime") is not None:
            page(found.cells(paths=paths, colour=colour))
        else:
            page(found.lines(form or "patch", paths=paths, colour=colour, binary=not terminal))
