"""Filesystems that lack what ours have, mounted for real: what works there, what is refused; nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import mounts
import pytest
from gitrepo import git
from mounts import mounted
from plain import save_npz, save_safetensors
from test_story import jelly

from jellyformat.format.paths import not_portable

NO_FUSE = mounts.reason()
pytestmark = [
    pytest.mark.sampled(5),
    pytest.mark.slow,
    pytest.mark.skipif(NO_FUSE is not None, reason=str(NO_FUSE)),
]

IN_PLACE, ANEW, COPY, BESIDE, RESTORE, EXPORT, CAPTURE = (
    "in place",
    "anew",
    "copy",
    "beside",
    "restore",
    "export",
    "capture",
)
REFUSED = {
    "": set(),
    "lock": {IN_PLACE, RESTORE},
    "link": {RESTORE},
    "fsync": {IN_PLACE, RESTORE},
    "overwrite": {IN_PLACE, ANEW, COPY, RESTORE},
    "mmap": set(),
    "stale": set(),
    "lock,link,fsync": {IN_PLACE, RESTORE},
}
"""What is refused where something is missing. docs/systems.md says the same."""


def attempt(place: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line, whatever comes of it."""
    command = [sys.executable, "-m", "jellyformat", *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, check=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What lies in the filesystem: checkpoints, and a repository whose history is packed."""
    place = tmp_path / "source"
    place.mkdir()
    save_npz(place / "model.npz", w=[1.0, 2.0])
    save_safetensors(place / "model.safetensors", {"w": [1.0, 2.0]})
    (place / "model.txt").write_text("of no known kind\n")
    (place / "project").mkdir()
    git(place / "project", "init", "-q")
    (place / "project" / "train.py").write_text("lr = 1\n")
    git(place / "project", "add", ".")
    git(place / "project", "commit", "-qm", "first")
    git(place / "project", "gc", "-q")
    (place / "project" / "train.py").write_text("lr = 2\n")
    return place


@pytest.mark.parametrize("faults", REFUSED)
def test_what_works_and_what_is_refused(faults: str, source: Path, tmp_path: Path, repository: Path) -> None:
    """A refusal says so with its exit code, and leaves every byte as it was, and nothing behind."""
    refused = set()
    before = {path.name: path.read_bytes() for path in source.glob("model.*")}

    def tried(what: str, place: Path, *arguments: str) -> bool:
        done = attempt(place, *arguments)
        if done.returncode:
            assert done.returncode in (4, 5), (what, done.stderr)
            assert b"Traceback" not in done.stderr
            refused.add(what)
        return not done.returncode

    with mounted(source, tmp_path / "mount", *filter(None, faults.split(","))) as mount:
        said = attempt(tmp_path, "doctor", str(mount))
        assert said.returncode == (4 if REFUSED[faults] - {ANEW, COPY} else 0), said.stdout
        for what, name, more in (
            (IN_PLACE, "model.npz", ()),
            (COPY, "model.npz", ("--copy",)),
            (ANEW, "model.safetensors", ()),
            (BESIDE, "model.txt", ()),
        ):
            if tried(what, repository, "embed", str(mount / name), *more, *(("--replace",) if more else ())):
                jelly(repository, "verify", str(mount / name))
                if not tried(what, repository, "strip", str(mount / name), *more):
                    jelly(repository, "strip", "--copy", str(mount / name))
            assert (source / name).read_bytes() == before[name], (what, name)
        assert tried(CAPTURE, mount / "project", "snapshot", "-o", str(tmp_path / "code.jelly"))
        jelly(tmp_path, "verify", "code.jelly")
        if tried(EXPORT, tmp_path, "export", "code.jelly", str(mount / "exported")):
            assert (source / "exported" / "train.py").read_text() == "lr = 2\n"
        if tried(RESTORE, tmp_path, "restore", "code.jelly", str(mount / "restored")):
            (mount / "restored" / "train.py").write_text("lr = 3\n")
            assert tried(RESTORE, tmp_path, "restore", "code.jelly", str(mount / "restored"))
            assert tried(RESTORE, tmp_path, "undo", str(mount / "restored"))
            assert (source / "restored" / "train.py").read_text() == "lr = 3\n"
        else:
            assert not (source / "restored").exists()
    assert refused == REFUSED[faults]
    left = [path.name for path in source.iterdir() if path.name.startswith((".", "jelly."))]
    assert not left


def test_a_rename_that_is_seen_late_loses_nothing(source: Path, tmp_path: Path, repository: Path) -> None:
    """Each checkpoint is its old self, or carries the snapshot; `doctor` says what is wrong with such a filesystem."""
    before = {path.name: path.read_bytes() for path in source.glob("model.*")}
    with mounted(source, tmp_path / "mount", "late") as mount:
        assert b"rename" in attempt(tmp_path, "doctor", str(mount)).stdout
        for name in before:
            attempt(repository, "embed", str(mount / name))
    for name, data in before.items():
        attempt(repository, "strip", str(source / name))
        assert (source / name).read_bytes() == data


NAMES = {
    "case": [b"README", b"readme"],
    "form": ["é".encode(), unicodedata.normalize("NFD", "é").encode()],
    "directory": [b"Src/a.py", b"src/b.py"],
    "case in a directory": [b"d/README", b"d/readme"],
    "directory in a directory": [b"d/Src/a.py", b"d/src/b.py"],
    "device": [b"CON"],
    "device with an ending": [b"aux.txt"],
    "dot at the end": [b"a."],
    "space at the end": [b"a "],
    "stream": [b"a:b"],
    "backslash": [b"a\\b"],
}


def snapshot_of(names: list[bytes], directory: Path) -> Path:
    """A snapshot of a repository with files of these names, made where each of them can be."""
    repo = directory / "names"
    repo.mkdir()
    git(repo, "init", "-q")
    for number, name in enumerate(names):
        path = repo / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "names")
    jelly(repo, "snapshot", "-o", str(directory / "names.jelly"))
    return directory / "names.jelly"


@pytest.fixture
def ntfs(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of Windows, as its programs see it."""
    programs = [shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") for name in ("mkntfs", "lowntfs-3g")]
    if None in programs:
        pytest.skip("ntfs-3g is not installed")
    image, place = tmp_path / "image", tmp_path / "ntfs"
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    place.mkdir()
    subprocess.run([str(programs[0]), "-F", "-q", str(image)], check=True, capture_output=True)
    subprocess.run([str(programs[1]), "-o", "ignore_case,windows_names", str(image), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(params=["fold", "nfd", "fold,nfd", "ntfs"])
def narrow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Filesystems that cannot hold all names."""
    if request.param == "ntfs":
        yield request.getfixturevalue("ntfs")
        return
    source = tmp_path / "source"
    source.mkdir()
    with mounted(source, tmp_path / "narrow", *request.param.split(",")) as mount:
        yield mount


def files_in(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): path.read_text()
        for path in sorted(place.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }


def test_no_name_takes_the_place_of_another(narrow: Path, tmp_path: Path) -> None:
    """Refused by default; with `--any-names` all files are there, or none."""
    for number, (kind, names) in enumerate(NAMES.items()):
        assert not_portable(names), kind
        work = tmp_path / str(number)
        work.mkdir()
        file = snapshot_of(names, work)
        for command in ("export", "restore"):
            target = narrow / f"{command}{number}"
            done = attempt(work, command, str(file), str(target))
            assert done.returncode == 4, (kind, command, done.stderr)
            assert not target.exists(), kind
            done = attempt(work, command, str(file), str(target), "--any-names")
            assert b"Traceback" not in done.stderr, done.stderr
            if done.returncode:
                assert done.returncode in (4, 5), (kind, command, done.stderr)
                assert not target.exists() or not files_in(target), (kind, command, files_in(target))
            else:
                assert sorted(files_in(target).values()) == [f"file {n}\n" for n in range(len(names))], (kind, command)


def test_names_that_macos_keeps_decomposed(tmp_path: Path) -> None:
    """They are those of the index, as git has it there (core.precomposeunicode)."""
    source = tmp_path / "source"
    source.mkdir()
    with mounted(source, tmp_path / "mac", "nfd") as mount:
        git(mount, "init", "-q")
        git(mount, "config", "core.precomposeunicode", "true")
        (mount / "schön").mkdir()
        (mount / "schön" / "über.py").write_text("x = 1\n")
        oid = git(mount, "hash-object", "-w", "schön/über.py").decode().strip()
        git(mount, "update-index", "--add", "--cacheinfo", f"100644,{oid},schön/über.py")
        git(mount, "commit", "-qm", "first")
        shown = {}
        for system in ("macos", ""):
            command = [sys.executable, *([str(Path(__file__).with_name("elsewhere.py")), system] if system else [])]
            out = str(tmp_path / f"{system}.jelly")
            subprocess.run([*command, "-m", "jellyformat", "snapshot", "-q", "-o", out], cwd=mount, check=True)
            shown[system] = json.loads(jelly(tmp_path, "show", "--json", out).stdout)
    assert shown["macos"]["dirty"] is False
    assert shown["macos"]["files"] == 1
    assert shown[""]["untracked"]


def test_ntfs(ntfs: Path, tmp_path: Path, repository: Path) -> None:
    """On a real filesystem of Windows: all that works on ours."""
    save_npz(ntfs / "model.npz", w=[1.0, 2.0])
    before = (ntfs / "model.npz").read_bytes()
    jelly(repository, "embed", str(ntfs / "model.npz"))
    jelly(repository, "verify", str(ntfs / "model.npz"))
    jelly(repository, "export", str(ntfs / "model.npz"), str(ntfs / "exported"))
    assert (ntfs / "exported" / "new file.txt").read_text() == "untracked\n"
    jelly(repository, "restore", str(ntfs / "model.npz"), str(ntfs / "restored"))
    attempt(ntfs / "restored", "undo")
    jelly(repository, "strip", str(ntfs / "model.npz"))
    assert (ntfs / "model.npz").read_bytes() == before
