"""Values of a decoded map, each checked to be of its type and within its bounds (SPEC JF-MAN-001, JF-MAN-002)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from jellyformat.errors import (
    BadManifest,
)
from jellyformat.format import limits
from jellyformat.format.msgpack import Value
from jellyformat.format.objects import FILE_MODES
from jellyformat.format.paths import check_path

T = TypeVar("T")
Map = Mapping[str, Value]
_UINT64 = (1 << 64) - 1


def wrong(name: str, wanted: str) -> BadManifest:
    return BadManifest(f"{name} is not {wanted}", requirement="JF-MAN-002")


def closed_map(value: Value, shape: type, name: str) -> Map:
    if not isinstance(value, Mapping):
        raise wrong(name, "a map")
    if value.keys() != {entry.name for entry in dataclasses.fields(shape)}:
        raise BadManifest(f"{name} has a key missing or one too many", requirement="JF-MAN-001")
    return value


def rest_of(value: Value, keys: Collection[str], name: str) -> Map:
    """What an open map has beyond ``keys``, all of which it has to have."""
    item = open_map(value, name)
    for key in keys:
        if key not in item:
            raise BadManifest(f"{name} has no {key}", requirement="JF-MAN-001")
    return {key: part for key, part in item.items() if key not in keys}


def open_map(value: Value, name: str) -> Map:
    if not isinstance(value, Mapping):
        raise wrong(name, "a map")
    return value


def array(value: Value, name: str) -> Sequence[Value]:
    if not isinstance(value, list):
        raise wrong(name, "an array")
    return value


def array_of(value: Value, length: int, name: str) -> Sequence[Value]:
    items = array(value, name)
    if len(items) != length:
        raise wrong(name, f"an array of {length}")
    return items


def sorted_array(
    value: Value, item: Callable[[Value, str], T], name: str, key: Callable[[T], bytes] | None = None
) -> tuple[T, ...]:
    items = tuple(item(part, name) for part in array(value, name))
    keys = [part if key is None else key(part) for part in items]
    if any(one >= two for one, two in pairwise(keys)):  # type: ignore[operator]
        raise BadManifest(f"{name} is not sorted, or has something twice", requirement="JF-MAN-003")
    return items


def optional(value: Value, item: Callable[[Value, str], T], name: str) -> T | None:
    return None if value is None else item(value, name)


def one_of(value: Value, allowed: tuple[str, ...], name: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise wrong(name, f"one of {', '.join(allowed)}")
    return value


def boolean(value: Value, name: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(name, "a boolean")
    return value


def integer(value: Value, name: str, least: int = 0, most: int = _UINT64) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise wrong(name, f"an integer of at least {least}" if most == _UINT64 else f"an integer {least} to {most}")
    return value


def string(value: Value, name: str) -> str:
    if not isinstance(value, str):
        raise wrong(name, "a str")
    return value


def binary(value: Value, name: str) -> bytes:
    if not isinstance(value, bytes):
        raise wrong(name, "a bin")
    return value


def oid(value: Value, length: int, name: str) -> bytes:
    oid = binary(value, name)
    if len(oid) != length:
        raise wrong(name, f"of {length} bytes")
    return oid


def mode(value: Value, name: str) -> int:
    if isinstance(value, bool) or value not in FILE_MODES:
        raise wrong(name, "a mode")
    assert isinstance(value, int)
    return value


def long_path(value: Value, name: str) -> bytes:
    """A path from the outermost repository, through those inside it."""
    path = binary(value, name)
    check_path(path, parts=limits.PARTS)
    return path


def path(value: Value, name: str) -> bytes:
    path = binary(value, name)
    check_path(path)
    return path
