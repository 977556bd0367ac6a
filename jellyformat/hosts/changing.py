"""Plans of adapters made for what is asked for, and carried out: in place, into a new file, as a copy (SPEC JF-HST)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jellyformat.errors import RefusedHost, Usage
from jellyformat.files.change import LockedFile, locked
from jellyformat.files.plans import WITHOUT_IN_PLACE, Plan, Rewrite
from jellyformat.hints import Hint, option
from jellyformat.hosts import fitness, model_signing
from jellyformat.hosts.adapter import Adapter, Carried, SplicingAdapter, TensorAdapter, TrailingAdapter
from jellyformat.hosts.registry import PathLike

AS_TENSOR, TRAILER = "as_tensor", "trailer"
"""Ways to lie in a file other than that of its kind."""
_TENSOR = "tensor"
"""How a container lies that is a tensor of the file's own."""


def embed(
    target: LockedFile,
    adapter: Adapter,
    data: bytes,
    form: str | None,
    *,
    out: PathLike | None,
    in_place: bool,
    copy: bool,
) -> None:
    """Put a container into a file.

    Args:
        target: The file.
        adapter: The adapter for it.
        data: The container.
        form: ``as_tensor``, or ``trailer`` where it is not known whether that is borne; None for that of its kind.
        out: A new file to write instead.
        in_place: Copy nothing of the file.
        copy: Write it anew under this name alone.

    Raises:
        RefusedHost: the file cannot carry it, or not so; or somebody signed it, and it would not be any more.
        JellyError: as `LockedFile.apply` and `LockedFile.splice`.
    """
    if form == AS_TENSOR and not isinstance(adapter, TensorAdapter):
        raise RefusedHost(
            f"a {adapter.name} file has no place for a tensor of ours",
            hint=Hint("nothing was changed; leave out ", option("as_tensor"), ", it is for safetensors files"),
        )
    if in_place and form != AS_TENSOR and isinstance(adapter, SplicingAdapter):
        splice = adapter.plan_embed_in_place(target.source, data, target.block)
        model_signing.check_not_signed(target.path, sidecar=True)
        target.splice(splice)
        return
    planned = adapter.plan_embed
    if form == AS_TENSOR and isinstance(adapter, TensorAdapter):
        planned = adapter.plan_embed_as_tensor
    elif form == TRAILER and isinstance(adapter, TrailingAdapter):
        planned = adapter.plan_embed_as_trailer
    plan = planned(target.source, data)
    if out is None:  # only now: what cannot carry it gets it beside
        model_signing.check_not_signed(target.path, sidecar=True)
    _apply(target, plan, adapter.name, out, in_place, copy)


def put_back(
    target: LockedFile,
    adapter: Adapter | None,
    carried: Carried,
    data: bytes,
    *,
    out: PathLike | None,
    in_place: bool,
    copy: bool,
) -> None:
    """Put a container in the place of the one that is there, in the form that it has.

    Args:
        target: The file that holds it.
        adapter: The adapter for it; None where the container stands alone.
        carried: The one that is there.
        data: The container.
        out: A new file to write instead.
        in_place: Copy nothing of the file, where that can be done.
        copy: Write it anew under this name alone.

    Raises:
        JellyError: as `embed`.
    """
    if out is None:
        model_signing.check_not_signed(target.path, sidecar=False)
    if adapter is None:
        target.apply(Rewrite((data,)), out=None if out is None else Path(out), copy=copy)
        return
    form = AS_TENSOR if carried.form == _TENSOR and isinstance(adapter, TensorAdapter) else None
    in_place = in_place and form is None and isinstance(adapter, SplicingAdapter)
    embed(target, adapter, data, form, out=out, in_place=in_place, copy=copy)


def strip(
    target: LockedFile, adapter: Adapter, carried: Carried, *, out: PathLike | None, in_place: bool, copy: bool
) -> None:
    """Take a container out of a file; arguments and errors as for `embed`."""
    if out is None:
        model_signing.check_not_signed(target.path, sidecar=False)
    if in_place and isinstance(adapter, SplicingAdapter):
        target.splice(adapter.plan_strip_in_place(target.source, carried, target.block))
    else:
        _apply(target, adapter.plan_strip(target.source, carried), adapter.name, out, in_place, copy)


def _apply(target: LockedFile, plan: Plan, host: str, out: PathLike | None, in_place: bool, copy: bool) -> None:
    """Carry a plan out. Zip files and those with a trailer are changed in place in any case; others would be copied."""
    if in_place and isinstance(plan, Rewrite):
        raise RefusedHost(f"a file of this kind ({host}) cannot be changed in place", hint=WITHOUT_IN_PLACE)
    target.apply(plan, out=None if out is None else Path(out), copy=copy)


@contextlib.contextmanager
def holding(host: Path, place: Path, *, out: PathLike | None, copy: bool) -> Iterator[LockedFile]:
    """The file that holds a container, open and locked for `put_back`.

    Args:
        host: The file that was named.
        place: The one that holds its container.
        out: A new file to write instead.
        copy: Whether it is written anew under this name alone.

    Raises:
        Usage: a new file is asked for, and the container is not in the file that was named.
        JellyError: the file is in a store that others read from, and as `locked`.
    """
    if out is None:
        fitness.check_no_store(place)
    elif place != host:
        raise Usage(
            f"the snapshot of {host} is not in it but in {place}, so no new file of it can be written",
            hint=Hint("nothing was changed; copy both, and change the copy without ", option("out", "OUT")),
        )
    with locked(place, write=not (out or copy), or_read=True) as target:
        yield target


def check_one_way(
    *,
    out: PathLike | None = None,
    in_place: bool = False,
    copy: bool = False,
    sidecar: bool = False,
    trailer: bool = False,
    as_tensor: bool = False,
    directory: bool = False,
) -> None:
    """Raises Usage where more than one of these is asked for."""
    ways = (
        (out is not None, option("out", "OUT")),
        (in_place, option("in_place")),
        (copy, option("copy")),
        (sidecar, option("sidecar")),
        (trailer, option("trailer")),
        (as_tensor, option("as_tensor")),
        (directory, option("directory")),
    )
    given = [hint for is_given, hint in ways if is_given]
    if len(given) > 1:
        raise Usage(
            "a snapshot goes to one place, and a file is changed in one way",
            hint=Hint("leave out either ", given[0], " or ", given[1]),
        )
