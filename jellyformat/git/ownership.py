"""Whose repository it is, and what follows from that (CVE-2022-24765).

Whoever can put a ``.git`` into a directory above ours chooses what our commands do in it. git acts only in repositories
of the user who runs it, and in those that ``safe.directory`` names; so do the commands that change one. A capture reads
other people's repositories too, as long as nobody but the owner of a directory can have put its ``.git`` there; what
such a repository names outside of itself counts for nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from jellyformat.errors import ForeignRepository
from jellyformat.files import platform
from jellyformat.git.config import expanded, protected_config
from jellyformat.hints import Hint, option

TRUST = "JELLYFORMAT_TRUST"
"""The environment variable that names repositories whose owners are trusted: paths as ``safe.directory`` has them."""
_ROOT = 0


@dataclass(frozen=True)
class Found:
    """A repository as it was found, before anything in it is believed; absolute paths.

    Attributes:
        directory: The directory that holds ``.git``; of a bare repository itself.
        dot_git: ``.git`` in it, or the bare repository.
        git_dir: The git directory.
        common_dir: The one that it shares with other worktrees.
        bare: Whether it was found as a git directory not named ``.git``.
    """

    directory: bytes
    dot_git: bytes
    git_dir: bytes
    common_dir: bytes
    bare: bool

    @property
    def points(self) -> bool:
        """Whether ``.git`` is a file or a link, and the git directory somewhere else."""
        return not self.bare and (self.dot_git != self.git_dir or os.path.islink(self.dot_git))


def check_change(found: Found, start: bytes) -> None:
    """Let only what git would act in be changed.

    Args:
        found: The repository.
        start: The directory that was named.

    Raises:
        ForeignRepository: it is another user's, by git's rule.
    """
    if git_acts(found, start):
        return
    place = os.fsdecode(os.path.realpath(found.directory))
    raise ForeignRepository(
        f"{owners(found)}; you are {_name(platform.user_id())}, and git changes nothing in other people's repositories",
        hint=f"nothing was changed; if you trust the owner: git config --global --add safe.directory {place}",
    )


def check_capture(found: Found, start: bytes, *, trusted: bool) -> bool:
    """Whether a repository is another user's; such a one is captured, but what it names outside of it is not.

    Args:
        found: The repository.
        start: The directory that was named.
        trusted: Whether the user gave their word for it, here or as `is_trusted` tells.

    Raises:
        ForeignRepository: somebody may have planted it.
    """
    if trusted or git_acts(found, start):
        return False
    if not platform.HAS_OWNERS:
        if os.path.dirname(os.path.realpath(found.directory)) == os.path.realpath(found.directory):
            raise _planted(found, "everybody may put files into the root of a disk")
        return True
    owner = os.lstat(found.dot_git).st_uid
    holder = os.stat(found.directory)
    if found.bare or not is_mine(found.dot_git):
        if holder.st_mode & stat.S_IWOTH:
            raise _planted(found, f"everybody can write into {os.fsdecode(found.directory)}, and may have put it there")
        if owner != holder.st_uid:
            raise _planted(found, "somebody may have put it there")
    # a pointer leads only to what its owner has anyway; an owner that this system has no number for may be anybody
    if found.points or found.common_dir != found.git_dir:
        for place in (os.path.realpath(found.git_dir), os.path.realpath(found.common_dir)):
            if os.stat(place).st_uid != owner or owner == _unknown_owner():
                raise _planted(found, f"it leads to {os.fsdecode(place)}, of {_name(os.stat(place).st_uid)}")
    return True


def git_acts(found: Found, start: bytes) -> bool:
    """Whether git would act in a repository (setup.c, ensure_valid_ownership), and nobody else can write into it.

    git takes a directory that everybody can write into for a bare repository of its owner's as soon as somebody has put
    ``HEAD``, ``objects`` and ``refs`` there.
    """
    paths = [found.dot_git] if found.bare else [found.dot_git, found.directory]
    if found.git_dir != found.dot_git:
        paths.append(os.path.realpath(found.git_dir))
    if all(map(is_mine, paths)) and not (found.bare and os.stat(found.git_dir).st_mode & stat.S_IWOTH):
        return True
    named = protected_config(os.environ).values.get("safe.directory", [])
    return _is_named(found, named, start)


def is_trusted(found: Found) -> bool:
    """Whether the user gave their word for a repository in the environment."""
    named = [path for path in os.environ.get(TRUST, "").split(os.pathsep) if path]
    return _is_named(found, named, b".")


def is_mine(path: bytes, environment: Mapping[str, str] = os.environ) -> bool:
    """git's rule: the owner is who runs this; for root, that is also whoever called sudo. Links are not followed."""
    try:
        owner = os.lstat(path).st_uid
    except (OSError, ValueError):
        return False
    if not platform.HAS_OWNERS:  # what lies in a user's own directory is theirs; of all else it cannot be told
        home = os.path.join(os.path.realpath(os.path.expanduser(b"~")), b"")
        return os.path.join(os.path.realpath(path), b"").startswith(home)
    me = platform.user_id()
    if me == _ROOT and owner != _ROOT:
        caller = environment.get("SUDO_UID", "")
        return caller.isascii() and caller.isdigit() and len(caller) < 12 and int(caller) == owner
    return owner == me


def _is_named(found: Found, values: list[str], start: bytes) -> bool:
    """Whether values of ``safe.directory`` name a repository; an empty one takes back all before it."""
    own = os.path.realpath(found.directory)
    safe = False
    for value in values:
        if value in ("", "true"):  # a key without a value
            safe = False
        elif value == "*":
            safe = True
        else:
            path = os.path.abspath(start) if value == "." else expanded(value)
            if path is None or not os.path.isabs(path):
                continue
            path = os.path.realpath(path)
            safe = safe or path == own or (path.endswith(b"/*") and own.startswith(path[:-1]))
    return safe


def _planted(found: Found, why: str) -> ForeignRepository:
    place = os.fsdecode(os.path.realpath(found.directory))
    you = f"you are {_name(platform.user_id())}: " if platform.HAS_OWNERS else ""
    return ForeignRepository(
        f"{owners(found)}; {you}{why}",
        hint=Hint(
            "nothing was changed; if you trust the owner: ",
            option("trust_repository"),
            f", or set the variable {TRUST} to {place}",
        ),
    )


def owners(found: Found) -> str:
    """Who owns a repository, for people."""
    if not platform.HAS_OWNERS:
        return f"{os.fsdecode(found.dot_git)} is not in your home directory, and so may be anybody's"
    git, holder = os.lstat(found.dot_git).st_uid, os.stat(found.directory).st_uid
    said = f"{os.fsdecode(found.dot_git)} belongs to {_name(git)}"
    if found.points:
        real = os.path.realpath(found.git_dir)
        said += f", {os.fsdecode(real)}, where it leads to, to {_name(os.stat(real).st_uid)}"
    return said if found.bare else f"{said}, and {os.fsdecode(found.directory)} to {_name(holder)}"


def _name(uid: int) -> str:
    name = platform.user_name(uid)
    return f"uid {uid}" if name is None else f"{name} (uid {uid})"


def _unknown_owner() -> int:
    """The number that files of users have whom this system has no number for: in containers."""
    try:
        with open("/proc/sys/kernel/overflowuid", "rb") as file:
            return int(file.read(16))
    except (OSError, ValueError):
        return 65534
