"""Containers to put into hosts, and plans carried out step by step, so that every state between can be looked at."""

from __future__ import annotations

import contextlib
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

from jellyformat.container import format_header
from jellyformat.errors import JellyError
from jellyformat.host import Adapter, Append, Carried, Copy, Plan, Truncate
from jellyformat.source import BytesSource, FileSource, read_all
from jellyformat.verifier import verify


def make_container(length: int = 5000, seed: int = 0) -> bytes:
    """Bytes with a proper header and digest; the manifest and blocks are noise, with end records of zips in it."""
    noise = random.Random(seed)
    frame = noise.randbytes(100)
    rest = bytearray(noise.randbytes(length - 172))
    for place in range(0, len(rest) - 22, 701):
        rest[place : place + 22] = b"PK\x05\x06" + bytes(18)
    return format_header(frame, 300, length) + frame + bytes(rest)


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


def carry_out(path: Path, plan: Plan) -> None:
    """Carries ``plan`` out on the file."""
    for _ in steps(path, plan):
        pass


def result(data: bytes, plan: Plan) -> bytes:
    """What ``plan`` makes of a file with the bytes ``data``."""
    if isinstance(plan, Append):
        file = bytearray(data if plan.back is None else data[: plan.keep])
        for offset, part in plan.writes:
            file.extend(bytes(max(0, offset - len(file))))
            file[offset : offset + len(part)] = part
        assert len(file) >= plan.length
        assert file[: plan.keep] == data[: plan.keep], "the host's own bytes were changed"
        return bytes(file[: plan.length])
    if isinstance(plan, Truncate):
        return data[: plan.length]
    return b"".join(
        data[part.offset : part.offset + part.length] if isinstance(part, Copy) else part for part in plan.segments
    )


def found_in(adapter: Adapter, path: Path) -> tuple[str, bytes, int | None] | None:
    """Form, bytes and host length of the container in a file."""
    with open(path, "rb") as file:
        return described(adapter.find(FileSource.of(file.fileno())))


def described(carried: Carried | None) -> tuple[str, bytes, int | None] | None:
    """Form, bytes and host length."""
    return None if carried is None else (carried.form, read_all(carried.container), carried.host_length)


def embed(adapter: Adapter, data: bytes, container: bytes) -> bytes:
    """The host ``data`` with ``container`` in it."""
    return result(data, adapter.plan_embed(BytesSource(data), container))


def strip(adapter: Adapter, data: bytes) -> bytes:
    """The host ``data`` without its container."""
    source = BytesSource(data)
    carried = adapter.find(source)
    assert carried is not None
    return result(data, adapter.plan_strip(source, carried))


def embed_file(adapter: Adapter, path: Path, container: bytes) -> Iterator[str]:
    """Embeds into a file; what has just been done, after each step."""
    with open(path, "rb") as file:
        plan = adapter.plan_embed(FileSource.of(file.fileno()), container)
    return steps(path, plan)


def strip_file(adapter: Adapter, path: Path) -> None:
    """Strips a file."""
    with open(path, "rb") as file:
        source = FileSource.of(file.fileno())
        carried = adapter.find(source)
        assert carried is not None
        plan = adapter.plan_strip(source, carried)
    carry_out(path, plan)


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
