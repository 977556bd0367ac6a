"""Saving through a framework with a snapshot in the file: the file is there whole, or as it was before."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from jellyformat import training
from jellyformat.errors import JellyError
from jellyformat.host import Append
from jellyformat.source import BytesSource, Source


class Appender(Protocol):
    """An adapter whose plans append."""

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """How to put ``container`` in."""


def save_beside(path: str | os.PathLike[str], write: Callable[[str], object], embed: Callable[[str], object]) -> None:
    """Saves to a temporary file beside ``path``, embeds into that, and moves it over ``path``.

    The temporary file has the same name in a directory of its own: torch names the root inside the zip after the
    file. Links are followed, and a file that was there keeps its permissions, as with ``open(path, "wb")``.

    Args:
        path: Where the file is to be in the end.
        write: Saves to the path it is given.
        embed: Puts the snapshot into the file at the path it is given, and syncs it.

    Raises:
        JellyError: by ``embed``. Whatever goes wrong, ``path`` is as it was.
    """
    target = Path(os.path.realpath(path))
    folder = Path(tempfile.mkdtemp(prefix=".jelly-", dir=target.parent))
    try:
        beside = folder / target.name
        write(str(beside))
        embed(str(beside))
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, beside)
        beside.replace(target)
        with contextlib.suppress(OSError):  # not every system can sync a directory
            descriptor = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save_to_stream(
    stream: BinaryIO,
    write: Callable[[io.BytesIO], object],
    adapter: Appender,
    container: bytes,
    *,
    strict: bool = True,
) -> None:
    """Saves into memory, puts the container in, and only then writes it all to ``stream``.

    Args:
        stream: A binary file object, open for writing.
        write: Saves to the file object it is given.
        adapter: The adapter for what it saves.
        container: The container's bytes.
        strict: Whether an error of the adapter is raised; else it is a warning, and what was saved is written alone.

    Raises:
        JellyError: by the adapter, with nothing written.
    """
    buffer = io.BytesIO()
    write(buffer)
    data = buffer.getvalue()
    try:
        plan = adapter.plan_embed(BytesSource(data), container)
    except JellyError as error:
        if strict:
            raise
        training.warn(f"the checkpoint was saved without a snapshot of the code: {error.message}")
        stream.write(data)
        return
    tail = bytearray(plan.length - plan.keep)
    for offset, part in plan.writes:
        start = offset - plan.keep
        part = part[: max(0, len(tail) - start)]  # what is staged for a crash lies behind the end
        tail[start : start + len(part)] = part
    stream.write(memoryview(data)[: plan.keep])
    stream.write(tail)
