"""Restore: a repository put into a snapshot's state, so that nothing is lost and `undo` gives back what was."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat.capture.watch import no_collections
from jellyformat.checkout import aside, prune
from jellyformat.checkout.current import look
from jellyformat.checkout.excludes import all_excluded, read_exclude
from jellyformat.checkout.history import LOG, Log, Node, read_log
from jellyformat.checkout.recover import locked_store
from jellyformat.checkout.related import check_related
from jellyformat.checkout.step import Moved, Mover, move
from jellyformat.checkout.store import Store, check_system
from jellyformat.checkout.target import Target, target_of
from jellyformat.errors import JellyError, NoRepository, RefusedExists, RefusedRepository
from jellyformat.exports import files
from jellyformat.files import durable
from jellyformat.files.beneath import Below
from jellyformat.files.platform import NO_LOCKS
from jellyformat.format.container import Container
from jellyformat.format.objects import parse_commit
from jellyformat.format.paths import check_paths
from jellyformat.format.text import brief
from jellyformat.git.create import is_harmless_remote, make_repository
from jellyformat.git.layout import Layout, layout_at, repository_to_change
from jellyformat.git.repository import Repository
from jellyformat.hints import Hint, command
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import PathLike, Readable

_PRIVATE = re.compile(r"(?<=://)[^/@]*@|[?#].*", re.DOTALL)
"""What of a URL is not kept: a user's name and password, and what a key may stand in."""
_MOST_LOOKED_AT = 100_000
"""Commits."""


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
        roots: Names of other repositories in the snapshot, which are not put back (JF-ROO-003).
        facts: What the state says beyond what is known here, and nothing was done with (JF-STA-005).
        replaced: Those paths of ``written`` where something else was; it is kept for undo.
        dry_run: Whether all this is only what would be done.
        left_commit: HEAD before, 64 or 40 hex digits; None where there was no commit yet, or no repository.
        left_branch: The branch that HEAD was on before; None where it was detached, or there was no repository.
        shortened: Whether commits before HEAD's are not in the repository now.
        remotes_here: Names of the repository's remotes.
        remotes_left: Name and URL of remotes that are not set in a new repository, as they might run a program.
        linked: Whether the worktree is a linked one: `git worktree remove` takes what is kept for undo with it.
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
    roots: tuple[bytes, ...] = ()
    facts: tuple[str, ...] = ()
    replaced: tuple[bytes, ...] = ()
    dry_run: bool = False
    left_commit: str | None = None
    left_branch: str | None = None
    shortened: bool = False
    remotes_here: tuple[str, ...] = ()
    remotes_left: tuple[tuple[str, str], ...] = ()
    linked: bool = False

    def __repr__(self) -> str:
        commit = "no commit yet" if self.commit is None else self.commit[:10]
        done = f"{len(self.written)} written, {len(self.removed)} put aside"
        would = "not yet restored, would be " if self.dry_run else ""
        return f"<Restored {brief(str(self.directory))}: {would}at {commit}, {done}>"


def restore(
    file: Readable,
    directory: PathLike | None = None,
    *,
    any_names: bool = False,
    without_operation: bool = False,
    anyway: bool = False,
    dry_run: bool = False,
    max_history: int = prune.MOST,
) -> Restored:
    """Put the repository at ``directory`` into the state of a snapshot.

    HEAD is detached at the snapshot's commit; no branch, tag, stash or remote changes. The state before is kept, whole,
    and `undo` goes back to it. No program is run (SPEC JF-PTH).

    Args:
        file: A file that carries a snapshot: a path, a binary file object, or a URL that fsspec knows.
        directory: A directory of the repository; a new one is made where there is none, or where it is empty. Files
            that are in a directory without repository stay, but for those that the snapshot has something in place of.
            None for the repository that holds the current directory.
        any_names: Write names too that not every system can hold.
        without_operation: Restore a state in the middle of a rebase, am or bisect all the same, without that.
        anyway: Restore into a repository too that has no commit and no remote in common with the snapshot.
        dry_run: Change nothing, and say what would be done.
        max_history: Bytes that may be kept for undo in all, what this restore puts aside among them.

    Raises:
        NoSnapshot: the file carries none.
        FormatError: it is damaged. Nothing was changed.
        Refused: for safety: unsafe paths, or something that cannot be kept. Nothing was changed.
        Busy: git, or another restore, is at work there. Nothing was changed.
        SystemFailure: the system said no; all is as it was, or the next command makes it so.
    """
    check_system()
    with no_collections(), open_container(file) as box:
        box.checker.names = {}
        box.pool.keep_more()
        files.validate(box)
        if box.checker.thin:
            raise RefusedRepository(
                "this container builds on commits that it does not have",
                requirement="JF-HIS-004",
                hint="nothing was changed; such containers belong to the undo of the repository they are in",
            )
        head = box.manifest.state.head
        if head.commit is None and head.ref is None:
            raise RefusedRepository(
                "the files of this snapshot were in no repository, so there is none to restore",
                requirement="JF-STA-002",
                hint=Hint("nothing was changed; the files alone come out with: ", command("export", "FILE", "DIR")),
            )
        target = target_of(box, drop_operation=without_operation)
        check_paths([*target.files, *target.directories, *(prefix[:-1] for prefix in target.repositories if prefix)])
        files.check_names(box, [*target.files, *target.directories], any_names=any_names)
        place = Path("." if directory is None else directory)
        with (
            durable.system_errors(place, "all is as it was", output=False),
            _repository_at(place, directory is None, box, dry_run=dry_run) as (layout, made),
        ):
            done = _restore(box, file, layout, made, target, anyway=anyway, dry_run=dry_run, most=max_history)
            return replace(done, directory=place.resolve()) if made is not None else done


@dataclass(frozen=True)
class _Made:
    """A repository that was made: the names of the remotes that were set, whether the directory was made too, and the
    remotes that were not set, with their URLs."""

    remotes: tuple[str, ...]
    directory: bool
    left: tuple[tuple[str, str], ...]


def _restore(
    box: Container,
    file: Readable,
    layout: Layout,
    made: _Made | None,
    target: Target,
    *,
    anyway: bool,
    dry_run: bool,
    most: int,
) -> Restored:
    store = Store(layout)
    if layout.worktree is None:
        look(layout)  # says why not
    here = Repository(layout).object_format
    if here != box.manifest.state.object_format:
        raise RefusedRepository(
            f"the snapshot has {box.manifest.state.object_format} object ids, the repository {here}",
            hint="nothing was changed; restore into a directory that does not exist: a repository is made there",
        )
    source = _inside(file, layout)
    before = Repository(layout).head()
    mended: list[str] = []
    if dry_run:
        log, was_made = _looked_up(store)
        mover = Mover(store, log, layout)
        mover.look()
        if not anyway and made is None:
            check_related(mover.present, box, made=was_made)
        moved = mover.preview(target, box, source)
    else:
        with locked_store(store) as mended:
            log = read_log(store)
            # one that was broken off, and could not even note that, has left this file alone
            if made is not None or (not log.nodes and read_exclude(layout.common_dir) == all_excluded()):
                aside.note_made(store, directory=made is not None and made.directory)
            was_made = aside.was_made(store)

            def go(mover: Mover) -> Moved:
                if not anyway:
                    check_related(mover.present, box, made=was_made)
                return mover.go(target, _node(log, file, box, layout.worktree), box=box, source=source, most=most)

            moved = move(store, log, layout, go)
    state = box.manifest.state
    return Restored(
        directory=Path(os.fsdecode(layout.worktree or b"")),
        created=made is not None,
        commit=None if state.head.commit is None else state.head.commit.hex(),
        branch=_branch(state.head.ref),
        snapshot_id=box.snapshot_id,
        written=moved.written,
        removed=moved.removed,
        kept_ignored=moved.kept_ignored,
        filtered=moved.filtered,
        unavailable=moved.unavailable,
        roots=tuple(root.name for root in state.roots),
        facts=tuple(sorted({name for _, part in state.walk() for name in part.facts})),
        remotes=() if made is None else made.remotes,
        objects=moved.objects,
        state=moved.left,
        mended=tuple(mended),
        replaced=moved.replaced,
        dry_run=dry_run,
        left_commit=None if before.commit is None else before.commit.hex(),
        left_branch=None if made is not None else _branch(before.ref),
        shortened=not dry_run and _is_shortened(Repository(layout), state.head.commit),
        remotes_here=tuple(name for name, _ in Repository(layout).remotes()),
        remotes_left=() if made is None else made.left,
        linked=layout.git_dir != layout.common_dir,
    )


def _branch(ref: bytes | None) -> str | None:
    return None if ref is None else os.fsdecode(ref.removeprefix(b"refs/heads/"))


def _is_shortened(repository: Repository, head: bytes | None) -> bool:
    """Whether HEAD's commit is one of those whose parents are not there, or comes after one."""
    ends = repository.shallow()
    stack = [head] if head is not None and ends else []
    seen = set(stack)
    while stack and len(seen) < _MOST_LOOKED_AT:
        oid = stack.pop()
        if oid in ends:
            return True
        try:
            parents = parse_commit(repository.read(oid)[1], repository.oid_length).parents
        except KeyError:
            continue
        stack += [parent for parent in parents if parent not in seen]
        seen.update(parents)
    return False


def _looked_up(store: Store) -> tuple[Log, bool]:
    """The history list, and whether a restore has made the repository; nothing is mended.

    Raises:
        RefusedRepository: a restore was broken off there.
    """
    if not os.path.lexists(store.path / LOG):
        return Log(), False
    with store.locked():
        if store.has("journal"):
            place = os.fsdecode(store.layout.worktree or store.git_dir)
            raise RefusedRepository(
                f"a restore of {place} was broken off",
                hint=Hint("nothing was changed; everything is put back by: ", command("fix", place)),
            )
        return read_log(store), aside.was_made(store)


def _name(file: Readable, box: Container, worktree: bytes | None) -> str:
    """The file, for people, with its directory: from the worktree where it is in there."""
    if not isinstance(file, (str, os.PathLike)):
        name = box.name
    elif "://" in os.fsdecode(os.fspath(file)):
        name = _PRIVATE.sub("", os.fsdecode(os.fspath(file)))
    else:
        full, root = os.path.realpath(os.fsencode(os.fspath(file))), os.path.realpath(worktree or b"/") + b"/"
        name = os.fsdecode(full[len(root) :] if full.startswith(root) else full)
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _node(log: Log, file: Readable, box: Container, worktree: bytes | None) -> Node:
    """The new state in the history list."""
    commit = box.manifest.state.head.commit
    return Node(
        id=max(log.nodes, default=0) + 1,
        parent=log.current,
        redo=None,
        name=None,
        time=int(time.time()),
        title="restored from " + _name(file, box, worktree),
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
def _repository_at(
    place: Path, found_upward: bool, box: Container, *, dry_run: bool
) -> Iterator[tuple[Layout, _Made | None]]:
    """The repository, and what was made of it; one that was made goes where it fails."""
    empty = not os.path.lexists(place) or (place.is_dir() and not any(place.iterdir()))
    if os.path.lexists(place) and not place.is_dir():
        raise RefusedExists(f"{place} is not a directory", hint="nothing was changed; name a directory")
    if not empty or found_upward:
        try:
            yield repository_to_change(place), None
            return
        except NoRepository:
            pass
    remotes = [remote for remote in box.manifest.provenance.remotes if is_harmless_remote(*remote)]
    directory_made = not place.exists()
    left = [remote for remote in box.manifest.provenance.remotes if remote not in remotes]
    made = _Made(
        tuple(os.fsdecode(name) for name, _ in remotes),
        directory_made,
        tuple((os.fsdecode(name), os.fsdecode(url)) for name, url in left),
    )
    if dry_run:
        with _imagined(place, box, empty=empty) as imagined:
            yield imagined, made
        return
    place.mkdir(parents=True, exist_ok=True)
    exclude = None if empty else all_excluded()  # what is in the directory is ignored
    try:
        make_repository(place, box.manifest.state.object_format, remotes=remotes, exclude=exclude)
    except BaseException as error:
        if directory_made:
            with contextlib.suppress(OSError):
                place.rmdir()
        if isinstance(error, FileExistsError):
            raise RefusedExists(
                f"{place / '.git'} is there and is no repository", hint="nothing was changed; look at it first"
            ) from error
        raise
    layout = layout_at(os.fsencode(place.resolve()))
    assert layout is not None
    with Below(os.fsencode(place.resolve())) as held:  # whatever has this name later, what was made here is taken away
        try:
            yield layout, made
        except BaseException:
            _remove_repository(layout, place, held, directory_made)
            raise


@contextlib.contextmanager
def _imagined(place: Path, box: Container, *, empty: bool) -> Iterator[Layout]:
    """The repository that would be made in a directory: its git directory is elsewhere, and goes again."""
    if os.path.lexists(place / ".git"):
        raise RefusedExists(
            f"{place / '.git'} is there and is no repository", hint="nothing was changed; look at it first"
        )
    with tempfile.TemporaryDirectory(prefix="jelly-") as temporary:
        exclude = None if empty else all_excluded()
        make_repository(Path(temporary), box.manifest.state.object_format, exclude=exclude)
        made = layout_at(os.fsencode(os.path.realpath(temporary)))
        assert made is not None
        yield made if empty else replace(made, worktree=os.fsencode(place.resolve()))


def _remove_repository(layout: Layout, place: Path, held: Below, directory_made: bool) -> None:
    """Take away the repository that was made, unless somebody is at work in it or something is kept there."""
    store = Store(layout)
    with contextlib.suppress(JellyError, OSError):
        try:
            with store.locked():
                # with a list the restore was done; with a journal or strays it was not all taken back
                goes = not any(store.has(name) for name in (LOG, "journal", "strays"))
                if goes:
                    held.remove_tree(b".git")
        except OSError as error:
            # where nothing can be locked, nobody restores, and nothing is kept
            goes = error.errno in NO_LOCKS
            if goes:
                held.remove_tree(b".git")
        if goes and directory_made:
            place.rmdir()
