"""Every state restored over every other, undone, redone and undone again, with everything equal.

The default run takes a covering choice: each state is once above and once below. JELLYFORMAT_FULL=1 takes all.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import matrix
import pytest
from images import Built, said, take
from states import STATES, TRAITS, git

import jellyformat
from jellyformat.errors import RefusedRepository

UNSEEN = {name for name in STATES if TRAITS[name] & {"unreadable", "root"} and os.geteuid() != 0}
NAMES = sorted(STATES.keys() - UNSEEN)
FULL = bool(os.environ.get("JELLYFORMAT_FULL"))
SHIFT = 37
PAIRS = [
    (over, under)
    for number, over in enumerate(NAMES)
    for under in (NAMES if FULL else [NAMES[(number + SHIFT) % len(NAMES)]])
]


@pytest.mark.parametrize(("over", "under"), PAIRS, ids=[f"{over}-over-{under}" for over, under in PAIRS])
def test_restore_undo_redo(over: str, under: str, built: Built, tmp_path: Path) -> None:
    result = matrix.check(over, under, built, tmp_path / "x")
    refused = "bare" in TRAITS[under] or TRAITS[over] & {"sha256"} != TRAITS[under] & {"sha256"}
    assert result == ("refused.repository" if refused else "done")


@pytest.mark.parametrize("name", NAMES)
def test_restore_into_a_new_repository(name: str, built: Built, tmp_path: Path) -> None:
    target = tmp_path / "new"
    with jellyformat.open(built.snapshot(name)) as box:
        wanted, missing = box.manifest.state, box.manifest.history.missing
    if wanted.operation is not None and wanted.operation.kind in ("rebase", "am", "bisect"):
        with pytest.raises(RefusedRepository, match=wanted.operation.kind) as caught:
            jellyformat.restore(built.snapshot(name), target)
        assert "--without-operation" in (caught.value.hint or "")
        assert not target.exists()
        wanted = replace(wanted, operation=None)
    done = jellyformat.restore(built.snapshot(name), target, any_names=True, without_operation=True)
    assert done.created
    if not missing:
        assert git(target, "fsck", "--no-dangling") == b""
    if name not in matrix.LEFT_OUT:
        assert matrix.plain(take(target).manifest.state) == matrix.plain(wanted)
    if name not in matrix.OWN_RULES:
        assert said(target) == said(built.repository(name))
