"""The checkpoints below some paths: each file that carries a snapshot, once, and what its manifest says."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import groupby, islice
from pathlib import Path

from jellyformat import progress
from jellyformat.errors import HostWarning, JellyError, NoFile, NoSnapshot, SystemFailure
from jellyformat.fleet import index
from jellyformat.fleet.looking import Manifests, Seen, Spot, carries_none, is_unchanged, look, natural, spots
from jellyformat.fleet.rows import Row
from jellyformat.format import limits
from jellyformat.format.container import Container
from jellyformat.format.frames import Known
from jellyformat.hints import Hint, command
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import Listed, PathLike
from jellyformat.selecting import directory_of, run_of

STATE_BYTES = 512 * limits.MIB
"""Of the code in one of many snapshots, packed and unpacked, for it to be read."""
_MANIFEST_BYTES = 32 * limits.MIB
"""Of manifests that are kept while many are looked at, as long as they are encoded."""
_KEPT_BYTES = 256 * limits.MIB
"""Of containers that were read from stores, until all is done."""
_AT_ONCE, _AHEAD = 16, 128
"""Files that a store is asked for at the same time, and those that wait for it."""
_LEAST_DIGITS = 4
"""Digits by which a code or commit is named."""


@dataclass(frozen=True)
class Found:
    """A checkpoint with a snapshot.

    Attributes:
        file: Its path; where it is behind a URL, what the store has told of it, or the URL.
        info: What its manifest says.
        box: Kept open where the file is behind a URL: nothing is to be read twice.
        known: Header and manifest, where they are kept: so that they are not decoded twice.
        is_indexed: Whether an index says so, and the file was not looked at.
    """

    file: Path | Listed | str
    info: Row
    box: Container | None = None
    known: Known | None = None
    is_indexed: bool = False

    @property
    def name(self) -> str:
        """The file, as it is named."""
        return self.info.file

    @property
    def holder(self) -> str:
        """The file that holds it, links followed: the host itself, or one beside or in it."""
        return self.info.holder

    @property
    def state_bytes(self) -> int:
        """Bytes of its code, packed and unpacked."""
        return self.info.state_bytes

    @property
    def code(self) -> str:
        """The same for checkpoints of the same files."""
        return self.info.code

    @cached_property
    def run(self) -> str:
        """What checkpoints of one run have in common: the extension `run`, else their directory."""
        return run_of(self.info)

    @contextmanager
    def opened(self) -> Iterator[Container]:
        """Its container, closed again unless it is kept open.

        Raises:
            SystemFailure: it is another one than the index says.
            FormatError: it is damaged.
        """
        if self.box is not None:
            yield self.box
            return
        with open_container(self.file, known=self.known) as box:
            if self.is_indexed and box.digest != self.info.digest:
                raise SystemFailure(
                    f"{self.name} has changed since it was indexed",
                    hint=Hint(
                        "nothing was changed; index it again: ",
                        index.AGAIN,
                    ),
                )
            yield box


@dataclass
class Missed:
    """What was looked at and is not given: it carries no snapshot that can be read, or was not asked for.

    Attributes:
        without: The files that carry none.
        others: How many carry one and were not asked for.
        named: Which of the labels and facts that were asked for any of them has.
        damaged: What cannot be read, by name.
    """

    without: list[str] = field(default_factory=list)
    others: int = 0
    named: set[str] = field(default_factory=set)
    damaged: list[tuple[str, JellyError]] = field(default_factory=list)


def gather(
    paths: Iterable[PathLike], missed: Missed, opened: ExitStack, *, streaming: bool = False, current: bool = False
) -> Iterator[list[Found]]:
    """The checkpoints in some files, in all files below some directories, and in indexes; by run, time and name.

    Args:
        paths: Files, directories, indexes, URLs of files, and URLs that names of files in a store begin with.
        missed: Gets what carries no snapshot that can be read.
        opened: Gets what is kept open.
        streaming: Give those of each directory when it has been read, in the order of the paths; else all at once.
        current: Whether files that an index names are looked at, where they have changed.

    Raises:
        NoFile: there is no such file.
        Usage: pyarrow, by which an index is read, is not installed.
        BadHost: an index is not sound.
    """
    items = _items(paths, missed, opened, current)
    if not streaming:
        with progress.work("looking through", None, "files"):
            found = once(list(items))
        if found:
            yield ordered(found)
        return
    seen: set[str] = set()
    for batch in _by_directory(items):
        found = once([item for item in batch if item.holder not in seen])
        seen.update(item.holder for item in found)
        if found:
            yield ordered(found)


def _by_directory(items: Iterable[Found]) -> Iterator[list[Found]]:
    """Those of each directory; before an error, those that were found until then."""
    batch: list[Found] = []
    try:
        for item in items:
            if batch and directory_of(item.name) != directory_of(batch[-1].name):
                yield batch
                batch = []
            batch.append(item)
    except JellyError:
        yield batch
        raise
    yield batch


def below(directory: PathLike) -> tuple[list[str], list[str]]:
    """The checkpoints below a directory, those that are damaged too, as people count; and the files that are none."""
    missed = Missed()
    with ExitStack() as opened:
        names = [item.name for batch in gather([directory], missed, opened) for item in batch]
    return sorted({*names, *(name for name, _ in missed.damaged)}, key=natural), missed.without


def ordered(found: list[Found]) -> list[Found]:
    """By run, the run that began first in front; in a run by its sequence, time and natural order of names."""
    began: dict[str, int] = {}
    for item in found:
        began[item.run] = min(item.info.time, began.get(item.run, item.info.time))

    def key(item: Found) -> tuple[object, ...]:
        sequence = -1 if item.info.run is None else item.info.run.sequence
        return began[item.run], natural(item.run), item.run, sequence, item.info.time, natural(item.name), item.name

    return sorted(found, key=key)


def _items(paths: Iterable[PathLike], missed: Missed, opened: ExitStack, current: bool) -> Iterator[Found]:
    for path in paths:
        if index.is_index(path):
            for row in index.read(path).here():
                yield from _indexed(row, missed, opened, current)
        else:
            yield from _looked(spots([path], missed.damaged), missed, opened)


def _indexed(row: Row, missed: Missed, opened: ExitStack, current: bool) -> Iterator[Found]:
    """What a row of an index stands for."""
    spot = None if "://" in row.file else Spot(Path(row.file))
    if not current or spot is None or is_unchanged(spot, row):  # of what is behind a URL, the digest is compared later
        yield Found(row.file, row, is_indexed=True)
    elif not os.path.lexists(row.file):
        missed.damaged.append((row.file, NoFile(f"{row.file} is in the index, and not there any more")))
    else:
        warnings.warn(f"{row.file} has changed since it was indexed: it is looked at anew", HostWarning, stacklevel=2)
        yield from _looked([spot], missed, opened)


class _Kept:
    """Containers from stores that stay open: one of each code, as long as they are not too large together.

    Args:
        opened: Closes them.
    """

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self._by_code: dict[str, Container] = {}
        self._left = _KEPT_BYTES

    def of(self, row: Row, box: Container) -> Container | None:
        """The open container that has the code of a row; ``box`` is kept, or closed."""
        if row.code not in self._by_code and row.container_bytes <= self._left:
            self._left -= row.container_bytes
            self._by_code[row.code] = self._opened.enter_context(box)
        else:
            box.close()
        return self._by_code.get(row.code)


def _looked(files: Iterable[Spot], missed: Missed, opened: ExitStack) -> Iterator[Found]:
    kept, manifests = _Kept(opened), Manifests(_MANIFEST_BYTES)
    with ThreadPoolExecutor(_AT_ONCE) as threads:  # which start when there is work for them
        for spot, seen in _all_seen(files, threads, manifests):
            progress.advance(1)
            if seen.row is not None:
                box = None if seen.box is None else kept.of(seen.row, seen.box)
                yield Found(spot.file, seen.row, box, seen.known)
            elif seen.error is not None and carries_none(seen.error):
                missed.without += [] if isinstance(seen.error, NoFile) else [seen.name]
            elif seen.error is not None:
                missed.damaged.append((seen.name, seen.error))


def _all_seen(files: Iterable[Spot], threads: Executor, manifests: Manifests) -> Iterator[tuple[Spot, Seen]]:
    """What is in some files; those in stores are asked for at the same time."""
    for is_remote, group in groupby(files, lambda spot: isinstance(spot.file, Listed)):
        if not is_remote:
            yield from ((spot, look(spot, manifests)) for spot in group)
            continue
        while part := list(islice(group, _AHEAD)):
            yield from zip(part, threads.map(partial(look, manifests=manifests, keep_open=True), part), strict=True)


def once(entries: list[Found]) -> list[Found]:
    """The entries without those of sidecars, and of files in directories, whose host is there too."""
    found: dict[str, Found] = {}
    for entry in entries:
        present = found.get(entry.holder)
        if present is None or os.path.realpath(present.name) == entry.holder or present.name == entry.holder:
            found[entry.holder] = entry
    return list(found.values())


def named_in(path: PathLike, *names: str) -> list[str]:
    """The files of checkpoints that an index names.

    Args:
        path: The index, or its URL.
        names: Of each the file, as the index or the current directory names it, or what the id of its code or commit
            begins with; of several, the newest is meant.

    Raises:
        NoSnapshot: there is no such checkpoint.
        BadHost: the index is not sound.
        SystemFailure: the file has changed since it was indexed.
    """
    rows = index.read(path).here()
    found = []
    for name in names:
        row = _named(rows, name)
        if row is None:
            raise NoSnapshot(
                f"{path} has no checkpoint {name}", hint=Hint("what it has is shown by: ", command("log", str(path)))
            )
        with Found(row.file, row, is_indexed=True).opened():
            found.append(row.file)
    return found


def _named(rows: Sequence[Row], name: str) -> Row | None:
    found = [row for row in rows if row.file == name]
    if not found and os.path.lexists(name):
        place = os.path.abspath(name)  # noqa: PTH100  (links are not followed, as when it was indexed)
        found = [row for row in rows if "://" not in row.file and os.path.abspath(row.file) == place]  # noqa: PTH100
    if not found and len(name) >= _LEAST_DIGITS:
        begins = name.lower()
        found = [row for row in rows if row.snapshot_id.startswith(begins) or (row.commit or "").startswith(begins)]
    return max(found, key=lambda row: row.time, default=None)
