"""Containers to put into hosts, plans carried out step by step, and what is asked of a file: beside the contract."""

from __future__ import annotations

import contextlib
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

from jellyformat.adapter import Adapter, Append, BytesSource, FileSource, JellyError, Plan, Truncate, read_all
from jellyformat.format.frames import format_header
from jellyformat.testing import applied, described, embed, strip, strip_file
from jellyformat.verifier import verify

__all__ = ["applied", "described", "embed", "strip", "strip_file"]


def make_container(length: int = 5000, seed: int = 0) -> bytes:
    """Bytes with a proper header and digest; the manifest and blocks are noise, with end records of zips in it."""
    noise = random.Random(seed)
    frame = noise.randbytes(100)
    rest = bytearray(noise.randbytes(length - 172))
    for place in range(0, len(rest) - 22, 701):
        rest[place : place + 22] = b"PK\x05\x06" + bytes(18)
    return format_header(frame, 300, length) + frame + bytes(rest)


def container_of(body: bytes) -> bytes:
    """A header whose digest fits, and ``body`` in place of the manifest."""
    return format_header(body, 9, 72 + len(body)) + body


def steps(path: Path, plan: Plan) -> Iterator[str]:
    """Carries ``plan`` out on the file; what has just been done, after each step."""
    with open(path, "r+b") as file:
        if isinstance(plan, Append):
            before = file.read(plan.keep)
            if plan.back is not None:
                os.ftruncate(file.fileno(), plan.keep)
                yield "first cut"
            for number, (offset, data) in enumerate(plan.writes):
                os.pwrite(file.fileno(), data, offset)
                yield f"write {number}"
            os.ftruncate(file.fileno(), plan.length)
            yield "cut"
            file.seek(0)
            assert file.read(plan.keep) == before, "the host's own bytes were changed"
        elif isinstance(plan, Truncate):
            os.ftruncate(file.fileno(), plan.length)
            yield "cut"
        else:
            raise AssertionError("not a plan of this family")


def found_in(adapter: Adapter, path: Path) -> tuple[str, bytes, int | None] | None:
    """Form, bytes and host length of the container in a file."""
    with open(path, "rb") as file:
        return described(adapter.find(FileSource.of(file.fileno())))


def embed_file(adapter: Adapter, path: Path, container: bytes) -> Iterator[str]:
    """Embeds into a file; what has just been done, after each step."""
    with open(path, "rb") as file:
        plan = adapter.plan_embed(FileSource.of(file.fileno()), container)
    return steps(path, plan)


def only_jelly_errors(adapter: Adapter, data: bytes) -> None:
    """Asks the adapter everything about ``data``; anything but a JellyError comes through."""
    source = BytesSource(data)
    adapter.matches(source)
    try:
        carried = adapter.find(source)
    except JellyError:
        carried = None
    if carried is not None:
        read_all(carried.container)
        with contextlib.suppress(JellyError):
            adapter.plan_strip(source, carried)
    with contextlib.suppress(JellyError):
        adapter.plan_embed(source, make_container(300))


def damaged(data: bytes) -> bool:
    """Whether a verifier finds fault with ``data``, or no container in it."""
    try:
        return not verify(io.BytesIO(data)).ok
    except JellyError:
        return True


def names_in(directory: Path) -> list[str]:
    """The names of what a directory holds, sorted."""
    return sorted(path.name for path in directory.iterdir())
