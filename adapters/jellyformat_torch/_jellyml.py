"""Snapshots of jellyml 1.0.0: a tensor of bytes in the saved object, read as a container (SPEC 14.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from jellyformat_zip import Foreign

from jellyformat.source import Source, read_all


@dataclass(frozen=True)
class JellymlSource:
    """The container that says what a snapshot of jellyml's says; made when it is first read.

    Attributes:
        record: The snapshot's bytes.
    """

    record: Source

    @cached_property
    def _container(self) -> bytes:
        from jellyformat.jellyml import convert  # not needed for other files

        return convert(read_all(self.record))

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self._container)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        return self._container[offset : offset + length]


JELLYML = Foreign("jellyml", b'{"magic_number": "jelly_ml_snapshot"', JellymlSource)
