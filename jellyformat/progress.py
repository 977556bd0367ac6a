"""How far long work is, told to whoever listens: the command line on a terminal, else nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

BYTES = "bytes"


class Meter(Protocol):
    """Who listens."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """Work begins: so many bytes or files in all."""

    def advance(self, count: int) -> None:
        """So many more are done."""

    def end(self, *, done: bool) -> None:
        """All of it is done, or it has failed."""


_meters: list[Meter] = []
"""Nobody, or one."""
_depth = 0


@contextmanager
def listened(meter: Meter) -> Iterator[None]:
    """Have a meter told of all work of this process, from the thread that does it."""
    _meters.append(meter)
    try:
        yield
    finally:
        _meters.pop()


@contextmanager
def work(what: str, total: int, unit: str = BYTES) -> Iterator[None]:
    """Work that may take long. Within other work, which counts something else, nothing is told of it.

    Args:
        what: What is done, as in ``hashing model.pt``.
        total: How much there is to do.
        unit: What is counted.
    """
    global _depth
    if not _meters:
        yield
        return
    _depth += 1
    if _depth == 1:
        _meters[-1].begin(what, total, unit)
    done = False
    try:
        yield
        done = True
    finally:
        _depth -= 1
        if not _depth:
            _meters[-1].end(done=done)


def advance(count: int) -> None:
    """So much more of the work is done. Outside of `work`, nobody is told."""
    if _depth == 1:
        _meters[-1].advance(count)
