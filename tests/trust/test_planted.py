"""Stores that somebody prepared: every list and journal in them can do no more than be refused."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import images
import pytest
import restore_zygote
from hypothesis import given, settings
from hypothesis import strategies as st
from states import Repo, base

import jellyformat
from jellyformat.checkout import history, journal, saved, sealed
from jellyformat.checkout.bases import COMMON, GIT, WORKTREE, Base
from jellyformat.checkout.store import RefusedStore, Store
from jellyformat.errors import JellyError, RefusedRepository
from jellyformat.files import beneath
from jellyformat.format.msgpack import Value
from jellyformat.git.layout import find_repository
from jellyformat.hints import Hint

COMMANDS: dict[str, Callable[[Path], object]] = {
    "history": jellyformat.history,
    "undo": jellyformat.undo,
    "redo": jellyformat.redo,
    "restore": lambda path: jellyformat.restore(path.parent / "x.jelly", path),
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository in ``work/r``, in ``work`` a snapshot of another state of it, and around them what is nobody's."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious\n")
    (outside / "file").chmod(0o640)
    other = base(outside / "other")
    other.append("README.md")
    repo = base(tmp_path / "work" / "r")
    repo.write("other.txt")
    repo.append("README.md")
    (tmp_path / "work" / "x.jelly").write_bytes(images.take(repo.path).data)
    repo.remove("other.txt")
    repo.write("mine.txt", b"mine\n")
    repo.write("dir/mine.txt", b"mine\n")
    return repo


def store_of(path: Path) -> Store:
    return Store(find_repository(path))


def plant(path: Path, name: str, value: Value) -> None:
    """A file in the store, sealed as one of ours, where the store is known to be this user's: the worst case."""
    store = store_of(path)
    with store.locked():
        store.write(name, value)


def everything(top: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """All there is, the stores too."""
    found = {}
    for path in sorted(top.rglob("*")):
        seen = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(seen.st_mode) else b""
        content = os.fsencode(path.readlink()) if path.is_symlink() else content
        found[str(path)] = (seen.st_mode, seen.st_mtime_ns, seen.st_ino, content)
    return found


def refused(repo: Path, top: Path, *classes: type[JellyError]) -> None:
    """Every command refuses it and changes nothing; `fix` says so."""
    before = everything(top)
    for command in COMMANDS.values():
        with pytest.raises(classes or RefusedRepository):
            command(repo)
        assert everything(top) == before
    for dry_run in (True, False):
        assert [item.mended for item in jellyformat.fix(repo, dry_run=dry_run)] == [False]
        assert everything(top) == before


# -- where it was made -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["copied", "moved", "unpacked", "changed by another user's hand"])
def test_a_store_that_was_not_made_there(how: str, repo: Repo, tmp_path: Path) -> None:
    """It says so, and leaves a restore that was broken off as it is, until it is taken over."""
    work, top = tmp_path / "work", tmp_path
    jellyformat.restore(work / "x.jelly", repo.path)
    before = images.image(repo.path)
    jellyformat.undo(repo.path)
    restore_zygote.break_off(work, 3)
    broken = everything(repo.path)
    there = top / "there"
    if how == "copied":
        shutil.copytree(work, there, symlinks=True)
    elif how == "moved":
        work.rename(there)
    elif how == "unpacked":
        archive = shutil.make_archive(str(top / "a"), "tar", work)
        shutil.unpack_archive(archive, there)
    else:
        there = work
        (repo.path / ".git/jellyformat/here").chmod(0o755)
    path = there / "r"
    refused(path, top, RefusedStore)
    (left,) = jellyformat.fix(path, adopt=True, dry_run=True)
    assert not left.mended
    assert isinstance(left.what, Hint)
    assert f"jelly fix {path} --adopt" in left.what.command_line()
    done = jellyformat.fix(path, adopt=True)
    assert done[0].what.endswith("taken over")
    assert all(item.mended for item in done)
    assert [entry.live for entry in jellyformat.history(path)] == [True, False]
    jellyformat.redo(path)
    found = images.differences(before, images.image(path))
    assert [line for line in found if ".git/index" not in line] == []
    if how in ("copied", "unpacked"):
        assert everything(repo.path) == broken, "where it was made, nothing was touched"
        jellyformat.redo(repo.path)


def test_a_store_that_was_moved_and_came_back(repo: Repo, tmp_path: Path) -> None:
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    (tmp_path / "work").rename(tmp_path / "there")
    with pytest.raises(RefusedStore):
        jellyformat.undo(tmp_path / "there/r")
    (tmp_path / "there").rename(tmp_path / "work")
    jellyformat.undo(repo.path)


def test_another_directory_that_points_here(repo: Repo, tmp_path: Path) -> None:
    """A stranger's directory whose ``.git`` leads to a repository of the user's is none of that repository's."""
    work = tmp_path / "work"
    jellyformat.restore(work / "x.jelly", repo.path)
    git_dir = repo.path / ".git"
    linked = work / "linked"
    repo.git("worktree", "add", "-q", str(linked))
    (tmp_path / "common/.git/objects").mkdir(parents=True)
    (tmp_path / "common/.git/refs").mkdir()
    (tmp_path / "common/.git/HEAD").write_bytes(b"ref: refs/heads/main\n")
    (tmp_path / "common/.git/commondir").write_text(f"{git_dir}\n")
    for name, pointer in (("file", git_dir), ("worktree", git_dir / "worktrees" / "linked")):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".git").write_text(f"gitdir: {pointer}\n")
    (tmp_path / "link").mkdir()
    (tmp_path / "link/.git").symlink_to(git_dir)
    before = everything(repo.path), everything(linked)
    for name in ("file", "worktree", "link", "common"):
        for command in ("restore", "undo"):
            directory = tmp_path / name
            with pytest.raises(JellyError) as caught:
                jellyformat.undo(directory) if command == "undo" else jellyformat.restore(work / "x.jelly", directory)
            assert caught.value.exit_code in (3, 4)
        assert (everything(repo.path), everything(linked)) == before, name
    jellyformat.restore(work / "x.jelly", linked)
    jellyformat.undo(linked)


@pytest.mark.parametrize("how", ["link", "commondir"])
def test_a_repository_inside_that_points_outside(how: str, repo: Repo, tmp_path: Path) -> None:
    """It is moved as what it is, a directory; what it points to is not touched."""
    other = tmp_path / "outside/other/.git"
    inner = base(repo.path / "inner")
    if how == "link":
        shutil.rmtree(inner.path / ".git")
        (inner.path / ".git").symlink_to(other)
    else:
        (inner.path / ".git/commondir").write_text(f"{other}\n")
    before, outside = images.image(repo.path), everything(tmp_path / "outside")
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    assert everything(tmp_path / "outside") == outside
    jellyformat.undo(repo.path)
    assert everything(tmp_path / "outside") == outside
    assert images.differences(before, images.image(repo.path)) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_store_of_another_user(repo: Repo, tmp_path: Path) -> None:
    """Nobody else mends it or takes it over, not even root."""
    restore_zygote.break_off(tmp_path / "work", 3)
    for above, folders, names in os.walk(repo.path / ".git/jellyformat"):
        for name in (".", *folders, *names):
            os.chown(Path(above) / name, 12345, 12345, follow_symlinks=False)
    refused(repo.path, tmp_path, RefusedStore)
    before = everything(tmp_path)
    for left in jellyformat.fix(repo.path, adopt=True):
        assert not left.mended
        assert "the user 12345" in left.what
    after = everything(tmp_path)
    store = str(repo.path / ".git/jellyformat")
    assert {path: item for path, item in after.items() if path != store} == {
        path: item for path, item in before.items() if path != store
    }


def test_a_store_of_another_version(repo: Repo, tmp_path: Path) -> None:
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    home = repo.path / ".git/jellyformat/home"
    value = sealed.unseal(home.read_bytes())
    home.write_bytes(sealed.seal({**value, "version": 2}))
    refused(repo.path, tmp_path, RefusedStore)
    (left,) = jellyformat.fix(repo.path, adopt=True)
    assert not left.mended
    assert "later version" in left.what


@pytest.mark.parametrize("name", ["log", "journal"])
def test_files_of_another_version(name: str, repo: Repo, tmp_path: Path) -> None:
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    plant(repo.path, name, {"version": 99, "anything": b""})
    before = everything(tmp_path)
    for command in COMMANDS.values():
        with pytest.raises(RefusedRepository, match="another version"):
            command(repo.path)
        assert everything(tmp_path) == before


# -- journals ----------------------------------------------------------------------------------------------------------

FILE = [1, 2, 3, stat.S_IFREG | 0o644]
JOURNALS: dict[str, tuple[list[Any], list[Any]]] = {
    "a path above": ([[WORKTREE, b""]], [[0, b"../../outside/file", None, None, None, None, None]]),
    "a path with dots": ([[WORKTREE, b""]], [[0, b"dir/../../../outside/file", None, None, b"work/new/1", FILE, None]]),
    "an absolute path": ([[WORKTREE, b""]], [[0, b"/etc/passwd", None, None, b"work/new/1", FILE, None]]),
    "an empty part": ([[WORKTREE, b""]], [[0, b"dir//mine.txt", None, None, b"work/new/1", FILE, None]]),
    "the worktree": ([[WORKTREE, b""]], [[0, b"", None, None, b"work/new/1", FILE, None]]),
    "git's configuration": ([[WORKTREE, b""]], [[0, b".git/config", None, None, b"work/new/1", FILE, None]]),
    "the git directory": ([[WORKTREE, b""]], [[0, b".git", None, None, b"work/new/1", FILE, None]]),
    "another spelling of it": ([[WORKTREE, b""]], [[0, b"dir/.GIT ", None, None, b"work/new/1", FILE, None]]),
    "a hook": ([[GIT, b""]], [[0, b"hooks/post-checkout", None, None, b"work/new/1", FILE, None]]),
    "the configuration": ([[GIT, b""]], [[0, b"config", None, b"work/old/1", b"work/new/1", FILE, None]]),
    "the store itself": ([[GIT, b""]], [[0, b"jellyformat/log", None, None, b"work/new/1", FILE, None]]),
    "a base above": ([[WORKTREE, b"../../outside/other/.git"]], [[0, b"index", None, None, b"work/new/1", None, None]]),
    "a base elsewhere": ([[WORKTREE, b"/root/.git"]], [[0, b"index", None, None, b"work/new/1", None, None]]),
    "a base in the worktree": ([[WORKTREE, b"dir"]], [[0, b"index", None, None, b"work/new/1", None, None]]),
    "a base in the git directory": ([[GIT, b"hooks"]], [[0, b"index", None, None, b"work/new/1", None, None]]),
    "a base above the modules": (
        [[COMMON, b"modules/../../../outside/other/.git"]], [[0, b"index", None, None, b"work/new/1", None, None]],
    ),
    "no such base": ([[7, b""]], [[0, b"index", None, None, b"work/new/1", None, None]]),
    "a base by a path, as it was": ([b"../../outside"], [[0, b"file", None, None, b"work/new/1", FILE, None]]),
    "a kept place above": (
        [[WORKTREE, b""]], [[0, b"got", None, b"states/../../../../outside/file", None, None, None]],
    ),
    "a kept place with dots": ([[WORKTREE, b""]], [[0, b"got", None, b"states/0-1/kept/..", None, None, None]]),
    "a kept place elsewhere": ([[WORKTREE, b""]], [[0, b"got", None, b"/etc/passwd", None, None, None]]),
    "a file of the store": ([[WORKTREE, b""]], [[0, b"got", None, b"log", None, None, None]]),
    "a new place above": ([[WORKTREE, b""]], [[0, b"mine.txt", None, None, b"../../../../outside/got", None, None]]),
    "a number that is none": ([[WORKTREE, b""]], [[-1, b"mine.txt", None, None, b"work/new/1", FILE, None]]),
    "more than a mode": ([[WORKTREE, b""]], [[0, b"mine.txt", FILE, None, None, None, 0o104777]]),
}  # fmt: skip


@pytest.mark.parametrize("kind", JOURNALS)
def test_journals(kind: str, repo: Repo, tmp_path: Path) -> None:
    """However it came into a store that is known to be this user's, a journal can name nothing outside."""
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    bases, changes = JOURNALS[kind]
    plant(repo.path, "journal", {"bases": bases, "changes": changes, "number": 99, "version": 2})
    refused(repo.path, tmp_path)


@pytest.mark.parametrize("where", ["base", "path", "kept", "new"])
def test_journals_over_links(where: str, repo: Repo, tmp_path: Path) -> None:
    """The names are fair, and the directories that they lead through are links."""
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    outside = tmp_path / "outside"
    (outside / "1").write_bytes(b"planted\n")
    place = repo.path / ".git/jellyformat"
    bases: list[Value] = [[WORKTREE, b""]]
    change: list[Value] = [0, b"mine.txt", None, None, None, None, None]
    if where == "base":
        (repo.path / "way").mkdir()
        (repo.path / "way/.git").symlink_to(outside / "other/.git")
        bases, change = [[WORKTREE, b"way/.git"]], [0, b"index", None, b"work/old/1", None, None, None]
    elif where == "path":
        (repo.path / "way").symlink_to(outside)
        change = [0, b"way/file", None, None, b"work/new/1", None, None]
    else:
        (place / "work").mkdir()
        (place / "work" / ("old" if where == "kept" else "new")).symlink_to(outside)
        change = [
            0,
            b"mine.txt",
            None,
            *((b"work/old/1", None) if where == "kept" else (None, b"work/new/1")),
            None,
            None,
        ]
    plant(repo.path, "journal", {"bases": bases, "changes": [change], "number": 99, "version": 2})
    before, mine = everything(outside), everything(repo.path / "dir")
    for act in (jellyformat.history, jellyformat.fix, lambda path: jellyformat.fix(path, adopt=True)):
        with contextlib.suppress(JellyError):
            act(repo.path)
        assert everything(outside) == before
    assert everything(repo.path / "dir") == mine
    kept = [path.read_bytes() for path in repo.path.rglob("*") if path.is_file()]
    assert kept.count(b"mine\n") == 2


def test_nothing_is_removed_on_the_word_of_a_journal(repo: Repo, tmp_path: Path) -> None:
    """A store that is taken over may claim that a file of the user's was put there by a restore: it is kept."""
    base(repo.path / "nested")
    seen = (repo.path / "mine.txt").stat()
    as_seen = [seen.st_ino, seen.st_mtime_ns, seen.st_size, seen.st_mode]
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    jellyformat.undo(repo.path)
    changes: list[Value] = [
        [0, b"mine.txt", None, None, b"work/new/1", as_seen, None],
        [0, b"dir", None, None, b"work/new/2", None, None],
        [0, b"nested/.git", None, None, b"work/new/3", [1, 2, 1 << 40, stat.S_IFDIR | 0o755], None],
        [1, b"index", None, None, b"work/new/4", None, None],
        [1, b"info/exclude", None, None, b"states/7-7/kept/5", None, None],
    ]
    repo.write(".git/info/exclude", b"my rule\n")
    index = (repo.path / ".git/index").read_bytes()
    value: Value = {"bases": [[WORKTREE, b""], [GIT, b""]], "changes": changes, "number": 99, "version": 2}
    plant(repo.path, "journal", value)
    plant(repo.path, "pending", {"states": ["7-7"], "version": 1})
    place = repo.path / ".git/jellyformat"
    for name in ("work/new", "states/7-7/kept"):
        (place / name).mkdir(parents=True)
    there = tmp_path / "there"
    images.remove(there)
    shutil.copytree(tmp_path / "work", there, symlinks=True)
    jellyformat.fix(there / "r", adopt=True)
    strays = there / "r/.git/jellyformat/strays"
    kept = {path.name: path for path in strays.iterdir()}
    assert len(kept) == 5
    files = [path for path in strays.rglob("*") if path.is_file()]
    assert sum(path.read_bytes() == b"mine\n" for path in files) == 2
    assert index in [path.read_bytes() for path in files]
    assert any((path / "HEAD").is_file() and (path / "objects").is_dir() for path in kept.values())


@pytest.mark.parametrize("what", ["index", "exclude"])
def test_work_after_a_crash_is_kept(what: str, repo: Repo, tmp_path: Path) -> None:
    """Between a crash and its repair somebody has gone on: what they did is kept, in ``strays``."""
    repo.write(".gitignore", b"/notes\n")
    repo.write("notes", b"ignored here, but not in the snapshot\n")
    restore_zygote.break_off_behind(tmp_path / "work", b"index" if what == "index" else b"info/exclude")
    if what == "index":
        for lock in (repo.path / ".git").glob("*.lock"):  # as git says, and our own message
            lock.unlink()
        repo.write("later.txt", b"later\n")
        repo.git("add", "later.txt")
        mine = (repo.path / ".git/index").read_bytes()
    else:
        (repo.path / ".git/info/exclude").write_bytes(b"my rule\n")
        mine = b"my rule\n"
    done = jellyformat.fix(repo.path)
    assert any("it is kept" in item.what for item in done)
    strays = repo.path / ".git/jellyformat/strays"
    assert mine in [path.read_bytes() for path in strays.iterdir()]


# -- lists and the rest ------------------------------------------------------------------------------------------------


def test_locks_of_others(repo: Repo, tmp_path: Path) -> None:
    """Only git's locks in this repository are taken away, and only those that we have made."""
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    lock = tmp_path / "outside/other/.git/index.lock"
    lock.write_bytes(b"")
    own = repo.path / ".git/HEAD.lock"
    own.write_bytes(b"")
    token = repo.path / ".git/jellyformat/token"
    token.unlink()
    token.hardlink_to(lock)
    places: list[Value] = [
        [WORKTREE, b"../../outside/other/.git"],
        [GIT, b"../../../outside/other/.git"],
        [GIT, b""],
        b"../..",
    ]
    for place in places:
        plant(repo.path, "locks", {"git_dirs": [place]})
        jellyformat.history(repo.path)
        assert lock.exists()
        assert own.exists()


def test_what_no_list_of_ours_names_is_not_removed(repo: Repo, tmp_path: Path) -> None:
    """Somebody's files in the store, even where a step would write; and states that the list does not have."""
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    jellyformat.undo(repo.path)
    place = repo.path / ".git/jellyformat"
    theirs = ["states/9-9/kept/1", "states/notes/1", "states/1-3/state.jelly", "work/new/1", "notes.tmp", "notes"]
    for name in theirs:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"theirs " + name.encode())
    ref = repo.path / ".git/refs/jellyformat/state"
    ref.mkdir(parents=True, exist_ok=True)
    (ref / "9-9").write_bytes(repo.git("rev-parse", "HEAD"))
    for act in (jellyformat.history, jellyformat.redo, jellyformat.undo, jellyformat.fix):
        act(repo.path)
        found = [path.read_bytes() for path in place.rglob("*") if path.is_file()]
        assert sorted(item for item in found if item.startswith(b"theirs ")) == sorted(
            b"theirs " + name.encode() for name in theirs
        )
        assert (ref / "9-9").exists()


NODE: list[Any] = [0, None, None, None, 1, "title", "", "", [], [], []]


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, -1), (0, "x"), (1, b""), (3, "../../../outside"), (3, "0-1/.."), (3, 7), (4, "x"), (5, b"x"), (6, "zz"),
     (7, "../x"), (8, [[b"../", bytes(20)]]), (8, [[b"", b"short"]]), (8, 7), (9, [[b"", b"", b""]]), (10, [b"../x"]),
     (10, [b".git/config"]), (10, b"x")],
)  # fmt: skip
def test_lists(at: int, value: object, repo: Repo, tmp_path: Path) -> None:
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    node = list(NODE)
    node[at] = value
    for name in ("log", "log.copy"):
        plant(repo.path, name, {"change": 1, "current": 0, "nodes": [node], "shallow": [], "version": 1})
    before = everything(tmp_path)
    for command in COMMANDS.values():
        with pytest.raises(history.DamagedLog):
            command(repo.path)
        assert everything(tmp_path) == before


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.binary(max_size=40)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(
        st.sampled_from(["version", "nodes", "current", "change", "shallow", "bases", "changes", "number", "files",
                         "directories", "trees", "repositories", "stays", "states"]), inner, max_size=8),
    max_leaves=30,
)  # fmt: skip
_READERS: list[tuple[Callable[[Any], object], dict[str, Any]]] = [
    (history._parse_log, {"change": 0, "current": 0, "nodes": [NODE], "shallow": [], "version": 1}),
    (journal._parse, {"bases": [[0, b""]], "changes": [], "number": 1, "version": 2}),
    (saved._parse, {"directories": [], "files": [], "repositories": [], "stays": [], "trees": [], "version": 1}),
]


@settings(max_examples=300, deadline=None)
@given(values, st.sampled_from(range(len(_READERS))), st.data())
def test_any_value_is_read_or_refused(value: Any, reader: int, data: st.DataObject) -> None:
    """Whatever a checksum is put behind, it is what we would write, or it is said to be none of ours."""
    parse, fair = _READERS[reader]
    key = data.draw(st.sampled_from(sorted(fair)))
    for item in (value, {**fair, key: value}, {**fair, key: [value]}):
        try:
            parse(item)
        except ValueError:
            continue


# -- records -----------------------------------------------------------------------------------------------------------


def _spoil(record: dict[str, Any], kind: str) -> None:
    if kind == "a file above":
        record["files"].append([b"../../outside/file", 0o100644, 0o644, 1, 1, bytes(20), None])
    elif kind == "a file in .git":
        record["files"].append([b".git/hooks/post-checkout", 0o100644, 0o755, 1, 1, bytes(20), None])
    elif kind == "a kept place":
        record["files"].append([b"got", 0o100644, 0o644, 1, 9, None, "../../../../../outside/file"])
    elif kind == "a tree":
        record["trees"].append([b"got", ".."])
    elif kind == "a directory":
        record["directories"].append([b"../../outside/made", 0o755])
    elif kind == "a file of git":
        record["repositories"][0][3].append([b"config", [0o644, b"[core]\n\tfsmonitor = touch ran\n", [], None]])
    elif kind == "a name in one":
        record["repositories"][0][3].append(
            [b"rebase-merge", [0o755, None, [[b"../config", [0o644, b"", [], None]]], None]]
        )
    elif kind == "a shared file":
        record["repositories"][0][4].append([b"hooks/post-checkout", b"#!/bin/sh\n"])
    elif kind == "a repository":
        record["repositories"].append([b"../../outside/other/", None, b"refs/heads/main", [], [], None])
    elif kind == "a branch":
        record["repositories"][0][2] = b"refs/heads/../../config"
    else:
        record["stays"].append(b"../../outside/file")


@pytest.mark.parametrize(
    "kind",
    ["a file above", "a file in .git", "a kept place", "a tree", "a directory", "a file of git", "a name in one",
     "a shared file", "a repository", "a branch", "a path that stays"],
)  # fmt: skip
def test_records(kind: str, repo: Repo, tmp_path: Path) -> None:
    jellyformat.restore(tmp_path / "work/x.jelly", repo.path)
    (place,) = (repo.path / ".git/jellyformat/states").iterdir()
    record = sealed.unseal((place / "record").read_bytes())
    _spoil(record, kind)
    (place / "record").write_bytes(sealed.seal(record))
    before = everything(tmp_path)
    with pytest.raises(RefusedRepository, match="cannot be read"):
        jellyformat.undo(repo.path)
    assert {path: item for path, item in everything(tmp_path).items() if "/.git/jellyformat" not in path} == {
        path: item for path, item in before.items() if "/.git/jellyformat" not in path
    }


def test_a_record_gives_no_privileges(repo: Repo, tmp_path: Path) -> None:
    """A file that undo writes anew gets no set-user-ID, whatever the record says; one that has it keeps it."""
    repo.write("tool", b"#!/bin/sh\n", 0o755)
    os.chmod(repo.path / "tool", 0o4755)
    repo.git("add", "tool")
    repo.commit("tool")
    (tmp_path / "work/t.jelly").write_bytes(images.take(repo.path).data)
    jellyformat.restore(tmp_path / "work/t.jelly", repo.path)
    (place,) = (repo.path / ".git/jellyformat/states").iterdir()
    record = sealed.unseal((place / "record").read_bytes())
    for item in record["files"]:
        if item[0] in (b"README.md", b"src/train.py"):
            item[2], item[6] = 0o6755, None
    (place / "record").write_bytes(sealed.seal(record))
    (repo.path / "README.md").unlink()
    jellyformat.undo(repo.path)
    assert stat.S_IMODE((repo.path / "README.md").stat().st_mode) == 0o755
    assert stat.S_IMODE((repo.path / "src/train.py").stat().st_mode) == 0o755
    assert stat.S_IMODE((repo.path / "tool").stat().st_mode) == 0o4755


# -- what is beneath ---------------------------------------------------------------------------------------------------


def test_bases() -> None:
    good = [[WORKTREE, b""], [WORKTREE, b"a/b/.git"], [GIT, b""], [COMMON, b""], [COMMON, b"modules/a/modules/b"]]
    for value in good:
        assert Base.parse(value).to_value() == value
    bad = [
        [WORKTREE, b".git"], [WORKTREE, b"a"], [WORKTREE, b"a/.git/b"], [WORKTREE, b"/.git"], [WORKTREE, b"../.git"],
        [WORKTREE, b".GIT/.git"], [GIT, b"modules/a"], [COMMON, b"hooks"], [COMMON, b"modules/.."],
        [COMMON, b"modules//a"], [COMMON, b"modules/a\0"], [3, b""], [True, b""], [0], b"", None,
    ]  # fmt: skip
    for item in bad:
        with pytest.raises(ValueError, match="it"):
            Base.parse(item)


def test_removing_a_tree(tmp_path: Path) -> None:
    """However deep it is, whatever its modes, and no further than it reaches."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious\n")
    top = tmp_path / "top"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for number in range(3000):
        os.mkdir("d", dir_fd=fd)
        os.symlink(outside, f"link{number}", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        if number % 500 == 0:
            os.fchmod(inner, 0o700)
        os.close(fd)
        fd = inner
    os.close(fd)
    (top / "locked").mkdir()
    (top / "locked/file").write_bytes(b"")
    (top / "locked").chmod(0o000)
    beneath.remove_tree(top)
    assert not os.path.lexists(top)
    assert (outside / "file").read_bytes() == b"precious\n"
    (tmp_path / "link").symlink_to(outside)
    beneath.remove_tree(tmp_path / "link")
    assert not os.path.lexists(tmp_path / "link")
    assert (outside / "file").exists()
    beneath.remove_tree(tmp_path / "nothing")
