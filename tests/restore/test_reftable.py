"""Refs in reftables, against git and dulwich: read, written, kept from others while that is done, and damaged."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import images
import pytest
from dulwich.refs import Ref
from dulwich.reftable import ReftableRefsContainer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from states import NEWER_GIT, REFTABLE, STATES, Repo, base, git

import jellyformat
from jellyformat.checkout import refs
from jellyformat.checkout.journal import Changer
from jellyformat.errors import Busy, RefusedRepository
from jellyformat.git import reftable_write
from jellyformat.git.layout import find_repository
from jellyformat.git.reftable import Record, Stack, Table
from jellyformat.git.reftable_write import table_of

newer_git = pytest.mark.skipif(NEWER_GIT is None, reason="it takes a git from 2.45 on")

PARTS = st.text("abcxyz0189-", min_size=1, max_size=12).filter(lambda text: text[0] != "-")
NAMES = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: b"refs/" + "/".join(parts).encode())
SHORT = NAMES.filter(lambda name: len(name) < 32)
"""Names of which dulwich reads the length as git writes it."""
OIDS = st.binary(min_size=20, max_size=20)
TEXTS = st.one_of(st.none(), OIDS.map(lambda oid: oid.hex().encode()), NAMES.map(lambda name: b"ref: " + name))


def stack_of(directory: Path, *tables: dict[bytes, bytes | None], length: int = 20) -> Stack:
    """A stack that has been written table by table."""
    (directory / "reftable").mkdir(parents=True)
    (directory / "reftable/tables.list").write_bytes(b"")
    for changes in tables:
        add(directory, changes, length)
    return Stack(os.fsencode(directory))


def add(directory: Path, changes: dict[bytes, bytes | None], length: int = 20, merged: int = 0) -> None:
    name, data, names = reftable_write.addition(Stack(os.fsencode(directory)), changes, length, merged)
    (directory / "reftable" / os.fsdecode(name)).write_bytes(data)
    (directory / "reftable/tables.list").write_bytes(names)


def expected(tables: list[dict[bytes, bytes | None]]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes | None] = {}
    for changes in tables:
        found |= changes
    return {name: text for name, text in found.items() if text is not None}


def said_of_refs(path: Path) -> dict[bytes, bytes]:
    """All refs as git says them, as files of them would hold them."""
    text = git(path, "for-each-ref", "--include-root-refs", "--format=%(refname) %(objectname) %(symref)")
    found = {}
    for line in text.splitlines():
        name, oid, symbolic = line.split(b" ")
        found[name] = b"ref: " + symbolic if symbolic else oid
    direct = git(path, "symbolic-ref", "-q", "--no-recurse", "HEAD", fails=True).strip()
    return {**found, b"HEAD": b"ref: " + direct} if direct else found


# -- what is written ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=st.lists(st.dictionaries(NAMES, TEXTS, max_size=8), max_size=4), merged=st.integers(0, 4))
def test_written_and_read(
    tables: list[dict[bytes, bytes | None]], merged: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("stack")
    stack = stack_of(directory, *tables)
    wanted = expected(tables)
    assert stack.refs() == wanted
    assert {name: stack.find(name) for name in wanted} == wanted
    assert stack.find(b"refs/nothing/of/this/name") is None
    more: dict[bytes, bytes | None] = {b"refs/one/more": b"1" * 40, **dict.fromkeys([*wanted][:1])}
    add(directory, more, merged=min(merged, len(tables)))
    again = Stack(os.fsencode(directory))
    assert again.refs() == expected([*tables, more])
    assert len(again.tables) == len(tables) - min(merged, len(tables)) + 1


@pytest.mark.slow
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables=st.lists(st.dictionaries(SHORT, TEXTS, min_size=1, max_size=8), min_size=1, max_size=3))
@example(tables=[{b"refs/a": b"ab" * 20, b"refs/a/b": None}])
def test_dulwich_reads_what_is_written(
    tables: list[dict[bytes, bytes | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("stack")
    stack_of(directory, *tables)
    other = ReftableRefsContainer(str(directory))
    found = {name: other.read_loose_ref(Ref(name)) for name in expected(tables)}
    assert found == expected(tables)


@newer_git
@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_git_reads_what_is_written(object_format: str, tmp_path: Path) -> None:
    """Many changes one after another, with git's own among them; the tables stay few."""
    repo = base(tmp_path / "r", REFTABLE, f"--object-format={object_format}")
    layout = find_repository(repo.path)
    commit = bytes.fromhex(repo.git("rev-parse", "HEAD").decode())
    for number in range(60):
        refs.write_ref(layout, f"{number}-{number}", commit)
        if number % 7 == 0:
            repo.git("branch", f"b{number}")
        if number % 5 == 4:
            refs.sweep(layout, {f"{number - 1}-{number - 1}", "no-such"})
    stack = Stack(layout.git_dir)
    assert len(stack.tables) <= 12
    assert stack.refs() == said_of_refs(repo.path)
    assert len([name for name in stack.refs() if name.startswith(b"refs/jellyformat/state/")]) == 48
    assert repo.git("fsck", "--no-dangling") == b""
    repo.git("pack-refs", "--all")
    assert Stack(layout.git_dir).refs() == said_of_refs(repo.path) == stack.refs()
    assert sorted(path.name for path in (repo.path / ".git/reftable").iterdir()) == sorted(
        [*map(os.fsdecode, Stack(layout.git_dir).names), "tables.list"]
    )


@pytest.mark.slow
@newer_git
@pytest.mark.parametrize("name", ["reftable", "reftable_many_refs", "reftable_rebase_conflict", "reftable_sha256"])
def test_read_as_git_does(name: str, tmp_path: Path) -> None:
    STATES[name](tmp_path / "r")
    layout = find_repository(tmp_path / "r")
    stack = Stack(layout.git_dir)
    said = said_of_refs(tmp_path / "r")
    assert stack.refs() == said
    for ref in [*said][:: max(1, len(said) // 100)]:
        assert stack.find(ref) == said[ref]
        assert refs.resolve(layout.git_dir, layout.common_dir, ref) is not None
    assert stack.find(b"refs/heads/many/0007") is None
    assert not refs.is_free(layout.git_dir, layout.common_dir, b"refs/heads/main")
    assert not refs.is_free(layout.git_dir, layout.common_dir, b"refs/heads/main/below")
    assert refs.is_free(layout.git_dir, layout.common_dir, b"refs/heads/free")
    logged = git(tmp_path / "r", "rev-list", "--all", "--reflog").split()
    found = refs.roots(layout.git_dir, layout.common_dir, 20, 100_000)
    assert found is not None
    assert {oid.hex().encode() for oid in found} & set(logged)
    everything = set(
        git(tmp_path / "r", "rev-list", "--stdin", data=b"\n".join(oid.hex().encode() for oid in found)).split()
    )
    assert everything == set(logged)
    assert refs.roots(layout.git_dir, layout.common_dir, 20, 0) is None


# -- restores ----------------------------------------------------------------------------------------------------------


def two(tmp_path: Path) -> tuple[Repo, Path]:
    """A repository with reftables, and a snapshot of another state of it."""
    STATES["reftable"](tmp_path / "r")
    repo = Repo(tmp_path / "r")
    file = tmp_path / "x.jelly"
    file.write_bytes(images.take(repo.path).data)
    repo.write("README.md", b"since\n")
    return repo, file


@newer_git
def test_commits_made_since_survive_gc(tmp_path: Path) -> None:
    repo, file = two(tmp_path)
    repo.commit("kept by nothing but a ref of ours")
    commit = repo.git("rev-parse", "HEAD").decode().strip()
    repo.git("checkout", "-q", "--detach")
    repo.git("branch", "-qf", "main", "HEAD~1")
    jellyformat.restore(file, repo.path)
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    jellyformat.undo(repo.path)
    assert repo.git("rev-parse", "HEAD").decode().strip() == commit
    assert repo.git("fsck", "--no-dangling") == b""


@pytest.mark.slow
@newer_git
def test_many_restores_leave_few_tables(tmp_path: Path) -> None:
    repo, file = two(tmp_path)
    for _ in range(12):
        jellyformat.restore(file, repo.path)
        repo.append("README.md", b"more\n")
    assert len(Stack(os.fsencode(repo.path / ".git")).tables) <= 6
    jellyformat.undo(repo.path, 12)
    assert (repo.path / "README.md").read_bytes() == b"since\n"
    assert len(list((repo.path / ".git/reftable").iterdir())) <= 8


@pytest.mark.slow
def test_git_at_work(tmp_path: Path) -> None:
    repo, file = two(tmp_path)
    before = images.image(repo.path)
    lock = repo.path / ".git/reftable/tables.list.lock"
    lock.write_bytes(b"")
    with pytest.raises(Busy, match=r"tables\.list\.lock"):
        jellyformat.restore(file, repo.path)
    assert lock.read_bytes() == b""
    lock.unlink()
    assert images.differences(before, images.image(repo.path)) == []
    jellyformat.restore(file, repo.path)
    assert not lock.exists()


@pytest.mark.slow
def test_stopped_at_every_change(tmp_path: Path) -> None:
    """Killed before each of its changes, a restore is taken back by the next command; git is kept out until then."""
    repo, file = two(tmp_path)
    before = images.image(repo.path)
    make = Changer._make
    for stop in range(100):
        child = os.fork()
        if child == 0:
            made = [0]

            def killed(self: Changer, change: object) -> None:
                if made[0] == stop:  # noqa: B023
                    os._exit(9)
                made[0] += 1  # noqa: B023
                make(self, change)  # type: ignore[arg-type]

            Changer._make = killed  # type: ignore[method-assign]
            try:
                jellyformat.restore(file, repo.path)
            finally:
                os._exit(0)
        done = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if done == 0:
            break
        assert done == 9
        assert (repo.path / ".git/reftable/tables.list.lock").exists()
        jellyformat.fix(repo.path)
        assert images.differences(before, images.image(repo.path)) == [], stop
        assert not list((repo.path / ".git/reftable").glob("*.lock"))
        listed = (repo.path / ".git/reftable/tables.list").read_text().split()
        assert {path.name for path in (repo.path / ".git/reftable").iterdir()} == {*listed, "tables.list"}
    else:
        pytest.fail("it was never done")
    assert stop > 3
    jellyformat.undo(repo.path)
    assert images.differences(before, images.image(repo.path)) == []


# -- damaged -----------------------------------------------------------------------------------------------------------


def whole(data: bytes) -> bytes:
    """A table with its checksum made right again."""
    header = 24 + 4 * (data[4] == 2)
    at = len(data) - header - 44
    return data[:-4] + zlib.crc32(data[at:-4]).to_bytes(4, "big")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Tables as they are written, one with reflogs and an index where there is a newer git."""
    oid = b"12" * 20
    made = [table_of({}, 1, 1, 20)[1]]
    texts: dict[bytes, bytes | None] = {b"HEAD": b"ref: refs/heads/a", b"refs/heads/a": oid, b"refs/heads/b": None}
    made.append(reftable_write.addition(stack_of(tmp_path_factory.mktemp("s")), texts, 20)[1])
    if NEWER_GIT is not None:
        place = tmp_path_factory.mktemp("r") / "r"
        STATES["reftable_many_refs"](place)
        made += [path.read_bytes() for path in sorted((place / ".git/reftable").glob("*.ref"))]
    return made


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_tables_are_refused_and_no_more(samples: list[bytes], data: st.DataObject) -> None:
    table = bytearray(data.draw(st.sampled_from(samples)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(5, len(table) - 5))
        table[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 30))
    try:
        found = Table(whole(bytes(table[: len(table) - cut] if len(table) - cut > 80 else table)), b"x.ref")
        found.find(b"refs/heads/many/1234")
        for count, _ in enumerate(found.records()):
            assert count <= len(table)
        for block in found.logs():
            assert len(block) < 1 << 24
            for _ in found.logged(block):
                pass
    except RefusedRepository:
        return


def test_an_index_that_leads_in_a_circle() -> None:
    inner = b"refs/z"
    record = b"\0" + bytes([len(inner) << 3]) + inner + b"\x18"  # the index block itself, at 24
    length = 4 + len(record) + 3 + 2
    block = b"i" + length.to_bytes(3, "big") + record + (4).to_bytes(3, "big") + (1).to_bytes(2, "big")
    data = table_of({}, 1, 1, 20)[1]
    footer = data[24:-4]
    footer = footer[:24] + (24).to_bytes(8, "big") + footer[32:]
    data = whole(data[:24] + block + footer + b"\0\0\0\0")
    with pytest.raises(RefusedRepository, match="damaged"):
        Table(data, b"x.ref").find(b"refs/a")


@pytest.mark.parametrize("kind", ["no list", "no table", "outside", "too many", "table", "link"])
def test_damaged_repositories(kind: str, tmp_path: Path) -> None:
    repo, file = two(tmp_path)
    place = repo.path / ".git/reftable"
    listed = place / "tables.list"
    first = listed.read_text().split()[0]
    if kind == "no list":
        listed.unlink()
    elif kind == "no table":
        (place / first).unlink()
    elif kind == "outside":
        listed.write_text("../../README.md\n")
    elif kind == "too many":
        listed.write_text(f"{first}\n" * 20_000)
    elif kind == "table":
        (place / first).write_bytes((place / first).read_bytes()[:-1])
    elif kind == "link":
        listed.unlink()
        listed.symlink_to("/dev/zero")
    for act in (lambda: jellyformat.snapshot(repo.path), lambda: jellyformat.restore(file, repo.path)):
        with pytest.raises(RefusedRepository) as caught:
            act()
        assert caught.value.exit_code == 4
        assert "reftable" in caught.value.message


def test_records_keep_the_number_of_their_update() -> None:
    """Where tables become one, a ref keeps the update that made it."""
    record = Record(b"ab" * 20, 7, (1, b"\xab" * 20))
    table = Table(table_of({b"refs/a": record}, 3, 9, 20)[1], b"x")
    assert [*table.records()] == [(b"refs/a", record)]
    assert (table.least, table.most) == (3, 9)
