"""Lightning checkpoints that carry the code: a callback and a checkpoint plugin.

    Trainer(callbacks=[SnapshotCallback()])
    Trainer(plugins=[AsyncCheckpointIO(SnapshotCheckpointIO())])

Importing this imports Lightning: the package ``pytorch_lightning`` where that alone is imported already or installed,
else ``lightning``.
"""

from __future__ import annotations

from jellyformat_lightning.callback import SnapshotCallback
from jellyformat_lightning.checkpoint_io import SnapshotCheckpointIO

__all__ = ["SnapshotCallback", "SnapshotCheckpointIO"]
