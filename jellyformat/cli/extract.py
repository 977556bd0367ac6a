"""``extract``: the container's bytes out of its host, or the snapshot as a git bundle."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.output import common, json_option, print_json, safe_name, safe_path, say
from jellyformat.files.newfile import check_replaceable, write_new_file
from jellyformat.format.frames import MAGIC
from jellyformat.format.text import decoded, plural, size_text

_BUNDLES = (b"# v2 git bundle\n", b"# v3 git bundle\n")


@click.command("extract")
@click.argument("file", type=click.Path())
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--bundle", "as_bundle", is_flag=True, help="Write a git bundle, for git clone and git fetch.")
@click.option("--prerequisites", is_flag=True, help="With --bundle: commits as they are, for who has their parents.")
@click.option("--replace", is_flag=True, help="Write over a snapshot or bundle that is there.")
@json_option
@common
def command(file: str, output: Path, as_bundle: bool, prerequisites: bool, replace: bool, as_json: bool) -> None:
    """Write the container in FILE into a file of its own; FILE stays as it is.

    With --bundle, what is written is a git bundle that `git clone` and `git fetch` take without jellyformat. Its
    branches: the one HEAD was on, and, where something was not committed, jellyformat/ID/worktree (all files),
    jellyformat/ID/index (what was staged) and jellyformat/ID/stash (for `git stash apply --index`).

    Where the snapshot does not have the whole history, its oldest commits lose the parents that are not there, and get
    other ids; `git clone` would not take them else. With --prerequisites they stay as they are, and a repository that
    has the history can fetch them; it cannot be cloned.
    """
    if prerequisites and not as_bundle:
        raise click.UsageError("--prerequisites goes with --bundle")
    if as_bundle:
        _bundle(file, output, prerequisites, replace, as_json)
        return
    snap = jellyformat.load(file)
    if replace:  # a checkpoint named here by mistake must not go: FILE itself, above all
        check_replaceable(output, (MAGIC,), "a snapshot alone")
    write_new_file(output, [snap.data], overwrite=replace)
    if as_json:
        print_json({"file": str(output), "snapshot_id": snap.id, "digest": snap.digest, "bytes": len(snap.data)})
    else:
        say(f"{safe_name(output)}: snapshot {snap.id[:12]}, {size_text(len(snap.data))}")


def _bundle(file: str, output: Path, prerequisites: bool, replace: bool, as_json: bool) -> None:
    made = jellyformat.bundle(file, prerequisites=prerequisites)
    if replace:
        check_replaceable(output, _BUNDLES, "a git bundle")
    write_new_file(output, made.parts, overwrite=replace)
    size = sum(map(len, made.parts))
    if as_json:
        print_json(
            {
                "file": str(output),
                "snapshot_id": made.snapshot_id,
                "bytes": size,
                "head": made.head,
                "refs": {decoded(name): commit for name, commit in made.refs.items()},
                "prerequisites": list(made.prerequisites),
                "rewritten": dict(made.rewritten),
            }
        )
        return
    say(f"{safe_name(output)}: git bundle of snapshot {made.snapshot_id[:12]}, {size_text(size)}")
    for name, commit in made.refs.items():
        say(f"  {commit[:10]} {safe_path(name.removeprefix(b'refs/heads/'))}")
    if made.rewritten:
        say(
            f"  {plural(len(made.rewritten), 'commit')} with other ids than in the repository, since the snapshot does "
            "not have what came before; to fetch them as they are into a repository that does: --prerequisites"
        )
    if made.prerequisites:
        say(f"  git fetch takes it where {', '.join(commit[:10] for commit in made.prerequisites[:4])} is")
