"""Containers in zip files (SPEC JF-ZIP), and what the adapters for torch and numpy have in common."""

from jellyformat_zip._adapter import ADAPTER, ZipAdapter, open_directory
from jellyformat_zip._find import Foreign, declared_length, root_of
from jellyformat_zip._records import END_REACH, Entry, parse_entries

__all__ = [
    "ADAPTER",
    "END_REACH",
    "Entry",
    "Foreign",
    "ZipAdapter",
    "declared_length",
    "open_directory",
    "parse_entries",
    "root_of",
]
