"""git's own locks, taken as second names of a file of ours, by which they are known after a crash."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from jellyformat.errors import Busy
from jellyformat.msgpack import Value
from jellyformat.undolog import Store, seal, unseal

LOCKS = (b"index.lock", b"HEAD.lock")
"""Held in each git directory while it is changed."""
_PATIENCE, _PAUSE = 1.0, 0.02
"""Seconds: editors ask `git status` all the time, which holds a lock for a moment."""


@contextlib.contextmanager
def git_locked(store: Store, git_dirs: Sequence[bytes]) -> Iterator[None]:
    """Keep git out of ``git_dirs``.

    Raises:
        Busy: git is at work there.
        OSError: the system failed.
    """
    home = os.path.realpath(store.git_dir)
    places: list[Value] = [os.path.relpath(os.path.realpath(path), home) for path in git_dirs]
    try:
        store.write("locks", seal(places))
        with contextlib.suppress(FileExistsError):
            os.close(os.open(store.path / "token", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        for git_dir in git_dirs:
            for name in LOCKS:
                _take(store.path / "token", Path(os.fsdecode(git_dir + b"/" + name)))
        yield
    finally:
        for _ in range(2):  # git would be kept out by a lock that stays; in the end the next command tries again
            with contextlib.suppress(OSError):
                release_locks(store)
                break


def _take(token: Path, path: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            path.hardlink_to(token)
        except FileExistsError:
            if time.monotonic() < until:
                time.sleep(_PAUSE)
                continue
        else:
            return
        raise Busy(
            f"git is at work: {path} is there",
            hint="nothing was changed; run it again when git is done "
            "(if no git is running there, one has crashed: remove that file)",
        )


def release_locks_of(store: Store, git_dir: bytes) -> None:
    """Take our locks away from one git directory, before it is moved. Raises OSError."""
    token = (store.path / "token").stat()
    for name in LOCKS:
        path = Path(os.fsdecode(git_dir + b"/" + name))
        if os.path.samestat(path.lstat(), token):
            path.unlink()


def release_locks(store: Store, *, dry_run: bool = False) -> list[str]:
    """Take our locks away again, and no others; which there were. Only while the store is locked. Raises OSError."""
    released: list[str] = []
    note = store.path / "locks"
    try:
        places = unseal(note.read_bytes())
    except FileNotFoundError:
        return released
    except ValueError:
        places = []
    try:
        token = (store.path / "token").stat()
    except FileNotFoundError:
        places = []
    home = os.path.realpath(store.git_dir)
    for place in places if isinstance(places, list) else ():
        for name in LOCKS:
            path = Path(os.fsdecode(os.path.normpath(os.path.join(home, place, name))))
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                if os.path.samestat(path.lstat(), token):
                    released.append(str(path))
                    if not dry_run:
                        path.unlink()
    if not dry_run:
        note.unlink()
    return released
