"""The hash of a host's weights, each by name, taken with all cores (SPEC JF-BND)."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from jellyformat import progress
from jellyformat.errors import BadHost, CountLimit
from jellyformat.format import limits, msgpack
from jellyformat.format.source import FileSource, Source, Window, read_into
from jellyformat.hosts.adapter import Carried

if TYPE_CHECKING:
    from concurrent.futures import Future

TENSORS, ENTRIES, BYTES, FILES = "tensors", "entries", "bytes", "files"
"""How the weights of a host are told apart: the kinds of SPEC JF-BND."""
CHUNK = 4 << 20
"""Bytes of content under one hash of the lowest level."""
_PIECE = 1 << 18
_SMALL = 1 << 16


@runtime_checkable
class Stream(Protocol):
    """Content that can only be read from front to back, such as a deflated zip entry."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def pieces(self, length: int) -> Iterator[bytes]:
        """The content in pieces of ``length`` bytes, the last one shorter."""


Content: TypeAlias = Source | Stream


@dataclass(frozen=True)
class Weight:
    """One part of what a host holds.

    Attributes:
        name: As the host names it.
        dtype: As the host says it; empty where it does not.
        shape: The dimensions; empty where the host does not say.
        content: Its bytes.
    """

    name: bytes
    dtype: str
    shape: tuple[int, ...]
    content: Content


@runtime_checkable
class WeightsAdapter(Protocol):
    """An adapter that tells the weights of its hosts apart. Of the hosts of others, the own bytes are hashed whole."""

    def weights(self, source: Source, carried: Carried | None) -> tuple[str, Iterable[Weight]] | None:
        """Their kind (SPEC JF-BND) and the weights without the container's; None where they are not told apart.

        Raises:
            BadHost: the host is broken.
            RefusedHost: it has content that cannot be read.
        """


Leaf: TypeAlias = tuple[bytes, bytes]
"""The name of a weight, and its hash (32 bytes)."""


@dataclass(frozen=True)
class _Done:
    """A hash that is there already, where one to come may stand."""

    digest: bytes

    def done(self) -> bool:
        return True

    def result(self) -> bytes:
        return self.digest


def hash_weights(weights: Iterable[Weight], before: int = 0) -> list[Leaf]:
    """The leaves of SPEC JF-BND, sorted, equal ones once.

    A few chunks for each core are in memory at a time, never a weight.

    Args:
        weights: In the order in which they are best read.
        before: How many of the same host were hashed already.

    Raises:
        CountLimit: there are more than SPEC JF-LIM allows.
        BadHost: the content of one ends early.
    """
    from concurrent.futures import ThreadPoolExecutor  # hardly any command needs it

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    leaves: list[Leaf] = []
    waiting: deque[tuple[Weight, list[Future[bytes] | _Done]]] = deque()
    running: deque[Future[bytes]] = deque()

    def finish() -> None:
        weight, parts = waiting.popleft()
        leaves.append((weight.name, _leaf(weight, b"".join(part.result() for part in parts))))

    with ThreadPoolExecutor(workers) as pool:
        for weight in weights:
            if before + len(leaves) + len(waiting) >= limits.WEIGHTS:
                raise CountLimit(f"more than {limits.WEIGHTS} weights", requirement="JF-BND-005")
            parts: list[Future[bytes] | _Done] = []
            waiting.append((weight, parts))
            for work in _work(weight):
                if weight.content.size <= _SMALL:  # sooner hashed than handed over
                    parts.append(_Done(work()))
                    break
                running.append(pool.submit(work))
                parts.append(running[-1])
                if len(running) > 2 * workers:
                    running.popleft().result()
                    progress.advance(CHUNK)
            while waiting and all(part.done() for part in waiting[0][1]):
                finish()
        while waiting:
            finish()
    return sorted(set(leaves))


def _work(weight: Weight) -> Iterator[Callable[[], bytes]]:
    """What gives the hash of each chunk: file content is read by the thread that hashes it."""
    content = weight.content
    if isinstance(content, Stream):
        for piece in content.pieces(CHUNK):
            yield partial(_hash, piece)
        return
    file, start = _file_behind(content)
    for offset in range(0, content.size, CHUNK):
        length = min(CHUNK, content.size - offset)
        if file is not None:
            yield partial(_read_and_hash, file, start + offset, length)
        else:
            yield partial(_hash, _read(content, offset, length))


def _file_behind(content: Source) -> tuple[FileSource | None, int]:
    """The file that content lies in, which several threads may read at once, and where; None for other content."""
    start = 0
    while isinstance(content, Window):
        start += content.start
        content = content.inner
    return (content, start) if isinstance(content, FileSource) else (None, 0)


def _read(content: Source, offset: int, length: int) -> bytes:
    data = content.read_at(offset, length)
    if len(data) != length:
        raise _cut_off()
    return data


def _cut_off() -> BadHost:
    return BadHost("the host ends in the midst of its weights, or was cut off meanwhile")


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _read_and_hash(file: FileSource, offset: int, length: int) -> bytes:
    """The hash of a part of a file, through a buffer that stays in the core's cache."""
    hasher = hashlib.sha256()
    buffer = memoryview(bytearray(min(_PIECE, length)))
    end = offset + length
    while offset < end:
        count = read_into(file.fd, buffer[: end - offset], offset)
        if not count:
            raise _cut_off()
        hasher.update(buffer[:count])
        offset += count
    return hasher.digest()


def _leaf(weight: Weight, chunks: bytes) -> bytes:
    return _hash(msgpack.encode([weight.name, weight.dtype, list(weight.shape), weight.content.size, _hash(chunks)]))


def root_of(leaves: Iterable[Leaf]) -> bytes:
    """The 32 bytes that name all of them (SPEC JF-BND)."""
    hasher = hashlib.sha256()
    for _, digest in leaves:
        hasher.update(digest)
    return hasher.digest()
