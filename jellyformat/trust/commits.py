"""Signatures of commits, as git makes them: whether there is one, and whose it is (gitformat-signature(5))."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from jellyformat.trust.signature import BAD, UNCHECKED, SignatureCheck

if TYPE_CHECKING:
    from jellyformat.format.model import Manifest
    from jellyformat.trust.settings import Trust

_NAMESPACE = "git"
_HEADERS = {"sha1": b"gpgsig", "sha256": b"gpgsig-sha256"}
_DATE = re.compile(rb"^committer .*> (\d{1,12}) [+-]\d{4}$", re.MULTILINE)


def signature_in(commit: bytes, object_format: str) -> tuple[bytes, bytes] | None:
    """The signature of a commit in its armor, and what is signed; None where there is none.

    Args:
        commit: The commit, without git's header.
        object_format: ``sha1`` or ``sha256``: a commit can have a signature for each.
    """
    head, gap, body = commit.partition(b"\n\n")
    name = _HEADERS[object_format]
    signed: list[bytes] = []
    found: list[bytes] = []
    inside = b""
    for line in head.split(b"\n"):
        if line[:1] != b" ":
            inside = line.partition(b" ")[0]
        is_first = line[:1] != b" "
        if inside == name:
            found.append(line[len(name) + 1 :] if is_first else line[1:])
        elif not inside.startswith(b"gpgsig"):
            signed.append(line)
    if not found:
        return None
    return b"\n".join((*found, b"")), b"\n".join(signed) + gap + body


def check_commit(manifest: Manifest, trust: Callable[[], Trust]) -> SignatureCheck | None:
    """What is known of the signature of the commit that a snapshot was captured on; None where it has none.

    As git does it, the key has to be valid when the commit says that it was made.

    Args:
        manifest: The snapshot's manifest. That the commit in it is HEAD's was checked when it was read (JF-SUM-002).
        trust: Gives who may sign; called where the signature is one that can be checked here.
    """
    commit = manifest.summary.commit
    found = None if commit is None else signature_in(commit, manifest.state.object_format)
    if commit is None or found is None:
        return None
    text, message = found
    if text.startswith(b"-----BEGIN PGP "):
        return SignatureCheck(UNCHECKED, detail="it is an OpenPGP signature: git verify-commit checks it")
    if text.startswith(b"-----BEGIN SIGNED MESSAGE-----"):
        return SignatureCheck(UNCHECKED, detail="it is an X.509 signature: git verify-commit checks it")
    from jellyformat.trust import checking, sshsig  # only now: they are slow to import

    try:
        blob = sshsig.unarmored(text)
    except sshsig.Malformed as error:
        return SignatureCheck(BAD, detail=str(error))
    date = _DATE.search(message.partition(b"\n\n")[0])
    who = trust()
    moment = who.moment if date is None else int(date[1])
    return checking.check(blob, message, _NAMESPACE, replace(who, moment=moment))
