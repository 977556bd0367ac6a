"""Everything that can be seen of a directory tree, to tell whether anything touched it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

Seen = dict[bytes, tuple[object, ...]]


def look(root: Path) -> Seen:
    """Bytes, kind, mode, owner, size, times (not of access), inode and links of all below ``root``, by path."""
    found: Seen = {}
    stack = [os.fsencode(root)]
    while stack:
        path = stack.pop()
        seen = os.lstat(path)
        content: object = None
        if stat.S_ISREG(seen.st_mode):
            with open(path, "rb") as file:
                content = hashlib.sha256(file.read()).digest()
        elif stat.S_ISLNK(seen.st_mode):
            content = os.readlink(path)
        elif stat.S_ISDIR(seen.st_mode):
            names = sorted(os.listdir(path))
            content = tuple(names)
            stack.extend(os.path.join(path, name) for name in names)
        found[path] = (
            seen.st_mode, seen.st_ino, seen.st_nlink, seen.st_uid, seen.st_gid, seen.st_size, seen.st_mtime_ns,
            seen.st_ctime_ns, content,
        )  # fmt: skip
    return found
