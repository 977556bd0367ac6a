"""What commands share: options, escaping, colour, errors."""

from __future__ import annotations

import functools
import json as json_module
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import click

from jellyformat.errors import JellyError
from jellyformat.paths import show_name

F = TypeVar("F", bound=Callable[..., Any])


def common(function: F) -> F:
    """The options every command has: ``--quiet`` and ``--no-color``."""

    @functools.wraps(function)
    def wrapper(*args: Any, quiet: bool, no_color: bool, **options: Any) -> Any:
        context = click.get_current_context()
        context.obj = {"quiet": quiet}
        if no_color or "NO_COLOR" in os.environ:
            context.color = False
        return function(*args, **options)

    click.option("--no-color", is_flag=True, help="No colours.")(wrapper)
    click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors and what was asked for.")(wrapper)
    return wrapper  # type: ignore[return-value]  # the same function, with options added


json_option = click.option("--json", "as_json", is_flag=True, help="For scripts: JSON on stdout.")


def say(text: str) -> None:
    """A line for people, about what was done; not with ``--quiet``."""
    if not click.get_current_context().obj["quiet"]:
        click.echo(text)


def print_json(value: object, *, line: bool = False) -> None:
    """JSON on stdout, on one ``line`` or many; bytes that are no UTF-8 as ``surrogateescape`` writes them, escaped."""
    click.echo(json_module.dumps(value, indent=None if line else 2, ensure_ascii=True))


def path_text(path: bytes) -> str:
    """A path for JSON: other than UTF-8 as surrogates, from which Python's ``os.fsencode`` makes the bytes again."""
    return path.decode("utf-8", "surrogateescape")


def safe(text: str | bytes) -> str:
    """Text of a snapshot for a terminal: no escapes, no controls."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def safe_name(file: str | os.PathLike[str]) -> str:
    """A file's name for a terminal: whoever made the file chose it."""
    return safe(os.fspath(file))


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


def size_text(size: int) -> str:
    """A size in bytes for people."""
    if size < 1000:
        return f"{size} B"
    for unit in ("kB", "MB", "GB"):
        size_in_unit = size / {"kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
        if size_in_unit < 1000 or unit == "GB":
            return f"{size_in_unit:.3g} {unit}" if size_in_unit < 1000 else f"{size_in_unit:.0f} {unit}"
    raise AssertionError


def plural(count: int, word: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def fail(error: JellyError, *, json: bool) -> int:
    """Say an error, for people or as JSON; its exit code."""
    said = False
    if json:
        with suppress(OSError):  # what nothing can be written to is told of on stderr
            print_json({"error": error.to_json()})
            said = True
    if not said:
        where = f" [{error.requirement}]" if error.requirement else ""
        click.echo(f"{click.style('error:', fg='red', bold=True)} {safe(error.message)}{where}", err=True)
        if error.hint:
            click.echo(f"  {safe(error.hint)}", err=True)
    return error.exit_code
