"""A capture as seen from the thread that waits for it: what it is at, what it has to say. Light: adapters import it."""

from __future__ import annotations

import gc
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

from jellyformat.errors import RepositoryWarning


class GivenUp(Exception):
    """Nobody waits for the capture any more."""


class Watch:
    """What a capture in another thread has to say, and whether it is to go on.

    Attributes:
        cancelled: Whether it is to end.
        remarks: What the user is to be told, each with the kind of warning that it is.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self.remarks: list[tuple[str, type[Warning]]] = []
        self._begun = time.monotonic()
        self._step = "to begin"
        self._took: dict[str, float] = {}
        self._paths = 0
        self._last = b""

    def step(self, what: str) -> None:
        """Note that the next part of the work begins: ``to read the files``. Raises GivenUp."""
        self._took = self._times()
        self._begun = time.monotonic()
        self._step = what
        if self.cancelled:
            raise GivenUp

    def at(self, path: bytes) -> None:
        """Note that another path is looked at. Raises GivenUp."""
        self._paths += 1
        self._last = path
        if self.cancelled:
            raise GivenUp

    def _times(self) -> dict[str, float]:
        return {**self._took, self._step: self._took.get(self._step, 0.0) + time.monotonic() - self._begun}

    def longest(self) -> tuple[str, float, int, bytes]:
        """What took longest, its seconds, how many paths were looked at, and the last of these."""
        took = self._times()
        what = max(took, key=took.__getitem__)
        return what, took[what], self._paths, self._last


CURRENT: ContextVar[Watch | None] = ContextVar("jellyformat_watch", default=None)
"""The watch over the capture in this thread; None where it is called for by itself."""


def step(what: str) -> None:
    """Note that the next part of the work begins. Raises GivenUp."""
    watch = CURRENT.get()
    if watch is not None:
        watch.step(what)


def at(path: bytes) -> None:
    """Note that another path is looked at. Raises GivenUp."""
    watch = CURRENT.get()
    if watch is not None:
        watch.at(path)


def say(message: str, kind: type[Warning] = RepositoryWarning) -> None:
    """Tell the user: by who waits for the capture, else as a warning of this kind."""
    watch = CURRENT.get()
    if watch is None:
        warnings.warn(message, kind, stacklevel=stack_level(sys._getframe()))
    else:
        watch.remarks.append((message, kind))


def stack_level(frame: FrameType) -> int:
    """The ``stacklevel`` with which a warning is in the name of whoever called into jellyformat and its adapters.

    Args:
        frame: That of the function that warns.
    """
    depth, above = 1, frame
    while above.f_back is not None and str(above.f_globals.get("__name__", "")).partition(".")[0].startswith(
        "jellyformat"
    ):
        above, depth = above.f_back, depth + 1
    return depth


@contextmanager
def no_collections() -> Iterator[None]:
    """Python does not look for cycles while a capture or a restore is waited for: in a process that has a framework
    loaded, one look takes as long as a capture, and we make none. A capture under a watch leaves that to who waits."""
    enabled = gc.isenabled() and CURRENT.get() is None
    if enabled:
        gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
