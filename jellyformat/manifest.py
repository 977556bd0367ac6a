"""The manifest and the state in it, to and from canonical msgpack (SPEC sections 7 and 8): closed maps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import TypeVar

from jellyformat import limits, msgpack
from jellyformat.errors import (
    BadManifest,
    CountLimit,
    DepthLimit,
    SizeLimit,
    StateMismatch,
    SummaryMismatch,
    UnsupportedBlock,
    UnsupportedFeature,
)
from jellyformat.model import (
    HISTORY,
    OPERATIONS,
    REASONS,
    STATE,
    WITH_HEADS,
    Block,
    Conflict,
    Head,
    History,
    Index,
    Manifest,
    Nested,
    Omitted,
    Operation,
    Provenance,
    State,
    Summary,
    Worktree,
)
from jellyformat.msgpack import Value
from jellyformat.objects import COMMIT, FILE_MODES, OID_LENGTH, object_id
from jellyformat.paths import check_path

T = TypeVar("T")
Map = Mapping[str, Value]

_UINT64 = (1 << 64) - 1
_BAD_REF = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|/$|\.$")


def to_value(item: object) -> Value:
    """A dataclass of `model` as the msgpack value that SPEC gives for it."""
    if isinstance(item, Conflict):
        return [item.path, *map(to_value, item.stages)]
    if is_dataclass(item):
        return {entry.name: to_value(getattr(item, entry.name)) for entry in fields(item)}
    if isinstance(item, (list, tuple)):
        return [to_value(part) for part in item]
    return item  # type: ignore[return-value]  # scalars and open maps are values already


def snapshot_id(state: State) -> bytes:
    """The 32-byte id of a logical state: the same for the same code (SPEC section 8)."""
    return hashlib.sha256(msgpack.encode(to_value(state))).digest()


def encode(manifest: Manifest) -> bytes:
    """The canonical msgpack of a manifest."""
    return msgpack.encode(to_value(manifest))


def decode(raw: bytes) -> Manifest:
    """The manifest that ``raw`` encodes, all rules checked that need no block.

    Raises:
        FormatError: as SPEC sections 6 to 8 and 10 say.
    """
    value = _map(msgpack.decode(raw), Manifest, "manifest")
    state = _state(value["state"], limits.NESTED_STATES)
    oid = OID_LENGTH[state.object_format]
    manifest = Manifest(
        blocks=_blocks(value["blocks"]),
        environment=_open(value["environment"], "environment"),
        extensions=_open(value["extensions"], "extensions"),
        history=_history(value["history"], oid),
        ignored=_sorted(value["ignored"], _bytes, "ignored"),
        provenance=_provenance(value["provenance"]),
        requires=_sorted(value["requires"], _str, "requires", str.encode),
        state=state,
        summary=_summary(value["summary"]),
    )
    for path in manifest.ignored:
        check_path(path.removesuffix(b"/"))
    if manifest.requires:
        raise UnsupportedFeature(
            f"this container needs {', '.join(manifest.requires)}, which this version does not know",
            requirement="JF-MAN-004",
            hint="nothing was lost; a newer jellyformat reads it: pip install --upgrade jellyformat",
        )
    _check_commit(manifest)
    return manifest


def _check_commit(manifest: Manifest) -> None:
    content, head = manifest.summary.commit, manifest.state.head.commit
    found = None if content is None else object_id(COMMIT, content, manifest.state.object_format)
    if found != head:
        raise SummaryMismatch("the commit in the summary is not the HEAD commit", requirement="JF-SUM-002")


# -- the parts, in SPEC's order ------------------------------------------------------------------------------------


def _blocks(value: Value) -> tuple[Block, ...]:
    items = _array(value, "blocks")
    if len(items) > limits.BLOCKS:
        raise CountLimit(f"{len(items)} blocks", requirement="JF-BLK-006")
    blocks = tuple(_block(item) for item in items)
    order = [0 if block.kind == STATE else 1 if block.kind == HISTORY else 2 for block in blocks]
    if order != sorted(order):
        raise BadManifest("the blocks are not in the order state, history, others", requirement="JF-BLK-004")
    if sum(block.raw_length for block in blocks) > limits.TOTAL_RAW_LENGTH:
        raise SizeLimit("the blocks are too large together", requirement="JF-BLK-006")
    if sum(block.object_bytes for block in blocks) > limits.TOTAL_OBJECT_BYTES:
        raise SizeLimit("the objects are too large together", requirement="JF-BLK-006")
    if sum(block.records for block in blocks) > limits.RECORDS:
        raise CountLimit("too many records", requirement="JF-BLK-006")
    return blocks


def _block(value: Value) -> Block:
    item = _map(value, Block, "blocks")
    block = Block(
        critical=_bool(item["critical"], "critical"),
        kind=_str(item["kind"], "kind"),
        length=_int(item["length"], "length", 1),
        object_bytes=_int(item["object_bytes"], "object_bytes"),
        raw_length=_int(item["raw_length"], "raw_length", 1),
        records=_int(item["records"], "records", 1),
        sha256=_oid(item["sha256"], 32, "sha256"),
    )
    if not 1 <= len(block.kind.encode()) <= 64:
        raise BadManifest("the kind of a block has 1 to 64 bytes", requirement="JF-MAN-002")
    known = block.kind in (STATE, HISTORY)
    if known and not block.critical:
        raise BadManifest(f"a {block.kind} block is not critical", requirement="JF-BLK-003")
    if not known and block.critical:
        raise UnsupportedBlock(
            f"this container has a critical block of the unknown kind {block.kind!r}",
            requirement="JF-BLK-001",
            hint="nothing was lost; a newer jellyformat reads it: pip install --upgrade jellyformat",
        )
    if block.raw_length > limits.BLOCK_RAW_LENGTH:
        raise SizeLimit(f"a block of {block.raw_length} bytes", requirement="JF-BLK-006")
    return block


def _history(value: Value, oid: int) -> History:
    item = _map(value, History, "history")

    def oids(key: str) -> tuple[bytes, ...]:
        return _sorted(item[key], lambda part, name: _oid(part, oid, name), key)

    return History(
        commits=_int(item["commits"], "commits"),
        missing=oids("missing"),
        prerequisites=oids("prerequisites"),
        shallow=oids("shallow"),
    )


def _provenance(value: Value) -> Provenance:
    item = _map(value, Provenance, "provenance")
    return Provenance(
        argv=tuple(_bytes(part, "argv") for part in _array(item["argv"], "argv")),
        remotes=_sorted(item["remotes"], _remote, "remotes", lambda remote: remote[0]),
        time=_int(item["time"], "time"),
        tool=_str(item["tool"], "tool"),
        zone=_int(item["zone"], "zone", -1440, 1440),
    )


def _remote(value: Value, name: str) -> tuple[bytes, bytes]:
    key, url = _tuple(value, 2, name)
    return _bytes(key, name), _bytes(url, name)


def _summary(value: Value) -> Summary:
    item = _map(value, Summary, "summary")

    def change(part: Value, name: str) -> tuple[str, bytes]:
        letter, path = _tuple(part, 2, name)
        return _one_of(letter, ("A", "D", "M", "T"), name), _path(path, name)

    def changes(key: str) -> tuple[tuple[str, bytes], ...]:
        return _sorted(item[key], change, key, lambda entry: entry[1])

    return Summary(
        commit=_optional(item["commit"], _bytes, "commit"),
        conflicted=_sorted(item["conflicted"], _path, "conflicted"),
        files=_int(item["files"], "files"),
        size=_int(item["size"], "size"),
        staged=changes("staged"),
        unstaged=changes("unstaged"),
        untracked=_sorted(item["untracked"], _path, "untracked"),
    )


def _state(value: Value, depth: int, object_format: str | None = None) -> State:
    item = _map(value, State, "state")
    found = _one_of(item["object_format"], tuple(OID_LENGTH), "object_format")
    if object_format not in (None, found):
        raise StateMismatch(f"a {found} state lies in a {object_format} state", requirement="JF-STA-001")
    oid = OID_LENGTH[found]
    nested = _array(item["submodules"], "submodules")
    if nested and depth == 0:
        raise DepthLimit(f"states nested deeper than {limits.NESTED_STATES}", requirement="JF-SUB-003")

    def submodule(part: Value, name: str) -> Nested:
        entry = _map(part, Nested, name)
        return Nested(_path(entry["path"], "path"), _state(entry["state"], depth - 1, found))

    return State(
        head=_head(item["head"], oid),
        index=_optional(item["index"], lambda part, _: _index(part, oid), "index"),
        object_format=found,
        operation=_optional(item["operation"], lambda part, _: _operation(part, oid), "operation"),
        submodules=_sorted(nested, submodule, "submodules", lambda entry: entry.path),
        worktree=_optional(item["worktree"], lambda part, _: _worktree(part, oid), "worktree"),
    )


def _head(value: Value, oid: int) -> Head:
    item = _map(value, Head, "head")
    head = Head(
        commit=_optional(item["commit"], lambda part, name: _oid(part, oid, name), "commit"),
        ref=_optional(item["ref"], _bytes, "ref"),
    )
    if head.commit is None and head.ref is None:
        raise BadManifest("HEAD has neither a commit nor a ref", requirement="JF-STA-002")
    if head.ref is not None and not is_ref(head.ref):
        raise BadManifest(f"{head.ref!r} is not a ref name", requirement="JF-STA-003")
    return head


def is_ref(name: bytes) -> bool:
    """Whether ``name`` is a full reference name as git-check-ref-format(1) says, below ``refs/``."""
    return name.startswith(b"refs/") and len(name) > 5 and not _BAD_REF.search(name)


def _index(value: Value, oid: int) -> Index:
    item = _map(value, Index, "index")

    def intent(part: Value, name: str) -> tuple[bytes, int]:
        path, mode = _tuple(part, 2, name)
        return _path(path, name), _mode(mode, name)

    return Index(
        assume_unchanged=_sorted(item["assume_unchanged"], _path, "assume_unchanged"),
        conflicts=_sorted(item["conflicts"], lambda part, _: _conflict(part, oid), "conflicts", lambda part: part.path),
        intent_to_add=_sorted(item["intent_to_add"], intent, "intent_to_add", lambda part: part[0]),
        skip_worktree=_sorted(item["skip_worktree"], _path, "skip_worktree"),
        tree=_oid(item["tree"], oid, "tree"),
    )


def _conflict(value: Value, oid: int) -> Conflict:
    path, *stages = _tuple(value, 4, "conflicts")

    def stage(part: Value, name: str) -> tuple[int, bytes]:
        mode, blob = _tuple(part, 2, name)
        return _mode(mode, name), _oid(blob, oid, name)

    found = [_optional(part, stage, "conflicts") for part in stages]
    if found == [None] * 3:
        raise BadManifest("a conflict without any stage", requirement="JF-MAN-002")
    return Conflict(_path(path, "conflicts"), *found)


def _worktree(value: Value, oid: int) -> Worktree:
    item = _map(value, Worktree, "worktree")
    return Worktree(
        converted=_sorted(item["converted"], _path, "converted"),
        empty_directories=_sorted(item["empty_directories"], _path, "empty_directories"),
        filtered=_sorted(item["filtered"], _path, "filtered"),
        omitted=_sorted(item["omitted"], _omitted, "omitted", lambda part: part.path),
        tree=_oid(item["tree"], oid, "tree"),
    )


def _omitted(value: Value, name: str) -> Omitted:
    item = _map(value, Omitted, name)
    reason = _one_of(item["reason"], REASONS, "reason")
    return Omitted(
        path=_bytes(item["path"], "path") if reason == "name" else _path(item["path"], "path"),
        reason=reason,
        sha256=_optional(item["sha256"], lambda part, key: _oid(part, 32, key), "sha256"),
        size=_optional(item["size"], _int, "size"),
    )


def _operation(value: Value, oid: int) -> Operation:
    item = _map(value, Operation, "operation")
    kind = _one_of(item["kind"], OPERATIONS, "kind")
    heads = _array(item["heads"], "heads")
    if bool(heads) != (kind in WITH_HEADS):
        raise _wrong("heads", "as the kind of the operation says")
    return Operation(
        heads=tuple(_oid(part, oid, "heads") for part in heads),
        kind=kind,
        message=_optional(item["message"], _bytes, "message"),
    )


# -- types -----------------------------------------------------------------------------------------------------


def _wrong(name: str, wanted: str) -> BadManifest:
    return BadManifest(f"{name} is not {wanted}", requirement="JF-MAN-002")


def _map(value: Value, shape: type, name: str) -> Map:
    if not isinstance(value, Mapping):
        raise _wrong(name, "a map")
    if value.keys() != {entry.name for entry in fields(shape)}:
        raise BadManifest(f"{name} has a key missing or one too many", requirement="JF-MAN-001")
    return value


def _open(value: Value, name: str) -> Map:
    if not isinstance(value, Mapping):
        raise _wrong(name, "a map")
    return value


def _array(value: Value, name: str) -> Sequence[Value]:
    if not isinstance(value, list):
        raise _wrong(name, "an array")
    return value


def _tuple(value: Value, length: int, name: str) -> Sequence[Value]:
    items = _array(value, name)
    if len(items) != length:
        raise _wrong(name, f"an array of {length}")
    return items


def _sorted(
    value: Value, item: Callable[[Value, str], T], name: str, key: Callable[[T], bytes] | None = None
) -> tuple[T, ...]:
    items = tuple(item(part, name) for part in _array(value, name))
    keys = [part if key is None else key(part) for part in items]
    if any(one >= two for one, two in pairwise(keys)):  # type: ignore[operator]
        raise BadManifest(f"{name} is not sorted, or has something twice", requirement="JF-MAN-003")
    return items


def _optional(value: Value, item: Callable[[Value, str], T], name: str) -> T | None:
    return None if value is None else item(value, name)


def _one_of(value: Value, allowed: tuple[str, ...], name: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _wrong(name, f"one of {', '.join(allowed)}")
    return value


def _bool(value: Value, name: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, "a boolean")
    return value


def _int(value: Value, name: str, least: int = 0, most: int = _UINT64) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _wrong(name, f"an integer of at least {least}" if most == _UINT64 else f"an integer {least} to {most}")
    return value


def _str(value: Value, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a str")
    return value


def _bytes(value: Value, name: str) -> bytes:
    if not isinstance(value, bytes):
        raise _wrong(name, "a bin")
    return value


def _oid(value: Value, length: int, name: str) -> bytes:
    oid = _bytes(value, name)
    if len(oid) != length:
        raise _wrong(name, f"of {length} bytes")
    return oid


def _mode(value: Value, name: str) -> int:
    if isinstance(value, bool) or value not in FILE_MODES:
        raise _wrong(name, "a mode")
    assert isinstance(value, int)
    return value


def _path(value: Value, name: str) -> bytes:
    path = _bytes(value, name)
    check_path(path)
    return path
