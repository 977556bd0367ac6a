"""What is written beside before a change begins, and waited for until it is on the disk."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jellyformat.checkout.current import Raw
from jellyformat.checkout.history import note_pending
from jellyformat.checkout.store import Store
from jellyformat.files import durable, platform
from jellyformat.files.platform.directories import change_mode

FEW = 32
"""So many files are synced one by one; more by syncing the filesystem."""


@dataclass
class Staging:
    """Files written before a change begins.

    A place is a path below the store.

    Attributes:
        store: The store, locked.
        name: The directory of the state that is left.
        old_name: The directory of the state that comes back, which the list will not have any more; None for a new one.
    """

    store: Store
    name: str
    old_name: str | None = None
    new: int = 0
    kept: int = 0
    old: int = 0
    written: list[bytes] = field(default_factory=list)
    linked: list[bytes] = field(default_factory=list)
    """Symbolic links, and what stands for directories."""
    trees: list[bytes] = field(default_factory=list)
    """Directories that were made with all that is in them."""

    def begin(self) -> None:
        """Make the directories. Raises OSError."""
        for there in ("work", f"states/{self.name}"):
            if self.store.has(there):  # no list of ours has it: it may be anything
                stray(self.store, os.fsencode(there))
        note_pending(self.store, [name for name in (self.name, self.old_name) if name is not None])
        for place in (b"work/new", b"work/old", f"states/{self.name}/kept".encode()):
            self.store.below.make_directory(place)

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
        """The path of a place, for what is given paths alone."""
        return self.store.path / os.fsdecode(place)

    def stat(self, place: bytes) -> os.stat_result:
        """What is at a place, no link followed. Raises FileNotFoundError."""
        fd, name = self.store.below.parent(place)
        return os.stat(name, dir_fd=fd, follow_symlinks=False)

    def directory(self, place: bytes, mode: int) -> None:
        """Make a directory at a place."""
        fd, name = self.store.below.parent(place)
        os.mkdir(name, 0o700, dir_fd=fd)
        change_mode(name, mode, fd)
        self.linked.append(place + b"/.")

    def write(self, place: bytes, data: bytes, mode: int, *, exact: bool, mtime: int | None = None) -> None:
        """Write a new file at a place."""
        fd = self.store.below.create(place, mode)
        try:
            durable.write_at(fd, data, 0)
            if exact:
                os.fchmod(fd, mode)
            if mtime is not None:
                os.utime(fd, ns=(mtime, mtime))
        finally:
            os.close(fd)
        self.written.append(place)

    def link(self, place: bytes, target: bytes) -> None:
        """Make a symbolic link at a place."""
        fd, name = self.store.below.parent(place)
        os.symlink(target, name, dir_fd=fd)
        self.linked.append(place)

    def raw(self, raw: Raw, place: bytes | None = None) -> bytes:
        """Write a file or directory of a git directory; its place."""
        place = place or self.next_new()
        if raw.data is not None:
            self.write(place, raw.data, raw.mode, exact=True, mtime=raw.mtime)
        else:
            self.store.below.make_directory(place)
            for name, inner in raw.children:
                self.raw(inner, place + b"/" + name)
            os.fchmod(self.store.below.directory(place), raw.mode)
        return place

    def flush(self) -> None:
        """Wait until what was written is on the disk. Raises OSError."""
        if len(self.written) > FEW:
            flush(self.store, self.written)
            return
        written, names = list(self.written), [*self.linked, b"work/old/1", f"states/{self.name}/kept/1".encode()]
        for tree in self.trees:
            top = os.fsencode(self.store.path) + b"/"
            for above, _, files in os.walk(top + tree):
                here = above.removeprefix(top)
                names.append(here + b"/.")
                written += [here + b"/" + name for name in files]
        flush(self.store, list(dict.fromkeys(written)), names)


def flush(store: Store, places: list[bytes], names: Iterable[bytes] = ()) -> None:
    """Wait until the files at these places, and the ``names``, are on the disk, with all directories that lead there.

    Raises:
        OSError: the system failed.
    """
    if len(places) > FEW:
        platform.sync_filesystem(store.below.root)
        return
    for place in places:
        fd = store.below.open(place, limit=sys.maxsize)
        try:
            platform.sync(fd)
        finally:
            os.close(fd)
    directories = {b""}
    for place in (*places, *names):
        while place:
            place = place.rpartition(b"/")[0]
            directories.add(place)
    for directory in sorted(directories):
        store.below.sync(directory)


def stray(store: Store, place: bytes) -> bytes:
    """Move what is at a place of the store to where nothing is ever removed; where it is then. Raises OSError."""
    name = new_stray(store)
    fd, last = store.below.parent(place)
    os.rename(last, name, src_dir_fd=fd, dst_dir_fd=store.below.root)
    store.below.forget()
    return name


def new_stray(store: Store) -> bytes:
    """A free place among what a repair has replaced."""
    store.below.make_directory(b"strays")
    begin = b"strays/" + time.strftime("%Y%m%d-%H%M%S").encode()
    number = 0
    while store.below.stat(b"%s-%d" % (begin, number)) is not None:
        number += 1
    return b"%s-%d" % (begin, number)
