"""New git directories (gitrepository-layout(5)): the one place where they are made.

libgit2 makes them: it finds out what the filesystem can hold, and writes that into their configuration. Where it
cannot (SHA-256, a configuration of the user's that it does not understand, files that belong to somebody else) they
are written here. In either case nothing of the user's gets in: no template, no hooks, no name for the branch.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from jellyformat.files import durable, platform
from jellyformat.files.beneath import remove_tree
from jellyformat.git.config import read_config

BRANCH = "main"
"""The branch that HEAD of a new repository names; it has no commit yet."""
_UNFINISHED = re.compile(r"\.git\.jelly-[0-9a-f]{12}\.tmp")
_DIRECTORIES = ("objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags", "info", "hooks")
_WHOLE = frozenset((*_DIRECTORIES, "HEAD", "config"))
_WHILE_MADE = _WHOLE | {"HEAD.lock", "config.lock", "info/exclude"}
_PROBE = re.compile(r"_git2_[0-9a-f]+")
"""A file with which libgit2 finds out whether there can be symbolic links."""

_REMOTE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]*")
_URL = re.compile(
    rb"(https?|ssh|git)://[^\x00-\x20\x7f\"\\#;-][^\x00-\x20\x7f\"\\#;]*|/[^\x00-\x1f\x7f\"\\#;]*", re.IGNORECASE
)
_SCP = re.compile(rb"[A-Za-z0-9_.][A-Za-z0-9_.@-]*:(?!:|//)[^\x00-\x20\x7f\"\\#;]*")


def make_repository(
    worktree: Path,
    object_format: str = "sha1",
    *,
    remotes: Iterable[tuple[bytes, bytes]] = (),
    exclude: bytes | None = None,
) -> None:
    """Make ``.git`` in a directory, whole or not at all; nothing else in it is touched.

    Args:
        worktree: The directory.
        object_format: ``sha1`` or ``sha256``.
        remotes: Name and URL of each remote; harmless ones.
        exclude: The content of ``info/exclude``, if there is to be one.

    Raises:
        OSError: it cannot be made; FileExistsError where something is at ``.git``.
    """
    place = worktree / ".git"
    if os.path.lexists(place):
        raise FileExistsError(f"{place} is there")
    new = worktree / f".git.jelly-{os.urandom(6).hex()}.tmp"
    try:
        write_repository(new, object_format, remotes=remotes)
        if exclude is not None:
            (new / "info" / "exclude").write_bytes(exclude)
        _sync(new)
        new.rename(place)
    except BaseException:
        remove_tree(new)
        raise


def write_repository(
    git_dir: Path, object_format: str, *, bare: bool = False, remotes: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Write the files of a new git directory, without waiting for the disk.

    Args:
        git_dir: Its path; nothing is there.
        object_format: ``sha1`` or ``sha256``.
        bare: Whether it has no worktree.
        remotes: Name and URL of each remote; harmless ones.

    Raises:
        OSError: it cannot be written; what was written stays.
    """
    git_dir.mkdir()
    if object_format != "sha1" or not _write_by_library(git_dir, bare):
        _write(git_dir, object_format, bare)
    with (git_dir / "config").open("ab") as file:
        for name, url in remotes:
            file.write(b'[remote "%s"]\n\turl = %s\n\tfetch = +refs/heads/*:refs/remotes/%s/*\n' % (name, url, name))


def is_unfinished(path: Path) -> bool:
    """Whether a directory is a new repository that was never finished: by its name, and since nothing else is in it."""
    return _UNFINISHED.fullmatch(path.name) is not None and all(
        name in _WHILE_MADE or _PROBE.fullmatch(name) for name in _names(path)
    )


def is_harmless_remote(name: bytes, url: bytes) -> bool:
    """Whether a remote of a snapshot may stand in a configuration: known protocols, nothing that runs a program."""
    if not _REMOTE.fullmatch(name) or b".." in name or name.endswith((b".lock", b".")):
        return False
    return bool(_URL.fullmatch(url) or _SCP.fullmatch(url))


# -- writing -------------------------------------------------------------------------------------------------------


def _write_by_library(git_dir: Path, bare: bool) -> bool:
    """Let libgit2 write a SHA-1 git directory into an empty directory; False where it cannot, and it is empty again.

    libgit2 takes any failure while it tries the filesystem for one that cannot hold modes or links: it is believed when
    it says so twice.
    """
    for is_last in (False, True):
        able = _initialised(git_dir, bare)
        if able or (is_last and able is not None):
            return True
        shutil.rmtree(git_dir)  # which says why, where it cannot be removed
        git_dir.mkdir()
    return False


def _initialised(git_dir: Path, bare: bool) -> bool | None:
    """Whether the filesystem can hold modes and links, as libgit2 has found; None where it has failed."""
    try:
        import pygit2  # a tenth of a second, so not before it is needed
    except ImportError:
        return None
    flags = pygit2.enums.RepositoryInitFlag
    path, config_file = os.fspath(git_dir), git_dir / "config"
    try:
        # bare, so that nothing is tried in the worktree; the template, which is empty, keeps samples and others out
        options = flags.BARE | flags.NO_REINIT | flags.EXTERNAL_TEMPLATE
        pygit2.init_repository(path, flags=options, template_path=path, initial_head=BRANCH)
        if not bare:
            config = pygit2.Config(os.fspath(config_file))
            config["core.bare"] = False
            config["core.logallrefupdates"] = True
    except (pygit2.GitError, OSError, ValueError, KeyError):
        return None
    if not _WHOLE.issuperset(_names(git_dir)):  # what it used to try the filesystem is still there
        return None
    found = read_config([os.fsencode(config_file)])
    return found.boolean("core.filemode", default=False) and found.boolean("core.symlinks", default=True)


def _write(git_dir: Path, object_format: str, bare: bool) -> None:
    """Write a git directory into an empty directory."""
    for name in _DIRECTORIES:
        (git_dir / name).mkdir()
    sha256 = object_format != "sha1"
    config = f"[core]\n\tbare = {'true' if bare else 'false'}\n\trepositoryformatversion = {sha256:d}\n"
    config += "\tfilemode = true\n" + ("" if bare else "\tlogallrefupdates = true\n")
    config += "[extensions]\n\tobjectformat = sha256\n" if sha256 else ""
    (git_dir / "config").write_text(config)
    (git_dir / "HEAD").write_text(f"ref: refs/heads/{BRANCH}\n")


def _names(directory: Path) -> Iterator[str]:
    """The paths of all that is in a directory, from there."""
    return (os.fspath(path.relative_to(directory)) for path in directory.rglob("*"))


def _sync(directory: Path) -> None:
    """Wait until all that is in a directory is on the disk. Raises OSError."""
    for path in (directory, *directory.rglob("*")):
        if path.is_dir():
            durable.sync_directory(path)
        else:
            with path.open("rb") as file:
                platform.sync(file.fileno())
