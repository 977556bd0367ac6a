"""The mutants: for each, a module of the reference, its exact text, what stands there instead, and who should see it.

Each leaves one check out, or makes it wrong by one. The hints are ids or areas whose vectors are run first.
"""

from __future__ import annotations

from typing import NamedTuple

from conformance.mutations_asked import asked
from conformance.mutations_tied import beside, bindings, flax


class Mutation(NamedTuple):
    """One mutant."""

    module: str
    text: str
    instead: str
    hints: str


def _frames() -> list[tuple[str, str, str]]:
    return [
        ("if data[:8] != MAGIC:", "if False:", "JF-HDR-001"),
        ("if len(data) > 8 and data[8] != MAJOR_VERSION:", "if False:", "JF-HDR-002"),
        ('if reserved.strip(b"\\0"):', "if False:", "JF-HDR-003"),
        ("if total < HEADER_LENGTH + length:", "if False:", "JF-HDR-005"),
        ("if not length or not raw_length:", "if not length:", "JF-HDR-006"),
        ("or raw_length > limits.bounds(total).manifest:", "or False:", "JF-HDR-007"),
        ("manifest.decode(raw, header.total_length)", "manifest.decode(raw, 0)", "bounds/object-bytes-most bounds"),
        ("window_limit(block.kind), offset, prefix)", "window_limit(block.kind), offset)", "prefix"),
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
    ]


def _records() -> list[tuple[str, str, str]]:
    return [
        ("        if last == len(raw):", "        if False:", "JF-BLK-007"),
        ("    if last != len(raw):", "    if False:", "JF-BLK-007"),
        (
            "or length <= _SHORTER[width]:",
            "or False:",
            "JF-MSG-002 msgpack/record",
        ),
        ("and len(value[1]) == oid_length:", "and True:", "JF-REC-001"),
        ("type(value[0]) is int and value[0] in KINDS", "value[0] in KINDS", "JF-REC-001"),
        ("if isinstance(op, bytes) and op:", "if isinstance(op, bytes):", "JF-REC-001"),
        ("and op[1] >= 1", "and op[1] >= 0", "JF-REC-001"),
        ("            and op[0] >= 0\n", "", "JF-REC-001"),
        ("if not isinstance(value, list) or not value:", "if not isinstance(value, list):", "JF-REC-001"),
    ]


def _objects() -> list[tuple[str, str, str, str]]:
    diffs, pool, trees, objects = "format/diffs.py", "format/pool.py", "format/trees.py", "format/objects.py"
    return [
        (diffs, "if any(op[0] + op[1] > base_length for", "if any(op[0] > base_length for", "JF-REC-003"),
        (pool, "if oid in self._places:", "if False:", "JF-REC-002"),
        (pool, "        if left:\n", "        if left < 0:\n", "JF-BLK-007"),
        (pool, "if kind != record.kind:", "if False:", "JF-REC-004"),
        (pool, "if chain >= limits.DIFF_CHAIN:", "if chain > limits.DIFF_CHAIN:", "JF-REC-006"),
        (trees, "if entries > self._left or", "if", "bounds/entries-more bounds/entries objects/entries"),
        (trees, "or path_bytes > self._left_bytes:", "or False:", "bounds/paths-nested bounds/paths"),
        (trees, "        self._left -= found.entries\n", "", "bounds/entries-shared"),
        (trees, "+ prefix * found.entries", "", "bounds/paths-nested bounds/paths-nested"),
        (pool, "limits.bounds(source.size).values", "(1 << 40)", "bounds/ops-bomb bounds/ops"),
        (pool, "None if block.prefix is None else self._raw_again(block.prefix)", "None", "prefix"),
        (pool, "else self._raw_again(block.prefix)", "else self._raw_again(0)", "prefix/two"),
        (trees, "                count += inner[0]\n", "", "bounds/entries-more bounds/entries"),
        (trees, "check_length(path, depth)", "pass", "JF-PTH-002"),
        (trees, "stack += reversed(below)", "stack += below", "decided/head-directory-twice"),
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
        ("if left < 0:  # each", "if False:  # each", "bounds/values-arrays-more bounds/values"),
        ("if left < 0:  # each", "if left <= 0:  # each", "bounds/values-arrays-most bounds/values"),
        ("if len(outer) >= limits.MSGPACK_DEPTH:", "if len(outer) > limits.MSGPACK_DEPTH:", "JF-MSG-005"),
        ("if len(outer) >= limits.MSGPACK_DEPTH:", "if len(outer) >= 39:", "JF-MSG-005"),
    ]


def _manifest() -> list[tuple[str, str, str]]:
    return [
        ("    if names:\n        raise Unsup", "    if False:\n        raise Unsup", "JF-MAN-004"),
        (
            'fields.open_map(msgpack.decode(raw, bounds.values), "manifest")',
            'fields.closed_map(msgpack.decode(raw, bounds.values), Manifest, "manifest")',
            "future",
        ),
        ("if sum(1 for _ in state.parts()) - 1 > bounds.states:", "if False:", "bounds/states-bomb bounds/states"),
        ("long_enough = limits.PREFIX_LEAST <= ", "long_enough = ", "JF-BLK-008"),
        (" <= limits.PREFIX_MOST", "", "prefix/length-more JF-BLK-008"),
        ("if block.kind != HISTORY or prefix.kind", "if prefix.kind", "JF-BLK-008"),
        ("or prefix.kind != STATE or", "or", "JF-BLK-008"),
        (
            "    requires = _requires(value)\n    _check_kinds(value)",
            "    _check_kinds(value)\n    requires = _requires(value)",
            "future",
        ),
        ("    _check_kinds(value)\n", "", "JF-BLK-001"),
        ("{**item.more, **{name", "{**{name", "future"),
        ("    _check_commit(manifest)", "    pass", "JF-SUM-002"),
        ('check_path(path.removesuffix(b"/"), limits.PARTS)', "pass", "JF-PTH-001"),
        ("if order != sorted(order):", "if False:", "JF-BLK-004"),
        ("if sum(block.raw_length for block in blocks) > bounds.raw:", "if False:", "blocks/raw-length-sum JF-BLK-006"),
        ("if sum(block.object_bytes for block in blocks) > bounds.objects:", "if False:", "JF-BLK-006"),
        ("if sum(block.records for block in blocks) > limits.RECORDS:", "if False:", "JF-BLK-006"),
        ("if not 1 <= len(block.kind.encode()) <= 64:", "if False:", "blocks/kind"),
        ("if known and not block.critical:", "if False:", "JF-BLK-003"),
        ("and kind not in (STATE, HISTORY):", "and False:", "JF-BLK-001"),
        ("if isinstance(said, str) and object_format not in (None, said):", "if False:", "JF-STA-001"),
        ("if nested and depth == 0:", "if nested and depth == -1:", "JF-SUB-003"),
        (
            "if head.commit is None and head.ref is None and not without_git:",
            "if False:",
            "roots/without-git-index JF-STA-002",
        ),
        ("if head.ref is not None and not is_ref(head.ref):", "if False:", "JF-STA-003"),
        (r"|/\.|", "|", "JF-STA-003"),
        ("if found == [None] * 3:", "if False:", "manifest/range-conflict-nothing JF-MAN-002"),
        ('if reason != "name":', "if True:", "JF-WRK-005 manifest/everything"),
        ('if reason != "name":', "if False:", "JF-WRK-005"),
        ("and head.ref is None and not without_git:", "and head.ref is None:", "roots/without-git roots/without-git"),
        ('item["operation"] is not None or index is not None', "index is not None", "JF-STA-002"),
        ('or index is not None or item["worktree"] is None', 'or item["worktree"] is None', "JF-STA-002"),
        ('or item["worktree"] is None', "", "JF-STA-002"),
        ("if roots and depth != limits.NESTED_STATES:", "if False:", "roots/inside-nested JF-ROO-001"),
        ('    if b"/" in name:', "    if False:", "roots/two-components roots/two"),
        ('if item.path + b"/" in left or', "if", "JF-WRK-007"),
        ("or above.holds(item.path):", "or False:", "roots/directory-and-below JF-WRK-007"),
        (
            "if found.is_directory and found.sha256 is not None:",
            "if False:",
            "manifest/range-directory-sha256",
        ),
        (
            'path.removesuffix(b"/") if directories else path',
            'path.removesuffix(b"/")',
            "roots/staged-directory",
        ),
        ("len(reason) <= 64 and", "", "manifest/range-reason"),
        (
            'Root(_root_name(entry["name"]), _state(entry["state"], depth - 1,',
            'Root(_root_name(entry["name"]), _state(entry["state"], depth,',
            "roots/depth roots/inside",
        ),
        ("_OWN_REASON.fullmatch(reason)", "_OWN_REASON.match(reason)", "manifest/range-reason"),
        (
            '_state(entry["state"], depth - 1, found))\n\n    roots',
            '_state(entry["state"], depth, found))\n\n    roots',
            "roots/depth roots/inside",
        ),
        ("if bool(heads) != (kind in WITH_HEADS):", "if False:", "manifest/range-heads-am manifest/range-heads"),
    ]


def _fields() -> list[tuple[str, str, str]]:
    return [
        ("if value.keys() != {entry.name for entry in dataclasses.fields(shape)}:",
         "if not value.keys() >= {entry.name for entry in dataclasses.fields(shape)}:", "JF-MAN-001"),
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
        ("if len(path) > longest or", "if", "JF-PTH-002"),
        ("or components > parts * limits.PATH_COMPONENTS:", "or False:", "JF-PTH-002"),
        ("longest = parts * (limits.PATH_BYTES + 1) - 1", "longest = parts * limits.PATH_BYTES", "summary/nested-long"),
        ('or name.endswith((b".", b" ")) or', "or", "JF-PTH-003"),
        ("or spelled != name or", "or", "JF-PTH-003"),
        (
            'unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())',
            "text.casefold()",
            "restore/twins",
        ),
        ("_FOLDED.sub(lambda found: _alike(found[0]), text)", "_alike(text)", "restore/apart restore/portable"),
        ("\\u3040-\\u30ff", "", "restore/twins"),
        ("\\u1100-\\u11ff", "", "restore/twins"),
        ("_NOT_EVERYWHERE.search(name) or", "", "JF-PTH-003"),
        ("\\x00-\\x1f\\x7f", "", "restore/name"),
        ('>\\"|?*]', "]", "restore/name"),
    ]


def _checks() -> list[tuple[str, str, str]]:
    return [
        ("(self.thin or self._pool.is_state(oid)):", "True:", "JF-NED-001"),
        ("            if place.kind != kind:", "            if False:", "JF-OBJ-007"),
        ("if len(commits) != history.commits:", "if False:", "JF-HIS-001"),
        ("if any(parent not in places and", "if all(parent not in places and", "JF-HIS-002"),
        ("and parent not in prerequisites for", "for", "JF-HIS-002"),
        ("if shallow != set(history.shallow):", "if not shallow >= set(history.shallow):", "JF-HIS-002"),
        ("            if oid in places:", "            if False:", "JF-HIS-003"),
        ('self._leave(oid, kind, "a commit or tree names", "JF-HIS-004")', "pass", "JF-HIS-004"),
        ("        elif place.kind != kind:", "        elif False:", "JF-OBJ-007"),
        ("if unnamed and not self._names_outside:", "if False:", "JF-REC-008"),
        ("elif self.thin:  # the", "elif False:  # the", "decided/thin-missing-tree"),
        ("if unnamed and not self._names_outside:", "if unnamed and not self.outside:", "thin-unreached"),
        ("if not self.is_whole(state):", "if self.outside:", "thin-blob-state"),
        ("sizes.known else", "True else", "thin-blob"),
        ("if strict is not None and entry in self._empty:", "if False:", "JF-OBJ-005"),
        ("if flat.index.get(path) != flat.head.get(path) or", "if", "JF-IDX-003"),
        ("flat.head.get(path) or path in conflicts or", "flat.head.get(path) or", "JF-IDX-003"),
        ("                if root.name in taken:", "                if False:", "JF-ROO-002"),
        ("(*shown, *empty, *nests)", "(*shown, *nests)", "JF-ROO-002"),
        ("(*shown, *empty, *nests)", "(*shown, *empty)", "JF-ROO-002"),
        ('[omitted.path.removesuffix(b"/") for', "[omitted.path for", "JF-WRK-002"),
        ("unnamed -= {head.tree, *head.parents}", "unnamed -= {head.tree}", "JF-REC-008 blocks/history"),
        ("                if left < 0:", "                if False:", "JF-OBJ-009"),
        ("if parent in places and places[parent].kind != COMMIT:", "if False:", "JF-OBJ-007"),
        ("or (path in conflicts and path in intents):", "or False:", "JF-IDX-001"),
        ("if path not in flat.index and path not in intents:", "if False:", "JF-IDX-002"),
        ("if path in flat.worktree or path in directories:", "if path in flat.worktree:", "JF-WRK-002"),
        ("all(mode in files[:2] for mode in modes):", "all(mode in files for mode in modes):", "JF-WRK-003"),
        ("or one.oid != two.oid:", "or False:", "JF-WRK-004"),
        ("if path in nests or inside.holds(path):", "if path in nests:", "JF-WRK-006"),
        ("if inside.holds(nested.path):", "if False:", "JF-SUB-005"),
        ("(entry.mode, entry.oid) != (GITLINK, commit)", "entry.mode != GITLINK", "JF-SUB-001"),
        ("(entry is not None or nested.path in directories):", "entry is not None:", "JF-SUB-002"),
        ("if replace(found, size=found.size if sizes.known else said.size) != said:", "if False:", "JF-SUM-001"),
        ('strict=part != "head"', "strict=True", "JF-OBJ-006"),
    ]  # fmt: skip


def _extensions() -> list[tuple[str, str, str]]:
    return [
        ("len(labels) <= _LABELS_MOST and", "", "extensions/"),
        ("_is_key(key) and len", "len", "extensions/"),
        ("1 <= len(key.encode()) <= _KEY_MOST", "1 <= len(key) <= _KEY_MOST", "extensions/"),
        (" or ord(char) == 0x7F", "", "extensions/"),
        ("len(value.encode()) <= _VALUE_MOST", "len(value) <= _VALUE_MOST", "extensions/"),
        ("if len(note.encode()) > _NOTE_MOST:", "if False:", "JF-EXT-002"),
        ("if run.sequence == 0 and run.parent is not None:", "if False:", "JF-EXT-003"),
        ("fields.long_path, EDITED", "fields.binary, EDITED", "JF-EXT-004"),
        ("if not 1 <= len(found) <= _SIGNATURES_MOST:", "if not len(found) <= _SIGNATURES_MOST:", "JF-EXT-005"),
        ("if not 1 <= len(found) <= _SIGNATURES_MOST:", "if not found:", "JF-EXT-005"),
        ("1 <= len(found.format.encode()) <= _FORMAT_MOST and", "", "JF-EXT-005"),
        ("1 <= len(found.signature) <= _SIGNATURE_MOST", "found.signature", "JF-EXT-005"),
        ("if SIGNATURES in extensions and found.history.prerequisites:", "if False:", "JF-SIG-001"),
    ]


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
        ("if above.holds(path):", "if False:", "roots/directory"),
        ("if path not in skip and not above.holds(path):", "if path not in skip:", "roots/directory"),
    ]


def _hosts() -> list[tuple[str, str, str, str]]:
    host, trailer = "hosts/adapter.py", "jellyformat_trailer/carry.py"
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
        (find, "and entry.name.startswith(place) and", "and b'/data/' in entry.name or", "zip/absent"),
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
        (legacy, "if looked > MAX_CANDIDATES or", "if", "JF-TEN-001"),
        (legacy, "if looked > MAX_CANDIDATES or", "if looked >= MAX_CANDIDATES or", "JF-TEN-001"),
    ]  # fmt: skip


def _rest() -> list[tuple[str, str, str, str]]:
    exporter, refuse, bear = "exports/files.py", "jellyformat_trailer/refuse.py", "jellyformat_trailer/bear.py"
    hdf5, block, onnx = "jellyformat_hdf5/adapter.py", "jellyformat_hdf5/superblock.py", "jellyformat_onnx/adapter.py"
    gguf = "jellyformat_gguf/header.py"
    return [
        (
            "format/container.py",
            "                if hasher.digest() != block.sha256:",
            "                if False:",
            "JF-BLK-002",
        ),
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
        (exporter, "        for path in empty:\n            made.open(path)\n", "", "restore/empty"),
        (exporter, "0o777 if file.mode == EXECUTABLE else 0o666", "0o666", "restore/"),
        (
            exporter,
            "directories.make_link(content, name, fd)",
            'directories.make_link(b"x", name, fd)',
            "restore/links",
        ),
        (refuse, "if head.startswith(magic.begin) and at_end:", "if False:", "trailer/refused"),
        (refuse, "    if _is_text(head, tail):", "    if False:", "trailer/refused"),
        (refuse, '    ("a zlib file (such as joblib makes)", _is_zlib),\n', "", "trailer/refused"),
        (refuse, '    ("a file with a zip archive at its end", _is_zip),\n', "", "trailer/refused"),
        (refuse, '    ("a Kaldi archive", _is_kaldi),\n', "", "trailer/refused"),
        (refuse, '    ("a file of several pickles or arrays", _has_several),\n', "", "trailer/refused"),
        (bear, "pickle_end(source) == source.size", "True", "JF-TRL-002"),
        (bear, "npy_end(source) == source.size", "True", "JF-TRL-002"),
        (bear, "            return position == source.size", "            return True", "JF-TRL-002"),
        (bear, "and source.size % 512 == 0 and has_end", "and source.size % 512 == 0", "JF-TRL-002"),
        ("jellyformat_trailer/adapter.py", "if not replaced and not bears(own):", "if False:", "JF-TRL-002"),
        ("jellyformat_trailer/adapter.py", "        if cut is not None:", "        if False:", "JF-TRL-003"),
        (
            "jellyformat_trailer/cut.py",
            "            return position > source.size",
            "            return False",
            "JF-TRL-003",
        ),
        ("jellyformat_safetensors/weights.py", "if longest > data_length:", "if False:", "JF-SFT-004"),
        (
            "jellyformat_trailer/records.py",
            "return source.size if position == source.size and",
            "return source.size if True or",
            "JF-TRL-002",
        ),
        (
            "format/blocks.py",
            "tuple(item.block for item in now)",
            "tuple(item.block for item in written[::-1])",
            "write/",
        ),
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
        ("hosts/lookup.py", "if header.total_length < inner.size:", "if False:", "JF-HDR-010"),
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
        *(("format/frames.py", *rest) for rest in _frames()),
        *(("format/records.py", *rest) for rest in _records()),
        *_objects(),
        *(("format/msgpack.py", *rest) for rest in _msgpack()),
        *(("format/manifest.py", *rest) for rest in _manifest()),
        *(("format/fields.py", *rest) for rest in _fields()),
        *(("format/paths.py", *rest) for rest in _paths()),
        *(("format/checks.py", *rest) for rest in _checks()),
        *(("format/summary.py", *rest) for rest in _summary()),
        *(("format/extensions.py", *rest) for rest in _extensions()),
        ("format/reach.py", "if stage is not None and stage[0] != GITLINK:", "if False:", "JF-NED-001"),
        (
            "format/reach.py",
            "for oid in state.operation.heads if state.operation else ():",
            "for oid in ():",
            "JF-NED-001",
        ),
        *_hosts(),
        *asked(),
        *beside(),
        *bindings(),
        *flax(),
        *_rest(),
    ]
)
