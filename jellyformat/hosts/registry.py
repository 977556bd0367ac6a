"""Which adapter a host belongs to: found by entry points, told by content (SPEC JF-HST)."""

from __future__ import annotations

import errno
import os
import stat
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from jellyformat.errors import SystemFailure, Usage
from jellyformat.files import durable
from jellyformat.files.platform import NO_WAIT, PLAIN
from jellyformat.format.container import BARE
from jellyformat.format.frames import MAGIC
from jellyformat.format.source import FileSource, Source, StreamSource
from jellyformat.hosts.adapter import Adapter, Carried
from jellyformat.searchpath import safe_entries

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "jellyformat.adapters"

PathLike: TypeAlias = str | os.PathLike[str]
Readable: TypeAlias = PathLike | BinaryIO


@dataclass(frozen=True)
class Listed:
    """A file behind a URL of which its store has told: nothing more need be asked before it is read.

    Attributes:
        url: Its URL.
        size: Its length in bytes.
        etag: What the store calls this version of it; None where it does not say.
        beside: The files beside it that may be its sidecar.
    """

    url: str
    size: int
    etag: str | None = None
    beside: tuple[Listed, ...] = ()


@dataclass(frozen=True)
class Recognized:
    """What a file turned out to be.

    Attributes:
        host: The adapter's name, or ``jelly`` for a bare container.
        adapter: The adapter; None for a bare container.
        carried: The container in it; None where there is none.
    """

    host: str
    adapter: Adapter | None
    carried: Carried | None


_LOADING = threading.local()


def is_loading() -> bool:
    """Whether adapters are being loaded in this thread, to read files: no program of the user's has imported them."""
    return getattr(_LOADING, "now", False)


@lru_cache(maxsize=1)
def adapters() -> tuple[Adapter, ...]:
    """All installed adapters, those asked first in front."""
    found: list[Adapter] = []
    _LOADING.now = True
    try:
        for entry in _entry_points():
            try:
                found.append(entry.load())
            except Exception as error:  # a third party's package must not take everything down
                warnings.warn(f"the adapter {entry.name} ({entry.value}) does not load: {error}", stacklevel=2)
    finally:
        _LOADING.now = False
    found.sort(key=lambda adapter: (-adapter.priority, adapter.name))
    if not found:
        raise Usage(
            "no host adapter is installed",
            hint="jellyformat has to be installed, not only on the path: pip install .",
        )
    return tuple(found)


def _entry_points() -> Iterable[EntryPoint]:
    """What installed packages offer; of one name that comes first. A package that lies in the current directory, which
    may be anybody's, is not installed, whatever Python's path says."""
    from importlib.metadata import distributions  # it takes as long as all else: a bare container needs no adapter

    found: dict[str, EntryPoint] = {}
    for package in distributions(path=safe_entries()):
        for entry in package.entry_points:
            if entry.group == GROUP:
                found.setdefault(entry.name, entry)
    return found.values()


def adapter_for(source: Source) -> Adapter:
    """The adapter for a host that is no bare container."""
    return next(adapter for adapter in adapters() if adapter.matches(source))


def recognize(source: Source) -> Recognized:
    """What a file is, and the container in it.

    Raises:
        FormatError: the host is broken.
    """
    if source.read_at(0, len(MAGIC)) == MAGIC:
        return Recognized(BARE, None, Carried("bare", source, None))
    adapter = adapter_for(source)
    return Recognized(adapter.name, adapter, adapter.find(source))


@contextmanager
def reading(file: Readable | Listed) -> Iterator[tuple[Source, str]]:
    """A file's bytes and its name for people: a path, an open binary file, or a URL that fsspec knows.

    Raises:
        SystemFailure: it cannot be opened or read.
    """
    if isinstance(file, Listed):
        from jellyformat.hosts import remote

        yield remote.open_listed(file), file.url
    elif isinstance(file, (str, os.PathLike)):
        name = os.fspath(file)
        if isinstance(name, str) and "://" in name and not durable.is_there(Path(name)):
            from jellyformat.hosts import remote

            with remote.open_url(name) as source:
                yield source, name
            return
        with open_file(Path(name)) as fd:
            yield FileSource.of(fd), str(name)
    else:
        yield StreamSource.of(file), str(getattr(file, "name", "the file object"))


@contextmanager
def open_file(path: Path) -> Iterator[int]:
    """A regular file, open for reading.

    Raises:
        NoFile: there is none.
        SystemFailure: it cannot be opened, or not read.
    """
    with durable.system_errors(path, "nothing was changed", output=False):
        try:
            fd = os.open(path, os.O_RDONLY | PLAIN | NO_WAIT)
        except FileNotFoundError:
            raise durable.missing(path) from None
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
