"""The directories that a change of a repository may touch, named so that nothing else can be named.

A base is one of three roots, and a path below it: the worktree, or in it the ``.git`` of a repository inside; the git
directory; the one that its worktrees share, or in that the git directory of a submodule. From the root on no link is
followed.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import Any

from jellyformat.checkout import sealed
from jellyformat.checkout.current import MANAGED
from jellyformat.errors import RefusedRepository
from jellyformat.files.beneath import Below
from jellyformat.format.paths import is_unsafe
from jellyformat.git import reading, reftable
from jellyformat.git.layout import Layout, layout_at
from jellyformat.git.reading import FOLLOWING

WORKTREE, GIT, COMMON = range(3)
_OURS = frozenset((*MANAGED, b"info", b"info/exclude", b"shallow", reftable.LIST))
_SHARED = re.compile(rb"sharedindex\.(?:[0-9a-f]{40}|[0-9a-f]{64})")


def check_home(layout: Layout) -> None:
    """Raises RefusedRepository where the git directory says itself that it is that of other files, or none of git's
    making: whoever prepared the files had it point to a repository of the user's."""
    git_dir, common_dir = os.path.realpath(layout.git_dir), os.path.realpath(layout.common_dir)
    above, name = os.path.split(git_dir)
    if git_dir != common_dir and above != common_dir + b"/worktrees":
        raise _misled(layout, common_dir)
    if layout.worktree is None:
        return
    worktree = os.path.realpath(layout.worktree)
    if git_dir != common_dir:
        back = FOLLOWING.read(git_dir, b"gitdir", reading.POINTER, or_directory=True) or b""
        place = os.path.normpath(os.path.join(git_dir, back.rstrip(b"\r\n")))
        if os.path.realpath(os.path.dirname(place)) != worktree:
            raise _misled(layout, git_dir, "; if the worktree was moved: git worktree repair")
    elif name == b".git" and above != worktree:
        other = layout_at(above)
        if other is not None and os.path.realpath(other.worktree or b"") != worktree:
            raise _misled(layout, git_dir)


def _misled(layout: Layout, place: bytes, more: str = "") -> RefusedRepository:
    return RefusedRepository(
        f"the repository at {os.fsdecode(layout.worktree or layout.git_dir)} points to {os.fsdecode(place)}, which is "
        "that of other files",
        hint=f"nothing was changed{more}",
    )


@dataclass(frozen=True)
class Base:
    """A directory: one of the roots, and a path below it."""

    root: int
    path: bytes

    @classmethod
    def parse(cls, value: Any) -> Base:
        """From what `to_value` has given. Raises ValueError where it names anything else."""
        root, path = sealed.items(value, 2)
        base = cls(sealed.integer(root, COMMON), sealed.raw(path))
        names = path.split(b"/") if path else []
        nested = base.root == WORKTREE and len(names) > 1 and names.pop() == b".git"
        if any(map(is_unsafe, names)) or (names and not nested and (base.root != COMMON or names[0] != b"modules")):
            raise ValueError("a directory in it is none of this repository's")
        return base

    def to_value(self) -> list[Any]:
        """As it is stored."""
        return [self.root, self.path]

    def check(self, path: bytes) -> None:
        """Raises ValueError where a change of ours would never be at ``path`` in this directory."""
        if self.root == WORKTREE and not self.path:
            sealed.place(path)
        elif path not in _OURS and not is_shared_index(path) and not reftable.NAME.fullmatch(path):
            raise ValueError("a file in it is none that a restore changes")

    def open(self, layout: Layout) -> Below:
        """The directory. Raises OSError."""
        with Below(self._root(layout)) as root:
            return Below(os.dup(root.directory(self.path)), owned=True)

    def full(self, layout: Layout) -> bytes:
        """Its path, for people."""
        return os.path.join(self._root(layout), self.path) if self.path else self._root(layout)

    def _root(self, layout: Layout) -> bytes:
        root = (layout.worktree, layout.git_dir, layout.common_dir)[self.root]
        if root is None:
            raise FileNotFoundError(errno.ENOENT, "it has no worktree", os.fsdecode(layout.git_dir))
        return root


def is_shared_index(name: bytes) -> bool:
    """Whether it is the name of a file that a split index needs."""
    return _SHARED.fullmatch(name) is not None


def base_of(layout: Layout, directory: bytes) -> Base:
    """The base that a directory is.

    Raises:
        RefusedRepository: it is none of the repository's.
    """
    assert layout.worktree is not None
    real = os.path.realpath(directory)
    if real == os.path.realpath(layout.git_dir):
        return Base(GIT, b"")
    for root, top in ((COMMON, layout.common_dir), (WORKTREE, layout.worktree)):
        top = os.path.realpath(top)
        if real == top:
            return Base(root, b"")
        if real.startswith(top + b"/"):
            base = Base(root, real[len(top) + 1 :])
            try:
                return Base.parse(base.to_value())
            except ValueError:
                continue
    raise RefusedRepository(
        f"{os.fsdecode(directory)} is not in the repository at {os.fsdecode(layout.worktree)}",
        hint="nothing was changed; a repository inside another has its git directory there, or in modules/ of that one",
    )
