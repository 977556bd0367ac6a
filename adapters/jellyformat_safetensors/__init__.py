"""Containers in safetensors files (SPEC JF-SFT), and safetensors' own save functions with a snapshot in what they save.

`jellyformat_safetensors.torch` and `.numpy` mirror `safetensors.torch` and `.numpy`; the functions here pick one of
them by the tensors. Importing this package imports no framework.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jellyformat import training
from jellyformat_safetensors.adapter import ADAPTER, SafetensorsAdapter

if TYPE_CHECKING:
    import torch

    from jellyformat.training import Snapshot

__all__ = ["ADAPTER", "SafetensorsAdapter", "save", "save_file", "save_model"]


def save_file(
    tensors: Mapping[str, Any],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    history: str | int = "head",
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
) -> None:
    """Save torch or numpy tensors with a snapshot: ``save_file`` of the module for the first tensor's framework.

    Args:
        tensors: Names to tensors, all of one framework.
        filename: The file to make.
        metadata: Text to save beside the tensors.
        snapshot: From ``jellyformat.snapshot``; None takes that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        history: ``head``, ``full``, or the number of commits to take along.
        strict: Raise where there can be no snapshot; else that is a warning, and the tensors are saved without.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).

    Raises:
        Usage: the tensors are of another framework.
        JellyError: with ``strict``, the repository cannot be captured or the snapshot not embedded; ``filename``
            is as it was.
    """
    module = _module_for(tensors)
    module.save_file(
        tensors,
        filename,
        metadata,
        snapshot=snapshot,
        repo=repo,
        history=history,
        strict=strict,
        labels=labels,
        note=note,
        sign=sign,
    )


def save(
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    history: str | int = "head",
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
) -> bytes:
    """The bytes of a safetensors file with a snapshot: ``save`` of the module for the first tensor's framework.

    Args:
        tensors: Names to tensors, all of one framework.
        metadata: Text to save beside the tensors.
        snapshot: From ``jellyformat.snapshot``; None takes that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        history: ``head``, ``full``, or the number of commits to take along.
        strict: Raise where there can be no snapshot; else that is a warning, and the tensors are saved without.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).

    Raises:
        Usage: the tensors are of another framework.
        JellyError: with ``strict``, the repository cannot be captured or the snapshot not embedded.
    """
    module = _module_for(tensors)
    saved: bytes = module.save(
        tensors,
        metadata,
        snapshot=snapshot,
        repo=repo,
        history=history,
        strict=strict,
        labels=labels,
        note=note,
        sign=sign,
    )
    return saved


def save_model(
    model: torch.nn.Module,
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    force_contiguous: bool = True,
    *,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    history: str | int = "head",
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
) -> None:
    """Save a torch model with a snapshot: ``jellyformat_safetensors.torch.save_model``.

    Args:
        model: Its state dict is saved, tensors that share memory once.
        filename: The file to make.
        metadata: Text to save beside the tensors.
        force_contiguous: Whether to make tensors contiguous first.
        snapshot: From ``jellyformat.snapshot``; None takes that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        history: ``head``, ``full``, or the number of commits to take along.
        strict: Raise where there can be no snapshot; else that is a warning, and the tensors are saved without.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).

    Raises:
        JellyError: with ``strict``, the repository cannot be captured or the snapshot not embedded; ``filename``
            is as it was.
    """
    module = import_module(f"{__name__}.torch")
    module.save_model(
        model,
        filename,
        metadata,
        force_contiguous,
        snapshot=snapshot,
        repo=repo,
        history=history,
        strict=strict,
        labels=labels,
        note=note,
        sign=sign,
    )


def _module_for(tensors: Mapping[str, Any]) -> ModuleType:
    from jellyformat_safetensors.saving import framework_of  # here: who only reads files needs no capture

    return import_module(f"{__name__}.{framework_of(tensors)}")


training.begin()
