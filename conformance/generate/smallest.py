"""Make the smallest container, and its annotated hex for appendix A of SPEC.md. Standard library only.

python conformance/generate/smallest.py           write the vector, and the hex into SPEC.md
python conformance/generate/smallest.py --check   fail where either differs from what would be written
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VECTOR = ROOT / "conformance" / "vectors" / "smallest.jelly"
SPEC = ROOT / "SPEC.md"
BEGIN, END = "<!-- smallest:begin", "<!-- smallest:end -->"
Line = tuple[bytes, str]

EMPTY_TREE = hashlib.sha1(b"tree 0\0").digest()
RECORD = b"\x92\x02\xc4\x00"


def zstd_frame(raw: bytes) -> list[Line]:
    """One zstd frame of one raw block; the lines up to the content."""
    assert len(raw) < 65_536 + 256
    if len(raw) < 256:
        size, descriptor, note = bytes([len(raw)]), 0x20, "one byte"
    else:
        size, descriptor, note = (len(raw) - 256).to_bytes(2, "little"), 0x60, "two bytes, 256 less"
    header = (len(raw) << 3 | 1).to_bytes(3, "little")
    return [
        (b"\x28\xb5\x2f\xfd", "zstd: magic"),
        (bytes([descriptor]), f"zstd: Single_Segment_Flag, Frame_Content_Size in {note}"),
        (size, f"zstd: Frame_Content_Size {len(raw)}"),
        (header, f"zstd: last block, raw, {len(raw)} bytes"),
    ]


def msgpack(value: object, indent: int = 0, label: str = "") -> Iterator[Line]:
    """The lines of a value; only the short forms that are needed here."""
    space = "  " * indent + label
    if value is None:
        yield b"\xc0", space + "nil"
    elif isinstance(value, bool):
        yield (b"\xc3" if value else b"\xc2"), space + str(value).lower()
    elif isinstance(value, int):
        data = bytes([value]) if value < 128 else b"\xcc" + bytes([value])
        if value > 255:
            data = b"\xcd" + value.to_bytes(2, "big") if value < 65_536 else b"\xce" + value.to_bytes(4, "big")
        yield data, space + str(value)
    elif isinstance(value, str):
        raw = value.encode()
        yield (bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xd9" + bytes([len(raw)])) + raw, space + f'"{value}"'
    elif isinstance(value, bytes):
        yield b"\xc4" + bytes([len(value)]) + value, space + f"{len(value)} bytes"
    elif isinstance(value, list):
        yield bytes([0x90 | len(value)]), space + f"array of {len(value)}"
        for item in value:
            yield from msgpack(item, indent + 1)
    elif isinstance(value, dict):
        yield bytes([0x80 | len(value)]), space + f"map of {len(value)}"
        for key in sorted(value):
            name = next(msgpack(key))[0]
            lines = list(msgpack(value[key], indent + 1, f"{key}: "))
            yield name + lines[0][0], lines[0][1]
            yield from lines[1:]
    else:
        raise TypeError(type(value))


def join(lines: list[Line]) -> bytes:
    """The bytes of some lines."""
    return b"".join(data for data, _ in lines)


def build() -> list[Line]:
    """The whole container, line by line."""
    block = [*zstd_frame(RECORD), (RECORD, "record: array of 2, kind 2 (tree), no content: the empty tree")]
    frame = join(block)
    manifest = {
        "blocks": [
            {
                "critical": True,
                "kind": "state",
                "length": len(frame),
                "object_bytes": 0,
                "prefix": None,
                "raw_length": len(RECORD),
                "records": 1,
                "sha256": hashlib.sha256(frame).digest(),
            }
        ],
        "environment": {},
        "extensions": {},
        "history": {"commits": 0, "missing": [], "prerequisites": [], "shallow": []},
        "ignored": [],
        "provenance": {"argv": [], "remotes": [], "time": 0, "tool": "by hand", "zone": 0},
        "requires": [],
        "state": {
            "facts": {},
            "head": {"commit": None, "ref": b"refs/heads/main"},
            "index": {
                "assume_unchanged": [],
                "conflicts": [],
                "intent_to_add": [],
                "omitted": [],
                "skip_worktree": [],
                "tree": EMPTY_TREE,
            },
            "object_format": "sha1",
            "operation": None,
            "roots": [],
            "submodules": [],
            "worktree": {
                "converted": [],
                "empty_directories": [],
                "filtered": [],
                "omitted": [],
                "tree": EMPTY_TREE,
            },
        },
        "summary": {
            "commit": None,
            "conflicted": [],
            "files": 0,
            "size": 0,
            "staged": [],
            "unstaged": [],
            "untracked": [],
        },
    }
    content = list(msgpack(manifest))
    raw = join(content)
    packed = [*zstd_frame(raw), *content]
    length = len(join(packed))
    total = 72 + length + len(frame)
    header = [
        (b"\x89JELLY\r\n", "header: magic"),
        (b"\x01", "header: major version 1"),
        (bytes(7), "header: reserved"),
        (length.to_bytes(8, "big"), f"header: manifest length {length}"),
        (len(raw).to_bytes(8, "big"), f"header: manifest raw length {len(raw)}"),
        (total.to_bytes(8, "big"), f"header: total length {total}"),
    ]
    digest = hashlib.sha256(join(header) + join(packed)).digest()
    return [*header, (digest, "header: digest"), *packed, *block]


def annotate(lines: list[Line]) -> str:
    """The hex of the lines, sixteen bytes at most in one, each with what it is."""
    out = ["```"]
    offset = 0
    for data, note in lines:
        for start in range(0, len(data), 16):
            part = " ".join(f"{byte:02X}" for byte in data[start : start + 16])
            out.append(f"{offset + start:04X}  {part:<47}  {note if start == 0 else ''}".rstrip())
        offset += len(data)
    return "\n".join([*out, "```"])


def main() -> int:
    """Write, or check, the vector and the section of SPEC.md."""
    lines = build()
    vector = join(lines)
    text = SPEC.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    first, _, rest = rest.partition("\n")
    tail = rest.partition(END)[2]
    mended = f"{head}{BEGIN}{first}\n{annotate(lines)}\n{END}{tail}"
    if "--check" in sys.argv[1:]:
        good = VECTOR.is_file() and VECTOR.read_bytes() == vector and mended == text
        print("smallest container: " + ("as committed" if good else "DIFFERS from what is committed"))
        return 0 if good else 1
    VECTOR.write_bytes(vector)
    SPEC.write_text(mended, encoding="utf-8")
    print(f"{VECTOR}: {len(vector)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
