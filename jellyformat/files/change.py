"""The one place where hosts and other files of the user are changed: whole, or not at all.

Plans of the adapters (``host``) are carried out so that after a crash at any instant the file is as it was before, or
as it was to be, at the latest when the next command has looked at it:

* in place behind the host's own bytes, under a journal (``inplace``, ``journal``); without one where nobody has seen
  the file yet, in a temporary directory of this process;
* in place before them, where the filesystem can move them (``splicing``);
* or as a temporary file ``.<name>.jelly-<random>.tmp`` in the same directory, renamed over the old one or linked.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jellyformat import progress
from jellyformat.errors import Busy, RefusedExists, RefusedHost, SystemFailure
from jellyformat.files import inplace, platform
from jellyformat.files import splice as splicing
from jellyformat.files.durable import (
    NO_PERMISSION,
    explained,
    kept_times,
    missing,
    set_back,
    system_errors,
    write_at,
)
from jellyformat.files.journal import journal_path
from jellyformat.files.newfile import copy_mode, free, is_held, publish, sweep, temporary
from jellyformat.files.plans import Append, Copy, Plan, Rewrite, Splice, Truncate
from jellyformat.files.platform import NO_LOCKS, copy_attributes, copy_range, data_ranges, lock, release, sync_new
from jellyformat.files.repair import repair_open
from jellyformat.format.source import FileSource
from jellyformat.hints import Hint, command, option

_AS_IT_WAS = "the file is as it was"
_PIECE = 4 << 20
_BLOCK = 4096
"""Bytes of a block of nearly all filesystems."""


@dataclass(frozen=True)
class LockedFile:
    """A host that is open and locked.

    Attributes:
        path: As it was named.
        target: Where it really is: symbolic links followed.
        fd: Its descriptor.
        source: Its bytes.
        seen: What it was like when it was opened.
        repaired: What had to be mended first, for people; else None.
        refusal: Why it cannot be written to; None where it can, or was not asked to.
        unlocked: Why it is not locked; then it is only replaced, and not changed in place. None where it is.
    """

    path: Path
    target: Path
    fd: int
    source: FileSource
    seen: os.stat_result
    repaired: str | None
    refusal: SystemFailure | None = None
    unlocked: SystemFailure | None = None

    def apply(self, plan: Plan, *, out: Path | None = None, overwrite: bool = False, copy: bool = False) -> None:
        """Carry out ``plan``: in place, or into the file ``out``, which must not exist unless ``overwrite``; or, with
        ``copy``, into a file that takes this name alone: other names (hard links) keep what they had.

        Raises:
            Busy: the host has changed since it was opened.
            RefusedExists: ``out`` exists.
            RefusedHost: the plan does not fit the host, or it has other names (JF-HST-005).
            SystemFailure: the system failed, or the host cannot be written to; all is as it was, or the message says
                what to do.
        """
        if out is None and not copy:
            self._check_in_place()
        _check(self, plan)
        self.check_unchanged()
        if out is not None:
            _to_new_file(self, plan, out, overwrite)
        elif copy or isinstance(plan, Rewrite) or not platform.MOVES_OPEN_FILES:
            _rewrite(self, plan)
        elif self.unlocked is not None:
            raise self.unlocked
        elif isinstance(plan, Append) and is_held(self.target.parent):
            inplace.append_unseen(self.path, self.fd, plan)
        elif isinstance(plan, Append):
            inplace.append(self.path, self.target, self.fd, plan)
        else:
            inplace.truncate(self.path, self.fd, plan)

    def splice(self, plan: Splice) -> None:
        """Carry out ``plan``, in place.

        Raises:
            Busy: the host has changed since it was opened, or somebody has it open.
            RefusedHost: the plan does not fit the host, it has other names (JF-HST-005), or it cannot be done on this
                filesystem.
            SystemFailure: as for `apply`.
        """
        self._check_in_place()
        if self.unlocked is not None:
            raise self.unlocked
        _check(self, plan)
        self.check_unchanged()
        splicing.splice(self.path, self.target, self.fd, plan.replaced, plan.head)

    def _check_in_place(self) -> None:
        """Raises RefusedHost if it has other names, and why it cannot be written to."""
        with system_errors(self.path, _AS_IT_WAS):
            names = os.fstat(self.fd).st_nlink
        if names > 1:
            raise RefusedHost(
                f"{self.path} is a file of {names} names (hard links), and what is changed under one changes under all",
                requirement="JF-HST-005",
                hint=Hint("nothing was changed; to change it under this name alone, add ", option("copy")),
            )
        if self.refusal is not None:
            raise self.refusal

    @property
    def block(self) -> int:
        """Bytes of a block of its filesystem: the steps in which a change in place can move what is there."""
        with system_errors(self.path, _AS_IT_WAS):
            return platform.block_size(self.fd)

    def check_unchanged(self) -> None:
        """Raises Busy if it is not as it was when it was opened."""
        with system_errors(self.path, _AS_IT_WAS):
            now = os.fstat(self.fd)
            try:
                named = self.target.stat()
            except FileNotFoundError:
                named = None
        before = self.seen
        same = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        if not same or named is None or not os.path.samestat(named, now):
            raise Busy(f"{self.path} was changed by somebody else meanwhile", hint="nothing was done; run it again")


@contextlib.contextmanager
def locked(path: Path, *, write: bool = True, or_read: bool = False) -> Iterator[LockedFile]:
    """Open a host and keep others out, to plan a change and carry it out. What a crash has left is mended first.

    Args:
        path: The host; symbolic links are followed.
        write: Whether it is to be changed in place. Else others may read it at the same time.
        or_read: Where there is no permission to write to it, open it for reading; only changing it in place then fails.

    Raises:
        NoFile: it does not exist.
        Busy: another process is at work on it.
        SystemFailure: it cannot be opened, locked or mended.
    """
    target = Path(os.path.realpath(path))
    if not write and os.path.lexists(journal_path(target)):
        repair(path)
    refusal = None
    try:
        fd, unlocked = _open(path, target, write)
    except SystemFailure as error:
        denied = isinstance(error.__cause__, OSError) and error.__cause__.errno in NO_PERMISSION
        if not (or_read and write and denied) or os.path.lexists(journal_path(target)):
            raise
        (fd, unlocked), write, refusal = _open(path, target, False), False, error
    try:
        with contextlib.ExitStack() as times:
            if write:
                times.enter_context(kept_times(target.parent))
                times.callback(set_back, fd, os.fstat(fd))
            with system_errors(path, Hint("it may be half changed: mend it with ", command("fix", str(path)))):
                repaired = repair_open(target, fd) if write else None
                if write:
                    sweep(target)
                seen = os.fstat(fd)
            yield LockedFile(path, target, fd, FileSource(fd, seen.st_size), seen, repaired, refusal, unlocked)
    finally:
        release(fd)


def repair(path: Path) -> str | None:
    """Mend what a crash has left half done at ``path``, and remove its temporary files.

    Returns:
        What was done, for people; None where there was nothing to do.

    Raises:
        As ``locked``.
    """
    with locked(path) as host:
        return host.repaired


def apply_plan(path: Path, plan: Plan, *, out: Path | None = None, overwrite: bool = False) -> None:
    """Carry out ``plan`` on the host ``path``: ``locked`` and ``Host.apply`` in one.

    Raises:
        As these two.
    """
    with locked(path, write=out is None) as host:
        host.apply(plan, out=out, overwrite=overwrite)


def _open(path: Path, target: Path, write: bool) -> tuple[int, SystemFailure | None]:
    """A descriptor of a host, and why it is not locked, if it is not."""
    for _ in range(10):
        with system_errors(path, "nothing was done"):
            try:
                fd = os.open(target, (os.O_RDWR if write else os.O_RDONLY) | platform.PLAIN | platform.NO_WAIT)
            except FileNotFoundError:
                raise missing(path) from None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise SystemFailure(f"{path} is not a regular file", hint="nothing was done; name a file")
            is_ours, unlocked = _lock_host(fd, path, write)
            if not is_ours:
                raise Busy(f"another process is at work on {path}", hint="nothing was done; run it again later")
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(target.stat(), os.fstat(fd)):
                    return fd, unlocked
        except BaseException:
            release(fd)
            raise
        release(fd)  # it was replaced just before it was locked
    raise Busy(f"{path} is being replaced all the time", hint="nothing was done; run it again later")


def _lock_host(fd: int, path: Path, write: bool) -> tuple[bool, SystemFailure | None]:
    """Whether nobody else holds it; and why it cannot be changed in place where there are no locks."""
    try:
        return lock(fd, shared=not write), None
    except OSError as error:
        if write and error.errno in NO_LOCKS:
            return True, SystemFailure(
                f"the filesystem of {path} cannot lock files, which a change in place needs",
                hint=Hint(
                    "nothing was done; have it written anew with ",
                    option("copy"),
                    ", or to another file with ",
                    option("out", "OUT"),
                ),
            )
        if write:
            raise explained(error, path, "nothing was done") from error
        return True, None


def _check(host: LockedFile, plan: Plan | Splice) -> None:
    """No adapter may touch the host's own bytes, or name bytes that are not there."""
    size = host.source.size
    if isinstance(plan, Append):
        fits = 0 <= plan.keep <= min(size, plan.length) and all(offset >= plan.keep for offset, _ in plan.writes)
        if plan.back is not None:
            ends = [offset + len(data) for offset, data in plan.back if offset >= plan.keep]
            fits = fits and len(ends) == len(plan.back) and max(ends, default=plan.keep) == size
    elif isinstance(plan, Truncate):
        fits = 0 <= plan.length <= size
    elif isinstance(plan, Splice):
        fits = 0 <= plan.replaced <= size
    else:
        copies = (part for part in plan.segments if isinstance(part, Copy))
        fits = all(0 <= part.offset <= part.offset + part.length <= size for part in copies)
    if not fits:
        raise RefusedHost(
            f"the plan for {host.path} does not fit the file",
            hint="nothing was done; this is a fault of the adapter, please report it",
        )


def _rewrite(host: LockedFile, plan: Plan) -> None:
    """Write the host anew, and rename that over this name of it."""
    with (
        kept_times(host.target.parent),
        system_errors(host.path, _AS_IT_WAS),
        temporary(host.target, 0o600) as (fd, new),
    ):
        _fill(host, plan, fd)
        platform.copy_owner(host.seen, fd)
        copy_mode(host.seen, fd)
        copy_attributes(host.fd, fd)
        set_back(fd, host.seen)
        sync_new(fd)
        host.check_unchanged()
        if not platform.MOVES_OPEN_FILES:
            platform.let_go(fd)
            platform.let_go(host.fd)
            new.chmod(stat.S_IMODE(host.seen.st_mode))
            set_back(new, host.seen)
        publish(new, host.target, True)


def _to_new_file(host: LockedFile, plan: Plan, out: Path, overwrite: bool) -> None:
    with system_errors(out, f"{host.path} is as it was"):
        target = free(out, overwrite)
        if target.exists() and target.samefile(host.target):
            raise RefusedExists(
                f"{out} is {host.path} itself", hint=Hint("to change it in place, do without ", option("out", "OUT"))
            )
        with temporary(target, 0o600) as (fd, new):
            _fill(host, plan, fd)
            copy_mode(host.seen, fd)
            copy_attributes(host.fd, fd)
            sync_new(fd)
            host.check_unchanged()
            platform.let_go(fd)
            publish(new, target, overwrite)


def _fill(host: LockedFile, plan: Plan, fd: int) -> None:
    """Write the file that the plan makes of the host."""
    with progress.work(f"copying {host.path.name}", host.source.size):
        _write_plan(host, plan, fd)


def _write_plan(host: LockedFile, plan: Plan, fd: int) -> None:
    if isinstance(plan, Rewrite):
        at, before = 0, 0
        texts: list[tuple[int, bytes]] = []
        for part in plan.segments:
            if isinstance(part, bytes):
                texts.append((at, part))
                before = len(part)
                at += before
            else:
                # from the beginning of a block, so that the filesystem can share blocks instead of copying them
                more = part.offset % _BLOCK
                more = more if more == at % _BLOCK and more <= before else 0
                _copy(host, part.offset - more, part.length + more, fd, at - more)
                before = 0
                at += part.length
        for place, text in texts:
            write_at(fd, text, place)
        return
    if isinstance(plan, Truncate):
        _copy(host, 0, plan.length, fd, 0)
        return
    # a hole that the writes leave shows what was there before
    shown = plan.back is None and _has_holes(plan)
    _copy(host, 0, min(host.source.size, plan.length) if shown else plan.keep, fd, 0)
    for offset, data in plan.writes:
        write_at(fd, data, offset)
    os.ftruncate(fd, plan.length)


def _has_holes(plan: Append) -> bool:
    at = plan.keep
    for offset, data in sorted(plan.writes, key=lambda write: write[0]):
        if offset > at:
            break
        at = max(at, offset + len(data))
    return at < plan.length


def _copy(host: LockedFile, offset: int, length: int, fd: int, at: int) -> None:
    """Copy ``length`` bytes of the host from ``offset`` to ``at``, behind all that ``fd`` has; holes stay holes."""
    end, shift = offset + length, at - offset
    info = os.fstat(host.fd)
    if platform.disk_size(info) >= info.st_size:
        _copy_data(host, offset, length, fd, at)
        return
    for begin, behind in data_ranges(host.fd, offset, end):
        _copy_data(host, begin, behind - begin, fd, begin + shift)
    if os.fstat(fd).st_size < end + shift:
        os.ftruncate(fd, end + shift)


def _copy_data(host: LockedFile, offset: int, length: int, fd: int, at: int) -> None:
    """Copy ``length`` bytes of the host from ``offset`` to ``at``; by the filesystem, where it can."""
    copied = copy_range(host.fd, offset, length, fd, at)
    offset, at, length = offset + copied, at + copied, length - copied
    while length:
        data = host.source.read_at(offset, min(_PIECE, length))
        if not data:
            raise Busy(f"{host.path} was cut off by somebody else meanwhile", hint="nothing was done; run it again")
        write_at(fd, data, at)
        progress.advance(len(data))
        offset, at, length = offset + len(data), at + len(data), length - len(data)
