"""What is kept of a state that was left, to give it back exactly: beside its container, what that cannot say."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, field
from typing import Any

from jellyformat.checkout import sealed
from jellyformat.checkout.bases import is_shared_index
from jellyformat.checkout.current import MANAGED, Raw
from jellyformat.checkout.store import Store
from jellyformat.checkout.target import Target, Wanted, WantedRepository
from jellyformat.errors import RefusedRepository
from jellyformat.format.container import BARE, Container
from jellyformat.format.frames import MAGIC
from jellyformat.format.manifest import is_ref
from jellyformat.format.msgpack import Value
from jellyformat.format.objects import EXECUTABLE, REGULAR, SYMLINK
from jellyformat.format.pool import Outside
from jellyformat.format.source import FileSource
from jellyformat.hints import Hint, command

_VERSION = 1


@dataclass(frozen=True)
class SavedFile:
    """A file or link: git mode, exact permissions, time in nanoseconds, size in bytes, raw id, name below ``kept/``.

    Without id and name its content is not kept: it was not touched, and is too large to copy.
    """

    mode: int
    permissions: int
    mtime: int
    size: int
    oid: bytes | None
    kept: str | None


@dataclass(frozen=True)
class SavedRepository:
    """A repository: HEAD, the files of its git directory, ``info/exclude`` (None: there was none)."""

    prefix: bytes
    commit: bytes | None
    head: bytes | None
    raw: dict[bytes, Raw]
    shared: dict[bytes, bytes]
    exclude: bytes | None


@dataclass(frozen=True)
class SavedState:
    """A state that was left; paths are whole."""

    files: dict[bytes, SavedFile] = field(default_factory=dict)
    directories: dict[bytes, int] = field(default_factory=dict)
    trees: dict[bytes, str] = field(default_factory=dict)
    repositories: dict[bytes, SavedRepository] = field(default_factory=dict)
    stays: tuple[bytes, ...] = ()

    def target(self, name: str) -> Target:
        """What is wanted to have this state again; ``name`` is that of its directory."""

        def place(kept: str) -> bytes:
            return f"states/{name}/kept/{kept}".encode()

        return Target(
            files={
                path: Wanted(
                    item.mode, item.oid, item.size, item.permissions, item.mtime,
                    None if item.kept is None else place(item.kept),
                )
                for path, item in self.files.items()
            },
            directories=dict(self.directories),
            trees={path: place(kept) for path, kept in self.trees.items()},
            repositories={
                prefix: WantedRepository(prefix, item.commit, item.head, item.raw, frozenset(), item.shared)
                for prefix, item in self.repositories.items()
            },
            left=set(self.stays),
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """As it is stored."""
        files: list[Value] = [
            [path, item.mode, item.permissions, item.mtime, item.size, item.oid, item.kept]
            for path, item in sorted(self.files.items())
        ]
        directories: list[Value] = [[path, mode] for path, mode in sorted(self.directories.items())]
        trees: list[Value] = [[path, kept] for path, kept in sorted(self.trees.items())]
        repositories: list[Value] = [
            [
                item.prefix, item.commit, item.head,
                [[name, _raw_value(raw)] for name, raw in item.raw.items()],
                [[name, data] for name, data in item.shared.items()],
                item.exclude,
            ]
            for _, item in sorted(self.repositories.items())
        ]  # fmt: skip
        return sealed.seal(
            {
                "directories": directories,
                "files": files,
                "repositories": repositories,
                "stays": list(self.stays),
                "trees": trees,
                "version": _VERSION,
            }
        )


def _raw_value(raw: Raw) -> Value:
    return [raw.mode, raw.data, [[name, _raw_value(inner)] for name, inner in raw.children], raw.mtime]


def open_kept(store: Store, name: str, outside: Outside | None = None) -> Container:
    """The container of a state, as `open_container`.

    Args:
        store: The store, locked.
        name: The state's.
        outside: The objects that it leaves to the repository.

    Raises:
        ValueError: it is missing, or is none.
        FormatError: it is damaged.
    """
    place = f"states/{name}/state.jelly"
    with contextlib.ExitStack() as stack:
        try:
            fd = store.below.open(os.fsencode(place), limit=sys.maxsize)
        except OSError as error:
            raise ValueError(error.strerror) from error
        stack.callback(os.close, fd)
        source = FileSource.of(fd)
        if source.read_at(0, len(MAGIC)) != MAGIC:
            raise ValueError("it is no snapshot")
        box = Container(source, host=BARE, form="bare", name=str(store.path / place), outside=outside)
        box.resources = stack.pop_all()
        return box


def read_record(store: Store, name: str) -> SavedState:
    """The record of a state.

    Raises:
        RefusedRepository: it is missing or damaged, or names what is in no worktree.
    """
    place = f"states/{name}/record"
    try:
        return _parse(sealed.unseal(store.read(place)))
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise RefusedRepository(
            f"{store.path / place}, which says what the state was, cannot be read: {error}",
            hint=Hint(
                f"nothing was changed; its files are in {store.state(name)}: kept/, and those of ",
                command("export", f"{store.state(name)}/state.jelly", "DIR"),
            ),
        ) from error


def _parse(value: Any) -> SavedState:
    """The state that a value is. Raises ValueError where it is none, or names anything but what is in a worktree."""
    if isinstance(value, dict) and value.get("version") != _VERSION:
        raise ValueError("it is of another version")
    files, directories, trees, repositories, stays, _ = sealed.fields(
        value, "files", "directories", "trees", "repositories", "stays", "version"
    )
    pairs = [sealed.items(item, 2) for item in sealed.items(directories)]
    kept = [sealed.items(item, 2) for item in sealed.items(trees)]
    return SavedState(
        files=dict(_file(item) for item in sealed.items(files)),
        directories={sealed.path(path): sealed.integer(mode, 0o7777) for path, mode in pairs},
        trees={sealed.place(path): sealed.number_name(name) for path, name in kept},
        repositories={item.prefix: item for item in map(_repository, sealed.items(repositories))},
        stays=tuple(_stays(path) for path in sealed.items(stays)),
    )


def _file(value: Any) -> tuple[bytes, SavedFile]:
    path, mode, permissions, mtime, size, oid, kept = sealed.items(value, 7)
    if mode not in (REGULAR, EXECUTABLE, SYMLINK):
        raise ValueError("the mode of a file in it is none")
    return sealed.place(path), SavedFile(
        sealed.integer(mode),
        sealed.integer(permissions, 0o7777),
        sealed.integer(mtime, least=-(1 << 63)),
        sealed.integer(size),
        None if oid is None else sealed.oid(oid),
        None if kept is None else sealed.number_name(kept),
    )


def _repository(value: Any) -> SavedRepository:
    prefix, commit, head, raws, shared, exclude = sealed.items(value, 6)
    if head is not None and not is_ref(sealed.raw(head)):
        raise ValueError("the name of a branch in it is none")
    files, indexes = _named(raws), _named(shared)
    if not files.keys() <= set(MANAGED) - {b"HEAD"} or not all(map(is_shared_index, indexes)):
        raise ValueError("a file of a git directory in it is none that a restore changes")
    return SavedRepository(
        sealed.prefix(prefix),
        None if commit is None else sealed.oid(commit),
        head,
        {name: _raw(raw) for name, raw in files.items()},
        {name: sealed.raw(data) for name, data in indexes.items()},
        None if exclude is None else sealed.raw(exclude),
    )


def _named(value: Any) -> dict[bytes, Any]:
    pairs = [sealed.items(item, 2) for item in sealed.items(value)]
    return {sealed.raw(name): inner for name, inner in pairs}


def _raw(value: Any) -> Raw:
    mode, data, children, mtime = sealed.items(value, 4)
    inner = [sealed.items(child, 2) for child in sealed.items(children)]
    for name, _ in inner:
        if sealed.raw(name) in (b"", b".", b"..") or b"/" in name or b"\0" in name:
            raise ValueError("the name of a file in it is none")
    return Raw(
        sealed.integer(mode, 0o7777),
        None if data is None else sealed.raw(data),
        tuple((name, _raw(raw)) for name, raw in inner),
        None if mtime is None else sealed.integer(mtime, least=-(1 << 63)),
    )


def _stays(value: Any) -> bytes:
    """A path that is left alone, so that its names may be any; but it leads nowhere else."""
    path = sealed.raw(value)
    if path.startswith(b"/") or b"\0" in path or b".." in path.split(b"/"):
        raise ValueError("a path in it leads elsewhere")
    return path
