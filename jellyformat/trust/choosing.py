"""Which key to sign with: the one that is named, or that git signs with (git-config(1), user.signingKey)."""

from __future__ import annotations

import os
from pathlib import Path

from jellyformat.errors import RefusedKey, Usage
from jellyformat.files import durable
from jellyformat.git.config import GitConfig, expanded
from jellyformat.hints import Hint, option
from jellyformat.searchpath import find_program
from jellyformat.trust import keygen, sshsig
from jellyformat.trust.keygen import Failed, SigningKey
from jellyformat.trust.settings import place_of, users_config

AGENT = "agent"
_LITERAL = ("key::", "ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-")
"""What a public key begins with that stands in the configuration itself."""


def signature(
    message: bytes,
    namespace: str,
    key: str | None,
    *,
    ask: bool,
) -> bytes:
    """An SSH signature of a message, in its binary form.

    The program is ssh-keygen, or what ``gpg.ssh.program`` names in the configuration of the user, the system or the
    environment; what a repository says counts for nothing.

    Args:
        message: What to sign.
        namespace: What for.
        key: The path of a key or of its public half; ``agent`` for the agent's first key, ``agent:NAME`` for that of
            this comment or fingerprint; a public key, ``key::`` in front of it or not. None: as git is configured.
        ask: Whether the user may be asked for a passphrase, or to touch a key.

    Raises:
        Usage: there is no such key.
        RefusedKey: it could not be signed with.
    """
    config = users_config()
    chosen = _chosen(key, config)
    try:
        return keygen.sign(_program(config), chosen, message, namespace, ask=ask)
    except Failed as error:
        raise RefusedKey(
            f"it could not be signed with {chosen.name}: {error}",
            hint=Hint(
                "nothing was changed; is it the right key, and in the agent? Name one with ", option("key", "PATH")
            ),
        ) from None


def _program(config: GitConfig) -> str:
    named = config.get("gpg.ssh.program")
    found = keygen.program()
    if named:
        path = expanded(named)
        text = "" if path is None else os.fsdecode(path)
        found = text if Path(text).is_absolute() else find_program(text) if os.sep not in text else None
    if not found:
        what = f"{named}, which gpg.ssh.program names," if named else "ssh-keygen"
        raise Usage(f"there is no program {what} on this system", hint="nothing was changed; it comes with OpenSSH")
    return found


def _chosen(key: str | None, config: GitConfig) -> SigningKey:
    if key is None:
        key = config.get("user.signingkey")
        if key and not key.startswith(_LITERAL) and (config.get("gpg.format") or "").lower() == "ssh":
            return _of_file(str(place_of(key, "user.signingKey")))
        if key and not key.startswith(_LITERAL):
            raise Usage(
                "git is not configured to sign with an SSH key (gpg.format is not ssh)",
                hint=Hint("nothing was changed; name a key: ", option("key", "PATH"), " or ", option("key", AGENT)),
            )
        if not key:
            key = AGENT
    if key == AGENT or key.startswith(AGENT + ":"):
        return _of_agent(key.partition(":")[2])
    if key.startswith(_LITERAL):
        return _literal(key)
    return _of_file(key)


def _of_agent(name: str) -> SigningKey:
    try:
        keys = keygen.agent_keys()
    except Failed as error:
        raise Usage(
            f"there is no key to sign with: {error}",
            hint=Hint(
                "nothing was changed; name one with ",
                option("key", "PATH"),
                ", or set git's user.signingKey, or run ssh-add",
            ),
        ) from None
    for line, fingerprint, comment in keys:
        if not name or name in (fingerprint, comment):
            return SigningKey(f"the agent's key {fingerprint}", public=line)
    raise Usage(f"the agent has no key {name!r}", hint="nothing was changed; ssh-add -l lists those that it has")


def _literal(text: str) -> SigningKey:
    line = text.removeprefix("key::").strip().encode("utf-8", "surrogateescape")
    found = sshsig.public_key(line)
    if found is None or b"\n" in line:
        raise Usage("the key to sign with is no SSH public key", hint="nothing was changed")
    return SigningKey(f"the key {sshsig.fingerprint(found)}", public=line + b"\n")


def _of_file(name: str) -> SigningKey:
    path = expanded(name)
    place = Path(os.fsdecode(path) if path is not None else name).absolute()
    if not durable.is_file(place):
        raise Usage(
            f"there is no key {name}",
            hint=Hint("nothing was changed; name a key's file, or ", option("key", AGENT), " for one of the agent"),
        )
    return SigningKey(f"the key {place}", path=place)
