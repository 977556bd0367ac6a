"""SSH signatures and public keys as bytes (PROTOCOL.sshsig and RFC 4253): read, put into armor and out of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"SSHSIG"
_VERSION: Final = 1
_BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----"
_END: Final = b"-----END SSH SIGNATURE-----"
_ARMOR_MOST: Final = 131_072
"""Bytes of a signature with its armor."""
_COLUMNS: Final = 70
_HASHES: Final = ("sha256", "sha512")
_ARMOR: Final = re.compile(rb"\s*" + _BEGIN + rb"\r?\n([A-Za-z0-9+/=\r\n]*)" + _END + rb"\s*")
_CERTIFICATE: Final = re.compile(r"(.+)-cert-v0[01]@openssh\.com")


class Malformed(ValueError):
    """Bytes that are no SSH signature, or no public key; the text says why, for people."""


@dataclass(frozen=True)
class SshSignature:
    """What an SSH signature says.

    Attributes:
        key: The public key, as RFC 4253 writes it; or a certificate.
        namespace: What it was made for.
        reserved: Signed with the rest, and of no meaning.
        hash: The name of the hash that was signed.
        algorithm: The name of the algorithm that signed it.
        value: What that gave.
        extra: What a security key adds to it; nothing else does.
    """

    key: bytes
    namespace: bytes
    reserved: bytes
    hash: str
    algorithm: str
    value: bytes
    extra: bytes


class Parts:
    """Reads what SSH writes: each part with its length in front.

    Args:
        data: The bytes.
        what: What they are to be, for the message.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self._at = data, what, 0

    def string(self) -> bytes:
        """The next part. Raises Malformed."""
        begin = self._at + 4
        length = int.from_bytes(self._data[self._at : begin], "big")
        if begin > len(self._data) or length > len(self._data) - begin:
            raise Malformed(f"the {self._what} is cut off")
        self._at = begin + length
        return self._data[begin : self._at]

    def name(self) -> str:
        """The next part, a name in ASCII. Raises Malformed."""
        raw = self.string()
        if not raw.isascii() or not 1 <= len(raw) <= 255:
            raise Malformed(f"the {self._what} has a name that is none")
        return raw.decode("ascii")

    def skip(self, count: int) -> None:
        """Pass over some bytes. Raises Malformed."""
        if count > len(self._data) - self._at:
            raise Malformed(f"the {self._what} is cut off")
        self._at += count

    def rest(self) -> bytes:
        """All that is left."""
        begin, self._at = self._at, len(self._data)
        return self._data[begin:]

    def end(self) -> None:
        """Raises Malformed if anything is left."""
        if self._at != len(self._data):
            raise Malformed(f"the {self._what} has bytes behind its end")


def parse(blob: bytes) -> SshSignature:
    """Read a signature in its binary form.

    Raises:
        Malformed: it is none.
    """
    if blob[: len(MAGIC)] != MAGIC:
        raise Malformed("it is no SSH signature")
    if blob[len(MAGIC) : len(MAGIC) + 4] != _VERSION.to_bytes(4, "big"):
        raise Malformed("it is an SSH signature of a version that is not known")
    parts = Parts(blob[len(MAGIC) + 4 :], "signature")
    key, namespace, reserved, name = parts.string(), parts.string(), parts.string(), parts.name()
    inner = Parts(parts.string(), "signature")
    parts.end()
    if name not in _HASHES:
        raise Malformed("it signs a hash that is not known")
    key_type(key)
    return SshSignature(key, namespace, reserved, name, inner.name(), inner.string(), inner.rest())


def signed_bytes(found: SshSignature, message: bytes) -> bytes:
    """What the algorithm has signed."""
    digest = hashlib.new(found.hash, message).digest()
    return MAGIC + b"".join(map(_part, (found.namespace, found.reserved, found.hash.encode(), digest)))


def _part(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def key_type(key: bytes) -> str:
    """The type of a public key, such as ``ssh-ed25519``.

    Raises:
        Malformed: it is none.
    """
    return Parts(key, "public key").name()


def fingerprint(key: bytes) -> str:
    """A public key's name, as ssh-keygen gives it: ``SHA256:…``."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def authority_of(key: bytes) -> bytes | None:
    """The key that signed a certificate; None where it is none, or not one that is known.

    Raises:
        Malformed: it is cut off.
    """
    kind = _CERTIFICATE.fullmatch(key_type(key))
    fields = {"ssh-ed25519": 1, "ssh-rsa": 2, "sk-ssh-ed25519": 2, "sk-ecdsa-sha2-nistp256": 3}
    if kind is None:
        return None
    count = 2 if kind[1].startswith("ecdsa-") else fields.get(kind[1])
    if count is None:
        return None
    parts = Parts(key, "certificate")
    for _ in range(2 + count):  # its type, a nonce, the key itself
        parts.string()
    parts.skip(12)  # a serial number, and which kind of certificate
    parts.string()
    parts.string()
    parts.skip(16)  # from when, until when
    for _ in range(3):
        parts.string()
    return parts.string()


def public_key(text: bytes) -> bytes | None:
    """The public key in a line ``TYPE BASE64 [COMMENT]``; None where it has none."""
    words = text.split(None, 2)
    if len(words) < 2:
        return None
    try:
        key = base64.b64decode(words[1], validate=True)
        return key if key_type(key).encode("ascii") == words[0] else None
    except (Malformed, binascii.Error):
        return None


def armored(blob: bytes) -> bytes:
    """A signature as ssh-keygen writes it into a file."""
    text = base64.b64encode(blob)
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return b"\n".join((_BEGIN, *lines, _END, b""))


def unarmored(text: bytes) -> bytes:
    """A signature in its binary form.

    Raises:
        Malformed: its armor is none.
    """
    found = _ARMOR.fullmatch(text) if len(text) <= _ARMOR_MOST else None
    if found is None:
        raise Malformed("it is no SSH signature in armor")
    try:
        return base64.b64decode(re.sub(rb"[\r\n]", b"", found[1]), validate=True)
    except binascii.Error:
        raise Malformed("it is no SSH signature in armor") from None
