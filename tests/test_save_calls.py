"""Save calls over files that can be written over, but not replaced: they are saved as the framework alone would."""

from __future__ import annotations

import errno
import io
import os
import pickle
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitrepo import git
from jellyformat_pickle import dump
from test_host_files import as_nobody, open_to_all

import jellyformat
from jellyformat import errors, training
from jellyformat.snapshots import Snapshot
from jellyformat.training import SnapshotWarning, saving
from jellyformat.training.saving import save_to_stream

__all__ = ["open_to_all"]
OLD, NEW = {"step": 1}, {"step": 2, "weights": os.urandom(5_500_000)}


@pytest.fixture(scope="module")
def snap(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    place = tmp_path_factory.mktemp("project")
    git(place, "init", "-q")
    (place / "train.py").write_text("print(1)\n")
    return jellyformat.snapshot(place)


def check(path: Path, snap: Snapshot) -> None:
    assert pickle.loads(path.read_bytes()) == NEW
    assert jellyformat.load(path).id == snap.id
    assert jellyformat.verify(path).ok


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file that is a mount point, as those are that a container is given."""
    path, outside = tmp_path / "model.pkl", tmp_path / "outside"
    path.touch()
    outside.write_bytes(pickle.dumps(OLD))
    command = ["mount", "--bind", str(outside), str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_mount_point(mounted: Path, snap: Snapshot) -> None:
    dump(NEW, mounted, snapshot=snap)
    check(mounted, snap)
    assert sorted(os.listdir(mounted.parent)) == ["model.pkl", "outside"]
    with pytest.raises(OSError, match="busy") as caught:
        dump(OLD, mounted, snapshot=snap, strict=True)
    assert caught.value.errno == errno.EBUSY
    check(mounted, snap)


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    """A filesystem of ten megabytes."""
    return disk_of("10m")


def test_no_room_for_two(small_disk: Path, snap: Snapshot) -> None:
    path = small_disk / "model.pkl"
    dump(NEW, path, snapshot=snap)
    os.chown(path, 1234, 4321)
    dump(NEW, path, snapshot=snap)
    check(path, snap)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)
    assert os.listdir(small_disk) == ["model.pkl"]
    before = path.read_bytes()
    with pytest.raises(OSError, match="No space"):  # nor is there room for one: the old one stays
        dump({"weights": os.urandom(11_000_000)}, path, snapshot=snap)
    assert path.read_bytes() == before
    assert os.listdir(small_disk) == ["model.pkl"]


def test_a_directory_that_is_not_to_be_written_to(tmp_path: Path, snap: Snapshot, open_to_all: None) -> None:
    path = tmp_path / "runs" / "model.pkl"
    path.parent.mkdir()
    path.write_bytes(pickle.dumps(OLD))
    nobody = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(path, nobody, -1)
    path.parent.chmod(0o555)

    def save() -> None:
        dump(NEW, path, snapshot=snap)
        raise errors.SystemFailure("saved")

    assert as_nobody(save).startswith("saved")
    path.parent.chmod(0o755)
    check(path, snap)
    assert os.listdir(path.parent) == ["model.pkl"]


def test_a_copy_that_fails_leaves_the_new_file(mounted: Path, snap: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "copyfile", half)
    with pytest.raises(errors.SystemFailure, match="half written") as caught:
        dump(NEW, mounted, snapshot=snap)
    check(Path(str(caught.value.hint).rpartition(" ")[2]), snap)


def test_a_stream_that_takes_a_part_at_a_time(snap: Snapshot) -> None:
    """As an unbuffered file does with more than two gigabytes."""

    class Slow(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def write(self, data: object) -> int:
            self.data += bytes(memoryview(data)[:1000])  # type: ignore[arg-type]
            return min(1000, len(memoryview(data)))  # type: ignore[arg-type]

    from jellyformat_numpy._adapter import ADAPTER

    slow = Slow()
    whole = saving.saved_in_memory(_write_zip, ADAPTER, snap, strict=True).getvalue()
    save_to_stream(slow, _write_zip, ADAPTER, snap, strict=True)  # type: ignore[arg-type]
    assert slow.data == whole


def _write_zip(stream: io.BytesIO) -> None:
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("weights"), bytes(4000))


def test_an_open_file_without_a_name(tmp_path: Path, snap: Snapshot) -> None:
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        path = f"/dev/fd/{file.fileno()}"
        with pytest.raises(errors.RefusedHost, match="without a name"):
            dump(NEW, path, snapshot=snap, strict=True)
        with pytest.warns(SnapshotWarning, match="without a name"):
            dump(NEW, path, snapshot=snap)
        assert pickle.load(file) == NEW
    assert os.listdir(tmp_path) == []


@pytest.mark.framework
def test_one_after_another_in_a_file_object(tmp_path: Path, snap: Snapshot) -> None:
    """numpy's manual shows it: `np.load` and, in its old format, `torch.load` read where they stand."""
    import jellyformat_numpy
    import jellyformat_torch
    import numpy as np
    import torch

    with (tmp_path / "a.npy").open("wb") as file:
        for number in (1, 2):
            with pytest.warns(SnapshotWarning, match="another array may follow"):
                jellyformat_numpy.save(file, np.arange(number), snapshot=snap)
    with (tmp_path / "a.npy").open("rb") as file:
        assert [len(np.load(file)) for _ in range(2)] == [1, 2]
    with (tmp_path / "a.pt").open("wb") as file:
        for number in (1, 2):
            with pytest.warns(SnapshotWarning, match="another object may follow"):
                jellyformat_torch.save([number], file, _use_new_zipfile_serialization=False, snapshot=snap)
    with (tmp_path / "a.pt").open("rb") as file:
        assert [torch.load(file) for _ in range(2)] == [[1], [2]]
    with pytest.raises(errors.RefusedHost), (tmp_path / "b.npy").open("wb") as file:
        jellyformat_numpy.save(file, np.arange(3), snapshot=snap, strict=True)


@pytest.mark.framework
def test_arguments_by_position(tmp_path: Path, snap: Snapshot) -> None:
    """The framework's own call may have them so."""
    import jellyformat_numpy
    import jellyformat_torch
    import numpy as np
    import torch

    path, array = tmp_path / "model.pt", tmp_path / "a.npy"
    jellyformat_torch.save({"a": 1}, path, pickle, 3, False, snapshot=snap)
    assert torch.load(path) == {"a": 1}
    assert path.read_bytes().startswith(b"\x80\x03")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        jellyformat_numpy.save(array, np.array([{}], dtype=object), False, snapshot=snap)
    assert not array.exists()
    jellyformat_numpy.save(array, np.array([{}], dtype=object), True, snapshot=snap)
    assert jellyformat.verify(array).ok


def test_where_there_is_no_snapshot_nothing_is_put_in(tmp_path: Path) -> None:
    """On other ranks `start` gives none: all call the same."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(OLD))
    assert training.embed(path, None, strict=True) is None
    training.embed_remotely(f"file://{tmp_path}", None, strict=True)
    assert path.read_bytes() == pickle.dumps(OLD)
    assert os.listdir(tmp_path) == ["model.pkl"]


@pytest.mark.framework
def test_a_directory_that_is_not_there_is_said_as_without_us(tmp_path: Path, snap: Snapshot) -> None:
    """By the framework, of the path that it was given: none of a helper file beside it."""
    import jellyformat_numpy
    import jellyformat_pickle
    import jellyformat_torch
    import joblib
    import numpy as np
    import torch

    path = tmp_path / "missing" / "model"
    calls: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (lambda: torch.save({}, path), lambda: jellyformat_torch.save({}, path, snapshot=snap)),
        (lambda: np.savez(path, a=[1]), lambda: jellyformat_numpy.savez(path, a=[1], snapshot=snap)),
        (lambda: joblib.dump(1, path), lambda: jellyformat_pickle.joblib_dump(1, path, snapshot=snap)),
    ]
    for theirs, ours in calls:
        with pytest.raises((OSError, RuntimeError)) as expected:
            theirs()
        with pytest.raises(expected.type) as found:
            ours()
        assert str(found.value) == str(expected.value)
    assert not path.parent.exists()


def test_a_directory_that_nothing_can_be_made_in_is_said_of_the_path(
    tmp_path: Path, snap: Snapshot, open_to_all: None
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)

    def save() -> None:
        with pytest.raises(PermissionError) as caught:
            dump({}, closed / "model.pkl", snapshot=snap)
        raise errors.SystemFailure(str(caught.value))

    assert str(closed / "model.pkl") in as_nobody(save)
