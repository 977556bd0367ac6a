"""The snapshot of a fit, in every checkpoint that its trainer writes. This module needs Lightning."""

from __future__ import annotations

from typing import Any

from jellyformat_torch.functions import KEY, as_tensor

from jellyformat import training
from jellyformat.snapshots import Snapshot
from jellyformat_lightning._framework import Callback, TorchCheckpointIO
from jellyformat_lightning.checkpoint_io import SnapshotCheckpointIO


class SnapshotCallback(Callback):
    """Every checkpoint that the trainer writes carries the snapshot that is there when ``fit`` begins.

    Files that Lightning's own ``TorchCheckpointIO`` would write, a `SnapshotCheckpointIO` writes. Where another
    plugin or a strategy writes them, such as directories of shards, the snapshot goes along as one more entry of the
    checkpoint, a tensor of bytes (SPEC 14.3), of which Lightning takes no notice when it loads; not so in checkpoints
    of weights only, for which Lightning asks no callback: give the plugin a `SnapshotCheckpointIO` to wrap.

    The first process of several takes the snapshot, and writes it.

    Args:
        snapshot: What to put in; by default that of this process (`jellyformat.training`) when ``fit`` begins.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``.
    """

    def __init__(self, snapshot: Snapshot | None = None, *, strict: bool = False, **capture_options: Any) -> None:
        super().__init__()
        self._given = snapshot
        self._strict = strict
        self._options = capture_options
        self._carried: Snapshot | None = None
        self._writer: SnapshotCheckpointIO | None = None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Take the snapshot, and have it written; called by the trainer.

        Raises:
            JellyError: with ``strict``, no snapshot can be taken.
        """
        if stage != "fit":
            return
        self._carried = self._given
        if self._carried is None and trainer.is_global_zero:
            self._carried = training.take(strict=self._strict, ranks="all", **self._options)
        writer = trainer.strategy.checkpoint_io
        if self._carried is not None and (writer is self._writer or type(writer) is TorchCheckpointIO):
            self._writer = SnapshotCheckpointIO(self._carried, strict=self._strict)
            trainer.strategy.checkpoint_io = self._writer

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Send the snapshot along; called by the trainer."""
        if self._carried is not None:
            checkpoint[KEY] = as_tensor(self._carried)
