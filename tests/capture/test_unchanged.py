"""Files that the index vouches for are read from disk, and their hash tells whether that is what HEAD has."""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

import pytest
from states import base
from states.build import Repo

import jellyformat
from jellyformat.format.objects import BLOB
from jellyformat.git.objects import ObjectStore


def made(path: Path) -> Repo:
    """A repository of some files, all in one pack, its index older than a tick."""
    repo = base(path)
    for number in range(5):
        repo.write(f"package/file{number}.py", b"value = %d\n" % number * 9)
    os.symlink("package", repo.path / "link")
    repo.commit("all")
    repo.git("gc", "-q")
    later = (repo.path / ".git/index").stat().st_mtime_ns + 10**9
    os.utime(repo.path / ".git/index", ns=(later, later))
    return repo


def test_no_blob_of_an_unchanged_file_is_read_from_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = made(tmp_path / "repo")
    read, kinds = ObjectStore.read, []

    def spied(self: ObjectStore, oid: bytes) -> tuple[int, bytes]:
        found = read(self, oid)
        kinds.append(found[0])
        return found

    monkeypatch.setattr(ObjectStore, "read", spied)
    snap = jellyformat.snapshot(repo.path)
    assert kinds
    assert BLOB not in kinds
    (tmp_path / "x.jelly").write_bytes(snap.data)
    with jellyformat.open(tmp_path / "x.jelly") as box:
        assert box.read("package/file3.py") == b"value = 3\n" * 9
        assert box.read("link") == b"package"


def test_what_the_index_vouches_for_wrongly_is_not_taken_for_what_head_has(tmp_path: Path) -> None:
    repo = made(tmp_path / "repo")
    file = repo.path / "package/file3.py"
    file.write_bytes(b"VALUE = 3\n" * 9)
    found = file.stat()
    index = repo.path / ".git/index"
    data = bytearray(index.read_bytes()[:-20])
    at = data.index(b"package/file3.py") - 62
    times = [part for ns in (found.st_ctime_ns, found.st_mtime_ns) for part in divmod(ns, 10**9)]
    data[at : at + 16] = struct.pack(">4I", *times)
    index.write_bytes(bytes(data) + hashlib.sha1(data).digest())
    later = found.st_mtime_ns + 10**9
    os.utime(index, ns=(later, later))
    assert not repo.git("status", "--porcelain")  # git believes it
    (tmp_path / "x.jelly").write_bytes(jellyformat.snapshot(repo.path).data)
    assert jellyformat.verify(tmp_path / "x.jelly").ok
    with jellyformat.open(tmp_path / "x.jelly") as box:
        assert box.read("package/file3.py") == b"value = 3\n" * 9
