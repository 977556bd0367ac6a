"""What checkpoints of one process have in common: the snapshot, without what says which checkpoint it is."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import jellyformat
from jellyformat.format import manifest
from jellyformat.format.extensions import KEPT
from jellyformat.snapshots import Snapshot


def unmarked(snap: Snapshot | str | os.PathLike[str]) -> str:
    """A name of a snapshot, or of that in a file, without labels, note and run."""
    made = (snap if isinstance(snap, Snapshot) else jellyformat.load(snap)).manifest
    rest = {name: value for name, value in made.extensions.items() if name not in KEPT}
    return hashlib.sha256(manifest.encode(replace(made, extensions=rest))).hexdigest()
