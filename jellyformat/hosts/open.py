"""Open the container of a file: in it, beside it, in its directory, or the file itself (SPEC JF-HST)."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from dataclasses import replace

from jellyformat.errors import BadManifest, HostWarning
from jellyformat.format.container import BARE, Container
from jellyformat.format.frames import Known
from jellyformat.format.pool import Outside
from jellyformat.format.source import Metered
from jellyformat.hosts import binding, lookup, pointers
from jellyformat.hosts.directories import Directory
from jellyformat.hosts.registry import Listed, Readable
from jellyformat.hosts.settled import settled


def open_container(
    file: Readable | Listed,
    outside: Outside | None = None,
    *,
    read_limit: int | None = None,
    known: Known | None = None,
) -> Container:
    """Open the container in a host, in its sidecar or directory, or a bare one.

    Args:
        file: A path, a binary file object, a URL that fsspec knows, or a file behind one that was listed.
        outside: The objects a thin container leaves to its prerequisites.
        read_limit: How many bytes of a file are read at most, for who looks at many: a legacy torch file is searched
            to its end.
        known: Header and manifest as they were read before; if they are still the same, that is not done again.

    Raises:
        NoSnapshot: the file carries none.
        Busy: another process is changing it all the time.
        SizeLimit: more than ``read_limit`` bytes would have to be read.
        FormatError: host or container are damaged.
        SystemFailure: the file cannot be read.

    Warns:
        HostWarning: it lies beside a file whose size has changed since, or was put beside one that is gone.
    """
    box = settled(file, lambda: _open_once(file, outside, read_limit, known), lambda box: False)
    if box.host_changed:
        warnings.warn(
            f"{box.name} has changed since the snapshot was put beside it, in {box.file}: it may be of other code",
            HostWarning,
            stacklevel=2,
        )
    if box.lost_host is not None:
        warnings.warn(
            f"{box.name} was put beside {box.lost_host}, which is not there any more",
            HostWarning,
            stacklevel=2,
        )
    return box


def _open_once(
    file: Readable | Listed, outside: Outside | None, read_limit: int | None, known: Known | None
) -> Container:
    stack = ExitStack()
    try:
        named = stack.enter_context(lookup.named(file))
        if read_limit is not None and not isinstance(named.place, Directory):
            named = replace(named, place=Metered(named.place, read_limit))
        held = lookup.container_in(named)
        box = Container(held.container, host=held.host, form=held.form, name=named.name, outside=outside, known=known)
        box.file = held.file
        box.host_changed = _has_changed(named, box)
        box.lost_host = _lost_host(named, box)
    except BaseException:
        stack.close()
        raise
    box.resources = stack
    return box


def _has_changed(named: lookup.Named, box: Container) -> bool:
    """Whether the host of a sidecar is seen to be another file: by its size, its bytes are not read (JF-SDC-005)."""
    if box.host != binding.SIDECAR or isinstance(named.place, Directory):
        return False
    try:
        sidecar = binding.sidecar_of(box.manifest.extensions)
    except BadManifest:  # for verify to say
        return False
    return sidecar is not None and named.place.size != sidecar.size and pointers.pointer(named.place) is None


def _lost_host(named: lookup.Named, box: Container) -> str | None:
    """The name of the file that a sidecar which was named was put beside, where that is not there; else None."""
    if named.path is None or box.host != BARE:
        return None
    try:
        sidecar = binding.sidecar_of(box.manifest.extensions)
    except BadManifest:  # for verify to say
        return None
    if sidecar is None or lookup.host_of(named.path, sidecar) is not None:
        return None
    return os.fsdecode(sidecar.name)
