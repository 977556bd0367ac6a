"""Long output on a terminal, through the pager that git would use."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator

import click

from jellyformat import searchpath
from jellyformat.format.text import visible

_FOR_A_SHELL = re.compile(r"[|&;<>()$`\\\"'*?\[#~=%]")
"""What git looks for to tell whether a pager needs a shell. It is the user's own setting, no repository's."""
_SHOWN = "(?:0*[0-4]|3[1-69]|49|9[1-6])"
_COLOUR = re.compile(rf"\x1b\[(?:{_SHOWN}(?:;{_SHOWN})*)?m|\x1b\[41m(?=[ \t]+\x1b\[m)")
"""The colours that a diff has, with which all can be read: others, in somebody's files, could hide lines of code. Red
is behind spaces at the end of a line, and nothing else."""


def is_terminal() -> bool:
    """Whether somebody reads stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def page(pieces: Iterable[bytes]) -> None:
    """Print text that others wrote: on a terminal through a pager, with nothing but colours; else as it is.

    The pager is the one that git uses: ``GIT_PAGER``, ``core.pager`` of the user's own configuration, ``PAGER``, less.
    """
    if not is_terminal():
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        return
    prepare()
    click.echo_via_pager(harmless(pieces), color=click.get_current_context().color is not False)


def prepare() -> None:
    """Have click take the pager that git uses, set up as git does: what fits on the screen stays there."""
    for name, value in (("LESS", "FRX"), ("LV", "-c")):
        os.environ.setdefault(name, value)
    pager = _pager()
    shell = searchpath.find_program("sh")
    if shell is not None and _FOR_A_SHELL.search(pager):  # such as ``delta | less``: as git runs it
        pager = shlex.join([shell, "-c", pager])
    os.environ["PAGER"] = pager


def harmless(pieces: Iterable[bytes]) -> Iterator[str]:
    """Text for a terminal, line by line: control characters are shown as escapes, colours of a diff are kept."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield _harmless(line) + "\n"
    if rest:
        yield _harmless(rest)


def _harmless(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    out, at = [], 0
    for found in _COLOUR.finditer(text):
        out += [_escaped(text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*out, _escaped(text[at:])])


def _escaped(text: str) -> str:
    return "\t".join(map(visible, text.split("\t")))


def _pager() -> str:
    """The pager of git: asked from where no repository's configuration counts."""
    git = searchpath.find_program("git")
    if git is not None:
        done = subprocess.run(
            [git, "--git-dir=/nowhere", "var", "GIT_PAGER"], cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    return os.environ.get("PAGER") or "less"
