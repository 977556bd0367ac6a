"""Plans: how a host is to be changed, as adapters write them and `change` carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jellyformat.hints import Hint, option

WITHOUT_IN_PLACE = Hint("nothing was changed; leave out ", option("in_place"), ", and the file is written anew")
"""The hint of a refusal to change a file in place that can be written anew."""


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
