"""What a disk holds: inodes, the calls that change them, and the directory that they make."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR, BLOCK = 512, 4096


@dataclass(eq=False)
class Inode:
    """A file, directory or link.

    Attributes:
        kind: As in ``st_mode``.
        mode, data, entries: As it was when the recording began.
        mtime: Of a file or link: as it was when the run had ended, or began.
    """

    kind: int
    mode: int
    data: bytes = b""
    entries: dict[bytes, Inode] = field(default_factory=dict)
    mtime: int | None = None
    number: int | None = None
    """As the filesystem has it, if it is there at the end."""
    sparse: bool = False
    """Whether blocks of zeros are holes."""


@dataclass(eq=False)
class Op:
    """One call that changed something: the entries of directories at once, or data, length or mode of one inode."""

    call: str
    entries: tuple[tuple[Inode, bytes, Inode | None], ...] = ()
    inode: Inode | None = None
    offset: int = 0
    data: bytes | None = None
    length: int | None = None
    mode: int | None = None
    moved: int | None = None
    """How many bytes come in at ``offset``, or, below 0, go."""

    @property
    def is_of_names(self) -> bool:
        """Whether a filesystem writes it with its own data: it changes no content."""
        return self.inode is None or self.mode is not None

    def content(self, old: bytes) -> bytes:
        """The inode's data behind it."""
        if self.data is not None:
            return _written(old, self.data, self.offset)
        if self.moved is not None and self.moved < 0:
            return old[: self.offset] + old[self.offset - self.moved :]
        if self.moved is not None:
            return old[: self.offset] + bytes(self.moved) + old[self.offset :]
        assert self.length is not None
        return old[: self.length].ljust(self.length, b"\0")

    def torn(self, chance: random.Random) -> Op:
        """A part of a write: sectors are whole."""
        if self.data is None or len(self.data) < 2:
            return self
        end = self.offset + len(self.data)
        places = range(self.offset // SECTOR * SECTOR + SECTOR, end, SECTOR)
        cut = chance.choice(places) - self.offset if places else len(self.data) // 2
        if chance.random() < 0.5:
            return Op(self.call, inode=self.inode, offset=self.offset, data=self.data[:cut])
        return Op(self.call, inode=self.inode, offset=self.offset + cut, data=self.data[cut:])

    def zeros(self) -> Op:
        """The same where the length was written and the data not."""
        if self.data is None:
            return self
        return Op(self.call, inode=self.inode, length=self.offset + len(self.data))


@dataclass(eq=False)
class Sync:
    """Waits for one inode, or for all (None)."""

    inode: Inode | None


def _written(old: bytes, data: bytes, offset: int) -> bytes:
    old = old.ljust(offset, b"\0")
    return old[:offset] + data + old[offset + len(data) :]


class Disk:
    """The inodes at one moment. Args: root: The directory."""

    def __init__(self, root: Inode) -> None:
        self.root = root
        self._entries: dict[Inode, dict[bytes, Inode]] = {}
        self._data: dict[Inode, bytes] = {}
        self._mode: dict[Inode, int] = {}

    def entries(self, inode: Inode) -> dict[bytes, Inode]:
        return self._entries.get(inode, inode.entries)

    def data(self, inode: Inode) -> bytes:
        return self._data.get(inode, inode.data)

    def mode(self, inode: Inode) -> int:
        return self._mode.get(inode, inode.mode)

    def apply(self, op: Op) -> None:
        for directory, name, inode in op.entries:
            entries = self._entries.setdefault(directory, dict(directory.entries))
            entries.pop(name, None)
            if inode is not None:
                entries[name] = inode
        if op.inode is not None and op.mode is not None:
            self._mode[op.inode] = op.mode
        elif op.inode is not None:
            inode, old = op.inode, self.data(op.inode)
            if op.length is not None and op.call != "ftruncate":
                op = Op(op.call, inode=inode, length=max(len(old), op.length))
            self._data[inode] = op.content(old)

    def walk(self) -> Iterator[tuple[bytes, Inode]]:
        """All that has a name, directories before what is in them."""
        stack, seen = [(b"", self.root)], set()
        while stack:
            path, inode = stack.pop()
            yield path, inode
            if stat.S_ISDIR(inode.kind):
                assert inode not in seen, "a directory in itself"
                seen.add(inode)
                stack += [(path + b"/" + name, item) for name, item in self.entries(inode).items()]

    def key(self) -> bytes:
        """The same for disks that are alike."""
        digest = hashlib.sha256()
        numbers: dict[Inode, int] = {}
        for path, inode in sorted(self.walk(), key=lambda item: item[0]):
            number = numbers.setdefault(inode, len(numbers))
            digest.update(b"%s\0%d %d %d\0" % (path, inode.kind, self.mode(inode), number))
            digest.update(hashlib.sha256(self.data(inode)).digest())
        return digest.digest()

    def build(self, place: Path) -> None:
        """Make it, in the place of what is there; files that were made before keep their inodes, as journals name them.

        They are meanwhile in the directory ``spare`` beside it.
        """
        spare = place.with_name("spare")
        spare.mkdir(exist_ok=True)
        if place.exists():
            for above, _, names in os.walk(place):
                for name in names:
                    file = Path(above, name)
                    if stat.S_ISREG(file.lstat().st_mode):
                        file.replace(spare / str(file.lstat().st_ino))
            remove(place)
        top = os.fsencode(place)
        made: dict[Inode, bytes] = {}
        modes = []
        for path, inode in self.walk():
            if inode in made:
                os.link(made[inode], top + path, follow_symlinks=False)
                continue
            made[inode] = top + path
            if stat.S_ISDIR(inode.kind):
                os.mkdir(top + path, 0o700)
                modes.append((top + path, self.mode(inode)))
            elif stat.S_ISLNK(inode.kind):
                os.symlink(self.data(inode), top + path)
                os.utime(top + path, ns=(inode.mtime or 0, inode.mtime or 0), follow_symlinks=False)
            else:
                kept = spare / str(inode.number)
                if kept.exists():
                    kept.rename(os.fsdecode(top + path))
                fd = os.open(top + path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                data = self.data(inode)
                step = BLOCK if inode.sparse else max(1, len(data))
                os.ftruncate(fd, len(data))
                for at in range(0, len(data), step):
                    if any(data[at : at + step]) or not inode.sparse:
                        os.pwrite(fd, data[at : at + step], at)
                os.fchmod(fd, self.mode(inode))
                if inode.mtime is not None:
                    os.utime(fd, ns=(inode.mtime, inode.mtime))
                os.close(fd)
        for path, mode in reversed(modes):
            os.chmod(path, mode)


def remove(place: Path) -> None:
    """Remove a directory, whatever the modes in it."""
    for above, names, _ in os.walk(place):
        for name in names:
            path = Path(above, name)
            if not path.is_symlink() and path.stat().st_mode & 0o700 != 0o700:
                path.chmod(0o700)
    shutil.rmtree(place)


def scan(place: Path) -> tuple[Inode, dict[tuple[int, int], Inode]]:
    """What a directory is like, and its inodes by device and number."""
    known: dict[tuple[int, int], Inode] = {}

    def read(path: bytes) -> Inode:
        info = os.lstat(path)
        number = info.st_dev, info.st_ino
        if number in known:
            return known[number]
        inode = known[number] = Inode(stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode), mtime=info.st_mtime_ns)
        if stat.S_ISDIR(info.st_mode):
            inode.entries = {name: read(path + b"/" + name) for name in os.listdir(path)}
        elif stat.S_ISLNK(info.st_mode):
            inode.data = os.readlink(path)
        else:
            inode.number = info.st_ino
            with open(path, "rb") as file:
                inode.data = file.read()
        return inode

    return read(os.fsencode(place)), known
