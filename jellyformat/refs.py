"""Refs of ours, ``refs/jellyformat/state/<name>``: they keep the commits of states that were left from git's gc."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

from jellyformat import fileio
from jellyformat.fileio import list_optional, read_optional
from jellyformat.manifest import is_ref

_ROOT = b"refs/jellyformat/"


def directory_of(git_dir: bytes, *, nested: bool = False) -> bytes:
    """Where the refs for the states of a git directory are; several worktrees share theirs.

    Args:
        git_dir: The git directory.
        nested: Whether the states are those of the repository around it.
    """
    common_dir = common_dir_of(git_dir)
    owner = b"outer" if nested else b"state"
    if common_dir != git_dir:
        owner += b"-" + os.path.basename(git_dir).hex().encode()
    return common_dir + b"/" + _ROOT + owner


def common_dir_of(git_dir: bytes) -> bytes:
    """Where the objects and branches of a git directory are: those of a linked worktree are in another one."""
    with contextlib.suppress(OSError), open(git_dir + b"/commondir", "rb") as file:
        return os.path.normpath(os.path.join(git_dir, file.read().rstrip(b"\r\n")))
    return git_dir


def resolve(git_dir: bytes, common_dir: bytes, name: bytes) -> bytes | None:
    """The raw id a ref names; None where it does not exist."""
    for _ in range(5):
        text = None
        for directory in (git_dir, common_dir):
            with contextlib.suppress(OSError), open(directory + b"/" + name, "rb") as file:
                text = file.read().strip()
                break
        if text is None:
            text = _packed(common_dir).get(name)
        if text is None or not text.startswith(b"ref:"):
            break
        name = text[4:].strip()
    try:
        return None if text is None else bytes.fromhex(text.decode())
    except ValueError:
        return None


def is_free(git_dir: bytes, common_dir: bytes, name: bytes) -> bool:
    """Whether a branch of this name could be made: none of the name, above or below it."""
    if not is_ref(name):
        return False
    packed = _packed(common_dir)
    parts = name.split(b"/")
    above = [b"/".join(parts[:number]) for number in range(3, len(parts) + 1)]
    if any(ref in above or ref.startswith(name + b"/") for ref in packed):
        return False
    for directory in {git_dir, common_dir}:
        if os.path.lexists(directory + b"/" + name) or any(os.path.isfile(directory + b"/" + ref) for ref in above):
            return False
    return True


def _packed(common_dir: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    with contextlib.suppress(OSError), open(common_dir + b"/packed-refs", "rb") as file:
        for line in file:
            if not line.startswith((b"#", b"^")):
                oid, _, name = line.rstrip(b"\n").partition(b" ")
                found[name] = oid
    return found


def roots(git_dir: bytes, common_dir: bytes, length: int) -> set[bytes]:
    """What a repository's branches, tags, stashes, other worktrees and reflogs name, as raw ids of ``length`` bytes.

    Our refs are not among them, nor is HEAD of ``git_dir``.
    """
    texts = [oid for name, oid in _packed(common_dir).items() if not name.startswith(_ROOT)]
    worktrees = [common_dir + b"/worktrees/" + name for name in list_optional(common_dir + b"/worktrees")]
    for place in (common_dir, *worktrees):
        if not _is_same(place, git_dir):
            texts.append(read_optional(place + b"/HEAD") or b"")
        for top in (b"/refs", b"/logs"):
            for above, _, names in os.walk(place + top):
                if not (above + b"/").startswith(common_dir + b"/" + _ROOT):
                    texts += [read_optional(above + b"/" + name) or b"" for name in names]
    pattern = re.compile(rb"\b[0-9a-f]{%d}\b" % (2 * length))
    return {bytes.fromhex(oid.decode()) for text in texts for oid in pattern.findall(text)}


def _is_same(one: bytes, two: bytes) -> bool:
    return os.path.realpath(one) == os.path.realpath(two)


def write_ref(directory: bytes, name: str, commit: bytes) -> None:
    """Make the ref ``name`` in a directory of `directory_of` name a commit (raw id). Raises OSError."""
    path = Path(os.fsdecode(directory)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{name}.{secrets.token_hex(6)}.lock")  # git takes no name with this ending for a ref
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb", 0) as file:
            fileio.write_at(file.fileno(), commit.hex().encode() + b"\n", 0)
            fileio.sync(file.fileno())
        new.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    fileio.sync_directory(path.parent)


def sweep(directory: bytes, wanted: set[str]) -> None:
    """Remove the loose refs in a directory of `directory_of` that are not ``wanted``.

    Those that git has packed stay: they only keep a commit longer.
    """
    path = Path(os.fsdecode(directory))
    with contextlib.suppress(OSError):
        for found in path.iterdir():
            if found.name not in wanted:
                found.unlink()
        for empty in (path, path.parent):
            empty.rmdir()
