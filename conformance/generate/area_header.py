"""Vectors of SPEC JF-HDR: the header."""

from __future__ import annotations

from conformance.generate.draft import Draft, small
from conformance.generate.suite import Area, Vector
from conformance.generate.trailers import trailer
from conformance.generate.wire import MAGIC

TRAILER = ("host:trailer",)


def make() -> Area:
    """The area."""
    area = Area("header")
    area.accept(
        "good",
        "JF-HDR-001 JF-HDR-002 JF-HDR-003 JF-HDR-004 JF-HDR-005 JF-HDR-006 JF-HDR-007 JF-HDR-008 JF-HDR-009 JF-HDR-010 "
        "JF-ZST-001 JF-ZST-002 JF-ZST-003 JF-ZST-004 JF-ZST-005 JF-MSG-001 JF-MSG-002 JF-MSG-003 JF-MSG-004 JF-MSG-005 "
        "JF-MSG-006 JF-MAN-001 JF-MAN-002 JF-MAN-003 JF-MAN-004 JF-BLK-001 JF-BLK-003 JF-BLK-004 JF-BLK-005 JF-BLK-006 "
        "JF-BLK-007 JF-SUM-001 JF-SUM-002 JF-HIS-001 JF-HIS-002 JF-HIS-003 JF-HIS-004 JF-STA-002 JF-STA-003 JF-STA-004 "
        "JF-REC-001 JF-REC-002 JF-REC-008 JF-OBJ-001 JF-OBJ-002 JF-OBJ-003 JF-OBJ-004 JF-OBJ-005 JF-OBJ-007 JF-NED-001 "
        "JF-PTH-001 JF-PTH-002",
        "one commit, one file changed since and one new; every check of a reader and verifier holds",
        small(),
    )
    _magic(area)
    _version(area)
    _lengths(area)
    _digest(area)
    return area


def _with(**head: object) -> Draft:
    made = small()
    made.head = head
    return made


def _flip(data: bytes, place: int, mask: int = 1) -> bytes:
    return data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


def _magic(area: Area) -> None:
    for name, magic in (
        ("magic-first-byte", b"\x88" + MAGIC[1:]),
        ("magic-line-ends-converted", MAGIC[:6] + b"\n\n"),
        ("magic-last-byte", MAGIC[:7] + b"\r"),
    ):
        data = trailer(b"\x93NUMPY host", _with(magic=magic).build())
        why = "the locator fits, and what it points at does not begin with the magic"
        area.reject(name, "JF-HDR-001", "malformed.magic", why, data, needs=TRAILER, ending="bin")
    why = "a file that does not begin with the magic is no bare container but a host, here one that has none"
    data = _with(magic=b"\x88" + MAGIC[1:]).build()
    expect = {"error": {"class": "absent.snapshot", "requirement": None}}
    needs = (*area.needs, *TRAILER)
    area.add(
        Vector(area.name, "magic-wrong-bare", ("JF-HDR-001",), "decode", needs, expect, why, {"in": ("jelly", data)})
    )


def _version(area: Area) -> None:
    for version in (0, 2, 255):
        why = f"major version {version}"
        area.reject(f"version-{version}", "JF-HDR-002", "unsupported.version", why, _with(version=version))
    for byte in range(7):
        reserved = bytes(0x80 >> byte if at == byte else 0 for at in range(7))
        why = f"a bit of the reserved byte at {9 + byte} is set"
        area.reject(f"reserved-{9 + byte}", "JF-HDR-003", "malformed.header", why, _with(reserved=reserved))


def _lengths(area: Area) -> None:
    good = small().build()
    manifest = int.from_bytes(good[16:24], "big")
    cuts = {
        "after-magic": 8,
        "after-version": 9,
        "in-lengths": 30,
        "in-digest": 71,
        "after-header": 72,
        "in-manifest": 72 + manifest // 2,
        "after-manifest": 72 + manifest,
        "in-block": 72 + manifest + 10,
        "last-byte": len(good) - 1,
    }
    for name, length in cuts.items():
        why = f"cut off after {length} of {len(good)} bytes"
        area.reject(f"truncated-{name}", "JF-HDR-004", "truncated", why, good[:length])
    for name, total in (("one-more", len(good) + 1), ("huge", 1 << 63), ("all-ones", (1 << 64) - 1)):
        why = f"the total length is {total}, and the file has {len(good)} bytes"
        area.reject(f"total-{name}", "JF-HDR-004", "truncated", why, _with(total=total))
    area.reject(
        "total-before-manifest-end",
        "JF-HDR-005",
        "malformed.header",
        "the total length is one less than header and manifest, and the file has as many bytes",
        _with(total=71 + manifest).build()[: 71 + manifest],
    )
    area.reject(
        "manifest-length-total",
        "JF-HDR-005",
        "malformed.header",
        "the manifest length is the total length, so that 72 bytes more would be needed",
        _with(length=len(good)),
    )
    area.reject("manifest-length-zero", "JF-HDR-006", "malformed.header", "a manifest length of zero", _with(length=0))
    area.reject(
        "raw-length-zero", "JF-HDR-006", "malformed.header", "a manifest raw length of zero", _with(raw_length=0)
    )
    for name, length in (("limit", (256 << 20) + 1), ("all-ones", (1 << 64) - 1)):
        why = f"a manifest raw length of {length}"
        area.reject(f"raw-length-{name}", "JF-HDR-007", "limit.size", why, _with(raw_length=length))
    for name, change in (("more", 1), ("less", -1)):
        made = small()
        real = len(made.blocks[0].packed())
        made.blocks[0].said = {"length": real + change}
        made.head = {"total": len(good)}
        why = f"the blocks' lengths add up to one byte {name} than the total length leaves"
        area.reject(f"block-length-{name}", "JF-HDR-009", "malformed.manifest", why, made)
    made = small()
    made.blocks[0].said = {"length": 1 << 20}
    made.head = {"total": len(made.build())}
    why = "a block of a megabyte, by its length, in a container of some hundred bytes"
    area.reject("block-length-far", "JF-HDR-009", "malformed.manifest", why, made)
    made = small()
    made.head = {"total": len(good) + 4}
    why = "four bytes behind the last block, counted in the total length"
    area.reject("gap-at-end", "JF-HDR-009", "malformed.manifest", why, made.build() + b"junk")
    area.reject("longer", "JF-HDR-010", "malformed.header", "one byte behind the container", good + b"\0")
    area.reject("twice", "JF-HDR-010", "malformed.header", "a second container behind the first", good + good)


def _digest(area: Area) -> None:
    good = small().build()
    manifest = int.from_bytes(good[16:24], "big")
    for place in (40, 55, 71):
        why = f"a bit of byte {place} of the digest is flipped"
        area.reject(f"digest-byte-{place}", "JF-HDR-008", "corrupt.manifest", why, _flip(good, place))
    for name, place in (("first", 72), ("middle", 72 + manifest // 2), ("last", 71 + manifest)):
        why = f"a bit of the {name} byte of the manifest's frame is flipped"
        area.reject(f"manifest-{name}", "JF-HDR-008", "corrupt.manifest", why, _flip(good, place))
    why = "the manifest raw length was changed afterwards: the digest covers the header too"
    area.reject("digest-covers-lengths", "JF-HDR-008", "corrupt.manifest", why, _flip(good, 31))
    made = small()
    made.packed = lambda raw: b"this is no zstd frame"
    made.head = {"digest": bytes(32)}
    why = "the digest is wrong and the manifest is no zstd frame: the digest is checked first"
    area.reject("digest-before-frame", "JF-HDR-008", "corrupt.manifest", why, made)
