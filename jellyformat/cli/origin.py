"""What is said of code that nothing here shows to be the user's own: where it comes from, and whether it is signed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

import jellyformat
from jellyformat.errors import JellyError
from jellyformat.files import durable


def say_origin(file: str, directory: str | None = None) -> None:
    """Say it on one line, before anything is written; nothing of code of the user's own, and nothing with ``--quiet``.

    Args:
        file: The checkpoint. One that cannot be read is told of by what comes then.
        directory: Where its files are to go; None for a new directory.
    """
    if click.get_current_context().obj["quiet"]:
        return
    from jellyformat.trust.origin import origin  # which takes as long as a small snapshot
    from jellyformat.trust.settings import trust_of

    with suppress(JellyError), jellyformat.open(file) as box:
        found = origin(box.manifest, trust_of, *place_of(file), *(() if directory is None else (directory,)))
        if found is not None:
            click.echo(f"note: {found.in_words()}; nothing of it is run", err=True)


def place_of(file: str) -> tuple[Path, ...]:
    """The directory that a checkpoint lies in; none where it is behind a URL."""
    path = Path(file)
    return (path.absolute().parent,) if durable.is_there(path) else ()
