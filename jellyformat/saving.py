"""A framework's save call with a snapshot in what it saves: the file is there whole, or as it was before."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from jellyformat import fileio, newfile, training
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

    Args:
        path: Where the file is to be in the end.
        write: Saves to the path it is given.
        snapshot: What to embed, if anything.
        strict: Whether it is an error that it cannot be embedded; else a warning.

    Raises:
        JellyError: with ``strict``. Whatever goes wrong, ``path`` is as it was.
    """
    target = Path(os.path.realpath(path))
    with newfile.temporary_folder(target.parent) as folder:
        beside = folder / target.name
        write(str(beside))
        if snapshot is not None:
            training.embed(beside, snapshot, strict=strict)
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, beside)
        beside.replace(target)
        with contextlib.suppress(OSError):  # not every system can sync a directory
            fileio.sync_directory(target.parent)
    newfile.sweep_folders(target.parent)  # only now: what a killed process had saved was the best there was


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
