"""Containers in zip files (SPEC 14.2), and what the adapters for torch and numpy have in common."""

from jellyformat_zip._adapter import ADAPTER, ZipAdapter, open_directory
from jellyformat_zip._find import declared_length, root_of
from jellyformat_zip._records import Entry, parse_entries
from jellyformat_zip._saving import Appender, save_beside, save_to_stream

__all__ = [
    "ADAPTER",
    "Appender",
    "Entry",
    "ZipAdapter",
    "declared_length",
    "open_directory",
    "parse_entries",
    "root_of",
    "save_beside",
    "save_to_stream",
]
