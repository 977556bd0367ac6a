"""New git directories: libgit2 makes them, and we the same where it cannot; nothing of the user's gets in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gitrepo import ENVIRONMENT, git

import jellyformat
from jellyformat.errors import RefusedRepository, SystemFailure, Usage
from jellyformat.git import create
from jellyformat.git.create import is_unfinished, make_repository, write_repository

REMOTES = [(b"origin", b"https://example.org/x.git"), (b"other", "git@example.org:mü/y".encode())]
LISTED = sorted([*create._DIRECTORIES, "HEAD", "config"])


def listing(directory: Path) -> list[str]:
    return sorted(os.fspath(path.relative_to(directory)) for path in directory.rglob("*"))


def content(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in listing(directory) if (directory / name).is_file()}


def without_library(patch: pytest.MonkeyPatch) -> None:
    """libgit2 is not installed, as far as an import can tell."""
    patch.setitem(sys.modules, "pygit2", None)


@pytest.mark.parametrize("bare", [False, True])
def test_the_library_and_we_write_the_same(tmp_path: Path, bare: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    write_repository(tmp_path / "library", "sha1", bare=bare, remotes=REMOTES)
    assert "pygit2" in sys.modules
    without_library(monkeypatch)
    write_repository(tmp_path / "own", "sha1", bare=bare, remotes=REMOTES)
    assert listing(tmp_path / "library") == listing(tmp_path / "own") == LISTED
    assert content(tmp_path / "library") == content(tmp_path / "own")


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("writer", ["library", "own"])
def test_git_takes_it(tmp_path: Path, object_format: str, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if writer == "own":
        without_library(monkeypatch)
    make_repository(tmp_path, object_format, remotes=REMOTES, exclude=b"*.log\n")
    assert os.listdir(tmp_path) == [".git"]
    assert (tmp_path / ".git/info/exclude").read_bytes() == b"*.log\n"
    assert git(tmp_path, "symbolic-ref", "HEAD") == b"refs/heads/main\n"
    assert git(tmp_path, "rev-parse", "--show-object-format", "--is-bare-repository").split() == [
        object_format.encode(),
        b"false",
    ]
    for name, url in REMOTES:
        assert git(tmp_path, "remote", "get-url", name) == url + b"\n"
        refspec = b"+refs/heads/*:refs/remotes/%s/*\n" % name
        assert git(tmp_path, "config", b"remote.%s.fetch" % name) == refspec
    for key, value in (("filemode", b"true"), ("bare", b"false"), ("logallrefupdates", b"true")):
        assert git(tmp_path, "config", f"core.{key}") == value + b"\n"
    (tmp_path / "a").write_bytes(b"a\n")
    (tmp_path / "b.log").write_bytes(b"b\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    assert git(tmp_path, "ls-tree", "--name-only", "HEAD") == b"a\n"
    assert git(tmp_path, "fsck", "--strict") == b""


HOSTILE = """\
[init]
	templateDir = {template}
	defaultBranch = theirs
[core]
	hooksPath = {template}/hooks
	worktree = {template}
	bare = true
	excludesFile = {template}/hooks
	sharedRepository = world
[safe]
	directory = /nowhere
"""
_MAKE = """
import sys
from pathlib import Path
from jellyformat.git import create
if sys.argv[2] == "own":
    sys.modules["pygit2"] = None
create.make_repository(Path(sys.argv[1]), remotes=[(b"origin", b"/x")])
assert (sys.argv[2] == "own") == (sys.modules["pygit2"] is None)
"""


def made_by_process(place: Path, home: Path, writer: str = "library") -> None:
    """libgit2 looks for the user's configuration once in a process."""
    place.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "GIT_TEMPLATE_DIR": str(home)}
    subprocess.run([sys.executable, "-c", _MAKE, place, writer], env=environment, check=True)


@pytest.mark.parametrize("configuration", ["hostile", "broken", "not readable", "a directory"])
def test_the_users_configuration_has_no_say(tmp_path: Path, configuration: str) -> None:
    """Templates and names of branches do not count; what libgit2 does not understand does not keep us from it."""
    home, template = tmp_path / "home", tmp_path / "template"
    (template / "hooks").mkdir(parents=True)
    for path in (template / "hooks/post-checkout", template / "description"):
        path.write_text("#!/bin/sh\ntouch hook-ran\n")
        path.chmod(0o755)
    home.mkdir()
    if configuration == "a directory":
        (home / ".gitconfig").mkdir()
    else:
        text = HOSTILE.format(template=template) if configuration == "hostile" else "[core\nbroken"
        (home / ".gitconfig").write_text(text)
        (home / ".gitconfig").chmod(0 if configuration == "not readable" else 0o644)
    made_by_process(tmp_path / "made", home)
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    made_by_process(tmp_path / "plain", nobody, "own")
    assert listing(tmp_path / "made/.git") == LISTED
    assert content(tmp_path / "made") == content(tmp_path / "plain")


@pytest.mark.parametrize("name", [b"caf\xe9", "日本".encode(), b"a b\n$x", b"n" * 200])
def test_names_of_directories(tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / os.fsdecode(name)
    place.mkdir()
    monkeypatch.chdir(place)
    make_repository(Path("."))
    assert git(place, "status", "--porcelain") == b""
    assert listing(place / ".git") == LISTED


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("when", ["", ":when=1"])
def test_what_the_filesystem_cannot_hold(tmp_path: Path, when: str) -> None:
    """A filesystem without modes and links: git is told so; a fault that goes by is none."""
    (tmp_path / "made").mkdir()
    command = ["strace", "-f", "-o", os.devnull, "-e", "trace=chmod,symlink"]
    for call in ("chmod", "symlink"):
        command += ["-e", f"inject={call}:error=EPERM{when}"]
    subprocess.run([*command, sys.executable, "-c", _MAKE, tmp_path / "made", "library"], check=True)
    assert listing(tmp_path / "made/.git") == LISTED
    assert git(tmp_path / "made", "config", "core.filemode") == (b"true\n" if when else b"false\n")
    assert git(tmp_path / "made", "config", "--default=true", "core.symlinks") == (b"true\n" if when else b"false\n")


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    place = tmp_path / ".git"
    if kind == "file":
        place.write_bytes(b"")
    elif kind == "directory":
        place.mkdir()
    else:
        place.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        make_repository(tmp_path)
    assert os.listdir(tmp_path) == [".git"]
    with pytest.raises(Usage, match="is no repository"):
        jellyformat.snapshot(tmp_path, create_repo=True)
    assert os.listdir(tmp_path) == [".git"]


def test_restore_does_not_take_another_git_away(repository: Path, tmp_path: Path) -> None:
    snap = tmp_path / "x.jelly"
    snap.write_bytes(jellyformat.snapshot(repository).to_bytes())
    place = tmp_path / "place"
    place.mkdir()
    (place / ".git").write_bytes(b"precious")
    with pytest.raises(RefusedRepository, match="is neither a repository nor"):
        jellyformat.restore(snap, place)
    assert content(place) == {".git": b"precious"}


@pytest.mark.parametrize("writer", ["library", "own"])
def test_a_full_disk_is_said(
    tmp_path: Path, disk_of: Callable[[str], Path], writer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its number, whoever wrote; and nothing of it is left."""
    place = disk_of("64k")
    if writer == "own":
        without_library(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        (place / "filler").write_bytes(bytes(1 << 20))
    with pytest.raises(OSError, match="No space left"):
        make_repository(place)
    assert os.listdir(place) == ["filler"]
    with pytest.raises(SystemFailure, match=r"no repository can be made at .*No space left"):
        jellyformat.snapshot(place, create_repo=True)


def test_commands_that_make_none_do_not_load_the_library(repository: Path, tmp_path: Path) -> None:
    """It takes a tenth of a second."""
    (tmp_path / "x.jelly").write_bytes(jellyformat.snapshot(repository).to_bytes())
    program = (
        "import sys, jellyformat\n"
        "snap = jellyformat.snapshot('.', create_repo=True)\n"
        "jellyformat.verify('../x.jelly'), jellyformat.restore('../x.jelly', '.'), jellyformat.undo('.')\n"
        "jellyformat.redo('.'), jellyformat.history('.'), jellyformat.fix('.')\n"
        "assert 'pygit2' not in sys.modules\n"
        "jellyformat.restore('../x.jelly', '../new')\n"
        "assert 'pygit2' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=repository, env={**os.environ, **ENVIRONMENT}, check=True)


def test_what_is_unfinished(tmp_path: Path) -> None:
    """Every name that the library or we write on the way, and no other."""
    place = tmp_path / ".git.jelly-0123456789ab.tmp"
    write_repository(place, "sha1")
    assert is_unfinished(place)
    for name in ("HEAD.lock", "config.lock", "info/exclude", "_git2_0af3"):
        (place / name).write_bytes(b"")
        assert is_unfinished(place)
    for name in ("thesis.tex", "refs/heads/main", "objects/pack/pack-1.pack", "index", "_git2_work"):
        (place / name).write_bytes(b"")
        assert not is_unfinished(place)
        (place / name).unlink()
    assert is_unfinished(place)
    place.rename(tmp_path / ".git.jelly-0123456789ab")
    assert not is_unfinished(tmp_path / ".git.jelly-0123456789ab")
