"""Bytes of a fuzzer made into an index: a table whose values it chose, so that what lies behind Parquet is reached."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import mending
import pyarrow
import pyarrow.parquet
import zstandard

from jellyformat.errors import CorruptBlock
from jellyformat.exports.edits import Edit
from jellyformat.fleet import table
from jellyformat.fleet.rows import Row, Stamp
from jellyformat.format.extensions import Run
from jellyformat.trust.signature import UNCHECKED, SignatureCheck

ROW = Row(
    "runs/a.pt", Stamp(1, 2, 3, 4), "/x/a.pt", Stamp(5, etag='"e"'), "torch", "listed", "a" * 64, "b" * 64, "c" * 64,
    5, 6, "refs/heads/main", "d" * 40, "subject", "merge", 1, 2, 3, 4, 5, 6, 7, 8, 9, "jellyformat 1", "program",
    (b"x",), {"lr": "0.1"}, "note", Run(b"r" * 16, 7, b"p" * 32), {"python": "3"}, True,
    (SignatureCheck(UNCHECKED, None, "ssh-ed25519", "SHA256:x", None, None, "not checked", True),),
    CorruptBlock("no block", requirement="JF-BLK-005"),
    (("e" * 64, (Edit("M", b"a.py", 1, 2, "lr: 1 \u2192 2", ("3",)),)),),
)  # fmt: skip
COLUMNS = tuple(table.schema().names)
DIRECTORY, REST, NEXT = (len(COLUMNS) + at for at in range(3))
"""Numbers of parts that are no column."""
WORDS = (
    *(name.encode() for name in COLUMNS), b"PAR1", b"jellyformat.index", b"jellyformat.directory", b"jellyformat.rest",
    b"s3://", b"file:", b"://", b'"class"', b'"edits"', b'"fingerprint"', b"unchecked", b"null", b"true", b"-1", b"[]",
    b"18446744073709551616", b"\\u001b", b"\\ud800", b"\\u0000",
)  # fmt: skip
"""What stands in indexes, for the fuzzer to put anywhere."""


def parts_of(row: Row) -> list[bytes]:
    """A row as parts ``number value``, a value for each column, as JSON; bytes in it as text."""
    values = table.table_of([row]).to_pylist()[0]
    return [bytes((number,)) + _json(values[name]) for number, name in enumerate(COLUMNS)]


def _json(value: Any) -> bytes:
    return json.dumps(value, default=lambda odd: odd.decode("latin-1") if isinstance(odd, bytes) else str(odd)).encode()


def index_of(data: bytes) -> bytes:
    """The index with these parts; a column that none names is as in `ROW`. Nothing, where no table has such values."""
    rows: list[dict[str, Any]] = [{}]
    directory, rest = b'"/"', b"[]"
    for part in mending.split(data):
        number = part[0] % (NEXT + 1) if part else NEXT
        if number < len(COLUMNS):
            rows[-1][COLUMNS[number]] = _value(part[1:])
        elif number == DIRECTORY:
            directory = part[1:]
        elif number == REST:
            rest = part[1:]
        else:
            rows.append({})
    good = table.table_of([ROW]).to_pylist()[0]
    try:
        content = pyarrow.Table.from_pylist([good | row for row in rows], schema=table.schema())
        return written(content, directory, rest)
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError, AttributeError):
        return b""


def _value(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "surrogateescape")


def written(content: Any, directory: bytes = b'"/"', rest: bytes = b"[]", **options: Any) -> bytes:
    """A table as an index, whatever is in it."""
    out = io.BytesIO()
    with pyarrow.parquet.ParquetWriter(out, content.schema, **options) as writer:
        writer.write_table(content)
        packed = base64.b64encode(zstandard.compress(rest))
        writer.add_key_value_metadata(
            {"jellyformat.index": "1", "jellyformat.directory": directory, "jellyformat.rest": packed}
        )
    return out.getvalue()


def seeds() -> Iterator[bytes]:
    """Indexes as they are written, plainly and packed; and tables by their parts."""
    content = table.table_of([ROW] * 3)
    for options in ({"compression": "zstd"}, {"compression": "none", "use_dictionary": False, "store_schema": False}):
        yield b"\1" + written(content, **options)
    yield b"\0" + mending.join(parts_of(ROW))
    for name in COLUMNS:
        yield b"\0" + mending.join([bytes((COLUMNS.index(name),)) + b"null"])
    more = [
        bytes((DIRECTORY,)) + b'"/home/a"',
        bytes((REST,)) + b'[["a.txt", 1, 2, 3, 4, null, "b.pt"]]',
        bytes((NEXT,)),
    ]
    yield b"\0" + mending.join(more)
