"""What the store's files hold: one msgpack value and its SHA-256, and every part of it checked as it is read.

The checksum finds what was damaged. It proves nothing about who wrote it, so nothing is taken for granted behind it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jellyformat.errors import JellyError, RefusedSize
from jellyformat.format import limits, msgpack
from jellyformat.format.msgpack import Value
from jellyformat.format.paths import check_path

LIMIT = 512 * limits.MIB
"""Bytes of one of the store's files."""
NAME = r"[0-9]{1,18}-[0-9]{1,18}"
"""The name of a state's directory: its number, and that of the change that left it."""
_NAME = re.compile(NAME)
_NUMBER = re.compile(r"[0-9]{1,18}")
_HEX = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?")
_LARGEST = (1 << 63) - 1
_SINGLE = frozenset((bytes, int, bool, str, type(None), float))
_VALUES = 16_000_000
"""Values of msgpack, those in maps and arrays too."""


def seal(value: Value) -> bytes:
    """A value as it is stored.

    Raises:
        RefusedSize: it would be too large to be read again.
    """
    data = msgpack.encode(value)
    if len(data) > LIMIT - 32 or _count(value) >= _VALUES:
        raise RefusedSize(
            "there are more files than can be kept for undo in one step",
            hint="nothing was changed; restore into a directory that does not exist",
        )
    return data + hashlib.sha256(data).digest()


def _count(value: Value) -> int:
    """How many values there are in one."""
    count, stack = 0, [value]
    while stack:
        item = stack.pop()
        count += 1
        if type(item) in _SINGLE:
            continue
        if isinstance(item, Mapping):
            count += len(item)
            stack += item.values()
        elif isinstance(item, Sequence):
            inner = [part for part in item if type(part) not in _SINGLE]
            count += len(item) - len(inner)
            stack += inner
    return count


def unseal(data: bytes) -> Any:
    """The value of `seal`; Raises ValueError where bytes were changed or are missing."""
    if hashlib.sha256(memoryview(data)[:-32]).digest() != data[-32:]:
        raise ValueError("its checksum does not match")
    try:
        return msgpack.decode(data[:-32], _VALUES)
    except JellyError as error:
        raise ValueError(error.message) from error


def fields(value: Any, *names: str) -> list[Any]:
    """The values of a map that has exactly these keys. Raises ValueError, as all below."""
    if not isinstance(value, dict) or value.keys() != set(names):
        raise ValueError("it has another form")
    return [value[name] for name in names]


def items(value: Any, length: int | None = None) -> list[Any]:
    """A list, of ``length`` values where that is given."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise ValueError("it has another form")
    return value


def integer(value: Any, most: int = _LARGEST, least: int = 0) -> int:
    """A number from ``least`` to ``most``."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError("a number in it is none, or out of range")
    return value


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError("a text in it is none")
    return value


def hexadecimal(value: Any) -> str:
    """An id in hexadecimal digits, or nothing."""
    if not _HEX.fullmatch(text(value)):
        raise ValueError("an id in it is none")
    return str(value)


def raw(value: Any) -> bytes:
    """Bytes."""
    if not isinstance(value, bytes):
        raise ValueError("bytes in it are none")
    return value


def oid(value: Any) -> bytes:
    """A raw object id."""
    if len(raw(value)) not in (20, 32):
        raise ValueError("an object id in it is none")
    return bytes(value)


def state_name(value: Any) -> str:
    """The name of a state's directory."""
    if not _NAME.fullmatch(text(value)):
        raise ValueError("the name of a state in it is none of ours")
    return str(value)


def number_name(value: Any) -> str:
    """The name of a file in ``kept/``."""
    if not _NUMBER.fullmatch(text(value)):
        raise ValueError("the name of a kept file in it is none of ours")
    return str(value)


def path(value: Any) -> bytes:
    """A path in a worktree: nothing that could lead out of it or into ``.git`` (SPEC JF-PTH-001, 002)."""
    try:
        check_path(raw(value))
    except JellyError as error:
        raise ValueError(error.message) from error
    return bytes(value)


def place(value: Any) -> bytes:
    """A path in a worktree, or the ``.git`` of a directory in it."""
    above, _, last = raw(value).rpartition(b"/")
    path(above if above and last == b".git" else value)
    return bytes(value)


def prefix(value: Any) -> bytes:
    """The prefix of a repository: nothing for the outermost, for one inside its path and ``/``."""
    if raw(value):
        if not value.endswith(b"/"):
            raise ValueError("a path in it is none")
        path(value[:-1])
    return bytes(value)
