"""Programs that the user has us run: signals reach them, and what was made for them is taken away."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from jellyformat.files.platform.directories import HELD

_FORWARDED = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_FROM_TERMINAL = tuple(getattr(signal, name) for name in ("SIGINT", "SIGQUIT") if hasattr(signal, name))
"""Signals that a terminal sends to the program as well."""


class Signals:
    """While it is entered, a signal that would end this process first lets it take away what it made."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = False
        self._came: int | None = None
        self._old: dict[int, object] = {}

    def __enter__(self) -> Signals:
        self._old = {number: signal.signal(number, self._end) for number in _FORWARDED}
        return self

    def __exit__(self, *unused: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal gave

    def call(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None,
        inherited: int | None,
        directory: Path | None = None,
    ) -> int:
        """Run a program; its exit status, as Popen gives it. Until then, signals end it and not this process.

        Args:
            command: The program and its arguments.
            environment: Its environment variables; None: those of this process.
            inherited: A descriptor that it is to have, too.
            directory: Where it runs; None: here.

        Raises:
            OSError: it cannot be started.
        """
        for number in _FROM_TERMINAL:
            self._old[number] = signal.signal(number, _ignored)
        self._starting = True
        passed = (inherited,) if inherited is not None and HELD else ()
        self._child = subprocess.Popen(command, env=environment, pass_fds=passed, cwd=directory)
        if self._came is not None:
            self._child.send_signal(self._came)
        return self._child.wait()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._came = number
        for other in _FORWARDED:  # a second one must not disturb the clearing up
            signal.signal(other, _ignored)
        if self._child is not None:
            self._child.send_signal(number)
        elif not self._starting:
            raise SystemExit(128 + number)


def _ignored(number: int, frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN, which the program would inherit."""
