"""A snapshot as it goes into the next checkpoint, and never the end of the run (SPEC JF-EXT)."""

from __future__ import annotations

from collections.abc import Mapping

from jellyformat import signing
from jellyformat.errors import Usage
from jellyformat.format.text import brief
from jellyformat.snapshots import Snapshot
from jellyformat.training import marks, process

_NAMED = 3
"""Labels that are named in a warning."""


def mark(
    snap: Snapshot | None,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    *,
    own: Mapping[str, object] | None = None,
    strict: bool = False,
    sign: bool | str | None = None,
) -> Snapshot | None:
    """A snapshot as it goes into the next checkpoint: with its labels, its note, its place in the run, and signed.

    To be called once for each checkpoint, just before it is saved.

    Args:
        snap: The snapshot; None is given back.
        labels: What the caller says of the checkpoint.
        note: The same, as a text.
        own: What the framework says of it; `label` and ``labels`` go before it.
        strict: Raise what otherwise is a warning: that a label or note is longer than allowed, or that the key did not
            sign.
        sign: Whether to sign it, or with which key (`jellyformat.sign`). None: as `start` was told, else if the user's
            git configuration has ``jellyformat.sign`` set. Nobody is asked for a passphrase, or waited for.

    Raises:
        JellyError: with ``strict`` alone.
    """
    if snap is None:
        return None

    def signed(data: bytes) -> bytes:
        try:
            return signing.unasked(data, process.signs() if sign is None else sign)
        except Exception as error:  # a checkpoint is worth more than its signature
            if strict:
                raise
            process.warn(f"the checkpoint is not signed: {process.told(error)}")
            return data

    def left_out(names: list[str]) -> None:
        shown = ", ".join(brief(name) for name in names[:_NAMED])
        more = "" if len(names) <= _NAMED else f" and {len(names) - _NAMED} more"
        if names:
            process.warn(f"left out of the checkpoint's labels, as they are too long for one: {shown}{more}")

    try:
        try:
            return marks.mark(snap, labels, note, own or {}, signed)
        except Usage:
            if strict:
                raise
            return marks.mark(snap, labels, note, own or {}, signed, left_out=left_out)  # one does not cost the others
    except Exception as error:
        if strict:
            raise
        process.warn(f"the checkpoint has no labels: {process.told(error)}")
        return snap
