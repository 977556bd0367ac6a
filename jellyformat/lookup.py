"""Where the container is, for what was named: in the file, in the sidecar beside it, or in the directory (SPEC 14)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from jellyformat import binding, container, directories, fileio, registry
from jellyformat.binding import Sidecar
from jellyformat.container import HEADER_LENGTH, MAGIC, parse_header
from jellyformat.directories import Directory
from jellyformat.errors import FormatError, JellyError, NoSnapshot, SystemFailure
from jellyformat.host import Adapter, Carried
from jellyformat.journal import journal_path
from jellyformat.msgpack import Value
from jellyformat.registry import Readable
from jellyformat.source import FileSource, Source, Window

SUFFIX = ".jelly"
"""What the name of a sidecar adds to its host's."""
_HALF_CHANGED = "a change of it is under way, or was broken off; then mend it with: python -m jellyformat fix"


@dataclass(frozen=True)
class Named:
    """What was named, open for reading.

    Attributes:
        name: For people.
        path: Where it is; None for a file object or URL.
        place: The file's bytes, or the directory.
        resources: What is closed with it.
    """

    name: str
    path: Path | None
    place: Source | Directory
    resources: ExitStack


@dataclass(frozen=True)
class Holding:
    """A container that was found.

    Attributes:
        host: The kind of its host: an adapter's name, ``jelly``, ``sidecar`` or ``directory``.
        form: How it lies there.
        container: Its bytes.
        file: The file that holds it, where that is another one than was named.
        adapter: The adapter of the host it lies in; None where it does not lie in one.
        carried: How it lies in that host; None as above.
    """

    host: str
    form: str
    container: Source
    file: Path | None = None
    adapter: Adapter | None = None
    carried: Carried | None = None


Extensions: TypeAlias = Mapping[str, Value]


@contextmanager
def named(file: Readable) -> Iterator[Named]:
    """Open what was named: a path of a file or directory, a binary file object, or a URL that fsspec knows.

    The index of a model in several files stands for their directory.

    Raises:
        NoFile: there is none.
        SystemFailure: it cannot be opened or read, or is a directory of no kind that is known.
    """
    with ExitStack() as resources:
        path: Path | None = None
        if isinstance(file, (str, os.PathLike)):
            path = Path(file)
            directory = directories.named_by(path)
            if directory is not None:
                yield Named(str(path), path, directory, resources)
                return
            if fileio.is_directory(path):
                message, hint = directories.unknown(path)
                raise SystemFailure(message, hint=hint)
            path = path if os.path.lexists(path) else None
        source, name = resources.enter_context(registry.reading(file))
        yield Named(name, path, source, resources)


def container_in(named: Named) -> Holding:
    """The container for what was named.

    Raises:
        NoSnapshot: there is none.
        FormatError: the host is broken.
        SystemFailure: the file that holds it cannot be read.
    """
    place = named.place
    if isinstance(place, Directory):
        source = _beside(named, place.file, is_container)
        if source is not None:
            return Holding(directories.HOST, place.kind, source, place.file)
        raise _none(named, place.file)
    try:
        found = registry.find(place)
    except FormatError as error:
        if _is_half_changed(named):
            error.hint = f"{_HALF_CHANGED} {named.name}"
        raise
    if found.carried is not None:
        form, inner = found.carried.form, found.carried.container
        if form == "tensor":
            # a tensor's end is not known without unpickling: the header says where the container ends
            header = parse_header(inner.read_at(0, HEADER_LENGTH))
            if header.total_length < inner.size:
                inner = Window(inner, 0, header.total_length)
        return Holding(found.host, form, inner, None, found.adapter, found.carried)
    if _is_half_changed(named):
        raise NoSnapshot(f"{named.name} carries no snapshot", hint=f"{_HALF_CHANGED} {named.name}")
    if named.path is not None:
        for path in sidecar_paths(named.path):
            source = _beside(named, path, is_sidecar)
            if source is not None:
                return Holding(binding.SIDECAR, "beside", source, path)
        raise _none(named, sidecar_paths(named.path)[0])
    if "://" in named.name and "?" not in named.name:
        with suppress(JellyError):  # a server may answer anything for what is not there
            source, name = named.resources.enter_context(registry.reading(named.name + SUFFIX))
            if is_sidecar(source):
                return Holding(binding.SIDECAR, "beside", source, Path(name))
    raise _none(named, None)


def sidecar_paths(path: Path) -> tuple[Path, ...]:
    """Where the sidecar of a file may be: beside it as it was named, or beside what a symbolic link leads to."""
    here = path.with_name(path.name + SUFFIX)
    real = Path(os.path.realpath(path))
    return (here,) if not path.is_symlink() else (here, real.with_name(real.name + SUFFIX))


def is_container(source: Source) -> bool:
    """Whether a file begins as a container does."""
    return source.read_at(0, len(MAGIC)) == MAGIC


def is_sidecar(source: Source, *, damaged: bool = True) -> bool:
    """Whether a file is a container that was put beside a host.

    Args:
        source: The file.
        damaged: What to say of a container that cannot tell.
    """
    if not is_container(source):
        return False
    try:
        return binding.SIDECAR in read_extensions(source)
    except FormatError:
        return damaged  # whoever reads it says what is wrong


def read_extensions(source: Source) -> Extensions:
    """The extensions in a container's manifest.

    Raises:
        FormatError: it is damaged.
    """
    return container.read_manifest(source, container.read_header(source)).extensions


def host_of(path: Path, sidecar: Sidecar) -> Path | None:
    """The file beside the sidecar ``path`` that it may be for, by its own name, or by that its host had; else None."""
    names = [path.name.removesuffix(SUFFIX)] if path.name.endswith(SUFFIX) else []
    for name in (*names, os.fsdecode(sidecar.name)):
        beside = path.with_name(name) if name else path
        if beside != path and fileio.is_file(beside):
            return beside
    return None


def _is_half_changed(named: Named) -> bool:
    return named.path is not None and os.path.lexists(journal_path(Path(os.path.realpath(named.path))))


def _beside(named: Named, path: Path, test: Callable[[Source], bool]) -> Source | None:
    """The container in a file beside the host, or None."""
    if not fileio.is_file(path):
        return None
    source = FileSource.of(named.resources.enter_context(registry.opened(path)))
    return source if test(source) else None


def _none(named: Named, beside: Path | None) -> NoSnapshot:
    hint = f"put one in with: python -m jellyformat embed {named.name}"
    if beside is not None and fileio.is_file(beside):
        with suppress(JellyError), registry.opened(beside) as fd:
            if is_container(FileSource.of(fd)):
                hint = f"{beside} is a snapshot, but was not put there for it: name that file"
    return NoSnapshot(f"{named.name} carries no snapshot", hint=hint)
