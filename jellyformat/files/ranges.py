"""Ranges put into and taken out of the middle of a file, by the filesystem: nothing behind them is copied (Linux).

From fallocate(2), lseek(2) and fcntl(2). ext4, xfs and f2fs can do it, in whole blocks of theirs.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # as typeshed says of Windows alone

_KEEP_SIZE, _PUNCH_HOLE, _COLLAPSE, _INSERT = 0x01, 0x02, 0x08, 0x20
_F_SETSIG = 10


def insert(fd: int, offset: int, length: int) -> None:
    """Put a hole in at ``offset``; what was there moves behind it. Raises OSError."""
    _fallocate(fd, _INSERT, offset, length)


def collapse(fd: int, offset: int, length: int) -> None:
    """Take a range out; what is behind it moves to its place. Raises OSError."""
    _fallocate(fd, _COLLAPSE, offset, length)


def punch(fd: int, offset: int, length: int) -> None:
    """Make a range a hole; nothing moves. Raises OSError."""
    _fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, offset, length)


@contextlib.contextmanager
def alone(fd: int) -> Iterator[bool]:
    """Keep the file from being opened by others, as long as they would wait (45 s, as Linux is set up).

    Args:
        fd: Open for writing.

    Yields:
        False where somebody has it open or mapped now, in this process or another.
    """
    leased = False
    if sys.platform == "linux" and fcntl is not None:
        try:
            # the default signal to say that somebody waits would end the process; this one is ignored by default
            fcntl.fcntl(fd, _F_SETSIG, signal.SIGURG)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            leased = True
        except OSError as error:
            if error.errno == errno.EAGAIN:
                yield False
                return
            # else the filesystem has no leases, or the file is another user's: it cannot be told
    try:
        yield True
    finally:
        if leased:
            with contextlib.suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


@lru_cache(maxsize=1)
def _function() -> ctypes._NamedFuncPointer | None:
    library = ctypes.CDLL(None, use_errno=True)
    for name in ("fallocate64", "fallocate"):
        with contextlib.suppress(AttributeError):
            function = getattr(library, name)
            function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
            return function  # type: ignore[no-any-return]
    return None


def _fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    function = _function() if sys.platform == "linux" else None
    if function is None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    while function(fd, mode, offset, length):
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
