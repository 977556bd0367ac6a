"""The adapter for torch files: zip files as torch writes them, and legacy files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jellyformat_trailer import find_trailer, plan_trailer
from jellyformat_zip import ZipAdapter, open_directory, parse_entries, root_of

from jellyformat.adapter import Append, BadHost, Carried, RefusedHost, Source, Truncate, Weight
from jellyformat_torch._jellyml import JELLYML
from jellyformat_torch._legacy import find_bare, is_legacy

_ENOUGH = frozenset({b"data.pkl", b"constants.pkl"})
"""An object (torch.save), a program (torch.jit.save)."""
_VERSIONS = frozenset({b"version", b".data/version", b"archive_version"})
_MARKS = frozenset({b"byteorder", b".data/serialization_id", b"archive_format"})
"""A version and one of these: what torch's writer adds to anything, such as torch.export's .pt2 and torch.package."""

_ZIP = ZipAdapter(listed=True, foreign=JELLYML)


@dataclass(frozen=True)
class TorchAdapter:
    """Containers in torch files (SPEC JF-ZIP and JF-TEN): listed in zip files, a trailer in legacy files."""

    name: str = "torch"
    priority: int = 80

    def matches(self, source: Source) -> bool:
        """Whether torch wrote the file, by what is in it; without reading any object."""
        return is_legacy(source) or _is_torch_zip(source)

    def find(self, source: Source) -> Carried | None:
        """The container, or None.

        Raises:
            BadHost, CorruptLocator: the file or its locator is damaged (JF-ZIP-001 to 004, JF-LOC-001).
        """
        if is_legacy(source):
            return find_trailer(source) or find_bare(source)
        return _ZIP.find(source)

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """How to put ``container`` in, in place of one that was appended before. One in a tensor stays.

        Raises:
            RefusedHost: the file would no longer load (JF-ZIP-005), or its comment is too long.
            BadHost, CorruptLocator: the file or its locator is damaged.
        """
        if not is_legacy(source):
            return _ZIP.plan_embed(source, container)
        carried = find_trailer(source)
        keep = source.size if carried is None or carried.host_length is None else carried.host_length
        return plan_trailer(source, container, keep)

    def plan_strip(self, source: Source, carried: Carried) -> Truncate:
        """How to take the container out: the file is cut off at the length it had.

        Raises:
            RefusedHost: a tool has repacked the file, or the container is a tensor in the saved object.
            BadHost: what would be left is not what it was.
        """
        if not is_legacy(source):
            return _ZIP.plan_strip(source, carried)
        if carried.host_length is None:
            raise RefusedHost(
                "the snapshot is a tensor in the saved object, and it cannot be cut off",
                hint="nothing was changed; load the file, delete the key that holds the snapshot, and save it again",
            )
        return Truncate(carried.host_length)

    def weights(self, source: Source, carried: Carried | None) -> tuple[str, Iterator[Weight]] | None:
        """The entries of a zip, without the root; None for a legacy file (SPEC JF-BND).

        Raises:
            BadHost: the zip is damaged (JF-ZIP-001, JF-ZIP-002, JF-BND-004).
            RefusedHost: an entry cannot be read.
        """
        return None if is_legacy(source) else _ZIP.weights(source, carried)


def _is_torch_zip(source: Source) -> bool:
    opened = open_directory(source)
    if opened is None:
        return False
    archive, directory = opened
    root: bytes | None = None
    version = mark = False
    try:
        for entry in parse_entries(directory, archive):
            if root is None:
                root = root_of(entry.name)
                if root is None:
                    return False
            first, _, rest = entry.name.partition(b"/")
            if first != root:
                continue
            version = version or rest in _VERSIONS
            mark = mark or rest in _MARKS
            if rest in _ENOUGH or (version and mark):
                return True
    except BadHost:
        return False
    return False


ADAPTER = TorchAdapter()
