"""Sidecars: found by everything as if embedded, bound to their host, and never in the way of another file."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import stat
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import craft
import pytest
from gitrepo import git
from test_story import jelly

import jellyformat
from jellyformat.errors import HostWarning, JellyError, NoSnapshot, RefusedExists, RefusedHost, SystemFailure
from jellyformat.files.journal import journal_path
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A file into which nothing can be put."""
    path = tmp_path / "metrics.json.gz"
    path.write_bytes(gzip.compress(b'{"loss": [0.5, 0.25]}' * 100))
    return path


def beside(path: Path) -> Path:
    return path.with_name(f"jelly.{path.name}.jelly")


def test_python(host: Path) -> None:
    own = host.read_bytes()
    assert jellyformat.embed(host, SNAP) == "sidecar"
    assert host.read_bytes() == own
    with jellyformat.open(host) as box:
        assert (box.host, box.snapshot_id, box.host_changed) == ("sidecar", SNAP.id, False)
        assert box.read("b.py") == b"new\n"
    assert jellyformat.load(host).id == SNAP.id
    report = jellyformat.verify(host)
    assert report.ok
    assert report.host == "sidecar"
    assert report.checks[-1].name == "sidecar"
    alone = jellyformat.verify(beside(host))
    assert alone.ok
    assert alone.host == "jelly"
    assert "byte for byte" in alone.checks[-1].detail
    assert jellyformat.strip(host) == "sidecar"
    assert not beside(host).exists()
    assert host.read_bytes() == own
    with pytest.raises(NoSnapshot):
        jellyformat.strip(host)


@pytest.mark.slow
def test_every_command(repository: Path) -> None:
    """One after another, by the command line, on a file that is not ignored by git."""
    (repository / "runs.json").write_text("[1, 2, 3]\n")
    own = (repository / "runs.json").read_bytes()
    told = json.loads(jelly(repository, "embed", "runs.json", "--json").stdout)
    assert (told["host"], told["in"]) == ("sidecar", "jelly.runs.json.jelly")
    shown = json.loads(jelly(repository, "show", "runs.json", "--json").stdout)
    assert (shown["host"], shown["digest"], shown["snapshot_id"]) == ("sidecar", told["digest"], told["snapshot_id"])
    assert "runs.json" not in jelly(repository, "ls", "runs.json").stdout.decode().split()
    assert jelly(repository, "cat", "runs.json", "model.py").stdout == b"hidden = 16\n"
    assert jelly(repository, "cat", "runs.json", ".//./model.py").stdout == b"hidden = 16\n"
    assert b"+line fifty" in jelly(repository, "diff", "runs.json").stdout
    assert json.loads(jelly(repository, "verify", "runs.json", "--json").stdout)["ok"]
    logged = json.loads(jelly(repository, "log", ".", "--json").stdout)
    assert [entry["file"] for entry in logged] == ["runs.json"]
    jelly(repository, "extract", "runs.json", "-o", "x.jelly")
    assert (repository / "x.jelly").read_bytes() == (repository / "jelly.runs.json.jelly").read_bytes()
    jelly(repository, "export", "runs.json", "out")
    assert (repository / "out" / "model.py").read_text() == "hidden = 16\n"
    jelly(repository, "restore", "runs.json", "again")
    assert git(repository / "again", "status", "--porcelain") == git(repository, "status", "--porcelain", "--", "*.py",
                                                                      "*.txt", ":!out", ":!again")  # fmt: skip
    # it and its host are no part of the next snapshot
    (repository / "next.json").write_text("[4]\n")
    second = json.loads(jelly(repository, "embed", "next.json", "--exclude", "out", "--exclude", "again",
                              "--json").stdout)  # fmt: skip
    assert second["host"] == "sidecar"
    names = jelly(repository, "ls", "next.json").stdout.decode()
    assert "runs.json" not in names
    assert "next.json" not in names
    assert jelly(repository, "diff", "runs.json", "next.json").returncode == 0
    # a damaged one is told when its host is named
    data = bytearray((repository / "jelly.runs.json.jelly").read_bytes())
    data[-1] ^= 1
    (repository / "jelly.runs.json.jelly").write_bytes(data)
    jelly(repository, "verify", "runs.json", code=1)
    jelly(repository, "strip", "next.json")
    assert not (repository / "jelly.next.json.jelly").exists()
    assert (repository / "runs.json").read_bytes() == own


def test_a_changed_host(host: Path) -> None:
    jellyformat.embed(host, SNAP)
    size = host.stat().st_size
    data = bytearray(host.read_bytes())
    data[-1] ^= 1
    host.write_bytes(data)  # of the same size: only verify reads it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jellyformat.open(host).close()
    assert jellyformat.verify(host, quick=True).ok
    for named in (host, beside(host)):
        report = jellyformat.verify(named)
        assert report.error is not None
        assert (report.error.error_class, report.error.requirement) == ("mismatch.binding", "JF-SDC-003")
        assert report.snapshot_id == SNAP.id
    host.write_bytes(bytes(data[:-1]))
    assert host.stat().st_size != size
    with pytest.warns(HostWarning, match="has changed since"):
        jellyformat.open(host).close()
    assert not jellyformat.verify(host, quick=True).ok
    with pytest.warns(HostWarning):
        assert jellyformat.load(host).id == SNAP.id
    with pytest.raises(RefusedHost) as caught:
        jellyformat.strip(host)
    assert caught.value.requirement == "JF-SDC-006"
    with pytest.raises(RefusedExists):
        jellyformat.embed(host, SNAP)
    assert beside(host).exists()
    jellyformat.embed(host, SNAP, replace=True)
    assert jellyformat.verify(host).ok


def test_the_command_line_warns(host: Path, tmp_path: Path) -> None:
    jellyformat.embed(host, SNAP)
    host.write_bytes(host.read_bytes() + b"\0")
    done = jelly(tmp_path, "show", host.name)
    assert b"warning: " in done.stderr
    assert json.loads(jelly(tmp_path, "show", host.name, "--json").stdout)["host_changed"] is True
    done = jelly(tmp_path, "verify", host.name, code=1)
    assert b"OTHER HOST" in done.stdout
    assert b"DAMAGED" not in done.stdout
    jelly(tmp_path, "export", host.name, "out")


def test_renamed_and_separated(host: Path, tmp_path: Path) -> None:
    jellyformat.embed(host, SNAP)
    moved = tmp_path / "other.gz"
    host.rename(moved)
    beside(host).rename(beside(moved))
    report = jellyformat.verify(moved)
    assert report.ok
    assert "then called metrics.json.gz" in report.checks[-1].detail
    beside(moved).rename(tmp_path / "kept.jelly")
    with pytest.raises(NoSnapshot):
        jellyformat.open(moved)
    report = jellyformat.verify(tmp_path / "kept.jelly")
    assert report.ok
    assert "is not beside it" in report.checks[-1].detail
    moved.rename(host)  # found by the name it had
    assert "byte for byte" in jellyformat.verify(tmp_path / "kept.jelly").checks[-1].detail


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("what", ["bare", "damaged", "text", "directory"])
def test_what_is_not_ours_stays(host: Path, what: str, replace: bool) -> None:
    other = beside(host)
    if what == "directory":
        other.mkdir()
    else:
        other.write_bytes({"bare": SNAP.data, "damaged": SNAP.data[:100], "text": b"mine"}[what])
    own = None if what == "directory" else other.read_bytes()
    with pytest.raises(RefusedExists):
        jellyformat.embed(host, SNAP, replace=replace)
    with pytest.raises((NoSnapshot, RefusedHost)):
        jellyformat.strip(host)
    assert own is None or other.read_bytes() == own
    if what != "damaged":
        with pytest.raises(NoSnapshot) as caught:
            jellyformat.open(host)
        assert ("name that file" in str(caught.value.hint)) == (what == "bare")
    else:
        report = jellyformat.verify(host)
        assert report.error is not None
        assert report.error.error_class == "truncated"


def test_into_a_new_file_it_is_refused(host: Path, tmp_path: Path) -> None:
    with pytest.raises(RefusedHost) as caught:
        jellyformat.embed(host, SNAP, out=tmp_path / "new.gz")
    assert 'without out="OUT"' in str(caught.value.hint)
    assert sorted(path.name for path in tmp_path.iterdir()) == [host.name]
    jellyformat.embed(host, SNAP)
    jellyformat.strip(host, out=tmp_path / "new.gz")
    assert (tmp_path / "new.gz").read_bytes() == host.read_bytes()
    assert beside(host).exists()


def test_one_in_the_file_goes_first(tmp_path: Path) -> None:
    host = tmp_path / "weights.bin"
    host.write_bytes(pickle.dumps([0, 1, 2]))
    jellyformat.embed(host, SNAP)
    other = Snapshot(craft.crafted().with_leaves({}))
    text = tmp_path / "x.json"
    text.write_text("{}")
    jellyformat.embed(text, other)
    beside(text).rename(beside(host))
    with jellyformat.open(host) as box:
        assert (box.host, box.snapshot_id) == ("trailer", SNAP.id)


def test_in_place_of_a_sidecar(host: Path) -> None:
    """A file of a kind that can carry one, where a sidecar was before."""
    jellyformat.embed(host, SNAP)
    host.write_bytes(pickle.dumps([0, 1, 2]))
    with pytest.raises(RefusedExists):
        jellyformat.embed(host, SNAP)
    assert jellyformat.embed(host, SNAP, replace=True) == "trailer"
    assert not beside(host).exists()
    # and the extension of the sidecar is not carried into another host
    text = host.with_name("x.json")
    text.write_text("{}")
    jellyformat.embed(text, SNAP)
    jellyformat.embed(host, jellyformat.load(text), replace=True)
    assert jellyformat.load(host).data == SNAP.data


def test_mode_links_and_a_directory_that_is_read_only(host: Path, tmp_path: Path) -> None:
    host.chmod(0o600)
    jellyformat.embed(host, SNAP)
    assert stat.S_IMODE(beside(host).stat().st_mode) == 0o600  # who may not read the host may not read the code
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.gz"
    link.symlink_to(host)
    with jellyformat.open(link) as box:
        assert box.file is not None
        assert box.file.samefile(beside(host))
    jellyformat.strip(link)
    assert not beside(host).exists()
    jellyformat.embed(link, SNAP)
    assert beside(link).exists()
    assert not beside(host).exists()
    jellyformat.strip(link)
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(SystemFailure):
                jellyformat.embed(host, SNAP)
        finally:
            tmp_path.chmod(0o700)


@pytest.mark.parametrize("length", [243, 244, 255])
def test_long_names(tmp_path: Path, length: int) -> None:
    host = tmp_path / ("x" * length)
    host.write_text("[]")
    with pytest.raises(NoSnapshot):
        jellyformat.open(host)
    for _ in range(2):
        assert jellyformat.embed(host, SNAP, replace=True) == "sidecar"
    (made,) = (path for path in tmp_path.iterdir() if path != host)
    assert (made == beside(host)) == (length == 243)
    report = jellyformat.verify(host)
    assert (report.ok, report.host) == (True, "sidecar")
    assert "byte for byte" in jellyformat.verify(made).checks[-1].detail
    (entry,) = jellyformat.log(tmp_path)
    assert entry.file == str(host)
    jellyformat.strip(host)
    with pytest.raises(NoSnapshot):
        jellyformat.strip(host)
    with pytest.raises(JellyError):
        jellyformat.open(tmp_path / "nothing" / "there")
    assert [path.name for path in tmp_path.iterdir()] == [host.name]


def old_name(path: Path) -> Path:
    """What the sidecar of a file was called before."""
    return path.with_name(path.name + ".jelly")


def test_a_sidecar_with_the_name_of_before(host: Path, repository: Path) -> None:
    jellyformat.embed(host, SNAP)
    beside(host).rename(old_name(host))
    assert (jellyformat.verify(host).ok, jellyformat.load(host).id) == (True, SNAP.id)
    assert "byte for byte" in jellyformat.verify(old_name(host)).checks[-1].detail
    assert [entry.file for entry in jellyformat.log(host.parent)] == [str(host)]
    with pytest.raises(RefusedExists):
        jellyformat.embed(host, SNAP)
    other = Snapshot(craft.crafted().with_leaves({}))
    jellyformat.embed(host, other, replace=True)  # from now on it has the name of now
    assert not old_name(host).exists()
    assert jellyformat.load(host).id == other.id
    beside(host).rename(old_name(host))
    assert jellyformat.strip(host) == "sidecar"
    assert not old_name(host).exists()
    # what is put beside a file, whatever that is called, is no part of the next snapshot
    inside = repository / "data.json"
    inside.write_text("{}")
    jellyformat.embed(inside, SNAP)
    for path in (beside(inside), old_name(inside)):
        if not path.exists():
            beside(inside).rename(path)
        files = {file.path for file in jellyformat.snapshot(repository).open().files()}
        assert not files & {b"data.json", os.fsencode(path.name)}


def test_a_damaged_one_with_the_name_of_before(host: Path) -> None:
    jellyformat.embed(host, SNAP)
    data = beside(host).read_bytes()
    beside(host).unlink()
    old_name(host).write_bytes(data[:100])
    with pytest.raises(RefusedExists):
        jellyformat.embed(host, SNAP, replace=True)
    assert list(host.parent.iterdir()) in ([host, old_name(host)], [old_name(host), host])


BAD: list[Any] = [None, {}, {"name": b"a", "size": 1}, {"name": b"a/b", "size": 1, "sha256": bytes(32)},
                  {"name": b"", "size": 1, "sha256": bytes(32)}, {"name": b"a", "size": -1, "sha256": bytes(32)},
                  {"name": b"a", "size": True, "sha256": bytes(32)}, {"name": b"a", "size": 1, "sha256": bytes(31)},
                  {"name": b"a", "size": 1, "sha256": bytes(32), "x": 1}, {"name": b"..", "size": 1,
                                                                          "sha256": bytes(32)}]  # fmt: skip


@pytest.mark.parametrize("value", BAD)
def test_a_malformed_extension(host: Path, value: Any) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["extensions"]["sidecar"] = value

    beside(host).write_bytes(craft.change_value(SNAP.data, change))
    with jellyformat.open(host) as box:  # whoever reads the code is not kept from it
        assert box.snapshot_id == SNAP.id
    report = jellyformat.verify(host)
    assert report.error is not None
    assert (report.error.error_class, report.error.requirement) == ("malformed.manifest", "JF-SDC-002")
    with pytest.raises(RefusedHost):
        jellyformat.strip(host)
    assert beside(host).exists()


@pytest.mark.framework
def test_what_may_pass_is_refused(tmp_path: Path) -> None:
    """An HDF5 file that a program has open: it is changing, and what was put beside it would be of another file."""
    import h5py

    path = tmp_path / "open.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = [1, 2, 3]
        file.flush()
        while_open = path.read_bytes()
    path.write_bytes(while_open)
    with pytest.raises(RefusedHost) as caught:
        jellyformat.embed(path, SNAP)
    assert caught.value.requirement == "JF-HDF-003"
    assert not beside(path).exists()


def test_a_zip_without_room_for_a_locator(tmp_path: Path) -> None:
    path = tmp_path / "full.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"a")
        archive.comment = b"x" * 65_500
    assert jellyformat.embed(path, SNAP) == "sidecar"
    assert jellyformat.verify(path).ok
    jellyformat.strip(path)


@pytest.mark.framework
@pytest.mark.parametrize("oldest", ["earliest", "v108", "latest"])
def test_an_hdf5_file_of_several(tmp_path: Path, oldest: str) -> None:
    """A family: nothing can be put into it, and that does not pass."""
    import h5py

    options: dict[str, Any] = {"driver": "family", "memb_size": 1 << 14, "libver": (oldest, "latest")}
    with h5py.File(tmp_path / "x%d.h5", "w", **options) as file:
        file["x"] = range(5000)
    path = tmp_path / "x0.h5"
    own = path.read_bytes()
    with pytest.raises(RefusedHost) as caught:
        jellyformat.embed(path, SNAP, out=tmp_path / "new.h5")
    assert caught.value.requirement == "JF-HDF-004"
    for _ in range(2):
        assert jellyformat.embed(path, SNAP, replace=True, bind=True) == "sidecar"
        assert jellyformat.verify(path).ok
        with h5py.File(tmp_path / "x%d.h5", "r", **options) as file:
            assert file["x"][4999] == 4999
    assert jellyformat.strip(path) == "sidecar"
    assert path.read_bytes() == own


def unprivileged(action: Callable[[], object]) -> str:
    """What a user says who does not own the files here: the name of an error, or nothing."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        said = ""
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            action()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode()[:1000])
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with open(read, "rb") as file:
        return file.read().decode()


def test_beside_a_file_that_is_read_only(tmp_path: Path) -> None:
    warm = tmp_path / "x.json"
    warm.write_text("[]")
    jellyformat.embed(warm, SNAP)  # all is imported, wherever that user may not look
    jellyformat.strip(warm)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o777)
        text, array = directory / "x.json", directory / "x.npy"
        text.write_text("{}")
        array.write_bytes(pickle.dumps([0, 1, 2]))
        for path in (text, array):
            path.chmod(0o444)
        assert unprivileged(lambda: jellyformat.embed(text, SNAP, bind=True)) == ""
        assert beside(text).stat().st_mode & 0o777 == 0o444
        assert jellyformat.verify(text).ok
        assert unprivileged(lambda: jellyformat.embed(text, SNAP, replace=True)) == ""
        assert jellyformat.load(text).id == SNAP.id
        # what would go into the file cannot
        said = unprivileged(lambda: jellyformat.embed(array, SNAP))
        assert "SystemFailure: there is no permission to write to" in said
        assert unprivileged(lambda: jellyformat.embed(array, SNAP, out=directory / "out.npy")) == ""
        # a change that was broken off is mended by who may write
        journal = journal_path(text)
        journal.write_bytes(b"")
        assert "SystemFailure" in unprivileged(lambda: jellyformat.embed(text, SNAP, replace=True))
        journal.unlink()
        assert unprivileged(lambda: jellyformat.strip(text)) == ""
        assert sorted(path.name for path in directory.iterdir()) == ["out.npy", "x.json", "x.npy"]
        assert text.read_text() == "{}"
        assert pickle.loads(array.read_bytes()) == [0, 1, 2]
