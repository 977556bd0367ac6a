"""Many files looked at by many workers: threads and processes of this machine. A worker that dies loses nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from jellyformat.errors import JellyError, SystemFailure
from jellyformat.fleet.looking import Manifests, Seen, Spot, look
from jellyformat.hosts.registry import Listed

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

_Job = TypeVar("_Job")
_Done = TypeVar("_Done")
_THREADS = 16
"""That wait for stores at the same time, in each process."""
_TOGETHER = 64
"""Files that a worker is given at once."""
_CARRIED = 32 << 20
"""Bytes of a container that is carried from a worker to where codes are compared."""
_AHEAD = 4
"""Parts of the work that wait for each process."""


class Run(Protocol):
    """Where work is done: each part by a worker; a part whose worker died has no answer."""

    def __call__(
        self, work: Callable[[Sequence[_Job]], _Done], parts: Iterable[Sequence[_Job]]
    ) -> Iterator[tuple[Sequence[_Job], _Done]]:
        """The parts that were done, in any order, with what came of them."""


def look_at_all(spots: Sequence[Spot]) -> list[Seen]:
    """What is in some files; those behind URLs are asked for at the same time."""
    manifests = Manifests(0)
    if not any(isinstance(spot.file, Listed) for spot in spots):
        return [look(spot, manifests) for spot in spots]
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(_with_data(threads.map(partial(look, manifests=manifests, keep_open=True), spots)))


def _with_data(found: Iterable[Seen]) -> Iterator[Seen]:
    """What was seen, closed; the container goes with the first file of each code: it is not to be read twice."""
    codes: set[str] = set()
    for seen in found:
        if seen.box is None or seen.row is None:
            yield seen
            continue
        with seen.box as box:
            is_first = seen.row.code not in codes and seen.row.container_bytes <= _CARRIED
            codes.add(seen.row.code)
            try:
                data = box.to_bytes() if is_first else None
            except JellyError:  # which is told when the code is read
                data = None
        yield replace(seen, box=None, data=data)


def each(spots: Iterable[Spot], run: Run) -> Iterator[Seen]:
    """What is in each of some files, in any order; each is answered once.

    Args:
        spots: The files.
        run: Where they are looked at.
    """
    left: dict[str, Spot] = {}
    for _, seen in run(look_at_all, _noted(_parts(spots, _TOGETHER), left)):
        for item in seen:
            left.pop(item.name)
            yield item
    for spot in list(left.values()):  # one by one: of which of them a worker died is not known
        for _, seen in run(look_at_all, [[spot]]):
            left.pop(spot.name)
            yield from seen
    for name in left:
        yield Seen(
            name, None, None, SystemFailure(f"{name} cannot be read: the process that reads it is killed each time")
        )


def _noted(parts: Iterable[list[Spot]], left: dict[str, Spot]) -> Iterator[list[Spot]]:
    for part in parts:
        left.update((spot.name, spot) for spot in part)
        yield part


def _parts(jobs: Iterable[_Job], size: int) -> Iterator[list[_Job]]:
    rest = iter(jobs)
    while part := list(islice(rest, size)):
        yield part


def in_this_process(
    work: Callable[[Sequence[_Job]], _Done], parts: Iterable[Sequence[_Job]]
) -> Iterator[tuple[Sequence[_Job], _Done]]:
    """`Run` without other processes."""
    for part in parts:
        yield part, work(part)


def in_processes(count: int) -> Run:
    """`Run` in so many forked processes: their Python is this one, and looks for no modules anywhere else."""
    import multiprocessing  # not every system can import all of it
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    def run(
        work: Callable[[Sequence[_Job]], _Done], parts: Iterable[Sequence[_Job]]
    ) -> Iterator[tuple[Sequence[_Job], _Done]]:
        rest = iter(parts)
        while True:
            pool = ProcessPoolExecutor(
                count, multiprocessing.get_context("fork"), initializer=_begin, initargs=(os.getpid(),)
            )
            try:
                yield from _answers(pool, work, rest, count * _AHEAD)
                return
            except BrokenProcessPool:  # a worker was killed: what was under way has no answer
                continue
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    return run


def _answers(
    pool: ProcessPoolExecutor, work: Callable[[Sequence[_Job]], _Done], parts: Iterator[Sequence[_Job]], most: int
) -> Iterator[tuple[Sequence[_Job], _Done]]:
    running: dict[Future[_Done], Sequence[_Job]] = {}
    while True:
        for part in islice(parts, most - len(running)):
            running[pool.submit(work, part)] = part
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future.result()


def _begin(parent: int) -> None:
    """In a worker: interrupting the program is its parent's affair, and when that is gone, so is the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_in(count: int) -> Run:
    """`Run` in so many processes, or without others where the system cannot fork."""
    can_fork = hasattr(os, "fork") and sys.platform != "darwin"
    return in_processes(count) if count > 1 and can_fork else in_this_process
