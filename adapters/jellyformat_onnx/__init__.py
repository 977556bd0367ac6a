"""The host adapter for ONNX models: one more field behind the message, which every reader skips (SPEC JF-ONX)."""

from __future__ import annotations

from jellyformat_onnx.adapter import ADAPTER, OnnxAdapter

__all__ = ["ADAPTER", "OnnxAdapter"]
