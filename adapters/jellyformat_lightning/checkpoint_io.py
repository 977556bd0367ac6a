"""What writes Lightning's checkpoint files, with the snapshot in them. This module needs Lightning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from fsspec.core import url_to_fs
from jellyformat_torch import ADAPTER
from jellyformat_torch.functions import KEY

from jellyformat import training
from jellyformat.container import MAGIC
from jellyformat.saving import saved_in_memory
from jellyformat.snapshots import Snapshot
from jellyformat_lightning._framework import TorchCheckpointIO


class SnapshotCheckpointIO(TorchCheckpointIO):
    """Lightning's ``TorchCheckpointIO`` with a snapshot in each file, local or remote (SPEC 14.2).

    As by Lightning itself, a checkpoint is saved into memory, and appears under its name when it is whole, the
    snapshot in it. Loaded, it is what it is without.

    Args:
        snapshot: What to put in; by default the one that `SnapshotCallback` took, else that of this process
            (`jellyformat.training`) as the plugin was made.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken, or, saving, none put in.
    """

    def __init__(self, snapshot: Snapshot | None = None, *, strict: bool = False, **capture_options: Any) -> None:
        super().__init__()
        self._given = snapshot
        self._taken = training.take(strict=strict, **capture_options) if snapshot is None else None
        self._strict = strict

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write the checkpoint to a path or a URL that fsspec knows; arguments as Lightning has them."""
        own, carried = _apart(checkpoint)
        snap = self._given or carried or self._taken
        if snap is None or storage_options is not None:  # of which Lightning says that it takes none
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        buffer = saved_in_memory(lambda file: torch.save(own, file), ADAPTER, snap, strict=self._strict)
        filesystem, place = url_to_fs(str(path))
        filesystem.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH120  (it may be a URL)
        with filesystem.transaction:
            filesystem.pipe_file(place, buffer.getvalue())


def _apart(checkpoint: Mapping[str, Any]) -> tuple[dict[str, Any], Snapshot | None]:
    """The checkpoint without the snapshot that `SnapshotCallback` sends along, and that."""
    carried = checkpoint.get(KEY)
    if isinstance(carried, torch.Tensor) and carried.dtype == torch.uint8:
        data = carried.numpy().tobytes()
        if data.startswith(MAGIC):
            return {name: value for name, value in checkpoint.items() if name != KEY}, Snapshot(data)
    return dict(checkpoint), None
