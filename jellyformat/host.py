"""What a host adapter is (SPEC section 14): it parses hosts as bytes and plans changes; it opens no file.

`atomic` carries plans out, in an order that keeps the host loadable and its own bytes safe at every instant.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from jellyformat.container import HEADER_LENGTH
from jellyformat.errors import CorruptLocator
from jellyformat.source import Source, Window, read_exactly

END_MAGIC = b"\x0a\x0d\x59\x4c\x4c\x45\x4a\x89"
LOCATOR_LENGTH = 64
BESIDE = "without -o, embed puts the snapshot into FILE.jelly beside it"
"""The hint of a refusal after which that is done (SPEC 14.6)."""
ZIP_END_REACH = 65_557
"""A zip end record (22 bytes) and the longest comment: as far from the end as one can begin."""


@dataclass(frozen=True)
class Carried:
    """A container found in a host.

    Attributes:
        form: How it is carried: ``bare``, ``listed``, ``unlisted``, ``tensor``, ``metadata``, ``user block``,
            ``field``, ``trailer``, or ``jellyml`` (a snapshot of that tool, read as a container).
        container: The container's bytes.
        host_length: The host's length without it; None where it cannot be cut off or out.
    """

    form: str
    container: Source
    host_length: int | None


@dataclass(frozen=True)
class Copy:
    """Bytes of the host as it is: ``length`` from ``offset``."""

    offset: int
    length: int


Segment: TypeAlias = bytes | Copy


@dataclass(frozen=True)
class Append:
    """Put bytes behind the first ``keep`` bytes of the host, which stay untouched.

    Attributes:
        keep: The host's own length; what is behind it is an earlier container and goes.
        writes: ``(offset, bytes)`` in the order they are to be written, each synced before the next.
            The first may lie far beyond the end, leaving a hole that the next ones fill.
        length: The file's length when all is done; what was staged behind it is cut off.
        back: For hosts that never may have a hole: what is behind ``keep`` is cut off before the first write, and
            these writes, after the same cut, put it back. None: it is overwritten, and put back in any order.
    """

    keep: int
    writes: tuple[tuple[int, bytes], ...]
    length: int
    back: tuple[tuple[int, bytes], ...] | None = None


@dataclass(frozen=True)
class Rewrite:
    """The new file is these segments, one after another; written beside the host and renamed over it."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Splice:
    """Put ``head`` in place of the first ``replaced`` bytes, in place; what is behind them moves without being copied.

    The two lengths differ by whole blocks of the filesystem.
    """

    replaced: int
    head: bytes


@dataclass(frozen=True)
class Truncate:
    """Cut the host off at ``length``."""

    length: int


Plan: TypeAlias = Append | Rewrite | Truncate


class Adapter(Protocol):
    """One kind of host. Adapters are found through the entry point group ``jellyformat.adapters``."""

    @property
    def name(self) -> str:
        """Its name, as ``host`` in ``--json`` output."""

    @property
    def priority(self) -> int:
        """Adapters are asked in descending order; the trailer, which takes anything, has 0."""

    def matches(self, source: Source) -> bool:
        """Whether this host is of its kind, told by content alone."""

    def find(self, source: Source) -> Carried | None:
        """The container in the host, or None. Raises FormatError where the host is broken."""

    def plan_embed(self, source: Source, container: bytes) -> Plan:
        """How to put ``container`` in, in place of one that may be there. Raises RefusedHost."""

    def plan_strip(self, source: Source, carried: Carried) -> Plan:
        """How to take the container out again. Raises Refused where the bytes before cannot be given back."""


@runtime_checkable
class SplicingAdapter(Adapter, Protocol):
    """An adapter whose plans copy the host, and which can also plan to change it in place."""

    def plan_embed_in_place(self, source: Source, container: bytes, block: int) -> Splice:
        """As ``plan_embed``, changing the length by multiples of ``block``. Raises RefusedHost where it cannot be."""

    def plan_strip_in_place(self, source: Source, carried: Carried, block: int) -> Splice:
        """As ``plan_strip``, changing the length by multiples of ``block``. Raises RefusedHost where it cannot be."""


@runtime_checkable
class TensorAdapter(Adapter, Protocol):
    """An adapter that can also put the container in as a tensor of the file's own, raw."""

    def plan_embed_as_tensor(self, source: Source, container: bytes) -> Plan:
        """As ``plan_embed``. Raises RefusedHost where it cannot be."""


def locator(offset: int, container: bytes, host_length: int) -> bytes:
    """The 64 bytes of SPEC 14.1 for ``container`` at ``offset``, behind ``host_length`` bytes of the host's own."""
    head = struct.pack(">QQQ", offset, len(container), host_length)
    return head + hashlib.sha256(head + container[:HEADER_LENGTH]).digest() + END_MAGIC


def locate(source: Source, raw: bytes, end: int, form: str) -> Carried:
    """The container that the locator ``raw`` points at; it has to lie before ``end`` (SPEC 14.1).

    Raises:
        CorruptLocator: the locator does not fit.
    """
    offset, length, host_length = struct.unpack(">QQQ", raw[:24])
    if len(raw) != LOCATOR_LENGTH or not host_length <= offset <= offset + length <= end or length < HEADER_LENGTH:
        raise CorruptLocator(
            "the locator points to where no container can be: bytes were changed or are missing",
            requirement="JF-LOC-001",
        )
    header = read_exactly(source, offset, HEADER_LENGTH)
    total = int.from_bytes(header[32:40], "big")
    if hashlib.sha256(raw[:24] + header).digest() != raw[24:56] or total != length:
        raise CorruptLocator(
            "the locator does not fit the container: bytes were changed",
            requirement="JF-LOC-001",
            offset=offset,
        )
    return Carried(form, Window(source, offset, length), host_length)
