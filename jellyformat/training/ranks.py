"""Which of the processes that train together takes the snapshot. Of the standard library alone: adapters import it."""

from __future__ import annotations

import os
import sys

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
OVERRIDE = "JELLYFORMAT_RANKS"
"""The environment variable that says the same as ``ranks=``: ``first`` or ``all``."""
_NODES = ("NODE_RANK", "LOCAL_RANK")
"""What Lightning tells the processes it starts; both are 0 in the first."""


def is_first_rank() -> bool:
    """Whether this process is the first of those that train together, or the only one.

    Asked in this order: torch.distributed, if it is imported and initialised; ``RANK``, as torchrun and accelerate set
    it; ``SLURM_PROCID``; the variables of MPI; ``NODE_RANK`` and ``LOCAL_RANK``, as Lightning sets them.
    """
    distributed = sys.modules.get("torch.distributed")
    try:
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            return int(distributed.get_rank()) == 0
    except Exception:  # whatever a half-imported framework raises, training goes on
        return True
    for name in _RANKS:
        value = os.environ.get(name, "")
        if value.isascii() and value.isdigit():
            return int(value) == 0
    return not any(os.environ.get(name, "").strip("0").isdigit() for name in _NODES)
