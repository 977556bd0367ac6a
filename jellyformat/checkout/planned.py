"""The way from what is there to what is wanted, found without a change: a restore goes it, a dry run tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from jellyformat.checkout.current import Present
from jellyformat.checkout.excludes import beside_target
from jellyformat.checkout.history import Log
from jellyformat.checkout.plan import WorktreePlan, WorktreePlanner, ancestors
from jellyformat.checkout.target import Target, Wanted, without
from jellyformat.checkout.thin import heads_of, make_container
from jellyformat.errors import RefusedRepository
from jellyformat.format.container import Container
from jellyformat.format.objects import BLOB
from jellyformat.git.repository import Repository


@dataclass(frozen=True)
class Planned:
    """The way.

    Attributes:
        target: What is wanted, less what cannot be had.
        plan: What becomes of the worktree.
        reading: Has the content of the files.
        container: What is there, as a container,
        stored: and the blobs that it has or that stay in the repository.
        whole: Commits that it has whole.
        stays: Paths that stay whatever the target says.
        shown: Ignored paths that git shows all the same in the target.
        skipped: Paths of other worktrees, which are not touched.
    """

    target: Target
    plan: WorktreePlan
    reading: Reading
    container: bytes
    stored: frozenset[bytes]
    whole: frozenset[bytes]
    stays: set[bytes]
    shown: frozenset[bytes]
    skipped: tuple[bytes, ...]


def planned(
    present: Present,
    log: Log,
    target: Target,
    box: Container | None,
    kept: Container | None,
    source: bytes | None,
    shown: frozenset[bytes],
    *,
    whole: bool,
) -> Planned:
    """Find the way from what is there to what is wanted.

    Args:
        present: What is there; what git ignores is told apart in it.
        log: The history list.
        target: What is wanted.
        box: The snapshot it is of; None for a state of the history list,
        kept: whose container this is.
        source: The path of the snapshot's own file, which stays unless the snapshot has its content.
        shown: Ignored paths that git shows all the same in the target.
        whole: As for the `WorktreePlanner`.
    """
    # what came with the snapshot needs no ref, which would make its ends of history stay: the container has it
    given = {oid for prefix, oid in log.live.given if prefix in present.repositories}
    commits = frozenset(given & {oid for part in present.repositories.values() for oid in heads_of(part)})
    stays = {source} if source is not None and source not in target.files else set()
    if source in target.files and target.files[source].filtered:  # git's stored form (LFS) has no snapshot in it
        del target.files[source]
        target.left.add(source)
    held = box or kept
    assert held is not None
    reading = Reading(held, present.outer.repository)
    skipped = [path for path in present.linked if path + b"/" in target.repositories]
    for path in skipped:
        target = without(target, path)
        shown |= {path + b"/"}
    if box is None:  # a nested repository that was deleted since took its objects along
        gone = [prefix for prefix in target.repositories if prefix not in present.repositories]
        for prefix in gone:
            del target.repositories[prefix]
    present.ignored = beside_target(present, target)
    container, stored = make_container(present, commits, given)
    # what was ignored then is no part of that state: it is not taken away
    then = set() if kept is None else _left_then(kept, present)
    plan = WorktreePlanner(present, target, stays | then, reading.has, umask(), whole=whole).make()
    return Planned(target, plan, reading, container, stored, commits, stays, shown, tuple(skipped))


def _left_then(kept: Container, present: Present) -> set[bytes]:
    """What git ignored in a state of the history list, but for directories that git knows files in now."""
    parts = present.repositories.values()
    known = {part.prefix + entry.path for part in parts for entry in part.entries}
    known |= {above for path in known for above in ancestors(path)}
    return {path.rstrip(b"/") for path in kept.manifest.ignored} - known


def umask() -> int:
    """The process's umask."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


class Reading:
    """The blobs of a container, and of a repository.

    Args:
        box: The container.
        repository: The repository.
    """

    def __init__(self, box: Container, repository: Repository) -> None:
        self._box, self._repository = box, repository

    def has(self, wanted: Wanted) -> bool:
        """Whether it can be had."""
        if wanted.oid is None:
            return False
        if wanted.oid in self._box.pool.places:
            return True
        return self._repository.size(wanted.oid) is not None

    def read(self, oid: bytes) -> bytes:
        """The content of a blob by raw id. Raises RefusedRepository: it is not there whole."""
        if oid in self._box.pool.places:
            return self._box.pool.read(oid, BLOB)
        try:
            return self._repository.read(oid)[1]
        except KeyError as error:
            raise RefusedRepository(
                f"the object {oid.hex()} in {self._repository.name} is damaged, or too large",
                hint="nothing was changed; `git fsck` says more",
            ) from error
