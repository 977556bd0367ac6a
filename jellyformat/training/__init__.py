"""Snapshots taken while a model trains: on one rank, once a process, and never the end of the run.

What the frameworks' save calls share: the adapters' own use this module and `jellyformat.adapter` alone. Nothing but
`begin` is imported until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jellyformat.training.background import begin

if TYPE_CHECKING:
    from jellyformat.snapshots import Snapshot
    from jellyformat.training.marking import mark
    from jellyformat.training.marks import label
    from jellyformat.training.process import (
        SnapshotWarning,
        go_on,
        start,
        take,
        warn,
        warn_of_loss,
    )
    from jellyformat.training.ranks import OVERRIDE, is_first_rank
    from jellyformat.training.saving import EmbedPlanner, embedded, save_beside, save_to_stream, saved_in_memory
    from jellyformat.training.trackers import embed, embed_remotely, saved

_PLACES = {
    "EmbedPlanner": "training.saving",
    "OVERRIDE": "training.ranks",
    "Snapshot": "snapshots",
    "SnapshotWarning": "training.process",
    "embed": "training.trackers",
    "embed_remotely": "training.trackers",
    "embedded": "training.saving",
    "go_on": "training.process",
    "is_first_rank": "training.ranks",
    "label": "training.marks",
    "mark": "training.marking",
    "save_beside": "training.saving",
    "save_to_stream": "training.saving",
    "saved": "training.trackers",
    "saved_in_memory": "training.saving",
    "start": "training.process",
    "take": "training.process",
    "warn": "training.process",
    "warn_of_loss": "training.process",
}

__all__ = [
    "OVERRIDE",
    "EmbedPlanner",
    "Snapshot",
    "SnapshotWarning",
    "begin",
    "embed",
    "embed_remotely",
    "embedded",
    "go_on",
    "is_first_rank",
    "label",
    "mark",
    "save_beside",
    "save_to_stream",
    "saved",
    "saved_in_memory",
    "start",
    "take",
    "warn",
    "warn_of_loss",
]


if not TYPE_CHECKING:  # else a name that is not there would be Any

    def __getattr__(name: str) -> Any:
        place = _PLACES.get(name)
        if place is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"jellyformat.{place}"), name)
        globals()[name] = value
        return value
