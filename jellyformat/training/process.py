"""Snapshots taken while a model trains: on one rank only, once a process, and never the end of the run.

What the frameworks' save calls share. A capture that fails, or leaves something out, is a warning; the checkpoint is
saved all the same. ``strict=True`` makes an error of it.

A process runs the code as it was when that was imported, not as it was edited while training went on. So the import
of an adapter begins the capture, in the background, and all saves in the process use that one snapshot. With
``JELLYFORMAT_AT=save`` the first save takes it; `start` takes it at once. What is edited on disk after that moment is
in no checkpoint of the process. What was loaded before, and was edited when the capture read it, is said, and noted in
the snapshot. A module may be imported late, or a script started late as another process. If its file was edited
meanwhile, what runs is newer than the snapshot: call `start` then, and again where a new run begins. At a prompt or in
a notebook, where code changes while the process lives, each save without a `start` takes a snapshot of its own. A
forked process has what its parent had.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from jellyformat import snapshots
from jellyformat.capture import program
from jellyformat.capture.place import Place, place_of, said_once
from jellyformat.capture.watch import stack_level
from jellyformat.errors import (
    CaptureWarning,
    JellyError,
    NoRepository,
    NoSnapshot,
    PromptWarning,
    RefusedExists,
    RefusedHost,
    SystemFailure,
    Usage,
)
from jellyformat.files import durable
from jellyformat.format.frames import MAGIC
from jellyformat.format.paths import show_name
from jellyformat.git import layout
from jellyformat.hosts import directories, sidecar
from jellyformat.hosts.directories import FILE_NAME, Directory
from jellyformat.hosts.registry import Readable
from jellyformat.snapshots import Snapshot
from jellyformat.training import background, marks
from jellyformat.training.background import Capture
from jellyformat.training.ranks import OVERRIDE, is_first_rank

TIMEOUT = "JELLYFORMAT_TIMEOUT"
"""The environment variable that says the same as ``timeout=``."""
_SECONDS = 30.0
_SHOWN = 3
_EXPECTED = ("excluded", "environment", "cache", "tracker", "weights", "filter")
"""Reasons of which nothing is said here: nobody misses what they are for, and capture tells of filters."""
_ORDINARY = {"repo": None, "history": "head"}
"""Options that say what is done without them."""


class SnapshotWarning(UserWarning):
    """A checkpoint was saved without a snapshot, or with one that lacks something."""


class _Kept:
    """The snapshots of this process."""

    def __init__(self) -> None:
        self.started: Capture | None = None
        self.seconds: float | None = None
        self.ranks: str | None = None
        self.sign: bool | str | None = None
        self.taken: dict[Hashable, Capture] = {}
        self.renew()

    def renew(self) -> None:
        """As a forked child has them: it has what was taken, and none of the threads that hold the lock or capture."""
        self.lock = threading.RLock()
        self.started = self.started if self.started is not None and self.started.is_done else None
        self.taken = {key: capture for key, capture in self.taken.items() if capture.is_done}


_KEPT = _Kept()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _KEPT.renew())


def start(
    *,
    snapshot: Snapshot | None = None,
    strict: bool = False,
    ranks: str | None = None,
    timeout: float | None = None,
    labels: Mapping[str, object] | None = None,
    resume: Readable | None = None,
    sign: bool | str | None = None,
    **options: Any,
) -> Snapshot | None:
    """Begin a run: take the snapshot that every save call of this process uses from now on.

    That is every call that is given no ``snapshot`` and no options of capture. Called again, a new run begins, and
    what was taken before is let go; so is what the import of an adapter began.

    Args:
        snapshot: One that was taken elsewhere: a worker of Ray Train is sent the driver's, as a part of its ``config``.
        strict: Raise what otherwise is a warning.
        ranks: As for `take`, and for all save calls from now on.
        timeout: As for `take`, and for all save calls from now on.
        labels: Labels of all checkpoints of the run, as `label` sets them.
        resume: The checkpoint that training resumes from: the run goes on with it as the parent of the next one.
        sign: Whether, or with which key, save calls sign that are not told themselves; as for `mark`.
        options: As `jellyformat.snapshot` takes them.

    Returns:
        The snapshot; None where none is to be, or could be, taken: save calls then try for themselves.

    Raises:
        Usage: ``ranks`` is something else.
        JellyError: with ``strict`` alone.
    """
    with _KEPT.lock:
        background.forget()
        _KEPT.started = None
        _KEPT.taken.clear()
        _KEPT.seconds = timeout
        _KEPT.ranks = _checked(ranks)
        _KEPT.sign = sign
        marks.begin_run()
        marks.label(**(labels or {}))
        if resume is not None:
            go_on(resume, strict=strict)
        if snapshot is not None:
            _KEPT.started, options = Capture.of(snapshot), {}
        return _taken(options, strict, ranks, timeout, begins=True)


def take(
    *, strict: bool = False, ranks: str | None = None, timeout: float | None = None, **options: Any
) -> Snapshot | None:
    """The snapshot to be saved with a checkpoint; None where none is to be, or could be, taken.

    Without options it is that of `start`, that of the file which the environment variable ``JELLYFORMAT_SNAPSHOT``
    names, or the one that the import of an adapter began. Else it is taken now, or was
    when the same was asked for first: the same repository, and the same options but for ``carriers``. In an
    interactive session it is taken now.

    Args:
        strict: Raise what otherwise is a warning.
        ranks: ``first``: only the first of the processes that train together takes one; ``all``: each does.
            None: as `start` was told, or the environment variable ``JELLYFORMAT_RANKS`` says, else ``first``.
        timeout: Seconds that are waited for the snapshot: beyond that the checkpoint is saved without, and a warning
            says what takes so long. The capture goes on, and a later checkpoint has it when it is ready. None: as the
            environment variable ``JELLYFORMAT_TIMEOUT`` says, else 30.
        options: As `jellyformat.snapshot` takes them. What seems to be a secret or is too large is left out, unless
            ``secrets`` or ``oversize`` say otherwise, or ``strict``.

    Raises:
        Usage: ``ranks`` is something else.
        JellyError: with ``strict`` alone.
    """
    return _taken(options, strict, ranks, timeout, begins=False)


def _taken(
    options: dict[str, Any], strict: bool, ranks: str | None, timeout: float | None, *, begins: bool
) -> Snapshot | None:
    chosen = _checked(ranks or _KEPT.ranks or os.environ.get(OVERRIDE) or None)
    if chosen != "all" and not is_first_rank():
        return None
    try:
        with _KEPT.lock:
            capture = _capture(options)
            started = capture is _KEPT.started
            if begins:
                _KEPT.started = capture
        snap = _result(capture, _seconds(timeout))
        if strict and not started and background.is_withheld(snap) and not {"secrets", "oversize"} & options.keys():
            snap = snapshots.snapshot(**{**options, "repo": _place(options).path})  # it is refused
    except Exception as error:  # a training run is worth more than its snapshot
        _forget_failures()
        if strict:
            raise
        warn(f"no snapshot of the code was taken: {told(error)}")
        return None
    with _KEPT.lock:
        unsaid, capture.unsaid = capture.unsaid, False
    if unsaid:
        where = said_once(capture.where)
        if where is not None:
            warn(where)
        for remark, kind in capture.remarks:
            warn(remark, kind if kind in (PromptWarning, CaptureWarning) else SnapshotWarning)
        _warn_of_omissions(snap)
    return snap


def _checked(ranks: str | None) -> str | None:
    """Which processes take a snapshot. Raises Usage for what is neither ``first`` nor ``all``."""
    if ranks not in (None, "first", "all"):
        raise Usage(f"ranks is first or all, not {ranks!r}")
    return ranks


def _capture(options: Mapping[str, Any]) -> Capture:
    """The capture that these options had before, or a new one. One thread takes it, others have the same."""
    interactive = program.is_interactive()
    if program.CODE.is_loaded_again():  # then what was captured before is not what runs
        background.forget(awaited=True)
        _KEPT.taken.clear()
    begun = None if interactive else background.begun()
    asked = {name for name, value in options.items() if name != "carriers" and value != _ORDINARY.get(name)}
    named = background.named_file()
    if named is not None and not asked and _KEPT.started is None:
        _KEPT.started = Capture.of(snapshots.load(named))
    found = None if asked else _KEPT.started or begun
    if found is not None:
        return found
    if begun is not None:
        _KEPT.taken.setdefault(_key(begun.place().path, {}), begun)
    place = _place(options)
    key = None if interactive else _key(place.path, options)
    found = _KEPT.taken.get(key)
    if found is None:
        found = Capture({**background.DEFAULTS, **options, "repo": place.path})
        found.where = place.remark
        found.start()
        if key is not None:
            _KEPT.taken[key] = found
    return found


def _result(capture: Capture, seconds: float) -> Snapshot:
    """What a capture has taken; it is waited for."""
    if not capture.wait(seconds):
        if program.is_interactive():  # the next save asks for one of its own
            capture.cancel()
        raise SystemFailure(
            f"it was not ready after {seconds:g} s: {capture.longest()}",
            hint=f"start(timeout=SECONDS) or {TIMEOUT}=SECONDS waits longer",
        )
    if capture.snapshot is None:
        raise capture.error or SystemFailure("the snapshot was given up")
    return capture.snapshot


def _seconds(timeout: float | None) -> float:
    """How long a snapshot is waited for."""
    given = timeout if timeout is not None else _KEPT.seconds
    if given is None:
        text = os.environ.get(TIMEOUT) or _SECONDS
        try:
            given = float(text)
        except ValueError:
            raise Usage(f"{TIMEOUT} is a number of seconds, not {text!r}") from None
    if not given >= 0:
        raise Usage(f"a timeout is a number of seconds from 0, not {given}")
    return given


def _forget_failures() -> None:
    """What failed is tried again by the next call."""
    with _KEPT.lock:
        if _KEPT.started is not None and _KEPT.started.error is not None:
            _KEPT.started = None
        _KEPT.taken = {key: capture for key, capture in _KEPT.taken.items() if capture.error is None}


def _place(options: Mapping[str, Any]) -> Place:
    return place_of(options.get("repo"), trusted=bool(options.get("trust_repository")))


def _key(place: str, options: Mapping[str, Any]) -> Hashable:
    """What two captures have in common that give one snapshot; None where there is no repository, or not yet."""
    try:
        found: Hashable = layout.find_repository(place, trusted=bool(options.get("trust_repository")))
    except JellyError as error:
        if not options.get("without_git"):
            if isinstance(error, NoRepository):
                return None
            raise
        found = os.path.realpath(place)
    named = {name: value for name, value in {**_ORDINARY, **options}.items() if name not in ("repo", "carriers")}
    plain = (str, int, type(None))
    return found, *sorted(
        (name, repr(value if isinstance(value, plain) else [*value])) for name, value in named.items()
    )


def embed(
    path: str | os.PathLike[str], snap: Snapshot, *, strict: bool = False, one_record: bool = False
) -> str | None:
    """Put a snapshot into a checkpoint that was just written, in place of one that may be there.

    Args:
        path: The file, or the directory: of any kind, as what tells its kind may be written only later (SPEC JF-DIR).
        snap: The snapshot.
        strict: Raise what otherwise is a warning; the checkpoint is then as it was.
        one_record: Whether it is one pickle, array or the like and nothing more, of a kind whose readers stop at its
            end: then the snapshot can stand behind it (SPEC JF-TRL).

    Returns:
        The host's kind, as `jellyformat.embed` gives it; None where it could not be put in.

    Raises:
        JellyError: with ``strict`` alone.
    """
    try:
        place = Path(path)
        if durable.is_directory(place) and directories.named_by(place) is None:
            directory = Directory(place, directories.OTHER)
            sidecar.put_into(directory, snapshots.tied(snap, None), replace=True)
            return directories.HOST
        if one_record:
            with contextlib.suppress(RefusedHost):  # what it was compressed with does not bear it
                return snapshots.embed(place, snap, replace=True, keep_labels=False, trailer=True, sign=False)
        return snapshots.embed(place, snap, replace=True, keep_labels=False, sign=False)
    except Exception as error:
        if strict:
            raise
        warn_of_loss(error)
        return None


def embed_remotely(url: str, snap: Snapshot, *, strict: bool = False) -> bool:
    """Put a snapshot into a directory that was just written elsewhere; as `embed`. Whether that was done.

    Args:
        url: Of the directory, in a filesystem that fsspec knows.
        snap: The snapshot.
        strict: Raise what otherwise is a warning.
    """
    try:
        from fsspec.core import url_to_fs

        filesystem, place = url_to_fs(url)
        file = f"{place}/{FILE_NAME}"
        if filesystem.exists(file) and filesystem.cat_file(file, 0, len(MAGIC)) != MAGIC:
            raise RefusedExists(f"{url}/{FILE_NAME} exists already, and is no snapshot", hint="nothing was changed")
        filesystem.pipe_file(file, snapshots.tied(snap, None))
        return True
    except Exception as error:
        if strict:
            raise
        warn_of_loss(error)
        return False


def go_on(file: Readable, *, strict: bool = False) -> None:
    """Go on with the run of the checkpoint that training resumes from; one without a snapshot has none.

    Args:
        file: The checkpoint.
        strict: Raise where it cannot be read.

    Raises:
        JellyError: with ``strict`` alone.
    """
    try:
        marks.resume(file)
    except NoSnapshot:
        pass
    except Exception as error:
        if strict:
            raise
        warn(f"the run of {file} does not go on: {told(error)}")


def signs() -> bool | str | None:
    """Whether checkpoints are signed, or with which key, as `start` was told; None where it was not."""
    return _KEPT.sign


def warn_of_loss(error: Exception) -> None:
    """Warn that a checkpoint has no snapshot, and why."""
    warn(f"the checkpoint was saved without a snapshot of the code: {told(error)}")


def warn(message: str, kind: type[Warning] = SnapshotWarning) -> None:
    """Warn in the name of whoever called into jellyformat and its adapters.

    Where all warnings are errors (``-W error``), it is said and training goes on; where this kind is, it is raised.
    """
    try:
        warnings.warn(message, kind, stacklevel=stack_level(sys._getframe()))
    except kind:
        own = (filter_[2] for filter_ in warnings.filters if filter_[0] == "error")
        if any(issubclass(kind, item) and not issubclass(UserWarning, item) for item in own):
            raise
        if sys.stderr is not None:
            print(f"{kind.__name__}: {message}", file=sys.stderr)


def told(error: Exception) -> str:
    """What went wrong, for a warning."""
    return str(error) if isinstance(error, JellyError) else f"{type(error).__name__}: {error}"


def _warn_of_omissions(snap: Snapshot) -> None:
    omitted = [
        f"{show_name(prefix + item.path)} ({item.reason})"
        for prefix, state in snap.manifest.state.parts()
        if state.worktree is not None
        for item in state.worktree.omitted
        if item.reason not in _EXPECTED
    ]
    omitted += [
        f"{show_name(prefix + item.path)} as staged ({item.reason})"
        for prefix, state in snap.manifest.state.parts()
        if state.index is not None
        for item in state.index.omitted
        if item.reason != "excluded"
    ]
    if omitted:
        more = f" and {len(omitted) - _SHOWN} more" if len(omitted) > _SHOWN else ""
        warn(f"left out of the snapshot of the code: {', '.join(omitted[:_SHOWN])}{more}")
