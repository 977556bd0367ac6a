"""Samples of what takes too long to be tested whole each time: every commit takes another share.

JELLYFORMAT_ALL=1 takes all tests that are `sampled`, JELLYFORMAT_FULL=1 also all that one test takes a sample of.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FULL = bool(os.environ.get("JELLYFORMAT_FULL"))
ALL = FULL or bool(os.environ.get("JELLYFORMAT_ALL"))


def _turn() -> int:
    """Which share: the number of commits says, so that one commit has one result."""
    counted = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return int(counted.stdout) if counted.stdout.strip().isdigit() else 0


_TURN = _turn()


def share(items: Sequence[T], shares: int, place: int = 0) -> list[T]:
    """What of ``items`` is tried in this run: one of so many shares of them.

    Args:
        items: All.
        shares: How many shares there are.
        place: Which of several such lists this is: no two that follow each other give the same share.
    """
    return [item for number, item in enumerate(items) if FULL or (number + place + _TURN) % shares == 0]
