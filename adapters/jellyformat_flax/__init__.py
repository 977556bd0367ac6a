"""The host adapter for msgpack files of flax: the container lies beside them, bound to what they hold (SPEC JF-FLX)."""

from __future__ import annotations

from jellyformat_flax.adapter import ADAPTER, FlaxAdapter

__all__ = ["ADAPTER", "FlaxAdapter"]
