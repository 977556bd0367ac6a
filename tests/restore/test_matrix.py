"""Every state restored over every other, undone, redone and undone again, with everything equal.

One run takes a share of the pairs: each state is above and below several others, and every commit takes another share.
JELLYFORMAT_FULL=1 takes all.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import matrix
import pytest
from images import Built, said, take
from sample import share
from states import NEWER_GIT, STATES, TRAITS, git

import jellyformat
from jellyformat.errors import RefusedRepository

pytestmark = pytest.mark.slow
UNSEEN = {name for name in STATES if TRAITS[name] & {"unreadable", "root"} and os.geteuid() != 0}
UNSEEN |= {name for name in STATES if "newer git" in TRAITS[name] and NEWER_GIT is None}
NAMES = sorted(STATES.keys() - UNSEEN)
SHARES = 61
REFUSED_KINDS = ("rebase", "am", "bisect")


def chosen(under: str) -> list[str]:
    """The states to restore over ``under`` in this run; itself is always one of them."""
    found = share(NAMES, SHARES, NAMES.index(under))
    return found if under in found else [*found, under]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("under", NAMES)
def test_restore_undo_redo(under: str, built: Built, tmp_path: Path) -> None:
    with matrix.Under(under, built, tmp_path / "x") as place:
        for over in chosen(under):
            try:
                result = place.check(over)
            except matrix.Wrong as error:
                pytest.fail(f"{over} over {under}: {error}")
            refused = "bare" in TRAITS[under] or TRAITS[over] & {"sha256"} != TRAITS[under] & {"sha256"}
            assert result == ("refused.repository" if refused else "done"), f"{over} over {under}"
        place.settle()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", NAMES)
def test_restore_into_a_new_repository(name: str, built: Built, tmp_path: Path) -> None:
    target = tmp_path / "new"
    with jellyformat.open(built.snapshot(name)) as box:
        wanted, missing = box.manifest.state, box.manifest.history.missing
    if wanted.operation is not None and wanted.operation.kind in REFUSED_KINDS:
        with pytest.raises(RefusedRepository, match=wanted.operation.kind) as caught:
            jellyformat.restore(built.snapshot(name), target)
        assert "without_operation=True" in (caught.value.hint or "")
        assert not target.exists()
        wanted = replace(wanted, operation=None)
    done = jellyformat.restore(built.snapshot(name), target, any_names=True, without_operation=True)
    assert done.created
    if not missing:
        assert git(target, "fsck", "--no-dangling") == b""
    if name not in matrix.LEFT_OUT:
        assert matrix.plain(take(target).manifest.state) == matrix.plain(wanted)
    if name not in matrix.OWN_RULES:
        assert said(target) == built.said(name)
