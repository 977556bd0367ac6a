"""Checkpoints as frameworks write them, made without the frameworks: by the text of their formats.

`test_plain.py` holds them against the frameworks themselves.
"""

from __future__ import annotations

import array
import json
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO


def float32(values: Iterable[float]) -> bytes:
    """Numbers as tensors hold them: four bytes each, little-endian."""
    numbers = array.array("f", values)
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        numbers.byteswap()
    return numbers.tobytes()


def npy(values: Sequence[float]) -> bytes:
    """An array file of numpy: one dimension of `float32`."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }" % len(values)
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + float32(values)


def save_npz(path: Path | IO[bytes], **arrays: Sequence[float]) -> None:
    """An archive of arrays, as `numpy.savez` writes it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, values in arrays.items():
            archive.writestr(f"{name}.npy", npy(values))


def save_safetensors(
    path: Path, tensors: Mapping[str, Sequence[float]], metadata: Mapping[str, str] | None = None
) -> None:
    """A safetensors file: each tensor has one dimension of `float32`."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    data = b""
    for name in sorted(tensors):
        content = float32(tensors[name])
        header[name] = {
            "dtype": "F32", "shape": [len(tensors[name])], "data_offsets": [len(data), len(data) + len(content)],
        }  # fmt: skip
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def save_torch(path: Path, *storages: bytes) -> None:
    """An archive as `torch.save` writes it, with bytes as the storages of its tensors, which nothing names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{path.stem}/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr(f"{path.stem}/byteorder", b"little")
        for number, content in enumerate(storages):
            archive.writestr(f"{path.stem}/data/{number}", content)
        archive.writestr(f"{path.stem}/version", b"3\n")
