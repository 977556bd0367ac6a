"""A container behind the host's own bytes, found through the locator at the end of the file (JF-LOC and JF-TRL)."""

from __future__ import annotations

from jellyformat.adapter import (
    END_MAGIC,
    LOCATOR_LENGTH,
    Append,
    Carried,
    CorruptLocator,
    Source,
    locate,
    locator,
    read_exactly,
)

FORM = "trailer"


def find_trailer(source: Source) -> Carried | None:
    """The container that the locator in the last 64 bytes of ``source`` points at (SPEC JF-TRL).

    Args:
        source: The host, with or without a container.

    Returns:
        The container and the host's own length in bytes; None where the file does not end with the end magic.

    Raises:
        CorruptLocator: the file ends with the end magic, but the locator does not fit (JF-LOC-001, JF-TRL-001).
        Truncated: the source became shorter while it was read.
    """
    size = source.size
    if size < len(END_MAGIC) or read_exactly(source, size - len(END_MAGIC), len(END_MAGIC)) != END_MAGIC:
        return None
    if size < LOCATOR_LENGTH:
        raise CorruptLocator(
            f"the file ends as a locator does, but has only {size} of its {LOCATOR_LENGTH} bytes",
            requirement="JF-LOC-001",
            offset=0,
        )
    end = size - LOCATOR_LENGTH
    carried = locate(source, read_exactly(source, end, LOCATOR_LENGTH), end, FORM)
    if carried.host_length != end - carried.container.size:
        raise CorruptLocator(
            "the container does not fill the file between the host's own bytes and the locator",
            requirement="JF-TRL-001",
            offset=carried.host_length,
        )
    return carried


def plan_trailer(source: Source, container: bytes, keep: int) -> Append:
    """How to put ``container`` and its locator behind the first ``keep`` bytes of the host (SPEC JF-TRL).

    The locator goes first, at its final place: until the container fills the hole before it, the locator tells
    how long the host was, and no reader takes what is there for a container.

    Args:
        source: The host; an earlier trailer in it is replaced.
        container: The whole container, header first.
        keep: The host's own length in bytes, without an earlier trailer.

    Raises:
        ValueError: ``keep`` lies outside of the host.
    """
    if not 0 <= keep <= source.size:
        raise ValueError(f"keep is {keep}, and the host has {source.size} bytes")
    end = keep + len(container)
    return Append(keep, ((end, locator(keep, container, keep)), (keep, container)), end + LOCATOR_LENGTH)
