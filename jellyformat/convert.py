"""How bytes on disk differ from bytes in git: line ends, ident, encodings, filters (gitattributes(5)).

Nothing is converted here; it is only told whether a difference is such a conversion.
"""

from __future__ import annotations

import hashlib
import re

from jellyformat.repository import Repository

_IDENT = re.compile(rb"\$Id:[^$\n]*\$")
_LFS_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]+\n)*?oid sha256:([0-9a-f]{64})\n")
_LFS_POINTER_BYTES = 1024


class Converter:
    """Answers for the files of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        autocrlf = (repository.config("core.autocrlf") or "false").lower()
        self._autocrlf = autocrlf in ("true", "input", "yes", "on", "1")

    def filter_of(self, path: bytes) -> str | None:
        """The name of the filter that ``path`` is under."""
        value = self._repository.attribute(path, "filter")
        return value if isinstance(value, str) and value else None

    def is_lfs_of(self, blob: bytes, content: bytes) -> bool:
        """Whether the blob (raw id) is the LFS pointer of ``content``."""
        size = self._repository.size(blob)
        if size is None or size > _LFS_POINTER_BYTES:
            return False
        match = _LFS_POINTER.match(self._repository.read(blob)[1])
        return match is not None and match[1].decode() == hashlib.sha256(content).hexdigest()

    def is_same(self, path: bytes, blob: bytes, content: bytes) -> bool:
        """Whether git takes ``content`` on disk for the blob (raw id), after its conversions."""
        try:
            _, stored = self._repository.read(blob)
        except KeyError:
            return False
        encoding = self._repository.attribute(path, "working-tree-encoding")
        if isinstance(encoding, str) and encoding:
            try:
                content = content.decode(encoding).encode()
            except (LookupError, ValueError):
                return False
            content = content.removeprefix(b"\xef\xbb\xbf")
            stored = stored.removeprefix(b"\xef\xbb\xbf")
        if self._repository.attribute(path, "ident") is True:
            content = _IDENT.sub(b"$Id$", content)
        if content == stored:
            return True
        text = self._repository.attribute(path, "text")
        eol = self._repository.attribute(path, "eol")
        if text is False or not (text is not None or eol is not None or self._autocrlf):
            return False
        return content.replace(b"\r\n", b"\n") == stored
