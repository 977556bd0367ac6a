"""Files that carry a snapshot themselves: they are no part of the next one (SPEC section 7, `ignored`)."""

from __future__ import annotations

import os

from jellyformat.container import MAGIC
from jellyformat.host import END_MAGIC

_HEAD = 64 << 10
_TAIL = 2 * len(END_MAGIC)
_MARK = b"jellyformat"


def content_carries(content: bytes) -> bool:
    """Whether the bytes of a file look as if it carried a snapshot, from its two ends alone."""
    return _looks_so(content[:_HEAD], content[-_TAIL:])


def file_carries(path: bytes) -> bool:
    """Whether a regular file looks as if it carried a snapshot; what cannot be read carries none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return _looks_so(os.pread(fd, _HEAD, 0), os.pread(fd, _TAIL, max(0, os.fstat(fd).st_size - _TAIL)))
    except OSError:
        return False
    finally:
        os.close(fd)


def _looks_so(head: bytes, tail: bytes) -> bool:
    if head.startswith(MAGIC) or tail.endswith(END_MAGIC) or tail == END_MAGIC.hex().encode():
        return True
    # the member of a safetensors header, or the key of a saved dict in torch's data.pkl, which comes first
    return (head[8:9] == b"{" or head.startswith(b"PK\x03\x04")) and _MARK in head
