"""`safetensors.numpy`, with a snapshot of the code in what is saved. Importing this imports numpy and safetensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy as framework
from safetensors.numpy import load, load_file

from jellyformat.saving import embedded, save_beside
from jellyformat.snapshots import Snapshot
from jellyformat_safetensors.adapter import ADAPTER
from jellyformat_safetensors.saving import capture, own_metadata, own_tensors

__all__ = ["load", "load_file", "save", "save_file"]


def save_file(
    tensors: Mapping[str, np.ndarray[Any, Any]],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] = ".",
    history: str | int = "head",
    strict: bool = False,
) -> None:
    """`safetensors.numpy.save_file`, with a snapshot in the file (SPEC 14.4).

    The file is written beside ``filename`` and renamed over it when the snapshot is in it: what was there before
    stays until then. A snapshot that came with ``tensors`` or ``metadata`` from another file gives way.

    Args:
        tensors: Names to numpy arrays.
        filename: The file to make.
        metadata: Text to save beside the tensors.
        snapshot: From ``jellyformat.snapshot``; None takes that of this process (`jellyformat.training`).
        repo: Where to take it: the repository, or a directory in it.
        history: ``head``, ``full``, or the number of commits to take along.
        strict: Raise where there can be no snapshot; else that is a warning, and the tensors are saved without.

    Raises:
        JellyError: with ``strict``, the repository cannot be captured or the snapshot not embedded; ``filename``
            is as it was.
    """
    taken = capture(snapshot, repo, history, strict, filename)
    own, text = own_tensors(tensors), own_metadata(metadata)
    save_beside(filename, lambda path: framework.save_file(own, path, metadata=text), taken, strict=strict)


def save(
    tensors: Mapping[str, np.ndarray[Any, Any]],
    metadata: Mapping[str, str] | None = None,
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] = ".",
    history: str | int = "head",
    strict: bool = False,
) -> bytes:
    """`safetensors.numpy.save`, with a snapshot in the bytes returned (SPEC 14.4).

    Args:
        tensors: Names to numpy arrays.
        metadata: Text to save beside the tensors.
        snapshot: From ``jellyformat.snapshot``; None takes that of this process (`jellyformat.training`).
        repo: Where to take it: the repository, or a directory in it.
        history: ``head``, ``full``, or the number of commits to take along.
        strict: Raise where there can be no snapshot; else that is a warning, and the tensors are saved without.

    Raises:
        JellyError: with ``strict``, the repository cannot be captured or the snapshot not embedded.
    """
    taken = capture(snapshot, repo, history, strict)
    return embedded(
        framework.save(own_tensors(tensors), metadata=own_metadata(metadata)), ADAPTER, taken, strict=strict
    )
