"""Refs of ours, ``refs/jellyformat/state/<name>``: they keep the commits of states that were left from git's gc.

In files, or in reftables where the repository has those.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping

from jellyformat.checkout import sealed
from jellyformat.errors import RefusedRepository
from jellyformat.files.beneath import Below
from jellyformat.files.walk import walk
from jellyformat.format.manifest import is_ref
from jellyformat.git import reading, reftable, reftable_write
from jellyformat.git.layout import Layout
from jellyformat.git.reading import FOLLOWING
from jellyformat.git.reftable import LIST, Stack
from jellyformat.git.repository import packed_refs

_PIECE = 1 << 20
_MOST_FILES, _MOST_BYTES = 1_000_000, 4 << 30
"""Refs and reflogs that are read, and what they may have together."""
_ROOT = b"refs/jellyformat/"
_PACKED = b"packed-refs"
_STATE = re.compile(sealed.NAME.encode())


def _directory_of(layout: Layout, nested: bool) -> bytes:
    """Where, below the common directory, the refs for the states of a git directory are: several worktrees share it."""
    owner = b"outer" if nested else b"state"
    if layout.common_dir != layout.git_dir:
        owner += b"-" + os.path.basename(layout.git_dir).hex().encode()
    return _ROOT + owner


def resolve(git_dir: bytes, common_dir: bytes, name: bytes) -> bytes | None:
    """The raw id a ref names; None where it does not exist."""
    stacks = _stacks(git_dir, common_dir)
    for _ in range(5):
        text = None
        for directory in (git_dir, common_dir) if stacks is None else ():
            with contextlib.suppress(OSError):
                text = text or FOLLOWING.read(directory, name, reading.POINTER, or_directory=True)
        for stack in stacks or ():
            text = text or stack.find(name)
        if text is None and stacks is None:
            text = next((oid for oid, ref in packed_refs(FOLLOWING, common_dir) if ref == name), None)
        text = None if text is None else text.strip()
        if text is None or not text.startswith(b"ref:"):
            break
        name = text[4:].strip()
        if not is_ref(name):
            return None
    try:
        return None if text is None else bytes.fromhex(text.decode())
    except ValueError:
        return None


def is_free(git_dir: bytes, common_dir: bytes, name: bytes) -> bool:
    """Whether a branch of this name could be made: none of the name, above or below it."""
    if not is_ref(name):
        return False
    parts = name.split(b"/")
    above = [b"/".join(parts[:number]) for number in range(3, len(parts) + 1)]
    stacks = _stacks(git_dir, common_dir)
    if stacks is not None:
        known = {ref for stack in stacks for ref in stack.refs()}
        return not known.intersection(above) and not any(ref.startswith(name + b"/") for ref in known)
    if any(ref in above or ref.startswith(name + b"/") for _, ref in packed_refs(FOLLOWING, common_dir)):
        return False
    for directory in {git_dir, common_dir}:
        if os.path.lexists(directory + b"/" + name) or any(os.path.isfile(directory + b"/" + ref) for ref in above):
            return False
    return True


def _stacks(git_dir: bytes, common_dir: bytes) -> list[Stack] | None:
    """The reftables of a git directory and of the one that it shares with other worktrees; None: refs are files."""
    if not reftable.is_used(common_dir):
        return None
    return [Stack(directory) for directory in dict.fromkeys((git_dir, common_dir))]


def roots(git_dir: bytes, common_dir: bytes, length: int, most: int) -> set[bytes] | None:
    """What a repository's branches, tags, stashes, other worktrees and reflogs name, as raw ids of ``length`` bytes.

    Our refs are not among them, nor is HEAD of ``git_dir``. None where there are more than ``most``.

    Raises:
        RefusedRepository: one of the files is none, or there are too many.
        OSError: one cannot be read.
    """
    if reftable.is_used(common_dir):
        return _table_roots(git_dir, common_dir, most)
    pattern = re.compile(rb"\b[0-9a-f]{%d}\b" % (2 * length))
    found: set[bytes] = set()
    for oid, name in packed_refs(FOLLOWING, common_dir):
        if not name.startswith(_ROOT):
            found.update(pattern.findall(oid))
        if len(found) > most:
            return None
    worktrees = [common_dir + b"/worktrees/" + name for name in FOLLOWING.names(common_dir, b"worktrees")]
    files = size = 0
    for place in (common_dir, *worktrees):
        if not _is_same(place, git_dir):
            _find(pattern, place, b"HEAD", found)
        for top in (b"/refs", b"/logs"):
            for above, _, names in walk(place + top):
                if (above + b"/").startswith(common_dir + b"/" + _ROOT):
                    continue
                for name in names:
                    files += 1
                    size += _find(pattern, above, name, found)
                    if files > _MOST_FILES or size > _MOST_BYTES:
                        raise RefusedRepository(
                            f"the refs and reflogs of {os.fsdecode(common_dir)} are too many to be read",
                            hint="nothing was changed; `git pack-refs --all` and `git reflog expire` make them fewer",
                        )
                    if len(found) > most:
                        return None
    return {bytes.fromhex(oid.decode()) for oid in found}


def _table_roots(git_dir: bytes, common_dir: bytes, most: int) -> set[bytes] | None:
    """As `roots`, out of reftables; what `git stash drop` and the like have taken out of reflogs counts too."""
    found: set[bytes] = set()
    worktrees = [common_dir + b"/worktrees/" + name for name in FOLLOWING.names(common_dir, b"worktrees")]
    for place in (common_dir, *worktrees):
        stack = Stack(place)
        for name, text in stack.refs().items():
            counts = name.startswith(b"refs/") or (name == b"HEAD" and not _is_same(place, git_dir))
            if counts and not name.startswith(_ROOT) and not text.startswith(b"ref:"):
                found.add(bytes.fromhex(text.decode()))
        if len(found) <= most:
            found.update(stack.logged(_MOST_BYTES))
        if len(found) > most:
            return None
    return {oid for oid in found if any(oid)}


def _find(pattern: re.Pattern[bytes], directory: bytes, name: bytes, found: set[bytes]) -> int:
    """Put the ids that a file holds into ``found``; it is read by pieces, as reflogs can be long. Its bytes."""
    fd = FOLLOWING.open(directory, name)
    if fd is None:
        return 0
    with open(fd, "rb", buffering=0) as file:
        size = reading.check_size(fd, directory + b"/" + name, reading.REFLOG)
        before = b""
        while piece := file.read(_PIECE):
            text = before + piece
            found.update(pattern.findall(text))
            before = text[-256:]  # an id that is cut in two is found when it is whole
            before = before[max(0, before.find(b"\n")) :]
    return size


def _is_same(one: bytes, two: bytes) -> bool:
    return os.path.realpath(one) == os.path.realpath(two)


def write_ref(layout: Layout, name: str, commit: bytes, *, nested: bool = False) -> None:
    """Make our ref for the state ``name`` name a commit.

    Args:
        layout: The repository.
        name: The state's.
        commit: Its raw id.
        nested: Whether the state is one of the repository around it.

    Where refs are in reftables, git is to be kept out of those of the common directory.

    Raises:
        OSError: the system failed, or a link is in the way.
    """
    directory, ref = _directory_of(layout, nested), os.fsencode(name)
    if reftable.is_used(layout.common_dir):
        _change_tables(layout.common_dir, {directory + b"/" + ref: commit.hex().encode()})
        return
    temporary = b"%s/%s.%s.lock" % (directory, ref, os.urandom(6).hex().encode())  # git takes no such name for a ref
    with Below(layout.common_dir) as below:
        below.make_directory(directory, 0o777)
        below.replace(directory + b"/" + ref, commit.hex().encode() + b"\n", temporary, 0o644)


def sweep(layout: Layout, gone: set[str], *, nested: bool = False) -> None:
    """Remove our loose refs for the states of these names, or those in reftables; `write_ref` says of which.

    Those that git has packed stay: they only keep a commit longer.
    """
    directory = _directory_of(layout, nested)
    if gone and reftable.is_used(layout.common_dir):
        known = Stack(layout.common_dir).refs()
        names = [directory + b"/" + os.fsencode(name) for name in gone]
        changes: dict[bytes, bytes | None] = {name: None for name in names if name in known}
        if changes:
            _change_tables(layout.common_dir, changes)
        return
    with contextlib.suppress(OSError), Below(layout.common_dir) as below:
        for found in below.names(directory):
            name, _, rest = os.fsdecode(found).partition(".")
            if name in gone and (not rest or rest.endswith("lock")):
                below.unlink(directory + b"/" + found)
        for empty in (directory, _ROOT[:-1]):
            fd, last = below.parent(empty)
            os.rmdir(last, dir_fd=fd)
            below.forget()


def unneeded(layout: Layout, gone: set[str]) -> list[bytes]:
    """Our refs for the states of these names, and all for worktrees that are no more.

    Raises:
        JellyError, OSError: the refs cannot be read.
    """
    own = _directory_of(layout, nested=False) + b"/"
    worktrees = {name.hex().encode() for name in FOLLOWING.names(layout.common_dir, b"worktrees")}
    found: list[bytes] = []
    for ref in _ours(layout.common_dir):
        owner, _, name = ref.removeprefix(_ROOT).partition(b"/")
        if name.endswith(b".lock"):  # it was being written
            name = name.partition(b".")[0]
        _, linked, worktree = owner.partition(b"-")
        of_none = bool(linked) and worktree not in worktrees and _STATE.fullmatch(name) is not None
        if of_none or (ref.startswith(own) and os.fsdecode(name) in gone):
            found.append(ref)
    return found


def of_states(layout: Layout, names: set[str]) -> list[bytes]:
    """Our refs in a nested repository for states of the one around it. Raises JellyError, OSError."""
    directory = _directory_of(layout, nested=True)
    return sorted(_ours(layout.common_dir) & {directory + b"/" + os.fsencode(name) for name in names})


def _ours(common_dir: bytes) -> set[bytes]:
    """The names of all refs of ours."""
    if reftable.is_used(common_dir):
        return {ref for ref in Stack(common_dir).refs() if ref.startswith(_ROOT)}
    found: set[bytes] = set()
    with Below(common_dir) as below:
        for owner in below.names(_ROOT[:-1]):
            found.update(_ROOT + owner + b"/" + name for name in below.names(_ROOT + owner))
    packed = FOLLOWING.read(common_dir, _PACKED, reading.PACKED_REFS) or b""
    return found | {line.partition(b" ")[2] for line in packed.split(b"\n") if b" " + _ROOT in line}


def remove(layout: Layout, names: list[bytes]) -> None:
    """Remove refs of ours, while git is kept out of the refs of the common directory. Raises OSError."""
    common_dir = layout.common_dir
    if reftable.is_used(common_dir):
        _change_tables(common_dir, dict.fromkeys(names))
        return
    gone = set(names)
    packed = FOLLOWING.read(common_dir, _PACKED, reading.PACKED_REFS) or b""
    lines: list[bytes] = []
    dropped = False
    for line in packed.splitlines(keepends=True):
        if not line.startswith(b"^"):  # what a tag names goes with the tag
            dropped = line.partition(b" ")[2].rstrip(b"\n") in gone
        if not dropped:
            lines.append(line)
    with Below(common_dir) as below:
        found = below.stat(_PACKED)
        if found is not None and b"".join(lines) != packed:
            temporary = b"jelly-%s.tmp" % os.urandom(6).hex().encode()
            below.replace(_PACKED, b"".join(lines), temporary, stat.S_IMODE(found.st_mode))
        for name in names:
            below.unlink(name)
        for directory in {*(name.rpartition(b"/")[0] for name in names), _ROOT[:-1]}:
            with contextlib.suppress(OSError):  # something is in it, or it is not there
                fd, last = below.parent(directory)
                os.rmdir(last, dir_fd=fd)
            below.forget()


def _change_tables(common_dir: bytes, changes: Mapping[bytes, bytes | None]) -> None:
    """Write refs into the reftables of a directory that git is kept out of.

    Small tables at the end become one with the new one, or their number would grow with every restore.
    """
    stack = Stack(common_dir)
    mode = stat.S_IMODE(os.lstat(common_dir + b"/" + LIST).st_mode)
    with Below(common_dir) as below:
        merged = reftable_write.small_end(stack, lambda name: below.stat(b"reftable/" + name + b".lock") is None)
        name, table, names = reftable_write.addition(stack, changes, stack.oid_length, merged)
        temporary = b"reftable/jelly-%s.tmp" % os.urandom(6).hex().encode()
        below.replace(b"reftable/" + name, table, temporary, mode)
        below.replace(LIST, names, temporary, mode)
        for old in stack.names[len(stack.names) - merged :]:
            with contextlib.suppress(OSError):  # a table that no list names is cleared up by git
                below.unlink(b"reftable/" + old)
