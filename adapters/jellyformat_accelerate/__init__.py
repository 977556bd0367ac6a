"""accelerate checkpoints that carry the code.

    register(accelerator)
    accelerator.save_state("checkpoint"); save_model(accelerator, model, "model")

The snapshot is a file in the folder. Importing this imports nothing: the accelerator is given.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jellyformat.snapshots import Snapshot

__all__ = ["register", "save_model"]


def register(
    accelerator: Any, snapshot: Snapshot | None = None, *, strict: bool = False, **capture_options: Any
) -> Any:
    """Have every ``accelerator.save_state`` put a snapshot into its folder. The main process does it.

    Args:
        accelerator: The accelerator.
        snapshot: What to put in; by default that of this process (`jellyformat.training`), taken now.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        capture_options: As `jellyformat.snapshot` takes them, such as ``repo`` and ``history``.

    Returns:
        A handle; its method ``remove`` ends it.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken, or, saving, none put in.
    """
    from jellyformat import training

    taken = snapshot
    if taken is None and accelerator.is_main_process:
        taken = training.take(strict=strict, ranks="all", **capture_options)

    def put(models: Any, weights: Any, output_dir: str) -> None:
        if taken is not None and accelerator.is_main_process:
            training.embed(output_dir, taken, strict=strict)

    return accelerator.register_save_state_pre_hook(put)


def save_model(
    accelerator: Any,
    model: Any,
    save_directory: str | os.PathLike[str],
    *,
    snapshot: Snapshot | None = None,
    strict: bool = False,
    **kwargs: Any,
) -> None:
    """``accelerator.save_model`` with a snapshot in the folder.

    Args:
        accelerator: The accelerator.
        model: The model.
        save_directory: The folder.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        kwargs: Passed on.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; the model is saved in the latter case.
    """
    from jellyformat import training

    taken = snapshot
    if taken is None and accelerator.is_main_process:
        taken = training.take(strict=strict, ranks="all")
    accelerator.save_model(model, save_directory, **kwargs)
    if taken is not None and accelerator.is_main_process:
        training.embed(save_directory, taken, strict=strict)
