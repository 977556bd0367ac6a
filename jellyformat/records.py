"""What is kept of a state that was left, to give it back exactly: beside its container, what that cannot say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jellyformat.errors import RefusedRepository
from jellyformat.msgpack import Value
from jellyformat.planning import Target, Wanted, WantedRepository
from jellyformat.present import Raw
from jellyformat.undolog import Store, seal, unseal

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
class Record:
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
        return seal(
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


def _raw(value: Any) -> Raw:
    mode, data, children, *rest = value  # earlier versions kept no time
    return Raw(mode, data, tuple((name, _raw(inner)) for name, inner in children), *rest)


def read_record(store: Store, name: str) -> Record:
    """The record of a state.

    Raises:
        RefusedRepository: it is missing or damaged.
    """
    path = store.state(name) / "record"
    try:
        value = unseal(path.read_bytes())
        if value["version"] != _VERSION:
            raise ValueError("it is of a later version")
        return _parse(value)
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise RefusedRepository(
            f"{path}, which says what the state was, cannot be read: {error}",
            hint=f"nothing was changed; its files are in {store.state(name)}: kept/, and state.jelly for "
            "python -m jellyformat export",
        ) from error


def _parse(value: Any) -> Record:
    # sealed: as it was written by to_bytes
    return Record(
        files={path: SavedFile(*rest) for path, *rest in value["files"]},
        directories=dict(value["directories"]),
        trees=dict(value["trees"]),
        repositories={
            prefix: SavedRepository(
                prefix, commit, head, {name: _raw(raw) for name, raw in raws}, dict(shared), exclude
            )
            for prefix, commit, head, raws, shared, exclude in value["repositories"]
        },
        stays=tuple(value["stays"]),
    )
