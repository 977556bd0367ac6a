"""The manifest and the state in it, to and from canonical msgpack (SPEC JF-MAN and JF-STA): closed maps."""

from __future__ import annotations

import dataclasses
import hashlib
import re

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
from jellyformat.format import fields, limits, msgpack
from jellyformat.format.model import (
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
    Root,
    State,
    Summary,
    Worktree,
)
from jellyformat.format.msgpack import Value
from jellyformat.format.objects import COMMIT, OID_LENGTH, object_id
from jellyformat.format.paths import Outermost, check_path

_PROVENANCE = ("argv", "remotes", "time", "tool", "zone")
_NEWER = "nothing was lost; a newer jellyformat reads it: pip install --upgrade jellyformat"
_OWN_REASON = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_BAD_REF = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|/$|\.$")


def to_value(item: object) -> Value:
    """A dataclass of `model` as the msgpack value that SPEC gives for it."""
    if isinstance(item, Conflict):
        return [item.path, *map(to_value, item.stages)]
    if isinstance(item, Provenance):
        return {**item.more, **{name: to_value(getattr(item, name)) for name in _PROVENANCE}}
    if dataclasses.is_dataclass(item):
        return {entry.name: to_value(getattr(item, entry.name)) for entry in dataclasses.fields(item)}
    if isinstance(item, (list, tuple)):
        return [to_value(part) for part in item]
    return item  # type: ignore[return-value]  # scalars and open maps are values already


def snapshot_id(state: State) -> bytes:
    """The 32-byte id of a logical state: the same for the same code (SPEC JF-STA)."""
    return hashlib.sha256(msgpack.encode(to_value(state))).digest()


def encode(manifest: Manifest) -> bytes:
    """The canonical msgpack of a manifest."""
    return msgpack.encode(to_value(manifest))


def decode(raw: bytes, length: int | None = None) -> Manifest:
    """The manifest that ``raw`` encodes, all rules checked that need no block.

    Args:
        raw: Its canonical msgpack.
        length: Bytes of the whole container; None for one that is still to be written.

    Raises:
        FormatError: as SPEC JF-MSG, JF-MAN, JF-BLK, JF-SUM, JF-HIS, JF-PRV, JF-STA and JF-PTH say.
    """
    bounds = limits.bounds(len(raw) if length is None else length)
    value = fields.open_map(msgpack.decode(raw, bounds.values), "manifest")
    requires = _requires(value)
    _check_kinds(value)
    value = fields.closed_map(value, Manifest, "manifest")
    state = _state(value["state"], limits.NESTED_STATES)
    if sum(1 for _ in state.parts()) - 1 > bounds.states:
        raise CountLimit("there are more nested states than so few bytes may hold", requirement="JF-SUB-006")
    oid = OID_LENGTH[state.object_format]
    manifest = Manifest(
        blocks=_blocks(value["blocks"], bounds),
        environment=fields.open_map(value["environment"], "environment"),
        extensions=fields.open_map(value["extensions"], "extensions"),
        history=_history(value["history"], oid),
        ignored=fields.sorted_array(value["ignored"], fields.binary, "ignored"),
        provenance=_provenance(value["provenance"]),
        requires=requires,
        state=state,
        summary=_summary(value["summary"]),
    )
    for path in manifest.ignored:
        check_path(path.removesuffix(b"/"), limits.PARTS)
    _check_commit(manifest)
    return manifest


def _requires(value: fields.Map) -> tuple[str, ...]:
    """What a reader has to know, looked at before any other key: all else may be of a later version (JF-MAN-004)."""
    if "requires" not in value:
        raise BadManifest("manifest has no requires", requirement="JF-MAN-001")
    names = fields.sorted_array(value["requires"], fields.string, "requires", str.encode)
    if names:
        raise UnsupportedFeature(
            f"this container needs {', '.join(names)}, which this version does not know",
            requirement="JF-MAN-004",
            hint=_NEWER,
        )
    return names


def _check_kinds(value: fields.Map) -> None:
    """What blocks a reader has to know, looked at before any other key of theirs (JF-BLK-001)."""
    if "blocks" not in value:
        raise BadManifest("manifest has no blocks", requirement="JF-MAN-001")
    for part in fields.array(value["blocks"], "blocks"):
        item = fields.open_map(part, "blocks")
        if not {"critical", "kind"} <= item.keys():
            raise BadManifest("a block has no kind, or does not say whether it is critical", requirement="JF-MAN-001")
        kind = fields.string(item["kind"], "kind")
        if fields.boolean(item["critical"], "critical") and kind not in (STATE, HISTORY):
            raise UnsupportedBlock(
                f"this container has a critical block of the unknown kind {kind!r}",
                requirement="JF-BLK-001",
                hint=_NEWER,
            )


def _check_commit(manifest: Manifest) -> None:
    content, head = manifest.summary.commit, manifest.state.head.commit
    found = None if content is None else object_id(COMMIT, content, manifest.state.object_format)
    if found != head:
        raise SummaryMismatch("the commit in the summary is not the HEAD commit", requirement="JF-SUM-002")


# -- the parts, in SPEC's order ------------------------------------------------------------------------------------


def _blocks(value: Value, bounds: limits.Bounds) -> tuple[Block, ...]:
    items = fields.array(value, "blocks")
    if len(items) > limits.BLOCKS:
        raise CountLimit(f"{len(items)} blocks", requirement="JF-BLK-006")
    blocks = tuple(_block(item) for item in items)
    order = [0 if block.kind == STATE else 1 if block.kind == HISTORY else 2 for block in blocks]
    if order != sorted(order):
        raise BadManifest("the blocks are not in the order state, history, others", requirement="JF-BLK-004")
    for block in blocks:
        if block.prefix is not None:
            _check_prefix(block, blocks)
    if sum(block.raw_length for block in blocks) > bounds.raw:
        raise SizeLimit("the blocks are too large together", requirement="JF-BLK-006")
    if sum(block.object_bytes for block in blocks) > bounds.objects:
        raise SizeLimit("the objects are too large together", requirement="JF-BLK-006")
    if sum(block.records for block in blocks) > limits.RECORDS:
        raise CountLimit("too many records", requirement="JF-BLK-006")
    return blocks


def _check_prefix(block: Block, blocks: tuple[Block, ...]) -> None:
    number = block.prefix or 0
    prefix = blocks[number] if number < len(blocks) else block
    long_enough = limits.PREFIX_LEAST <= prefix.raw_length <= limits.PREFIX_MOST
    if block.kind != HISTORY or prefix.kind != STATE or not long_enough:
        raise BadManifest(f"block {number} cannot be the prefix of a {block.kind} block", requirement="JF-BLK-008")


def _block(value: Value) -> Block:
    item = fields.closed_map(value, Block, "blocks")
    block = Block(
        critical=fields.boolean(item["critical"], "critical"),
        kind=fields.string(item["kind"], "kind"),
        length=fields.integer(item["length"], "length", 1),
        object_bytes=fields.integer(item["object_bytes"], "object_bytes"),
        prefix=fields.optional(item["prefix"], fields.integer, "prefix"),
        raw_length=fields.integer(item["raw_length"], "raw_length", 1),
        records=fields.integer(item["records"], "records", 1),
        sha256=fields.oid(item["sha256"], 32, "sha256"),
    )
    if not 1 <= len(block.kind.encode()) <= 64:
        raise BadManifest("the kind of a block has 1 to 64 bytes", requirement="JF-MAN-002")
    known = block.kind in (STATE, HISTORY)
    if known and not block.critical:
        raise BadManifest(f"a {block.kind} block is not critical", requirement="JF-BLK-003")
    if block.raw_length > limits.BLOCK_RAW_LENGTH:
        raise SizeLimit(f"a block of {block.raw_length} bytes", requirement="JF-BLK-006")
    return block


def _history(value: Value, oid: int) -> History:
    item = fields.closed_map(value, History, "history")

    def oids(key: str) -> tuple[bytes, ...]:
        return fields.sorted_array(item[key], lambda part, name: fields.oid(part, oid, name), key)

    return History(
        commits=fields.integer(item["commits"], "commits"),
        missing=oids("missing"),
        prerequisites=oids("prerequisites"),
        shallow=oids("shallow"),
    )


def _provenance(value: Value) -> Provenance:
    item = fields.open_map(value, "provenance")
    return Provenance(
        more=fields.rest_of(item, _PROVENANCE, "provenance"),
        argv=tuple(fields.binary(part, "argv") for part in fields.array(item["argv"], "argv")),
        remotes=fields.sorted_array(item["remotes"], _remote, "remotes", lambda remote: remote[0]),
        time=fields.integer(item["time"], "time"),
        tool=fields.string(item["tool"], "tool"),
        zone=fields.integer(item["zone"], "zone", -1440, 1440),
    )


def _remote(value: Value, name: str) -> tuple[bytes, bytes]:
    key, url = fields.array_of(value, 2, name)
    return fields.binary(key, name), fields.binary(url, name)


def _summary(value: Value) -> Summary:
    item = fields.closed_map(value, Summary, "summary")

    def change(part: Value, name: str) -> tuple[str, bytes]:
        letter, path = fields.array_of(part, 2, name)
        return fields.one_of(letter, ("A", "D", "M", "T"), name), fields.long_path(path, name)

    def changes(key: str) -> tuple[tuple[str, bytes], ...]:
        return fields.sorted_array(item[key], change, key, lambda entry: entry[1])

    return Summary(
        commit=fields.optional(item["commit"], fields.binary, "commit"),
        conflicted=fields.sorted_array(item["conflicted"], fields.long_path, "conflicted"),
        files=fields.integer(item["files"], "files"),
        size=fields.integer(item["size"], "size"),
        staged=changes("staged"),
        unstaged=changes("unstaged"),
        untracked=fields.sorted_array(item["untracked"], fields.long_path, "untracked"),
    )


def _state(value: Value, depth: int, object_format: str | None = None) -> State:
    item = fields.closed_map(value, State, "state")
    said = item["object_format"]
    if isinstance(said, str) and object_format not in (None, said):  # whatever it is
        raise StateMismatch(f"a {said} state lies in a {object_format} state", requirement="JF-STA-001")
    found = fields.one_of(said, tuple(OID_LENGTH), "object_format")
    oid = OID_LENGTH[found]
    nested = fields.array(item["submodules"], "submodules")
    if nested and depth == 0:
        raise DepthLimit(f"states nested deeper than {limits.NESTED_STATES}", requirement="JF-SUB-003")

    def submodule(part: Value, name: str) -> Nested:
        entry = fields.closed_map(part, Nested, name)
        return Nested(fields.path(entry["path"], "path"), _state(entry["state"], depth - 1, found))

    def root(part: Value, name: str) -> Root:
        entry = fields.closed_map(part, Root, name)
        return Root(_root_name(entry["name"]), _state(entry["state"], depth - 1, found))

    roots = fields.array(item["roots"], "roots")
    if roots and depth != limits.NESTED_STATES:
        raise BadManifest("a state inside another has roots", requirement="JF-ROO-001")
    index = fields.optional(item["index"], lambda part, _: _index(part, oid), "index")
    bare = item["operation"] is not None or index is not None or item["worktree"] is None
    return State(
        facts=fields.open_map(item["facts"], "facts"),
        head=_head(item["head"], oid, without_git=not bare),
        index=index,
        object_format=found,
        operation=fields.optional(item["operation"], lambda part, _: _operation(part, oid), "operation"),
        roots=fields.sorted_array(roots, root, "roots", lambda entry: entry.name),
        submodules=fields.sorted_array(nested, submodule, "submodules", lambda entry: entry.path),
        worktree=fields.optional(item["worktree"], lambda part, _: _worktree(part, oid), "worktree"),
    )


def _root_name(value: Value) -> bytes:
    name = fields.path(value, "name")
    if b"/" in name:
        raise fields.wrong("name", "one component")
    return name


def _head(value: Value, oid: int, *, without_git: bool) -> Head:
    item = fields.closed_map(value, Head, "head")
    head = Head(
        commit=fields.optional(item["commit"], lambda part, name: fields.oid(part, oid, name), "commit"),
        ref=fields.optional(item["ref"], fields.binary, "ref"),
    )
    if head.commit is None and head.ref is None and not without_git:
        raise BadManifest("HEAD has neither a commit nor a ref", requirement="JF-STA-002")
    if head.ref is not None and not is_ref(head.ref):
        raise BadManifest(f"{head.ref!r} is not a ref name", requirement="JF-STA-003")
    return head


def is_ref(name: bytes) -> bool:
    """Whether ``name`` is a full reference name as git-check-ref-format(1) says, below ``refs/``."""
    return name.startswith(b"refs/") and len(name) > 5 and not _BAD_REF.search(name)


def _index(value: Value, oid: int) -> Index:
    item = fields.closed_map(value, Index, "index")

    def intent(part: Value, name: str) -> tuple[bytes, int]:
        path, mode = fields.array_of(part, 2, name)
        return fields.path(path, name), fields.mode(mode, name)

    return Index(
        assume_unchanged=fields.sorted_array(item["assume_unchanged"], fields.path, "assume_unchanged"),
        conflicts=fields.sorted_array(
            item["conflicts"], lambda part, _: _conflict(part, oid), "conflicts", lambda part: part.path
        ),
        intent_to_add=fields.sorted_array(item["intent_to_add"], intent, "intent_to_add", lambda part: part[0]),
        omitted=_omissions(item["omitted"], directories=False),
        skip_worktree=fields.sorted_array(item["skip_worktree"], fields.path, "skip_worktree"),
        tree=fields.oid(item["tree"], oid, "tree"),
    )


def _conflict(value: Value, oid: int) -> Conflict:
    path, *stages = fields.array_of(value, 4, "conflicts")

    def stage(part: Value, name: str) -> tuple[int, bytes]:
        mode, blob = fields.array_of(part, 2, name)
        return fields.mode(mode, name), fields.oid(blob, oid, name)

    found = [fields.optional(part, stage, "conflicts") for part in stages]
    if found == [None] * 3:
        raise BadManifest("a conflict without any stage", requirement="JF-MAN-002")
    return Conflict(fields.path(path, "conflicts"), *found)


def _worktree(value: Value, oid: int) -> Worktree:
    item = fields.closed_map(value, Worktree, "worktree")
    return Worktree(
        converted=fields.sorted_array(item["converted"], fields.path, "converted"),
        empty_directories=fields.sorted_array(item["empty_directories"], fields.path, "empty_directories"),
        filtered=fields.sorted_array(item["filtered"], fields.path, "filtered"),
        omitted=_omissions(item["omitted"], directories=True),
        tree=fields.oid(item["tree"], oid, "tree"),
    )


def _omissions(value: Value, *, directories: bool) -> tuple[Omitted, ...]:
    found = fields.sorted_array(
        value, lambda part, name: _omitted(part, name, directories=directories), "omitted", lambda part: part.path
    )
    left = {item.path for item in found if item.is_directory}
    above = Outermost(left)
    for item in found if left else ():
        if item.path + b"/" in left or above.holds(item.path):
            raise BadManifest("a path is omitted, and the directory that it lies in", requirement="JF-WRK-007")
    return found


def _omitted(value: Value, name: str, *, directories: bool) -> Omitted:
    item = fields.closed_map(value, Omitted, name)
    reason = fields.string(item["reason"], "reason")
    if reason not in REASONS and not (len(reason) <= 64 and _OWN_REASON.fullmatch(reason)):
        raise fields.wrong("reason", f"one of {', '.join(REASONS)}, or a name with a dot")
    path = fields.binary(item["path"], "path")
    if reason != "name":
        check_path(path.removesuffix(b"/") if directories else path)
    found = Omitted(
        path=path,
        reason=reason,
        sha256=fields.optional(item["sha256"], lambda part, key: fields.oid(part, 32, key), "sha256"),
        size=fields.optional(item["size"], fields.integer, "size"),
    )
    if found.is_directory and found.sha256 is not None:
        raise fields.wrong("sha256", "nil for a directory")
    return found


def _operation(value: Value, oid: int) -> Operation:
    item = fields.closed_map(value, Operation, "operation")
    kind = fields.one_of(item["kind"], OPERATIONS, "kind")
    heads = fields.array(item["heads"], "heads")
    if bool(heads) != (kind in WITH_HEADS):
        raise fields.wrong("heads", "as the kind of the operation says")
    return Operation(
        heads=tuple(fields.oid(part, oid, "heads") for part in heads),
        kind=kind,
        message=fields.optional(item["message"], fields.binary, "message"),
    )


# -- types -----------------------------------------------------------------------------------------------------
