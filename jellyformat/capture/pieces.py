"""The content of files and links, at once or in pieces: regular files only, no link followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from jellyformat.files.platform import REGULAR, directories
from jellyformat.format.objects import blob_hasher
from jellyformat.format.source import CHUNK


def hash_file(path: bytes, size: int, object_format: str) -> bytes:
    """The raw blob id of a regular file of ``size`` bytes, read in pieces."""
    hasher = blob_hasher(size, object_format)
    for part in pieces(path):
        hasher.update(part)
    return hasher.digest()


def pieces(path: bytes) -> Iterator[bytes]:
    """The content of a regular file."""
    with open(directories.open_file(path, REGULAR), "rb", buffering=0) as file:
        while part := file.read(CHUNK):
            yield part


def read_whole(name: bytes, found: os.stat_result, place: int) -> bytes | None:
    """The bytes of a regular file or link in an open directory; None where it is no longer what it was.

    Args:
        name: Its name in the directory.
        found: What it was.
        place: The directory's descriptor.
    """
    if stat.S_ISLNK(found.st_mode):
        return directories.read_link(name, place)
    fd = directories.open_file(name, REGULAR, parent=place)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        parts = []
        left = found.st_size + 1
        while left > 0 and (part := os.read(fd, left)):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(fd)
    content = b"".join(parts)
    return content if len(content) == found.st_size else None
