"""Canonical msgpack: every value both ways, and everything else refused."""

from __future__ import annotations

import msgpack as library
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jellyformat.errors import BadMsgpack, DepthLimit, JellyError
from jellyformat.format import msgpack

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.binary(max_size=300)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text("abcé𝄞", max_size=5), inner, max_size=20),
    max_leaves=40,
)


@given(values)
def test_round_trip(value: object) -> None:
    data = msgpack.encode(value)  # type: ignore[arg-type]
    assert msgpack.decode(data) == value
    assert msgpack.encode(msgpack.decode(data)) == data


@given(values, st.data())
def test_any_other_bytes_are_another_value_or_refused(value: object, data: st.DataObject) -> None:
    good = msgpack.encode(value)  # type: ignore[arg-type]
    position = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = msgpack.decode(bytes(bad))
    except JellyError:
        return
    assert msgpack.encode(other) == bytes(bad)


@given(st.binary(max_size=60))
def test_garbage_is_refused_or_canonical(data: bytes) -> None:
    try:
        value = msgpack.decode(data)
    except JellyError:
        return
    assert msgpack.encode(value) == data


@pytest.mark.parametrize(
    ("data", "requirement"),
    [
        (b"", "JF-MSG-006"),
        (b"\xc0\xc0", "JF-MSG-006"),
        (b"\xc4\x05abc", "JF-MSG-006"),
        (b"\xc1", "JF-MSG-001"),
        (b"\xca\x00\x00\x00\x00", "JF-MSG-001"),
        (b"\xcb" + bytes(8), "JF-MSG-001"),
        (b"\xd4\x01a", "JF-MSG-001"),
        (b"\xc7\x00\x01", "JF-MSG-001"),
        (b"\xcc\x01", "JF-MSG-002"),
        (b"\xcd\x00\xff", "JF-MSG-002"),
        (b"\xd0\x01", "JF-MSG-002"),
        (b"\xd1\x00\x80", "JF-MSG-002"),
        (b"\xd2\x00\x01\x00\x00", "JF-MSG-002"),
        (b"\xd3" + (2**40).to_bytes(8, "big"), "JF-MSG-002"),
        (b"\xd9\x01a", "JF-MSG-002"),
        (b"\xc5\x00\x01a", "JF-MSG-002"),
        (b"\xdc\x00\x00", "JF-MSG-002"),
        (b"\xde\x00\x00", "JF-MSG-002"),
        (b"\x82\xa1b\x01\xa1a\x01", "JF-MSG-002"),
        (b"\x82\xa1a\x01\xa1a\x01", "JF-MSG-003"),
        (b"\x81\x01\x01", None),
        (b"\x81\xc4\x01a\x01", None),
        (b"\xa1\xff", None),
        (b"\xa3\xed\xa0\x80", None),
        (b"\xa2\xc0\x80", None),
    ],
)
def test_refused(data: bytes, requirement: str | None) -> None:
    with pytest.raises(BadMsgpack) as caught:
        msgpack.decode(data)
    assert requirement in (None, caught.value.requirement)


def test_depth_is_refused_before_anything_is_built() -> None:
    assert msgpack.decode(b"\x91" * 40 + b"\xc0")
    with pytest.raises(DepthLimit):
        msgpack.decode(b"\x91" * 41 + b"\xc0")
    with pytest.raises(DepthLimit):
        msgpack.decode(b"\x91" * 1_000_000 + b"\xc0")


def test_huge_counts_allocate_nothing() -> None:
    for data in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"):
        with pytest.raises(BadMsgpack):
            msgpack.decode(data)


@pytest.mark.parametrize("value", [1.5, {1: 2}, {b"a": 1}, 2**64, -(2**63) - 1, object(), "\ud800", {"a": {1.0}}])
def test_what_cannot_be_encoded(value: object) -> None:
    with pytest.raises(BadMsgpack):
        msgpack.encode(value)  # type: ignore[arg-type]


@given(st.integers(1, 4), st.sampled_from([0, 1, 255, 256, 65_535, 65_536]))
def test_record_head_is_what_the_library_writes(kind: int, length: int) -> None:
    content = bytes(length)
    assert msgpack.record_head(kind, length) + content == library.packb([kind, content])
