"""A framework's save call with a snapshot in what it saves: the file is there whole, or as it was before."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from jellyformat import beside, fileio, lookup, newfile, training
from jellyformat.binding import SIDECAR
from jellyformat.errors import JellyError
from jellyformat.host import Append, Copy, Plan, Rewrite
from jellyformat.snapshots import Snapshot
from jellyformat.source import BytesSource, Source, StreamSource


class Planner(Protocol):
    """What is used of an adapter."""

    def plan_embed(self, source: Source, container: bytes) -> Plan:
        """How to put ``container`` in."""


def save_beside(
    path: str | os.PathLike[str], write: Callable[[str], object], snapshot: Snapshot | None, *, strict: bool
) -> None:
    """Save to a temporary file beside ``path``, embed into that, and move it over ``path``.

    The temporary file has the same name in a directory of its own: torch names the root inside the zip after the
    file. Links are followed, and a file that was there keeps its permissions, as with ``open(path, "wb")``.

    A file that cannot carry the snapshot gets it beside it (SPEC 14.6), right after it has its name: in between, a
    crash leaves the file with the sidecar of the one before, of which verify says so, or with none.

    Args:
        path: Where the file is to be in the end.
        write: Saves to the path it is given.
        snapshot: What to embed, if anything.
        strict: Whether it is an error that it cannot be embedded; else a warning.

    Raises:
        JellyError: with ``strict``. Whatever goes wrong, ``path`` is as it was; only where there are no hard links and
            the sidecar cannot be moved at the very end, it is saved.
    """
    named = Path(path)
    target = Path(os.path.realpath(path))
    with newfile.temporary_folder(target.parent) as folder:
        new = folder / target.name
        write(str(new))
        kind = None if snapshot is None else _put_in(new, named, snapshot, strict=strict)
        if kind in (None, SIDECAR):  # else it is on the disk already
            _sync(new)
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, new)
        if kind == SIDECAR:
            _move_both(new, target, named, strict=strict)
        else:
            new.replace(target)
            old = beside.sidecar_at(named) if kind is not None else None
            if old is not None:  # of what was there before
                with contextlib.suppress(JellyError):
                    beside.forget_sidecar(old)
        with contextlib.suppress(OSError):  # not every system can sync a directory
            fileio.sync_directory(target.parent)
    newfile.sweep_folders(target.parent)  # only now: what a killed process had saved was the best there was


def _put_in(new: Path, path: Path, snapshot: Snapshot, *, strict: bool) -> str | None:
    """Embed into the temporary file for ``path``; as `training.embed`."""
    kind = training.embed(new, snapshot, strict=strict)
    if kind == SIDECAR:
        try:
            beside.check_free(path)
        except JellyError as error:
            if strict:
                raise
            training.warn_of_loss(error)
            return None
    return kind


def _move_both(new: Path, target: Path, path: Path, *, strict: bool) -> None:
    """Give a file its name, and its sidecar; ``target`` is what ``path`` leads to."""
    before: Path | None = newfile.temporary_path(new)
    existed = target.exists()
    try:
        if existed and before is not None:
            before.hardlink_to(target)
    except OSError:
        before = None
    new.replace(target)
    try:
        beside.move_beside(lookup.sidecar_paths(new)[0], path)
    except Exception as error:
        if not strict:
            training.warn_of_loss(error)
            return
        if not existed:
            target.unlink()
        elif before is not None:
            before.replace(target)
        raise


def _sync(path: Path) -> None:
    """Have a file on the disk before it takes the place of another, where that can be done."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        fileio.sync(file.fileno())


def embedded(data: bytes, adapter: Planner, snapshot: Snapshot | None, *, strict: bool) -> bytes:
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
    write: Callable[[io.BytesIO], object], adapter: Planner, snapshot: Snapshot, *, strict: bool
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
    stream: BinaryIO, write: Callable[[io.BytesIO], object], adapter: Planner, snapshot: Snapshot, *, strict: bool
) -> None:
    """Save into memory, put the snapshot in, and only then write it all to ``stream``.

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
    stream.write(saved_in_memory(write, adapter, snapshot, strict=strict).getbuffer())


def _planned(adapter: Planner, source: Source, snapshot: Snapshot, *, strict: bool) -> Plan | None:
    """How to put the snapshot in; None, and a warning, where it cannot be."""
    try:
        return adapter.plan_embed(source, snapshot.to_bytes())
    except Exception as error:  # a checkpoint is worth more than its snapshot
        if strict:
            raise
        training.warn_of_loss(error)
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
