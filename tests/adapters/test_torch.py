"""Tests of jellyformat_torch with files that torch itself writes and loads (SPEC JF-ZIP and JF-TEN)."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jellyformat_torch
import plans
import pygit2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jellyformat_torch import ADAPTER

import jellyformat
from jellyformat import snapshots, training
from jellyformat.adapter import BadHost, BytesSource, CorruptLocator, CountLimit, FileSource, RefusedHost, locator
from jellyformat.testing import AdapterContract, WeightsContract, embed_file
from jellyformat.training import Snapshot

if TYPE_CHECKING:
    import torch

CONTAINER = plans.make_container()
OTHER = plans.make_container(100_000, 1)
SMALL = plans.make_container(200, 2)


@cache
def model() -> torch.nn.Module:
    import torch

    class Model(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.layer(x)
            return result

    return Model()


@cache
def question() -> torch.Tensor:
    import torch

    return torch.arange(6.0).reshape(2, 3)


def state() -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = model().state_dict()
    return found


def listed(loaded: Any) -> object:
    """What can be compared: tensors, and dicts of them, as lists."""
    if isinstance(loaded, dict):
        return [(name, listed(value)) for name, value in loaded.items()]
    return loaded.tolist() if hasattr(loaded, "tolist") else loaded


def same(loaded: dict[str, torch.Tensor]) -> None:
    assert listed(loaded) == listed(state())
    model().load_state_dict(loaded, strict=True)


def save_legacy(path: Path, **options: Any) -> None:
    import torch

    torch.save(state(), path, _use_new_zipfile_serialization=False, **options)


def save_buffer(path: Path) -> None:
    """As Lightning does: the root is then called archive."""
    import torch

    buffer = io.BytesIO()
    torch.save(state(), buffer)
    path.write_bytes(buffer.getvalue())


def save_jit(path: Path) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(model()).save(str(path))


def save_export(path: Path) -> None:
    import torch

    torch.export.save(torch.export.export(model(), (question(),)), path)


def save_package(path: Path) -> None:

    from torch.package import PackageExporter

    with PackageExporter(path) as exporter:
        exporter.save_text("package", "text.txt", "hello")


def save_object(path: Path, value: object = None) -> None:
    import torch

    torch.save(state() if value is None else value, path)


def load(path: Path) -> object:
    """In each way that ``torch.load`` has."""
    import torch

    options: list[dict[str, bool]] = [{"weights_only": True}, {"weights_only": False}]
    if path.name != "legacy.pt":  # that cannot be mapped
        options.append({"mmap": True})
    found = [listed(torch.load(path, **each)) for each in options]
    found.append(listed(torch.load(io.BytesIO(path.read_bytes()))))
    assert all(each == found[0] for each in found)
    return found[0]


class TestTorch(WeightsContract, AdapterContract):
    adapter = ADAPTER
    hosts = {
        "model.pt": save_object,
        "empty.pth": lambda path: save_object(path, []),
        "buffer.ckpt": save_buffer,
        "legacy.pt": save_legacy,
        "jit.pt": save_jit,
        "export.pt2": save_export,
        "package.pt": save_package,
    }

    def loads(self, path: Path) -> object:
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.name == "jit.pt":
                one, two = torch.jit.load(str(path)), torch.jit.load(io.BytesIO(path.read_bytes()))
                assert torch.equal(one(question()), two(question()))
                return listed(one(question()))
            if path.name == "export.pt2":
                return listed(torch.export.load(path).module()(question()))
            if path.name == "package.pt":
                return torch.package.PackageImporter(path).load_text("package", "text.txt")
        return load(path)

    def large(self, path: Path, size: int) -> None:
        import torch

        save_object(path, torch.zeros(size, dtype=torch.uint8))


@pytest.mark.parametrize("save", [save_object, save_jit, save_export, save_package])
def test_listed_name(save: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / ("model.pt2" if save is save_export else "model.pt")
    save(path)
    with zipfile.ZipFile(path) as file:
        before = file.namelist()
    embed_file(ADAPTER, path, CONTAINER)
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == [*before, "model/.jelly/snapshot"]
        assert file.read("model/.jelly/snapshot") == CONTAINER
        assert file.testzip() is None


def test_repacked_with_zipfile(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_object(path)
    original = plans.embed(ADAPTER, path.read_bytes(), CONTAINER)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(original)) as old, zipfile.ZipFile(buffer, "w", method) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
        path.write_bytes(buffer.getvalue())
        assert plans.found_in(ADAPTER, path) == ("listed", CONTAINER, None)
        length = path.stat().st_size
        for _ in plans.embed_file(ADAPTER, path, OTHER):
            if method == zipfile.ZIP_STORED:
                load(path)
        assert plans.found_in(ADAPTER, path) == ("listed", OTHER, length)
        with zipfile.ZipFile(path) as file:
            assert [name for name in file.namelist() if "jelly" in name] == ["model/.jelly/snapshot"]
            assert file.read("model/.jelly/snapshot") == OTHER


# A tensor of bytes


def tensor(container: bytes) -> torch.Tensor:
    import torch

    return torch.frombuffer(bytearray(container), dtype=torch.uint8)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_tensor_of_bytes(tmp_path: Path, new: bool) -> None:
    import torch

    path = tmp_path / "model.pt"
    checkpoint = {"model": state(), "jellyformat": tensor(CONTAINER)}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=new)
    assert plans.found_in(ADAPTER, path) == ("tensor", CONTAINER, None)
    carried = ADAPTER.find(BytesSource(path.read_bytes()))
    assert carried is not None
    with pytest.raises(RefusedHost) as caught:
        ADAPTER.plan_strip(BytesSource(path.read_bytes()), carried)
    assert "save it again" in (caught.value.hint or "")
    # loaded and saved again, as training scripts do, it is still there
    torch.save(torch.load(path), path, _use_new_zipfile_serialization=new)
    assert plans.found_in(ADAPTER, path) == ("tensor", CONTAINER, None)
    # and one embedded beside it is the one that counts
    length = path.stat().st_size
    for _ in plans.embed_file(ADAPTER, path, OTHER):
        same(torch.load(path)["model"])
    assert plans.found_in(ADAPTER, path) == ("listed" if new else "trailer", OTHER, length)
    plans.strip_file(ADAPTER, path)
    assert plans.found_in(ADAPTER, path) == ("tensor", CONTAINER, None)


def test_two_different_tensors(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "model.pt"
    torch.save([tensor(CONTAINER), tensor(OTHER)], path)
    with pytest.raises(BadHost) as caught:
        plans.found_in(ADAPTER, path)
    assert caught.value.requirement == "JF-ZIP-003"
    torch.save([tensor(CONTAINER), tensor(CONTAINER)], path)
    assert plans.found_in(ADAPTER, path) == ("tensor", CONTAINER, None)


LEGACY_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


@pytest.mark.parametrize("distance", [-9, -8, -7, -1, 0, 1, -72, -100])
def test_legacy_search_across_chunks(distance: int) -> None:
    """The magic, the header and the manifest may lie across the border of two chunks."""
    before = LEGACY_START.ljust((2 << 20) + distance, b"\x89")
    data = before + CONTAINER + b"behind"
    found = ADAPTER.find(BytesSource(data))
    assert plans.described(found) == ("tensor", CONTAINER, None)


def test_legacy_search_takes_the_first_whose_digest_matches() -> None:
    wrong = CONTAINER[:40] + bytes(32) + CONTAINER[72:]
    data = LEGACY_START + b"\x89JELLY\r\n" + wrong + wrong[:90] + b"\x89JELLY\r\n" * 9 + SMALL + OTHER
    assert plans.described(ADAPTER.find(BytesSource(data))) == ("tensor", SMALL, None)
    assert ADAPTER.find(BytesSource(LEGACY_START + wrong)) is None
    assert ADAPTER.find(BytesSource(LEGACY_START + CONTAINER[:150])) is None
    cut = ADAPTER.find(BytesSource(LEGACY_START + CONTAINER[:-1]))
    assert plans.described(cut) == ("tensor", CONTAINER[:-1], None)  # reading it will say that it is truncated


def test_legacy_search_needs_all_of_the_manifest() -> None:
    head = CONTAINER[:16] + (500).to_bytes(8, "big") + CONTAINER[24:40]
    rest = bytes(499)
    data = LEGACY_START + head + hashlib.sha256(head + rest).digest() + rest
    assert ADAPTER.find(BytesSource(data)) is None
    assert ADAPTER.find(BytesSource(LEGACY_START + CONTAINER)) is not None


def test_legacy_search_ends() -> None:
    """Places that look like containers cannot make the search take forever."""
    fake = CONTAINER[:16] + (5000).to_bytes(8, "big") + CONTAINER[24:32] + (5072).to_bytes(8, "big") + bytes(32)
    assert ADAPTER.find(BytesSource(LEGACY_START + fake * 64 + bytes(5000))) is None
    with pytest.raises(CountLimit, match="full of what looks like snapshots"):
        ADAPTER.find(BytesSource(LEGACY_START + fake * 65 + bytes(5000)))


def test_legacy_search_keeps_one_chunk() -> None:
    class Chunks:
        size = 64 << 20
        largest = 0

        def read_at(self, offset: int, length: int) -> bytes:
            self.largest = max(self.largest, length)
            return bytes(min(length, self.size - offset)) if offset else LEGACY_START.ljust(length, b"\0")

    source = Chunks()
    assert ADAPTER.find(source) is None
    assert source.largest <= (1 << 20) + 7


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_legacy_protocols(tmp_path: Path, protocol: int) -> None:
    import torch

    path = tmp_path / "model.pt"
    save_legacy(path, pickle_protocol=protocol)
    original = path.read_bytes()
    assert ADAPTER.matches(BytesSource(original))
    for _ in plans.embed_file(ADAPTER, path, CONTAINER):
        if protocol > 0:  # torch does not load what it saves with protocol 0
            same(torch.load(path, weights_only=False))
    plans.strip_file(ADAPTER, path)
    assert path.read_bytes() == original


def test_legacy_strip_checks_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_legacy(path)
    length = path.stat().st_size
    data = path.read_bytes() + CONTAINER + locator(length, CONTAINER, 3)
    with pytest.raises(CorruptLocator):
        ADAPTER.find(BytesSource(data))


# By content alone


@pytest.mark.parametrize(
    "names",
    [
        ["data.pkl", "version", "byteorder"],
        ["r/version", "s/byteorder"],
        ["r/version"],
        ["r/byteorder"],
        ["s/x", "r/data.pkl"],
        ["r/a/data.pkl"],
        [],
    ],
)
def test_other_zips_are_not_torch(names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    assert not ADAPTER.matches(BytesSource(buffer.getvalue()))


@pytest.mark.parametrize(
    "names",
    [
        ["r/data.pkl"],
        ["r/x", "r/constants.pkl"],
        ["r/version", "r/x", "r/byteorder"],
        ["r/archive_format", "r/archive_version"],
        ["r/.data/version", "r/.data/serialization_id"],
    ],
)
def test_what_torch_leaves_in_a_zip(names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    data = buffer.getvalue()
    assert ADAPTER.matches(BytesSource(data))
    assert not ADAPTER.matches(BytesSource(data.replace(b"PK\x01\x02", b"PK\x01\x03")))


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x02.", pickle.dumps(0x1950A86A20F9469CFC6D), pickle.dumps({"a": 1}), b"PK\x03\x04" + bytes(50)]
)
def test_other_files_are_not_torch(data: bytes) -> None:
    assert not ADAPTER.matches(BytesSource(data))


def test_nothing_is_unpickled() -> None:
    """A pickle that would run code is host as any other."""
    evil = b"cbuiltins\nexec\n(Vraise SystemExit(3)\ntR."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("r/data.pkl", evil)
    for data in (buffer.getvalue(), LEGACY_START + evil):
        assert ADAPTER.matches(BytesSource(data))
        carrying = plans.embed(ADAPTER, data, CONTAINER)
        assert plans.strip(ADAPTER, carrying) == data


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError):
        _ = jellyformat_torch.nonsense


# Large


def test_large_file_with_holes(tmp_path: Path) -> None:
    """A file of over 4 GiB: loads after every step, memory-mapped, and is found again."""
    import torch
    from torch.serialization import skip_data

    path = tmp_path / "large.pt"
    with skip_data():
        torch.save({"big": torch.empty((4 << 30) + (1 << 20), dtype=torch.uint8), "small": torch.empty(3)}, path)
    length = path.stat().st_size
    assert length > 4 << 30
    with open(path, "r+b") as file:
        plan = ADAPTER.plan_embed(FileSource.of(file.fileno()), CONTAINER)
        for offset, data in plan.writes:
            assert offset >= length
            os.pwrite(file.fileno(), data, offset)
            assert torch.load(path, mmap=True)["big"].shape == ((4 << 30) + (1 << 20),)
        os.ftruncate(file.fileno(), plan.length)
    assert torch.load(path, mmap=True)["small"].shape == (3,)
    assert plans.found_in(ADAPTER, path) == ("listed", CONTAINER, length)
    with zipfile.ZipFile(path) as opened:
        assert opened.read("large/.jelly/snapshot") == CONTAINER
    with open(path, "rb") as file:
        source = FileSource.of(file.fileno())
        carried = ADAPTER.find(source)
        assert carried is not None
        assert ADAPTER.plan_strip(source, carried).length == length


# The save calls


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The capture without a repository; the options it was called with."""
    calls: list[dict[str, object]] = []

    def snapshot(**options: object) -> Snapshot:
        calls.append(options)
        return Snapshot(CONTAINER)

    monkeypatch.setattr(training, "take", snapshot)
    monkeypatch.setattr(training, "mark", lambda snap, *_, **__: snap)  # its manifest is noise
    return calls


@pytest.mark.parametrize(
    ("into", "new"),
    [("path", True), ("str", True), ("stream", True), ("buffer", True), ("path", False), ("str", False)],
)
def test_save(fakes: list[dict[str, object]], tmp_path: Path, into: str, new: bool) -> None:
    import torch

    path = tmp_path / "model.pt"
    held = state()
    if into == "stream":
        with open(path, "wb") as stream:
            jellyformat_torch.save(held, stream, _use_new_zipfile_serialization=new)
    elif into == "buffer":
        buffer = io.BytesIO()
        jellyformat_torch.save(held, buffer, _use_new_zipfile_serialization=new)
        path.write_bytes(buffer.getvalue())
    else:
        jellyformat_torch.save(held, path if into == "path" else str(path), _use_new_zipfile_serialization=new)
    assert len(fakes) == 1
    same(torch.load(path))
    found = plans.found_in(ADAPTER, path)
    assert found is not None
    assert found[:2] == ("listed" if new else "trailer", CONTAINER)
    assert plans.names_in(tmp_path) == ["model.pt"]
    plain = tmp_path / "plain" / "model.pt"
    plain.parent.mkdir()
    torch.save(held, plain, _use_new_zipfile_serialization=new)
    plans.strip_file(ADAPTER, path)
    assert path.stat().st_size == found[2]
    if new and into in ("path", "str"):
        with zipfile.ZipFile(path) as file:
            assert file.namelist()[0].startswith("model/")  # the root torch gives it for this path


def test_save_a_given_snapshot(fakes: list[dict[str, object]], tmp_path: Path) -> None:
    jellyformat_torch.save([], tmp_path / "a.pt", snapshot=Snapshot(OTHER))
    assert fakes == []
    found = plans.found_in(ADAPTER, tmp_path / "a.pt")
    assert found is not None
    assert found[1] == OTHER


def test_failed_save_leaves_what_was(
    fakes: list[dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"as it was")

    def fails(*args: object, **options: object) -> None:
        assert path.read_bytes() == b"as it was"
        raise RefusedHost("no")

    with pytest.raises((AttributeError, pickle.PicklingError)):
        jellyformat_torch.save(lambda: None, path)
    monkeypatch.setattr(snapshots, "embed", fails)
    with pytest.raises(RefusedHost):
        jellyformat_torch.save([1], path, strict=True)
    monkeypatch.setattr(training, "take", fails)
    with pytest.raises(RefusedHost):
        jellyformat_torch.save([1], path, strict=True)
    assert path.read_bytes() == b"as it was"
    assert plans.names_in(tmp_path) == ["model.pt"]


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links")
def test_save_keeps_mode_and_link(fakes: list[dict[str, object]], tmp_path: Path) -> None:
    import torch

    target = tmp_path / "there" / "real.pt"
    target.parent.mkdir()
    target.write_bytes(b"old")
    target.chmod(0o640)
    link = tmp_path / "link.pt"
    link.symlink_to(target)
    jellyformat_torch.save([], link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert torch.load(target) == []
    jellyformat_torch.save([], tmp_path / "new.pt")
    torch.save([], tmp_path / "plain.pt")
    assert (tmp_path / "new.pt").stat().st_mode == (tmp_path / "plain.pt").stat().st_mode


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no such device")
def test_save_to_a_device(fakes: list[dict[str, object]]) -> None:
    jellyformat_torch.save([], os.devnull)
    assert not Path(os.devnull).is_file()


def test_create_snapshot(fakes: list[dict[str, object]], tmp_path: Path) -> None:
    import torch

    made = jellyformat_torch.create_snapshot(repo=".", history="full")
    assert fakes == [{"strict": False, "ranks": None, "repo": ".", "history": "full"}]
    assert list(made) == ["jellyformat"]
    assert made["jellyformat"].dtype == torch.uint8
    assert bytes(made["jellyformat"].tolist()) == CONTAINER
    path = tmp_path / "model.pt"
    torch.save({"model": state(), **jellyformat_torch.create_jelly_filling()}, path)
    assert plans.found_in(ADAPTER, path) == ("tensor", CONTAINER, None)
    same(torch.load(path)["model"])
    assert jellyformat_torch.create_jelly_filling is jellyformat_torch.create_snapshot


def test_save_what_was_loaded_with_a_tensor(fakes: list[dict[str, object]], tmp_path: Path) -> None:
    """An old snapshot that came along in the object is no reason to refuse; the new one is what the file says."""
    import torch

    path = tmp_path / "model.pt"
    jellyformat_torch.save({"jellyformat": tensor(OTHER)}, path)
    found = plans.found_in(ADAPTER, path)
    assert found is not None
    assert found[:2] == ("listed", CONTAINER)
    assert torch.equal(torch.load(path)["jellyformat"], tensor(OTHER))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "code"
    path.mkdir()
    pygit2.init_repository(str(path))
    (path / "train.py").write_text("print('training')\n")
    return path


def test_whole_way(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real repository, saved from inside it, read back, verified, and stripped."""
    import torch

    monkeypatch.chdir(repository)
    for name, write in {
        "listed.pt": lambda path: jellyformat_torch.save(state(), path),
        "legacy.pt": lambda path: jellyformat_torch.save(state(), path, _use_new_zipfile_serialization=False),
        "tensor.pt": lambda path: torch.save({"model": state(), **jellyformat_torch.create_snapshot()}, path),
    }.items():
        path = tmp_path / name
        write(path)  # type: ignore[no-untyped-call]
        report = jellyformat.verify(path)
        assert report.ok, report
        with jellyformat.open(path) as box:
            assert box.read("train.py") == (repository / "train.py").read_bytes()
        loaded = torch.load(path)
        same(loaded["model"] if name == "tensor.pt" else loaded)
        if name == "tensor.pt":
            with pytest.raises(RefusedHost):
                jellyformat.strip(path)
        else:
            jellyformat.strip(path)
            same(torch.load(path))
            assert plans.found_in(ADAPTER, path) is None


# Properties


@settings(max_examples=200)
@given(
    number=st.integers(0, 2),
    changes=st.lists(st.tuples(st.integers(1, 1500), st.integers(0, 255)), max_size=6),
    length=st.none() | st.integers(0, 6000),
)
def test_damage(number: int, changes: list[tuple[int, int]], length: int | None) -> None:
    broken = bytearray(damaged_hosts()[number])
    for place, value in changes:
        broken[-min(place, len(broken))] = value
    plans.only_jelly_errors(ADAPTER, bytes(broken[:length]))


def damaged_hosts() -> list[bytes]:
    import torch

    if not _DAMAGED:
        for new in (True, False):
            buffer = io.BytesIO()
            torch.save({"a": 1, "jellyformat": tensor(SMALL)}, buffer, _use_new_zipfile_serialization=new)
            _DAMAGED.append(buffer.getvalue())
        _DAMAGED.append(plans.embed(ADAPTER, _DAMAGED[0], SMALL))
    return _DAMAGED


_DAMAGED: list[bytes] = []


@given(data=st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    for begin in (LEGACY_START, LEGACY_START + CONTAINER[:40], b"PK\x03\x04"):
        plans.only_jelly_errors(ADAPTER, begin + data)
