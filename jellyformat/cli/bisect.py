"""``bisect``: which change between two checkpoints did it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import click

import jellyformat
from jellyformat.bisecting import Bisection, Verdict, codes_between
from jellyformat.cli.options import any_names_option
from jellyformat.cli.output import bold, command_line, common, json_option, print_json, safe_name, safe_path, say
from jellyformat.cli.run import say_whose
from jellyformat.format.text import plural, visible
from jellyformat.running import run

_SKIP = 125
_LAST = 127
"""Exit statuses as `git bisect run` takes them: those above end the search."""
_SHOWN = 20


@click.command("bisect")
@click.argument("paths", type=click.Path(), nargs=-1, required=True)
@click.option("--good", required=True, metavar="A", help="A checkpoint whose code is good.")
@click.option("--bad", required=True, metavar="B", help="A later one whose code is bad.")
@click.option("--run", "program_", metavar="CMD", help="Tells by its exit status; else you are asked.")
@any_names_option
@json_option
@common
def command(paths: tuple[str, ...], good: str, bad: str, program_: str | None, any_names: bool, as_json: bool) -> int:
    """Find which change of the code did it, between two checkpoints below PATHS.

    Each code between them is looked at once, halving what is left. With --run, CMD runs in a temporary directory with
    the files of that snapshot, and JELLYFORMAT_FILE holds the checkpoint's path: exit 0 is good, 125 skips, 1 to 127 is
    bad, anything above ends the search. That runs code of the snapshots.
    """
    try:
        search = Bisection(codes_between(paths, good, bad))
    except ValueError as error:
        raise click.UsageError(visible(str(error))) from error
    decide = _asked if program_ is None else _by(_words(program_), any_names=any_names)
    while (entry := search.next()) is not None:
        say(f"{plural(search.left, 'change')} left; {bold(safe_name(entry.file))}")
        verdict = decide(entry)
        if verdict is None:
            click.echo("the search was ended; nothing was changed", err=True)
            return 1
        say(f"  {verdict}")
        search.say(verdict)
    _print(search, as_json=as_json)
    return 0


def _asked(entry: jellyformat.LogEntry) -> Verdict | None:
    click.echo(f"  try it with: {command_line('run', entry.file)} -- CMD", err=True)
    choice = click.Choice(["good", "bad", "skip", "quit"])
    answer: str = click.prompt("  good, bad, skip or quit", type=choice, show_choices=False, err=True)
    return None if answer == "quit" else answer  # type: ignore[return-value]  # the others are verdicts


def _words(program: str) -> list[str]:
    try:
        return shlex.split(program)
    except ValueError as error:  # a quotation that does not end
        raise click.UsageError(f"--run: {error}: {visible(program)}") from error


def _by(words: list[str], *, any_names: bool) -> Callable[[jellyformat.LogEntry], Verdict | None]:
    if not words:
        raise click.UsageError("--run needs a command")

    said = False

    def decide(entry: jellyformat.LogEntry) -> Verdict | None:
        nonlocal said
        said = said or say_whose(entry.file)  # once is enough
        sys.stdout.flush()
        status = run(entry.file, words, any_names=any_names)
        if status > _LAST:
            click.echo(f"{words[0]} ended with {status}", err=True)
            return None
        return "good" if status == 0 else "skip" if status == _SKIP else "bad"

    return decide


def _print(search: Bisection, *, as_json: bool) -> None:
    last, first = search.last_good, search.suspects[-1]
    if as_json:
        suspects = [entry.file for entry in search.suspects]
        print_json({"version": 1, "good": last.file, "bad": first.file, "suspects": suspects, "steps": search.steps})
        return
    if len(search.suspects) > 1:
        click.echo(f"one of these is the first bad one, the others were skipped ({plural(search.steps, 'step')}):")
        for entry in search.suspects:
            click.echo(f"  {safe_name(entry.file)}")
    else:
        click.echo(f"{bold(safe_name(first.file))} is the first bad one ({plural(search.steps, 'step')})")
    with jellyformat.diff(last.file, first.file) as found:
        for letter, path in found.changes[:_SHOWN]:
            click.echo(f"  {letter} {safe_path(path)}")
        if len(found.changes) > _SHOWN:
            click.echo(f"  and {plural(len(found.changes) - _SHOWN, 'other')}")
    say(f"the change: {command_line('diff', last.file, first.file)}")
