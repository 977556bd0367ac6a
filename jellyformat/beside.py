"""Containers in files of their own, tied to a host: a sidecar, or one file in a directory (SPEC 14.6, 14.7)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from jellyformat import atomic, binding, container, fileio, hosts, lookup, registry
from jellyformat.atomic import Host
from jellyformat.binding import BINDING, SIDECAR, Sidecar
from jellyformat.directories import Directory
from jellyformat.errors import FormatError, NoSnapshot, RefusedExists, RefusedHost
from jellyformat.host import Copy, Rewrite
from jellyformat.msgpack import Value
from jellyformat.newfile import free, publish, remove, write_new_file
from jellyformat.source import FileSource, Source


def sidecar_at(path: Path) -> Path | None:
    """The sidecar of the file ``path``, whether its host has changed or not; None where there is none."""
    return next((file for file in lookup.sidecar_paths(path) if _is(file, lookup.is_sidecar)), None)


def put_beside(path: Path, host: Host, data: bytes, bound: Value) -> Path:
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
    file = _place_of(path)
    with fileio.system_errors(path, "nothing was changed"):
        digest = hosts.sha256_of(host.source)
    sidecar = Sidecar(os.fsencode(path.name), host.source.size, digest)
    changes = {SIDECAR: sidecar.to_value(), BINDING: bound}
    data = container.with_extensions(data, changes)
    host.check_unchanged()
    _write(file, data, _is(file, _is_sound_sidecar), path, stat.S_IMODE(host.seen.st_mode) & 0o666)
    return file


def check_free(path: Path) -> None:
    """Raises RefusedExists if something has the name of a sidecar of ``path`` and is none."""
    file = _place_of(path)
    _check_ours(file, _is(file, _is_sound_sidecar), path)


def move_beside(made: Path, path: Path) -> None:
    """Give a sidecar that was made elsewhere on the same filesystem its place beside its host, as `put_beside`.

    Args:
        made: The sidecar, on the disk.
        path: The host, as it was named.

    Raises:
        RefusedExists: something else has that name.
        SystemFailure: the system failed; no sidecar was moved.
    """
    file = _place_of(path)
    ours = _is(file, _is_sound_sidecar)
    _check_ours(file, ours, path)
    with fileio.system_errors(file, "no sidecar was written"):
        made.chmod(stat.S_IMODE((file if ours else path).stat().st_mode) & 0o666)
        publish(made, free(file, ours), ours)


def take_from_beside(path: Path, host: Host, *, out: Path | None) -> bool:
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
    with atomic.locked(file, write=False) as held:
        hint = f"nothing was changed; look at it with show {file}, and delete it if that is what you want"
        try:
            extensions = lookup.read_extensions(held.source)
            sidecar = binding.sidecar_of(extensions)
            binding.binding_of(extensions)
        except FormatError as error:
            raise RefusedHost(f"{file} is damaged: {error.message}", hint=hint) from error
        with fileio.system_errors(path, "nothing was changed"):
            same = sidecar is not None and hosts.host_is(host.source, sidecar)
            adapter = registry.adapter_for(host.source)
            same = same or hosts.has_its_weights(hosts.Host(str(path), host.source, adapter, None), extensions)
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
            hint="nothing was changed; to put this one in its place, add --replace",
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
    with atomic.locked(directory.file, write=False) as held:
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


def forget_sidecar(file: Path) -> None:
    """Remove a sidecar in whose place another container has come; one that is damaged stays.

    Raises:
        SystemFailure: the system failed.
    """
    if _is(file, _is_sound_sidecar):
        with atomic.locked(file, write=False) as held:
            _remove(held)


def _is_sound_sidecar(source: Source) -> bool:
    return lookup.is_sidecar(source, damaged=False)


def _is(file: Path, test: Callable[[Source], bool]) -> bool:
    if not fileio.is_file(file):
        return False
    with registry.opened(file) as fd:
        return test(FileSource.of(fd))


def _place_of(path: Path) -> Path:
    """Where the sidecar of a file is, or is to be."""
    return sidecar_at(path) or lookup.sidecar_paths(path)[0]


def _write(file: Path, data: bytes, ours: bool, host: Path, mode: int) -> None:
    _check_ours(file, ours, host)
    write_new_file(file, [data], overwrite=ours, mode=mode)


def _check_ours(file: Path, ours: bool, host: Path) -> None:
    if not ours and os.path.lexists(file):
        raise RefusedExists(
            f"{file} exists already, and was not put there for {host}",
            hint="nothing was changed; move that file away, or give it another name",
        )


def _remove(held: Host) -> None:
    with fileio.system_errors(held.path, "it is as it was"):
        held.check_unchanged()
        remove(held.path)
