"""Diffs: what is made applies, and nothing reaches beyond its base."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jellyformat.errors import BadDiff, SizeLimit
from jellyformat.format import diffs, limits

lines = st.lists(
    st.sampled_from([b"\n", b"a\n", b"some line\n", b"another line here\n", b"x" * 40, b"\r\n"]), max_size=60
)
texts = st.one_of(lines.map(b"".join), st.binary(max_size=200))


@given(texts, texts)
def test_made_diffs_apply(base: bytes, target: bytes) -> None:
    assert diffs.apply(base, diffs.make(base, target)) == target


@given(texts, texts, texts)
def test_an_insertion_costs_what_is_inserted(before: bytes, inserted: bytes, after: bytes) -> None:
    ops = diffs.make(before + after, before + inserted + after)
    assert sum(len(op) for op in ops if isinstance(op, bytes)) <= len(inserted)


def test_moved_lines_are_copied() -> None:
    one = b"".join(b"line number %d of the first part\n" % number for number in range(50))
    two = b"".join(b"line number %d of the other part\n" % number for number in range(50))
    ops = diffs.make(one + two, two + one)
    assert sum(len(op) for op in ops if isinstance(op, bytes)) < 64  # less than two of the hundred lines


def test_beyond_the_base() -> None:
    assert diffs.apply(b"abc", [(0, 3)]) == b"abc"
    for op in ((0, 4), (3, 1), (2**40, 1)):
        with pytest.raises(BadDiff):
            diffs.apply(b"abc", [op])


def test_a_bomb_is_refused_before_it_is_built() -> None:
    with pytest.raises(SizeLimit):
        diffs.result_length(limits.GIB, [(0, limits.GIB)] * 4)
