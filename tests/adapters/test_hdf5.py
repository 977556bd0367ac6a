"""The HDF5 adapter with files that h5py writes, reads and writes to again, and those that Keras saves (SPEC JF-HDF)."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plans
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jellyformat_hdf5 import ADAPTER
from jellyformat_hdf5.adapter import user_block_length
from jellyformat_hdf5.superblock import lookup3, read_superblock

import jellyformat
from jellyformat.adapter import END_MAGIC, BadHost, BytesSource, Copy, CorruptLocator, RefusedHost, locator
from jellyformat.errors import Busy
from jellyformat.hosts import registry
from jellyformat.testing import AdapterContract
from jellyformat.training import Snapshot

if TYPE_CHECKING:
    import h5py

CONTAINER = plans.make_container()
OTHER = plans.make_container(100_000, 1)
SMALL = plans.make_container(200, 2)
SIGNATURE = b"\x89HDF\r\n\x1a\n"


def fill(file: h5py.File) -> None:
    """Datasets of each layout, and what holds addresses: chunks, strings of any length, references, links."""
    import h5py
    import numpy as np

    grid = np.arange(10_000.0).reshape(100, 100)
    file["plain"] = np.arange(1000, dtype=np.float32)
    file.create_dataset("chunked", data=grid, chunks=(10, 10), compression="gzip", maxshape=(None, 100))
    file.create_dataset("words", data=["a", "größe"], dtype=h5py.string_dtype())
    file.create_group("model_weights/dense").attrs["weight_names"] = ["kernel", "bias"]
    file["reference"] = np.array([file["plain"].ref], dtype=h5py.ref_dtype)
    file["soft"] = h5py.SoftLink("/plain")


def read(path: Path, mode: str = "r") -> object:
    """All of it that `fill` has put in, as h5py reads it."""
    import h5py

    with h5py.File(path, mode) as file:
        if not len(file):
            return None
        assert file[file["reference"][0]].name == "/plain"
        assert file["soft"][:].tolist() == file["plain"][:].tolist()
        words = list(file["words"].asstr()[:]), list(file["model_weights/dense"].attrs["weight_names"])
        return file["plain"][:].tolist(), file["chunked"][:100].tolist(), words


@cache
def expected() -> object:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "made.h5"
        path.write_bytes(file_of("earliest"))
        return read(path)


def check(path: Path, mode: str = "r") -> None:
    """h5py reads all of it."""
    assert read(path, mode) == expected()


def made(filled: bool = True, **options: Any) -> bytes:
    """What h5py writes; into a real file, since it does not fill the last page of a file object."""
    import h5py

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "made.h5"
        with h5py.File(path, "w", **options) as file:
            if filled:
                fill(file)
        return path.read_bytes()


def made_low(tmp: Path, prepare: Callable[[Any, Any], None]) -> dict[str, bytes]:
    """The files that h5py writes where the properties of creation and access are prepared by hand."""
    import h5py

    creation, access = h5py.h5p.create(h5py.h5p.FILE_CREATE), h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    prepare(creation, access)
    made = tmp / "made"
    made.mkdir()
    name = os.fsencode(made / "x%d.h5" if access.get_driver() == h5py.h5fd.FAMILY else made / "x.h5")
    with h5py.File(h5py.h5f.create(name, fcpl=creation, fapl=access)) as file:
        fill(file)
    return {path.name: path.read_bytes() for path in sorted(made.iterdir())}


OPTIONS: dict[str, dict[str, Any]] = {
    "earliest": {"libver": "earliest"},
    "1.8": {"libver": "v108"},
    "1.10": {"libver": "v110"},
    "latest": {"libver": "latest"},
    "ordered": {"track_order": True},
    "free space kept": {"libver": "latest", "fs_strategy": "fsm", "fs_persist": True},
    "pages": {"libver": "latest", "fs_strategy": "page", "fs_page_size": 4096},
    "pages kept": {"libver": "latest", "fs_strategy": "page", "fs_page_size": 4096, "fs_persist": True},
}
VERSIONS = {"earliest": 0, "1.8": 2, "1.10": 3}


@cache
def file_of(name: str) -> bytes:
    """A file by its options; made when it is first asked for."""
    return made(filled=False) if name == "empty" else made(**OPTIONS[name])


def embed(data: bytes, container: bytes = CONTAINER) -> bytes:
    return plans.embed(ADAPTER, data, container)


def strip(data: bytes) -> bytes:
    return plans.strip(ADAPTER, data)


class TestHdf5(AdapterContract):
    adapter = ADAPTER
    hosts = {name: lambda path: path.write_bytes(file_of(path.name)) for name in (*OPTIONS, "empty")}
    little = 6000

    def loads(self, path: Path) -> object:
        import h5py

        assert h5py.is_hdf5(path)
        with h5py.File(io.BytesIO(path.read_bytes())) as file:
            return read(path), list(file)

    def large(self, path: Path, size: int) -> None:
        import h5py
        import numpy as np

        with h5py.File(path, "w", libver="latest") as file:
            file["w"] = np.zeros(size, np.uint8)


def test_lengths() -> None:
    """The user block is the least that holds the container: it grows when that does, and shrinks."""
    host = file_of("1.10")
    file = embed(host)
    assert plans.described(ADAPTER.find(BytesSource(file))) == ("user block", CONTAINER, len(host))
    assert len(file) == len(host) + 8192
    assert len(embed(file, OTHER)) == len(host) + 131_072
    plan = ADAPTER.plan_embed(BytesSource(file), OTHER)
    (copied,) = (part for part in plan.segments if isinstance(part, Copy))
    assert copied.length > len(host) - 100


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_written_to_it_afterwards_stays(name: str, tmp_path: Path) -> None:
    """And the file without the user block is what it would be if there had never been one."""
    import h5py
    import numpy as np

    host, carrier = tmp_path / "host.h5", tmp_path / "carrier.h5"
    host.write_bytes(file_of(name))
    carrier.write_bytes(embed(file_of(name)))
    for path in (host, carrier):
        for number in range(3):
            with h5py.File(path, "a") as file:
                file[f"new {number}"] = np.full(50_000, number)
                file["chunked"].resize(200 + number, axis=0)
                if number:
                    del file[f"new {number - 1}"]
        check(path, "r+")
    written = carrier.read_bytes()
    assert written[:8192] == embed(file_of(name))[:8192]
    assert plans.described(ADAPTER.find(BytesSource(written))) == ("user block", CONTAINER, len(written) - 8192)
    stripped = strip(written)
    if "pages" not in name:  # pages begin at multiples of their size in the file, which the user block is none of
        assert stripped == host.read_bytes()
    host.write_bytes(stripped)
    check(host)
    with h5py.File(host, "r+") as file:
        assert np.array_equal(file["new 2"][:], np.full(50_000, 2))
        assert file["chunked"].shape == (202, 100)
    assert strip(embed(written, OTHER)) == stripped


@pytest.mark.parametrize("name", VERSIONS)
def test_superblocks_of_all_versions(name: str, tmp_path: Path) -> None:
    """The base address is where the superblock is, as h5py itself writes it where it is asked for a user block."""
    file = BytesSource(embed(file_of(name)))
    moved = read_superblock(file, 8192)
    assert (moved.version, moved.base, moved.end) == (VERSIONS[name], 8192, file.size)
    own = made(userblock_size=8192, **OPTIONS[name])
    assert read_superblock(BytesSource(own), 8192).raw == moved.raw
    # Writing nothing to a file changes nothing.
    path = tmp_path / "a.h5"
    path.write_bytes(file.data)
    check(path, "r+")
    assert path.read_bytes() == file.data


def test_version_1() -> None:
    """Version 0 with two more numbers of two bytes in front of the addresses."""
    raw = bytearray(made(libver="earliest"))
    raw[24:24] = b"\x20\x00\x00\x00"
    raw[8] = 1
    parsed = read_superblock(BytesSource(bytes(raw)), 0)
    assert (parsed.version, parsed.base, parsed.end) == (1, 0, len(raw) - 4)
    file = embed(bytes(raw))
    assert read_superblock(BytesSource(file), 8192).end == len(file) - 4
    assert strip(file) == bytes(raw)


def test_short_addresses(tmp_path: Path) -> None:
    def prepare(creation: Any, access: Any) -> None:
        creation.set_sizes(4, 4)

    (host,) = made_low(tmp_path, prepare).values()
    path = tmp_path / "a.h5"
    file = embed(host)
    path.write_bytes(file)
    check(path, "r+")
    assert read_superblock(BytesSource(file), 8192).width == 4
    assert strip(file) == host


def test_a_moved_file_whose_base_address_was_not_told(tmp_path: Path) -> None:
    """A tool has cut a user block off: libhdf5 reads that, and so does it with a container."""
    host = made(userblock_size=512)[512:]
    path = tmp_path / "a.h5"
    for data in (host, embed(host)):
        path.write_bytes(data)
        check(path)
    assert strip(embed(host)) == host
    # Written to, it is told.
    check(path, "r+")
    assert read_superblock(BytesSource(path.read_bytes()), 8192).base == 8192
    assert read_superblock(BytesSource(strip(path.read_bytes())), 0).base == 0


@pytest.mark.parametrize("size", [512, 4096])
def test_the_user_block_of_somebody_else_is_refused(size: int) -> None:
    host = BytesSource(made(userblock_size=size))
    assert not ADAPTER.matches(host)
    adapter = registry.adapter_for(host)
    with pytest.raises(RefusedHost, match="user block of its own") as caught:
        adapter.plan_embed(host, CONTAINER)
    assert caught.value.requirement == "JF-HST-004"


def test_files_of_several_are_refused(tmp_path: Path) -> None:
    import h5py

    def family(creation: Any, access: Any) -> None:
        access.set_fapl_family(1 << 14, h5py.h5p.create(h5py.h5p.FILE_ACCESS))

    def split(creation: Any, access: Any) -> None:
        access.set_fapl_split()

    for number, prepare in enumerate((family, split)):
        for oldest in (h5py.h5f.LIBVER_EARLIEST, h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_LATEST):

            def both(creation: Any, access: Any, prepare: Any = prepare, oldest: Any = oldest) -> None:
                prepare(creation, access)
                access.set_libver_bounds(oldest, h5py.h5f.LIBVER_LATEST)

            place = tmp_path / f"{number} {oldest}"
            place.mkdir()
            first = next(iter(made_low(place, both).values()))
            assert ADAPTER.matches(BytesSource(first))
            with pytest.raises(RefusedHost, match="several") as caught:
                embed(first)
            assert caught.value.requirement == "JF-HDF-004"


def test_a_file_open_for_writing_is_refused(tmp_path: Path) -> None:
    import h5py

    path, copy = tmp_path / "a.h5", tmp_path / "copy.h5"
    path.write_bytes(embed(made(libver="latest")))
    with h5py.File(path, "r+", libver="latest") as file:
        file["more"] = 1
        file.flush()
        shutil.copy(path, copy)
        with pytest.raises(Busy):
            jellyformat.strip(path)
    data = copy.read_bytes()
    for change in (embed, strip):
        with pytest.raises(RefusedHost, match="open for writing") as caught:
            change(data)
        assert caught.value.requirement == "JF-HDF-003"
    assert plans.described(ADAPTER.find(BytesSource(data))) is not None
    strip(path.read_bytes())


def test_addresses_that_would_not_fit() -> None:
    raw = bytearray(made(libver="earliest"))
    raw[24:32] = ((1 << 64) - 5000).to_bytes(8, "little")
    raw[40:48] = ((1 << 64) - 4000).to_bytes(8, "little")
    with pytest.raises(RefusedHost, match="cannot be moved"):
        embed(bytes(raw))
    # A tool has told a file in a user block that it stands at the beginning.
    file = bytearray(embed(made(libver="earliest")))
    file[8192 + 24 : 8192 + 32] = bytes(8)
    file[8192 + 40 : 8192 + 48] = (1000).to_bytes(8, "little")
    with pytest.raises(RefusedHost, match="cannot be moved"):
        strip(bytes(file))


def test_broken_superblocks() -> None:
    for name in VERSIONS:
        host = file_of(name)
        length = len(read_superblock(BytesSource(host), 0).raw)
        for cut in (*range(8, length), length, len(host) - 1):
            with pytest.raises(BadHost) as caught:
                embed(host[:cut])
            assert caught.value.requirement == "JF-HDF-002"
        for place, value in ((8, 4), (8, 255), (13 if name == "earliest" else 9, 3)):
            changed = bytearray(host)
            changed[place] = value
            with pytest.raises(BadHost):
                embed(bytes(changed))
        if name != "earliest":
            for bit in range(12 * 8, length * 8):
                changed = bytearray(host)
                changed[bit // 8] ^= 1 << bit % 8
                with pytest.raises(BadHost, match="checksum"):
                    embed(bytes(changed))


def test_every_flipped_bit_of_locator_and_header_is_noticed() -> None:
    file = embed(file_of("1.10"))
    for bit in range((64 + 72) * 8):
        flipped = bytearray(file)
        flipped[bit // 8] ^= 1 << bit % 8
        source = BytesSource(bytes(flipped))
        if 56 <= bit // 8 < 64:
            # No locator, then: an HDF5 file with a user block of somebody else.
            assert not ADAPTER.matches(source)
            with pytest.raises(RefusedHost):
                registry.adapter_for(source).plan_embed(source, CONTAINER)
        else:
            assert ADAPTER.matches(source)
            with pytest.raises(CorruptLocator):
                ADAPTER.find(source)


def test_truncations_are_noticed() -> None:
    host = file_of("1.10")
    file = embed(host)
    for length in [*range(64, 300), 5000, 5063, 5064, 8191, 8192, 8199]:
        source = BytesSource(file[:length])
        assert ADAPTER.matches(source)
        with pytest.raises(CorruptLocator):
            ADAPTER.find(source)
    # The container is whole; that the HDF5 data are not is seen where they are to be moved.
    for length in (8200, 8192 + 47, 8192 + 48, len(file) - 1):
        assert plans.described(ADAPTER.find(BytesSource(file[:length]))) == ("user block", CONTAINER, length - 8192)
        with pytest.raises(BadHost):
            strip(file[:length])


def test_a_user_block_of_another_shape() -> None:
    host = embed(file_of("1.10"))[8192:]
    for start, length, host_length in ((72, 8192, 0), (64, 16384, 0), (64, 6144, 0), (64, 4096, 0), (64, 8192, 1)):
        block = locator(start, CONTAINER, host_length).ljust(start, b"\0") + CONTAINER
        with pytest.raises(CorruptLocator) as caught:
            ADAPTER.find(BytesSource(block.ljust(length, b"\0")[:length] + host))
        assert caught.value.requirement == "JF-HDF-001"


def test_a_file_shorter_than_a_locator_that_ends_as_one() -> None:
    """The signature's last byte and the end magic's first are the same."""
    short = SIGNATURE[:-1] + END_MAGIC
    assert ADAPTER.matches(BytesSource(short))
    assert ADAPTER.find(BytesSource(short)) is None


def test_lengths_of_user_blocks() -> None:
    for container, block in ((72, 512), (448, 512), (449, 1024), (960, 1024), (961, 2048), (2**30, 2**31)):
        assert user_block_length(container) == block


def test_lookup3() -> None:
    """The examples in Jenkins' own source."""
    assert lookup3(b"") == 0xDEADBEEF
    assert lookup3(b"Four score and seven years ago") == 0x17770551


@given(st.binary(max_size=300), st.sampled_from([SIGNATURE, b"", *(SIGNATURE + bytes([v]) for v in range(4))]))
@example(b"\rYLLEJ\x89", SIGNATURE)  # shorter than a locator, and ends as one does
@settings(max_examples=300, deadline=None)
def test_garbage_raises_nothing_else(garbage: bytes, start: bytes) -> None:
    plans.only_jelly_errors(ADAPTER, start + garbage)
    plans.only_jelly_errors(ADAPTER, (start + garbage).ljust(56, b"\0")[:56] + END_MAGIC + garbage)


@given(st.integers(0, 3000), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_containers_of_any_length(length: int, seed: int) -> None:
    container = plans.make_container(200 + length, seed)
    file = embed(file_of("1.8"), container)
    assert plans.described(ADAPTER.find(BytesSource(file))) == ("user block", container, len(file_of("1.8")))
    assert strip(file) == file_of("1.8")


def test_a_file_that_is_open(tmp_path: Path) -> None:
    """It cannot be written anew, and keeps its mode where it is."""
    import h5py

    path = tmp_path / "model.weights.h5"
    path.write_bytes(file_of("1.10"))
    path.chmod(0o640)
    jellyformat.embed(path, Snapshot(CONTAINER))
    check(path)
    assert path.stat().st_mode & 0o777 == 0o640
    with h5py.File(path), pytest.raises(Busy):
        jellyformat.strip(path)


KERAS = """
import sys
import keras, numpy as np
import jellyformat
from jellyformat.snapshots import Snapshot

def build():
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])

def check():
    again = build()
    again.load_weights(weights)
    for one in (again, keras.models.load_model(saved)):
        assert np.array_equal(one.predict(x, verbose=0), expected)

saved, weights = sys.argv[1:3]
x = np.arange(8.0).reshape(2, 4)
model = build()
model.compile("adam", keras.losses.MeanSquaredError())
model.fit(x, np.ones((2, 3)), verbose=0)
model.save(saved)
model.save_weights(weights)
expected = model.predict(x, verbose=0)
check()
before = [open(path, "rb").read() for path in (saved, weights)]
for path in (saved, weights):
    assert jellyformat.embed(path, Snapshot(open(sys.argv[3], "rb").read())) == "hdf5"
check()
for path in (saved, weights):
    jellyformat.strip(path)
assert [open(path, "rb").read() for path in (saved, weights)] == before
"""


@pytest.mark.sampled(3)
def test_keras_loads_it(tmp_path: Path) -> None:
    """Whole models and weights; in a process of its own, since Keras' backend is chosen by the environment."""
    container = tmp_path / "container"
    container.write_bytes(CONTAINER)
    files = [str(tmp_path / "model.h5"), str(tmp_path / "model.weights.h5"), str(container)]
    environment = {**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", KERAS, *files], check=True, env=environment)
