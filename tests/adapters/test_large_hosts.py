"""Zip hosts above 4 GiB and above 65,535 entries, whole, with the loaders of their frameworks: before, after, replaced
and stripped. The files have holes in place of weights. And zips that are no checkpoints, which are zips like any other.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import plans
import pytest
from jellyformat_numpy import ADAPTER as NPZ
from jellyformat_torch import ADAPTER as TORCH
from jellyformat_zip import ADAPTER as ZIP
from jellyformat_zip import _records

import jellyformat
from jellyformat import errors
from jellyformat.adapter import Adapter
from jellyformat.snapshots import Snapshot

LARGE = (4 << 30) + (1 << 20)
ONE, TWO = Snapshot(plans.make_container(300_000, 1)), Snapshot(plans.make_container(5_000, 2))


def digest(path: Path, length: int) -> str:
    """A hash of the first ``length`` bytes that skips holes."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        place = 0
        while place < length:
            try:
                start = os.lseek(file.fileno(), place, os.SEEK_DATA)
            except OSError:  # no more data
                break
            place = min(os.lseek(file.fileno(), start, os.SEEK_HOLE), length)
            for at in range(start, place, 1 << 20):
                part = os.pread(file.fileno(), min(1 << 20, place - at), at)
                if part.count(0) < len(part):
                    found.update(at.to_bytes(8, "big") + part)
    return found.hexdigest()


def save_large_pt(path: Path) -> None:
    """As torch writes it, without the data."""
    import torch
    from torch.serialization import skip_data

    with skip_data():
        torch.save({"big": torch.empty(LARGE, dtype=torch.uint8), "small": torch.empty(3)}, path)


def load_large_pt(path: Path) -> list[str]:
    import torch

    loaded = torch.load(path, mmap=True, weights_only=True)
    assert (loaded["big"].shape, loaded["small"].shape) == ((LARGE,), (3,))
    assert not loaded["big"][:: 1 << 28].any()
    return list(loaded)


def save_large_npz(path: Path) -> None:
    """As numpy.savez writes it, but for the CRC-32 of the array of zeros, which is not read here."""
    import numpy

    header, small = io.BytesIO(), io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (LARGE,)}
    numpy.lib.format.write_array_header_1_0(header, shape)
    numpy.save(small, numpy.arange(5))
    entries = [(b"big.npy", 0, header.getvalue(), LARGE), (b"small.npy", None, small.getvalue(), 0)]
    directory = b""
    with open(path, "wb") as file:
        for name, crc32, data, hole in entries:
            crc32 = zlib.crc32(data) if crc32 is None else crc32
            offset = file.tell()
            file.write(_records.format_local(name, 0, crc32, len(data) + hole) + data)
            file.seek(hole, os.SEEK_CUR)
            directory += _records.format_central(name, 0, crc32, len(data) + hole, offset)
        place = file.tell()
        file.write(directory + _records.format_end(_records.Archive(2, place, len(directory), b"", None)))


def load_npz(path: Path) -> list[str]:
    import numpy

    with numpy.load(path) as loaded:
        assert (loaded[loaded.files[-1]] == numpy.arange(5)).all()
        return list(loaded.files)


def save_many_npz(path: Path) -> None:
    """66,000 arrays."""
    import numpy

    array = io.BytesIO()
    numpy.save(array, numpy.arange(5))
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(66_000):
            entry = zipfile.ZipInfo(f"a{number}.npy")  # its time is not to be asked for 66,000 times
            archive.writestr(entry, array.getvalue())


def save_many_pt(path: Path) -> None:
    """65,600 tensors."""
    import torch

    torch.save([torch.tensor(number) for number in range(65_600)], path)


def load_many_pt(path: Path) -> list[str]:
    import torch

    return [str(len(torch.load(path)))]


@dataclass(frozen=True)
class Kind:
    adapter: Adapter
    save: Callable[[Path], None]
    load: Callable[[Path], list[str]]


KINDS = {
    "large.pt": Kind(TORCH, save_large_pt, load_large_pt),
    "large.npz": Kind(NPZ, save_large_npz, load_npz),
    "many.pt": Kind(TORCH, save_many_pt, load_many_pt),
    "many.npz": Kind(NPZ, save_many_npz, load_npz),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", KINDS)
def test_before_after_replaced_stripped(name: str, tmp_path: Path) -> None:
    kind, path = KINDS[name], tmp_path / name
    kind.save(path)
    length = path.stat().st_size
    before, names = digest(path, length), kind.load(path)
    entries = zipfile.ZipFile(path).namelist()
    assert length > 4 << 30 or len(entries) > 65_535
    listed = [f"{path.stem}/.jelly/snapshot"] if kind.adapter is TORCH else []
    for snap, replace in ((ONE, False), (TWO, True)):
        assert jellyformat.embed(path, snap, replace=replace) == kind.adapter.name
        assert kind.load(path) == names
        assert zipfile.ZipFile(path).namelist() == entries + listed
        form = "listed" if listed else "unlisted"
        assert plans.found_in(kind.adapter, path) == (form, snap.data, length)
        assert digest(path, length) == before
    with pytest.raises(errors.RefusedExists):
        jellyformat.embed(path, ONE)
    jellyformat.strip(path)
    assert path.stat().st_size == length
    assert digest(path, length) == before
    assert kind.load(path) == names


OTHER_ZIPS = {
    "model.keras": ["metadata.json", "config.json", "model.weights.h5"],
    "letter.docx": ["[Content_Types].xml", "_rels/.rels", "word/document.xml", "word/styles.xml"],
    "letter.pt": ["[Content_Types].xml", "_rels/.rels", "word/document.xml"],
    "package-1.0-py3-none-any.whl": ["package/__init__.py", "package-1.0.dist-info/RECORD"],
}


@pytest.mark.parametrize("name", OTHER_ZIPS)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_other_zips(name: str, method: int, tmp_path: Path) -> None:
    """What is in the file tells, not its name: a letter called .pt is a zip."""
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", method) as archive:
        for entry in OTHER_ZIPS[name]:
            archive.writestr(entry, entry * 300)
    old = path.read_bytes()

    def content() -> dict[str, bytes]:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            return {entry: archive.read(entry) for entry in archive.namelist()}

    before = content()
    assert list(before) == OTHER_ZIPS[name]
    for snap, replace in ((ONE, False), (TWO, True)):
        assert jellyformat.embed(path, snap, replace=replace) == "zip"
        assert content() == before
        assert plans.found_in(ZIP, path) == ("unlisted", snap.data, len(old))
        assert path.read_bytes().startswith(old)
    assert jellyformat.strip(path) == "zip"
    assert path.read_bytes() == old
