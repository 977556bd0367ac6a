"""What a host adapter is (SPEC JF-HST): it parses hosts as bytes and plans changes; it opens no file.

`files.change` carries plans out, in an order that keeps the host loadable and its own bytes safe at every instant.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from jellyformat.errors import CorruptLocator, RefusedHost
from jellyformat.format.frames import HEADER_LENGTH
from jellyformat.format.source import Source, Window, read_exactly
from jellyformat.hints import Hint, option

if TYPE_CHECKING:
    from jellyformat.files.plans import Plan, Splice

END_MAGIC = b"\x0a\x0d\x59\x4c\x4c\x45\x4a\x89"
LOCATOR_LENGTH = 64


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


@runtime_checkable
class TrailingAdapter(Adapter, Protocol):
    """An adapter that can also put the container behind files of which it does not know whether their readers bear it.

    Its ``plan_embed`` refuses those by JF-TRL-002.
    """

    def plan_embed_as_trailer(self, source: Source, container: bytes) -> Plan:
        """As ``plan_embed``. Raises RefusedHost where it is known that they do not."""


def nothing_fits_in(message: str, *, requirement: str = "JF-HST-004", offset: int | None = None) -> RefusedHost:
    """The error to raise for a host that can carry nothing, now or later: its readers would fail on it (SPEC JF-HST).

    `jellyformat.embed` then puts the snapshot beside the host (SPEC JF-SDC), unless it is to write a new file.

    Args:
        message: What the file is and what would fail, one sentence, for people.
        requirement: The SPEC requirement by which it is refused.
        offset: Where in the file the reason stands, in bytes.
    """
    return RefusedHost(
        message,
        requirement=requirement,
        offset=offset,
        hint=Hint(
            "nothing was changed; without ", option("out", "OUT"), ", embed puts the snapshot into a file beside it"
        ),
    )


def locator(offset: int, container: bytes, host_length: int) -> bytes:
    """The 64 bytes of SPEC JF-LOC for ``container`` at ``offset``, behind ``host_length`` bytes of the host's own."""
    head = struct.pack(">QQQ", offset, len(container), host_length)
    return head + hashlib.sha256(head + container[:HEADER_LENGTH]).digest() + END_MAGIC


def locate(source: Source, raw: bytes, end: int, form: str) -> Carried:
    """The container that the locator ``raw`` points at; it has to lie before ``end`` (SPEC JF-LOC).

    Raises:
        CorruptLocator: the locator does not fit.
    """
    offset, length, host_length = struct.unpack(">QQQ", raw[:24].ljust(24, b"\0"))
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
