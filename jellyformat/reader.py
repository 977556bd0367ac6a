"""A container opened for reading: the manifest at once, blocks when their files are asked for."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

from jellyformat import binding, container, lookup, manifest, registry
from jellyformat.checks import Checker
from jellyformat.directories import Directory
from jellyformat.errors import BadManifest, CorruptBlock, HostWarning, NoPath
from jellyformat.model import HISTORY, STATE, Manifest, State
from jellyformat.objects import BLOB, GITLINK, Leaf
from jellyformat.paths import show_name
from jellyformat.pool import Outside, Pool
from jellyformat.registry import Readable
from jellyformat.source import CHUNK, Source, read_exactly


@dataclass(frozen=True, slots=True)
class File:
    """One file of a snapshot: path, mode as in git (``0o100644`` …), size in bytes, raw blob id."""

    path: bytes
    mode: int
    size: int
    oid: bytes


class Container:
    """A container, read lazily. Use it as a context manager, or close it.

    Args:
        source: The container's bytes.
        host: The name of the host it lies in; ``jelly`` for none.
        form: How it lies there.
        name: The file's name, for people.
        outside: The objects a thin container leaves to its prerequisites.
    """

    def __init__(
        self,
        source: Source,
        *,
        host: str = registry.BARE,
        form: str = "bare",
        name: str = "",
        outside: Outside | None = None,
    ) -> None:
        self.host = host
        self.form = form
        self.name = name
        self.source = source
        self.header = container.read_header(source)
        self.manifest: Manifest = container.read_manifest(source, self.header)
        data_offset = container.HEADER_LENGTH + self.header.manifest_length
        self.pool = Pool(source, self.manifest, data_offset, outside)
        self.checker = Checker(self.manifest, self.pool)
        self.file: Path | None = None
        """The file that holds it, where that is another than was named: a sidecar, or a file in a directory."""
        self.host_changed = False
        """Whether the host has not the size it had when the sidecar was put beside it."""
        self.resources = ExitStack()
        """What is closed with it."""

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
        offset = container.HEADER_LENGTH + self.header.manifest_length
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
        for prefix, part in self.manifest.state.walk():
            for path, leaf in self._leaves(part).items():
                if leaf.mode != GITLINK:
                    found.append(File(prefix + path, leaf.mode, self._size(leaf.oid), leaf.oid))
        found.sort(key=lambda file: file.path)
        return found

    def _leaves(self, state: State) -> Mapping[bytes, Leaf]:
        flat = self.checker.flat(state)
        return flat.head if state.worktree is None else flat.worktree

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
                hint=f"its files are listed by: python -m jellyformat ls {self.name or 'FILE'}",
            )
        return self.pool.read(file.oid, BLOB)

    def head_files(self) -> dict[bytes, Leaf]:
        """The leaves of the HEAD commits, nested repositories included, by path."""
        self.pool.decode((STATE,))
        found: dict[bytes, Leaf] = {}
        for prefix, part in self.manifest.state.walk():
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


def open_container(file: Readable, outside: Outside | None = None) -> Container:
    """Open the container in a host, in its sidecar or directory, or a bare one.

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.
        outside: The objects a thin container leaves to its prerequisites.

    Raises:
        NoSnapshot: the file carries none.
        FormatError: host or container are damaged.
        SystemFailure: the file cannot be read.

    Warns:
        HostWarning: it lies beside a file whose size has changed since.
    """
    stack = ExitStack()
    try:
        named = stack.enter_context(lookup.named(file))
        held = lookup.container_in(named)
        box = Container(held.container, host=held.host, form=held.form, name=named.name, outside=outside)
        box.file = held.file
        box.host_changed = _has_changed(named, box)
    except BaseException:
        stack.close()
        raise
    box.resources = stack
    if box.host_changed:
        warnings.warn(
            f"{box.name} has changed since the snapshot was put beside it, in {box.file}: it may be of other code",
            HostWarning,
            stacklevel=2,
        )
    return box


def _has_changed(named: lookup.Named, box: Container) -> bool:
    """Whether the host of a sidecar is seen to be another file: by its size, its bytes are not read (JF-SDC-005)."""
    if box.host != binding.SIDECAR or isinstance(named.place, Directory):
        return False
    try:
        sidecar = binding.sidecar_of(box.manifest.extensions)
    except BadManifest:  # for verify to say
        return False
    return sidecar is not None and named.place.size != sidecar.size
