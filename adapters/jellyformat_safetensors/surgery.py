"""Text put into a safetensors header, and taken out (SPEC JF-SFT)."""

from __future__ import annotations

import base64

from jellyformat_safetensors.header import GRAIN, Header, Site


def with_metadata(header: Header, container: bytes, *, step: int = GRAIN, rest: int = 0) -> bytes:
    """The header's text with ``container`` as a member of ``__metadata__``: the metadata form.

    Args:
        header: Has no container.
        container: The whole container.
        step: The length of what is inserted, divided by this multiple of 64, leaves ``rest``.
        rest: Less than ``step``, and a multiple of 64 too.
    """
    around = header.metadata or header.outer
    opening, closing, fill = b'"jellyformat":"', b'"', b"~"
    if header.metadata is None:
        opening, closing, fill = b'"__metadata__":{' + opening, closing + b"}", b"!"
    if around.count:
        closing += b","
    encoded = base64.b64encode(container)
    fill *= step - (len(opening) + len(encoded) + len(closing) - rest) % step
    return _insert(header.text, around.start + 1, opening + encoded + fill + closing)


def metadata_value(container: bytes, *, alone: bool, comma: bool, step: int) -> str:
    """The value of the member that safetensors itself is to write, so that it stands there as `with_metadata` puts it.

    Args:
        container: The whole container.
        alone: Whether there is no ``__metadata__`` without it.
        comma: Whether a comma goes with it when it is taken out.
        step: Its text, all of it, has a multiple of so many bytes, which is one of 64.
    """
    around = len(b'"jellyformat":""') + (len(b'"__metadata__":{}') if alone else 0) + comma
    encoded = base64.b64encode(container).decode()
    return encoded + ("!" if alone else "~") * (step - (around + len(encoded)) % step)


def with_tensor(header: Header, length: int) -> bytes:
    """The header's text with a tensor of ``length`` bytes behind the others: the tensor form.

    Args:
        header: Has no container.
        length: Of the container, in bytes.
    """
    begin, end = header.data_length, header.data_length + length
    opening = b'"jellyformat":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]' % (length, begin, end)
    closing = b"}," if header.outer.count else b"}"
    fill = b" " * (-(len(opening) + len(closing)) % GRAIN)
    return _insert(header.text, header.outer.start + 1, opening + fill + closing)


def without(header: Header, site: Site) -> bytes:
    """The header's text without the container at ``site``.

    Where another tool has written the header, what goes may be no multiple of 64 bytes; spaces behind then keep
    the alignment of the tensors.
    """
    start, end = site.cut
    return header.text[:start] + header.text[end:] + b" " * ((end - start) % GRAIN)


def _insert(text: bytes, place: int, inserted: bytes) -> bytes:
    return text[:place] + inserted + text[place:]
