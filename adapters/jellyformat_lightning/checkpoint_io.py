"""What writes Lightning's checkpoint files, with the snapshot in them. This module needs Lightning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from jellyformat_torch import ADAPTER
from jellyformat_torch.functions import KEY

from jellyformat import training
from jellyformat.adapter import MAGIC
from jellyformat.training import Snapshot, save_beside, saved_in_memory
from jellyformat_lightning._framework import TorchCheckpointIO


class SnapshotCheckpointIO(TorchCheckpointIO):
    """Lightning's ``TorchCheckpointIO`` with a snapshot in each file, local or remote (SPEC JF-ZIP).

    As by Lightning itself, a checkpoint is saved into memory, and appears under its name when it is whole, the
    snapshot in it. Loaded, it is what it is without.

    Args:
        snapshot: What to put in; by default the one that `SnapshotCallback` took, else that of this process
            (`jellyformat.training`) as the plugin was made.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken, or, saving, none put in.
    """

    def __init__(
        self,
        snapshot: Snapshot | None = None,
        *,
        strict: bool = False,
        sign: bool | str | None = None,
        **capture_options: Any,
    ) -> None:
        super().__init__()
        self._given = snapshot
        self._taken = training.take(strict=strict, **capture_options) if snapshot is None else None
        self._strict = strict
        self._sign = sign
        self._is_callbacks = False

    @classmethod
    def of_callback(cls, snapshot: Snapshot, *, strict: bool) -> SnapshotCheckpointIO:
        """What writes the checkpoints of a `SnapshotCallback`, with the snapshot that it sends along."""
        made = cls(snapshot, strict=strict)
        made._is_callbacks = True
        return made

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write the checkpoint to a path or a URL that fsspec knows; arguments as Lightning has them."""
        own, carried = _apart(checkpoint)
        snap = carried if self._given is None or self._is_callbacks else None
        if snap is None:  # else it is marked already
            said: dict[str, object] = {name: own[name] for name in ("epoch", "global_step") if name in own}
            snap = training.mark(self._given or self._taken, own=said, strict=self._strict, sign=self._sign)
        if snap is None or storage_options is not None:  # of which Lightning says that it takes none
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        buffer = saved_in_memory(lambda file: torch.save(own, file), ADAPTER, snap, strict=self._strict)
        filesystem, place = url_to_fs(str(path))
        filesystem.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH120  (it may be a URL)
        if isinstance(filesystem, LocalFileSystem):  # whose own transactions copy from /tmp, where that is another disk
            data = buffer.getbuffer()
            save_beside(place, lambda new: Path(new).write_bytes(data), None, strict=self._strict, follow=False)
            training.saved(path, snap)
            return
        with filesystem.transaction:
            filesystem.pipe_file(place, buffer.getvalue())
        training.saved(path, snap)


def _apart(checkpoint: Mapping[str, Any]) -> tuple[dict[str, Any], Snapshot | None]:
    """The checkpoint without the snapshot that `SnapshotCallback` sends along, and that."""
    carried = checkpoint.get(KEY)
    if isinstance(carried, torch.Tensor) and carried.dtype == torch.uint8:
        data = carried.numpy().tobytes()
        if data.startswith(MAGIC):
            return {name: value for name, value in checkpoint.items() if name != KEY}, Snapshot(data)
    return dict(checkpoint), None
