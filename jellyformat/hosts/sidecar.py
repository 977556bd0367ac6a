"""Containers in files of their own, tied to a host: a sidecar, or one file in a directory (SPEC JF-SDC and JF-DIR)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from jellyformat.errors import FormatError, NoSnapshot, RefusedExists, RefusedHost
from jellyformat.files import change, durable
from jellyformat.files.change import LockedFile
from jellyformat.files.newfile import free, publish, remove, write_new_file
from jellyformat.files.plans import Copy, Rewrite
from jellyformat.files.platform import let_go
from jellyformat.format import frames
from jellyformat.format.msgpack import Value
from jellyformat.format.source import FileSource, Source
from jellyformat.hints import Hint, command, option
from jellyformat.hosts import binding, lookup, model_signing, registry, ties
from jellyformat.hosts.binding import BINDING, SIDECAR, Sidecar
from jellyformat.hosts.directories import Directory


def sidecar_at(path: Path) -> Path | None:
    """The sidecar of the file ``path``, whether its host has changed or not; None where there is none."""
    return next((file for file in lookup.sidecar_paths(path) if _is(file, lookup.is_sidecar)), None)


def put_beside(path: Path, host: LockedFile, data: bytes, bound: Value) -> Path:
    """Put a container beside its host, in place of a sidecar that may be there.

    Args:
        path: The host, as it was named.
        host: The same, open and locked.
        data: The container.
        bound: The extension `binding` for it; None for none.

    Returns:
        The sidecar.

    Raises:
        RefusedExists: something else has that name.
        Busy: the host changed meanwhile.
        SystemFailure: the system failed; all is as it was.
    """
    file, before = _place_of(path)
    _check_sound(before, path)
    with durable.system_errors(path, "nothing was changed"):
        digest = ties.sha256_of(host.source)
    sidecar = Sidecar(os.fsencode(path.name), host.source.size, digest)
    changes = {SIDECAR: sidecar.to_value(), BINDING: bound}
    data = frames.with_extensions(data, changes)
    host.check_unchanged()
    _write(file, data, _is(file, _is_sound_sidecar), path, stat.S_IMODE(host.seen.st_mode) & 0o666)
    _forget(before)
    return file


def check_free(path: Path) -> None:
    """Raises RefusedExists if something has the name of a sidecar of ``path`` and is none."""
    file, before = _place_of(path)
    _check_ours(file, _is(file, _is_sound_sidecar), path)
    _check_sound(before, path)


def move_beside(made: Path, path: Path) -> None:
    """Give a sidecar that was made elsewhere on the same filesystem its place beside its host, as `put_beside`.

    Args:
        made: The sidecar, on the disk.
        path: The host, as it was named.

    Raises:
        RefusedExists: something else has that name.
        SystemFailure: the system failed; no sidecar was moved.
    """
    file, before = _place_of(path)
    ours = _is(file, _is_sound_sidecar)
    _check_ours(file, ours, path)
    with durable.system_errors(file, "no sidecar was written"):
        made.chmod(stat.S_IMODE((file if ours else path).stat().st_mode) & 0o666)
        publish(made, free(file, ours), ours)
    _forget(before)


def take_from_beside(path: Path, host: LockedFile, *, out: Path | None) -> bool:
    """Remove the sidecar of a file, or write a copy of the file without one; False where it has none.

    Args:
        path: The host, as it was named.
        host: The same, open and locked.
        out: A new file to write instead.

    Raises:
        RefusedHost: the sidecar is damaged, or the host is no longer the file it was put beside; both stay.
        SystemFailure: the system failed; all is as it was.
    """
    file = sidecar_at(path)
    if file is None:
        return False
    if out is not None:
        host.apply(Rewrite((Copy(0, host.source.size),)), out=out)
        return True
    with change.locked(file, write=False) as held:
        hint = Hint(
            "nothing was changed; look at it with ",
            command("show", str(file)),
            ", and delete it if that is what you want",
        )
        try:
            extensions = lookup.read_extensions(held.source)
            sidecar = binding.sidecar_of(extensions)
            binding.binding_of(extensions)
        except FormatError as error:
            raise RefusedHost(f"{file} is damaged: {error.message}", hint=hint) from error
        with durable.system_errors(path, "nothing was changed"):
            same = sidecar is not None and ties.host_is(host.source, sidecar)
            adapter = registry.adapter_for(host.source)
            same = same or ties.has_its_weights(ties.BoundHost(str(path), host.source, adapter, None), extensions)
        if not same:
            raise RefusedHost(
                f"{path} is not the file that {file} was put beside: it was changed since, or is another one",
                requirement="JF-SDC-006",
                hint=hint,
            )
        host.check_unchanged()
        _remove(held)
    return True


def put_into(directory: Directory, data: bytes, *, replace: bool) -> None:
    """Put a container into a directory.

    Args:
        directory: Where to.
        data: The container.
        replace: Take the place of one that is there.

    Raises:
        RefusedExists: there is one, or something else has that name.
        SystemFailure: the system failed; all is as it was.
    """
    if _is(directory.file, lookup.is_container) and not replace:
        raise RefusedExists(
            f"{directory.path} carries a snapshot already, in {directory.file.name}",
            hint=Hint("nothing was changed; to put this one in its place, add ", option("replace")),
        )
    _write(directory.file, data, _is(directory.file, is_sound), directory.path, 0o666)


def take_out_of(directory: Directory) -> None:
    """Remove the container in a directory.

    Raises:
        NoSnapshot: there is none.
        RefusedHost: the file is damaged, so that nothing says that it was put there by embed.
        SystemFailure: the system failed; all is as it was.
    """
    if not _is(directory.file, lookup.is_container):
        raise NoSnapshot(f"{directory.path} carries no snapshot", hint="nothing was changed; nothing needs to be")
    with change.locked(directory.file, write=False) as held:
        if not is_sound(held.source):
            raise RefusedHost(
                f"{directory.file} is damaged",
                requirement="JF-DIR-004",
                hint="nothing was changed; delete the file if that is what you want",
            )
        _remove(held)


def is_sound(source: Source) -> bool:
    """Whether a file is a container with a manifest that can be read."""
    try:
        lookup.read_extensions(source)
    except FormatError:
        return False
    return True


def forget_sidecars(path: Path) -> None:
    """Remove the sidecars of a file in whose place another container has come; one that is damaged stays.

    Args:
        path: The host, as it was named.

    Raises:
        SystemFailure: the system failed.
    """
    for file in lookup.sidecar_paths(path):
        _forget(file)


def _forget(file: Path) -> None:
    if _is(file, _is_sound_sidecar):
        with change.locked(file, write=False) as held:
            _remove(held)


def _is_sound_sidecar(source: Source) -> bool:
    return lookup.is_sidecar(source, damaged=False)


def _is(file: Path, test: Callable[[Source], bool]) -> bool:
    if not durable.is_file(file):
        return False
    with registry.open_file(file) as fd:
        return test(FileSource.of(fd))


def _place_of(path: Path) -> tuple[Path, Path]:
    """Where the sidecar of a file is to be, which is where one is, and the place of one with the name of before."""
    paths = lookup.sidecar_paths(path)
    places = list(zip(paths[::2], paths[1::2], strict=True))
    return next((pair for pair in places if any(_is(file, lookup.is_sidecar) for file in pair)), places[0])


def _check_sound(file: Path, host: Path) -> None:
    """Raises RefusedExists for a sidecar that is damaged, which is not to be in the way of a new one."""
    if _is(file, lookup.is_sidecar):
        _check_ours(file, _is(file, _is_sound_sidecar), host)


def _write(file: Path, data: bytes, ours: bool, host: Path, mode: int) -> None:
    _check_ours(file, ours, host)
    model_signing.warn_of(file.absolute())
    with durable.kept_times(file.parent):
        write_new_file(file, [data], overwrite=ours, mode=mode)


def _check_ours(file: Path, ours: bool, host: Path) -> None:
    if os.path.islink(file):  # what it leads to is another file's, even where it looks like ours
        raise RefusedExists(
            f"{file} is a symbolic link",
            hint="nothing was changed; remove that link, or name the file that it leads to",
        )
    if not ours and os.path.lexists(file):
        raise RefusedExists(
            f"{file} exists already, and was not put there for {host}",
            hint="nothing was changed; move that file away, or give it another name",
        )


def _remove(held: LockedFile) -> None:
    with durable.kept_times(held.path.parent), durable.system_errors(held.path, "it is as it was"):
        held.check_unchanged()
        let_go(held.fd)
        remove(held.path)
