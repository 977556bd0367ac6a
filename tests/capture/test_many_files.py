"""A hundred thousand files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from parts import worktree_of
from states import Repo
from truth import Asker

import jellyformat


def make_files(root: Path, directories: int, each: int) -> dict[bytes, bytes]:
    """Files and their contents."""
    made: dict[bytes, bytes] = {}
    for outer in range(directories):
        (root / f"{outer:03}").mkdir(parents=True)
        for inner in range(each):
            name, content = b"%03d/%04d.txt" % (outer, inner), b"%d %d\n" % (outer, inner)
            fd = os.open(os.fsencode(root) + b"/" + name, os.O_WRONLY | os.O_CREAT, 0o644)
            os.write(fd, content)
            os.close(fd)
            made[name] = content
    return made


@pytest.mark.sampled(3)
@pytest.mark.slow
def test_hundred_thousand_files(tmp_path: Path) -> None:
    """Fifty thousand tracked ones, one of them changed, and an untracked directory with as many."""
    repo = Repo(tmp_path / "repo")
    files = {b"new/" + name: content for name, content in make_files(repo.path / "new", 50, 1000).items()}
    tracked = {b"old/" + name[4:]: content + b"old\n" for name, content in files.items()}
    lines = [b"commit refs/heads/main\ncommitter C <c@x> 1700000000 +0000\ndata 4\nmany\n"]
    lines += [b"M 100644 inline %s\ndata %d\n%s" % (path, len(data), data) for path, data in tracked.items()]
    repo.git("fast-import", "--quiet", data=b"".join(lines))
    repo.git("reset", "-q", "--hard")
    repo.write("old/007/0007.txt", b"changed\n")
    asker = Asker(repo.path, tmp_path)
    everything = {**files, **tracked, b"old/007/0007.txt": b"changed\n"}
    expected = asker.tree({path: (0o100644, asker.blob(data)) for path, data in everything.items()})
    snap = jellyformat.snapshot(repo.path)
    assert worktree_of(snap).tree.hex().encode() == expected
    assert snap.manifest.summary.files == 100_000
    assert len(snap.manifest.summary.untracked) == 50_000
    assert snap.manifest.summary.unstaged == (("M", b"old/007/0007.txt"),)
