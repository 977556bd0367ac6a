"""What the save functions share: capture, write beside the file, embed, rename over it. Imports no framework."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib import util
from typing import TYPE_CHECKING, Any

from jellyformat import training
from jellyformat.container import MAGIC
from jellyformat.errors import JellyError, Usage
from jellyformat.host import Copy
from jellyformat.source import BytesSource
from jellyformat_safetensors.adapter import ADAPTER

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
    """``snapshot``, or one of the repository at ``repo`` now; None, and a warning, where there can be none."""
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


def save_with(
    write: Callable[[str], object], filename: str | os.PathLike[str], snapshot: Snapshot | None, strict: bool
) -> None:
    """Let ``write`` make a file beside ``filename``, embed ``snapshot`` into it, and rename it to ``filename``.

    Args:
        write: The framework's own save function; gets the path to write to.
        filename: Replaced only when all is done; a symbolic link stays one.
        snapshot: What to embed, if anything.
        strict: Raise where it cannot be embedded; else that is a warning.
    """
    target = os.path.realpath(os.fspath(filename))
    beside = os.path.join(os.path.dirname(target), f".jelly-{secrets.token_hex(8)}.tmp")  # noqa: PTH118, PTH120
    try:
        write(beside)
        if snapshot is not None:
            training.embed(beside, snapshot, strict=strict)
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(target, beside)
        os.replace(beside, target)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)  # noqa: PTH108
        raise


def embedded(data: bytes, snapshot: Snapshot | None, strict: bool) -> bytes:
    """The safetensors file ``data`` with ``snapshot`` in it; where that fails and not ``strict``, without."""
    if snapshot is None:
        return data
    try:
        plan = ADAPTER.plan_embed(BytesSource(data), snapshot.to_bytes())
    except JellyError as error:
        if strict:
            raise
        training.warn(f"the tensors were saved without a snapshot of the code: {error.message}")
        return data
    parts = (
        data[part.offset : part.offset + part.length] if isinstance(part, Copy) else part for part in plan.segments
    )
    return b"".join(parts)
