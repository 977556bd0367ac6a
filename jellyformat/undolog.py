"""The history list of restores, and where it is kept: ``jellyformat/`` in the git directory.

    lock            locked while anything here changes
    log             the list (`Log`)
    journal         a change under way (`restorejournal`)
    work/           what is written before a change begins
    states/<name>/  a state that was left: ``record``, ``state.jelly``, ``kept/``
    strays/         what somebody had put in the way while a broken-off change was taken back

All of them are msgpack followed by its SHA-256, replaced as a whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jellyformat import fileio, msgpack
from jellyformat.errors import Busy, JellyError, RefusedRepository
from jellyformat.msgpack import Value

DIRECTORY = "jellyformat"
_VERSION = 1
_FIND = "look at it with: python -m jellyformat fix"


LOG, COPY = "log", "log.copy"
"""The history list, and the same again, from which `fix` mends it."""


class DamagedLog(RefusedRepository):
    """The history list cannot be read."""

    error_class = "refused.history"


@dataclass(frozen=True)
class Node:
    """One state in the history list.

    Attributes:
        id: Its number, ascending; 0 is what was there before the first restore.
        parent: The state it was restored over; None for the first.
        redo: Where ``redo`` leads from it.
        name: The directory that holds it; None for the state that is live.
        time: Seconds since 1970 when it came to be.
        title: What it is, for people.
        commit: HEAD, hex; empty for none.
        snapshot: The snapshot's id, hex; empty where none was restored.
        needs: What of `Log.shallow` the refs that keep its commits need.
        given: Commits that came with the snapshot and need no ref, its container having them: as in `Log.shallow`.
        hidden: Paths that the restore wrote though git ignores them where they are now; they go again with the state.
    """

    id: int
    parent: int | None
    redo: int | None
    name: str | None
    time: int
    title: str
    commit: str = ""
    snapshot: str = ""
    needs: tuple[tuple[bytes, bytes], ...] = ()
    given: tuple[tuple[bytes, bytes], ...] = ()
    hidden: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Log:
    """The list.

    Attributes:
        current: The id of the live state.
        change: The number of the last change that was completed.
        nodes: By id.
        shallow: Commits that we have put into git's ``shallow`` files: the repository's prefix, the raw id.
    """

    current: int = 0
    change: int = 0
    nodes: dict[int, Node] = field(default_factory=dict)
    shallow: tuple[tuple[bytes, bytes], ...] = ()

    def with_node(self, node: Node) -> Log:
        """The list with ``node`` in it, or in the place of the one with its id."""
        return replace(self, nodes={**self.nodes, node.id: node})

    @property
    def live(self) -> Node:
        """The node of the live state."""
        return self.nodes[self.current]


def seal(value: Value) -> bytes:
    """A value as it is stored."""
    data = msgpack.encode(value)
    return data + hashlib.sha256(data).digest()


def unseal(data: bytes) -> Any:
    """The value of `seal`, as it was written; Raises ValueError where bytes were changed or are missing."""
    body = data[:-32]
    if hashlib.sha256(body).digest() != data[-32:]:
        raise ValueError("its checksum does not match")
    try:
        return msgpack.decode(body)
    except JellyError as error:
        raise ValueError(error.message) from error


class Store:
    """The directory in one git directory.

    Args:
        git_dir: The git directory.
    """

    def __init__(self, git_dir: bytes) -> None:
        self.git_dir = git_dir
        self.path = Path(os.fsdecode(git_dir)) / DIRECTORY

    @property
    def journal(self) -> Path:
        """The journal of a change under way."""
        return self.path / "journal"

    @property
    def work(self) -> Path:
        """What is written before a change begins."""
        return self.path / "work"

    def state(self, name: str) -> Path:
        """The directory of a state."""
        return self.path / "states" / name

    def exists(self) -> bool:
        """Whether anything was ever restored here."""
        return self.path.is_dir()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others out; the directory is made where it is missing.

        Raises:
            Busy: another process is at work here.
            OSError: it cannot be made or locked.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        if self.path.is_symlink():
            raise RefusedRepository(f"{self.path} is a symbolic link", hint="nothing was changed; remove it")
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if not fileio.lock(fd):
                raise Busy(
                    f"another restore or undo is at work in {os.fsdecode(self.git_dir)}",
                    hint="nothing was changed; run it again when that one is done",
                )
            yield
        finally:
            fileio.release(fd)

    # -- the list ----------------------------------------------------------------------------------------------

    def read_log(self) -> Log:
        """The list; a new one where there is none.

        Raises:
            DamagedLog: it cannot be understood.
        """
        fault: Exception
        try:
            return self._parsed(LOG)
        except FileNotFoundError as error:
            if not os.path.lexists(self.path / COPY):
                return Log()
            fault = error
        except ValueError as error:
            fault = error
        raise DamagedLog(
            f"the list of restores in {self.path} is damaged: {fault}",
            hint="nothing was changed, and the states it lists are still there; "
            "python -m jellyformat fix writes the list again from them",
        ) from fault

    def read_copy(self) -> Log | None:
        """The list's copy, which may be one change behind; None where there is none that can be understood."""
        try:
            return self._parsed(COPY)
        except (FileNotFoundError, ValueError):
            return None

    def _parsed(self, name: str) -> Log:
        """A list. Raises FileNotFoundError, or ValueError where it cannot be understood."""
        data = (self.path / name).read_bytes()
        try:
            return _parse_log(unseal(data))
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"it has another form: {error}") from error

    def write_log(self, log: Log) -> None:
        """Replace the list, then its copy. Raises OSError where the list was not replaced."""
        data = seal(_format_log(log))
        self.write(LOG, data)
        with contextlib.suppress(OSError):  # the next change writes it again
            self.write(COPY, data)

    def write(self, name: str, data: bytes) -> None:
        """Write a file here, whole or not at all, so that it lasts. Raises OSError."""
        new = self.path / f"{name}.{secrets.token_hex(6)}.tmp"
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", 0) as file:
                fileio.write_at(file.fileno(), data, 0)
                fileio.sync(file.fileno())
            new.replace(self.path / name)
        except BaseException:
            with contextlib.suppress(OSError):
                new.unlink()
            raise
        fileio.sync_directory(self.path)

    # -- clearing up -------------------------------------------------------------------------------------------

    def sweep(self, log: Log, *, dry_run: bool = False) -> list[str]:
        """Remove what no change and no node needs any more; only while locked and without a journal.

        Args:
            log: The list.
            dry_run: Remove nothing.

        Returns:
            What was, or would be, removed.
        """
        removed: list[str] = []
        wanted = {node.name for node in log.nodes.values()}
        places = [self.work, *_children(self.path / "states")]
        places += [path for path in _children(self.path) if path.name.endswith(".tmp")]
        for path in places:
            if path.parent.name == "states" and path.name in wanted:
                continue
            if os.path.lexists(path):
                removed.append(str(path.relative_to(self.path)))
                if not dry_run:
                    remove(path)
        return removed


def _children(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove(path: Path) -> None:
    """Remove a file, link or directory as far as that goes; what cannot be removed stays for the next time."""

    def make_writable(function: object, name: str, info: object) -> None:
        with contextlib.suppress(OSError):
            parent = Path(name).parent
            parent.chmod(stat.S_IMODE(parent.stat().st_mode) | 0o700)
            found = Path(name)
            if found.is_dir() and not found.is_symlink():
                found.chmod(0o700)
                shutil.rmtree(found, ignore_errors=True)
            else:
                found.unlink()

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=make_writable)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _format_log(log: Log) -> Value:
    nodes: list[Value] = [
        [
            node.id, node.parent, node.redo, node.name, node.time, node.title, node.commit, node.snapshot,
            node.needs, node.given, node.hidden,
        ]
        for _, node in sorted(log.nodes.items())
    ]  # fmt: skip
    shallow: list[Value] = list(log.shallow)
    return {
        "change": log.change,
        "current": log.current,
        "nodes": nodes,
        "shallow": shallow,
        "version": _VERSION,
    }


def _pairs(value: Any) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((prefix, oid) for prefix, oid in value)


def _parse_node(item: Any) -> Node:
    return replace(Node(*item[:8]), needs=_pairs(item[8]), given=_pairs(item[9]), hidden=tuple(*item[10:]))


def _parse_log(value: Any) -> Log:
    if value["version"] != _VERSION:
        raise ValueError("it is of a later version")
    nodes = {item[0]: _parse_node(item) for item in value["nodes"]}
    log = Log(value["current"], value["change"], nodes, _pairs(value["shallow"]))
    if log.current not in nodes:
        raise ValueError("the live state is not in it")
    return log
