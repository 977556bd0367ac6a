"""The classes of Lightning: it is published under two names, whose classes are different ones."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

_old = "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules
_old = _old or find_spec("lightning") is None
_pytorch = "pytorch_lightning" if _old else "lightning.pytorch"
_fabric = "lightning_fabric" if _old else "lightning.fabric"

Callback = import_module(f"{_pytorch}.callbacks").Callback
TorchCheckpointIO = import_module(f"{_fabric}.plugins").TorchCheckpointIO
