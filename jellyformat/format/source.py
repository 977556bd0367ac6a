"""Random access to bytes, wherever they are: memory, a file, a window of another source."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from jellyformat.errors import SizeLimit, Truncated

POSITION = threading.Lock()
"""Held while the position of a descriptor is used, on systems that cannot read and write elsewhere without it."""
CHUNK = 1 << 20
"""Bytes read at a time where a whole source is walked."""


def pread(fd: int, length: int, offset: int) -> bytes:
    """At most ``length`` bytes from ``offset``; fewer where the system gives fewer. Raises OSError."""
    if hasattr(os, "pread"):
        return os.pread(fd, length, offset)
    with POSITION:  # Windows
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)


def read_into(fd: int, buffer: memoryview, offset: int) -> int:
    """Read from ``offset`` into a buffer; how many bytes, fewer where the system gives fewer. Raises OSError."""
    if hasattr(os, "preadv"):
        return os.preadv(fd, [buffer], offset)
    data = pread(fd, len(buffer), offset)
    buffer[: len(data)] = data
    return len(data)


class Source(Protocol):
    """Bytes that are read by offset."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end of the source."""


@dataclass(frozen=True)
class BytesSource:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        return bytes(self.data[offset : offset + length])


@dataclass(frozen=True)
class FileSource:
    """An open file descriptor. The caller keeps it open and closes it."""

    fd: int
    size: int

    @classmethod
    def of(cls, fd: int) -> FileSource:
        """The file behind ``fd``, with the size it has now."""
        return cls(fd, os.fstat(fd).st_size)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        parts: list[bytes] = []
        while length > 0:
            part = pread(self.fd, min(length, 1 << 30), offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


@dataclass(frozen=True)
class StreamSource:
    """A seekable binary file object, such as fsspec or io.BytesIO gives."""

    stream: BinaryIO
    size: int

    @classmethod
    def of(cls, stream: BinaryIO) -> StreamSource:
        """The whole of ``stream``."""
        return cls(stream, stream.seek(0, os.SEEK_END))

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        self.stream.seek(offset)
        parts: list[bytes] = []
        while length > 0 and (part := self.stream.read(length)):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


@dataclass(frozen=True)
class Window:
    """A part of another source: ``length`` bytes of ``inner`` from ``start``."""

    inner: Source
    start: int
    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset`` of the window; fewer only at its end."""
        length = min(length, self.size - offset)
        return self.inner.read_at(self.start + offset, length) if length > 0 else b""


@dataclass
class Metered:
    """Another source, of which no more than ``left`` bytes are read, those that are read again counted again."""

    inner: Source
    left: int

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.inner.size

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end.

        Raises:
            SizeLimit: that would be too many.
        """
        data = self.inner.read_at(offset, min(length, self.left + 1)) if length > 0 else b""
        self.left -= len(data)
        if self.left < 0:
            raise SizeLimit("more of the file would have to be read than is to be read of one among many")
        return data


@dataclass(frozen=True)
class Joined:
    """Other sources, one behind the other."""

    parts: tuple[Source, ...]

    @property
    def size(self) -> int:
        """Length in bytes."""
        return sum(part.size for part in self.parts)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        found: list[bytes] = []
        for part in self.parts:
            if length <= 0:
                break
            if offset < part.size:
                found.append(part.read_at(offset, length))
                length -= len(found[-1])
                offset = 0
            else:
                offset -= part.size
        return b"".join(found)


def read_exactly(source: Source, offset: int, length: int) -> bytes:
    """``length`` bytes from ``offset``.

    Raises:
        Truncated: the source ends before.
    """
    data = source.read_at(offset, length)
    if len(data) != length:
        raise Truncated(
            f"{length} bytes were expected at offset {offset}, but only {len(data)} are there: the file is cut off",
            requirement="JF-HDR-004",
            offset=offset + len(data),
        )
    return data


def read_all(source: Source) -> bytes:
    """The whole source."""
    return read_exactly(source, 0, source.size)
