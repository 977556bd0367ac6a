"""Snapshots made, embedded and taken out: the verbs of the Python interface."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from jellyformat import atomic, beside, container, directories, fileio, hosts, manifest, registry
from jellyformat.binding import BINDING, SIDECAR, binding_of
from jellyformat.errors import BadHost, FormatError, NoSnapshot, RefusedExists, RefusedHost, Usage
from jellyformat.host import Adapter, Carried, Plan, Rewrite, SplicingAdapter, TensorAdapter
from jellyformat.model import Manifest
from jellyformat.msgpack import Value
from jellyformat.reader import Container, open_container
from jellyformat.registry import Found, PathLike, Readable
from jellyformat.source import BytesSource

if TYPE_CHECKING:
    from jellyformat.capture import Settings

_NEVER = ("JF-HST-004", "JF-HDF-004")
"""Why nothing can be put into a file, now or later: then it goes beside it (SPEC 14.6)."""
_DVC = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}\Z")


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
        carriers: Files and directories the snapshot is for; what they hold of weights is no part of it unless tracked.

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
        carriers=tuple(os.fspath(file) for path in carriers for file in directories.carriers(Path(path))),
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
    bind: bool = False,
    in_place: bool = False,
    as_tensor: bool = False,
) -> str:
    """Put a snapshot into a file or directory, or, where its own loader would no longer read it, beside it.

    Args:
        path: The file, changed in place unless ``out`` is given; a file that cannot carry anything stays as it is, and
            ``FILE.jelly`` is written beside it. Or a directory (SPEC 14.7), or the index of a model in several files.
        snap: The snapshot; None captures the repository that holds the current directory.
        out: A new file to write instead.
        replace: Take the place of a snapshot that is there.
        bind: Put in the hash of the weights too, for verify to tell whether they are still the same; reads all of them.
        in_place: Copy nothing of a file that would be written anew: the filesystem moves its content. Programs that
            have it open or mapped must not be using it; where that can be told it is refused.
        as_tensor: In a safetensors file, as its last tensor, and not in the metadata (SPEC 14.4): no base64, and no
            longer header, but loading the file gives one tensor more.

    Returns:
        The host's kind; ``sidecar`` where it is beside it, ``directory`` for a directory.

    Raises:
        RefusedExists: there is a snapshot already, or another file of the name that is needed.
        RefusedHost: its own loader would no longer read it and ``out`` is given; it is broken, cannot be changed in
            place, or is in a store that others read from, under the hash of its content.
        Busy: another program has the file open, or is changing it.
        RefusedHost: the snapshot is bound to other weights, and ``bind`` is not given.
        RefusedHost, CountLimit: its weights are to be told and cannot be.
    """
    _check_in_place(in_place, out)
    host = Path(path)
    snap = snap or snapshot(carriers=(path,))
    directory = directories.named_by(host)
    if directory is not None:
        if out is not None:
            raise RefusedHost(f"{host} is a directory, which is not copied", hint="nothing was changed; leave -o out")
        bound = _bound(snap, hosts.Host(str(host), directory, None, None), bind)
        beside.put_into(directory, tied(snap, bound), replace=replace)
        return directories.HOST
    _check_no_directory(host)
    if out is None:
        _check_no_store(host)
    with atomic.locked(host, write=out is None, or_read=True) as target:
        found = _found(target, host)
        if found.adapter is None:
            raise RefusedHost(
                f"{host} is a snapshot itself, not a file to put one into",
                hint="nothing was changed; name a checkpoint",
            )
        sidecar = beside.sidecar_at(host)
        if (found.carried or sidecar) and not replace:
            where = "" if found.carried or not sidecar else f", beside it in {sidecar}"
            raise RefusedExists(
                f"{host} carries a snapshot already{where}",
                hint="nothing was changed; to put this one in its place, add --replace",
            )
        bound = _bound(snap, hosts.Host(str(host), target.source, found.adapter, found.carried), bind)
        try:
            _change(target, found.adapter, tied(snap, bound), in_place=in_place, as_tensor=as_tensor, out=out)
        except RefusedHost as error:
            # other reasons may pass, and one that lies in the file is found before one beside it
            if error.requirement not in _NEVER or out is not None or found.carried is not None:
                raise
            beside.put_beside(host, target, snap.data, bound)
            return SIDECAR
        if sidecar is not None and out is None:
            beside.forget_sidecar(sidecar)  # it was to be replaced, and the one in the file is found first from now on
        return found.host


def _change(
    target: atomic.Host, adapter: Adapter, data: bytes, *, in_place: bool, as_tensor: bool, out: PathLike | None
) -> None:
    """Put a container into a file, or into a new one."""
    if as_tensor and not isinstance(adapter, TensorAdapter):
        raise RefusedHost(
            f"a {adapter.name} file has no place for a tensor of ours",
            hint="nothing was changed; leave --as-tensor out, it is for safetensors files",
        )
    if in_place and not as_tensor and isinstance(adapter, SplicingAdapter):
        target.splice(adapter.plan_embed_in_place(target.source, data, target.block))
        return
    planned = adapter.plan_embed_as_tensor if as_tensor and isinstance(adapter, TensorAdapter) else adapter.plan_embed
    plan = planned(target.source, data)
    _check_plan(plan, in_place, adapter.name)
    target.apply(plan, out=None if out is None else Path(out))


def _bound(snap: Snapshot, host: hosts.Host, bind: bool) -> Value:
    """The extension `binding` for a host; None for none. One that the snapshot has stays if it is to these weights.

    Raises:
        RefusedHost: it is to others (JF-BND-006).
    """
    if bind:
        return hosts.bind(host).to_value()
    try:
        old = binding_of(snap.manifest.extensions)
    except FormatError:  # the snapshot is embedded as it is, and verify tells
        return None
    if old is None:
        return None
    difference = old.difference(hosts.bind(host))
    if difference:
        raise RefusedHost(
            f"the snapshot is bound to other weights than those of {host.name}: {difference}",
            requirement="JF-BND-006",
            hint="nothing was changed; to bind it to these, add --bind",
        )
    return old.to_value()


def tied(snap: Snapshot, bound: Value) -> bytes:
    """The container to lie in a host, without what tied it to another one.

    Args:
        snap: What it holds.
        bound: The extension `binding` for the host; None for none.
    """
    changes: dict[str, Value] = {SIDECAR: None, BINDING: bound}
    try:
        touched = bound is not None or changes.keys() & snap.manifest.extensions.keys()
    except FormatError:  # as above
        return snap.data
    return container.with_extensions(snap.data, changes) if touched else snap.data


def _found(target: atomic.Host, host: Path) -> Found:
    try:
        return registry.find(target.source)
    except BadHost as error:
        raise RefusedHost(
            f"nothing can be put into {host}: {error.message}",
            requirement=error.requirement,
            hint="nothing was changed; does its own framework still load it?",
        ) from error


def _check_no_directory(path: Path) -> None:
    if fileio.is_directory(path):
        message, hint = directories.unknown(path)
        raise RefusedHost(message, requirement="JF-DIR-001", hint=hint)


def _check_no_store(path: Path) -> None:
    """Raises RefusedHost for a file in a store in which the name is the hash of the content, and which many share."""
    real = Path(os.path.realpath(path))
    if real.parent.name == "blobs" and fileio.is_directory(real.parent.with_name("snapshots")):
        store = "Hugging Face's cache"
    elif "/annex/objects/" in str(real):
        store = "git-annex"
    elif _DVC.search(str(real)):
        store = "DVC's cache"
    else:
        return
    raise RefusedHost(
        f"{path} is in a store ({store}: {real}), in which it has the name of its content's hash, and others read it",
        hint="nothing was changed; write a file of your own with -o OUT, or name its directory, if that is a model's",
    )


def strip(path: PathLike, *, out: PathLike | None = None, in_place: bool = False) -> str:
    """Take the snapshot out of a file or directory: it is as it was before, bit for bit.

    Args:
        path: The file, changed in place unless ``out`` is given; or a directory.
        out: A new file to write instead.
        in_place: As in ``embed``.

    Returns:
        The host's kind.

    Raises:
        NoSnapshot: it carries none.
        Refused: the bytes before cannot be given back, or not in place; or the file beside it was not put there for it.
    """
    _check_in_place(in_place, out)
    host = Path(path)
    directory = directories.named_by(host)
    if directory is not None:
        if out is not None:
            raise RefusedHost(f"{host} is a directory, which is not copied", hint="nothing was changed; leave -o out")
        beside.take_out_of(directory)
        return directories.HOST
    _check_no_directory(host)
    new = None if out is None else Path(out)
    with atomic.locked(host, write=out is None, or_read=True) as target:
        found = registry.find(target.source)
        if found.carried is None and beside.take_from_beside(host, target, out=new):
            return SIDECAR
        adapter, carried = _strippable(found, str(host))
        if in_place and isinstance(adapter, SplicingAdapter):
            target.splice(adapter.plan_strip_in_place(target.source, carried, target.block))
        else:
            plan = adapter.plan_strip(target.source, carried)
            _check_plan(plan, in_place, found.host)
            target.apply(plan, out=new)
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
