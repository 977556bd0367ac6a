"""Keras models that carry the code: a callback that saves them in training, and the save calls.

    model.fit(..., callbacks=[SnapshotModelCheckpoint("model-{epoch}.keras")])
    save(model, "model.keras")

A ``.keras`` file is a zip file (SPEC 14.2), a ``.weights.h5`` file is an HDF5 file (SPEC 14.9). Importing this imports
Keras 3.
"""

from __future__ import annotations

import os
from typing import Any

import keras

from jellyformat import training
from jellyformat.snapshots import Snapshot

__all__ = ["SnapshotModelCheckpoint", "save", "save_weights"]


class SnapshotModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """``keras.callbacks.ModelCheckpoint``, each file carrying the snapshot that is there when ``fit`` begins.

    Args:
        filepath: As there.
        args: As there.
        snapshot: What to put in; by default that of this process (`jellyformat.training`) when ``fit`` begins.
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        kwargs: As there.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken, or, saving, none put in.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        *args: Any,
        snapshot: Snapshot | None = None,
        strict: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(filepath, *args, **kwargs)
        self._given = snapshot
        self._strict = strict
        self._carried: Snapshot | None = None

    def set_model(self, model: Any) -> None:
        """Have what is saved of the model carry the snapshot; called by Keras."""
        super().set_model(_Saving(model, self._put))

    def on_train_begin(self, logs: Any = None) -> None:
        """Take the snapshot; called by Keras."""
        self._carried = self._given or training.take(strict=self._strict)
        super().on_train_begin(logs)

    def _put(self, path: Any) -> None:
        _put(path, self._carried, self._strict)


class _Saving:
    """A model that tells what it has saved."""

    def __init__(self, model: Any, saved: Any) -> None:
        self._model = model
        self._saved = saved

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        self._model.save(filepath, *args, **kwargs)
        self._saved(filepath)

    def save_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        self._model.save_weights(filepath, *args, **kwargs)
        self._saved(filepath)


def save(
    model: Any,
    filepath: str | os.PathLike[str],
    *,
    snapshot: Snapshot | None = None,
    strict: bool = False,
    **kwargs: Any,
) -> None:
    """``model.save`` with a snapshot in the file.

    Args:
        model: The model.
        filepath: The file.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        kwargs: Passed on.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; the model is saved in the latter case.
    """
    taken = snapshot or training.take(strict=strict, carriers=(filepath,))
    model.save(filepath, **kwargs)
    _put(filepath, taken, strict)


def save_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    *,
    snapshot: Snapshot | None = None,
    strict: bool = False,
    **kwargs: Any,
) -> None:
    """``model.save_weights`` with a snapshot; else as `save`."""
    taken = snapshot or training.take(strict=strict, carriers=(filepath,))
    model.save_weights(filepath, **kwargs)
    _put(filepath, taken, strict)


def _put(path: str | os.PathLike[str], snapshot: Snapshot | None, strict: bool) -> None:
    if snapshot is not None:
        training.embed(path, snapshot, strict=strict)
