"""Files behind a URL, listed, and read by ranges: few requests, hardly more bytes than the container's (JF-HST)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from jellyformat import progress
from jellyformat.errors import JellyError, NoFile, SystemFailure, Usage
from jellyformat.format.frames import HEADER_LENGTH, MAGIC
from jellyformat.hosts.adapter import END_MAGIC, LOCATOR_LENGTH
from jellyformat.hosts.registry import Listed

_HEAD = 1024
_TAIL = 60 * 1024
_PIECE = 16 << 20
"""What is longer is asked for in pieces of this, so that progress can be told."""
_MOST_AT_ONCE = 256 << 20
"""A locator that claims more is not read ahead."""
_ETAGS = ("ETag", "etag", "generation", "oid", "blob_id", "md5Hash", "content_md5", "mtime", "created", "LastModified")
"""Under what stores tell of a file by which its versions are told apart; the first that is there."""
_ETAG_LENGTH = 1024


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
        if self.size <= _TAIL:
            self._fetch(0, self.size)
        elif end <= _HEAD:
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
        parts = []
        with progress.work(f"fetching {self._path.rpartition('/')[2]}", end - start):
            for at in range(start, end, _PIECE):
                parts.append(self._answer(at, min(at + _PIECE, end)))
                progress.advance(len(parts[-1]))
        self._parts.append((start, parts[0] if len(parts) == 1 else b"".join(parts)))

    def _answer(self, start: int, end: int) -> bytes:
        try:
            if _is_page(self._path):
                data = _from_server(self._filesystem, self._path, start, end)
            else:
                data = self._filesystem.cat_file(self._path, start=start, end=end, **_options(self._filesystem))
        except Exception as error:  # each filesystem raises its own kinds
            raise SystemFailure(f"{self._path} cannot be read: {error}", hint="nothing was changed") from error
        if len(data) != end - start:
            sent = "more" if len(data) > end - start else f"{len(data)} bytes"
            raise SystemFailure(
                f"{self._path}: the server sent {sent} where {end - start} bytes were asked for",
                hint="nothing was changed; a server that does not know ranges needs the file copied first",
            )
        return data

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


def _from_server(filesystem: Any, url: str, start: int, end: int) -> bytes:
    """The bytes from ``start`` to ``end`` of a file of a web server, and one more where it sends more.

    fsspec's own ``cat_file`` reads whatever is sent until the memory is full, and inflates it, too.
    """
    from http import HTTPStatus  # here, as fsspec: only web servers need them

    from fsspec.asyn import sync

    async def ask() -> bytes:
        options = dict(filesystem.kwargs)
        headers = {**options.pop("headers", {}), "Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        session = await filesystem.set_session()
        parts: list[bytes] = []
        left = end - start + 1
        async with session.get(filesystem.encode_url(url), headers=headers, **options) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                raise FileNotFoundError(url)
            answer.raise_for_status()
            while left > 0 and (part := await answer.content.read(left)):
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    found: bytes = sync(filesystem.loop, ask)
    return found


def _options(filesystem: Filesystem) -> dict[str, object]:
    """What ``cat_file`` of a filesystem is told beside the range.

    That of fsspec itself, which Hugging Face's filesystem has, opens the file, and then reads megabytes ahead.
    """
    from fsspec import AbstractFileSystem

    inherited = getattr(filesystem.cat_file, "__func__", None) is AbstractFileSystem.cat_file
    return {"cache_type": "none"} if inherited else {}


@contextmanager
def open_url(url: str) -> Iterator[RemoteSource]:
    """The file behind a URL that fsspec knows.

    Raises:
        Usage: fsspec, or what it needs for this kind of URL, is not installed.
        NoFile: there is none.
        SystemFailure: it cannot be read.
    """
    with _asking(url):
        filesystem, path = _filesystem(url)
        size = filesystem.size(path)
    yield RemoteSource(filesystem, path, _checked(url, size))


def open_listed(file: Listed) -> RemoteSource:
    """A file that was listed; nothing is asked until it is read.

    Raises:
        Usage: fsspec, or what it needs for this kind of URL, is not installed.
        SystemFailure: it cannot be read.
    """
    with _asking(file.url):
        return RemoteSource(*_filesystem(file.url), file.size)


def stands_for_many(url: str) -> bool:
    """Whether a URL is no file, but what names of files begin with. A server of web pages has files alone.

    Raises:
        As `listed`.
    """
    with _asking(url):
        filesystem, path = _filesystem(url)
        if _is_page(url):
            return False
        return url.endswith("/") or filesystem.info(path).get("type") == "directory"


def _is_page(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def listed(url: str) -> list[Listed]:
    """The file behind a URL; or all whose names begin with the URL and a ``/``, where that is no file.

    A server of web pages is asked for a file alone: it has no lists.

    Raises:
        Usage: fsspec, or what it needs for this kind of URL, is not installed.
        NoFile: there is none.
        SystemFailure: the store cannot be asked.
    """
    with _asking(url):
        filesystem, path = _filesystem(url)
        if _is_page(url) or not url.endswith("/"):
            about = filesystem.info(path)
            if _is_page(url) or about.get("type") != "directory":
                return [Listed(url, _checked(url, about.get("size")), _etag(about))]
        filesystem.invalidate_cache(path.rstrip("/"))  # what was listed before, while a program lives
        found = filesystem.find(path.rstrip("/") + "/", detail=True)
    if not found:
        raise NoFile(f"{url} does not exist, or nothing is in it", hint="check the address")
    scheme = url.partition("://")[0]
    sizes = {
        name: Listed(f"{scheme}://{name.removeprefix(f'{scheme}://')}", about["size"], _etag(about))
        for name, about in found.items()
        if about.get("type") != "directory" and isinstance(about.get("size"), int)
    }
    return [replace(item, beside=_beside(name, sizes)) for name, item in sizes.items()]


def _beside(name: str, listed: Mapping[str, Listed]) -> tuple[Listed, ...]:
    from jellyformat.hosts.lookup import sidecar_names  # which imports what imports this

    above, _, last = name.rpartition("/")
    return tuple(listed[place] for beside in sidecar_names(last) if (place := f"{above}/{beside}") in listed)


def _etag(about: Mapping[str, object]) -> str | None:
    """What a store calls a version of a file; None where it does not say."""
    for key in _ETAGS:
        value = about.get(key)
        if value is not None and value != "":
            return str(value)[:_ETAG_LENGTH]
    return None


def _filesystem(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    filesystem, path = url_to_fs(url)
    return filesystem, path


def _checked(url: str, size: object) -> int:
    if not isinstance(size, int):
        raise SystemFailure(f"{url}: the server does not say how long it is", hint="nothing was changed; copy it first")
    return size


@contextmanager
def _asking(url: str) -> Iterator[None]:
    """What a store says no with, in our own errors."""
    try:
        import fsspec  # noqa: F401
    except ImportError as error:
        raise Usage(f"{url} is a URL, and fsspec is not installed", hint="pip install 'jellyformat[remote]'") from error
    try:
        yield
    except ImportError as error:
        raise Usage(f"{url} needs another package: {error}", hint="pip install 'jellyformat[remote]'") from error
    except FileNotFoundError as error:
        raise NoFile(f"{url} does not exist", hint="check the address") from error
    except JellyError:
        raise
    except Exception as error:  # each filesystem raises its own kinds
        raise SystemFailure(f"{url} cannot be read: {error}", hint="nothing was changed") from error
