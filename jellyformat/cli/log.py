"""``log``: every snapshot below the paths as a timeline."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import click

import jellyformat
from jellyformat.cli import timeline
from jellyformat.cli.checkpoints import without_text
from jellyformat.cli.options import signers_option
from jellyformat.cli.output import codes_of, common, print_json, program, safe_name, say
from jellyformat.cli.pager import prepare
from jellyformat.cli.show import run_as_dict
from jellyformat.errors import RefusedExists
from jellyformat.files.durable import system_errors
from jellyformat.format.text import decoded, plural, visible
from jellyformat.gathering import Missed
from jellyformat.selecting import Selection, code_of, conditions, moment
from jellyformat.timeline import Query, entries, with_damaged
from jellyformat.trust.settings import trust_of

_SEVERAL = re.compile(r"\s(?:and|or)\s|&&|\|\|", re.IGNORECASE)
"""What looks like several conditions in one."""
_FORMATS = ("table", "plain", "json", "jsonl", "csv")


@click.command("log")
@click.argument("paths", type=click.Path(), nargs=-1, required=True)
@click.option("-n", "most", type=click.IntRange(0), metavar="N", help="So many: the newest; with --sort the first.")
@click.option("--since", metavar="TIME", help="Captured then or later: 2026-01-31, '2 days ago'.")
@click.option("--until", metavar="TIME", help="Captured then or earlier.")
@click.option("--branch", metavar="GLOB", help="Of this branch.")
@click.option("--path", "changed", metavar="GLOB", help="Only where the code of such files changed.")
@click.option(
    "--code",
    metavar="ID",
    help="Only of this code: a checkpoint, or the first digits of the snapshot's id or the commit's.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="EXPR",
    help="Such as 'val_loss<0.2': < <= > >= = != ~, or a label. A run is named by its id's first digits, or its "
    "directory: run=runs/a.",
)
@click.option("--sort", metavar="KEY", help="By a label, or time, file, branch, code, ...: the smallest first.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--columns", metavar="A,B", help="Labels and other columns to show, beside the file.")
@signers_option
@click.option("-p", "--patch", is_flag=True, help="What changed in the code, as a patch.")
@click.option("--stat", is_flag=True, help="What changed in the code, file by file.")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="On a terminal a table, else plain.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write a new file.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-v", "--verbose", is_flag=True, help="Name all files without a snapshot.")
@common
def command(
    paths: tuple[str, ...],
    most: int | None,
    since: str | None,
    until: str | None,
    branch: str | None,
    changed: str | None,
    code: str | None,
    where: tuple[str, ...],
    sort: str | None,
    reverse: bool,
    columns: str | None,
    signers: str | None,
    patch: bool,
    stat: bool,
    form: str | None,
    output: Path | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Which code made which checkpoint: every snapshot in the files PATHS, and in all files below the directories.

    Checkpoints of one run stand together, the oldest run first. A change of the code stands in front of the first
    checkpoint that has it. A path may be the URL of a file. With --format plain or jsonl, the checkpoints of each
    directory are shown as soon as it has been read, in the order of the directories' names. Where there is no
    checkpoint to show, the exit status is 3.

    On a terminal, what is longer than the screen goes through the pager that git uses: GIT_PAGER, core.pager of your
    git configuration, PAGER, or less. With GIT_PAGER=cat there is none.

    \b
    Which had lr = 0.007?   jelly log runs --where lr=0.007   (a label; of code: jelly grep)
    Which was best?         jelly log runs --sort val_loss -n 1
    What changed where?     jelly log runs --stat
    """
    terminal = output is None and sys.stdout is not None and sys.stdout.isatty()
    is_streamed = not as_json and form in ("jsonl", "plain")  # asked for; else the runs stand in their order
    form = "json" if as_json else form or ("table" if terminal else "plain")
    selection = Selection(moment(since), moment(until), branch, code_of(code), conditions(where))
    trust = None if signers is None else trust_of(signers)
    query = Query(selection, most, changed, sort, reverse, trust)
    missed = Missed()
    found = entries(paths, query, missed, streaming=is_streamed)
    shown = timeline.Shown(
        tuple(name.strip() for name in columns.split(",")) if columns else None,
        stat,
        patch,
        changed,
        (*((sort,) if sort else ()), *(condition.name for condition in selection.where)),
        shutil.get_terminal_size((120, 24)).columns if terminal else None,
        sort is None and not reverse,
    )
    with ExitStack() as stack:
        out = None if output is None else stack.enter_context(_new_file(output))
        count = _write(found, missed, form, shown, out, pager=terminal and form == "table")
    for name, error in missed.damaged:
        click.echo(f"{safe_name(name)}: {visible(error.message)}", err=True)
    if count or missed.others:
        _say_unknown(selection, sort, missed, count)
    without = without_text(missed.without, all_of_them=verbose)
    if count:
        if missed.without:
            say(f"{plural(count, 'checkpoint')}; {without}", err=True)
    elif missed.others:
        say(f"no checkpoint of {missed.others} is what was asked for", err=True)
    elif most != 0 and not missed.damaged:
        say(f"there is no checkpoint with a snapshot here; {without}", err=True)
    return codes_of(error.exit_code for _, error in missed.damaged) or (0 if count or most == 0 else 3)


def _say_unknown(selection: Selection, sort: str | None, missed: Missed, count: int) -> None:
    """Say which names no checkpoint has: else a wrong one looks as if it was the best."""
    asked = [condition.name for condition in selection.where if condition.how != "!="]
    for name in dict.fromkeys((*asked, *((sort,) if sort else ()))):
        if name not in missed.named:
            say(f"warning: no checkpoint here has a label {visible(repr(name))}", err=True)
    if not count and any(_SEVERAL.search(condition.value) for condition in selection.where):
        say("each --where takes one condition; give several, and all have to hold: --where A --where B", err=True)


def _new_file(output: Path) -> TextIO:
    with system_errors(output, "nothing was written"):
        try:
            return output.open("x", encoding="utf-8", errors="backslashreplace", newline="")
        except FileExistsError:
            raise RefusedExists(f"{output} exists already", hint="nothing was written; name another file") from None


def _write(
    found: Iterator[jellyformat.LogEntry],
    missed: Missed,
    form: str,
    shown: timeline.Shown,
    out: TextIO | None,
    *,
    pager: bool,
) -> int:
    """Write the entries in a form; how many there were. ``missed`` gets those that are damaged, too."""
    counted = _Counted(found, missed)
    if form == "json":
        print_json([as_dict(entry) for entry in with_damaged(list(counted), missed)], out=out)
    elif form == "jsonl":
        for entry in counted:
            print_json(as_dict(entry), line=True, out=out)
        for entry in with_damaged([], missed):
            if entry.file not in counted.damaged:
                print_json(as_dict(entry), line=True, out=out)
    elif form == "csv":
        _lines(_csv(list(counted)), out)
    elif form == "plain":
        _lines(timeline.plain(counted, shown), out)
    elif pager:
        prepare()
        colour = click.get_current_context().color is not False
        lines = timeline.table(list(counted), shown, colour=colour)
        click.echo_via_pager((line + "\n" for line in lines), color=colour)
    else:
        _lines(timeline.table(list(counted), shown, colour=False), out)
    return counted.count


def _lines(lines: Iterable[str], out: TextIO | None) -> None:
    for line in lines:
        click.echo(line, file=out)


class _Counted:
    """Entries, counted as they pass; those that are damaged are noted."""

    def __init__(self, found: Iterator[jellyformat.LogEntry], missed: Missed) -> None:
        self._found, self._missed = found, missed
        self.count = 0
        self.damaged: set[str] = set()

    def __iter__(self) -> Iterator[jellyformat.LogEntry]:
        for entry in self._found:
            self.count += 1
            if entry.damaged is not None:
                self.damaged.add(entry.file)
                self._missed.damaged.append((entry.file, entry.damaged))
            yield entry


def as_dict(entry: jellyformat.LogEntry) -> dict[str, object]:
    """An entry for JSON."""
    return {
        "file": entry.file,
        "created": entry.created,
        "snapshot_id": entry.snapshot_id,
        "ref": entry.ref,
        "commit": entry.commit,
        "subject": None if entry.subject is None else visible(entry.subject),
        "dirty": entry.dirty,
        "edited": [decoded(path) for path in entry.edited],
        "labels": dict(entry.labels),
        "note": entry.note,
        "run": run_as_dict(entry.run),
        "changes": None
        if entry.changes is None
        else [{"change": letter, "path": decoded(path)} for letter, path in entry.changes],
        "since": entry.since,
        "edits": None if entry.edits is None else [_edit_as_dict(edit) for edit in entry.edits],
        "host": entry.host,
        "digest": entry.digest,
        "damaged": None if entry.damaged is None else entry.damaged.to_json(program()),
        "signatures": [item.to_json() for item in entry.signatures],
    }


def _edit_as_dict(edit: jellyformat.Edit) -> dict[str, object]:
    return {
        "change": edit.change,
        "path": decoded(edit.path),
        "added": edit.added,
        "removed": edit.removed,
        "text": None if edit.text is None else visible(edit.text),
        "values": [visible(value) for value in edit.values],
    }


def _csv(found: list[jellyformat.LogEntry]) -> Iterator[str]:
    """A line for each, with a column for each label."""
    labels = sorted({name for entry in found for name in entry.labels})
    yield _csv_line(["file", "created", "branch", "commit", "snapshot_id", *labels, "note", "since", "changes"])
    for entry in found:
        branch = (entry.ref or "").removeprefix("refs/heads/")
        values = [entry.labels.get(name, "") for name in labels]
        yield _csv_line(
            [
                entry.file,
                entry.created or "",
                branch,
                entry.commit or "",
                entry.snapshot_id or "",
                *values,
                entry.note or "",
                entry.since or "",
                timeline.change_text(entry, None),
            ]
        )


def _csv_line(values: list[str]) -> str:
    """A line of CSV, in which nothing could reach a terminal raw."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([visible(value) for value in values])
    return out.getvalue()
