"""What git ignores around a restore: files of the user's that stay are noted in ``info/exclude``."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable

from jellyformat.fileio import read_optional
from jellyformat.ignore import Ignore
from jellyformat.planning import Target, ancestors
from jellyformat.present import Present, PresentRepository, is_ignored
from jellyformat.reader import Container
from jellyformat.repository import Repository, layout_at

_BEGIN, _END = b"# jellyformat: ignored when a snapshot was restored\n", b"# jellyformat: end\n"
_MANY = 256
"""So many paths of one directory become one rule: git and we compare every path with every rule."""
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
    used = _used(target)
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
    return used | {above for path in used for above in ancestors(path)}


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
    place = part.repository.layout.common_dir + b"/info/exclude"
    if os.path.islink(place):  # what it leads to is not in the repository
        return None
    now = read_optional(place)
    base = now if excludes is None or prefix not in excludes else excludes[prefix]
    own, lines = _split(base or b"")
    mine = _split(now or b"")[0]
    changed, own = mine != own, mine
    left = [path[len(prefix) :] for path in (*present.ignored, *sorted(stays)) if path.startswith(prefix)]
    left = [path for path in left if _home(present, target, prefix + path.rstrip(b"/")) == prefix]
    used = _used(target)
    left = [path for path in left if prefix + path.rstrip(b"/") not in used]
    count = Counter(map(_parent, left))
    crowded = {parent for parent, number in count.items() if parent and number > _MANY}
    beside = sorted(path[len(prefix) :] for path in used if path.startswith(prefix)) if crowded else []
    if base == now and not left and not lines:
        return None

    def make() -> bytes | None:
        wanted = [line for line in lines if excludes is not None]
        ignore, _ = Repository(part.repository.layout).rules({}, exclude=own + b"".join(wanted))
        for path in left:
            line, every = _line(path) + b"\n", _line(_parent(path)) + b"/*\n"
            full = present.path(prefix + path.rstrip(b"/"))
            if prefix + path in shown or line in wanted or not os.path.lexists(full) or b"\n" in path:
                continue
            if not is_ignored(ignore, path):
                kept.append(prefix + path)
                if _parent(path) not in crowded:
                    wanted.append(line)
                elif every not in wanted:
                    wanted.append(every)
                    wanted += [b"!%s\n" % _line(name) for name in beside if _parent(name) == _parent(path)]
        content = own if not wanted else own + _BEGIN + b"".join(wanted) + _END
        if wanted == lines and not changed:
            content = base or b""
        return None if content == (now or b"") else content

    return make


def _parent(path: bytes) -> bytes:
    return path.rstrip(b"/").rpartition(b"/")[0]


def _line(path: bytes) -> bytes:
    """The rule for a path, without the end of the line."""
    return b"/" + _SPECIAL.sub(rb"\\\1", path) if path else b""


def _home(present: Present, target: Target, path: bytes) -> bytes:
    """The prefix of the innermost repository that a path is in, of those that stay."""
    prefix = present.repository_of(path).prefix
    while prefix and prefix not in target.repositories:
        prefix = present.repository_of(prefix[:-1]).prefix
    return prefix


def _split(exclude: bytes) -> tuple[bytes, list[bytes]]:
    """The user's own part of ``info/exclude``, and our lines."""
    begin = exclude.find(_BEGIN)
    end = exclude.find(_END, begin)
    if begin < 0 or end < 0:
        return exclude if exclude.endswith(b"\n") or not exclude else exclude + b"\n", []
    lines = exclude[begin + len(_BEGIN) : end].splitlines(keepends=True)
    return exclude[:begin] + exclude[end + len(_END) :], lines
