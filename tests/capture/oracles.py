"""Four readers of git repositories, asked the same: git itself, ours, libgit2 (pygit2) and dulwich.

Each reader answers what it offers, in the form that git's answer has; where it offers less, ``OFFERS`` says what of
git's answer is left to compare. Everything is asked in as few calls of the git program as it takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import dulwich.config
import dulwich.porcelain
import dulwich.repo
import pygit2
from dulwich.ignore import IgnoreFilterManager
from dulwich.index import ConflictedIndexEntry
from states import git, is_reftable

import jellyformat
from jellyformat.checkout import refs
from jellyformat.git.index import IndexEntry
from jellyformat.git.layout import find_repository, layout_at
from jellyformat.git.repository import Repository

Answers = dict[str, Any]
"""What a reader says, by aspect; where it failed, the error."""
Named = dict[bytes, bytes]

ASPECTS = ("layout", "head", "refs", "index", "objects", "config", "ignored", "attributes", "status")
_WORKTREE = ("ignored", "attributes", "status")
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1"}
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3, b"tag": 4}
_MORE_NAMES = (b"x.log", b"build", b"__pycache__", b"a.bin", b"b.txt", b"keep.tmp", b"secret.key", b".env")
"""Names that rules speak of; asked about in every directory."""
_DEEPEST = 8
_ENTRY = re.compile(
    rb"(\d{6}) ([0-9a-f]+) ([0-3])\t([^\0]*)\0  ctime: (\d+):(\d+)\n  mtime: (\d+):(\d+)\n  dev: (\d+)\tino: (\d+)\n"
    rb"  uid: (\d+)\tgid: (\d+)\n  size: (\d+)\tflags: ([0-9a-f]+)\n"
)
_ASSUME_VALID, _INTENT_TO_ADD, _SKIP_WORKTREE = 0x8000, 1 << 29, 1 << 30


class Layout(NamedTuple):
    """Where things are."""

    git_dir: str
    worktree: str | None
    common_dir: str | None


class Status(NamedTuple):
    """Letters by path, and paths."""

    staged: dict[bytes, str]
    unstaged: dict[bytes, str]
    untracked: set[bytes]
    conflicted: set[bytes]


@dataclass(frozen=True)
class Questions:
    """What is asked of each reader: git's answers say of which refs and objects, the disk of which paths."""

    path: Path
    refs: Iterable[bytes] = ()
    objects: Iterable[bytes] = ()
    paths: list[tuple[bytes, bool]] = field(default_factory=list)
    """Each with whether it is a directory."""
    attributes: frozenset[str] = frozenset()


def paths_of(root: bytes, submodules: set[bytes]) -> list[tuple[bytes, bool]]:
    """What is below ``root`` but not inside of other repositories, and names that are not there."""
    found: list[tuple[bytes, bool]] = []
    stack = [b""]
    while stack:
        directory = stack.pop()
        here = os.path.join(root, directory)
        names = set(os.listdir(here)) - {b".git"}
        for name in sorted(names.union(_MORE_NAMES)):
            path, full = directory + name, os.path.join(here, name)
            is_directory = os.path.isdir(full) and not os.path.islink(full)
            found.append((path, is_directory))
            inside = path in submodules or os.path.lexists(full + b"/.git") or path.count(b"/") > _DEEPEST
            if is_directory and not inside:
                stack.append(path + b"/")
    return found


class Git:
    """The git program; nothing is changed, and nothing fetched."""

    def __init__(self, path: Path) -> None:
        self.path = path
        words = ("--git-dir", "--git-common-dir")
        said = self._git("rev-parse", "--path-format=absolute", *words, "--show-toplevel", fails=True).splitlines()
        if len(said) < 3:  # a bare one
            said = [*self._git("rev-parse", "--path-format=absolute", *words).splitlines()[:2], b""]
        git_dir, common_dir, worktree = (os.path.realpath(os.fsdecode(line)) if line else None for line in said)
        assert git_dir is not None
        self.layout = Layout(git_dir, worktree, common_dir)

    def _git(self, *arguments: str | bytes, data: bytes | None = None, fails: bool = False) -> bytes:
        return git(self.path, "-c", "core.fsmonitor=false", *arguments, data=data, fails=fails, extra=_QUIET)

    def _in_worktree(self, *arguments: str | bytes, data: bytes | None = None, fails: bool = False) -> bytes:
        top = self.layout.worktree
        assert top is not None
        where = ("--git-dir", self.layout.git_dir, "--work-tree", top, "-C", top)
        return self._git(*where, *arguments, data=data, fails=fails)

    def head(self) -> tuple[bytes | None, str | None]:
        """The ref that HEAD names, and the commit."""
        text = Path(self.layout.git_dir, "HEAD").read_bytes()  # git before 2.40 only tells the end of a chain of refs
        commit = self._git("rev-parse", "-q", "--verify", "HEAD", fails=True).decode().strip()
        if is_reftable(self.path):
            text = b"ref: " + self._git("symbolic-ref", "-q", "--no-recurse", "HEAD", fails=True)
            return text[5:].strip() or None, commit or None
        return text[5:].strip() if text.startswith(b"ref: ") else None, commit or None

    def refs(self) -> dict[bytes, str]:
        lines = self._git("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
        return {name: oid.decode() for oid, name in (line.split(b" ", 1) for line in lines)}

    def index(self) -> list[IndexEntry]:
        if self.layout.worktree is None:
            return []
        entries = []
        as_stored = ("-c", "sparse.expectFilesOutsideOfPatterns=true")  # git would set it right in its memory
        said = self._git(*as_stored, "ls-files", "--stage", "--debug", "-z", "--sparse")
        for mode, oid, stage, path, *numbers, flags in _ENTRY.findall(said):
            csec, cnsec, msec, mnsec, dev, ino, uid, gid, size = map(int, numbers)
            bits = int(flags, 16)
            entries.append(
                IndexEntry(
                    path, bytes.fromhex(oid.decode()), int(mode, 8), int(stage), size, msec << 32 | mnsec,
                    csec << 32 | cnsec, dev, ino, uid, gid,
                    *(bool(bits & bit) for bit in (_ASSUME_VALID, _INTENT_TO_ADD, _SKIP_WORKTREE)),
                )
            )  # fmt: skip
        return entries

    def objects(self) -> dict[bytes, tuple[int, bytes]]:
        """Kind and content of all there are, also where nothing leads to them."""
        raw = self._git("cat-file", "--batch", "--batch-all-objects", "--unordered", "--buffer")
        found: dict[bytes, tuple[int, bytes]] = {}
        at = 0
        while at < len(raw):
            end = raw.index(b"\n", at)
            oid, kind, size = raw[at:end].split()
            at = end + 1 + int(size)
            found[bytes.fromhex(oid.decode())] = _KINDS[kind], raw[end + 1 : at]
            at += 1
        return found

    def config(self) -> dict[str, dict[str, list[str]]]:
        """All values, and those of the repository's own files."""

        def listed(*options: str) -> dict[str, list[str]]:
            values: dict[str, list[str]] = {}
            for item in git(self.path, "config", *options, "--list", "-z", extra=_QUIET).split(b"\0")[:-1]:
                name, newline, value = item.partition(b"\n")
                values.setdefault(os.fsdecode(name), []).append(os.fsdecode(value) if newline else "true")
            return values

        everything, own = listed(), listed("--local", "--includes")
        if own.get("extensions.worktreeconfig") == ["true"]:
            for name, values in listed("--worktree", "--includes").items():
                own.setdefault(name, []).extend(values)
        return {"all": everything, "own": own}

    def ignored(self, questions: Questions) -> set[bytes]:
        data = b"\0".join(path for path, _ in questions.paths)
        said = self._in_worktree("check-ignore", "-z", "--no-index", "--stdin", data=data, fails=True)
        return set(said.split(b"\0")[:-1])

    def attributes(self, questions: Questions) -> dict[bytes, Named]:
        data = b"\0".join(path for path, _ in questions.paths)
        items = self._in_worktree("check-attr", "-z", "--stdin", "-a", data=data).split(b"\0")
        found: dict[bytes, Named] = {}
        for path, name, value in zip(items[::3], items[1::3], items[2::3], strict=False):
            found.setdefault(path, {})[name] = value
        return found

    def status(self, questions: Questions) -> Status:
        found = Status({}, {}, set(), set())
        options = ("--untracked-files=all", "--no-renames", "--ignore-submodules=dirty")
        for line in self._in_worktree("status", "--porcelain=v2", "-z", *options).split(b"\0"):
            kind, _, rest = line.partition(b" ")
            if kind == b"1":
                letters, path = rest[:2].decode(), rest.split(b" ", 7)[7]
                found.staged.update({path: letters[0]} if letters[0] != "." else {})
                found.unstaged.update({path: letters[1]} if letters[1] != "." else {})
            elif kind == b"u":
                found.conflicted.add(rest.split(b" ", 9)[9])
            elif kind == b"?":
                found.untracked.add(rest.rstrip(b"/"))
        return found

    def ask(self) -> tuple[Answers, Questions]:
        """All answers, and what others are to be asked."""
        said: Answers = {name: getattr(self, name)() for name in ("head", "refs", "index", "objects", "config")}
        said["layout"] = self.layout
        root = self.layout.worktree
        if root is None:
            return said, Questions(self.path, said["refs"], said["objects"])
        submodules = {entry.path for entry in said["index"] if entry.mode == 0o160000}
        paths = paths_of(os.fsencode(root), submodules)
        questions = Questions(self.path, said["refs"], said["objects"], paths)
        said.update({name: getattr(self, name)(questions) for name in _WORKTREE})
        names = frozenset(name.decode() for named in said["attributes"].values() for name in named)
        return said, Questions(self.path, said["refs"], said["objects"], paths, names)


def _shown(value: bytes | str | bool | None) -> bytes:
    """The value of an attribute as git shows it."""
    if isinstance(value, bool) or value is None:
        return {True: b"set", False: b"unset", None: b"unspecified"}[value]
    return os.fsencode(value)


class Own:
    """Our own reader."""

    OFFERS: Mapping[str, Callable[[Any], Any]] = {"config": lambda said: said["all"]}

    def __init__(self, questions: Questions) -> None:
        self._asked = questions
        self._repository = Repository(find_repository(questions.path))
        found = self._repository.index()
        self._index = [] if found is None else list(found[0].entries)

    def layout(self) -> Layout:
        found = self._repository.layout
        git_dir, common_dir, worktree = (
            None if path is None else os.path.realpath(os.fsdecode(path))
            for path in (found.git_dir, found.common_dir, found.worktree)
        )
        assert git_dir is not None
        return Layout(git_dir, worktree, common_dir)

    def head(self) -> tuple[bytes | None, str | None]:
        head = self._repository.head()
        return head.ref, None if head.commit is None else head.commit.hex()

    def refs(self) -> dict[bytes, str]:
        layout = self._repository.layout
        found = {name: refs.resolve(layout.git_dir, layout.common_dir, name) for name in self._asked.refs}
        return {name: oid.hex() for name, oid in found.items() if oid is not None}

    def index(self) -> list[IndexEntry]:
        return self._index

    def objects(self) -> dict[bytes, tuple[int, bytes]]:
        return {oid: self._repository.read(oid) for oid in self._asked.objects}

    def config(self) -> dict[str, list[str]]:
        return self._repository.settings.values

    def ignored(self) -> set[bytes]:
        ignore, _ = self._repository.rules({entry.path: entry for entry in self._index})
        found: set[bytes] = set()
        for path, is_directory in self._asked.paths:
            parts = path.split(b"/")
            above = (b"/".join(parts[:count]) for count in range(1, len(parts)))
            if any(ignore.matches(each, directory=True) for each in above) or ignore.matches(
                path, directory=is_directory
            ):
                found.add(path)
        return found

    def attributes(self) -> dict[bytes, Named]:
        _, attributes = self._repository.rules({entry.path: entry for entry in self._index})
        found = {
            path: {name: _shown(value) for name, value in attributes.of(path).items() if value is not None}
            for path, _ in self._asked.paths
        }
        return {path: named for path, named in found.items() if named}

    def status(self) -> Status:
        snap = jellyformat.snapshot(self._asked.path, environment=False, secrets="allow", oversize="allow")
        said = snap.manifest.summary
        staged, unstaged = ({path: letter for letter, path in part} for part in (said.staged, said.unstaged))
        return Status(staged, unstaged, set(said.untracked), set(said.conflicted))


class LibGit2:
    """libgit2, by pygit2."""

    OFFERS: Mapping[str, Callable[[Any], Any]] = {
        "layout": lambda said: said._replace(common_dir=None),
        "index": lambda said: sorted((entry.path, entry.mode, entry.oid) for entry in said),  # no flags, no stages
        "config": lambda said: said["own"],
    }

    def __init__(self, questions: Questions) -> None:
        self._asked = questions
        self._repository = pygit2.Repository(os.fspath(questions.path))

    def layout(self) -> Layout:
        top = self._repository.workdir
        return Layout(os.path.realpath(self._repository.path), None if top is None else os.path.realpath(top), None)

    def head(self) -> tuple[bytes | None, str | None]:
        head = self._repository.lookup_reference("HEAD")
        ref = head.target
        return os.fsencode(ref) if isinstance(ref, str) else None, None if self._repository.head_is_unborn else str(
            head.resolve().target
        )

    def refs(self) -> dict[bytes, str]:
        found = self._repository.raw_listall_references()
        return {name: str(self._repository.lookup_reference(os.fsdecode(name)).resolve().target) for name in found}

    def index(self) -> list[tuple[bytes, int, bytes]]:
        return sorted((os.fsencode(entry.path), int(entry.mode), entry.id.raw) for entry in self._repository.index)

    def objects(self) -> dict[bytes, tuple[int, bytes]]:
        found = {}
        for oid in self._repository.odb:
            kind, content = self._repository.odb.read(oid)
            found[oid.raw] = int(kind), content
        return found

    def config(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in self._repository.config:
            if entry.level >= pygit2.enums.ConfigLevel.LOCAL:
                value: str | None = entry.value  # pygit2 has it wrong
                found.setdefault(entry.name, []).append("true" if value is None else value)
        return found

    def ignored(self) -> set[bytes]:
        is_ignored = self._repository.path_is_ignored
        return {path for path, is_directory in self._asked.paths if is_ignored(os.fsdecode(path) + "/" * is_directory)}

    def attributes(self) -> dict[bytes, Named]:
        found: dict[bytes, Named] = {}
        for path, _ in self._asked.paths:
            for name in self._asked.attributes:
                value = self._repository.get_attr(path, name, pygit2.enums.AttrCheck.FILE_THEN_INDEX)
                if value is not None:
                    found.setdefault(path, {})[name.encode()] = _shown(value)
        return found

    def status(self) -> Status:
        found = Status({}, {}, set(), set())
        flags = pygit2.enums.FileStatus
        letters = {
            flags.INDEX_NEW: (found.staged, "A"),
            flags.INDEX_MODIFIED: (found.staged, "M"),
            flags.INDEX_DELETED: (found.staged, "D"),
            flags.INDEX_TYPECHANGE: (found.staged, "T"),
            flags.WT_MODIFIED: (found.unstaged, "M"),
            flags.WT_DELETED: (found.unstaged, "D"),
            flags.WT_TYPECHANGE: (found.unstaged, "T"),
        }
        for name, bits in self._repository.status(untracked_files="all").items():
            path = os.fsencode(name)
            if bits & flags.CONFLICTED:
                found.conflicted.add(path)
                continue
            for bit, (part, letter) in letters.items():
                if bits & bit:
                    part[path] = letter
            if bits & flags.WT_NEW:
                found.untracked.add(path.rstrip(b"/"))
        return found


def _time(stored: int | float | tuple[int, int]) -> int:
    """A time as `IndexEntry` has it."""
    seconds, nanoseconds = stored if isinstance(stored, tuple) else (int(stored), 0)
    return seconds << 32 | nanoseconds


class Dulwich:
    """dulwich."""

    OFFERS: Mapping[str, Callable[[Any], Any]] = {
        "config": lambda said: said["own"],
        "status": lambda said: (said.staged, set(said.unstaged), said.untracked),
    }

    def __init__(self, questions: Questions) -> None:
        self._asked = questions
        self._repository = dulwich.repo.Repo(os.fspath(questions.path))

    def layout(self) -> Layout:
        found = self._repository
        git_dir, common_dir = (os.path.realpath(path) for path in (found.controldir(), found.commondir()))
        return Layout(git_dir, None if found.bare else os.path.realpath(found.path), common_dir)

    def head(self) -> tuple[bytes | None, str | None]:
        chain, commit = self._repository.refs.follow(dulwich.refs.HEADREF)
        return chain[1] if len(chain) > 1 else None, None if commit is None else commit.decode()

    def refs(self) -> dict[bytes, str]:
        return {name: oid.decode() for name, oid in self._repository.get_refs().items() if name != b"HEAD"}

    def index(self) -> list[IndexEntry]:
        if self._repository.bare:
            return []
        entries: list[IndexEntry] = []
        for path, item in self._repository.open_index().items():
            if isinstance(item, ConflictedIndexEntry):
                stages = [(1, item.ancestor), (2, item.this), (3, item.other)]
            else:
                stages = [(0, item)]
            for stage, entry in stages:
                if entry is None:
                    continue
                bits = entry.extended_flags << 16 | entry.flags
                entries.append(
                    IndexEntry(
                        path, bytes.fromhex(entry.sha.decode()), entry.mode, stage, entry.size, _time(entry.mtime),
                        _time(entry.ctime), entry.dev, entry.ino, entry.uid, entry.gid,
                        *(bool(bits & bit) for bit in (_ASSUME_VALID, _INTENT_TO_ADD, _SKIP_WORKTREE)),
                    )
                )  # fmt: skip
        return entries

    def objects(self) -> dict[bytes, tuple[int, bytes]]:
        store = self._repository.object_store
        return {bytes.fromhex(oid.decode()): store.get_raw(oid) for oid in store}

    def config(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        files = [self._repository.get_config()]
        if files[0].get_boolean((b"extensions",), b"worktreeconfig", False):
            files.append(self._repository.get_worktree_config())
        for file in files:
            for section in file.sections():
                for key, value in file.items(section):
                    middle = "".join(f".{os.fsdecode(part)}" for part in section[1:])
                    name = f"{section[0].decode().lower()}{middle}.{key.decode().lower()}"
                    found.setdefault(name, []).append(os.fsdecode(value))
        return found

    def ignored(self) -> set[bytes]:
        manager = IgnoreFilterManager.from_repo(self._repository)
        return {
            path
            for path, is_directory in self._asked.paths
            if manager.is_ignored(os.fsdecode(path) + "/" * is_directory)
        }

    def attributes(self) -> dict[bytes, Named]:
        rules = self._repository.get_gitattributes()
        found = {
            path: {name: _shown(value) for name, value in rules.match_path(path).items() if value is not None}
            for path, _ in self._asked.paths
        }
        return {path: named for path, named in found.items() if named}

    def status(self) -> tuple[dict[bytes, str], set[bytes], set[bytes]]:
        def raw(path: str | bytes) -> bytes:
            return os.fsencode(path).rstrip(b"/")

        said = dulwich.porcelain.status(self._repository, untracked_files="all")
        letters = {"add": "A", "delete": "D", "modify": "M"}
        staged = {raw(path): letters[kind] for kind, paths in said.staged.items() for path in paths}
        return staged, {raw(path) for path in said.unstaged}, {raw(path) for path in said.untracked}


READERS: dict[str, type[Own | LibGit2 | Dulwich]] = {"own": Own, "dulwich": Dulwich, "pygit2": LibGit2}
"""pygit2 last: asked for the status, libgit2 writes the index."""


class Other(NamedTuple):
    """What a reader says where git says something else.

    Attributes:
        failed: Whether it cannot tell at all.
        what: The error, or what differs.
    """

    failed: bool
    what: str


def disagreements(path: Path) -> dict[tuple[str, str], Other]:
    """Where a reader says something else than git about the repository at ``path``, by reader and aspect.

    A reader that cannot open it at all does so by the aspect ``open``.
    """
    said, questions = Git(path).ask()
    found: dict[tuple[str, str], Other] = {}
    asked: dict[str, Own | LibGit2 | Dulwich] = {}
    for name, reader in READERS.items():
        try:
            asked[name] = reader(questions)
        except Exception as error:  # whatever a library raises
            found[name, "open"] = Other(True, repr(error))
    for aspect in (aspect for aspect in ASPECTS if aspect in said):
        for name, opened in asked.items():
            expected = opened.OFFERS.get(aspect, lambda answer: answer)(said[aspect])
            try:
                answer = getattr(opened, aspect)()
            except Exception as error:
                found[name, aspect] = Other(True, repr(error))
                continue
            if answer != expected:
                found[name, aspect] = Other(False, _difference(expected, answer))
    return found


def inside(path: Path) -> list[Path]:
    """The repositories below the worktree of the one at ``path``."""
    places = (Path(above) for above, folders, files in os.walk(path) if ".git" in (*folders, *files))
    return sorted(place for place in places if place != path and layout_at(os.fsencode(place)) is not None)


def _difference(expected: Any, answer: Any) -> str:
    """What differs, short."""
    if isinstance(expected, tuple) and isinstance(answer, tuple) and len(expected) == len(answer):
        return "; ".join(_difference(*pair) for pair in zip(expected, answer, strict=True) if pair[0] != pair[1])
    if isinstance(expected, dict) and isinstance(answer, dict):
        keys = [key for key in expected.keys() | answer.keys() if expected.get(key) != answer.get(key)]
        expected, answer = ({key: said[key] for key in keys if key in said} for said in (expected, answer))
    elif isinstance(expected, set) and isinstance(answer, set):
        expected, answer = expected - answer, answer - expected
    elif isinstance(expected, list) and isinstance(answer, list):
        expected, answer = (
            [item for item in one if item not in other] for one, other in ((expected, answer), (answer, expected))
        )
    return f"git: {expected!r:.1000}, it: {answer!r:.1000}"
