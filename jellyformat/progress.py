"""How far long work is, told to whoever listens: the command line on a terminal, else nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

BYTES = "bytes"


class Meter(Protocol):
    """Who listens."""

    def begin(self, what: str, total: int | None, unit: str) -> None:
        """Work begins: so many bytes or files in all; None where nobody knows."""

    def advance(self, count: int) -> None:
        """So many more are done."""

    def end(self, *, done: bool) -> None:
        """All of it is done, or it has failed."""


_meters: list[tuple[Meter, int]] = []
"""Nobody, or one, and the thread whose work it is told of."""
_depth = 0


@contextmanager
def listened(meter: Meter) -> Iterator[None]:
    """Have a meter told of all work of this thread."""
    _meters.append((meter, threading.get_ident()))
    try:
        yield
    finally:
        _meters.pop()


@contextmanager
def work(what: str, total: int | None, unit: str = BYTES) -> Iterator[None]:
    """Work that may take long. Within other work, which counts something else, nothing is told of it.

    Args:
        what: What is done, as in ``hashing model.pt``.
        total: How much there is to do; None where that is not known.
        unit: What is counted.
    """
    global _depth
    meter = _listening()
    if meter is None:
        yield
        return
    _depth += 1
    if _depth == 1:
        meter.begin(what, total, unit)
    done = False
    try:
        yield
        done = True
    finally:
        _depth -= 1
        if not _depth:
            meter.end(done=done)


def advance(count: int) -> None:
    """So much more of the work is done. Outside of `work`, nobody is told."""
    if _depth == 1 and (meter := _listening()) is not None:
        meter.advance(count)


def _listening() -> Meter | None:
    """Who is told of this thread's work."""
    if not _meters:
        return None
    meter, thread = _meters[-1]
    return meter if thread == threading.get_ident() else None
