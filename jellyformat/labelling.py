"""Labels and notes of checkpoints: what somebody says of them, beside the code that made them (SPEC JF-EXT)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from jellyformat.capture.labels import labelled
from jellyformat.errors import Busy, Usage
from jellyformat.format import frames
from jellyformat.format.info import SnapshotInfo
from jellyformat.format.source import read_exactly
from jellyformat.hosts import changing, registry
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import PathLike
from jellyformat.reading import show


def label(
    path: PathLike,
    labels: Mapping[str, object] | None = None,
    *,
    remove: Collection[str] = (),
    note: str | None = None,
    out: PathLike | None = None,
    drop_signatures: bool = False,
    in_place: bool = False,
    copy: bool = False,
) -> SnapshotInfo:
    """Set and remove labels of a checkpoint that carries a snapshot, and write its note (SPEC JF-EXT).

    Its code and the snapshot's id stay the same. Values that look like secrets are blanked, as in a command line.

    Args:
        path: The file or directory. What holds the snapshot is changed in place, whole or not at all.
        labels: New values by name; numbers are written as JSON writes them. Other labels stay.
        remove: Names of labels to take away.
        note: The new note; an empty one takes it away; None leaves it.
        drop_signatures: Take away signatures, which would no longer hold (JF-SIG-002).
        out: A new file to write instead; not where the snapshot is beside the file, or the file is a directory.
        in_place: As for `jellyformat.embed`.
        copy: As for `jellyformat.embed`.

    Returns:
        What the snapshot then says.

    Raises:
        Usage: nothing is to be changed, or a label or note is longer than allowed (JF-EXT-001, JF-EXT-002).
        NoSnapshot: the file carries none.
        RefusedSigned: it is signed, and ``drop_signatures`` is not given.
        RefusedHost: the file cannot be changed in place or is in a store that others read from; or it has more than
            one name, and neither ``out`` nor ``copy`` is given (JF-HST-005).
        FormatError: host or container are damaged; nothing was changed.
        Busy: another program has the file open, or is changing it.
    """
    if not labels and not remove and note is None:
        raise Usage("there is nothing to change: name a label and its value", hint="nothing was changed")
    changing.check_one_way(out=out, in_place=in_place, copy=copy)
    host = Path(path)
    with open_container(host) as box:
        place = box.file or host
    with changing.holding(host, place, out=out, copy=copy) as target:
        found = registry.recognize(target.source)
        if found.carried is None:
            raise Busy(f"{host} was changed by somebody else meanwhile", hint="nothing was done; run it again")
        header = frames.parse_header(found.carried.container.read_at(0, frames.HEADER_LENGTH))
        old = read_exactly(found.carried.container, 0, header.total_length)
        new = labelled(old, labels or {}, note, remove=remove, drop_signatures=drop_signatures)
        if new != old or out is not None:
            changing.put_back(target, found.adapter, found.carried, new, out=out, in_place=in_place, copy=copy)
    return show(host if out is None else Path(out))
