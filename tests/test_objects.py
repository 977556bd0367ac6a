"""Git objects against git itself, and malformed ones refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from gitrepo import git
from hypothesis import given
from hypothesis import strategies as st

from jellyformat.errors import BadObject, PathLimit, UnsafePath
from jellyformat.format.objects import (
    BLOB,
    COMMIT,
    Leaf,
    TreeEntry,
    build_trees,
    canonical_mode,
    format_tree,
    object_id,
    parse_commit,
    parse_tree,
    tree_fields,
)

OID = bytes(range(20))


def test_ids_are_gits(repository: Path) -> None:
    content = (repository / "src" / "data.bin").read_bytes()
    assert object_id(BLOB, content).hex() == git(repository, "hash-object", "src/data.bin").decode().strip()
    commit = git(repository, "cat-file", "commit", "HEAD")
    assert object_id(COMMIT, commit).hex() == git(repository, "rev-parse", "HEAD").decode().strip()
    head = parse_commit(commit, 20)
    assert head.tree.hex() == git(repository, "rev-parse", "HEAD^{tree}").decode().strip()
    assert [parent.hex() for parent in head.parents] == [git(repository, "rev-parse", "HEAD^").decode().strip()]


def test_trees_are_gits(repository: Path) -> None:
    for name in ("a", "a-b", "a.b", "a0", "ab"):
        (repository / f"deep/{name}").mkdir(parents=True)
        (repository / f"deep/{name}/f").write_text(name)
    (repository / "deep" / "a.").write_text("between")
    (repository / "script").write_text("#!")
    (repository / "script").chmod(0o755)
    (repository / "link").symlink_to("deep/a")
    git(repository, "add", "-A")
    leaves: dict[bytes, Leaf] = {}
    for line in git(repository, "ls-files", "-s", "-z").split(b"\0")[:-1]:
        mode, oid, rest = line.split(b" ", 2)
        leaves[rest.partition(b"\t")[2]] = Leaf(int(mode, 8), bytes.fromhex(oid.decode()))
    assert build_trees(leaves, "sha1").root.hex() == git(repository, "write-tree").decode().strip()


names = st.sampled_from([b"a", b"a.b", b"a-", b"b", b"b0", b"zz", b"\xff"])
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)


@given(st.sets(paths, max_size=12))
def test_trees_hold_their_leaves(found: set[bytes]) -> None:
    leaves = {path: Leaf(0o100644, OID) for path in found}
    if any(other.startswith(path + b"/") for path in found for other in found):
        with pytest.raises(BadObject):
            build_trees(leaves, "sha1")
        return
    trees = build_trees(leaves, "sha1")
    again: set[bytes] = set()
    stack = [(b"", trees.root)]
    while stack:
        prefix, oid = stack.pop()
        for entry in parse_tree(trees.contents[oid], 20, strict=True):
            if entry.mode == 0o040000:
                stack.append((prefix + entry.name + b"/", entry.oid))
            else:
                again.add(prefix + entry.name)
    assert again == found


@pytest.mark.parametrize(
    "content",
    [
        b"100644 a\0" + OID[:19],
        b"100644a\0" + OID,
        b"100644 a" + OID[1:],
        b"100648 a\0" + OID,
        b" a\0" + OID,
        b"123456789 a\0" + OID,
        b"garbage",
    ],
)
def test_what_is_no_tree(content: bytes) -> None:
    for strict in (True, False):
        with pytest.raises(BadObject):
            parse_tree(content, 20, strict=strict)


@pytest.mark.parametrize(
    "entries",
    [
        [b"100664 a\0"],
        [b"040000 a\0"],
        [b"100666 a\0"],
        [b"20000 a\0"],
        [b"100644 b\0", b"100644 a\0"],
        [b"100644 a\0", b"100644 a\0"],
        [b"40000 a\0", b"100644 a.b\0"],
        [b"100644 a\0", b"100644 a.b\0", b"40000 a\0"],
    ],
)
def test_what_is_no_strict_tree(entries: list[bytes]) -> None:
    content = b"".join(entry + OID for entry in entries)
    assert len(parse_tree(content, 20, strict=False)) == len(entries)
    with pytest.raises(BadObject):
        parse_tree(content, 20, strict=True)


@pytest.mark.parametrize("name", [b"", b".", b"..", b".git", b".GIT", b"a/b", b"git~1", b".g\xe2\x80\x8cit"])
def test_unsafe_names_in_any_tree(name: bytes) -> None:
    for strict in (True, False):
        with pytest.raises(UnsafePath):
            parse_tree(format_tree([TreeEntry(0o100644, name, OID)]), 20, strict=strict)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (0o100664, 0o100644),
        (0o100775, 0o100755),
        (0o100600, 0o100644),
        (0o120777, 0o120000),
        (0o040755, 0o040000),
        (0o160000, 0o160000),
        (0o020000, 0o160000),
    ],
)
def test_modes_of_old_trees(old: int, new: int) -> None:
    assert canonical_mode(old) == new


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"tree ",
        b"parent " + b"0" * 40,
        b"tree " + b"0" * 39 + b"\n",
        b"tree " + b"A" * 40 + b"\n",
        b"\ntree ",
        b"tree " + b"0" * 40 + b"\nparent x\n",
    ],
)
def test_what_is_no_commit(content: bytes) -> None:
    with pytest.raises(BadObject):
        parse_commit(content, 20)


_MODES = st.sampled_from(
    [b"100644", b"100755", b"100664", b"40000", b"040000", b"120000", b"160000", b"", b"8", b"1234567", b"12345670"]
)
_ENTRY = st.tuples(_MODES, st.binary(max_size=6), st.binary(min_size=20, max_size=20)).map(
    lambda entry: entry[0] + b" " + entry[1] + b"\0" + entry[2]
)


@given(st.lists(_ENTRY, max_size=5).map(b"".join), st.integers(0, 30))
def test_the_fields_of_a_tree_are_its_entries(content: bytes, cut: int) -> None:
    """However many are read at once: ``tree_fields`` differs only in that it does not look at names."""
    content = content[: len(content) - cut] if cut < 20 else content
    try:
        entries = [(entry.mode, entry.name, entry.oid) for entry in parse_tree(content, 20, strict=False)]
    except BadObject:
        with pytest.raises(BadObject):
            list(tree_fields(content, 20))
    except (UnsafePath, PathLimit):
        return
    else:
        assert list(tree_fields(content, 20)) == entries
