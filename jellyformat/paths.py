"""Which names are safe, and which every system can hold (SPEC section 10)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from jellyformat import limits
from jellyformat.errors import PathLimit, UnsafePath

_HFS_IGNORED = re.compile(
    b"\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf"
)  # U+200C-200F and 202A-202E, 206A-206F, FEFF in UTF-8
_DEVICE = re.compile(rb"(con|prn|aux|nul|com[1-9]|lpt[1-9]) *(\..*)?", re.IGNORECASE | re.DOTALL)


def is_unsafe(name: bytes) -> bool:
    """Whether one component could reach outside of its directory, or into ``.git``, on any system."""
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        return True
    for piece in name.split(b"\\"):
        if piece in (b".", b".."):
            return True
        short = _HFS_IGNORED.sub(b"", piece.partition(b":")[0]).rstrip(b". ").lower()
        if short in (b".git", b"git~1"):
            return True
    return False


@lru_cache(maxsize=1 << 16)
def check_component(name: bytes) -> None:
    """Check one component of a path.

    Raises:
        UnsafePath: SPEC JF-PTH-001.
        PathLimit: SPEC JF-PTH-002.
    """
    if is_unsafe(name):
        raise UnsafePath(f"the name {show_name(name)} is unsafe", requirement="JF-PTH-001")
    if len(name) > limits.COMPONENT_BYTES:
        raise PathLimit(f"a name has {len(name)} bytes", requirement="JF-PTH-002")


def check_path(path: bytes) -> None:
    """Check a whole path, component by component.

    Raises:
        UnsafePath: SPEC JF-PTH-001.
        PathLimit: SPEC JF-PTH-002.
    """
    check_length(path, path.count(b"/") + 1)
    for name in path.split(b"/"):
        check_component(name)


def check_length(path: bytes, components: int) -> None:
    """Check a path's length in bytes and components.

    Raises:
        PathLimit: SPEC JF-PTH-002.
    """
    if len(path) > limits.PATH_BYTES or components > limits.PATH_COMPONENTS:
        raise PathLimit(f"a path has {len(path)} bytes in {components} components", requirement="JF-PTH-002")


def is_portable(name: bytes) -> bool:
    """Whether every system can hold a file of this name, apart from others of its directory."""
    return not (b"\\" in name or b":" in name or name.endswith((b".", b" ")) or _DEVICE.fullmatch(name))


def fold(name: bytes) -> str | bytes:
    """What a system without case, or with its own Unicode form, takes ``name`` for."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def not_portable(paths: Iterable[bytes]) -> list[bytes]:
    """Those of ``paths`` that are not portable, by a component or by a twin in the same directory; sorted."""
    found: set[bytes] = set()
    seen: dict[tuple[bytes, str | bytes], bytes] = {}
    known: dict[bytes, bool] = {b"": False}

    def awkward(path: bytes) -> bool:
        """Whether ``path``, or a directory above it, is not portable; each directory is looked at once."""
        todo = []
        while path not in known:
            directory, _, name = path.rpartition(b"/")
            todo.append((path, directory, name))
            path = directory
        for path, directory, name in reversed(todo):
            spelled = seen.setdefault((directory, fold(name)), name)
            known[path] = known[directory] or spelled != name or not is_portable(name)
        return known[path]

    for path in paths:
        if awkward(path):
            found.add(path)
    return sorted(found)


def show_name(name: bytes) -> str:
    """A path for people: quoted as git does where it holds controls, quotes or other than UTF-8."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = None
    if text is not None and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    out = []
    for byte in name:
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif 0x20 <= byte < 0x7F:
            out.append(char)
        else:
            out.append({"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(char, f"\\{byte:03o}"))
    return '"' + "".join(out) + '"'
