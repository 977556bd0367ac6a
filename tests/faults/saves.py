"""The frameworks' save calls, each over an older checkpoint: how they are begun, and how what they saved is loaded.

Nothing is imported before it is needed: each framework takes seconds.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import craft

from jellyformat.snapshots import Snapshot

VALUES = [float(value) for value in range(64)]
MARK = "/the framework itself is done"
ELSEWHERE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""A directory for temporary files that is on another disk than the checkpoint, as it often is."""


@dataclass(frozen=True)
class SaveCall:
    """A save call.

    Attributes:
        begin: Gets ready to save `VALUES` with a snapshot to a path.
        load: What the framework reads of it.
        name: Of the file or folder.
        carrier: What carries the snapshot, below that: empty for itself.
        in_place: Whether the framework writes over what was there itself; else the file is the old or the new one at
            every instant. When it has done so, it says `MARK`.
    """

    begin: Callable[[Path, Snapshot], Callable[[], object]]
    load: Callable[[Path], list[float]]
    name: str = "host"
    carrier: str = ""
    in_place: bool = False


class Marked:
    """A model that says when the framework has saved it."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        def saved(*args: Any, **kwargs: Any) -> None:
            getattr(self._model, name)(*args, **kwargs)
            with contextlib.suppress(OSError):
                os.open(MARK, os.O_RDONLY)

        return saved


def begin_torch(path: Path, snap: Snapshot) -> Callable[[], object]:
    import jellyformat_torch
    import torch

    return lambda: jellyformat_torch.save({"w": torch.tensor(VALUES)}, path, snapshot=snap, strict=True)


def load_torch(path: Path) -> list[float]:
    import torch

    return list(torch.load(path, weights_only=True)["w"].tolist())


def begin_safetensors(path: Path, snap: Snapshot) -> Callable[[], object]:
    import torch
    from jellyformat_safetensors.torch import save_file

    return lambda: save_file({"w": torch.tensor(VALUES)}, path, snapshot=snap, strict=True)


def load_safetensors(path: Path) -> list[float]:
    import safetensors.torch

    return list(safetensors.torch.load_file(path)["w"].tolist())


def begin_numpy(path: Path, snap: Snapshot) -> Callable[[], object]:
    import jellyformat_numpy
    import numpy

    return lambda: jellyformat_numpy.savez(path, w=numpy.array(VALUES), snapshot=snap, strict=True)


def load_numpy(path: Path) -> list[float]:
    import numpy

    with numpy.load(path) as file:
        return list(file["w"].tolist())


def begin_pickle(path: Path, snap: Snapshot) -> Callable[[], object]:
    import jellyformat_pickle

    return lambda: jellyformat_pickle.dump({"w": VALUES}, path, snapshot=snap, strict=True)


def load_pickle(path: Path) -> list[float]:
    with open(path, "rb") as file:
        return list(pickle.load(file)["w"])


def begin_lightning(path: Path, snap: Snapshot) -> Callable[[], object]:
    import torch
    from jellyformat_lightning import SnapshotCheckpointIO

    writer = SnapshotCheckpointIO(snap, strict=True)

    def save() -> None:
        usual, tempfile.tempdir = tempfile.tempdir, ELSEWHERE
        try:
            writer.save_checkpoint({"w": torch.tensor(VALUES)}, path)
        finally:
            tempfile.tempdir = usual

    return save


@cache
def keras_model() -> Any:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(8, use_bias=False)])
    model.layers[0].kernel.assign([VALUES[at : at + 8] for at in range(0, 64, 8)])
    return model


def begin_keras(path: Path, snap: Snapshot) -> Callable[[], object]:
    keras_model()
    import jellyformat_keras

    return lambda: jellyformat_keras.save(Marked(keras_model()), path, snapshot=snap, strict=True)


def load_keras(path: Path) -> list[float]:
    keras_model()
    import keras

    (kernel,) = keras.models.load_model(path).get_weights()
    return [float(value) for value in kernel.ravel()]


@cache
def transformers_model() -> Any:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # its lock is one of all processes, and a child that was killed would keep it
    model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=8, n_positions=8))
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(torch.tensor(VALUES).reshape(8, 8))
    return model


def begin_transformers(path: Path, snap: Snapshot) -> Callable[[], object]:
    transformers_model()
    from jellyformat_transformers import save_pretrained

    return lambda: save_pretrained(Marked(transformers_model()), path, snapshot=snap, strict=True, weights=True)


def load_transformers(path: Path) -> list[float]:
    import safetensors.torch

    tensors = safetensors.torch.load_file(path / "model.safetensors")
    return list(tensors["transformer.wpe.weight"].ravel().tolist())


SAVES: dict[str, SaveCall] = {
    "torch": SaveCall(begin_torch, load_torch),
    "safetensors": SaveCall(begin_safetensors, load_safetensors),
    "numpy": SaveCall(begin_numpy, load_numpy, "host.npz"),
    "pickle": SaveCall(begin_pickle, load_pickle),
    "lightning": SaveCall(begin_lightning, load_torch, "host.ckpt"),
    "transformers": SaveCall(begin_transformers, load_transformers, carrier="jellyformat.jelly", in_place=True),
    "keras": SaveCall(begin_keras, load_keras, "host.keras", in_place=True),
}


def begin(kind: str, directory: Path) -> Callable[[], object]:
    """Gets ready to save in ``directory``, with the snapshot ``jelly`` that is there."""
    return SAVES[kind].begin(directory / SAVES[kind].name, Snapshot((directory / "jelly").read_bytes()))


@cache
def warm_up(kind: str) -> None:
    """Saves once, so that all is loaded that is only loaded when it is needed."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "jelly").write_bytes(craft.assemble(*craft.good()))
        begin(kind, Path(name))()
