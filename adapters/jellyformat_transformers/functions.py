"""transformers' save calls with the code in the folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jellyformat import training
from jellyformat.training import Snapshot

_WEIGHTS = ("*.safetensors", "*model*.bin")
"""Files of weights, whole or shards; ``training_args.bin`` is none."""
_COSTS = ("_runtime", "_per_second", "total_flos")
"""What is logged and says nothing of the model."""


def save_model(
    trainer: Any,
    output_dir: str | None = None,
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    weights: bool = False,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
) -> None:
    """``trainer.save_model`` with a snapshot in the folder. To be called on every process, as that is.

    Args:
        trainer: The trainer.
        output_dir: The folder; None is that of the trainer.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        weights: Put it into each file of weights, too; a safetensors file is copied for that.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; the model is saved in the latter case.
    """
    first = trainer.is_world_process_zero()
    taken = snapshot or (training.take(strict=strict, ranks="all", repo=repo) if first else None)
    trainer.save_model(output_dir)
    taken = training.mark(taken, labels, note, own=said_of(trainer.state), strict=strict, sign=sign)
    if first and taken is not None:
        put(output_dir or trainer.args.output_dir, taken, weights=weights, strict=strict)


def save_pretrained(
    model: Any,
    save_directory: str | os.PathLike[str],
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    weights: bool = False,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> None:
    """``model.save_pretrained`` with a snapshot in the folder.

    Args:
        model: Whatever has that method: a model, a tokenizer, a processor, a pipeline, a PEFT adapter.
        save_directory: The folder.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        weights: Put it into each file of weights, too; a safetensors file is copied for that.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        kwargs: Passed on.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; the model is saved in the latter case.
    """
    taken = snapshot or training.take(strict=strict, repo=repo)
    model.save_pretrained(save_directory, **kwargs)
    taken = training.mark(taken, labels, note, strict=strict, sign=sign)
    if taken is not None:
        put(save_directory, taken, weights=weights, strict=strict)


def said_of(state: Any) -> dict[str, object]:
    """What a trainer says of where it is: its step and epoch, and the numbers that it logged last."""
    said: dict[str, object] = {}
    for entry in state.log_history:
        said.update(
            {
                name: value
                for name, value in entry.items()
                if isinstance(value, (int, float)) and not name.endswith(_COSTS)
            }
        )
    said.pop("step", None)
    return {"global_step": state.global_step, **said, "epoch": state.epoch}


def put(folder: str | os.PathLike[str], snapshot: Snapshot, *, weights: bool, strict: bool) -> None:
    """Put the snapshot into a folder that was just written.

    Args:
        folder: The folder.
        snapshot: The snapshot.
        weights: Put it into each file of weights, too.
        strict: Raise what otherwise is a warning.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).

    Raises:
        JellyError: with ``strict`` alone.
    """
    training.embed(folder, snapshot, strict=strict)
    for pattern in _WEIGHTS if weights else ():
        for path in sorted(Path(folder).glob(pattern)):
            training.embed(path, snapshot, strict=strict)
