"""What is written beside before a change begins, and waited for until it is on the disk."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from jellyformat import fileio
from jellyformat.present import Raw
from jellyformat.undolog import Store, remove

FEW = 32
"""So many files are synced one by one; more by syncing the filesystem."""


@dataclass
class Staging:
    """Files written before a change begins.

    Attributes:
        store: The store.
        name: The directory of the state that is left.
    """

    store: Store
    name: str
    new: int = 0
    kept: int = 0
    old: int = 0
    written: list[Path] = field(default_factory=list)

    def begin(self) -> None:
        """Make the directories. Raises OSError."""
        for path in (self.store.work, self.store.state(self.name)):
            remove(path)
        for path in (self.store.work / "new", self.store.work / "old", self.store.state(self.name) / "kept"):
            path.mkdir(mode=0o700, parents=True)

    def next_new(self) -> bytes:
        """A place for a new file."""
        self.new += 1
        return b"work/new/%d" % self.new

    def next_old(self) -> bytes:
        """A place for what is replaced and not kept."""
        self.old += 1
        return b"work/old/%d" % self.old

    def next_kept(self) -> tuple[str, bytes]:
        """A name below ``kept/``, and its place."""
        self.kept += 1
        return str(self.kept), f"states/{self.name}/kept/{self.kept}".encode()

    def path(self, place: bytes) -> Path:
        """The path of a place."""
        return self.store.path / os.fsdecode(place)

    def file(self, data: bytes, mode: int, *, exact: bool, mtime: int | None = None) -> bytes:
        """Write a new file; its place."""
        place = self.next_new()
        self.write(place, data, mode, exact=exact, mtime=mtime)
        return place

    def write(self, place: bytes, data: bytes, mode: int, *, exact: bool, mtime: int | None = None) -> None:
        """Write a new file at a place."""
        path = self.path(place)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(path, flags, mode), "wb", buffering=0) as file:
            fileio.write_at(file.fileno(), data, 0)
            if exact:
                os.fchmod(file.fileno(), mode)
            if mtime is not None:
                os.utime(file.fileno(), ns=(mtime, mtime))
        self.written.append(path)

    def raw(self, raw: Raw, place: bytes | None = None) -> bytes:
        """Write a file or directory of a git directory; its place."""
        place = place or self.next_new()
        if raw.data is not None:
            self.write(place, raw.data, raw.mode, exact=True, mtime=raw.mtime)
        else:
            self.path(place).mkdir(mode=0o700)
            for name, inner in raw.children:
                self.raw(inner, place + b"/" + name)
            self.path(place).chmod(raw.mode)
        return place


def flush(store: Store, files: list[Path]) -> None:
    """Wait until what was written is on the disk. Raises OSError."""
    if len(files) <= FEW:
        for path in files:
            if not path.is_symlink():
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fileio.sync(fd)
                finally:
                    os.close(fd)
        for directory in sorted({path.parent for path in files}):
            fileio.sync_directory(directory)
        return
    fd = os.open(store.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_filesystem(fd)
    finally:
        os.close(fd)


def sync_filesystem(fd: int) -> None:
    """Wait until all of the filesystem of ``fd`` is on the disk. Raises OSError."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.syncfs(fd) != 0:
                raise OSError(ctypes.get_errno(), "syncfs")
            return
    os.sync()
