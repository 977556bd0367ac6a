"""Before a restore changes anything: whether the repository is of the same project, and what would be done."""

from __future__ import annotations

import json
from pathlib import Path

import images
import pytest
from states import Repo, base, git
from test_story import jelly

import jellyformat
from jellyformat.errors import RefusedRepository
from jellyformat.git.related import _canonical


def kept(repo: Repo, name: str) -> Path:
    """A snapshot of the repository as it is, beside it."""
    file = repo.path.with_name(f"{name}.jelly")
    file.write_bytes(images.take(repo.path).data)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A snapshot of a project."""
    repo = base(tmp_path / "project")
    repo.git("remote", "add", "origin", "https://example.org/team/project.git")
    repo.append("src/train.py")
    repo.write("new.py")
    return kept(repo, "x")


@pytest.fixture
def other(tmp_path: Path) -> Repo:
    """Another project, with a file of the same name."""
    repo = Repo(tmp_path / "other")
    repo.write("README.md", b"# another\n")
    repo.write("thesis.tex", b"years of work\n")
    repo.commit()
    return repo


def everything(top: Path) -> dict[str, tuple[int, float, bytes | None]]:
    """All there is, and when it was changed."""
    return {
        str(path.relative_to(top)): (
            path.lstat().st_mode, path.lstat().st_mtime, path.read_bytes() if path.is_file() else None
        )
        for path in [top, *top.rglob("*")]
    }  # fmt: skip


# -- of the same project -----------------------------------------------------------------------------------------------


def test_another_project_is_refused(file: Path, other: Repo) -> None:
    before = images.image(other.path)
    with pytest.raises(RefusedRepository, match="nothing to do with this snapshot") as caught:
        jellyformat.restore(file, other.path)
    assert caught.value.exit_code == 4
    assert "anyway=True" in str(caught.value.hint)
    assert images.differences(before, images.image(other.path)) == []
    jellyformat.restore(file, other.path, anyway=True)
    assert (other.path / "tool.sh").exists()
    jellyformat.undo(other.path)
    assert images.differences(before, images.image(other.path)) == []


def test_the_command(file: Path, other: Repo) -> None:
    refused = jelly(other.path, "restore", str(file), code=4).stderr
    assert b"no commit and no remote in common" in refused
    assert b"--anyway" in refused
    jelly(other.path, "restore", str(file), "--anyway")


def test_files_that_are_not_committed_yet_count(file: Path, tmp_path: Path) -> None:
    place = Repo(tmp_path / "begun")
    jellyformat.restore(file, place.path)  # with nothing in it: nothing is replaced
    place = Repo(tmp_path / "begun too")
    place.write("thesis.tex")
    with pytest.raises(RefusedRepository, match="nothing to do"):
        jellyformat.restore(file, place.path)


def test_a_remote_in_common(file: Path, other: Repo) -> None:
    """The commits are not here yet, under another protocol's URL."""
    other.git("remote", "add", "upstream", "git@Example.org:team/project")
    jellyformat.restore(file, other.path)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/team/project.git", "https://u:x@example.org/team/project", "git@example.org:team/project",
        "ssh://git@example.org:22/team/project.git/", "git://EXAMPLE.org/team/project.git",
    ],
)  # fmt: skip
def test_one_remote_by_its_urls(url: str) -> None:
    assert _canonical(url) == ("example.org", "team/project")
    assert _canonical("https://example.org/other/project") != _canonical(url)
    assert _canonical("/srv/team/project") != _canonical(url)


def test_the_parent_in_common(tmp_path: Path) -> None:
    """A commit that was never pushed, made on what is here."""
    repo = base(tmp_path / "project")
    git(tmp_path, "clone", "-q", repo.path, tmp_path / "clone")
    git(tmp_path / "clone", "remote", "remove", "origin")
    repo.write("more.py")
    repo.commit("not pushed")
    jellyformat.restore(kept(repo, "x"), tmp_path / "clone")


def test_before_the_first_commit_and_after(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "project")
    repo.write("train.py", b"x = 1\n")
    file = kept(repo, "x")
    repo.commit()
    repo.append("train.py")
    jellyformat.restore(file, repo.path)
    assert (repo.path / "train.py").read_bytes() == b"x = 1\n"


def test_where_all_there_is_came_from_restores(file: Path, tmp_path: Path) -> None:
    """Checkpoint after checkpoint is looked at in one directory; with a commit of one's own it is a project."""
    second = Repo(tmp_path / "second")
    second.write("a.py")
    second.commit()
    place = tmp_path / "look"
    jellyformat.restore(file, place)
    jellyformat.restore(kept(second, "y"), place)
    jellyformat.undo(place, 2)
    jellyformat.redo(place)
    git(place, "switch", "-qc", "mine")
    git(place, "commit", "-qam", "mine")
    third = Repo(tmp_path / "third")
    third.write("b.py")
    third.commit()
    with pytest.raises(RefusedRepository, match="nothing to do"):
        jellyformat.restore(kept(third, "z"), place)


# -- dry run -----------------------------------------------------------------------------------------------------------


def check(file: Path, place: Path) -> None:
    """A dry run changes nothing and says what is then done."""
    before = everything(place.parent)
    told = jellyformat.restore(file, place, dry_run=True, anyway=True)
    assert everything(place.parent) == before
    assert told.dry_run
    done = jellyformat.restore(file, place, anyway=True)
    assert not done.dry_run
    for name in ("directory", "created", "commit", "branch", "written", "replaced", "removed", "filtered", "remotes"):
        assert getattr(told, name) == getattr(done, name), name


def test_dry_run_over_a_repository(file: Path, other: Repo) -> None:
    other.write("untracked.txt")
    before = everything(other.path)
    with pytest.raises(RefusedRepository, match="nothing to do"):
        jellyformat.restore(file, other.path, dry_run=True)
    told = jellyformat.restore(file, other.path, dry_run=True, anyway=True)
    assert told.replaced == (b"README.md",)
    assert b"tool.sh" in told.written
    assert told.removed == (b"thesis.tex", b"untracked.txt")
    assert everything(other.path) == before
    check(file, other.path)
    other.write("untracked.txt")
    check(file, other.path)  # with a history of restores


def test_dry_run_where_there_is_no_repository(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "plain/files"
    (place / "src").mkdir(parents=True)
    (place / "src/train.py").write_text("mine\n")
    (place / "README.md").mkdir()
    (place / "other.txt").write_text("mine\n")
    told = jellyformat.restore(file, place, dry_run=True)
    assert told.replaced == (b"README.md", b"src/train.py")
    assert told.removed == ()
    check(file, place)
    check(file, tmp_path / "plain/new")
    (tmp_path / "plain/empty").mkdir()
    check(file, tmp_path / "plain/empty")


def test_dry_run_in_words(file: Path, other: Repo) -> None:
    said = jelly(other.path, "restore", str(file), "--anyway", "--dry-run").stdout.decode()
    assert "would replace: README.md\n" in said
    assert "would write: tool.sh\n" in said
    assert "would put aside: thesis.tex\n" in said
    assert "1 to replace, 1 to put aside; nothing was changed" in said
    found = json.loads(jelly(other.path, "restore", str(file), "--anyway", "--dry-run", "--json").stdout)
    assert found["dry_run"] is True
    assert found["replaced"] == ["README.md"]
    assert not (other.path / ".git/jellyformat").exists()
