"""What the runner itself sees of containers and zips, with the standard library alone."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from typing import Any

MAGIC = b"\x89JELLY\r\n"
END_MAGIC = MAGIC[::-1]


def check_header(data: bytes) -> list[str]:
    """What is wrong with the header of a bare container (SPEC JF-HDR)."""
    if len(data) < 72 or data[:8] != MAGIC or data[8:16] != b"\x01" + bytes(7):
        return ["what it wrote has no header of a container"]
    length, raw_length, total = struct.unpack(">3Q", data[16:40])
    if total != len(data) or not 0 < length <= total - 72 or not raw_length:
        return ["what it wrote has wrong lengths in its header"]
    if hashlib.sha256(data[:40] + data[72 : 72 + length]).digest() != data[40:72]:
        return ["what it wrote has a wrong digest"]
    return []


def check_zip(host: bytes, container: bytes, data: bytes, wanted: dict[str, Any]) -> list[str]:
    """What is wrong with a zip into which a container was put (JF-ZIP); ``wanted["listed"]`` is its entry's name."""
    problems = []
    if not data.startswith(host):
        problems.append("the host's own bytes are not at the begin")
    digits = data[-128:]
    try:
        raw = bytes.fromhex(digits.decode("ascii"))
        offset, length, host_length = struct.unpack(">3Q", raw[:24])
    except (ValueError, struct.error):
        return [*problems, "there is no locator in the comment"]
    if digits != digits.lower() or raw[56:] != END_MAGIC or host_length != len(host) or length != len(container):
        problems.append("the locator is wrong")
    if data[offset : offset + length] != container:
        problems.append("the container is not where the locator says")
    if hashlib.sha256(raw[:24] + container[:72]).digest() != raw[24:56]:
        problems.append("the SHA-256 of the locator is wrong")
    try:
        with zipfile.ZipFile(io.BytesIO(host)) as before, zipfile.ZipFile(io.BytesIO(data)) as after:
            if after.testzip() is not None:
                problems.append("an entry of the zip does not match its CRC-32")
            names = [name for name in before.namelist() if not ("/" + name).endswith("/.jelly/snapshot")]
            added = [wanted["listed"]] if wanted["listed"] else []
            if after.namelist() != names + added:
                problems.append(f"the zip has the entries {after.namelist()}, not {names + added}")
            elif any(before.read(name) != after.read(name) for name in names):
                problems.append("an entry of the zip has changed")
            elif added:
                entry = after.getinfo(added[0])
                right = (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))
                if after.read(entry) != container or (entry.compress_type, entry.date_time) != right:
                    problems.append("the entry of the container is not as it has to be")
            if after.comment[:-128] != before.comment:
                problems.append("the comment of the zip has changed")
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        problems.append(f"the zip does not open: {error}")
    return problems
