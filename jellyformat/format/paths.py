"""Which names are safe, and which every system can hold (SPEC JF-PTH)."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache

from jellyformat.errors import PathLimit, UnsafePath
from jellyformat.format import limits

_HFS_IGNORED = re.compile(
    b"\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf"
)  # U+200C-200F and 202A-202E, 206A-206F, FEFF in UTF-8
_NOT_EVERYWHERE = re.compile(rb"[\x00-\x1f\x7f\\\\:<>\"|?*]")
_FOLDED = re.compile("[\u0000-\u052f\u1100-\u11ff\u1e00-\u1fff\u3040-\u30ff\uac00-\ud7a3]+")
"""Latin, Greek and Cyrillic with their marks, Kana and Hangul: all that is alike there was so in Unicode 7.0 already,
and stays so. Elsewhere letters and their rules are still added."""
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9_+=-][A-Za-z0-9_.+= -]*")
_PLAIN = re.compile(rb"(?:[A-Za-z0-9_+=-][A-Za-z0-9_.+= -]{0,254}(?:\x00(?=.)|\Z))+", re.DOTALL)
"""Names that are safe for sure: no dot, tilde, colon, backslash or strange letter stands where it could matter."""
_DEVICE = re.compile(rb"(con|prn|aux|nul|com[1-9]|lpt[1-9]) *(\..*)?", re.IGNORECASE | re.DOTALL)


def is_unsafe(name: bytes) -> bool:
    """Whether one component could reach outside of its directory, or into ``.git``, on any system."""
    if _PLAIN_NAME.fullmatch(name):
        return False
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        return True
    for piece in name.split(b"\\"):
        if piece in (b".", b".."):
            return True
        short = _HFS_IGNORED.sub(b"", piece.partition(b":")[0]).rstrip(b". ").lower()
        if short in (b".git", b"git~1"):
            return True
    return False


def check_components(names: list[bytes]) -> None:
    """Check the names in one directory, each as `check_component` does; nearly all of them are plain at a glance."""
    joined = b"\0".join(names)
    if not _PLAIN.fullmatch(joined) or joined.count(b"\0") != len(names) - 1:
        for name in names:
            check_component(name)


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


def check_path(path: bytes, parts: int = 1) -> None:
    """Check a whole path, component by component.

    Args:
        path: The path.
        parts: How many repositories it may go through, one inside the other.

    Raises:
        UnsafePath: SPEC JF-PTH-001.
        PathLimit: SPEC JF-PTH-002.
    """
    check_length(path, path.count(b"/") + 1, parts)
    for name in path.split(b"/"):
        check_component(name)


def check_paths(paths: Iterable[bytes]) -> None:
    """Check whole paths as `check_path` does; a name that stands in many of them is looked at once."""
    names: set[bytes] = set()
    for path in paths:
        found = path.split(b"/")
        check_length(path, len(found))
        names.update(found)
    check_components(list(names))


def check_length(path: bytes, components: int, parts: int = 1) -> None:
    """Check a path's length in bytes and components.

    Raises:
        PathLimit: SPEC JF-PTH-002.
    """
    longest = parts * (limits.PATH_BYTES + 1) - 1  # with a slash between
    if len(path) > longest or components > parts * limits.PATH_COMPONENTS:
        raise PathLimit(f"a path has {len(path)} bytes in {components} components", requirement="JF-PTH-002")


def is_portable(name: bytes) -> bool:
    """Whether every system can hold a file of this name, apart from others of its directory."""
    return not (_NOT_EVERYWHERE.search(name) or name.endswith((b".", b" ")) or _DEVICE.fullmatch(name))


def fold(name: bytes) -> str | bytes:
    """What a system without case, or with its own Unicode form, takes ``name`` for (SPEC JF-PTH)."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return name.lower()
    return _FOLDED.sub(lambda found: _alike(found[0]), text)


def _alike(text: str) -> str:
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


class Outermost:
    """Directories, to be asked which paths lie below one: in time that grows with the path, however many there are.

    Args:
        directories: Their paths, with a ``/`` at the end or without.
    """

    def __init__(self, directories: Iterable[bytes]) -> None:
        self._sorted: list[bytes] = []
        for path in sorted({path if path.endswith(b"/") else path + b"/" for path in directories}):
            if not self._sorted or not path.startswith(self._sorted[-1]):
                self._sorted.append(path)

    def holds(self, path: bytes) -> bool:
        """Whether the path lies below one of them; no directory lies below itself."""
        at = bisect_right(self._sorted, path) - 1
        return at >= 0 and path.startswith(self._sorted[at]) and path != self._sorted[at]
