"""What the save functions share; imports no framework."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import util
from typing import TYPE_CHECKING, Any

from jellyformat import training
from jellyformat.container import MAGIC
from jellyformat.errors import Usage

if TYPE_CHECKING:
    from jellyformat import Snapshot

NAME = "jellyformat"


def capture(
    snapshot: Snapshot | None,
    repo: str | os.PathLike[str],
    history: str | int,
    strict: bool,
    filename: str | os.PathLike[str] | None = None,
) -> Snapshot | None:
    """``snapshot``, or this process's of the repository at ``repo``; None, and a warning, where there can be none."""
    if snapshot is not None:
        return snapshot
    carriers = () if filename is None else (filename,)
    return training.take(strict=strict, repo=repo, history=history, carriers=carriers)


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
