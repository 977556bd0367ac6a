"""Restore: a repository put into a snapshot's state, so that nothing is lost and `undo` gives back what was."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jellyformat import exporter, fileio
from jellyformat.errors import JellyError, NoRepository, RefusedExists, RefusedRepository
from jellyformat.exclusions import all_excluded
from jellyformat.gitwrite import is_harmless_remote, new_repository_files
from jellyformat.moving import move
from jellyformat.paths import check_path
from jellyformat.planning import Target
from jellyformat.present import look
from jellyformat.reader import Container, open_container
from jellyformat.recovery import opened
from jellyformat.registry import PathLike, Readable
from jellyformat.repository import Layout, Repository, find, layout_at
from jellyformat.undolog import LOG, Log, Node, Store
from jellyformat.wanting import target_of


@dataclass(frozen=True)
class Restored:
    """What a restore has done.

    Attributes:
        directory: The worktree.
        created: Whether the repository was made.
        commit: HEAD now, 64 or 40 hex digits; None where there is no commit yet.
        branch: The name of the branch that HEAD was on when the snapshot was made; HEAD is detached now.
        snapshot_id: 64 hex digits.
        written: Paths that were written.
        removed: Paths that were there, and are not in the snapshot: they are kept for undo.
        kept_ignored: Files that git ignored and would no longer, or that were there before the repository: left alone,
            and noted in ``info/exclude``.
        filtered: Paths written as git stores them, since no filter is run (LFS, git-crypt).
        unavailable: Paths whose content the snapshot does not have.
        remotes: Names of remotes that were set in a new repository.
        objects: How many git objects were written.
        state: The number of the state that was left; ``undo`` goes back to it.
        mended: What was found half done before, and mended.
    """

    directory: Path
    created: bool
    commit: str | None
    branch: str | None
    snapshot_id: str
    written: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    kept_ignored: tuple[bytes, ...]
    filtered: tuple[bytes, ...]
    unavailable: tuple[bytes, ...]
    remotes: tuple[str, ...]
    objects: int
    state: int
    mended: tuple[str, ...]


def restore(
    file: Readable, directory: PathLike | None = None, *, any_names: bool = False, without_operation: bool = False
) -> Restored:
    """Put the repository at ``directory`` into the state of a snapshot.

    HEAD is detached at the snapshot's commit; no branch, tag, stash or remote changes. The state before is kept, whole,
    and `undo` goes back to it. No program is run (SPEC section 10).

    Args:
        file: A file that carries a snapshot: a path, a binary file object, or a URL that fsspec knows.
        directory: A directory of the repository; a new one is made where there is none, or where it is empty. Files
            that are in a directory without repository stay, but for those that the snapshot has something in place of.
            None for the repository that holds the current directory.
        any_names: Write names too that not every system can hold.
        without_operation: Restore a state in the middle of a rebase, am or bisect all the same, without that.

    Raises:
        NoSnapshot: the file carries none.
        FormatError: it is damaged. Nothing was changed.
        Refused: for safety: unsafe paths, or something that cannot be kept. Nothing was changed.
        Busy: git, or another restore, is at work there. Nothing was changed.
        SystemFailure: the system said no; all is as it was, or the next command makes it so.
    """
    with open_container(file) as box:
        exporter.validate(box)
        if box.checker.thin:
            raise RefusedRepository(
                "this container builds on commits that it does not have",
                requirement="JF-HIS-004",
                hint="nothing was changed; such containers belong to the undo of the repository they are in",
            )
        target = target_of(box, drop_operation=without_operation)
        for path in [*target.files, *target.directories, *(prefix[:-1] for prefix in target.repositories if prefix)]:
            check_path(path)
        exporter.check_names(box, [*target.files, *target.directories], any_names=any_names)
        place = Path("." if directory is None else directory)
        with (
            fileio.system_errors(place, "all is as it was", output=False),
            _repository_at(place, directory is None, box) as (layout, made),
        ):
            return _restore(box, file, layout, made, target)


def _restore(box: Container, file: Readable, layout: Layout, made: tuple[str, ...] | None, target: Target) -> Restored:
    store = Store(layout.git_dir)
    if layout.worktree is None:
        look(layout)  # says why not
    here = Repository(layout).object_format
    if here != box.manifest.state.object_format:
        raise RefusedRepository(
            f"the snapshot has {box.manifest.state.object_format} object ids, the repository {here}",
            hint="nothing was changed; restore into a directory that does not exist: a repository is made there",
        )
    with opened(store) as mended:
        log = store.read_log()
        node, source = _node(log, file, box), _inside(file, layout)
        moved = move(store, log, layout, lambda mover: mover.go(target, node, box=box, source=source))
    state = box.manifest.state
    return Restored(
        directory=Path(os.fsdecode(layout.worktree or b"")),
        created=made is not None,
        commit=None if state.head.commit is None else state.head.commit.hex(),
        branch=None if state.head.ref is None else os.fsdecode(state.head.ref.removeprefix(b"refs/heads/")),
        snapshot_id=box.snapshot_id,
        written=moved.written,
        removed=moved.removed,
        kept_ignored=moved.kept_ignored,
        filtered=moved.filtered,
        unavailable=moved.unavailable,
        remotes=made or (),
        objects=moved.objects,
        state=moved.left,
        mended=tuple(mended),
    )


def _node(log: Log, file: Readable, box: Container) -> Node:
    """The new state in the history list."""
    name = os.path.basename(os.fsencode(os.fspath(file))) if isinstance(file, (str, os.PathLike)) else box.name.encode()
    commit = box.manifest.state.head.commit
    return Node(
        id=max(log.nodes, default=0) + 1,
        parent=log.current,
        redo=None,
        name=None,
        time=int(time.time()),
        title="restored from " + name.decode("utf-8", "replace"),
        commit="" if commit is None else commit.hex(),
        snapshot=box.snapshot_id,
    )


def _inside(file: Readable, layout: Layout) -> bytes | None:
    """The path of the file itself in the worktree: it stays there, or the next restore could not find it."""
    if not isinstance(file, (str, os.PathLike)) or layout.worktree is None:
        return None
    full = os.path.realpath(os.fsencode(os.fspath(file)))
    root = os.path.realpath(layout.worktree) + b"/"
    return full[len(root) :] if full.startswith(root) else None


# -- which repository ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _repository_at(place: Path, found_upward: bool, box: Container) -> Iterator[tuple[Layout, tuple[str, ...] | None]]:
    """The repository, and the names of the remotes set where it was made; one that was made goes where it fails."""
    empty = not os.path.lexists(place) or (place.is_dir() and not any(place.iterdir()))
    if os.path.lexists(place) and not place.is_dir():
        raise RefusedExists(f"{place} is not a directory", hint="nothing was changed; name a directory")
    if not empty or found_upward:
        try:
            yield find(place), None
            return
        except NoRepository:
            pass
    directory_made = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    remotes = [remote for remote in box.manifest.provenance.remotes if is_harmless_remote(*remote)]
    _make_repository(place, box.manifest.state.object_format, remotes, empty)
    layout = layout_at(os.fsencode(place.resolve()))
    assert layout is not None
    try:
        yield layout, tuple(os.fsdecode(name) for name, _ in remotes)
    except BaseException:
        _remove_repository(place, directory_made)
        raise


def _remove_repository(place: Path, directory_made: bool) -> None:
    """Take away the repository that was made, unless somebody is at work in it or something is kept there."""
    store = Store(os.fsencode(place / ".git"))
    with contextlib.suppress(JellyError, OSError), store.locked():
        # with a list the restore was done; with a journal or strays it was not all taken back
        if not any(os.path.lexists(store.path / name) for name in (LOG, "journal", "strays")):
            shutil.rmtree(place / ".git", ignore_errors=True)
            if directory_made:
                place.rmdir()


def _make_repository(place: Path, object_format: str, remotes: list[tuple[bytes, bytes]], empty: bool) -> None:
    """Make ``.git``, whole or not at all; where the directory is not ``empty``, what is in it is ignored."""
    if os.path.lexists(place / ".git"):
        raise RefusedExists(
            f"{place / '.git'} is there and is no repository", hint="nothing was changed; look at it first"
        )
    new = place / f".git.jelly-{secrets.token_hex(6)}.tmp"
    try:
        write_repository(new, object_format, remotes)
        if not empty:
            (new / "info" / "exclude").write_bytes(all_excluded())
        new.rename(place / ".git")
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def write_repository(git_dir: Path, object_format: str, remotes: list[tuple[bytes, bytes]]) -> None:
    """Write the files of a new git directory. Raises OSError."""
    git_dir.mkdir()
    for name, content in new_repository_files(object_format, remotes):
        path = git_dir / os.fsdecode(name)
        if name.endswith(b"/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)
