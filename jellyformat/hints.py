"""Hints: what to do now, in Python's words and in those of the command line."""

from __future__ import annotations

import shlex

_FLAGS = {'out="OUT"': "-o OUT", 'secrets="allow"': "--allow-secrets"}
"""What the command line does not call as Python does."""


_NAMES = {"roots": "with"}
"""Options that have another name there: Python's own word."""
_CALLS = {"cat": "open({0}).read({1})", "ls": "open({0}).files()"}
"""What Python says of commands that are no functions."""
_COMMANDS = {"prune": "history --prune", "bundle": "extract -o OUT --bundle"}
"""What the command line says of functions that are no commands."""


class Hint(str):
    """What to do now, in the words of whoever reads it: as text in Python's, by `command_line` in a shell's.

    Args:
        parts: Text, and what `option` and `command` make. An f-string of them would have Python's words alone.
    """

    _pieces: tuple[str, ...]
    """In a shell's words, without the name of the program that stands between each two."""

    def __new__(cls, *parts: str) -> Hint:
        hint = super().__new__(cls, "".join(parts))
        pieces = [""]
        for part in parts:
            first, *more = part._pieces if isinstance(part, Hint) else (part,)
            pieces = [*pieces[:-1], pieces[-1] + first, *more]
        hint._pieces = tuple(pieces)
        return hint

    def command_line(self, program: str = "jelly") -> str:
        """The hint for a shell, where our command line is called ``program``."""
        return program.join(self._pieces)


def option(name: str, value: bool | int | str | tuple[str, ...] = True) -> Hint:
    """An option as Python takes it, and as the command line does: ``in_place=True``, and ``--in-place``.

    Args:
        name: The parameter's name in Python.
        value: Its value; of several, the flag is given once for each.
    """
    shown = f"[{', '.join(map(_literal, value))}]" if isinstance(value, tuple) else _literal(value)
    python = f"{name}={shown}"
    flag = "--" + ("no-" if value is False else "") + _NAMES.get(name, name).replace("_", "-")
    values = () if isinstance(value, bool) else value if isinstance(value, tuple) else (value,)
    shell = " ".join(f"{flag} {shlex.quote(str(item))}" for item in values) or flag
    return _said(python, _FLAGS.get(python, shell))


def command(name: str, *arguments: str) -> Hint:
    """A command as Python calls it, and as a shell does: ``jellyformat.restore("FILE")``, and ``jelly restore FILE``.

    Args:
        name: The command's name.
        arguments: Files and the like, and what `option` makes.
    """
    python = [item if isinstance(item, Hint) else _literal(item) for item in arguments]
    call = _CALLS[name].format(*python) if name in _CALLS else f"{name}({', '.join(python)})"
    shell = [
        item.command_line() if isinstance(item, Hint) else shlex.quote("./" * item.startswith("-") + item)
        for item in arguments
    ]
    return _said(f"jellyformat.{call}", "", " ".join(["", _COMMANDS.get(name, name), *shell]))


def _said(python: str, *pieces: str) -> Hint:
    hint = Hint(python)
    hint._pieces = pieces
    return hint


def _literal(value: bool | int | str) -> str:
    """As Python writes it, in double quotes where that is as good."""
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text
