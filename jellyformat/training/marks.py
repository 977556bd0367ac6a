"""Which checkpoint of which run, and what is said of it: the labels, note and run that save calls put in (SPEC JF-EXT).

All checkpoints of a process are one run, those of the processes that a launcher started together too, or that
multiprocessing did. `start` begins another one, or goes on with that of the checkpoint that training resumes from.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from jellyformat.capture.labels import fitting, labelled
from jellyformat.format import extensions
from jellyformat.format.extensions import RUN, SIGNATURES, Run, run_of
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import Readable
from jellyformat.snapshots import Snapshot

_LAUNCHERS = (
    ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"),
    ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT"),
)
"""What names the processes that were started together, by who starts them."""


class _Marks:
    """The run of this process, and the labels of its checkpoints."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.labels: dict[str, object] = {}
        self._begun = itertools.count()
        self.begin()

    def begin(self) -> None:
        """Another run."""
        self.id = _run_id(next(self._begun))
        self.sequence = 0
        self.parent: bytes | None = None

    def renew(self) -> None:
        """A lock that nobody holds: in a forked child, the thread that held it is not there."""
        self.lock = threading.RLock()


def _run_id(number: int) -> bytes:
    """Of the launcher's job, if one started this process; else of the key that multiprocessing gives its children."""
    for names in _LAUNCHERS:
        if os.environ.get(names[0], "none") not in ("", "none"):
            text = "\0".join(f"{name}={os.environ.get(name, '')}" for name in names)
            return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:16]
    try:
        from multiprocessing.process import current_process
    except ImportError:  # a system that has none of it
        return os.urandom(16)
    if number == 0:
        return hashlib.sha256(b"jellyformat run\0" + current_process().authkey).digest()[:16]
    return os.urandom(16)


_MARKS = _Marks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _MARKS.renew())


def label(**values: object) -> None:
    """Labels of all checkpoints that this process saves from now on: ``label(step=100, loss=0.3)``.

    A later value takes the place of an earlier one; None takes the label away. `jellyformat.log` shows them, chooses
    and sorts by them. Numbers of numpy and torch are taken as they are.
    """
    with _MARKS.lock:
        _MARKS.labels.update(values)
        _MARKS.labels = {name: value for name, value in _MARKS.labels.items() if value is not None}


def begin_run() -> None:
    """Another run begins: its first checkpoint has no parent, and no label of before."""
    with _MARKS.lock:
        _MARKS.begin()
        _MARKS.labels = {}


def resume(file: Readable) -> None:
    """Go on with the run of a checkpoint that training resumes from: it is the parent of the next one.

    Args:
        file: The checkpoint: a path, a binary file object, or a URL that fsspec knows.

    Raises:
        NoSnapshot: it carries none.
        FormatError: it is damaged.
        SystemFailure: it cannot be read.
    """
    with open_container(file) as box:
        run = run_of(box.manifest.extensions)
        digest = bytes.fromhex(box.digest)
    with _MARKS.lock:
        _MARKS.id = _MARKS.id if run is None else run.id
        _MARKS.sequence = 1 if run is None else run.sequence + 1
        _MARKS.parent = digest


def mark(
    snap: Snapshot,
    labels: Mapping[str, object] | None,
    note: str | None,
    own: Mapping[str, Any],
    sign: Callable[[bytes], bytes],
    *,
    left_out: Callable[[list[str]], None] | None = None,
) -> Snapshot:
    """A snapshot as it goes into the next checkpoint of this process: with its labels, note and place in the run.

    Args:
        snap: The snapshot. One that is signed stays as it is.
        labels: What the caller says of the checkpoint.
        note: The same, as a text.
        own: What the framework says of it; `label` and ``labels`` go before it.
        sign: Signs a container, or gives it back as it is; it raises nothing but what is to be raised here.
        left_out: Is told which labels are longer than allowed, which are then left out. None: they are an error.

    Raises:
        Usage: a label or note is longer than allowed.
        FormatError: the snapshot is damaged.
    """
    if SIGNATURES in snap.manifest.extensions:
        return Snapshot(sign(snap.data))
    with _MARKS.lock:
        said = {**fitting(own), **_MARKS.labels, **(labels or {})}
        if left_out is not None:
            kept = fitting(said)
            left_out([str(name) for name in said if str(name) not in kept])
            said = kept
        run = extensions.to_value(Run(_MARKS.id, _MARKS.sequence, _MARKS.parent))
        made = Snapshot(labelled(snap.data, said, note, more={RUN: run}))
        _MARKS.sequence += 1
        _MARKS.parent = bytes.fromhex(made.digest)
    signed = Snapshot(sign(made.data))  # which may take a while
    with _MARKS.lock:
        if _MARKS.parent == bytes.fromhex(made.digest):
            _MARKS.parent = bytes.fromhex(signed.digest)
    return signed
