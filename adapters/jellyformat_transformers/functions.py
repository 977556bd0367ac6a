"""transformers' save calls with the code in the folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jellyformat import training
from jellyformat.snapshots import Snapshot

_WEIGHTS = ("*.safetensors", "*model*.bin")
"""Files of weights, whole or shards; ``training_args.bin`` is none."""


def save_model(
    trainer: Any,
    output_dir: str | None = None,
    *,
    snapshot: Snapshot | None = None,
    weights: bool = False,
    strict: bool = False,
) -> None:
    """``trainer.save_model`` with a snapshot in the folder. To be called on every process, as that is.

    Args:
        trainer: The trainer.
        output_dir: The folder; None is that of the trainer.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        weights: Put it into each file of weights, too; a safetensors file is copied for that.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; the model is saved in the latter case.
    """
    first = trainer.is_world_process_zero()
    taken = snapshot or (training.take(strict=strict, ranks="all") if first else None)
    trainer.save_model(output_dir)
    if first and taken is not None:
        put(output_dir or trainer.args.output_dir, taken, weights=weights, strict=strict)


def save_pretrained(
    model: Any,
    save_directory: str | os.PathLike[str],
    *,
    snapshot: Snapshot | None = None,
    weights: bool = False,
    strict: bool = False,
    **kwargs: Any,
) -> None:
    """``model.save_pretrained`` with a snapshot in the folder.

    Args:
        model: Whatever has that method: a model, a tokenizer, a processor, a pipeline, a PEFT adapter.
        save_directory: The folder.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        weights: Put it into each file of weights, too; a safetensors file is copied for that.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        kwargs: Passed on.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; the model is saved in the latter case.
    """
    taken = snapshot or training.take(strict=strict)
    model.save_pretrained(save_directory, **kwargs)
    if taken is not None:
        put(save_directory, taken, weights=weights, strict=strict)


def put(folder: str | os.PathLike[str], snapshot: Snapshot, *, weights: bool, strict: bool) -> None:
    """Put the snapshot into a folder that was just written.

    Args:
        folder: The folder.
        snapshot: The snapshot.
        weights: Put it into each file of weights, too.
        strict: Raise what otherwise is a warning.

    Raises:
        JellyError: with ``strict`` alone.
    """
    training.embed(folder, snapshot, strict=strict)
    for pattern in _WEIGHTS if weights else ():
        for path in sorted(Path(folder).glob(pattern)):
            training.embed(path, snapshot, strict=strict)
