"""What git ignores around a restore: files of the user's that stay are noted in ``info/exclude``."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from jellyformat.checkout.current import Present, PresentRepository, is_ignored
from jellyformat.checkout.plan import ancestors
from jellyformat.checkout.target import Target
from jellyformat.errors import JellyError
from jellyformat.files.beneath import Below
from jellyformat.format import limits
from jellyformat.format.container import Container
from jellyformat.git import reading
from jellyformat.git.ignore import Ignore
from jellyformat.git.layout import Layout, layout_at
from jellyformat.git.reading import FOLLOWING
from jellyformat.git.repository import Repository

_BEGIN, _END = b"# jellyformat: ignored when a snapshot was restored\n", b"# jellyformat: end\n"
_LINKED = b"# jellyformat: ignored when a snapshot was restored in the worktree %s\n"
"""Worktrees share the file: each has lines of its own."""
_OTHERS = re.compile(rb"# jellyformat: ignored when a snapshot was restored(?: in the worktree ([^\n]*))?\n")
_MANY = 256
"""So many paths of one directory become one rule: git and we compare every path with every rule."""
_LARGEST = 16 * limits.MIB
"""Bytes of ``info/exclude``; a larger one is left alone."""
_SPECIAL = re.compile(rb"([\\*?\[\]! #])")


def shown_of(present: Present) -> tuple[bytes, ...]:
    """What the capture leaves out like ignored files, though git shows it: files that carry snapshots."""
    rules: dict[bytes, Ignore] = {}
    found: list[bytes] = []
    for path in present.ignored:
        part = present.repository_of(path.rstrip(b"/"))
        if part.prefix not in rules:
            rules[part.prefix] = part.repository.rules({entry.path: entry for entry in part.entries})[0]
        if not is_ignored(rules[part.prefix], path[len(part.prefix) :]):
            found.append(path)
    return tuple(found)


def beside_target(present: Present, target: Target) -> list[bytes]:
    """What git ignores; of directories that the target has files in, all else in them, one by one.

    Those come to be directories that git knows: what is in them would be shown, and go with the next step.
    """
    used = _used(target) if present.ignored else set()
    found: list[bytes] = []
    stack = list(reversed(present.ignored))
    while stack:
        path = stack.pop()
        full = path.rstrip(b"/")
        if not path.endswith(b"/") or full not in used or full in target.files or full in target.trees:
            found.append(path)
            continue
        for name, is_directory in _entries(present.path(full)):
            inner = full + b"/" + name
            if name != b".git":
                stack.append(inner + b"/" if is_directory else inner)
    return sorted(found)


def read_exclude(common_dir: bytes) -> bytes | None:
    """``info/exclude`` of a repository; None where there is none, or anything else is in its place."""
    try:
        with Below(common_dir) as below:
            return below.read(b"info/exclude", limit=_LARGEST)
    except OSError:
        return None


def _is_elsewhere(common_dir: bytes) -> bool:
    """Whether ``info/exclude`` is a link, or in one, to what is not in the repository, or more than a list of rules."""
    with Below(common_dir) as below:
        for path, kinds in ((b"info", (stat.S_ISLNK, stat.S_ISREG)), (b"info/exclude", (stat.S_ISLNK,))):
            found = below.stat(path)
            if found is not None and (any(kind(found.st_mode) for kind in kinds) or _is_larger(found)):
                return True
    return False


def _is_larger(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and found.st_size > _LARGEST


def all_excluded() -> bytes:
    """``info/exclude`` of a repository made in a directory that has files: they are none of a state's."""
    return _BEGIN + b"/*\n" + _END


def _entries(directory: bytes) -> list[tuple[bytes, bool]]:
    """The names in a directory, each with whether it is one, no link followed; none where it cannot be read."""
    try:
        with os.scandir(directory) as found:
            return [(item.name, item.is_dir(follow_symlinks=False)) for item in found]
    except OSError:
        return []


def _used(target: Target) -> set[bytes]:
    """The paths of the target, and all directories above them."""
    used = target.files.keys() | target.trees.keys() | target.directories.keys()
    used |= {prefix[:-1] for prefix in target.repositories if prefix}
    above: set[bytes] = set()
    for path in used:
        for directory in ancestors(path):
            if directory in above:
                break
            above.add(directory)
    return used | above


def hidden_of(present: Present, box: Container, target: Target) -> tuple[bytes, ...]:
    """Files that were written for a snapshot, and that git ignores now that they are there: undo has to know them.

    Args:
        present: What was there before.
        box: The snapshot.
        target: What is there now.
    """
    found: list[bytes] = []
    for prefix, state in box.manifest.state.walk():
        layout = layout_at(present.path(prefix[:-1])) if prefix else present.outer.repository.layout
        if state.worktree is None or layout is None or prefix not in target.repositories:
            continue
        flat = box.checker.flat(state)
        untracked = [path for path in flat.worktree if path not in flat.index and prefix + path in target.files]
        if untracked:
            ignore, _ = Repository(layout).rules({})
            found += [prefix + path for path in untracked if is_ignored(ignore, path)]
    return tuple(sorted(found))


def exclude_maker(
    present: Present,
    target: Target,
    part: PresentRepository,
    stays: set[bytes],
    shown: frozenset[bytes],
    excludes: dict[bytes, bytes | None] | None,
    kept: list[bytes],
) -> Callable[[], bytes | None] | None:
    """What makes ``info/exclude`` when the worktree is as wanted; None where it stays as it is.

    Files that git ignored, and would no longer, stay where they are, and stay ignored.

    Args:
        present: What is there.
        target: What is wanted.
        part: The repository.
        stays: Paths that stay whatever the target says.
        shown: Ignored paths that git shows all the same in the target.
        excludes: ``info/exclude`` as it was then, by the repository's prefix; what the user has changed since stays.
            None leaves our own lines out.
        kept: The paths that are noted are put in here.
    """
    prefix = part.prefix
    common_dir = part.repository.layout.common_dir
    if _is_elsewhere(common_dir):
        return None
    now = read_exclude(common_dir)
    base = now if excludes is None or prefix not in excludes else excludes[prefix]
    begin = _begin(part.repository.layout)
    own, lines = _split(base or b"", begin)
    mine = _without_gone(_split(now or b"", begin)[0], common_dir)
    changed, own = mine != own, mine
    alone = _without_others(own)  # what other worktrees have noted goes when they are undone, or removed
    left = [path[len(prefix) :] for path in (*present.ignored, *sorted(stays)) if path.startswith(prefix)]
    left = [path for path in left if _home(present, target, prefix + path.rstrip(b"/")) == prefix]
    used = _used(target) if left else set()
    left = [path for path in left if prefix + path.rstrip(b"/") not in used]
    count = Counter(map(_parent, left))
    crowded = {parent for parent, number in count.items() if parent and number > _MANY}
    beside: dict[bytes, list[bytes]] = {}
    for path in sorted(path[len(prefix) :] for path in used if path.startswith(prefix)) if crowded else ():
        beside.setdefault(_parent(path), []).append(path)
    if base == now and not left and not lines and not changed and own == alone:
        return None

    def make() -> bytes | None:
        wanted = dict.fromkeys(line for line in lines if excludes is not None)
        ignore, _ = Repository(part.repository.layout).rules({}, exclude=alone + b"".join(wanted))
        others = _other_worktrees(part, own)
        for path in left:
            line, every = _line(path) + b"\n", _line(_parent(path)) + b"/*\n"
            full = present.path(prefix + path.rstrip(b"/"))
            if prefix + path in shown or line in wanted or not os.path.lexists(full) or b"\n" in path:
                continue
            if any(other.shows(path) for other in others):
                continue  # the line would hide a file there
            if not is_ignored(ignore, path):
                kept.append(prefix + path)
                if _parent(path) not in crowded:
                    wanted[line] = None
                elif every not in wanted:
                    wanted[every] = None
                    wanted.update((b"!%s\n" % _line(name), None) for name in beside.get(_parent(path), ()))
        rest = own
        for line in _lines_of_others(own):
            path = _path(line)
            is_here = os.path.lexists(present.path(prefix + path.rstrip(b"/")))
            if is_here and line not in wanted and not is_ignored(ignore, path):
                rest = rest.replace(line, b"", 1)  # it would hide what is here
        content = rest if not wanted else rest + begin + b"".join(wanted) + _END
        if [*wanted] == lines and not changed and rest == own:
            content = base or b""
        return None if content == (now or b"") else content

    return make


def _parent(path: bytes) -> bytes:
    return path.rstrip(b"/").rpartition(b"/")[0]


def _line(path: bytes) -> bytes:
    """The rule for a path, without the end of the line."""
    return b"/" + _SPECIAL.sub(rb"\\\1", path) if path else b""


def _path(line: bytes) -> bytes:
    """The path that `_line` has made a rule of."""
    return re.sub(rb"\\(.)", rb"\1", line[1:].removesuffix(b"\n"))


def _home(present: Present, target: Target, path: bytes) -> bytes:
    """The prefix of the innermost repository that a path is in, of those that stay."""
    prefix = present.repository_of(path).prefix
    while prefix and prefix not in target.repositories:
        prefix = present.repository_of(prefix[:-1]).prefix
    return prefix


def _begin(layout: Layout) -> bytes:
    """The line that ours begin with in a repository, or a worktree of it."""
    return _BEGIN if layout.git_dir == layout.common_dir else _LINKED % os.path.basename(layout.git_dir)


def _split(exclude: bytes, first: bytes) -> tuple[bytes, list[bytes]]:
    """``info/exclude`` without our lines, which begin with ``first``, and those lines."""
    begin = exclude.find(first)
    end = exclude.find(_END, begin)
    if begin < 0 or end < 0:
        return exclude if exclude.endswith(b"\n") or not exclude else exclude + b"\n", []
    lines = exclude[begin + len(first) : end].splitlines(keepends=True)
    return exclude[:begin] + exclude[end + len(_END) :], lines


def _without_others(exclude: bytes) -> bytes:
    """``info/exclude`` without any lines of ours."""
    for match in [*_OTHERS.finditer(exclude)]:
        exclude = _split(exclude, match[0])[0]
    return exclude


def _without_gone(exclude: bytes, common_dir: bytes) -> bytes:
    """``info/exclude`` without the lines of worktrees that were removed."""
    for match in [*_OTHERS.finditer(exclude)]:
        if match[1] is not None and not os.path.isdir(common_dir + b"/worktrees/" + match[1]):
            exclude = _split(exclude, match[0])[0]
    return exclude


def _lines_of_others(exclude: bytes) -> list[bytes]:
    """The rules for single paths that other worktrees have noted."""
    found: list[bytes] = []
    for match in _OTHERS.finditer(exclude):
        found += [line for line in _split(exclude, match[0])[1] if line.startswith(b"/") and not line.endswith(b"/*\n")]
    return found


class _Worktree:
    """Another worktree of the same repository.

    Args:
        layout: Where it is.
        exclude: ``info/exclude``, of which the lines of other worktrees do not count for it.
    """

    def __init__(self, layout: Layout, exclude: bytes) -> None:
        self._root = layout.worktree or b""
        noted = b"".join(_split(exclude, _begin(layout))[1])
        self._ignore, _ = Repository(layout).rules({}, exclude=_without_others(exclude) + noted)

    def shows(self, path: bytes) -> bool:
        """Whether git shows what it has at a path."""
        return os.path.lexists(self._root + b"/" + path.rstrip(b"/")) and not is_ignored(self._ignore, path)


def _other_worktrees(part: PresentRepository, exclude: bytes) -> list[_Worktree]:
    """The other worktrees that can be looked at."""
    layout = part.repository.layout
    roots = [os.path.dirname(layout.common_dir)]
    for name in FOLLOWING.names(layout.common_dir, b"worktrees"):
        pointer = FOLLOWING.read(layout.common_dir, b"worktrees/" + name + b"/gitdir", reading.POINTER)
        roots.append(os.path.dirname((pointer or b"").rstrip(b"\r\n")))
    found: list[_Worktree] = []
    for root in roots if len(roots) > 1 else ():
        with suppress(JellyError, OSError):
            other = layout_at(root) if root else None
            if other is not None and other.common_dir == layout.common_dir and other.git_dir != layout.git_dir:
                found.append(_Worktree(other, exclude))
    return found
