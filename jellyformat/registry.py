"""Which adapter a host belongs to: found by entry points, told by content (SPEC section 14)."""

from __future__ import annotations

import errno
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import BinaryIO, TypeAlias

from jellyformat import fileio
from jellyformat.container import MAGIC
from jellyformat.errors import SystemFailure, Usage
from jellyformat.host import Adapter, Carried
from jellyformat.source import FileSource, Source, StreamSource

GROUP = "jellyformat.adapters"
BARE = "jelly"
"""The ``host`` of a container that lies in a file of its own."""

PathLike: TypeAlias = str | os.PathLike[str]
Readable: TypeAlias = PathLike | BinaryIO


@dataclass(frozen=True)
class Found:
    """What a file turned out to be.

    Attributes:
        host: The adapter's name, or ``jelly`` for a bare container.
        adapter: The adapter; None for a bare container.
        carried: The container in it; None where there is none.
    """

    host: str
    adapter: Adapter | None
    carried: Carried | None


@lru_cache(maxsize=1)
def adapters() -> tuple[Adapter, ...]:
    """All installed adapters, those asked first in front."""
    found: list[Adapter] = []
    for entry in entry_points(group=GROUP):
        try:
            found.append(entry.load())
        except Exception as error:  # a third party's package must not take everything down
            warnings.warn(f"the adapter {entry.name} ({entry.value}) does not load: {error}", stacklevel=2)
    found.sort(key=lambda adapter: (-adapter.priority, adapter.name))
    if not found:
        raise Usage(
            "no host adapter is installed",
            hint="jellyformat has to be installed, not only on the path: pip install .",
        )
    return tuple(found)


def adapter_for(source: Source) -> Adapter:
    """The adapter for a host that is no bare container."""
    return next(adapter for adapter in adapters() if adapter.matches(source))


def find(source: Source) -> Found:
    """What a file is, and the container in it.

    Raises:
        FormatError: the host is broken.
    """
    if source.read_at(0, len(MAGIC)) == MAGIC:
        return Found(BARE, None, Carried("bare", source, None))
    adapter = adapter_for(source)
    return Found(adapter.name, adapter, adapter.find(source))


@contextmanager
def reading(file: Readable) -> Iterator[tuple[Source, str]]:
    """A file's bytes and its name for people: a path, an open binary file, or a URL that fsspec knows.

    Raises:
        SystemFailure: it cannot be opened or read.
    """
    if isinstance(file, (str, os.PathLike)):
        name = os.fspath(file)
        if isinstance(name, str) and "://" in name and not Path(name).exists():
            from jellyformat import remote

            with remote.opened(name) as source:
                yield source, name
            return
        with opened(Path(name)) as fd:
            yield FileSource.of(fd), str(name)
    else:
        yield StreamSource.of(file), str(getattr(file, "name", "the file object"))


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A regular file, open for reading.

    Raises:
        NoFile: there is none.
        SystemFailure: it cannot be opened, or not read.
    """
    with fileio.system_errors(path, "nothing was changed", output=False):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise fileio.missing(path) from None
        try:
            mode = os.fstat(fd).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISCHR(mode)):
                raise SystemFailure(
                    f"{path} is a pipe or socket, which cannot be read at any place",
                    hint="nothing was changed; put what comes out of it into a file first, and name that",
                )
            yield fd
        finally:
            os.close(fd)
