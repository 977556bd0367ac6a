"""What a msgpack file of flax holds, each by the keys that lead to it (SPEC JF-FLX)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from jellyformat.adapter import (
    MAX_WEIGHT_NAME_BYTES,
    MAX_WEIGHTS,
    BadHost,
    CountLimit,
    Joined,
    SizeLimit,
    Source,
    Weight,
    Window,
)
from jellyformat_flax.values import SHAPE_MAX, Array, NotFlax, Value, Values, walk

CHUNKED = b"__msgpack_chunked_array__"
"""The first key of a map that stands for an array of more than a gigabyte, which flax divides."""
CHUNKS_MAX = 65_536
_TRUE = b"\xc3"
_KEYS = 3

Step: TypeAlias = tuple[Sequence[bytes], Value]


def read_weights(source: Source) -> Iterator[Weight]:
    """Each array, and each value that is none, in the file's order.

    Raises:
        BadHost: the file does not conform (JF-FLX-001).
        SizeLimit: the names have more bytes than they may (JF-FLX-002).
        CountLimit: there are more maps and arrays than there may be weights (JF-BND-005).
    """
    try:
        yield from _weights(Values(source))
    except NotFlax as error:
        raise BadHost(
            f"this msgpack file of flax does not parse: {error}", requirement="JF-FLX-001", offset=error.offset
        ) from None


def _weights(values: Values) -> Iterator[Weight]:
    steps, names, maps = walk(values), 0, 0
    for path, value in steps:
        if path and path[-1] == CHUNKED:
            raise NotFlax("an array in pieces that is not as flax writes it", value.start)
        if value.kind == "map" and _is_chunked(values, value):
            path = tuple(path)  # the walk goes on below it, in the same list
            dtype, shape, content = _chunked(values, steps, value)
        elif value.kind in ("map", "array"):
            maps += 1
            if maps > MAX_WEIGHTS:  # they are no weights, and take as long
                raise CountLimit(f"more than {MAX_WEIGHTS} maps and arrays", requirement="JF-BND-005")
            continue
        elif value.kind == "extension" and not values.is_complex(value):
            found = values.array(value)
            dtype, shape, content = found.dtype, found.shape, found.content
        else:
            dtype, shape, content = "", (), Window(values.source, value.start, value.end - value.start)
        names += sum(map(len, path)) + max(0, len(path) - 1)
        if names > MAX_WEIGHT_NAME_BYTES:
            raise SizeLimit(
                f"the names of what this file holds have more than {MAX_WEIGHT_NAME_BYTES} bytes",
                requirement="JF-FLX-002",
                offset=value.start,
            )
        yield Weight(b"/".join(path), dtype, shape, content)


def _is_chunked(values: Values, value: Value) -> bool:
    if value.count != _KEYS:
        return False
    key = values.at(value.body)
    return key.kind == "text" and key.end - key.body == len(CHUNKED) and values.key(key) == CHUNKED


def _chunked(values: Values, steps: Iterator[Step], value: Value) -> tuple[str, tuple[int, ...], Source]:
    """Type, shape and content of an array in pieces; its map was the last of the steps."""
    fault = NotFlax("an array in pieces that is not as flax writes it", value.start)

    def take(key: bytes, kind: str) -> Value:
        path, found = next(steps)
        if path[-1] != key or found.kind != kind:
            raise fault
        return found

    if values.bytes_at(take(CHUNKED, "other").start, 1) != _TRUE:
        raise fault
    shape: list[int] = []
    dimensions = take(b"shape", "map")
    if dimensions.count > SHAPE_MAX:
        raise fault
    for number in range(dimensions.count):
        size = take(b"%d" % number, "integer")
        shape.append(int(values.key(size)))
    chunks: list[Array] = []
    count = take(b"chunks", "map").count
    if not 0 < count <= CHUNKS_MAX or min(shape, default=0) < 0:
        raise fault
    for number in range(count):
        found = values.array(take(b"%d" % number, "extension"))
        if len(found.shape) != 1 or (chunks and found.dtype != chunks[0].dtype):
            raise fault
        chunks.append(found)
    return chunks[0].dtype, tuple(shape), Joined(tuple(chunk.content for chunk in chunks))
