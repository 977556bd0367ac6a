"""Two sets of files compared by git's own engine, in a temporary repository that cannot make git run anything."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jellyformat import searchpath
from jellyformat.errors import SystemFailure
from jellyformat.exports.patch import Files, changed
from jellyformat.exports.rungit import CONFIG, PREFIX, inside_environment, write_bare
from jellyformat.files import newfile
from jellyformat.format.objects import BLOB, TREE, Leaf, build_trees, object_id
from jellyformat.git.write import GitObject, make_pack
from jellyformat.hints import Hint

_PIECE = 1 << 16
_SAFE = ("--no-ext-diff", "--no-textconv", "--ignore-submodules")
_FORMAT = "sha1"
"""Of the temporary repository; the ids of what is compared are of no matter in it."""


class NoGit(SystemFailure):
    """There is no git program on this system."""


def git_diff(old: Files, new: Files, arguments: Sequence[str], paths: Sequence[str] = ()) -> Iterator[bytes]:
    """What ``git diff`` prints for two sets of files, with git's defaults: no configuration or attribute is read.

    Only files that differ are written for it: git looks for renames among those alone.

    Args:
        old: The files before.
        new: The files after.
        arguments: Options of ``git diff``.
        paths: Patterns of paths, as git takes them; none: all.

    Yields:
        Its output, in pieces.

    Raises:
        NoGit: there is no git program.
        SystemFailure: git failed, or the repository cannot be written.
        FormatError: what is read for it is damaged.
    """
    git = searchpath.find_program("git")
    if git is None:
        raise NoGit("there is no git program on this system", hint=Hint("nothing was changed"))
    with _repository(old, new) as (place, trees):
        command = [git, "diff", *_SAFE, *arguments, *trees, "--", *paths]
        environment = {**inside_environment(os.environ, place), "GIT_LITERAL_PATHSPECS": "0"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=place) as process:
            assert process.stdout is not None
            try:
                while piece := process.stdout.read(_PIECE):
                    yield piece
            except GeneratorExit:
                process.terminate()
                raise
        if process.returncode:
            raise SystemFailure(
                f"git diff ended with {process.returncode}", hint=Hint("nothing was changed; git said why above")
            )


@contextmanager
def _repository(old: Files, new: Files) -> Iterator[tuple[Path, tuple[str, str]]]:
    """A bare repository with what differs, and the trees of both sides."""
    with newfile.scratch_folder(PREFIX) as (directory, _):
        place = directory / "diff.git"
        paths = [change.path for change in changed(old, new)]
        names: dict[bytes, bytes] = {}
        objects: dict[bytes, GitObject] = {}
        trees = tuple(_add(side, paths, objects, names) for side in (old, new))
        pack = make_pack(objects.values(), _FORMAT, names)
        write_bare(place, _FORMAT, pack, {"config": CONFIG % 0, "HEAD": b"ref: refs/heads/main\n"})
        yield place, (trees[0].hex(), trees[1].hex())


def _add(side: Files, paths: Sequence[bytes], objects: dict[bytes, GitObject], names: dict[bytes, bytes]) -> bytes:
    """Add the blobs and trees of one side; its root tree."""
    leaves: dict[bytes, Leaf] = {}
    for path in paths:
        found = side.get(path)
        if found is not None:
            content = found.read()
            oid = object_id(BLOB, content, _FORMAT)
            objects.setdefault(oid, (oid, BLOB, content))
            names.setdefault(oid, path)
            leaves[path] = Leaf(found.mode, oid)
    trees = build_trees(leaves, _FORMAT)
    for oid, content in trees.contents.items():
        objects.setdefault(oid, (oid, TREE, content))
    return trees.root
