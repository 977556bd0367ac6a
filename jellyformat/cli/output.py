"""What commands share: options, escaping, colour, errors."""

from __future__ import annotations

import functools
import json as json_module
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from jellyformat.cli.progress import shown
from jellyformat.errors import JellyError
from jellyformat.format.paths import show_name
from jellyformat.format.text import visible
from jellyformat.hints import Hint

F = TypeVar("F", bound=Callable[..., Any])


def common(function: F) -> F:
    """The options every command has: ``--quiet`` and ``--no-color``."""

    @functools.wraps(function)
    def wrapper(*args: Any, quiet: bool, no_color: bool, **options: Any) -> Any:
        context = click.get_current_context()
        context.obj = {"quiet": quiet}
        if no_color or "NO_COLOR" in os.environ:
            context.color = False
        with shown(quiet=quiet, json=bool(options.get("as_json"))):
            return function(*args, **options)

    click.option("--no-color", is_flag=True, help="No colours.")(wrapper)
    click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors and what was asked for.")(wrapper)
    return wrapper  # type: ignore[return-value]  # the same function, with options added


json_option = click.option("--json", "as_json", is_flag=True, help="For scripts: JSON on stdout.")


def say(text: str, *, err: bool = False) -> None:
    """A line for people, about what was done; not with ``--quiet``."""
    if not click.get_current_context().obj["quiet"]:
        click.echo(text, err=err)


def print_json(value: object, *, line: bool = False, out: TextIO | None = None) -> None:
    """JSON on stdout or in a file, on one ``line`` or many; what is no UTF-8 as ``surrogateescape`` writes it, escaped.

    Every object has ``version``: 1; of an array, each of its objects.
    """
    if isinstance(value, list):
        value = [_versioned(item) for item in value]
    click.echo(json_module.dumps(_versioned(value), indent=None if line else 2, ensure_ascii=True), file=out)


def _versioned(value: object) -> object:
    """An object for JSON with the version of what it says."""
    return {"version": 1, **value} if isinstance(value, dict) else value


def safe_name(file: str | os.PathLike[str]) -> str:
    """A file's name for a terminal: whoever made the file chose it."""
    return visible(os.fspath(file))


def program() -> str:
    """What we are called in what is printed: as we were, so that it can be typed again.

    As a module we are named so that nothing of the directory is run in our place: one that was restored may have a
    package of our name.
    """
    module = "python -P -m jellyformat" if sys.version_info >= (3, 11) else "jelly"
    called = {"jellyformat": "jellyformat", "__main__": module}
    return called.get(Path(sys.argv[0]).stem, "jelly")


def command_line(*words: str) -> str:
    """A command of ours for people to type, as `program` is called; for a terminal."""
    return visible(f"{program()} {shlex.join(words)}")


def in_words(hint: str) -> str:
    """A hint in the words of the command line."""
    return hint.command_line(program()) if isinstance(hint, Hint) else hint


def write_bytes(data: bytes) -> None:
    """Bytes to stdout as they are."""
    if sys.stdout is not None:  # closed by whoever runs this
        sys.stdout.buffer.write(data)


def safe_path(path: bytes) -> str:
    """A path for a terminal, quoted where it has to be."""
    return show_name(path)


def bold(text: str) -> str:
    """Emphasised, where there are colours."""
    return click.style(text, bold=True)


def fail(error: JellyError, *, json: bool) -> int:
    """Say an error, for people or as JSON; its exit code."""
    said = False
    if json:
        with suppress(OSError):  # what nothing can be written to is told of on stderr
            print_json({"error": error.to_json(program())})
            said = True
    if not said:
        where = f" [{error.requirement}]" if error.requirement else ""
        click.echo(f"{click.style('error:', fg='red', bold=True)} {visible(error.message)}{where}", err=True)
        if error.hint:
            click.echo(f"  {visible(in_words(error.hint))}", err=True)
    return error.exit_code


def each_file(files: Sequence[Path], do: Callable[[Path], object], *, json: bool) -> int:
    """Do something to each of some files, whatever becomes of the others; the exit code.

    Args:
        files: Which.
        do: Does it, and says what it did.
        json: Whether errors are said as JSON: of many files, one object a line.
    """
    if len(files) == 1:
        do(files[0])
        return 0
    codes: list[int] = []
    for file in files:
        try:
            do(file)
        except JellyError as error:
            codes.append(error.exit_code)
            if json:
                print_json({"file": str(file), "error": error.to_json(program())}, line=True)
            else:
                fail(error, json=False)
    if codes and not json:
        click.echo(f"{len(codes)} of {len(files)} files stayed as they were", err=True)
    return codes_of(codes)


def codes_of(codes: Iterable[int]) -> int:
    """The exit code of a command that looked at many files: damage goes before all else."""
    found = set(codes)
    return next((code for code in (1, 5, 4, 2, 3) if code in found), 0)
