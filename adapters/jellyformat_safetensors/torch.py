"""`safetensors.torch`, with a snapshot of the code in what is saved. Importing this imports torch and safetensors."""

from __future__ import annotations

import os
from collections.abc import Mapping

import safetensors.torch as framework
import torch
from safetensors.torch import load, load_file, load_model

from jellyformat import training
from jellyformat.training import Snapshot, embedded, save_beside
from jellyformat_safetensors.adapter import ADAPTER
from jellyformat_safetensors.saving import capture, own_metadata, own_tensors, write_tensors

__all__ = ["load", "load_file", "load_model", "save", "save_file", "save_model"]


def save_file(
    tensors: Mapping[str, torch.Tensor],
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
    """`safetensors.torch.save_file`, with a snapshot in the file (SPEC JF-SFT).

    The file is written beside ``filename`` and renamed over it when the snapshot is in it: what was there before
    stays until then. A snapshot that came with ``tensors`` or ``metadata`` from another file gives way.

    Args:
        tensors: Names to torch tensors.
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
        JellyError: with ``strict``, the repository cannot be captured or the snapshot not embedded; ``filename``
            is as it was.
    """
    taken = training.mark(capture(snapshot, repo, history, strict, filename), labels, note, strict=strict, sign=sign)
    write_tensors(framework.save_file, tensors, filename, metadata, taken, strict=strict)


def save(
    tensors: Mapping[str, torch.Tensor],
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
    """`safetensors.torch.save`, with a snapshot in the bytes returned (SPEC JF-SFT).

    Args:
        tensors: Names to torch tensors.
        metadata: Text to save beside the tensors.
        snapshot: From ``jellyformat.snapshot``; None takes that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        history: ``head``, ``full``, or the number of commits to take along.
        strict: Raise where there can be no snapshot; else that is a warning, and the tensors are saved without.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).

    Raises:
        JellyError: with ``strict``, the repository cannot be captured or the snapshot not embedded.
    """
    taken = training.mark(capture(snapshot, repo, history, strict), labels, note, strict=strict, sign=sign)
    return embedded(
        framework.save(own_tensors(tensors), metadata=own_metadata(metadata)), ADAPTER, taken, strict=strict
    )


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
    """`safetensors.torch.save_model`, with a snapshot in the file (SPEC JF-SFT); else as ``save_file``.

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
    taken = training.mark(capture(snapshot, repo, history, strict, filename), labels, note, strict=strict, sign=sign)
    text = own_metadata(metadata)
    save_beside(filename, lambda path: framework.save_model(model, path, text, force_contiguous), taken, strict=strict)
