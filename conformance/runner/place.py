"""A host of more than one file: put into a directory of its own, which is walked afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Seen = dict[bytes, tuple[str, bytes]]


@dataclass(frozen=True)
class Place:
    """Files that lie together, and what the program is told of them.

    Attributes:
        named: The path that is given as ``--in``, relative to the directory; ``.`` for the directory itself.
        files: The files by their paths relative to the directory.
    """

    named: str
    files: dict[str, Path]

    def make(self, directory: Path) -> Path:
        """Put copies of all files into a new directory; the path that is to be named."""
        directory.mkdir()
        for name, file in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, path)
        return directory / self.named

    def problems(self, directory: Path, after: dict[str, Any]) -> list[str]:
        """Where the directory is not as it was.

        Args:
            directory: Where it is.
            after: What is to have changed, by path: None for a file that is to be gone, ``sha256`` and ``length`` of
                one that is to be there, ``content`` where only that there is one is looked at here.
        """
        wanted: dict[bytes, Any] = {}
        for name, file in self.files.items():
            data = file.read_bytes()
            wanted[name.encode()] = {"sha256": hashlib.sha256(data).hexdigest(), "length": len(data)}
        wanted |= {name.encode(): item for name, item in after.items()}
        found = {path: item for path, item in seen(os.fsencode(directory)).items() if item[0] != "directory"}
        problems = []
        for path in sorted(wanted.keys() | found.keys()):
            item, there = wanted.get(path), found.get(path)
            if item is None and there is not None:
                problems.append(f"in its directory: {path!r} is there")
            elif item is not None and there is None:
                problems.append(f"in its directory: {path!r} is gone, or was not made")
            elif item is not None and there is not None:
                same = "content" in item or hashlib.sha256(there[1]).hexdigest() == item["sha256"]
                if there[0] != "file" or not same:
                    problems.append(f"in its directory: {path!r} is a {there[0]} of other content than it has to have")
        return problems


def seen(root: bytes) -> Seen:
    """Everything below a directory, by path: its type, and its content or target; no link is followed."""
    found: Seen = {}
    for base, directories, names in os.walk(root):
        for name in directories + names:
            path = os.path.join(base, name)  # noqa: PTH118  # paths are bytes here
            mode = os.lstat(path).st_mode
            key = path[len(root) + 1 :]
            if stat.S_ISLNK(mode):
                found[key] = ("link", os.readlink(path))  # noqa: PTH115
            elif stat.S_ISDIR(mode):
                found[key] = ("directory", b"")
            elif stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    found[key] = ("executable" if mode & 0o100 else "file", file.read())
            else:
                found[key] = ("special", b"")
    return found
