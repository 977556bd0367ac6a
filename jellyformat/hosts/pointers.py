"""Files that only stand for others, which are still to be fetched: git works with them where the others are large."""

from __future__ import annotations

import re
from pathlib import Path

from jellyformat.errors import JellyError
from jellyformat.files import durable
from jellyformat.format.source import FileSource, Source
from jellyformat.hosts import registry

_LONGEST = 1 << 10
"""Bytes of the longest: SPEC of Git LFS."""
_LFS = re.compile(rb"version https://(?:git-lfs|hawser)\.github\.com/spec/v1\n(?:[ -~]+\n)*?oid sha256:[0-9a-f]{64}\n")
_ANNEX = re.compile(rb"/annex/objects/[^/\0\n]+\n?")


def pointer(source: Source) -> tuple[str, str] | None:
    """What kind of a pointer a file is, with its article, and what fetches the file it stands for; None for others."""
    if source.size > _LONGEST:
        return None
    content = source.read_at(0, _LONGEST)
    if _LFS.match(content):
        return "a Git LFS pointer", "git lfs pull"
    return ("a git-annex pointer", "git annex get") if _ANNEX.fullmatch(content) else None


def pointer_at(path: Path) -> tuple[str, str] | None:
    """`pointer` of a file by its name; None where it cannot be read."""
    if not durable.is_file(path):
        return None
    try:
        with registry.open_file(path) as fd:
            return pointer(FileSource.of(fd))
    except JellyError:
        return None


def pointer_in(directory: Path) -> tuple[Path, tuple[str, str]] | None:
    """A file in a directory that is one, and what; None where there is none."""
    with durable.system_errors(directory, "nothing was changed"):
        files = sorted(directory.iterdir())
    return next(((file, found) for file in files if (found := pointer_at(file)) is not None), None)
