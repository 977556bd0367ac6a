"""Containers in safetensors files (SPEC 14.4)."""

from __future__ import annotations

from jellyformat_safetensors.adapter import ADAPTER, SafetensorsAdapter

__all__ = ["ADAPTER", "SafetensorsAdapter"]
