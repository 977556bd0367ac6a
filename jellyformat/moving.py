"""One step in the history list: what restore, undo and redo have in common."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat import refs
from jellyformat.boundaries import Boundaries, keep_commits
from jellyformat.changeover import Changeover
from jellyformat.errors import RefusedRepository
from jellyformat.exclusions import beside_target, exclude_maker, hidden_of, shown_of
from jellyformat.gitlocks import git_locked, release_locks_of
from jellyformat.gitstore import objects_of, reachable, write_pack
from jellyformat.gitwrite import new_repository_files
from jellyformat.model import State
from jellyformat.objects import BLOB, object_id
from jellyformat.planning import Planner, Target, Wanted, WantedRepository, ancestors, without
from jellyformat.present import Present, Raw, heads_of, look, make_container
from jellyformat.reader import Container
from jellyformat.recovery import recover
from jellyformat.repository import Layout, Repository
from jellyformat.undolog import Log, Node, Store
from jellyformat.wanting import make_index, roots_of

_MOST_GIVEN = 64
"""Commits of a snapshot that are kept in a container; with more there is history, and a ref keeps it."""
UNBORN = b"refs/heads/jelly/unborn"
"""The branch HEAD names where the snapshot has no commit and its own branch exists; it is not made."""


@dataclass(frozen=True)
class Moved:
    """What a step has done; paths are whole."""

    written: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    kept_ignored: tuple[bytes, ...]
    filtered: tuple[bytes, ...]
    unavailable: tuple[bytes, ...]
    objects: int
    left: int
    detached: bytes | None
    """The branch that HEAD could not be put on again, since it has moved since."""


def move(store: Store, log: Log, layout: Layout, act: Callable[[Mover], Moved]) -> Moved:
    """Make a step with `Mover.go`, which ``act`` calls.

    Where a directory cannot be moved, as those in the image of a container, it is done again with its files one by one.

    Raises:
        JellyError, OSError: as `Mover.locked` and `Mover.go`.
    """
    for whole in (True, False):
        mover = Mover(store, log, layout, whole=whole)
        try:
            with mover.locked():
                return act(mover)
        except OSError as error:
            if error.errno != errno.EXDEV or not whole:
                raise
    raise AssertionError("the last time it is done or fails")


class Mover:
    """Goes from the live state to another.

    Args:
        store: The store; locked, and mended.
        log: The history list.
        layout: The repository.
        whole: As for the `Planner`.
    """

    def __init__(self, store: Store, log: Log, layout: Layout, *, whole: bool = True) -> None:
        self._store, self._layout, self._whole = store, layout, whole
        if not log.nodes:
            log = log.with_node(Node(0, None, None, None, int(time.time()), "before the first restore"))
        self.log = log
        self._present: Present | None = None
        self._detached: bytes | None = None
        self._kept_ignored: list[bytes] = []
        self._given: tuple[tuple[bytes, bytes], ...] = ()
        self._boundaries = Boundaries(log)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Look at what is there, with git kept out.

        Raises:
            Busy: git is at work.
        """
        hidden = self.log.live.hidden
        first = look(self._layout, hidden)
        git_dirs = [part.repository.layout.git_dir for part in first.repositories.values()]
        with git_locked(self._store, git_dirs):
            self._present = look(self._layout, hidden)
            if self._present.repositories.keys() != first.repositories.keys():
                raise RefusedRepository(
                    "repositories came or went while they were looked at", hint="nothing was changed; run it again"
                )
            yield

    # -- the step ------------------------------------------------------------------------------------------------

    def go(
        self,
        target: Target,
        node: Node,
        *,
        box: Container | None = None,
        source: bytes | None = None,
        kept: Container | None = None,
        shown: frozenset[bytes] = frozenset(),
        excludes: dict[bytes, bytes | None] | None = None,
    ) -> Moved:
        """Make ``target`` the live state, as ``node`` of the history list.

        Args:
            target: What is wanted.
            node: Its node: a new one, or the one that is gone back to.
            box: The snapshot it is of; None for a state of the history list.
            source: The path of the snapshot's own file, which stays unless the snapshot has its content.
            kept: The container of a state of the history list.
            shown: Ignored paths that git shows all the same in the target.
            excludes: ``info/exclude`` as it is to be, by the repository's prefix; None leaves our own lines out.
        """
        present = self._present
        assert present is not None
        # what came with the snapshot needs no ref, which would make its ends of history stay: the container has it
        given = {oid for prefix, oid in self.log.live.given if prefix in present.repositories}
        whole = frozenset(given & {oid for part in present.repositories.values() for oid in heads_of(part)})
        stays = {source} if source is not None and source not in target.files else set()
        if source in target.files and target.files[source].filtered:  # git's stored form (LFS) has no snapshot in it
            del target.files[source]
            target.left.add(source)
        held = box or kept
        assert held is not None
        reading = _Reading(held, present.outer.repository)
        skipped = [path for path in present.linked if path + b"/" in target.repositories]
        for path in skipped:
            target = without(target, path)
            shown |= {path + b"/"}
        if box is None:  # a nested repository that was deleted since took its objects along
            gone = [prefix for prefix in target.repositories if prefix not in present.repositories]
            for prefix in gone:
                del target.repositories[prefix]
        present.ignored = beside_target(present, target)
        container, stored = make_container(present, whole, given)
        # what was ignored then is no part of that state: it is not taken away
        then = set() if kept is None else _left_then(kept, present)
        plan = Planner(present, target, stays | then, reading.has, _umask(), whole=self._whole).make()
        for prefix, part in present.repositories.items():
            if prefix and plan.covered(prefix + b".git"):
                release_locks_of(self._store, part.repository.layout.git_dir)
        number = self.log.change + 1
        live = self.log.live
        name = f"{live.id}-{number}"
        change = Changeover(self._store, self.log, present, target, plan, name, number)
        try:
            change.staging.begin()
            objects = self._objects(change, target, held)
            change.stage(reading.read, container, stored, shown_of(present))
            self._boundaries.look(present, whole)
            self._git(change, target, box, held, stays, shown, excludes)
            keep_commits(present, whole, name)
            log = change.run(lambda: self._new_log(node, name, change, box))
        except BaseException:
            with contextlib.suppress(Exception):  # the next command clears up what this cannot
                recover(self._store)
            raise
        self._clear_up(log)
        return Moved(
            written=tuple(sorted(plan.puts)),
            removed=tuple(sorted(path for path in plan.parks if path not in target.files)),
            kept_ignored=tuple(sorted(self._kept_ignored)),
            filtered=tuple(sorted(path for path, (wanted, _) in plan.puts.items() if wanted.filtered)),
            unavailable=(*plan.unavailable, *skipped),
            objects=objects,
            left=live.id,
            detached=self._detached,
        )

    def _new_log(self, node: Node, name: str, change: Changeover, box: Container | None) -> Log:
        """The list once the step is done: the live state is kept under ``name``, and ``node`` is live."""
        if box is not None:
            node = replace(node, hidden=hidden_of(change.present, box, change.target))
        live = self.log.live
        head = change.present.outer.head
        commit = "" if head.commit is None else head.commit.hex()
        left = replace(live, name=name, commit=commit, needs=self._boundaries.needs)
        if node.id not in self.log.nodes:
            left = replace(left, redo=node.id)
        log = self.log.with_node(left).with_node(replace(node, name=None, needs=(), given=self._given or node.given))
        return replace(log, current=node.id, change=change.number, shallow=tuple(sorted(self._boundaries.noted)))

    def _clear_up(self, log: Log) -> None:
        with contextlib.suppress(OSError):  # the next command tries again
            self._store.journal.unlink(missing_ok=True)
            self._store.sweep(log)
        names = {node.name or "" for node in log.nodes.values()}
        refs.sweep(refs.directory_of(self._layout.git_dir), names)
        assert self._present is not None
        for prefix, part in self._present.repositories.items():
            if prefix:
                refs.sweep(refs.directory_of(part.repository.layout.git_dir, nested=True), names)

    # -- objects -------------------------------------------------------------------------------------------------

    def _objects(self, change: Changeover, target: Target, box: Container) -> int:
        """Put the snapshot's objects into the repositories, and make those that are not there; how many objects."""
        count = 0
        given: list[tuple[bytes, bytes]] = []
        present = change.present
        states = dict(box.manifest.state.walk())
        for prefix in sorted(target.repositories):
            part = present.repositories.get(prefix)
            if part is None:
                place = change.staging.next_new()
                self._new_repository(change.staging.path(place), present)
                change.new_repositories[prefix[:-1]] = place
                objects_dir = change.staging.path(place) / "objects"
            else:
                objects_dir = Path(os.fsdecode(part.repository.layout.common_dir)) / "objects"
            if prefix in states:
                object_format = box.manifest.state.object_format
                oids, names = reachable(box, roots_of(states[prefix]))
                chosen = list(objects_of(box, oids, None if part is None else part.repository))
                given += [(prefix, oid) for oid in self._boundaries.incomplete(prefix, part, box, oids, chosen)]
                index = states[prefix].index
                if index is not None and index.intent_to_add:  # git's entries for them name the empty blob
                    empty = object_id(BLOB, b"", object_format)
                    if part is None or part.repository.size(empty) is None:
                        chosen.append((empty, BLOB, b""))
                count += write_pack(objects_dir, chosen, object_format, names, self._layout.git_dir)
        self._given = tuple(given) if len(given) <= _MOST_GIVEN else ()
        return count

    @staticmethod
    def _new_repository(path: Path, present: Present) -> None:
        path.mkdir(mode=0o755)
        for name, content in new_repository_files(present.outer.repository.object_format, ()):
            if name.endswith(b"/"):
                (path / os.fsdecode(name)).mkdir(exist_ok=True)
            else:
                (path / os.fsdecode(name)).write_bytes(content)

    # -- git directories -----------------------------------------------------------------------------------------

    def _git(
        self,
        change: Changeover,
        target: Target,
        box: Container | None,
        held: Container,
        stays: set[bytes],
        shown: frozenset[bytes],
        excludes: dict[bytes, bytes | None] | None,
    ) -> None:
        """The changes of every git directory, that of the outermost last."""
        states = dict(held.manifest.state.walk())
        self._boundaries.noted = {
            item for item in self.log.shallow if item[0] not in target.repositories or item[0] not in states
        }
        for prefix, wanted in sorted(target.repositories.items(), reverse=True):
            part = change.present.repositories.get(prefix)
            if part is None:
                git_dir = common_dir = change.present.path(prefix + b".git")
            else:
                git_dir, common_dir = part.repository.layout.git_dir, part.repository.layout.common_dir
            if part is not None:
                make = exclude_maker(change.present, target, part, stays, shown, excludes, self._kept_ignored)
                if make is not None:
                    change.put_late(common_dir, b"info/exclude", make)
            if prefix in states:
                shallow = self._boundaries.shallow_file(prefix, part, held, states[prefix])
                if shallow is not None and part is None:
                    place = change.new_repositories[prefix[:-1]] + b"/shallow"
                    change.staging.write(place, shallow, 0o644, exact=False)
                elif shallow is not None:
                    change.replace_git(common_dir, b"shallow", Raw(0o644, shallow) if shallow else None)
            if box is not None and prefix in states:
                change.put_late(git_dir, b"index", _index_maker(change, box, states[prefix], prefix))
            head = self._head(git_dir, common_dir, wanted)
            if part is None:
                for name, raw in {**wanted.raw, b"HEAD": Raw(0o644, head)}.items():
                    place = change.new_repositories[prefix[:-1]] + b"/" + name
                    change.staging.path(place).unlink(missing_ok=True)
                    change.staging.raw(raw, place)
            else:
                change.git_files(git_dir, part, wanted, head)

    def _head(self, git_dir: bytes, common_dir: bytes, wanted: WantedRepository) -> bytes:
        """The content of HEAD: on the branch again only where that is where it was; the user's branches are theirs."""
        if wanted.head is not None and not wanted.late_index:
            now = refs.resolve(git_dir, common_dir, wanted.head)
            if now == wanted.commit:
                return b"ref: " + wanted.head + b"\n"
            if not wanted.prefix:
                self._detached = wanted.head
        if wanted.commit is not None:
            return wanted.commit.hex().encode() + b"\n"
        name = wanted.head if wanted.head is not None and wanted.head.startswith(b"refs/heads/") else UNBORN
        number = 1
        while not refs.is_free(git_dir, common_dir, name):
            number += 1
            name = UNBORN if number == 2 else UNBORN + b"-%d" % number
        return b"ref: " + name + b"\n"


def _left_then(kept: Container, present: Present) -> set[bytes]:
    """What git ignored in a state of the history list, but for directories that git knows files in now."""
    parts = present.repositories.values()
    known = {part.prefix + entry.path for part in parts for entry in part.entries}
    known |= {above for path in known for above in ancestors(path)}
    return {path.rstrip(b"/") for path in kept.manifest.ignored} - known


class _Reading:
    """Where the content of wanted files comes from."""

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
        """The content of a blob by raw id. Raises KeyError."""
        if oid in self._box.pool.places:
            return self._box.pool.read(oid, BLOB)
        return self._repository.read(oid)[1]


def _index_maker(change: Changeover, box: Container, state: State, prefix: bytes) -> Callable[[], bytes]:
    def find(path: bytes) -> os.stat_result | None:
        full = prefix + path
        if full not in change.target.files or full in change.plan.unavailable:
            return None
        try:
            return os.lstat(change.present.path(full))
        except FileNotFoundError:
            return None

    def make() -> bytes:
        _wait_for_clock()
        return make_index(box, state, find)

    return make


def _wait_for_clock() -> None:
    """An index as young as its files makes git read them all again: let the filesystem's clock tick."""
    time.sleep(0.011)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
