"""Progress on a terminal: how much is done, how fast, and how long it will take; after a second, on stderr."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import click

from jellyformat import progress
from jellyformat.format.text import size_text, visible

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_AFTER, _EVERY = 1.0, 0.1
"""Seconds until it is shown, and between two times that it is drawn."""
_WIDTH, _NUMBERS = 12, 60
"""Columns of the bar, and of all but what is done: that gets the rest of the line."""


def shown(*, quiet: bool, json: bool) -> AbstractContextManager[None]:
    """Have long work shown, if somebody looks: stderr is a terminal, and people are told anything at all."""
    if quiet or json or sys.stderr is None or not sys.stderr.isatty():
        return nullcontext()
    return progress.listened(_Meter())


class _Meter:
    """A line on the terminal, drawn by click."""

    def __init__(self) -> None:
        self._bar: ProgressBar[int] | None = None

    def begin(self, what: str, total: int | None, unit: str) -> None:
        self._what, self._total, self._unit = visible(what), total, unit
        self._done = self._drawn = 0
        self._began = time.monotonic()
        self._next = self._began + _AFTER

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        if self._bar is None:
            room = max(shutil.get_terminal_size().columns - _NUMBERS, _WIDTH)
            label = self._what if len(self._what) <= room else self._what[: room - 1] + "…"
            steps: Iterator[int] = (step for step in [0][:0])  # which tells no length
            length = None if self._total is None else max(self._total, 1)
            self._bar = click.progressbar(
                steps, length=length, label=label, width=_WIDTH, show_eta=False, show_percent=False,
                item_show_func=lambda _: self._words(), file=sys.stderr,
            )  # fmt: skip
        self._draw()

    def end(self, *, done: bool) -> None:
        if self._bar is not None:
            self._done = self._total if done and self._total is not None else self._done
            self._draw()
            self._bar.render_finish()  # the line stays as it is
            self._bar = None

    def _draw(self) -> None:
        assert self._bar is not None
        self._bar.update(self._done - self._drawn, current_item=0)
        self._drawn = self._done

    def _words(self) -> str:
        """Such as ``1.20 GB of 7.40 GB, 350 MB/s, 0:18 left``; of what is not known, nothing."""
        spent = max(time.monotonic() - self._began, 1e-6)
        rate = self._done / spent
        if self._total is None:
            return f"{self._amount(self._done)}, {self._amount(round(rate))}/s"
        left = max(self._total - self._done, 0) / max(rate, 1e-6)
        minutes, seconds = divmod(round(left), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f"{self._amount(self._done)} of {self._amount(self._total)}, {self._amount(round(rate))}/s, {clock} left"

    def _amount(self, count: int) -> str:
        return size_text(count) if self._unit == progress.BYTES else f"{count} {self._unit}"
