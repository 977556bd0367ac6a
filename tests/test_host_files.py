"""Hosts in awkward places: links, other owners, full disks, read-only, in use. Each kind at the command line or in
Python: the file is changed as it should be, or refused with a clear error and left as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import pickle
import stat
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import plain
import pytest
from keys import run
from plans import names_in
from test_story import jelly

import jellyformat
from jellyformat import errors, fixing
from jellyformat.files import change
from jellyformat.snapshots import Snapshot

VALUES = [float(number) for number in range(60_000)]
BY_FRAMEWORKS = ["model.pt", "model.npz", "model.npy", "model.safetensors"]
BY_HAND = ["plain.zip", "plain.pkl", "plain.sft"]
KINDS = [*(pytest.param(name, marks=pytest.mark.framework) for name in BY_FRAMEWORKS), *BY_HAND]
APPENDED = ["model.pt", "model.npz", "model.npy", "plain.zip", "plain.pkl"]


def save(path: Path) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("w", plain.float32(VALUES))
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(plain.float32(VALUES)))
    elif path.suffix == ".sft":
        plain.save_safetensors(path, {"w": VALUES})
    else:
        save_by_framework(path)


def save_by_framework(path: Path) -> None:
    import numpy
    import torch
    from safetensors.torch import save_file

    values = torch.tensor(VALUES)
    if path.suffix == ".pt":
        torch.save({"w": values}, path)
    elif path.suffix == ".npz":
        numpy.savez(path, w=values.numpy())
    elif path.suffix == ".npy":
        numpy.save(path, values.numpy())
    else:
        save_file({"w": values}, path)


def load(path: Path) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.read("w") == plain.float32(VALUES)
    elif path.suffix == ".pkl":
        assert pickle.loads(path.read_bytes()) == plain.float32(VALUES)
    elif path.suffix == ".sft":
        data = path.read_bytes()
        assert data[8 + struct.unpack_from("<Q", data)[0] :] == plain.float32(VALUES)
    else:
        load_by_framework(path)


def load_by_framework(path: Path) -> None:
    import numpy
    import torch
    from safetensors.torch import load_file

    if path.suffix in (".npy", ".npz"):
        loaded = numpy.load(path)
        values = torch.from_numpy(loaded if path.suffix == ".npy" else loaded["w"])
    else:
        values = torch.load(path)["w"] if path.suffix == ".pt" else load_file(path)["w"]
    assert torch.equal(values, torch.tensor(VALUES))


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    directory = tmp_path / "checkpoints"
    directory.mkdir()
    path: Path = directory / request.param
    save(path)
    return path


@pytest.fixture
def snap(repository: Path) -> Snapshot:
    return jellyformat.snapshot(repository)


def round_trip(path: Path, snap: Snapshot, check: Callable[[], None]) -> None:
    """Put it in, put it in again, take it out; ``check`` after each step."""
    old = path.read_bytes()
    jellyformat.embed(path, snap)
    check()
    load(path)
    assert jellyformat.verify(path).ok
    jellyformat.embed(path, snap, replace=True)
    check()
    jellyformat.strip(path)
    check()
    assert path.read_bytes() == old


def test_symbolic_link(host: Path, snap: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    link, second = tmp_path / "runs" / f"last{host.suffix}", tmp_path / "runs" / f"best{host.suffix}"
    link.symlink_to(f"../checkpoints/{host.name}")
    second.symlink_to(link.name)

    def check() -> None:
        assert second.is_symlink()
        assert link.is_symlink()
        assert os.readlink(link) == f"../checkpoints/{host.name}"
        assert names_in(host.parent) == [host.name]
        assert names_in(link.parent) == sorted([link.name, second.name])

    round_trip(second, snap, check)


def test_hard_link(host: Path, snap: Snapshot, repository: Path) -> None:
    """Both names stand for one file: what is done under one would be done under both."""
    other = host.with_name("other")
    other.hardlink_to(host)
    old = host.read_bytes()
    said = jelly(repository, "embed", str(host), code=4).stderr.decode()
    assert "is a file of 2 names (hard links)" in said
    assert "--copy" in said
    assert "--sidecar" in said
    assert host.samefile(other)
    assert host.read_bytes() == old
    assert names_in(host.parent) == sorted([host.name, "other"])


@pytest.mark.parametrize("command", ["label", "sign"])
def test_what_is_said_of_a_file_of_several_names_has_the_ways_that_it_is_refused_with(
    host: Path, snap: Snapshot, repository: Path, tmp_path: Path, command: str
) -> None:
    """What the refusal tells to add is there: a copy under this name, or a new file."""
    jellyformat.embed(host, snap)
    other, new = host.with_name("other"), tmp_path / f"new{host.suffix}"
    other.hardlink_to(host)
    old = host.read_bytes()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key"))
    more = ["epoch=3"] if command == "label" else ["--key", str(tmp_path / "key")]
    assert b"--copy" in jelly(repository, command, str(host), *more, code=4).stderr
    assert host.read_bytes() == other.read_bytes() == old
    jelly(repository, command, str(host), *more, "-o", str(new))
    assert host.samefile(other)
    assert host.read_bytes() == old
    jelly(repository, command, str(host), *more, "--copy")
    assert not host.samefile(other)
    assert other.read_bytes() == old
    for path in (new, host):
        load(path)
        assert jellyformat.verify(path).ok
        if command == "label":
            assert jellyformat.show(path).labels == {"epoch": "3"}
        else:
            assert len(jellyformat.signatures(path)) == 1
    jelly(repository, command, str(host), *more, "--copy", "-o", str(tmp_path / "third"), code=2)
    assert names_in(host.parent) == sorted([host.name, "other"])


def test_no_new_file_of_one_that_has_its_snapshot_beside_it(snap: Snapshot, tmp_path: Path) -> None:
    host = tmp_path / "plain.pkl"
    save(host)
    jellyformat.embed(host, snap, sidecar=True)
    names = names_in(tmp_path)
    for act in (lambda: jellyformat.label(host, {"a": 1}, out=tmp_path / "b"), lambda: jellyformat.sign(host, out="b")):
        with pytest.raises(errors.Usage, match="is not in it but in"):
            act()
    assert names_in(tmp_path) == names
    jellyformat.label(host, {"a": 1}, copy=True)
    assert jellyformat.show(host).labels == {"a": "1"}


@pytest.mark.parametrize(
    "place",
    [
        "hub/models--a--b/blobs/" + "6e" * 32,
        "data/.git/annex/objects/Mq/3w/SHA256E-s99--6e6e.pt/SHA256E-s99--6e6e.pt",
        ".dvc/cache/files/md5/6e/" + "6e" * 15,
    ],
)
def test_a_store_by_content_is_left_alone(host: Path, snap: Snapshot, tmp_path: Path, place: str) -> None:
    """A link into a cache looks like the user's own file; its content is that of others too, under its hash."""
    blob, link = tmp_path / place, tmp_path / "hub/models--a--b/snapshots/main" / host.name
    blob.parent.mkdir(parents=True)
    link.parent.mkdir(parents=True)
    host.rename(blob)
    link.symlink_to(os.path.relpath(blob, link.parent))
    old = blob.read_bytes()
    for path in (link, blob):
        with pytest.raises(errors.RefusedHost, match="the name of its content's hash") as caught:
            jellyformat.embed(path, snap)
        assert 'out="OUT"' in str(caught.value.hint)
    assert blob.read_bytes() == old
    assert names_in(blob.parent) == [blob.name]
    out = tmp_path / f"own{host.suffix}"
    jellyformat.embed(link, snap, out=out)
    assert jellyformat.verify(out).ok
    load(out)


def test_holes_stay_holes(tmp_path: Path, snap: Snapshot) -> None:
    """A file that is written anew is copied without filling the disk with its zeros."""
    length = 64 << 20
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (length, length)
    path, middle = tmp_path / "model.safetensors", 8 + len(header) + (32 << 20)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + length)
        file.seek(middle)
        file.write(b"in the midst of it")
    old = hashlib.sha256(path.read_bytes()).digest()
    if path.stat().st_blocks * 512 > 1 << 20:
        pytest.skip("this filesystem has no holes")
    jellyformat.embed(path, snap)
    assert path.stat().st_blocks * 512 < 1 << 20
    assert jellyformat.verify(path).ok
    with path.open("rb") as file:
        at = 8 + int.from_bytes(file.read(8), "little") + (32 << 20)
        assert os.pread(file.fileno(), 18, at) == b"in the midst of it"
    jellyformat.strip(path)
    assert path.stat().st_blocks * 512 < 1 << 20
    assert hashlib.sha256(path.read_bytes()).digest() == old


def test_what_cannot_be_read_is_said(tmp_path: Path, repository: Path, open_to_all: None) -> None:
    """A directory that may not be looked into has perhaps the checkpoint that is searched for."""
    closed, pipe = tmp_path / "runs" / "closed", tmp_path / "pipe"
    closed.mkdir(parents=True)
    if os.geteuid() != 0:
        closed.chmod(0)
    else:
        closed.chmod(0o700)

    def walk() -> None:
        (entry,) = jellyformat.log(closed.parent)
        assert entry.damaged is not None
        raise entry.damaged

    def mend() -> None:
        (left,) = fixing.repair_files(closed.parent)
        assert not left.mended
        raise errors.SystemFailure(f"{left.path}: {left.what}")

    said, mended = as_nobody(walk), as_nobody(mend)
    closed.chmod(0o700)
    assert f"there is no permission for {closed} (Permission denied)" in said
    assert f"{closed}: a directory that cannot be read (Permission denied)" in mended
    os.mkfifo(pipe)
    for command in ("show", "verify"):
        said = jelly(repository, command, str(pipe), code=5).stderr.decode()
        assert "is a pipe or socket" in said
        assert "put what comes out of it into a file first" in said


def test_an_empty_file(tmp_path: Path, snap: Snapshot) -> None:
    """With a container in it, it would be told to be a bare one, and never be empty again."""
    path = tmp_path / "model.bin"
    path.touch()
    assert jellyformat.embed(path, snap, sidecar=True) == "sidecar"
    assert path.read_bytes() == b""
    assert jellyformat.verify(path).ok
    jellyformat.strip(path)
    assert [name for name in names_in(tmp_path) if name != "project"] == ["model.bin"]


def test_what_the_system_does_not_let_us_look_at_is_said_of_it_alone(
    snap: Snapshot, repository: Path, tmp_path: Path
) -> None:
    """A name that is too long: the other files that are named are looked at all the same."""
    good, long = tmp_path / "good.jelly", "x" * 300
    good.write_bytes(snap.data)
    done = jelly(repository, "verify", long, str(good), code=5)
    assert f"{good}: ok" in done.stdout.decode()
    for words in (
        ["show"],
        ["log"],
        ["grep", "x"],
        ["fix"],
        ["diff", str(good)],
        ["bisect", "--good", "a", "--bad", "b"],
    ):
        said = jelly(repository, *words, long, code=5).stderr.decode()
        assert f"error: {long}: " in said, words
        assert "Errno" not in said
    with pytest.raises(errors.SystemFailure, match="xxx: "):
        jellyformat.log(long)
    said = jelly(repository, "log", str(good), "-o", long, code=5).stderr.decode()
    assert f"error: {long}: " in said


def test_owner_mode_and_attributes_stay(host: Path, snap: Snapshot) -> None:
    if os.geteuid() == 0:
        os.chown(host, 1234, 4321)
    host.chmod(0o2640)
    before = host.stat()
    attributes = {"user.note": b"kept", "user.empty": b""}
    try:
        for name, value in attributes.items():
            os.setxattr(host, name, value)
    except OSError:
        attributes = {}

    def check() -> None:
        now = host.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
        for name, value in attributes.items():
            assert os.getxattr(host, name) == value

    round_trip(host, snap, check)


def as_nobody(action: Callable[[], object]) -> str:
    """Do it as a user who is not root; what the error said."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        code, said = 70, ""
        try:
            os.close(read)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            action()
            code = 0
        except errors.JellyError as error:
            code, said = error.exit_code, f"{error.message}\n{error.hint}"
        except BaseException as error:
            said = repr(error)
        finally:
            os.write(write, said.encode())
            os._exit(code)
    os.close(write)
    with open(read, "rb") as file:
        said = file.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 5, (code, said)
    return said


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[None]:
    """pytest's directories are the user's alone."""
    changed = [(path, path.stat().st_mode) for path in [tmp_path, *tmp_path.parents] if not path.stat().st_mode & 1]
    for path, mode in changed:
        path.chmod(mode | 0o011)
    yield
    for path, mode in changed:
        path.chmod(mode)


@pytest.mark.usefixtures("open_to_all")
def test_a_directory_that_may_not_be_searched(snap: Snapshot, tmp_path: Path) -> None:
    closed, file = tmp_path / "closed", tmp_path / "x.jelly"
    host = closed / "model.jelly"
    file.write_bytes(snap.data)
    closed.mkdir()
    host.write_bytes(snap.data)
    closed.chmod(0)
    actions: tuple[Callable[[Path], object], ...] = (
        jellyformat.verify, jellyformat.log, lambda path: jellyformat.diff(file, path).close(), fixing.fix,
    )  # fmt: skip
    try:
        for action in actions:
            said = as_nobody(lambda act=action: act(host))  # type: ignore[misc]
            assert said.startswith("there is no permission for "), said
    finally:
        closed.chmod(0o755)


@pytest.mark.usefixtures("open_to_all")
def test_an_export_that_may_not_be_written(snap: Snapshot, tmp_path: Path) -> None:
    """What is told to do instead is what the command has."""
    closed, file = tmp_path / "closed", tmp_path / "x.jelly"
    file.write_bytes(snap.data)
    closed.mkdir()
    closed.chmod(0o555)
    try:
        said = as_nobody(lambda: jellyformat.export(file, closed / "new"))
    finally:
        closed.chmod(0o755)
    assert "change the permissions, or name another directory" in said


@pytest.mark.parametrize("what", ["file", "directory"])
def test_read_only(host: Path, snap: Snapshot, open_to_all: None, what: str) -> None:
    old = host.read_bytes()
    nobody = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(host, nobody, -1)
    os.chown(host.parent, nobody, -1)
    (host if what == "file" else host.parent).chmod(0o444 if what == "file" else 0o555)
    said = as_nobody(lambda: jellyformat.embed(host, snap))
    where = f"the directory {host.parent}" if what == "directory" else str(host)
    assert f"no permission to write to {where} (Permission denied)" in said
    assert "the file is as it was" in said or "nothing was done" in said
    assert 'out="OUT"' in said
    host.parent.chmod(0o755)
    assert host.read_bytes() == old
    assert names_in(host.parent) == [host.name]


def map_by_torch(path: Path) -> Any:
    import torch

    return torch.load(path, mmap=True)["w"]


def test_mapped_in_a_program(host: Path, snap: Snapshot) -> None:
    """Who has it open or mapped goes on seeing the same weights, whatever is done."""
    with open(host, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    old = bytes(mapped)
    tensors = map_by_torch(host) if host.name == "model.pt" else None

    def check() -> None:
        assert bytes(mapped) == old
        assert tensors is None or tensors.tolist() == VALUES

    round_trip(host, snap, check)
    mapped.close()


def test_changes_meanwhile(host: Path, snap: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes to it between the look at it and the change: noticed, and what he wrote stays."""
    apply = change.LockedFile.apply

    def meanwhile(opened: change.LockedFile, *arguments: object, **options: object) -> None:
        with open(host, "r+b") as file:
            file.seek(200)
            file.write(b"written by somebody else")
        apply(opened, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(change.LockedFile, "apply", meanwhile)
    with pytest.raises(errors.Busy, match="was changed by somebody else meanwhile") as caught:
        jellyformat.embed(host, snap)
    assert caught.value.hint == "nothing was done; run it again"
    assert host.read_bytes()[200:224] == b"written by somebody else"
    assert names_in(host.parent) == [host.name]


def test_changes_while_it_is_copied(tmp_path: Path, snap: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "plain.sft"
    save(host)
    fill = change._fill

    def meanwhile(*arguments: object) -> None:
        fill(*arguments)  # type: ignore[arg-type]
        with open(host, "ab") as file:
            file.write(b"more")

    monkeypatch.setattr(change, "_fill", meanwhile)
    with pytest.raises(errors.Busy, match="meanwhile"):
        jellyformat.embed(host, snap)
    assert host.read_bytes().endswith(b"more")
    assert [name for name in names_in(tmp_path) if name != "project"] == [host.name]


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A filesystem of one megabyte."""
    return disk_of("1m")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.slow
def test_full_disk(name: str, small_disk: Path, repository: Path) -> None:
    (repository / "random").write_bytes(os.urandom(300_000))
    host = small_disk / name
    save(host)
    old = host.read_bytes()
    (small_disk / "ballast").write_bytes(bytes(600_000))
    said = jelly(repository, "embed", str(host), code=5).stderr.decode()
    assert f"there is no space left to write {host} (No space left on device)" in said
    assert "the file is as it was" in said
    assert "free some space" in said
    assert host.read_bytes() == old
    assert names_in(small_disk) == sorted([name, "ballast"])
    (small_disk / "ballast").unlink()
    jelly(repository, "embed", str(host))
    load(host)
    # taking out an appended one needs no space at all
    with contextlib.suppress(OSError), open(small_disk / "ballast", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert os.statvfs(small_disk).f_bavail == 0
    if name in APPENDED:
        jelly(repository, "strip", str(host))
        assert host.read_bytes() == old
    else:
        with_it = host.read_bytes()
        assert "no space left" in jelly(repository, "strip", str(host), code=5).stderr.decode()
        assert host.read_bytes() == with_it
    assert names_in(small_disk) == sorted([name, "ballast"])


def test_two_at_once(host: Path, snap: Snapshot) -> None:
    """One of two wins, the other is told; the file is whole."""
    old = host.read_bytes()
    raised: list[BaseException] = []
    start = threading.Barrier(4)

    def one() -> None:
        start.wait()
        try:
            jellyformat.embed(host, snap, replace=True)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(raised) < 4
    assert all(isinstance(error, errors.Busy) for error in raised), raised
    assert jellyformat.verify(host).ok
    load(host)
    jellyformat.strip(host)
    assert host.read_bytes() == old
    assert names_in(host.parent) == [host.name]


@pytest.mark.parametrize("kind", ["directory", "fifo", "dangling"])
def test_what_is_no_file(kind: str, tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "thing.pt"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere.pt")
    done = jelly(repository, "embed", str(path), code={"directory": 4, "fifo": 5, "dangling": 3}[kind])
    said = done.stderr.decode()
    assert str(path) in said
    assert {"directory": "is a directory", "fifo": "not a regular file", "dangling": "does not exist"}[kind] in said
    assert stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFDIR, stat.S_IFIFO, stat.S_IFLNK)
