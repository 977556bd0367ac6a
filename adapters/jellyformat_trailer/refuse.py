"""Which files a trailer would break, told by content (SPEC JF-TRL, JF-HST-004).

Only a few kilobytes are read: magic numbers, a sample of both ends, and for formats without a magic number
(msgpack, protocol buffers) the chain of lengths from the first byte to the last.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from jellyformat_zip import END_REACH

from jellyformat.adapter import MAGIC, Source, Window
from jellyformat_trailer.chains import is_bson, is_matlab4, is_tfrecord
from jellyformat_trailer.records import NPY, PICKLES, npy_end, pickle_end
from jellyformat_trailer.walk import is_msgpack, is_protobuf

_SAMPLE = 1 << 16
"""Bytes looked at from either end where a format has no magic number."""


@dataclass(frozen=True)
class _Magic:
    """A format that begins with ``begin`` and, where ``end`` is not empty, ends with that."""

    begin: bytes
    format: str
    end: bytes = b""


_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAGICS = (
    _Magic(b"\x1f\x8b", "a gzip file"),
    _Magic(b"\xfd7zXZ\x00", "an xz file"),
    _Magic(b"\x28\xb5\x2f\xfd", "a zstd file"),
    _Magic(b"\x04\x22\x4d\x18", "an lz4 file"),
    _Magic(b"PAR1", "a parquet file", b"PAR1"),
    _Magic(b"PARE", "a parquet file", b"PARE"),
    _Magic(b"ARROW1", "an Arrow or Feather file", b"ARROW1"),
    _Magic(b"FEA1", "a Feather file", b"FEA1"),
    _Magic(b"ORC", "an ORC file", b"ORC"),
    _Magic(_HDF5, "an HDF5 file"),
    _Magic(b"Obj\x01", "an Avro file"),
    _Magic(b"\x83\xaf\x70\xd1\x0d\x88\x4a\x3f", "an ArrayRecord (Riegeli) file"),
    _Magic(b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    _Magic(b"lmgg", "a ggml file (such as whisper.cpp reads)"),
    _Magic(b"", "a LevelDB table (such as the .index of a TensorFlow checkpoint)", b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"),
)
_ZIP_END = struct.Struct("<4sHHHHIIH")
_MAGICAL = (*PICKLES, NPY, b"GGUF", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BZh", b"SQLite format 3\x00")
"""Formats with a magic number; the checks below, which know none, are not asked about them."""
_KALDI = re.compile(rb"[\x21-\x7e\x80-\xff]{1,255} \0B(?:[FDC]M[23]?|[FD]V|\x04)")
"""An utterance's name, and a matrix or vector in binary form."""
_PADDLE = struct.Struct("<IQIi")
_PADDLE_TYPE = re.compile(rb"\x08[\x00-\x1f](?:\x10[\x80-\xff]*[\x00-\x7f])*")
"""A tensor's dtype and dimensions, a protocol buffers message."""

_CHAINS: tuple[tuple[str, Callable[[Source], bool]], ...] = (
    ("a TFRecord file", is_tfrecord),
    ("a BSON file", is_bson),
    ("a MATLAB file", is_matlab4),
)
"""Formats of records one after another, read until the end of the file."""

_CONTROLS = bytes(set(range(32)) - set(b"\b\t\n\v\f\r\x1b")) + b"\x7f"


def refusal(source: Source) -> str | None:
    """The format of ``source`` with its article, such as ``a gzip file``, where a trailer would break it; else None.

    Args:
        source: The host's own bytes, without a trailer.

    Raises:
        Truncated: the source became shorter while it was read.
    """
    if source.size == 0:  # with anything in it, it would begin as a container does
        return "an empty file"
    head = source.read_at(0, _SAMPLE)
    tail = source.read_at(max(0, source.size - END_REACH), END_REACH)
    if head.startswith(MAGIC):
        return "a bare container (.jelly)"
    for magic in _MAGICS:
        # The ORC postscript, whose length is the last byte, stands behind its magic.
        at_end = tail.endswith(magic.end) or (magic.begin == b"ORC" and tail[:-1].endswith(magic.end))
        if head.startswith(magic.begin) and at_end:
            return magic.format
    for name, test in _TESTS:
        if test(source, head, tail):
            return name
    if head.startswith(_MAGICAL) or head[257:262] == b"ustar":
        return None
    if _is_text(head, tail):
        return "a text file (JSON, YAML or other text)"
    for name, chain in _CHAINS:
        if chain(source):
            return name
    if is_msgpack(source):
        return "a msgpack file (such as flax makes)"
    if is_protobuf(source):
        return "a protocol buffers file (such as a TensorFlow graph)"
    return None


def _has_several(source: Source, head: bytes, tail: bytes) -> bool:
    # Whoever reads one after another fails on what is no other.
    for begin, end_of in ((PICKLES, pickle_end), ((NPY,), npy_end)):
        if head.startswith(begin):
            end = end_of(source)
            return end is not None and end < source.size and source.read_at(end, len(NPY)).startswith(begin)
    return False


def _is_kaldi(source: Source, head: bytes, tail: bytes) -> bool:
    return _KALDI.match(head) is not None


def _is_paddle(source: Source, head: bytes, tail: bytes) -> bool:
    # Tensors one after another: a version, no levels, a version, the length of the type, the type.
    if len(head) < _PADDLE.size:
        return False
    version, levels, second, length = _PADDLE.unpack_from(head)
    if version or levels or second or not 2 <= length <= 1024:
        return False
    return _PADDLE_TYPE.fullmatch(head[_PADDLE.size : _PADDLE.size + length]) is not None


def _is_safetensors(source: Source, head: bytes, tail: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= 100_000_000 and 8 + length <= source.size and head[8:9] == b"{"


def _is_hdf5(source: Source, head: bytes, tail: bytes) -> bool:
    # The superblock lies behind a user block of 512, 1024, 2048 … bytes.
    offset = 512
    while offset + len(_HDF5) <= source.size:
        if source.read_at(offset, len(_HDF5)) == _HDF5:
            return True
        offset *= 2
    return False


def _is_zlib(source: Source, head: bytes, tail: bytes) -> bool:
    # RFC 1950: method 8, a window of at most 32 KiB, the first two bytes a multiple of 31.
    if len(head) < 2 or head[0] & 15 != 8 or head[0] >> 4 > 7 or (head[0] << 8 | head[1]) % 31:
        return False
    inflate = zlib.decompressobj()
    try:
        out = inflate.decompress(head, _SAMPLE)
    except zlib.error:
        return False
    return inflate.eof or (bool(out) and (len(out) == _SAMPLE or len(head) < source.size))


def _is_skippable(source: Source, head: bytes, tail: bytes) -> bool:
    # RFC 8878, 3.1.2: pzstd and lz4 files may begin with such a frame.
    return head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F


def _is_lzma(source: Source, head: bytes, tail: bytes) -> bool:
    # No magic number: properties, all but always 0x5D; dictionary size; size, -1 if unknown; the first byte is zero.
    if len(head) < 14 or head[0] != 0x5D or head[13] != 0:
        return False
    dictionary, size = struct.unpack_from("<IQ", head, 1)
    lowest = dictionary & -dictionary
    return dictionary >= 4096 and dictionary in (lowest, 3 * lowest) and (size == 2**64 - 1 or size < 2**40)


def _is_zip(source: Source, head: bytes, tail: bytes) -> bool:
    # Readers of zips search this far for the end record, so they would find it, and then fail on what follows.
    place = tail.rfind(_ZIP_END_MAGIC)
    while place >= 0:
        if place + _ZIP_END.size <= len(tail):
            _, disk, start_disk, here, total, size, _, comment = _ZIP_END.unpack_from(tail, place)
            inside = size == 0xFFFFFFFF or size <= source.size - len(tail) + place
            whole = place + _ZIP_END.size + comment <= len(tail)
            if inside and whole and disk == start_disk and here == total:
                return True
        place = tail.rfind(_ZIP_END_MAGIC, 0, place)
    return False


_ZIP_END_MAGIC = b"PK\x05\x06"

_TESTS: tuple[tuple[str, Callable[[Source, bytes, bytes], bool]], ...] = (
    ("a file with a zip archive at its end", _is_zip),
    ("a safetensors file", _is_safetensors),
    ("an HDF5 file with a user block of its own", _is_hdf5),
    ("a zlib file (such as joblib makes)", _is_zlib),
    ("a zstd or lz4 file", _is_skippable),
    ("an lzma file", _is_lzma),
    ("a file of several pickles or arrays", _has_several),
    ("a Kaldi archive", _is_kaldi),
    ("a file of Paddle's parameters", _is_paddle),
)


def _is_text(head: bytes, tail: bytes) -> bool:
    """Whether both ends look like text: UTF-8, an 8-bit encoding, or UTF-16 and UTF-32 by their mark."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        return True
    sample = head + tail
    if len(sample.translate(None, _CONTROLS)) != len(sample):
        return False
    if len(sample.translate(None, bytes(range(128, 256)))) * 4 >= len(sample) * 3:
        return True
    return _is_utf8(head) and _is_utf8(tail)


def _is_utf8(sample: bytes) -> bool:
    # A sample may begin and end in the midst of a character.
    start = 0
    while start < min(3, len(sample)) and sample[start] & 0xC0 == 0x80:
        start += 1
    try:
        sample[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def own_bytes(source: Source, length: int) -> Source:
    """The first ``length`` bytes of ``source``: the host without its trailer."""
    return source if length == source.size else Window(source, 0, length)
