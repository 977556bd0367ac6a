"""The manifest: every closed map, every type, every contradiction of the state and the summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from craft import assemble, change_value, crafted
from test_container import check

from jellyformat import errors
from jellyformat.format.container import Container
from jellyformat.format.manifest import is_ref
from jellyformat.format.model import Conflict, Head, Index, Nested, Omitted, Operation, State, Worktree
from jellyformat.format.objects import BLOB, COMMIT, EXECUTABLE, GITLINK, REGULAR, Leaf, object_id
from jellyformat.format.records import ObjectRecord
from jellyformat.format.source import BytesSource

OID = bytes(20)
NEW = object_id(BLOB, b"new\n")
OLD = object_id(BLOB, b"one\n" * 50)


def good() -> bytes:
    base = crafted()
    return assemble(base.parts, base.records)


def maps_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the closed maps of a manifest are."""
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        if path not in (("environment",), ("extensions",)):
            found.append(path)
        for key, inner in value.items():
            found += maps_of(inner, (*path, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found += maps_of(inner, (*path, number))
    return found


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


MAPS = [
    (),
    ("blocks", 0),
    ("history",),
    ("provenance",),
    ("state",),
    ("state", "facts"),
    ("state", "head"),
    ("state", "index"),
    ("state", "worktree"),
    ("summary",),
]


def test_these_are_all_its_maps() -> None:
    seen: list[Any] = []
    change_value(good(), lambda value: seen.extend(maps_of(value)))
    assert sorted(map(str, seen)) == sorted(map(str, MAPS))


@pytest.mark.parametrize("path", MAPS)
def test_maps_are_closed(path: tuple[Any, ...]) -> None:
    keys: list[str] = []
    change_value(good(), lambda value: keys.extend(at(value, path)))
    for key in keys:
        with pytest.raises(errors.FormatError) as caught:
            check(change_value(good(), lambda value, key=key: at(value, path).pop(key)))  # type: ignore[misc]
        assert caught.value.requirement == "JF-MAN-001"
    more = change_value(good(), lambda value: at(value, path).update(more=1))
    if path in OPEN:
        check(more)
    else:
        with pytest.raises(errors.BadManifest):
            check(more)


OPEN = (("provenance",), ("state", "facts"))

ALLOWED = {
    ("facts", dict),
    ("prefix", type(None)),
    ("environment", dict),
    ("extensions", dict),
    ("tool", str),
    ("time", int),
    ("zone", int),
    ("critical", bool),
    ("operation", type(None)),
    ("ref", type(None)),
}
"""Fields and types of the wrong values below that are not wrong for them, or are what is there."""


@pytest.mark.parametrize("path", MAPS)
def test_every_field_has_its_type(path: tuple[Any, ...]) -> None:
    keys: list[str] = []
    change_value(good(), lambda value: keys.extend(at(value, path)))
    for key in keys:
        for wrong in (None, True, -5, "text", b"bytes", [1], {"a": 1}):
            data = change_value(good(), lambda value, key=key, wrong=wrong: at(value, path).update({key: wrong}))  # type: ignore[misc]
            if (key, type(wrong)) in ALLOWED:
                continue
            with pytest.raises(errors.FormatError):
                check(data)


OMITTED = {"path": b"x", "reason": "size", "size": 1, "sha256": None}


def edit(path: tuple[Any, ...], new: Any) -> Callable[[], bytes]:
    return lambda: change_value(good(), lambda value: at(value, path[:-1]).__setitem__(path[-1], new))


@pytest.mark.parametrize(
    ("data", "requirement"),
    [
        (edit(("requires",), ["a.feature"]), "JF-MAN-004"),
        (edit(("ignored",), [b"b", b"a"]), "JF-MAN-003"),
        (edit(("ignored",), [b"a", b"a"]), "JF-MAN-003"),
        (edit(("ignored",), [b"../a"]), "JF-PTH-001"),
        (edit(("ignored",), [b"a//"]), "JF-PTH-001"),
        (edit(("provenance", "remotes"), [[b"b", b""], [b"a", b""]]), "JF-MAN-003"),
        (edit(("provenance", "zone"), 1441), "JF-MAN-002"),
        (edit(("provenance", "time"), -1), "JF-MAN-002"),
        (edit(("state", "head"), {"commit": None, "ref": None}), "JF-STA-002"),
        (edit(("state", "head", "ref"), b"main"), "JF-STA-003"),
        (edit(("state", "object_format"), "md5"), "JF-MAN-002"),
        (edit(("state", "object_format"), "sha256"), "JF-MAN-002"),
        (edit(("state", "index", "conflicts"), [[b"a", None, None, None]]), "JF-MAN-002"),
        (edit(("state", "index", "conflicts"), [[b"a", [0o100600, OID], None, None]]), "JF-MAN-002"),
        (edit(("state", "index", "intent_to_add"), [[b"a", 0o40000]]), "JF-MAN-002"),
        (
            edit(("state", "worktree", "omitted"), [{"path": b"x", "reason": "x", "size": 1, "sha256": None}]),
            "JF-MAN-002",
        ),
        (
            edit(("state", "worktree", "omitted"), [{"path": b"../x", "reason": "size", "size": 1, "sha256": None}]),
            "JF-PTH-001",
        ),
        (edit(("state", "worktree", "empty_directories"), [b".git/x"]), "JF-PTH-001"),
        (edit(("state", "operation"), {"kind": "party", "heads": [], "message": None}), "JF-MAN-002"),
        (edit(("state", "submodules"), [{"path": b"x", "state": {}}]), "JF-MAN-001"),
        (edit(("summary", "staged"), [["X", b"a"]]), "JF-MAN-002"),
        (edit(("summary", "commit"), None), "JF-SUM-002"),
        (edit(("summary", "commit"), b"tree"), "JF-SUM-002"),
        (edit(("summary", "files"), 3), "JF-SUM-001"),
        (edit(("summary", "size"), 0), "JF-SUM-001"),
        (edit(("summary", "unstaged"), []), "JF-SUM-001"),
        (edit(("summary", "untracked"), []), "JF-SUM-001"),
        (edit(("history", "commits"), 2), "JF-HIS-001"),
        (edit(("history", "shallow"), [OID]), "JF-HIS-002"),
        (edit(("history", "missing"), [OLD]), "JF-HIS-003"),
        (edit(("blocks", 0, "length"), 5), "JF-HDR-009"),
    ],
)
def test_fields(data: Callable[[], bytes], requirement: str) -> None:
    with pytest.raises(errors.FormatError) as caught:
        check(data())
    assert caught.value.requirement == requirement


def test_open_maps_take_anything() -> None:
    def change(value: dict[str, Any]) -> None:
        value["extensions"] = {"com.example.thing": [1, {"a": b"b"}]}
        value["environment"] = {"anything": None}

    data = change_value(good(), change)
    assert check(data).snapshot_id == check(good()).snapshot_id


def nest(state: State, depth: int) -> State:
    inner = State("sha1", Head(None, b"refs/heads/main"), None, None)
    for _ in range(depth - 1):
        inner = State("sha1", Head(None, b"refs/heads/main"), None, None, None, (Nested(b"sub", inner),))
    return State(state.object_format, state.head, state.index, state.worktree, None, (Nested(b"sub", inner),))


@pytest.mark.parametrize(
    ("changes", "requirement"),
    [
        ({"conflicts": (Conflict(b"src/a.py", (REGULAR, OLD), None, None),)}, "JF-IDX-001"),
        ({"intent_to_add": ((b"src/a.py", REGULAR),)}, "JF-IDX-001"),
        (
            {"conflicts": (Conflict(b"c", (REGULAR, OLD), None, None),), "intent_to_add": ((b"c", REGULAR),)},
            "JF-IDX-001",
        ),
        ({"conflicts": (Conflict(b"c", (REGULAR, OID), None, None),)}, "JF-NED-001"),
        ({"conflicts": (Conflict(b"c", (REGULAR, object_id(COMMIT, b"")), None, None),)}, "JF-NED-001"),
        ({"skip_worktree": (b"b.py",)}, "JF-IDX-002"),
        ({"assume_unchanged": (b"nowhere",)}, "JF-IDX-002"),
        ({"tree": OID}, "JF-NED-001"),
        ({"tree": OLD}, "JF-OBJ-007"),
    ],
)
def test_index(changes: dict[str, object], requirement: str) -> None:
    with pytest.raises(errors.FormatError) as caught:
        check(crafted().with_index(**changes))
    assert caught.value.requirement == requirement


@pytest.mark.parametrize(
    ("changes", "requirement"),
    [
        ({"omitted": (Omitted(b"b.py", "size", 1),)}, "JF-WRK-002"),
        ({"omitted": (Omitted(b"src", "size", 1),)}, "JF-WRK-002"),
        ({"empty_directories": (b"src",)}, "JF-WRK-002"),
        ({"converted": (b"b.py",)}, "JF-WRK-003"),
        ({"filtered": (b"src/a.py",)}, "JF-WRK-004"),
        ({"filtered": (b"nowhere",)}, "JF-WRK-004"),
    ],
)
def test_worktree(changes: dict[str, object], requirement: str) -> None:
    with pytest.raises(errors.FormatError) as caught:
        check(crafted().with_worktree(**changes))
    assert caught.value.requirement == requirement


def test_converted_files_are_not_changes() -> None:
    base = crafted()
    with pytest.raises(errors.SummaryMismatch):  # the summary still calls it modified
        check(base.with_worktree(converted=(b"src/a.py",)))


@pytest.mark.parametrize(
    ("changes", "requirement"),
    [
        ({"head": Head(OID, None)}, "JF-SUM-002"),
        ({"operation": Operation("merge", (OID,))}, "JF-NED-001"),
        ({"operation": Operation("merge", (OLD,))}, "JF-OBJ-007"),
        ({"operation": Operation("merge")}, "JF-MAN-002"),
        ({"operation": Operation("rebase", (OLD,))}, "JF-MAN-002"),
        ({"submodules": (Nested(b"src", State("sha1", Head(None, b"refs/heads/main"), None, None)),)}, "JF-SUB-002"),
        ({"submodules": (Nested(b"b.py", State("sha1", Head(None, b"refs/heads/main"), None, None)),)}, "JF-SUB-002"),
        ({"submodules": (Nested(b"x/../y", State("sha1", Head(None, b"refs/heads/main"), None, None)),)}, "JF-PTH-001"),
    ],
)
def test_state(changes: dict[str, object], requirement: str) -> None:
    with pytest.raises(errors.FormatError) as caught:
        check(crafted().with_state(**changes))
    assert caught.value.requirement == requirement


def test_nested_commit_needs_its_entry() -> None:
    base = crafted()
    commit = base.parts.state.head.commit
    nested = Nested(b"sub", State("sha1", Head(commit, None), None, None))
    with pytest.raises(errors.StateMismatch) as caught:
        check(base.with_state(submodules=(nested,)))
    assert caught.value.requirement == "JF-SUB-001"


def test_nested_states_end() -> None:
    base = crafted()
    check(base.with_state(submodules=nest(base.parts.state, 8).submodules))
    with pytest.raises(errors.DepthLimit):
        check(base.with_state(submodules=nest(base.parts.state, 9).submodules))
    other = State("sha256", Head(None, b"refs/heads/main"), None, None)
    with pytest.raises(errors.StateMismatch) as caught:
        check(base.with_state(submodules=(Nested(b"sub", other),)))
    assert caught.value.requirement == "JF-STA-001"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"../escape", errors.UnsafePath),
        (b".git/hooks/post-checkout", errors.UnsafePath),
        (b"a/.GIT/config", errors.UnsafePath),
        (b"a\\..\\b", errors.UnsafePath),
        (b"git~1", errors.UnsafePath),
        (b"a" * 300, errors.PathLimit),
    ],
)
def test_unsafe_trees(path: bytes, kind: type[errors.FormatError]) -> None:
    with pytest.raises(kind):
        check(crafted().with_leaves({path: Leaf(REGULAR, NEW)}))


def test_a_tree_that_calls_a_commit_a_file() -> None:
    base = crafted()
    commit = base.parts.state.head.commit
    assert commit is not None
    with pytest.raises(errors.BadObject) as caught:
        check(base.with_leaves({b"x": Leaf(EXECUTABLE, commit)}))
    assert caught.value.requirement == "JF-OBJ-007"


def test_a_tree_bomb_is_counted() -> None:
    """Ten levels of ten times the same directory: ten thousand million files, in a few hundred bytes."""
    from jellyformat.format.objects import DIRECTORY, TREE, TreeEntry, format_tree

    base = crafted()
    content = format_tree([TreeEntry(REGULAR, b"f", NEW)])
    records = list(base.records)
    for _ in range(10):
        records.append(ObjectRecord(TREE, content))
        oid = object_id(TREE, content)
        content = format_tree([TreeEntry(DIRECTORY, b"d%d" % number, oid) for number in range(10)])
    records.append(ObjectRecord(TREE, content))
    from dataclasses import replace

    worktree = Worktree(tree=object_id(TREE, content))
    assert base.parts.state.worktree is not None
    index = Index(tree=base.parts.state.worktree.tree)
    data = assemble(replace(base.parts, state=replace(base.parts.state, index=index, worktree=worktree)), records)
    with pytest.raises(errors.CountLimit):
        check(data)


def test_gitlinks_need_no_commit() -> None:
    base = crafted()
    data = base.with_leaves({b"sub": Leaf(GITLINK, OID)})
    box = Container(BytesSource(data))
    box.pool.decode()
    box.checker.needed()


@pytest.mark.parametrize(
    "name", [b"refs/heads/main", b"refs/@", b"refs/heads/feat(a)&b", b"refs/heads/x;touch y"[:14], b"refs/a"]
)
def test_refs(name: bytes) -> None:
    assert is_ref(name)


@pytest.mark.parametrize(
    "name",
    [b"", b"HEAD", b"refs/", b"refs/a..b", b"refs/a b", b"refs/a~", b"refs/a.lock", b"refs/.a", b"refs/a/", b"refs/@{",
     b"refs/a.", b"refs//a", b"refs/a\x7f", b"refs/a\\b", b"refs/a*", b"refs/a.lock/b", b"refs/a:b"],
)  # fmt: skip
def test_no_refs(name: bytes) -> None:
    assert not is_ref(name)


def test_entries_of_empty_trees() -> None:
    from dataclasses import replace

    from jellyformat.format.objects import DIRECTORY, TREE, TreeEntry, format_tree

    base = crafted()
    root = format_tree([TreeEntry(DIRECTORY, b"empty", object_id(TREE, b"")), TreeEntry(REGULAR, b"f", NEW)])
    records = [*base.records, ObjectRecord(TREE, b""), ObjectRecord(TREE, root)]
    assert base.parts.state.worktree is not None
    index, worktree = Index(tree=base.parts.state.worktree.tree), Worktree(tree=object_id(TREE, root))
    parts = replace(base.parts, state=replace(base.parts.state, index=index, worktree=worktree))
    with pytest.raises(errors.BadObject) as caught:
        check(assemble(parts, records))
    assert caught.value.requirement == "JF-OBJ-005"


def test_missing_excuses_blobs_alone() -> None:
    from dataclasses import replace

    base = crafted()
    assert base.parts.state.worktree is not None
    tree = base.parts.state.worktree.tree
    records = [
        record
        for record in base.records
        if not (isinstance(record, ObjectRecord) and object_id(record.kind, record.content) == tree)
    ]
    parts = replace(base.parts, history=replace(base.parts.history, missing=(tree,)))
    with pytest.raises(errors.MissingObject):
        check(assemble(parts, records))
