"""A git repository as capture reads it: found, opened and read without writing a byte or starting a process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from jellyformat.attributes import Attributes
from jellyformat.errors import RefusedRepository
from jellyformat.fileio import read_optional, read_regular
from jellyformat.gitconfig import Conditions, GitConfig, given_values, read_config, user_directory, user_files
from jellyformat.gitindex import Entry, parse_index
from jellyformat.gitindex import Index as GitIndex
from jellyformat.ignore import Ignore
from jellyformat.layout import Layout, find, layout_at
from jellyformat.manifest import is_ref
from jellyformat.model import Head, Operation
from jellyformat.objects import OID_LENGTH
from jellyformat.packs import ObjectStore

__all__ = ["Layout", "Repository", "find", "layout_at"]

_KNOWN_EXTENSIONS = {
    f"extensions.{name}"
    for name in (
        "noop", "preciousobjects", "partialclone", "worktreeconfig", "objectformat", "compatobjectformat", "refstorage",
        "relativeworktrees",
    )
}  # fmt: skip

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


class Repository:
    """One repository, opened for reading.

    libgit2 is not asked: it refuses repositories of other users, indexes and formats it does not know, and its answers
    on ignored files and attributes are not always git's.

    Args:
        layout: Where its parts are.

    Raises:
        RefusedRepository: it is of a kind that cannot be read here.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._local = self._read_config(())
        self.object_format = (self._local.get("extensions.objectformat") or "sha1").lower()
        self._check_kind()
        self._config = self._read_config(user_files(os.environ))
        for name, values in given_values(os.environ).items():
            self._config.values.setdefault(name, []).extend(values)
        self._odb = ObjectStore(self.layout.common_dir + b"/objects", self.object_format)

    @property
    def name(self) -> str:
        """Its place, for people."""
        return os.fsdecode(self.layout.worktree or self.layout.git_dir)

    @property
    def oid_length(self) -> int:
        """20 or 32."""
        return OID_LENGTH[self.object_format]

    def _check_kind(self) -> None:
        storage = (self._local.get("extensions.refstorage") or "files").lower().partition(":")[0]
        if storage != "files":
            raise RefusedRepository(
                f"the repository at {self.name} keeps its branches in the form {storage!r}, which cannot be read here",
                hint="nothing was changed; `git refs migrate --ref-format=files` in it gives them the usual form, "
                "`git clone --ref-format=files` makes a copy that has it",
            )
        unknown = {name for name in self._local.values if name.startswith("extensions.")} - _KNOWN_EXTENSIONS
        version = self._local.get("core.repositoryformatversion") or "0"
        if self.object_format not in OID_LENGTH or version not in ("0", "1") or (unknown and version != "0"):
            what = ", ".join(sorted(unknown)) or f"version {version}, {self.object_format}"
            raise RefusedRepository(
                f"the repository at {self.name} is of a form that is not known here ({what})",
                hint="nothing was changed; a newer jellyformat may know it",
            )

    def _read_config(self, outer: Iterable[bytes]) -> GitConfig:
        conditions = Conditions(self.layout.git_dir, self._branch())
        paths = [*outer, self.layout.common_dir + b"/config"]
        if read_config(paths[-1:]).boolean("extensions.worktreeconfig", default=False):
            paths.append(self.layout.git_dir + b"/config.worktree")
        return read_config(paths, conditions)

    def _branch(self) -> bytes | None:
        text = (read_optional(self.layout.git_dir + b"/HEAD") or b"").strip()
        return text[4:].strip() if text.startswith(b"ref:") else None

    @property
    def settings(self) -> GitConfig:
        """The configuration as git sees it here, the user's and the system's included."""
        return self._config

    def config(self, name: str) -> str | None:
        """A configuration value, by its name in lower case."""
        return self._config.get(name)

    def remotes(self) -> Iterator[tuple[str, str]]:
        """Name and URL of each remote that the repository itself names."""
        for name, urls in self._local.named("remote", "url"):
            yield name, urls[0]

    # -- objects -------------------------------------------------------------------------------------------------

    def read(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object by raw id.

        Raises:
            KeyError: the repository does not have it.
        """
        return self._odb.read(oid)

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object by raw id; None where the repository does not have it."""
        return self._odb.size(oid)

    # -- refs ----------------------------------------------------------------------------------------------------

    def head(self) -> Head:
        """HEAD.

        Raises:
            RefusedRepository: it cannot be understood.
        """
        text = read_optional(self.layout.git_dir + b"/HEAD")
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
        found = read_optional(self.layout.git_dir + b"/" + name) or read_optional(self.layout.common_dir + b"/" + name)
        if found is None:
            return name, self._packed().get(name)
        return name, self._resolve(found, depth - 1)[1]

    def _packed(self) -> dict[bytes, bytes]:
        refs: dict[bytes, bytes] = {}
        for line in (read_optional(self.layout.common_dir + b"/packed-refs") or b"").splitlines():
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
        text = read_optional(self.layout.common_dir + b"/shallow") or b""
        return frozenset(self._oid(line) for line in text.split())

    def operation(self) -> Operation | None:
        """The merge or the like in progress."""
        for name, kind in _OPERATION_FILES:
            path = self.layout.git_dir + b"/" + name
            if os.path.lexists(path):
                heads = () if kind in ("rebase", "am", "bisect") else self._heads(path)
                message = None if kind == "bisect" else read_optional(self.layout.git_dir + b"/MERGE_MSG")
                return Operation(kind, heads, message)
        return None

    def _heads(self, path: bytes) -> tuple[bytes, ...]:
        heads = tuple(self._oid(line) for line in (read_optional(path) or b"").split())
        if not heads:
            raise RefusedRepository(
                f"{os.fsdecode(path)} names no commit",
                hint="nothing was changed; `git merge --quit`, or `cherry-pick --quit`, `revert --quit`, takes it away",
            )
        return heads

    # -- index and worktree --------------------------------------------------------------------------------------

    def index(self) -> tuple[GitIndex, int] | None:
        """The index, and its modification time in nanoseconds; None where there is none yet."""
        path = self.layout.git_dir + b"/index"
        data = read_optional(path)
        if data is None:
            return None
        return parse_index(data, self.oid_length, self._shared_index), os.stat(path).st_mtime_ns

    def _shared_index(self, name: str) -> bytes:
        data = read_optional(self.layout.git_dir + b"/sharedindex." + name.encode())
        if data is None:
            raise RefusedRepository(
                f"the shared index of {self.name} is missing", hint="nothing was changed; `git fsck` says more"
            )
        return data

    def rules(self, entries: Mapping[bytes, Entry], *, exclude: bytes | None = None) -> tuple[Ignore, Attributes]:
        """What is ignored in the worktree, and what attributes its files have.

        Args:
            entries: The index entries, by path: rules that a sparse checkout left out are taken from there.
            exclude: The content of ``info/exclude`` to go by; None: what is there.
        """
        config, common = self.settings, self.layout.common_dir
        fold_case = config.boolean("core.ignorecase", default=False)
        user = user_directory(os.environ)
        excludes, attributes = config.get("core.excludesfile"), config.get("core.attributesfile")
        top = self.layout.worktree or self.layout.git_dir
        outer = _rules_file(user + b"/ignore" if excludes is None else _expanded(excludes, top))
        system = b"" if os.environ.get("GIT_ATTR_NOSYSTEM") else _rules_file(b"/etc/gitattributes")
        own = _rules_file(user + b"/attributes" if attributes is None else _expanded(attributes, top))

        def read(path: bytes, *, sparse_only: bool) -> bytes | None:
            entry = entries.get(path)
            try:
                return read_regular(os.path.join(self.layout.worktree or b"", path))
            except OSError:
                if entry is None or entry.stage or (sparse_only and not entry.skip_worktree):
                    return None
            try:
                return self.read(entry.oid)[1]
            except KeyError:
                return None

        ignore = Ignore(
            lambda path: read(path, sparse_only=True),
            (outer, _rules_file(common + b"/info/exclude") if exclude is None else exclude),
            fold_case=fold_case,
        )
        found = Attributes(
            lambda path: read(path, sparse_only=False),
            (system, own),
            _rules_file(common + b"/info/attributes"),
            fold_case=fold_case,
        )
        return ignore, found

    def fingerprint(self) -> tuple[object, ...]:
        """Changes whenever HEAD or the index do."""

        def stamp(path: bytes) -> tuple[int, int, int] | None:
            try:
                found = os.stat(path)
            except FileNotFoundError:
                return None
            return found.st_mtime_ns, found.st_size, found.st_ino

        return self.head(), stamp(self.layout.git_dir + b"/index")


def _rules_file(path: bytes) -> bytes:
    """The content of a file of rules outside of the worktree; empty where there is none."""
    try:
        return read_optional(path) or b""
    except OSError:
        return b""


def _expanded(path: str, top: bytes) -> bytes:
    """A path of the configuration: git is at the top of the worktree when it opens one that is relative."""
    return os.path.join(top, os.path.expanduser(os.fsencode(path)))
