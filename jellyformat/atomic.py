"""The one place where hosts and other files of the user are changed: whole, or not at all.

Plans of the adapters (``host``) are carried out so that after a crash at any instant the file is its old self or its
new one, at the latest when the next command has looked at it:

* in place behind the host's own bytes, under a journal (``inplace``, ``journal``);
* in place before them, where the filesystem can move them (``splicing``);
* or as a temporary file ``.<name>.jelly-<random>.tmp`` in the same directory, renamed over the old one or linked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jellyformat import inplace, splicing
from jellyformat.errors import Busy, RefusedExists, RefusedHost, SystemFailure
from jellyformat.fileio import NO_PERMISSION, explained, lock, missing, release, sync, system_errors, write_at
from jellyformat.healing import heal
from jellyformat.host import Append, Copy, Plan, Rewrite, Splice, Truncate
from jellyformat.journal import journal_path
from jellyformat.newfile import copy_mode, free, publish, sweep, temporary, write_new_file
from jellyformat.source import FileSource

__all__ = ["Host", "apply_plan", "locked", "recover", "write_new_file"]

_AS_IT_WAS = "the file is as it was"
_NO_LOCKS = frozenset((errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL))
_NO_COPY_RANGE = _NO_LOCKS | {errno.EXDEV, errno.EPERM, errno.EBADF, errno.ETXTBSY}
_PIECE = 4 << 20
_BLOCK = 4096
"""Bytes of a block of nearly all filesystems."""


@dataclass(frozen=True)
class Host:
    """A host that is open and locked.

    Attributes:
        path: As it was named.
        target: Where it really is: symbolic links followed.
        fd: Its descriptor.
        source: Its bytes.
        seen: What it was like when it was opened.
        healed: What had to be mended first, for people; else None.
        refusal: Why it cannot be written to; None where it can, or was not asked to.
    """

    path: Path
    target: Path
    fd: int
    source: FileSource
    seen: os.stat_result
    healed: str | None
    refusal: SystemFailure | None = None

    def apply(self, plan: Plan, *, out: Path | None = None, overwrite: bool = False) -> None:
        """Carry out ``plan``: in place, or into the file ``out``, which must not exist unless ``overwrite``.

        Raises:
            Busy: the host has changed since it was opened.
            RefusedExists: ``out`` exists.
            RefusedHost: the plan does not fit the host, or renaming would break a hard link.
            SystemFailure: the system failed, or the host cannot be written to; all is as it was, or the message says
                what to do.
        """
        if out is None and self.refusal is not None:
            raise self.refusal
        _check(self, plan)
        self.check_unchanged()
        if out is not None:
            _to_new_file(self, plan, out, overwrite)
        elif isinstance(plan, Append):
            inplace.append(self.path, self.target, self.fd, plan)
        elif isinstance(plan, Truncate):
            inplace.truncate(self.path, self.fd, plan)
        else:
            _rewrite(self, plan)

    def splice(self, plan: Splice) -> None:
        """Carry out ``plan``, in place.

        Raises:
            Busy: the host has changed since it was opened, or somebody has it open.
            RefusedHost: the plan does not fit the host, or it cannot be done on this filesystem.
            SystemFailure: as for `apply`.
        """
        if self.refusal is not None:
            raise self.refusal
        _check(self, plan)
        self.check_unchanged()
        splicing.splice(self.path, self.target, self.fd, plan.replaced, plan.head)

    @property
    def block(self) -> int:
        """Bytes of a block of its filesystem: the steps in which a change in place can move what is there."""
        with system_errors(self.path, _AS_IT_WAS):
            return splicing.block_size(self.fd)

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
def locked(path: Path, *, write: bool = True, or_read: bool = False) -> Iterator[Host]:
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
        recover(path)
    refusal = None
    try:
        fd = _open(path, target, write)
    except SystemFailure as error:
        denied = isinstance(error.__cause__, OSError) and error.__cause__.errno in NO_PERMISSION
        if not (or_read and write and denied) or os.path.lexists(journal_path(target)):
            raise
        fd, write, refusal = _open(path, target, False), False, error
    try:
        with system_errors(path, "it may be half changed: mend it with python -m jellyformat fix FILE"):
            healed = heal(target, fd) if write else None
            if write:
                sweep(target)
            seen = os.fstat(fd)
        yield Host(path, target, fd, FileSource(fd, seen.st_size), seen, healed, refusal)
    finally:
        release(fd)


def recover(path: Path) -> str | None:
    """Mend what a crash has left half done at ``path``, and remove its temporary files.

    Returns:
        What was done, for people; None where there was nothing to do.

    Raises:
        As ``locked``.
    """
    with locked(path) as host:
        return host.healed


def apply_plan(path: Path, plan: Plan, *, out: Path | None = None, overwrite: bool = False) -> None:
    """Carry out ``plan`` on the host ``path``: ``locked`` and ``Host.apply`` in one.

    Raises:
        As these two.
    """
    with locked(path, write=out is None) as host:
        host.apply(plan, out=out, overwrite=overwrite)


def _open(path: Path, target: Path, write: bool) -> int:
    for _ in range(10):
        with system_errors(path, "nothing was done"):
            try:
                fd = os.open(target, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK)
            except FileNotFoundError:
                raise missing(path) from None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise SystemFailure(f"{path} is not a regular file", hint="nothing was done; name a file")
            if not _lock_host(fd, path, write):
                raise Busy(f"another process is at work on {path}", hint="nothing was done; run it again later")
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(target.stat(), os.fstat(fd)):
                    return fd
        except BaseException:
            release(fd)
            raise
        release(fd)  # it was replaced just before it was locked
    raise Busy(f"{path} is being replaced all the time", hint="nothing was done; run it again later")


def _lock_host(fd: int, path: Path, write: bool) -> bool:
    try:
        return lock(fd, shared=not write)
    except OSError as error:
        if write and error.errno in _NO_LOCKS:
            raise SystemFailure(
                f"the filesystem of {path} cannot lock files, which a change in place needs",
                hint="nothing was done; write a new file with -o OUT",
            ) from error
        if write:
            raise explained(error, path, "nothing was done") from error
        return True


def _check(host: Host, plan: Plan | Splice) -> None:
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


def _rewrite(host: Host, plan: Rewrite) -> None:
    if os.fstat(host.fd).st_nlink > 1:
        raise RefusedHost(
            f"{host.path} has other names (hard links), which would keep the old content",
            hint="nothing was done; write a new file with -o OUT",
        )
    with system_errors(host.path, _AS_IT_WAS), temporary(host.target, 0o600) as (fd, new):
        _fill(host, plan, fd)
        _copy_owner(host.seen, fd)
        copy_mode(host.seen, fd)
        _copy_attributes(host.fd, fd)
        sync(fd)
        host.check_unchanged()
        publish(new, host.target, True)


def _to_new_file(host: Host, plan: Plan, out: Path, overwrite: bool) -> None:
    with system_errors(out, f"{host.path} is as it was"):
        target = free(out, overwrite)
        if target.exists() and target.samefile(host.target):
            raise RefusedExists(f"{out} is {host.path} itself", hint="to change it in place, leave -o out")
        with temporary(target, 0o600) as (fd, new):
            _fill(host, plan, fd)
            copy_mode(host.seen, fd)
            _copy_attributes(host.fd, fd)
            sync(fd)
            host.check_unchanged()
            publish(new, target, overwrite)


def _fill(host: Host, plan: Plan, fd: int) -> None:
    """Write the file that the plan makes of the host."""
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


def _copy(host: Host, offset: int, length: int, fd: int, at: int) -> None:
    """Copy ``length`` bytes of the host from ``offset`` to ``at``, behind all that ``fd`` has; holes stay holes."""
    end, shift = offset + length, at - offset
    info = os.fstat(host.fd)
    if info.st_blocks * 512 >= info.st_size:
        _copy_data(host, offset, length, fd, at)
        return
    while offset < end:
        try:
            begin = os.lseek(host.fd, offset, os.SEEK_DATA)
            behind = min(end, os.lseek(host.fd, begin, os.SEEK_HOLE)) if begin < end else end
        except OSError as error:
            # ENXIO: nothing but a hole is left; other filesystems do not tell
            begin, behind = (end, end) if error.errno == errno.ENXIO else (offset, end)
        if begin < end:
            _copy_data(host, begin, behind - begin, fd, begin + shift)
        offset = behind
    if os.fstat(fd).st_size < end + shift:
        os.ftruncate(fd, end + shift)


def _copy_data(host: Host, offset: int, length: int, fd: int, at: int) -> None:
    """Copy ``length`` bytes of the host from ``offset`` to ``at``; by the filesystem, where it can."""
    while length and sys.platform == "linux":
        try:
            copied = os.copy_file_range(host.fd, fd, min(length, 1 << 30), offset, at)
        except OSError as error:
            if error.errno not in _NO_COPY_RANGE:
                raise
            break
        if not copied:
            break
        offset, at, length = offset + copied, at + copied, length - copied
    while length:
        data = host.source.read_at(offset, min(_PIECE, length))
        if not data:
            raise Busy(f"{host.path} was cut off by somebody else meanwhile", hint="nothing was done; run it again")
        write_at(fd, data, at)
        offset, at, length = offset + len(data), at + len(data), length - len(data)


def _copy_owner(seen: os.stat_result, fd: int) -> None:
    with contextlib.suppress(PermissionError):
        os.fchown(fd, seen.st_uid, seen.st_gid)


def _copy_attributes(source: int, fd: int) -> None:
    """The extended attributes, as far as they can be: ACLs and the like."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for name in os.listxattr(source):
                with contextlib.suppress(OSError):
                    os.setxattr(fd, name, os.getxattr(source, name))
