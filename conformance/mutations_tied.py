"""The mutants of what ties a container to its host: sidecars, directories, bindings (JF-SDC, JF-DIR, JF-BND)."""

from __future__ import annotations


def beside() -> list[tuple[str, str, str, str]]:
    """Of sidecars and directories (SPEC JF-SDC and JF-DIR)."""
    lookup, beside, hosts, binding, directories = (
        "hosts/lookup.py",
        "hosts/sidecar.py",
        "hosts/ties.py",
        "hosts/binding.py",
        "hosts/directories.py",
    )
    return [
        (lookup, "return binding.SIDECAR in read_extensions(source)", "return True", "JF-SDC-001"),
        (lookup, "if name.startswith(PREFIX)), *names]", "if False), *names]", "sidecar/"),
        (lookup, 'else name}{SUFFIX}", name + SUFFIX', 'else name}{SUFFIX}", name', "sidecar/"),
        (lookup, "is_long = len(raw) +", "is_long = False and len(raw) +", "sidecar/name"),
        (beside, "    _check_sound(before, path)\n    with durable", "    with durable", "JF-SDC-004"),
        (lookup, "        return damaged  # whoever", "        return False  # whoever", "sidecar/damaged JF-SDC-006"),
        (lookup, "for name in (*names, os.fsdecode(sidecar.name)):", "for name in names:", "JF-SDC-003"),
        (
            lookup,
            "for name in (*names, os.fsdecode(sidecar.name)):",
            "for name in (os.fsdecode(sidecar.name),):",
            "JF-SDC-003",
        ),
        (
            lookup,
            "_beside(named, place.file, is_container)",
            "_beside(named, place.file, lambda _: True)",
            "JF-DIR-002",
        ),
        (binding, "not rest and len(digest) == _HASH_LENGTH", "len(digest) == _HASH_LENGTH", "JF-SDC-002"),
        (binding, "not rest and len(digest) == _HASH_LENGTH", "not rest", "JF-SDC-002"),
        (binding, 'not set(name) & set(b"/\\0") and name not in', "name not in", "JF-SDC-002"),
        (binding, 'and name not in (b".", b"..")', "", "JF-SDC-002"),
        (
            binding,
            "and 0 < len(name) <= limits.COMPONENT_BYTES",
            "and len(name) <= limits.COMPONENT_BYTES",
            "JF-SDC-002",
        ),
        (binding, "return not isinstance(value, bool) and value >= 0", "return value >= 0", "JF-SDC-002"),
        (hosts, "return place.size == sidecar.size and (quick", "return True and (quick", "JF-SDC-003"),
        (hosts, "(quick or sha256_of(place) == sidecar.sha256)", "True", "JF-SDC-003 JF-SDC-006"),
        (
            beside,
            "_write(file, data, _is(file, _is_sound_sidecar), path,",
            "_write(file, data, True, path,",
            "JF-SDC-004",
        ),
        (beside, "lookup.is_sidecar(source, damaged=False)", "lookup.is_sidecar(source)", "JF-SDC-004"),
        (beside, "        if not same:", "        if False:", "JF-SDC-006"),
        (beside, "changes = {SIDECAR: sidecar.to_value(), BINDING: bound}", "changes = {BINDING: bound}", "JF-SDC-007"),
        ("snapshots.py", "{SIDECAR: None, BINDING: bound}", "{BINDING: bound}", "JF-SDC-007"),
        (beside, "_is(directory.file, is_sound), directory.path", "True, directory.path", "JF-DIR-003"),
        (beside, "        if not is_sound(held.source):", "        if False:", "JF-DIR-004"),
        (
            "hosts/fitness.py",
            "    if durable.is_directory(path):\n        check_no_pointer_in",
            "    if False:\n        check_no_pointer_in",
            "JF-DIR-001",
        ),
        (directories, 'if parts and _head(path / ".metadata", 1) == b"\\x80":', "if parts:", "JF-DIR-001"),
        (
            directories,
            'parts = ".metadata" in names and any(name.endswith(".distcp") for name in names)',
            'parts = ".metadata" in names',
            "JF-DIR-001",
        ),
        (directories, "(is_model and any(True for _ in weight_files(path)))", "is_model", "JF-DIR-001"),
        (directories, """and b'"weight_map"' in head""", "", "JF-DIR-001"),
        (directories, "and _host_kind(path / name) == host]", "]", "JF-DIR-001"),
    ]


def bindings() -> list[tuple[str, str, str, str]]:
    """Of bindings (SPEC JF-BND)."""
    binding, hosts, weights = "hosts/binding.py", "hosts/ties.py", "hosts/weights.py"
    zips, tensors = "jellyformat_zip/_weights.py", "jellyformat_safetensors/weights.py"
    gguf = "jellyformat_gguf/adapter.py"
    return [
        (zips, "if is_listed_name(entry.name) or (torch", "if (torch", "JF-BND-001"),
        (zips, " or (torch and name == _UNSTABLE)", "", "weights/zip"),
        (zips, "if torch else entry.name\n", "\n", "weights/zip"),
        (zips, "entry.flags & FLAG_ENCRYPTED or ", "", "JF-BND-007"),
        (zips, " or entry.method not in (STORED, DEFLATED)", "", "JF-BND-007"),
        (zips, "if left < 0:", "if False:", "JF-BND-004"),
        (zips, "if done != self.size or not decoder.eof:", "if not decoder.eof:", "JF-BND-004"),
        (zips, "if done != self.size or not decoder.eof:", "if done != self.size:", "JF-BND-004"),
        (tensors, "if name in (METADATA, MEMBER):", "if name == METADATA:", "JF-BND-001"),
        (tensors, "if end > header.data_length or left < 0:", "if end > header.data_length:", "JF-BND-004"),
        (tensors, "if len(text) <= _LONGEST_ENTRY:", "if True:", "weights/tensors"),
        (tensors, "0 <= begin <= end and all", "all", "weights/tensors"),
        (gguf, "        if left < 0:", "        if False:", "JF-BND-004"),
        (gguf, "if any(tensor.length is None for tensor in tensors):", "if False:", "weights/gguf"),
        (binding, "not rest and len(root) == _HASH_LENGTH", "len(root) == _HASH_LENGTH", "JF-BND-002"),
        (binding, "not rest and len(root) == _HASH_LENGTH", "not rest", "JF-BND-002"),
        (binding, " and count <= limits.WEIGHTS", "", "JF-BND-002"),
        (binding, "if named is not None and len(named) == count:", "if named is not None:", "JF-BND-002"),
        (binding, "if all(one <= two for one, two in pairwise(named)) else None", "", "JF-BND-002"),
        (binding, " if len(check) == CHECK_LENGTH:", ":", "JF-BND-002"),
        (binding, "    if self.kind != other.kind:", "    if False:", "JF-BND-003"),
        (
            binding,
            "if (self.count, self.root) == (other.count, other.root):",
            "if self.count == other.count:",
            "JF-BND-003",
        ),
        (
            binding,
            "if (self.count, self.root) == (other.count, other.root):",
            "if self.root == other.root:",
            "JF-BND-003",
        ),
        (binding, "or self.named == other.named", "or True", "JF-BND-003"),
        (hosts, "    if difference := bound.difference(found):", '    if difference := "":', "JF-BND-003"),
        (
            hosts,
            "    if host.carried is None or host.adapter is None:\n        return place",
            "    if True:\n        return place",
            "JF-BND-001",
        ),
        (hosts, 'os.fsencode(path.name) + b"/"', 'b""', "weights/directory"),
        (weights, "    return sorted(set(leaves))", "    return sorted(leaves)", "weights/zip-twice"),
        (weights, "CHUNK = 4 << 20", "CHUNK = 8 << 20", "weights/zip-piece"),
        ("hosts/directories.py", "if file != directory.file and durable", "if durable", "weights/directory"),
        (
            "hosts/directories.py",
            "if not is_name or not durable.is_file(path / name):",
            "if not is_name:",
            "JF-BND-008",
        ),
        ("hosts/directories.py", 'not {"/", "\\0"} & set(name)', "True", "JF-BND-008"),
        ("hosts/directories.py", " if all(isinstance(name, str) for name in names) else None", "", "JF-BND-008"),
        ("hosts/directories.py", "            return index.name", "            continue", "JF-BND-008"),
        ("hosts/ties.py", "    if difference:\n", "    if False:\n", "JF-BND-006"),
    ]


def flax() -> list[tuple[str, str, str, str]]:
    """Of msgpack files of flax (SPEC JF-FLX)."""
    values, leaves, hosts = "jellyformat_flax/values.py", "jellyformat_flax/leaves.py", "hosts/ties.py"
    broken = "flax/broken"
    return [
        (values, "if position != values.source.size:", "if False:", broken),
        (values, "if len(open_values) == DEPTH_MAX:", "if False:", broken),
        (values, "DEPTH_MAX = 512", "DEPTH_MAX = 511", "flax/weights-deepest"),
        (values, " and value.end - value.body <= KEY_MAX:", ":", broken),
        (values, "KEY_MAX = 4_096", "KEY_MAX = 4_095", "flax/weights-key"),
        (values, " or value.body + found[2] + found[3] != value.end:", ":", broken),
        (values, "(outer.body, outer.count) != (1, 3)", "outer.body != 1", broken),
        (values, " or dimensions.count > SHAPE_MAX:", ":", broken),
        (values, "or data[position] >= 0xD0:", ":", broken),
        (values, "not 0 < name.end - name.body", "not 0 <= name.end - name.body", broken),
        (values, "return (data[:2], data[10:11]) == ", "return True or ", broken),
        (values, "_COMPLEX_LENGTH:\n            return False", "_COMPLEX_LENGTH:\n            return True", broken),
        (values, "_ARRAYS = (1, 3)", "_ARRAYS = (1,)", "flax/weights-scalar"),
        (values, "signed=raw[0] >= 0xD0", "signed=True", "flax/weights-keys"),
        (values, 'path[-1] = b"%d" % number', 'path[-1] = b""', "flax/weights-items"),
        (values, "REACH = 1 << 16", "REACH = 1 << 15", "flax/weights-far"),
        (leaves, "if path and path[-1] == CHUNKED:", "if False:", broken),
        (leaves, "start, 1) != _TRUE:", 'start, 1) == b"":', broken),
        (leaves, "not 0 < count", "not 0 <= count", broken),
        (leaves, "path[-1] != key or found.kind != kind", "found.kind != kind", broken),
        (leaves, "len(found.shape) != 1 or ", "", broken),
        (leaves, "(chunks and found.dtype != chunks[0].dtype)", "False", broken),
        (leaves, "if names > MAX_WEIGHT_NAME_BYTES:", "if False:", "JF-FLX-002"),
        (leaves, "tuple(shape), Joined", "(), Joined", "flax/weights-chunks"),
        (hosts, "if _tells_weights(extensions) and (quick", "if (quick", "sidecar/other"),
        (hosts, "if _tells_weights(extensions) and (quick", "if False and (quick", "flax/bound-again"),
        (hosts, "        return not bound.difference(bind(host))", "        return True", "flax/strip-other"),
        (
            "hosts/sidecar.py",
            "same = same or ties.has_its_weights(",
            "same = same or not ties.has_its_weights(",
            "flax/strip",
        ),
    ]
