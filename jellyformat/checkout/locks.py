"""git's own locks, taken as second names of a file of ours, by which they are known after a crash."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jellyformat.checkout import sealed
from jellyformat.checkout.bases import Base, base_of
from jellyformat.checkout.store import Store
from jellyformat.errors import Busy
from jellyformat.git.reftable import LIST

LOCKS = (b"index.lock", b"HEAD.lock")
"""Held in each git directory while it is changed."""
_TABLES, _PACKED = LIST + b".lock", b"packed-refs.lock"
"""And the first of these where refs are in reftables; the second while packed refs are removed."""
_NOTE, _TOKEN = "locks", "token"
_PATIENCE, _PAUSE = 1.0, 0.02
"""Seconds: editors ask `git status` all the time, which holds a lock for a moment."""


@dataclass
class Held:
    """Locks that are held; those that ``stay`` are left to the next command, as those of a process that has died."""

    stay: bool = False


@contextlib.contextmanager
def git_locked(store: Store, git_dirs: Sequence[bytes], shared: Sequence[bytes] = ()) -> Iterator[Held]:
    """Keep git out of ``git_dirs``, and out of the refs of those that are in ``shared``: reftables, or packed.

    Raises:
        Busy: git is at work there.
        RefusedRepository: one is none of the repository's.
        OSError: the system failed.
    """
    bases = [base_of(store.layout, git_dir) for git_dir in git_dirs]
    others = [base_of(store.layout, git_dir) for git_dir in shared]
    others = [base for base in dict.fromkeys(others) if base not in bases]
    held = Held()
    try:
        store.write(_NOTE, {"git_dirs": [base.to_value() for base in (*bases, *others)]})
        with contextlib.suppress(FileExistsError):
            store.create(_TOKEN, b"")
        for base in bases:
            for name in LOCKS:
                _take(store, base, name)
        for base in bases:
            if _has_tables(store, base):
                _take(store, base, _TABLES)
        for base in others:
            _take(store, base, _TABLES if _has_tables(store, base) else _PACKED)
        yield held
    finally:
        # git would be kept out by a lock that stays; in the end the next command tries again
        for _ in range(0 if held.stay else 2):
            with contextlib.suppress(OSError):
                release_locks(store)
                break


def _has_tables(store: Store, base: Base) -> bool:
    with base.open(store.layout) as below:
        return below.stat(LIST) is not None


def _take(store: Store, base: Base, name: bytes) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            with base.open(store.layout) as below:
                token = os.fsencode(_TOKEN)
                fd, last = below.parent(name)
                os.link(token, last, src_dir_fd=store.below.root, dst_dir_fd=fd, follow_symlinks=False)
        except FileExistsError:
            if time.monotonic() < until:
                time.sleep(_PAUSE)
                continue
        else:
            return
        raise Busy(
            f"git is at work: {os.fsdecode(base.full(store.layout) + b'/' + name)} is there",
            hint="nothing was changed; run it again when git is done "
            "(if no git is running there, one has crashed: remove that file)",
        )


def is_held(store: Store, base: Base) -> bool:
    """Whether git's lock for the index of a git directory is ours, so that git has not written there since."""
    token = store.below.stat(os.fsencode(_TOKEN))
    with contextlib.suppress(OSError), base.open(store.layout) as below:
        found = below.stat(LOCKS[0])
        return token is not None and found is not None and os.path.samestat(token, found)
    return False


def release_locks_of(store: Store, git_dir: bytes) -> None:
    """Take our locks away from one git directory, before it is moved, and wait for that: where it is moved to, nobody
    looks for them. Raises OSError."""
    base = base_of(store.layout, git_dir)
    if _release(store, base, dry_run=False):
        with base.open(store.layout) as below:
            below.sync()


def release_locks(store: Store, *, dry_run: bool = False) -> list[str]:
    """Take our locks away again, and no others; which there were. Only while the store is locked. Raises OSError."""
    released: list[str] = []
    if not store.has(_NOTE):
        return released
    try:
        (values,) = sealed.fields(sealed.unseal(store.read(_NOTE)), "git_dirs")
        bases = [Base.parse(value) for value in sealed.items(values)]
    except ValueError:
        bases = []
    for base in bases:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            released += _release(store, base, dry_run=dry_run)
    if not dry_run:
        store.unlink(_NOTE)
    return released


def _release(store: Store, base: Base, *, dry_run: bool) -> list[str]:
    token = store.below.stat(os.fsencode(_TOKEN))
    released: list[str] = []
    with base.open(store.layout) as below:
        for name in (*LOCKS, _TABLES, _PACKED):
            found = below.stat(name)
            if token is not None and found is not None and os.path.samestat(found, token):
                released.append(os.fsdecode(base.full(store.layout) + b"/" + name))
                if not dry_run:
                    below.unlink(name)
    return released
