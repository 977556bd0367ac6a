"""One step in the history list: what restore, undo and redo have in common."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat import refs
from jellyformat.changeover import Changeover, read_optional, recover
from jellyformat.errors import RefusedRepository
from jellyformat.gitlocks import git_locked, release_locks_of
from jellyformat.gitstore import objects_of, reachable, write_pack
from jellyformat.gitwrite import GitObject, new_repository_files
from jellyformat.ignore import Ignore
from jellyformat.model import State
from jellyformat.objects import BLOB, COMMIT, OID_LENGTH, TREE, object_id, parse_commit
from jellyformat.planning import Planner, Target, Wanted, WantedRepository, ancestors, without
from jellyformat.present import Present, PresentRepository, Raw, heads_of, is_ignored, look, make_container
from jellyformat.reader import Container
from jellyformat.repository import Layout, Repository
from jellyformat.undolog import Log, Node, Store
from jellyformat.wanting import make_index, roots_of

_BEGIN, _END = b"# jellyformat: ignored when a snapshot was restored\n", b"# jellyformat: end\n"
_OID = re.compile(rb"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")
_SPECIAL = re.compile(rb"([\\*?\[\]! #])")
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


class Mover:
    """Goes from the live state to another.

    Args:
        store: The store; locked, and mended.
        log: The history list.
        layout: The repository.
    """

    def __init__(self, store: Store, log: Log, layout: Layout) -> None:
        self._store, self._layout = store, layout
        if not log.nodes:
            log = log.with_node(Node(0, None, None, None, int(time.time()), "before the first restore"))
        self.log = log
        self._present: Present | None = None
        self._detached: bytes | None = None
        self._kept_ignored: list[bytes] = []
        self._needs: tuple[tuple[bytes, bytes], ...] = ()
        self._given: tuple[tuple[bytes, bytes], ...] = ()
        self._shallow: set[tuple[bytes, bytes]] = set()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Look at what is there, with git kept out.

        Raises:
            Busy: git is at work.
        """
        first = look(self._layout)
        git_dirs = [part.repository.layout.git_dir for part in first.repositories.values()]
        with git_locked(self._store, git_dirs):
            self._present = look(self._layout)
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
            source: The path of the snapshot's own file, which stays.
            kept: The container of a state of the history list.
            shown: Ignored paths that git shows all the same in the target.
            excludes: ``info/exclude`` as it is to be, by the repository's prefix; None leaves our own lines out.
        """
        present = self._present
        assert present is not None
        # what came with the snapshot needs no ref, which would make its ends of history stay: the container has it
        given = {oid for prefix, oid in self.log.live.given if prefix in present.repositories}
        whole = frozenset(given & {oid for part in present.repositories.values() for oid in heads_of(part)})
        container, stored = make_container(present, whole, given)
        stays = {source} if source is not None and source not in target.files else set()
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
        plan = Planner(present, target, stays, reading.has, _umask()).make()
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
            change.stage(reading.read, container, stored, self._shown())
            self._needs = self._needed(present, whole)
            self._git(change, target, box, held, stays, shown, excludes)
            self._keep_commits(change, whole, name)
            log = self._new_log(node, name, change)
            change.run(log)
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

    def _new_log(self, node: Node, name: str, change: Changeover) -> Log:
        """The list once the step is done: the live state is kept under ``name``, and ``node`` is live."""
        live = self.log.live
        head = change.present.outer.head
        left = replace(live, name=name, commit="" if head.commit is None else head.commit.hex(), needs=self._needs)
        if node.id not in self.log.nodes:
            left = replace(left, redo=node.id)
        log = self.log.with_node(left).with_node(replace(node, name=None, needs=(), given=self._given or node.given))
        return replace(log, current=node.id, change=change.number, shallow=tuple(sorted(self._shallow)))

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

    def _shown(self) -> tuple[bytes, ...]:
        """What the capture leaves out like ignored files, though git shows it: files that carry snapshots."""
        assert self._present is not None
        rules: dict[bytes, Ignore] = {}
        found: list[bytes] = []
        for path in self._present.ignored:
            part = self._present.repository_of(path.rstrip(b"/"))
            if part.prefix not in rules:
                rules[part.prefix] = part.repository.rules({entry.path: entry for entry in part.entries})[0]
            if not is_ignored(rules[part.prefix], path[len(part.prefix) :]):
                found.append(path)
        return tuple(found)

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
                given += [(prefix, oid) for oid in self._incomplete(prefix, part, box, oids, chosen)]
                index = states[prefix].index
                if index is not None and index.intent_to_add:  # git's entries for them name the empty blob
                    empty = object_id(BLOB, b"", object_format)
                    if part is None or part.repository.size(empty) is None:
                        chosen.append((empty, BLOB, b""))
                count += write_pack(objects_dir, chosen, object_format, names, self._layout.git_dir)
        self._given = tuple(given) if len(given) <= _MOST_GIVEN else ()
        return count

    def _incomplete(
        self, prefix: bytes, part: PresentRepository | None, box: Container, oids: list[bytes], new: list[GitObject]
    ) -> list[bytes]:
        """The commits among ``oids`` that the repository does not have with all that was before them.

        It may have them all the same, from an earlier restore: they are not the user's, whose commits are whole.
        """
        length = OID_LENGTH[box.manifest.state.object_format]
        commits = {oid for oid in oids if box.pool.places[oid].kind == COMMIT}
        parents = {oid: parse_commit(box.pool.read(oid), length).parents for oid in commits}
        found = {oid for oid, kind, _ in new if kind == COMMIT}
        if part is not None:
            ends = part.repository.shallow() - {oid for place, oid in self.log.shallow if place == prefix}
            for oid in commits & set(box.manifest.history.shallow) - ends:
                if any(other not in commits and part.repository.size(other) is None for other in parents[oid]):
                    found.add(oid)
        children: dict[bytes, list[bytes]] = {}
        for oid, before in parents.items():
            for other in before:
                children.setdefault(other, []).append(oid)
        stack = list(found)
        while stack:
            later = [oid for oid in children.get(stack.pop(), ()) if oid not in found]
            found.update(later)
            stack += later
        return sorted(found)

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
        self._shallow = {
            item for item in self.log.shallow if item[0] not in target.repositories or item[0] not in states
        }
        for prefix, wanted in sorted(target.repositories.items(), reverse=True):
            part = change.present.repositories.get(prefix)
            if part is None:
                git_dir = common_dir = change.present.path(prefix + b".git")
            else:
                git_dir, common_dir = part.repository.layout.git_dir, part.repository.layout.common_dir
            self._exclude(change, part, prefix, common_dir, stays, shown, excludes)
            if prefix in states:
                shallow = self._shallow_file(change, part, wanted, held, states[prefix])
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

    def _shallow_file(
        self, change: Changeover, part: PresentRepository | None, wanted: WantedRepository, box: Container, state: State
    ) -> bytes | None:
        """Commits whose parents are not here are noted, so that git does not look for them; the whole file.

        Entries of ours that neither the target nor a ref of ours needs go again.
        """
        prefix = wanted.prefix
        oids, _ = reachable(box, roots_of(state))
        mine = set(oids)
        new: set[bytes] = set()
        for oid in box.manifest.history.shallow:
            if oid in mine:
                parents = parse_commit(box.pool.read(oid), OID_LENGTH[state.object_format]).parents
                if any(oid not in mine and (part is None or part.repository.size(oid) is None) for oid in parents):
                    new.add(oid)
        have = frozenset() if part is None else part.repository.shallow()
        ours = {oid for place, oid in self.log.shallow if place == prefix} & have
        needed = {
            oid
            for node in (*self.log.nodes.values(), replace(self.log.live, needs=self._needs))
            for place, oid in node.needs
            if place == prefix
        }
        desired = (have - ours) | new | (ours & needed)
        self._shallow |= {(prefix, oid) for oid in (ours | (new - have)) & desired}
        return b"".join(sorted(oid.hex().encode() + b"\n" for oid in desired)) if desired != have else None

    def _needed(self, present: Present, whole: frozenset[bytes]) -> tuple[tuple[bytes, bytes], ...]:
        """Which of our ends of history are reached by commits of the live state that a ref will keep."""
        found: list[tuple[bytes, bytes]] = []
        for prefix, part in present.repositories.items():
            ours = {oid for place, oid in self.log.shallow if place == prefix}
            stack = [oid for oid in _commits_of(part) if oid not in whole] if ours else []
            seen = set(stack)
            while stack:
                oid = stack.pop()
                if oid in ours:
                    found.append((prefix, oid))
                    continue
                with contextlib.suppress(KeyError):
                    parents = parse_commit(part.repository.read(oid)[1], part.repository.oid_length).parents
                    stack += [parent for parent in parents if parent not in seen]
                    seen.update(parents)
        return tuple(sorted(found))

    def _exclude(
        self,
        change: Changeover,
        part: PresentRepository | None,
        prefix: bytes,
        common_dir: bytes,
        stays: set[bytes],
        shown: frozenset[bytes],
        excludes: dict[bytes, bytes | None] | None,
    ) -> None:
        """Files that git ignored, and would no longer, stay where they are, and stay ignored: ``info/exclude``."""
        if part is None:
            return
        now = read_optional(common_dir + b"/info/exclude")
        base = now if excludes is None or prefix not in excludes else excludes[prefix]
        own, lines = _split(base or b"")
        left = [path[len(prefix) :] for path in (*change.present.ignored, *sorted(stays)) if path.startswith(prefix)]
        left = [path for path in left if change.present.repository_of(prefix + path.rstrip(b"/")).prefix == prefix]
        files = change.target.files
        used = files.keys() | change.target.directories.keys()
        used |= {above for path in used for above in ancestors(path)}
        left = [path for path in left if prefix + path.rstrip(b"/") not in used]
        if base == now and not left and not lines:
            return

        def make() -> bytes | None:
            ignore, _ = Repository(part.repository.layout).rules({})
            wanted = [line for line in lines if excludes is not None]
            for path in left:
                line = b"/" + _SPECIAL.sub(rb"\\\1", path) + b"\n"
                full = change.present.path(prefix + path.rstrip(b"/"))
                if prefix + path in shown or line in wanted or not os.path.lexists(full) or b"\n" in path:
                    continue
                if line in lines or not is_ignored(ignore, path):
                    wanted.append(line)
                    self._kept_ignored.append(prefix + path)
            content = own if not wanted else own + _BEGIN + b"".join(wanted) + _END
            if wanted == lines:
                content = base or b""
            if base is None and not content:
                return None if now is None else b""
            return None if content == now else content

        change.put_late(common_dir, b"info/exclude", make)

    # -- commits -------------------------------------------------------------------------------------------------

    def _keep_commits(self, change: Changeover, whole: frozenset[bytes], name: str) -> None:
        """Refs of ours for the commits that only the state that is left names."""
        for prefix, part in change.present.repositories.items():
            commits = _commits_of(part) - whole
            if not commits:
                continue
            git_dir = part.repository.layout.git_dir
            commit = next(iter(commits))
            if len(commits) > 1:
                commit = self._join(part, commits)
            refs.write_ref(refs.directory_of(git_dir, nested=bool(prefix)), name, commit)

    def _join(self, part: PresentRepository, commits: set[bytes]) -> bytes:
        """A commit of ours that has all ``commits`` as parents: one ref keeps them all."""
        object_format = part.repository.object_format
        tree = object_id(TREE, b"", object_format)
        lines = b"".join(b"parent %s\n" % oid.hex().encode() for oid in sorted(commits))
        content = b"tree %s\n%s" % (tree.hex().encode(), lines)
        content += b"author jellyformat <> 0 +0000\ncommitter jellyformat <> 0 +0000\n\nkept for undo\n"
        oid = object_id(COMMIT, content, object_format)
        objects = [(oid, COMMIT, content), (tree, TREE, b"")]
        missing = [item for item in objects if part.repository.size(item[0]) is None]
        objects_dir = Path(os.fsdecode(part.repository.layout.common_dir)) / "objects"
        write_pack(objects_dir, missing, object_format, {}, self._layout.git_dir)
        return oid


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


def _split(exclude: bytes) -> tuple[bytes, list[bytes]]:
    """The user's own part of ``info/exclude``, and our lines."""
    begin = exclude.find(_BEGIN)
    end = exclude.find(_END, begin)
    if begin < 0 or end < 0:
        return exclude if exclude.endswith(b"\n") or not exclude else exclude + b"\n", []
    lines = exclude[begin + len(_BEGIN) : end].splitlines(keepends=True)
    return exclude[:begin] + exclude[end + len(_END) :], lines


def _commits_of(part: PresentRepository) -> set[bytes]:
    """HEAD, and whatever the files of an operation in progress name; as far as they are there."""
    found = set() if part.head.commit is None else {part.head.commit}
    stack = [raw for name, raw in part.raw.items() if name != b"index"]
    while stack:
        raw = stack.pop()
        stack += [inner for _, inner in raw.children]
        for match in _OID.finditer(raw.data or b""):
            oid = bytes.fromhex(match[0].decode())
            if oid not in found and len(oid) == part.repository.oid_length:
                with contextlib.suppress(KeyError):
                    if part.repository.read(oid)[0] == COMMIT:
                        found.add(oid)
    return found
