"""Rows as a table of Parquet, and back. What a table says is checked, whoever wrote it: it may be anybody's."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from jellyformat.errors import BadManifest, FormatError, JellyError, SystemFailure, Usage
from jellyformat.exports.edits import Edit
from jellyformat.fleet.rows import Row, Stamp
from jellyformat.format import extensions
from jellyformat.format.extensions import LABELS, Run
from jellyformat.trust.signature import BAD, UNCHECKED, SignatureCheck

if TYPE_CHECKING:
    import pyarrow

_HEX = re.compile(r"[0-9a-f]+")
_UINT64 = (1 << 64) - 1
_LONGEST = 1 << 16
"""Characters, or bytes, of one value."""
_MOST = 1 << 20
"""Values in one list."""
_TEXTS = ("host", "form", "tool")
_OPTIONAL = ("ref", "subject", "operation", "captured", "note")
_ALIKE = (*_TEXTS, *_OPTIONAL, "snapshot_id", "code", "commit", "run")
"""Texts that are the same in many rows."""
_COUNTS = (
    "container_bytes", "state_bytes", "staged", "unstaged", "untracked", "conflicted", "omitted", "files", "size",
    "history", "time",
)  # fmt: skip
_SAID_TWICE = ("created", "branch", "dirty")
"""For who asks the table alone: they follow from others. For a time, pyarrow would load all of pandas."""
_STAMP = ("size", "mtime_ns", "ctime_ns", "inode", "etag")
_CLAIM = ("state", "key_type", "fingerprint", "detail")
_CALENDAR = 253_402_300_800
"""Seconds from 1970 to the year 10000."""


def library() -> tuple[Any, Any]:
    """pyarrow, and what it has for Parquet.

    Raises:
        Usage: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise Usage(
            "an index is a Parquet file, and pyarrow is not installed", hint="pip install 'jellyformat[index]'"
        ) from error
    return pyarrow, pyarrow.parquet


def schema() -> pyarrow.Schema:
    """The columns of an index."""
    pa, _ = library()
    text, count, texts = pa.string(), pa.uint64(), pa.map_(pa.string(), pa.string())
    edit = pa.struct(
        [
            ("change", text),
            ("path", pa.binary()),
            ("added", count),
            ("removed", count),
            ("text", text),
            ("values", pa.list_(text)),
        ]
    )
    claim = pa.struct([*((name, text) for name in _CLAIM), ("bound", pa.bool_())])
    stamp = [("size", count), ("mtime_ns", pa.int64()), ("ctime_ns", pa.int64()), ("inode", count), ("etag", text)]
    return pa.schema(
        [
            ("file", text),
            ("created", pa.timestamp("us", tz="UTC")),
            ("labels", texts),
            ("note", text),
            ("branch", text),
            ("commit", text),
            ("subject", text),
            ("dirty", pa.bool_()),
            ("snapshot_id", text),
            ("digest", text),
            ("code", text),
            ("run", text),
            ("sequence", count),
            ("parent", text),
            ("versions", texts),
            ("signed", pa.bool_()),
            ("claims", pa.list_(claim)),
            *((name, text) for name in _TEXTS),
            *((name, text) for name in ("ref", "operation", "captured")),
            *((name, count) for name in _COUNTS),
            ("edited", pa.list_(pa.binary())),
            ("damaged", pa.struct([("class", text), ("requirement", text), ("message", text)])),
            ("file_size", count),
            *((f"file_{name}", kind) for name, kind in stamp[1:]),
            ("holder", text),
            ("holder_stamp", pa.struct(stamp)),
            ("compared", pa.list_(pa.struct([("code", text), ("edits", pa.list_(edit))]))),
            ("raw", pa.map_(text, pa.binary())),
        ]
    )


def table_of(rows: Sequence[Row]) -> pyarrow.Table:
    """Rows as a table."""
    pa, _ = library()
    return pa.Table.from_pylist([_values(row) for row in rows], schema=schema())


def _values(row: Row) -> dict[str, object]:
    stamp = _stamp_values(row.stamp)
    found: dict[str, Any] = {
        "file": row.file,
        "created": datetime.datetime.fromtimestamp(row.time, datetime.timezone.utc) if row.time < _CALENDAR else None,
        "labels": dict(row.labels),
        "branch": row.branch,
        "commit": row.commit,
        "dirty": row.dirty,
        "snapshot_id": row.snapshot_id,
        "digest": row.digest,
        "code": row.code,
        "run": None if row.run is None else row.run.id.hex(),
        "sequence": None if row.run is None else row.run.sequence,
        "parent": None if row.run is None or row.run.parent is None else row.run.parent.hex(),
        "versions": dict(row.versions),
        "signed": row.signed,
        "claims": [{name: getattr(item, name) for name in (*_CLAIM, "bound")} for item in row.claims],
        **{name: getattr(row, name) for name in (*_TEXTS, *_OPTIONAL, *_COUNTS)},
        "edited": list(row.edited),
        "damaged": None
        if row.damaged is None
        else {
            "class": row.damaged.error_class,
            "requirement": row.damaged.requirement,
            "message": _sound(row.damaged.message),
        },
        **({} if stamp is None else {f"file_{name}": value for name, value in stamp.items()}),
        "holder": row.holder,
        "holder_stamp": _stamp_values(row.holder_stamp),
        "compared": [
            {
                "code": code,
                "edits": [
                    {
                        "change": edit.change,
                        "path": edit.path,
                        "added": edit.added,
                        "removed": edit.removed,
                        "text": edit.text,
                        "values": list(edit.values),
                    }
                    for edit in edits
                ],
            }
            for code, edits in row.compared
        ],
    }
    raw: dict[str, bytes] = {}
    for name, value in found.items():
        if isinstance(value, str) and _sound(value) != value:  # a name that is no UTF-8
            raw[name] = value.encode("utf-8", "surrogateescape")
            found[name] = _sound(value)
    return {**found, "raw": raw}


def _sound(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _stamp_values(stamp: Stamp | None) -> dict[str, object] | None:
    return None if stamp is None else {name: getattr(stamp, name) for name in _STAMP}


Shared = dict[Any, Any]
"""Values that many rows have: they are kept once."""


def rows_of(batch: pyarrow.RecordBatch, shared: Shared) -> list[Row]:
    """The rows of a part of a table that has the columns of `schema`.

    Args:
        batch: The part.
        shared: What rows before had, and these have.

    Raises:
        ValueError: one is not as `table_of` makes them.
    """
    _check_counts(batch)
    names = [name for name in batch.schema.names if name not in _SAID_TWICE]
    columns = {name: batch.column(name).to_pylist() for name in names}
    return [_row(dict(zip(names, values, strict=True)), shared) for values in zip(*columns.values(), strict=True)]


def _check_counts(batch: pyarrow.RecordBatch) -> None:
    """Raises ValueError where a count is missing: by columns, for there are many, whose type says the rest."""
    if any(batch.column(name).null_count for name in _COUNTS):
        raise ValueError("a count is missing")


def _row(values: dict[str, Any], shared: Shared) -> Row:
    for name in _ALIKE:
        if values[name] is not None:
            values[name] = shared.setdefault(values[name], values[name])
    key = tuple(_pairs(values["versions"]))
    versions = shared.get(key)
    if versions is None:
        versions = shared[key] = {_text(name): _text(value) for name, value in key}
    for name, raw in _pairs(values["raw"]):
        if name not in ("file", "holder", "ref", "branch", "operation"):
            raise ValueError(f"{name!r} has no bytes of its own")
        values[name] = _bytes(raw).decode("utf-8", "surrogateescape")
    run = None
    if values["run"] is not None:
        parent = values["parent"]
        run = Run(
            bytes.fromhex(_hex(values["run"], 32)),
            _count(values["sequence"]),
            None if parent is None else bytes.fromhex(_hex(parent, 64)),
        )
    try:
        labels = extensions.labels_of({LABELS: dict(_pairs(values["labels"]))}) if values["labels"] else {}
    except BadManifest as error:
        raise ValueError(error.message) from error
    plain: dict[str, Any] = {name: _text(values[name]) for name in _TEXTS}
    plain |= {name: None if values[name] is None else _text(values[name]) for name in _OPTIONAL}
    plain |= {name: values[name] for name in _COUNTS}
    commit = values["commit"]
    size = values["file_size"]
    return Row(
        file=_name(values["file"]),
        stamp=None if size is None else _stamp({name: values[f"file_{name}"] for name in _STAMP}),
        holder=_name(values["holder"]),
        holder_stamp=None if values["holder_stamp"] is None else _stamp(values["holder_stamp"]),
        snapshot_id=_hex(values["snapshot_id"], 64),
        digest=_hex(values["digest"], 64),
        code=_hex(values["code"], 64),
        commit=None if commit is None else _hex(commit, 40, 64),
        edited=tuple(map(_bytes, _list(values["edited"]))),
        labels=labels,
        run=run,
        versions=versions,
        signed=_flag(values["signed"]),
        claims=tuple(map(_claim, _list(values["claims"]))),
        damaged=None if values["damaged"] is None else _error(values["damaged"]),
        compared=tuple(
            (_hex(item["code"], 64), tuple(map(_edit, _list(item["edits"])))) for item in _list(values["compared"])
        ),
        **plain,
    )


def _stamp(values: Mapping[str, Any]) -> Stamp:
    times = [values[name] for name in ("mtime_ns", "ctime_ns")]
    if any(value is not None and not isinstance(value, int) for value in times):
        raise ValueError("a time is no number")
    inode, etag = values["inode"], values["etag"]
    return Stamp(
        _count(values["size"]),
        times[0],
        times[1],
        None if inode is None else _count(inode),
        None if etag is None else _text(etag),
    )


def _edit(values: Mapping[str, Any]) -> Edit:
    change, text = _text(values["change"]), values["text"]
    if change not in ("A", "D", "M", "T"):
        raise ValueError(f"{change!r} is no change")
    added, removed = (None if values[name] is None else _count(values[name]) for name in ("added", "removed"))
    more = tuple(map(_text, _list(values["values"])))
    return Edit(change, _bytes(values["path"]), added, removed, None if text is None else _text(text), more)


def _claim(values: Mapping[str, Any]) -> SignatureCheck:
    """What a container says of its signature: an index cannot say that one is good."""
    state, bound = _text(values["state"]), values["bound"]
    if state not in (UNCHECKED, BAD):
        raise ValueError(f"{state!r} is nothing that is known without a check")
    key_type, fingerprint = (None if values[name] is None else _text(values[name]) for name in _CLAIM[1:3])
    found = None if bound is None else _flag(bound)
    return SignatureCheck(state, None, key_type, fingerprint, None, None, _text(values["detail"]), found)


def _error(values: Mapping[str, Any]) -> JellyError:
    kind = error_kinds().get(_text(values["class"]))
    if kind is None:
        raise ValueError(f"{values['class']!r} is no kind of damage")
    requirement = values["requirement"]
    return kind(_text(values["message"]), requirement=None if requirement is None else _text(requirement))


def error_kinds() -> dict[str, type[JellyError]]:
    """The kinds of damage, and of failures to read, by their name."""
    kinds: list[type[JellyError]] = [*FormatError.__subclasses__(), SystemFailure]
    return {kind.error_class: kind for kind in kinds}


def _checked(kind: type[str] | type[bytes], what: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kind) or len(value) > _LONGEST:
            raise ValueError(f"{what} is missing or too long")
        return value

    return check


_text: Final = _checked(str, "a text")
_bytes: Final = _checked(bytes, "a path")


def _name(value: Any) -> str:
    found: str = _text(value)
    if not found or "\0" in found:
        raise ValueError("a file has no name")
    return found


def _hex(value: Any, *lengths: int) -> str:
    if not isinstance(value, str) or len(value) not in lengths or not _HEX.fullmatch(value):
        raise ValueError("an id is not of hex digits")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _UINT64:
        raise ValueError("a count is missing")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("a yes or no is missing")
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MOST or None in value:
        raise ValueError("a list is too long, or something in it is missing")
    return value


def _pairs(value: Any) -> list[tuple[str, Any]]:
    pairs = _list(value)
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return pairs
