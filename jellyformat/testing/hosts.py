"""Hosts with a container put in and taken out, in memory and on disk; and sources that watch how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jellyformat.adapter import (
    Adapter,
    Append,
    BytesSource,
    Carried,
    Copy,
    Plan,
    Source,
    Splice,
    Truncate,
    read_all,
)
from jellyformat.files import change


def applied(data: bytes, plan: Plan | Splice) -> bytes:
    """What ``plan`` makes of a host with the bytes ``data``."""
    if isinstance(plan, Append):
        file = bytearray(data if plan.back is None else data[: plan.keep])
        for offset, part in plan.writes:
            file.extend(bytes(max(0, offset - len(file))))
            file[offset : offset + len(part)] = part
        assert len(file) >= plan.length, "the plan leaves a hole at the end"
        assert file[: plan.keep] == data[: plan.keep], "the plan writes over the host's own bytes"
        return bytes(file[: plan.length])
    if isinstance(plan, Truncate):
        return data[: plan.length]
    if isinstance(plan, Splice):
        return plan.head + data[plan.replaced :]
    return b"".join(
        data[part.offset : part.offset + part.length] if isinstance(part, Copy) else part for part in plan.segments
    )


def embed(adapter: Adapter, data: bytes, container: bytes) -> bytes:
    """The host ``data`` with ``container`` in it. Raises what the adapter raises."""
    return applied(data, adapter.plan_embed(BytesSource(data), container))


def strip(adapter: Adapter, data: bytes) -> bytes:
    """The host ``data`` without its container. Raises what the adapter raises."""
    source = BytesSource(data)
    carried = adapter.find(source)
    assert carried is not None, "there is no container"
    return applied(data, adapter.plan_strip(source, carried))


def described(carried: Carried | None) -> tuple[str, bytes, int | None] | None:
    """Form, bytes and host length of what was found."""
    return None if carried is None else (carried.form, read_all(carried.container), carried.host_length)


def embed_file(adapter: Adapter, path: Path, container: bytes) -> None:
    """Put ``container`` into a file, as `jellyformat.embed` does it."""
    with change.locked(path) as host:
        host.apply(adapter.plan_embed(host.source, container))


def strip_file(adapter: Adapter, path: Path) -> None:
    """Take the container out of a file, as `jellyformat.strip` does it."""
    with change.locked(path) as host:
        carried = adapter.find(host.source)
        assert carried is not None, "there is no container"
        host.apply(adapter.plan_strip(host.source, carried))


@dataclass
class CountingSource:
    """Counts the bytes that are read of another source."""

    inner: Source
    read: int = 0

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.inner.size

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        data = self.inner.read_at(offset, length)
        self.read += len(data)
        return data


@dataclass
class ShrinkingSource:
    """A file that is cut off while it is read: after some reads, there is nothing.

    Attributes:
        data: Its bytes before that.
        reads: How many reads still find them.
    """

    data: bytes
    reads: int

    @property
    def size(self) -> int:
        """Length in bytes, as it was at the beginning."""
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, or none."""
        self.reads -= 1
        return self.data[offset : offset + length] if self.reads >= 0 else b""
