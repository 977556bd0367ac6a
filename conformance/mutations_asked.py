"""The mutants of what an implementer asked who had SPEC.md alone (conformance/generate/area_asked.py)."""

from __future__ import annotations


def asked() -> list[tuple[str, str, str, str]]:
    """Of hosts and the summary."""
    directories, zips, onnx = "hosts/directories.py", "jellyformat_zip/_records.py", "jellyformat_onnx/message.py"
    head, chunks = "jellyformat_safetensors/header.py", "jellyformat_flax/leaves.py"
    return [
        (directories, 'head.lstrip(_SPACE).startswith(b"{") and', 'head.lstrip().startswith(b"{") and', "asked/space"),
        (directories, "_INDEX_HEAD).lstrip(_SPACE)", "_INDEX_HEAD).lstrip()", "asked/embed-space"),
        (directories, "    if is_index(path):\n        return", "    if False:\n        return", "asked/index"),
        (zips, "if end.disk or end.directory_disk or end.entries_here", "if end.entries_here", "asked/disk zip"),
        (zips, "end.directory_disk or end.entries_here != end.entries:", "end.directory_disk:", "asked/here-ones"),
        (zips, "if disk or disks > 1 or records", "if disk or disks != 1 or records", "asked/disks-0"),
        (zips, "if disk or disks > 1 or records", "if disk or records", "asked/disks-2"),
        (zips, "if disk or disks > 1 or records", "if disks > 1 or records", "asked/disk-on"),
        (zips, "if disk or directory_disk or here != entries:", "if disk or directory_disk:", "asked/here-64"),
        (zips, "if raw.startswith(ZIP64_LOCATOR_MAGIC):",
         "if raw.startswith(ZIP64_LOCATOR_MAGIC) and offset + size != end.offset:", "asked/locator"),
        (onnx, "_VARINT_MAX = 10", "_VARINT_MAX = 11", "asked/varint"),
        (onnx, "    return not missing", "    return True", "asked/no-"),
        (onnx, "return value, offset + index + 1", "return value & (1 << 64) - 1, offset + index + 1", "asked/length"),
        (onnx, "if _NEEDED.get(found.number, found.kind) != found.kind:", "if False:", "asked/graph"),
        ("jellyformat_safetensors/surgery.py", "((end - start) % GRAIN)", "((end - start) % 8)", "asked/strip"),
        (head, "        return member.start, skip_space(text, behind + 1)", "        return member.start, behind + 1",
         "asked/strip"),
        (head, "        return before - 1, member.end", "        return member.start, member.end", "asked/strip"),
        (chunks, "or min(shape, default=0) < 0:", "or False:", "flax/broken-chunks-negative"),
        ("format/summary.py", 'changed["unstaged"].setdefault(prefix + path, kind)',
         'changed["unstaged"][prefix + path] = kind', "asked/letter"),
        ("format/summary.py", 'changed["staged"].setdefault(prefix + path, kind)',
         'changed["staged"][prefix + path] = kind', "asked/letter"),
    ]  # fmt: skip
