"""Tests of jellyformat_torch with files that torch itself writes and loads (SPEC 14.2, 14.3)."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jellyformat_torch
import plans
import pygit2
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jellyformat_numpy import ADAPTER as NPZ
from jellyformat_torch import ADAPTER, _legacy
from jellyformat_zip import ADAPTER as ZIP

import jellyformat
from jellyformat import limits, snapshots, training
from jellyformat.errors import BadHost, CorruptLocator, RefusedHost
from jellyformat.snapshots import Snapshot
from jellyformat.source import BytesSource, FileSource, read_all

CONTAINER = plans.make_container()
OTHER = plans.make_container(100_000, 1)
SMALL = plans.make_container(200, 2)


class Model(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layer(x)
        return result


MODEL = Model()
INPUT = torch.arange(6.0).reshape(2, 3)


def same(state: dict[str, torch.Tensor]) -> None:
    expected = MODEL.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    Model().load_state_dict(state, strict=True)


def save_zip(path: Path) -> None:
    torch.save(MODEL.state_dict(), path)


def load_zip(path: Path) -> None:
    for options in ({"weights_only": True}, {"weights_only": False}, {"mmap": True}):
        same(torch.load(path, **options))
    same(torch.load(io.BytesIO(path.read_bytes())))


def save_empty(path: Path) -> None:
    torch.save([], path)


def load_empty(path: Path) -> None:
    assert torch.load(path) == []


def save_buffer(path: Path) -> None:
    """As Lightning does: the root is then called archive."""
    buffer = io.BytesIO()
    torch.save(MODEL.state_dict(), buffer)
    path.write_bytes(buffer.getvalue())


def save_legacy(path: Path) -> None:
    torch.save(MODEL.state_dict(), path, _use_new_zipfile_serialization=False)


def load_legacy(path: Path) -> None:
    for weights_only in (True, False):
        same(torch.load(path, weights_only=weights_only))
    same(torch.load(io.BytesIO(path.read_bytes())))


def save_jit(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(MODEL).save(str(path))


def load_jit(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(torch.jit.load(str(path))(INPUT), MODEL(INPUT))
        assert torch.equal(torch.jit.load(io.BytesIO(path.read_bytes()))(INPUT), MODEL(INPUT))


EXPORTED: list[Any] = []


def save_export(path: Path) -> None:
    if not EXPORTED:
        EXPORTED.append(torch.export.export(MODEL, (INPUT,)))
    torch.export.save(EXPORTED[0], path)


def load_export(path: Path) -> None:
    assert torch.equal(torch.export.load(path).module()(INPUT), MODEL(INPUT))


def save_package(path: Path) -> None:
    from torch.package import PackageExporter

    with PackageExporter(path) as exporter:
        exporter.save_text("package", "text.txt", "hello")


def load_package(path: Path) -> None:
    from torch.package import PackageImporter

    assert PackageImporter(path).load_text("package", "text.txt") == "hello"


@dataclass(frozen=True)
class Kind:
    save: Callable[[Path], None]
    load: Callable[[Path], None]
    suffix: str
    form: str = "listed"


KINDS = {
    "zip": Kind(save_zip, load_zip, ".pt"),
    "empty": Kind(save_empty, load_empty, ".pth"),
    "buffer": Kind(save_buffer, load_zip, ".ckpt"),
    "legacy": Kind(save_legacy, load_legacy, ".pt", "trailer"),
    "jit": Kind(save_jit, load_jit, ".pt"),
    "export": Kind(save_export, load_export, ".pt2"),
    "package": Kind(save_package, load_package, ".pt"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def host(kind: Kind, tmp_path: Path) -> Path:
    path = tmp_path / f"model{kind.suffix}"
    kind.save(path)
    return path


def test_every_step_loads(kind: Kind, host: Path) -> None:
    """Embed, replace by larger and smaller, strip: at every write the file loads, and its own bytes come back."""
    original = host.read_bytes()
    kind.load(host)
    assert plans.found_in(ADAPTER, host) is None
    for container in (CONTAINER, OTHER, SMALL, CONTAINER):
        done = []
        for step in plans.embed_file(ADAPTER, host, container):
            done.append(step)
            kind.load(host)
        assert len(done) == (3 if kind.form == "trailer" else 4)
        assert ADAPTER.matches(BytesSource(host.read_bytes()))
        assert plans.found_in(ADAPTER, host) == (kind.form, container, len(original))
    plans.strip_file(ADAPTER, host)
    assert host.read_bytes() == original


def test_who_claims_it(host: Path) -> None:
    source = BytesSource(host.read_bytes())
    assert ADAPTER.matches(source)
    assert not NPZ.matches(source)
    assert ADAPTER.priority > NPZ.priority > ZIP.priority


@pytest.mark.parametrize("name", ["zip", "jit", "export", "package"])
def test_listed_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{KINDS[name].suffix}"
    KINDS[name].save(path)
    with zipfile.ZipFile(path) as file:
        before = file.namelist()
    plans.carry_out(path, ADAPTER.plan_embed(BytesSource(path.read_bytes()), CONTAINER))
    with zipfile.ZipFile(path) as file:
        assert file.namelist() == [*before, "model/.jelly/snapshot"]
        assert file.read("model/.jelly/snapshot") == CONTAINER
        assert file.testzip() is None


def test_flipped_bits_in_locator(kind: Kind, host: Path) -> None:
    data = plans.embed(ADAPTER, host.read_bytes(), CONTAINER)
    length, magic = (64, 8) if kind.form == "trailer" else (128, 16)
    for bit in range(length * 8):
        broken = bytearray(data)
        broken[len(data) - length + bit // 8] ^= 1 << bit % 8
        if bit // 8 < length - magic:
            with pytest.raises(CorruptLocator):
                ADAPTER.find(BytesSource(bytes(broken)))
        else:
            found = ADAPTER.find(BytesSource(bytes(broken)))
            assert found is not None
            assert found.host_length is None
            assert read_all(found.container) == CONTAINER


def test_repacked_with_zipfile(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_zip(path)
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
                load_zip(path)
        assert plans.found_in(ADAPTER, path) == ("listed", OTHER, length)
        with zipfile.ZipFile(path) as file:
            assert [name for name in file.namelist() if "jelly" in name] == ["model/.jelly/snapshot"]
            assert file.read("model/.jelly/snapshot") == OTHER


# A tensor of bytes


def tensor(container: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(container), dtype=torch.uint8)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_tensor_of_bytes(tmp_path: Path, new: bool) -> None:
    path = tmp_path / "model.pt"
    checkpoint = {"model": MODEL.state_dict(), "jellyformat": tensor(CONTAINER)}
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


def test_legacy_search_needs_all_of_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    head = CONTAINER[:16] + (500).to_bytes(8, "big") + CONTAINER[24:40]
    rest = bytes(499)
    data = LEGACY_START + head + hashlib.sha256(head + rest).digest() + rest
    assert ADAPTER.find(BytesSource(data)) is None
    data = LEGACY_START + CONTAINER
    monkeypatch.setattr(limits, "MANIFEST_LENGTH", 100)
    assert ADAPTER.find(BytesSource(data)) is not None
    monkeypatch.setattr(limits, "MANIFEST_LENGTH", 99)
    assert ADAPTER.find(BytesSource(data)) is None


def test_legacy_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places that look like containers cannot make the search take forever."""
    fake = CONTAINER[:16] + (5000).to_bytes(8, "big") + CONTAINER[24:40] + bytes(32)
    data = LEGACY_START + fake * 1000 + bytes(5000)
    assert ADAPTER.find(BytesSource(data)) is None
    monkeypatch.setattr(_legacy, "_HASH_LIMIT", 1_000_000)
    with pytest.raises(BadHost):
        ADAPTER.find(BytesSource(data))


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
    path = tmp_path / "model.pt"
    torch.save(MODEL.state_dict(), path, _use_new_zipfile_serialization=False, pickle_protocol=protocol)
    original = path.read_bytes()
    assert ADAPTER.matches(BytesSource(original))
    for _ in plans.embed_file(ADAPTER, path, CONTAINER):
        if protocol > 0:  # torch does not load what it saves with protocol 0
            same(torch.load(path, weights_only=False))
    plans.strip_file(ADAPTER, path)
    assert path.read_bytes() == original


def test_legacy_strip_checks_what_is_left(tmp_path: Path) -> None:
    from jellyformat.host import locator

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


def test_no_framework_needed() -> None:
    """Importing the adapters imports neither torch nor numpy."""
    code = (
        "import sys, jellyformat_torch, jellyformat_numpy, jellyformat_zip; jellyformat_torch.ADAPTER; "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError):
        _ = jellyformat_torch.nonsense


# Large


def test_large_file_with_holes(tmp_path: Path) -> None:
    """A file of over 4 GiB: loads after every step, memory-mapped, and is found again."""
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


def test_many_tensors(tmp_path: Path) -> None:
    path = tmp_path / "many.pt"
    torch.save([torch.tensor(number) for number in range(65_600)], path)
    original = path.read_bytes()
    for _ in plans.embed_file(ADAPTER, path, CONTAINER):
        pass
    assert len(torch.load(path)) == 65_600
    assert plans.found_in(ADAPTER, path) == ("listed", CONTAINER, len(original))
    plans.strip_file(ADAPTER, path)
    assert path.read_bytes() == original


# The save calls


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The capture without a repository; the options it was called with."""
    calls: list[dict[str, object]] = []

    def snapshot(**options: object) -> Snapshot:
        calls.append(options)
        return Snapshot(CONTAINER)

    monkeypatch.setattr(training, "take", snapshot)
    return calls


@pytest.mark.parametrize(
    ("into", "new"),
    [("path", True), ("str", True), ("stream", True), ("buffer", True), ("path", False), ("str", False)],
)
def test_save(fakes: list[dict[str, object]], tmp_path: Path, into: str, new: bool) -> None:
    path = tmp_path / "model.pt"
    state = MODEL.state_dict()
    if into == "stream":
        with open(path, "wb") as stream:
            jellyformat_torch.save(state, stream, _use_new_zipfile_serialization=new)
    elif into == "buffer":
        buffer = io.BytesIO()
        jellyformat_torch.save(state, buffer, _use_new_zipfile_serialization=new)
        path.write_bytes(buffer.getvalue())
    else:
        jellyformat_torch.save(state, path if into == "path" else str(path), _use_new_zipfile_serialization=new)
    assert len(fakes) == 1
    same(torch.load(path))
    found = plans.found_in(ADAPTER, path)
    assert found is not None
    assert found[:2] == ("listed" if new else "trailer", CONTAINER)
    assert plans.names_in(tmp_path) == ["model.pt"]
    plain = tmp_path / "plain" / "model.pt"
    plain.parent.mkdir()
    torch.save(state, plain, _use_new_zipfile_serialization=new)
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
    made = jellyformat_torch.create_snapshot(repo=".", history="full")
    assert fakes == [{"strict": False, "ranks": None, "repo": ".", "history": "full"}]
    assert list(made) == ["jellyformat"]
    assert made["jellyformat"].dtype == torch.uint8
    assert bytes(made["jellyformat"].tolist()) == CONTAINER
    path = tmp_path / "model.pt"
    torch.save({"model": MODEL.state_dict(), **jellyformat_torch.create_jelly_filling()}, path)
    assert plans.found_in(ADAPTER, path) == ("tensor", CONTAINER, None)
    same(torch.load(path)["model"])
    assert jellyformat_torch.create_jelly_filling is jellyformat_torch.create_snapshot


def test_save_what_was_loaded_with_a_tensor(fakes: list[dict[str, object]], tmp_path: Path) -> None:
    """An old snapshot that came along in the object is no reason to refuse; the new one is what the file says."""
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
    monkeypatch.chdir(repository)
    for name, write in {
        "listed.pt": lambda path: jellyformat_torch.save(MODEL.state_dict(), path),
        "legacy.pt": lambda path: jellyformat_torch.save(
            MODEL.state_dict(), path, _use_new_zipfile_serialization=False
        ),
        "tensor.pt": lambda path: torch.save(
            {"model": MODEL.state_dict(), **jellyformat_torch.create_snapshot()}, path
        ),
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
