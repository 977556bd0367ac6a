"""Which change between two checkpoints did it: the codes between them are halved until one is left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from jellyformat.errors import NoSnapshot
from jellyformat.hints import Hint, command
from jellyformat.timeline import LogEntry, log

Verdict = Literal["good", "bad", "skip"]


def codes_between(paths: Sequence[str], good: str, bad: str) -> list[LogEntry]:
    """The checkpoints from one to another, by time, the first of each run of the same code.

    Args:
        paths: Files, and directories that hold them.
        good: The path of the one to begin with.
        bad: The path of the one to end with; its own code comes last.

    Raises:
        NoSnapshot: ``good`` or ``bad`` is not there or carries none that can be read.
        ValueError: ``bad`` is not later than ``good``, or has the same code.
    """
    entries = [entry for entry in log(*paths, good, bad) if entry.snapshot_id is not None]
    entries.sort(key=lambda entry: entry.time or 0)
    places = {os.path.realpath(entry.file): number for number, entry in enumerate(entries)}
    ends = []
    for name in (good, bad):
        if os.path.realpath(name) not in places:
            raise NoSnapshot(f"{name} carries no snapshot that can be read", hint=Hint(command("verify", name)))
        ends.append(places[os.path.realpath(name)])
    if ends[0] > ends[1]:
        raise ValueError(f"{bad} is older than {good}: the bad one has to come after the good one")
    chosen = entries[ends[0] : ends[1] + 1]
    found = chosen[:1] + [new for old, new in pairwise(chosen) if not _is_same(old, new)]
    if len(found) == 1:
        raise ValueError(f"{good} and {bad} have the same code")
    return found


def _is_same(old: LogEntry, new: LogEntry) -> bool:
    """Whether two checkpoints have the same files."""
    return new.snapshot_id == old.snapshot_id or (new.since == old.file and new.edits == ())


@dataclass
class Bisection:
    """A search for the first bad one of ``codes``, of which the first is good and the last bad."""

    codes: Sequence[LogEntry]
    steps: int = 0
    _good: int = 0
    _bad: int = 0
    _skipped: set[int] = field(default_factory=set)
    _asked: int | None = None

    def __post_init__(self) -> None:
        self._bad = len(self.codes) - 1

    @property
    def left(self) -> int:
        """How many codes may be the first bad one."""
        return self._bad - self._good

    def next(self) -> LogEntry | None:
        """The checkpoint to look at now; None where the first bad one is known, or all that are left were skipped."""
        middle = (self._good + self._bad) // 2
        open_ = [number for number in range(self._good + 1, self._bad) if number not in self._skipped]
        self._asked = min(open_, key=lambda number: (abs(number - middle), number), default=None)
        return None if self._asked is None else self.codes[self._asked]

    def say(self, verdict: Verdict) -> None:
        """Say how the checkpoint is that `next` gave."""
        assert self._asked is not None
        self.steps += 1
        if verdict == "good":
            self._good = self._asked
        elif verdict == "bad":
            self._bad = self._asked
        else:
            self._skipped.add(self._asked)

    @property
    def last_good(self) -> LogEntry:
        """The last one that is known to be good."""
        return self.codes[self._good]

    @property
    def suspects(self) -> list[LogEntry]:
        """Those of which the first bad one is one; the last is bad."""
        return list(self.codes[self._good + 1 : self._bad + 1])
