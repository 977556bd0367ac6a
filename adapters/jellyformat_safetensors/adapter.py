"""The adapter for safetensors: text put into the JSON header and taken out again, nothing else changed (JF-SFT)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jellyformat.adapter import (
    TENSORS,
    WITHOUT_IN_PLACE,
    Carried,
    Copy,
    RefusedHost,
    Rewrite,
    Segment,
    Source,
    Splice,
    Weight,
    nothing_fits_in,
)
from jellyformat_safetensors.header import (
    GRAIN,
    HEADER_MAX,
    PREFIX,
    Header,
    find_site,
    is_safetensors,
    parse_header,
    read_header,
)
from jellyformat_safetensors.surgery import metadata_value, with_metadata, with_tensor, without
from jellyformat_safetensors.weights import check_whole, read_weights

METADATA_FORM_MAX = HEADER_MAX
"""The longest header, in bytes, with the container in it as base64; a larger container is a tensor."""
_LARGE = HEADER_MAX // 4
"""Bytes of a container for which there is room in any header, or nearly."""
_BLOCK, _WORTH_BLOCKS = 4096, 1 << 20
"""Where there are that many bytes of tensors, the text fills blocks of a filesystem, which can then share them."""
_BLOCK_MAX = 1 << 20
"""Bytes of the largest block that a header is filled up to."""


@dataclass(frozen=True)
class SafetensorsAdapter:
    """Containers in the header of safetensors files, or behind their tensors (SPEC JF-SFT)."""

    name: str = "safetensors"
    priority: int = 90

    def matches(self, source: Source) -> bool:
        """Whether ``source`` begins with a length and a ``{`` as safetensors files do (SPEC JF-HST, step 3)."""
        return is_safetensors(source)

    def find(self, source: Source) -> Carried | None:
        """The container, wherever it stands in the header; None where there is none.

        Raises:
            BadHost: the header does not conform (JF-SFT-001), or the base64 does not (JF-SFT-002).
        """
        header = read_header(source)
        site = find_site(source, header)
        if site is None:
            return None
        length = PREFIX + len(without(header, site)) + site.data_length if site.last else None
        return Carried(site.form, site.container, length)

    def plan_embed(self, source: Source, container: bytes) -> Rewrite:
        """How to put ``container`` in, in place of one that may be there; the tensors are copied, not read.

        Raises:
            BadHost: the header does not conform (JF-SFT-001, JF-SFT-002), or the file is cut off (JF-SFT-004).
            RefusedHost: a tensor that cannot be cut off is in the way, or the header would be longer than safetensors
                reads (JF-HST-004).
        """
        own, data = _own(source)
        check_whole(own, data.length)
        step = _BLOCK if data.length >= _WORTH_BLOCKS else GRAIN
        text = with_metadata(own, container, step=step)
        if len(text) > METADATA_FORM_MAX:
            return _with_tensor(own, data, container)
        return _rewrite(text, data, b"")

    def plan_embed_as_tensor(self, source: Source, container: bytes) -> Rewrite:
        """How to put ``container`` in as the last tensor, named ``jellyformat``: raw, and seen by who lists tensors.

        Raises:
            BadHost, RefusedHost: as `plan_embed`.
        """
        own, data = _own(source)
        check_whole(own, data.length)
        return _with_tensor(own, data, container)

    def plan_strip(self, source: Source, carried: Carried) -> Rewrite:
        """How to take the container out: the text that was inserted, and in the tensor form its data.

        Where another tool has written the header again since, the member goes with one comma, and spaces behind
        the header keep the tensors' alignment.

        Raises:
            BadHost: the header does not conform (JF-SFT-001, JF-SFT-002).
        """
        own, data = _own(source)
        return _rewrite(own.text, data, b"")

    def plan_embed_in_place(self, source: Source, container: bytes, block: int) -> Splice:
        """As ``plan_embed``, in the metadata form, with as much fill as makes the header longer by whole blocks.

        Raises:
            BadHost: the header does not conform (JF-SFT-001, JF-SFT-002).
            RefusedHost: there is or would be a tensor to append or cut off, or the blocks are of an odd size.
        """
        header = _metadata_alone(source, block)
        own, data = _own(source)
        check_whole(own, data.length)
        text = with_metadata(own, container, step=block, rest=(len(header.text) - len(own.text)) % block)
        if len(text) > METADATA_FORM_MAX:
            raise _not_in_place("the snapshot is too large for its header")
        return Splice(header.data_offset, _prefixed(text))

    def plan_strip_in_place(self, source: Source, carried: Carried, block: int) -> Splice:
        """As ``plan_strip``.

        Raises:
            BadHost: the header does not conform (JF-SFT-001, JF-SFT-002).
            RefusedHost: what is to be taken out is no whole blocks, or a tensor.
        """
        header = _metadata_alone(source, block)
        own, _ = _own(source)
        if (len(header.text) - len(own.text)) % block:
            raise _not_in_place(
                f"its snapshot was put in by writing the file anew, and does not fill blocks of {block} bytes"
            )
        return Splice(header.data_offset, _prefixed(own.text))

    def weights(self, source: Source, carried: Carried | None) -> tuple[str, Iterator[Weight]]:
        """The tensors, by name (SPEC JF-BND).

        Raises:
            BadHost: the header does not conform (JF-SFT-001, JF-BND-004).
        """
        return TENSORS, read_weights(source)


def own_member(container: bytes, metadata: Mapping[str, str] | None, tensors: int, size: int) -> str | None:
    """What safetensors is to write as the member ``jellyformat`` of the metadata, for nothing to be written twice.

    Args:
        container: The whole container.
        metadata: The other metadata; None for none.
        tensors: How many there are.
        size: Their bytes.

    Returns:
        None where it has to be put in afterwards: it might not fit.
    """
    if len(container) > _LARGE:
        return None
    step = _BLOCK if size >= _WORTH_BLOCKS else GRAIN
    alone = metadata is None
    return metadata_value(container, alone=alone, comma=bool(tensors) if alone else bool(metadata), step=step)


def _metadata_alone(source: Source, block: int) -> Header:
    """The header as it is, with a container in the metadata or none."""
    header = read_header(source)
    site = find_site(source, header)
    if site is not None and site.form == "tensor":
        raise _not_in_place("the snapshot in it is a tensor")
    if block % GRAIN or not 0 < block <= _BLOCK_MAX:
        raise _not_in_place(f"the filesystem has blocks of {block} bytes")
    return header


def _not_in_place(why: str) -> RefusedHost:
    return RefusedHost(
        f"the file cannot be changed in place: {why}",
        hint=WITHOUT_IN_PLACE,
    )


def _own(source: Source) -> tuple[Header, Copy]:
    """The header of the host without a container, and where its tensors are in the file as it is."""
    header = read_header(source)
    site = find_site(source, header)
    if site is None:
        return header, Copy(header.data_offset, header.data_length)
    if not site.last:
        raise RefusedHost(
            "the snapshot is a tensor between others: another tool has saved the file again",
            hint="nothing was changed; load the file, drop the tensor jellyformat, and save it again",
        )
    return parse_header(without(header, site), site.data_length), Copy(header.data_offset, site.data_length)


def _with_tensor(own: Header, data: Copy, container: bytes) -> Rewrite:
    text = with_tensor(own, len(container))
    if len(text) > HEADER_MAX:
        raise nothing_fits_in(f"the safetensors header would have {len(text)} bytes, more than its readers take")
    return _rewrite(text, data, container)


def _rewrite(text: bytes, data: Copy, behind: bytes) -> Rewrite:
    segments: list[Segment] = [_prefixed(text)]
    if data.length:
        segments.append(data)
    if behind:
        segments.append(behind)
    return Rewrite(tuple(segments))


def _prefixed(text: bytes) -> bytes:
    return len(text).to_bytes(PREFIX, "little") + text


ADAPTER = SafetensorsAdapter()
