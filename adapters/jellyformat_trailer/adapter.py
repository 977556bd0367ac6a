"""The adapter for hosts of no other kind: a trailer, or a refusal where that would break the file (SPEC 14.5)."""

from __future__ import annotations

from dataclasses import dataclass

from jellyformat.errors import Refused, RefusedHost
from jellyformat.host import BESIDE, Append, Carried, Truncate
from jellyformat.source import Source
from jellyformat_trailer.carry import find_trailer, plan_trailer
from jellyformat_trailer.refuse import own_bytes, refusal


@dataclass(frozen=True)
class TrailerAdapter:
    """Takes any file that no other adapter takes (SPEC 14, step 8)."""

    name: str = "trailer"
    priority: int = 0

    def matches(self, source: Source) -> bool:
        """True: the trailer is the last one asked."""
        return True

    def find(self, source: Source) -> Carried | None:
        """The container behind the host's own bytes, or None (SPEC 14.5).

        Raises:
            CorruptLocator: there is a locator, and it does not fit (JF-LOC-001).
        """
        return find_trailer(source)

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """How to put ``container`` behind the host's own bytes, in place of one that may be there.

        Raises:
            RefusedHost: the file's own readers would then fail, or it is a bare container (JF-HST-004).
            CorruptLocator: there is a locator already, and it does not fit (JF-LOC-001).
        """
        present = find_trailer(source)
        keep = source.size if present is None or present.host_length is None else present.host_length
        broken = refusal(own_bytes(source, keep))
        if broken is not None:
            raise RefusedHost(
                f"this is {broken}: its readers fail on a container behind its end, so the file was not touched",
                requirement="JF-HST-004",
                hint=BESIDE,
            )
        return plan_trailer(source, container, keep)

    def plan_strip(self, source: Source, carried: Carried) -> Truncate:
        """Cut the host off where its own bytes end.

        Raises:
            Refused: it is not known where they end, as with a container that stands alone.
        """
        if carried.host_length is None:
            raise Refused("it is not known where the host's own bytes end, so the file was not touched")
        return Truncate(carried.host_length)


ADAPTER = TrailerAdapter()
