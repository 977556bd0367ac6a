"""A file object that hands on what is written to it, and keeps enough to put a snapshot behind: a checkpoint may be
larger than what memory is left."""

from __future__ import annotations

import bisect
import io
import os
from collections import deque
from typing import TYPE_CHECKING, Any, BinaryIO

from jellyformat.errors import RefusedHost

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_HEAD = 1024
"""Bytes that are kept of what is written at once: headers of entries, and what tells a container, stand there."""
_HEADS = 256 << 20
"""Bytes of such beginnings; with more, no snapshot can be put in."""
_LAST = 8 << 20
"""Bytes that are kept of what was written last: the directory of a zip file stands there."""


class Passing(io.RawIOBase):
    """Writes to ``stream``; also the source by which it is planned how a snapshot is put behind what was written.

    Args:
        stream: A binary file object, open for writing. It need not be able to do more; where it can seek, this can.

    Attributes:
        size: Bytes that are there, from where ``stream`` stood.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._begin = _position(stream)
        self.size = self._now = 0
        self._places: list[int] = []
        self._heads: list[bytes] = []
        self._heads_bytes = 0
        self._last: deque[tuple[int, bytes]] = deque()
        self._last_bytes = 0

    def writable(self) -> bool:
        """That it can be written to."""
        return True

    def seekable(self) -> bool:
        """Whether it can seek."""
        return self._begin is not None

    def tell(self) -> int:
        """How many bytes stand before what is written next."""
        return self._now

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go on from elsewhere."""
        if self._begin is None:
            raise io.UnsupportedOperation("seek")
        self._now = offset + (0, self._now, self.size)[whence]
        self._stream.seek(self._begin + self._now)
        return self._now

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it."""
        whole = memoryview(data).cast("B")
        rest: Any = whole
        while rest:  # an unbuffered file takes two gigabytes at once at most
            written = self._stream.write(rest)
            rest = rest[written if isinstance(written, int) and written > 0 else len(rest) :]
        for data in (whole[: max(0, self.size - self._now)], whole[max(0, self.size - self._now) :]):
            if self._now < self.size:
                self._change(data)
            elif data:
                self._keep(data)
            self._now += len(data)
            self.size = max(self.size, self._now)
        return len(whole)

    def flush(self) -> None:
        """Have the stream flushed, where it can be."""
        flush = getattr(self._stream, "flush", None)
        if flush is not None and not getattr(self._stream, "closed", False):
            flush()

    def _change(self, data: memoryview) -> None:
        """Note what was written over something."""
        heads = range(bisect.bisect_right(self._places, self._now - _HEAD), len(self._places))
        for number in heads:
            if self._places[number] >= self._now + len(data):
                break
            self._heads[number] = _changed(self._heads[number], self._now - self._places[number], data)
        for number, (begin, old) in enumerate(self._last):
            self._last[number] = begin, _changed(old, self._now - begin, data)

    def _keep(self, data: memoryview) -> None:
        """Note what was written behind all else; a hole before it counts as unknown."""
        if self._heads_bytes < _HEADS:
            head = bytes(data[:_HEAD])
            self._places.append(self._now)
            self._heads.append(head)
            self._heads_bytes += len(head)
        last = bytes(data[-_LAST:])
        self._last.append((self._now + len(data) - len(last), last))
        self._last_bytes += len(last)
        while self._last_bytes - len(self._last[0][1]) >= _LAST:
            self._last_bytes -= len(self._last.popleft()[1])

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end.

        Raises:
            RefusedHost: they were not kept.
        """
        length = max(0, min(length, self.size - offset))
        parts: list[bytes] = []
        while length > 0:
            part = self._at(offset, length)
            if not part:
                raise RefusedHost(
                    "where the snapshot is to go is not known any more: it was written to a file object, and more of "
                    "it would have to be read again than is kept",
                    hint="name a path",
                )
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    def _at(self, offset: int, most: int) -> bytes:
        """What is kept from an offset on, ``most`` bytes of it; none where nothing is."""
        if self._last and offset >= self._last[0][0]:
            number = bisect.bisect_right(self._last, offset, key=lambda item: item[0]) - 1
            begin, data = self._last[number]
        else:
            number = bisect.bisect_right(self._places, offset) - 1
            begin, data = (self._places[number], self._heads[number]) if number >= 0 else (0, b"")
        return data[offset - begin : offset - begin + most]


def _position(stream: BinaryIO) -> int | None:
    """Where a stream stands; None where it cannot seek."""
    try:
        return stream.tell() if stream.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None


def _changed(old: bytes, at: int, data: memoryview) -> bytes:
    """``old``, with ``data`` written over it from ``at`` on, which may be before its beginning."""
    begin, end = max(at, 0), min(at + len(data), len(old))
    return old if begin >= end else old[:begin] + bytes(data[begin - at : end - at]) + old[end:]
