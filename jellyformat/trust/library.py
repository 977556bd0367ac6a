"""SSH signatures checked without ssh-keygen: Ed25519, ECDSA and RSA, through the package cryptography."""

from __future__ import annotations

import base64
from importlib.util import find_spec

from jellyformat.trust import sshsig
from jellyformat.trust.sshsig import Malformed, Parts, SshSignature

_RSA_BITS = range(1024, 16_385)
"""Lengths of RSA keys that ssh-keygen takes."""
_CURVES = {
    "ecdsa-sha2-nistp256": "SHA256",
    "ecdsa-sha2-nistp384": "SHA384",
    "ecdsa-sha2-nistp521": "SHA512",
}
_RSA = {"rsa-sha2-256": "SHA256", "rsa-sha2-512": "SHA512"}


def is_there() -> bool:
    """Whether cryptography is installed."""
    return find_spec("cryptography") is not None


def holds(found: SshSignature, message: bytes) -> bool | None:
    """Whether a signature is of a message; None where that cannot be told.

    Args:
        found: The signature.
        message: What it is to have signed.
    """
    kind = sshsig.key_type(found.key)
    if kind not in ("ssh-ed25519", "ssh-rsa", *_CURVES) or not is_there():
        return None
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    data = sshsig.signed_bytes(found, message)
    try:
        key = load_ssh_public_key(kind.encode() + b" " + base64.b64encode(found.key))
        if found.extra:
            return False
        if isinstance(key, ed25519.Ed25519PublicKey):
            if found.algorithm != kind:
                return False
            key.verify(found.value, data)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            if found.algorithm != kind:
                return False
            key.verify(_der(found.value, encode_dss_signature), data, ec.ECDSA(getattr(hashes, _CURVES[kind])()))
        elif isinstance(key, rsa.RSAPublicKey):
            if key.key_size not in _RSA_BITS:
                return None
            if found.algorithm not in _RSA:
                return False
            key.verify(found.value, data, padding.PKCS1v15(), getattr(hashes, _RSA[found.algorithm])())
        else:
            return None
    except (InvalidSignature, Malformed):
        return False
    except (UnsupportedAlgorithm, ValueError):
        return None
    return True


def _der(value: bytes, encode: object) -> bytes:
    """An ECDSA signature as cryptography takes it. Raises Malformed."""
    parts = Parts(value, "signature")
    numbers = [parts.string(), parts.string()]
    parts.end()
    if any(not number or len(number) > 67 or number[0] & 0x80 for number in numbers) or not callable(encode):
        raise Malformed("the signature has a number that is none")
    return bytes(encode(*(int.from_bytes(number, "big") for number in numbers)))
