"""``git``: the git program on a temporary repository that holds the snapshot."""

from __future__ import annotations

import sys

import click

from jellyformat.cli.output import common
from jellyformat.exports.rungit import run_git


@click.command("git", context_settings={"allow_interspersed_args": False}, options_metavar="")
@click.argument("file", type=click.Path())
@click.argument("arguments", metavar="ARG…", nargs=-1, required=True, type=click.UNPROCESSED)
@common
def command(file: str, arguments: tuple[str, ...]) -> int:
    """Run git on the snapshot in FILE; the exit status is git's.

    {} in the arguments stands for a bare repository that holds the snapshot, and git runs here, as always:

    \b
      jelly git model.pt clone {}
      jelly git model.pt fetch {} jellyformat/worktree

    Without {}, git runs in that repository, and reads no configuration but its own:

    \b
      jelly git model.pt log --stat
      jelly git model.pt show HEAD:train.py
      jelly git model.pt diff --cached
      jelly git model.pt diff HEAD jellyformat/worktree

    Commits have the ids they had. Where something was not committed, jellyformat/worktree has all files,
    jellyformat/index what was staged, and jellyformat/stash is for `git stash apply --index`. The repository is shallow
    where the snapshot does not have the whole history: into a repository that does not have it either, fetch with
    --update-shallow. It is removed when git is done.
    """
    sys.stdout.flush()
    return run_git(file, arguments)
