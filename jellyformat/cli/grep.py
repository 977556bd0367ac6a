"""``grep``: search the code of many checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

import jellyformat
from jellyformat.cli.checkpoints import without_text
from jellyformat.cli.output import bold, codes_of, common, json_option, print_json, safe_name, safe_path, say
from jellyformat.format.text import decoded, plural, visible
from jellyformat.gathering import Missed
from jellyformat.searching import pattern_of, search

_NUMBER = re.compile(r"\d+")
_RANGE = 3
"""So many numbers are said as a range."""


@click.command("grep")
@click.argument("pattern")
@click.argument("paths", type=click.Path(), nargs=-1, required=True)
@click.option("-i", "--ignore-case", is_flag=True, help="Upper case is lower case.")
@click.option("-F", "--fixed", is_flag=True, help="PATTERN is a text, not a regular expression.")
@click.option("-w", "--word", is_flag=True, help="What is found begins and ends where words do.")
@click.option("-l", "--list", "names_only", is_flag=True, help="Only which checkpoints have it, each on a line.")
@click.option("--path", "within", metavar="GLOB", help="Only in such files of the code.")
@click.option("--committed", is_flag=True, help="Also what HEAD's commit and the index have in place of the files.")
@json_option
@common
def command(
    pattern: str,
    paths: tuple[str, ...],
    ignore_case: bool,
    fixed: bool,
    word: bool,
    names_only: bool,
    within: str | None,
    committed: bool,
    as_json: bool,
) -> int:
    """Search the code of every snapshot in the files PATHS, and in all files below the directories PATHS.

    PATTERN is a regular expression as Python takes it. Each line that is found is shown once, with the checkpoints
    whose code has it. Where nothing is found, the exit status is 3.

    The code is the files as they were on disk. With --committed it is also what HEAD's commit and the index had in
    their place, where a secret may be. In older commits: jelly git FILE log --all --oneline -S SECRET

    \b
    Which had lr = 0.007?      jelly grep -w 'lr = 0.007' runs
    Which have this secret?    jelly grep --committed -lF SECRET runs
    """
    missed = Missed()
    made = pattern_of(pattern, ignore_case=ignore_case, fixed=fixed, word=word, within=within, committed=committed)
    found, searched = search(made, paths, missed)
    if as_json:
        print_json([_as_dict(match) for match in found])
    elif names_only:
        having = {file for match in found for file in match.files}
        for file in searched:
            if file in having:
                click.echo(safe_name(file))
    else:
        _print(found)
    for name, error in missed.damaged:
        click.echo(f"{safe_name(name)}: {visible(error.message)}", err=True)
    if not searched and not missed.damaged:
        say(f"there is no checkpoint with a snapshot here; {without_text(missed.without)}", err=True)
    elif not found:
        say(f"not found in {plural(len(searched), 'checkpoint')}", err=True)
    return codes_of(error.exit_code for _, error in missed.damaged) or (0 if found else 3)


def _print(found: list[jellyformat.Match]) -> None:
    """What was found, file by file; the same checkpoints are named once for lines that follow each other."""
    for path, matches in groupby(found, key=lambda match: match.path):
        click.echo(bold(safe_path(path)))
        for files, lines in groupby(matches, key=lambda match: match.files):
            for match in lines:
                number = "" if match.line is None else f"{match.line}: "
                click.echo(f"  {number}{visible(match.text)}")
            names = "  ".join(shortened([safe_name(file) for file in files]))
            click.echo(click.style(f"      in {plural(len(files), 'checkpoint')}: {names}", fg="cyan"))


def _as_dict(match: jellyformat.Match) -> dict[str, object]:
    return {
        "path": decoded(match.path),
        "line": match.line,
        "text": visible(match.text),
        "files": list(match.files),
    }


def shortened(names: Sequence[str]) -> list[str]:
    """Names, of which many that differ in one number become one, as a shell takes it: ``epoch-{1..10}.pt``."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        numbers = list(_NUMBER.finditer(name))
        last = numbers[-1] if numbers else None
        if len(numbers) > 1 and last is not None and "." in name[: last.start()] and last.end() == len(name):
            last = numbers[-2]  # that of an ending, such as .h5
        key = (name, "") if last is None else (name[: last.start()], name[last.end() :])
        groups.setdefault(key, []).append("" if last is None else last[0])
    return [name for (before, after), numbers in groups.items() for name in _ranges(before, numbers, after)]


def _ranges(before: str, numbers: list[str], after: str) -> Iterator[str]:
    """The names of one kind: numbers that follow each other at the same distance as one range."""
    at = 0
    while at < len(numbers):
        end = at + 1
        if end < len(numbers) and _can_follow(numbers[at], numbers[end]):
            step = int(numbers[end]) - int(numbers[at])
            while end < len(numbers) and _can_follow(numbers[end - 1], numbers[end]):
                if int(numbers[end]) - int(numbers[end - 1]) != step:
                    break
                end += 1
            if end - at >= _RANGE:
                by = f"..{step}" if step > 1 else ""
                yield f"{before}{{{numbers[at]}..{numbers[end - 1]}{by}}}{after}"
                at = end
                continue
        yield f"{before}{numbers[at]}{after}"
        at += 1


def _can_follow(one: str, two: str) -> bool:
    """Whether two numbers can stand in a range of a shell: they ascend, and have leading zeros alike or none."""
    padded = (one.startswith("0") and len(one) > 1) or (two.startswith("0") and len(two) > 1)
    return bool(one and two) and len(two) < 16 and int(one) < int(two) and (not padded or len(one) == len(two))
