"""Whom a user trusts, and whether they sign, as git is configured (git-config(1), gpg.ssh).

Only the configuration of the user, the system and the environment counts: what a repository says of keys, signers and
programs is not read, and neither is what a path leads to that is not absolute, and so depends on where one stands.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from jellyformat.errors import JellyError, SystemFailure, Usage
from jellyformat.git.config import GitConfig, expanded, protected_config
from jellyformat.hosts.registry import PathLike
from jellyformat.trust import keygen, signers
from jellyformat.trust.signers import Signers


@dataclass(frozen=True)
class Trust:
    """Whom a user trusts.

    Attributes:
        signers: The allowed signers; None where none were named.
        revoked: A list of keys that are no longer trusted, as ssh-keygen reads it; None for none.
        moment: At which time, in seconds since 1970; None for now.
        tool: The path of ssh-keygen; None where there is none.
        obstacle: Why nothing can be checked; None where it can.
    """

    signers: Signers | None = None
    revoked: bytes | None = None
    moment: int | None = None
    tool: str | None = None
    obstacle: str | None = None


def trust_of(file: PathLike | None = None, moment: int | None = None) -> Trust:
    """Whom the user trusts: what is in ``file``, else what git's ``gpg.ssh.allowedSignersFile`` names.

    Keys that ``gpg.ssh.revocationFile`` names are trusted in no case. Where that, or the configuration, cannot be read,
    no signature is checked: nobody is told that all is well, and what has no signature can still be looked at.

    Args:
        file: A file of allowed signers; it has to be there.
        moment: At which time the keys have to be valid; None for now.

    Raises:
        NoFile: there is no such file.
        Usage: it is too large, or no regular file.
        SystemFailure: it cannot be read.
    """
    found = None if file is None else signers.read_signers(Path(file))
    try:
        config = users_config()
        named = config.get("gpg.ssh.allowedsignersfile")
        if found is None and named:
            found = signers.read_signers(place_of(named, "gpg.ssh.allowedSignersFile"))
        revoked = config.get("gpg.ssh.revocationfile")
        keys = signers.read_bounded(place_of(revoked, "gpg.ssh.revocationFile")) if revoked else None
    except JellyError as error:
        return Trust(found, obstacle=error.message)
    return Trust(found, keys, moment, keygen.program())


def place_of(value: str, name: str) -> Path:
    """The file that a value of the configuration names.

    Raises:
        Usage: it is not absolute, and so another one wherever one stands.
    """
    path = expanded(value)
    place = None if path is None else Path(os.fsdecode(path))
    if place is None or not place.is_absolute():
        raise Usage(
            f"git's {name} is {value}, which is no absolute path",
            hint="nothing was changed; write down all of it, or begin it with ~/",
        )
    return place


def users_config() -> GitConfig:
    """The configuration of git that no repository can say anything in.

    Raises:
        RefusedRepository: it cannot be understood.
        SystemFailure: it cannot be read.
    """
    try:
        return protected_config(os.environ)
    except OSError as error:
        said = f"git's configuration cannot be read: {error.strerror or error}"
        raise SystemFailure(said, hint="nothing was changed") from error


def wants_signatures() -> bool:
    """Whether the user's git configuration has ``jellyformat.sign`` set.

    Raises:
        RefusedRepository: it cannot be understood.
        SystemFailure: it cannot be read.
    """
    return users_config().boolean("jellyformat.sign", default=False)
