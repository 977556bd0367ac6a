"""``index``: what `log` needs of many checkpoints, kept in a file."""

from __future__ import annotations

import os
import re
import sys

import click

from jellyformat.cli.output import codes_of, common, json_option, print_json, safe_name, say
from jellyformat.format.text import plural, visible
from jellyformat.indexing import Indexed, index_paths

_ADDRESS = re.compile(r"auto|local|[\w+.-]+://.*|[\w.\[\]:-]+:\d+")


@click.command("index")
@click.argument("paths", type=click.Path(), nargs=-1)
@click.option("-o", "--output", required=True, type=click.Path(), metavar="FILE.parquet", help="The index.")
@click.option("--ray", metavar="[ADDRESS]", is_flag=False, flag_value="", help="The workers of a Ray cluster look.")
@click.option("--processes", type=click.IntRange(1), metavar="N", help="So many look here: as many as processors.")
@json_option
@common
def command(paths: tuple[str, ...], output: str, ray: str | None, processes: int | None, as_json: bool) -> int:
    """Keep what `log` needs of many checkpoints in a file: of all in the files PATHS, and below the directories.

    `log`, `grep`, `diff` and `view` then take that file in place of PATHS. Where it is there already, only what has
    changed is read again. A path may be the URL of a file, or what the names of files in a store begin with:
    s3://bucket/runs. DuckDB and all that reads Parquet can ask it more. Needs pyarrow: pip install
    'jellyformat[index]'.

    \b
    Which was best, of many?   jelly index runs -o runs.parquet && jelly log runs.parquet --sort val_loss -n 1
    """
    if ray and not _ADDRESS.fullmatch(ray):  # `--ray PATH`: what stands behind it is no address
        paths, ray = (*paths, ray), ""
    if not paths:
        raise click.UsageError("name the files and directories that the index is to be made of")
    shown = sys.stderr is not None and sys.stderr.isatty() and not click.get_current_context().obj["quiet"]
    try:
        count = processes or _processors()
        made = index_paths(paths, output, processes=count, ray=ray, report=_say_progress if shown else _say_nothing)
    finally:
        if shown:
            click.echo("\r\x1b[K", err=True, nl=False)
    if as_json:
        print_json(_as_dict(made))
    for name, error in made.unreadable:
        click.echo(f"{safe_name(name)}: {visible(error.message)}", err=True)
    if not as_json:
        say(_told(made), err=False)
    return codes_of(error.exit_code for _, error in made.unreadable)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say_progress(count: int) -> None:
    if count % 100 == 0:
        click.echo(f"\r{count} files", err=True, nl=False)


def _say_nothing(count: int) -> None:
    pass


def _told(made: Indexed) -> str:
    more = [f"{plural(made.read, 'file')} read", f"{made.unchanged} unchanged"]
    more += [f"{plural(made.without, 'file')} without a snapshot"] if made.without else []
    more += [f"{plural(made.gone, 'checkpoint')} not in it any more"] if made.gone else []
    more += [f"{len(made.unreadable)} could not be read"] if made.unreadable else []
    return f"{safe_name(made.file)}: {plural(made.checkpoints, 'checkpoint')} ({', '.join(more)})"


def _as_dict(made: Indexed) -> dict[str, object]:
    return {
        "file": str(made.file),
        "checkpoints": made.checkpoints,
        "read": made.read,
        "unchanged": made.unchanged,
        "gone": made.gone,
        "without": made.without,
        "unreadable": [{"file": name, "error": error.to_json()} for name, error in made.unreadable],
    }
