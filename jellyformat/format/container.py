"""A container opened for reading: the manifest at once, blocks when their files are asked for."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

from jellyformat.errors import CorruptBlock, NoPath
from jellyformat.format import frames, manifest
from jellyformat.format.checks import Checker
from jellyformat.format.info import SnapshotInfo, info_of
from jellyformat.format.model import HISTORY, STATE, Manifest
from jellyformat.format.objects import BLOB, GITLINK, Leaf
from jellyformat.format.paths import show_name
from jellyformat.format.pool import Outside, Pool
from jellyformat.format.source import CHUNK, Source, read_exactly
from jellyformat.format.text import brief, size_text
from jellyformat.hints import Hint, command

BARE = "jelly"
"""The ``host`` of a container that lies in a file of its own."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a snapshot: path, mode as in git (``0o100644`` …), size in bytes, raw blob id."""

    path: bytes
    mode: int
    size: int
    oid: bytes

    def __repr__(self) -> str:
        return f"<File {brief(show_name(self.path))}: {self.mode:06o}, {size_text(self.size)}>"


class Container:
    """A container, read lazily. Use it as a context manager, or close it.

    Args:
        source: The container's bytes.
        host: The name of the host it lies in; ``jelly`` for none.
        form: How it lies there.
        name: The file's name, for people.
        outside: The objects a thin container leaves to its prerequisites.
        known: Header and manifest of one that was opened before: of the same bytes, they are not decoded again.
    """

    def __init__(
        self,
        source: Source,
        *,
        host: str = BARE,
        form: str = "bare",
        name: str = "",
        outside: Outside | None = None,
        known: frames.Known | None = None,
    ) -> None:
        self.host = host
        self.form = form
        self.name = name
        self.source = source
        self.header = frames.read_header(source)
        self.manifest: Manifest = frames.read_manifest(source, self.header, known)
        data_offset = frames.HEADER_LENGTH + self.header.manifest_length
        self.pool = Pool(source, self.manifest, data_offset, outside)
        self.checker = Checker(self.manifest, self.pool, self.header.total_length)
        self.file: Path | None = None
        """The file that holds it, where that is another than was named: a sidecar, or a file in a directory."""
        self.host_changed = False
        """Whether the host has not the size it had when the sidecar was put beside it."""
        self.lost_host: str | None = None
        """The name of the file that it was put beside, where that is gone."""
        self.resources = ExitStack()
        """What is closed with it."""

    def __repr__(self) -> str:
        what = f"{brief(self.name)} ({self.host})" if self.name else self.host
        return f"<Container {what}: snapshot {self.snapshot_id[:12]}, {self.info().in_brief()}>"

    def _repr_html_(self) -> str:
        return self.info()._repr_html_()

    def info(self) -> SnapshotInfo:
        """What its manifest says; no block is read."""
        return info_of(
            self.manifest,
            file=self.name,
            host=self.host,
            form=self.form,
            holder=self.file,
            host_changed=self.host_changed,
            digest=self.digest,
            container_bytes=self.header.total_length,
        )

    @property
    def digest(self) -> str:
        """The name of the container's exact bytes: 64 hex digits."""
        return self.header.digest.hex()

    @cached_property
    def snapshot_id(self) -> str:
        """The name of the code: 64 hex digits, the same whenever the state was the same."""
        return manifest.snapshot_id(self.manifest.state).hex()

    def to_bytes(self) -> bytes:
        """The container's bytes."""
        return read_exactly(self.source, 0, self.header.total_length)

    def check_hashes(self, *, unknown_only: bool = False) -> None:
        """Check the SHA-256 of every block, or of those whose kind is not known here, which nothing else reads.

        Raises:
            CorruptBlock: one does not match (JF-BLK-002, JF-BLK-005).
        """
        offset = frames.HEADER_LENGTH + self.header.manifest_length
        for block in self.manifest.blocks:
            known = block.kind in (STATE, HISTORY)
            if not (known and unknown_only):
                hasher = hashlib.sha256()
                for start in range(0, block.length, CHUNK):
                    hasher.update(read_exactly(self.source, offset + start, min(CHUNK, block.length - start)))
                if hasher.digest() != block.sha256:
                    raise CorruptBlock(
                        "a block does not match its SHA-256",
                        requirement="JF-BLK-005" if known else "JF-BLK-002",
                        offset=offset,
                    )
            offset += block.length

    def files(self) -> list[File]:
        """The files of the worktree (of HEAD, for a bare repository), nested repositories included, sorted by path.

        Raises:
            FormatError: a block or tree is not proper.
        """
        self.pool.decode((STATE,))
        found: list[File] = []
        for prefix, part in self.manifest.state.parts():
            for path, leaf in self.checker.shown(part).items():
                if leaf.mode != GITLINK:
                    found.append(File(prefix + path, leaf.mode, self._size(leaf.oid), leaf.oid))
        found.sort(key=lambda file: file.path)
        return found

    def _size(self, oid: bytes) -> int:
        place = self.pool.places.get(oid)
        return 0 if place is None else place.size

    @cached_property
    def _by_path(self) -> dict[bytes, File]:
        return {file.path: file for file in self.files()}

    def read(self, path: str | bytes) -> bytes:
        """The bytes of one file; of a symbolic link its target.

        Raises:
            NoPath: the snapshot has no such file.
            FormatError: a block or tree is not proper.
        """
        raw = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
        file = self._by_path.get(raw)
        if file is None:
            raise NoPath(
                f"there is no file {show_name(raw)} in the snapshot",
                hint=Hint("its files are listed by: ", command("ls", self.name or "FILE")),
            )
        return self.pool.read(file.oid, BLOB)

    def head_files(self) -> dict[bytes, Leaf]:
        """The leaves of the HEAD commits, nested repositories included, by path."""
        self.pool.decode((STATE,))
        found: dict[bytes, Leaf] = {}
        for prefix, part in self.manifest.state.parts():
            for path, leaf in self.checker.flat(part).head.items():
                if leaf.mode != GITLINK:
                    found[prefix + path] = leaf
        return found

    def close(self) -> None:
        """Close the file it was opened from."""
        self.resources.close()

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
