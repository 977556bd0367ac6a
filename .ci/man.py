"""Manual pages of the command line, made from its help when a wheel is built.

python .ci/man.py DIRECTORY      writes them

A build hook of hatchling (`pyproject.toml`): a wheel has them in ``share/man/man1``, where `man` finds them as soon as
an environment is activated. click-man knows neither commands that are imported when they are called, nor examples.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # called by hand
    BuildHookInterface = object  # type: ignore[assignment, misc]  # only a base

ROOT = Path(__file__).resolve().parents[1]
CODES = (
    (0, "done"), (1, "damaged"), (2, "wrong usage"), (3, "nothing there"), (4, "refused for safety"),
    (5, "the system failed"),
)  # fmt: skip


class ManualPages(BuildHookInterface):  # type: ignore[type-arg, misc, unused-ignore]
    """Adds the pages to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make them, where a wheel is built; what is installed to be edited has none."""
        if version == "editable":
            return
        self.made = tempfile.TemporaryDirectory()
        for path in write(Path(self.made.name)):
            build_data["shared_data"][str(path)] = f"share/man/man1/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take away what was made for it."""
        if version != "editable":
            self.made.cleanup()


def write(directory: Path) -> list[Path]:
    """Write all pages: the same bytes for the same commands.

    Args:
        directory: Where to.

    Returns:
        Their paths.
    """
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(ROOT))
    import click

    from jellyformat.cli.examples import EXAMPLES
    from jellyformat.cli.main import _COMMANDS, _GROUPS, cli
    from jellyformat.version import __version__

    top = click.Context(cli, info_name="jelly")
    pages = {"jelly": _page(top, "a checkpoint that carries the code that made it", (), __version__)}
    groups = [".SH COMMANDS"]
    for title, names in _GROUPS.items():
        groups.append(f".SS {_text(title)}")
        for name in names:
            groups += [".TP", f"\\fBjelly\\-{_text(name)}\\fR(1)", _text(_COMMANDS[name])]
    pages["jelly"] += "\n".join(groups) + "\n"
    for name in _COMMANDS:
        command = cli.get_command(top, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=top)
        pages[f"jelly-{name}"] = _page(context, _COMMANDS[name], EXAMPLES[name], __version__)
    pages["jellyformat"] = ".so man1/jelly.1\n"
    for name, text in pages.items():
        (directory / f"{name}.1").write_text(text, encoding="utf-8", newline="\n")
    return [directory / f"{name}.1" for name in sorted(pages)]


def _page(context: click.Context, short: str, examples: tuple[str, ...], version: str) -> str:
    command = context.command
    name = context.command_path.replace(" ", "-")
    lines = [
        f'.TH "{name.upper()}" 1 "" "jellyformat {version}" "jellyformat"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(short)}",
        ".SH SYNOPSIS",
        f"\\fB{_text(context.command_path)}\\fR {_text(' '.join(command.collect_usage_pieces(context)))}",
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
    ]
    lines.append(".SH OPTIONS")
    for item in command.get_params(context):
        record = item.get_help_record(context)
        if record is not None and record[1]:
            lines += [".TP", f"\\fB{_text(record[0])}\\fR", _text(record[1])]
    if examples:
        lines += [".SH EXAMPLES", ".nf", *map(_text, examples), ".fi"]
    lines.append(".SH EXIT STATUS")
    for code, what in CODES:
        lines += [".TP", f"\\fB{code}\\fR", what]
    if context.parent is not None:
        lines += [".SH SEE ALSO", "\\fBjelly\\fR(1)"]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of a help; those that click leaves as they are stay so here, too."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        kept = paragraph.lstrip().startswith("\b")
        if lines:
            lines.append(".PP")
        rows = paragraph.strip().removeprefix("\b").strip("\n").splitlines()
        lines += [".nf", *map(_text, rows), ".fi"] if kept else [_text(" ".join(" ".join(rows).split()))]
    return lines


def _text(text: str) -> str:
    """A line of text that troff takes for nothing else."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    print(f"{len(write(Path(sys.argv[1])))} pages")
