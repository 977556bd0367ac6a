"""How bytes on disk differ from bytes in git: line ends, ident, encodings, filters (gitattributes(5)).

Nothing is converted here but in memory, to tell whether a difference is no more than such a conversion.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable

from jellyformat.git import filters
from jellyformat.git.attributes import Attributes, Value
from jellyformat.git.config import GitConfig
from jellyformat.git.repository import Repository

_IDENT = re.compile(rb"\$Id:[^$\n]*\$")
_TEXT_BYTES = bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100)) + b"\b\t\x1b\x0c\r\n"
_UTF_BOMS = {"UTF-16LE-BOM": "utf-16", "UTF-16BE-BOM": "utf-16", "UTF-32LE-BOM": "utf-32", "UTF-32BE-BOM": "utf-32"}

_OF_PYTHON = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"))

Attributed = dict[bytes, Value]


class Converter:
    """Answers for the files of one repository."""

    def __init__(self, repository: Repository, attributes: Attributes) -> None:
        self._repository = repository
        self._attributes = attributes
        self._config = repository.settings
        self._auto = _auto_crlf(repository.settings)

    def changes_bytes(self, path: bytes) -> bool:
        """Whether a file may differ from its blob though git takes it for unmodified."""
        found = self._attributes.of(path)
        encoding, ident = found.get(b"working-tree-encoding"), found.get(b"ident") is True
        return bool(encoding) or ident or self._line_ends(found) != "binary" or self.filter_of(path) is not None

    def filter_of(self, path: bytes) -> str | None:
        """The name of the filter that ``path`` is under, where one of that name is configured, or is LFS."""
        value = self._attributes.of(path).get(b"filter")
        if not isinstance(value, bytes) or not value:
            return None
        name = value.decode("utf-8", "surrogateescape")
        return name if name == "lfs" or any(self._commands(name)) else None

    def _commands(self, name: str) -> list[str]:
        return [self._config.get(f"filter.{name}.{key}") or "" for key in ("process", "clean")]

    def hides(self, name: str) -> bool:
        """Whether a filter may keep something secret out of git."""
        return filters.conceals(name, self._commands(name))

    def stands_for(self, blob: bytes, pieces: Iterable[bytes]) -> bool:
        """Whether the blob (raw id) is the pointer of LFS or git-annex to the content that the pieces make."""
        size = self._repository.size(blob)
        if size is None or size > filters.POINTER_BYTES:
            return False
        pointer = filters.pointer_of(self._repository.read(blob)[1])
        return pointer is not None and pointer.is_of(pieces)

    def is_same(self, path: bytes, blob: bytes, content: bytes) -> bool:
        """Whether git takes ``content`` on disk for the blob (raw id), after its conversions."""
        found = self._attributes.of(path)
        action = self._line_ends(found)
        encoding = found.get(b"working-tree-encoding")
        if action == "binary" and not encoding and found.get(b"ident") is not True:
            return False
        try:
            _, stored = self._repository.read(blob)
        except KeyError:
            return False
        if isinstance(encoding, bytes) and encoding:
            decoded = _decoded(content, encoding.decode("ascii", "replace"))
            if decoded is None:
                return False
            content = decoded
        if action.startswith("auto"):
            # git guesses: binary files, and those that have carriage returns in git, stay as they are
            if not _is_binary(content) and not (b"\r\n" in stored and not _is_binary(stored)):
                content = content.replace(b"\r", b"")
        elif action == "text":
            content = content.replace(b"\r\n", b"\n")
        if found.get(b"ident") is True:
            content = _IDENT.sub(b"$Id$", content)
        return content == stored

    def _line_ends(self, found: Attributed) -> str:
        """``binary``, ``text``, or ``auto``: what git does with line ends on the way in."""
        action = _text_action(found.get(b"text")) or _text_action(found.get(b"crlf"))
        if action is None and found.get(b"eol") in (b"lf", b"crlf"):
            action = "text"
        return action or ("auto" if self._auto else "binary")


def _decoded(content: bytes, name: str) -> bytes | None:
    """Text in an encoding that git may know, as UTF-8; None where it is not in it."""
    try:
        known = codecs.lookup(_UTF_BOMS.get(name.upper(), name))
        # Python's own kinds are none of git's, and take a time that grows with the square of the size
        return None if known.name in _OF_PYTHON else known.decode(content)[0].encode()
    except (LookupError, ValueError, AttributeError):  # no encoding of text, or not in it
        return None


def _text_action(value: Value) -> str | None:
    if value is False:
        return "binary"
    if value is True or value == b"input":
        return "text"
    return "auto" if value == b"auto" else None


def _auto_crlf(config: GitConfig) -> bool:
    return (config.get("core.autocrlf") or "").lower() == "input" or config.boolean("core.autocrlf", default=False)


def _is_binary(content: bytes) -> bool:
    """git's guess (convert.c): lone carriage returns, NULs, or too many bytes that are not text."""
    if b"\0" in content or content.count(b"\r") != content.count(b"\r\n"):
        return True
    strange = len(content.translate(None, _TEXT_BYTES))
    text = len(content) - strange - content.count(b"\n") - content.count(b"\r\n")
    return text >> 7 < strange - content.endswith(b"\x1a")
