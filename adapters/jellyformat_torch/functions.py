"""torch's save with the code in the file. This module needs torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, cast

import torch
from jellyformat_zip import save_beside, save_to_stream

import jellyformat
from jellyformat_torch._adapter import ADAPTER

KEY = "jellyformat"
"""The name of the tensor that `create_snapshot` makes."""


class _Snapshot(Protocol):
    def to_bytes(self) -> bytes:
        """The container."""


def create_snapshot(**capture_options: Any) -> dict[str, torch.Tensor]:
    """A snapshot of the repository as a dict of one tensor, to be saved as part of an object (SPEC 14.3).

    ``torch.save({"model": model.state_dict(), **create_snapshot()}, "model.pt")``: beside the state dict, not in it,
    or a strict ``load_state_dict`` fails. `save` needs no change to the object.

    Args:
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``.

    Returns:
        ``{"jellyformat": tensor}``, the tensor one-dimensional, uint8, on the CPU: the container's bytes.

    Raises:
        JellyError: there is no repository, or the capture was refused.
    """
    container = jellyformat.snapshot(**capture_options).to_bytes()
    return {KEY: torch.frombuffer(bytearray(container), dtype=torch.uint8)}


create_jelly_filling = create_snapshot


def save(
    obj: object,
    f: str | os.PathLike[str] | IO[bytes],
    *,
    snapshot: _Snapshot | None = None,
    **torch_save_kwargs: Any,
) -> None:
    """``torch.save`` with a snapshot in the file: ``torch.load`` gives ``obj`` alone (SPEC 14.2).

    The snapshot is taken first, then a temporary file is written beside ``f`` and moved over it: whatever goes wrong,
    ``f`` is as it was. A file object is written to only when all is done, from memory.

    Args:
        obj: What to save.
        f: A path, or a binary file object open for writing.
        snapshot: What to put in; by default a new one of the repository around the working directory.
        torch_save_kwargs: Passed on to ``torch.save``.

    Raises:
        JellyError: there is no repository, or the capture was refused.
    """
    taken: Any = jellyformat.snapshot() if snapshot is None else snapshot

    def write(target: Any) -> None:
        torch.save(obj, target, **torch_save_kwargs)

    if not isinstance(f, (str, os.PathLike)):
        save_to_stream(cast(BinaryIO, f), write, ADAPTER, taken.to_bytes())
    elif Path(f).exists() and not Path(f).is_file():  # a device or pipe can't be replaced
        with open(f, "wb") as stream:
            save_to_stream(stream, write, ADAPTER, taken.to_bytes())
    else:
        save_beside(f, write, lambda path: jellyformat.embed(path, taken, replace=True))
