"""``history``: the states that undo and redo walk."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.checkout.prune import MOST
from jellyformat.cli.output import bold, common, json_option, print_json, safe_name, say
from jellyformat.format.text import plural, size_text, timestamp, visible


@click.command("history")
@click.argument("directory", default=".")
@click.option("--prune", is_flag=True, help="Remove the oldest states: all but the last 20.")
@click.option("--keep", type=click.IntRange(0), help="With --prune: so many stay.")
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="With --prune: only those left before.")
@click.option("--dry-run", is_flag=True, help="With --prune: only say what would go.")
@json_option
@common
def command(
    directory: str, prune: bool, keep: int | None, older_than: float | None, dry_run: bool, as_json: bool
) -> None:
    """The states of the repository at DIRECTORY that undo and redo lead to, oldest first."""
    if prune:
        _prune(jellyformat.prune(directory, keep=keep, older_than=older_than, dry_run=dry_run), as_json=as_json)
        return
    if keep is not None or older_than is not None or dry_run:
        raise click.UsageError("--keep, --older-than and --dry-run go with --prune")
    found = jellyformat.history(directory)
    if as_json:
        print_json(
            [
                {
                    "state": entry.state,
                    "live": entry.live,
                    "parent": entry.parent,
                    "time": timestamp(entry.time),
                    "title": entry.title,
                    "commit": entry.commit,
                    "snapshot_id": entry.snapshot_id,
                    "undo": entry.undo,
                    "redo": entry.redo,
                    "size": entry.size,
                }
                for entry in found
            ]
        )
        return
    if not found:
        click.echo("nothing was restored here yet", err=True)
    for entry in found:
        mark = "●" if entry.live else "○"
        commit = "" if entry.commit is None else f"  {entry.commit[:10]}"
        how = f"  (undo -n {entry.undo})" if entry.undo else f"  (redo -n {entry.redo})" if entry.redo else ""
        how = "  (here)" if entry.live else how
        click.echo(f"{mark} {entry.state:>3}  {timestamp(entry.time)}  {bold(visible(entry.title))}{commit}{how}")
    if found:
        kept = sum(entry.size for entry in found)
        click.echo(f"kept for undo: {size_text(kept)} (at most {size_text(MOST)}; --prune removes old states)")


def _prune(done: jellyformat.Pruned, *, as_json: bool) -> None:
    """What was removed, and what that frees."""
    if as_json:
        print_json(
            {
                "directory": str(done.directory),
                "states": list(done.states),
                "freed": done.freed,
                "left": done.left,
                "dry_run": done.dry_run,
            }
        )
        return
    what = "would remove" if done.dry_run else "removed"
    freed = "would free" if done.dry_run else "freed"
    numbers = "" if not done.states else f" ({', '.join(map(str, done.states))})"
    say(
        f"{safe_name(done.directory)}: {what} {plural(len(done.states), 'state')}{numbers}; {freed} "
        f"{size_text(done.freed)}, {size_text(done.left)} left for undo"
    )
