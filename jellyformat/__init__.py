"""jellyformat: a checkpoint that carries the code that made it.

    import jellyformat
    snap = jellyformat.snapshot(repo=".", history="head")
    jellyformat.embed("model.pt", snap)
    jellyformat.verify("model.pt").ok
    jellyformat.open("model.pt").read("train.py")
    jellyformat.restore("model.pt", "."); jellyformat.undo(".")
    jellyformat.strip("model.pt")

Nothing is imported until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jellyformat.version import __version__

if TYPE_CHECKING:
    from jellyformat.bundles import Bundle, bundle
    from jellyformat.errors import JellyError
    from jellyformat.exporter import export
    from jellyformat.fixing import fix
    from jellyformat.mending import Left
    from jellyformat.reader import Container, File
    from jellyformat.reader import open_container as open
    from jellyformat.restorer import Restored, restore
    from jellyformat.snapshots import Snapshot, embed, load, snapshot, strip
    from jellyformat.undoing import HistoryEntry, Stepped, history, redo, undo
    from jellyformat.verifier import Check, Report, verify

_PLACES = {
    "Bundle": ("bundles", "Bundle"),
    "Check": ("verifier", "Check"),
    "Container": ("reader", "Container"),
    "File": ("reader", "File"),
    "HistoryEntry": ("undoing", "HistoryEntry"),
    "JellyError": ("errors", "JellyError"),
    "Left": ("mending", "Left"),
    "Report": ("verifier", "Report"),
    "Restored": ("restorer", "Restored"),
    "Snapshot": ("snapshots", "Snapshot"),
    "Stepped": ("undoing", "Stepped"),
    "bundle": ("bundles", "bundle"),
    "embed": ("snapshots", "embed"),
    "export": ("exporter", "export"),
    "fix": ("fixing", "fix"),
    "history": ("undoing", "history"),
    "load": ("snapshots", "load"),
    "open": ("reader", "open_container"),
    "redo": ("undoing", "redo"),
    "restore": ("restorer", "restore"),
    "snapshot": ("snapshots", "snapshot"),
    "strip": ("snapshots", "strip"),
    "undo": ("undoing", "undo"),
    "verify": ("verifier", "verify"),
}

__all__ = [
    "Bundle",
    "Check",
    "Container",
    "File",
    "HistoryEntry",
    "JellyError",
    "Left",
    "Report",
    "Restored",
    "Snapshot",
    "Stepped",
    "__version__",
    "bundle",
    "embed",
    "export",
    "fix",
    "history",
    "load",
    "open",
    "redo",
    "restore",
    "snapshot",
    "strip",
    "undo",
    "verify",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{place[0]}"), place[1])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
