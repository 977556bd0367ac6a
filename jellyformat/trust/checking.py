"""Whether a signature is good: of this message, and by one who may sign it (SPEC JF-EXT, JF-SIG)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from jellyformat.format.text import brief, plural, timestamp
from jellyformat.trust import keygen, library, signers, sshsig
from jellyformat.trust.settings import Trust
from jellyformat.trust.signature import BAD, GOOD, OUTDATED, REVOKED, UNCHECKED, UNKNOWN, SignatureCheck
from jellyformat.trust.signers import Signer

_KRL: Final = b"SSHKRL\n\0"
_KINDS: Final = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-ed25519", "sk-ecdsa-")
"""Types of keys of which ssh-keygen's word is taken that a signature is bad, and not one that it cannot check."""
_NAMES_MOST: Final = 16
"""Names in a certificate that are asked about."""


def check(blob: bytes, message: bytes, namespace: str, trust: Trust) -> SignatureCheck:
    """What is known of an SSH signature. What cannot be checked is never called good.

    Args:
        blob: The signature, in its binary form.
        message: What it is to have signed.
        namespace: What it is to be for.
        trust: Who may sign.
    """
    try:
        found = sshsig.parse(blob)
        authority = sshsig.authority_of(found.key)
    except sshsig.Malformed as error:
        return SignatureCheck(BAD, detail=str(error))
    kind = sshsig.key_type(found.key)
    told = SignatureCheck(UNCHECKED, key_type=kind, fingerprint=sshsig.fingerprint(found.key))
    if found.namespace != namespace.encode():
        other = found.namespace.decode("utf-8", "backslashreplace")
        return replace(told, state=BAD, detail=f"it is for {brief(other)!r}, not for {namespace!r}")
    if trust.obstacle is not None:
        return replace(told, detail=trust.obstacle)
    candidates = () if trust.signers is None else tuple(trust.signers.of(found.key, authority))
    try:
        if trust.tool is None:
            return _by_library(told, found, message, namespace, candidates, trust)
        by_tool = _by_program(trust.tool, told, blob, message, namespace, candidates, trust, authority is not None)
    except keygen.Failed as error:
        return replace(told, state=UNCHECKED, detail=str(error))
    if by_tool.state == BAD and library.holds(found, message):
        return replace(told, state=UNCHECKED, detail="ssh-keygen does not confirm it; is it older than OpenSSH 8.8?")
    return by_tool


def _by_program(
    tool: str,
    told: SignatureCheck,
    blob: bytes,
    message: bytes,
    namespace: str,
    candidates: tuple[Signer, ...],
    trust: Trust,
    is_certified: bool,
) -> SignatureCheck:
    """What ssh-keygen says. It gets one line at a time: one that it cannot read would end its search."""
    why: SignatureCheck | None = None
    for signer in candidates:
        question = keygen.Question(blob, message, namespace, signer.line, trust.revoked, trust.moment)
        if is_certified:
            names = question.names(tool)[:_NAMES_MOST]
        else:
            names = tuple(filter(None, [signers.first_name(signer.principals)]))
        answers = {name: question.ask(tool, name) for name in names}
        good = [name for name, answer in answers.items() if answer.code == 0]
        if good:
            return _good(told, signer, ",".join(good) if is_certified else signer.principals)
        if trust.revoked is not None and any(
            replace(question, revoked=None).ask(tool, name).code == 0 for name in names
        ):
            return replace(told, state=REVOKED, detail="the key is revoked")
        complaints = [answer.complaint for answer in answers.values()] or ["no name in it is allowed"]
        why = why or _why_not(told, signer, namespace, trust, complaints[0])
    answer = keygen.check_alone(tool, blob, message, namespace)
    if answer.code == 0:
        return why or _nobody(told, trust)
    if not (told.key_type or "").startswith(_KINDS):
        return replace(told, state=UNCHECKED, detail=f"ssh-keygen says: {answer.complaint}")
    return replace(told, state=BAD, detail="it is not of these bytes, or it is broken")


def _by_library(
    told: SignatureCheck,
    found: sshsig.SshSignature,
    message: bytes,
    namespace: str,
    candidates: tuple[Signer, ...],
    trust: Trust,
) -> SignatureCheck:
    holds = library.holds(found, message)
    if holds is None:
        missing = "" if library.is_there() else " (or pip install 'jellyformat[sign]')"
        return replace(told, detail=f"signatures of this kind are checked by ssh-keygen, which is not here{missing}")
    if not holds:
        return replace(told, state=BAD, detail="it is not of these bytes, or it is broken")
    if trust.revoked is not None:
        if trust.revoked.startswith(_KRL):
            return replace(told, detail="which keys are revoked is told by ssh-keygen, which is not here")
        if found.key in map(sshsig.public_key, trust.revoked.splitlines()):
            return replace(told, state=REVOKED, detail="the key is revoked")
    moment = time.time() if trust.moment is None else trust.moment
    why: SignatureCheck | None = None
    for signer in candidates:
        if signer.is_authority or signers.first_name(signer.principals) is None:
            continue
        if signer.holds_at(moment) and signer.holds_for(namespace):
            return _good(told, signer, signer.principals)
        why = why or _why_not(told, signer, namespace, trust, "")
    return why or _nobody(told, trust)


def _good(told: SignatureCheck, signer: Signer, principals: str) -> SignatureCheck:
    return replace(told, state=GOOD, principals=principals, since=signer.since, until=signer.until)


def _nobody(told: SignatureCheck, trust: Trust) -> SignatureCheck:
    if trust.signers is None:
        return replace(told, state=UNKNOWN, detail="no allowed signers were named")
    odd = trust.signers.odd
    unread = f"; {plural(len(odd), 'line')} there cannot be read, the first is line {odd[0]}" if odd else ""
    return replace(told, state=UNKNOWN, detail=f"it is not among the allowed signers{unread}")


def _why_not(told: SignatureCheck, signer: Signer, namespace: str, trust: Trust, complaint: str) -> SignatureCheck:
    """Why a signature by a key that is listed is not good."""
    moment = time.time() if trust.moment is None else trust.moment
    told = replace(told, since=signer.since, until=signer.until)
    if not signer.holds_at(moment):
        when = "after" if signer.until is not None and moment > signer.until else "before"
        bound = signer.until if when == "after" else signer.since
        return replace(told, state=OUTDATED, detail=f"the key is not valid {when} {timestamp(bound or 0)}")
    if not signer.holds_for(namespace):
        return replace(told, state=UNKNOWN, detail="the key is allowed to sign other things only")
    return replace(told, state=UNKNOWN, detail=complaint or "the key is not allowed to sign this")
