"""Vectors of SPEC JF-HDF: containers in the user blocks of HDF5 files."""

from __future__ import annotations

import struct

from conformance.generate.area_zip import container, output, written
from conformance.generate.draft import small
from conformance.generate.suite import READ, Area, Json, Vector
from conformance.generate.trailers import locator

SIGNATURE = b"\x89HDF\r\n\x1a\n"
ONES = (1 << 64) - 1
DATA = b"the tree, the heap and the data, which are at addresses from the base".ljust(200, b".")


def make() -> Area:
    """The area."""
    area = Area("hdf5", (READ, "host:hdf5"))
    _found(area)
    _locators(area)
    _embed(area)
    _refused(area)
    return area


def lookup3(data: bytes) -> int:
    """The checksum of HDF5 (Bob Jenkins, lookup3.c, hashlittle with the initial value 0)."""
    mask = 0xFFFFFFFF

    def rot(value: int, by: int) -> int:
        return (value << by | value >> (32 - by)) & mask

    a = b = c = (0xDEADBEEF + len(data)) & mask
    while True:
        x, y, z = (int(word) for word in struct.unpack("<3L", data[:12].ljust(12, b"\0")))
        a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
        if len(data) <= 12:
            break
        data = data[12:]
        a = (a - c & mask) ^ rot(c, 4)
        c = c + b & mask
        b = (b - a & mask) ^ rot(a, 6)
        a = a + c & mask
        c = (c - b & mask) ^ rot(b, 8)
        b = b + a & mask
        a = (a - c & mask) ^ rot(c, 16)
        c = c + b & mask
        b = (b - a & mask) ^ rot(a, 19)
        a = a + c & mask
        c = (c - b & mask) ^ rot(b, 4)
        b = b + a & mask
    c = (c ^ b) - rot(b, 14) & mask
    a = (a ^ c) - rot(c, 11) & mask
    b = (b ^ a) - rot(a, 25) & mask
    c = (c ^ b) - rot(b, 16) & mask
    a = (a ^ c) - rot(c, 4) & mask
    b = (b ^ a) - rot(a, 14) & mask
    return (c ^ b) - rot(b, 24) & mask


def hdf5(
    version: int,
    base: int = 0,
    *,
    width: int = 8,
    flags: int = 0,
    driver: int | None = None,
    extension: int | None = None,
    missing: int = 0,
    check: int = 0,
) -> bytes:
    """A file whose data begin at ``base`` of the file it will be a part of; the end is wrong by ``missing``."""

    def address(value: int | None) -> bytes:
        return ((1 << 8 * width) - 1 if value is None else value).to_bytes(width, "little")

    length = {0: 24, 1: 28}.get(version, 12) + 4 * width + (4 if version > 1 else 40)
    end = base + length + len(DATA) + missing
    if version < 2:
        head = SIGNATURE + bytes([version, 0, 0, 0, 0, width, 8, 0]) + struct.pack("<2HL", 4, 16, 0)
        head += b"\x20\0\0\0" if version == 1 else b""
        return head + address(base) + address(None) + address(end) + address(driver) + bytes(40) + DATA
    head = SIGNATURE + bytes([version, width, 8, flags])
    head += address(base) + address(extension) + address(end) + address(96)
    return head + (lookup3(head) ^ check).to_bytes(4, "little") + DATA


def block(box: bytes, length: int, *, raw: bytes | None = None, fill: bytes = b"\0") -> bytes:
    """A user block."""
    return ((locator(64, box, 0) if raw is None else raw) + box).ljust(length, fill)


def _found(area: Area) -> None:
    box = container()
    size = 2048
    assert 1024 < len(box) + 64 <= size
    cases = {
        "version-0": block(box, size) + hdf5(0, size),
        "version-3": block(box, size) + hdf5(3, size),
        "zeros-unchecked": block(box, size, fill=b"x") + hdf5(2, size),
        "not-parsed": block(box, size) + SIGNATURE + b"\xff" * 9,
    }
    for name, data in cases.items():
        ids = "JF-HDF-001 JF-LOC-001"
        area.accept(name, ids, f"a user block: {name}", small(), data=data, host="hdf5", ending="h5", content=False)
    file = {"in": ("h5", cases["version-0"])}
    written(area, "extract", "extract", "JF-HDF-001", "taken out of a user block", file, output(box), "hdf5")
    expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
    file = {"in": ("h5", hdf5(0))}
    area.add(Vector("hdf5", "absent", (), "decode", area.needs, expect, "a file with nothing in it", file))


def _locators(area: Area) -> None:
    box = container()
    size = 2048
    moved = hdf5(0, size)
    cases: dict[str, tuple[str, str, bytes]] = {
        "gap": ("JF-HDF-001", "a container that does not begin at 64", locator(65, box, 0) + b"\0" + box),
        "host-length": ("JF-HDF-001", "a host length that is not 0", locator(64, box, 64) + box),
        "sha256": ("JF-LOC-001", "a wrong SHA-256", locator(64, box, 0, digest=bytes(32)) + box),
        "length": ("JF-LOC-001", "a length one too small", locator(64, box, 0, length=len(box) - 1) + box),
    }
    for name, (requirement, why, head) in cases.items():
        data = head.ljust(size, b"\0") + moved
        area.reject(f"locator-{name}", requirement, "corrupt.locator", why, data, ending="h5")
    for name, length in (("short", 1536), ("long", 4096)):
        data = block(box, length) + hdf5(0, length)
        why = f"a user block of {length} bytes, where 2,048 are needed"
        area.reject(f"block-{name}", "JF-HDF-001", "corrupt.locator", why, data, ending="h5")
    data = block(box, size) + b"\x88" + moved[1:]
    area.reject(
        "no-signature", "JF-HDF-001", "corrupt.locator", "no HDF5 file behind the user block", data, ending="h5"
    )


def _embed(area: Area) -> None:
    box = container()
    kinds = {
        "version-0": {"version": 0},
        "version-0-wide-4": {"version": 0, "width": 4},
        "version-1": {"version": 1},
        "version-2": {"version": 2},
        "version-3": {"version": 3},
        "version-3-extension": {"version": 3, "extension": 60},
    }
    for name, given in kinds.items():
        plain, moved = hdf5(**given), block(box, 2048) + hdf5(base=2048, **given)
        files = {"in": ("h5", plain), "container": ("jelly", box)}
        ids = "JF-HDF-002 JF-HDF-003 JF-HDF-004 JF-HST-002 JF-HST-004"
        written(area, "embed", f"embed-{name}", ids, f"into a file of {name}", files, output(moved), "hdf5")
        file = {"in": ("h5", moved)}
        written(area, "strip", f"strip-{name}", ids, f"out of a file of {name}", file, output(plain), "hdf5")


def _refused(area: Area) -> None:
    box = container()
    bad = bytearray(hdf5(0))
    bad[8] = 4
    cases = {
        "version-4": ("JF-HDF-002", "malformed.host", bytes(bad)),
        "width-3": ("JF-HDF-002", "malformed.host", hdf5(0, width=3)),
        "checksum": ("JF-HDF-002", "malformed.host", hdf5(2, check=1)),
        "cut-off": ("JF-HDF-002", "malformed.host", hdf5(0, missing=1)),
        "cut-off-version-3": ("JF-HDF-002", "malformed.host", hdf5(3, missing=1)),
        "writing": ("JF-HDF-003", "refused.host", hdf5(3, flags=1)),
        "writing-shared": ("JF-HDF-003", "refused.host", hdf5(3, flags=4)),
        "driver": ("JF-HDF-004", "refused.host", hdf5(0, driver=64)),
        "address-wide-2": ("JF-HDF-004", "refused.host", hdf5(0, (1 << 16) - 400, width=2)),
    }
    for name, (requirement, error, data) in cases.items():
        expect: Json = {"error": {"class": error, "requirement": requirement}}
        files = {"in": ("h5", data), "container": ("jelly", box)}
        why = f"a file that is not to be changed: {name}"
        written(area, "embed", f"refused-{name}", f"{requirement} JF-HST-003", why, files, expect, "hdf5")
