"""``restore``: the repository put into the state of a snapshot."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

import jellyformat
from jellyformat.checkout.prune import MOST
from jellyformat.checkout.store import DIRECTORY
from jellyformat.cli.options import any_names_option, size
from jellyformat.cli.origin import say_origin
from jellyformat.cli.output import command_line, common, json_option, print_json, safe_name, safe_path, say
from jellyformat.format.text import decoded, plural, visible


@click.command("restore")
@click.argument("file", type=click.Path())
@click.argument("directory", required=False)
@any_names_option
@click.option("--without-operation", is_flag=True, help="Leave out a rebase, am or bisect that was in progress.")
@click.option("--anyway", is_flag=True, help="Even if the repository has nothing to do with the snapshot.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be written, replaced and put aside.")
@click.option("--max-history", type=size, help="What may be kept for undo in all (8 GB).")
@json_option
@common
def command(
    file: str,
    directory: str | None,
    any_names: bool,
    without_operation: bool,
    anyway: bool,
    dry_run: bool,
    max_history: int | None,
    as_json: bool,
) -> None:
    """Put the repository at DIRECTORY (default: here) into the state of the snapshot in FILE.

    With no repository at DIRECTORY a new one is made. What was there is kept: `undo` brings it back.
    """
    say_origin(file, directory or ".")
    done = jellyformat.restore(
        file,
        directory,
        any_names=any_names,
        without_operation=without_operation,
        anyway=anyway,
        dry_run=dry_run,
        max_history=MOST if max_history is None else max_history,
    )
    if as_json:
        print_json(
            {
                "directory": str(done.directory),
                "created": done.created,
                "commit": done.commit,
                "branch": done.branch,
                "left_commit": done.left_commit,
                "left_branch": done.left_branch,
                "shortened": done.shortened,
                "remotes_left": [visible(name) for name, _ in done.remotes_left],
                "snapshot_id": done.snapshot_id,
                "dry_run": done.dry_run,
                "written": [decoded(path) for path in done.written],
                "replaced": [decoded(path) for path in done.replaced],
                "removed": [decoded(path) for path in done.removed],
                "kept_ignored": [decoded(path) for path in done.kept_ignored],
                "filtered": [decoded(path) for path in done.filtered],
                "unavailable": [decoded(path) for path in done.unavailable],
                "remotes": list(done.remotes),
                "state": done.state,
                "linked": done.linked,
                "mended": list(done.mended),
                "roots": [decoded(name) for name in done.roots],
                "facts": [visible(name) for name in done.facts],
            }
        )
        return
    if done.dry_run:
        _would(done)
        return
    for line in done.mended:
        say(f"first mended what was half done: {visible(line)}")
    _where(done)
    say(f"  {plural(len(done.written), 'file')} written, {plural(len(done.removed), 'file')} put aside")
    paths("left alone, noted in .git/info/exclude", done.kept_ignored)
    paths("as git stores them, no filter was run", done.filtered)
    paths("NOT in the snapshot", done.unavailable)
    paths("other repositories, NOT put back (jelly export has their files under these names)", done.roots)
    if done.facts:
        say(f"  not restored, since this version does not know it: {visible(', '.join(done.facts))}")
    _older(done)
    put_aside(done.directory)
    where = () if directory is None else (directory,)
    say(f"  everything that was there is kept; to go back: {command_line('undo', *where)}")
    if done.linked:
        lock = f"git worktree lock {shlex.quote(str(done.directory))}"
        say(f"  `git worktree remove` removes what is kept too, and does not ask; it does after: {visible(lock)}")


def _where(done: jellyformat.Restored) -> None:
    """Where HEAD was, where it is, and how to go on from there."""
    made = "in a new repository, " if done.created else ""
    branch = "" if done.branch is None else f", which was made on {visible(done.branch)}"
    say(f"{safe_name(done.directory)}: {made}restored the snapshot {done.snapshot_id[:12]}{branch}")
    if not done.created:
        left = "no commit yet" if done.left_commit is None else done.left_commit[:10]
        on = "HEAD was detached" if done.left_branch is None else f"on {visible(done.left_branch)}"
        say(f"  before: {on}, at {left}")
    if done.commit is None:
        say("  now: no commit yet")
    else:
        say(f"  now: HEAD is detached at {done.commit[:10]}; to go on from here: git switch -c NAME")


def _older(done: jellyformat.Restored) -> None:
    """Which commits are not there, and how they come; which remotes were not set."""
    if done.shortened and done.remotes_here:
        remote = "origin" if "origin" in done.remotes_here else done.remotes_here[0]
        say(f"  older commits are not here; to get them: git fetch --unshallow {visible(shlex.quote(remote))}")
    elif done.shortened:
        say("  older commits are not here, and no remote is set to get them from")
    for name, url in done.remotes_left:
        say(f"  the remote {visible(name)} was not set, as its address is not known to be harmless: {visible(url)}")


def _would(done: jellyformat.Restored) -> None:
    """What a restore would do, path by path."""
    replaced = set(done.replaced)
    for path in done.written:
        say(f"{'would replace' if path in replaced else 'would write'}: {safe_path(path)}")
    for path in done.removed:
        say(f"would put aside: {safe_path(path)}")
    paths("would be as git stores them, no filter is run", done.filtered)
    paths("NOT in the snapshot", done.unavailable)
    new = len(done.written) - len(replaced)
    counts = f"{plural(new, 'file')} to write, {len(replaced)} to replace, {len(done.removed)} to put aside"
    say(f"{safe_name(done.directory)}{' (a new repository)' if done.created else ''}: {counts}; nothing was changed")


def put_aside(directory: Path) -> None:
    """Where the current directory went with what is kept, a shell there would go on writing in it: that is said."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        gone = True
    else:
        gone = ".git" in here.parts and DIRECTORY in here.parts
    if gone:
        say(f"  the directory you are in was put aside: cd {shlex.quote(str(directory))}")


def paths(title: str, found: tuple[bytes, ...]) -> None:
    """Some paths, a few of them by name."""
    if found:
        names = ", ".join(safe_path(path) for path in found[:3])
        say(f"  {title}: {names}{'' if len(found) <= 3 else f' and {len(found) - 3} more'}")
