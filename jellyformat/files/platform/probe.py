"""What a filesystem can do, found out by trying it in a directory that is removed again."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jellyformat.files import platform, ranges
from jellyformat.files.platform import directories

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # as typeshed says of Windows alone

_CLONE = 0x40049409
"""FICLONE of ioctl(2)."""


@dataclass(frozen=True)
class Feature:
    """One thing that a filesystem can do, or not.

    Attributes:
        name: A word for it, in lower case.
        works: Whether it can.
        detail: The system's error, where there was one.
    """

    name: str
    works: bool
    detail: str | None


def features(place: Path) -> list[Feature]:
    """What the filesystem of an empty directory of ours can do; files are left in it.

    Raises:
        OSError: no file can be made there.
    """
    (place / "file").write_bytes(b"old" * 4096)
    found = []
    for name, try_it in _FEATURES:
        detail = None
        try:
            works = try_it(place)
        except (OSError, ValueError, AttributeError, ImportError) as error:
            works, detail = False, error.strerror if isinstance(error, OSError) else None
        found.append(Feature(name, works, detail))
    return found


def filesystem_of(place: Path) -> str | None:
    """What the system calls the filesystem of a directory, such as ``ext4``; None where it does not say."""
    best, kind = "", None
    real = os.path.realpath(place)
    with contextlib.suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            point = left.split()[4].replace("\\040", " ")
            inside = point == "/" or real == point or real.startswith(point + "/")
            if inside and len(point) >= len(best):
                best, kind = point, right.split()[0]
    return kind


def _lock(place: Path) -> bool:
    """Two descriptors of one file do not both get it."""
    first, second = (os.open(place / "file", os.O_RDWR | platform.PLAIN) for _ in range(2))
    try:
        return platform.lock(first) and not platform.lock(second)
    finally:
        platform.release(first)
        platform.release(second)


def _links(place: Path) -> bool:
    platform.link(place / "file", place / "second")
    return (place / "file").samefile(place / "second")


def _rename(place: Path) -> bool:
    """What is renamed over another file is seen at once, and whole."""
    (place / "before").write_bytes(b"old")
    (place / "after").write_bytes(b"new")
    (place / "after").replace(place / "before")
    return (place / "before").read_bytes() == b"new" and not (place / "after").exists()


def _sync(place: Path) -> bool:
    fd = os.open(place / "file", os.O_RDWR | platform.PLAIN)
    try:
        platform.sync(fd)
    finally:
        os.close(fd)
    return True


def _sync_names(place: Path) -> bool:
    fd = directories.open_directory(os.fsencode(place))
    try:
        directories.sync(fd)
    finally:
        directories.close(fd)
    return directories.HELD


def _map(place: Path) -> bool:
    with open(place / "file", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return mapped[:3] == b"old"


def _write_anywhere(place: Path) -> bool:
    """Bytes in the midst of a file can be written over."""
    (place / "midst").write_bytes(b"abc")
    fd = os.open(place / "midst", os.O_RDWR | platform.PLAIN)
    try:
        platform.pwrite(fd, b"B", 1)
        os.ftruncate(fd, 2)
    finally:
        os.close(fd)
    return (place / "midst").read_bytes() == b"aB"


def _symbolic(place: Path) -> bool:
    (place / "symbolic").symlink_to("file")
    return (place / "symbolic").readlink() == Path("file")


def _modes(place: Path) -> bool:
    modes = []
    for mode in (0o600, 0o700):
        (place / "file").chmod(mode)
        modes.append((place / "file").stat().st_mode & 0o777)
    return modes == [0o600, 0o700]


def _case(place: Path) -> bool:
    (place / "readme").write_bytes(b"")
    return not (place / "README").exists()


def _forms(place: Path) -> bool:
    """A name stays as it is, and another form of it is another name."""
    name = "\N{LATIN SMALL LETTER E WITH ACUTE}"
    (place / name).write_bytes(b"")
    return name in {path.name for path in place.iterdir()} and not (place / unicodedata.normalize("NFD", name)).exists()


def _blocks(place: Path) -> bool:
    fd = os.open(place / "blocks", os.O_RDWR | platform.NEW & ~platform.NO_LINK)
    try:
        size = platform.block_size(fd)
        os.ftruncate(fd, 2 * size)
        ranges.insert(fd, 0, size)
        return os.fstat(fd).st_size == 3 * size
    finally:
        os.close(fd)


def _clones(place: Path) -> bool:
    if fcntl is None or sys.platform != "linux":
        return False
    with open(place / "file", "rb") as source, open(place / "clone", "wb") as target:
        fcntl.ioctl(target.fileno(), _CLONE, source.fileno())
    return True


def _attributes(place: Path) -> bool:
    os.setxattr(place / "file", "user.jelly", b"1")
    return True


_FEATURES: tuple[tuple[str, Callable[[Path], bool]], ...] = (
    ("rename", _rename),
    ("lock", _lock),
    ("write-anywhere", _write_anywhere),
    ("fsync", _sync),
    ("fsync-names", _sync_names),
    ("hard-links", _links),
    ("mmap", _map),
    ("symbolic-links", _symbolic),
    ("modes", _modes),
    ("case", _case),
    ("unicode-forms", _forms),
    ("insert-range", _blocks),
    ("reflink", _clones),
    ("attributes", _attributes),
)
