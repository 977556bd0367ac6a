"""Containers in torch files, and torch's own save with a snapshot in it.

``ADAPTER`` needs no torch; the functions import it when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jellyformat import training
from jellyformat_torch._adapter import ADAPTER, TorchAdapter

if TYPE_CHECKING:
    from jellyformat_torch.functions import create_jelly_filling, create_snapshot, save

__all__ = ["ADAPTER", "TorchAdapter", "create_jelly_filling", "create_snapshot", "save"]


def __getattr__(name: str) -> Any:
    if name in ("create_jelly_filling", "create_snapshot", "save"):
        from jellyformat_torch import functions

        return getattr(functions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


training.begin()
