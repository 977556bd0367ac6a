"""The command line: commands found by name and imported only when called, errors said for people, exit codes."""

from __future__ import annotations

import io
import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from jellyformat.cli.examples import epilog
from jellyformat.cli.output import fail, in_words, program
from jellyformat.errors import CaptureWarning, HostWarning, JellyError, RepositoryWarning, SystemFailure
from jellyformat.format.text import visible
from jellyformat.version import __version__

_COMMANDS = {
    "snapshot": "capture the repository into a bare container",
    "embed": "put a snapshot into a checkpoint",
    "verify": "check everything that can be checked",
    "show": "what is in it: commit, changes, sizes, environment",
    "ls": "the files of a snapshot",
    "cat": "one file's bytes to stdout",
    "diff": "the uncommitted changes, or code against code",
    "grep": "search the files of every snapshot below the paths",
    "label": "labels and note of a checkpoint, which log shows and sorts by",
    "sign": "sign with an SSH key, as git does",
    "log": "every snapshot below the paths as a timeline",
    "index": "what log needs of many checkpoints, kept in a file",
    "bisect": "which change between two checkpoints did it",
    "run": "a program in a directory that holds the snapshot's files",
    "export": "the files alone into a new directory",
    "restore": "the repository put into the snapshot's state, or a new one",
    "undo": "step back over a restore",
    "redo": "step forward again",
    "history": "the states that undo and redo walk",
    "extract": "the container's bytes out of its host",
    "strip": "take the snapshot out: the file is as it was",
    "git": "run git with {} standing for a repository that holds the snapshot",
    "env": "the captured environment",
    "fix": "mend what is broken or half done",
    "view": "a checkpoint, or a table of many, as a local web page",
    "doctor": "what is installed, and what a filesystem can do",
    "demo": "the whole story, on a small repository it makes",
    "completion": "what a shell needs to complete commands and options",
}


_GROUPS = {
    "Keep code in checkpoints": ("snapshot", "embed", "label", "sign", "extract", "strip", "fix"),
    "Look at it": ("show", "ls", "cat", "env", "verify", "view"),
    "Compare checkpoints": ("log", "grep", "diff", "bisect", "index"),
    "Get code back": ("restore", "undo", "redo", "history", "export", "run", "git"),
    "Begin": ("demo", "doctor", "completion"),
}
"""How the help lists them."""

_ALIASES = {
    # what the first tool of this kind called them
    "eat": "restore",
    "load": "restore",
    "load-snapshot-from": "restore",
    "undonut": "undo",
    "return": "undo",
}


class _CutOff(Exception):
    """Whoever read the output has closed it. click would end with 1 then, which stands for damage here."""


class _Commands(click.Group):
    """Commands in modules of their own."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _CutOff from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = _ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"jellyformat.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        command.epilog = epilog(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            import difflib  # here alone: it is slow to import, and seldom needed

            near = difflib.get_close_matches(name, [*_COMMANDS, *_ALIASES], n=1)
            meant = f" Did you mean {near[0]}?" if near else f" {ctx.command_path} --help lists them."
            ctx.fail(f"There is no command {visible(name)!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in _GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, _COMMANDS[name]) for name in names])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jellyformat")
def cli() -> None:
    """A checkpoint that carries the code that made it.

    \b
    Examples:
      jelly embed model.pt          put the code of this repository into model.pt
      jelly show model.pt           what is in it
      jelly restore model.pt        this repository as it was then; jelly undo takes it back
      jelly log runs                which code made which checkpoint

    Exit codes: 0 done, 1 damaged, 2 wrong usage, 3 nothing there, 4 refused for safety, 5 the system failed.
    """


def _prepare_streams() -> None:
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:  # closed: else the next file opened, a checkpoint, would get the place of stdout
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):  # None for the same reason, which click before 8.1.4 writes to
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # ASCII terminals, file names that are no UTF-8
            stream.reconfigure(errors="backslashreplace")


def _warn(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """Say a warning for people, where one of our own is to be said."""
    if issubclass(category, (CaptureWarning, HostWarning, RepositoryWarning)):
        said = in_words(message.args[0] if isinstance(message, Warning) and message.args else str(message))
        click.echo(f"{click.style('warning:', fg='yellow', bold=True)} {visible(said)}", err=True)
    else:
        _show_warning(message, category, *place, **more)


_show_warning = warnings.showwarning


def _system(error: OSError) -> JellyError:
    """What the system said no to, where nobody was near who knows more."""
    if not isinstance(error.filename, str | bytes):
        return SystemFailure(str(error), hint="nothing was lost")
    from jellyformat.files.durable import explained  # only where it is needed

    return explained(error, Path(os.fsdecode(error.filename)), "nothing was lost", output=False)


def main() -> None:
    """Run the command line and exit."""
    json = "--json" in sys.argv
    _prepare_streams()
    warnings.showwarning = _warn
    try:
        code = cli.main(standalone_mode=False, prog_name=program())
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a full disk is told
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing was lost", err=True)
        code = 130
    except (_CutOff, BrokenPipeError):
        # whoever read the output has seen enough; keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except JellyError as error:
        code = fail(error, json=json)
    except OSError as error:
        code = fail(_system(error), json=json)
    except MemoryError:
        code = fail(SystemFailure("there is not enough memory", hint="nothing was changed"), json=json)
    sys.exit(code if isinstance(code, int) else 0)
