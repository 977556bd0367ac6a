"""jellyformat: a checkpoint that carries the code that made it.

    import jellyformat
    snap = jellyformat.snapshot(repo=".", history="head")
    jellyformat.embed("model.pt", snap)
    jellyformat.verify("model.pt").ok
    jellyformat.open("model.pt").read("train.py")
    jellyformat.show("model.pt").commit
    jellyformat.log("runs")
    jellyformat.restore("model.pt", "."); jellyformat.undo(".")
    jellyformat.sign("model.pt"); jellyformat.verify("model.pt", require=True).ok
    jellyformat.strip("model.pt")

Nothing is imported until it is used.
"""

# Nothing is imported here that Python has not loaded itself, not even __future__: see searchpath
from importlib import import_module

from jellyformat import searchpath
from jellyformat.version import __version__

if searchpath.is_running(__name__):  # `python -m jellyformat`: before anything else is imported
    searchpath.leave_current_directory()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jellyformat.checkout.prune import Pruned, prune
    from jellyformat.checkout.restore import Restored, restore
    from jellyformat.checkout.undo import HistoryEntry, Stepped, history, redo, undo
    from jellyformat.comparing import Diff, diff
    from jellyformat.errors import HostWarning, JellyError
    from jellyformat.exports.bundle import Bundle, bundle
    from jellyformat.exports.edits import Edit
    from jellyformat.exports.files import Exported, export
    from jellyformat.exports.requirements import Package
    from jellyformat.fixing import Left, fix
    from jellyformat.format.container import Container, File
    from jellyformat.format.extensions import Run
    from jellyformat.format.info import Change, SnapshotInfo
    from jellyformat.format.model import Omitted
    from jellyformat.hosts.open import open_container as open
    from jellyformat.importing import Code, code
    from jellyformat.indexing import Indexed
    from jellyformat.indexing import index_paths as index
    from jellyformat.labelling import label
    from jellyformat.reading import Environment, env, show
    from jellyformat.searching import Match, grep
    from jellyformat.signing import sign, signatures
    from jellyformat.snapshots import Snapshot, embed, load, snapshot, strip
    from jellyformat.timeline import LogEntry, log
    from jellyformat.trust.signature import SignatureCheck
    from jellyformat.verifier import Check, Report, verify

_MODULES = ("errors", "training")
"""Modules that need no import of their own to be used: ``jellyformat.training.start()``."""
_PLACES = {
    "Bundle": ("exports.bundle", "Bundle"),
    "Change": ("format.info", "Change"),
    "Check": ("verifier", "Check"),
    "Code": ("importing", "Code"),
    "Container": ("format.container", "Container"),
    "Diff": ("comparing", "Diff"),
    "Edit": ("exports.edits", "Edit"),
    "Environment": ("reading", "Environment"),
    "Exported": ("exports.files", "Exported"),
    "File": ("format.container", "File"),
    "HistoryEntry": ("checkout.undo", "HistoryEntry"),
    "HostWarning": ("errors", "HostWarning"),
    "Indexed": ("indexing", "Indexed"),
    "JellyError": ("errors", "JellyError"),
    "Left": ("fixing", "Left"),
    "LogEntry": ("timeline", "LogEntry"),
    "Match": ("searching", "Match"),
    "Omitted": ("format.model", "Omitted"),
    "Package": ("exports.requirements", "Package"),
    "Pruned": ("checkout.prune", "Pruned"),
    "Report": ("verifier", "Report"),
    "Restored": ("checkout.restore", "Restored"),
    "Run": ("format.extensions", "Run"),
    "SignatureCheck": ("trust.signature", "SignatureCheck"),
    "Snapshot": ("snapshots", "Snapshot"),
    "SnapshotInfo": ("format.info", "SnapshotInfo"),
    "Stepped": ("checkout.undo", "Stepped"),
    "bundle": ("exports.bundle", "bundle"),
    "code": ("importing", "code"),
    "diff": ("comparing", "diff"),
    "embed": ("snapshots", "embed"),
    "env": ("reading", "env"),
    "export": ("exports.files", "export"),
    "fix": ("fixing", "fix"),
    "grep": ("searching", "grep"),
    "history": ("checkout.undo", "history"),
    "index": ("indexing", "index_paths"),
    "label": ("labelling", "label"),
    "load": ("snapshots", "load"),
    "log": ("timeline", "log"),
    "open": ("hosts.open", "open_container"),
    "prune": ("checkout.prune", "prune"),
    "redo": ("checkout.undo", "redo"),
    "restore": ("checkout.restore", "restore"),
    "show": ("reading", "show"),
    "sign": ("signing", "sign"),
    "signatures": ("signing", "signatures"),
    "snapshot": ("snapshots", "snapshot"),
    "strip": ("snapshots", "strip"),
    "undo": ("checkout.undo", "undo"),
    "verify": ("verifier", "verify"),
}

__all__ = [
    "Bundle",
    "Change",
    "Check",
    "Code",
    "Container",
    "Diff",
    "Edit",
    "Environment",
    "Exported",
    "File",
    "HistoryEntry",
    "HostWarning",
    "Indexed",
    "JellyError",
    "Left",
    "LogEntry",
    "Match",
    "Omitted",
    "Package",
    "Pruned",
    "Report",
    "Restored",
    "Run",
    "SignatureCheck",
    "Snapshot",
    "SnapshotInfo",
    "Stepped",
    "__version__",
    "bundle",
    "code",
    "diff",
    "embed",
    "env",
    "export",
    "fix",
    "grep",
    "history",
    "index",
    "label",
    "load",
    "log",
    "open",
    "prune",
    "redo",
    "restore",
    "show",
    "sign",
    "signatures",
    "snapshot",
    "strip",
    "undo",
    "verify",
]


if not TYPE_CHECKING:  # else a name that is not there would be Any

    def __getattr__(name: str) -> "Any":
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        place = _PLACES.get(name)
        if place is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{place[0]}"), place[1])
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
