"""Which names are unsafe, and which not portable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jellyformat.errors import PathLimit, UnsafePath
from jellyformat.format.paths import Outermost, check_path, is_portable, is_unsafe, not_portable, show_name

UNSAFE = [
    b"",
    b".",
    b"..",
    b"a/b",
    b"a\0b",
    b".git",
    b".GIT",
    b".Git",
    b"git~1",
    b"GIT~1",
    b".git.",
    b".git ",
    b".git. . ",
    b".git:stream",
    b".git::$INDEX_ALLOCATION",
    b"a\\..\\b",
    b"..\\a",
    b"a\\.git",
    b".git\\hooks",
    b".g\xe2\x80\x8cit",
    b".gi\xe2\x80\x8et",
    b"\xef\xbb\xbf.git",
    b".git\xe2\x81\xaf",
    b"\xe2\x80\xaa.git",
]
SAFE = [
    b".gitignore",
    b".gitmodules",
    b".github",
    b"git",
    b"git~2",
    b"a.git",
    b"...",
    b"\xff",
    b"a b",
    b"con",
    b"a:b",
    b"\\",
]


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe(name: bytes) -> None:
    assert is_unsafe(name)
    if b"/" not in name:
        with pytest.raises(UnsafePath):
            check_path(b"dir/" + name + b"/file")


@pytest.mark.parametrize("name", SAFE)
def test_safe(name: bytes) -> None:
    assert not is_unsafe(name)
    check_path(b"dir/" + name)


@pytest.mark.parametrize(
    "name", [b"a:b", b"a\\b", b"a.", b"a ", b"CON", b"con.txt", b"aux.c", b"Com1", b"lpt9.x.y", b"nul ", b"nul .txt"]
)
def test_not_portable(name: bytes) -> None:
    assert not is_portable(name)
    assert not_portable([b"d/" + name, b"d/fine"]) == [b"d/" + name]


@pytest.mark.parametrize("name", [b"console", b"com10", b"com0", b"auxiliary.c", b".con", b"a.b", b"\xff"])
def test_portable(name: bytes) -> None:
    assert is_portable(name)


def test_twins_are_not_portable() -> None:
    assert not_portable([b"a/File", b"a/file", b"b/FILE"]) == [b"a/file"]
    assert not_portable(["é".encode(), "e\u0301".encode()]) == ["e\u0301".encode()]
    assert not_portable([b"Dir/a", b"dir/b"]) == [b"dir/b"]
    assert not_portable([b"dir/a", b"dir/b"]) == []


def test_lengths() -> None:
    check_path(b"a" * 255)
    with pytest.raises(PathLimit):
        check_path(b"a" * 256)
    with pytest.raises(PathLimit):
        check_path(b"/".join([b"a"] * 257))
    with pytest.raises(PathLimit):
        check_path(b"/".join([b"a" * 200] * 21))


@given(st.binary(min_size=1))
def test_what_is_shown_holds_no_control(name: bytes) -> None:
    assert show_name(name).isprintable()


def test_shown_as_git_does() -> None:
    assert show_name(b"plain \xc3\xa9") == "plain é"
    assert show_name(b'a"b\n\x1b[2J\xff') == '"a\\"b\\n\\033[2J\\377"'


@given(
    st.lists(st.lists(st.sampled_from([b"a", b"b", b"a-", b"a.b"]), min_size=1, max_size=4).map(b"/".join), max_size=6),
    st.lists(st.sampled_from([b"a", b"b", b"a-", b"a.b"]), min_size=1, max_size=5).map(b"/".join),
)
def test_outermost_directories(directories: list[bytes], path: bytes) -> None:
    """A path lies below one of them, where one of them and a slash stand at its begin."""
    below = any(path.startswith(directory + b"/") for directory in directories)
    assert Outermost(directories).holds(path) is below
    assert Outermost(directory + b"/" for directory in directories).holds(path) is below
