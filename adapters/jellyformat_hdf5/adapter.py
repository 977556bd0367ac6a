"""The adapter for HDF5: a container in a user block, the file behind it told that it was moved (SPEC JF-HDF)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from jellyformat.adapter import (
    END_MAGIC,
    LOCATOR_LENGTH,
    Carried,
    Copy,
    CorruptLocator,
    Rewrite,
    Segment,
    Source,
    locate,
    locator,
    read_exactly,
)
from jellyformat_hdf5.superblock import SIGNATURE, read_superblock

FORM = "user block"
_SMALLEST = 512


@dataclass(frozen=True)
class Hdf5Adapter:
    """Containers in front of HDF5 files, where every reader of HDF5 lets a block of its user's own pass."""

    name: str = "hdf5"
    priority: int = 60

    def matches(self, source: Source) -> bool:
        """Whether ``source`` begins with the HDF5 signature, or with the locator of a user block (SPEC JF-HST, step 4).

        A file with a user block of somebody else is none: what is in that is not ours to move.
        """
        head = source.read_at(0, LOCATOR_LENGTH)
        return head.startswith(SIGNATURE) or (len(head) == LOCATOR_LENGTH and head.endswith(END_MAGIC))

    def find(self, source: Source) -> Carried | None:
        """The container in the user block; None where there is none.

        Raises:
            CorruptLocator: the locator does not fit, or no HDF5 file stands behind the user block (JF-LOC-001,
                JF-HDF-001).
            Truncated: the file ends in the user block.
        """
        head = read_exactly(source, 0, min(LOCATOR_LENGTH, source.size))
        if len(head) < LOCATOR_LENGTH or not head.endswith(END_MAGIC):
            return None
        start, length, host_length = struct.unpack(">QQQ", head[:24])
        length = user_block_length(length)
        carried = locate(source, head, min(length, source.size), FORM)
        fits = (start, host_length) == (LOCATOR_LENGTH, 0)
        if not fits or source.read_at(length, len(SIGNATURE)) != SIGNATURE:
            raise CorruptLocator(
                "no HDF5 file begins where the user block with the container ends: bytes were changed or are missing",
                requirement="JF-HDF-001",
                offset=length,
            )
        return Carried(FORM, carried.container, source.size - length)

    def plan_embed(self, source: Source, container: bytes) -> Rewrite:
        """How to put ``container`` in, in place of one that may be there; the HDF5 data are copied, not read.

        Raises:
            BadHost: the superblock does not conform, or bytes are missing at the end (JF-HDF-002).
            CorruptLocator: there is a locator already, and it does not fit (JF-LOC-001, JF-HDF-001).
            RefusedHost: the file is open for writing (JF-HDF-003), or one of several that belong together, or its
                addresses cannot be moved (JF-HDF-004).
        """
        length = user_block_length(len(container))
        block = (locator(LOCATOR_LENGTH, container, 0) + container).ljust(length, b"\0")
        return _moved(source, self.find(source), block)

    def plan_strip(self, source: Source, carried: Carried) -> Rewrite:
        """How to take the user block away. What was written to the HDF5 data since stays in them.

        Raises:
            BadHost: the superblock does not conform, or bytes are missing at the end (JF-HDF-002).
            RefusedHost: the file is open for writing (JF-HDF-003), or its addresses cannot be moved (JF-HDF-004).
        """
        return _moved(source, carried, b"")


def user_block_length(container_length: int) -> int:
    """Bytes of the user block for a container of that many: the least 512 · 2ⁿ that holds it and its locator."""
    length = _SMALLEST
    while length < LOCATOR_LENGTH + container_length:
        length *= 2
    return length


def _moved(source: Source, carried: Carried | None, block: bytes) -> Rewrite:
    """The file with ``block`` in place of the user block that is there."""
    start = 0 if carried is None or carried.host_length is None else source.size - carried.host_length
    superblock = read_superblock(source, start)
    moved = superblock.moved(len(block) - start)
    behind = start + len(moved)
    segments: list[Segment] = [block + moved, Copy(behind, source.size - behind)]
    return Rewrite(tuple(segments))


ADAPTER = Hdf5Adapter()
