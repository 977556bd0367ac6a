"""Files behind a URL, read by ranges: few requests, and hardly more bytes than the container's (SPEC section 14)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from jellyformat.container import HEADER_LENGTH, MAGIC
from jellyformat.errors import JellyError, NoFile, SystemFailure, Usage
from jellyformat.host import END_MAGIC, LOCATOR_LENGTH

_HEAD = 1024
_TAIL = 60 * 1024
_MOST_AT_ONCE = 256 << 20
"""A locator that claims more is not read ahead."""


class Filesystem(Protocol):
    """What is used of an fsspec filesystem."""

    def cat_file(self, path: str, *, start: int, end: int, **options: object) -> bytes:
        """The bytes from ``start`` to ``end``; the options are for ``open``, where that is what it does."""


class RemoteSource:
    """A remote file: what was read is kept, and the container in it is read at once.

    Args:
        filesystem: Where it is.
        path: Its path there.
        size: Its length in bytes.
    """

    def __init__(self, filesystem: Filesystem, path: str, size: int) -> None:
        self._filesystem = filesystem
        self._path = path
        self.size = size
        self._parts: list[tuple[int, bytes]] = []

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        found = self._kept(offset, end)
        if found is None:
            found = self._asked(offset, end)
        if offset and length == HEADER_LENGTH and found.startswith(MAGIC):
            self._read_container(offset, int.from_bytes(found[32:40], "big"))
        return found

    def _asked(self, offset: int, end: int) -> bytes:
        if end <= _HEAD:
            self._fetch(0, min(_HEAD, self.size))
        elif offset >= self.size - _TAIL:
            self._fetch(max(0, self.size - _TAIL), self.size)
            self._read_ahead()
        else:
            self._fetch(offset, end)
        found = self._kept(offset, end)
        return found if found is not None else b""

    def _kept(self, offset: int, end: int) -> bytes | None:
        for start, data in self._parts:
            if start <= offset and end <= start + len(data):
                return data[offset - start : end - start]
        return None

    def _fetch(self, start: int, end: int) -> None:
        try:
            data = self._filesystem.cat_file(self._path, start=start, end=end, **_options(self._filesystem))
        except Exception as error:  # each filesystem raises its own kinds
            raise SystemFailure(f"{self._path} cannot be read: {error}", hint="nothing was changed") from error
        if len(data) != end - start:
            raise SystemFailure(
                f"{self._path}: the server sent {len(data)} bytes where {end - start} were asked for",
                hint="nothing was changed; a server that does not know ranges needs the file copied first",
            )
        self._parts.append((start, data))

    def _read_ahead(self) -> None:
        """Read the container that a locator at the end points at; whether it fits is checked by who parses it."""
        _, data = self._parts[-1]
        raw = data[-LOCATOR_LENGTH:]
        if not raw.endswith(END_MAGIC):
            try:
                raw = bytes.fromhex(data[-2 * LOCATOR_LENGTH :].decode("ascii"))
            except ValueError:
                return
        if len(raw) != LOCATOR_LENGTH or not raw.endswith(END_MAGIC):
            return
        self._read_container(int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:16], "big"))

    def _read_container(self, start: int, length: int) -> None:
        end = start + length
        if end <= self.size and length <= _MOST_AT_ONCE and self._kept(start, end) is None:
            self._fetch(start, end)


def _options(filesystem: Filesystem) -> dict[str, object]:
    """What ``cat_file`` of a filesystem is told beside the range.

    That of fsspec itself, which Hugging Face's filesystem has, opens the file, and then reads megabytes ahead.
    """
    from fsspec import AbstractFileSystem

    inherited = getattr(filesystem.cat_file, "__func__", None) is AbstractFileSystem.cat_file
    return {"cache_type": "none"} if inherited else {}


@contextmanager
def opened(url: str) -> Iterator[RemoteSource]:
    """The file behind a URL that fsspec knows.

    Raises:
        Usage: fsspec, or what it needs for this kind of URL, is not installed.
        NoFile: there is none.
        SystemFailure: it cannot be read.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise Usage(f"{url} is a URL, and fsspec is not installed", hint="pip install 'jellyformat[remote]'") from error
    try:
        filesystem, path = url_to_fs(url)
        size = filesystem.size(path)
    except ImportError as error:
        raise Usage(f"{url} needs another package: {error}", hint="pip install 'jellyformat[remote]'") from error
    except FileNotFoundError as error:
        raise NoFile(f"{url} does not exist", hint="check the address") from error
    except JellyError:
        raise
    except Exception as error:  # each filesystem raises its own kinds
        raise SystemFailure(f"{url} cannot be read: {error}", hint="nothing was changed") from error
    if not isinstance(size, int):
        raise SystemFailure(f"{url}: the server does not say how long it is", hint="nothing was changed; copy it first")
    yield RemoteSource(filesystem, path, size)
