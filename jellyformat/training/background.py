"""A snapshot taken by a thread of its own, such as the one that begins when a package with save calls is imported.

The thread neither delays the program nor outlives it: it is a daemon, and is not there in a forked child. Light:
adapters import this.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jellyformat.capture import program
from jellyformat.capture.watch import CURRENT, Watch, no_collections
from jellyformat.training.ranks import OVERRIDE, is_first_rank

if TYPE_CHECKING:
    from jellyformat.capture.place import Place
    from jellyformat.format.model import Omitted, State
    from jellyformat.snapshots import Snapshot

AT = "JELLYFORMAT_AT"
"""The environment variable that says when the snapshot is taken: ``import`` (as without it), or ``save``."""
REPOSITORY = "JELLYFORMAT_REPO"
SNAPSHOT = "JELLYFORMAT_SNAPSHOT"
"""The environment variable that names a file with the snapshot to use: where the code runs there is no repository."""
DEFAULTS: Mapping[str, Any] = {"secrets": "omit", "oversize": "omit"}
"""What is done in save calls where nothing else is asked for."""
_NEEDED = ("platform", "pwd", "jellyformat.snapshots", "jellyformat.capture.capture", "jellyformat.capture.place")
_LAST_WAIT = 1.0
"""Seconds that the end of the program waits for a capture to see that it is to end."""
_FORK_WAIT = 2.0
"""Seconds that a fork waits for a capture to have imported what it needs."""


class Capture:
    """A snapshot that a thread takes; others wait for it.

    Args:
        options: As `jellyformat.snapshot` takes them; without ``repo``, that of the program.
        file: The file of the program, where ``repo`` is to be found by it.
        here: The current directory, for the same.
        named: The repository that the environment named when it was made.

    Attributes:
        snapshot: What was taken; None before, and where that failed.
        error: Why it failed.
        where: What the user is to be told of the repository, once in a process.
        remarks: What the user is to be told of the snapshot, each with the kind of warning that it is.
        unsaid: Whether that was not done yet.
        late: Whether it was waited for in vain: then it goes on, and is waited for no more.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        file: str | None = None,
        here: str = ".",
        named: str | None = None,
    ) -> None:
        self._options, self._file, self._here = options, file, here
        self._watch = Watch()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jellyformat", daemon=True)
        self.named = named
        self.snapshot: Snapshot | None = None
        self.error: BaseException | None = None
        self.where: str | None = None
        self.remarks: list[tuple[str, type[Warning]]] = []
        self.unsaid = True
        self.late = False

    @classmethod
    def of(cls, snapshot: Snapshot) -> Capture:
        """As if this had been taken here."""
        found = cls({})
        found.snapshot, found.unsaid = snapshot, False
        return found

    @property
    def is_done(self) -> bool:
        """Whether there is a snapshot, or an error."""
        return self.snapshot is not None or self.error is not None

    def start(self) -> None:
        """Begin."""
        _RUNNING.add(self)
        try:
            self._thread.start()
        except RuntimeError as error:  # no thread can be had, or the interpreter is about to end
            self.error = error
            self._done.set()

    def place(self) -> Place:
        """Where it is taken."""
        from jellyformat.capture.place import Place, place_of

        named = self._options.get("repo")
        return place_of(file=self._file, here=self._here) if named is None else Place(named)

    def wait(self, seconds: float) -> bool:
        """Wait until it is done, or so long; whether it is."""
        if not self.is_done and not self.late:
            with no_collections():
                self._done.wait(min(seconds, threading.TIMEOUT_MAX))
        self.late = not self.is_done
        return self.is_done

    def cancel(self) -> None:
        """Have it end: nobody is to have it."""
        self._watch.cancelled = True

    def longest(self) -> str:
        """What takes so long, for people."""
        from jellyformat.format.paths import show_name

        what, seconds, paths, last = self._watch.longest()
        where = f" ({paths} so far, the last is {show_name(last)})" if paths and what == "to read the files" else ""
        return f"it took {seconds:.1f} s {what}{where}"

    def end(self, seconds: float) -> None:
        """Have it end with the program, and wait for that a little: a thread that is at work then may be in the way."""
        self.cancel()
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            with _IMPORTS.lock:
                for name in _NEEDED:
                    with contextlib.suppress(ImportError):
                        import_module(name)
            self.snapshot = self._take()
        except BaseException as error:  # it is raised where somebody waits
            self.error = error
        finally:
            self._done.set()
            _RUNNING.discard(self)

    def _take(self) -> Snapshot:
        from jellyformat import snapshots

        CURRENT.set(self._watch)
        place = self.place()
        self.where = self.where or place.remark
        taken = snapshots.snapshot(**{**self._options, "repo": place.path})
        self.remarks += self._watch.remarks
        return taken


_RUNNING: set[Capture] = set()


@atexit.register
def _end() -> None:
    for capture in tuple(_RUNNING):
        capture.end(_LAST_WAIT)


class _Begun:
    """What the import of an adapter began."""

    def __init__(self) -> None:
        self.asked = False
        self.capture: Capture | None = None
        self.files: dict[str, str] = {}
        """What ``JELLYFORMAT_SNAPSHOT`` has named, and where that was then."""

    def keep_what_is_done(self) -> None:
        """In a forked child, the thread that takes it is not there."""
        if self.capture is not None and not self.capture.is_done:
            self.capture = None


_BEGUN = _Begun()


def begin() -> None:
    """Have the program's snapshot taken in the background, from now on; called by a package as it is imported.

    Only in a program that has a file, once, on the first rank: not at a prompt or in a notebook, not in worker
    processes of multiprocessing or of a DataLoader, not where jellyformat itself loads its adapters, and not where the
    environment variable ``JELLYFORMAT_AT`` is ``save``, or ``JELLYFORMAT_SNAPSHOT`` names a file. Nothing is said: the
    first save call does.
    """
    with contextlib.suppress(Exception):  # an import is worth more than a snapshot
        named = os.environ.get(SNAPSHOT)
        if named:
            _BEGUN.files.setdefault(named, named if "://" in named else os.path.abspath(named))  # noqa: PTH100
        if named or _BEGUN.asked or not _is_wanted():
            return
        _BEGUN.asked = True
        program.CODE.is_loaded_again()
        file = program.program_file()
        if file is None:
            return
        named = os.environ.get(REPOSITORY) or None
        options = {**DEFAULTS, "repo": os.path.abspath(named)} if named else DEFAULTS  # noqa: PTH100
        _BEGUN.capture = Capture(options, file=file, here=os.getcwd(), named=named)  # noqa: PTH109
        _BEGUN.capture.start()


def named_file() -> str | None:
    """The file that ``JELLYFORMAT_SNAPSHOT`` names, from where the program stood when an adapter was imported."""
    named = os.environ.get(SNAPSHOT)
    return _BEGUN.files.get(named, named) if named else None


def begun() -> Capture | None:
    """The capture that the import of an adapter began, where it is what is asked for now; None for none."""
    found = _BEGUN.capture
    if found is None or found.error is not None or found.named != (os.environ.get(REPOSITORY) or None):
        return None
    return found


def forget(*, awaited: bool = False) -> None:
    """Let go of what was begun, for another snapshot takes its place; ``awaited``: a thread may still wait for it."""
    if _BEGUN.capture is not None and not awaited:
        _BEGUN.capture.cancel()
    _BEGUN.asked, _BEGUN.capture = True, None


def _is_wanted() -> bool:
    registry = sys.modules.get("jellyformat.hosts.registry")
    if os.environ.get(AT) == "save" or _is_worker() or (registry is not None and registry.is_loading()):
        return False
    return is_first_rank() or os.environ.get(OVERRIDE) == "all"


def _is_worker() -> bool:
    """Whether this is a process that multiprocessing, or what is built on it, has started."""
    for argument in sys.orig_argv[1:]:
        if argument == "--multiprocessing-fork" or argument.startswith("from multiprocessing."):
            return True
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


class _Imports:
    """No fork comes while a thread of ours imports modules: in the child their locks would stay locked for ever."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._held = threading.local()

    def before_fork(self) -> None:
        self._held.now = self.lock.acquire(timeout=_FORK_WAIT)

    def after_in_parent(self) -> None:
        if getattr(self._held, "now", False):
            self.lock.release()


_IMPORTS = _Imports()


def _after_in_child() -> None:
    _RUNNING.clear()
    _IMPORTS.__init__()  # type: ignore[misc]  # whoever held the lock is not there
    _BEGUN.keep_what_is_done()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_IMPORTS.before_fork, after_in_parent=_IMPORTS.after_in_parent, after_in_child=_after_in_child
    )


def is_withheld(snap: Snapshot) -> bool:
    """Whether something was left out that `jellyformat.snapshot` refuses to leave out."""
    items = (item for _, state in snap.manifest.state.parts() for item in omitted(state))
    return any(item.reason in ("secret", "size") for item in items)


def omitted(state: State) -> list[Omitted]:
    """What a state lacks, of the files on disk and of what was staged."""
    return [*(state.worktree.omitted if state.worktree else ()), *(state.index.omitted if state.index else ())]
