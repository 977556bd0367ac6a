"""torch's save with the code in the file. This module needs torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

from jellyformat import training
from jellyformat.adapter import Append, RefusedHost, Source
from jellyformat.training import Snapshot, save_beside, save_to_stream
from jellyformat_torch._adapter import ADAPTER
from jellyformat_torch._legacy import is_legacy

KEY = "jellyformat"
"""The name of the tensor that `create_snapshot` makes."""


def create_snapshot(
    *,
    strict: bool = False,
    ranks: str | None = None,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **capture_options: Any,
) -> dict[str, torch.Tensor]:
    """This process's snapshot as a dict of one tensor, to be saved as part of an object (SPEC JF-TEN).

    ``torch.save({"model": model.state_dict(), **create_snapshot()}, "model.pt")``: beside the state dict, not in it,
    or a strict ``load_state_dict`` fails. `save` needs no change to the object.

    Training goes on whatever happens: what seems to be a secret or is too large is left out, and where no snapshot can
    be taken the dict is empty; both with a `jellyformat.training.SnapshotWarning`.

    Args:
        strict: Raise what otherwise is a warning.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        ranks: ``first``: only the first of the processes that train together takes a snapshot, the dict being empty
            for the others; ``all``: each does. None: as the environment variable ``JELLYFORMAT_RANKS`` says, else
            ``first``.
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``. The same ones give
            the same snapshot for as long as the process lives (`jellyformat.training`).

    Returns:
        ``{"jellyformat": tensor}``, the tensor one-dimensional, uint8, on the CPU: the container's bytes.

    Raises:
        JellyError: with ``strict``, there is no repository, or the capture was refused.
    """
    snap = training.mark(
        training.take(strict=strict, ranks=ranks, **capture_options), labels, note, strict=strict, sign=sign
    )
    return {} if snap is None else {KEY: as_tensor(snap)}


def as_tensor(snap: Snapshot) -> torch.Tensor:
    """The container's bytes as a tensor: one-dimensional, uint8, on the CPU."""
    return torch.frombuffer(bytearray(snap.to_bytes()), dtype=torch.uint8)


create_jelly_filling = create_snapshot


class _Following:
    """Puts a snapshot into zips only: ``torch.load`` reads the old format where it stands, and more may follow."""

    def plan_embed(self, source: Source, container: bytes) -> Append:
        """As ``TorchAdapter.plan_embed``. Raises RefusedHost."""
        if is_legacy(source):
            raise RefusedHost(
                "in a file object, another object may follow one in torch's old format, and nothing can stand between",
                requirement="JF-HST-004",
                hint="name a path, or save without _use_new_zipfile_serialization=False",
            )
        return ADAPTER.plan_embed(source, container)


def save(
    obj: object,
    f: str | os.PathLike[str] | IO[bytes],
    *torch_save_args: Any,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    ranks: str | None = None,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **torch_save_kwargs: Any,
) -> None:
    """``torch.save`` with a snapshot in the file: ``torch.load`` gives ``obj`` alone (SPEC JF-ZIP).

    The snapshot is there first, then a temporary file is written beside ``f`` and moved over it: where saving fails,
    ``f`` is as it was. A file object is written to as torch does it, and the snapshot behind; with ``strict``, when
    all is done, from memory. In torch's old format it gets ``obj`` alone, for more may follow. Where no snapshot can
    be taken or put in, that is a warning and ``obj`` is saved alone.

    Args:
        obj: What to save.
        f: A path, or a binary file object open for writing.
        torch_save_args: Passed on to ``torch.save``: ``pickle_module`` and so on.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        strict: Raise what otherwise is a warning; ``f`` is then as it was.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        ranks: Which of the processes that train together take a snapshot, as for `create_snapshot`.
        torch_save_kwargs: Passed on to ``torch.save``.

    Raises:
        JellyError: with ``strict``, there is no repository, or the capture was refused.
    """
    carriers = (f,) if isinstance(f, (str, os.PathLike)) else ()
    taken = snapshot or training.take(strict=strict, ranks=ranks, repo=repo, carriers=carriers)
    taken = training.mark(taken, labels, note, strict=strict, sign=sign)
    if taken is None:
        torch.save(obj, cast(Any, f), *torch_save_args, **torch_save_kwargs)
        return

    def write(target: Any) -> None:
        torch.save(obj, target, *torch_save_args, **torch_save_kwargs)

    if not isinstance(f, (str, os.PathLike)):
        save_to_stream(cast(BinaryIO, f), write, _Following(), taken, strict=strict)
    elif Path(f).exists() and not Path(f).is_file():  # a device or pipe can't be replaced
        with open(f, "wb") as stream:
            save_to_stream(stream, write, ADAPTER, taken, strict=strict)
    else:
        save_beside(f, write, taken, strict=strict)
