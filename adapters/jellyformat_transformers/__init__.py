"""transformers checkpoints and models that carry the code: a trainer callback, and the save calls.

    Trainer(..., callbacks=[SnapshotCallback()])
    save_model(trainer, "model"); save_pretrained(model, "model")

The snapshot is a file in the folder, beside the weights. Importing this imports transformers.
"""

from __future__ import annotations

from jellyformat import training
from jellyformat_transformers.callback import SnapshotCallback
from jellyformat_transformers.functions import save_model, save_pretrained

__all__ = ["SnapshotCallback", "save_model", "save_pretrained"]

training.begin()
