"""A directory that had no repository: undo makes it what it was, redo what it had become."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import images
import pytest
from states import base, git
from test_story import jelly

import jellyformat
from jellyformat.checkout import aside
from jellyformat.checkout.excludes import all_excluded
from jellyformat.checkout.undo import NothingToUndo
from jellyformat.errors import JellyError, NoRepository, RefusedRepository
from jellyformat.git.create import make_repository


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A snapshot."""
    repo = base(tmp_path / "r")
    repo.append("src/train.py")
    found = tmp_path / "x.jelly"
    found.write_bytes(images.take(repo.path).data)
    return found


def downloads(tmp_path: Path) -> Path:
    """A directory with files of its own, one of them in the way of the snapshot's."""
    place = tmp_path / "downloads"
    for path in ("src/train.py", "src/other.py", "thesis/draft.tex", "model.bin"):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(b"mine\n")
    return place


def everything(top: Path) -> dict[str, tuple[int, bytes | None]]:
    """All there is, `.git` and what is ours too."""
    return {
        str(path.relative_to(top)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in [top, *top.rglob("*")]
    }


def test_undo_leaves_it_byte_for_byte_and_redo_brings_all_back(file: Path, tmp_path: Path) -> None:
    place = downloads(tmp_path)
    before = everything(place)
    jellyformat.restore(file, place)
    (place / "notes.txt").write_text("since\n")
    restored = images.image(place)
    done = jellyformat.undo(place)
    assert everything(place) == before
    assert done.aside is not None
    assert (done.aside / "HEAD").is_file()
    assert done.aside.parent == tmp_path / ".downloads.jelly-undone"
    with pytest.raises(NoRepository):
        jellyformat.undo(place)
    assert [(entry.state, entry.live, entry.redo) for entry in jellyformat.history(place)] == [
        (0, True, None), (1, False, 1),
    ]  # fmt: skip
    assert everything(place) == before
    jellyformat.redo(place / "src")
    assert images.differences(restored, images.image(place)) == []
    assert not done.aside.parent.exists()
    assert jellyformat.undo(place).aside == done.aside
    assert everything(place) == before


def test_later_work_is_seen(file: Path, tmp_path: Path) -> None:
    """With rules that hide everything left there, all that was done later was invisible to git and to capture."""
    place = downloads(tmp_path)
    jellyformat.restore(file, place)
    jellyformat.undo(place)
    with pytest.raises(NoRepository):
        jellyformat.snapshot(place)
    git(place, "init", "-q")
    assert b"model.bin" in git(place, "status", "--porcelain", "-uall")
    assert b"src/train.py" in images.take(place).manifest.summary.untracked
    with pytest.raises(NothingToUndo):
        jellyformat.undo(place)
    with pytest.raises(NothingToUndo):
        jellyformat.redo(place)
    shutil.rmtree(place / ".git")
    jellyformat.redo(place)
    assert (place / "tool.sh").exists()


def test_over_several_restores_and_again(file: Path, tmp_path: Path) -> None:
    place = downloads(tmp_path)
    before = everything(place)
    for _ in range(2):
        jellyformat.restore(file, place)
        (place / "README.md").write_text("changed\n")
        jellyformat.restore(file, place)
        jellyformat.undo(place, 2)
        assert everything(place) == before
    asides = sorted(path.name for path in tmp_path.glob(".*.jelly-undone*"))
    assert asides == [".downloads.jelly-undone", ".downloads.jelly-undone-2"]
    jellyformat.redo(place, 2)
    assert sorted(path.name for path in tmp_path.glob(".*.jelly-undone*")) == asides[:1]
    jellyformat.undo(place, to=0)
    assert everything(place) == before


def test_a_directory_that_was_not_there_goes_too(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "new"
    jellyformat.restore(file, place)
    restored = images.image(place)
    jellyformat.undo(place)
    assert not place.exists()
    jellyformat.redo(place)
    assert images.differences(restored, images.image(place)) == []
    empty = tmp_path / "empty"
    empty.mkdir()
    jellyformat.restore(file, empty)
    jellyformat.undo(empty)
    assert list(empty.iterdir()) == []


def test_in_another_repository_git_shows_none_of_it(file: Path, tmp_path: Path) -> None:
    outer = base(tmp_path / "outer")
    (outer.path / "inner").mkdir()
    jellyformat.restore(file, outer.path / "inner")
    jellyformat.undo(outer.path / "inner")
    assert outer.git("status", "--porcelain", "-uall") == b""
    jellyformat.redo(outer.path / "inner")
    assert (outer.path / "inner/tool.sh").exists()


def test_commits_made_since_come_back_too(file: Path, tmp_path: Path) -> None:
    place = downloads(tmp_path)
    jellyformat.restore(file, place)
    git(place, "switch", "-qc", "work")
    git(place, "commit", "-qam", "work")
    commit = git(place, "rev-parse", "work")
    jellyformat.undo(place)
    assert not (place / ".git").exists()
    jellyformat.redo(place)
    assert git(place, "rev-parse", "HEAD") == commit
    assert git(place, "fsck", "--no-dangling") == b""


def test_other_worktrees_need_it(file: Path, tmp_path: Path) -> None:
    place = downloads(tmp_path)
    jellyformat.restore(file, place)
    git(place, "worktree", "add", "-q", "--detach", tmp_path / "more")
    before = everything(place)
    with pytest.raises(RefusedRepository, match="other worktrees"):
        jellyformat.undo(place)
    assert {path: item for path, item in everything(place).items() if "jellyformat" not in path} == {
        path: item for path, item in before.items() if "jellyformat" not in path
    }


def test_where_nothing_can_be_put_beside_it(file: Path, tmp_path: Path) -> None:
    place = tmp_path / ("n" * 250)
    place.mkdir()
    (place / "a").write_text("mine\n")
    jellyformat.restore(file, place)
    done = jellyformat.undo(place)
    assert done.aside == place / ".git.jelly-undone/repository"
    assert sorted(path.name for path in place.iterdir()) == [".git.jelly-undone", "a"]
    jellyformat.redo(place)
    assert not done.aside.exists()
    assert (place / "tool.sh").exists()


def test_redo_that_cannot_be_done_changes_nothing(file: Path, tmp_path: Path) -> None:
    place = downloads(tmp_path)
    jellyformat.restore(file, place)
    done = jellyformat.undo(place)
    assert done.aside is not None
    before = everything(tmp_path)
    with pytest.raises(NothingToUndo, match="only 1"):
        jellyformat.redo(place, 2)
    after = everything(tmp_path)
    assert {path for path in before if ".downloads" not in path} == {path for path in after if ".downloads" not in path}
    assert (done.aside / "HEAD").exists()
    jellyformat.redo(place)


def test_one_that_somebody_has_put_there(file: Path, tmp_path: Path) -> None:
    """A copy, as out of an archive, is not brought in: its hooks would be run by the next command of git."""
    place = downloads(tmp_path)
    jellyformat.restore(file, place)
    done = jellyformat.undo(place)
    assert done.aside is not None
    shutil.copytree(done.aside, tmp_path / "copy", symlinks=True)
    shutil.rmtree(done.aside)
    shutil.copytree(tmp_path / "copy", done.aside, symlinks=True)
    with pytest.raises(RefusedRepository, match="copied, moved or unpacked") as caught:
        jellyformat.redo(place)
    assert "adopt=True" in str(caught.value.hint)
    assert not (place / ".git").exists()
    shutil.move(done.aside, place / ".git")
    jellyformat.fix(place, adopt=True)
    jellyformat.redo(place)
    assert (place / "tool.sh").exists()


def test_undo_that_was_broken_off_before_the_repository_went(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = downloads(tmp_path)
    before = everything(place)

    def broken(*_: object) -> None:
        raise OSError(5, "broken")

    for mend in ("undo", "fix"):
        jellyformat.restore(file, place)
        with monkeypatch.context() as patch:
            patch.setattr(aside, "set_aside", broken)
            with pytest.raises(JellyError):
                jellyformat.undo(place)
        assert (place / ".git").exists()
        if mend == "undo":
            jellyformat.undo(place)
        else:
            (told,) = jellyformat.fix(place, dry_run=True)
            assert (place / ".git").exists()
            assert "hides all files" in told.what
            jellyformat.fix(place)
        assert everything(place) == before


def test_restore_that_was_killed_when_it_had_made_the_repository(file: Path, tmp_path: Path) -> None:
    place = downloads(tmp_path)
    before = everything(place)
    make_repository(place, exclude=all_excluded())
    assert [left.mended for left in jellyformat.fix(place)] == [True]
    assert everything(place) == before
    make_repository(place, exclude=all_excluded())
    jellyformat.restore(file, place)
    jellyformat.undo(place)
    assert everything(place) == before


@pytest.mark.slow
def test_command(file: Path, tmp_path: Path) -> None:
    place = downloads(tmp_path)
    jelly(tmp_path, "restore", str(file), "downloads")
    said = jelly(tmp_path, "undo", "downloads").stdout.decode()
    assert ".downloads.jelly-undone/repository" in said
    assert "redo downloads" in said
    jelly(place, "redo")
    found = json.loads(jelly(place, "undo", "--json").stdout)
    assert found["aside"].endswith(".downloads.jelly-undone/repository")


def test_one_whose_permissions_were_changed_says_so(file: Path, tmp_path: Path) -> None:
    """As `chmod -R` or `chown -R` of a project does it: nothing was copied, and the message has to fit."""
    place = downloads(tmp_path)
    jellyformat.restore(file, place)
    for path in (place / ".git" / "jellyformat").rglob("*"):
        path.chmod(path.stat().st_mode | 0o055)
    with pytest.raises(RefusedRepository, match="or its permissions were changed"):
        jellyformat.undo(place)
    jellyformat.fix(place, adopt=True)
    jellyformat.undo(place)
    assert not (place / "tool.sh").exists()
