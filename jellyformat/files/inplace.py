"""Hosts changed behind their own bytes: under a journal, or cut off at once."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from jellyformat.errors import Busy, SystemFailure
from jellyformat.files.durable import explained, system_errors, write_at
from jellyformat.files.journal import HostJournal
from jellyformat.files.plans import Append, Truncate
from jellyformat.files.platform import sync
from jellyformat.format.source import FileSource
from jellyformat.hints import Hint, command

_AS_IT_WAS = "the file is as it was"


def append(path: Path, target: Path, host: int, plan: Append) -> None:
    """Carry out ``plan``.

    Args:
        path: The host as it was named.
        target: Where it really is.
        host: Its descriptor, locked.
        plan: What is written behind its own bytes.

    Raises:
        Busy: somebody else has written to it at the same moment; what they wrote was not touched.
        SystemFailure: the system failed; all is as it was, or the message says what to do.
    """
    with system_errors(path, _AS_IT_WAS):
        journal = HostJournal.begin(target, host, plan.keep, plan.back)
    complete = False
    try:
        size = journal.size
        if plan.back:
            os.ftruncate(host, plan.keep)
            sync(host)
            size = plan.keep
        for offset, data in plan.writes:
            write_at(host, data, offset)
            sync(host)
        size = max([size, *(offset + len(data) for offset, data in plan.writes if data)])
        if not journal.is_alone(host, size) or not _is_there(target, host):
            raise _Interrupted
        os.ftruncate(host, plan.length)
        sync(host)
        complete = True
        journal.set_done(True)
    except _Interrupted:
        with contextlib.suppress(OSError):  # it must not be put back over what somebody else has written
            journal.remove()
        raise Busy(
            f"somebody else wrote to {path} while the snapshot was put in",
            hint="what they wrote was not touched, but the file may hold parts of both: see whether it loads, save it "
            "again if not, and embed when nothing else writes there",
        ) from None
    except BaseException as error:
        try:
            if complete:  # that it is may be on the disk, or not: it must not be while this is undone
                journal.set_done(False)
            journal.roll_back(host)
            with contextlib.suppress(OSError):  # left behind, it only says again what is so
                journal.remove()
        except BaseException as second:
            with contextlib.suppress(OSError):
                journal.close()
            raise SystemFailure(
                f"{path} is half changed: it could neither be completed ({error}) nor put back ({second})",
                hint=Hint(
                    f"its bytes are safe in {journal.path}; when that is mended, run: ", command("fix", str(path))
                ),
            ) from error
        if isinstance(error, OSError):
            raise explained(error, path, _AS_IT_WAS) from error
        raise
    with contextlib.suppress(OSError):  # it says that all is done, and the next command takes it away
        journal.remove()


def append_unseen(path: Path, host: int, plan: Append) -> None:
    """Carry out ``plan`` on a file that is in no place of its own yet: a crash takes it whole, so that it needs no
    journal, and whoever gives it its name waits for the disk.

    Args:
        path: The file, for people.
        host: Its descriptor, locked.
        plan: What is written behind its own bytes.

    Raises:
        SystemFailure: the system failed; all is as it was, or the message says that it is not.
    """
    source = FileSource.of(host)
    tail = source.read_at(plan.keep, source.size - plan.keep)
    try:
        os.ftruncate(host, plan.keep)
        for offset, data in plan.writes:
            write_at(host, data, offset)
        os.ftruncate(host, plan.length)
    except BaseException as error:
        try:
            os.ftruncate(host, plan.keep)
            write_at(host, tail, plan.keep)
        except OSError as second:
            raise SystemFailure(
                f"{path} is half changed: it could neither be completed ({error}) nor put back ({second})",
                hint="save it again",
            ) from error
        if isinstance(error, OSError):
            raise explained(error, path, _AS_IT_WAS) from error
        raise


class _Interrupted(Exception):
    """Somebody else has written to the host."""


def _is_there(target: Path, host: int) -> bool:
    """Whether the file is still the one of that name."""
    try:
        return os.path.samestat(target.stat(), os.fstat(host))
    except FileNotFoundError:
        return False


def truncate(path: Path, host: int, plan: Truncate) -> None:
    """Carry out ``plan``: one system call, whole or not at all, so that it needs no journal, nor space on the disk.

    Args:
        path: The host as it was named.
        host: Its descriptor, locked.
        plan: Where it is cut off.

    Raises:
        SystemFailure: the system failed; all is as it was, or the message says what is lost.
    """
    source = FileSource.of(host)
    tail = source.read_at(plan.length, source.size - plan.length)
    try:
        os.ftruncate(host, plan.length)
        sync(host)
    except BaseException as error:
        try:
            write_at(host, tail, plan.length)
            sync(host)
        except BaseException as second:
            raise SystemFailure(
                f"{path} was cut off at {plan.length} bytes, but the disk failed ({error}; {second})",
                hint="its own bytes are untouched; what stood behind them is lost",
            ) from error
        if isinstance(error, OSError):
            raise explained(error, path, _AS_IT_WAS) from error
        raise
