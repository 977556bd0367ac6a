"""The mutants: for each, a module of the reference, its exact text, what stands there instead, and who should see it.

Each leaves one check out, or makes it wrong by one. The hints are ids or areas whose vectors are run first.
"""

from __future__ import annotations

from typing import NamedTuple

from conformance.mutations_tied import beside, bindings, flax


class Mutation(NamedTuple):
    """One mutant."""

    module: str
    text: str
    instead: str
    hints: str


def _container() -> list[tuple[str, str, str]]:
    return [
        ("if data[:8] != MAGIC:", "if False:", "JF-HDR-001"),
        ("if len(data) > 8 and data[8] != MAJOR_VERSION:", "if False:", "JF-HDR-002"),
        ('if reserved.strip(b"\\0"):', "if False:", "JF-HDR-003"),
        ("if total < HEADER_LENGTH + length:", "if False:", "JF-HDR-005"),
        ("if not length or not raw_length:", "if not length:", "JF-HDR-006"),
        ("or raw_length > limits.MANIFEST_RAW_LENGTH:", "or False:", "JF-HDR-007"),
        ("if source.size < header.total_length:", "if False:", "JF-HDR-004"),
        ("if source.size > header.total_length:", "if False:", "JF-HDR-010"),
        ("if hashlib.sha256(covered + frame).digest() != header.digest:", "if False:", "JF-HDR-008"),
        ("if end != header.total_length:", "if False:", "JF-HDR-009"),
        ("    if wanted > window:", "    if False:", "JF-ZST-003"),
        ("if found.window_size > window:", "if False:", "JF-ZST-003"),
        ("allow_extra_data=False", "allow_extra_data=True", "JF-ZST-002"),
        ("    if len(raw) != raw_length:", "    if False:", "JF-ZST-004"),
        ("limits.HISTORY_WINDOW if kind == HISTORY else", "limits.STATE_WINDOW if kind == HISTORY else", "JF-ZST-003"),
        ("kind == HISTORY else limits.STATE_WINDOW", "kind == HISTORY else limits.HISTORY_WINDOW", "JF-ZST-003"),
        ("if hashlib.sha256(frame).digest() != block.sha256:", "if False:", "JF-BLK-005"),
        ("        if last == len(raw):", "        if False:", "JF-BLK-007"),
        ("    if last != len(raw):", "    if False:", "JF-BLK-007"),
        (
            "or not raw.startswith(msgpack.record_head(raw[start + 1], length), start):",
            "or False:",
            "JF-MSG-002 msgpack/record",
        ),
        ("and len(value[1]) == oid_length:", "and True:", "JF-REC-001"),
        ("type(value[0]) is int and value[0] in KIND_NAMES", "value[0] in KIND_NAMES", "JF-REC-001"),
        ("if isinstance(op, bytes) and op:", "if isinstance(op, bytes):", "JF-REC-001"),
        ("and op[1] >= 1", "and op[1] >= 0", "JF-REC-001"),
        ("            and op[0] >= 0\n", "", "JF-REC-001"),
        ("if not isinstance(value, list) or not value:", "if not isinstance(value, list):", "JF-REC-001"),
    ]


def _objects() -> list[tuple[str, str, str, str]]:
    diffs, pool, trees, objects = "diffs.py", "pool.py", "trees.py", "objects.py"
    return [
        (diffs, "if total > limits.OBJECT_BYTES:", "if False:", "JF-REC-007"),
        (diffs, "if any(op[0] + op[1] > base_length for", "if any(op[0] > base_length for", "JF-REC-003"),
        (pool, "if oid in self._places:", "if False:", "JF-REC-002"),
        (pool, "        if left:\n", "        if left < 0:\n", "JF-BLK-007"),
        (pool, "if kind != record.kind:", "if False:", "JF-REC-004"),
        (pool, "if chain >= limits.DIFF_CHAIN:", "if chain > limits.DIFF_CHAIN:", "JF-REC-006"),
        (trees, "if strict and prefix and not entries:", "if False:", "JF-OBJ-005"),
        (trees, "if entries > limits.TREE_ENTRIES:", "if entries > 999_999:", "JF-OBJ-008"),
        (trees, "                count += inner[0]\n", "", "objects/entries-bomb"),
        (trees, "check_length(path, depth)", "pass", "JF-PTH-002"),
        (objects, "nul < 0 or stop > end:", "nul < 0:", "JF-OBJ-002"),
        (objects, "check_component(name)", "pass", "JF-OBJ-003"),
        (objects, "if strict_mode is None:", "if False:", "JF-OBJ-004"),
        (objects, "if key <= last or name in names:", "if name in names:", "JF-OBJ-005"),
        (objects, "if key <= last or name in names:", "if key <= last:", "JF-OBJ-005"),
        (
            objects,
            'name + b"/" if mode == DIRECTORY else name\n            if key',
            "name\n            if key",
            "JF-OBJ-005",
        ),
        (objects, 'if raw_mode.strip(b"01234567"):', "if False:", "JF-OBJ-002"),
        (objects, "EXECUTABLE if mode & 0o100 else REGULAR", "EXECUTABLE if mode & 0o111 else REGULAR", "JF-OBJ-006"),
        (objects, "    return GITLINK\n", "    return REGULAR\n", "JF-OBJ-006"),
        (objects, 'or content.startswith(b"parent ", match.end()):', "or False:", "JF-OBJ-001"),
    ]


def _msgpack() -> list[tuple[str, str, str]]:
    return [
        ("    if again != data:", "    if False:", "JF-MSG-002"),
        ("if len(open_items) >= limits.MSGPACK_DEPTH:", "if len(open_items) > limits.MSGPACK_DEPTH:", "JF-MSG-005"),
        ("if len(open_items) >= limits.MSGPACK_DEPTH:", "if len(open_items) >= 39:", "JF-MSG-005"),
    ]


def _manifest() -> list[tuple[str, str, str]]:
    return [
        ("    if manifest.requires:", "    if False:", "JF-MAN-004"),
        ("    _check_commit(manifest)", "    pass", "JF-SUM-002"),
        ('check_path(path.removesuffix(b"/"))', "pass", "JF-PTH-001"),
        ("if len(items) > limits.BLOCKS:", "if False:", "JF-BLK-006"),
        ("if order != sorted(order):", "if False:", "JF-BLK-004"),
        ("if sum(block.raw_length for block in blocks) > limits.TOTAL_RAW_LENGTH:", "if False:", "JF-BLK-006"),
        ("if sum(block.object_bytes for block in blocks) > limits.TOTAL_OBJECT_BYTES:", "if False:", "JF-BLK-006"),
        ("if sum(block.records for block in blocks) > limits.RECORDS:", "if False:", "JF-BLK-006"),
        ("if not 1 <= len(block.kind.encode()) <= 64:", "if False:", "blocks/kind"),
        ("if known and not block.critical:", "if False:", "JF-BLK-003"),
        ("if not known and block.critical:", "if False:", "JF-BLK-001"),
        ("if block.raw_length > limits.BLOCK_RAW_LENGTH:", "if False:", "JF-BLK-006"),
        ("if object_format not in (None, found):", "if False:", "JF-STA-001"),
        ("if nested and depth == 0:", "if nested and depth == -1:", "JF-SUB-003"),
        ("if head.commit is None and head.ref is None:", "if False:", "JF-STA-002"),
        ("if head.ref is not None and not is_ref(head.ref):", "if False:", "JF-STA-003"),
        (r"|/\.|", "|", "JF-STA-003"),
        ("if found == [None] * 3:", "if False:", "JF-MAN-002"),
        ('if reason == "name" else _path(item["path"], "path")', 'if reason else b""', "JF-WRK-005"),
        ("if bool(heads) != (kind in WITH_HEADS):", "if False:", "manifest/range-heads"),
        ("if value.keys() != {entry.name for entry in fields(shape)}:",
         "if not value.keys() >= {entry.name for entry in fields(shape)}:", "JF-MAN-001"),
        ("if any(one >= two for one, two in pairwise(keys)):", "if any(one > two for one, two in pairwise(keys)):",
         "JF-MAN-003"),
        ("if any(one >= two for one, two in pairwise(keys)):", "if len(set(keys)) != len(keys):", "JF-MAN-003"),
        ("or isinstance(value, bool) or not least", "or not least", "JF-MAN-002"),
        ("not least <= value <= most:", "not least <= value:", "manifest/range-zone"),
        ("    if len(oid) != length:", "    if False:", "JF-MAN-002"),
        ("    check_path(path)\n    return path", "    return path", "JF-STA-004"),
    ]  # fmt: skip


def _paths() -> list[tuple[str, str, str]]:
    hint = "JF-PTH-001"
    return [
        ("if not name or name in", "if name in", hint),
        ('or b"\\0" in name:', "or False:", hint),
        ('for piece in name.split(b"\\\\"):', "for piece in (name,):", hint),
        ('        if piece in (b".", b".."):\n            return True\n', "", hint),
        ('_HFS_IGNORED.sub(b"", piece.partition(b":")[0])', 'piece.partition(b":")[0]', hint),
        (r"\xaa-\xae]", r"\xaa-\xad]", hint),
        ('piece.partition(b":")[0]', "piece", hint),
        ('.rstrip(b". ")', '.rstrip(b".")', hint),
        ('.rstrip(b". ").lower()', '.rstrip(b". ")', hint),
        ('in (b".git", b"git~1"):', 'in (b".git",):', hint),
        ("if len(name) > limits.COMPONENT_BYTES:", "if False:", "JF-PTH-002"),
        ("if len(path) > limits.PATH_BYTES or", "if", "JF-PTH-002"),
        ("or components > limits.PATH_COMPONENTS:", "or False:", "JF-PTH-002"),
        ('or name.endswith((b".", b" ")) or', "or", "JF-PTH-003"),
        ("or spelled != name or", "or", "JF-PTH-003"),
        (
            'unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())',
            "text.casefold()",
            "JF-PTH-003",
        ),
    ]


def _checks() -> list[tuple[str, str, str]]:
    return [
        ("        if self._pool.is_state(oid):", "        if oid in self._pool.places:", "JF-NED-001"),
        ("            if found != kind:", "            if False:", "JF-OBJ-007"),
        ("if len(commits) != history.commits:", "if False:", "JF-HIS-001"),
        ("if any(parent not in places and", "if all(parent not in places and", "JF-HIS-002"),
        ("and parent not in prerequisites for", "for", "JF-HIS-002"),
        ("if shallow != set(history.shallow):", "if not shallow >= set(history.shallow):", "JF-HIS-002"),
        ("            if oid in places:", "            if False:", "JF-HIS-003"),
        ('self._leave(oid, "a commit or tree names", "JF-HIS-004")', "pass", "JF-HIS-004"),
        ("        elif place.kind != kind:", "        elif False:", "JF-OBJ-007"),
        ("if parent in places and places[parent].kind != COMMIT:", "if False:", "JF-OBJ-007"),
        ("or (path in conflicts and path in intents):", "or False:", "JF-IDX-001"),
        ("if path not in flat.index and path not in intents:", "if False:", "JF-IDX-002"),
        ("if path in flat.worktree or path in directories:", "if path in flat.worktree:", "JF-WRK-002"),
        ("all(mode in files[:2] for mode in modes):", "all(mode in files for mode in modes):", "JF-WRK-003"),
        ("or one.oid != two.oid:", "or False:", "JF-WRK-004"),
        ("if path in nests or _below(path, flat.worktree) or", "if path in nests or", "JF-WRK-006"),
        ("if _below(nested.path, flat.worktree) or", "if", "JF-SUB-005"),
        ("(entry.mode, entry.oid) != (GITLINK, commit)", "entry.mode != GITLINK", "JF-SUB-001"),
        ("(entry is not None or nested.path in directories):", "entry is not None:", "JF-SUB-002"),
        ("if self.derive() != self._manifest.summary:", "if False:", "JF-SUM-001"),
        ("if stage is not None and stage[0] != GITLINK:", "if False:", "JF-NED-001"),
        ("            for oid in heads + list(state.operation.heads if state.operation else ()):",
         "            for oid in heads:", "JF-NED-001"),
        ("head = flatten(commit.tree, strict=False)", "head = flatten(commit.tree, strict=True)", "JF-OBJ-006"),
    ]  # fmt: skip


def _summary() -> list[tuple[str, str, str]]:
    return [
        ("if path not in conflicts and flat.head.get", "if flat.head.get", "JF-SUM-001"),
        ("return REGULAR if mode == EXECUTABLE else mode", "return mode", "JF-SUM-001"),
        ("or path in converted or", "or", "JF-SUM-001"),
        ("or (new is None and path in sparse):", ":", "JF-SUM-001"),
        ("    skip |= {omitted.path for omitted in state.worktree.omitted}\n", "", "JF-SUM-001"),
        ("    known |= {path for path, _ in state.index.intent_to_add}\n", "", "JF-SUM-001"),
        ("            if leaf.mode != GITLINK:", "            if True:", "JF-SUM-001"),
        ('"A" if path in flat.worktree else "D"', '"A"', "JF-SUM-001"),
    ]


def _hosts() -> list[tuple[str, str, str, str]]:
    host, trailer = "host.py", "jellyformat_trailer/carry.py"
    find, records, plan = (f"jellyformat_zip/_{name}.py" for name in ("find", "records", "plan"))
    header, text = "jellyformat_safetensors/header.py", "jellyformat_safetensors/jsontext.py"
    surgery, legacy = "jellyformat_safetensors/surgery.py", "jellyformat_torch/_legacy.py"
    zip1, zip2, sft1 = "JF-ZIP-001", "JF-ZIP-002", "JF-SFT-001"
    return [
        (host, "hashlib.sha256(raw[:24] + header).digest() != raw[24:56] or total", "total", "JF-LOC-001"),
        (host, " or total != length:", ":", "JF-LOC-001"),
        (host, "not host_length <= offset <= offset", "not offset <= offset", "JF-LOC-001"),
        (trailer, "if carried.host_length != end - carried.container.size:", "if False:", "JF-TRL-001"),
        (trailer, "    if size < LOCATOR_LENGTH:", "    if False:", "JF-LOC-001"),
        (find, "if not _LOWER_HEX.fullmatch(digits):", "if False:", "JF-ZIP-006"),
        (find, "locate(source, raw, end.offset,", "locate(source, raw, source.size,", "JF-ZIP-006"),
        (find, 'name == LISTED_NAME or name.endswith(b"/" + LISTED_NAME)', "name.endswith(LISTED_NAME)", "zip/absent"),
        (find, "    for other in found[1:]:", "    for other in ():", "JF-ZIP-003"),
        (find, "if entry.flags & FLAG_ENCRYPTED or", "if", zip2),
        (find, "if not decoder.eof or length != entry.size or", "if not decoder.eof or", "JF-ZIP-004"),
        (find, "re.escape(root) + rb", "rb'.*' + rb", "zip/absent"),
        (find, "if entry.size != entry.compressed_size:", "if False:", zip2),
        (records, "found + END_LENGTH + comment == len(tail):", "found + END_LENGTH + comment <= len(tail):", zip1),
        (records, "if end.disk or end.directory_disk or end.entries_here != end.entries:", "if False:", zip1),
        (records, "if magic != ZIP64_END_MAGIC or records", "if records", zip1),
        (records, "or records + 12 + length != locator_offset:", "or False:", zip1),
        (records, "if short not in (full, limit):", "if False:", zip1),
        (records, "    if offset + size != records:", "    if offset + size > records:", zip1),
        (records, "if magic != CENTRAL_MAGIC or end", "if end", zip1),
        (records, "    if place != len(directory):", "    if False:", zip1),
        (records, "    if magic != LOCAL_MAGIC:", "    if False:", zip2),
        (records, "if rest[:names] != entry.name or method", "if method", zip2),
        (records, "or method != entry.method or sizes_differ:", "or sizes_differ:", zip2),
        (records, "or method != entry.method or sizes_differ:", "or method != entry.method:", zip2),
        (records, "sizes_differ = not flags & FLAG_DESCRIPTOR and", "sizes_differ =", zip2),
        (records, "if begin + entry.compressed_size > archive.directory_offset:", "if False:", zip1),
        (plan, "    read_archive(Window(source, 0, carried.host_length))\n", "", "JF-ZIP-007"),
        (plan, "    if directory_offset != inner.start + inner.size:", "    if False:", "JF-ZIP-008"),
        (plan, "if len(original.comment) + HEX_LENGTH > MAX_16:", "if False:", "zip/embed"),
        (plan, "if listed and root is not None and", "if root is not None and", "zip/embed"),
        (header, "    if base64.b64encode(decoded) == encoded", "    if True or encoded", "JF-SFT-002"),
        (header, "        check_utf8(text)\n", "", sft1),
        (header, "    if not fill and container.read_at(0, len(MAGIC)) != MAGIC:", "    if False:", sft1),
        (header, "if (end := skip_space(text, outer.end)) != len(text):",
         "if (end := skip_space(text, outer.end)) > len(text):", sft1),
        (header, "if begin + length != end or end > header.data_length:", "if end > header.data_length:", sft1),
        (header, "if begin + length != end or end > header.data_length:", "if begin + length != end:", sft1),
        (header, "and len(pairs) == 3:", "and len(pairs) >= 3:", sft1),
        (header, 'entry.get("dtype") == "U8" and', "", sft1),
        (header, 'written.rstrip("~!")', 'written.rstrip("~")', "JF-SFT-002"),
        (text, "            if name in members:", "            if False:", sft1),
        (text, 'if b"\\\\" not in quoted:', "if True:", sft1),
        (surgery, "step - (len(opening) + len(encoded) + len(closing) - rest) % step",
         "1 + (-1 - len(opening) - len(encoded) - len(closing)) % 8", "safetensors/embed"),
        (legacy, "if digest.digest() == header[40:72]:", "if True:", "trailer/legacy"),
    ]  # fmt: skip


def _rest() -> list[tuple[str, str, str, str]]:
    exporter, refuse = "exporter.py", "jellyformat_trailer/refuse.py"
    hdf5, block, onnx = "jellyformat_hdf5/adapter.py", "jellyformat_hdf5/superblock.py", "jellyformat_onnx/adapter.py"
    gguf = "jellyformat_gguf/header.py"
    return [
        ("reader.py", "                if hasher.digest() != block.sha256:", "                if False:", "JF-BLK-002"),
        (exporter, "        checker.summary()\n", "", "restore/fault"),
        (exporter, "        checker.state()\n", "", "restore/"),
        (exporter, "        checker.history()\n", "", "restore/fault"),
        (
            exporter,
            "        box.pool.decode((STATE, HISTORY))\n",
            "        box.pool.decode((STATE,))\n",
            "restore/fault",
        ),
        (
            exporter,
            "check_names(box, [*(file.path for file in files), *empty], any_names=any_names)",
            "pass",
            "restore/",
        ),
        (exporter, "        for path in empty:\n            directories.open(path)\n", "", "restore/empty"),
        (exporter, "0o777 if file.mode == EXECUTABLE else 0o666", "0o666", "restore/"),
        (exporter, "os.symlink(content, name, dir_fd=fd)", 'os.symlink(b"x", name, dir_fd=fd)', "restore/links"),
        (refuse, "if head.startswith(magic.begin) and at_end:", "if False:", "trailer/refused"),
        (refuse, "    if _is_text(head, tail):", "    if False:", "trailer/refused"),
        (refuse, '    ("a zlib file (such as joblib makes)", _is_zlib),\n', "", "trailer/refused"),
        (refuse, '    ("a file with a zip archive at its end", _is_zip),\n', "", "trailer/refused"),
        ("blocks.py", "tuple(item.block for item in written)", "tuple(item.block for item in written[::-1])", "write/"),
        (hdf5, "if not fits or source.read_at", "if source.read_at", "JF-HDF-001"),
        (hdf5, "if not fits or source.read_at(length, len(SIGNATURE)) != SIGNATURE:", "if not fits:", "JF-HDF-001"),
        (block, "if version >= 2 and lookup3(raw[:-4]) !=", "if version >= 4 and lookup3(raw[:-4]) !=", "JF-HDF-002"),
        (block, "if version == 3 and raw[11] & _OPEN_FOR_WRITING:", "if False:", "JF-HDF-003"),
        (block, "if found.end - found.base > source.size - offset:", "if False:", "JF-HDF-002"),
        (block, "    if superblock.version < 2:\n        return True\n", "", "JF-HDF-004"),
        (block, "if not 0 <= address < (1 << 8 * self.width) - 1:", "if False:", "JF-HDF-004"),
        (onnx, "    if len(fields) > 1:", "    if False:", "JF-ONX-001"),
        (onnx, 'int.from_bytes(header[32:40], "big") != found.end - found.value:', "False:", "JF-ONX-001"),
        *((gguf, *rest) for rest in _gguf()),
        ("lookup.py", "if header.total_length < inner.size:", "if False:", "JF-HDR-010"),
    ]


def _gguf() -> list[tuple[str, str, str]]:
    head, tensors = "JF-GGF-001", "JF-GGF-002"
    return [
        ("VERSIONS = (2, 3)", "VERSIONS = (1, 2, 3)", "gguf/version-1"),
        ("if name in told or dimensions", "if dimensions", head),
        (" or dimensions > _DIMENSIONS_MAX:", ":", head),
        ("alignment is not None or value.bit_count() != 1", "value.bit_count() != 1", head),
        ("or value.bit_count() != 1:", "or value == 0:", head),
        ("if kind == _UINT32 else 0", "if True else 0", head),
        ("if length > _NAME_MAX:", "if False:", head),
        ("and depth < _DEPTH_MAX:", "and depth <= _DEPTH_MAX:", head),
        ("if row % elements or offset", "if offset", tensors),
        ("if row % elements or offset % alignment or", "if row % elements or", tensors),
        ("or start + length > size:", "or start > size:", tensors),
        ("if offset % alignment or start > size:", "if offset % alignment:", tensors),
        ("if offset % alignment or start > size:", "if start > size:", tensors),
        ("-(-cursor.position // alignment) * alignment", "-(-cursor.position // 32) * 32", "weights/gguf"),
    ]


MUTATIONS: tuple[Mutation, ...] = tuple(
    Mutation(*item)
    for item in [
        *(("container.py", *rest) for rest in _container()),
        *_objects(),
        *(("msgpack.py", *rest) for rest in _msgpack()),
        *(("manifest.py", *rest) for rest in _manifest()),
        *(("paths.py", *rest) for rest in _paths()),
        *(("checks.py", *rest) for rest in _checks()),
        *(("summary.py", *rest) for rest in _summary()),
        *_hosts(),
        *beside(),
        *bindings(),
        *flax(),
        *_rest(),
    ]
)
