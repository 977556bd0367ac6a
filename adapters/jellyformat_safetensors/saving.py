"""What the save functions share; imports no framework."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import util
from typing import TYPE_CHECKING, Any

from jellyformat import training
from jellyformat.adapter import MAGIC, JellyError, Usage
from jellyformat_safetensors.adapter import own_member

if TYPE_CHECKING:
    from jellyformat.training import Snapshot

NAME = "jellyformat"
_TIES = frozenset(("binding", "sidecar"))
"""Extensions that tie a container to one host (SPEC JF-BND, JF-SDC): they are looked at when it is put into another."""


def capture(
    snapshot: Snapshot | None,
    repo: str | os.PathLike[str] | None,
    history: str | int,
    strict: bool,
    filename: str | os.PathLike[str] | None = None,
) -> Snapshot | None:
    """``snapshot``, or this process's of the repository at ``repo``; None, and a warning, where there can be none."""
    if snapshot is not None:
        return snapshot
    carriers = () if filename is None else (filename,)
    return training.take(strict=strict, repo=repo, history=history, carriers=carriers)


def with_snapshot(
    metadata: dict[str, str] | None, tensors: Mapping[str, Any], snapshot: Snapshot | None
) -> dict[str, str] | None:
    """The metadata with the snapshot as a member, for safetensors to write; None where it has to be put in afterwards.

    To put it in afterwards writes all tensors a second time, since they lie behind it.
    """
    if snapshot is None:
        return None
    try:
        if not _TIES.isdisjoint(snapshot.manifest.extensions):
            return None
    except JellyError:  # it is embedded as it is, and verify tells
        pass
    size = sum(int(tensor.nbytes) for tensor in tensors.values())
    member = own_member(snapshot.to_bytes(), metadata, len(tensors), size)
    return None if member is None else {**(metadata or {}), NAME: member}


def write_tensors(
    save_file: Callable[..., object],
    tensors: Mapping[str, Any],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None,
    snapshot: Snapshot | None,
    *,
    strict: bool,
) -> None:
    """Save tensors by safetensors' own ``save_file``, the snapshot in their header from the first where it can be.

    Raises:
        JellyError: with ``strict``, the snapshot cannot be put in; ``filename`` is as it was.
    """
    own, text = own_tensors(tensors), own_metadata(metadata)
    carrying = with_snapshot(text, own, snapshot)
    written = text if carrying is None else carrying
    training.save_beside(
        filename,
        lambda path: save_file(own, path, metadata=written),
        snapshot,
        strict=strict,
        carried=carrying is not None,
    )


def framework_of(tensors: Mapping[str, Any]) -> str:
    """``torch`` or ``numpy``, by the first tensor; neither is imported for that.

    Raises:
        Usage: the tensors are of another framework.
    """
    for tensor in tensors.values():
        for framework, kind in (("torch", "Tensor"), ("numpy", "ndarray")):
            module = sys.modules.get(framework)
            if module is not None and isinstance(tensor, getattr(module, kind)):
                return framework
        raise Usage(f"tensors of torch and numpy can be saved, not {type(tensor).__module__}.{type(tensor).__name__}")
    return "numpy" if util.find_spec("numpy") else "torch"


def own_metadata(metadata: Mapping[str, str] | None) -> dict[str, str] | None:
    """A copy of ``metadata`` without the container of the file that it was read from."""
    if metadata is None:
        return None
    rest = {name: value for name, value in metadata.items() if name != NAME}
    return rest if rest or not metadata else None


def own_tensors(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of ``tensors`` without the container of the file that they were read from.

    Raises:
        Usage: another tensor has the container's name.
    """
    rest = dict(tensors)
    present = rest.pop(NAME, None)
    if present is not None:
        flat = getattr(present, "ndim", 0) == 1 and str(present.dtype).endswith("uint8")
        if not flat or bytes(present[: len(MAGIC)].tolist()) != MAGIC:
            raise Usage(f"a tensor cannot be named {NAME!r}: that is where a safetensors file carries its snapshot")
    return rest
