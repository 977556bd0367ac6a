"""git run on a temporary repository that holds a snapshot and cannot make git run anything."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import FrameType

from jellyformat import fileio, newfile
from jellyformat.errors import JellyError, SystemFailure
from jellyformat.gitstore import objects_of
from jellyformat.gitview import GitView, make_view
from jellyformat.gitwrite import GitObject, make_pack
from jellyformat.objects import BLOB, GITLINK, object_id
from jellyformat.reader import Container, open_container
from jellyformat.registry import Readable
from jellyformat.repository import Repository, find
from jellyformat.wanting import make_index

PLACEHOLDER = "{}"
_PREFIX = "jellyformat-git-"
_NAMES = re.compile(_PREFIX + "[0-9a-f]{12}")
"""Of temporary directories."""

_CONFIG = b"""\
[core]
	repositoryformatversion = %d
	bare = true
	filemode = true
	hooksPath = /dev/null
	attributesFile = /dev/null
	fsmonitor = false
[gc]
	auto = 0
[maintenance]
	auto = false
[uploadpack]
	allowAnySHA1InWant = true
"""
_OF_THE_CALLER = frozenset(
    (
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_ATTR_SOURCE", "GIT_COMMON_DIR", "GIT_EXTERNAL_DIFF", "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE", "GIT_TEMPLATE_DIR", "GIT_WORK_TREE",
    )
)  # fmt: skip
"""Variables that say where another repository's parts are, or what to run on its files."""
_FORWARDED = (signal.SIGTERM, signal.SIGHUP)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""Signals that a terminal sends to git as well."""


def run_git(file: Readable, arguments: Sequence[str]) -> int:
    """Run the git program on the snapshot in a file.

    Where ``{}`` is in an argument, the path of a temporary repository takes its place, and git runs as the user would
    run it. Where it is in none, git runs in the temporary repository, and reads no other configuration. The repository
    is bare, shallow where the snapshot has not the whole history, and is removed when git is done.

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.
        arguments: What comes behind ``git``.

    Returns:
        git's exit status; 128 and the signal's number where a signal ended it.

    Raises:
        NoSnapshot: the file carries none.
        FormatError, Refused: it is damaged or made to do harm. git was not run.
        SystemFailure: there is no git, or the repository cannot be written.
    """
    inside = not any(PLACEHOLDER in argument for argument in arguments)
    # a clone would go on borrowing from the repository here
    borrow = not inside and "clone" not in arguments
    with _Signals() as signals, temporary_repository(file, borrow=borrow) as (place, lock):
        command = ["git", *(argument.replace(PLACEHOLDER, str(place)) for argument in arguments)]
        environment = inside_environment(os.environ, place) if inside else None
        try:
            code = signals.call(command, environment, lock)
        except FileNotFoundError as error:
            raise SystemFailure(
                "there is no git program on this system",
                hint="nothing was changed; `show`, `diff`, `export` and `restore` need none",
            ) from error
    return 128 - code if code < 0 else code


def inside_environment(environment: Mapping[str, str], repository: Path) -> dict[str, str]:
    """Environment variables with which git is in ``repository`` and reads no other configuration."""
    kept = {
        name: value
        for name, value in environment.items()
        if name not in _OF_THE_CALLER and not name.startswith("GIT_CONFIG")
    }
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return {**kept, **nothing, "GIT_DIR": str(repository), "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}


@contextmanager
def temporary_repository(file: Readable, *, borrow: bool) -> Iterator[tuple[Path, int]]:
    """A bare repository that holds the snapshot in a file, for as long as it is needed, and the descriptor of its lock.

    Those of processes of this user that were killed are removed first, unless a process that inherited their
    descriptor, such as git, still lives.

    Its branches are those of `gitview.make_view`; ``refs/jellyformat/worktree`` and the like name them without the id.

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.
        borrow: Where the repository that holds the current directory has the commits before those of the snapshot, take
            them from there. Else git would not let it fetch a commit that it does not have, or cut off what is before.

    Raises:
        JellyError: as `run_git`.
    """
    with open_container(file) as box, fileio.system_errors(Path(tempfile.gettempdir()), "nothing was changed"):
        view = make_view(box, rewrite=False)
        temporary = Path(tempfile.gettempdir())
        newfile.sweep_folders(temporary, _NAMES)
        with newfile.locked_folder(temporary, _PREFIX, "") as (directory, lock):
            place = directory / _name(box.name)
            _write(place, box, view, _lender(view) if borrow else None)
            yield place, lock


def _name(file: str) -> str:
    """The repository's name, which `git clone` gives its directory."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file).name.rpartition(".")[0] or Path(file).name).strip(".-")
    return f"{stem[:100] or 'snapshot'}.git"


def _lender(view: GitView) -> Repository | None:
    """The repository around the current directory, where it has what the snapshot builds on."""
    if not view.prerequisites:
        return None
    try:
        here = Repository(find("."))
    except (JellyError, OSError):
        return None
    if here.object_format != view.object_format or b"\n" in here.layout.common_dir:
        return None
    return here if all(here.size(oid) is not None for oid in view.prerequisites) else None


def _write(place: Path, box: Container, view: GitView, lender: Repository | None) -> None:
    """Write the repository; with the history of ``lender``, if any. Raises OSError."""
    pack = make_pack(chain(view.objects(), _of_index(box)), view.object_format, view.names)
    sha256 = view.object_format != "sha1"
    refs = dict(view.refs)
    for name, oid in view.refs.items():
        if name.startswith(view.ours):
            refs[b"refs/jellyformat/" + name[len(view.ours) :]] = oid
    state = box.manifest.state
    head = b"ref: " + view.head_ref
    if state.head.commit is not None and view.head_ref != state.head.ref:
        head = view.head.hex().encode()
    files = {
        "HEAD": head + b"\n",
        "config": _CONFIG % sha256 + (b"[extensions]\n\tobjectformat = sha256\n" if sha256 else b""),
        "packed-refs": b"# pack-refs with: sorted \n"
        + b"".join(b"%s %s\n" % (refs[name].hex().encode(), name) for name in sorted(refs)),
        f"objects/pack/pack-{pack.name}.idx": pack.index,
    }
    shallow = sorted(view.shallow if lender is None else lender.shallow())
    if shallow:
        files["shallow"] = b"".join(oid.hex().encode() + b"\n" for oid in shallow)
    if lender is not None:
        files["objects/info/alternates"] = os.path.realpath(lender.layout.common_dir) + b"/objects\n"
    if state.index is not None:
        files["index"] = make_index(box, state, lambda path: None)
    for directory in ("objects/pack", "objects/info", "refs/heads", "refs/tags", "info"):
        (place / directory).mkdir(parents=True)
    with (place / f"objects/pack/pack-{pack.name}.pack").open("wb") as out:
        out.writelines(pack.data)
    for path, content in files.items():
        (place / path).write_bytes(content)


def _of_index(box: Container) -> Iterator[GitObject]:
    """The blobs that the index names and no tree does."""
    state = box.manifest.state
    if state.index is None:
        return
    stages = [stage for conflict in state.index.conflicts for stage in conflict.stages if stage is not None]
    yield from objects_of(box, (oid for mode, oid in stages if mode != GITLINK and oid in box.pool.places), None)
    if state.index.intent_to_add:
        yield object_id(BLOB, b"", state.object_format), BLOB, b""


class _Signals:
    """While it is entered, a signal that would end this process first lets it take away what it made."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = False
        self._came: int | None = None
        self._old: dict[int, object] = {}

    def __enter__(self) -> _Signals:
        self._old = {number: signal.signal(number, self._end) for number in _FORWARDED}
        return self

    def __exit__(self, *unused: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal gave

    def call(self, command: Sequence[str], environment: Mapping[str, str] | None, inherited: int) -> int:
        """Run a program; its exit status, as Popen gives it. Until then, signals end it and not this process.

        Args:
            command: The program and its arguments.
            environment: Its environment variables; None: those of this process.
            inherited: A descriptor that it is to have, too.
        """
        for number in _FROM_TERMINAL:
            self._old[number] = signal.signal(number, _ignored)
        self._starting = True
        self._child = subprocess.Popen(command, env=environment, pass_fds=(inherited,))
        if self._came is not None:
            self._child.send_signal(self._came)
        return self._child.wait()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._came = number
        for other in _FORWARDED:  # a second one must not disturb the clearing up
            signal.signal(other, _ignored)
        if self._child is not None:
            self._child.send_signal(number)
        elif not self._starting:
            raise SystemExit(128 + number)


def _ignored(number: int, frame: FrameType | None) -> None:
    """A handler, and not SIG_IGN, which git would inherit."""
