"""Export: the files alone into a directory, nothing outside of it, nothing through a link (SPEC JF-PTH)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jellyformat import progress
from jellyformat.errors import BadObject, RefusedExists, RefusedName, RefusedPath, UnsafePath
from jellyformat.files import durable
from jellyformat.files.beneath import Below
from jellyformat.files.platform import NEW, WINDOWS_NAMES, directories
from jellyformat.format.container import Container, File
from jellyformat.format.info import omissions
from jellyformat.format.model import HISTORY, STATE, Omitted
from jellyformat.format.objects import BLOB, EXECUTABLE, SYMLINK
from jellyformat.format.paths import check_path, is_portable, not_portable, show_name
from jellyformat.format.text import brief, plural, size_text
from jellyformat.format.trees import directories_of
from jellyformat.hints import Hint, command, option
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import PathLike, Readable

_LONGEST_TARGET = 4096


@dataclass(frozen=True)
class Exported:
    """What an export has written.

    Attributes:
        directory: Where to.
        files: How many files.
        size: Their bytes together.
        omitted: Files that were there at the capture and are not in the snapshot.
        from_head: Those of them that are written as HEAD has them: a filter stood between them and git.
    """

    directory: Path
    files: int
    size: int
    omitted: tuple[Omitted, ...]
    from_head: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        left_out = f", {len(self.omitted)} left out at the capture" if self.omitted else ""
        size = f"{plural(self.files, 'file')}, {size_text(self.size)}"
        return f"<Exported {brief(str(self.directory))}: {size}{left_out}>"


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
        checker.extensions()
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
    names = list(names)
    wrong = [path for path in names if WINDOWS_NAMES and not all(map(is_portable, path.split(b"/")))]
    if wrong:
        raise RefusedName(
            f"{len(wrong)} names cannot exist on this system, such as {show_name(wrong[0])}",
            requirement="JF-PTH-003",
            hint=Hint("nothing was written; single files come with: ", command("cat", "FILE", "PATH")),
        )
    awkward = [] if any_names else not_portable(names)
    if awkward:
        raise RefusedName(
            f"{len(awkward)} names cannot exist on every system, such as {show_name(awkward[0])}",
            requirement="JF-PTH-003",
            hint=Hint("nothing was written; if this system can hold them, add ", option("any_names")),
        )


def export(file: Readable | Container, directory: PathLike, *, any_names: bool = False) -> Exported:
    """Write the files of a snapshot into a new or empty directory; no repository is touched (SPEC JF-PTH).

    Args:
        file: A file that carries a snapshot: a path, a binary file object, or a URL that fsspec knows; or a container
            that is open.
        directory: Where to; it must not exist, or be empty.
        any_names: Write names too that not every system can hold.

    Raises:
        NoSnapshot: the file carries none.
        RefusedExists: the directory has something in it.
        RefusedPath, RefusedName: the snapshot has names that are not written.
        FormatError: the container is damaged; nothing was written.
        SystemFailure: the system said no; what was written was taken away again.
    """
    if isinstance(file, Container):
        return _export(file, Path(directory), any_names)
    with open_container(file) as box:
        return _export(box, Path(directory), any_names)


def _export(box: Container, target: Path, any_names: bool) -> Exported:
    validate(box)
    committed = _from_head(box)
    files = [*box.files(), *committed]
    empty = [
        prefix + path
        for prefix, state in box.manifest.state.parts()
        if state.worktree is not None
        for path in state.worktree.empty_directories
    ]
    both = directories_of(file.path for file in files) & {file.path for file in files}
    if both:  # a tree of a commit may have it, one of a worktree may not
        raise BadObject(
            f"{show_name(min(both))} is a file and a directory in the tree of HEAD",
            requirement="JF-OBJ-010",
            hint=Hint("nothing was written; single files come with: ", command("cat", "FILE", "PATH")),
        )
    for path in [*(file.path for file in files), *empty]:
        check_path(path)
    check_names(box, [*(file.path for file in files), *empty], any_names=any_names)
    for file in files:
        if file.mode == SYMLINK:
            _check_target(box.pool.read(file.oid, BLOB), file.path)
    with durable.system_errors(
        target, "nothing was left behind, and the snapshot is as it was", elsewhere="name another directory"
    ):
        made = _make(target)
        try:
            # one that was just made is no link, whoever has put one there meanwhile
            with Below(directories.open_directory(os.fsencode(target), follow=not made), owned=True) as root:
                _check_empty(target, root)
                size = _write(box, files, empty, root)
        except BaseException:
            if made:
                with suppress(OSError):  # somebody has put something there
                    target.rmdir()
            raise
    return Exported(target, len(files), size, omissions(box.manifest), tuple(file.path for file in committed))


def _from_head(box: Container) -> list[File]:
    """HEAD's version of files that a filter stood before."""
    gone = [item.path for item in omissions(box.manifest) if item.reason == "filter" and not item.is_directory]
    head = box.head_files() if gone else {}
    found = [(path, head[path]) for path in gone if path in head and head[path].oid in box.pool.places]
    return [File(path, leaf.mode, box.pool.places[leaf.oid].size, leaf.oid) for path, leaf in found]


def _make(target: Path) -> bool:
    """Make the directory; False where one was there."""
    if target.is_symlink() or target.exists():
        if not target.is_dir():
            raise RefusedExists(f"{target} is not a directory", hint="nothing was written; name a directory")
        return False
    target.mkdir(parents=True)
    return True


def _check_empty(target: Path, root: Below) -> None:
    if root.names():
        raise _not_empty(target)


def _not_empty(target: Path) -> RefusedExists:
    return RefusedExists(
        f"{target} is there and not empty", hint="nothing was written; name a directory that does not exist"
    )


def _write(box: Container, files: list[File], empty: list[bytes], root: Below) -> int:
    """Write everything below a directory, symbolic links last; how many bytes that was. Where it fails, what was
    written goes, and nothing else: others may have put something there meanwhile."""
    size = 0
    made = _Directories(root.root)
    written: list[bytes] = []
    try:
        for path in empty:
            made.open(path)
        with progress.work("writing files", len(files), "files"):
            for file in sorted(files, key=lambda item: item.mode == SYMLINK):
                size += _write_one(box, file, made, written)
                progress.advance(1)
    except BaseException:
        made.close()
        _take_back(root, written, made.made)
        raise
    made.close()
    return size


def _take_back(root: Below, files: list[bytes], made: list[bytes]) -> None:
    for path in files:
        with suppress(OSError):
            root.unlink(path)
    root.forget()
    for path in reversed(made):
        with suppress(OSError):
            parent, name = root.parent(path)
            directories.remove(name, parent)


def _write_one(box: Container, file: File, made: _Directories, written: list[bytes]) -> int:
    """Write a file or symbolic link; its bytes. Its path is put into ``written`` as soon as something is there."""
    content = box.pool.read(file.oid, BLOB)
    parent, _, name = file.path.rpartition(b"/")
    fd = made.open(parent)
    if file.mode == SYMLINK:
        directories.make_link(content, name, fd)
        written.append(file.path)
    else:
        mode = 0o777 if file.mode == EXECUTABLE else 0o666
        new = directories.open_file(name, os.O_WRONLY | NEW, mode, fd)
        written.append(file.path)
        with open(new, "wb", buffering=0) as out:
            durable.write_at(out.fileno(), content, 0)
    return len(content)


def _check_target(target: bytes, path: bytes) -> None:
    if not target or b"\0" in target or len(target) >= _LONGEST_TARGET:
        raise RefusedName(
            f"the symbolic link {show_name(path)} has a target that no system takes",
            requirement="JF-PTH-008",
            hint=Hint("nothing was written; ", command("cat", "FILE", show_name(path)), " shows what is in it"),
        )


class _Directories:
    """Directories below a root, made and opened one component at a time, no link followed.

    Attributes:
        made: The paths of those that were made, one in another behind it.
    """

    def __init__(self, root: int) -> None:
        self.made: list[bytes] = []
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
            directories.close(self._open.pop())
        self._path = b"/".join(new[:same])
        for name in new[same:]:
            above = self._open[-1] if self._open else self._root
            path = self._path + b"/" + name if self._path else name
            with suppress(FileExistsError):  # opened below, where a link would be refused
                directories.make(name, 0o777, above)
                self.made.append(path)
            self._open.append(directories.open_directory(name, above))
            self._path = path
        return self._open[-1] if self._open else self._root

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            directories.close(self._open.pop())
        self._path = b""
