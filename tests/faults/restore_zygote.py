"""The process that forks the children of ``test_restore_faults``: see ``zygote``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import zygote

import jellyformat
from jellyformat import moving, undoing  # noqa: F401  # imported before forking
from jellyformat.repository import find
from jellyformat.restorejournal import Change, Changer
from jellyformat.undolog import Store


@dataclass(frozen=True)
class Step:
    """What the child does in a directory with the repository ``r`` and the snapshot ``x.jelly``."""

    run: Callable[[Path], object]


def restore(directory: Path) -> object:
    """The snapshot over the repository."""
    return jellyformat.restore(directory / "x.jelly", directory / "r")


def break_off(directory: Path, at: int) -> None:
    """A restore that stops when the journal is written and some changes are made, as if it were killed there."""
    made = [0]
    make = Changer._make

    def some(self: Changer, change: Change) -> None:
        if made[0] == at:
            raise KeyboardInterrupt
        made[0] += 1
        make(self, change)

    def dead(*unused: object) -> list[str]:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Changer, "_make", some)
        patch.setattr(Changer, "take_back", dead)
        patch.setattr("jellyformat.moving.recover", lambda store: [])
        with pytest.raises(KeyboardInterrupt):
            restore(directory)
    assert Store(find(directory / "r").git_dir).journal.exists()


STEPS: dict[str, Callable[[Path], object]] = {
    "restore": restore,
    "new": lambda directory: jellyformat.restore(directory / "x.jelly", directory / "new"),
    "undo": lambda directory: jellyformat.undo(directory / "r"),
    "redo": lambda directory: jellyformat.redo(directory / "r"),
    "mend": lambda directory: jellyformat.history(directory / "r"),
}

if __name__ == "__main__":
    zygote.SCENARIOS.update({name: Step(run) for name, run in STEPS.items()})  # type: ignore[misc]
    zygote.main()
