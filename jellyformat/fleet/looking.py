"""Files looked at one by one: whether they carry a snapshot, and what its manifest says."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from jellyformat.errors import Absent, JellyError, OnlyPointer, SystemFailure
from jellyformat.files.durable import explained, is_directory, is_there, missing
from jellyformat.files.walk import walk
from jellyformat.fleet.rows import Row, Stamp, row_of, versions_of
from jellyformat.format import limits
from jellyformat.format.container import Container
from jellyformat.format.frames import Known, read_header
from jellyformat.format.msgpack import Value
from jellyformat.hosts.binding import SIDECAR
from jellyformat.hosts.directories import FILE_NAME, named_by
from jellyformat.hosts.lookup import container_in, named, sidecar_names, sidecar_paths
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import Listed, PathLike
from jellyformat.hosts.remote import listed

_NUMBER = re.compile(r"(\d+)")
_READ_BYTES = 256 * limits.MIB
"""Of each file, until its snapshot is found."""
_RACY_NS = 2_000_000_000
"""Nanoseconds in which a file may change twice with one time, as on a clock that ticks coarsely."""
_TRIES, _WAIT = 3, 0.3
"""How often a store is asked in all, and seconds before it is asked again: so many at first, then three times that."""


@dataclass(frozen=True)
class Spot:
    """A file to be looked at.

    Attributes:
        file: Its path, or what a store has told of it.
        is_accompanied: Whether a file lies beside it that may be its sidecar.
        named: How it is named, where that is not its path.
        was: What was known of it before it changed.
    """

    file: Path | Listed
    is_accompanied: bool = False
    named: str | None = None
    was: Row | None = None

    @property
    def name(self) -> str:
        """The file, as it is named."""
        if self.named is not None:
            return self.named
        return self.file.url if isinstance(self.file, Listed) else str(self.file)

    def seen_in(self, directory: str) -> Spot:
        """The same, for a process that is at work elsewhere than in ``directory``."""
        if isinstance(self.file, Listed):
            return self
        return replace(self, file=Path(directory, self.file), named=self.name)


@dataclass(frozen=True)
class Seen:
    """What came of looking at a file.

    Attributes:
        name: The file, as it is named.
        row: What its manifest says; None where no snapshot can be read.
        stamp: The file, as it was before.
        error: Why there is none: of the kind Absent where the file carries none.
        box: The container, where it was to stay open.
        data: The container's bytes, where they were read from a store, and may be needed again.
        known: Header and manifest, where they are kept.
    """

    name: str
    row: Row | None
    stamp: Stamp | None
    error: JellyError | None = None
    box: Container | None = None
    data: bytes | None = None
    known: Known | None = None


class Manifests:
    """What is kept of manifests. Equal environments, which are most of them, are kept and looked through once.

    Args:
        most: Bytes of manifests that are kept, as long as they are encoded.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._last: tuple[Mapping[str, Value], Mapping[str, str]] = ({}, {})

    def versions(self, box: Container) -> Mapping[str, str]:
        """The main versions in a container's environment; it uses that of the one before where it is the same."""
        environment, found = self._last
        if box.manifest.environment == environment:
            box.manifest = replace(box.manifest, environment=environment)
        else:
            found = versions_of(box.manifest.environment)
            self._last = box.manifest.environment, found
        return found

    def known(self, box: Container) -> Known | None:
        """What is kept of a container; None where enough is kept already."""
        self._left -= box.header.manifest_raw_length
        return (box.header, box.manifest) if self._left >= 0 else None


def spots(paths: Iterable[PathLike], unreadable: list[tuple[str, JellyError]]) -> Iterator[Spot]:
    """The files below some paths and URLs, as they are named.

    Links to files are followed where these are not below the paths themselves: in the cache of Hugging Face, a model's
    directory is made of such links. Links to directories are not: these may hold all there is.

    Args:
        paths: Files, directories, URLs of files, and URLs that names of files in a store begin with.
        unreadable: Gets directories that cannot be read.

    Raises:
        NoFile: there is no such file.
    """

    def note(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):  # gone since it was listed
            return
        place = Path(os.fsdecode(error.filename))
        unreadable.append((str(place), explained(error, place, "nothing was changed", output=False)))

    given_paths = list(paths)
    tops = [os.path.realpath(path).rstrip(os.sep) + os.sep for path in given_paths if is_directory(Path(path))]
    for given in given_paths:
        path = Path(given)
        if not os.path.lexists(path):
            if isinstance(given, str) and "://" in given:
                yield from (Spot(file, bool(file.beside)) for file in listed(given))
                continue
            raise missing(path)
        if not is_directory(path):
            yield Spot(path, any(is_there(place) for place in sidecar_paths(path)))
            continue
        for above, directories, names in walk(os.fspath(path), onerror=note):
            directories[:] = sorted((name for name in directories if name != ".git"), key=natural)
            if FILE_NAME in names and named_by(Path(above)) is not None:
                yield Spot(Path(above), True)
            there = set(names)
            for name in sorted(names, key=natural):
                file = Path(above, name)
                if _is_regular(file, tops):
                    yield Spot(file, not there.isdisjoint(sidecar_names(name)))


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts names as people count: 2 before 10. A number of two has the more digits, or the larger ones:
    Python refuses to read very long ones."""
    parts = _NUMBER.split(name)
    numbers = [part.lstrip("0") if at % 2 else "" for at, part in enumerate(parts)]
    return [
        (len(number), number) if at % 2 else (-1, part)
        for at, (part, number) in enumerate(zip(parts, numbers, strict=True))
        if part
    ]


def _is_regular(file: Path, tops: list[str]) -> bool:
    """Whether it is a regular file, or a link to one that is in none of the directories ``tops``."""
    try:
        mode = file.lstat().st_mode
        if not S_ISLNK(mode):
            return S_ISREG(mode)
        target = os.path.realpath(file)
        return S_ISREG(Path(target).lstat().st_mode) and not any(target.startswith(top) for top in tops)
    except OSError:
        return False


def stamp_of(file: Path | Listed | str) -> Stamp | None:
    """By what a file is told to be the same later; None where it is not there.

    That of one that changed just now does not tell: it may change again with the same times.
    """
    if isinstance(file, Listed):
        return Stamp(file.size, etag=file.etag)
    try:
        seen = Path(file).stat()
    except OSError:
        return None
    if S_ISDIR(seen.st_mode):  # its times are told by what is in it
        return Stamp(0, 0, 0, seen.st_ino)
    is_racy = abs(time.time_ns() - max(seen.st_mtime_ns, seen.st_ctime_ns)) < _RACY_NS
    return Stamp(seen.st_size, seen.st_mtime_ns, None if is_racy else seen.st_ctime_ns, seen.st_ino)


def is_unchanged(spot: Spot, row: Row) -> bool:
    """Whether a file, and that which holds its container, are seen to be those that a row is of."""
    if row.stamp is None or not row.stamp.tells or stamp_of(spot.file) != row.stamp:
        return False
    if row.holder_stamp is None:
        return True
    if isinstance(spot.file, Listed):
        holder = next((file for file in spot.file.beside if file.url == row.holder), None)
        return holder is not None and row.holder_stamp.tells and stamp_of(holder) == row.holder_stamp
    return row.holder_stamp.tells and stamp_of(row.holder) == row.holder_stamp


def _opened(spot: Spot, manifests: Manifests) -> tuple[Row, Container]:
    """What is in a file, and its container, open.

    Raises:
        NoSnapshot: it carries none.
        FormatError: it is damaged.
        SystemFailure: it cannot be read.
    """
    stamp = stamp_of(spot.file)
    with ExitStack() as stack:
        box = stack.enter_context(open_container(spot.file, read_limit=_READ_BYTES))
        holder, holder_stamp = _holder(spot, box.host, box.file)
        versions = manifests.versions(box)
        row = row_of(box, file=spot.name, stamp=stamp, holder=holder, holder_stamp=holder_stamp, versions=versions)
        stack.pop_all()
        return row, box


def _still(spot: Spot) -> Row | None:
    """What was known of a file, where its container is still the one with that digest; else None."""
    if spot.was is None:
        return None
    stamp = stamp_of(spot.file)
    try:
        with named(spot.file) as place:
            held = container_in(place)
            if read_header(held.container).digest.hex() != spot.was.digest or held.host != spot.was.host:
                return None
            holder, holder_stamp = _holder(spot, held.host, held.file)
    except JellyError:  # which is told when all of it is read
        return None
    return replace(spot.was, stamp=stamp, holder=holder, holder_stamp=holder_stamp)


def _holder(spot: Spot, host: str, file: Path | None) -> tuple[str, Stamp | None]:
    if isinstance(spot.file, Listed):
        if host != SIDECAR or file is None:
            return spot.name, None
        held = next(item for item in spot.file.beside if item.url.rpartition("/")[2] == file.name)
        return held.url, stamp_of(held)
    if file is None:
        return os.path.realpath(spot.file), None
    return os.path.realpath(file), stamp_of(file)


def look(spot: Spot, manifests: Manifests, *, keep_open: bool = False) -> Seen:
    """What is in a file; a store that fails is asked again.

    Args:
        spot: The file.
        manifests: Keeps its manifest.
        keep_open: Whether its container stays open.
    """
    still = _still(spot)
    if still is not None:
        return Seen(spot.name, still, still.stamp)
    tries = _TRIES if isinstance(spot.file, Listed) else 1
    for attempt in range(tries):
        try:
            row, box = _opened(spot, manifests)
        except SystemFailure as error:
            if attempt + 1 == tries:
                return Seen(spot.name, None, stamp_of(spot.file), error)
            time.sleep(_WAIT * 3**attempt)
        except JellyError as error:
            return Seen(spot.name, None, stamp_of(spot.file), error)
        except MemoryError:
            return Seen(spot.name, None, None, SystemFailure(f"there is not enough memory to read {spot.name}"))
        else:
            known = manifests.known(box)
            if not keep_open:
                box.close()
            return Seen(spot.name, row, row.stamp, None, box if keep_open else None, known=known)
    raise AssertionError


def carries_none(error: JellyError) -> bool:
    """Whether a file carries no snapshot, or is gone: it is not damaged, and stands for no other."""
    return isinstance(error, Absent) and not isinstance(error, OnlyPointer)
