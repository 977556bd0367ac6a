"""The host adapter for GGUF: a trailer, where every tensor lies in front of it, and bindings by tensor (JF-GGF)."""

from __future__ import annotations

from jellyformat_gguf.adapter import ADAPTER, GgufAdapter

__all__ = ["ADAPTER", "GgufAdapter"]
