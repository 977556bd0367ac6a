"""Snapshots made, embedded and taken out: the verbs of the Python interface."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jellyformat import signing
from jellyformat.errors import BadHost, FormatError, HostWarning, NoSnapshot, RefusedExists, RefusedHost, Usage
from jellyformat.files import change
from jellyformat.format import frames, manifest
from jellyformat.format.container import Container
from jellyformat.format.info import SnapshotInfo
from jellyformat.format.model import Manifest
from jellyformat.format.msgpack import Value
from jellyformat.format.source import BytesSource
from jellyformat.format.text import brief, size_text
from jellyformat.hints import Hint, command, option
from jellyformat.hosts import changing, directories, fitness, lookup, registry, ties
from jellyformat.hosts import sidecar as beside
from jellyformat.hosts.adapter import Adapter, Carried
from jellyformat.hosts.binding import BINDING, SIDECAR
from jellyformat.hosts.changing import AS_TENSOR, TRAILER
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import PathLike, Readable, Recognized

_UNKNOWN = "JF-TRL-002"
_NEVER = ("JF-HST-004", "JF-HDF-004", _UNKNOWN)
"""Why nothing can, or is to, be put into a file, now or later: then it goes beside it (SPEC JF-SDC)."""
_WITHOUT_OUT = Hint("nothing was changed; do it without ", option("out", "OUT"))


@dataclass(frozen=True)
class Snapshot:
    """A container in memory.

    Attributes:
        data: Its bytes.
    """

    data: bytes

    def __repr__(self) -> str:
        try:
            what = f"{self.id[:12]}: {self.info().in_brief()}"
        except FormatError as error:
            what = f"that is damaged: {brief(error.message)}"
        return f"<Snapshot {what}, {size_text(len(self.data))}>"

    def __getstate__(self) -> dict[str, bytes]:
        """Its bytes alone travel to other processes."""
        return {"data": self.data}

    def _repr_html_(self) -> str | None:
        try:
            return self.info()._repr_html_()
        except FormatError:
            return None  # its repr says so

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
        return frames.parse_header(self.data[: frames.HEADER_LENGTH]).digest.hex()

    def to_bytes(self) -> bytes:
        """The container's bytes."""
        return self.data

    def info(self) -> SnapshotInfo:
        """What its manifest says."""
        return self.open().info()

    def open(self) -> Container:
        """Open it for reading."""
        return Container(BytesSource(self.data), name="the snapshot")


def snapshot(
    repo: PathLike | None = None,
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
    trust_repository: bool = False,
    captured: str = "program",
    without_git: bool = False,
    roots: Sequence[PathLike] = (),
    best: bool = False,
) -> Snapshot:
    """Capture the repository that holds the directory ``repo``, writing nothing in it.

    Args:
        repo: A directory of the repository. None: the environment variable ``JELLYFORMAT_REPO``; else that of the
            program that runs (its main script or ``-m`` module); at a prompt, in a notebook, where the program is an
            installed one or in no repository, that of the current directory.
        history: ``head``, ``full``, or a number of generations of commits.
        include: Globs of files to take all the same that are ignored, or left out by kind: environments, caches,
            trackers' directories, models.
        exclude: Globs of files to leave out.
        max_file_size: Bytes; of one file that HEAD does not have.
        max_size: Bytes; of all of those together.
        oversize: ``refuse`` the capture, ``omit`` what is over a size, listing it, or ``allow`` it.
        secrets: The same for files that seem to hold a secret, HEAD not having it.
        environment: Whether interpreter, packages and command line are noted.
        create_repo: Make a repository of ``repo`` where there is none.
        carriers: Files and directories the snapshot is for; what they hold of weights is no part of it unless tracked.
        trust_repository: Take the repository whoever owns it, with what it names in other places. Else one is refused
            that others may have planted, and nothing outside of another user's is taken. The environment variable
            ``JELLYFORMAT_TRUST`` says the same of the paths it holds.
        captured: ``program``: by the program that runs the code, whose command line is noted; ``command``: afterwards.
        without_git: Take the files alone where there is no repository, or it cannot be read: those of ``repo``, or of
            the directory that holds the repository. The snapshot can be exported, not restored.
        roots: Directories of other repositories that the program runs from too. They are in the snapshot under their
            names, to be seen and exported; a restore leaves them alone.
        best: Compress for an archive: a tenth fewer bytes, and some twenty times as long.

    Raises:
        NoRepository: there is none.
        ForeignRepository: it is another user's, and may have been planted.
        Refused: it cannot be captured as it is, or something is over a size limit, or seems to be a secret.
    """
    from jellyformat.capture import capture, watch
    from jellyformat.capture.place import place_of, said_once

    place = place_of(repo, trusted=trust_repository)
    remark = said_once(place.remark)
    if remark is not None:
        watch.say(remark)
    if create_repo:
        capture.create_repository(place.path, trusted=trust_repository)
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
        trust_repository=trust_repository,
        captured=captured,
        without_git=without_git,
        roots=tuple(os.fspath(path) for path in roots),
        best=best,
    )
    return Snapshot(capture.capture(place.path, settings).data)


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
    trailer: bool = False,
    copy: bool = False,
    sidecar: bool = False,
    directory: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    keep_labels: bool = True,
    drop_signatures: bool = False,
    sign: bool | str | None = None,
) -> str:
    """Put a snapshot into a file or directory, or, where its own loader might no longer read it, beside it.

    Args:
        path: The file, changed in place unless ``out`` is given; a file that cannot carry anything stays as it is, and
            ``jelly.FILE.jelly`` is written beside it. Or a directory (SPEC JF-DIR), or the index of a model in several
            files.
        snap: The snapshot; None captures, as `snapshot` does without a ``repo``.
        out: A new file to write instead.
        replace: Take the place of a snapshot that is there.
        bind: Put in the hash of the weights too, for verify to tell whether they are still the same; reads all of them.
        in_place: Copy nothing of a file that would be written anew: the filesystem moves its content. Programs that
            have it open or mapped must not be using it; where that can be told it is refused.
        as_tensor: In a safetensors file, as its last tensor, and not in the metadata (SPEC JF-SFT): no base64, and no
            longer header, but loading the file gives one tensor more.
        trailer: Inside, never beside it: behind the end of a file, too, of which it is not known whether its readers
            stop there (SPEC JF-TRL). Those that read on would take the snapshot for data.
        copy: Write a new file under this name, where others (hard links) are names of the same file: they keep it as
            it was.
        sidecar: Beside the file, which stays as it is, whatever it is.
        directory: Into a directory, whatever is in it.
        labels: Labels to be set beside those that the snapshot has, such as ``{"epoch": 3}``, as `jellyformat.label`.
        note: Its note.
        keep_labels: What says of a snapshot that is replaced which checkpoint it is (labels, note, run) stays, where
            this one does not say it.
        drop_signatures: Take signatures out that would no longer hold (JF-SIG-002).
        sign: Sign it, as `jellyformat.sign` does: with this key, or with the one that git signs with. None: if the
            user's git configuration has ``jellyformat.sign`` set; then nobody is asked for a passphrase.

    Returns:
        The host's kind; ``sidecar`` where it is beside it, ``directory`` for a directory.

    Warns:
        HostWarning: it went beside a file, for it is not known whether its readers stop where it ends; or the snapshot
            whose place it took was signed, and this one is not.

    Raises:
        RefusedExists: there is a snapshot already, or another file of the name that is needed.
        RefusedHost: its own loader would no longer read it and ``out`` or ``trailer`` is given; it is broken, cannot be
            changed in place, or is in a store that others read from, under the hash of its content; it is empty, or a
            text of code, and ``sidecar`` is not given; it is a directory of no kind that is known, and ``directory`` is
            not given.
        Busy: another program has the file open, or is changing it.
        RefusedHost: the file has more than one name, and neither ``out`` nor ``copy`` is given (JF-HST-005).
        RefusedHost: the snapshot is bound to other weights, and ``bind`` is not given.
        RefusedSigned: it is signed, and would not be any more (JF-SIG-002).
        RefusedHost, CountLimit: its weights are to be told and cannot be.
        RefusedKey: the key did not sign.
    """
    changing.check_one_way(out=out, in_place=in_place, copy=copy, sidecar=sidecar)
    changing.check_one_way(sidecar=sidecar, trailer=trailer, as_tensor=as_tensor, directory=directory)
    host = Path(path)
    snap = snap or snapshot(carriers=(path,))
    if labels or note is not None or (replace and keep_labels):
        from jellyformat.capture.labels import for_host

        before = host if replace and keep_labels else None
        snap = Snapshot(for_host(snap.data, labels or {}, note, before, drop_signatures=drop_signatures))
    with signing.told_if_lost(host, host if out is None else Path(out), replaced=replace):
        place = directories.named_by(host, any_kind=directory)
        if place is not None and sidecar:
            raise Usage(
                f"{host} stands for a directory, whose snapshot lies in it",
                hint=Hint("nothing was changed; leave out ", option("sidecar")),
            )
        if place is not None:
            if out is not None:
                raise RefusedHost(f"{host} is a directory, which is not copied", hint=_WITHOUT_OUT)
            bound = ties.kept(_extensions(snap), ties.BoundHost(str(host), place, None, None), anew=bind)
            data = signing.as_asked(tied(snap, bound, drop_signatures=drop_signatures), sign)
            beside.put_into(place, data, replace=replace)
            return directories.HOST
        if directory:
            raise Usage(f"{host} is no directory", hint=Hint("leave out ", option("directory")))
        fitness.check_no_directory(host)
        if out is None:
            fitness.check_no_store(host)
        with change.locked(host, write=not (out or copy or sidecar), or_read=True) as target:
            found = _found(target, host)
            if found.adapter is None:
                raise RefusedHost(
                    f"{host} is a snapshot itself, not a file to put one into",
                    hint="nothing was changed; name a checkpoint",
                )
            old = beside.sidecar_at(host)
            if found.carried is not None and sidecar:
                raise RefusedExists(
                    f"{host} carries a snapshot inside, which goes before one beside it",
                    hint=Hint("nothing was changed; take that out with: ", command("strip", str(host))),
                )
            if (found.carried or old) and not replace:
                where = "" if found.carried or not old else f", beside it in {old}"
                raise RefusedExists(
                    f"{host} carries a snapshot already{where}",
                    hint=Hint("nothing was changed; to put this one in its place, add ", option("replace")),
                )
            fitness.check_no_pointer(host, target.source)
            if not sidecar and found.carried is None:
                fitness.check_no_code(host, target.source)
            bound = ties.kept(
                _extensions(snap), ties.BoundHost(str(host), target.source, found.adapter, found.carried), anew=bind
            )
            data = signing.as_asked(tied(snap, bound, drop_signatures=drop_signatures), sign)
            if sidecar:
                beside.put_beside(host, target, data, bound)
                return SIDECAR
            try:
                form = AS_TENSOR if as_tensor else TRAILER if trailer else None
                changing.embed(target, found.adapter, data, form, out=out, in_place=in_place, copy=copy)
            except RefusedHost as error:
                if error.requirement == "JF-HST-005" and found.carried is None:
                    error.hint = Hint(error.hint or "", ", or put the snapshot beside it with ", option("sidecar"))
                # other reasons may pass, and one that lies in the file is found before one beside it
                if error.requirement not in _NEVER or out is not None or trailer or found.carried is not None:
                    raise
                file = beside.put_beside(host, target, data, bound)
                if error.requirement == _UNKNOWN:
                    warnings.warn(
                        Hint(
                            f"it is not known whether the reader of {host} stops at its end, ",
                            f"so the snapshot is beside it, in {file.name}; if it does, this puts it inside: ",
                            option("trailer"),
                        ),
                        HostWarning,
                        stacklevel=2,
                    )
                return SIDECAR
            if old is not None and out is None:
                beside.forget_sidecars(
                    host
                )  # it was to be replaced, and the one in the file is found first from now on
            return found.host


def tied(snap: Snapshot, bound: Value, *, drop_signatures: bool = False) -> bytes:
    """The container to lie in a host, without what tied it to another one.

    Args:
        snap: What it holds.
        bound: The extension `binding` for the host; None for none.
        drop_signatures: Take signatures out that would no longer hold.

    Raises:
        RefusedSigned: it is signed (JF-SIG-002).
    """
    changes: dict[str, Value] = {SIDECAR: None, BINDING: bound}
    touched = bound is not None or changes.keys() & _extensions(snap).keys()
    return frames.with_extensions(snap.data, changes, drop_signatures=drop_signatures) if touched else snap.data


def _extensions(snap: Snapshot) -> Mapping[str, Value]:
    try:
        return snap.manifest.extensions
    except FormatError:  # the snapshot is embedded as it is, and verify tells
        return {}


def _found(target: change.LockedFile, host: Path) -> Recognized:
    try:
        return registry.recognize(target.source)
    except BadHost as error:
        raise RefusedHost(
            f"nothing can be put into {host}: {error.message}",
            requirement=error.requirement,
            hint="nothing was changed; does its own framework still load it?",
        ) from error


def strip(path: PathLike, *, out: PathLike | None = None, in_place: bool = False, copy: bool = False) -> str:
    """Take the snapshot out of a file or directory: it is as it was before, bit for bit.

    Args:
        path: The file, changed in place unless ``out`` is given; or a directory.
        out: A new file to write instead.
        in_place: As in ``embed``.
        copy: As in ``embed``.

    Returns:
        The host's kind.

    Raises:
        NoSnapshot: it carries none.
        Refused: the bytes before cannot be given back, or not in place; or the file beside it was not put there for it.
        RefusedHost: it has more than one name, and neither ``out`` nor ``copy`` is given (JF-HST-005).
    """
    changing.check_one_way(out=out, in_place=in_place, copy=copy)
    host = Path(path)
    directory = directories.named_by(host)
    if directory is not None:
        if out is not None:
            raise RefusedHost(f"{host} is a directory, which is not copied", hint=_WITHOUT_OUT)
        beside.take_out_of(directory)
        return directories.HOST
    directories.check_known(host)
    with change.locked(host, write=not (out or copy), or_read=True) as target:
        found = registry.recognize(target.source)
        if found.carried is None and beside.take_from_beside(host, target, out=None if out is None else Path(out)):
            return SIDECAR
        if found.carried is None:
            lookup.raise_if_pointer(str(host), target.source)
        adapter, carried = _strippable(found, str(host))
        changing.strip(target, adapter, carried, out=out, in_place=in_place, copy=copy)
        return found.host


def _strippable(found: Recognized, name: str) -> tuple[Adapter, Carried]:
    if found.carried is None:
        raise NoSnapshot(f"{name} carries no snapshot", hint="nothing was changed; nothing needs to be")
    if found.adapter is None:
        raise RefusedHost(
            f"{name} is a snapshot itself: without it nothing would be left",
            hint="nothing was changed; delete the file if that is what you want",
        )
    return found.adapter, found.carried
