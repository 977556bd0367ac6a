"""``snapshot``: capture the repository into a bare container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import jellyformat
from jellyformat.cli.options import capture_options
from jellyformat.cli.output import common, json_option, plural, print_json, safe_name, say, size_text
from jellyformat.container import MAGIC
from jellyformat.newfile import check_replaceable, write_new_file


def describe(snap: jellyformat.Snapshot) -> str:
    """One line on what was captured."""
    summary = snap.manifest.summary
    changes = len(summary.staged) + len(summary.unstaged) + len(summary.untracked) + len(summary.conflicted)
    omitted = sum(len(state.worktree.omitted) for _, state in snap.manifest.state.walk() if state.worktree)
    parts = [f"{plural(summary.files, 'file')}", f"{plural(changes, 'uncommitted change')}", size_text(len(snap.data))]
    if omitted:
        parts.append(f"{omitted} left out (see `show`)")
    return f"snapshot {snap.id[:12]}: " + ", ".join(parts)


@click.command("snapshot")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write (NAME-COMMIT.jelly).")
@click.option("--replace", is_flag=True, help="Write over a snapshot that is there.")
@capture_options
@json_option
@common
def command(output: Path | None, replace: bool, as_json: bool, **options: Any) -> None:
    """Capture the repository into a bare container."""
    snap = jellyformat.snapshot(**options)
    if output is None:
        commit = snap.manifest.state.head.commit
        name = Path(options["repo"]).resolve().name or "snapshot"
        output = Path(f"{name}-{commit.hex()[:10] if commit else snap.id[:10]}.jelly")
    if replace:  # a checkpoint named here in place of `embed` must not go
        check_replaceable(output, (MAGIC,), "a snapshot alone")
    write_new_file(output, [snap.data], overwrite=replace)
    if as_json:
        print_json({"file": str(output), "snapshot_id": snap.id, "digest": snap.digest, "bytes": len(snap.data)})
    else:
        say(f"{safe_name(output)}: {describe(snap)}")
