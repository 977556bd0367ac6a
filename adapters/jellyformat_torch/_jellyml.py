"""Snapshots of jellyml 1.0.0: a tensor of bytes in the saved object, read as a container (SPEC JF-TEN)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from jellyformat_zip import Foreign

from jellyformat.adapter import Source, convert_jellyml, read_all


@dataclass(frozen=True)
class JellymlSource:
    """The container that says what a snapshot of jellyml's says; made when it is first read.

    Attributes:
        record: The snapshot's bytes.
    """

    record: Source

    @cached_property
    def _container(self) -> bytes:
        return convert_jellyml(read_all(self.record))

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self._container)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        return self._container[offset : offset + length]


JELLYML = Foreign("jellyml", b'{"magic_number": "jelly_ml_snapshot"', JellymlSource)
