"""Objects of a snapshot put into a repository's object store, as one pack written by us."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from jellyformat import fileio
from jellyformat.errors import RefusedRepository
from jellyformat.gitwrite import GitObject, make_pack
from jellyformat.objects import COMMIT, GITLINK, OID_LENGTH, TREE, parse_commit, tree_fields
from jellyformat.reader import Container
from jellyformat.repository import Repository


class SameIdOtherContent(RefusedRepository):
    """Two contents for one object id."""

    error_class = "refused.collision"


def reachable(box: Container, roots: Iterable[bytes]) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The objects of a validated container that ``roots`` reach (raw ids), and the path of each tree and blob."""
    places, pool = box.pool.places, box.pool
    length = OID_LENGTH[box.manifest.state.object_format]
    names: dict[bytes, bytes] = {}
    found: list[bytes] = []
    seen: set[bytes] = set()
    commits = [oid for oid in roots if oid in places]
    while commits:
        later: list[bytes] = []
        for root in commits:
            stack = [root]
            while stack:
                oid = stack.pop()
                if oid in seen or oid not in places:
                    continue
                seen.add(oid)
                found.append(oid)
                kind = places[oid].kind
                if kind == COMMIT:
                    head = parse_commit(pool.read(oid), length)
                    names.setdefault(head.tree, b"")
                    stack.append(head.tree)
                    later.extend(head.parents)
                elif kind == TREE:
                    _entries(pool.read(oid), length, names, names.get(oid, b""), stack)
        commits = later
    return found, names


def _entries(content: bytes, length: int, names: dict[bytes, bytes], path: bytes, stack: list[bytes]) -> None:
    """Note what a tree, which was checked before, names."""
    for mode, name, oid in tree_fields(content, length):
        if oid not in names and mode != GITLINK:
            names[oid] = path + b"/" + name
            stack.append(oid)


def objects_of(box: Container, oids: Iterable[bytes], repository: Repository | None) -> Iterator[GitObject]:
    """Those of the objects that the repository does not have; those that it has are compared.

    Raises:
        SameIdOtherContent: the repository has another content under an id.
    """
    for oid in oids:
        kind = box.pool.places[oid].kind
        content = box.pool.read(oid)
        if repository is not None:
            try:
                have = repository.read(oid)
            except KeyError:
                have = None
            if have is not None:
                if have != (kind, content):
                    raise SameIdOtherContent(
                        f"the repository has another content for the object {oid.hex()} than the snapshot",
                        hint="nothing was changed; one of them was made to deceive, `git fsck` checks the repository's",
                    )
                continue
        yield oid, kind, content


def _beginning(owner: bytes) -> str:
    """How the names of unfinished packs begin; git takes away files that begin with tmp_ when they are old."""
    return f"tmp_jelly_{hashlib.sha256(owner).hexdigest()[:12]}_"


def sweep_packs(objects_dir: Path, owner: bytes, *, dry_run: bool = False) -> list[str]:
    """Remove packs that ``owner`` has not finished; which there were."""
    removed = []
    for path in (objects_dir / "pack").glob(_beginning(owner) + "*"):
        with contextlib.suppress(OSError):
            if not dry_run:
                path.unlink()
            removed.append(path.name)
    return removed


def write_pack(
    objects_dir: Path, objects: Iterable[GitObject], object_format: str, names: dict[bytes, bytes], owner: bytes
) -> int:
    """Put objects into an object store as one pack.

    Args:
        objects_dir: The store.
        objects: The objects.
        object_format: ``sha1`` or ``sha256``.
        names: The path of a tree or blob by raw id, as far as known.
        owner: The git directory on whose behalf it is done.

    Returns:
        How many objects.

    Raises:
        OSError: the system failed; nothing is left behind.
    """
    chosen = list(objects)
    if not chosen:
        return 0
    pack = make_pack(chosen, object_format, names)
    directory = objects_dir / "pack"
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"pack-{pack.name}.pack"
    if (directory / f"pack-{pack.name}.idx").exists() and target.exists():
        return len(chosen)
    made: list[Path] = []
    try:
        for ending, parts in ((".pack", pack.data), (".idx", [pack.index])):
            new = directory / f"{_beginning(owner)}{secrets.token_hex(6)}{ending}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with open(os.open(new, flags, 0o444), "wb", buffering=1 << 20) as file:
                made.append(new)
                file.writelines(parts)
                file.flush()
                fileio.sync(file.fileno())
        for new, ending in zip(made, (".pack", ".idx"), strict=True):
            new.replace(target.with_suffix(ending))
    except BaseException:
        for new in made:
            with contextlib.suppress(OSError):
                new.unlink()
        raise
    fileio.sync_directory(directory)
    return len(chosen)
