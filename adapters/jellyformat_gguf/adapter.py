"""The adapter for GGUF: a container behind the model, with a locator (SPEC JF-GGF)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jellyformat_trailer import find_trailer, plan_trailer

from jellyformat.adapter import TENSORS, Append, BadHost, Carried, Refused, Source, Truncate, Weight, Window
from jellyformat_gguf.header import Tensor, is_gguf, read_tensors


@dataclass(frozen=True)
class GgufAdapter:
    """Containers behind the end of GGUF files, which their readers do not look at."""

    name: str = "gguf"
    priority: int = 30

    def matches(self, source: Source) -> bool:
        """Whether ``source`` begins as a GGUF file of version 2 or 3, little-endian (SPEC JF-HST, step 5)."""
        return is_gguf(source)

    def find(self, source: Source) -> Carried | None:
        """The container behind the host's own bytes, or None (SPEC JF-TRL).

        Raises:
            CorruptLocator: there is a locator, and it does not fit (JF-LOC-001, JF-TRL-001).
        """
        return find_trailer(source)

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """How to put ``container`` behind the host's own bytes, in place of one that may be there.

        Raises:
            BadHost: the header is broken (JF-GGF-001), or the file is cut off: what is put behind it would be read as
                its tensors (JF-GGF-002).
            CorruptLocator: there is a locator already, and it does not fit.
        """
        own = _own(source, find_trailer(source))
        read_tensors(own)
        return plan_trailer(source, container, own.size)

    def plan_strip(self, source: Source, carried: Carried) -> Truncate:
        """Cut the host off where its own bytes end.

        Raises:
            Refused: it is not known where they end.
        """
        if carried.host_length is None:
            raise Refused("it is not known where the host's own bytes end, so the file was not touched")
        return Truncate(carried.host_length)

    def weights(self, source: Source, carried: Carried | None) -> tuple[str, Iterable[Weight]] | None:
        """The tensors; None where one of them is of a type that SPEC JF-GGF does not list.

        Raises:
            BadHost: the header is broken (JF-GGF-001), or a tensor does not lie in the file (JF-GGF-002).
        """
        own = _own(source, carried)
        tensors = read_tensors(own)
        if any(tensor.length is None for tensor in tensors):
            return None
        return TENSORS, _weights(own, tensors)


def _own(source: Source, carried: Carried | None) -> Source:
    """The host's own bytes."""
    length = None if carried is None else carried.host_length
    return source if length is None else Window(source, 0, length)


def _weights(own: Source, tensors: list[Tensor]) -> Iterator[Weight]:
    left = own.size
    for tensor in tensors:
        length = tensor.length or 0
        left -= length
        if left < 0:  # else a small file could ask for any number of passes over it
            message = "the tensors have more bytes than the file"
            raise BadHost(message, requirement="JF-BND-004", offset=tensor.start)
        yield Weight(tensor.name, tensor.dtype, tensor.shape, Window(own, tensor.start, length))


ADAPTER = GgufAdapter()
