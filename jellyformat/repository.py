"""A git repository as capture reads it: found, opened and read without writing a byte or starting a process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pygit2

from jellyformat.errors import NoRepository, RefusedRepository
from jellyformat.gitindex import Index as GitIndex
from jellyformat.gitindex import parse_index
from jellyformat.manifest import is_ref
from jellyformat.model import Head, Operation
from jellyformat.objects import OID_LENGTH

_settings_lock = threading.Lock()

_OPERATION_FILES = (
    # git's own order of precedence in `git status`; a directory counts as well as a file
    (b"MERGE_HEAD", "merge"),
    (b"rebase-apply/applying", "am"),
    (b"rebase-apply", "rebase"),
    (b"rebase-merge", "rebase"),
    (b"CHERRY_PICK_HEAD", "cherry-pick"),
    (b"REVERT_HEAD", "revert"),
    (b"BISECT_LOG", "bisect"),
)


@dataclass(frozen=True)
class Layout:
    """Where a repository's parts are; absolute paths, bytes. ``worktree`` is None for a bare one."""

    git_dir: bytes
    common_dir: bytes
    worktree: bytes | None


def find(start: str | os.PathLike[str]) -> Layout:
    """The repository that holds the directory ``start``, looked for upward.

    Raises:
        NoRepository: there is none.
    """
    directory = os.fsencode(Path(start).resolve())
    current = directory
    while True:
        found = layout_at(current)
        if found is not None:
            return found
        parent = os.path.dirname(current)
        if parent == current:
            raise NoRepository(
                f"there is no git repository at {os.fsdecode(directory)} or above it",
                hint="nothing was changed; name one with --repo DIR, or let it be made with --create-repo",
            )
        current = parent


def layout_at(directory: bytes) -> Layout | None:
    """The repository whose worktree root, or bare directory, is ``directory``; None where there is none."""
    dot_git = directory + b"/.git"
    git_dir = None
    if os.path.isdir(dot_git):
        git_dir = dot_git
    elif os.path.isfile(dot_git):
        text = _read_file(dot_git) or b""
        if text.startswith(b"gitdir: "):
            git_dir = os.path.normpath(os.path.join(directory, text[8:].rstrip(b"\r\n")))
    worktree: bytes | None = directory
    if git_dir is None or not _is_git_dir(git_dir):
        if not _is_git_dir(directory):
            return None
        git_dir, worktree = directory, None
    common = _read_file(git_dir + b"/commondir")
    common_dir = git_dir if common is None else os.path.normpath(os.path.join(git_dir, common.rstrip(b"\r\n")))
    return Layout(git_dir, common_dir, worktree)


def _is_git_dir(path: bytes) -> bool:
    if not (os.path.isfile(path + b"/HEAD") or os.path.islink(path + b"/HEAD")):
        return False
    common = _read_file(path + b"/commondir")
    base = path if common is None else os.path.join(path, common.rstrip(b"\r\n"))
    return os.path.isdir(base + b"/objects") and os.path.isdir(base + b"/refs")


def _read_file(path: bytes) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


class Repository:
    """One repository, opened for reading.

    Args:
        layout: Where its parts are.

    Raises:
        RefusedRepository: it is of a kind that cannot be read here.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._config = self._read_config()
        self.object_format = self._config.get("extensions.objectformat", "sha1").lower()
        self._check_kind()
        try:
            self._odb = pygit2.Odb(os.fsdecode(layout.common_dir + b"/objects"))
            self._repository = self._open()
        except (pygit2.GitError, KeyError, ValueError) as error:
            raise RefusedRepository(
                f"the repository at {self.name} cannot be read: {error}",
                hint="nothing was changed; `git fsck` in it says more",
            ) from error

    @property
    def name(self) -> str:
        """Its place, for people."""
        return os.fsdecode(self.layout.worktree or self.layout.git_dir)

    @property
    def oid_length(self) -> int:
        """20 or 32."""
        return OID_LENGTH[self.object_format]

    def _check_kind(self) -> None:
        storage = self._config.get("extensions.refstorage", "files").lower()
        if self.object_format != "sha1" or storage != "files":
            what = "SHA-256 object ids" if self.object_format != "sha1" else f"the ref storage {storage!r}"
            raise RefusedRepository(
                f"the repository at {self.name} uses {what}, which libgit2 cannot read",
                hint="nothing was changed; a copy in the usual form can be captured: "
                "`git clone --ref-format=files` (reftable), or git fast-export into a new SHA-1 repository",
            )

    def _open(self) -> pygit2.Repository:
        # libgit2 refuses repositories of other users so that their configuration cannot run programs; nothing runs
        # here, so they may be read. The switch is global, hence the lock.
        with _settings_lock:
            before = pygit2.settings.owner_validation
            pygit2.settings.owner_validation = False
            try:
                return pygit2.Repository(os.fsdecode(self.layout.git_dir))
            finally:
                pygit2.settings.owner_validation = before

    def _read_config(self) -> dict[str, str]:
        values: dict[str, str] = {}
        for path in (self.layout.common_dir + b"/config", self.layout.git_dir + b"/config.worktree"):
            if os.path.isfile(path):
                try:
                    for entry in pygit2.Config(os.fsdecode(path)):
                        values[entry.name.lower()] = entry.value or "true"
                except (pygit2.GitError, UnicodeDecodeError) as error:
                    raise RefusedRepository(
                        f"the configuration {os.fsdecode(path)} cannot be read: {error}",
                        hint="nothing was changed; `git config --list` names the line",
                    ) from error
        return values

    def config(self, name: str) -> str | None:
        """A configuration value as git would see it, the user's own configuration included."""
        try:
            return str(self._repository.config[name])
        except (KeyError, pygit2.GitError):
            return self._config.get(name.lower())

    def remotes(self) -> Iterator[tuple[str, str]]:
        """Name and URL of each remote."""
        for name, value in sorted(self._config.items()):
            if name.startswith("remote.") and name.endswith(".url"):
                yield name[len("remote.") : -len(".url")], value

    # -- objects -------------------------------------------------------------------------------------------------

    def read(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object by raw id.

        Raises:
            KeyError: the repository does not have it.
        """
        try:
            kind, content = self._odb.read(oid.hex())
        except (pygit2.GitError, ValueError) as error:
            raise KeyError(oid.hex()) from error
        return int(kind), content

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object by raw id; None where the repository does not have it."""
        try:
            return int(self._odb.read_header(oid.hex())[1])
        except (pygit2.GitError, KeyError, ValueError):
            return None

    # -- refs ----------------------------------------------------------------------------------------------------

    def head(self) -> Head:
        """HEAD.

        Raises:
            RefusedRepository: it cannot be understood.
        """
        text = _read_file(self.layout.git_dir + b"/HEAD")
        if text is None:
            raise RefusedRepository(f"{self.name} has no HEAD", hint="nothing was changed; `git fsck` says more")
        ref, oid = self._resolve(text, 5)
        return Head(oid, ref)

    def _resolve(self, text: bytes, depth: int) -> tuple[bytes | None, bytes | None]:
        text = text.rstrip(b"\r\n \t")
        if not text.startswith(b"ref:"):
            return None, self._oid(text)
        name = text[4:].strip()
        if not is_ref(name) or depth == 0:
            raise RefusedRepository(f"HEAD of {self.name} names {name!r}", hint="nothing was changed")
        found = _read_file(self.layout.git_dir + b"/" + name) or _read_file(self.layout.common_dir + b"/" + name)
        if found is None:
            return name, self._packed().get(name)
        return name, self._resolve(found, depth - 1)[1]

    def _packed(self) -> dict[bytes, bytes]:
        refs: dict[bytes, bytes] = {}
        for line in (_read_file(self.layout.common_dir + b"/packed-refs") or b"").splitlines():
            if not line.startswith((b"#", b"^")):
                oid, _, name = line.partition(b" ")
                refs[name] = self._oid(oid)
        return refs

    def _oid(self, text: bytes) -> bytes:
        try:
            oid = bytes.fromhex(text.decode())
        except ValueError:
            oid = b""
        if len(oid) != self.oid_length:
            raise RefusedRepository(f"a ref of {self.name} holds {text!r}", hint="nothing was changed; see `git fsck`")
        return oid

    def shallow(self) -> frozenset[bytes]:
        """The commits whose parents the repository does not have (its ``shallow`` file)."""
        text = _read_file(self.layout.common_dir + b"/shallow") or b""
        return frozenset(self._oid(line) for line in text.split())

    def operation(self) -> Operation | None:
        """The merge or the like in progress."""
        for name, kind in _OPERATION_FILES:
            path = self.layout.git_dir + b"/" + name
            if os.path.lexists(path):
                heads = () if kind in ("rebase", "am", "bisect") else self._heads(path)
                message = None if kind == "bisect" else _read_file(self.layout.git_dir + b"/MERGE_MSG")
                return Operation(kind, heads, message)
        return None

    def _heads(self, path: bytes) -> tuple[bytes, ...]:
        return tuple(self._oid(line) for line in (_read_file(path) or b"").split())

    # -- index and worktree --------------------------------------------------------------------------------------

    def index(self) -> tuple[GitIndex, int] | None:
        """The index, and its modification time in nanoseconds; None where there is none yet."""
        path = self.layout.git_dir + b"/index"
        data = _read_file(path)
        if data is None:
            return None
        return parse_index(data, self.oid_length, self._shared_index), os.stat(path).st_mtime_ns

    def _shared_index(self, name: str) -> bytes:
        data = _read_file(self.layout.git_dir + b"/sharedindex." + name.encode())
        if data is None:
            raise RefusedRepository(
                f"the shared index of {self.name} is missing", hint="nothing was changed; `git fsck` says more"
            )
        return data

    def is_ignored(self, path: bytes) -> bool:
        """Whether git ignores an untracked ``path``; directories end in ``/``."""
        return bool(self._repository.path_is_ignored(path.decode("utf-8", "replace")))

    def attribute(self, path: bytes, name: str) -> str | bool | None:
        """A git attribute of ``path``: True (set), False (unset), a value, or None."""
        try:
            return self._repository.get_attr(path, name)
        except (pygit2.GitError, KeyError):
            return None

    def fingerprint(self) -> tuple[object, ...]:
        """Changes whenever HEAD or the index do."""

        def stamp(path: bytes) -> tuple[int, int, int] | None:
            try:
                found = os.stat(path)
            except FileNotFoundError:
                return None
            return found.st_mtime_ns, found.st_size, found.st_ino

        return self.head(), stamp(self.layout.git_dir + b"/index")
