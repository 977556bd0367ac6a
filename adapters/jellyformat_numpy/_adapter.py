"""The adapter for ``.npz`` files."""

from __future__ import annotations

from dataclasses import dataclass

from jellyformat_zip import ZipAdapter, open_directory, parse_entries

from jellyformat.adapter import BadHost, Source


@dataclass(frozen=True)
class NpzAdapter(ZipAdapter):
    """Containers in zip files of arrays (SPEC JF-ZIP), unlisted: ``np.load(...).files`` is what it was."""

    name: str = "npz"
    priority: int = 70

    def matches(self, source: Source) -> bool:
        """Whether it is a zip with entries, and the names of all of them end in ``.npy``."""
        opened = open_directory(source)
        if opened is None:
            return False
        archive, directory = opened
        try:
            return archive.entries > 0 and all(
                entry.name.endswith(b".npy") for entry in parse_entries(directory, archive)
            )
        except BadHost:
            return False


ADAPTER = NpzAdapter()
