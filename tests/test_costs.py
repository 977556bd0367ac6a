"""What a crafted file costs who reads it: in proportion to its size, whatever it says of itself."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import craft
import pytest
from click.testing import CliRunner
from jellyformat_flax.leaves import read_weights as read_flax
from jellyformat_gguf.header import read_tensors
from jellyformat_trailer.cut import cut_off
from jellyformat_trailer.refuse import refusal
from test_packstream import entry, packed

import jellyformat
from jellyformat import following
from jellyformat.capture.secrets import blank_secrets, find_secrets
from jellyformat.cli import log
from jellyformat.compat.packstream import PackStream
from jellyformat.errors import JellyError
from jellyformat.exports import patch
from jellyformat.exports.edits import edits_between
from jellyformat.fleet import looking
from jellyformat.format.diffs import Op
from jellyformat.format.frames import MAGIC
from jellyformat.format.objects import BLOB, Leaf, object_id
from jellyformat.format.records import DiffRecord, ObjectRecord
from jellyformat.format.source import BytesSource
from jellyformat.git.attributes import Attributes
from jellyformat.git.config import parse_config
from jellyformat.git.ignore import Ignore
from jellyformat.git.index import parse_index
from jellyformat.git.packs import BadPack, apply_delta
from jellyformat.git.reftable import Table
from jellyformat.hosts.adapter import END_MAGIC
from jellyformat.hosts.registry import recognize
from jellyformat.testing.hosts import CountingSource
from jellyformat.verifier import verify

pytestmark = [pytest.mark.slow, pytest.mark.sampled(4)]

MIB = 1 << 20
SECONDS, MEMORY = 20, 512 * MIB
"""What one file may cost: a limit against what would take minutes or gigabytes, and no measurement."""


# -- packs -------------------------------------------------------------------------------------------------------------


def back(distance: int) -> bytes:
    """How an entry of a pack names a base that lies ``distance`` bytes in front of it."""
    out = [distance & 127]
    while distance := distance >> 7:
        distance -= 1
        out.append(0x80 | distance & 127)
    return bytes(reversed(out))


def with_delta(base: bytes, delta: bytes) -> bytes:
    first = entry(BLOB, base, level=9)
    return packed(first, entry(6, delta, head=back(len(first)), level=9))


def sizes(*numbers: int) -> bytes:
    out = bytearray()
    for number in numbers:
        while number > 0x7F:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        out.append(number)
    return bytes(out)


def endless_number(size: int) -> bytes:
    """A size in a delta that goes on and on: shifting it takes the square of its length."""
    return with_delta(b"base", b"\xff" * (size * 1000))


def copies(size: int) -> bytes:
    """Instructions of one byte that each stand for 64 KiB."""
    return with_delta(bytes(65536), sizes(65536, 65536 * size) + b"\x80" * size)


def copies_of_nothing(size: int) -> bytes:
    """Copies from behind the base: they make nothing, so that no size ends them."""
    return with_delta(b"x", sizes(1, 5) + b"\x91\5\5" * (size * 1000))


def inserts(size: int) -> bytes:
    """Instructions for each single byte, which deflate to a thousandth."""
    return with_delta(b"x", sizes(1, size * 400) + b"\1a" * (size * 400))


def many_objects(size: int) -> bytes:
    """Objects that deflate to a thousandth."""
    return packed(*(entry(BLOB, b"%d" % number + bytes(MIB), level=9) for number in range(size // 1040)))


# -- repositories ------------------------------------------------------------------------------------------------------


def table(blocks: bytes) -> bytes:
    """A reftable of these blocks; the first is as long as it says, and the header with it."""
    header = struct.pack(">4sB3sQQ", b"REFT", 1, bytes(3), 1, 1)
    footer = header + struct.pack(">5Q", 0, 0, 0, 0, 0)
    return header + blocks + footer + struct.pack(">I", zlib.crc32(footer))


def long_names(size: int) -> bytes:
    """Refs of which each has the whole name of the one before, and a letter more."""
    records = b"".join(back_of(number) + b"\x08a\0" for number in range(size // 6)) + bytes(2)
    return table(b"r" + (len(records) + 28).to_bytes(3, "big") + records)


def back_of(number: int) -> bytes:
    return back(number) if number else b"\0"


def empty_reflogs(size: int) -> bytes:
    """Blocks of reflogs with nothing in them: what lies behind each was copied to unpack it."""
    block = zlib.compress(bytes(2))
    blocks = (b"g" + (6 + 24 * (not number)).to_bytes(3, "big") + block for number in range(size // 2))
    return table(b"".join(blocks))


# -- hosts -------------------------------------------------------------------------------------------------------------

LEGACY = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."


def legacy(size: int) -> bytes:
    """A file full of headers, each of which asks for half of the file to be hashed."""
    header = MAGIC + b"\1" + bytes(7) + struct.pack(">QQQ", size // 2, 10, size) + bytes(32)
    return LEGACY + header * (size // 72)


def npy_header(shape: bytes, dtype: bytes = b"<f4") -> bytes:
    header = b"{'descr': '" + dtype + b"', 'fortran_order': False, 'shape': (" + shape + b"), }"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header


def local(name: bytes, data: bytes, *, method: int = 0, length: int | None = None, extra: bytes = b"") -> bytes:
    sizes = (len(data), len(data) if length is None else length, len(name), len(extra))
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, method, 0, 0, 0, *sizes) + name + extra + data


def central(name: bytes, offset: int, packed: int, length: int, method: int = 0) -> bytes:
    fields = (20, 20, 0, method, 0, 0, 0, packed, length, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields) + name


def archive(body: bytes, *entries: bytes) -> bytes:
    directory, count = b"".join(entries), len(entries)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def one_container(size: int) -> bytes:
    """Many entries for one tensor that begins as a container does: comparing them reads the square of the file."""
    data = MAGIC + b"\1" + bytes(7) + struct.pack(">QQQ", 10, 10, size // 2) + bytes(size // 2)
    body = local(b"a/data/0", data)
    return archive(body, *[central(b"a/data/0", 0, len(data), len(data))] * min(60_000, size // 110))


def one_local_header(size: int) -> bytes:
    """Many entries for one local header, as long as can be."""
    body = local(b"a/data/0", b"x", extra=bytes(min(65_000, size // 2)))
    return archive(body, *[central(b"a/data/0", 0, 1, 1)] * min(60_000, size // 110))


def bombs(size: int) -> bytes:
    """Deflated entries, named as a container is, that inflate to a thousand times the file, each of them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    length, name = size * 200, b"a/.jelly/snapshot"
    data = packer.compress(bytes(length)) + packer.flush()
    return archive(
        local(name, data, method=8, length=length),
        *[central(name, 0, len(data), length, 8)] * min(60_000, max(1, size // 130)),
    )


def header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


def flax_map(size: int) -> bytes:
    return b"\x91" * 500 + b"\xdd" + struct.pack(">L", size) + b"\x80" * size


def flax_shape(size: int) -> bytes:
    count = size // 9
    keys = (b"%d" % number for number in range(count))
    body = b"".join(bytes((0xA0 | len(key),)) + key + b"\1" for key in keys)
    return b"\x83\xb9__msgpack_chunked_array__\xc3\xa5shape\xdf" + struct.pack(">L", count) + body


def gguf(size: int, kind: int, inner: int) -> bytes:
    """One metadata that says to have a trillion values, and zeros for them."""
    return b"GGUF\3\0\0\0" + struct.pack("<QQQLLQ", 0, 1, 0, kind, inner, 1 << 40) + bytes(size)


def lines(size: int, before: int, after: int) -> tuple[bytes, bytes]:
    """Two texts of few different lines: each line of one is equal to a fifth of the other's."""
    return (
        b"".join(b"%d\n" % (number % before) for number in range(size // 2)),
        b"".join(b"%d\n" % (number % after) for number in range(size // 2)),
    )


# -- containers and git's files ----------------------------------------------------------------------------------------


def many_files(size: int, name: str = "%d", content: bytes = b"#") -> bytes:
    """A container of small files."""
    leaves, records = {}, []
    for number in range(max(1, size // 60)):
        blob = content.replace(b"#", b"%d" % number)
        leaves[(name % number).encode()] = Leaf(0o100644, object_id(BLOB, blob))
        if number == 0 or b"#" in content:
            records.append(ObjectRecord(BLOB, blob))
    return craft.crafted().with_leaves(leaves, tuple(records))


def one_diff(size: int) -> bytes:
    """A diff of as many operations as there is room for."""
    made = craft.crafted()
    base = next(record.base for record in made.records if isinstance(record, DiffRecord))
    ops: tuple[Op, ...] = tuple((number % 7, 1) for number in range(size // 3))
    records = [DiffRecord(BLOB, base, ops) if isinstance(record, DiffRecord) else record for record in made.records]
    return craft.assemble(made.parts, records)


def noted(size: int) -> bytes:
    """A manifest with an extension of many values."""
    note = {str(number): [number] for number in range(size // 8)}
    made = craft.assemble(*craft.good())
    return craft.change_value(made, lambda value: value["extensions"].update(run=note))  # type: ignore[union-attr]


def index(size: int) -> bytes:
    """An index of many entries."""
    entry = bytes(24) + struct.pack(">L", 0o100644) + bytes(32) + struct.pack(">H", 8) + b"%08d" + bytes(2)
    count = size // 72
    return b"DIRC" + struct.pack(">LL", 2, count) + b"".join(entry % number for number in range(count)) + bytes(20)


Read = Callable[[Any], object]


def check_it(data: Any) -> object:
    return verify(io.BytesIO(data.inner.data))


def restore_it(data: Any) -> object:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "x.jelly").write_bytes(data.inner.data)
        return jellyformat.restore(Path(name) / "x.jelly", Path(name) / "new")


def in_index(data: Any) -> object:
    return parse_index(data.inner.data, 20)


def in_config(data: Any) -> object:
    return parse_config(data.inner.data)


def in_refs(data: Any) -> object:
    return len(dict(Table(data.inner.data, b"x.ref").records()))


def in_reflogs(data: Any) -> object:
    return sum(1 for _ in Table(data.inner.data, b"x.ref").logs())


def in_rules(data: Any) -> object:
    text = data.inner.data
    Attributes(lambda path: text).of(b"a/b/c.py")
    return Ignore(lambda path: text, ()).matches(b"a/b/c.py", directory=False)


def in_delta(data: Any) -> object:
    try:
        return apply_delta(b"x" * 64, data.inner.data)
    except (BadPack, IndexError):
        return None


def in_pack(data: Any) -> object:
    return PackStream(data.inner.data, "sha1")


def search(data: Any) -> object:
    return find_secrets(b"a.yml", data.inner.data)


def blank(data: Any) -> object:
    return blank_secrets(data.inner.data)


def compare(texts: tuple[bytes, bytes]) -> object:
    return sum(1 for _ in patch._hunks(*map(patch._lines, texts)))


def tell(texts: tuple[bytes, bytes]) -> object:
    old, new = ({b"a.py": patch.Side(0o100644, text[:9], lambda text=text: text)} for text in texts)  # type: ignore[misc]
    return edits_between(old, new)


def flax(source: Any) -> object:
    return sum(1 for _ in read_flax(source))


FAMILIES: dict[str, tuple[Callable[[int], Any], Read]] = {
    "a number without end in a pack": (endless_number, in_pack),
    "copies in a pack": (copies, in_pack),
    "copies of nothing in a pack": (copies_of_nothing, in_pack),
    "inserts in a pack": (inserts, in_pack),
    "objects in a pack": (many_objects, in_pack),
    "headers in a legacy file": (legacy, recognize),
    "one container in a zip": (one_container, recognize),
    "one local header in a zip": (one_local_header, recognize),
    "bombs in a zip": (bombs, recognize),
    "ends of a zip": (lambda size: b"PK\3\4" + b"PK\5\6" * (size // 4), recognize),
    "ends of a zip behind a file": (lambda size: b"\1" + b"PK\5\6" * (size // 4), refusal),
    "numbers in JSON": (lambda size: header(b'{"a":[' + b"0," * (size // 2) + b"0]}"), recognize),
    "digits in JSON": (lambda size: header(b'{"a":{"dtype":"F32","shape":[' + b"1" * size + b"x]}}"), recognize),
    "shapes in JSON": (lambda size: header(b'{"a":{"dtype":"F","shape":[' + b"11," * (size // 3) + b"x]}}"), recognize),
    "brackets in JSON": (lambda size: header(b'{"a":' + b"[" * (size // 2) + b"]" * (size // 2) + b"}"), recognize),
    "braces in JSON": (lambda size: header(b'{"":' * (size // 5) + b"0" + b"}" * (size // 5)), recognize),
    "members in JSON": (lambda size: header(b"{" + b",".join([b'"":0'] * (size // 5)) + b"}"), recognize),
    "escapes in JSON": (lambda size: header(b'{"a":"' + b'\\"' * (size // 2) + b'"}'), recognize),
    "names in JSON": (lambda size: header(b'{"' + b"\\u0061" * (size // 6) + b'":0}'), recognize),
    "fill in JSON": (
        lambda size: header(b'{"__metadata__":{"jellyformat":"' + b"~!" * (size // 2) + b'"}}'),
        recognize,
    ),
    "metadata in GGUF": (
        lambda size: b"GGUF\3\0\0\0" + struct.pack("<QQ", 0, 1 << 40) + bytes(size),
        read_tensors,
    ),
    "arrays in GGUF": (lambda size: gguf(size, 9, 9), read_tensors),
    "strings in GGUF": (lambda size: gguf(size, 9, 8), read_tensors),
    "maps in flax": (flax_map, flax),
    "integers in flax": (lambda size: b"\xdd" + struct.pack(">L", size) + b"\1" * size, flax),
    "dimensions in flax": (flax_shape, flax),
    "values of msgpack": (lambda size: b"\xdd" + struct.pack(">L", size) + b"\xc0" * size, refusal),
    "fields of protocol buffers": (lambda size: b"\x0a\0" * (size // 2), refusal),
    "operations of a pickle": (lambda size: b"\x80\2" + b"K\1" * (size // 2), refusal),
    "names in a pickle": (lambda size: b"\x80\2" + b"ca\nb\n" * (size // 5), refusal),
    "fields of half an ONNX model": (lambda size: b"\x08\x08" + b"\x12\0" * (size // 2) + b"\x3a\x7f", cut_off),
    "fields of ONNX": (lambda size: b"\x08\0" + b"\x3a\0\x42\0" * (size // 4), recognize),
    "digits in a shape of numpy's": (lambda size: npy_header(b"1" * (min(size, 60_000) - 100) + b"x"), refusal),
    "commas in a shape of numpy's": (lambda size: npy_header(b"1, " * (min(size, 60_000) // 4) + b"x"), refusal),
    "digits in a type of numpy's": (lambda size: npy_header(b"", b"M8[" + b"1" * (min(size, 60_000) - 100)), refusal),
    "keys in a text": (lambda size: b"key=" * (size // 4), search),
    "anchors in a text": (lambda size: b"8Q~" * (size // 3), search),
    "web tokens in a text": (lambda size: b"eyJaaaaaaaaaaaaaa." * (size // 18), search),
    "passwords in URLs": (lambda size: b"://a:" * (size // 5), search),
    "tokens in an argument": (lambda size: b"GOCSPX-" * (size // 7), blank),
    "keys in an argument": (lambda size: (b"-----BEGIN PRIVATE " + b"KEY-----\naaaaaaaa") * (size // 36), blank),
    "files in a container": (many_files, check_it),
    "directories in a container": (lambda size: many_files(size, "%d/a"), check_it),
    "files that are alike": (lambda size: many_files(size, content=b"same"), check_it),
    "operations of a diff": (one_diff, check_it),
    "values in a manifest": (noted, check_it),
    "files to restore": (many_files, restore_it),
    "a header that is none": (lambda size: MAGIC + b"\1" + b"\xff" * size, recognize),
    "a superblock in HDF5": (lambda size: b"\x89HDF\r\n\x1a\n\2\x08\x08\0" + b"\x30" * size, recognize),
    "ends of a trailer": (lambda size: b"\1" + END_MAGIC * (size // 8), recognize),
    "entries in an index": (index, in_index),
    "extensions in an index": (
        lambda size: b"DIRC" + struct.pack(">LL", 2, 0) + b"abcd\0\0\0\0" * (size // 8) + bytes(20),
        in_index,
    ),
    "values in a configuration": (lambda size: b"[a]\n" + b"b = c\n" * (size // 6), in_config),
    "quotes in a configuration": (lambda size: b"[a]\nb = " + b'""' * (size // 2), in_config),
    "long names in a configuration": (
        lambda size: b'[a "' + b"b" * min(size // 2, 60_000) + b'"]\n' + b"c\n" * (size // 4),
        in_config,
    ),
    "names in a reftable": (long_names, in_refs),
    "reflogs in a reftable": (empty_reflogs, in_reflogs),
    "rules": (lambda size: b"*a*b*\n" * (size // 6), in_rules),
    "wildcards": (lambda size: (b"*a" * 40 + b"\n") * (size // 81), in_rules),
    "classes": (lambda size: b"[[:alpha:]a-z!]*\n" * (size // 17), in_rules),
    "attributes": (lambda size: b"* a=b\n" * (size // 6), in_rules),
    "inserts in a delta": (lambda size: sizes(64, size // 2) + b"\1a" * (size // 2), in_delta),
    "copies in a delta": (lambda size: sizes(64, size // 2) + b"\x90\1" * (size // 2), in_delta),
    "short copies in a delta": (lambda size: sizes(64, size * 8) + b"\x90\2" * (size * 4), in_delta),
    "brackets in a line": (lambda size: (b"(" * size, b"[" * size), tell),
    "values in a line": (lambda size: (b"a=1 " * (size // 4), b"a=2 " * (size // 4)), tell),
    "few different lines": (lambda size: lines(size, 7, 5), compare),
    "many alike lines": (lambda size: lines(size, 1, 2), compare),
}


def source_of(made: Any) -> Any:
    return CountingSource(BytesSource(made)) if isinstance(made, bytes) else made


TIMES = {
    "inserts in a pack": 1 / 16,
    "copies of nothing in a pack": 1 / 16,
    "short copies in a delta": 1 / 4,
    "few different lines": 1 / 8,
    "many alike lines": 1 / 8,
    "headers in a legacy file": 16,
    "rules": 1 / 8,
    "wildcards": 1 / 8,
    "attributes": 1 / 8,
}
"""Of what takes many lines for each byte a part is enough, and what may cost so and so much at any size needs more."""


def cost(made: Any, read: Read) -> int:
    """Lines of Python that reading takes, and the bytes that are read of the source, by 64."""
    source, count = source_of(made), 0

    def trace(frame: FrameType, event: str, value: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read(source)
    except JellyError:
        pass
    finally:
        sys.settrace(before)
    return count + getattr(source, "read", 0) // 64


@pytest.mark.parametrize("name", FAMILIES)
def test_cost_by_input_size(name: str) -> None:
    """Four times the input takes at most five times the work."""
    make, read = FAMILIES[name]
    cost(make(400), read)  # what is loaded when it is first needed
    small, large = (cost(make(int(size * TIMES.get(name, 1))), read) for size in (4_000, 16_000))
    assert large <= 5 * small + 2_000, (small, large)


@pytest.mark.parametrize("name", FAMILIES)
def test_cost_has_a_limit(name: str) -> None:
    """A megabyte that is made to be read for minutes, or to fill the memory, is done with before."""
    make, read = FAMILIES[name]
    source = source_of(
        make({compare: MIB // 240, in_pack: MIB // 4, restore_it: MIB // 16, in_rules: MIB // 8}.get(read, MIB))
    )
    pid = os.fork()
    if not pid:
        code = 70
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            with open("/proc/self/statm") as file:
                now = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
            read(source)
            code = 0
        except JellyError:
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, f"exit status {status}: over {SECONDS} s of processor time or {MEMORY} bytes, if it is negative"


# -- commands that look at many ----------------------------------------------------------------------------------------


def test_log_reads_no_more_of_a_file_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A legacy file is searched to its end; the others are shown all the same, and the one is named."""
    (tmp_path / "a.jelly").write_bytes(craft.assemble(*craft.good()))
    (tmp_path / "large.pt").write_bytes(LEGACY + bytes(3 * MIB))
    shown = CliRunner().invoke(log.command, [str(tmp_path), "--json"])
    assert [Path(entry["file"]).name for entry in json.loads(shown.stdout)] == ["a.jelly"]
    assert "1 file without a snapshot" in shown.stderr
    assert "would have to be read" not in shown.stderr
    monkeypatch.setattr(looking, "_READ_BYTES", 2 * MIB)
    shown = CliRunner().invoke(log.command, [str(tmp_path), "--json"])
    assert [Path(entry["file"]).name for entry in json.loads(shown.stdout)] == ["a.jelly", "large.pt"]
    assert "large.pt: more of the file would have to be read" in shown.stderr


def test_log_compares_no_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = craft.crafted()
    (tmp_path / "a.jelly").write_bytes(craft.assemble(made.parts, made.records))
    other = Leaf(0o100644, object_id(BLOB, b"new\n"))
    (tmp_path / "b.jelly").write_bytes(made.with_leaves({b"b.py": other}))
    shown = json.loads(CliRunner().invoke(log.command, [str(tmp_path), "--json"]).stdout)
    assert [bool(entry["changes"]) for entry in shown] == [False, True]
    monkeypatch.setattr(following, "STATE_BYTES", 100)
    said = CliRunner().invoke(log.command, [str(tmp_path), "--json"])
    assert [entry["changes"] for entry in json.loads(said.stdout)] == [None, None]
    assert "b.jelly has more code than log compares" in said.stderr
