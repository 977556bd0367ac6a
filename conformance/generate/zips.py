"""Zip files and containers in them, made without the reference or a zip library (APPNOTE.TXT 4.3, SPEC JF-ZIP)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from conformance.generate.trailers import locator

STORED, DEFLATED = 0, 8
ONES16, ONES32 = 0xFFFF, 0xFFFFFFFF
DAY = 0x21
"""1980-01-01."""
Fields = dict[str, Any]


def deflated(data: bytes) -> bytes:
    """A deflate stream of stored blocks: the same whatever zlib is installed."""
    pieces = [data[at : at + 65_535] for at in range(0, len(data), 65_535)] or [b""]
    return b"".join(
        bytes([number == len(pieces) - 1]) + struct.pack("<2H", len(piece), len(piece) ^ ONES16) + piece
        for number, piece in enumerate(pieces)
    )


@dataclass
class Item:
    """An entry; ``local`` and ``central`` are fields of its two headers that are otherwise than right."""

    name: bytes
    data: bytes
    method: int = STORED
    packed: bytes | None = None
    local: Fields = field(default_factory=dict)
    central: Fields = field(default_factory=dict)
    extra: bytes = b""
    behind: bytes = b""
    """Bytes behind its data, such as a data descriptor."""

    def body(self) -> bytes:
        """Its data as they lie in the file."""
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == DEFLATED else self.data

    def fields(self) -> Fields:
        """Its two headers have the same fields."""
        crc = zlib.crc32(self.data)
        return {
            "magic": b"", "version": 20, "flags": 0, "method": self.method, "crc": crc, "packed": len(self.body()),
            "size": len(self.data), "name": self.name, "extra": b"",
        }  # fmt: skip

    def written(self) -> bytes:
        """Local header and data."""
        it = {**self.fields(), "magic": b"PK\3\4", "extra": self.extra, **self.local}
        head = struct.pack(
            "<4s5H3L2H", it["magic"], it["version"], it["flags"], it["method"], 0, DAY, it["crc"], it["packed"],
            it["size"], len(it["name"]), len(it["extra"]),
        )  # fmt: skip
        return b"".join((head, it["name"], it["extra"], self.body(), self.behind))

    def listed(self, offset: int) -> bytes:
        """Its entry in the central directory."""
        it = {**self.fields(), "magic": b"PK\1\2", "offset": offset, "comment": b"", **self.central}
        head = struct.pack(
            "<4s6H3L5H2L", it["magic"], 20, it["version"], it["flags"], it["method"], 0, DAY, it["crc"],
            it["packed"], it["size"], len(it["name"]), len(it["extra"]), len(it["comment"]), 0, 0, 0, it["offset"],
        )  # fmt: skip
        return b"".join((head, it["name"], it["extra"], it["comment"]))


def wide(*values: int) -> bytes:
    """A zip64 extra field."""
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)


@dataclass
class Zip:
    """A zip file; ``end`` and ``end64`` are fields of its end records that are otherwise than right."""

    items: list[Item]
    comment: bytes = b""
    zip64: bool = False
    end: Fields = field(default_factory=dict)
    end64: Fields = field(default_factory=dict)
    gap: bytes = b""
    """Bytes between the central directory and the end records."""

    def entries(self) -> bytes:
        """All local headers and data."""
        return b"".join(item.written() for item in self.items)

    def directory(self) -> bytes:
        """The central directory."""
        out, offset = b"", 0
        for item in self.items:
            out += item.listed(offset)
            offset += len(item.written())
        return out

    def build(self) -> bytes:
        """The file."""
        body, directory = self.entries(), self.directory()
        records = self.records(len(body), len(directory), len(self.items), len(body) + len(directory) + len(self.gap))
        return body + directory + self.gap + records + self.comment

    def records(self, offset: int, size: int, count: int, here: int, comment: int | None = None) -> bytes:
        """The end records, which stand at ``here``, without the comment."""
        it: Fields = {"disk": 0, "start": 0, "here": count, "count": count, "size": size, "offset": offset}
        out = b""
        if self.zip64:
            big = {**it, "magic": b"PK\6\6", "length": 44, "locator": b"PK\6\7", "at": here, "disks": 1, "on": 0}
            big.update(self.end64)
            out = struct.pack(
                "<4sQ2H2L4Q", big["magic"], big["length"], 45, 45, big["disk"], big["start"], big["here"],
                big["count"], big["size"], big["offset"],
            )  # fmt: skip
            out += struct.pack("<4sLQL", big["locator"], big["on"], big["at"], big["disks"])
        it = {**it, "comment": len(self.comment) if comment is None else comment, **self.end}
        end = struct.pack(
            "<4s4H2LH", b"PK\5\6", it["disk"], it["start"], it["here"], it["count"], it["size"], it["offset"],
            it["comment"],
        )  # fmt: skip
        return out + end


def embedded(host: Zip, container: bytes, *, listed: bytes | None = None, **fault: Any) -> bytes:
    """A zip with a container put in as SPEC JF-ZIP says.

    Args:
        host: The zip before.
        container: The container.
        listed: The name of its entry; None for the unlisted form.
        fault: ``digits`` changes the locator's hex digits, ``locator`` gives other arguments to it, ``added`` stands
            between the container and the directory.
    """
    before = host.build()
    entry = Item(listed or b"", container)
    local = b"" if listed is None else entry.written()[: -len(container)]
    offset = len(before) + len(local)
    directory: bytes = fault.get("directory", host.directory())
    directory += b"" if listed is None else entry.listed(len(before))
    given: Fields = {"offset": offset, "container": container, "host_length": len(before), **fault.get("locator", {})}
    digits: bytes = locator(**given).hex().encode()
    digits = fault["digits"](digits) if "digits" in fault else digits
    count = len(host.items) + (listed is not None)
    comment = host.comment + digits
    added: bytes = fault.get("added", b"")
    begin = offset + len(container) + len(added)
    records = host.records(begin, len(directory), count, begin + len(directory), len(comment))
    return before + local + container + added + directory + records + comment
