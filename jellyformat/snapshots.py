"""Snapshots made, embedded and taken out: the verbs of the Python interface."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jellyformat import atomic, container, manifest, registry
from jellyformat.errors import BadHost, NoSnapshot, RefusedExists, RefusedHost, Usage
from jellyformat.host import Adapter, Carried, Plan, Rewrite, SplicingAdapter
from jellyformat.model import Manifest
from jellyformat.reader import Container, open_container
from jellyformat.registry import Found, PathLike, Readable
from jellyformat.source import BytesSource

if TYPE_CHECKING:
    from jellyformat.capture import Settings


@dataclass(frozen=True)
class Snapshot:
    """A container in memory.

    Attributes:
        data: Its bytes.
    """

    data: bytes

    @cached_property
    def manifest(self) -> Manifest:
        """What is in it."""
        return self.open().manifest

    @property
    def id(self) -> str:
        """The name of the code: 64 hex digits, the same whenever the state was the same."""
        return manifest.snapshot_id(self.manifest.state).hex()

    @property
    def digest(self) -> str:
        """The name of the exact bytes: 64 hex digits."""
        return container.parse_header(self.data[: container.HEADER_LENGTH]).digest.hex()

    def to_bytes(self) -> bytes:
        """The container's bytes."""
        return self.data

    def open(self) -> Container:
        """Open it for reading."""
        return Container(BytesSource(self.data), name="the snapshot")


def snapshot(
    repo: PathLike = ".",
    history: str | int = "head",
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    max_file_size: int | None = None,
    max_size: int | None = None,
    oversize: str = "refuse",
    secrets: str = "refuse",
    environment: bool = True,
    create_repo: bool = False,
    carriers: Sequence[PathLike] = (),
) -> Snapshot:
    """Capture the repository that holds the directory ``repo``, writing nothing in it.

    Args:
        repo: A directory of the repository.
        history: ``head``, ``full``, or a number of generations of commits.
        include: Globs of ignored files to take all the same.
        exclude: Globs of files to leave out.
        max_file_size: Bytes; of one file that HEAD does not have.
        max_size: Bytes; of all of those together.
        oversize: ``refuse`` the capture, ``omit`` what is over a size, listing it, or ``allow`` it.
        secrets: The same for files that seem to hold a secret, HEAD not having it.
        environment: Whether interpreter, packages and command line are noted.
        create_repo: Make a repository of ``repo`` where there is none.
        carriers: Files the snapshot is for, and so no part of it unless they are tracked.

    Raises:
        NoRepository: there is none.
        Refused: it cannot be captured as it is, or something is over a size limit, or seems to be a secret.
    """
    from jellyformat import capture

    if create_repo:
        capture.create_repository(repo)
    settings = capture.Settings(
        history=history,
        include=tuple(include),
        exclude=tuple(exclude),
        max_file_size=capture.MAX_FILE_SIZE if max_file_size is None else max_file_size,
        max_size=capture.MAX_SIZE if max_size is None else max_size,
        oversize=oversize,
        secrets=secrets,
        environment=environment,
        carriers=tuple(os.fspath(path) for path in carriers),
    )
    return capture_snapshot(repo, settings)


def capture_snapshot(repo: PathLike, settings: Settings) -> Snapshot:
    """`snapshot`, with its options in one value."""
    from jellyformat import capture

    return Snapshot(capture.capture(repo, settings).data)


def load(file: Readable) -> Snapshot:
    """The snapshot that a file carries, its bytes unchanged."""
    with open_container(file) as box:
        return Snapshot(box.to_bytes())


def embed(
    path: PathLike,
    snap: Snapshot | None = None,
    *,
    out: PathLike | None = None,
    replace: bool = False,
    in_place: bool = False,
) -> str:
    """Put a snapshot into a file.

    Args:
        path: The file; changed in place unless ``out`` is given.
        snap: The snapshot; None captures the repository that holds the current directory.
        out: A new file to write instead.
        replace: Take the place of a snapshot that is there.
        in_place: Copy nothing of a file that would be written anew: the filesystem moves its content. Programs that
            have it open or mapped must not be using it; where that can be told it is refused.

    Returns:
        The host's kind.

    Raises:
        RefusedExists: the file carries a snapshot already.
        RefusedHost: its own loader would no longer read it, or it cannot be changed in place.
        Busy: another program has the file open, or is changing it.
    """
    _check_in_place(in_place, out)
    data = (snap or snapshot(carriers=(path,))).to_bytes()
    with atomic.locked(Path(path), write=out is None) as target:
        try:
            found = registry.find(target.source)
        except BadHost as error:
            raise RefusedHost(
                f"nothing can be put into {os.fspath(path)}: {error.message}",
                requirement=error.requirement,
                hint="nothing was changed; does its own framework still load it?",
            ) from error
        if found.adapter is None:
            raise RefusedHost(
                f"{os.fspath(path)} is a snapshot itself, not a file to put one into",
                hint="nothing was changed; name a checkpoint",
            )
        if found.carried is not None and not replace:
            raise RefusedExists(
                f"{os.fspath(path)} carries a snapshot already",
                hint="nothing was changed; to put this one in its place, add --replace",
            )
        adapter = found.adapter
        if in_place and isinstance(adapter, SplicingAdapter):
            target.splice(adapter.plan_embed_in_place(target.source, data, target.block))
        else:
            plan = adapter.plan_embed(target.source, data)
            _check_plan(plan, in_place, found.host)
            target.apply(plan, out=None if out is None else Path(out))
        return found.host


def strip(path: PathLike, *, out: PathLike | None = None, in_place: bool = False) -> str:
    """Take the snapshot out of a file: it is as it was before, bit for bit.

    Args:
        path: The file; changed in place unless ``out`` is given.
        out: A new file to write instead.
        in_place: As in ``embed``.

    Returns:
        The host's kind.

    Raises:
        NoSnapshot: it carries none.
        Refused: the bytes before cannot be given back, or not in place.
    """
    _check_in_place(in_place, out)
    with atomic.locked(Path(path), write=out is None) as target:
        found = registry.find(target.source)
        adapter, carried = _strippable(found, os.fspath(path))
        if in_place and isinstance(adapter, SplicingAdapter):
            target.splice(adapter.plan_strip_in_place(target.source, carried, target.block))
        else:
            plan = adapter.plan_strip(target.source, carried)
            _check_plan(plan, in_place, found.host)
            target.apply(plan, out=None if out is None else Path(out))
        return found.host


def _check_in_place(in_place: bool, out: PathLike | None) -> None:
    if in_place and out is not None:
        raise Usage("a new file cannot be written in place", hint="leave out either -o or --in-place")


def _check_plan(plan: Plan, in_place: bool, host: str) -> None:
    """Zip files and those with a trailer are changed in place in any case; others would be copied."""
    if in_place and isinstance(plan, Rewrite):
        raise RefusedHost(
            f"a file of this kind ({host}) cannot be changed in place",
            hint="nothing was changed; leave out --in-place, and the file is written anew",
        )


def _strippable(found: Found, name: str) -> tuple[Adapter, Carried]:
    if found.carried is None:
        raise NoSnapshot(f"{name} carries no snapshot", hint="nothing was changed; nothing needs to be")
    if found.adapter is None:
        raise RefusedHost(
            f"{name} is a snapshot itself: without it nothing would be left",
            hint="nothing was changed; delete the file if that is what you want",
        )
    return found.adapter, found.carried
