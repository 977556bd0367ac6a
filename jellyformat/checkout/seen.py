"""What something was like, so that it is known again: not by its content, but by what the system says of it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Any

from jellyformat.checkout import sealed
from jellyformat.files.beneath import Below
from jellyformat.format.msgpack import Value

ANY = -1
"""In `Seen`: a size that is not known."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What something was like: enough to know it again. ``mtime`` in nanoseconds, ``mode`` with the type; of a new
    directory that comes with all that is in it, ``inside`` says what that is like (`Below.likeness`)."""

    ino: int
    mtime: int
    size: int
    mode: int
    inside: bytes = b""

    @classmethod
    def of(cls, found: os.stat_result) -> Seen:
        """From stat data."""
        return cls(found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)

    @classmethod
    def of_tree(cls, below: Below, path: bytes) -> Seen:
        """Of a directory that will be put somewhere: its size is the number of files in it."""
        fd, name = below.parent(path)
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        return cls(found.st_ino, found.st_mtime_ns, below.count_files(path), found.st_mode)

    @classmethod
    def of_new(cls, below: Below, path: bytes) -> Seen:
        """Of a new directory with all that is in it."""
        fd, name = below.parent(path)
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        return cls(found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode, below.likeness(path))

    @classmethod
    def late(cls, mtime: int, mode: int) -> Seen:
        """Of a file that is only written shortly before: by its time it is known again."""
        return cls(0, mtime, ANY, mode)

    def to_value(self) -> Value:
        """As it stands in a journal."""
        value: list[Value] = [self.ino, self.mtime, self.size, self.mode]
        return [*value, self.inside] if self.inside else value

    @property
    def is_directory(self) -> bool:
        """Whether it is one."""
        return stat.S_ISDIR(self.mode)

    def is_same(self, found: os.stat_result) -> bool:
        """Whether ``found`` is it, unchanged."""
        if self.is_directory:
            return found.st_ino == self.ino and stat.S_ISDIR(found.st_mode)
        return Seen.of(found) == self

    @classmethod
    def parse(cls, value: Any) -> Seen | None:
        """What stands in a journal. Raises ValueError."""
        if value is None:
            return None
        ino, mtime, size, mode, *inside = sealed.items(value)
        if len(inside) > 1:
            raise ValueError("it has another form")
        least = -(1 << 63)
        return cls(
            sealed.integer(ino, (1 << 64) - 1), sealed.integer(mtime, least=least), sealed.integer(size, least=ANY),
            sealed.integer(mode, 0o177777), *map(sealed.raw, inside),
        )  # fmt: skip
