"""Containers in ``.npz`` files, and numpy's own save calls with a snapshot in the file.

``ADAPTER`` needs no numpy; the functions import it when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jellyformat import training
from jellyformat_numpy._adapter import ADAPTER, NpzAdapter

if TYPE_CHECKING:
    from jellyformat_numpy.functions import save, savez, savez_compressed

__all__ = ["ADAPTER", "NpzAdapter", "save", "savez", "savez_compressed"]


def __getattr__(name: str) -> Any:
    if name in ("save", "savez", "savez_compressed"):
        from jellyformat_numpy import functions

        return getattr(functions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


training.begin()
