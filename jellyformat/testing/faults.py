"""System calls that write, made to fail: one of them, all from one on, or as if the process were killed there."""

from __future__ import annotations

import errno
import os
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

_CALLS = (
    *("pwrite", "write", "copy_file_range", "ftruncate", "truncate", "fsync", "open", "mkdir", "rmdir"),
    *("rename", "replace", "link", "unlink", "remove", "fchmod", "fchown", "setxattr"),
)


class Fault(Enum):
    """How a call fails."""

    NONE = "not at all"
    NO_SPACE = "once, for want of space"
    BROKEN = "for good, with an I/O error"
    KILLED = "as if the process were killed"


class Killed(BaseException):
    """Nothing that writes does anything from now on, as after SIGKILL."""


@dataclass
class Calls:
    """The calls that write, and which of them fails.

    Attributes:
        fault: How.
        number: Which one, counted from 1.
        made: How many there were.
    """

    fault: Fault = Fault.NONE
    number: int = 0
    made: int = 0

    def _count(self) -> None:
        self.made += 1
        if self.fault is Fault.KILLED and self.made >= self.number:
            raise Killed
        if self.fault is Fault.BROKEN and self.made >= self.number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.fault is Fault.NO_SPACE and self.made == self.number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, counted."""

        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not (len(arguments) > 1 and arguments[1] & os.O_CREAT):
                return function(*arguments, **options)
            self._count()
            # what was written is seen by this process without a sync, and syncs are slow
            return None if name == "fsync" else function(*arguments, **options)

        return call


@contextmanager
def failing(calls: Calls) -> Iterator[None]:
    """Have the calls that write counted, and one of them fail, while the body runs."""
    before_3_11 = getattr(pathlib, "_normal_accessor", None)
    with pytest.MonkeyPatch.context() as patch:
        for name in _CALLS:
            function = getattr(os, name, None)
            if function is not None:
                counted = calls.wrap(name, function)
                patch.setattr(os, name, counted)
                if before_3_11 is not None and hasattr(before_3_11, name):
                    patch.setattr(before_3_11, name, counted)
        yield
