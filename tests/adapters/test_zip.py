"""Tests of jellyformat_zip: the records of a zip, finding a container, plans (SPEC JF-ZIP)."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import plans
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jellyformat_zip import ADAPTER, ZipAdapter, _find, _records

from jellyformat.adapter import (
    BadHost,
    BytesSource,
    CorruptLocator,
    FileSource,
    JellyError,
    RefusedHost,
    Source,
    Window,
    locator,
    read_all,
)
from jellyformat.testing import AdapterContract, WeightsContract

CONTAINER = plans.make_container()
LISTING = ZipAdapter(listed=True)
NAME = ".jelly/snapshot"
LONGEST_ROOT = (f"{'r' * 65_520}/x",)
"""Which leaves no room for the name of an entry."""


def make_zip(
    names: tuple[str, ...] = ("a/one", "a/two"), comment: bytes = b"", method: int = zipfile.ZIP_STORED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name in names:
            file.writestr(name, name * 10)
        file.comment = comment
    return buffer.getvalue()


def put(data: bytes, offset: int, part: bytes) -> bytes:
    return data[:offset] + part + data[offset + len(part) :]


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


class Unseekable(io.RawIOBase):
    """Makes zipfile write data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def streamed_zip(entries: dict[str, bytes], method: int, force_zip64: bool) -> bytes:
    raw = Unseekable()
    with zipfile.ZipFile(raw, "w", method) as file:
        for name, value in entries.items():
            with file.open(name, "w", force_zip64=force_zip64) as entry:
                entry.write(value)
    return bytes(raw.data)


def with_zip64_end(data: bytes, extension: bytes = b"") -> bytes:
    """The zip with zip64 end records though it needs none, as torch writes them."""
    end = _records.read_end_record(BytesSource(data))
    archive = _records.read_archive(BytesSource(data))
    zip64 = _records.Zip64(0x031E, 45, extension)
    records = _records.format_end(_records.Archive(archive.entries, *sizes(archive), archive.comment, zip64))
    return data[: end.offset] + records


def sizes(archive: _records.Archive) -> tuple[int, int]:
    return archive.directory_offset, archive.directory_size


class TestZip(WeightsContract, AdapterContract):
    adapter = ADAPTER
    hosts = {
        "plain.zip": make_zip(),
        "comment.zip": make_zip(comment=b"a comment"),
        "longest-comment.zip": make_zip(comment=b"x" * (65_535 - 128)),
        "deflated.zip": make_zip(method=zipfile.ZIP_DEFLATED),
        "zip64.zip": with_zip64_end(make_zip()),
        "zip64-comment.zip": with_zip64_end(make_zip(comment=b"both")),
        "no-root.zip": make_zip(names=("no root",)),
        "longest-root.zip": make_zip(names=LONGEST_ROOT),
        "empty.zip": make_zip(names=()),
        "streamed.zip": streamed_zip({"a/b": b"1234" * 50}, zipfile.ZIP_DEFLATED, True),
    }

    def loads(self, path: Path) -> object:
        with zipfile.ZipFile(path) as file:
            comment = file.comment
        if len(comment) >= 128 and comment.endswith(_find._HEX_END):
            comment = comment[:-128]
        found = contents(path.read_bytes())
        found.pop("a/" + NAME, None)
        return found, comment, with_zip64(path)

    def large(self, path: Path, size: int) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a/data", bytes(size))


class TestListed(TestZip):
    """As torch's files carry it: each test of the above, too."""

    adapter = ZipAdapter(name="listed", listed=True)


def with_zip64(path: Path) -> object:
    return _records.read_archive(BytesSource(path.read_bytes())).zip64


@pytest.mark.parametrize(
    "names", [("a/one",), ("no root",), (), LONGEST_ROOT], ids=["root", "no root", "empty", "longest root"]
)
def test_forms(names: tuple[str, ...]) -> None:
    """Listed where there is a root to list it in, and where it is to be listed at all."""
    data = make_zip(names)
    for adapter in (ADAPTER, LISTING):
        carrying = plans.embed(adapter, data, CONTAINER)
        listed = adapter.listed and names == ("a/one",)
        form = "listed" if listed else "unlisted"
        assert plans.described(adapter.find(BytesSource(carrying))) == (form, CONTAINER, len(data))
        assert contents(carrying) == contents(data) | ({"a/" + NAME: CONTAINER} if listed else {})


def test_plan_writes_in_order() -> None:
    """Staged copy beyond everything, container, final directory: and no write over the host or over what is staged."""
    data = make_zip()
    plan = ADAPTER.plan_embed(BytesSource(data), CONTAINER)
    (far, staged), (first, container), (last, final) = plan.writes
    assert (first, container, plan.keep) == (len(data), CONTAINER, len(data))
    assert last == first + len(container)
    assert plan.length == last + len(final) == far
    assert _records.read_archive(Window(BytesSource(bytes(far) + staged), 0, far + len(staged))).directory_offset == far


def test_extensible_data_is_kept() -> None:
    """Which zipfile does not read."""
    data = with_zip64_end(make_zip(), b"extension")
    carrying = plans.embed(LISTING, data, CONTAINER)
    zip64 = _records.read_archive(BytesSource(carrying)).zip64
    assert zip64 == _records.Zip64(0x031E, 45, b"extension")
    assert plans.strip(LISTING, carrying) == data


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip here")
@pytest.mark.parametrize("adapter", [ADAPTER, LISTING], ids=["unlisted", "listed"])
def test_unzip_is_content(tmp_path: Path, adapter: ZipAdapter) -> None:
    path = tmp_path / "host.zip"
    path.write_bytes(make_zip())
    for _ in plans.embed_file(adapter, path, CONTAINER):
        pass
    done = subprocess.run(["unzip", "-t", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_flipped_bits_in_locator_are_noticed() -> None:
    """Under the digits: an error. In the end magic no locator is left, so nothing claims to know the host's length."""
    for adapter in (ADAPTER, LISTING):
        data = plans.embed(adapter, make_zip(), CONTAINER)
        begin = len(data) - 128
        for bit in range(128 * 8):
            broken = bytearray(data)
            broken[begin + bit // 8] ^= 1 << bit % 8
            if bit // 8 < 112:
                with pytest.raises(CorruptLocator):
                    adapter.find(BytesSource(bytes(broken)))
                with pytest.raises(CorruptLocator):
                    adapter.plan_embed(BytesSource(bytes(broken)), CONTAINER)
            else:
                found = plans.described(adapter.find(BytesSource(bytes(broken))))
                assert found == (("listed", CONTAINER, None) if adapter.listed else None)


def test_locator_without_its_beginning() -> None:
    with pytest.raises(CorruptLocator):
        ADAPTER.find(BytesSource(make_zip(comment=b"0a0d594c4c454a89")))


def test_locator_needs_no_directory() -> None:
    """The container is found by two small reads, and where the directory is damaged too."""
    data = plans.embed(ADAPTER, make_zip(), CONTAINER)
    end = _records.read_end_record(BytesSource(data))
    broken = put(data, end.directory_offset, bytes(20))
    assert plans.described(ADAPTER.find(BytesSource(broken))) == ("unlisted", CONTAINER, len(make_zip()))


def test_strip_checks_what_is_left() -> None:
    """A crafted locator must not make strip destroy the file."""
    data = make_zip()
    carrying = plans.embed(ADAPTER, data, CONTAINER)
    offset = carrying.index(CONTAINER)
    for host_length in (0, 10, len(data) - 1):
        lie = locator(offset, CONTAINER, host_length).hex().encode()
        crafted = carrying[:-128] + lie
        carried = ADAPTER.find(BytesSource(crafted))
        assert carried is not None
        with pytest.raises(BadHost):
            ADAPTER.plan_strip(BytesSource(crafted), carried)
        with pytest.raises(BadHost):
            ADAPTER.plan_embed(BytesSource(crafted), CONTAINER)


# A tool has repacked the file


def repacked(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, value in entries.items():
            file.writestr(name, value)
    return buffer.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("name", ["r/.jelly/snapshot", ".jelly/snapshot", "r/s/.jelly/snapshot"])
def test_repacked(name: str, method: int) -> None:
    big = CONTAINER[:72] + bytes(3 << 20)  # compresses well: more than a megabyte comes out of one read
    for container in (CONTAINER, big):
        data = repacked({"r/x": b"1", name: container, "r/y": b"2"}, method)
        assert plans.described(ADAPTER.find(BytesSource(data))) == ("listed", container, None)


def test_deflated_in_a_file_when_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_find, "_IN_MEMORY", 1000)
    data = repacked({"r/" + NAME: CONTAINER}, zipfile.ZIP_DEFLATED)
    assert plans.described(ADAPTER.find(BytesSource(data))) == ("listed", CONTAINER, None)


@pytest.mark.parametrize("form", ["listed", "tensor"])
def test_strip_refuses_what_cannot_be_cut(form: str) -> None:
    name = "r/" + NAME if form == "listed" else "r/data/0"
    data = repacked({"r/x": b"1", name: CONTAINER})
    carried = ADAPTER.find(BytesSource(data))
    assert carried is not None
    assert carried.form == form
    with pytest.raises(RefusedHost) as caught:
        ADAPTER.plan_strip(BytesSource(data), carried)
    assert caught.value.hint


def test_embed_into_repacked_leaves_one() -> None:
    data = repacked({"r/x": b"1", "r/" + NAME: CONTAINER, "r/y": b"2"})
    other = plans.make_container(3000, 7)
    for adapter in (LISTING, ADAPTER):
        carrying = plans.embed(adapter, data, other)
        form = "listed" if adapter.listed else "unlisted"
        assert plans.described(adapter.find(BytesSource(carrying))) == (form, other, len(data))
        names = {"r/x", "r/y"} | ({"r/" + NAME} if adapter.listed else set())
        assert set(contents(carrying)) == names
        assert contents(carrying).get("r/" + NAME, other) == other
        again = repacked(contents(carrying))
        assert plans.described(adapter.find(BytesSource(again))) == (
            ("listed", other, None) if adapter.listed else None
        )
        assert plans.strip(adapter, carrying) == data


def test_two_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_find, "CHUNK", len(CONTAINER))  # so that one byte more lies in no chunk of the first
    other = plans.make_container(5000, 9)
    late = CONTAINER[:-1] + bytes([CONTAINER[-1] ^ 1])
    for names in (("r/" + NAME, NAME), ("r/data/0", "r/data/17")):
        for second in (other, late, CONTAINER[:-1], CONTAINER + b"1"):
            if second == CONTAINER + b"1" and names[1] != NAME:
                continue  # a tensor may be longer than its container
            with pytest.raises(BadHost) as caught:
                ADAPTER.find(BytesSource(repacked({"r/x": b"", names[0]: CONTAINER, names[1]: second})))
            assert caught.value.requirement == "JF-ZIP-003"
        same = ADAPTER.find(BytesSource(repacked({"r/x": b"", names[0]: CONTAINER, names[1]: CONTAINER})))
        assert same is not None
        assert read_all(same.container) == CONTAINER


def test_name_comes_before_tensor() -> None:
    data = repacked({"r/data/0": plans.make_container(400, 3), "r/" + NAME: CONTAINER})
    assert plans.described(ADAPTER.find(BytesSource(data))) == ("listed", CONTAINER, None)


def test_tensor_is_as_long_as_its_container() -> None:
    data = repacked({"r/x": b"1", "r/data/12": CONTAINER + b"more", "r/data/3": b"short"})
    assert plans.described(ADAPTER.find(BytesSource(data))) == ("tensor", CONTAINER, None)


@pytest.mark.parametrize("name", ["q/data/0", "r/data/0a", "r/data/", "r/x/data/0", "data/0", "r/data/0/", "r/data/-1"])
def test_no_tensor_by_another_name(name: str) -> None:
    assert ADAPTER.find(BytesSource(repacked({"r/x": b"1", name: CONTAINER}))) is None


def test_compressed_tensor_is_none() -> None:
    assert ADAPTER.find(BytesSource(repacked({"r/data/0": CONTAINER}, zipfile.ZIP_DEFLATED))) is None


@pytest.mark.parametrize(("place", "value"), [(6, b"\1"), (8, b"\x08")], ids=["encrypted", "deflated"])
def test_tensor_that_is_not_bare(place: int, value: bytes) -> None:
    """What lies there begins as a container, but the zip says that it is encrypted or compressed."""
    data = repacked({"r/data/0": CONTAINER})
    assert ADAPTER.find(BytesSource(data)) is not None
    data = put(put(data, place, value), directory_field(data, place + 2), value)
    assert ADAPTER.find(BytesSource(data)) is None


@pytest.mark.parametrize("root", ["ascii", "größe"])
def test_root_keeps_its_encoding(root: str) -> None:
    carrying = plans.embed(LISTING, make_zip((f"{root}/x",)), CONTAINER)
    assert list(contents(carrying)) == [f"{root}/x", f"{root}/{NAME}"]


# What is broken


def directory_field(data: bytes, place: int) -> int:
    """The offset of byte ``place`` of the last directory entry."""
    return data.rindex(b"PK\x01\x02") + place


def listed_zip(method: int = zipfile.ZIP_STORED) -> bytes:
    return repacked({"r/" + NAME: CONTAINER}, method)


ZIP64 = with_zip64_end(make_zip())


@pytest.mark.parametrize(
    ("make", "requirement"),
    [
        (lambda d: d[:-1], "JF-ZIP-001"),
        (lambda d: d[:-22], "JF-ZIP-001"),
        (lambda d: d[:4], "JF-ZIP-001"),
        (lambda d: b"", "JF-ZIP-001"),
        (lambda d: d + b"\0", "JF-ZIP-001"),
        (lambda d: put(d, len(d) - 18, b"\1"), "JF-ZIP-001"),
        (lambda d: put(d, len(d) - 16, b"\1"), "JF-ZIP-001"),
        (lambda d: put(d, len(d) - 14, b"\2"), "JF-ZIP-001"),
        (lambda d: put(d, len(d) - 14, b"\2\0\2\0"), "JF-ZIP-001"),
        (lambda d: put(d, len(d) - 14, b"\0\0\0\0"), "JF-ZIP-001"),
        (lambda d: put(d, len(d) - 12, b"\2"), "JF-ZIP-001"),
        (lambda d: put(d, len(d) - 10, b"\xff\xff"), "JF-ZIP-001"),
        (lambda d: put(d, len(d) - 6, b"\1"), "JF-ZIP-001"),
        (lambda d: put(d, directory_field(d, 0), b"X"), "JF-ZIP-001"),
        (lambda d: put(d, directory_field(d, 28), b"\xff"), "JF-ZIP-001"),
        (lambda d: put(d, directory_field(d, 32), b"\1"), "JF-ZIP-001"),
        (lambda d: put(d, directory_field(d, 42), b"\1"), "JF-ZIP-002"),
        (lambda d: put(d, directory_field(d, 42), b"\xf0\xff\xff\xff"), "JF-ZIP-001"),
        (lambda d: put(d, directory_field(d, 10), b"\x08"), "JF-ZIP-002"),
        (lambda d: put(d, directory_field(d, 10), b"\x0c"), "JF-ZIP-001"),
        (lambda d: put(d, directory_field(d, 8), b"\1"), "JF-ZIP-001"),
        (lambda d: put(d, directory_field(d, 24), b"\1\1"), "JF-ZIP-002"),
        (lambda d: put(put(d, directory_field(d, 24), b"\1\1"), 22, b"\1\1"), "JF-ZIP-002"),
        (lambda d: put(d, 0, b"X"), "JF-ZIP-002"),
        (lambda d: put(d, 8, b"\x08"), "JF-ZIP-002"),
        (lambda d: put(d, 18, b"\0"), "JF-ZIP-002"),
        (lambda d: put(d, 22, b"\0"), "JF-ZIP-002"),
        (lambda d: put(d, 26, b"\xff\xff"), "JF-ZIP-001"),
        (lambda d: put(d, 30, b"q"), "JF-ZIP-002"),
        (lambda d: put(d, 28, b"\xff\x10"), "JF-ZIP-001"),
    ],
)
def test_broken_zip(make: Callable[[bytes], bytes], requirement: str) -> None:
    data = make(listed_zip())
    with pytest.raises(BadHost) as caught:
        ADAPTER.find(BytesSource(data))
    assert caught.value.requirement == requirement


@pytest.mark.parametrize(
    "make",
    [
        lambda d: put(d, len(d) - 42 + 4, b"\1"),
        lambda d: put(d, len(d) - 42 + 16, b"\2"),
        lambda d: put(d, len(d) - 42 + 8, b"\xff"),
        lambda d: put(d, len(d) - 42 + 15, b"\xff"),
        lambda d: put(d, len(d) - 98, b"X"),
        lambda d: put(d, len(d) - 98 + 4, b"\x2b"),
        lambda d: put(d, len(d) - 98 + 11, b"\xff"),
        lambda d: put(d, len(d) - 98 + 16, b"\1"),
        lambda d: put(d, len(d) - 98 + 20, b"\1"),
        lambda d: put(d, len(d) - 98 + 24, b"\3"),
        lambda d: put(d, len(d) - 98 + 24, b"\3" + bytes(7) + b"\3"),
        lambda d: put(d, len(d) - 98 + 40, b"\1"),
        lambda d: put(d, len(d) - 98 + 48, b"\1"),
        lambda d: put(d, len(d) - 98 + 55, b"\xff"),
        lambda d: put(d, len(d) - 10, b"\1"),
        lambda d: put(d, len(d) - 6, b"\1"),
    ],
)
def test_broken_zip64_records(make: Callable[[bytes], bytes]) -> None:
    assert ADAPTER.find(BytesSource(ZIP64)) is None
    with pytest.raises(BadHost) as caught:
        ADAPTER.find(BytesSource(make(ZIP64)))
    assert caught.value.requirement == "JF-ZIP-001"


def test_too_much_extensible_data() -> None:
    with pytest.raises(BadHost):
        ADAPTER.find(BytesSource(with_zip64_end(make_zip(), bytes((1 << 16) + 1))))


def test_prefixed_zip_is_not_read_by_guessing() -> None:
    """zipfile shifts all offsets for these; others do not, so what is in the file would depend on the reader."""
    with pytest.raises(BadHost):
        ADAPTER.find(BytesSource(make_zip() + make_zip()))


def test_no_entry_is_given_that_is_not_all_there() -> None:
    directory = _records.format_central(b"r/x", 0, 0, 0, 0)
    for broken in (directory[:-1], directory[:45], put(directory, 28, b"\4"), put(directory, 30, b"\1")):
        archive = _records.Archive(1, 0, len(broken), b"", None)
        with pytest.raises(BadHost):
            next(_records.parse_entries(broken, archive))


def test_directory_over_the_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_records, "DIRECTORY_LIMIT", 50)
    with pytest.raises(BadHost):
        ADAPTER.find(BytesSource(make_zip()))


def bomb(declared: int, data: bytes) -> bytes:
    """A zip with a deflated snapshot that inflates to ``data`` and declares another size."""
    whole = repacked({"r/" + NAME: data}, zipfile.ZIP_DEFLATED)
    size = declared.to_bytes(4, "little")
    return put(put(whole, 22, size), directory_field(whole, 24), size)


@pytest.mark.parametrize("declared", [100, 4999, 5001, 3 << 30, 0])
def test_bomb(declared: int) -> None:
    with pytest.raises(BadHost) as caught:
        ADAPTER.find(BytesSource(bomb(declared, CONTAINER)))
    assert caught.value.requirement == "JF-ZIP-004"


def test_bomb_stops_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 MiB in 64 KiB: nothing near that is inflated."""
    made = 0
    original = zlib.decompressobj

    class Counting:
        def __init__(self, bits: int) -> None:
            self.inner = original(bits)

        def decompress(self, data: bytes, length: int) -> bytes:
            nonlocal made
            part = self.inner.decompress(data, length)
            made += len(part)
            return part

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

    data = bomb(100, bytes(64 << 20))
    monkeypatch.setattr(zlib, "decompressobj", Counting)
    with pytest.raises(BadHost):
        ADAPTER.find(BytesSource(data))
    assert 0 < made <= 2 << 20


@pytest.mark.parametrize("cut", [1, 50])
def test_deflated_data_that_do_not_end(cut: int) -> None:
    """A deflate stream cut off, or with bytes behind it, or none at all."""
    whole = repacked({"r/" + NAME: CONTAINER}, zipfile.ZIP_DEFLATED)
    begin = 30 + len("r/" + NAME)
    for data in (put(whole, begin, b"\xff" * 8), put(whole, begin, b"\x03\x00")):
        with pytest.raises(BadHost) as caught:
            ADAPTER.find(BytesSource(data))
        assert caught.value.requirement == "JF-ZIP-004"
    size = int.from_bytes(whole[18:22], "little") - cut
    short = size.to_bytes(4, "little")
    with pytest.raises(BadHost) as caught:
        ADAPTER.find(BytesSource(put(put(whole, 18, short), directory_field(whole, 20), short)))
    assert caught.value.requirement == "JF-ZIP-004"


@pytest.mark.parametrize("chunk", ["all of the stream", "more", "one byte"])
def test_deflated_data_with_more_behind(monkeypatch: pytest.MonkeyPatch, chunk: str) -> None:
    """Bytes behind the end of the deflate stream are an error wherever the reads fall; reads of any size work."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    container = CONTAINER[:72] + bytes(280)  # zlib has taken all of the input before it gives the end of this
    stream = compressor.compress(container) + compressor.flush()
    monkeypatch.setattr(_find, "CHUNK", {"all of the stream": len(stream), "more": 1 << 20, "one byte": 1}[chunk])
    for junk in (b"", b"junk"):
        data = repacked({"r/" + NAME: stream + junk})
        for place, value in ((8, b"\x08"), (22, len(container).to_bytes(4, "little"))):
            data = put(put(data, place, value), directory_field(data, place + 2), value)
        if junk:
            with pytest.raises(BadHost) as caught:
                ADAPTER.find(BytesSource(data))
            assert caught.value.requirement == "JF-ZIP-004"
        else:
            assert plans.described(ADAPTER.find(BytesSource(data))) == ("listed", container, None)


def test_inflated_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = listed_zip(zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(_find, "INFLATE_LIMIT", len(CONTAINER))
    assert ADAPTER.find(BytesSource(data)) is not None
    monkeypatch.setattr(_find, "INFLATE_LIMIT", len(CONTAINER) - 1)
    with pytest.raises(BadHost) as caught:
        ADAPTER.find(BytesSource(data))
    assert caught.value.requirement == "JF-ZIP-004"


# What is refused


def test_bytes_behind_the_end() -> None:
    for junk in (b"\0", b"junk" * 10_000):
        with pytest.raises(RefusedHost) as caught:
            ADAPTER.plan_embed(BytesSource(make_zip() + junk), CONTAINER)
        assert caught.value.requirement == "JF-ZIP-005"


@pytest.mark.parametrize("listed", [False, True])
def test_what_another_tool_has_added_is_not_cut_off(tmp_path: Path, listed: bool) -> None:
    """zipfile puts new entries where the directory was, behind the container; the locator still fits."""
    file = tmp_path / "x.zip"
    file.write_bytes(plans.embed(LISTING if listed else ADAPTER, make_zip(), CONTAINER))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("added", "new")
    source = BytesSource(file.read_bytes())
    carried = ADAPTER.find(source)
    assert carried is not None
    assert read_all(carried.container) == CONTAINER
    for plan in (lambda: ADAPTER.plan_strip(source, carried), lambda: ADAPTER.plan_embed(source, CONTAINER)):
        with pytest.raises(RefusedHost, match="what it added would be lost") as caught:
            plan()
        assert caught.value.requirement == "JF-ZIP-008"


@pytest.mark.skipif(shutil.which("zip") is None, reason="needs zip")
def test_a_comment_that_zip_has_kept(tmp_path: Path) -> None:
    """Info-ZIP writes the file anew, and the locator in its comment fits no more; the hint says how to go on."""
    file = tmp_path / "x.zip"
    file.write_bytes(plans.embed(LISTING, make_zip(), CONTAINER))
    subprocess.run(["zip", "-q", "-d", "x.zip", "a/two"], cwd=tmp_path, check=True)
    with pytest.raises(CorruptLocator) as caught:
        ADAPTER.find(BytesSource(file.read_bytes()))
    hint = str(caught.value.hint)
    assert "zip -z FILE </dev/null" in hint
    subprocess.run("zip -z x.zip </dev/null", shell=True, cwd=tmp_path, check=True, capture_output=True)  # noqa: S602
    carried = ADAPTER.find(BytesSource(file.read_bytes()))
    assert carried is not None
    assert read_all(carried.container) == CONTAINER


def test_no_zip_at_all_is_not_refused_but_broken() -> None:
    with pytest.raises(BadHost):
        ADAPTER.plan_embed(BytesSource(b"PK\x03\x04" + bytes(100)), CONTAINER)


def test_comment_without_room() -> None:
    with pytest.raises(RefusedHost):
        ADAPTER.plan_embed(BytesSource(make_zip(comment=b"x" * (65_535 - 127))), CONTAINER)


def test_comment_that_becomes_an_end_record() -> None:
    """A comment that holds an end record whose comment is to be the locator: readers would take that one."""
    inner = b"PK\x05\x06" + bytes(16) + (128).to_bytes(2, "little")
    data = make_zip()[:-2] + len(inner).to_bytes(2, "little") + inner
    assert ADAPTER.find(BytesSource(data)) is None
    with pytest.raises(RefusedHost):
        ADAPTER.plan_embed(BytesSource(data), CONTAINER)


# zip64


def test_many_entries() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for number in range(65_534):
            file.writestr(f"r/{number}", b"")
    data = buffer.getvalue()
    assert _records.read_archive(BytesSource(data)).zip64 is None
    carrying = plans.embed(LISTING, data, CONTAINER)
    archive = _records.read_archive(BytesSource(carrying))
    assert archive.entries == 65_535
    assert archive.zip64 is not None
    with zipfile.ZipFile(io.BytesIO(carrying)) as opened:
        assert len(opened.namelist()) == 65_535
        assert opened.read("r/" + NAME) == CONTAINER
    assert plans.described(LISTING.find(BytesSource(carrying))) == ("listed", CONTAINER, len(data))
    assert plans.strip(LISTING, carrying) == data
    more = plans.embed(LISTING, repacked_many(66_000), CONTAINER)
    with zipfile.ZipFile(io.BytesIO(more)) as opened:
        assert len(opened.namelist()) == 66_001
        assert opened.read("r/" + NAME) == CONTAINER


def repacked_many(count: int) -> bytes:
    return repacked({f"r/{number}": b"" for number in range(count)})


def sparse_zip(path: Path, length: int) -> None:
    """A zip with one stored entry of ``length`` zero bytes, most of them a hole."""
    crc32 = 0
    block = bytes(1 << 20)
    for _ in range(length >> 20):
        crc32 = zlib.crc32(block, crc32)
    assert not length % (1 << 20)
    local = _records.format_local(b"r/data/0", 0, crc32, length)
    directory = _records.format_central(b"r/data/0", 0, crc32, length, 0)
    offset = len(local) + length
    end = _records.format_end(_records.Archive(1, offset, len(directory), b"", None))
    with open(path, "wb") as file:
        file.write(local)
        file.seek(offset)
        file.write(directory + end)


@pytest.mark.parametrize("adapter", [ADAPTER, LISTING], ids=["unlisted", "listed"])
@pytest.mark.parametrize("length", [(4 << 30) - (1 << 20), (4 << 30) + (2 << 20)], ids=["below", "above"])
def test_four_gibibytes(tmp_path: Path, adapter: ZipAdapter, length: int) -> None:
    """Across the border only what is appended needs zip64; above it the host has it already."""
    path = tmp_path / "host.zip"
    sparse_zip(path, length)
    before = path.stat().st_size
    container = plans.make_container(2 << 20)
    for step in plans_in_file(adapter, path, container):
        with zipfile.ZipFile(path) as file:
            assert file.getinfo("r/data/0").file_size == length, step
    with zipfile.ZipFile(path) as file:
        with file.open("r/data/0") as entry:
            assert entry.read(100) == bytes(100)
        if adapter.listed:
            assert file.read("r/" + NAME) == container
    found = plans.found_in(adapter, path)
    assert found == ("listed" if adapter.listed else "unlisted", container, before)
    with open(path, "rb") as raw:
        assert (_records.read_archive(FileSource.of(raw.fileno())).zip64 is not None) == (length + (2 << 20) >= 4 << 30)
        tail = os.pread(raw.fileno(), 1 << 20, before - 200)
    plans.strip_file(adapter, path)
    assert path.stat().st_size == before
    with open(path, "rb") as raw:
        assert os.pread(raw.fileno(), 200, before - 200) == tail[:200]


def plans_in_file(adapter: ZipAdapter, path: Path, container: bytes) -> list[str]:
    """Each step, without comparing the host's 4 GiB."""
    with open(path, "r+b") as file:
        plan = adapter.plan_embed(FileSource.of(file.fileno()), container)
        done = []
        for offset, data in plan.writes:
            assert offset >= plan.keep
            os.pwrite(file.fileno(), data, offset)
            with zipfile.ZipFile(path) as opened:
                assert len(opened.namelist()) >= 1
            done.append(str(offset))
        os.ftruncate(file.fileno(), plan.length)
        return [*done, "cut"]


def test_wide_fields() -> None:
    """Containers of 4 GiB are not made here: the entries for one are read back as they were written."""
    size, offset = 5 << 30, 6 << 30
    directory = _records.format_central(b"r/x", 0x800, 7, size, offset)
    directory += _records.format_central(b"r/y", 0, 8, 3, offset) + _records.format_central(b"r/z", 0, 9, size, 4)
    archive = _records.Archive(3, 12 << 30, len(directory), b"", None)
    first, second, third = _records.parse_entries(directory, archive)
    assert (first.name, first.flags, first.crc32, first.size, first.compressed_size, first.offset) == (
        *(b"r/x", 0x800, 7, size, size, offset),
    )
    assert (second.size, second.compressed_size, second.offset) == (3, 3, offset)
    assert (third.size, third.compressed_size, third.offset) == (size, size, 4)

    class Far:
        """A file of 20 GiB, all zero but for a local header."""

        size = 20 << 30
        header = _records.format_local(b"r/x", 0x800, 7, 5 << 30)

        def read_at(self, at: int, length: int) -> bytes:
            return self.header[at - offset :][:length].ljust(length, b"\0")

    far: Source = Far()
    assert _records.LocalHeaders(far, archive).data_offset(first) == offset + 30 + 3 + 20


def test_zip64_end_record_of_the_host_is_kept() -> None:
    zip64 = _records.Zip64(1, 2, b"3")
    end = _records.format_end(_records.Archive(70_000, 1, 2, b"", zip64))
    assert end.startswith(b"PK\6\6" + (45).to_bytes(8, "little") + b"\1\0\2\0")


def test_zip64_extra_fields() -> None:
    wide = b"\1\0\x10\0" + (5 << 30).to_bytes(8, "little") + (6 << 30).to_bytes(8, "little")
    top = _records.MAX_32
    assert _records.widen(wide, (top, top, 3), 0) == (5 << 30, 6 << 30, 3)
    assert _records.widen(b"\x07\x00\x02\x00ab" + wide, (3, top, top), 0) == (3, 5 << 30, 6 << 30)
    assert _records.widen(b"\0\0\0", (top, 1, 2), 0) == (top, 1, 2)
    for bad in (wide[:-1], b"\1\0\4\0abcd", b"\1\0\x08\0" + bytes(8), b"\x07\x00\xff\x00ab"):
        with pytest.raises(BadHost):
            _records.widen(bad, (top, top, 3), 0)


# Properties

ENTRIES = st.dictionaries(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\\"), min_size=1, max_size=12),
    st.binary(max_size=300),
    max_size=6,
)


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    entries = draw(ENTRIES)
    method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    wide = draw(st.booleans())
    if draw(st.booleans()):
        data = streamed_zip(entries, method, wide)
    else:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as file:
            for name, value in entries.items():
                with file.open(name, "w", force_zip64=wide) as entry:
                    entry.write(value)
            file.comment = draw(st.binary(max_size=100).filter(lambda comment: b"PK" not in comment))
        data = buffer.getvalue()
    return with_zip64_end(data) if draw(st.booleans()) else data


@given(data=zips(), listed=st.booleans(), lengths=st.lists(st.integers(200, 3000), min_size=1, max_size=3))
def test_any_zip_comes_back(data: bytes, listed: bool, lengths: list[int]) -> None:
    adapter = ZipAdapter(listed=listed)
    before = contents(data)
    carrying = data
    for length in lengths:
        container = plans.make_container(length, length)
        carrying = plans.embed(adapter, carrying, container)
        found = plans.described(adapter.find(BytesSource(carrying)))
        assert found is not None
        assert found[1:] == (container, len(data))
        after = contents(carrying)
        if found[0] == "listed":
            assert after.popitem() == (next(iter(before)).split("/")[0] + "/" + NAME, container)
        assert after == before
    assert plans.strip(adapter, carrying) == data


@given(data=zips())
def test_records_are_read_as_zipfile_does(data: bytes) -> None:
    source = BytesSource(data)
    archive = _records.read_archive(source)
    entries = list(_records.parse_entries(_records.read_directory(source, archive), archive))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert archive.comment == file.comment
        assert [
            (entry.name.decode(), entry.method, entry.crc32, entry.compressed_size, entry.size, entry.offset)
            for entry in entries
        ] == [
            (info.orig_filename, info.compress_type, info.CRC, info.compress_size, info.file_size, info.header_offset)
            for info in file.infolist()
        ]
        for entry, info in zip(entries, file.infolist(), strict=True):
            begin = _records.LocalHeaders(source, archive).data_offset(entry)
            raw = data[begin : begin + entry.compressed_size]
            value = raw if entry.method == 0 else zlib.decompress(raw, -15)
            assert value == file.read(info)
    assert data.endswith(_records.format_end(archive))


HOSTS = [
    make_zip(),
    ZIP64,
    listed_zip(),
    listed_zip(zipfile.ZIP_DEFLATED),
    repacked({"r/x": b"1", "r/data/0": CONTAINER[:300]}),
    plans.embed(ADAPTER, make_zip(), plans.make_container(300)),
    plans.embed(LISTING, ZIP64, plans.make_container(300)),
]


@given(data=st.binary(max_size=400), prefix=st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06"]))
def test_garbage(data: bytes, prefix: bytes) -> None:
    plans.only_jelly_errors(ADAPTER, prefix + data)
    plans.only_jelly_errors(ADAPTER, prefix + data + b"PK\x05\x06" + data[:18].ljust(18, b"\0"))


@settings(max_examples=400)
@given(
    data=st.sampled_from(HOSTS),
    changes=st.lists(st.tuples(st.integers(1, 420), st.integers(0, 255)), max_size=8),
    listed=st.booleans(),
)
def test_changed_bytes_at_the_end(data: bytes, changes: list[tuple[int, int]], listed: bool) -> None:
    broken = bytearray(data)
    for place, value in changes:
        broken[max(0, len(data) - place)] = value
    plans.only_jelly_errors(ZipAdapter(listed=listed), bytes(broken))


def test_every_truncation() -> None:
    for data in HOSTS:
        for length in {*range(0, len(data), 53), *range(max(0, len(data) - 500), len(data))}:
            plans.only_jelly_errors(ADAPTER, data[:length])
            with pytest.raises(JellyError):
                ADAPTER.find(BytesSource(data[:length]))


def test_constants_agree() -> None:
    assert _find.HEX_LENGTH == 128
    assert _records.END_LENGTH == 22
    assert _records.LOCAL_LENGTH == 30
