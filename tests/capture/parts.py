"""Parts of a snapshot that tests ask for."""

from __future__ import annotations

import jellyformat
from jellyformat.format.model import Worktree


def worktree_of(snap: jellyformat.Snapshot) -> Worktree:
    found = snap.manifest.state.worktree
    assert found is not None
    return found


def omitted(snap: jellyformat.Snapshot) -> dict[bytes, str]:
    return {item.path: item.reason for item in worktree_of(snap).omitted}
