"""JSON text by byte offsets (RFC 8259): where its members stand, without decoding what is in them.

`json` would give values without their places, need memory many times the text's size, and run out of stack on
deep nesting; here a crafted header of 100 MB costs one byte a level and a small object for each member asked for.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator
from dataclasses import dataclass

_SPACE = re.compile(rb"[ \t\n\r]*")
# Nothing follows the repeat, so it never backtracks; the bound keeps the memory that `re` notes repeats in small.
_STRING_RUN = re.compile(rb'(?:[^"\\\x00-\x1f]+|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4}){0,4096}')
_NUMBER = rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_SCALAR = re.compile(_NUMBER + rb"|true|false|null")
# Items of an array that others follow, and brackets, as many as there are in one step: a header may be all of them.
_SCALARS = re.compile(rb"(?:(?:%b|true|false|null)[ \t\n\r]*,[ \t\n\r]*){0,4096}" % _NUMBER)
_OPENING = re.compile(rb"\[{0,4096}")
# What safetensors writes for a tensor: all but all of a header, read in one step.
_TENSOR = re.compile(
    rb'\{"dtype":"\w{1,16}","shape":\[(?:(?:0|[1-9][0-9]*)(?:,(?:0|[1-9][0-9]*))*)?\],'
    rb'"data_offsets":\[(?:0|[1-9][0-9]*),(?:0|[1-9][0-9]*)\]\}'
)
MEMBERS_MAX = 1_000_000
"""Members of an object, of more than which no container is looked for: the same as there may be weights."""
_CHUNK = 1 << 20
_LONG_STRING = 1000
_NOT_BARE = bytes(range(32)) + b"\\"
"""What stands in no string, or says that more than the next quote is to be looked at."""


class NotJson(Exception):
    """The text is not JSON, or names a member twice that may be there once.

    Args:
        what: What is wrong, as part of a sentence.
        offset: Byte offset in the text.
    """

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset


@dataclass(frozen=True)
class Member:
    """A member of an object; byte offsets of the quote it begins with, of its value, and of the end of that."""

    start: int
    value: int
    end: int


@dataclass(frozen=True)
class Object:
    """An object: byte offsets of its ``{`` and behind its ``}``, the number of members, and those asked for."""

    start: int
    end: int
    count: int
    members: dict[bytes, Member]


def check_utf8(text: bytes) -> None:
    """Raises NotJson where ``text`` is not UTF-8 (RFC 3629: no surrogates, nothing overlong)."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(text) + 1, _CHUNK):
        part = text[start : start + _CHUNK]
        try:
            decoder.decode(part, final=start + _CHUNK > len(text))
        except UnicodeDecodeError as error:
            raise NotJson("a byte that is not UTF-8", min(start + error.start, len(text))) from None


def skip_space(text: bytes, offset: int) -> int:
    """The offset of the next byte that is not white space."""
    match = _SPACE.match(text, offset)
    return match.end() if match else offset


def scan_object(text: bytes, offset: int, wanted: frozenset[bytes]) -> Object:
    """The object whose ``{`` is at ``offset``.

    Args:
        text: UTF-8.
        offset: In bytes.
        wanted: Names of members to tell of, unescaped UTF-8; such a name may be there once.

    Raises:
        NotJson: it is not a proper object, or has a wanted member twice.
    """
    members: dict[bytes, Member] = {}
    count = 0
    walk = walk_object(text, offset)
    while True:
        try:
            name, member = next(walk)
        except StopIteration as stop:
            return Object(offset, stop.value, count, members)
        count += 1
        if count > MEMBERS_MAX:
            raise NotJson(f"more than {MEMBERS_MAX} members", member.start)
        if name in wanted:
            if name in members:
                raise NotJson(f"the member {name.decode('ascii', 'replace')} twice", member.start)
            members[name] = member


def walk_object(text: bytes, offset: int) -> Generator[tuple[bytes, Member], None, int]:
    """The members of the object whose ``{`` is at ``offset``, each with its name, unescaped; returns where it ends.

    Raises:
        NotJson: it is not a proper object.
    """
    if text[offset : offset + 1] != b"{":
        raise NotJson("no object where there should be one", offset)
    place = skip_space(text, offset + 1)
    if text[place : place + 1] == b"}":
        return place + 1
    while True:
        start = place
        after_name, value = _name(text, start)
        end = skip_value(text, value)
        yield _unescape(text[start:after_name]), Member(start, value, end)
        place = skip_space(text, end)
        mark = text[place : place + 1]
        if mark == b"}":
            return place + 1
        if mark != b",":
            raise NotJson("no comma and no end behind a member", place)
        place = skip_space(text, place + 1)


def skip_value(text: bytes, offset: int) -> int:
    """The offset behind the value that begins at ``offset``, or at the first byte behind white space there.

    Raises:
        NotJson: it is not a proper value.
    """
    if tensor := _TENSOR.match(text, offset):
        return tensor.end()
    closers = bytearray()
    while True:
        offset = skip_space(text, offset)
        mark = text[offset : offset + 1]
        if mark == b'"':
            offset = _string(text, offset)
        elif mark == b"[" and text[offset + 1 : offset + 2] == b"[":
            run = _OPENING.match(text, offset)
            count = run.end() - offset - 1 if run else 1
            closers += b"]" * count
            offset += count
            continue
        elif mark in (b"{", b"["):
            closer = b"}" if mark == b"{" else b"]"
            offset = skip_space(text, offset + 1)
            if text[offset : offset + 1] != closer:
                closers += closer
                offset = _name(text, offset)[1] if mark == b"{" else _pass_scalars(text, offset)
                continue
            offset += 1
        elif scalar := _SCALAR.match(text, offset):
            offset = scalar.end()
        else:
            raise NotJson("something that is no value", offset)
        # A value has ended; so do the arrays and objects that it was the last of.
        while closers:
            offset = skip_space(text, offset)
            mark = text[offset : offset + 1]
            if mark == b",":
                offset = skip_space(text, offset + 1)
                offset = _name(text, offset)[1] if closers[-1:] == b"}" else _pass_scalars(text, offset)
                break
            if mark != closers[-1:]:
                raise NotJson("no comma and no end behind a value", offset)
            while closers and text[offset : offset + 1] == closers[-1:]:
                closers.pop()
                offset += 1
        else:
            return offset


def _pass_scalars(text: bytes, offset: int) -> int:
    """The offset behind the numbers and literals of an array that others follow."""
    run = _SCALARS.match(text, offset)
    return run.end() if run else offset


def string_value(text: bytes, start: int, end: int) -> str:
    """The string whose quotes are at ``start`` and before ``end``, unescaped. It was scanned before."""
    value = json.loads(text[start:end])
    if not isinstance(value, str):
        raise NotJson("something else than a string", start)
    return value


def _name(text: bytes, offset: int) -> tuple[int, int]:
    """Offsets behind the name that begins at ``offset``, and of its value."""
    after = _string(text, offset)
    colon = skip_space(text, after)
    if text[colon : colon + 1] != b":":
        raise NotJson("no colon behind a name", colon)
    return after, skip_space(text, colon + 1)


def _string(text: bytes, offset: int) -> int:
    if text[offset : offset + 1] != b'"':
        raise NotJson("no string where there should be one", offset)
    closing = text.find(b'"', offset + 1)
    if closing - offset > _LONG_STRING:  # a container in base64; a regular expression takes longer
        body = text[offset + 1 : closing]
        if len(body.translate(None, _NOT_BARE)) == len(body):
            return closing + 1
    place, before = offset + 1, -1
    while place != before:
        before = place
        if run := _STRING_RUN.match(text, place):
            place = run.end()
    if text[place : place + 1] != b'"':
        raise NotJson("a string that does not end, or has a control character or a bad escape", place)
    return place + 1


def _unescape(quoted: bytes) -> bytes:
    if b"\\" not in quoted:
        return quoted[1:-1]
    return string_value(quoted, 0, len(quoted)).encode("utf-8", "surrogatepass")
