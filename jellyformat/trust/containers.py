"""Signatures of containers: made and checked (SPEC JF-EXT, JF-SIG)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jellyformat.errors import FormatError, RefusedSigned, Usage
from jellyformat.format import extensions, frames
from jellyformat.format.extensions import NAMESPACE, SIGNATURES, SSHSIG, Signature
from jellyformat.format.model import Manifest
from jellyformat.format.msgpack import Value
from jellyformat.format.source import BytesSource
from jellyformat.hosts.binding import BINDING
from jellyformat.trust import checking, sshsig
from jellyformat.trust.settings import Trust
from jellyformat.trust.signature import BAD, UNCHECKED, SignatureCheck


def signatures_of(manifest: Manifest, trust: Trust) -> tuple[SignatureCheck, ...]:
    """What is known of each signature of a container; empty where it has none.

    A good one vouches for the manifest and, by the hashes in it, for all blocks: for the code. For the weights it does
    only where `is_bound`, and the binding holds.

    Args:
        manifest: The container's manifest.
        trust: Who may sign.
    """
    try:
        found = extensions.signatures_of(manifest.extensions)
    except FormatError as error:
        return (SignatureCheck(BAD, detail=error.message),)
    if found and manifest.history.prerequisites:
        return (SignatureCheck(BAD, detail="the container builds on commits that it does not have (JF-SIG-001)"),)
    message = extensions.signed_bytes(manifest) if found else b""
    bound = is_bound(manifest)
    return tuple(replace(_checked(item, message, trust), bound=bound) for item in found)


def claimed_by(manifest: Manifest) -> tuple[SignatureCheck, ...]:
    """Which keys a container says that it is signed with: nothing is checked, and no program is run."""
    try:
        found = extensions.signatures_of(manifest.extensions)
    except FormatError as error:
        return (SignatureCheck(BAD, detail=error.message),)
    return tuple(replace(_claimed(item), bound=is_bound(manifest)) for item in found)


def _claimed(item: Signature) -> SignatureCheck:
    if item.format != SSHSIG:
        return SignatureCheck(UNCHECKED, detail=f"it is of a kind that is not known: {item.format!r}")
    try:
        key = sshsig.parse(item.signature).key
    except sshsig.Malformed as error:
        return SignatureCheck(BAD, detail=str(error))
    return SignatureCheck(
        UNCHECKED, key_type=sshsig.key_type(key), fingerprint=sshsig.fingerprint(key), detail="not checked"
    )


def _checked(item: Signature, message: bytes, trust: Trust) -> SignatureCheck:
    if item.format != SSHSIG:
        return _claimed(item)
    return checking.check(item.signature, message, NAMESPACE, trust)


def is_bound(manifest: Manifest) -> bool:
    """Whether a signature vouches for the weights, too: they are bound to what it covers (SPEC JF-BND)."""
    return BINDING in manifest.extensions


def signed(data: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """A container with one more signature; one by the same key gives way to it.

    Args:
        data: The whole container.
        sign: Signs what it is given, and gives an SSH signature in its binary form.

    Raises:
        FormatError: the container is damaged.
        RefusedSigned: it builds on commits that it does not have (JF-SIG-001).
        Usage: it has as many signatures as it can have (JF-EXT-005).
    """
    manifest = _manifest(data)
    if manifest.history.prerequisites:
        raise RefusedSigned(
            "the snapshot builds on commits that it does not have, and a signature would not stand for them",
            requirement="JF-SIG-001",
            hint="nothing was changed; capture it again, and sign that",
        )
    old = extensions.signatures_of(manifest.extensions)
    made = Signature(SSHSIG, sign(extensions.signed_bytes(manifest)))
    kept = [item for item in old if _key(item) is None or _key(item) != _key(made)]
    values: list[Value] = [extensions.to_value(item) for item in (*kept, made)]
    try:
        extensions.signatures_of({SIGNATURES: values})
    except FormatError as error:
        raise Usage(
            "a snapshot has 64 signatures at most, each of 65,536 bytes at most",
            requirement="JF-EXT-005",
            hint="nothing was changed",
        ) from error
    return frames.with_extensions(data, {SIGNATURES: values})


def _key(item: Signature) -> bytes | None:
    if item.format != SSHSIG:
        return None
    try:
        return sshsig.parse(item.signature).key
    except sshsig.Malformed:
        return None


def lost(old: bytes, new: bytes) -> int:
    """How many signatures of other keys a container had that another one has not."""
    before, after = (extensions.signatures_of(_manifest(data).extensions) for data in (old, new))
    keys = {_key(item) for item in after}
    return sum(1 for item in before if item not in after and (_key(item) is None or _key(item) not in keys))


def _manifest(data: bytes) -> Manifest:
    source = BytesSource(data)
    return frames.read_manifest(source, frames.read_header(source))
