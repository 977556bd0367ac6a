"""A git repository as capture reads it (gitrepository-layout(5)): without writing a byte or starting a process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress

from jellyformat.errors import RefusedRepository
from jellyformat.format.manifest import is_ref
from jellyformat.format.model import Head, Operation
from jellyformat.format.objects import OID_LENGTH
from jellyformat.git import reading
from jellyformat.git.attributes import Attributes
from jellyformat.git.config import (
    Conditions,
    GitConfig,
    expanded,
    read_config,
    read_given,
    read_local_config,
    user_directory,
    user_files,
)
from jellyformat.git.ignore import Ignore
from jellyformat.git.index import IndexEntry, parse_index
from jellyformat.git.index import IndexFile as GitIndex
from jellyformat.git.layout import Layout
from jellyformat.git.objects import ObjectStore
from jellyformat.git.reading import FOLLOWING, Reader
from jellyformat.git.reftable import ROOT_REFS, Stack
from jellyformat.git.rules import Work

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

_LINKS = 5
"""Refs that name one another."""
_SHOWN = 80
"""Bytes of what is shown of a name that cannot be one."""


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
        self.reader = Reader(follow=not layout.foreign)
        self._read_configuration(None)
        self.object_format = (self._local.get("extensions.objectformat") or "sha1").lower()
        self._check_kind()
        if any(name.startswith("includeif.hasconfig:") for name in self._config.values):
            urls = (os.fsencode(url) for _, urls in self._config.named("remote", "url") for url in urls)
            self._read_configuration(tuple(urls))
        self._odb = ObjectStore(self.layout.common_dir + b"/objects", self.object_format, self.reader)

    @property
    def name(self) -> str:
        """Its place, for people."""
        return os.fsdecode(self.layout.worktree or self.layout.git_dir)

    @property
    def oid_length(self) -> int:
        """20 or 32."""
        return OID_LENGTH[self.object_format]

    def _check_storage(self) -> None:
        if self._storage not in ("files", "reftable"):
            raise RefusedRepository(
                f"the repository at {self.name} keeps its refs in a form that is not known here "
                f"({self._storage[:_SHOWN]!r})",
                hint="nothing was changed; `git refs migrate --ref-format=files` in it gives them the usual form, "
                "`git clone --ref-format=files` makes a copy that has it",
            )

    def _check_kind(self) -> None:
        unknown = {name for name in self._local.values if name.startswith("extensions.")} - _KNOWN_EXTENSIONS
        version = self._local.get("core.repositoryformatversion") or "0"
        if self.object_format not in OID_LENGTH or version not in ("0", "1") or (unknown and version != "0"):
            what = ", ".join(sorted(unknown)) or f"version {version}, {self.object_format}"
            raise RefusedRepository(
                f"the repository at {self.name} is of a form that is not known here ({what})",
                hint="nothing was changed; a newer jellyformat may know it",
            )

    def _read_configuration(self, urls: tuple[bytes, ...] | None) -> None:
        """Read the configuration of the system, the user, the repository and the environment, in this order.

        Args:
            urls: Those of the remotes, for includes that ask for some; None to find them out.

        Raises:
            RefusedRepository: its refs have a form that is not known here.
        """
        first = self._read_local(None)
        self._storage = (first.get("extensions.refstorage") or "files").lower()
        self._check_storage()  # before HEAD is asked for
        places = (self.layout.git_dir, os.path.realpath(self.layout.git_dir), *self.layout.named)
        conditions = Conditions(tuple(dict.fromkeys(places)), self._branch(), urls)
        self._local = self._read_local(conditions)
        self._config = read_config(user_files(os.environ), conditions)
        for name, values in self._local.values.items():
            self._config.values.setdefault(name, []).extend(values)
        read_given(self._config, os.environ, conditions)

    def _read_local(self, conditions: Conditions | None) -> GitConfig:
        """The repository's own configuration; without ``conditions``, what is included on some is not."""
        paths = [self.layout.common_dir + b"/config"]
        first = read_local_config(paths, None, self.reader)
        if first.boolean("extensions.worktreeconfig", default=False):
            paths.append(self.layout.git_dir + b"/config.worktree")
        return read_local_config(paths, conditions, self.reader)

    def _read(
        self, name: bytes, most: int = reading.POINTER, *, common: bool = False, link: bool = True
    ) -> bytes | None:
        """The content of a file of the git directory, or of the one shared by worktrees; None where there is none."""
        return self.reader.read(self.layout.common_dir if common else self.layout.git_dir, name, most, link=link)

    @property
    def reftable(self) -> bool:
        """Whether refs are in reftables; else they are files."""
        return self._storage == "reftable"

    def stack(self, *, common: bool = False) -> Stack:
        """The reftables of the git directory, or of the one shared by worktrees. Raises RefusedRepository, OSError."""
        return Stack(self.layout.common_dir if common else self.layout.git_dir, self.reader)

    def _head_text(self) -> bytes | None:
        """The content of ``HEAD``; long ago it was a link to the branch."""
        if self.reftable:
            return self.stack().find(b"HEAD")
        try:
            target = os.readlink(self.layout.git_dir + b"/HEAD")
        except OSError:
            target = b""
        return b"ref: " + target if is_ref(target) else self._read(b"HEAD")

    def _branch(self) -> bytes | None:
        """The branch that HEAD names, or that one names in turn."""
        text, branch = (self._head_text() or b"").strip(), None
        for _ in range(_LINKS):
            if not text.startswith(b"ref:") or not is_ref(text[4:].strip()):
                break
            branch = text[4:].strip()
            found = self._ref(self.layout.git_dir, branch) or self._ref(self.layout.common_dir, branch)
            text = (found or b"").strip()
        return branch

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
            MissingObject: the repository does not have it.
            KeyError: it is larger than a snapshot can hold.
        """
        return self._odb.read(oid)

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object by raw id; None where the repository does not have it."""
        return self._odb.size(oid)

    def has_no_objects(self) -> bool:
        """Whether the repository was made and nothing was put into it yet."""
        return self._odb.is_empty()

    def note_size(self, oid: bytes, size: int) -> None:
        """Note the size in bytes of an object by raw id that was read from elsewhere."""
        self._odb.sizes[oid] = size

    # -- refs ----------------------------------------------------------------------------------------------------

    def head(self) -> Head:
        """HEAD.

        Raises:
            RefusedRepository: it cannot be understood.
        """
        text = self._head_text()
        if text is None:
            raise RefusedRepository(f"{self.name} has no HEAD", hint="nothing was changed; `git fsck` says more")
        ref, oid = self._resolve(text, _LINKS)
        return Head(oid, ref)

    def _resolve(self, text: bytes, depth: int) -> tuple[bytes | None, bytes | None]:
        text = text.rstrip(b"\r\n \t")
        if not text.startswith(b"ref:"):
            return None, self._oid(text)
        name = text[4:].strip()
        if not is_ref(name) or depth == 0:
            raise RefusedRepository(
                f"HEAD of {self.name} names {name[:_SHOWN]!r}, which is no branch", hint="nothing was changed"
            )
        found = self._ref(self.layout.git_dir, name) or self._ref(self.layout.common_dir, name)
        if found is None:
            return name, None if self.reftable else self._packed(name)
        return name, self._resolve(found, depth - 1)[1]

    def _ref(self, directory: bytes, name: bytes) -> bytes | None:
        if self.reftable:
            return Stack(directory, self.reader).find(name)
        return self.reader.read(directory, name, reading.POINTER, or_directory=True)

    def _packed(self, name: bytes) -> bytes | None:
        for oid, other in packed_refs(self.reader, self.layout.common_dir):
            if other == name:
                return self._oid(oid)
        return None

    def _oid(self, text: bytes) -> bytes:
        try:
            oid = bytes.fromhex(text.decode())
        except ValueError:
            oid = b""
        if len(oid) != self.oid_length:
            # what it holds is not said: it may be a link to something private
            raise RefusedRepository(
                f"a ref of {self.name} holds no id of an object", hint="nothing was changed; see `git fsck`"
            )
        return oid

    def shallow(self) -> frozenset[bytes]:
        """The commits whose parents the repository does not have (its ``shallow`` file)."""
        text = self._read(b"shallow", reading.SHALLOW, common=True) or b""
        return frozenset(self._oid(line) for line in text.split())

    def operation(self) -> Operation | None:
        """The merge or the like in progress."""
        for name, kind in _OPERATION_FILES:
            if self._is_there(name):
                heads = () if kind in ("rebase", "am", "bisect") else self._heads(name)
                message = None if kind == "bisect" else self._read(b"MERGE_MSG", reading.MESSAGE, link=False)
                return Operation(kind, heads, message)
        return None

    def _is_there(self, name: bytes) -> bool:
        if self.reftable and name in ROOT_REFS:
            return self.stack().find(name) is not None
        return os.path.lexists(self.layout.git_dir + b"/" + name)

    def _heads(self, name: bytes) -> tuple[bytes, ...]:
        text = self.stack().find(name) if self.reftable and name in ROOT_REFS else self._read(name)
        heads = tuple(self._oid(line) for line in (text or b"").split())
        if not heads:
            raise RefusedRepository(
                f"{os.fsdecode(self.layout.git_dir + b'/' + name)} names no commit",
                hint="nothing was changed; `git merge --quit`, or `cherry-pick --quit`, `revert --quit`, takes it away",
            )
        return heads

    # -- index and worktree --------------------------------------------------------------------------------------

    def index(self) -> tuple[GitIndex, int] | None:
        """The index, and its modification time in nanoseconds; None where there is none yet."""
        data = self._read(b"index", reading.INDEX)
        if data is None:
            return None
        time = os.stat(self.layout.git_dir + b"/index").st_mtime_ns
        return parse_index(data, self.oid_length, self.shared_index), time

    def shared_index(self, name: str) -> bytes:
        """The content of a shared index, which a split one needs, by its hex id.

        Raises:
            RefusedRepository: it is missing, or no regular file.
        """
        data = self._read(b"sharedindex." + name.encode(), reading.INDEX)
        if data is None:
            raise RefusedRepository(
                f"the shared index of {self.name} is missing", hint="nothing was changed; `git fsck` says more"
            )
        return data

    def rules(
        self, entries: Mapping[bytes, IndexEntry], *, exclude: bytes | None = None, work: Work | None = None
    ) -> tuple[Ignore, Attributes]:
        """What is ignored in the worktree, and what attributes its files have.

        Args:
            entries: The index entries, by path: rules that a sparse checkout left out are taken from there.
            exclude: The content of ``info/exclude`` to go by; None: what is there.
            work: What comparing with them may take.

        Raises:
            RefusedRepository: one of the files is not one to be read, or there are too many rules.
        """
        config, work = self.settings, work or Work()
        fold_case = config.boolean("core.ignorecase", default=False)

        def read(path: bytes, *, sparse_only: bool) -> bytes | None:
            entry = entries.get(path)
            found = None
            # as git: what is a link or no file, or is too large, has no rules
            with suppress(OSError, RefusedRepository):
                found = FOLLOWING.read(self.layout.worktree or b"", path, reading.RULES, link=False)
            if found is None:
                if entry is None or entry.stage or (sparse_only and not entry.skip_worktree):
                    return None
                with suppress(KeyError):
                    found = self.read(entry.oid)[1]
            return found

        ignore = Ignore(
            lambda path: read(path, sparse_only=True),
            (self._user_rules("core.excludesfile", b"ignore"), self.exclude() or b"" if exclude is None else exclude),
            fold_case=fold_case,
            work=work,
        )
        system = b"" if os.environ.get("GIT_ATTR_NOSYSTEM") else _user_file(b"/etc/gitattributes")
        found = Attributes(
            lambda path: read(path, sparse_only=False),
            (system, self._user_rules("core.attributesfile", b"attributes")),
            self._info(b"info/attributes") or b"",
            fold_case=fold_case,
            work=work,
        )
        return ignore, found

    def exclude(self) -> bytes | None:
        """The content of ``info/exclude``; None where there is none."""
        return self._info(b"info/exclude")

    def _info(self, name: bytes) -> bytes | None:
        try:
            return self.reader.read(self.layout.common_dir, name, reading.RULES, or_directory=True)
        except PermissionError:  # as git
            return None

    def _user_rules(self, setting: str, name: bytes) -> bytes:
        """The content of the user's own file of rules; git is at the top of the worktree when it opens one."""
        named = self.settings.get(setting)
        if named is None:
            return _user_file(user_directory(os.environ) + b"/" + name)
        path = expanded(named)
        return b"" if path is None else _user_file(os.path.join(self.layout.worktree or self.layout.git_dir, path))

    def fingerprint(self) -> tuple[object, ...]:
        """Changes whenever HEAD or the index do."""

        def stamp(path: bytes) -> tuple[int, int, int] | None:
            try:
                found = os.stat(path)
            except FileNotFoundError:
                return None
            return found.st_mtime_ns, found.st_size, found.st_ino

        return self.head(), stamp(self.layout.git_dir + b"/index")


def packed_refs(reader: Reader, common_dir: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Hex id and name of each packed ref. Raises RefusedRepository, OSError."""
    for line in reader.lines(common_dir, b"packed-refs", reading.PACKED_REFS):
        if not line.startswith((b"#", b"^")):
            oid, _, name = line.partition(b" ")
            yield oid, name.rstrip(b"\r")


def _user_file(path: bytes) -> bytes:
    """The content of a file of rules outside of the repository; empty where there is none, or it may not be read."""
    try:
        return FOLLOWING.read(*os.path.split(path), reading.RULES, or_directory=True) or b""
    except PermissionError:
        return b""
