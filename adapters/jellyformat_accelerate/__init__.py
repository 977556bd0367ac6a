"""accelerate checkpoints that carry the code.

    register(accelerator)
    accelerator.save_state("checkpoint"); save_model(accelerator, model, "model")

The snapshot is a file in the folder. Importing this imports no framework: the accelerator is given.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jellyformat import training

if TYPE_CHECKING:
    from jellyformat.training import Snapshot

__all__ = ["register", "save_model"]


def register(
    accelerator: Any,
    snapshot: Snapshot | None = None,
    *,
    strict: bool = False,
    sign: bool | str | None = None,
    **capture_options: Any,
) -> Any:
    """Have every ``accelerator.save_state`` put a snapshot into its folder. The main process does it.

    Its label is the accelerator's step; `jellyformat.training.label` says more.

    Args:
        accelerator: The accelerator.
        snapshot: What to put in; by default that of this process (`jellyformat.training`), taken now.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``.

    Returns:
        A handle; its method ``remove`` ends it.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken, or, saving, none put in.
    """
    taken = snapshot
    if taken is None and accelerator.is_main_process:
        taken = training.take(strict=strict, ranks="all", **capture_options)

    def put(models: Any, weights: Any, output_dir: str) -> None:
        if taken is not None and accelerator.is_main_process:
            marked = training.mark(taken, own={"step": accelerator.step}, strict=strict, sign=sign) or taken
            training.embed(output_dir, marked, strict=strict)

    return accelerator.register_save_state_pre_hook(put)


def save_model(
    accelerator: Any,
    model: Any,
    save_directory: str | os.PathLike[str],
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> None:
    """``accelerator.save_model`` with a snapshot in the folder.

    Args:
        accelerator: The accelerator.
        model: The model.
        save_directory: The folder.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        kwargs: Passed on.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; the model is saved in the latter case.
    """
    taken = snapshot
    if taken is None and accelerator.is_main_process:
        taken = training.take(strict=strict, ranks="all", repo=repo)
    accelerator.save_model(model, save_directory, **kwargs)
    taken = training.mark(taken, labels, note, strict=strict, sign=sign) if accelerator.is_main_process else None
    if taken is not None:
        training.embed(save_directory, taken, strict=strict)


training.begin()
