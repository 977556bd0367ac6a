"""What MLflow and Weights & Biases are told of a checkpoint that was saved, where a run of theirs is active.

Their pages then lead to the file and its code. Neither is imported here: only a program that has done so has a run.
They are told by a thread of ours, which training does not wait for, and whatever goes wrong there is no affair of it.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from jellyformat.hints import command
from jellyformat.snapshots import Snapshot
from jellyformat.training import process

_LOG = logging.getLogger(__name__)
_LAST_WAIT = 1.0
"""Seconds that the end of the program waits for trackers to be told."""
_NOT_IN_KEYS = re.compile(r"[^\w./ -]")
"""What MLflow does not take in a name."""
_KEY, _VALUE, _PARAM = 250, 5000, 500
"""Characters of a name, of a tag and of a parameter, that every MLflow server takes."""
_MOST = 100
"""Tags that MLflow takes at once."""
_CODE_DIGITS = 12

Values = Mapping[str, str]
Tell = Callable[[Values, Values], object]
"""Tells a tracker what is known of a checkpoint, and its labels."""


def saved(path: str | os.PathLike[str], snap: Snapshot | None) -> None:
    """Tell the trackers at work in this program that a checkpoint with a snapshot was saved.

    Args:
        path: The file, directory or URL.
        snap: What was put in; None: nothing is told.
    """
    if snap is None:
        return
    try:
        for run, tell in _active():
            name = os.fspath(path)
            _TELLER.tell(run, lambda name=name, tell=tell: tell(*_values(name, snap)))  # type: ignore[misc]
    except Exception as error:  # a training run is worth more than what is said of it
        _LOG.debug("no tracker was told of %s: %s", path, error)


def embed(
    path: str | os.PathLike[str], snap: Snapshot | None, *, strict: bool = False, one_record: bool = False
) -> str | None:
    """Put a snapshot into a checkpoint that was just written, and tell the trackers at work of it.

    Args:
        path: The file, or the directory: of any kind, as what tells its kind may be written only later (SPEC JF-DIR).
        snap: The snapshot; it takes the place of one that may be there. None, as `start` gives it where none is to be,
            or could be, taken: nothing is done.
        strict: Raise what otherwise is a warning; the checkpoint is then as it was.
        one_record: Whether it is one pickle, array or the like and nothing more, of a kind whose readers stop at its
            end: then the snapshot can stand behind it (SPEC JF-TRL).

    Returns:
        The host's kind, as `jellyformat.embed` gives it; None where it could not be put in.

    Raises:
        JellyError: with ``strict`` alone.
    """
    if snap is None:
        return None
    kind = process.embed(path, snap, strict=strict, one_record=one_record)
    saved(path, None if kind is None else snap)
    return kind


def embed_remotely(url: str, snap: Snapshot | None, *, strict: bool = False) -> None:
    """Put a snapshot into a directory that was just written elsewhere; as `embed`.

    Args:
        url: Of the directory, in a filesystem that fsspec knows.
        snap: The snapshot; None: nothing is done.
        strict: Raise what otherwise is a warning.
    """
    if snap is None:
        return
    saved(url, snap if process.embed_remotely(url, snap, strict=strict) else None)


def _active() -> list[tuple[Hashable, Tell]]:
    """The runs that are active, with how each is told; no tracker is imported for it."""
    found: list[tuple[Hashable, Tell]] = []
    mlflow: Any = sys.modules.get("mlflow")
    active = getattr(mlflow, "active_run", None)
    run = active() if callable(active) else None
    if run is not None:
        run_id = str(run.info.run_id)
        found.append((("mlflow", run_id), lambda values, labels: _tell_mlflow(mlflow, run_id, values, labels)))
    wandb_run: Any = getattr(sys.modules.get("wandb"), "run", None)
    if wandb_run is not None:
        found.append((("wandb", id(wandb_run)), lambda values, labels: _tell_wandb(wandb_run, values, labels)))
    return found


def _values(name: str, snap: Snapshot) -> tuple[Values, Values]:
    """What is known of a checkpoint, as an index has it, and its labels."""
    from jellyformat.fleet.rows import row_of, versions_of

    place = name if "://" in name else os.path.abspath(name)  # noqa: PTH100  (it may be a string with a URL's like)
    with snap.open() as box:
        row = row_of(
            box,
            file=place,
            stamp=None,
            holder=place,
            holder_stamp=None,
            versions=versions_of(box.manifest.environment),
        )
    known = {
        "file": place,
        "restore": command("restore", place).command_line(),
        "created": row.created,
        "snapshot_id": row.snapshot_id,
        "digest": row.digest,
        "code": row.code,
        "branch": row.branch,
        "commit": row.commit,
        "subject": row.subject,
        "dirty": str(row.dirty).lower(),
        "signed": str(row.signed).lower(),
        "run": None if row.run is None else row.run.id.hex(),
        "sequence": None if row.run is None else str(row.run.sequence),
        "note": row.note,
        **{f"version.{package}": version for package, version in row.versions.items()},
    }
    return {key: _text(value) for key, value in known.items() if value}, dict(row.labels)


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def _tell_mlflow(mlflow: Any, run_id: str, values: Values, labels: Values) -> None:
    """Tags of the run, of its newest checkpoint; and of its first, what MLflow calls parameters."""
    client = mlflow.MlflowClient()
    entities = sys.modules["mlflow.entities"]
    said = {f"jellyformat.{key}": value for key, value in values.items()}
    said |= {f"jellyformat.label.{key}": value for key, value in labels.items()}
    tags = [entities.RunTag(_NOT_IN_KEYS.sub("_", key)[:_KEY], value[:_VALUE]) for key, value in said.items()]
    for at in range(0, len(tags), _MOST):
        client.log_batch(run_id, tags=tags[at : at + _MOST])
    there = client.get_run(run_id).data.params  # which cannot be changed
    for key in ("snapshot_id", "commit", "branch"):
        name = f"jellyformat.{key}"
        if key in values and name not in there:
            client.log_param(run_id, name, values[key][:_PARAM])


def _tell_wandb(run: Any, values: Values, labels: Values) -> None:
    """The run's configuration, and a tag that runs of the same code have in common."""
    said = {"jellyformat": {**values, "label": dict(labels)}}
    run.config.update(said, allow_val_change=True)
    tag = f"code-{values['code'][:_CODE_DIGITS]}"
    if tag not in (run.tags or ()):
        run.tags = (*(run.tags or ()), tag)


class _Teller:
    """A thread that tells; of each run it has only the newest to tell."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[Hashable, Callable[[], object]] = {}
        self._thread: threading.Thread | None = None
        self._is_busy = False

    def tell(self, run: Hashable, tell: Callable[[], object]) -> None:
        """Have something told, in place of what was to be told of the run before."""
        with self._changed:
            self._waiting[run] = tell
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="jellyformat-trackers", daemon=True)
                self._thread.start()
                atexit.register(self.finish, _LAST_WAIT)
            self._changed.notify_all()

    def finish(self, seconds: float) -> bool:
        """Wait until all is told, or so long; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._is_busy, seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                tell = self._waiting.pop(next(iter(self._waiting)))
                self._is_busy = True
            try:
                tell()
            except BaseException as error:
                _LOG.debug("a tracker was not told: %s", error)
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()


_TELLER = _Teller()


def _after_in_child() -> None:
    """In a forked child, the thread is not there, and its lock may be held for ever."""
    global _TELLER
    _TELLER = _Teller()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
