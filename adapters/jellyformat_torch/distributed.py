"""torch's distributed checkpoints with the code in their directory: a file beside the shards.

``jellyformat_torch.distributed.save(state, checkpoint_id="step-100")``. This module needs torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from jellyformat import training
from jellyformat.adapter import Usage
from jellyformat.training import Snapshot


def save(
    state_dict: Any,
    *,
    checkpoint_id: str | os.PathLike[str] | None = None,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> Any:
    """``torch.distributed.checkpoint.save`` with a snapshot in the directory, when all else is in it.

    To be called on every process, as that is; the coordinator takes the snapshot and puts it in.

    Args:
        state_dict: What to save.
        checkpoint_id: The directory, or a URL that fsspec knows; None is that of the ``storage_writer``.
        snapshot: What to put in; by default that of this process (`jellyformat.training`).
        repo: Where to take it: a directory of the repository; None is that of the program (`jellyformat.training`).
        strict: Raise what otherwise is a `jellyformat.training.SnapshotWarning`.
        labels: What is said of the checkpoint, such as ``{"epoch": 3}``, beside `jellyformat.training.label`.
        note: The same, as a text.
        sign: Whether to sign it, or with which key (`jellyformat.training.mark`).
        kwargs: Passed on, such as ``storage_writer``, ``process_group`` and ``no_dist``.

    Returns:
        What torch returns.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken or put in; the checkpoint is saved in the latter case.
    """
    put = _putting(checkpoint_id, snapshot, repo, strict, labels, note, sign, kwargs)
    saved = dcp.save(state_dict, checkpoint_id=checkpoint_id, **kwargs)
    put()
    return saved


def async_save(
    state_dict: Any,
    *,
    checkpoint_id: str | os.PathLike[str] | None = None,
    snapshot: Snapshot | None = None,
    repo: str | os.PathLike[str] | None = None,
    strict: bool = False,
    labels: Mapping[str, object] | None = None,
    note: str | None = None,
    sign: bool | str | None = None,
    **kwargs: Any,
) -> Any:
    """``torch.distributed.checkpoint.async_save`` with a snapshot in the directory; arguments as for `save`.

    Returns:
        What torch returns: its future, or that of the upload, is done when the snapshot is in, too.

    Raises:
        JellyError: with ``strict``, no snapshot can be taken; that it cannot be put in, the future raises.
    """
    put = _putting(checkpoint_id, snapshot, repo, strict, labels, note, sign, kwargs)
    saved = dcp.async_save(state_dict, checkpoint_id=checkpoint_id, **kwargs)
    if isinstance(saved, Future):
        return _then(saved, put)
    return replace(saved, upload_completion=_then(saved.upload_completion, put))


def _putting(
    checkpoint_id: str | os.PathLike[str] | None,
    snapshot: Snapshot | None,
    repo: str | os.PathLike[str] | None,
    strict: bool,
    labels: Mapping[str, object] | None,
    note: str | None,
    sign: bool | str | None,
    kwargs: dict[str, Any],
) -> Callable[[], None]:
    """What puts the snapshot, which is taken now, into the directory; does nothing on other processes."""
    group = kwargs.get("process_group")
    if kwargs.get("no_dist") or not (dist.is_available() and dist.is_initialized()):
        first = training.is_first_rank()
    else:
        first = dist.get_rank(group) == 0
    taken = snapshot
    if taken is None and first:
        taken = training.take(strict=strict, ranks="all", repo=repo)
    taken = training.mark(taken, labels, note, strict=strict, sign=sign) if first else None

    def put() -> None:
        if taken is None or not first:
            return
        place: Any = checkpoint_id or getattr(kwargs.get("storage_writer"), "path", "")
        if place:
            put_in = training.embed_remotely if "://" in os.fspath(place) else training.embed
            put_in(place, taken, strict=strict)
            return
        error = Usage("nothing says where the storage writer writes to", hint="name a checkpoint_id")
        if strict:
            raise error
        training.warn_of_loss(error)

    return put


def _then(future: Future[Any], action: Callable[[], None]) -> Future[Any]:
    """A future that is done when ``action`` is, too; with a callback alone, a waiter could come first."""
    after: Future[Any] = Future()

    def done(before: Future[Any]) -> None:
        try:
            result = before.result()
            action()
        except BaseException as error:
            after.set_exception(error)
        else:
            after.set_result(result)

    future.add_done_callback(done)
    return after
