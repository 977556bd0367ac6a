"""The process that forks the children of ``test_restore_faults``: see ``zygote``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pygit2  # noqa: F401  # imported before forking
import pytest
import zygote

import jellyformat
from jellyformat.capture.capture import create_repository
from jellyformat.checkout import step, undo  # noqa: F401  # imported before forking
from jellyformat.checkout.journal import Change, Changer
from jellyformat.checkout.store import Store
from jellyformat.git.layout import find_repository


@dataclass(frozen=True)
class Step:
    """What the child does in a directory with the repository ``r`` and the snapshot ``x.jelly``."""

    run: Callable[[Path], object]


def restore(directory: Path) -> object:
    """The snapshot over the repository."""
    return jellyformat.restore(directory / "x.jelly", directory / "r")


def break_off(directory: Path, at: int) -> None:
    """A restore that stops when the journal is written and ``at`` changes are made, as if it were killed there."""
    made = [0]

    def stops(change: Change) -> bool:
        made[0] += 1
        return made[0] > at

    _break_off(directory, stops)


def break_off_behind(directory: Path, name: bytes) -> None:
    """The same, when the file ``name`` was put."""
    put = [False]

    def stops(change: Change) -> bool:
        before, put[0] = put[0], put[0] or change.path == name
        return before

    _break_off(directory, stops)


def _break_off(directory: Path, stops: Callable[[Change], bool]) -> None:
    make = Changer._make

    def some(self: Changer, change: Change) -> None:
        if stops(change):
            raise KeyboardInterrupt
        make(self, change)

    def dead(*unused: object) -> list[str]:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Changer, "_make", some)
        patch.setattr(Changer, "take_back", dead)
        patch.setattr("jellyformat.checkout.step.recover", lambda store: [])
        with pytest.raises(KeyboardInterrupt):
            restore(directory)
    assert Store(find_repository(directory / "r")).journal.exists()


STEPS: dict[str, Callable[[Path], object]] = {
    "restore": restore,
    "create": lambda directory: create_repository(directory / "new"),
    "new": lambda directory: jellyformat.restore(directory / "x.jelly", directory / "new"),
    "undo": lambda directory: jellyformat.undo(directory / "r"),
    "redo": lambda directory: jellyformat.redo(directory / "r"),
    "mend": lambda directory: jellyformat.history(directory / "r"),
}

if __name__ == "__main__":
    zygote.SCENARIOS.update({name: Step(run) for name, run in STEPS.items()})  # type: ignore[misc]
    zygote.main()
