"""Where the container is, for what was named: in the file, in the sidecar beside it, or in the directory (JF-HST)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from jellyformat.errors import FormatError, JellyError, NoFile, NoSnapshot, OnlyPointer
from jellyformat.files import durable
from jellyformat.files.journal import journal_path
from jellyformat.format import frames, limits
from jellyformat.format.frames import HEADER_LENGTH, MAGIC, parse_header
from jellyformat.format.msgpack import Value
from jellyformat.format.source import FileSource, Source, Window
from jellyformat.hints import Hint, command
from jellyformat.hosts import binding, directories, pointers, registry
from jellyformat.hosts.adapter import Adapter, Carried
from jellyformat.hosts.binding import Sidecar
from jellyformat.hosts.directories import Directory
from jellyformat.hosts.registry import Listed, Readable

PREFIX, SUFFIX = "jelly.", ".jelly"
"""What the name of a sidecar has in front of its host's and behind it. Loaders look for names that begin or end as
those of checkpoints do, and some delete what they find: flax takes ``checkpoint_5.jelly`` for one."""


@dataclass(frozen=True)
class Named:
    """What was named, open for reading.

    Attributes:
        name: For people.
        path: Where it is; None for a file object or URL.
        place: The file's bytes, or the directory.
        resources: What is closed with it.
        listed: What the store has told of a file behind a URL; None where it was not asked.
    """

    name: str
    path: Path | None
    place: Source | Directory
    resources: ExitStack
    listed: Listed | None = None


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
def named(file: Readable | Listed) -> Iterator[Named]:
    """Open what was named: a path of a file or directory, a binary file object, or a URL that fsspec knows.

    The index of a model in several files stands for their directory.

    Raises:
        NoFile: there is none.
        NoSnapshot: it is a directory of no kind that is known.
        SystemFailure: it cannot be opened or read.
    """
    with ExitStack() as resources:
        path: Path | None = None
        if isinstance(file, (str, os.PathLike)):
            path = Path(file)
            directory = directories.named_by(path)
            if directory is not None:
                yield Named(str(path), path, directory, resources)
                return
            directories.check_known(path)
            path = path if os.path.lexists(path) else None
        try:
            source, name = resources.enter_context(registry.reading(file))
        except NoFile as error:
            if path is None and isinstance(file, (str, os.PathLike)):
                _say_orphan(error, Path(file))
            raise
        yield Named(name, path, source, resources, file if isinstance(file, Listed) else None)


def _say_orphan(error: NoFile, path: Path) -> None:
    """Say of a file that is gone that its sidecar is there."""
    for beside in sidecar_paths(path):
        if durable.is_file(beside):
            error.hint = Hint(f"{beside.name} is there, which was put beside it: ", command("show", str(beside)))
            return


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
        raise _none(named, [place.file])
    try:
        found = registry.recognize(place)
    except FormatError as error:
        if _is_half_changed(named):
            error.hint = _mend(named)
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
        raise NoSnapshot(f"{named.name} carries no snapshot", hint=_mend(named))
    if named.path is not None:
        paths = sidecar_paths(named.path)
        for path in paths:
            source = _beside(named, path, is_sidecar)
            if source is not None:
                return Holding(binding.SIDECAR, "beside", source, path)
        raise_if_pointer(named.name, place)
        raise _none(named, paths)
    for file in _remotely_beside(named):
        with suppress(JellyError):  # a server may answer anything for what is not there
            source, name = named.resources.enter_context(registry.reading(file))
            if is_sidecar(source):
                return Holding(binding.SIDECAR, "beside", source, Path(name))
    raise _none(named, ())


def _remotely_beside(named: Named) -> Sequence[str | Listed]:
    """What may be the sidecar of a file behind a URL: of one that was listed, what is known to be there."""
    if named.listed is not None:
        return named.listed.beside
    if "://" not in named.name or "?" in named.name:
        return ()
    above, _, last = named.name.rpartition("/")
    return [f"{above}/{name}" for name in sidecar_names(last)]


def raise_if_pointer(name: str, place: Source) -> None:
    """Raises OnlyPointer for a file that only stands for another one."""
    found = pointers.pointer(place)
    if found is not None:
        raise OnlyPointer(f"{name} is {found[0]}, not the file itself", hint=f"fetch that first: {found[1]}")


def sidecar_names(name: str) -> tuple[str, str]:
    """The name of a sidecar of the file ``name``, and the one that sidecars had before (SPEC JF-SDC)."""
    raw = os.fsencode(name)
    is_long = len(raw) + len(PREFIX) + len(SUFFIX) > limits.COMPONENT_BYTES
    return f"{PREFIX}{hashlib.sha256(raw).hexdigest() if is_long else name}{SUFFIX}", name + SUFFIX


def sidecar_paths(path: Path) -> tuple[Path, ...]:
    """Where the sidecar of a file may be: beside it as it was named, or beside what a symbolic link leads to.

    Of each two, the first has the name that a new one gets, and the second the one that sidecars had before.
    """
    if not path.name:  # the current directory, or the root
        return ()
    places = [path, Path(os.path.realpath(path))] if path.is_symlink() else [path]
    return tuple(place.with_name(name) for place in places for name in sidecar_names(place.name))


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
    return frames.read_manifest(source, frames.read_header(source)).extensions


def host_of(path: Path, sidecar: Sidecar) -> Path | None:
    """The file beside the sidecar ``path`` that it may be for, by its own name, or by that its host had; else None."""
    names = [path.name.removesuffix(SUFFIX)] if path.name.endswith(SUFFIX) else []
    names = [*(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)), *names]
    for name in (*names, os.fsdecode(sidecar.name)):
        beside = path.with_name(name) if name else path
        if beside != path and durable.is_file(beside):
            return beside
    return None


def _is_half_changed(named: Named) -> bool:
    return named.path is not None and os.path.lexists(journal_path(Path(os.path.realpath(named.path))))


def _mend(named: Named) -> Hint:
    return Hint("a change of it is under way, or was broken off; then mend it with: ", command("fix", named.name))


def _beside(named: Named, path: Path, test: Callable[[Source], bool]) -> Source | None:
    """The container in a file beside the host, or None."""
    if not durable.is_file(path):
        return None
    source = FileSource.of(named.resources.enter_context(registry.open_file(path)))
    return source if test(source) else None


def _none(named: Named, beside: Sequence[Path]) -> NoSnapshot:
    hint = Hint("put one in with: ", command("embed", named.name))
    if named.path is not None and not isinstance(named.place, Directory):
        above = named.path.parent
        if durable.is_file(above / directories.FILE_NAME):  # a shard, of a checkpoint that is the whole directory
            hint = Hint("the directory that it is in carries one: ", command("show", str(above)))
    for path in filter(durable.is_file, beside):
        with suppress(JellyError), registry.open_file(path) as fd:
            if is_container(FileSource.of(fd)):
                hint = Hint(f"{path} is a snapshot, but was not put there for it: name that file")
    return NoSnapshot(f"{named.name} carries no snapshot", hint=hint)
