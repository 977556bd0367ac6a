"""The snapshot of a fit, in every checkpoint that its trainer writes. This module needs Lightning."""

from __future__ import annotations

from typing import Any

from jellyformat_torch.functions import KEY, as_tensor

from jellyformat import training
from jellyformat.training import Snapshot
from jellyformat_lightning._framework import Callback, TorchCheckpointIO
from jellyformat_lightning.checkpoint_io import SnapshotCheckpointIO


class SnapshotCallback(Callback):
    """Every checkpoint that the trainer writes carries the snapshot that is there when ``fit`` begins.

    Files that Lightning's own ``TorchCheckpointIO`` would write, a `SnapshotCheckpointIO` writes. Where another
    plugin or a strategy writes them, such as directories of shards, the snapshot goes along as one more entry of the
    checkpoint, a tensor of bytes (SPEC JF-TEN), of which Lightning takes no notice when it loads; not so in checkpoints
    of weights only, for which Lightning asks no callback: give the plugin a `SnapshotCheckpointIO` to wrap.

    Labels are the epoch, the step and the metrics that were logged; the run of a checkpoint that training resumes from
    goes on.

    The first process of several takes the snapshot, and writes it.

    Args:
        snapshot: What to put in; by default that of this process (`jellyformat.training`) when ``fit`` begins.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``.
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
        self._strict = strict
        self._sign = sign
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
            self._writer = SnapshotCheckpointIO.of_callback(self._carried, strict=self._strict)
            trainer.strategy.checkpoint_io = self._writer

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Go on with the run of the checkpoint that was loaded; called by the trainer."""
        if trainer.ckpt_path and trainer.is_global_zero:
            training.go_on(trainer.ckpt_path)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Send the snapshot along; called by the trainer."""
        if self._carried is not None:
            said = {"epoch": trainer.current_epoch, "global_step": trainer.global_step, **trainer.callback_metrics}
            marked = training.mark(self._carried, own=said, strict=self._strict, sign=self._sign)
            checkpoint[KEY] = as_tensor(marked or self._carried)
