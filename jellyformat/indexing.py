"""An index of many checkpoints: what `log` needs of each, in one file, brought up to date by what has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from jellyformat.errors import JellyError, NoFile, Usage
from jellyformat.exports.edits import Edit
from jellyformat.fleet import cluster, index, table, workers
from jellyformat.fleet.index import Index
from jellyformat.fleet.looking import Seen, Spot, carries_none, is_unchanged, spots, stamp_of
from jellyformat.fleet.rows import Row, Stamp
from jellyformat.fleet.workers import Run
from jellyformat.following import Pairs, edits_of, pairs
from jellyformat.format.container import Container
from jellyformat.format.source import BytesSource
from jellyformat.format.text import brief, plural
from jellyformat.gathering import Found, once, ordered
from jellyformat.hosts.registry import PathLike
from jellyformat.timeline import compare_all

_KEPT_BYTES = 256 << 20
_Pair = tuple[Found, Found]
Report = Callable[[int], object]
"""Is told how many files were looked at."""


@dataclass(frozen=True, repr=False)
class Indexed:
    """What became of an index.

    Attributes:
        file: The index.
        checkpoints: How many checkpoints it has.
        read: How many files were read.
        unchanged: How many had not changed since they were read.
        gone: How many checkpoints it had before that are not there any more.
        without: How many files carry no snapshot.
        unreadable: What could not be read, by name; an entry that the index had of such a file is not in it.
    """

    file: Path
    checkpoints: int
    read: int
    unchanged: int
    gone: int
    without: int
    unreadable: tuple[tuple[str, JellyError], ...] = ()

    def __repr__(self) -> str:
        return f"<Indexed {brief(str(self.file))}: {plural(self.checkpoints, 'checkpoint')}, {self.read} read>"


@dataclass
class _Work:
    """What is known while an index is made.

    Attributes:
        rows: One for each checkpoint, by the name of its file.
        spots: The files, by name.
        rest: The files that carry no snapshot, and sidecars.
        hosts: What these lie beside.
        unreadable: As `Indexed`.
        data: Containers that were read from stores, by their code.
        room: How many more bytes of them are kept.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    spots: dict[str, Spot] = field(default_factory=dict)
    rest: dict[str, Stamp] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    unreadable: list[tuple[str, JellyError]] = field(default_factory=list)
    data: dict[str, bytes] = field(default_factory=dict)
    room: int = _KEPT_BYTES
    without: int = 0
    read: int = 0
    unchanged: int = 0


def index_paths(
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    processes: int = 1,
    ray: str | None = None,
    report: Report = lambda count: None,
) -> Indexed:
    """Write an index of the checkpoints in some files, and in all files below some directories.

    Where the index is there already, only files that have changed are read: told by size, times and inode, or by what a
    store calls the version; and of those, only manifests whose digest is another.

    Args:
        paths: Files, directories, URLs of files, and URLs that names of files in a store begin with.
        output: The index, a Parquet file. It is there whole, or as it was.
        processes: How many processes look at files; those of a store are asked for by threads in each.
        ray: The address of a Ray cluster whose workers look at the files instead; empty: the one that the environment
            names, else one of this machine alone. They see the files under the same names.
        report: Is told how many files were looked at.

    Raises:
        NoFile: there is no such file.
        RefusedExists: ``output`` is there, and is no index.
        BadHost: the index that is there is not sound.
        Usage: pyarrow, ray or fsspec is not installed, or ``output`` is a URL.
        SystemFailure: the system failed; the index that was there is as it was.
    """
    table.library()
    if "://" in str(output):
        raise Usage(f"{output} is a URL, and an index is written to a disk", hint="copy it to the store afterwards")
    target = Path(output)
    index.check_replaceable(target)
    there = [path for path in paths if index.is_index(path)]
    if there:
        raise Usage(f"{there[0]} is an index itself", hint="name the directories that it was made of")
    directory = str(Path.cwd())
    old = index.read(target) if target.exists() else Index()
    # names of files say where they are only from where they were named
    old = old if old.directory == directory else Index()
    known = {row.file: row for row in old.rows}
    work = _Work()
    with ExitStack() as stack:
        run = workers.run_in(processes) if ray is None else stack.enter_context(cluster.on_cluster(ray or None))
        elsewhere = None if ray is None else directory  # where workers of a cluster are
        for seen in workers.each(_changed(paths, target, known, old, work, elsewhere), run):
            _note(seen, work)
            report(work.read + work.unchanged)
        rows = _compared(work, known, run, elsewhere)
    gone = sum(name not in work.rows for name in known)
    new = Index(rows, directory, work.rest, work.hosts)
    if new != old:
        index.write(target, new)
    return Indexed(target, len(rows), work.read, work.unchanged, gone, work.without, tuple(work.unreadable))


def _changed(
    paths: Iterable[PathLike],
    target: Path,
    known: Mapping[str, Row],
    old: Index,
    work: _Work,
    directory: str | None,
) -> Iterator[Spot]:
    """The files that are to be read; ``work`` gets what is known of the others."""
    own = os.path.realpath(target)
    for spot in spots(paths, work.unreadable):
        if spot.name in work.spots or (isinstance(spot.file, Path) and os.path.realpath(spot.file) == own):
            continue
        work.spots[spot.name] = spot
        row = known.get(spot.name)
        if row is not None and is_unchanged(spot, row):
            work.rows[spot.name] = row
            work.unchanged += 1
            continue
        if _carries_none_still(spot, old):
            work.rest[spot.name] = old.rest[spot.name]
            if spot.name in old.hosts:
                work.hosts[spot.name] = old.hosts[spot.name]
            work.without += spot.name not in old.hosts
            work.unchanged += 1
            continue
        spot = replace(spot, was=row)
        yield spot if directory is None else spot.seen_in(directory)


def _carries_none_still(spot: Spot, old: Index) -> bool:
    """Whether a file is seen to be one of those of which an index knows that they have no entry."""
    stamp = old.rest.get(spot.name)
    if stamp is None or not stamp.tells or spot.is_accompanied or stamp_of(spot.file) != stamp:
        return False
    return spot.name not in old.hosts or os.path.lexists(old.hosts[spot.name])


def _note(seen: Seen, work: _Work) -> None:
    work.read += 1
    if seen.row is not None:
        work.rows[seen.row.file] = seen.row
        if seen.data is not None and seen.row.code not in work.data and len(seen.data) <= work.room:
            work.data[seen.row.code] = seen.data
            work.room -= len(seen.data)
    elif seen.error is not None and not carries_none(seen.error):
        work.unreadable.append((seen.name, seen.error))
    elif not isinstance(seen.error, NoFile):
        work.without += 1
        if seen.stamp is not None:
            work.rest[seen.name] = seen.stamp


def _compared(work: _Work, known: Mapping[str, Row], run: Run, directory: str | None) -> list[Row]:
    """The rows in order, with what changed in the code of each."""
    everything = [Found(work.spots[name].file, row) for name, row in work.rows.items()]
    found = ordered(once(everything))
    hosts = {item.holder: item.name for item in found}
    for item in work.rows.keys() - {item.name for item in found}:  # what lies beside its host
        host, stamp = hosts[work.rows[item].holder], work.rows[item].stamp
        if stamp is not None and "://" not in item:
            work.rest[item], work.hosts[item] = stamp, host
    said: Pairs = {(old, row.code): edits for row in known.values() for old, edits in row.compared}
    todo = [pair for pair in pairs(found) if (pair[0].code, pair[1].code) not in said]
    needed = {item.code for pair in todo for item in pair} & work.data.keys()
    boxes = {code: Container(BytesSource(work.data[code])) for code in needed}
    found = [replace(item, box=boxes.get(item.code)) for item in found]
    elsewhere = [pair for pair in todo if not all(item.code in boxes for item in pair)]
    for part, answers in run(_edits, [[_seen_in(directory, pair)] for pair in elsewhere]):
        for (old, new), edits in zip(part, answers, strict=True):
            if edits is not None:
                said[old.code, new.code] = edits
    used, broken = compare_all(found, said)
    return [
        replace(item.info, compared=tuple(used.get(item.name, {}).items()), damaged=broken.get(item.name))
        for item in found
    ]


def _edits(part: Sequence[_Pair]) -> list[tuple[Edit, ...] | None]:
    return [edits_of(*pair) for pair in part]


def _seen_in(directory: str | None, pair: _Pair) -> _Pair:
    """Two checkpoints, for a process that is at work elsewhere than in ``directory``."""
    one, two = (
        item if directory is None or not isinstance(item.file, Path) else replace(item, file=Path(directory, item.file))
        for item in pair
    )
    return one, two
