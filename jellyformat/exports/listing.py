"""A snapshot as one text that stays the same as long as the code does: for ``git diff``, which compares such texts."""

from __future__ import annotations

from collections.abc import Iterator

from jellyformat.format.container import Container
from jellyformat.format.objects import BLOB, EXECUTABLE, SYMLINK
from jellyformat.format.paths import show_name
from jellyformat.format.text import plural, visible

_LONGEST = 1 << 20
"""Bytes of a file whose lines are shown."""
_LOOKED_AT = 8000
"""Bytes in which a NUL makes a file binary, as git has it."""


def listing(box: Container) -> Iterator[str]:
    """The lines of a text that says which commit and labels a snapshot has, and has all its files, sorted by path.

    What is neither code nor said of it, such as the time of the capture, is not in it. Controls are escaped.

    Raises:
        FormatError: a block or tree is not proper.
    """
    info = box.info()
    yield f"commit {info.commit or 'none'}" + (f" on {visible(info.ref)}" if info.ref else "")
    for name, value in sorted(info.labels.items()):
        yield f"label {visible(name)} = {visible(str(value))}"
    for line in (info.note or "").splitlines():
        yield f"note {visible(line)}"
    for item in info.omitted:
        yield f"left out: {show_name(item.path)} ({visible(item.reason)})"
    for file in box.files():
        kind = {EXECUTABLE: " (executable)", SYMLINK: " (symbolic link)"}.get(file.mode, "")
        yield ""
        yield f"==> {show_name(file.path)}{kind}"
        if file.size > _LONGEST:
            yield f"{plural(file.size, 'byte')}, {file.oid.hex()}"
            continue
        content = box.pool.read(file.oid, BLOB)
        if b"\0" in content[:_LOOKED_AT]:
            yield f"binary, {plural(file.size, 'byte')}, {file.oid.hex()}"
            continue
        for line in content.decode("utf-8", "replace").split("\n"):
            yield "\t".join(map(visible, line.removesuffix("\r").split("\t")))
