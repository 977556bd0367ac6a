"""Frames that zstd itself made, kept in compressed.json: python conformance/generate/compressed.py

With the package `zstandard`, what is committed is decompressed and compared (--check), or made again; which bytes a
version of zstd makes is its own affair, so the vectors are made from what is committed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

FILE = Path(__file__).with_name("compressed.json")


Content = bytes | tuple[bytes, bytes]
"""The content of a frame; with a second one behind it, which is its prefix."""


def contents() -> dict[str, Content]:
    """What each frame holds."""
    if not FILE.exists():
        FILE.write_text("{}")
    from conformance.generate import area_blocks, area_bounds, area_prefix, area_zstd

    return {
        "text": area_zstd.text_records(),
        "blocks": area_blocks.many_blocks_manifest(),
        "supported": area_blocks.supported_manifest(),
        **area_bounds.contents(),
        **area_prefix.contents(),
    }


def _dictionary(prefix: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def packed(content: Content) -> bytes:
    """The frame of a content."""
    if isinstance(content, bytes):
        return zstandard.ZstdCompressor(level=19).compress(content)
    return zstandard.ZstdCompressor(level=19, dict_data=_dictionary(content[1])).compress(content[0])


def unpacked(frame: bytes, content: Content) -> bool:
    """Whether a frame holds a content."""
    if isinstance(content, bytes):
        return zstandard.ZstdDecompressor().decompress(frame) == content
    return zstandard.ZstdDecompressor(dict_data=_dictionary(content[1])).decompress(frame) == content[0]


def main() -> int:
    """Make, or check."""
    wanted = contents()
    if "--check" in sys.argv[1:]:
        frames = json.loads(FILE.read_text(encoding="ascii"))
        right = frames.keys() == wanted.keys() and all(
            unpacked(bytes.fromhex(frames[name]), wanted[name]) for name in frames
        )
        print("compressed frames: " + ("hold what they have to" if right else "DIFFER"))
        return 0 if right else 1
    frames = {name: packed(content).hex() for name, content in wanted.items()}
    FILE.write_text(json.dumps(frames, indent=1) + "\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
