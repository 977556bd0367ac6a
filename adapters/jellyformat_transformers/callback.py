"""The snapshot of a training, in every checkpoint folder. This module needs transformers."""

from __future__ import annotations

import contextlib
import inspect
import os
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from jellyformat import training
from jellyformat.training import Snapshot
from jellyformat_transformers.functions import put, said_of


class SnapshotCallback(TrainerCallback):
    """Every checkpoint folder that the trainer writes carries the snapshot that is there when ``train`` begins.

    The first process of several takes the snapshot, and puts it in when the trainer has saved; into ``output_dir``
    as well where the trainer pushes that to the hub. No callback is asked when ``trainer.save_model`` is called:
    `jellyformat_transformers.save_model` does the same with the snapshot. Labels are the step, the epoch, and the
    numbers that were logged last; the run of a checkpoint that training resumes from goes on.

    Args:
        snapshot: What to put in; by default that of this process (`jellyformat.training`) when ``train`` begins.
        weights: Put it into each file of weights, too, so that it goes along with a file that is moved elsewhere.
            A safetensors file is copied for that.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``.
    """

    def __init__(
        self,
        snapshot: Snapshot | None = None,
        *,
        weights: bool = False,
        strict: bool = False,
        sign: bool | str | None = None,
        **capture_options: Any,
    ) -> None:
        self._given = snapshot
        self._weights = weights
        self._strict = strict
        self._sign = sign
        self._options = capture_options
        self._carried: Snapshot | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the snapshot; called by the trainer.

        Raises:
            JellyError: with ``strict``, no snapshot can be taken.
        """
        self._carried = None
        if state.is_world_process_zero:
            self._carried = self._given or training.take(strict=self._strict, ranks="all", **self._options)
        if state.is_world_process_zero and state.global_step:  # it resumes
            training.go_on(_resumed_from() or _folder(args, state))
        if args.push_to_hub and self._carried is not None:
            put(args.output_dir, self._carried, weights=False, strict=self._strict)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put the snapshot into the folder that was written; called by the trainer.

        Raises:
            JellyError: with ``strict``, it cannot be put in.
        """
        if self._carried is not None and state.is_world_process_zero:
            marked = (
                training.mark(self._carried, own=said_of(state), strict=self._strict, sign=self._sign) or self._carried
            )
            put(_folder(args, state), marked, weights=self._weights, strict=self._strict)


def _resumed_from() -> str | None:
    """The folder that the trainer resumes from, which may be one of another run; None where it cannot be told.

    No callback is told of it, and the arguments need not name it: it is an argument of ``Trainer.train``.
    """
    frame = inspect.currentframe()
    while frame is not None:
        given = frame.f_locals.get("resume_from_checkpoint")
        if frame.f_globals.get("__name__") == "transformers.trainer" and isinstance(given, (str, os.PathLike)):
            return os.fspath(given)
        frame = frame.f_back
    return None


def _folder(args: Any, state: Any) -> Path:
    """The checkpoint's folder; in a search for hyperparameters it is in a folder of the trial."""
    output, name = Path(args.output_dir), f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
    if not state.is_hyper_param_search:
        return output / name
    with contextlib.suppress(OSError):  # one may vanish as we look
        return max(output.glob(f"*/{name}"), key=lambda path: path.stat().st_mtime, default=output / name)
    return output / name
