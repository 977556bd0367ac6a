"""The process that forks the children of ``test_host_replay``: what is done to a directory that has a host in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import zygote

import jellyformat
from jellyformat import snapshots
from jellyformat.snapshots import Snapshot


def embed(directory: Path, /, **ways: bool) -> Callable[[], object]:
    """Put ``jelly`` into the host, or what stands for it, in place of what is there."""
    snap = Snapshot((directory.parent / "jelly").read_bytes())
    return lambda: snapshots.embed(host_of(directory), snap, replace=True, **ways)  # type: ignore[arg-type]


def host_of(directory: Path) -> Path:
    """What is named: the host, or the directory where it is one."""
    host = next(
        (path for path in directory.iterdir() if path.stem == "host" or path.name.endswith(".index.json")), None
    )
    return directory if host is None else host


def strip(directory: Path, /, *, in_place: bool = False, copy: bool = False) -> Callable[[], object]:
    return lambda: snapshots.strip(host_of(directory), in_place=in_place, copy=copy)


def label(directory: Path, /, *, in_place: bool = False) -> Callable[[], object]:
    return lambda: jellyformat.label(
        host_of(directory), {"loss": 0.25, "name": "x" * 300}, note="wider", in_place=in_place
    )


WAYS: dict[str, dict[str, bool]] = {
    "": {}, "in_place": {"in_place": True}, "copy": {"copy": True}, "sidecar": {"sidecar": True},
    "trailer": {"trailer": True}, "directory": {"directory": True}, "as_tensor": {"as_tensor": True},
}  # fmt: skip
STEPS: dict[str, Callable[[Path], Callable[[], object]]] = {}
for way, options in WAYS.items():
    STEPS[f"put:{way}"] = partial(embed, **options)
    if way in ("", "in_place", "copy"):
        STEPS[f"strip:{way}"] = partial(strip, **options)
    if way in ("", "in_place"):
        STEPS[f"label:{way}"] = partial(label, **options)

if __name__ == "__main__":
    zygote.HOSTS.update(STEPS)
    zygote.main()
