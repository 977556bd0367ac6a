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


def contents() -> dict[str, bytes]:
    """What each frame holds."""
    if not FILE.exists():
        FILE.write_text("{}")
    from conformance.generate import area_blocks, area_zstd

    return {
        "text": area_zstd.text_records(),
        "large": area_blocks.large_manifest(),
        "blocks": area_blocks.many_blocks_manifest(),
        "supported": area_blocks.supported_manifest(),
    }


def main() -> int:
    """Make, or check."""
    wanted = contents()
    if "--check" in sys.argv[1:]:
        frames = json.loads(FILE.read_text(encoding="ascii"))
        right = frames.keys() == wanted.keys() and all(
            zstandard.ZstdDecompressor().decompress(bytes.fromhex(frames[name])) == wanted[name] for name in frames
        )
        print("compressed frames: " + ("hold what they have to" if right else "DIFFER"))
        return 0 if right else 1
    frames = {name: zstandard.ZstdCompressor(level=19).compress(content).hex() for name, content in wanted.items()}
    FILE.write_text(json.dumps(frames, indent=1) + "\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
