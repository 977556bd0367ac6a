"""The adapter for hosts of no other kind: a trailer, or a refusal where that would break the file (SPEC JF-TRL)."""

from __future__ import annotations

from dataclasses import dataclass

from jellyformat.adapter import (
    Append,
    BadHost,
    Carried,
    Hint,
    Refused,
    RefusedHost,
    Source,
    Truncate,
    nothing_fits_in,
    option,
)
from jellyformat_trailer.bear import bears
from jellyformat_trailer.carry import find_trailer, plan_trailer
from jellyformat_trailer.cut import cut_off
from jellyformat_trailer.refuse import own_bytes, refusal


@dataclass(frozen=True)
class TrailerAdapter:
    """Takes any file that no other adapter takes (SPEC JF-HST, step 8)."""

    name: str = "trailer"
    priority: int = 0

    def matches(self, source: Source) -> bool:
        """True: the trailer is the last one asked."""
        return True

    def find(self, source: Source) -> Carried | None:
        """The container behind the host's own bytes, or None (SPEC JF-TRL).

        Raises:
            CorruptLocator: there is a locator, and it does not fit (JF-LOC-001).
        """
        return find_trailer(source)

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """How to put ``container`` behind the host's own bytes, in place of one that may be there.

        Raises:
            RefusedHost: the file's own readers would then fail, or it is a bare container (JF-HST-004); or it is not
                known whether they would (JF-TRL-002).
            BadHost: it is cut off (JF-TRL-003).
            CorruptLocator: there is a locator already, and it does not fit (JF-LOC-001).
        """
        own, replaced = self._own(source)
        if not replaced and not bears(own):
            raise RefusedHost(
                "it is not known whether this file's readers stop where its own bytes end, or read on into a snapshot",
                requirement="JF-TRL-002",
                hint=Hint(
                    "nothing was changed; without ",
                    option("out", "OUT"),
                    ", embed puts the snapshot into a file beside it; to put it inside, if they stop, add ",
                    option("trailer"),
                ),
            )
        return plan_trailer(source, container, own.size)

    def plan_embed_as_trailer(self, source: Source, container: bytes) -> Append:
        """As `plan_embed`, in files of which it is not known whether their readers bear it, too.

        Raises:
            RefusedHost: they do not (JF-HST-004).
            BadHost: it is cut off (JF-TRL-003).
            CorruptLocator: there is a locator already, and it does not fit (JF-LOC-001).
        """
        return plan_trailer(source, container, self._own(source)[0].size)

    def _own(self, source: Source) -> tuple[Source, bool]:
        """The host's own bytes, which do not break on a trailer, and whether there is one."""
        present = find_trailer(source)
        keep = source.size if present is None or present.host_length is None else present.host_length
        own = own_bytes(source, keep)
        cut = cut_off(own)
        if cut is not None:
            raise BadHost(
                f"the file is cut off: it begins as {cut}, and ends before that does", requirement="JF-TRL-003"
            )
        broken = refusal(own)
        if broken is not None:
            raise nothing_fits_in(f"this is {broken}: its readers fail on a container behind its end")
        return own, present is not None

    def plan_strip(self, source: Source, carried: Carried) -> Truncate:
        """Cut the host off where its own bytes end.

        Raises:
            Refused: it is not known where they end, as with a container that stands alone.
        """
        if carried.host_length is None:
            raise Refused("it is not known where the host's own bytes end, so the file was not touched")
        return Truncate(carried.host_length)


ADAPTER = TrailerAdapter()
