"""``snapshot``: capture the repository into a bare container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import jellyformat
from jellyformat.cli.options import capture_options
from jellyformat.cli.output import common, json_option, print_json, program, safe_name, say
from jellyformat.files.newfile import check_replaceable, write_new_file
from jellyformat.format.frames import MAGIC
from jellyformat.format.text import plural, size_text


def describe(snap: jellyformat.Snapshot) -> str:
    """One line on what was captured."""
    found = snap.info()
    changes = plural(found.uncommitted, "uncommitted change")
    parts = [plural(found.files, "file"), changes, size_text(found.container_bytes)]
    if found.omitted:
        parts.append(f"{len(found.omitted)} left out (`{program()} show` lists them)")
    return f"snapshot {snap.id[:12]}: " + ", ".join(parts)


@click.command("snapshot")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write (NAME-COMMIT.jelly).")
@click.option("--replace", is_flag=True, help="Write over a snapshot that is there.")
@capture_options
@json_option
@common
def command(output: Path | None, replace: bool, as_json: bool, **options: Any) -> None:
    """Capture the repository into a bare container."""
    snap = jellyformat.snapshot(**options, captured="command")
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
