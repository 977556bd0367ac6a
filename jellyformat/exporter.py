"""Export: the files alone into a directory, nothing outside of it, nothing through a link (SPEC section 10)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jellyformat import fileio
from jellyformat.errors import RefusedExists, RefusedName, RefusedPath, UnsafePath
from jellyformat.model import HISTORY, STATE
from jellyformat.objects import BLOB, EXECUTABLE, SYMLINK
from jellyformat.paths import check_path, not_portable, show_name
from jellyformat.reader import Container, File

_LONGEST_TARGET = 4096
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Exported:
    """What was written: where, how many files, and their bytes together."""

    directory: Path
    files: int
    size: int


def validate(box: Container) -> None:
    """Every check of a verifier, before anything is written (JF-PTH-004).

    Raises:
        RefusedPath: a path is unsafe.
        FormatError: something else does not hold.
    """
    try:
        box.check_hashes(unknown_only=True)
        box.pool.decode((STATE, HISTORY))
        checker = box.checker
        checker.needed()
        checker.history()
        checker.state()
        checker.summary()
    except UnsafePath as error:
        raise RefusedPath(
            f"refused: {error.message}, which could reach outside of the directory",
            requirement=error.requirement,
            hint="nothing was written; such a container was made to do harm, do not use it",
        ) from error


def check_names(box: Container, names: Iterable[bytes], *, any_names: bool) -> None:
    """Refuse names that not every system can hold (JF-PTH-003), unless ``any_names``.

    Raises:
        RefusedName: there are some.
    """
    awkward = [] if any_names else not_portable(names)
    if awkward:
        raise RefusedName(
            f"{len(awkward)} names cannot exist on every system, such as {show_name(awkward[0])}",
            requirement="JF-PTH-003",
            hint="nothing was written; if this system can hold them, add --any-names",
        )


def export(box: Container, directory: str | os.PathLike[str], *, any_names: bool = False) -> Exported:
    """Write the files of a snapshot into a new or empty directory.

    Args:
        box: The snapshot.
        directory: Where to; it must not exist, or be empty.
        any_names: Write names too that not every system can hold.

    Raises:
        RefusedExists: the directory has something in it.
        RefusedPath, RefusedName: the snapshot has names that are not written.
        FormatError: the container is damaged; nothing was written.
        SystemFailure: the system said no; what was written was taken away again.
    """
    target = Path(directory)
    validate(box)
    files = box.files()
    empty = [
        prefix + path
        for prefix, state in box.manifest.state.walk()
        if state.worktree is not None
        for path in state.worktree.empty_directories
    ]
    for path in [*(file.path for file in files), *empty]:
        check_path(path)
    check_names(box, [*(file.path for file in files), *empty], any_names=any_names)
    for file in files:
        if file.mode == SYMLINK:
            _check_target(box.pool.read(file.oid, BLOB), file.path)
    with fileio.system_errors(target, "nothing was left behind, and the snapshot is as it was"):
        made = _make(target)
        try:
            with _opened_directory(target) as root:
                size = _write(box, files, empty, root)
        except BaseException:
            _clear(target, remove=made)
            raise
    return Exported(target, len(files), size)


def _make(target: Path) -> bool:
    """Make the directory; False where an empty one was there."""
    if target.is_symlink() or target.exists():
        if not target.is_dir() or any(target.iterdir()):
            raise RefusedExists(
                f"{target} is there and not empty", hint="nothing was written; name a directory that does not exist"
            )
        return False
    target.mkdir(parents=True)
    return True


def _clear(target: Path, *, remove: bool) -> None:
    for entry in target.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if remove:
        target.rmdir()


class _opened_directory:  # reads as the verb it is
    """A directory as a descriptor, closed at the end."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *unused: object) -> None:
        os.close(self._fd)


def _write(box: Container, files: list[File], empty: list[bytes], root: int) -> int:
    """Write everything below the directory ``root``, symbolic links last; how many bytes that was."""
    size = 0
    directories = _Directories(root)
    try:
        for path in empty:
            directories.open(path)
        for file in sorted(files, key=lambda item: item.mode == SYMLINK):
            content = box.pool.read(file.oid, BLOB)
            parent, _, name = file.path.rpartition(b"/")
            fd = directories.open(parent)
            if file.mode == SYMLINK:
                os.symlink(content, name, dir_fd=fd)
            else:
                mode = 0o777 if file.mode == EXECUTABLE else 0o666
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with open(os.open(name, flags, mode, dir_fd=fd), "wb", buffering=0) as out:
                    fileio.write_at(out.fileno(), content, 0)
            size += len(content)
    finally:
        directories.close()
    return size


def _check_target(target: bytes, path: bytes) -> None:
    if not target or b"\0" in target or len(target) >= _LONGEST_TARGET:
        raise RefusedPath(
            f"the symbolic link {show_name(path)} has a target that no system takes",
            hint="nothing was written; `cat` shows what is in it",
        )


class _Directories:
    """Directories below a root, made and opened one component at a time, no link followed."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._path = b""
        self._open: list[int] = []

    def open(self, path: bytes) -> int:
        """A descriptor of the directory ``path``, which is made where it is missing; valid until the next call."""
        if path == self._path:
            return self._open[-1] if self._open else self._root
        old, new = self._path.split(b"/") if self._path else [], path.split(b"/") if path else []
        same = 0
        while same < min(len(old), len(new)) and old[same] == new[same]:
            same += 1
        while len(self._open) > same:
            os.close(self._open.pop())
        self._path = b"/".join(new[:same])
        for name in new[same:]:
            above = self._open[-1] if self._open else self._root
            with suppress(FileExistsError):  # opened below, where a link would be refused
                os.mkdir(name, dir_fd=above)
            self._open.append(os.open(name, _DIRECTORY_FLAGS, dir_fd=above))
            self._path = self._path + b"/" + name if self._path else name
        return self._open[-1] if self._open else self._root

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            os.close(self._open.pop())
        self._path = b""
