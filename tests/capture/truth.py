"""What the git program and the file system say of a repository: what capture is compared with.

Nothing here uses jellyformat. git runs on the repository itself, after it was captured, without taking optional locks;
the objects it makes go to a directory of their own.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from states import UNSAFE_NAMES, git

Leaf = tuple[int, bytes]
"""Mode and hex id."""

_QUIET: dict[str, str] = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1"}
_DEBUG = re.compile(
    rb"(\d{6}) ([0-9a-f]+) ([0-3])\t([^\0]*)\0  ctime: .*\n  mtime: (\d+:\d+)\n"
    rb"  dev: .*\n  uid: .*\n  size: .*flags: ([0-9a-f]+)\n"
)
HARMLESS = (b"", b"nbstripout")
"""Filters under which a changed file is taken as it is on disk."""


@dataclass
class Truth:
    """The state of one repository, by other means; ids in hex."""

    commit: bytes | None = None
    ref: bytes | None = None
    index_tree: bytes | None = None
    conflicts: dict[bytes, list[Leaf | None]] = field(default_factory=dict)
    intent_to_add: dict[bytes, int] = field(default_factory=dict)
    skip_worktree: list[bytes] = field(default_factory=list)
    assume_unchanged: list[bytes] = field(default_factory=list)
    worktree_tree: bytes | None = None
    contents: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    """Mode and bytes on disk of every file that has to be in the snapshot as it is."""
    converted: list[bytes] = field(default_factory=list)
    filtered: list[bytes] = field(default_factory=list)
    omitted: dict[bytes, str] = field(default_factory=dict)
    empty_directories: list[bytes] = field(default_factory=list)
    ignored: list[bytes] = field(default_factory=list)
    nested: dict[bytes, Truth] = field(default_factory=dict)
    times: dict[bytes, bytes] = field(default_factory=dict)
    """Modification times in the index."""
    staged: dict[bytes, str] = field(default_factory=dict)
    unstaged: dict[bytes, str] = field(default_factory=dict)
    untracked: list[bytes] = field(default_factory=list)
    conflicted: list[bytes] = field(default_factory=list)


class Asker:
    """Asks git about the repository at ``path``."""

    def __init__(self, path: Path, scratch: Path) -> None:
        self.path = path
        self.scratch = scratch
        top = self.git("rev-parse", "--is-bare-repository").strip()
        self.bare = top == b"true"
        self.root = path if self.bare else Path(os.fsdecode(self.git("rev-parse", "--show-toplevel")[:-1]))
        self.object_format = self.git("rev-parse", "--show-object-format").decode().strip()
        objects = Path(os.fsdecode(self.git("rev-parse", "--git-path", "objects")[:-1]))
        self.objects = path / objects

    def git(
        self,
        *args: str | bytes,
        data: bytes | None = None,
        fails: bool = False,
        extra: dict[str, str] | None = None,
    ) -> bytes:
        quiet = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
        return git(self.path, *quiet, *args, data=data, fails=fails, extra={**_QUIET, **(extra or {})})

    def list(self, *args: str | bytes) -> list[bytes]:
        """What git prints, separated by NULs."""
        return [item for item in self.git(*args).split(b"\0") if item]

    def tree(self, leaves: dict[bytes, Leaf]) -> bytes:
        """The id of the tree of ``leaves``, which git makes."""
        store = self.scratch / "objects"
        store.mkdir(exist_ok=True)
        index = self.scratch / "index"
        index.unlink(missing_ok=True)
        extra = {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(store),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.objects),
        }
        lines = b"".join(b"%06o %s 0\t%s\0" % (mode, oid, path) for path, (mode, oid) in leaves.items())
        self.git("update-index", "-z", "--index-info", data=lines, extra=extra)
        return self.git("write-tree", "--missing-ok", extra=extra).strip()

    def blob(self, content: bytes) -> bytes:
        """The hex id of a blob."""
        return hashlib.new(self.object_format, b"blob %d\0" % len(content) + content).hexdigest().encode()


def ask(path: Path) -> Truth:
    """The truth about the repository at ``path`` and those inside it."""
    with tempfile.TemporaryDirectory() as scratch:
        return _ask(path, Path(scratch))


def _ask(path: Path, scratch: Path) -> Truth:
    asker = Asker(path, scratch)
    truth = Truth()
    truth.commit = asker.git("rev-parse", "-q", "--verify", "HEAD", fails=True).strip() or None
    ref = asker.git("symbolic-ref", "-q", "--no-recurse", "HEAD", fails=True)
    truth.ref = (ref or _ref_of_old_git(asker)) or None
    if truth.ref:
        truth.ref = truth.ref.strip()
    if asker.bare:
        return truth
    entries = _index(asker, truth)
    changes, nested = _status(asker, truth)
    for item in nested:
        inner = asker.root / os.fsdecode(item)
        if (inner / ".git").exists() and _is_own(inner):
            truth.nested[item] = _ask(inner, scratch)
    leaves = _files(asker, truth, entries, changes)
    truth.worktree_tree = asker.tree(leaves)
    _directories(asker, truth)
    return truth


def _ref_of_old_git(asker: Asker) -> bytes:
    """git before 2.40 cannot be told not to follow symbolic refs to their end."""
    git_dir = Path(os.fsdecode(asker.git("rev-parse", "--absolute-git-dir")[:-1]))
    text = (git_dir / "HEAD").read_bytes()
    return text[5:] if text.startswith(b"ref: ") and b"/.invalid" not in text else b""  # in reftables: detached


def _is_own(path: Path) -> bool:
    found = git(path, "rev-parse", "--show-toplevel", fails=True, extra=_QUIET)[:-1]
    return os.path.realpath(os.fsdecode(found)) == os.path.realpath(path) if found else False


def _index(asker: Asker, truth: Truth) -> dict[bytes, Leaf]:
    entries: dict[bytes, Leaf] = {}
    text = asker.git("ls-files", "--stage", "--debug", "-z")
    for mode, oid, stage, path, mtime, flags in _DEBUG.findall(text):
        truth.times[path] = mtime
        number, bits = int(mode, 8), int(flags, 16)
        if stage != b"0":
            truth.conflicts.setdefault(path, [None, None, None])[int(stage) - 1] = (number, oid)
            continue
        if bits & 0x20000000:
            truth.intent_to_add[path] = number
        else:
            entries[path] = (number, oid)
        if bits & 0x40000000:
            truth.skip_worktree.append(path)
        if bits & 0x8000:
            truth.assume_unchanged.append(path)
    truth.index_tree = asker.tree(entries)
    return entries


def _status(asker: Asker, truth: Truth) -> tuple[dict[bytes, str], list[bytes]]:
    """What git regards as changed in the worktree, and where repositories may be."""
    nested: list[bytes] = []
    text = asker.git(
        "status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames", "--ignored=matching",
        "--ignore-submodules=none",
    )  # fmt: skip
    for line in text.split(b"\0"):
        kind, _, rest = line.partition(b" ")
        if kind == b"1":
            letters, sub, _, _, _, _, _, path = rest.split(b" ", 7)
            if letters[:1] != b"." and path not in truth.intent_to_add:
                truth.staged[path] = letters[:1].decode()
            second = letters[1:2].decode()
            if sub[:1] == b"S" and second == "M" and sub[1:2] != b"C":
                second = "."  # only what is inside has changed
            if second != ".":
                truth.unstaged[path] = second
        elif kind == b"u":
            truth.conflicted.append(rest.split(b" ", 9)[9])
        elif kind == b"?":
            if rest.endswith(b"/"):
                nested.append(rest[:-1])
            else:
                truth.untracked.append(rest)
        elif kind == b"!":
            truth.ignored.append(rest)
    for line in asker.list("ls-files", "--stage", "-z"):
        if line.startswith(b"160000"):
            nested.append(line.partition(b"\t")[2])
    return truth.unstaged, sorted(set(nested))


def _files(asker: Asker, truth: Truth, entries: dict[bytes, Leaf], changes: dict[bytes, str]) -> dict[bytes, Leaf]:
    """The leaves of the worktree."""
    leaves: dict[bytes, Leaf] = {}
    attributes = _filters(asker)
    known = set(asker.list("ls-files", "-z", "--cached"))
    wanted = known | set(asker.list("ls-files", "-z", "--others", "--exclude-standard"))
    file_mode = asker.git("config", "core.fileMode", fails=True).strip() != b"false"
    links = asker.git("config", "core.symlinks", fails=True).strip() != b"false"
    for path in sorted(wanted):
        inside = path.rstrip(b"/")
        if inside in truth.nested:
            inner = truth.nested[inside]
            if inner.commit is not None:
                leaves[inside] = (0o160000, inner.commit)
                if inside not in known:
                    truth.untracked.append(inside)
            continue
        full = asker.root / os.fsdecode(path)
        try:
            found = full.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if any((asker.root / os.fsdecode(above)).is_symlink() for above in _above(path)):
            continue
        if path in UNSAFE_NAMES:
            truth.omitted[b"sub/.Git" if path.startswith(b"sub/") else path] = "name"
            continue
        staged = entries.get(path)
        if stat.S_ISDIR(found.st_mode):
            if staged is not None and staged[0] == 0o160000:
                if not any(full.iterdir()):
                    leaves[path] = staged
                else:  # git does not look at these files; a snapshot has them all the same
                    truth.unstaged[path] = "D"
                    for file in sorted(item for item in full.rglob("*") if item.is_file()):
                        name = os.path.relpath(os.fsencode(file), os.fsencode(asker.root))
                        leaves[name] = (0o100644, asker.blob(file.read_bytes()))
                        truth.contents[name] = (0o100644, file.read_bytes())
                        truth.untracked.append(name)
            continue
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            truth.omitted[path] = "special"
            continue
        if stat.S_ISLNK(found.st_mode):
            mode, content = 0o120000, os.fsencode(full.readlink())
        else:
            mode, content = 0o100755 if found.st_mode & 0o100 else 0o100644, full.read_bytes()
        if staged is not None and staged[0] in (0o100644, 0o100755) and mode != 0o120000 and not file_mode:
            mode = staged[0]
        if staged is not None and staged[0] == 0o120000 and not links:
            mode = staged[0]
        oid = asker.blob(content)
        touched = truth.times.get(path) != b"%d:%d" % divmod(found.st_mtime_ns, 10**9)
        filtering = attributes.get(path, b"")
        if staged is not None and oid != staged[1] and path not in changes and path not in _quiet(truth):
            if filtering and filtering not in (*HARMLESS, b"lfs") and touched:
                truth.omitted[path] = "filter"  # unmodified, but only the filter could tell
                continue
            if filtering:
                truth.filtered.append(path)
                leaves[path] = (mode, staged[1])
                continue
            truth.converted.append(path)
        elif filtering not in (*HARMLESS, b"lfs") and (staged is None or oid != staged[1]) and mode != 0o120000:
            truth.omitted[path] = "filter"
            continue
        leaves[path] = (mode, oid)
        truth.contents[path] = (mode, content)
    truth.untracked = sorted(path for path in truth.untracked if path in leaves)
    return leaves


def _quiet(truth: Truth) -> set[bytes]:
    """Paths whose changes git was told not to look at."""
    return {*truth.assume_unchanged, *truth.skip_worktree}


def _above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]


def _filters(asker: Asker) -> dict[bytes, bytes]:
    """The filter of each path that is under a configured one."""
    drivers = asker.git("config", "--get-regexp", r"^filter\..*\.(clean|process)$", fails=True)
    names = {line.split(b" ")[0].split(b".", 1)[1].rpartition(b".")[0] for line in drivers.splitlines()}
    paths = asker.git("ls-files", "-z", "--cached", "--others")
    items = asker.git("check-attr", "-z", "--stdin", "filter", data=paths).split(b"\0")
    return {path: value for path, value in zip(items[::3], items[2::3], strict=False) if value in names}


def _directories(asker: Asker, truth: Truth) -> None:
    """Directories with nothing in them."""
    ignored = {path.rstrip(b"/") for path in truth.ignored}
    for directory, names, files in os.walk(os.fsencode(asker.root)):
        path = os.path.relpath(directory, os.fsencode(asker.root))
        if path != b"." and path not in truth.nested and b".git" in (*names, *files):
            truth.omitted[path + b"/.git"] = "name"
        names[:] = [name for name in names if name != b".git"]
        for name in files:
            inside = os.path.normpath(os.path.join(path, name))
            special = not stat.S_ISREG(mode := os.lstat(os.path.join(directory, name)).st_mode) and not stat.S_ISLNK(
                mode
            )
            if special and not any(above in ignored for above in (*_above(inside), inside)):
                truth.omitted[inside] = "special"
        if path == b".":
            continue
        if path in truth.nested or path in ignored or any(above in ignored for above in _above(path)):
            names.clear()
            continue
        if not names and not files:
            submodule = asker.git("ls-files", "--stage", "--", path).startswith(b"160000")
            if not submodule and not _is_ignored(asker, path + b"/"):
                truth.empty_directories.append(path)
    truth.empty_directories.sort()


def _is_ignored(asker: Asker, path: bytes) -> bool:
    return bool(asker.git("check-ignore", "-z", "--no-index", "--stdin", data=path, fails=True))
