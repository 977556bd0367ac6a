"""Directories walked to any depth: `os.walk` of Python 3.11 and earlier fails in some hundred, one in another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import AnyStr


def walk(
    top: AnyStr, onerror: Callable[[OSError], object] | None = None
) -> Iterator[tuple[AnyStr, list[AnyStr], list[AnyStr]]]:
    """A directory and those below it, each with the names of its directories and of all else; as `os.walk`.

    Links to directories are among the directories, and not followed. What the caller takes out of the list of
    directories is not walked.

    Args:
        top: Where to begin.
        onerror: Called for a directory that cannot be read.
    """
    stack = [top]
    while stack:
        place = stack.pop()
        directories: list[AnyStr] = []
        names: list[AnyStr] = []
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    (directories if _is_directory(entry) else names).append(entry.name)
        except OSError as error:
            if onerror is not None:
                onerror(error)
            continue
        yield place, directories, names
        inner = [os.path.join(place, name) for name in reversed(directories)]
        stack += [path for path in inner if not os.path.islink(path)]


def _is_directory(entry: os.DirEntry[AnyStr]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
