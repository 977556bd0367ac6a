"""Filters of content (gitattributes(5)): which are known to keep nothing secret, and what their pointers say.

A filter may be there to keep something out of the repository: keys, whole files. Which do not is known by the programs
that they run; nothing is run here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

_KNOWN = frozenset(
    (
        *("lfs", "git-lfs", "annex", "git-annex", "dvc", "fat", "git-fat", "theta", "git-theta", "git-media"),
        *("nbstripout", "nbstripout-fast", "nb-clean", "nbdev", "nbdev_clean", "nbdev_clean_nbs", "jupytext"),
        *("jupyter", "jupyter-nbconvert", "nbconvert", "jq", "cat", "tee", "rezip", "zippey"),
    )
)
"""Programs, modules and names of filters: large files kept elsewhere, outputs taken out of notebooks."""
_STRIPS = re.compile(
    r"(?:nb|notebook|ipynb|jupyter|outputs?).*(?:strip|clean|clear|drop|remove)"
    r"|(?:strip|clean|clear|drop|remove).*(?:nb|notebook|ipynb|jupyter|output)",
    re.IGNORECASE,
)
"""Scripts of one's own that take outputs out of notebooks, by their name."""
_CONCEALS = re.compile(r"crypt|gpg|\bage\b|sops|openssl|vault|secret|passw|token", re.IGNORECASE)
_RUNNERS = re.compile(
    r"(?:python|pypy)[\d.]*(?:\.exe)?|sh|bash|dash|zsh|env|exec|command|nice|uvx?|pipx|poetry|conda|mamba"
)
_SEPARATORS = frozenset(("|", "||", "&&", ";", "&"))
_WORDS = frozenset(("run", "tool", "-m", "-u", "-I", "-E", "-s", "-S", "-B", "--"))
"""What stands between a program that runs others and what it runs."""
_LONGEST = 1 << 14
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]+\n)*?oid sha256:([0-9a-f]{64})\n")
_ANNEX = re.compile(
    rb"/annex/objects/(MD5|SHA1|SHA224|SHA256|SHA384|SHA512)E?(?:-[a-zA-Z]\d+)*--([0-9a-f]+)(?:\.[^/\n]*)?\n"
)
POINTER_BYTES = 32_768
"""Bytes that a pointer may have, as git-annex has it; those of LFS have 1024."""


@dataclass(frozen=True)
class Pointer:
    """What stands in git for a file that is kept elsewhere.

    Attributes:
        algorithm: As Python's hashlib calls it.
        digest: Of the file's bytes, in lower-case hex.
    """

    algorithm: str
    digest: str

    def is_of(self, pieces: Iterable[bytes]) -> bool:
        """Whether it stands for these bytes."""
        hasher = hashlib.new(self.algorithm, usedforsecurity=False)
        for piece in pieces:
            hasher.update(piece)
        return hasher.hexdigest() == self.digest


def pointer_of(blob: bytes) -> Pointer | None:
    """The pointer of LFS or git-annex that a blob is."""
    match = _LFS.match(blob) if len(blob) <= 1024 else None
    if match is not None:
        return Pointer("sha256", match[1].decode())
    match = _ANNEX.match(blob)
    return None if match is None else Pointer(match[1].decode().lower(), match[2].decode())


def conceals(name: str, commands: Iterable[str]) -> bool:
    """Whether a filter may keep something secret out of git: any may whose purpose is not known.

    Args:
        name: Of the filter.
        commands: What is configured for it.
    """
    programs = [program for command in commands if command.strip() for program in _programs_of(command)]
    if any(_CONCEALS.search(text) for text in (name, *programs)):
        return True
    if name in _KNOWN:
        return False
    return not programs or not all(program in _KNOWN or _STRIPS.search(program) for program in programs)


@lru_cache(maxsize=64)  # it is asked for each file, and may take seconds
def _programs_of(command: str) -> tuple[str, ...]:
    """The programs of a command line for a shell; an empty name where they cannot be told."""
    if len(command) > _LONGEST or "`" in command or "$(" in command:
        return ("",)
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return ("",)
    return (*_programs(words),)


def _programs(words: list[str]) -> Iterator[str]:
    """The programs of a command line, each without its directory; of those that run others, what they run."""
    at_begin = True
    skip_next = False
    for word in words:
        if word in _SEPARATORS:
            at_begin = True
        elif skip_next:
            skip_next = False
        elif set(word) <= set("<>&|;()"):
            skip_next = True  # where output goes
        elif at_begin and not re.match(r"\w+=", word) and word not in _WORDS:
            program = os.path.basename(word.replace("\\", "/")).removesuffix(".py").removesuffix(".sh")
            if _RUNNERS.fullmatch(program) or program == "git":
                continue
            if word.startswith("-"):
                yield ""  # an option that is not known: what is run is not either
            yield program.partition(".")[0]
            at_begin = False
    if at_begin:
        yield ""
