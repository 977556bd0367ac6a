"""Objects that are there before anything reaches them: `git gc` and `git repack` are kept from dropping them meanwhile.

As git does while it fetches: a pack has a ``.keep`` file beside it until the refs, HEAD and index are there. One that a
dead process has left is known by a note in the store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jellyformat.checkout import sealed
from jellyformat.checkout.bases import Base, base_of
from jellyformat.checkout.store import Store
from jellyformat.exports.objects import remove_keep, write_pack
from jellyformat.git.write import GitObject

_NOTE = "keeps"
_NAME = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def write_kept_pack(
    store: Store, common_dir: bytes, objects: Iterable[GitObject], object_format: str, names: dict[bytes, bytes]
) -> int:
    """Put objects into the object store of a repository, where they stay until `release_keeps`.

    Args:
        store: The store, locked.
        common_dir: The git directory that holds the object store.
        objects: The objects.
        object_format: ``sha1`` or ``sha256``.
        names: The path of a tree or blob by raw id, as far as known.

    Returns:
        How many objects.

    Raises:
        RefusedRepository: the object store is none of the repository's, or reached by a link; nothing is left behind.
        OSError: the system failed; at most a ``.keep`` file is left, and noted.
    """
    base = base_of(store.layout, common_dir)

    def note(name: str) -> None:
        store.write(_NOTE, _value([*_noted(store), (base, name)]))

    return write_pack(Path(os.fsdecode(common_dir)), objects, object_format, names, store.git_dir, note)


def release_keeps(store: Store, common_dir: bytes | None = None, *, dry_run: bool = False) -> list[str]:
    """Let git have the packs again that were kept from it; the ``.keep`` files that were there.

    One that cannot be removed stays noted, for the next command.

    Args:
        store: The store, locked.
        common_dir: The git directory that holds their object store; None for all that were noted.
        dry_run: Only say which there are.

    Raises:
        OSError: the note cannot be read or removed.
    """
    if not store.has(_NOTE):
        return []
    released: list[str] = []
    left: list[tuple[Base, str]] = []
    only = None if common_dir is None else base_of(store.layout, common_dir)
    for base, name in _noted(store):
        if only is not None and base != only:
            left.append((base, name))
            continue
        try:
            with base.open(store.layout) as below:
                place = remove_keep(below, name, dry_run=dry_run)
        except (FileNotFoundError, NotADirectoryError):
            continue  # the repository is gone
        except OSError:
            left.append((base, name))
            continue
        if place is not None:
            released.append(os.fsdecode(base.full(store.layout) + b"/" + place))
    if left and not dry_run:
        store.write(_NOTE, _value(left))
    elif not dry_run:
        store.unlink(_NOTE)
    return released


def _value(noted: list[tuple[Base, str]]) -> dict[str, Any]:
    return {"packs": [[*base.to_value(), name] for base, name in noted]}


def _noted(store: Store) -> list[tuple[Base, str]]:
    """The packs that were noted; none where there is no note that can be understood."""
    try:
        (values,) = sealed.fields(sealed.unseal(store.read(_NOTE)), "packs")
        return [_pack(value) for value in sealed.items(values)]
    except (FileNotFoundError, ValueError):
        return []


def _pack(value: Any) -> tuple[Base, str]:
    root, path, name = sealed.items(value, 3)
    if not _NAME.fullmatch(sealed.text(name)):
        raise ValueError("the name of a pack in it is none")
    return Base.parse([root, path]), name
