"""Many files looked at by the workers of a Ray cluster."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from jellyformat.errors import SystemFailure, Usage
from jellyformat.fleet.workers import Run

_Job = TypeVar("_Job")
_Done = TypeVar("_Done")


@contextmanager
def on_cluster(address: str | None) -> Iterator[Run]:
    """`Run` on Ray Data.

    Args:
        address: Of the cluster; None: that which is named in the environment, else one of this machine alone, which
            ends with the body.

    Raises:
        Usage: ray is not installed.
        SystemFailure: the cluster cannot be reached.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise Usage("Ray is not installed", hint="pip install 'jellyformat[fleet]'") from error
    ours = not ray.is_initialized()
    if ours:
        options: dict[str, Any] = {"address": address}
        if address == "local" or (address is None and "RAY_ADDRESS" not in os.environ):
            options = {"address": "local", "include_dashboard": False}
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except Exception as error:  # Ray has kinds of its own
            raise SystemFailure(f"the Ray cluster cannot be reached: {error}", hint="nothing was changed") from error
    try:
        yield _run
    finally:
        if ours:
            ray.shutdown()


def _run(
    work: Callable[[Sequence[_Job]], _Done], parts: Iterable[Sequence[_Job]]
) -> Iterator[tuple[Sequence[_Job], _Done]]:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context.max_errored_blocks = -1  # what has no answer is tried again, and told of in the end
    kept = list(parts)
    if not kept:
        return
    todo = [{"number": number, "jobs": pickle.dumps(part)} for number, part in enumerate(kept)]

    def answer(item: dict[str, Any]) -> dict[str, Any]:
        return {"number": item["number"], "done": pickle.dumps(work(pickle.loads(item["jobs"])))}

    # Ray itself gives a part three times to another worker when one dies
    blocks = ray.data.from_items(todo, override_num_blocks=len(todo))
    for item in blocks.map(answer).iter_rows():
        yield kept[item["number"]], pickle.loads(item["done"])  # made by our own code, on a cluster of the user's
