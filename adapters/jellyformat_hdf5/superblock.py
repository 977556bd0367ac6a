"""The superblock of an HDF5 file, and moving the file it describes (HDF5 File Format Specification 3.0, section II.A).

Every address in an HDF5 file is relative to the base address, except two of the superblock: the base address itself and
the end of the file. So a file is moved by adding to these two.
"""

from __future__ import annotations

from dataclasses import dataclass

from jellyformat.adapter import BadHost, RefusedHost, Source, nothing_fits_in

SIGNATURE = b"\x89HDF\r\n\x1a\n"

_LONGEST = 24 + 4 + 4 * 8
"""Bytes of the longest superblock up to what is needed of it: version 1, addresses of 8 bytes."""
_BASES = {0: 24, 1: 28, 2: 12, 3: 12}
"""Where the base address stands, by version; the address of the end of the file is the second behind it."""
_WIDTHS = (2, 4, 8)
_OPEN_FOR_WRITING = 0x01 | 0x04
_EXTENSION = 1 << 12
"""Bytes of the superblock extension that are looked at; it has a handful of small messages."""
_DRIVERS = (b"NCSAmult", b"NCSAfami")


@dataclass(frozen=True)
class Superblock:
    """A superblock, or its beginning: all that changes where the file is moved.

    Attributes:
        raw: Its bytes as they are in the file; in versions 2 and 3 the checksum is the last four.
        version: 0 to 3.
        width: Bytes of an address.
        base: The base address: where in the file the HDF5 data begin.
        end: The address of the end of the file, from the file's first byte.
    """

    raw: bytes
    version: int
    width: int
    base: int
    end: int

    def moved(self, by: int) -> bytes:
        """The same bytes for a file that stands ``by`` bytes further behind; ``by`` may be negative.

        Raises:
            RefusedHost: an address would not fit its field.
        """
        raw, place = bytearray(self.raw), _BASES[self.version]
        for offset, address in ((place, self.base + by), (place + 2 * self.width, self.end + by)):
            # all ones are no address
            if not 0 <= address < (1 << 8 * self.width) - 1:
                raise nothing_fits_in(
                    f"the addresses of this HDF5 file cannot be moved by {by} bytes", requirement="JF-HDF-004"
                )
            raw[offset : offset + self.width] = address.to_bytes(self.width, "little")
        if self.version >= 2:
            raw[-4:] = lookup3(bytes(raw[:-4])).to_bytes(4, "little")
        return bytes(raw)


def read_superblock(source: Source, offset: int) -> Superblock:
    """The superblock at ``offset`` of ``source``, a place where the signature stands.

    Raises:
        BadHost: it is of no known version, damaged, or says that bytes are missing at the end (JF-HDF-002).
        RefusedHost: the file is open for writing (JF-HDF-003), or one of several that belong together (JF-HDF-004).
    """
    raw = source.read_at(offset, _LONGEST)
    version = raw[8] if len(raw) > 13 else -1
    if version not in _BASES:
        raise _bad("the superblock of this HDF5 file is cut off or of an unknown version", offset)
    width = raw[13] if version < 2 else raw[9]
    if width not in _WIDTHS:
        raise _bad(f"addresses of {width} bytes are none that this HDF5 file can have", offset)
    place = _BASES[version]
    length = place + 4 * width + (4 if version >= 2 else 0)
    if len(raw) < length:
        raise _bad("the superblock of this HDF5 file is cut off", offset)
    raw = raw[:length]
    fields = [int.from_bytes(raw[at : at + width], "little") for at in range(place, place + 4 * width, width)]
    if version >= 2 and lookup3(raw[:-4]) != int.from_bytes(raw[-4:], "little"):
        raise _bad("the checksum of this HDF5 file's superblock does not match: bytes were changed", offset)
    found = Superblock(raw, version, width, fields[0], fields[2])
    if version == 3 and raw[11] & _OPEN_FOR_WRITING:
        raise RefusedHost(
            "this HDF5 file is marked as open for writing: a program writes to it now, or did not close it",
            requirement="JF-HDF-003",
            hint="nothing was changed; close it there, or clear the mark with: h5clear -s FILE",
        )
    if _has_driver(source, found, fields[3] if version < 2 else fields[1], offset):
        raise nothing_fits_in(
            "this HDF5 file is one of several that belong together (a split or a family of files)",
            requirement="JF-HDF-004",
        )
    # a base address that is not where the superblock stands: a file that was moved, by the specification
    if found.end - found.base > source.size - offset:
        raise _bad("this HDF5 file is cut off: it ends before the address its superblock names", offset)
    return found


def _has_driver(source: Source, superblock: Superblock, address: int, offset: int) -> bool:
    """Whether driver information is there; only what consists of several files has it.

    Args:
        address: Of the driver information block; from version 2 on of the superblock extension, which may hold it.
    """
    if address == (1 << 8 * superblock.width) - 1:
        return False
    if superblock.version < 2:
        return True
    extension = source.read_at(offset + address, _EXTENSION)
    return any(name in extension for name in _DRIVERS)


def _bad(message: str, offset: int) -> BadHost:
    return BadHost(message, requirement="JF-HDF-002", offset=offset)


_MASK = 0xFFFFFFFF


def lookup3(data: bytes) -> int:
    """Bob Jenkins' lookup3 ``hashlittle`` of ``data`` with the initial value 0: HDF5's checksum of metadata.

    Source: https://burtleburtle.net/bob/c/lookup3.c, public domain. A superblock is 60 bytes at most.
    """
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    if not data:
        return c
    last = (len(data) - 1) // 12 * 12
    for place in range(0, last + 1, 12):
        block = data[place : place + 12].ljust(12, b"\0")
        a = a + int.from_bytes(block[:4], "little") & _MASK
        b = b + int.from_bytes(block[4:8], "little") & _MASK
        c = c + int.from_bytes(block[8:], "little") & _MASK
        if place == last:
            break
        for by in (4, 6, 8, 16, 19, 4):  # the rounds are alike but for their variables' names, which turn
            a, b, c = b, c + b & _MASK, (a - c & _MASK) ^ _turned(c, by)
    for by in (14, 11, 25, 16, 4, 14, 24):
        a, b, c = b, (c ^ b) - _turned(b, by) & _MASK, a
    return b


def _turned(value: int, by: int) -> int:
    return (value << by | value >> (32 - by)) & _MASK
