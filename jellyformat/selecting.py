"""Which checkpoints of many: by time, branch, code and labels; and how they are sorted."""

from __future__ import annotations

import datetime
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, TypeAlias

from jellyformat.errors import Usage
from jellyformat.files import durable
from jellyformat.fleet.rows import Row
from jellyformat.format.info import SnapshotInfo
from jellyformat.hosts.directories import named_by
from jellyformat.hosts.open import open_container

_CONDITION = re.compile(r"\s*(?P<name>[^<>=!~]+?)\s*(?:(?P<how><=|>=|==|!=|<|>|=|~)\s*(?P<value>.*?)\s*)?", re.DOTALL)
_AGO = re.compile(r"(\d+)\s*(s|m|h|d|w|y|(?:second|minute|hour|day|week|month|year)s?)(?:\s+ago)?", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9a-f]{32,64}")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600, "month": 2_629_800}
Info: TypeAlias = Row | SnapshotInfo
"""What is known of a checkpoint."""
_FACTS: Final[Mapping[str, Callable[[Info], str | None]]] = {
    "branch": lambda info: info.branch,
    "code": lambda info: info.snapshot_id,
    "commit": lambda info: info.commit,
    "dirty": lambda info: str(info.dirty).lower(),
    "file": lambda info: info.file,
    "host": lambda info: info.host,
    "note": lambda info: info.note,
    "run": lambda info: run_of(info),
    "sequence": lambda info: None if info.run is None else str(info.run.sequence),
    "subject": lambda info: info.subject,
    "time": lambda info: str(info.time),
}
FACTS: Final = tuple(_FACTS)
"""What is known of every checkpoint; a label of the same name goes before."""
_IDS = frozenset(("code", "commit", "run"))
"""Those of which the first digits are enough."""


@dataclass(frozen=True)
class Condition:
    """Such as ``val_loss<0.2``; ``how`` is None where it is enough that the label is there."""

    name: str
    how: str | None
    value: str

    def holds(self, info: Info) -> bool:
        """Whether it holds of a checkpoint; of one without the label, only ``!=`` does."""
        found = value_of(info, self.name)
        if found is None:
            return self.how == "!="
        if self.how is None:
            return True
        if self.how == "~":
            return self.value.lower() in found.lower()
        if self.name in _IDS and self.name not in info.labels and self.how in ("=", "==", "!="):
            return _is_meant(found, self.value) == (self.how != "!=")
        one, two = _number(found), _number(self.value)
        if one is None or two is None:
            if self.how in ("=", "==", "!="):
                return (found == self.value) == (self.how != "!=")
            return False
        return {
            "=": one == two, "==": one == two, "!=": one != two,
            "<": one < two, ">": one > two, "<=": one <= two, ">=": one >= two,
        }[self.how]  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """Which checkpoints, and in what order.

    Attributes:
        since: Captured then or later, in seconds since 1970.
        until: Captured then or earlier.
        branch: The branch's name, or a glob of it.
        code: What the snapshot's id or the commit begins with.
        where: What has to hold.
    """

    since: int | None = None
    until: int | None = None
    branch: str | None = None
    code: str | None = None
    where: tuple[Condition, ...] = ()

    def takes(self, info: Info) -> bool:
        """Whether a checkpoint is one of them."""
        if self.since is not None and info.time < self.since:
            return False
        if self.until is not None and info.time > self.until:
            return False
        if self.branch is not None and not fnmatchcase(info.branch or "", self.branch):
            return False
        if self.code is not None and not any(
            (name or "").startswith(self.code.lower()) for name in (info.snapshot_id, info.commit)
        ):
            return False
        return all(condition.holds(info) for condition in self.where)


def value_of(info: Info, name: str) -> str | None:
    """A label of a checkpoint, or what else is known of it under that name; None for nothing."""
    if name in info.labels:
        return info.labels[name]
    fact = _FACTS.get(name)
    return None if fact is None else fact(info)


def run_of(info: Info) -> str:
    """The name of the run that a checkpoint belongs to: the id in the extension `run`, else its directory."""
    return directory_of(info.file) if info.run is None else info.run.id.hex()


def directory_of(file: str) -> str:
    """The directory of a file, or the URL above it."""
    above, slash, _ = file.rpartition("/")
    return above or slash or "."


def sort_key(info: Info, name: str, *, reverse: bool) -> tuple[int, float, str]:
    """A key that sorts by a label: numbers, then texts, then those without it, ``reverse`` or not."""
    found = value_of(info, name)
    if found is None:
        return (2, 0.0, "")
    number = _number(found)
    if number is not None and not math.isnan(number):
        return (0, -number if reverse else number, "")
    turned = "".join(chr(0x10FFFF - ord(char)) for char in found) + chr(0x10FFFF) if reverse else found
    return (1, 0.0, turned)


def conditions(given: str | Sequence[str]) -> tuple[Condition, ...]:
    """The conditions in texts.

    Raises:
        Usage: one is none.
    """
    found = []
    for text in (given,) if isinstance(given, str) else given:
        match = _CONDITION.fullmatch(text)
        if match is None or (match["how"] is not None and not match["value"]):
            raise Usage(f"{text!r} is no condition", hint="name a label and a value: val_loss<0.2, or optimizer=adam")
        found.append(Condition(match["name"], match["how"], match["value"] or ""))
    return tuple(found)


def moment(text: str | None) -> int | None:
    """A point in time, in seconds since 1970: ``2026-01-31``, ``2026-01-31 12:00``, ``@1769860800``, ``2 days ago``.

    Raises:
        Usage: it is none.
    """
    if text is None:
        return None
    words = text.strip()
    if re.fullmatch(r"@\d{1,15}", words):
        return int(words[1:])
    now = time.time()
    if words.lower() in ("now", "today", "yesterday"):
        midnight = datetime.datetime.combine(datetime.date.today(), datetime.time())
        days = {"now": None, "today": 0, "yesterday": 1}[words.lower()]
        return int(now) if days is None else int((midnight - datetime.timedelta(days=days)).timestamp())
    ago = _AGO.fullmatch(words)
    if ago is not None and len(ago[1]) < 10:
        unit = ago[2].lower().removesuffix("s") or "s"
        return int(now) - int(ago[1]) * _SECONDS["month" if unit.startswith("mon") else unit[0]]
    try:
        found = datetime.datetime.fromisoformat(re.sub(r"[Zz]\Z", "+00:00", words))
        return math.floor(found.timestamp())  # without a zone: the local time
    except (OverflowError, ValueError, OSError):
        raise Usage(f"{text!r} is no time", hint="say 2026-01-31, 2026-01-31T12:00, @SECONDS or 2 days ago") from None


def code_of(name: str | None) -> str | None:
    """What the id of a code begins with: as it was given, or, where a checkpoint is named, that of its code.

    Raises:
        NoSnapshot: the file carries none.
        FormatError: it is damaged.
    """
    if name is None or not (durable.is_file(Path(name)) or named_by(Path(name)) is not None):
        return name
    with open_container(name) as box:
        return box.info().snapshot_id


def path_matches(path: bytes, glob: str) -> bool:
    """Whether a path of the code is meant: by a glob of it, of its name, or by a directory above it."""
    text = path.decode("utf-8", "surrogateescape")
    return (
        fnmatchcase(text, glob) or fnmatchcase(text.rpartition("/")[2], glob) or text.startswith(glob.rstrip("/") + "/")
    )


def _is_meant(name: str, begin: str) -> bool:
    """Whether an id begins so; or whether a run's directory is this one."""
    if _DIGITS.fullmatch(name) is None:
        return name == (begin.rstrip("/") or begin)
    return name.startswith(begin.lower().rstrip("+"))  # log shows it behind a commit with changes


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text)
