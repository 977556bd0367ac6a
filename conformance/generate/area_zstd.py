"""Vectors of SPEC JF-ZST: zstd frames, of the manifest and of blocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from conformance.generate.draft import Block, Draft, draft, index, record, small, state, worktree
from conformance.generate.gitobjects import BLOB, Box
from conformance.generate.suite import Area
from conformance.generate.wire import Part, Run, block, blocks, checksum_of, frame

MIB = 1 << 20
WINDOW_8, WINDOW_9, WINDOW_128, WINDOW_144 = 0x68, 0x69, 0x88, 0x89
"""Window_Descriptor bytes: 8, 9, 128 and 144 MiB."""
Packer = Callable[[list[Part]], bytes]
CANNED = json.loads((Path(__file__).parent / "compressed.json").read_text(encoding="ascii"))
"""Frames that zstd 1.5 made, in hex; see compressed.py."""


def make() -> Area:
    """The area."""
    area = Area("zstd")
    _good(area)
    _bad(area)
    _sizes(area)
    _windows(area)
    return area


def _join(raw: list[Part]) -> bytes:
    return b"".join(part if isinstance(part, bytes) else bytes([part.byte]) * part.count for part in raw)


def _manifest(pack: Packer) -> Draft:
    made = small()
    made.packed = pack
    return made


def _block(pack: Packer) -> Draft:
    made = small()
    made.blocks[0].frame = pack(made.blocks[0].raw)
    return made


def _good(area: Area) -> None:
    forms: dict[str, tuple[Packer, str]] = {
        "window-descriptor": (lambda raw: frame(raw, window=WINDOW_8), "a Window_Descriptor of 8 MiB, the limit"),
        "smallest-window": (lambda raw: frame(raw, window=0, most=1024), "a window of 1 KiB"),
        "no-content-size": (lambda raw: frame(raw, size=None, window=0x18, most=8192), "no Frame_Content_Size"),
        "many-blocks": (lambda raw: frame(raw, most=7), "many small raw blocks"),
        "content-checksum": (lambda raw: frame(raw, checksum=checksum_of(_join(raw))), "a right Content_Checksum"),
        "empty-last-block": (
            lambda raw: frame(raw, body=blocks(raw, end=False) + block(0, 0, b"", True)),
            "an empty block at the end",
        ),
    }
    for name, (pack, why) in forms.items():
        ids = "JF-ZST-001 JF-ZST-002 JF-ZST-003 JF-ZST-005"
        area.accept(f"manifest-{name}", ids, why + ", in the manifest", _manifest(pack), leave_out=("manifest",))
        area.accept(f"block-{name}", ids, why + ", in a block", _block(pack), leave_out=("manifest",))
    made = _text()
    made.blocks[0].frame = bytes.fromhex(CANNED["text"])
    why = "a block compressed by zstd itself, with Huffman and FSE codes"
    area.accept("block-compressed", "JF-ZST-001 JF-ZST-004", why, made, leave_out=("manifest",))
    raw = made.blocks[0].raw
    made = _text()
    made.blocks[0].frame = frame(raw)
    area.accept("block-same-uncompressed", "JF-ZST-001", "the same records, not compressed", made)
    made = _big(2 * MIB)
    area.accept("block-runs", "JF-ZST-004", "a file of 2 MiB of one byte in RLE blocks", made, leave_out=("manifest",))


def _text() -> Draft:
    lines = [b"def step_%d(model, batch, lr=0.%d):\n    return model(batch) * lr\n\n" % (n, n * n) for n in range(60)]
    box = Box()
    tree = box.tree({b"train.py": b"".join(lines)})
    commit = box.commit(tree)
    return draft(state(commit, index(tree), worktree(tree)), box)


def text_records() -> bytes:
    """The content of the frame that is compressed."""
    return _join(_text().blocks[0].raw)


def _big(size: int, single: bool = False) -> Draft:
    """A state with one file of ``size`` zeros."""
    box = Box()
    empty = box.tree({})
    tree = box.tree({b"zeros": bytes(size)})
    made = draft(state(None, index(empty), worktree(tree)), box)
    raw: list[Part] = []
    for kind, content in box.objects.values():
        if kind == BLOB:
            head, _ = record(kind, [b"", Run(0, size)])
            raw += [head, Run(0, size)]
        else:
            raw += record(kind, content)
    packed = frame(raw, window=None if single else WINDOW_8)
    made.blocks = [Block("state", raw, len(box.objects), sum(len(item[1]) for item in box.objects.values()))]
    made.blocks[0].frame = packed
    return made


SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"


def _bad(area: Area) -> None:
    forms: dict[str, tuple[str, Packer, str]] = {
        "not-zstd": ("JF-ZST-001", lambda raw: b"this is no zstd frame at all", "no zstd magic"),
        "old-zstd": ("JF-ZST-001", lambda raw: b"\x27" + frame(raw)[1:], "the magic of zstd 0.7"),
        "magic-alone": ("JF-ZST-001", lambda raw: b"\x28\xb5\x2f\xfd", "only the zstd magic"),
        "cut-off": ("JF-ZST-001", lambda raw: frame(raw)[:-1], "a frame whose last byte is missing"),
        "cut-in-header": ("JF-ZST-001", lambda raw: frame(raw)[:5], "a frame that ends in its header"),
        "no-last-block": ("JF-ZST-001", lambda raw: frame(raw, body=blocks(raw, end=False)), "no block is the last"),
        "two-frames": (
            "JF-ZST-002",
            lambda raw: frame(_join(raw)[:50], size=None, window=0) + frame(_join(raw)[50:], size=None, window=0),
            "two frames that hold the content together",
        ),
        "frame-behind": ("JF-ZST-002", lambda raw: frame(raw) + frame(b""), "an empty frame behind"),
        "byte-behind": ("JF-ZST-002", lambda raw: frame(raw) + b"\0", "a byte behind the frame"),
        "skippable-before": ("JF-ZST-002", lambda raw: SKIPPABLE + frame(raw), "a skippable frame in front"),
        "skippable-behind": ("JF-ZST-002", lambda raw: frame(raw) + SKIPPABLE, "a skippable frame behind"),
        "skippable-alone": ("JF-ZST-002", lambda raw: SKIPPABLE, "only a skippable frame"),
        "dictionary": ("JF-ZST-002", lambda raw: frame(raw, dictionary=b"\x07"), "a dictionary id of one byte"),
        "dictionary-4": ("JF-ZST-002", lambda raw: frame(raw, dictionary=b"\0\0\0\x07"), "one of four bytes"),
        "reserved-bit": ("JF-ZST-001", lambda raw: frame(raw, descriptor=0x08), "the reserved bit of the frame header"),
        "reserved-block": (
            "JF-ZST-001",
            lambda raw: frame(raw, body=block(3, len(_join(raw)), _join(raw), True)),
            "a block of the reserved type 3",
        ),
        "bad-checksum": ("JF-ZST-001", lambda raw: frame(raw, checksum=b"\1\2\3\4"), "a wrong Content_Checksum"),
    }
    for name, (requirement, pack, why) in forms.items():
        area.reject(f"manifest-{name}", requirement, "malformed.compression", why, _manifest(pack))
        area.reject(f"block-{name}", requirement, "malformed.compression", why, _block(pack))


def _sizes(area: Area) -> None:
    shorter: Packer = lambda raw: frame(_join(raw)[:-1], size=None, window=0x18)  # noqa: E731
    longer: Packer = lambda raw: frame(_join(raw) + b"\0", size=None, window=0x18)  # noqa: E731
    for name, pack in (("less", shorter), ("more", longer)):
        why = f"one byte {name} than the raw length, which the frame does not say"
        area.reject(f"manifest-{name}", "JF-ZST-004", "malformed.compression", why, _manifest(pack))
        area.reject(f"block-{name}", "JF-ZST-004", "malformed.compression", why, _block(pack))
    made = _text()
    made.blocks[0].frame = frame(_join(made.blocks[0].raw)[:-1], size=None, window=0, most=1024)
    why = "one byte less than the raw length, which the frame does not say, and which is more than its window"
    area.reject("block-less-beyond-window", "JF-ZST-004", "malformed.compression", why, made)
    bomb: Packer = lambda raw: frame([Run(0, 1 << 28)], size=None, window=WINDOW_8)  # noqa: E731
    why = "a real bomb: 8 KiB that decompress to 256 MiB, and a raw length of a few hundred bytes"
    area.reject("manifest-bomb", "JF-ZST-004", "malformed.compression", why, _manifest(bomb))
    area.reject("block-bomb", "JF-ZST-004", "malformed.compression", why, _block(bomb))
    for name, change in (("less", -1), ("more", 1), ("gigabyte", 1 << 30)):

        def wrong(raw: list[Part], change: int = change) -> bytes:
            return frame(raw, size=len(_join(raw)) + change, window=0x18)

        why = f"a Frame_Content_Size that differs from the raw length by {change}"
        area.reject(f"manifest-size-{name}", "JF-ZST-005", "malformed.compression", why, _manifest(wrong))
        area.reject(f"block-size-{name}", "JF-ZST-005", "malformed.compression", why, _block(wrong))
    whole = small()
    whole.blocks[0].said = {"raw_length": 1 << 20}
    why = "the manifest says a raw length of 1 MiB, the frame its true size"
    area.reject("block-raw-length", "JF-ZST-005", "malformed.compression", why, whole)


def _windows(area: Area) -> None:
    nine: Packer = lambda raw: frame(raw, window=WINDOW_9)  # noqa: E731
    most: Packer = lambda raw: frame(raw, window=0xFF)  # noqa: E731
    for name, pack, size in (("9-mib", nine, "9 MiB"), ("largest", most, "3.75 TiB")):
        why = f"a Window_Descriptor of {size}"
        area.reject(f"manifest-window-{name}", "JF-ZST-003", "limit.window", why, _manifest(pack))
        area.reject(f"block-window-{name}", "JF-ZST-003", "limit.window", why, _block(pack))
    made = _big(8 * MIB - 100, single=True)
    raw = sum(map(len, made.blocks[0].raw))
    made = _big(8 * MIB - 100 + 8 * MIB - raw, single=True)
    assert sum(map(len, made.blocks[0].raw)) == 8 * MIB
    why = "Single_Segment_Flag and a content of exactly 8 MiB, the largest window"
    area.accept("single-segment-8-mib", "JF-ZST-003", why, made, leave_out=("manifest",))
    made = _big(8 * MIB - 100 + 8 * MIB - raw + 1, single=True)
    why = "Single_Segment_Flag and a content of 8 MiB and one byte: that is its window"
    area.reject("single-segment-over", "JF-ZST-003", "limit.window", why, made)
    for name, window in (("128-mib", WINDOW_128), ("144-mib", WINDOW_144)):
        made = _with_history(window)
        if window == WINDOW_128:
            why = "a history block with a window of 128 MiB, the limit"
            needs = ("profile:full",)
            area.accept(f"history-window-{name}", "JF-ZST-003", why, made, leave_out=("manifest",), needs=needs)
        else:
            why = "a history block with a window of 144 MiB"
            area.reject(f"history-window-{name}", "JF-ZST-003", "limit.window", why, made, verify=True)


def _with_history(window: int) -> Draft:
    """A state and its parent commit, which lies in a history block."""
    from conformance.generate.draft import objects_block

    box = Box()
    tree = box.tree({b"a": b"a\n"})
    state_objects = list(box.objects)
    first = box.commit(tree)
    second = box.commit(tree, (first,), b"two\n")
    made = draft(state(second, index(tree), worktree(tree)), box)
    made.blocks = [objects_block("state", box, [second, *state_objects]), objects_block("history", box, [first])]
    made.blocks[1].frame = frame(made.blocks[1].raw, window=window)
    return made
