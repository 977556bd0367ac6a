"""Which files bear a trailer: told by content, and tried with the readers of each kind (SPEC JF-TRL).

Readers of these formats know from the file itself where it ends. Nothing is unpickled, and little is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from jellyformat.adapter import Source
from jellyformat_trailer.records import NPY, PICKLES, npy_end, pickle_end

_SQLITE = b"SQLite format 3\0"
_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
_MOST_CHUNKS = 1 << 16
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_FLATBUFFERS = (b"TFL3", b"ORTM")
"""The identifiers of TensorFlow Lite's and ONNX Runtime's models, behind the first offset."""
_TAR_END = 1024


def bears(source: Source) -> bool:
    """Whether ``source`` is of a format whose readers were tried with a trailer, and is of it until its end.

    Args:
        source: The host's own bytes, without a trailer.

    Raises:
        Truncated: the source became shorter while it was read.
    """
    head = source.read_at(0, 600)
    return any(test(source, head) for test in _TESTS)


def _is_pickle(source: Source, head: bytes) -> bool:
    return head.startswith(PICKLES) and pickle_end(source) == source.size


def _is_npy(source: Source, head: bytes) -> bool:
    return head.startswith(NPY) and npy_end(source) == source.size


def _is_gguf(source: Source, head: bytes) -> bool:
    # little-endian ones have an adapter of their own
    return head.startswith(b"GGUF") and int.from_bytes(head[4:8], "big") in (2, 3)


def _is_bzip2(source: Source, head: bytes) -> bool:
    return _BZIP2.match(head) is not None


def _is_tar(source: Source, head: bytes) -> bool:
    # with the two blocks of zeros at which readers stop
    has_end = not any(source.read_at(max(0, source.size - _TAR_END), _TAR_END))
    return head[257:262] == b"ustar" and source.size % 512 == 0 and has_end


def _is_sqlite(source: Source, head: bytes) -> bool:
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    return head.startswith(_SQLITE) and (65_536 if page == 1 else page) * pages == source.size > 0


def _is_png(source: Source, head: bytes) -> bool:
    if not head.startswith(_PNG):
        return False
    position = len(_PNG)
    for _ in range(_MOST_CHUNKS):
        chunk = source.read_at(position, len(_PNG_END))
        if len(chunk) < len(_PNG_END):
            return False
        position += len(_PNG_END) + int.from_bytes(chunk[:4], "big")
        if chunk == _PNG_END:
            return position == source.size
    return False


def _is_flatbuffers(source: Source, head: bytes) -> bool:
    return head[4:8] in _FLATBUFFERS and int.from_bytes(head[:4], "little") < source.size


_TESTS: tuple[Callable[[Source, bytes], bool], ...] = (
    _is_pickle,
    _is_npy,
    _is_gguf,
    _is_bzip2,
    _is_tar,
    _is_sqlite,
    _is_png,
    _is_flatbuffers,
)
