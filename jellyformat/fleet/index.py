"""An index: a Parquet file with a row for each of many checkpoints; written whole, and never trusted when read."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import zstandard

from jellyformat.errors import BadHost, NoFile, RefusedExists, SystemFailure
from jellyformat.files.durable import is_file, system_errors
from jellyformat.files.newfile import new_file
from jellyformat.files.platform import bounded_memory
from jellyformat.fleet import table
from jellyformat.fleet.rows import Row, Stamp
from jellyformat.hints import Hint, command, option
from jellyformat.hosts.registry import PathLike
from jellyformat.hosts.remote import open_url

AGAIN = command("index", "DIR", option("output", "FILE.parquet"))
_MAGIC = b"PAR1"
_MARK = "jellyformat.index"
_VERSION = "1"
_DIRECTORY = "jellyformat.directory"
_REST = "jellyformat.rest"
_FOOTER_BYTES = 64 << 20
_REST_BYTES = 64 << 20
_MOST_REST = 200_000
"""Files without a snapshot that are remembered; the others are read again each time."""
_GROUP_ROWS = 8192
_BATCH_ROWS = 1024
_MOST_ROWS = 1 << 28
_GROUP_BYTES = 1 << 30
_MEMORY = 4 << 30
"""Bytes that may be needed for one part of an index; more would be no part that was written here."""
_URL_BYTES = 1 << 30
"""Of an index behind a URL, all of which is read into memory."""
_STORES = re.compile(r"(abfss?|adl|az|gcs|gs|hf|https?|memory|oci|oss|s3a?)://[^:]*(:\d+)?[^:]*", re.DOTALL)
"""URLs that are opened because an index names them; not those that lead through other filesystems."""


@dataclass(frozen=True)
class Index:
    """What is in an index.

    Attributes:
        rows: One for each checkpoint; files as they were named.
        directory: Where they were named.
        rest: The other files, as they were seen, by name: those that carry no snapshot, and sidecars.
        hosts: The files that such sidecars lie beside, by the sidecar's name.
    """

    rows: Sequence[Row] = ()
    directory: str = "/"
    rest: Mapping[str, Stamp] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)

    def here(self) -> Sequence[Row]:
        """The rows with files as they are named from the current directory."""
        with suppress(OSError):
            if Path(self.directory).samefile("."):
                return self.rows
        return [
            row if "://" in row.file else replace(row, file=str(Path(self.directory, row.file))) for row in self.rows
        ]


def is_index(path: PathLike) -> bool:
    """Whether a file is an index, by its end; whether it is sound is not looked at.

    A URL is asked for only where its name ends with ``.parquet``: for others, no store is to be asked once more.

    Raises:
        Usage: fsspec, or what it needs for this kind of URL, is not installed.
        SystemFailure: it cannot be read.
    """
    url = _url(path)
    if url is not None:
        with suppress(NoFile):  # names of files may begin with it
            if urlsplit(url).path.endswith(".parquet"):
                with open_url(url) as source:
                    return _is_marked(source.size, source.read_at)
        return False
    if not is_file(Path(path)):
        return False
    with system_errors(Path(path), "nothing was changed", output=False), Path(path).open("rb") as stream:

        def read_at(offset: int, length: int) -> bytes:
            stream.seek(offset)
            return stream.read(length)

        return _is_marked(stream.seek(0, os.SEEK_END), read_at)


def _url(path: PathLike) -> str | None:
    """The URL that is meant; None for a path."""
    return path if isinstance(path, str) and "://" in path and not os.path.lexists(path) else None


def _is_marked(size: int, read_at: Callable[[int, int], bytes]) -> bool:
    if size < 12:
        return False
    length, magic = struct.unpack("<I4s", read_at(size - 8, 8))
    if magic != _MAGIC or length > min(size - 12, _FOOTER_BYTES):
        return False
    return _MARK.encode() in read_at(size - 8 - length, length)


def check_replaceable(path: Path) -> None:
    """Raises RefusedExists where a file is there that is no index."""
    if os.path.lexists(path) and not is_index(path):
        raise RefusedExists(
            f"{path} is no index, and would be lost",
            hint="nothing was changed; choose another name, or delete the file if that is what you want",
        )


def read(path: PathLike) -> Index:
    """An index.

    Args:
        path: Its path, or the URL of one of a gigabyte at most.

    Raises:
        NoFile: there is none.
        Usage: pyarrow, or what a URL needs, is not installed.
        BadHost: it is not as it is written here.
        SystemFailure: it cannot be read, or not in the memory that is there.
    """
    with _content(path) as (stream, size):
        return _read(path, stream, size)


def _read(path: PathLike, stream: BinaryIO, size: int) -> Index:
    pa, parquet = table.library()
    limits = {"thrift_string_size_limit": _FOOTER_BYTES, "thrift_container_size_limit": 4_000_000}
    try:
        with bounded_memory(_MEMORY + 40 * size):  # a few bytes can stand for any number of values
            file = parquet.ParquetFile(stream, pre_buffer=False, **limits)
            index = _check(file.metadata, file.schema_arrow)
            rows: list[Row] = []
            shared: table.Shared = {}
            for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                rows += map(_checked, table.rows_of(batch, shared))
        return replace(index, rows=rows)
    except (pa.ArrowMemoryError, MemoryError) as error:
        raise SystemFailure(f"{path} needs more memory than an index does", hint="nothing was changed") from error
    except (pa.ArrowException, ValueError, KeyError, TypeError, RecursionError, zstandard.ZstdError) as error:
        raise _bad(path, str(error)) from error
    except OSError as error:
        if error.errno is not None:  # the disk's own
            raise
        raise _bad(path, str(error)) from error


@contextmanager
def _content(path: PathLike) -> Iterator[tuple[BinaryIO, int]]:
    """An index, open, and how long it is. What a store has is read at once: parts of it would be many requests."""
    url = _url(path)
    if url is not None:
        with open_url(url) as source:
            if source.size > _URL_BYTES:
                raise SystemFailure(
                    f"{url} is larger than an index that is read from a URL", hint="nothing was changed; copy it first"
                )
            yield io.BytesIO(source.read_at(0, source.size)), source.size
        return
    if not os.path.lexists(path):
        raise NoFile(f"{path} does not exist", hint="check the path")
    with system_errors(Path(path), "nothing was changed", output=False), Path(path).open("rb") as stream:
        yield stream, os.fstat(stream.fileno()).st_size


def _checked(row: Row) -> Row:
    for name in (row.file, row.holder):
        if "://" in name and not _STORES.fullmatch(name):
            raise ValueError(f"it names {name}, which is not opened because an index says so")
    return row


def _bad(path: PathLike, why: str) -> BadHost:
    return BadHost(
        f"{path} is no sound index: {why}",
        hint=Hint(
            "nothing was changed; delete it, and make it again: ",
            AGAIN,
        ),
    )


def _check(metadata: Any, schema: Any) -> Index:
    """What stands at the end of an index; raises ValueError where that is not as it is written here."""
    if not schema.equals(table.schema()):
        raise ValueError("it has other columns")
    if metadata.num_rows > _MOST_ROWS:
        raise ValueError(f"it has {metadata.num_rows} rows")
    for at in range(metadata.num_row_groups):
        group = metadata.row_group(at)
        if group.num_rows > _GROUP_ROWS or group.total_byte_size > _GROUP_BYTES:
            raise ValueError("a part of it is larger than it is written")
    said = {name.decode(): value for name, value in (metadata.metadata or {}).items()}
    if said.get(_MARK) != _VERSION.encode():
        raise ValueError("it is of another version")
    directory = json.loads(said[_DIRECTORY])
    if not isinstance(directory, str) or "\0" in directory:
        raise ValueError("it does not say where it was made")
    rest: dict[str, Stamp] = {}
    hosts: dict[str, str] = {}
    packed = base64.b64decode(said.get(_REST, b""), validate=True)
    if packed:
        # where a frame says its size, `decompress` goes by that alone
        if zstandard.frame_content_size(packed) > _REST_BYTES:
            raise ValueError("what it says of other files is too long")
        text = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(packed, max_output_size=_REST_BYTES)
        for item in json.loads(text):
            name, size, mtime, ctime, inode, etag, host = item
            numbers = all(isinstance(value, int | None) for value in (mtime, ctime, inode))
            texts = isinstance(name, str) and isinstance(etag, str | None) and isinstance(host, str | None)
            if not (texts and numbers and isinstance(size, int)):
                raise ValueError("what it says of other files is odd")
            rest[name] = Stamp(size, mtime, ctime, inode, etag)
            if host is not None:
                hosts[name] = host
    return Index((), directory, rest, hosts)


def write(path: Path, index: Index) -> None:
    """Write an index, whole or not at all; in place of another one that may be there.

    Raises:
        Usage: pyarrow is not installed.
        RefusedExists: something else has that name.
        SystemFailure: the system failed; what was there is as it was.
    """
    _, parquet = table.library()
    check_replaceable(path)
    rest = [
        [name, stamp.size, stamp.mtime_ns, stamp.ctime_ns, stamp.inode, stamp.etag, index.hosts.get(name)]
        for name, stamp in list(index.rest.items())[:_MOST_REST]
    ]
    packed = zstandard.ZstdCompressor().compress(json.dumps(rest).encode()) if rest else b""
    said = {
        _MARK: _VERSION,
        _DIRECTORY: json.dumps(index.directory),
        _REST: base64.b64encode(packed).decode(),
    }
    with new_file(path, overwrite=True) as fd, open(fd, "wb", closefd=False) as sink:
        with parquet.ParquetWriter(sink, table.schema(), compression="zstd") as writer:
            for at in range(0, len(index.rows), _GROUP_ROWS):
                writer.write_table(table.table_of(index.rows[at : at + _GROUP_ROWS]), row_group_size=_GROUP_ROWS)
            writer.add_key_value_metadata(said)
        sink.flush()
