"""One step in the history list: what restore, undo and redo have in common."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from jellyformat.checkout import refs
from jellyformat.checkout.change import Changeover
from jellyformat.checkout.current import Present, Raw, look
from jellyformat.checkout.excludes import exclude_maker, hidden_of, shown_of
from jellyformat.checkout.history import Log, Node, gone, sweep
from jellyformat.checkout.keeps import release_keeps, write_kept_pack
from jellyformat.checkout.locks import Held, git_locked, release_locks_of
from jellyformat.checkout.planned import Planned, planned, umask
from jellyformat.checkout.prune import check_room
from jellyformat.checkout.recover import recover
from jellyformat.checkout.seen import Seen
from jellyformat.checkout.shallow import Boundaries, keep_commits
from jellyformat.checkout.staging import Staging
from jellyformat.checkout.store import Store
from jellyformat.checkout.target import Target, WantedRepository
from jellyformat.checkout.unreached import unreached
from jellyformat.errors import JellyError, RefusedRepository
from jellyformat.exports.index import make_index
from jellyformat.exports.objects import objects_of, write_pack
from jellyformat.format.container import Container
from jellyformat.format.model import State
from jellyformat.format.objects import BLOB, OID_LENGTH, object_id
from jellyformat.format.reach import reachable, roots
from jellyformat.git.create import write_repository
from jellyformat.git.layout import Layout

_MOST_GIVEN = 64
"""Commits of a snapshot that are kept in a container; with more there is history, and a ref keeps it."""
UNBORN = b"refs/heads/jelly/unborn"
"""The branch HEAD names where the snapshot has no commit and its own branch exists; it is not made."""


@dataclass(frozen=True)
class Moved:
    """What a step has done; paths are whole."""

    written: tuple[bytes, ...]
    replaced: tuple[bytes, ...]
    """Those of them where something else was."""
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
        whole: As for the `WorktreePlanner`.
    """

    def __init__(self, store: Store, log: Log, layout: Layout, *, whole: bool = True) -> None:
        self._store, self._layout, self._whole = store, layout, whole
        if not log.nodes:
            log = log.with_node(Node(0, None, None, None, int(time.time()), "before the first restore"))
        self.log = log
        self._present: Present | None = None
        self._held = Held()
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
        parts = [part.repository for part in first.repositories.values()]
        shared = [part.layout.common_dir for part in parts if part.reftable]
        with git_locked(self._store, git_dirs, shared) as self._held:
            self._present = look(self._layout, hidden)
            if self._present.repositories.keys() != first.repositories.keys():
                raise RefusedRepository(
                    "repositories came or went while they were looked at", hint="nothing was changed; run it again"
                )
            yield

    @property
    def present(self) -> Present:
        """What is there."""
        assert self._present is not None
        return self._present

    def look(self) -> None:
        """Look at what is there, without keeping git out."""
        self._present = look(self._layout, self.log.live.hidden)

    # -- the step ------------------------------------------------------------------------------------------------

    def preview(self, target: Target, box: Container, source: bytes | None) -> Moved:
        """What `go` would do; nothing is changed."""
        return self._moved(self._planned(target, box, None, source, frozenset()), 0)

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
        most: int | None = None,
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
            most: Bytes that may be kept for undo in all; None for as many as it takes.
        """
        present, live = self.present, self.log.live
        held = box or kept
        assert held is not None
        way = self._planned(target, box, kept, source, shown)
        target, plan = way.target, way.plan
        if most is not None:
            check_room(self._store, self.log, plan, most)
        for prefix, part in present.repositories.items():
            if prefix and plan.covered(prefix + b".git"):
                release_locks_of(self._store, part.repository.layout.git_dir)
        number = self.log.change + 1
        name = f"{live.id}-{number}"
        before = self.log.nodes.get(node.id)
        staging = Staging(self._store, name, None if before is None else before.name)
        change = Changeover(self._store, self.log, present, target, plan, staging, number, whole=self._whole)
        try:
            staging.begin()
            objects = self._objects(change, target, held)
            change.stage(way.reading.read, way.container, way.stored, shown_of(present))
            self._boundaries.look(present, way.whole)
            keep_commits(self._store, present, way.whole, name)
            for prefix, part in present.repositories.items():
                if prefix and plan.covered(prefix + b".git"):  # it moves, and the refs of what it has are there
                    release_keeps(self._store, part.repository.layout.common_dir)
            self._git(change, target, box, held, way.stays, way.shown, excludes)
            log = change.run(lambda: self._new_log(node, name, change, box))
        except BaseException:
            with contextlib.suppress(Exception):  # the next command clears up what this cannot
                self._held.stay = self._store.has("journal")  # what is half done is nothing for git
                recover(self._store)
                self._held.stay = False
            raise
        self._clear_up(log)
        return self._moved(way, objects)

    def _planned(
        self,
        target: Target,
        box: Container | None,
        kept: Container | None,
        source: bytes | None,
        shown: frozenset[bytes],
    ) -> Planned:
        """The way from what is there to what is wanted; arguments as of `go`."""
        return planned(self.present, self.log, target, box, kept, source, shown, whole=self._whole)

    def _moved(self, way: Planned, objects: int) -> Moved:
        """What was done, or would be."""
        plan, target = way.plan, way.target
        return Moved(
            written=tuple(sorted(plan.puts)),
            replaced=tuple(sorted(path for path, (_, found) in plan.puts.items() if found or path in plan.parks)),
            removed=tuple(sorted(path for path in plan.parks if path not in target.files)),
            kept_ignored=tuple(sorted(self._kept_ignored)),
            filtered=tuple(sorted(path for path, (wanted, _) in plan.puts.items() if wanted.filtered)),
            unavailable=(*plan.unavailable, *way.skipped),
            objects=objects,
            left=self.log.live.id,
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
        with contextlib.suppress(OSError, JellyError):  # the next command tries again
            self._store.unlink("journal")
            release_keeps(self._store)
            names = gone(self._store, log)
            assert self._present is not None
            for prefix, part in self._present.repositories.items():
                refs.sweep(part.repository.layout, names, nested=bool(prefix))
            left = refs.unneeded(self._layout, names)  # packed by git: with its lock, by the next command
            sweep(self._store, log, whole=not left)

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
                made = change.staging.path(place)
                write_repository(made, present.outer.repository.object_format)
                change.staging.trees.append(place)
                change.new_repositories[prefix[:-1]] = place
            if prefix in states:
                object_format = box.manifest.state.object_format
                oids, names = _needed(box, states, prefix)
                chosen = list(objects_of(box, oids, None if part is None else part.repository))
                given += [(prefix, oid) for oid in self._boundaries.incomplete(prefix, part, box, oids, chosen)]
                index = states[prefix].index
                if index is not None and index.intent_to_add:  # git's entries for them name the empty blob
                    empty = object_id(BLOB, b"", object_format)
                    if part is None or part.repository.size(empty) is None:
                        chosen.append((empty, BLOB, b""))
                count += len(chosen)
                if part is None:  # where git does not look yet
                    write_pack(made, chosen, object_format, names, self._layout.git_dir)
                else:
                    new = {oid for oid, _, _ in chosen}
                    chosen += unreached(part, box, states[prefix], [oid for oid in oids if oid not in new])
                    write_kept_pack(self._store, part.repository.layout.common_dir, chosen, object_format, names)
        self._given = tuple(given) if len(given) <= _MOST_GIVEN else ()
        return count

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
                    change.put_late(common_dir, b"info/exclude", make, _seen_exclude(common_dir))
            if prefix in states:
                shallow = self._boundaries.shallow_file(prefix, part, held, states[prefix])
                if shallow is not None and part is None:
                    place = change.new_repositories[prefix[:-1]] + b"/shallow"
                    change.staging.write(place, shallow, 0o644, exact=False)
                elif shallow is not None:
                    change.replace_git(common_dir, b"shallow", Raw(0o644, shallow) if shallow else None)
            if box is not None and prefix in states:
                change.put_late(git_dir, b"index", _index_maker(change, box, states[prefix], prefix), None)
            head = self._head(git_dir, common_dir, wanted)
            if part is None:
                for name, raw in {**wanted.raw, b"HEAD": Raw(0o644, head)}.items():
                    place = change.new_repositories[prefix[:-1]] + b"/" + name
                    self._store.unlink(os.fsdecode(place))
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


def _needed(box: Container, states: Mapping[bytes, State], prefix: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The objects of a validated container that a repository needs for its state, by raw id, and what tells which of
    them are alike: in the order of the container, in which they are read fastest."""
    pool, length = box.pool, OID_LENGTH[box.manifest.state.object_format]
    ids = (oid for oid, _ in roots(states[prefix]))
    alone = len(states) == 1 and box.checker.names is not None  # all that is history is that of this repository
    found, names = reachable(pool, length, ids, state_only=alone)
    needed = set(found)
    if not alone:
        return [oid for oid in pool.places if oid in needed], names
    return [oid for oid in pool.places if oid in needed or not pool.is_state(oid)], box.checker.names or {}


def _seen_exclude(common_dir: bytes) -> Seen:
    """What a new ``info/exclude`` is to be like, by which it is known again."""
    try:
        mode = os.lstat(common_dir + b"/info/exclude").st_mode
    except OSError:
        mode = 0o644 & ~umask()
    even = int(time.time()) // 2 * 2  # seconds; no filesystem has coarser ones
    return Seen.late(even * 1_000_000_000, stat.S_IFREG | stat.S_IMODE(mode))


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
