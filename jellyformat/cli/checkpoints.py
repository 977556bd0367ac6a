"""What several files and directories of checkpoints mean, for commands that look at one checkpoint after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from jellyformat.cli.output import codes_of, fail, print_json, program, safe_name, say
from jellyformat.errors import JellyError, NoSnapshot
from jellyformat.files import durable
from jellyformat.format.text import plural
from jellyformat.hints import Hint, command
from jellyformat.hosts.directories import KNOWN, named_by

_NAMED = 3
"""Files without a snapshot that are named."""


def without_text(files: Sequence[str], *, all_of_them: bool = False) -> str:
    """The files without a snapshot, for a line."""
    if not files:
        return "there are no other files"
    named = files if all_of_them else files[:_NAMED]
    more = f" and {len(files) - len(named)} more" if len(files) > len(named) else ""
    return f"{plural(len(files), 'file')} without a snapshot: {', '.join(map(safe_name, named))}{more}"


def look_at_each(paths: Iterable[str], look: Callable[[str], int], *, json: bool) -> int:
    """Look at each checkpoint that some paths mean, whatever becomes of the others; the exit code.

    Args:
        paths: Files, URLs, and directories: a directory that is a checkpoint itself, or all checkpoints below it.
        look: Prints what is found of one; gives its exit code. What it raises is said.
        json: Whether errors are said as JSON: one object a line, as what is found is.
    """
    codes: list[int] = []
    without: list[str] = []
    for path in paths:
        try:
            for file in _files(path, without):
                codes.append(_code_of(file, look, json))
        except JellyError as error:
            codes.append(_said(path, error, json))
    if without:
        say(f"{plural(len(codes), 'checkpoint')}; {without_text(without)}", err=True)
    return codes_of(codes)


def _code_of(file: str, look: Callable[[str], int], json: bool) -> int:
    try:
        return look(file)
    except JellyError as error:
        return _said(file, error, json)


def _said(file: str, error: JellyError, json: bool) -> int:
    if json:
        print_json({"file": file, "error": error.to_json(program())}, line=True)
    else:
        fail(error, json=False)
    return error.exit_code


def _files(path: str, without: list[str]) -> list[str]:
    """The checkpoints that a path means; ``without`` gets the files that are none.

    Raises:
        NoSnapshot: it is a directory without any.
    """
    if not durable.is_directory(Path(path)) or named_by(Path(path)) is not None:
        return [path]
    from jellyformat.gathering import below  # only of a directory: it needs much

    found, none = below(path)
    if not found:
        raise NoSnapshot(
            f"{path} carries no snapshot: it is a directory, and none that is known as a checkpoint ({KNOWN}); of "
            f"{plural(len(none), 'file')} below it none carries one",
            hint=Hint("to put one into a checkpoint: ", command("embed", "FILE")),
        )
    without += none
    return found
