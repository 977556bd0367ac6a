"""Where else the objects of a repository are: ``info/alternates`` (gitrepository-layout(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator

from jellyformat.errors import RefusedRepository
from jellyformat.git import reading
from jellyformat.git.attributes import unquote
from jellyformat.git.reading import Reader

_DEPTH = 5
_MOST = 1000
_LONGEST_PATH = 1 << 14


def with_alternates(directory: bytes, reader: Reader) -> list[bytes]:
    """The directory of objects and those that its ``info/alternates`` name, in turn; no others without links followed.

    Raises:
        RefusedRepository: there are too many, or the file is none.
        OSError: it cannot be read.
    """
    found: dict[bytes, None] = {}
    level = [directory]
    for _ in range(_DEPTH + 1):
        further: list[bytes] = []
        for place in level:
            if place in found or (found and not reader.is_directory(place, b".")):
                continue
            found[place] = None
            lines = (reader.read(place, b"info/alternates", reading.POINTER) or b"") if reader.follow else b""
            further += [os.path.normpath(os.path.join(place, name)) for name in _named(lines)]
            if len(found) + len(further) > _MOST:
                raise RefusedRepository(
                    f"{os.fsdecode(directory)} and its alternates name more than {_MOST} others",
                    hint="nothing was changed; `git repack -a -d` in that repository brings the objects together",
                )
        level = further
    return [*found]


def _named(text: bytes) -> Iterator[bytes]:
    for line in text.split(b"\n"):
        if 0 < len(line) <= _LONGEST_PATH and not line.startswith(b"#"):
            yield (unquote(line[1:-1]) or line) if line[:1] == line[-1:] == b'"' else line
