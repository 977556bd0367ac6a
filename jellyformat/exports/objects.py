"""Objects of a snapshot put into a repository's object store, as one pack written by us."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from jellyformat.errors import RefusedRepository
from jellyformat.files import platform
from jellyformat.files.beneath import Below, kind_of
from jellyformat.format.container import Container
from jellyformat.git.repository import Repository
from jellyformat.git.write import GitObject, Pack, make_pack

_PACKS = b"objects/pack"
_KEEP = b"jellyformat: until a restore is done\n"
"""The content of a ``.keep`` file of ours."""
_TRIES = 5


class SameIdOtherContent(RefusedRepository):
    """Two contents for one object id."""

    error_class = "refused.collision"


def objects_of(box: Container, oids: Iterable[bytes], repository: Repository | None) -> Iterator[GitObject]:
    """Those of the objects that the repository does not have; those that it has are compared.

    Raises:
        SameIdOtherContent: the repository has another content under an id.
    """
    if repository is not None and repository.has_no_objects():
        repository = None
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


def _beginning(owner: bytes) -> bytes:
    """How the names of unfinished packs begin; git takes away files that begin with tmp_ when they are old."""
    return f"tmp_jelly_{hashlib.sha256(owner).hexdigest()[:12]}_".encode()


def sweep_packs(git_dir: Path, owner: bytes, *, dry_run: bool = False) -> list[str]:
    """Remove packs that ``owner`` has not finished; which there were.

    Args:
        git_dir: The git directory that holds the object store.
        owner: The git directory on whose behalf they were written.
        dry_run: Only say which there are.
    """
    removed = []
    with contextlib.suppress(OSError), Below(os.fsencode(git_dir)) as below:
        for name in below.names(_PACKS):
            if name.startswith(_beginning(owner)):
                with contextlib.suppress(OSError):
                    if not dry_run:
                        below.unlink(_PACKS + b"/" + name)
                    removed.append(os.fsdecode(name))
    return removed


def write_pack(
    git_dir: Path,
    objects: Iterable[GitObject],
    object_format: str,
    names: dict[bytes, bytes],
    owner: bytes,
    note: Callable[[str], None] | None = None,
) -> int:
    """Put objects into an object store as one pack.

    Args:
        git_dir: The git directory that holds the store.
        objects: The objects.
        object_format: ``sha1`` or ``sha256``.
        names: The path of a tree or blob by raw id, as far as known.
        owner: The git directory on whose behalf it is done.
        note: Told the pack's name (hex) before it is there. Then the pack has a ``.keep`` file beside it, and `git gc`
            and `git repack`, which drop what no ref reaches, leave it alone until `remove_keep`. None: it has none.

    Returns:
        How many objects.

    Raises:
        RefusedRepository: the store is reached by a link; nothing is left behind.
        OSError: the system failed; nothing is left behind.
    """
    chosen = list(objects)
    if not chosen:
        return 0
    pack = make_pack(chosen, object_format, names)
    with Below(os.fsencode(git_dir)) as below:
        _check_store(below, git_dir)
        below.make_directory(_PACKS, 0o777)
        for left in reversed(range(_TRIES)):
            try:
                _write(below, pack, owner, note)
                break
            except FileNotFoundError:  # `git prune` takes away what is being written
                if not left:
                    raise
        below.sync(_PACKS)
    return len(chosen)


def _write(below: Below, pack: Pack, owner: bytes, note: Callable[[str], None] | None) -> None:
    """Write a pack below a git directory; without it, or whole. Raises OSError."""
    # not named by its content: a repack that began before would remove a pack of a name that it has seen
    name = os.urandom(len(pack.name) // 2).hex()
    begin, made = b"%s/%s%s" % (_PACKS, _beginning(owner), os.urandom(6).hex().encode()), set[bytes]()
    files = [(b".pack", pack.data), (b".idx", [pack.index])]
    if note is not None:
        note(name)
        files.insert(0, (b".keep", [_KEEP]))
    try:
        for ending, parts in files:
            with open(below.create(begin + ending, 0o444), "wb", buffering=1 << 20) as file:
                made.add(ending)
                file.writelines(parts)
                file.flush()
                platform.sync(file.fileno())
        for ending, _ in files:
            below.rename(begin + ending, b"%s/pack-%s%s" % (_PACKS, name.encode(), ending))
            made.discard(ending)
    except BaseException:
        for ending in made:
            with contextlib.suppress(OSError):
                below.unlink(begin + ending)
        raise


def _keep_of(name: str) -> bytes:
    return b"%s/pack-%s.keep" % (_PACKS, name.encode())


def remove_keep(below: Below, name: str, *, dry_run: bool = False) -> bytes | None:
    """Remove the ``.keep`` file that `write_pack` has put beside a pack, and no other.

    Args:
        below: The git directory that holds the object store.
        name: The pack's.
        dry_run: Only look for it.

    Returns:
        Its path there; None where there is none of ours.

    Raises:
        OSError: the system failed.
    """
    place = _keep_of(name)
    found = below.stat(place)
    if found is None or found.st_size != len(_KEEP) or not stat.S_ISREG(found.st_mode):
        return None
    if below.read(place, limit=len(_KEEP)) != _KEEP:
        return None
    if not dry_run:
        below.unlink(place)
    return place


def _check_store(below: Below, git_dir: Path) -> None:
    """Raises RefusedRepository where packs would be written through a link, or what is there is no directory."""
    for place in (_PACKS.rpartition(b"/")[0], _PACKS):
        found = below.stat(place)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            raise RefusedRepository(
                f"{git_dir / os.fsdecode(place)} is {kind_of(found)}, and objects are only written to a directory",
                hint="nothing was changed; put the directory in its place",
            )
