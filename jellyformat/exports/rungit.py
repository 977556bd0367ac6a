"""git run on a temporary repository that holds a snapshot and cannot make git run anything."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from jellyformat.errors import JellyError, SystemFailure
from jellyformat.exports.child import Signals
from jellyformat.exports.commits import GitView, make_view
from jellyformat.exports.index import make_index
from jellyformat.exports.objects import objects_of
from jellyformat.files import newfile
from jellyformat.format.container import Container
from jellyformat.format.objects import BLOB, object_id
from jellyformat.format.reach import roots
from jellyformat.git.create import write_repository
from jellyformat.git.layout import repository_to_change
from jellyformat.git.repository import Repository
from jellyformat.git.write import GitObject, Pack, make_pack
from jellyformat.hints import Hint, command
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import Readable
from jellyformat.searchpath import find_program

PLACEHOLDER = "{}"
_WITHOUT_GIT = Hint(
    "nothing was changed; ", command("export", "FILE", "DIR"), " and ", command("restore", "FILE"), " need none"
)
PREFIX = "jellyformat-git-"
"""Of temporary directories."""

CONFIG = b"""\
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
    with Signals() as signals, temporary_repository(file, borrow=borrow) as (place, lock):
        command = [_program(), *(argument.replace(PLACEHOLDER, str(place)) for argument in arguments)]
        environment = inside_environment(os.environ, place) if inside else None
        code = signals.call(command, environment, lock)
    return 128 - code if code < 0 else code


def _program() -> str:
    """The path of git; one that lies in the current directory is none, whatever ``PATH`` says."""
    found = find_program("git")
    if found is None:
        raise SystemFailure("there is no git program on this system", hint=_WITHOUT_GIT)
    return found


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
    with open_container(file) as box, newfile.scratch_folder(PREFIX) as (directory, lock):
        view = make_view(box, rewrite=False)
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
        here = Repository(repository_to_change("."))  # git, which is run, reads no others
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
        "config": CONFIG % sha256 + (b"[extensions]\n\tobjectformat = sha256\n" if sha256 else b""),
        "packed-refs": b"# pack-refs with: sorted \n"
        + b"".join(b"%s %s\n" % (refs[name].hex().encode(), name) for name in sorted(refs)),
    }
    shallow = sorted(view.shallow if lender is None else lender.shallow())
    if shallow:
        files["shallow"] = b"".join(oid.hex().encode() + b"\n" for oid in shallow)
    if lender is not None:
        files["objects/info/alternates"] = os.path.realpath(lender.layout.common_dir) + b"/objects\n"
    if state.index is not None:
        files["index"] = make_index(box, state, lambda path: None)
    write_bare(place, view.object_format, pack, files)


def write_bare(place: Path, object_format: str, pack: Pack, files: Mapping[str, bytes]) -> None:
    """Write a bare repository.

    Args:
        place: Where; it is not there yet.
        object_format: ``sha1`` or ``sha256``.
        pack: Its objects.
        files: The content of its other files, by their paths in it.

    Raises:
        OSError: the system says no.
    """
    write_repository(place, object_format, bare=True)
    with (place / f"objects/pack/pack-{pack.name}.pack").open("wb") as out:
        out.writelines(pack.data)
    for path, content in {f"objects/pack/pack-{pack.name}.idx": pack.index, **files}.items():
        (place / path).write_bytes(content)


def _of_index(box: Container) -> Iterator[GitObject]:
    """The blobs that the index names and no tree does."""
    state = box.manifest.state
    if state.index is None:
        return
    blobs = (oid for oid, kind in roots(state) if kind == BLOB and oid in box.pool.places)
    yield from objects_of(box, blobs, None)
    if state.index.intent_to_add:
        yield object_id(BLOB, b"", state.object_format), BLOB, b""
