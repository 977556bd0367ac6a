"""Keras models that carry the code: a callback that saves them in training, and the save calls.

    model.fit(..., callbacks=[SnapshotModelCheckpoint("model-{epoch}.keras")])
    save(model, "model.keras")

A ``.keras`` file is a zip file (JF-ZIP), a ``.weights.h5`` file is an HDF5 file (JF-HDF). Importing this imports
Keras 3.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras

from jellyformat import training
from jellyformat.training import Snapshot

training.begin()

__all__ = ["SnapshotModelCheckpoint", "save", "save_weights"]


class SnapshotModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """``keras.callbacks.ModelCheckpoint``, each file carrying the snapshot that is there when ``fit`` begins.

    Its labels are the epoch, counted from 1 as in the file's name, and what is logged.

    Args:
        filepath: As there.
        args: As there.
        snapshot: What to put in; by default that of this process (`jellyformat.training`) when ``fit`` begins.
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        sign: Whether to sign each, or with which key (`jellyformat.training.mark`).
        kwargs: As there.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken, or, saving, none put in.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        *args: Any,
        snapshot: Snapshot | None = None,
        repo: str | os.PathLike[str] | None = None,
        strict: bool = False,
        sign: bool | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filepath, *args, **kwargs)
        self._given = snapshot
        self._repo = repo
        self._strict = strict
        self._sign = sign
        self._carried: Snapshot | None = None
        self._epoch = 0
        self._said: dict[str, object] = {}

    def set_model(self, model: Any) -> None:
        """Have what is saved of the model carry the snapshot; called by Keras."""
        super().set_model(_Saving(model, self._put))

    def on_train_begin(self, logs: Any = None) -> None:
        """Take the snapshot; called by Keras."""
        self._carried = self._given or training.take(strict=self._strict, repo=self._repo)
        super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch, for the labels; called by Keras."""
        self._epoch = epoch + 1
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note what is saved within an epoch; called by Keras."""
        self._said = {"epoch": self._epoch, "batch": batch + 1, **(logs or {})}
        super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note what is saved at its end; called by Keras."""
        self._said = {"epoch": epoch + 1, **(logs or {})}
        super().on_epoch_end(epoch, logs)

    def _put(self, path: Any) -> None:
        _put(path, training.mark(self._carried, own=self._said, strict=self._strict, sign=self._sign), self._strict)


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
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> None:
    """``model.save`` with a snapshot in the file.

    Args:
        model: The model.
        filepath: The file.
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
    taken = snapshot or training.take(strict=strict, repo=repo, carriers=(filepath,))
    model.save(filepath, **kwargs)
    _put(filepath, training.mark(taken, labels, note, strict=strict, sign=sign), strict)


def save_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> None:
    """``model.save_weights`` with a snapshot; else as `save`."""
    taken = snapshot or training.take(strict=strict, repo=repo, carriers=(filepath,))
    model.save_weights(filepath, **kwargs)
    _put(filepath, training.mark(taken, labels, note, strict=strict, sign=sign), strict)


def _put(path: str | os.PathLike[str], snapshot: Snapshot | None, strict: bool) -> None:
    if snapshot is not None:
        training.embed(path, snapshot, strict=strict)
