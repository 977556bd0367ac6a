"""The adapter for flax: nothing is put into its files, and what they hold is told by name (SPEC JF-FLX)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jellyformat.adapter import TENSORS, Carried, Plan, Refused, Source, Weight, nothing_fits_in
from jellyformat_flax.leaves import read_weights
from jellyformat_flax.values import is_flax


@dataclass(frozen=True)
class FlaxAdapter:
    """flax's msgpack files. Whatever was put into one, its readers would refuse it or show it; so nothing is."""

    name: str = "flax"
    priority: int = 10

    def matches(self, source: Source) -> bool:
        """Whether ``source`` begins as flax writes it (SPEC JF-HST, step 7); reads 64 KiB at most."""
        return is_flax(source)

    def find(self, source: Source) -> Carried | None:
        """None: a container never lies in the file, only beside it."""
        return None

    def plan_embed(self, source: Source, container: bytes) -> Plan:
        """Raises RefusedHost, always (JF-HST-004)."""
        raise nothing_fits_in("this is a msgpack file of flax, which fails on whatever is put into it")

    def plan_strip(self, source: Source, carried: Carried) -> Plan:
        """Raises Refused: there is nothing in it."""
        raise Refused("a msgpack file of flax carries nothing, so the file was not touched")

    def weights(self, source: Source, carried: Carried | None) -> tuple[str, Iterator[Weight]]:
        """Each array, and each number and text, by its keys (SPEC JF-BND).

        Raises:
            BadHost: the file does not conform (JF-FLX-001).
            SizeLimit: the names have more bytes than they may (JF-FLX-002).
        """
        return TENSORS, read_weights(source)


ADAPTER = FlaxAdapter()
