"""What the page of ``view`` shows: one checkpoint, or the timeline of many of which each can be opened."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from jellyformat.errors import JellyError, NoSnapshot, SystemFailure
from jellyformat.files import durable
from jellyformat.fleet import index
from jellyformat.format.container import Container
from jellyformat.format.source import Window
from jellyformat.format.text import decoded, plural
from jellyformat.gathering import Missed
from jellyformat.hints import Hint, command
from jellyformat.hosts import directories
from jellyformat.hosts.open import open_container
from jellyformat.hosts.remote import stands_for_many
from jellyformat.selecting import Selection
from jellyformat.timeline import LogEntry, Query, entries, with_damaged
from jellyformat.verifier import verify

MOST_ROWS = 20_000
MOST_BYTES = 64 << 20
"""Of the timeline, as it goes to the page."""
_LABELS = 100
_EDITS = 20
_CLAIMS = 5
_TEXT = 300
"""Of one checkpoint, and characters of each text of it."""
_OPEN = 8
"""Files kept open at once."""


class _Checkpoint:
    """A container that is opened when it is first read, and again after it was closed for others."""

    def __init__(self, file: str, digest: str | None = None) -> None:
        self.file = file
        self._digest = digest
        self._lock = threading.Lock()
        self._box: Container | None = None
        self._source: Window | None = None

    @property
    def size(self) -> int:
        """Length in bytes."""
        with self._lock:
            return self._opened()[1].size

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        with self._lock:
            return self._opened()[1].read_at(offset, length)

    def facts(self) -> dict[str, object]:
        """What the page cannot know: where the container lies, and in which file."""
        with self._lock:
            box, source = self._opened()
            return {
                "file": self.file,
                "host": box.host,
                "form": box.form,
                "holder": None if box.file is None else str(box.file),
                "host_changed": box.host_changed,
                "lost_host": box.lost_host,
                "size": _size(self.file),
                "container_bytes": source.size,
            }

    def open(self) -> None:
        """Open it, as far as it is not.

        Raises:
            As `open_container`, and SystemFailure where it is another one than before.
        """
        with self._lock:
            self._opened()

    def close(self) -> None:
        """Close it until it is read again."""
        with self._lock:
            if self._box is not None:
                self._box.close()
                self._box = self._source = None

    def _opened(self) -> tuple[Container, Window]:
        if self._box is None or self._source is None:
            box = open_container(self.file)
            if self._digest not in (None, box.digest):
                box.close()
                raise SystemFailure(
                    f"{self.file} has another snapshot than when this page was opened",
                    hint="nothing was changed; load the table again, or start view again",
                )
            self._digest = box.digest
            self._box, self._source = box, Window(box.source, 0, box.header.total_length)
        return self._box, self._source


def _size(file: str) -> int | None:
    """The bytes of a file; None of a directory or URL."""
    try:
        return None if Path(file).is_dir() else Path(file).stat().st_size
    except OSError:
        return None


@dataclass(frozen=True)
class _Listed:
    """What there is.

    Attributes:
        said: What the page is told.
        files: The checkpoints: the name of each, and the digest that it had when it was looked at.
    """

    said: dict[str, object]
    files: Sequence[tuple[str, str | None]]


class View:
    """What is shown. Containers are read when the page asks for them; several threads may ask at once.

    A checkpoint keeps its number as long as it is the same container, for all pages that are open: one that was
    replaced has another.

    Args:
        look: Finds what there is. It is asked now, and each time the page is loaded again.

    Raises:
        What ``look`` raises.
    """

    def __init__(self, look: Callable[[], _Listed]) -> None:
        self._look = look
        self._looking = threading.Lock()
        self._checkpoints: list[_Checkpoint] = []
        self._numbers: dict[tuple[str, str | None], int] = {}
        self._lock = threading.Lock()
        self._open: OrderedDict[int, _Checkpoint] = OrderedDict()
        self._first: bytes | None = self._numbered(look())

    def listing(self) -> bytes:
        """What there is, as JSON: at first what was found when this was made, then what is found now."""
        with self._looking:
            first, self._first = self._first, None
            if first is not None:
                return first
            try:
                return self._numbered(self._look())
            except JellyError as error:
                return json.dumps({"one": False, "name": "", "rows": [], "error": error.to_json()}).encode()

    def _numbered(self, found: _Listed) -> bytes:
        numbers = []
        for file, digest in found.files:
            number = self._numbers.setdefault((file, digest), len(self._checkpoints))
            if number == len(self._checkpoints):
                self._checkpoints.append(_Checkpoint(file, digest))
            numbers.append(number)
        return json.dumps({**found.said, "numbers": numbers}).encode()

    def about(self, number: int) -> bytes:
        """Where a checkpoint's container lies, as JSON; of one that cannot be opened the error."""
        try:
            return json.dumps(self.checkpoint(number).facts()).encode()
        except JellyError as error:
            return json.dumps({"file": self._checkpoints[number].file, "error": error.to_json()}).encode()

    def report(self, number: int) -> bytes:
        """What `verify` finds in a checkpoint now, its host included, as JSON."""
        file = self._checkpoints[number].file
        try:
            return json.dumps(verify(file).to_json()).encode()
        except JellyError as error:
            return json.dumps({"file": file, "ok": False, "checks": [], "error": error.to_json()}).encode()

    def checkpoint(self, number: int) -> _Checkpoint:
        """The bytes of a checkpoint's container.

        Raises:
            IndexError: there is none of this number.
            JellyError: it cannot be opened any more, or is another one now.
        """
        found = self._checkpoints[number]
        found.open()
        with self._lock:
            self._open[number] = found
            self._open.move_to_end(number)
            others = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - _OPEN)]
        for other in others:
            other.close()
        return found

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for found in self._open.values():
                found.close()


def is_one(paths: Sequence[str]) -> bool:
    """Whether one checkpoint is meant, not the timeline of many: a file, its URL, or a directory that is one.

    Raises:
        NoFile: there is nothing behind a URL.
        SystemFailure: it cannot be asked for.
    """
    if len(paths) != 1 or index.is_index(paths[0]):
        return False
    if "://" in paths[0] and not durable.is_there(Path(paths[0])):
        return not stands_for_many(paths[0])
    return not durable.is_directory(Path(paths[0])) or directories.named_by(Path(paths[0])) is not None


def view_one(file: str) -> View:
    """One checkpoint.

    Raises:
        NoSnapshot: it carries none.
        FormatError: it is damaged, so that not even its manifest can be read.
        SystemFailure: it cannot be read.
    """
    view = View(lambda: _Listed({"one": True}, [(file, None)]))
    view.checkpoint(0)
    return view


def view_many(paths: Sequence[str]) -> View:
    """The timeline of all checkpoints in some files and below some directories, so far as a page can show it.

    Raises:
        NoFile: there is no such file.
        NoSnapshot: no file there carries one.
    """
    return View(partial(_listed, paths))


def _listed(paths: Sequence[str]) -> _Listed:
    missed = Missed()
    found = with_damaged(list(entries(paths, Query(Selection()), missed)), missed)
    rows: list[dict[str, object]] = []
    room = MOST_BYTES
    for entry in found[:MOST_ROWS]:
        row = _row(entry)
        room -= len(json.dumps(row))
        if room < 0:
            break
        rows.append(row)
    if not found:
        raise NoSnapshot(
            f"no file there has a snapshot: {plural(len(missed.without), 'file')} without one",
            hint=Hint("put one into a checkpoint with: ", command("embed", "FILE")),
        )
    name = " ".join(Path(path).resolve().name for path in paths)
    said = {
        "one": False,
        "name": name,
        "rows": rows,
        "left_out": len(found) - len(rows),
        "without": len(missed.without),
    }
    return _Listed(said, [(entry.file, entry.digest) for entry in found[: len(rows)]])


def _row(entry: LogEntry) -> dict[str, object]:
    edits = entry.edits or ()
    return {
        "file": entry.file,
        "host": entry.host,
        "snapshot_id": entry.snapshot_id,
        "digest": entry.digest,
        "time": entry.time,
        "ref": entry.ref,
        "commit": entry.commit,
        "subject": _short(entry.subject),
        "dirty": entry.dirty,
        "uncommitted": entry.uncommitted,
        "labels": {name: _short(value) for name, value in islice(entry.labels.items(), _LABELS)},
        "more_labels": max(0, len(entry.labels) - _LABELS),
        "note": _short(entry.note),
        "run": None if entry.run is None else {"id": entry.run.id.hex(), "sequence": entry.run.sequence},
        "edited": len(entry.edited),
        "since": entry.since,
        "edits": [
            {
                "change": edit.change,
                "path": decoded(edit.path[:_TEXT]),
                "counts": edit.counts(),
                "text": _short(edit.text),
            }
            for edit in edits[:_EDITS]
        ],
        "more_edits": max(0, len(edits) - _EDITS),
        "signatures": [
            {"key_type": _short(item.key_type), "fingerprint": _short(item.fingerprint), "detail": _short(item.detail)}
            for item in entry.signatures[:_CLAIMS]
        ],
        "more_signatures": max(0, len(entry.signatures) - _CLAIMS),
        "damaged": None if entry.damaged is None else _error(entry.damaged),
    }


def _error(error: JellyError) -> dict[str, object]:
    return {name: _short(value) if isinstance(value, str) else value for name, value in error.to_json().items()}


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _TEXT else text[: _TEXT - 1] + "…"
