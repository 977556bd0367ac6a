"""Code against code: what was not committed in a snapshot, or how two differ."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal

from jellyformat import snapshots
from jellyformat.errors import CaptureWarning, NoRepository
from jellyformat.exports import notebooks, patch
from jellyformat.exports.gitdiff import NoGit, git_diff
from jellyformat.exports.patch import Files, Side
from jellyformat.files import durable
from jellyformat.files.walk import walk
from jellyformat.format import limits
from jellyformat.format.container import Container
from jellyformat.format.info import Change, omissions
from jellyformat.format.model import STATE
from jellyformat.format.objects import BLOB, EXECUTABLE, GITLINK, REGULAR, SYMLINK, object_id
from jellyformat.format.paths import Outermost, show_name
from jellyformat.format.text import html_table, plural, visible
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import Readable

_SHOWN = 40
Form = Literal["patch", "stat", "words", "names"]
_GIT: Mapping[Form, str] = {"patch": "patch", "stat": "stat", "words": "word-diff", "names": "name-only"}
"""What git calls them."""


@dataclass(frozen=True, repr=False, eq=False)
class Diff:
    """How the files of two states differ. What is needed for a patch is read when it is asked for: use it as a context
    manager, or close it.

    Attributes:
        changes: Each difference, sorted by path.
        not_compared: Paths of files that a snapshot was captured without, so that nobody knows whether they differ.
    """

    changes: tuple[Change, ...]
    not_compared: tuple[bytes, ...]
    _old: Files
    _new: Files
    _resources: ExitStack

    def patch(self, *, binary: bool = True) -> Iterator[bytes]:
        """The lines of a patch that `git apply` takes.

        Args:
            binary: Whether binary files are in it; else it is only said that they differ, and it cannot be applied.

        Raises:
            FormatError: what is read for it is damaged.
        """
        return patch.patch(self._old, self._new, binary=binary)

    def lines(
        self, form: Form = "patch", *, paths: Sequence[str] = (), colour: bool = False, binary: bool = True
    ) -> Iterator[bytes]:
        """The differences as `git diff` prints them: by git, which finds renames, or by our own code without it.

        Args:
            form: ``patch``; ``stat``: the files with how many lines changed; ``words``: a patch word by word;
                ``names``.
            paths: Only these files, and what is below these directories; git takes its patterns too. None: all.
            colour: Whether terminal colours are in it.
            binary: Whether binary files are in a patch; else it is only said that they differ.

        Yields:
            Pieces of it, which need not end with a line.

        Raises:
            FormatError: what is read for it is damaged.
            SystemFailure: git failed.
        """
        whole = binary and form in ("patch", "words")
        arguments = [f"--{_GIT[form]}", f"--color={'always' if colour else 'never'}", *(["--binary"] if whole else [])]
        output = git_diff(self._old, self._new, arguments, paths)
        try:
            yield next(output, b"")
        except NoGit:
            yield from self._own_lines(form, paths, binary)
        else:
            yield from output

    def cells(self, *, paths: Sequence[str] = (), colour: bool = False) -> Iterator[bytes]:
        """`lines` as a patch, but notebooks that changed are compared cell by cell.

        Args:
            paths: Only these files, and what is below these directories. None: all.
            colour: Whether terminal colours are in it.

        Raises:
            ImportError: nbdime, which compares them, is not installed.
            FormatError: what is read for it is damaged.
            SystemFailure: git failed.
        """
        shown: dict[bytes, bytes] = {}
        for letter, path in self.changes:
            if letter == "M" and path.endswith(b".ipynb") and is_below(path, paths):
                text = notebooks.cells(path, self._old[path].read(), self._new[path].read(), colour=colour)
                if text is not None:
                    shown[path] = text
        old, new = (
            {path: side for path, side in files.items() if path not in shown} for files in (self._old, self._new)
        )
        yield from replace(self, _old=old, _new=new).lines(paths=paths, colour=colour, binary=False)
        yield from shown.values()

    def _own_lines(self, form: Form, paths: Sequence[str], binary: bool) -> Iterator[bytes]:
        old, new = (
            {path: side for path, side in files.items() if is_below(path, paths)} for files in (self._old, self._new)
        )
        if form in ("patch", "words"):
            yield from patch.patch(old, new, binary=binary)
            return
        for letter, path in patch.changed(old, new):
            yield (f"{letter} {show_name(path)}\n" if form == "stat" else f"{show_name(path)}\n").encode()

    def close(self) -> None:
        """Close the files that it reads."""
        self._resources.close()

    def __enter__(self) -> Diff:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        unknown = f", {len(self.not_compared)} not compared" if self.not_compared else ""
        return f"<Diff: {plural(len(self.changes), 'change')}{unknown}>"

    def _repr_html_(self) -> str:
        rows = [(letter, visible(path)) for letter, path in self.changes[:_SHOWN]]
        more = len(self.changes) - _SHOWN
        return html_table(repr(self)[1:-1], [*rows, *([("…", f"{more} more")] if more > 0 else [])])


def diff(file: Readable, other: Readable | None = None) -> Diff:
    """The uncommitted changes in a snapshot (HEAD against its files on disk), or its code against other code.

    Args:
        file: A file that carries a snapshot: a path, a binary file object, or a URL that fsspec knows.
        other: Another such file, or a directory: of a repository what a snapshot would take, else all files.

    Raises:
        NoSnapshot: a file carries none.
        FormatError: one is damaged.
        SystemFailure: one cannot be read.
    """
    with ExitStack() as stack:
        box = stack.enter_context(open_container(file))
        mine = worktree_side(box)
        unknown: set[bytes] = set()
        if other is None:
            old, new = _head_side(box), mine
        else:
            old = mine
            if isinstance(other, (str, os.PathLike)) and durable.is_directory(Path(other)):
                new, unknown = _directory_side(Path(other), box)
            else:
                second = stack.enter_context(open_container(other))
                new, unknown = worktree_side(second), _left_out(second)
            unknown |= _left_out(box)
            above = Outermost(path for path in unknown if path.endswith(b"/"))
            old, new = (
                {path: side for path, side in files.items() if path not in unknown and not above.holds(path)}
                for files in (old, new)
            )
        return Diff(tuple(patch.changed(old, new)), tuple(sorted(unknown)), old, new, stack.pop_all())


def is_below(path: bytes, paths: Sequence[str]) -> bool:
    """Whether a path is one of some, or below one; of none, every path is."""
    names = [os.fsencode(name).rstrip(b"/") for name in paths]
    return not names or any(path == name or path.startswith(name + b"/") for name in names)


def worktree_side(box: Container) -> Files:
    """The files on disk of a snapshot."""
    return {item.path: _side(box, item.mode, item.oid) for item in box.files()}


def _side(box: Container, mode: int, oid: bytes) -> Side:
    """A file that a snapshot has."""
    return Side(mode, oid, partial(box.pool.read, oid, BLOB))


def committed_sides(box: Container) -> Iterator[tuple[bytes, Side]]:
    """The files of the HEAD commits and indexes of a snapshot; those of a partial clone as far as it has them."""
    box.pool.decode((STATE,))
    for prefix, part in box.manifest.state.parts():
        flat = box.checker.flat(part)
        for path, leaf in (*flat.head.items(), *flat.index.items()):
            if leaf.mode != GITLINK and leaf.oid in box.pool.places:
                yield prefix + path, _side(box, leaf.mode, leaf.oid)


def _head_side(box: Container) -> Files:
    """The files of the HEAD commits of a snapshot, without those its files on disk are only another form of."""
    same: dict[bytes, Side] = {}
    mine = worktree_side(box)
    left_out: list[bytes] = []
    for prefix, state in box.manifest.state.parts():
        for path in state.worktree.converted if state.worktree is not None else ():
            same[prefix + path] = mine[prefix + path]
        for item in state.worktree.omitted if state.worktree is not None else ():
            same[prefix + item.path] = Side(0, b"", bytes)
            left_out += [prefix + item.path] if item.is_directory else []
    above = Outermost(left_out)
    found: dict[bytes, Side] = {}
    for path, leaf in box.head_files().items():
        if above.holds(path):
            continue
        if path not in same:
            found[path] = _side(box, leaf.mode, leaf.oid)
        elif same[path].mode:
            found[path] = same[path]
    return found


def _left_out(box: Container) -> set[bytes]:
    """The paths of files that were there and are not in a snapshot: nobody knows whether they differ."""
    return {item.path for item in omissions(box.manifest)}


def _directory_side(directory: Path, box: Container) -> tuple[Files, set[bytes]]:
    """The files of a directory, and what was left out: those git would take where it is a repository, else all."""
    try:
        # nothing of it leaves this machine, so that secrets are no reason to refuse, and nothing need be said
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CaptureWarning)
            snap = snapshots.snapshot(directory, environment=False, oversize="omit", secrets="allow")
    except NoRepository:
        return _plain_directory(os.fsencode(directory), box.manifest.state.object_format)
    other = snap.open()
    return worktree_side(other), _left_out(other)


def _plain_directory(root: bytes, object_format: str) -> tuple[Files, set[bytes]]:
    """The files of a directory, and those that are larger than a snapshot can hold."""
    found: dict[bytes, Side] = {}
    large: set[bytes] = set()
    for above, directories, names in walk(root):
        links = [name for name in directories if Path(os.fsdecode(above + b"/" + name)).is_symlink()]
        for name in [*names, *links]:
            path = Path(os.fsdecode(above + b"/" + name))
            relative = os.path.relpath(above + b"/" + name, root)
            if path.is_symlink():
                content, mode = os.fsencode(path.readlink()), SYMLINK
            elif not path.is_file():
                continue
            elif path.stat().st_size > limits.OBJECT_BYTES:
                large.add(relative)
                continue
            else:
                content, mode = path.read_bytes(), EXECUTABLE if path.stat().st_mode & 0o100 else REGULAR
            found[relative] = Side(mode, object_id(BLOB, content, object_format), lambda data=content: data)  # type: ignore[misc]
    return found, large
