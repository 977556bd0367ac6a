"""Faults that are planted, one in each target, to see that fuzzing finds them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jellyformat_flax.values
import jellyformat_gguf.header
import jellyformat_hdf5.superblock
import jellyformat_onnx.adapter
import jellyformat_safetensors.header
import jellyformat_trailer.carry
import jellyformat_zip._records
import targets
from msgpack import unpackb

from jellyformat.checkout.journal import Changer
from jellyformat.compat import jellyml
from jellyformat.files.plans import Copy
from jellyformat.fleet import table
from jellyformat.format import diffs, msgpack, pool, records
from jellyformat.format.source import Window
from jellyformat.git import packs
from jellyformat.git.repository import Repository


def unchecked_total(self: Any, record: Any, left: int) -> tuple[bytes, int]:
    """A diff applied without asking whether its base is there."""
    place = self._places[record.base]
    return diffs.apply(self.read(record.base), record.ops), place.chain + 1


def any_kind(raw: bytes, start: int) -> Any:
    """An object of a kind that there is not."""
    if len(raw) - start < 4 or raw[start] != 0x92 or raw[start + 2] != 0xC4:
        return None
    end = start + 4 + raw[start + 3]
    return (records.ObjectRecord(raw[start + 1], raw[start + 4 : end]), end) if end <= len(raw) else None


def short_read(source: Any, offset: int, length: int, what: str) -> bytes:
    """What is there, however short."""
    return bytes(source.read_at(offset, length))


def unbounded_move(self: Any, by: int) -> bytes:
    """An address that does not fit."""
    raw, place = bytearray(self.raw), {0: 24, 1: 28, 2: 12, 3: 12}[self.version]
    for offset, address in ((place, self.base + by), (place + 2 * self.width, self.end + by)):
        raw[offset : offset + self.width] = address.to_bytes(self.width, "little")
    if self.version >= 2:
        raw[-4:] = jellyformat_hdf5.superblock.lookup3(bytes(raw[:-4])).to_bytes(4, "little")
    return bytes(raw)


def any_alignment(cursor: Any, entries: int) -> int:
    """An alignment of nothing."""
    for _ in range(entries):
        key, kind = cursor.string(), cursor.number(4)
        if key == b"general.alignment":
            return int(cursor.number(4))
        cursor.pass_values(kind, 1)
    return 32


def too_much(source: Any, found: Any) -> Any:
    """A byte more than the field is cut out."""
    return Copy(0, found.start), Copy(found.end + 1, max(0, source.size - found.end - 1))


def any_array(self: Any, value: Any) -> Any:
    """An extension that is taken for an array."""
    data = self.bytes_at(value.body, min(200, value.end - value.body))
    dtype, shape, begin, length = jellyformat_flax.values._array_head(data)  # type: ignore[misc]
    return jellyformat_flax.values.Array(dtype, shape, Window(self.source, value.body + begin, length))


_make = Changer._make


def forgetful(self: Changer, change: Any) -> None:
    """What takes the place of a directory is not put there: undo does not give back what it replaced."""
    if change.new is None and change.kept is not None and b"/" in change.path:
        return
    _make(self, change)


def any_msgpack(data: bytes, offset: int) -> Any:
    """A value in any of its encodings."""
    return unpackb(data, raw=False, strict_map_key=False)


def any_size(base: bytes, delta: bytes) -> bytes:
    """A delta that makes another size than it says."""
    with suppress(packs.BadPack):
        return packs.apply_delta(base, delta)
    return b""


def any_ref(self: Any, text: bytes) -> bytes:
    """A ref that holds anything."""
    return bytes.fromhex(text.decode())


def any_counts(batch: Any) -> None:
    """Numbers that may be missing."""


PLANTS: dict[str, tuple[Any, str, Callable[..., Any] | object]] = {
    "container": (pool.Pool, "_rebuild", unchecked_total),
    "manifest": (msgpack, "_canonical", any_msgpack),
    "records": (records, "_plain_object", any_kind),
    "torch": (jellyformat_zip._records, "read_bytes", short_read),
    "zip": (jellyformat_zip._records, "read_bytes", short_read),
    "npz": (jellyformat_zip._records, "read_bytes", short_read),
    "safetensors": (jellyformat_safetensors.header, "check_utf8", lambda text: None),
    "hdf5": (jellyformat_hdf5.superblock.Superblock, "moved", unbounded_move),
    "gguf": (jellyformat_gguf.header, "_alignment", any_alignment),
    "onnx": (jellyformat_onnx.adapter, "_without", too_much),
    "flax": (jellyformat_flax.values.Values, "array", any_array),
    "trailer": (jellyformat_trailer.carry, "LOCATOR_LENGTH", 60),
    "git": (targets, "apply_delta", any_size),
    "legacy": (jellyml._Converter, "_read", lambda self, oid, kind: self._pack.read(oid)[1]),
    "restore": (Changer, "_make", forgetful),
    "repository": (Repository, "_oid", any_ref),
    "index": (table, "_check_counts", any_counts),
}


def plant(name: str) -> None:
    """Plant the fault of a target."""
    where, what, instead = PLANTS[name]
    assert hasattr(where, what), f"{where} has no {what}: the plant has to follow"
    setattr(where, what, instead)
