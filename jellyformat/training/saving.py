"""A framework's save call with a snapshot in what it saves: the file is there whole, or as it was before."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from jellyformat.errors import JellyError, RefusedHost, SystemFailure
from jellyformat.files import durable, newfile, platform
from jellyformat.files.plans import Append, Copy, Plan, Rewrite
from jellyformat.format.source import BytesSource, Source, StreamSource
from jellyformat.hosts import lookup, sidecar
from jellyformat.hosts.binding import SIDECAR
from jellyformat.snapshots import Snapshot
from jellyformat.training import process, trackers
from jellyformat.training.passing import Passing

_NOT_MOVED = durable.NO_PERMISSION | {errno.EBUSY, errno.EXDEV}


class EmbedPlanner(Protocol):
    """What is used of an adapter."""

    def plan_embed(self, source: Source, container: bytes) -> Plan:
        """How to put ``container`` in."""


def save_beside(
    path: str | os.PathLike[str],
    write: Callable[[str], object],
    snapshot: Snapshot | None,
    *,
    strict: bool,
    follow: bool = True,
    one_record: bool = False,
    carried: bool = False,
) -> None:
    """Save to a temporary file beside ``path``, embed into that, and move it over ``path``.

    The temporary file has the same name in a directory of its own: torch names the root inside the zip after the
    file. Links are followed, and a file that was there keeps its permissions, as with ``open(path, "wb")``.

    A file that cannot carry the snapshot gets it beside it (SPEC JF-SDC), right after it has its name: in between, a
    crash leaves the file with the sidecar of the one before, of which verify says so, or with none.

    Where a file is there that the framework alone could write over, but that cannot be replaced (it is a mount point,
    its directory is not to be written to, or there is no room for both), it is written over when the new one is whole
    elsewhere; not with ``strict``.

    Args:
        path: Where the file is to be in the end.
        write: Saves to the path it is given.
        snapshot: What to embed, if anything.
        strict: Whether it is an error that it cannot be embedded; else a warning.
        follow: Whether a link at ``path`` is followed; else the file takes its place, and what it led to stays.
        one_record: As for `training.embed`.
        carried: Whether what ``write`` saves has the snapshot in it already.

    Raises:
        JellyError: with ``strict``. Whatever goes wrong, ``path`` is as it was; only where there are no hard links and
            the sidecar cannot be moved at the very end, it is saved.
    """
    named = Path(path)
    target = Path(os.path.realpath(path)) if follow else named.absolute()
    if named.exists() and not target.exists():
        _save_without_name(path, write, snapshot, strict=strict)
        return
    with contextlib.ExitStack() as folders:
        new = _saved(write, target, folders, strict=strict)
        kind = None if snapshot is None or carried else _put_in(new, named, snapshot, strict, one_record)
        _sync(new)
        with contextlib.suppress(OSError):
            before = target.stat()
            with contextlib.suppress(OSError):
                if hasattr(os, "chown"):
                    os.chown(new, before.st_uid, before.st_gid)
            shutil.copymode(target, new)
        if kind == SIDECAR:
            _move_both(new, target, named, strict=strict)
        else:
            _replace(new, target, strict=strict)
            if kind is not None or carried:
                with contextlib.suppress(JellyError):
                    sidecar.forget_sidecars(named)  # of what was there before
        if kind is not None:
            trackers.saved(named, snapshot)
        with contextlib.suppress(OSError):  # not every system can sync a directory
            durable.sync_directory(target.parent)
    newfile.sweep_folders(target.parent)  # only now: what a killed process had saved was the best there was


def _save_without_name(
    path: str | os.PathLike[str], write: Callable[[str], object], snapshot: Snapshot | None, *, strict: bool
) -> None:
    """Save to an open file that has no name, such as ``/dev/fd/3`` of one that was deleted: nothing can be renamed."""
    if snapshot is not None:
        error = RefusedHost(f"{os.fspath(path)} is an open file without a name", hint="name a path")
        if strict:
            raise error
        process.warn_of_loss(error)
    write(os.fspath(path))


def _saved(write: Callable[[str], object], target: Path, folders: contextlib.ExitStack, *, strict: bool) -> Path:
    """Save to a file of the name of ``target`` in a directory beside it, which ``folders`` removes.

    Where ``target`` could be written over, but nothing be made beside it, the directory is elsewhere: there is no
    permission to, or no room for both the old file and the new one.
    """
    if not durable.is_directory(target.parent):  # the framework says so of the path that it was given, as without us
        write(str(target))
        return target
    try:
        new = folders.enter_context(newfile.temporary_folder(target.parent)) / target.name
        write(str(new))
        return new
    except Exception as error:
        folders.close()  # what it has of the new file takes room
        if strict or not _only_in_place(error, target):
            if isinstance(error, OSError) and error.errno and durable.is_helper(str(error.filename)):
                raise OSError(error.errno, error.strerror, str(target)) from error
            raise
        try:
            new = Path(folders.enter_context(tempfile.TemporaryDirectory(prefix="jelly-")), target.name)
            write(str(new))
        except Exception:
            raise error from None
        return new


def _only_in_place(error: Exception, target: Path) -> bool:
    """Whether a file that is there cannot be saved to for want of a permission for its directory, or of room."""
    try:
        size, device = target.stat().st_size, target.stat().st_dev
        if isinstance(error, OSError) and error.errno in durable.NO_PERMISSION:
            return os.access(target, os.W_OK)
        elsewhere = Path(tempfile.gettempdir())
        return (
            shutil.disk_usage(target.parent).free < size
            and elsewhere.stat().st_dev != device
            and shutil.disk_usage(elsewhere).free > size
        )
    except OSError:
        return False


def _replace(new: Path, target: Path, *, strict: bool) -> None:
    """Give a file its name; where only the content of what is there can be replaced, such as in a mount, do that."""
    try:
        new.replace(target)
    except OSError as error:
        if strict or error.errno not in _NOT_MOVED or not target.is_file():
            raise
        before = target.stat()
        room = shutil.disk_usage(target).free + platform.disk_size(before)
        if room < new.stat().st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target)) from error
        try:
            shutil.copyfile(new, target)
            _sync(target)
        except Exception as second:
            kept = Path(tempfile.mkdtemp(prefix="jelly-kept-", dir=new.parent.parent), target.name)
            new.replace(kept)
            raise SystemFailure(
                f"{target} is half written ({second})", hint=f"what was to be saved is whole in {kept}"
            ) from second


def _put_in(new: Path, path: Path, snapshot: Snapshot, strict: bool, one_record: bool) -> str | None:
    """Embed into the temporary file for ``path``; as `training.embed`."""
    kind = process.embed(new, snapshot, strict=strict, one_record=one_record)
    if kind == SIDECAR:
        try:
            sidecar.check_free(path)
        except JellyError as error:
            if strict:
                raise
            process.warn_of_loss(error)
            return None
    return kind


def _move_both(new: Path, target: Path, path: Path, *, strict: bool) -> None:
    """Give a file its name, and its sidecar; ``target`` is what ``path`` leads to."""
    before: Path | None = newfile.temporary_path(new)
    existed = target.exists()
    try:
        if existed and before is not None:
            platform.link(target, before)
    except OSError:
        before = None
    _replace(new, target, strict=strict)
    try:
        sidecar.move_beside(lookup.sidecar_paths(new)[0], path)
    except Exception as error:
        if not strict:
            process.warn_of_loss(error)
            return
        if not existed:
            target.unlink()
        elif before is not None:
            before.replace(target)
        raise


def _sync(path: Path) -> None:
    """Have a file on the disk before it takes the place of another, where that can be done."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        platform.sync(file.fileno())


def embedded(data: bytes, adapter: EmbedPlanner, snapshot: Snapshot | None, *, strict: bool) -> bytes:
    """What a framework saved into memory, with a snapshot in it.

    Args:
        data: What was saved.
        adapter: The adapter for it.
        snapshot: What to embed, if anything.
        strict: Whether it is an error that it cannot be embedded; else a warning.

    Raises:
        JellyError: with ``strict``.
    """
    if snapshot is None:
        return data
    plan = _planned(adapter, BytesSource(data), snapshot, strict=strict)
    return data if plan is None else _applied(plan, data)


def saved_in_memory(
    write: Callable[[io.BytesIO], object], adapter: EmbedPlanner, snapshot: Snapshot, *, strict: bool
) -> io.BytesIO:
    """Save into memory and put the snapshot in; what a framework saved is not copied where the snapshot goes behind it.

    Args:
        write: Saves to the file object it is given.
        adapter: The adapter for what it saves.
        snapshot: What to embed.
        strict: Whether it is an error that it cannot be embedded; else a warning.

    Raises:
        JellyError: with ``strict``.
    """
    buffer = io.BytesIO()
    write(buffer)
    plan = _planned(adapter, StreamSource.of(buffer), snapshot, strict=strict)
    if isinstance(plan, Append):
        buffer.truncate(plan.keep)
        buffer.seek(plan.keep)
        buffer.write(_behind(plan))
    elif plan is not None:
        return io.BytesIO(_applied(plan, buffer.getvalue()))
    return buffer


def save_to_stream(
    stream: BinaryIO, write: Callable[[Any], object], adapter: EmbedPlanner, snapshot: Snapshot, *, strict: bool
) -> None:
    """Save to ``stream`` and put the snapshot behind; what is saved is not held in memory.

    With ``strict`` it is: then it is written when all is done.

    Args:
        stream: A binary file object, open for writing.
        write: Saves to the file object it is given.
        adapter: The adapter for what it saves.
        snapshot: What to embed.
        strict: Whether it is an error that it cannot be embedded; else it is a warning, and what was saved is
            written alone.

    Raises:
        JellyError: with ``strict``; nothing was written.
    """
    passing = Passing(stream)
    if strict:
        passing.write(saved_in_memory(write, adapter, snapshot, strict=strict).getbuffer())
        return
    write(passing)
    plan = _planned(_Behind(adapter), passing, snapshot, strict=strict)
    if isinstance(plan, Append):
        if passing.tell() != passing.size:
            passing.seek(passing.size)
        passing.write(_behind(plan))


@dataclass(frozen=True)
class _Behind:
    """Plans only what is put behind all that was written before."""

    adapter: EmbedPlanner

    def plan_embed(self, source: Source, container: bytes) -> Plan:
        """As the adapter does. Raises RefusedHost where it is put elsewhere."""
        plan = self.adapter.plan_embed(source, container)
        if not isinstance(plan, Append) or plan.keep != source.size:
            raise RefusedHost("in a file object, what was written cannot be changed any more", hint="name a path")
        return plan


def _planned(adapter: EmbedPlanner, source: Source, snapshot: Snapshot, *, strict: bool) -> Plan | None:
    """How to put the snapshot in; None, and a warning, where it cannot be."""
    try:
        return adapter.plan_embed(source, snapshot.to_bytes())
    except Exception as error:  # a checkpoint is worth more than its snapshot
        if strict:
            raise
        process.warn_of_loss(error)
        return None


def _behind(plan: Append) -> bytearray:
    """What stands behind the host's own bytes when the plan is carried out."""
    tail = bytearray(plan.length - plan.keep)
    for offset, part in plan.writes:  # what is staged for a crash lies behind the end
        part = part[: max(0, plan.length - offset)]
        tail[offset - plan.keep : offset - plan.keep + len(part)] = part
    return tail


def _applied(plan: Plan, data: bytes) -> bytes:
    """The host's bytes when the plan is carried out."""
    if isinstance(plan, Append):
        return data[: plan.keep] + _behind(plan)
    if isinstance(plan, Rewrite):
        return b"".join(
            data[part.offset : part.offset + part.length] if isinstance(part, Copy) else part for part in plan.segments
        )
    return data[: plan.length]
